// Gradient rows of broadcasting, slices, running products and inverses, and the list of all gradient kernels.
#include <engine/native/reference/gradient.h>
#include <ops/chosen.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace chorus::native {
namespace {
using gradient::sums_for;
using support::no_memory;
using support::widen;

Status sum_complex(KernelContext& ctx, const support::Broadcast& b) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  auto* sums = support::temporary<support::Complex>(ctx, y.count);
  if (sums == nullptr) return no_memory();
  std::fill(sums, sums + y.count, support::Complex());
  for (int64_t i = 0; i < x.count; ++i) {
    support::Complex v;
    load_c128(x.dtype, x.data, i, 1, &v);
    sums[b.identity ? i : support::source_of(b, i)] += v;
  }
  store_c128(y.dtype, y.data, 0, y.count, sums);
  return {};
}

/// Every element is added to the element of the result that it was repeated from.
Status sum_to(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  support::Broadcast b;
  if (Status s = support::make_broadcast(y, x.shape(), &b); !s.ok()) return s;
  if (is_complex(x.dtype)) return sum_complex(ctx, b);
  const double* from = widen<double>(ctx, x);
  double* sums = sums_for(ctx, y.count);
  if (from == nullptr || sums == nullptr) return no_memory();
  const int64_t inner = b.rank > 0 ? b.dims[b.rank - 1] : 1, stride = b.rank > 0 ? b.strides[b.rank - 1] : 0;
  for (int64_t i = 0; i < x.count; i += inner) {
    double* to = sums + (b.identity ? i : support::source_of(b, i));
    const int64_t step = b.identity ? 1 : stride;
    for (int64_t k = 0; k < inner; ++k) to[k * step] += from[i + k];
  }
  gradient::store_sums(y, sums);
  return {};
}

/// The elements that Slice with these operands reads, per axis: first and step.
struct Slicing {
  int64_t first[kMaxRank] = {}, step[kMaxRank];
};

Status read_slicing(const KernelContext& ctx, const TensorView& x, Slicing* s) noexcept {
  std::fill(s->step, s->step + kMaxRank, int64_t{1});
  int64_t starts[kMaxRank], axes[kMaxRank], steps[kMaxRank];
  const int64_t n = support::read_ints(ctx.in[2], starts, kMaxRank);
  if (n < 0) return Status::error(Code::shape, "more starts than axes");
  for (int64_t i = 0; i < n; ++i) {
    axes[i] = i;
    steps[i] = 1;
  }
  if (ctx.has(4) && support::read_ints(ctx.in[4], axes, kMaxRank) != n)
    return Status::error(Code::shape, "axes and starts differ in number");
  if (ctx.has(5) && support::read_ints(ctx.in[5], steps, kMaxRank) != n)
    return Status::error(Code::shape, "steps and starts differ in number");
  for (int64_t i = 0; i < n; ++i) {
    const int64_t axis = axes[i] < 0 ? axes[i] + x.rank : axes[i];
    if (axis < 0 || axis >= x.rank || steps[i] == 0)
      return Status::error(Code::bad_input, "axis %lld or step %lld is not possible", static_cast<long long>(axes[i]),
                           static_cast<long long>(steps[i]));
    const int64_t extent = x.dims[axis];
    int64_t at = starts[i] < 0 ? starts[i] + extent : starts[i];
    at = steps[i] > 0 ? std::clamp<int64_t>(at, 0, extent) : std::clamp<int64_t>(at, 0, extent - 1);
    s->first[axis] = at;
    s->step[axis] = steps[i];
  }
  return {};
}

Status slice_grad(KernelContext& ctx) noexcept {
  const TensorView& dy = ctx.in[0];
  TensorView& dx = ctx.out[0];
  if (dy.rank != dx.rank) return Status::error(Code::shape, "dY of rank %d for a tensor of rank %d", dy.rank, dx.rank);
  std::memset(dx.data, 0, static_cast<size_t>(dtype_bytes(dx.dtype, dx.count)));
  if (dy.count == 0) return {};
  Slicing s;
  if (Status st = read_slicing(ctx, dx, &s); !st.ok()) return st;
  int64_t strides[kMaxRank];
  support::row_strides(dx.shape(), strides);
  for (int a = 0; a < dx.rank; ++a) {
    const int64_t last = s.first[a] + (dy.dims[a] - 1) * s.step[a];
    if (s.first[a] < 0 || s.first[a] >= dx.dims[a] || last < 0 || last >= dx.dims[a]) {
      return Status::error(Code::shape, "%lld elements from %lld by %lld do not fit axis %d of %lld",
                           static_cast<long long>(dy.dims[a]), static_cast<long long>(s.first[a]),
                           static_cast<long long>(s.step[a]), a, static_cast<long long>(dx.dims[a]));
    }
  }
  for (int64_t i = 0; i < dy.count; ++i) {
    int64_t rest = i, at = 0;
    for (int a = dy.rank - 1; a >= 0; --a) {
      at += (s.first[a] + rest % dy.dims[a] * s.step[a]) * strides[a];
      rest /= dy.dims[a];
    }
    copy_elements(dy.dtype, dy.data, i, dx.data, at, 1);
  }
  return {};
}

