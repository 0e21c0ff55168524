// One element from one, two or many elements, with broadcasting; numbers, comparisons, logic, bits, conversions.
#include <cmath>
#include <limits>

#include "table.h"

namespace chorus_paddle {
namespace {

namespace api = paddle::experimental;

void add_all(Call& c) { c.out(0, add(c.in(0), c.in(1))); }
void subtract(Call& c) { c.out(0, sub(c.in(0), c.in(1))); }
void multiply(Call& c) { c.out(0, mul(c.in(0), c.in(1))); }
void divide(Call& c) { c.out(0, div(c.in(0), c.in(1))); }

// The sign is that of the dividend; the remainder of positive numbers is exact.
Tensor float_remainder(const Tensor& a, const Tensor& b) {
  const Tensor r = api::remainder(api::abs(a), api::abs(b));
  return where(lt(a, 0), neg(r), r);
}

// A rest of zero has the divisor's sign too.
Tensor float_modulo(const Tensor& a, const Tensor& b) {
  const Tensor r = api::remainder(a, b);
  return where(eq(r, 0), api::copysign(r, b.expand(r.sizes())), r);
}

void mod(Call& c) {
  const Tensor a = c.in(0), b = c.in(1);
  if (a.numel() == 0 || b.numel() == 0) return c.out(0, mul(a, b));
  const bool truncates = c.i("fmod", 0) != 0;
  if (is_float(a.type())) return c.out(0, truncates ? float_remainder(a, b) : float_modulo(a, b));
  c.require(!any(eq(b, 0)), "a divisor is 0");
  if (truncates) return c.out(0, sub(a, mul(div(a, b), b)));
  c.out(0, api::remainder(a, where(eq(b, -1), 1, b)));  // the least number by -1 would end the process
}

// In the wider of the two types; the base's type comes back at the end.
void power(Call& c) {
  const Tensor a = c.in(0), b = c.in(1);
  const Type type = a.type() == b.type()                                                ? a.type()
                    : is_complex(a.type())                                              ? a.type()
                    : a.type() == kDouble || b.type() == kDouble || !is_float(a.type()) ? kDouble
                                                                                        : a.type();
  const bool whole = a.type() == kLong && b.type() == kLong;
  if (whole && a.numel() > 0 && b.numel() > 0 && b.numel() == 1 && to_ints(b)[0] >= 0 && to_ints(b)[0] < 64) {
    Tensor y = full(broadcast_shape(a.sizes(), b.sizes()), 1, kLong);  // exact, where a power of doubles is not
    for (int64_t k = to_ints(b)[0]; k > 0; --k) y = mul(y, a);
    return c.out(0, y);
  }
  c.out(0, pow(a.to(type), b.to(type)));
}

void sum_of(Call& c) {
  Tensor x = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) x = add(x, c.in(i));
  c.out(0, x);
}

void mean_of(Call& c) {
  Tensor x = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) x = add(x, c.in(i));
  c.out(0, div(x, static_cast<double>(c.inputs())));
}

// NaN wins in ONNX and in maximum and minimum.
void maximum_of(Call& c) {
  Tensor x = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) x = maximum(x, c.in(i));
  c.out(0, x);
}

void minimum_of(Call& c) {
  Tensor x = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) x = minimum(x, c.in(i));
  c.out(0, x);
}

void clip(Call& c) {
  Tensor y = c.in(0);
  const Tensor low = c.in(1), high = c.in(2);
  if (low.defined()) y = maximum(y, low);
  if (high.defined()) y = minimum(y, high);
  c.out(0, y);
}

void select(Call& c) { c.out(0, where(c.in(0), c.in(1), c.in(2))); }

void is_inf(Call& c) {
  const Tensor x = c.in(0);
  const double infinity = std::numeric_limits<double>::infinity();
  Tensor y = fresh(x.sizes(), kBool);
  if (x.numel() == 0) return c.out(0, y);
  const bool up = c.i("detect_positive", 1) != 0, down = c.i("detect_negative", 1) != 0;
  y = up ? eq(x, infinity) : zeros(x.sizes(), kBool);
  c.out(0, down ? either(y, eq(x, -infinity)) : y);
}

template <paddle::Tensor (*F)(const paddle::Tensor&, const paddle::Tensor&, paddle::optional<paddle::Tensor*>)>
void bitwise(Call& c) {
  const Tensor a = c.in(0), b = c.in(1);
  if (a.numel() == 0 || b.numel() == 0) return c.out(0, fresh(broadcast_shape(a.sizes(), b.sizes()), a.type()));
  c.out(0, F(a, b, paddle::none));
}

