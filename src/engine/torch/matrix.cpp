// Products of matrices.
#include "table.h"

namespace chorus_torch {
namespace {

void mat_mul(Call& c) {
  const Tensor a = c.in(0), b = c.in(1);
  if (a.scalar_type() == at::kHalf) return c.out(0, at::matmul(a.to(at::kFloat), b.to(at::kFloat)));
  c.out(0, at::matmul(a, b));
}

// Bias and factors may be of any shape that broadcasts; addmm is taken where it means the same.
void gemm(Call& c) {
  Tensor a = c.in(0), b = c.in(1);
  const Tensor bias = c.in(2);
  if (c.i("transA", 0) != 0) a = a.t();
  if (c.i("transB", 0) != 0) b = b.t();
  const double alpha = c.f("alpha", 1), beta = c.f("beta", 1);
  const bool floating = at::isFloatingType(a.scalar_type());
  if (floating && bias.defined()) return c.out(0, at::addmm(bias, a, b, beta, alpha));
  Tensor y = at::mm(a, b);
  if (floating) {
    if (alpha != 1) y = at::mul(y, alpha);
  } else {
    y = at::mul(y.to(at::kDouble), alpha).to(y.scalar_type());
    if (bias.defined()) y = at::add(y, at::mul(bias.to(at::kDouble), beta).to(y.scalar_type()));
  }
  c.out(0, y);
}

void einsum(Call& c) {
  std::string equation(c.s("equation", ""));
  c.out(0, at::einsum(equation, c.all()));
}

void det(Call& c) { c.out(0, at::linalg_det(c.in(0))); }
void inverse(Call& c) { c.out(0, at::linalg_inv(c.in(0))); }

constexpr Row kRows[] = {
    {"MatMul", mat_mul, kNumbers, "matmul", "sums of float16 are rounded on the way there: computed in float32"},
    {"Gemm", gemm, kNumbers, "addmm", "its factors are those of the elements' type: integers are scaled in float64"},
    {"Einsum", einsum, kNumbers, "einsum"},
    {"Det", det, kDouble, "linalg_det"},
    {"Inverse", inverse, kDouble, "linalg_inv", {}, nullptr, Widen::none, 0, "chorus"},
};

}  // namespace

std::span<const Row> matrix_rows() { return kRows; }

}  // namespace chorus_torch
