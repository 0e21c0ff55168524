// ai.onnx.preview.training: one step of an optimizer as an operator, for any number of tensors.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <string>
#include <vector>

namespace chorus::families {
namespace {

using namespace rules;

/// Operands R, T, then `parts` groups of n tensors: values, gradients, states. Outputs: values and states.
int tensors_of(const NodeContext& ctx, int parts) {
  const int n = (ctx.inputs() - 2) / parts;
  if (n < 1 || ctx.inputs() != 2 + n * parts || ctx.outputs() > n * (parts - 1)) {
    ctx.fail(Code::bad_input,
             fmt::format("{} operands and {} outputs: R, T, then {} tensors for each that is optimized", ctx.inputs(),
                         ctx.outputs(), parts));
  }
  return n;
}

void infer_step(ShapeContext& ctx, int parts) {
  const int n = tensors_of(ctx, parts);
  for (const int i : {0, 1}) {
    if (const int64_t count = known_count(ctx, i); count >= 0 && count != 1)
      ctx.fail(Code::shape, fmt::format("{} has {} elements, one is needed", i == 0 ? "R" : "T", count));
  }
  for (int i = 0; i < n; ++i) {
    const Type& x = tensor_input(ctx, 2 + i);
    for (int p = 1; p < parts; ++p) {
      const Type& other = tensor_input(ctx, 2 + p * n + i);
      if (x.dtype != DType::undefined && other.dtype != DType::undefined && x.dtype != other.dtype)
        ctx.fail(Code::type, fmt::format("tensor {} is {}, what belongs to it {}", i, x.str(), other.str()));
      if (!x.has_rank || !other.has_rank) continue;
      if (x.rank() != other.rank())
        ctx.fail(Code::shape, fmt::format("tensor {} is {}, what belongs to it {}", i, x.str(), other.str()));
      for (size_t d = 0; d < x.dims.size(); ++d)
        ctx.require_equal(x.dims[d], other.dims[d], fmt::format("extent {} of tensor {} and what belongs to it", d, i));
    }
    for (int p = 0; p < parts - 1; ++p) ctx.set_output(p * n + i, x);
  }
}
void infer_adagrad(ShapeContext& ctx) { infer_step(ctx, 3); }
void infer_adam(ShapeContext& ctx) { infer_step(ctx, 4); }
void infer_momentum(ShapeContext& ctx) {
  const std::string_view mode = ctx.attrs().string("mode");
  if (mode != "standard" && mode != "nesterov")
    ctx.fail(Code::bad_input, fmt::format("mode '{}' does not exist", mode), "use standard or nesterov");
  infer_step(ctx, 3);
}

/// Operand i stands for the i-th name of xs, then of zs; output i is of x i's type.
void infer_gradient(ShapeContext& ctx) {
  const auto xs = static_cast<int>(ctx.attrs().strings("xs").size()),
             zs = static_cast<int>(ctx.attrs().strings("zs").size());
  if (xs < 1 || ctx.inputs() != xs + zs || ctx.outputs() > xs) {
    ctx.fail(
        Code::bad_input,
        fmt::format("{} operands and {} outputs for {} names in xs and {} in zs", ctx.inputs(), ctx.outputs(), xs, zs),
        "give one operand per name, one output per name in xs");
  }
  for (int o = 0; o < ctx.outputs(); ++o) {
    if (ctx.has_output(o)) ctx.set_output(o, tensor_input(ctx, o));
  }
}

// Meanings by simpler operators --------------------------------------------------------------------------------------------------

Ref cast(OpBuilder& b, Ref x, DType to) { return b.op("Cast", {x}, {{"to", static_cast<int64_t>(to)}}); }
Ref add(OpBuilder& b, Ref x, Ref y) { return b.op("Add", {x, y}); }
Ref sub(OpBuilder& b, Ref x, Ref y) { return b.op("Sub", {x, y}); }
Ref mul(OpBuilder& b, Ref x, Ref y) { return b.op("Mul", {x, y}); }
Ref div(OpBuilder& b, Ref x, Ref y) { return b.op("Div", {x, y}); }

/// What a step is made of: the operands of one tensor, and numbers that all share, as float64 scalars.
struct Step {
  OpBuilder& b;
  int parts, n;
  Ref rate, count;
  Step(OpBuilder& builder, int groups) : b(builder), parts(groups), n(tensors_of(builder, groups)) {
    const Ref scalar_shape = b.constant(Value::tensor(DType::int64, Shape{0}));
    rate = b.op("Reshape", {cast(b, b.in(0), DType::float64), scalar_shape});
    count = b.op("Reshape", {cast(b, b.in(1), DType::float64), scalar_shape});
  }
  Ref number(double v) const { return scalar(b, DType::float64, v); }
  double real(std::string_view name) const { return static_cast<double>(b.attrs().real(name)); }
  Ref operand(int part, int i) const { return b.in(2 + part * n + i); }
  Ref like(Ref x, int i) const { return b.op("CastLike", {x, operand(0, i)}); }  ///< a shared number in tensor i's type
  Ref constant(double v, int i) const { return scalar_like(b, operand(0, i), v); }
  Ref regularized(int i) const {
    const double norm = real("norm_coefficient");
    return norm == 0 ? operand(1, i) : add(b, mul(b, constant(norm, i), operand(0, i)), operand(1, i));
  }
  /// T > 0 ? later : first
  Ref unless_first(Ref later, Ref first) const {
    return b.op("Where", {b.op("Greater", {count, number(0)}), later, first});
  }
};

/// Outputs in the order of the operator: all values, then all of each state.
template <class Rule>
Expansion for_all(const Step& s, Rule&& rule) {
  std::vector<Ref> outputs(static_cast<size_t>(s.n * (s.parts - 1)));
  for (int i = 0; i < s.n; ++i) {
    const std::vector<Ref> made = rule(i);
    for (size_t p = 0; p < made.size(); ++p) outputs[p * static_cast<size_t>(s.n) + static_cast<size_t>(i)] = made[p];
  }
  outputs.resize(static_cast<size_t>(s.b.outputs()));
  return Expansion(std::move(outputs));
}

Expansion adagrad_meaning(OpBuilder& b) {
  const Step s(b, 3);
  const Ref rate = div(b, s.rate, add(b, s.number(1), mul(b, s.count, s.number(s.real("decay_factor")))));
  return for_all(s, [&](int i) -> std::vector<Ref> {
    const Ref g = s.regularized(i), h = add(b, s.operand(2, i), mul(b, g, g));
    const Ref scale = add(b, b.op("Sqrt", {h}), s.constant(s.real("epsilon"), i));
    return {sub(b, s.operand(0, i), div(b, mul(b, s.like(rate, i), g), scale)), h};
  });
}

Expansion adam_meaning(OpBuilder& b) {
  const Step s(b, 4);
  const double alpha = s.real("alpha"), beta = s.real("beta"), post = s.real("norm_coefficient_post");
  const auto left = [&](double base) { return sub(b, s.number(1), b.op("Pow", {s.number(base), s.count})); };
  // Without an update before, neither average needs a correction; its divisor is kept from 0.
  const Ref divisor = s.unless_first(left(alpha), s.number(1));
  const Ref rate = s.unless_first(div(b, mul(b, s.rate, b.op("Sqrt", {left(beta)})), divisor), s.rate);
  return for_all(s, [&](int i) -> std::vector<Ref> {
    const Ref g = s.regularized(i);
    const Ref v = add(b, mul(b, s.constant(alpha, i), s.operand(2, i)), mul(b, s.constant(1 - alpha, i), g));
    const Ref h = add(b, mul(b, s.constant(beta, i), s.operand(3, i)), mul(b, s.constant(1 - beta, i), mul(b, g, g)));
    const Ref scale = add(b, b.op("Sqrt", {h}), s.constant(s.real("epsilon"), i));
    const Ref x = sub(b, s.operand(0, i), mul(b, s.like(rate, i), div(b, v, scale)));
    return {post == 0 ? x : mul(b, s.constant(1 - post, i), x), v, h};
  });
}

Expansion momentum_meaning(OpBuilder& b) {
  const Step s(b, 3);
  const bool nesterov = b.attrs().string("mode") == "nesterov";
  const double alpha = s.real("alpha");
  const Ref beta = s.unless_first(s.number(s.real("beta")), s.number(1));
  return for_all(s, [&](int i) -> std::vector<Ref> {
    const Ref g = s.regularized(i);
    const Ref v = add(b, mul(b, s.constant(alpha, i), s.operand(2, i)), mul(b, s.like(beta, i), g));
    const Ref direction = nesterov ? add(b, g, mul(b, s.constant(alpha, i), v)) : v;
    return {sub(b, s.operand(0, i), mul(b, s.like(s.rate, i), direction)), v};
  });
}

Cost cost_step(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  for (int o = 0; o < ctx.outputs(); ++o) c.flops += 6 * ctx.count(true, o);
  return c;
}

constexpr std::string_view kTraining = "ai.onnx.preview.training";

constexpr Version kAdagrad[] = {
    {1,
     "(T1 R, T2 T, T3+~ inputs) -> (T3+~ outputs) {decay_factor: float = 0, epsilon: float = 1e-06, "
     "norm_coefficient: float = 0}; T1 = f32 f64; T2 = i64; T3 = f32 f64"},
};
constexpr Version kAdam[] = {
    {1,
     "(T1 R, T2 T, T3+~ inputs) -> (T3+~ outputs) {alpha: float = 0.9, beta: float = 0.999, epsilon: float = "
     "1e-06, norm_coefficient: float = 0, norm_coefficient_post: float = 0}; T1 = f32 f64; T2 = i64; T3 = f32 f64"},
};
constexpr Version kMomentum[] = {
    {1,
     "(T1 R, T2 T, T3+~ inputs) -> (T3+~ outputs) {alpha: float!, beta: float!, mode: string!, norm_coefficient: "
     "float!}; T1 = f32 f64; T2 = i64; T3 = f32 f64"},
};

constexpr Version kGradient[] = {
    {1, "(T1+~ Inputs) -> (T2+~ Outputs) {xs: strings!, y: string!, zs: strings}; T1 = all; T2 = ieee"},
};

constexpr OpDef kTable[] = {
    row({.name = "Adagrad",
         .domain = kTraining,
         .api = {"adagrad_step"},
         .versions = kAdagrad,
         .infer = infer_adagrad,
         .meaning = Decompose{adagrad_meaning},
         .cost = cost_step,
         .ulp = 8,
         .grid = "f32(0.1) i64(0) f32[3] f32[3] f32[3]@0..2 out=2; f32(0.1) i64(3) f32[2,2] f64[3] f32[2,2] f64[3] "
                 "f32[2,2]@0..1 f64[3]@0..1 out=4 decay_factor=0.1 norm_coefficient=0.01; "
                 "f64{0.5} i64{2} f32[0] f32[0] f32[0] out=2; f32(0.1) i64(1) f64[] f64[] f64[]@1..2 out=2 epsilon=0.5",
         .doc = "One update of Adagrad: g = G + norm_coefficient X; H' = H + g^2; X' = X - R / (1 + T decay_factor) g "
                "/ (sqrt(H') + epsilon). Operands R, T, then all X, all G, all H; outputs all X', all H'."}),
    row({.name = "Adam",
         .domain = kTraining,
         .api = {"adam_step"},
         .versions = kAdam,
         .infer = infer_adam,
         .meaning = Decompose{adam_meaning},
         .cost = cost_step,
         .ulp = 16,
         .grid = "f32(0.1) i64(0) f32[3] f32[3] f32[3] f32[3]@0..2 out=3; f32(0.1) i64(5) f32[2] f64[3] f32[2] f64[3] "
                 "f32[2] f64[3] f32[2]@0..1 f64[3]@0..1 out=6 alpha=0.5 beta=0.75 norm_coefficient=0.01 "
                 "norm_coefficient_post=0.1; f64{0.5} i64{2} f32[0] f32[0] f32[0] f32[0] out=3; f32(0.1) i64(1) f64[] "
                 "f64[] f64[] f64[]@1..2 out=3",
         .doc = "One update of Adam: g = G + norm_coefficient X; V' = alpha V + (1 - alpha) g; H' = beta H + (1 - "
                "beta) g^2; X' = (1 - norm_coefficient_post) (X - r V' / (sqrt(H') + epsilon)) with "
                "r = R sqrt(1 - beta^T) / (1 - alpha^T), R for T = 0. Operands R, T, then all X, G, V, H; outputs all "
                "X', V', H'."}),
    row({.name = "Momentum",
         .domain = kTraining,
         .api = {"momentum_step"},
         .versions = kMomentum,
         .infer = infer_momentum,
         .meaning = Decompose{momentum_meaning},
         .cost = cost_step,
         .ulp = 8,
         .grid = "f32(0.1) i64(0) f32[3] f32[3] f32[3] out=2 alpha=0.9 beta=0.5 mode='standard' norm_coefficient=0.01; "
                 "f32(0.1) i64(3) f32[2,2] f64[3] f32[2,2] f64[3] f32[2,2] f64[3] out=4 alpha=0.9 beta=0.5 "
                 "mode='nesterov' norm_coefficient=0.01; "
                 "f64{0.5} i64{2} f32[0] f32[0] f32[0] out=2 alpha=0.9 beta=1.0 mode='standard' norm_coefficient=0.0; "
                 "f32(0.1) i64(1) f64[] f64[] f64[] out=2 alpha=0.9 beta=1.0 mode='nesterov' norm_coefficient=0.0",
         .doc = "One update with momentum: g = G + norm_coefficient X; V' = alpha V + beta g (beta is 1 for T = 0); X' "
                "= X - R V' (standard) or X - R (g + alpha V') (nesterov). Operands R, T, then all X, G, V; "
                "outputs all X', V'."}),
    row({.name = "Gradient",
         .domain = kTraining,
         .api = {"gradient", Form::hidden},
         .versions = kGradient,
         .infer = infer_gradient,
         .meaning = Primitive{"speaks of other nodes of its graph, by their names"},
         .cost = cost_traffic,
         .grid = "f32[3] xs=['x'] y='y'; f32[3] f64[2] i64[1] xs=['x','w'] zs=['z'] y='y' out=2",
         .doc = "The gradients of the tensor named y with respect to those named xs, as functions of these and of "
                "those named zs, at the operands (for xs, then zs). It is replaced by nodes where a whole graph is "
                "differentiated; a process that cannot do this refuses it."}),
};

}  // namespace

std::span<const OpDef> training_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kTraining);
  return chosen<kAll>();
}

}  // namespace chorus::families