// Operands are int64, of which uint64 has the bits: its highest one is no sign. Shifts of the width and more leave nothing but signs.
void bit_shift(Call& c) {
  const Tensor x = c.in(0), given = c.in(1);
  if (x.numel() == 0 || given.numel() == 0) return c.out(0, mul(x, given));
  const Tensor out = either(lt(given, 0), ge(given, 64)), n = where(out, 0, given);
  if (c.s("direction", "") == "LEFT") return c.out(0, where(out, 0, api::bitwise_left_shift(x, n, true)));
  const bool has_sign = c.out_type(0) != Type::UINT64;
  const Tensor none = zeros({}, kLong), signs = has_sign ? where(lt(x, 0), -1, none) : none;
  c.out(0, where(out, signs, api::bitwise_right_shift(x, n, has_sign)));
}

void identity(Call& c) {
  if (c.has(0) && c.slot_in(0).list) return c.out_list(0, c.list(0));
  c.out(0, c.in(0));
}

void absolute(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, c.is_unsigned() || x.numel() == 0 ? x : Tensor(api::abs(x)));
}

void round(Call& c) {  // halves to even
  const Tensor x = c.in(0);
  c.out(0, x.numel() == 0 ? x : Tensor(api::round(x, 0)));
}

void erf(Call& c) {
  const Tensor x = c.in(0);
  if (x.numel() == 0) return c.out(0, x);
  c.out(0, api::erf(is_float(x.type()) ? x : x.to(kDouble)));
}

double largest_of(Type type) { return type == Type::FLOAT8_E4M3FN ? 448 : 57344; }

constexpr double kRoundsToLargest = 464;  // of float8e4m3fn: halfway from 448 to the next step
constexpr double kNotANumber = 0x7F;  // as bits of both 8-bit floats

Tensor cast_to(Tensor x, Type type, bool saturate) {
  if (x.type() == type) return x;
  if (x.numel() == 0) return fresh(x.sizes(), type);
  if (is_eighth(x.type())) x = x.to(kFloat);
  if (is_eighth(type)) {
    x = x.to(kFloat);
    const double most = largest_of(type);
    const bool finite = type == Type::FLOAT8_E4M3FN;
    Tensor lost = api::isnan(x);
    if (!saturate && finite) lost = either(lost, gt(api::abs(x), kRoundsToLargest));
    const Tensor bits = (saturate ? clamp(x, -most, most) : x).to(type).reinterpret(kByte);
    if (saturate || finite) return where(lost, kNotANumber, bits).reinterpret(type);
    return where(lost, kNotANumber, where(ge(api::abs(x), 61440), where(lt(x, 0), 0xFC, scalar(0x7C, kByte)), bits))
        .reinterpret(type);
  }
  return x.to(type);
}

void cast(Call& c) { c.out(0, cast_to(c.in(0), to_paddle(static_cast<int>(c.i("to", 0))), c.i("saturate", 1) != 0)); }
void cast_like(Call& c) { c.out(0, cast_to(c.in(0), c.in(1).type(), c.i("saturate", 1) != 0)); }

std::string cast_refusal(const Node& node) {
  if (node.given("round_mode") && node.s("round_mode", "up") != "up") return "PaddlePaddle has one way to round only";
  return {};
}

void bit_cast(Call& c) { c.out(0, c.in(0).reinterpret(to_paddle(static_cast<int>(c.i("to", 0))))); }

std::string bit_cast_refusal(const Node& node) {
  const Type from = to_paddle(node.dtype(0)), to = to_paddle(static_cast<int>(node.i("to", 0)));
  if (to == kUndefined) return "PaddlePaddle has no type of ONNX's number " + std::to_string(node.i("to", 0));
  if (from != kUndefined && bytes_of(from) != bytes_of(to)) return "the types differ in size";
  return {};
}

constexpr Types kFields = kNumbers | kComplexes;
constexpr Types kLongs = type_bit(kLong);
constexpr std::string_view kUnsigned =
    "few kernels for whole numbers of other than 32 and 64 bits: computed in wider ones";

