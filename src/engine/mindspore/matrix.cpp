// Products of matrices.
#include <array>
#include <cmath>

#include "table.h"

namespace chorus_mindspore {
namespace {

Tensor multiply(Call& c, const char* name, const Tensor& a, const Tensor& b, bool turn_a, bool turn_b) {
  const size_t n = a.dims().size();
  const int64_t inner = a.dims()[turn_a ? n - 2 : n - 1];
  c.require(inner == b.dims()[turn_b ? n - 1 : n - 2], "the inner extents differ");
  Ints shape = a.dims();
  shape[n - 2] = a.dims()[turn_a ? n - 1 : n - 2];
  shape[n - 1] = b.dims()[turn_b ? n - 2 : n - 1];
  c.room(shape, a.type());
  if (inner == 0) return c.fill(shape, 0, a.type());
  return c.op(name).in(a).in(b).flag(turn_a).flag(turn_b).one(a.type(), shape);
}

// The batches of both are brought to one shape; a matrix for all batches is a product of one.
Tensor batched(Call& c, const Tensor& a, const Tensor& b) {
  if (b.rank() == 2) {
    Ints shape = a.dims();
    shape.back() = b.dim(1);
    const int64_t rows =
        a.dims().back() == 0 ? count_of({a.dims().begin(), a.dims().end() - 1}) : a.count() / a.dims().back();
    return c.reshape(multiply(c, "MatMul", c.reshape(a, {rows, a.dims().back()}), b, false, false), shape);
  }
  Ints x = a.dims(), y = b.dims();
  const Ints batch = c.common({x.begin(), x.end() - 2}, {y.begin(), y.end() - 2});
  auto whole = [&](const Ints& dims) {
    Ints shape = batch;
    shape.insert(shape.end(), dims.end() - 2, dims.end());
    return shape;
  };
  const Tensor wide_a = c.broadcast(a, whole(x)), wide_b = c.broadcast(b, whole(y));
  const int64_t n = count_of(batch);
  const Tensor made = multiply(c, "BatchMatMul", c.reshape(wide_a, {n, x[x.size() - 2], x.back()}),
                               c.reshape(wide_b, {n, y[y.size() - 2], y.back()}), false, false);
  return c.reshape(made, whole({x[x.size() - 2], y.back()}));
}

// Vectors as NumPy has them; matrices of rank 2 by MatMul (its kernel blocks better), others in batches.
Tensor product(Call& c, const Tensor& a, const Tensor& b) {
  c.require(a.rank() > 0 && b.rank() > 0, "an operand is a scalar");
  const Tensor x = a.rank() == 1 ? c.reshape(a, {1, a.dim(0)}) : a, y = b.rank() == 1 ? c.reshape(b, {b.dim(0), 1}) : b;
  const Tensor made = x.rank() == 2 && y.rank() == 2 ? multiply(c, "MatMul", x, y, false, false) : batched(c, x, y);
  if (a.rank() > 1 && b.rank() > 1) return made;
  Ints shape = made.dims();
  if (b.rank() == 1) shape.pop_back();
  if (a.rank() == 1) shape.erase(shape.end() - (b.rank() == 1 ? 1 : 2));
  return c.reshape(made, shape);
}

void matrix_product(Call& c) { c.out(0, product(c, c.in(0), c.in(1))); }

void gemm(Call& c) {
  const double alpha = c.f("alpha", 1), beta = c.f("beta", 1);
  Tensor a = c.in(0), b = c.in(1);
  c.require(a.rank() == 2 && b.rank() == 2, "an operand is no matrix");
  // Integers times a fraction: in float64, cut at the end.
  const bool exact = is_float(a.type()) || (alpha == std::floor(alpha) && beta == std::floor(beta));
  const int type = exact ? a.type() : static_cast<int>(kDouble);
  a = c.cast(a, type), b = c.cast(b, type);
  Tensor y = multiply(c, "MatMul", a, b, c.i("transA", 0) != 0, c.i("transB", 0) != 0);
  if (alpha != 1) y = c.bin("Mul", y, alpha);
  if (c.has(2)) y = c.bin("Add", y, beta == 1 ? c.cast(c.in(2), type) : c.bin("Mul", c.cast(c.in(2), type), beta));
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

// (a - za) (b - zb) in int32, times the scales, in steps of the result's.
void quantised_product(Call& c) {
  auto centred = [&](size_t x, size_t zero) {
    const Tensor point = c.cast(c.in(zero), kInt32);
    c.require(point.count() == 1, "a zero point per row or column is not computed");
    return c.bin("Sub", c.cast(c.in(x), kInt32), point.viewed(Ints{}));
  };
  const Tensor sums = c.cast(product(c, centred(0, 2), centred(3, 5)), kFloat);
  auto scale = [&](size_t i) {
    c.require(c.in(i).count() == 1, "a scale per row or column is not computed");
    return c.cast(c.in(i), kFloat).viewed(Ints{});
  };
  const Tensor steps = c.un("Rint", c.bin("Div", c.bin("Mul", sums, c.bin("Mul", scale(1), scale(4))), scale(6)));
  const Tensor zero = c.in(7);
  const bool is_signed = zero.type() == kInt8;
  const Tensor y = c.bin("Add", steps, c.cast(zero, kFloat).viewed(Ints{}));
  const Tensor cut = c.bin("Minimum", c.bin("Maximum", y, is_signed ? -128.0 : 0.0), is_signed ? 127.0 : 255.0);
  c.out(0, c.cast(c.cast(cut, kInt32), zero.type()));
}

std::string bytes_only(const Node& n) {
  for (uint32_t i : {0U, 3U, 7U}) {
    if (n.dtype(i) != kUint8 && n.dtype(i) != kInt8 && n.dtype(i) != 0) return "it multiplies int8 and uint8 only";
  }
  return {};
}

void determinant(Call& c) {
  const Tensor x = c.in(0);
  c.require(x.rank() >= 2 && x.dim(x.rank() - 1) == x.dim(x.rank() - 2), "the operand is no square matrix");
  Ints shape(x.dims().begin(), x.dims().end() - 2);
  const Tensor batch = x.rank() == 2 ? c.reshape(x, {1, x.dim(0), x.dim(1)}) : x;
  c.out(0, c.reshape(c.op("MatrixDeterminant").in(batch).one(x.type(), x.rank() == 2 ? Ints{1} : shape), shape));
}

constexpr std::array kRows = std::to_array<Row>({
    {"MatMul", matrix_product, "MatMul,BatchMatMul", "vectors become matrices: MatMul takes matrices only",
     Widen::sums},
    {"Gemm", gemm, "MatMul,Add,Mul", "alpha, beta and C are calls of their own", Widen::sums},
    {"MatMulInteger", matrix_product_of_integers, "", "in int32 after the zero points"},
    {"QLinearMatMul", quantised_product, "", "no such operator: by its formula", Widen::none, bytes_only},
    {"Det", determinant, "MatrixDeterminant", {}, Widen::sums},
});

}  // namespace

std::span<const Row> matrix_rows() { return kRows; }

}  // namespace chorus_mindspore
