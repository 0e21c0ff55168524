// Products of matrices.
#include <array>

#include "table.h"

namespace chorus_tensorflow {
namespace {

// Vectors as NumPy has them; matrices of rank 2 by MatMul (its kernel blocks better), others in batches.
Tensor product(Call& c, const Tensor& a, const Tensor& b) {
  c.require(a.rank() > 0 && b.rank() > 0, "an operand is a scalar");
  const Tensor x = a.rank() == 1 ? c.reshape(a, {1, a.dim(0)}) : a, y = b.rank() == 1 ? c.reshape(b, {b.dim(0), 1}) : b;
  const Tensor made = x.rank() == 2 && y.rank() == 2 ? c.bin("MatMul", x, y) : c.bin("BatchMatMulV2", x, y);
  if (a.rank() > 1 && b.rank() > 1) return made;
  Ints shape = made.dims();
  if (b.rank() == 1) shape.pop_back();
  if (a.rank() == 1) shape.erase(shape.end() - (b.rank() == 1 ? 1 : 2));
  return c.reshape(made, shape);
}

void matrix_product(Call& c) { c.out(0, product(c, c.in(0), c.in(1))); }

void gemm(Call& c) {
  const Tensor a = c.in(0), b = c.in(1);
  c.require(a.rank() == 2 && b.rank() == 2, "an operand is no matrix");
  Tensor y = c.op("MatMul")
                 .in(a)
                 .in(b)
                 .flag("transpose_a", c.i("transA", 0) != 0)
                 .flag("transpose_b", c.i("transB", 0) != 0)
                 .one();
  const double alpha = c.f("alpha", 1), beta = c.f("beta", 1);
  if (alpha != 1) y = c.bin("Mul", y, alpha);
  if (c.has(2)) y = c.bin("AddV2", y, beta == 1 ? c.in(2) : c.bin("Mul", c.in(2), beta));
  c.out(0, y);
}

Tensor less_zero(Call& c, const Tensor& x, size_t zero, bool rows) {
  const Tensor wide = c.cast(x, kInt32);
  if (!c.has(zero)) return wide;
  Tensor point = c.cast(c.in(zero), kInt32);
  if (rows && point.rank() == 1 && point.dim(0) > 1) point = c.reshape(point, {point.dim(0), 1});
  return c.bin("Sub", wide, point);
}

void matrix_product_of_integers(Call& c) {
  c.out(0, product(c, less_zero(c, c.in(0), 2, true), less_zero(c, c.in(1), 3, false)));
}

void determinant(Call& c) { c.out(0, c.un("MatrixDeterminant", c.in(0))); }

constexpr std::array kRows = std::to_array<Row>({
    {"MatMul", matrix_product, "MatMul,BatchMatMulV2", "vectors become matrices: MatMul takes matrices only",
     Widen::sums},
    {"Gemm", gemm, "MatMul,AddV2,Mul", "alpha, beta and C are calls of their own", Widen::sums},
    {"MatMulInteger", matrix_product_of_integers, "", "in int32 after the zero points"},
    {"Det", determinant, "MatrixDeterminant", {}, Widen::sums},
});

}  // namespace

std::span<const Row> matrix_rows() { return kRows; }

}  // namespace chorus_tensorflow