constexpr Row kRows[] = {
    {"Add", add_all, kFields, "add", kUnsigned, nullptr, Widen::bits},
    {"Sub", subtract, kFields, "subtract", kUnsigned, nullptr, Widen::bits},
    {"Mul", multiply, kFields, "multiply", kUnsigned, nullptr, Widen::bits},
    {"Div", divide, kFields, "divide, trunc_divide", "the least number by -1 ends the process there: negated"},
    {"Mod", mod, kNumbers, "remainder", "has the sign of the divisor only: that of the dividend by absolute values"},
    {"Pow", power, kFields, "elementwise_pow",
     "both operands have one type there: the wider one, then that of the base"},
    {"Sum", sum_of, kDoubles, "add"},
    {"Mean", mean_of, kDoubles, "add, divide"},
    {"Max", maximum_of, kNumbers, "maximum", kUnsigned, nullptr, Widen::order},
    {"Min", minimum_of, kNumbers, "minimum", kUnsigned, nullptr, Widen::order},
    {"Clip", clip, kNumbers, "maximum, minimum",
     "clip takes numbers, and fails where the least is above the most: two calls", nullptr, Widen::order},
    {"Equal", [](Call& c) { c.out(0, eq(c.in(0), c.in(1))); }, kFields | kBools, "equal", kUnsigned, nullptr,
     Widen::bits},
    {"Greater", [](Call& c) { c.out(0, gt(c.in(0), c.in(1))); }, kNumbers, "greater_than", kUnsigned, nullptr,
     Widen::order},
    {"GreaterOrEqual", [](Call& c) { c.out(0, ge(c.in(0), c.in(1))); }, kNumbers, "greater_equal", kUnsigned, nullptr,
     Widen::order},
    {"Less", [](Call& c) { c.out(0, lt(c.in(0), c.in(1))); }, kNumbers, "less_than", kUnsigned, nullptr, Widen::order},
    {"LessOrEqual", [](Call& c) { c.out(0, le(c.in(0), c.in(1))); }, kNumbers, "less_equal", kUnsigned, nullptr,
     Widen::order},
    {"And", [](Call& c) { c.out(0, both(c.in(0), c.in(1))); }, kBools, "logical_and"},
    {"Or", [](Call& c) { c.out(0, either(c.in(0), c.in(1))); }, kBools, "logical_or"},
    {"Xor", bitwise<api::logical_xor>, kBools, "logical_xor"},
    {"Not", [](Call& c) { c.out(0, inverted(c.in(0))); }, kBools, "logical_not"},
    {"BitwiseAnd", bitwise<api::bitwise_and>, kWholes, "bitwise_and", kUnsigned, nullptr, Widen::bits},
    {"BitwiseOr", bitwise<api::bitwise_or>, kWholes, "bitwise_or", kUnsigned, nullptr, Widen::bits},
    {"BitwiseXor", bitwise<api::bitwise_xor>, kWholes, "bitwise_xor", kUnsigned, nullptr, Widen::bits},
    {"BitwiseNot", unary<api::bitwise_not>, kWholes, "bitwise_not", kUnsigned, nullptr, Widen::bits},
    {"BitShift", bit_shift, kLongs, "bitwise_left_shift, bitwise_right_shift", kUnsigned, nullptr, Widen::bits},
    {"Where", select, kAll, "where", "shapes are equal there: broadcast before", nullptr, Widen::none, 1},
    {"Identity", identity, kAll, "(the tensor itself)"},
    {"Abs", absolute, kNumbers, "abs", kUnsigned, nullptr, Widen::bits},
    {"Neg", [](Call& c) { c.out(0, neg(c.in(0))); }, kFields, "scale"},
    {"Sign", unary<api::sign>, kNumbers, "sign"},
    {"Ceil", unary<api::ceil>, kDoubles, "ceil"},
    {"Floor", unary<api::floor>, kDoubles, "floor"},
    {"Round", round, kDoubles, "round"},
    {"Sqrt", unary<api::sqrt>, kDoubles | kComplexes, "sqrt"},
    {"Reciprocal", unary<api::reciprocal>, kDoubles | kComplexes, "reciprocal"},
    {"Exp", unary<api::exp>, kDoubles | kComplexes, "exp"},
    {"Log", unary<api::log>, kDoubles | kComplexes, "log"},
    {"Sin", unary<api::sin>, kDoubles | kComplexes, "sin"},
    {"Cos", unary<api::cos>, kDoubles | kComplexes, "cos"},
    {"Tan", unary<api::tan>, kDoubles | kComplexes, "tan"},
    {"Asin", unary<api::asin>, kDoubles, "asin"},
    {"Acos", unary<api::acos>, kDoubles, "acos"},
    {"Atan", unary<api::atan>, kDoubles, "atan"},
    {"Sinh", unary<api::sinh>, kDoubles, "sinh"},
    {"Cosh", unary<api::cosh>, kDoubles, "cosh"},
    {"Tanh", unary<api::tanh>, kDoubles | kComplexes, "tanh"},
    {"Asinh", unary<api::asinh>, kDoubles, "asinh"},
    {"Acosh", unary<api::acosh>, kDoubles, "acosh"},
    {"Atanh", unary<api::atanh>, kDoubles, "atanh"},
    {"Erf", erf, kNumbers, "erf"},
    {"IsNaN", [](Call& c) { c.out(0, is_nan(c.in(0))); }, kDoubles, "isnan"},
    {"IsInf", is_inf, kDoubles, "equal", "isinf does not tell the signs apart"},
    {"Cast", cast, kAll, "cast",
     "NaN becomes the largest float8e4m3fn there: what an 8-bit float lacks is decided by bits", cast_refusal},
    {"CastLike", cast_like, kAll, "cast",
     "NaN becomes the largest float8e4m3fn there: what an 8-bit float lacks is decided by bits", cast_refusal},
    {"BitCast", bit_cast, kAll, "(the tensor itself)", {}, bit_cast_refusal},
};

}  // namespace

std::span<const Row> elementwise_rows() { return kRows; }

}  // namespace chorus_paddle
