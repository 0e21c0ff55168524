// Element-wise functions of one operand.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <cstring>
#include <limits>

namespace chorus::families {
namespace {

using namespace rules;

// Version steps ------------------------------------------------------------------------------------------------------------------

/// Erf-9 took integers. ONNX does not say how the result becomes one; its evaluator rounds to float32 and cuts, so that 4 gives 1
/// (erf(4) = 1 - 1.5e-8), and so do we: a cut from float64 would give 0 up to 5.
Expansion erf_of_integers(OpBuilder& b) {
  const DType type = b.input(0).dtype;
  if (!is_integer(type)) return reissue(b);
  const auto number = [](DType t) { return Attributes{{"to", static_cast<int64_t>(t)}}; };
  const Ref wide = b.op("Cast", {b.in(0)}, number(DType::float64));
  next_version(b);
  const Ref erf = b.op("Cast", {b.op("Erf", {wide})}, number(DType::float32));
  return b.op("Cast", {erf}, number(type));
}

Expansion erf_13_to_9(OpBuilder& b) {
  if (b.input(0).dtype == DType::bfloat16) return Expansion::refuse("Erf of bfloat16 has no form below opset 13");
  previous_version(b);
  return b.op("Erf", {b.in(0)});
}

// Values of shape arithmetic -----------------------------------------------------------------------------------------------------

template <class F>
void each(ShapeContext& ctx, F f) {
  auto known = known_values(ctx, 0);
  if (!known) return;
  for (Dim& d : *known) d = f(d);
  ctx.set_value(0, std::move(*known));
}
void neg_value(ShapeContext& ctx) {
  each(ctx, [](const Dim& d) { return Dim(0) - d; });
}
void abs_value(ShapeContext& ctx) {
  each(ctx, [](const Dim& d) { return max(d, Dim(0) - d); });
}
void not_value(ShapeContext& ctx) {
  each(ctx, [](const Dim& d) { return Dim(1) - d; });
}
void whole_value(ShapeContext& ctx) {
  each(ctx, [](const Dim& d) { return d; });
}

// Decompositions -----------------------------------------------------------------------------------------------------------------

Expansion reciprocal_meaning(OpBuilder& b) { return b.op("Div", {scalar_like(b, b.in(0), 1), b.in(0)}); }
Expansion tan_meaning(OpBuilder& b) { return b.op("Div", {b.op("Sin", {b.in(0)}), b.op("Cos", {b.in(0)})}); }

/// Types below a byte's usual ones have no comparison: their values are all float32's.
Ref comparable(OpBuilder& b) {
  const DType type = b.input(0).dtype;
  if (type != DType::undefined && !dtype_in(type, kSmallFloats)) return b.in(0);
  return b.op("Cast", {b.in(0)}, {{"to", static_cast<int64_t>(DType::float32)}});
}
Expansion is_nan_meaning(OpBuilder& b) {
  const Ref x = comparable(b);
  return b.op("Not", {b.op("Equal", {x, x})});
}
Expansion is_inf_meaning(OpBuilder& b) {
  const bool positive = b.attrs().integer("detect_positive") != 0, negative = b.attrs().integer("detect_negative") != 0;
  const double inf = std::numeric_limits<double>::infinity();
  Ref x = comparable(b);
  const Ref limit = scalar_like(b, x, negative && !positive ? -inf : inf);
  if (positive && negative) x = b.op("Abs", {x});
  if (!positive && !negative) return b.op("Less", {x, x});
  return b.op("Equal", {x, limit});
}
Expansion bitwise_not_meaning(OpBuilder& b) {
  const DType type = b.input(0).dtype;
  if (type == DType::undefined) return Expansion::refuse("BitwiseNot needs the element type of its operand");
  Value ones = Value::tensor(type, Shape());
  std::memset(ones.mutable_data(), 0xff, ones.bytes());
  return b.op("BitwiseXor", {b.in(0), b.constant(std::move(ones))});
}

// Rows ---------------------------------------------------------------------------------------------------------------------------

constexpr Hint kOver[] = {{0, 0, Alias::may_overwrite}};
constexpr Hint kView[] = {{0, 0, Alias::is_view}};

constexpr Version kAbs[] = {
    {1, "(T X) -> (T Y) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T X) -> (T Y); T = num"},
    {13, "(T X) -> (T Y); T = num bf16"},
};
constexpr Version kNeg[] = {
    {1, "(T X) -> (T Y) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T X) -> (T Y); T = ints ieee"},
    {13, "(T X) -> (T Y); T = floats ints"},
};
constexpr Version kCeil[] = {
    {1, "(T X) -> (T Y) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T X) -> (T Y); T = ieee"},
    {13, "(T X !d) -> (T Y !d); T = floats"},
};
constexpr Version kFloor[] = {
    {1, "(T X) -> (T Y) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T X) -> (T Y); T = ieee"},
    {13, "(T X !d) -> (T Y !d); T = floats"},
};
constexpr Version kRound[] = {
    {11, "(T X !d) -> (T Y !d); T = ieee"},
    {22, "(T X !d) -> (T Y !d); T = floats"},
};
constexpr Version kSqrt[] = {
    {1, "(T X) -> (T Y) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T X) -> (T Y); T = ieee"},
    {13, "(T X) -> (T Y); T = floats"},
};
constexpr Version kReciprocal[] = {
    {1, "(T X) -> (T Y) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T X) -> (T Y); T = ieee"},
    {13, "(T X) -> (T Y); T = floats"},
};
constexpr Version kExp[] = {
    {1, "(T input) -> (T output) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T input) -> (T output); T = ieee"},
    {13, "(T input) -> (T output); T = floats"},
};
constexpr Version kLog[] = {
    {1, "(T input) -> (T output) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T input) -> (T output); T = ieee"},
    {13, "(T input) -> (T output); T = floats"},
};
constexpr Version kSin[] = {
    {7, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kCos[] = {
    {7, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kTan[] = {
    {7, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kAsin[] = {
    {7, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kAcos[] = {
    {7, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kAtan[] = {
    {7, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kSinh[] = {
    {9, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kCosh[] = {
    {9, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kAsinh[] = {
    {9, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kAcosh[] = {
    {9, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kAtanh[] = {
    {9, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kErf[] = {
    {9, "(T input) -> (T output); T = num", erf_of_integers, erf_13_to_9},
    {13, "(T input) -> (T output); T = floats"},
};
constexpr Version kSign[] = {
    {9, "(T input) -> (T output); T = num"},
    {13, "(T input !d) -> (T output !d); T = num bf16"},
};
constexpr Version kIsNaN[] = {
    {9, "(T1 X) -> (T2 Y); T1 = ieee; T2 = bool"},
    {13, "(T1 X !d) -> (T2 Y !d); T1 = floats; T2 = bool"},
    {20, "(T1 X !d) -> (T2 Y !d); T1 = floats f8; T2 = bool"},
};
constexpr Version kIsInf[] = {
    {10, "(T1 X !d) -> (T2 Y !d) {detect_negative: int = 1, detect_positive: int = 1}; T1 = f32 f64; T2 = bool"},
    {20,
     "(T1 X !d) -> (T2 Y !d) {detect_negative: int = 1, detect_positive: int = 1}; T1 = floats f8; T2 = "
     "bool"},
};
constexpr Version kNot[] = {
    {1, "(T X !d) -> (T Y !d); T = bool"},
};
constexpr Version kBitwiseNot[] = {
    {18, "(T X !d) -> (T Y !d); T = ints uints"},
};
constexpr Version kIdentity[] = {
    {1, "(T input) -> (T output); T = all"},
    {13, "(T input) -> (T output); T = all13"},
    {14, "(V input) -> (V output); V = all13 seq.all"},
    {16, "(V input) -> (V output); V = all13 opt.all seq.all opt.seq.all"},
    {19, "(V input) -> (V output); V = all19 opt.all seq.all opt.seq.all"},
    {21, "(V input) -> (V output); V = all21 opt.all seq.all opt.seq.all"},
    {23, "(V input) -> (V output); V = all23 opt.all seq.all opt.seq.all"},
    {24, "(V input) -> (V output); V = all24 opt.all seq.all opt.seq.all"},
    {25, "(V input) -> (V output); V = all25 opt.all seq.all opt.seq.all"},
};

struct Texts {
  std::string_view name, cpp, grid, doc;
};
consteval OpDef unary(const Texts& t, std::span<const Version> versions, Meaning meaning,
                      void (*value)(ShapeContext&) = nullptr) {
  OpDef d;
  d.name = t.name;
  d.api = {t.cpp, Form::function, Promote::same_type};
  d.versions = versions;
  d.infer = infer_same;
  d.value = value;
  d.layout = Layout::elementwise;
  d.aliases = kOver;
  d.meaning = meaning;
  d.cost = cost_elementwise;
  d.grid = t.grid;
  d.doc = t.doc;
  return row(d);
}
consteval OpDef step(const Texts& t, std::span<const Version> versions, std::string_view reason) {
  OpDef d = unary(t, versions, Primitive{"one instruction per element"}, whole_value);
  d.gradient = Gradient{NoGradient{reason}};
  return row(d);
}
consteval OpDef curve(const Texts& t, std::span<const Version> versions, Meaning meaning, double ulp) {
  OpDef d = unary(t, versions, meaning);
  d.api.promote = Promote::to_float;
  d.cost = cost_transcendental;
  d.ulp = ulp;
  return row(d);
}
consteval OpDef test(const Texts& t, std::span<const Version> versions, Decompose meaning) {
  OpDef d = unary(t, versions, meaning);
  d.infer = infer_same_bool;
  d.gradient = Gradient{NoGradient{"the result is boolean"}};
  d.aliases = {};
  return row(d);
}

constexpr std::string_view kFloats = "f32[2,3,4]; f64[3]; f16[5]; bf16[5]; f32[]; f32[0,3]; f32{inf,-inf,nan,0,-0}";
constexpr std::string_view kPositive =
    "f32[2,3,4]@0..9; f64[3]@0..1; f16[5]@0..9; bf16[5]@0..9; f32[]@0..9; f32[0,3]; f32{inf,-1,nan,0,-0}";
constexpr std::string_view kUnitRange =
    "f32[2,3,4]@-1..1; f64[3]@-1..1; f16[5]@-1..1; bf16[5]@-1..1; f32[]@-1..1; f32[0,3]; f32{1,-1,nan,0,2}";
constexpr std::string_view kAboveOne =
    "f32[2,3,4]@1..9; f64[3]@1..9; f16[5]@1..9; bf16[5]@1..9; f32[]@1..9; f32[0,3]; f32{inf,1,nan,0}";
constexpr std::string_view kNumbers =
    "f32[2,3,4]; f64[3]; f16[5]; bf16[5]; i8{-128,127,0}; i64[4]; f32[]; i32[0,3]; f32{inf,-inf,nan,0,-0}";
constexpr Primitive kInstruction{"one instruction per element"};
constexpr Primitive kFunction{"a function of the processor or of vector maths"};
constexpr Primitive kPrecise{"its formula by exponentials or logarithms loses precision near 0"};

constexpr OpDef kRows[] = {
    unary({"Abs", "abs",
           "f32[2,3,4]; f64[3]; f16[5]; bf16[5]; i8{-128,127,0}; u32[4]; i32[0,3]; f32{-inf,nan,-0}; f32[2] "
           "consumed_inputs=[0] v=1",
           "|x|. The smallest integer of a type stays as it is."},
          kAbs, kInstruction, abs_value),
    unary({"Neg", "neg", kNumbers, "-x. The smallest integer of a type stays as it is."}, kNeg, kInstruction,
          neg_value),
    step({"Ceil", "ceil", kFloats, "The smallest whole number that is not below x."}, kCeil, "piecewise constant"),
    step({"Floor", "floor", kFloats, "The largest whole number that is not above x."}, kFloor, "piecewise constant"),
    step({"Round", "round", "f32{0.5,1.5,2.5,-0.5,-1.5,2.4999998}; f32[2,3,4]; f64[3]; f16[5]; bf16[5]; f32[]; f32[0]",
          "The nearest whole number, of two equally near ones the even one."},
         kRound, "piecewise constant"),
    unary({"Sqrt", "sqrt", kPositive, "√x; NaN below 0."}, kSqrt, kInstruction),
    unary({"Reciprocal", "reciprocal",
           "f32[2,3,4]@1..9; f64[3]@1..9; f16[5]@1..9; f32[]@1..9; f32[0,3]; f32{inf,-inf,nan,0,-0}", "1 / x."},
          kReciprocal, Decompose{reciprocal_meaning}),
    curve({"Exp", "exp", kFloats, "e to the power x."}, kExp, kFunction, 2),
    curve({"Log", "log", kPositive, "Natural logarithm of x; -∞ at 0, NaN below."}, kLog, kFunction, 2),
    curve({"Sin", "sin", kFloats, "Sine of x in radians."}, kSin, kFunction, 2),
    curve({"Cos", "cos", kFloats, "Cosine of x in radians."}, kCos, kFunction, 2),
    curve({"Tan", "tan", "f32[2,3,4]@-1..1; f64[3]@-1..1; f32[]@-1..1; f32[0,3]; f32{nan,0,-0}",
           "Tangent of x in radians."},
          kTan, Decompose{tan_meaning}, 4),
    curve({"Asin", "asin", kUnitRange, "Arc sine of x in radians, in [-π/2, π/2]; NaN outside [-1, 1]."}, kAsin,
          kFunction, 4),
    curve({"Acos", "acos", kUnitRange, "Arc cosine of x in radians, in [0, π]; NaN outside [-1, 1]."}, kAcos, kFunction,
          4),
    curve({"Atan", "atan", kFloats, "Arc tangent of x in radians, in [-π/2, π/2]."}, kAtan, kFunction, 4),
    curve({"Sinh", "sinh", kFloats, "Hyperbolic sine of x."}, kSinh, kPrecise, 4),
    curve({"Cosh", "cosh", kFloats, "Hyperbolic cosine of x."}, kCosh, kPrecise, 4),
    curve({"Asinh", "asinh", kFloats, "Inverse of the hyperbolic sine."}, kAsinh, kPrecise, 4),
    curve({"Acosh", "acosh", kAboveOne, "Inverse of the hyperbolic cosine, not negative; NaN below 1."}, kAcosh,
          kPrecise, 4),
    curve({"Atanh", "atanh", kUnitRange, "Inverse of the hyperbolic tangent; ±∞ at ±1, NaN outside [-1, 1]."}, kAtanh,
          kPrecise, 4),
    curve({"Erf", "erf", "f32[2,3,4]; f64[3]; f16[5]; bf16[5]; f32[]; f32[0,3]; f32{inf,-inf,nan,0,-0}; i32[4] v=9",
           "Gauss error function, 2/√π times the integral of exp(-t²) from 0 to x."},
          kErf, kFunction, 4),
    step({"Sign", "sign",
          "f32[2,3,4]; f64[3]; f16[5]; bf16[5]; i8{-128,127,0}; u64[4]; f32[]; i32[0,3]; f32{inf,-inf,nan,0,-0}",
          "1, 0 or -1 as x is above, at or below 0; NaN stays."},
         kSign, "piecewise constant"),
    test({"IsNaN", "isnan",
          "f32{inf,-inf,nan,0}; f64[3]; f16{nan,1}; bf16{nan,1}; f8e4m3fn{nan,1}; f8e5m2{nan,1}; f32[]; f32[0]",
          "True where x is not a number."},
         kIsNaN, is_nan_meaning),
    test({"IsInf", "isinf",
          "f32{inf,-inf,nan,0}; f32{inf,-inf,nan,0} detect_negative=0; f64{inf,-inf,nan,0} detect_positive=0; "
          "f16{inf,1}; "
          "f8e5m2{inf,1}; f32{inf} detect_negative=0 detect_positive=0; f32[]; f32[0]",
          "True where x is ∞ (with detect_positive=1) or -∞ (with detect_negative=1)."},
         kIsInf, is_inf_meaning),
    []() consteval {
      OpDef d = unary({"Not", "logical_not", "bool[3,4]; bool[]; bool[0,2]; bool{0,1}", "True where x is false."}, kNot,
                      kInstruction, not_value);
      d.gradient = Gradient{NoGradient{"the operand is boolean"}};
      return row(d);
    }(),
    []() consteval {
      OpDef d = unary({"BitwiseNot", "bitwise_not", "i32[3,4]; u8{0,255,3}; i64[]; u64[0,2]; u16[3]; i8[3]",
                       "All bits turned over."},
                      kBitwiseNot, Decompose{bitwise_not_meaning});
      d.gradient = Gradient{NoGradient{"bits of integers"}};
      return row(d);
    }(),
    []() consteval {
      OpDef d = unary(
          {"Identity", "identity", "f32[2,3]; str{'a','b'}; i4{1,-2,3}; c64[2]; bool[]; f16[0,3]; seq(f32[2] f32[0,3])",
           "The operand itself, of any kind."},
          kIdentity, Primitive{"nothing is computed"}, value_same);
      d.aliases = kView;
      d.cost = cost_free;
      return row(d);
    }(),
};

}  // namespace

std::span<const OpDef> unary_ops() {
  static constexpr auto kAll = gradients::differentiable(kRows, gradients::kUnary);
  return chosen<kAll>();
}

}  // namespace chorus::families
