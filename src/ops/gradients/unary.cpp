// Gradients of element-wise functions of one operand: dx = dy · f'(x), by x or by y, whichever is shorter.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

#include <cmath>
#include <numbers>

namespace chorus::gradients {
namespace {

Ref like(GradContext& b, double v) { return number(b, b.in(0), v); }
Ref square(GradContext& b, Ref x) { return mul(b, x, x); }
void set(GradContext& b, Ref slope) { b.set_gradient(0, mul(b, b.out_gradient(0), slope)); }
void set_over(GradContext& b, Ref inverse_slope) { b.set_gradient(0, div(b, b.out_gradient(0), inverse_slope)); }

}  // namespace

void abs_rule(GradContext& b) { set(b, b.op("Sign", {b.in(0)})); }
void neg_rule(GradContext& b) { b.set_gradient(0, neg(b, b.out_gradient(0))); }
void sqrt_rule(GradContext& b) { set_over(b, mul(b, b.out(0), like(b, 2))); }
void reciprocal_rule(GradContext& b) { set(b, neg(b, square(b, b.out(0)))); }
void exp_rule(GradContext& b) { set(b, b.out(0)); }
void log_rule(GradContext& b) { set_over(b, b.in(0)); }
void sin_rule(GradContext& b) { set(b, b.op("Cos", {b.in(0)})); }
void cos_rule(GradContext& b) { set(b, neg(b, b.op("Sin", {b.in(0)}))); }
void tan_rule(GradContext& b) { set(b, add(b, square(b, b.out(0)), like(b, 1))); }
void asin_rule(GradContext& b) { set_over(b, b.op("Sqrt", {sub(b, like(b, 1), square(b, b.in(0)))})); }
void acos_rule(GradContext& b) { set_over(b, neg(b, b.op("Sqrt", {sub(b, like(b, 1), square(b, b.in(0)))}))); }
void atan_rule(GradContext& b) { set_over(b, add(b, square(b, b.in(0)), like(b, 1))); }
void sinh_rule(GradContext& b) { set(b, b.op("Cosh", {b.in(0)})); }
void cosh_rule(GradContext& b) { set(b, b.op("Sinh", {b.in(0)})); }
void asinh_rule(GradContext& b) { set_over(b, b.op("Sqrt", {add(b, square(b, b.in(0)), like(b, 1))})); }
void acosh_rule(GradContext& b) {
  const Ref x = b.in(0);   // two roots: x² - 1 cancels near 1
  set_over(b, mul(b, b.op("Sqrt", {sub(b, x, like(b, 1))}), b.op("Sqrt", {add(b, x, like(b, 1))})));
}
void atanh_rule(GradContext& b) { set_over(b, sub(b, like(b, 1), square(b, b.in(0)))); }
void erf_rule(GradContext& b) {
  set(b, mul(b, b.op("Exp", {neg(b, square(b, b.in(0)))}), like(b, 2 / std::sqrt(std::numbers::pi))));
}

}  // namespace chorus::gradients
