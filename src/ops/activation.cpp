// Activation functions, Clip and Dropout.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>

namespace chorus::families {
namespace {

using namespace rules;

// Version steps ------------------------------------------------------------------------------------------------------------------

/// Selu-1 had other defaults than its successor.
Expansion selu_1(OpBuilder& b) {
  next_version(b);
  return b.op("Selu", {b.in(0)}, {{"alpha", b.attrs().real("alpha")}, {"gamma", b.attrs().real("gamma")}});
}

/// Limits became operands; one that is not given is the end of float32's numbers, so that infinities are limited too.
Expansion clip_6(OpBuilder& b) {
  const auto limit = [&](std::string_view name, float otherwise) {
    return scalar_like(b, b.in(0), b.attrs().given(name) ? b.attrs().real(name) : otherwise);
  };
  constexpr float kGreatest = std::numeric_limits<float>::max();
  const Ref low = limit("min", -kGreatest), high = limit("max", kGreatest);
  next_version(b);
  return b.op("Clip", {b.in(0), low, high});
}

/// The mask had the type of the data before opset 10.
Expansion with_mask_like_data(OpBuilder& b, std::vector<Ref> outputs) {
  if (outputs.size() > 1) outputs[1] = b.op("CastLike", {outputs[1], b.in(0)});
  return Expansion(std::move(outputs));
}
/// is_test=0 was training.
Expansion dropout_6(OpBuilder& b) {
  static constexpr std::string_view kDropped[] = {"is_test"};
  if (b.attrs().integer("is_test") != 0) return reissue(b, kDropped);
  const Ref inputs[] = {b.in(0), scalar(b, DType::float32, b.attrs().real("ratio")), b.constant(Value::scalar(true))};
  return with_mask_like_data(b, b.emit("Dropout", inputs, {}, b.outputs()));
}
Expansion dropout_7(OpBuilder& b) {
  const Ref inputs[] = {b.in(0)};
  next_version(b);
  return with_mask_like_data(b, b.emit("Dropout", inputs, b.attrs().all(), b.outputs()));
}
Expansion dropout_10(OpBuilder& b) {
  const Ref inputs[] = {b.in(0), scalar(b, DType::float32, b.attrs().real("ratio"))};
  next_version(b);
  return Expansion(b.emit("Dropout", inputs, {}, b.outputs()));
}

Expansion dropout_12_to_10(OpBuilder& b) {
  const Value* ratio = b.has_input(1) ? static_cast<const NodeContext&>(b).constant(1) : nullptr;
  const auto training = b.has_input(2) ? known_ints(b, 2) : std::vector<int64_t>{0};
  if (!training || training->size() != 1 || (*training)[0] != 0 ||
      (b.has_input(1) && (ratio == nullptr || ratio->numel() != 1)))
    return Expansion::refuse("Dropout that may train, or whose ratio only the run knows, has no form below opset 12");
  previous_version(b);
  const Ref x = b.in(0);
  const float share = ratio != nullptr ? static_cast<float>(ratio->to_doubles()[0]) : 0.5F;
  return Expansion(b.emit("Dropout", {&x, 1}, {{"ratio", share}}, b.outputs()));
}

// Decompositions -----------------------------------------------------------------------------------------------------------------

Ref like(OpBuilder& b, double v) { return scalar_like(b, b.in(0), v); }

Expansion relu_meaning(OpBuilder& b) { return b.op("Max", {b.in(0), like(b, 0)}); }
/// x where x ≥ 0 (or NaN), f(x) below.
Expansion below_zero(OpBuilder& b, Ref below) {
  return b.op("Where", {b.op("Less", {b.in(0), like(b, 0)}), below, b.in(0)});
}
Expansion leaky_relu_meaning(OpBuilder& b) {
  return below_zero(b, b.op("Mul", {b.in(0), like(b, b.attrs().real("alpha"))}));
}
/// exp(x) - 1, computed on min(x, 0) so that no infinity arises in what is not selected.
Ref exp_minus_one(OpBuilder& b, Ref x) {
  return b.op("Sub", {b.op("Exp", {b.op("Min", {x, like(b, 0)})}), like(b, 1)});
}
Expansion elu_meaning(OpBuilder& b) {
  return below_zero(b, b.op("Mul", {exp_minus_one(b, b.in(0)), like(b, b.attrs().real("alpha"))}));
}
Expansion selu_meaning(OpBuilder& b) {
  const Ref below = b.op("Mul", {exp_minus_one(b, b.in(0)), like(b, b.attrs().real("alpha"))});
  const Ref x = b.op("Where", {b.op("Less", {b.in(0), like(b, 0)}), below, b.in(0)});
  return b.op("Mul", {x, like(b, b.attrs().real("gamma"))});
}
Expansion celu_meaning(OpBuilder& b) {
  const Ref alpha = like(b, b.attrs().real("alpha"));
  return below_zero(b, b.op("Mul", {exp_minus_one(b, b.op("Div", {b.in(0), alpha})), alpha}));
}
Ref sigmoid(OpBuilder& b, Ref x) {
  return b.op("Div", {like(b, 1), b.op("Add", {b.op("Exp", {b.op("Neg", {x})}), like(b, 1)})});
}
Expansion sigmoid_meaning(OpBuilder& b) { return sigmoid(b, b.in(0)); }
Ref hard_sigmoid(OpBuilder& b, double alpha, double beta) {
  const Ref line = b.op("Add", {b.op("Mul", {b.in(0), like(b, alpha)}), like(b, beta)});
  return b.op("Max", {b.op("Min", {line, like(b, 1)}), like(b, 0)});
}
Expansion hard_sigmoid_meaning(OpBuilder& b) {
  return hard_sigmoid(b, b.attrs().real("alpha"), b.attrs().real("beta"));
}
Expansion hard_swish_meaning(OpBuilder& b) { return b.op("Mul", {b.in(0), hard_sigmoid(b, 1.0 / 6, 0.5)}); }
/// log(1 + exp(-|x|)) + max(x, 0): no overflow.
Ref softplus(OpBuilder& b) {
  const Ref small = b.op("Exp", {b.op("Neg", {b.op("Abs", {b.in(0)})})});
  return b.op("Add", {b.op("Log", {b.op("Add", {small, like(b, 1)})}), b.op("Max", {b.in(0), like(b, 0)})});
}
Expansion softplus_meaning(OpBuilder& b) { return softplus(b); }
Expansion softsign_meaning(OpBuilder& b) {
  return b.op("Div", {b.in(0), b.op("Add", {b.op("Abs", {b.in(0)}), like(b, 1)})});
}
Expansion thresholded_meaning(OpBuilder& b) {
  return b.op("Where", {b.op("Less", {like(b, b.attrs().real("alpha")), b.in(0)}), b.in(0), like(b, 0)});
}
Expansion gelu_meaning(OpBuilder& b) {
  const Ref x = b.in(0);
  Ref inner;
  if (b.attrs().string("approximate") == "tanh") {
    const Ref cube = b.op("Mul", {b.op("Mul", {x, x}), x});
    const Ref sum = b.op("Add", {x, b.op("Mul", {cube, like(b, 0.044715)})});
    inner = b.op("Tanh", {b.op("Mul", {sum, like(b, std::sqrt(2 / std::numbers::pi))})});
  } else {
    inner = b.op("Erf", {b.op("Div", {x, like(b, std::numbers::sqrt2)})});
  }
  return b.op("Mul", {b.op("Mul", {x, like(b, 0.5)}), b.op("Add", {inner, like(b, 1)})});
}
Expansion mish_meaning(OpBuilder& b) { return b.op("Mul", {b.in(0), b.op("Tanh", {softplus(b)})}); }
Expansion swish_meaning(OpBuilder& b) {
  return b.op("Mul", {b.in(0), sigmoid(b, b.op("Mul", {b.in(0), like(b, b.attrs().real("alpha"))}))});
}
Expansion swiglu_meaning(OpBuilder& b) {
  const Ref gate = b.op("Swish", {b.in(0)}, {{"alpha", b.attrs().real("alpha")}});
  return b.op("Mul", {gate, b.in(1)});
}
Expansion shrink_meaning(OpBuilder& b) {
  const DType type = b.input(0).dtype;
  if (!is_float(type)) return Expansion::refuse("Shrink of integers mixes integer data with fractional limits");
  const Ref x = b.in(0), bias = like(b, b.attrs().real("bias"));
  const double lambda = b.attrs().real("lambd");
  const Ref above = b.op("Where", {b.op("Less", {like(b, lambda), x}), b.op("Sub", {x, bias}), like(b, 0)});
  return b.op("Where", {b.op("Less", {x, like(b, -lambda)}), b.op("Add", {x, bias}), above});
}
Expansion clip_meaning(OpBuilder& b) {
  Ref x = b.in(0);
  if (b.has_input(1)) x = b.op("Max", {x, b.in(1)});
  if (b.has_input(2)) x = b.op("Min", {x, b.in(2)});
  return b.has_input(1) || b.has_input(2) ? Expansion(x) : Expansion(b.op("Identity", {x}));
}

// Shape and value rules ----------------------------------------------------------------------------------------------------------

void infer_gelu(ShapeContext& ctx) {
  const auto how = ctx.attrs().string("approximate");
  if (how != "none" && how != "tanh")
    ctx.fail(Code::bad_input, fmt::format("approximate '{}' is neither 'none' nor 'tanh'", how));
  infer_same(ctx);
}

/// Limits are scalars; a tensor of one element is accepted, as exporters write it.
void infer_clip(ShapeContext& ctx) {
  for (int i = 1; i <= 2; ++i) {
    if (!ctx.has_input(i)) continue;
    const int64_t n = known_count(ctx, i);
    if (n >= 0 && n != 1)
      ctx.fail(Code::shape, fmt::format("operand {} is {}, a scalar is needed", i, ctx.input(i).str()));
  }
  infer_same(ctx);
}

void clip_value(ShapeContext& ctx) {
  auto x = known_values(ctx, 0);
  if (!x) return;
  for (int i = 1; i <= 2; ++i) {
    if (!ctx.has_input(i)) continue;
    const auto limit = known_values(ctx, i);
    if (!limit || limit->size() != 1) return;
    for (Dim& d : *x) d = i == 1 ? max(d, (*limit)[0]) : min(d, (*limit)[0]);
  }
  ctx.set_value(0, std::move(*x));
}

void relu_value(ShapeContext& ctx) {
  auto x = known_values(ctx, 0);
  if (!x) return;
  for (Dim& d : *x) d = max(d, 0);
  ctx.set_value(0, std::move(*x));
}

/// Both operands have one shape: nothing broadcasts.
void infer_swiglu(ShapeContext& ctx) {
  Type y = tensor_input(ctx, 0);
  const Type& b = tensor_input(ctx, 1);
  if (!y.has_rank || !b.has_rank) return ctx.set_output(0, y.has_rank ? y : b);
  require_rank(ctx, 1, y.rank());
  for (size_t i = 0; i < y.dims.size(); ++i)
    y.dims[i] = ctx.require_equal(y.dims[i], b.dims[i], fmt::format("axis {} of A and B", i));
  ctx.set_output(0, std::move(y));
}

void infer_dropout(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  for (int i = 1; i <= 2; ++i) {
    if (ctx.has_input(i)) require_rank(ctx, i, 0);
  }
  if (const Value* ratio = ctx.has_input(1) ? ctx.constant(1) : nullptr; ratio != nullptr && ratio->numel() == 1) {
    const double r = ratio->to_doubles()[0];
    if (!(r >= 0 && r < 1)) ctx.fail(Code::bad_input, fmt::format("ratio {} is not in [0, 1)", r));
  }
  ctx.set_output(0, x);
  Type mask = x;
  if (ctx.attrs().schema().since >= 10) mask.dtype = DType::boolean;
  ctx.set_output(1, std::move(mask));
}

// Rows ---------------------------------------------------------------------------------------------------------------------------

constexpr Hint kOver[] = {{0, 0, Alias::may_overwrite}};

constexpr Version kRelu[] = {
    {1, "(T X) -> (T Y) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T X) -> (T Y); T = ieee"},
    {13, "(T X) -> (T Y); T = floats"},
    {14, "(T X) -> (T Y); T = floats ints"},
};
constexpr Version kLeakyRelu[] = {
    {1, "(T X) -> (T Y) {alpha: float = 0.01, consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T X) -> (T Y) {alpha: float = 0.01}; T = ieee"},
    {16, "(T X) -> (T Y) {alpha: float = 0.01}; T = floats"},
};
constexpr Version kElu[] = {
    {1, "(T X) -> (T Y) {alpha: float = 1, consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T X) -> (T Y) {alpha: float = 1}; T = ieee"},
    {22, "(T X) -> (T Y) {alpha: float = 1}; T = floats"},
};
constexpr Version kSelu[] = {
    {1, "(T X) -> (T Y) {alpha: float = 1.6732, consumed_inputs: ints, gamma: float = 1.0507}; T = ieee", selu_1},
    {6, "(T X) -> (T Y) {alpha: float = 1.6732632, gamma: float = 1.050701}; T = ieee"},
    {22, "(T X) -> (T Y) {alpha: float = 1.6732632, gamma: float = 1.050701}; T = floats"},
};
constexpr Version kCelu[] = {
    {12, "(T X) -> (T Y) {alpha: float = 1}; T = f32"},
    {28, "(T X) -> (T Y) {alpha: float = 1}; T = floats"},
};
constexpr Version kSigmoid[] = {
    {1, "(T X) -> (T Y) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T X) -> (T Y); T = ieee"},
    {13, "(T X) -> (T Y); T = floats"},
};
constexpr Version kHardSigmoid[] = {
    {1, "(T X) -> (T Y) {alpha: float = 0.2, beta: float = 0.5, consumed_inputs: ints}; T = ieee",
     drop_consumed_inputs},
    {6, "(T X) -> (T Y) {alpha: float = 0.2, beta: float = 0.5}; T = ieee"},
    {22, "(T X) -> (T Y) {alpha: float = 0.2, beta: float = 0.5}; T = floats"},
};
constexpr Version kHardSwish[] = {
    {14, "(T X) -> (T Y); T = ieee"},
    {22, "(T X) -> (T Y); T = floats"},
};
constexpr Version kTanh[] = {
    {1, "(T input) -> (T output) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T input) -> (T output); T = ieee"},
    {13, "(T input) -> (T output); T = floats"},
};
constexpr Version kSoftplus[] = {
    {1, "(T X) -> (T Y); T = ieee"},
    {22, "(T X) -> (T Y); T = floats"},
};
constexpr Version kSoftsign[] = {
    {1, "(T input) -> (T output); T = ieee"},
    {22, "(T input) -> (T output); T = floats"},
};
constexpr Version kThresholdedRelu[] = {
    {10, "(T X) -> (T Y) {alpha: float = 1}; T = ieee"},
    {22, "(T X) -> (T Y) {alpha: float = 1}; T = floats"},
};
constexpr Version kGelu[] = {
    {20, "(T X) -> (T Y) {approximate: string = 'none'}; T = floats"},
};
constexpr Version kMish[] = {
    {18, "(T X) -> (T Y); T = ieee"},
    {22, "(T X) -> (T Y); T = floats"},
};
constexpr Version kSwish[] = {
    {24, "(T X) -> (T Y) {alpha: float = 1}; T = floats"},
};
constexpr Version kSwiGLU[] = {
    {28, "(T A, T B) -> (T Y) {alpha: float = 1}; T = floats"},
};
constexpr Version kShrink[] = {
    {9, "(T input) -> (T output) {bias: float = 0, lambd: float = 0.5}; T = num"},
};
constexpr Version kClip[] = {
    {1, "(T input) -> (T output) {consumed_inputs: ints, max: float, min: float}; T = ieee", drop_consumed_inputs},
    {6, "(T input) -> (T output) {max: float = 3.4028235e+38, min: float = -3.4028235e+38}; T = ieee", clip_6},
    {11, "(T input, T? min, T? max) -> (T output); T = ieee"},
    {12, "(T input, T? min, T? max) -> (T output); T = num"},
    {13, "(T input, T? min !d, T? max !d) -> (T output); T = num bf16"},
};
constexpr Version kDropout[] = {
    {1,
     "(T data) -> (T output, T? mask) {consumed_inputs: ints, is_test: int = 0, ratio: float = 0.5}; T = "
     "ieee",
     drop_consumed_inputs},
    {6, "(T data) -> (T output, T? mask) {is_test: int = 0, ratio: float = 0.5}; T = ieee", dropout_6},
    {7, "(T data) -> (T output, T? mask) {ratio: float = 0.5}; T = ieee", dropout_7},
    {10, "(T data) -> (T output, T1? mask) {ratio: float = 0.5}; T = ieee; T1 = bool", dropout_10, dropout_12_to_10},
    {12,
     "(T data, T1? ratio, T2? training_mode) -> (T output, T2? mask) {seed: int}; T = ieee; T1 = ieee; T2 "
     "= bool"},
    {13,
     "(T data, T1? ratio !d, T2? training_mode !d) -> (T output, T2? mask !d) {seed: int}; T = floats; T1 "
     "= ieee; T2 = bool"},
    {22,
     "(T data, T1? ratio !d, T2? training_mode !d) -> (T output, T2? mask !d) {seed: int}; T = floats f8; "
     "T1 = floats f8; T2 = bool"},
};

consteval OpDef activation(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                           Decompose meaning, std::string_view grid, std::string_view doc) {
  OpDef d;
  d.name = name;
  d.api = {cpp, Form::function, Promote::same_type};
  d.versions = versions;
  d.infer = infer_same;
  d.layout = Layout::elementwise;
  d.aliases = kOver;
  d.meaning = Meaning{meaning};
  d.cost = cost_transcendental;
  d.ulp = 4;
  d.grid = grid;
  d.doc = doc;
  return row(d);
}
consteval OpDef with(OpDef d, void (*infer)(ShapeContext&), void (*value)(ShapeContext&),
                     Cost (*cost)(const CostContext&), double ulp) {
  d.infer = infer;
  d.value = value;
  d.cost = cost;
  d.ulp = ulp;
  return row(d);
}

constexpr OpDef kRows[] = {
    with(activation("Relu", "relu", kRelu, relu_meaning,
                    "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{inf,nan,0,-90,90}; i8{-128,0,127}; f32{-inf}; "
                    "f32[2] consumed_inputs=[0] v=1",
                    "max(x, 0)."),
         infer_same, relu_value, cost_elementwise, 0),
    with(activation("LeakyRelu", "leaky_relu", kLeakyRelu, leaky_relu_meaning,
                    "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{inf,nan,0,-90,90}; f32[4] alpha=0.3",
                    "x where x ≥ 0, alpha · x below."),
         infer_same, nullptr, cost_elementwise, 1),
    activation("Elu", "elu", kElu, elu_meaning,
               "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{inf,nan,0,-90,90}; f32[4] alpha=0.3",
               "x where x ≥ 0, alpha · (exp(x) - 1) below."),
    activation(
        "Selu", "selu", kSelu, selu_meaning,
        "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{inf,nan,0,-90,90}; f32[4] alpha=2.0 gamma=3.0; f32[3] v=1",
        "gamma · x where x ≥ 0, gamma · alpha · (exp(x) - 1) below."),
    activation("Celu", "celu", kCelu, celu_meaning,
               "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{inf,nan,0,-90,90}; f32[4] alpha=2.0",
               "max(x, 0) + min(alpha · (exp(x / alpha) - 1), 0)."),
    activation("Sigmoid", "sigmoid", kSigmoid, sigmoid_meaning,
               "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{inf,nan,0,-90,90}; bf16[3]", "1 / (1 + exp(-x))."),
    with(activation("HardSigmoid", "hard_sigmoid", kHardSigmoid, hard_sigmoid_meaning,
                    "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{inf,nan,0,-90,90}; f32[4] alpha=0.5 beta=0.6",
                    "alpha · x + beta, cut to [0, 1]."),
         infer_same, nullptr, cost_elementwise, 1),
    with(activation("HardSwish", "hard_swish", kHardSwish, hard_swish_meaning,
                    "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{nan,0,-90,90}",
                    "x · (x / 6 + 1/2 cut to [0, 1])."),
         infer_same, nullptr, cost_elementwise, 2),
    []() consteval {
      OpDef d = activation("Tanh", "tanh", kTanh, relu_meaning,
                           "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{inf,nan,0,-90,90}; bf16[3]; f32{-inf,-0}",
                           "Hyperbolic tangent of x.");
      d.meaning = Meaning{Primitive{"its formula by exponentials loses precision near 0"}};
      d.api.promote = Promote::to_float;
      return row(d);
    }(),
    activation("Softplus", "softplus", kSoftplus, softplus_meaning,
               "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{inf,nan,0,-90,90}",
               "log(1 + exp(x)), without overflow."),
    with(activation("Softsign", "softsign", kSoftsign, softsign_meaning,
                    "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{nan,0,-90,90}", "x / (1 + |x|)."),
         infer_same, nullptr, cost_elementwise, 1),
    with(activation("ThresholdedRelu", "thresholded_relu", kThresholdedRelu, thresholded_meaning,
                    "f32[2,3,4]; f64[3] alpha=0.5; f16[5]; f32[]; f32[0,3]", "x where x > alpha, 0 elsewhere."),
         infer_same, nullptr, cost_elementwise, 0),
    with(activation(
             "Gelu", "gelu", kGelu, gelu_meaning,
             "f32[2,3,4]; f64[3]; f32[5] approximate='tanh'; f64[5] approximate='tanh'; f32[]; f32[0,3]; f32{nan,90}",
             "x · Φ(x) with the normal distribution's Φ: x/2 · (1 + erf(x / √2)); with approximate='tanh': x/2 · (1 + "
             "tanh(√(2/π) · "
             "(x + 0.044715 x³)))."),
         infer_gelu, nullptr, cost_transcendental, 4),
    activation("Mish", "mish", kMish, mish_meaning, "f32[2,3,4]; f64[3]; f16[5]; f32[]; f32[0,3]; f32{nan,90}",
               "x · tanh(log(1 + exp(x)))."),
    activation("Swish", "swish", kSwish, swish_meaning,
               "f32[2,3,4]; f64[3]; f32[4] alpha=2.0; f32[]; f32[0,3]; f32{nan,90}", "x · sigmoid(alpha · x)."),
    with(activation("SwiGLU", "swiglu", kSwiGLU, swiglu_meaning,
                    "f32[2,3,4] f32[2,3,4]; f64[3] f64[3] alpha=2.0; f16[5] f16[5]; f32[] f32[]; f32[0,3] f32[0,3]",
                    "a · sigmoid(alpha · a) · b of two operands of one shape: the gate a and the value b."),
         infer_swiglu, nullptr, cost_transcendental, 4),
    with(activation("Shrink", "shrink", kShrink, shrink_meaning,
                    "f32[2,3,4]; f64[3] bias=0.5 lambd=1.0; i32[5] lambd=1.5 bias=1.5; u8[4]; f32[]; f32[0,3]",
                    "x + bias where x < -lambd, x - bias where x > lambd, 0 between."),
         infer_same, nullptr, cost_elementwise, 0),
    with(activation("Clip", "clip", kClip, clip_meaning,
                    "f32[2,3,4] f32(-0.5) f32(0.5); f32[4] - f32(0); f64[3] f64(0); i32[5] i32(-2) i32(3); u8[4] "
                    "u8(3); f32[3]; f32[3] f32(1) f32(-1); "
                    "f32[0,3] f32(0); f32{nan,inf} f32(0) f32(1); f32[4] min=-0.5 v=6; f32[] f32(0)",
                    "x, not below min and not above max; where min > max the result is max. NaN stays."),
         infer_clip, clip_value, cost_elementwise, 0),
    []() consteval {
      OpDef d = activation("Dropout", "dropout", kDropout, relu_meaning,
                           "f32[2,3,4] out=2; f32[2,3,4] f32(0.5); f64[8] f32(0.5) bool(1) seed=3 out=2; f16[4] f16(0) "
                           "bool(1) out=2; f32[0,3] out=2; "
                           "f32[3] out=2 v=7; f32[3] out=2 is_test=1 v=6; f32[3] v=10",
                           "In training (training_mode true): each element is 0 with probability ratio, else x / (1 - "
                           "ratio); mask says which were "
                           "kept. Otherwise x itself and a mask of true.");
      d.infer = infer_dropout;
      d.effect = Effect::random;
      d.meaning = Meaning{Primitive{"random numbers"}};
      d.cost = cost_elementwise;
      d.ulp = 1;
      return row(d);
    }(),
};

}  // namespace

std::span<const OpDef> activation_ops() {
  static constexpr auto kAll = gradients::differentiable(kRows, gradients::kActivation);
  return chosen<kAll>();
}

}  // namespace chorus::families
