// One element from one, two or many elements, with broadcasting; numbers, comparisons, logic, bits, conversions.
#include "table.h"

#include <cmath>
#include <limits>

namespace chorus_torch {
namespace {

template <auto F>
void unary(Call& c) {
  c.out(0, F(c.in(0)));
}

template <auto F>
void binary(Call& c) {
  c.out(0, F(c.in(0), c.in(1)));
}

template <auto F>
void variadic(Call& c) {
  Tensor x = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) x = F(x, c.in(i));
  c.out(0, x);
}

Tensor add(const Tensor& a, const Tensor& b) { return at::add(a, b); }
Tensor sub(const Tensor& a, const Tensor& b) { return at::sub(a, b); }

void div(Call& c) {
  const Tensor a = c.in(0), b = c.in(1);
  if (at::isIntegralType(a.scalar_type(), true)) return c.out(0, at::div(a, b, "trunc"));
  c.out(0, at::div(a, b));
}

void mod(Call& c) {
  if (c.i("fmod", 0) != 0) return c.out(0, at::fmod(c.in(0), c.in(1)));
  const Tensor rest = at::remainder(c.in(0), c.in(1));
  if (at::isIntegralType(rest.scalar_type(), true)) return c.out(0, rest);
  c.out(0, at::copysign(rest, c.in(1)));  // a rest of zero has the dividend's sign there
}

void pow(Call& c) { c.out(0, at::pow(c.in(0), c.in(1))); }

void mean(Call& c) {
  Tensor x = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) x = x + c.in(i);
  c.out(0, at::div(x, static_cast<double>(c.inputs())));
}

void clip(Call& c) {
  const Tensor x = c.in(0), low = c.in(1), high = c.in(2);
  Tensor y = x;
  if (low.defined()) y = at::maximum(y, low);
  if (high.defined()) y = at::minimum(y, high);
  c.out(0, y);
}

void where(Call& c) { c.out(0, at::where(c.in(0), c.in(1), c.in(2))); }

void is_inf(Call& c) {
  const Tensor x = c.in(0);
  Tensor y = at::isinf(x);
  if (c.i("detect_positive", 1) == 0) y = at::logical_and(y, at::lt(x, 0));
  if (c.i("detect_negative", 1) == 0) y = at::logical_and(y, at::gt(x, 0));
  c.out(0, y);
}

// Bits above the width are gone, and negative numbers keep their sign: what C++ leaves open, ONNX does not use.
void bit_shift(Call& c) {
  const Tensor x = c.in(0), n = c.in(1);
  if (c.s("direction", "") == "LEFT") return c.out(0, at::bitwise_left_shift(x, n));
  if (c.out_type(0) != at::kUInt64) return c.out(0, at::bitwise_right_shift(x, n));
  const Tensor once = at::bitwise_and(at::bitwise_right_shift(x, 1), std::numeric_limits<int64_t>::max());
  c.out(0, at::where(at::eq(n, 0), x, at::bitwise_right_shift(once, n - 1)));
}

void identity(Call& c) {
  if (c.has(0) && c.slot_in(0).list) return c.out_list(0, c.list(0));
  c.out(0, c.in(0));
}

void absolute(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, c.step_is_wide() ? x : at::abs(x));
}

void sign(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, at::isFloatingType(x.scalar_type()) ? at::where(at::isnan(x), x, at::sign(x)) : at::sign(x));
}

void erf(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, at::erf(at::isFloatingType(x.scalar_type()) ? x : x.to(at::kFloat)));
}

constexpr double kRoundsToLargest = 464;   // halfway from 448 to the next step

double largest_of(ScalarType type) {
  return type == at::kFloat8_e4m3fn ? 448 : type == at::kFloat8_e4m3fnuz ? 240 : 57344;
}

bool is_eighth(ScalarType t) {
  return t == at::kFloat8_e4m3fn || t == at::kFloat8_e4m3fnuz || t == at::kFloat8_e5m2 || t == at::kFloat8_e5m2fnuz;
}

Tensor cast_to(Tensor x, ScalarType type, bool saturate) {
  if (x.scalar_type() == type) return x;
  if (is_eighth(x.scalar_type())) x = x.to(at::kFloat);
  if (is_eighth(type)) {
    x = x.to(at::kFloat);
    if (saturate) x = at::clamp(x, -largest_of(type), largest_of(type));
    // PyTorch saturates to the largest float8e4m3fn, which has no infinity, by itself.
    else if (type == at::kFloat8_e4m3fn)
      x = at::where(at::gt(at::abs(x), kRoundsToLargest), std::numeric_limits<double>::quiet_NaN(), x);
  }
  return x.to(type);
}

