// Products of matrices: MatMul, Gemm, the quantised ones, Einsum, Det. Floats are summed in float64, integers wrap.
#include <engine/native/reference/wide.h>
#include <ops/chosen.h>
#include <ops/equation.h>

#include <cmath>
#include <limits>

namespace chorus::native {
namespace {
using support::Broadcast;
using support::kRun;
using support::no_memory;
using support::parallel;
using support::source_of;
using support::temporary;
using support::widen;

// Products -----------------------------------------------------------------------------------------------------------------------

/// A stack of products Y[b] (m × n) = A[b] (m × k) · B[b] (k × n) with any strides; the operands of a batch by broadcasting.
struct Stack {
  int64_t batches = 1, m = 1, n = 1, k = 1;
  int64_t a_row = 0, a_column = 0, b_row = 0, b_column = 0;
  Broadcast a_batch, b_batch;
};

/// MatMul's reading of operands: a vector is a row (left) or a column (right).
Status make_stack(const TensorView& a, const TensorView& b, const TensorView& y, Stack* s) noexcept {
  if (a.rank == 0 || b.rank == 0) return Status::error(Code::shape, "a scalar is no matrix");
  s->m = a.rank > 1 ? a.dim(-2) : 1;
  s->k = a.dim(-1);
  s->n = b.rank > 1 ? b.dim(-1) : 1;
  const int64_t b_k = b.rank > 1 ? b.dim(-2) : b.dim(0);
  if (b_k != s->k) {
    return Status::error(Code::shape, "%lld columns on the left, %lld rows on the right", static_cast<long long>(s->k),
                         static_cast<long long>(b_k));
  }
  s->a_row = s->k;
  s->a_column = 1;
  s->b_row = b.rank > 1 ? s->n : 1;
  s->b_column = 1;
  const int lead = y.rank - (a.rank > 1 ? 1 : 0) - (b.rank > 1 ? 1 : 0);
  TensorView outer_a{nullptr, a.dims, std::max(a.rank - 2, 0), a.dtype, 0};
  TensorView outer_b{nullptr, b.dims, std::max(b.rank - 2, 0), b.dtype, 0};
  const auto to = y.shape().first(static_cast<size_t>(lead));
  s->batches = checked_numel(to);
  if (Status st = support::make_broadcast(outer_a, to, &s->a_batch); !st.ok()) return st;
  return support::make_broadcast(outer_b, to, &s->b_batch);
}

/// finish(batch, row, column, n, sums): takes a run of sums of one row.
template <class T, class F>
Status multiply(KernelContext& ctx, const Stack& s, const T* a, const T* b, F finish) noexcept {
  const int64_t pieces = s.n > 0 ? (s.n - 1) / kRun + 1 : 0;
  return parallel(
      ctx, s.batches * s.m * pieces, support::grain_for(s.k * std::min(s.n, kRun)), [&](int64_t begin, int64_t end) {
        T sums[kRun];
        for (int64_t task = begin; task < end; ++task) {
          const int64_t column = task % pieces * kRun, row = task / pieces % s.m, batch = task / pieces / s.m;
          const int64_t n = std::min(kRun, s.n - column);
          const T* left = a + source_of(s.a_batch, batch) * s.m * s.k + row * s.a_row;
          const T* right = b + source_of(s.b_batch, batch) * s.k * s.n + column * s.b_column;
          std::fill(sums, sums + n, T{});
          for (int64_t k = 0; k < s.k; ++k) {
            const T v = left[k * s.a_column];
            const T* line = right + k * s.b_row;
            for (int64_t j = 0; j < n; ++j) sums[j] += v * line[j * s.b_column];
          }
          finish(batch, row, column, n, sums);
        }
      });
}

/// double for floats, uint64_t (the bits of both signs) for integers.
template <class F>
Status by_sum_type(DType t, F f) noexcept {
  return is_float(t) ? f(support::Tag<double>{}) : f(support::Tag<uint64_t>{});
}

Status matmul(KernelContext& ctx) noexcept {
  const TensorView &a = ctx.in[0], &b = ctx.in[1];
  TensorView& y = ctx.out[0];
  Stack s;
  if (Status st = make_stack(a, b, y, &s); !st.ok()) return st;
  return by_sum_type(a.dtype, [&]<class Tag>(Tag) {
    using T = typename Tag::type;
    const T *left = widen<T>(ctx, a), *right = widen<T>(ctx, b);
    if (left == nullptr || right == nullptr) return no_memory();
    return multiply(ctx, s, left, right, [&](int64_t batch, int64_t row, int64_t column, int64_t n, T* sums) {
      support::store(y.dtype, y.data, (batch * s.m + row) * s.n + column, n, sums);
    });
  });
}

/// Cut toward zero; the nearest of the type's range outside it, 0 of NaN.
int64_t whole(double v) noexcept {
  if (v >= -0x1p63 && v < 0x1p63) return static_cast<int64_t>(v);
  return v > 0 ? std::numeric_limits<int64_t>::max() : v < 0 ? std::numeric_limits<int64_t>::min() : 0;
}

template <class T>
Status gemm_of(KernelContext& ctx) noexcept {
  const TensorView &a = ctx.in[0], &b = ctx.in[1];
  TensorView& y = ctx.out[0];
  const bool flip_a = ctx.attrs->integer("transA") != 0, flip_b = ctx.attrs->integer("transB") != 0;
  const float alpha = ctx.attrs->real("alpha", 1), beta = ctx.attrs->real("beta", 1);
  Stack s;
  s.m = a.dim(flip_a ? 1 : 0);
  s.k = a.dim(flip_a ? 0 : 1);
  s.n = b.dim(flip_b ? 0 : 1);
  if (b.dim(flip_b ? 1 : 0) != s.k) {
    return Status::error(Code::shape, "the operands share no inner dimension: %lld and %lld",
                         static_cast<long long>(s.k), static_cast<long long>(b.dim(flip_b ? 1 : 0)));
  }
  s.a_row = flip_a ? 1 : s.k;
  s.a_column = flip_a ? s.m : 1;
  s.b_row = flip_b ? 1 : s.n;
  s.b_column = flip_b ? s.k : 1;
  support::make_broadcast(TensorView{}, {}, &s.a_batch);
  support::make_broadcast(TensorView{}, {}, &s.b_batch);
  const bool has_c = ctx.has(2) && beta != 0;
  Broadcast c;
  if (ctx.has(2)) {
    if (Status st = support::make_broadcast(ctx.in[2], y.shape(), &c); !st.ok()) return st;
  }
  const T *left = widen<T>(ctx, a), *right = widen<T>(ctx, b);
  if (left == nullptr || right == nullptr) return no_memory();
  // Integers are scaled as floats where the factors are not 1, and then truncated, as a cast does.
  const auto scaled = [](T v, float factor) {
    if (factor == 1) return v;
    if constexpr (std::is_same_v<T, double>) return factor * v;
    return static_cast<T>(whole(static_cast<double>(factor) * static_cast<double>(static_cast<int64_t>(v))));
  };
  return multiply(ctx, s, left, right, [&](int64_t, int64_t row, int64_t column, int64_t n, T* sums) {
    const int64_t at = row * s.n + column;
    for (int64_t j = 0; j < n; ++j) sums[j] = scaled(sums[j], alpha);
    if (has_c) {
      T added[kRun];
      support::load(ctx.in[2], c, at, n, added);
      for (int64_t j = 0; j < n; ++j) sums[j] += scaled(added[j], beta);
    }
    support::store(y.dtype, y.data, at, n, sums);
  });
}

Status gemm(KernelContext& ctx) noexcept {
  return by_sum_type(ctx.in[0].dtype, [&]<class Tag>(Tag) { return gemm_of<typename Tag::type>(ctx); });
}

// Quantised products -------------------------------------------------------------------------------------------------------------

/// A scale or zero point of a matrix operand: one number, one per row (left) or column (right), or a tensor that broadcasts.
struct PerLine {
  const double* data = nullptr;  // null: the default
  bool vector = false;  // rank 1 with several numbers
  Broadcast map;  // otherwise
};
enum class Side : uint8_t { left, right };

Status read_lines(KernelContext& ctx, int i, const TensorView& of, Side side, PerLine* out) noexcept {
  if (!ctx.has(i)) return {};
  const TensorView& v = ctx.in[i];
  out->data = widen<double>(ctx, v);
  if (out->data == nullptr) return no_memory();
  out->vector = v.rank == 1 && v.count != 1;
  if (out->vector) {
    const int64_t lines = side == Side::left ? (of.rank > 1 ? of.dim(-2) : 1) : of.dim(-1);
    if (v.count == lines) return {};
    return Status::error(Code::shape, "operand %d has %lld numbers for %lld %s", i, static_cast<long long>(v.count),
                         static_cast<long long>(lines), side == Side::left ? "rows" : "columns");
  }
  TensorView flat = v;
  if (v.count == 1) flat.rank = 0;
  return support::make_broadcast(flat, of.shape(), &out->map);
}

/// (x - zero) * scale, elements of a matrix operand.
Status widen_matrix(KernelContext& ctx, int i, int zero, int scale, Side side, const double** out) noexcept {
  const TensorView& x = ctx.in[i];
  PerLine zeros, scales;
  if (Status s = read_lines(ctx, zero, x, side, &zeros); !s.ok()) return s;
  if (scale >= 0) {
    if (Status s = read_lines(ctx, scale, x, side, &scales); !s.ok()) return s;
  }
  double* wide = temporary<double>(ctx, x.count);
  if (wide == nullptr) return no_memory();
  const int64_t columns = x.dim(-1), rows = x.rank > 1 ? x.dim(-2) : 1;
  const auto at = [&](const PerLine& p, int64_t k) {
    if (!p.vector) return p.data[source_of(p.map, k)];
    return p.data[side == Side::left ? k / columns % rows : k % columns];
  };
  *out = wide;
  return parallel(ctx, x.count, support::kGrain, [&](int64_t begin, int64_t end) {
    load_f64(x.dtype, x.data, begin, end - begin, wide + begin);
    for (int64_t k = begin; k < end; ++k) {
      if (zeros.data != nullptr) wide[k] -= at(zeros, k);
      if (scales.data != nullptr) wide[k] *= at(scales, k);
    }
  });
}

Status matmul_integer(KernelContext& ctx) noexcept {
  const TensorView &a = ctx.in[0], &b = ctx.in[1];
  TensorView& y = ctx.out[0];
  Stack s;
  if (Status st = make_stack(a, b, y, &s); !st.ok()) return st;
  const double *left, *right;  // products of 9-bit numbers: exact in float64 up to 2^35 of them
  if (Status st = widen_matrix(ctx, 0, 2, -1, Side::left, &left); !st.ok()) return st;
  if (Status st = widen_matrix(ctx, 1, 3, -1, Side::right, &right); !st.ok()) return st;
  return multiply(ctx, s, left, right, [&](int64_t batch, int64_t row, int64_t column, int64_t n, double* sums) {
    int64_t whole[kRun];
    for (int64_t j = 0; j < n; ++j) whole[j] = static_cast<int64_t>(sums[j]);
    store_i64(y.dtype, y.data, (batch * s.m + row) * s.n + column, n, whole);
  });
}

Status qlinear_matmul(KernelContext& ctx) noexcept {
  const TensorView &a = ctx.in[0], &b = ctx.in[3];
  TensorView& y = ctx.out[0];
  Stack s;
  if (Status st = make_stack(a, b, y, &s); !st.ok()) return st;
  const double *left, *right;
  if (Status st = widen_matrix(ctx, 0, 2, 1, Side::left, &left); !st.ok()) return st;
  if (Status st = widen_matrix(ctx, 3, 5, 4, Side::right, &right); !st.ok()) return st;
  PerLine zeros, scales;
  if (Status st = read_lines(ctx, 6, y, Side::left, &scales); !st.ok()) return st;
  if (Status st = read_lines(ctx, 7, y, Side::left, &zeros); !st.ok()) return st;
  const auto at = [&](const PerLine& p, int64_t row, int64_t k) {
    return p.vector ? p.data[row] : p.data[source_of(p.map, k)];
  };
  return multiply(ctx, s, left, right, [&](int64_t batch, int64_t row, int64_t column, int64_t n, double* sums) {
    const int64_t begin = (batch * s.m + row) * s.n + column;
    for (int64_t j = 0; j < n; ++j) {
      sums[j] /= at(scales, row, begin + j);
      if (is_integer(y.dtype)) sums[j] = std::nearbyint(sums[j]);
      sums[j] += at(zeros, row, begin + j);
      if (y.dtype == DType::int8) sums[j] = std::clamp(sums[j], -128.0, 127.0);
      if (y.dtype == DType::uint8) sums[j] = std::clamp(sums[j], 0.0, 255.0);
    }
    if (is_integer(y.dtype)) return store_f64(y.dtype, y.data, begin, n, sums);
    cast_elements(DType::float64, sums, 0, y.dtype, y.data, begin, n, true);
  });
}

// Einsum -------------------------------------------------------------------------------------------------------------------------

/// The loops of an equation: labels of the result outermost first, then those summed over, with each operand's stride.
struct Loops {
  static constexpr int kAxes = 2 * kMaxRank;
  static constexpr int kOperands = 16;
  int kept = 0, all = 0;
  int64_t extents[kAxes];
  int64_t strides[kOperands][kAxes];
};

int loop_of(const Equation& e, int label) noexcept {
  for (int i = 0; i < e.output.count; ++i) {
    if (e.output.labels[i] == label) return i;
  }
  int at = e.output.count;
  for (int l = 0; l < Equation::kLabels; ++l) {
    if (!e.used[l]) continue;
    bool kept = false;
    for (int i = 0; i < e.output.count; ++i) kept |= e.output.labels[i] == l;
    if (kept) continue;
    if (l == label) return at;
    ++at;
  }
  return -1;
}

Status make_loops(const KernelContext& ctx, const Equation& e, Loops* out) noexcept {
  out->kept = e.output.count;
  out->all = 0;
  for (int l = 0; l < Equation::kLabels; ++l) {
    if (e.used[l]) out->all = std::max(out->all, loop_of(e, l) + 1);
  }
  if (out->all > Loops::kAxes)
    return Status::error(Code::bad_input, "an equation of %d labels; the most are %d", out->all, Loops::kAxes);
  std::fill(out->extents, out->extents + Loops::kAxes, 1);
  for (auto& operand : out->strides) std::fill(operand, operand + Loops::kAxes, 0);
  for (int o = 0; o < e.operands; ++o) {
    const TensorView& x = ctx.in[o];
    int64_t steps[kMaxRank];
    support::row_strides(x.shape(), steps);
    for (int i = 0; i < x.rank; ++i) {
      const int loop = loop_of(e, e.inputs[o].labels[i]);
      int64_t& extent = out->extents[loop];
      if (x.dims[i] == 1) continue;
      if (extent != 1 && extent != x.dims[i]) {
        return Status::error(Code::shape, "label '%c' is %lld in one place and %lld in operand %d",
                             Equation::letter(e.inputs[o].labels[i]), static_cast<long long>(extent),
                             static_cast<long long>(x.dims[i]), o);
      }
      extent = x.dims[i];
      out->strides[o][loop] += steps[i];
    }
  }
  return {};
}

template <class T>
T contract(const Loops& loops, const T* const* operands, int n, int64_t element) noexcept {
  int64_t base[Loops::kOperands] = {};
  for (int axis = loops.kept - 1; axis >= 0; --axis) {
    const int64_t at = element % loops.extents[axis];
    element /= loops.extents[axis];
    for (int o = 0; o < n; ++o) base[o] += at * loops.strides[o][axis];
  }
  int64_t index[Loops::kAxes] = {};
  int64_t terms = 1;
  for (int axis = loops.kept; axis < loops.all; ++axis) terms *= loops.extents[axis];
  T sum{};
  for (int64_t t = 0; t < terms; ++t) {
    T product = operands[0][base[0]];
    for (int o = 1; o < n; ++o) product *= operands[o][base[o]];
    sum += product;
    for (int axis = loops.all - 1; axis >= loops.kept; --axis) {
      const bool carry = ++index[axis] == loops.extents[axis];
      for (int o = 0; o < n; ++o)
        base[o] += carry ? loops.strides[o][axis] * (1 - loops.extents[axis]) : loops.strides[o][axis];
      if (!carry) break;
      index[axis] = 0;
    }
  }
  return sum;
}

Status einsum(KernelContext& ctx) noexcept {
  TensorView& y = ctx.out[0];
  if (ctx.n_in > Loops::kOperands)
    return Status::error(Code::bad_input, "%d operands; the most are %d", ctx.n_in, Loops::kOperands);
  Equation e;
  int ranks[Loops::kOperands];
  for (int i = 0; i < ctx.n_in; ++i) ranks[i] = ctx.in[i].rank;
  if (const char* wrong = parse_equation(ctx.attrs->string("equation"), {ranks, static_cast<size_t>(ctx.n_in)}, &e);
      wrong != nullptr) {
    return Status::error(Code::bad_input, "%s", wrong);
  }
  Loops loops;
  if (Status s = make_loops(ctx, e, &loops); !s.ok()) return s;
  int64_t terms = 1;
  for (int axis = loops.kept; axis < loops.all; ++axis)
    terms = std::max<int64_t>(checked_mul(terms, loops.extents[axis]), 0);
  return by_sum_type(y.dtype, [&]<class Tag>(Tag) {
    using T = typename Tag::type;
    const T* operands[Loops::kOperands];
    for (int i = 0; i < ctx.n_in; ++i) {
      operands[i] = widen<T>(ctx, ctx.in[i]);
      if (operands[i] == nullptr) return no_memory();
    }
    return support::each_output<T>(ctx, y, terms * ctx.n_in,
                                   [&](int64_t i) { return contract(loops, operands, ctx.n_in, i); });
  });
}

// Det ----------------------------------------------------------------------------------------------------------------------------

/// Destroys the matrix: elimination with the largest pivot of each column.
double determinant(double* m, int64_t n) noexcept {
  double det = 1;
  for (int64_t c = 0; c < n; ++c) {
    int64_t pivot = c;
    for (int64_t r = c + 1; r < n; ++r) {
      if (std::abs(m[r * n + c]) > std::abs(m[pivot * n + c])) pivot = r;
    }
    if (m[pivot * n + c] == 0) return 0;
    if (pivot != c) {
      std::swap_ranges(m + c * n, m + (c + 1) * n, m + pivot * n);
      det = -det;
    }
    const double p = m[c * n + c];
    det *= p;
    for (int64_t r = c + 1; r < n; ++r) {
      const double f = m[r * n + c] / p;
      for (int64_t k = c; k < n; ++k) m[r * n + k] -= f * m[c * n + k];
    }
  }
  return det;
}

Status det(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  const int64_t n = x.dim(-1);
  if (x.dim(-2) != n) {
    return Status::error(Code::shape, "matrices of %lld x %lld are not square", static_cast<long long>(x.dim(-2)),
                         static_cast<long long>(n));
  }
  double* copy = temporary<double>(ctx, x.count);
  if (copy == nullptr) return no_memory();
  load_f64(x.dtype, x.data, 0, x.count, copy);
  return support::each_output<double>(ctx, y, n * n * n, [&](int64_t i) { return determinant(copy + i * n * n, n); });
}

constexpr KernelRow kKernels[] = {
    {"MatMul", matmul}, {"Gemm", gemm}, {"MatMulInteger", matmul_integer}, {"QLinearMatMul", qlinear_matmul},
    {"Einsum", einsum}, {"Det", det},
};

}  // namespace

std::span<const KernelRow> reference::matrix_kernels() { return chosen<kKernels>(); }

}  // namespace chorus::native