/// One line: before[i] the product of the factors before i, s the sum over j of dy[j] times the factors between i and j.
void cum_prod_line(const double* dy, const double* x, int64_t n, int64_t inner, bool exclusive, bool reverse,
                   double* out) noexcept {
  const auto at = [&](int64_t i) { return (reverse ? n - 1 - i : i) * inner; };
  double before = 1;
  for (int64_t i = 0; i < n; ++i) {
    out[at(i)] = before;
    before *= x[at(i)];
  }
  // Inclusive: s[i] = dy[i] + x[i + 1] s[i + 1]; exclusive: s[i] = dy[i + 1] + x[i + 1] s[i + 1].
  double s = 0;
  for (int64_t i = n - 1; i >= 0; --i) {
    const double next = i + 1 < n ? x[at(i + 1)] * s : 0;
    s = next + (exclusive ? (i + 1 < n ? dy[at(i + 1)] : 0) : dy[at(i)]);
    out[at(i)] *= s;
  }
}

Status cum_prod_grad(KernelContext& ctx) noexcept {
  const TensorView &dy = ctx.in[0], &x = ctx.in[1];
  const int64_t axis = get_i64(ctx.in[2].dtype, ctx.in[2].data, 0);
  if (x.rank == 0 || axis < -x.rank || axis >= x.rank || dy.count != x.count)
    return Status::error(Code::bad_input, "axis %lld of rank %d", static_cast<long long>(axis), x.rank);
  const auto split = support::split_axis(x.shape(), axis);
  const double *g = widen<double>(ctx, dy), *v = widen<double>(ctx, x);
  double* sums = sums_for(ctx, x.count);
  if (g == nullptr || v == nullptr || sums == nullptr) return no_memory();
  const bool exclusive = ctx.attrs->integer("exclusive") != 0, reverse = ctx.attrs->integer("reverse") != 0;
  for (int64_t o = 0; o < split.outer; ++o) {
    for (int64_t k = 0; k < split.inner; ++k) {
      const int64_t from = o * split.extent * split.inner + k;
      cum_prod_line(g + from, v + from, split.extent, split.inner, exclusive, reverse, sums + from);
    }
  }
  gradient::store_sums(ctx.out[0], sums);
  return {};
}

/// Gauss and Jordan with the greatest pivot of each column; a [n, n] becomes the identity, r its inverse.
void invert(double* a, double* r, int64_t n) noexcept {
  for (int64_t i = 0; i < n * n; ++i) r[i] = i / n == i % n ? 1 : 0;
  for (int64_t c = 0; c < n; ++c) {
    int64_t pivot = c;
    for (int64_t i = c + 1; i < n; ++i) pivot = std::abs(a[i * n + c]) > std::abs(a[pivot * n + c]) ? i : pivot;
    if (pivot != c) {
      std::swap_ranges(a + c * n, a + (c + 1) * n, a + pivot * n);
      std::swap_ranges(r + c * n, r + (c + 1) * n, r + pivot * n);
    }
    const double scale = 1 / a[c * n + c];
    for (int64_t k = 0; k < n; ++k) {
      a[c * n + k] *= scale;
      r[c * n + k] *= scale;
    }
    for (int64_t i = 0; i < n; ++i) {
      const double f = a[i * n + c];
      if (i == c || f == 0) continue;
      for (int64_t k = 0; k < n; ++k) {
        a[i * n + k] -= f * a[c * n + k];
        r[i * n + k] -= f * r[c * n + k];
      }
    }
  }
}

Status inverse(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  if (x.rank < 2 || x.dim(-1) != x.dim(-2)) return Status::error(Code::shape, "no square matrices");
  const int64_t n = x.dim(-1), each = n * n;
  double *from = sums_for(ctx, x.count), *to = sums_for(ctx, x.count);
  if (from == nullptr || to == nullptr) return no_memory();
  load_f64(x.dtype, x.data, 0, x.count, from);
  for (int64_t i = 0; each > 0 && i < x.count / each; ++i) invert(from + i * each, to + i * each, n);
  gradient::store_sums(ctx.out[0], to);
  return {};
}

constexpr KernelRow kKernels[] = {
    {"SumTo", sum_to, "chorus"},
    {"SliceGrad", slice_grad, "chorus"},
    {"CumProdGrad", cum_prod_grad, "chorus"},
    {"Inverse", inverse, "chorus"},
    {"ConvGradData", gradient::conv_grad_data, "chorus"},
    {"ConvGradWeights", gradient::conv_grad_weights, "chorus"},
    {"AveragePoolGrad", gradient::average_pool_grad, "chorus"},
    {"MaxRoiPoolGrad", gradient::max_roi_pool_grad, "chorus"},
    {"ResizeGrad", gradient::resize_grad, "chorus"},
    {"GridSampleGrad", gradient::grid_sample_grad, "chorus"},
    {"RoiAlignGrad", gradient::roi_align_grad, "chorus"},
    {"SequenceZeros", gradient::sequence_zeros, "chorus"},
    {"SequenceSum", gradient::sequence_sum, "chorus"},
    {"SequenceAtGrad", gradient::sequence_at_grad, "chorus"},
    {"ConcatFromSequenceGrad", gradient::concat_from_sequence_grad, "chorus"},
    {"RNNGrad", gradient::rnn_grad, "chorus"},
    {"GRUGrad", gradient::gru_grad, "chorus"},
    {"LSTMGrad", gradient::lstm_grad, "chorus"},
    {"LinearAttentionGrad", gradient::linear_attention_grad, "chorus"},
};

}  // namespace

std::span<const KernelRow> reference::gradient_kernels() { return chosen<kKernels>(); }

}  // namespace chorus::native