void cast(Call& c) { c.out(0, cast_to(c.in(0), to_torch(static_cast<int>(c.i("to", 0))), c.i("saturate", 1) != 0)); }
void cast_like(Call& c) { c.out(0, cast_to(c.in(0), c.in(1).scalar_type(), c.i("saturate", 1) != 0)); }

std::string cast_refusal(const Node& node) {
  if (node.given("round_mode") && node.s("round_mode", "up") != "up") return "PyTorch has one way to round only";
  return {};
}

void bit_cast(Call& c) {
  const ScalarType to = to_torch(static_cast<int>(c.i("to", 0)));
  c.out(0, c.in(0).contiguous().view(to));
}

std::string bit_cast_refusal(const Node& node) {
  const ScalarType from = to_torch(node.dtype(0)), to = to_torch(static_cast<int>(node.i("to", 0)));
  if (to == ScalarType::Undefined) return "PyTorch has no type of ONNX's number " + std::to_string(node.i("to", 0));
  if (from != ScalarType::Undefined && c10::elementSize(from) != c10::elementSize(to))
    return "the types differ in size";
  return {};
}

constexpr Types kAdds = kNumbers | kWides | kComplexes;
constexpr Types kOrdered = kNumbers | kWides;

constexpr std::string_view kTrunc = "div of integers is a float there: rounding towards zero is asked for";
constexpr std::string_view kBase = "the result has the promoted type there: it goes back to that of the base";
constexpr std::string_view kUnsigned = "few kernels for unsigned types over 8 bits: computed as int64";

