// Gradients of activation functions, Clip and Dropout.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

#include <cmath>
#include <numbers>

namespace chorus::gradients {
namespace {

Ref like(GradContext& b, double v) { return number(b, b.in(0), v); }
double real(GradContext& b, std::string_view name) { return b.attrs().real(name); }
void set(GradContext& b, Ref slope) { b.set_gradient(0, mul(b, b.out_gradient(0), slope)); }
/// dy where the condition holds, 0 elsewhere.
void set_where(GradContext& b, Ref condition) { b.set_gradient(0, where(b, condition, b.out_gradient(0), like(b, 0))); }
Ref positive(GradContext& b, Ref x) { return less(b, like(b, 0), x); }
/// exp(min(x, 0) · factor): no infinity in what is not chosen.
Ref exp_below(GradContext& b, double factor) {
  const Ref low = b.op("Min", {b.in(0), like(b, 0)});
  return b.op("Exp", {factor == 1 ? low : mul(b, low, like(b, factor))});
}
/// `above` where x > 0, below · exp(x · factor) elsewhere.
void set_exponential(GradContext& b, double above, double below, double factor) {
  set(b, where(b, positive(b, b.in(0)), like(b, above), mul(b, exp_below(b, factor), like(b, below))));
}
/// d/dx of x · sigmoid(alpha · x).
Ref swish_slope(GradContext& b, double alpha) {
  const Ref x = mul(b, b.in(0), like(b, alpha)), s = b.op("Sigmoid", {x});
  return add(b, s, mul(b, mul(b, x, s), sub(b, like(b, 1), s)));
}

}  // namespace

void relu_rule(GradContext& b) { set_where(b, positive(b, b.in(0))); }
void leaky_relu_rule(GradContext& b) {
  const Ref dy = b.out_gradient(0);
  b.set_gradient(0, where(b, positive(b, b.in(0)), dy, mul(b, dy, like(b, real(b, "alpha")))));
}
void elu_rule(GradContext& b) { set_exponential(b, 1, real(b, "alpha"), 1); }
void selu_rule(GradContext& b) { set_exponential(b, real(b, "gamma"), real(b, "gamma") * real(b, "alpha"), 1); }
void celu_rule(GradContext& b) { set_exponential(b, 1, 1, 1 / real(b, "alpha")); }
void sigmoid_rule(GradContext& b) { set(b, mul(b, b.out(0), sub(b, like(b, 1), b.out(0)))); }
void hard_sigmoid_rule(GradContext& b) {
  const Ref y = b.out(0), inside = b.op("And", {less(b, like(b, 0), y), less(b, y, like(b, 1))});
  set(b, where(b, inside, like(b, real(b, "alpha")), like(b, 0)));
}
void hard_swish_rule(GradContext& b) {
  const Ref x = b.in(0), inside = less(b, b.op("Abs", {x}), like(b, 3));
  const Ref line = add(b, mul(b, x, like(b, 1.0 / 3)), like(b, 0.5));
  set(b, where(b, inside, line, as_numbers(b, positive(b, x), x)));
}
void tanh_rule(GradContext& b) { set(b, sub(b, like(b, 1), mul(b, b.out(0), b.out(0)))); }
void softplus_rule(GradContext& b) { set(b, b.op("Sigmoid", {b.in(0)})); }
void softsign_rule(GradContext& b) {
  const Ref base = add(b, b.op("Abs", {b.in(0)}), like(b, 1));
  b.set_gradient(0, div(b, b.out_gradient(0), mul(b, base, base)));
}
void thresholded_relu_rule(GradContext& b) { set_where(b, less(b, like(b, real(b, "alpha")), b.in(0))); }
void gelu_rule(GradContext& b) {
  if (b.attrs().string("approximate") == "tanh") return by_meaning(b);
  const Ref x = b.in(0);
  const Ref error = b.op("Erf", {mul(b, x, like(b, 1 / std::numbers::sqrt2))});
  const Ref normal = mul(b, add(b, error, like(b, 1)), like(b, 0.5));
  const Ref density =
      mul(b, b.op("Exp", {mul(b, mul(b, x, x), like(b, -0.5))}), like(b, 1 / std::sqrt(2 * std::numbers::pi)));
  set(b, add(b, normal, mul(b, x, density)));
}
void mish_rule(GradContext& b) {
  const Ref x = b.in(0), t = b.op("Tanh", {b.op("Softplus", {x})});
  const Ref inner = mul(b, sub(b, like(b, 1), mul(b, t, t)), b.op("Sigmoid", {x}));
  set(b, add(b, t, mul(b, x, inner)));
}
void swish_rule(GradContext& b) { set(b, swish_slope(b, real(b, "alpha"))); }
void swiglu_rule(GradContext& b) {
  const double alpha = real(b, "alpha");
  if (b.wanted(0)) set(b, mul(b, swish_slope(b, alpha), b.in(1)));
  if (b.wanted(1)) b.set_gradient(1, mul(b, b.out_gradient(0), b.op("Swish", {b.in(0)}, {{"alpha", alpha}})));
}
void shrink_rule(GradContext& b) { set_where(b, less(b, like(b, real(b, "lambd")), b.op("Abs", {b.in(0)}))); }

/// y = min(max(x, low), high).
void clip_rule(GradContext& b) {
  const Ref x = b.in(0), dy = b.out_gradient(0), zero = like(b, 0);
  Ref risen = x, cut_low, cut_high;
  if (b.has_input(1)) {
    cut_low = less(b, x, b.in(1));
    risen = b.op("Max", {x, b.in(1)});
  }
  if (b.has_input(2)) cut_high = less(b, b.in(2), risen);
  const auto both = [&](Ref p, Ref q) { return p && q ? b.op("Or", {p, q}) : p ? p : q; };
  const Ref cut = both(cut_low, cut_high);
  if (b.wanted(0)) b.set_gradient(0, cut ? where(b, cut, zero, dy) : dy);
  if (b.wanted(1))
    set_summed(b, 1, where(b, cut_high ? b.op("And", {cut_low, b.op("Not", {cut_high})}) : cut_low, dy, zero));
  if (b.wanted(2)) set_summed(b, 2, where(b, cut_high, dy, zero));
}

void dropout_rule(GradContext& b) {
  const Ref dy = b.out_gradient(0);
  const Value* mode = b.has_input(2) ? static_cast<const NodeContext&>(b).constant(2) : nullptr;
  if (!b.has_input(2) || (mode != nullptr && mode->to_doubles()[0] == 0)) return b.set_gradient(0, dy);
  const Ref ratio = b.has_input(1) ? cast_like(b, b.in(1), dy) : like(b, 0.5);
  const Ref scale = where(b, b.in(2), div(b, like(b, 1), sub(b, like(b, 1), ratio)), like(b, 1));
  b.set_gradient(0, where(b, b.out(1), mul(b, dy, scale), like(b, 0)));
}

}  // namespace chorus::gradients
