#include <algorithm>

#include "table.h"

namespace chorus_tvm {
namespace {

int product_type(int type) { return computed(type); }

// Numpy's product of a and b, element by element from `left` and `right`.
T product(const Dims& a, const Dims& b, int type, const std::function<E(const Index&)>& left,
          const std::function<E(const Index&)>& right) {
  const bool vector_a = a.size() == 1, vector_b = b.size() == 1;
  const Dims batch_a(a.begin(), vector_a ? a.end() - 1 : a.end() - 2);
  const Dims batch_b(b.begin(), vector_b ? b.end() - 1 : b.end() - 2);
  const Dims batch = broadcast(batch_a, batch_b);
  Dims dims = batch;
  if (!vector_a) dims.push_back(a[a.size() - 2]);
  if (!vector_b) dims.push_back(b.back());
  const int64_t inner = a.back();
  if (inner != (vector_b ? b[0] : b[b.size() - 2])) throw Failure(CH_SHAPE, "the inner sizes of the product differ");
  auto at_of = [&](const Index& at, const Dims& own) {
    Index made;
    const size_t skip = batch.size() - own.size();
    for (size_t d = 0; d < own.size(); ++d) made.push_back(own[d] == 1 ? whole(0) : at[skip + d]);
    return made;
  };
  return fold(Fold::sum, dims, type, {inner}, [&](const Index& at, const Index& k) {
    Index l = at_of(at, batch_a), r = at_of(at, batch_b);
    if (!vector_a) l.push_back(at[batch.size()]);
    l.push_back(k[0]);
    r.push_back(k[0]);
    if (!vector_b) r.push_back(at.back());
    return left(l) * right(r);
  });
}

void make_matmul(Call& c) {
  const T a = c.in(0), b = c.in(1);
  c.require(a.rank() > 0 && b.rank() > 0, "a scalar has no product of matrices");
  c.out(0, product(a.dims, b.dims, c.out_type(0), a, b));
}

void make_matmul_integer(Call& c) {
  const T a = c.in(0), b = c.in(1);
  T za, zb;
  if (c.has(2)) za = c.in(2);
  if (c.has(3)) zb = c.in(3);
  c.require(za.rank() == 0 || za.size() == 1, "a zero point for each row is left to others");
  c.require(zb.rank() == 0 || zb.size() == 1, "a zero point for each column is left to others");
  auto minus = [&](const T& t, const T& zero, bool has) {
    return [&t, &zero, has](const Index& at) {
      const E e = cast(t(at), kInt);
      return has ? e - cast(zero(Index(zero.dims.size(), whole(0))), kInt) : e;
    };
  };
  c.out(0, product(a.dims, b.dims, kInt, minus(a, za, c.has(2)), minus(b, zb, c.has(3))));
}

void make_gemm(Call& c) {
  const T a = c.in(0), b = c.in(1);
  const bool turn_a = c.i("transA", 0) != 0, turn_b = c.i("transB", 0) != 0;
  const Dims dims = {a.dims.at(turn_a ? 1 : 0), b.dims.at(turn_b ? 0 : 1)};
  const int type = c.out_type(0);
  c.require(is_float(type), "of whole numbers it is left to others");
  const T sum =
      fold(Fold::sum, dims, product_type(type), {a.dims[turn_a ? 0 : 1]}, [&](const Index& at, const Index& k) {
        return a(turn_a ? Index{k[0], at[0]} : Index{at[0], k[0]}) *
               b(turn_b ? Index{at[1], k[0]} : Index{k[0], at[1]});
      });
  const double alpha = c.f("alpha", 1), beta = c.f("beta", 1);
  T bias;
  if (c.has(2)) bias = c.in(2);
  c.out(0, compute(dims, type, [&](const Index& at) {
          const E e = alpha == 1 ? sum(at) : sum(at) * like(alpha, sum(at));
          if (!c.has(2)) return e;
          const E more = spread(bias, at);
          return e + (beta == 1 ? more : more * like(beta, more));
        }));
}

constexpr Row kRows[] = {
    {"MatMul", make_matmul},
    {"Gemm", make_gemm},
    {"MatMulInteger", make_matmul_integer},
};

}  // namespace

std::span<const Row> matrix_rows() { return kRows; }

}  // namespace chorus_tvm
