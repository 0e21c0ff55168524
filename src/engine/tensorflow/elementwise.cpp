// Arithmetic, comparisons, logic and conversions, element by element.
#include <array>

#include "table.h"

namespace chorus_tensorflow {
namespace {

template <Text op>
void fold(Call& c) {
  Tensor sum = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) sum = c.bin(op.chars, sum, c.in(i));
  c.out(0, sum);
}

void mean(Call& c) {
  Tensor sum = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) sum = c.bin("AddV2", sum, c.in(i));
  c.out(0, c.bin("RealDiv", sum, static_cast<double>(c.inputs())));
}

void divide(Call& c) { c.out(0, c.bin(is_integer(c.in(0).type()) ? "TruncateDiv" : "RealDiv", c.in(0), c.in(1))); }

void modulo(Call& c) {
  const Tensor x = c.in(0), y = c.in(1);
  if (c.i("fmod", 0) != 0) return c.out(0, c.bin("TruncateMod", x, y));
  const Tensor rest = c.bin("FloorMod", x, y);
  if (is_integer(rest.type())) return c.out(0, rest);
  // A rest of zero has the dividend's sign there: 0 / y has the divisor's.
  const Tensor zero = c.bin("Sub", rest, rest), signed_zero = c.bin("RealDiv", zero, y);
  c.out(0, c.op("SelectV2").in(c.bin("Equal", rest, zero)).in(signed_zero).in(rest).one());
}

void power(Call& c) {
  const Tensor x = c.in(0), y = c.in(1);
  const auto narrow = [](int t) { return t == kHalf || t == kBfloat16 || t == kFloat; };
  if (x.type() == y.type()) return c.out(0, c.bin("Pow", x, y));
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

// Shifts by the width and more move all bits out, and so do negative ones; TensorFlow cuts the shift to the width less one.
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
  if (c.has(1)) x = c.bin("Maximum", x, c.cast(c.in(1), x.type()));
  if (c.has(2)) x = c.bin("Minimum", x, c.cast(c.in(2), x.type()));
  c.out(0, x);
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
  if (x.type() == kBool || to == kBool) {
    const Elements bytes(x);
    return c.out(0, copy_of(to, x.dims(), bytes.data()));
  }
  c.out(0, c.op("Bitcast").in(x).type("type", to).one());
}

void exclusive_or(Call& c) { c.out(0, c.bin("NotEqual", c.in(0), c.in(1))); }

void reciprocal(Call& c) { c.out(0, c.un("Reciprocal", c.in(0))); }

void sign(Call& c) {
  const Tensor x = c.in(0);
  if (!is_unsigned(x.type())) return c.out(0, c.un("Sign", x));
  c.out(0, c.cast(c.bin("NotEqual", x, 0.0), x.type()));
}

void identity(Call& c) { c.out_slot(0, c.slot_in(0)); }

void einsum(Call& c) {
  std::string equation;
  for (const char letter : c.s("equation", "")) {
    if (letter != ' ') equation += letter;
  }
  c.out(0, c.op("Einsum").in(c.all()).text("equation", equation).one());
}

std::string einsum_form(const Node& n) {
  const std::string_view equation = n.s("equation", "");
  if (equation.find("->") == std::string_view::npos) return "TensorFlow wants the result of the equation written out";
  if (n.node.n_inputs > 2) return "TensorFlow multiplies two operands at most";
  return {};
}

