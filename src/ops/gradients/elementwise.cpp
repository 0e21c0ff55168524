// Gradients of element-wise operators of two and more operands.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

namespace chorus::gradients {

void add_rule(GradContext& b) {
  for (int i = 0; i < b.inputs(); ++i) set_summed(b, i, b.out_gradient(0));
}

void sub_rule(GradContext& b) {
  set_summed(b, 0, b.out_gradient(0));
  if (b.wanted(1)) set_summed(b, 1, neg(b, b.out_gradient(0)));
}

void mul_rule(GradContext& b) {
  for (int i = 0; i < 2; ++i) {
    if (b.wanted(i)) set_summed(b, i, mul(b, b.out_gradient(0), b.in(1 - i)));
  }
}

void div_rule(GradContext& b) {
  const Ref part = div(b, b.out_gradient(0), b.in(1));
  set_summed(b, 0, part);
  if (b.wanted(1)) set_summed(b, 1, neg(b, mul(b, part, b.out(0))));
}

/// z = a - b · n with a whole number n of b in a.
void mod_rule(GradContext& b) {
  set_summed(b, 0, b.out_gradient(0));
  if (!b.wanted(1)) return;
  const Ref times = b.op("Round", {div(b, sub(b, b.in(0), b.out(0)), b.in(1))});
  set_summed(b, 1, neg(b, mul(b, b.out_gradient(0), times)));
}

void pow_rule(GradContext& b) {
  const Ref x = b.in(0), y = b.in(1), dz = b.out_gradient(0);
  const Ref zero = number(b, x, 0), exponent = cast_like(b, y, x);
  if (b.wanted(0)) {
    // x^0 is constant, at x = 0 too.
    const Ref slope = mul(b, exponent, b.op("Pow", {x, sub(b, y, number(b, y, 1))}));
    set_summed(b, 0, mul(b, dz, where(b, equal(b, exponent, zero), zero, slope)));
  }
  if (b.wanted(1)) {
    // 0^y is constant for y > 0, though log(0) is not finite.
    const Ref at_zero = equal(b, x, zero);
    const Ref logarithm = b.op("Log", {where(b, at_zero, number(b, x, 1), x)});
    set_summed(b, 1, cast_like(b, mul(b, dz, mul(b, b.out(0), logarithm)), y));
  }
}

/// The operands that reach the extremum share the gradient.
void extremum_rule(GradContext& b) {
  const Ref y = b.out(0), dy = b.out_gradient(0);
  if (b.inputs() == 1) return set_summed(b, 0, dy);
  std::vector<Ref> hits;
  Ref count;
  for (int i = 0; i < b.inputs(); ++i) {
    hits.push_back(as_numbers(b, equal(b, b.in(i), y), dy));
    count = count ? add(b, count, hits.back()) : hits.back();
  }
  const Ref share = div(b, dy, count);
  for (int i = 0; i < b.inputs(); ++i) {
    if (b.wanted(i)) set_summed(b, i, mul(b, share, hits[static_cast<size_t>(i)]));
  }
}

void mean_rule(GradContext& b) {
  const Ref share =
      b.inputs() == 1 ? b.out_gradient(0) : div(b, b.out_gradient(0), number(b, b.out_gradient(0), b.inputs()));
  for (int i = 0; i < b.inputs(); ++i) set_summed(b, i, share);
}

void prelu_rule(GradContext& b) {
  const Ref x = b.in(0), dy = b.out_gradient(0), zero = number(b, x, 0), below = less(b, x, zero);
  if (b.wanted(0)) b.set_gradient(0, where(b, below, mul(b, dy, b.in(1)), dy));
  if (b.wanted(1)) set_summed(b, 1, where(b, below, mul(b, dy, x), zero));
}

void where_rule(GradContext& b) {
  const Ref dy = b.out_gradient(0);
  if (!b.wanted(1) && !b.wanted(2)) return;
  const Ref zero = number(b, dy, 0);
  if (b.wanted(1)) set_summed(b, 1, where(b, b.in(0), dy, zero));
  if (b.wanted(2)) set_summed(b, 2, where(b, b.in(0), zero, dy));
}

}  // namespace chorus::gradients
