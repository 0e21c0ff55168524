// Arithmetic, comparisons, logic and conversions, element by element.
#include <array>

#include "table.h"

namespace chorus_mindspore {
namespace {

template <Text op>
void most(Call& c) {
  Tensor x = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) x = c.extreme(op.chars, x, c.in(i));
  c.out(0, x);
}

template <Text op>
void fold(Call& c) {
  Tensor sum = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) sum = c.bin(op.chars, sum, c.in(i));
  c.out(0, sum);
}

void mean(Call& c) {
  Tensor sum = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) sum = c.bin("Add", sum, c.in(i));
  c.out(0, c.bin("Div", sum, static_cast<double>(c.inputs())));
}

void divide(Call& c) { c.out(0, c.bin(is_integer(c.in(0).type()) ? "TruncateDiv" : "Div", c.in(0), c.in(1))); }

// FloorMod of floating point is NaN for an infinite divisor: the remainder with the dividend's sign, and the divisor once where the signs
// differ.
void modulo(Call& c) {
  const Tensor x = c.in(0), y = c.in(1);
  const bool truncates = c.i("fmod", 0) != 0;
  if (truncates || is_integer(x.type())) return c.out(0, c.bin(truncates ? "TruncateMod" : "FloorMod", x, y));
  const Tensor rest = c.bin("TruncateMod", x, y);
  const Tensor turned = c.bin("Less", c.bin("Mul", c.un("Sign", rest), c.un("Sign", y)), 0.0);
  const Tensor zero = c.bin("Mul", c.un("Sign", y), 0.0);  // a rest of zero has the divisor's sign
  c.out(0, c.where(turned, c.bin("Add", rest, y), c.where(c.bin("Equal", rest, 0.0), zero, rest)));
}

void power(Call& c) {
  const Tensor x = c.in(0), y = c.in(1);
  const auto narrow = [](int t) { return t == kHalf || t == kBfloat16 || t == kFloat; };
  if (x.type() == y.type() && x.type() != kHalf && x.type() != kBfloat16) return c.out(0, c.bin("Pow", x, y));
  const int type = narrow(x.type()) && (narrow(y.type()) || is_integer(y.type())) ? kFloat : kDouble;
  if (is_integer(x.type()) && is_integer(y.type())) {
    return c.out(0, c.bin("Pow", c.cast(x, kInt64), c.cast(y, kInt64)));
  }
  c.out(0, c.bin("Pow", c.cast(x, type), c.cast(y, type)));
}

std::string power_types(const Node& n) {
  for (uint32_t i = 0; i < 2; ++i) {
    if (n.dtype(i) == 13) return "uint64 is not computed: the mapping goes through int64 or float64";
  }
  return {};
}

// Shifts by the width and more move all bits out, and so do negative ones; MindSpore cuts the shift to the width less one.
void bit_shift(Call& c) {
  const Tensor x = c.in(0), y = c.in(1);
  const auto bits = static_cast<double>(8 * type_bytes(x.type()));
  const bool left = c.s("direction", "") == "LEFT";
  Tensor out = c.bin("GreaterEqual", y, bits), emptied = scalar_of(0, x.type());
  if (!is_unsigned(y.type())) out = c.bin("LogicalOr", out, c.bin("Less", y, 0.0));
  if (!left && !is_unsigned(x.type())) emptied = c.bin("RightShift", x, bits - 1);
  c.out(0, c.where(out, emptied, c.bin(left ? "LeftShift" : "RightShift", x, y)));
}

void is_infinite(Call& c) {
  const Tensor x = c.in(0);
  const bool positive = c.i("detect_positive", 1) != 0, negative = c.i("detect_negative", 1) != 0;
  Tensor y = c.un("IsInf", x);
  if (!positive) y = c.bin("LogicalAnd", y, c.bin("Less", x, 0.0));
  if (!negative) y = c.bin("LogicalAnd", y, c.bin("Greater", x, 0.0));
  c.out(0, y);
}

void clip(Call& c) {
  Tensor x = c.in(0);
  if (c.has(1)) x = c.extreme("Maximum", x, c.cast(c.in(1), x.type()));
  if (c.has(2)) x = c.extreme("Minimum", x, c.cast(c.in(2), x.type()));
  c.out(0, x);
}

void absolute(Call& c) {
  const Tensor x = c.in(0);
  if (is_unsigned(x.type())) return c.out(0, x);
  c.out(0, c.un("Abs", x.type() == kHalf || x.type() == kBfloat16 ? c.cast(x, kFloat) : x));
}

void round_even(Call& c) { c.out(0, c.un("Rint", c.in(0))); }

void select(Call& c) { c.out(0, c.where(c.in(0), c.in(1), c.in(2))); }

void convert(Call& c) {
  const Tensor x = c.in(0);
  const int to = c.out_type(0);
  if (!c.wants(0)) return;
  if (to == kNoType) c.fail(CH_UNSUPPORTED, "the type of its result is not known before the run");
  // From floating point to a narrow integer: through int64, so that what does not fit wraps as it does natively.
  const bool narrow = is_float(x.type()) && is_integer(to) && to != kInt64 && to != kUint64;
  c.out(0, c.cast(narrow ? c.cast(x, kInt64) : x, to));
}

void bit_cast(Call& c) {
  const Tensor x = c.in(0);
  if (!c.wants(0)) return;
  const int to = c.out_type(0);
  if (to == kNoType || type_bytes(to) != type_bytes(x.type()))
    c.fail(CH_UNSUPPORTED, "the result has elements of another size");
  c.out(0, x.viewed(to));
}