constexpr Widen kWiden = Widen::value;
constexpr std::array kRows = std::to_array<Row>({
    {"Add", binary<"AddV2">, "AddV2", {}, kWiden},
    {"Sub", binary<"Sub">, "Sub", {}, kWiden},
    {"Mul", binary<"Mul">, "Mul", {}, kWiden},
    {"Div", divide, "RealDiv|TruncateDiv", "TensorFlow's Div of integers is named TruncateDiv; RealDiv has none",
     kWiden},
    {"Mod", modulo, "FloorMod,TruncateMod",
     "fmod = 1 is TruncateMod (sign of the dividend), fmod = 0 FloorMod (sign of the divisor)", kWiden},
    {"Pow", power, "", "TensorFlow wants one type: base and exponent are converted, the result goes back to the base's",
     Widen::none, power_types},
    {"Sum", fold<"AddV2">, "AddV2", {}, Widen::sums},
    {"Mean", mean, "AddV2,RealDiv", {}, Widen::sums},
    {"Max", fold<"Maximum">, "Maximum", {}, kWiden},
    {"Min", fold<"Minimum">, "Minimum", {}, kWiden},
    {"Neg", unary<"Neg">, "Neg", {}, kWiden},
    {"Abs", [](Call& c) { is_unsigned(c.in(0).type()) ? c.out(0, c.in(0)) : c.out(0, c.un("Abs", c.in(0))); }, "",
     "Abs has no unsigned types, of which it changes nothing"},
    {"Sign", sign, "", "Sign has no unsigned types: x != 0"},
    {"Sqrt", unary<"Sqrt">, "Sqrt", {}, kWiden},
    {"Exp", unary<"Exp">, "Exp", {}, kWiden},
    {"Log", unary<"Log">, "Log", {}, kWiden},
    {"Reciprocal", reciprocal, "Reciprocal", {}, kWiden},
    {"Sin", unary<"Sin">, "Sin", {}, kWiden},
    {"Cos", unary<"Cos">, "Cos", {}, kWiden},
    {"Tan", unary<"Tan">, "Tan", {}, kWiden},
    {"Asin", unary<"Asin">, "Asin", {}, kWiden},
    {"Acos", unary<"Acos">, "Acos", {}, kWiden},
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
    {"Round", round_even, "Rint", "Rint rounds half to even as ONNX does", kWiden},
    {"IsNaN", unary<"IsNan">, "IsNan", {}, kWiden},
    {"IsInf", is_infinite, "IsInf", "IsInf takes both signs: the other is masked", kWiden},
    {"Clip", clip, "Maximum,Minimum", "ClipByValue wants both bounds", kWiden},
    {"Equal", binary<"Equal">, "Equal", {}, kWiden},
    {"Less", binary<"Less">, "Less", {}, kWiden},
    {"LessOrEqual", binary<"LessEqual">, "LessEqual", {}, kWiden},
    {"Greater", binary<"Greater">, "Greater", {}, kWiden},
    {"GreaterOrEqual", binary<"GreaterEqual">, "GreaterEqual", {}, kWiden},
    {"And", binary<"LogicalAnd">, ""},
    {"Or", binary<"LogicalOr">, ""},
    {"Xor", exclusive_or, "", "there is no logical exclusive or: NotEqual"},
    {"Not", unary<"LogicalNot">, ""},
    {"BitwiseAnd", binary<"BitwiseAnd">, "BitwiseAnd"},
    {"BitwiseOr", binary<"BitwiseOr">, "BitwiseOr"},
    {"BitwiseXor", binary<"BitwiseXor">, "BitwiseXor"},
    {"BitwiseNot", unary<"Invert">, "Invert"},
    {"BitShift", bit_shift, "LeftShift,RightShift,GreaterEqual,SelectV2",
     "shifts by the width and more, and negative ones, move all bits out; TensorFlow cuts the shift"},
    {"Where", select, "SelectV2", {}, Widen::none, nullptr, 1},
    {"Cast", convert, "Cast:SrcT",
     "floating point to narrow integers goes through int64, so that what does not fit wraps"},
    {"CastLike", convert, "Cast:SrcT", "as Cast"},
    {"BitCast", bit_cast, ""},
    {"Identity", identity, ""},
    {"Einsum", einsum, "Einsum", "spaces count as labels there: taken out", Widen::sums, einsum_form},
});

}  // namespace

std::span<const Row> elementwise_rows() { return kRows; }

}  // namespace chorus_tensorflow
