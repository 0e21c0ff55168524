// Functions of one number: activations, Clip and the elementary functions.
#include <engine/native/steps/support.h>

#include <limits>

namespace chorus::native::steps {
namespace {

using fast::Unary;

Status apply(KernelContext& ctx, Unary op, float alpha = 0, float beta = 0) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  fast::UnaryArgs args;
  args.op = op;
  args.x = x.as<const float>();
  args.y = y.as<float>();
  args.n = y.count;
  args.alpha = alpha;
  args.beta = beta;
  table().unary_run(args, ctx.services->pool());
  return {};
}

template <Unary op>
Status run(KernelContext& ctx) noexcept {
  return apply(ctx, op);
}

Status run_leaky(KernelContext& ctx) noexcept { return apply(ctx, Unary::leaky_relu, ctx.attrs->real("alpha", 0.01F)); }
Status run_hard_sigmoid(KernelContext& ctx) noexcept {
  return apply(ctx, Unary::hard_sigmoid, ctx.attrs->real("alpha", 0.2F), ctx.attrs->real("beta", 0.5F));
}
Status run_gelu(KernelContext& ctx) noexcept {
  return apply(ctx, ctx.attrs->string("approximate", "none") == "tanh" ? Unary::gelu_tanh : Unary::gelu_erf);
}
/// The bounds may come with the run; an absent one does not bound.
Status run_clip(KernelContext& ctx) noexcept {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  return apply(ctx, Unary::clip, ctx.has(1) ? *ctx.in[1].as<const float>() : -infinity,
               ctx.has(2) ? *ctx.in[2].as<const float>() : infinity);
}

bool accepts(const StepDescription& step) { return is_float32(step.in(0)) && is_float32(step.out(0)); }
bool accepts_bound(const StepDescription& step, int i) {
  float bound = 0;
  if (!step.has(i)) return true;
  if (step.constant(i) != nullptr) return constant_float(step, i, &bound) && bound == bound && is_float32(step.in(i));
  return false;
}
bool accepts_clip(const StepDescription& step) {
  return accepts(step) && accepts_bound(step, 1) && accepts_bound(step, 2);
}

}  // namespace

std::span<const Candidate> activation_steps() {
  static const std::string_view name = at_level("unary");
  static const auto one = [](std::string_view op, KernelFn f) {
    return Candidate{op, name, accepts, 0, nullptr, nullptr, f};
  };
  static const Candidate list[] = {
      one("Exp", run<Unary::exp>),
      one("Log", run<Unary::log>),
      one("Tanh", run<Unary::tanh>),
      one("Sigmoid", run<Unary::sigmoid>),
      one("Erf", run<Unary::erf>),
      one("HardSwish", run<Unary::hard_swish>),
      one("Sqrt", run<Unary::sqrt>),
      one("Reciprocal", run<Unary::reciprocal>),
      one("Softplus", run<Unary::softplus>),
      one("Sin", run<Unary::sin>),
      one("Cos", run<Unary::cos>),
      one("Relu", run<Unary::relu>),
      one("Gelu", run_gelu),
      one("LeakyRelu", run_leaky),
      one("HardSigmoid", run_hard_sigmoid),
      {"Clip", name, accepts_clip, 0, nullptr, nullptr, run_clip},
  };
  return list;
}

}  // namespace chorus::native::steps