void reciprocal(Call& c) { c.out(0, c.un("Reciprocal", c.in(0))); }

void sign(Call& c) {
  const Tensor x = c.in(0);
  if (is_float(x.type())) {
    const Tensor wide = x.type() == kDouble ? x : c.cast(x, kFloat);
    return c.out(0, c.where(c.un("IsNan", wide), wide, c.un("Sign", wide)));
  }
  if (!is_unsigned(x.type())) return c.out(0, c.un("Sign", x.type() == kInt64 ? x : c.cast(x, kInt32)));
  c.out(0, c.cast(c.bin("NotEqual", x, 0.0), x.type()));
}

void identity(Call& c) { c.out_slot(0, c.slot_in(0)); }

constexpr Widen kWiden = Widen::value;
constexpr std::array kRows = std::to_array<Row>({
    {"Add", binary<"Add">, "Add", {}, kWiden},
    {"Sub", binary<"Sub">, "Sub", {}, kWiden},
    {"Mul", binary<"Mul">, "Mul", {}, kWiden},
    {"Div", divide, "Div|TruncateDiv", "Div of integers makes floating point there: TruncateDiv", kWiden},
    {"Mod", modulo, "FloorMod,TruncateMod", "FloorMod by infinity is NaN there: made of TruncateMod", kWiden},
    {"Pow", power, "", "MindSpore wants one type: base and exponent are converted, the result goes back to the base's",
     Widen::none, power_types},
    {"Sum", fold<"Add">, "Add", {}, Widen::sums},
    {"Mean", mean, "Add,Div", {}, Widen::sums},
    {"Max", most<"Maximum">, "Maximum,IsNan", "Maximum loses NaN: put back", kWiden},
    {"Min", most<"Minimum">, "Minimum,IsNan", "Minimum loses NaN: put back", kWiden},
    {"Neg", unary<"Neg">, "Neg", {}, kWiden},
    {"Abs", absolute, "", "Abs has no wide unsigned types, of which it changes nothing"},
    {"Sign", sign, "", "Sign has no unsigned types, and makes 0 of NaN: x != 0, and NaN put back"},
    {"Sqrt", unary<"Sqrt">, "Sqrt", {}, kWiden},
    {"Exp", unary<"Exp">, "Exp", {}, kWiden},
    {"Log", unary<"Log">, "Log", {}, kWiden},
    {"Reciprocal", reciprocal, "Reciprocal", {}, kWiden},
    {"Sin", unary<"Sin">, "Sin", {}, kWiden},
    {"Cos", unary<"Cos">, "Cos", {}, kWiden},
    {"Tan", unary<"Tan">, "Tan", {}, kWiden},
    {"Asin", unary<"Asin">, "Asin", {}, kWiden},
    {"Acos", unary<"ACos">, "ACos", {}, kWiden},
    {"Atan", unary<"Atan">, "Atan", {}, kWiden},
    {"Sinh", unary<"Sinh">, "Sinh", {}, kWiden},
    {"Cosh", unary<"Cosh">, "Cosh", {}, kWiden},
    {"Tanh", unary<"Tanh">, "Tanh", {}, kWiden},
    {"Asinh", unary<"Asinh">, "Asinh", {}, kWiden},
    {"Acosh", unary<"Acosh">, "Acosh", {}, kWiden},
    {"Atanh", unary<"Atanh">, "Atanh", {}, kWiden},
    {"Erf", unary<"Erf">, "Erf", {}, kWiden},
    {"Floor", unary<"Floor">, "Floor", {}, kWiden},
    {"Ceil", unary<"Ceil">, "Ceil", {}, kWiden},
    {"Round", round_even, "Rint", "Round wants a number of decimals: Rint", kWiden},
    {"IsNaN", unary<"IsNan">, "IsNan", {}, kWiden},
    {"IsInf", is_infinite, "IsInf", "IsInf takes both signs: the other is masked", kWiden},
    {"Clip", clip, "Maximum,Minimum,IsNan", "Maximum and Minimum lose NaN: put back", kWiden},
    {"Equal", binary<"Equal">, "Equal", {}, kWiden},
    {"Less", binary<"Less">, "Less", {}, kWiden},
    {"LessOrEqual", binary<"LessEqual">, "LessEqual", {}, kWiden},
    {"Greater", binary<"Greater">, "Greater", {}, kWiden},
    {"GreaterOrEqual", binary<"GreaterEqual">, "GreaterEqual", {}, kWiden},
    {"And", binary<"LogicalAnd">, ""},
    {"Or", binary<"LogicalOr">, ""},
    {"Xor", binary<"LogicalXor">, ""},
    {"Not", unary<"LogicalNot">, ""},
    {"BitwiseAnd", binary<"BitwiseAnd">, "BitwiseAnd"},
    {"BitwiseOr", binary<"BitwiseOr">, "BitwiseOr"},
    {"BitwiseXor", binary<"BitwiseXor">, "BitwiseXor"},
    {"BitwiseNot", unary<"Invert">, "Invert"},
    {"BitShift", bit_shift, "LeftShift,RightShift,GreaterEqual",
     "shifts by the width and more, and negative ones, move all bits out: its kernel leaves them to the processor"},
    {"Where", select, "Select", {}, Widen::moves},
    {"Cast", convert, "Cast", "floating point to narrow integers goes through int64, so that what does not fit wraps"},
    {"CastLike", convert, "Cast", "as Cast"},
    {"BitCast", bit_cast, ""},
    {"Identity", identity, ""},
});

}  // namespace

std::span<const Row> elementwise_rows() { return kRows; }

}  // namespace chorus_mindspore