constexpr Row kRows[] = {
    {"Add", binary<add>, kAdds, "add", kUnsigned, nullptr, Widen::bits},
    {"Sub", binary<sub>, kAdds, "sub", kUnsigned, nullptr, Widen::bits},
    {"Mul", [](Call& c) { c.out(0, at::mul(c.in(0), c.in(1))); }, kAdds, "mul", kUnsigned, nullptr, Widen::bits},
    {"Div", div, kNumbers | kWides | kComplexes, "div", kTrunc, nullptr, Widen::value},
    {"Mod", mod, kOrdered, "remainder, copysign, fmod", kUnsigned, nullptr, Widen::value},
    {"Pow", pow, kNumbers | kComplexes, "pow", kBase},
    {"Sum", variadic<add>, kFloats, "add"},
    {"Mean", mean, kFloats, "add, div"},
    {"Max", variadic<at::maximum>, kOrdered, "maximum", kUnsigned, nullptr, Widen::order},
    {"Min", variadic<at::minimum>, kOrdered, "minimum", kUnsigned, nullptr, Widen::order},
    {"Clip", clip, kOrdered, "maximum, minimum", kUnsigned, nullptr, Widen::order},
    {"Equal", [](Call& c) { c.out(0, at::eq(c.in(0), c.in(1))); }, kAdds | kBools, "eq", kUnsigned, nullptr,
     Widen::bits},
    {"Greater", [](Call& c) { c.out(0, at::gt(c.in(0), c.in(1))); }, kOrdered, "gt", kUnsigned, nullptr, Widen::order},
    {"GreaterOrEqual", [](Call& c) { c.out(0, at::ge(c.in(0), c.in(1))); }, kOrdered, "ge", kUnsigned, nullptr,
     Widen::order},
    {"Less", [](Call& c) { c.out(0, at::lt(c.in(0), c.in(1))); }, kOrdered, "lt", kUnsigned, nullptr, Widen::order},
    {"LessOrEqual", [](Call& c) { c.out(0, at::le(c.in(0), c.in(1))); }, kOrdered, "le", kUnsigned, nullptr,
     Widen::order},
    {"And", [](Call& c) { c.out(0, at::logical_and(c.in(0), c.in(1))); }, kBools, "logical_and"},
    {"Or", [](Call& c) { c.out(0, at::logical_or(c.in(0), c.in(1))); }, kBools, "logical_or"},
    {"Xor", [](Call& c) { c.out(0, at::logical_xor(c.in(0), c.in(1))); }, kBools, "logical_xor"},
    {"Not", [](Call& c) { c.out(0, at::logical_not(c.in(0))); }, kBools, "logical_not"},
    {"BitwiseAnd", [](Call& c) { c.out(0, at::bitwise_and(c.in(0), c.in(1))); }, kInts | kWides, "bitwise_and",
     kUnsigned, nullptr, Widen::bits},
    {"BitwiseOr", [](Call& c) { c.out(0, at::bitwise_or(c.in(0), c.in(1))); }, kInts | kWides, "bitwise_or", kUnsigned,
     nullptr, Widen::bits},
    {"BitwiseXor", [](Call& c) { c.out(0, at::bitwise_xor(c.in(0), c.in(1))); }, kInts | kWides, "bitwise_xor",
     kUnsigned, nullptr, Widen::bits},
    {"BitwiseNot", [](Call& c) { c.out(0, at::bitwise_not(c.in(0))); }, kInts | kWides, "bitwise_not", kUnsigned,
     nullptr, Widen::bits},
    {"BitShift", bit_shift, kInts | kWides, "bitwise_left_shift, bitwise_right_shift",
     "int64 shifts its sign in: masked for uint64", nullptr, Widen::bits},
    {"Where", where, kAll & ~kEighths, "where", kUnsigned, nullptr, Widen::bits, 1},
    {"Identity", identity, kAll, "(the tensor itself)"},
    {"Abs", absolute, kNumbers | kWides, "abs", kUnsigned, nullptr, Widen::bits},
    {"Neg", [](Call& c) { c.out(0, at::neg(c.in(0))); }, kNumbers | kComplexes, "neg"},
    {"Sign", sign, kOrdered, "sign", "NaN has the sign 0 there: it stays NaN", nullptr, Widen::value},
    {"Ceil", [](Call& c) { c.out(0, at::ceil(c.in(0))); }, kFloats, "ceil"},
    {"Floor", [](Call& c) { c.out(0, at::floor(c.in(0))); }, kFloats, "floor"},
    {"Round", [](Call& c) { c.out(0, at::round(c.in(0))); }, kFloats, "round"},
    {"Sqrt", unary<[](const Tensor& x) { return at::sqrt(x); }>, kFloats | kComplexes, "sqrt"},
    {"Reciprocal", unary<[](const Tensor& x) { return at::reciprocal(x); }>, kFloats | kComplexes, "reciprocal"},
    {"Exp", unary<[](const Tensor& x) { return at::exp(x); }>, kFloats | kComplexes, "exp"},
    {"Log", unary<[](const Tensor& x) { return at::log(x); }>, kFloats | kComplexes, "log"},
    {"Sin", unary<[](const Tensor& x) { return at::sin(x); }>, kFloats | kComplexes, "sin"},
    {"Cos", unary<[](const Tensor& x) { return at::cos(x); }>, kFloats | kComplexes, "cos"},
    {"Tan", unary<[](const Tensor& x) { return at::tan(x); }>, kFloats | kComplexes, "tan"},
    {"Asin", unary<[](const Tensor& x) { return at::asin(x); }>, kFloats, "asin"},
    {"Acos", unary<[](const Tensor& x) { return at::acos(x); }>, kFloats, "acos"},
    {"Atan", unary<[](const Tensor& x) { return at::atan(x); }>, kFloats, "atan"},
    {"Sinh", unary<[](const Tensor& x) { return at::sinh(x); }>, kFloats, "sinh"},
    {"Cosh", unary<[](const Tensor& x) { return at::cosh(x); }>, kFloats, "cosh"},
    {"Tanh", unary<[](const Tensor& x) { return at::tanh(x); }>, kFloats | kComplexes, "tanh"},
    {"Asinh", unary<[](const Tensor& x) { return at::asinh(x); }>, kFloats, "asinh"},
    {"Acosh", unary<[](const Tensor& x) { return at::acosh(x); }>, kFloats, "acosh"},
    {"Atanh", unary<[](const Tensor& x) { return at::atanh(x); }>, kFloats, "atanh"},
    {"Erf", erf, kOrdered, "erf", {}, nullptr, Widen::value},
    {"IsNaN", unary<[](const Tensor& x) { return at::isnan(x); }>, kFloats, "isnan"},
    {"IsInf", is_inf, kFloats, "isinf"},
    {"Cast", cast, kAll, "to",
     "conversions to 8-bit floats saturate there for one of the types, always: decided before", cast_refusal},
    {"CastLike", cast_like, kAll, "to",
     "conversions to 8-bit floats saturate there for one of the types, always: decided before", cast_refusal},
    {"BitCast", bit_cast, kAll, "view(dtype)", {}, bit_cast_refusal},
};

}  // namespace

std::span<const Row> elementwise_rows() { return kRows; }

}  // namespace chorus_torch
