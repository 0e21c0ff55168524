// Along one axis: positions of extremes, cumulative sums and products, the largest k.
#include <engine/native/reference/reduction.h>
#include <engine/native/reference/support.h>

#include <algorithm>
#include <cmath>

namespace chorus::native::reference {
namespace {

using namespace support;

/// Strictly before in the order of a search; NaN comes before everything.
template <class T>
bool before(T a, T b, bool largest) noexcept {
  if constexpr (std::is_same_v<T, double>) {
    if (std::isnan(b)) return false;
    if (std::isnan(a)) return true;
  }
  return largest ? a > b : a < b;
}

/// The same for sorting: NaN counts as largest.
template <class T>
bool ranks_before(T a, T b, bool largest) noexcept {
  if constexpr (std::is_same_v<T, double>) {
    if (!largest && (std::isnan(a) || std::isnan(b))) return !std::isnan(a) && std::isnan(b);
  }
  return before(a, b, largest);
}

/// body(row, column, n): `n` neighbouring lines (≤ kRun), whose elements are split.inner apart.
template <class F>
Status for_lines(KernelContext& ctx, const AxisSplit& split, F body) noexcept {
  const int64_t width = std::min(kRun, std::max<int64_t>(1, split.inner)),
                per_row = split.inner == 0 ? 0 : (split.inner - 1) / width + 1;
  return parallel(ctx, split.outer * per_row, grain_for(split.extent * width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / per_row, column = i % per_row * width;
      body(row, column, std::min(width, split.inner - column));
    }
  });
}

Status axis_of(const KernelContext& ctx, int64_t axis, AxisSplit* split) noexcept {
  const TensorView& x = ctx.in[0];
  if (x.rank == 0) return {};  // one line of one element
  if (axis < -x.rank || axis >= x.rank)
    return Status::error(Code::bad_input, "axis %lld is out of range for rank %d", static_cast<long long>(axis),
                         x.rank);
  *split = split_axis(x.shape(), axis);
  return {};
}

/// Index of the first (or last) extreme of each of n neighbouring lines.
template <class T>
void find_extremes(const TensorView& x, const AxisSplit& s, int64_t row, int64_t column, int64_t n, bool largest,
                   bool last, int64_t* found) noexcept {
  T best[kRun], v[kRun];
  const int64_t base = row * s.extent * s.inner + column;
  if (s.inner == 1) {  // a single contiguous line: whole runs of it
    for (int64_t e = 0; e < s.extent; e += kRun) {
      const int64_t run = std::min(kRun, s.extent - e);
      load(x.dtype, x.data, base + e, run, v);
      for (int64_t k = 0; k < run; ++k) {
        if (e + k == 0 || before(v[k], best[0], largest) || (last && !before(best[0], v[k], largest))) {
          best[0] = v[k];
          found[0] = e + k;
        }
      }
    }
    return;
  }
  for (int64_t e = 0; e < s.extent; ++e) {
    load(x.dtype, x.data, base + e * s.inner, n, v);
    for (int64_t k = 0; k < n; ++k) {
      if (e == 0 || before(v[k], best[k], largest) || (last && !before(best[k], v[k], largest))) {
        best[k] = v[k];
        found[k] = e;
      }
    }
  }
}

Status arg_extreme(KernelContext& ctx, bool largest) noexcept {
  AxisSplit s;
  if (Status status = axis_of(ctx, ctx.attrs->integer("axis"), &s); !status.ok()) return status;
  if (s.extent == 0 && s.outer * s.inner > 0)
    return Status::error(Code::bad_input, "an axis without elements has no extreme");
  const bool last = ctx.attrs->integer("select_last_index") != 0;
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  return by_real_class(x.dtype, [&]<class T>(Tag<T>) {
    return for_lines(ctx, s, [&](int64_t row, int64_t column, int64_t n) {
      int64_t found[kRun];
      find_extremes<T>(x, s, row, column, n, largest, last, found);
      store(y.dtype, y.data, row * s.inner + column, n, found);
    });
  });
}

template <class T>
T plus(T a, T b) noexcept {
  if constexpr (std::is_same_v<T, int64_t>) return wrap_add(a, b);
  return a + b;
}
template <class T>
T times(T a, T b) noexcept {
  if constexpr (std::is_same_v<T, int64_t>) return wrap_mul(a, b);
  return a * b;
}

template <class T, class F>
Status accumulate(KernelContext& ctx, T start, F f) noexcept {
  if (ctx.in[1].count != 1)
    return Status::error(Code::bad_input, "axis has %lld elements, not one", static_cast<long long>(ctx.in[1].count));
  AxisSplit s;
  if (Status status = axis_of(ctx, get_i64(ctx.in[1].dtype, ctx.in[1].data, 0), &s); !status.ok()) return status;
  const bool exclusive = ctx.attrs->integer("exclusive") != 0, reverse = ctx.attrs->integer("reverse") != 0;
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  return for_lines(ctx, s, [&](int64_t row, int64_t column, int64_t n) {
    T sum[kRun], v[kRun], out[kRun];
    std::fill(sum, sum + n, start);
    for (int64_t step = 0; step < s.extent; ++step) {
      const int64_t e = reverse ? s.extent - 1 - step : step, at = (row * s.extent + e) * s.inner + column;
      load(x.dtype, x.data, at, n, v);
      for (int64_t k = 0; k < n; ++k) {
        const T next = f(sum[k], v[k]);
        out[k] = exclusive ? sum[k] : next;
        sum[k] = next;
      }
      store(y.dtype, y.data, at, n, out);
    }
  });
}

template <class T>
Status select(KernelContext& ctx, const AxisSplit& s, int64_t k, bool largest) noexcept {
  const TensorView& x = ctx.in[0];
  auto* values = static_cast<T*>(ctx.services->scratch(s.extent * static_cast<int64_t>(sizeof(T))));
  auto* order = static_cast<int64_t*>(ctx.services->scratch(s.extent * static_cast<int64_t>(sizeof(int64_t))));
  if (s.extent > 0 && (values == nullptr || order == nullptr))
    return Status::error(Code::budget, "no memory for lines of %lld elements", static_cast<long long>(s.extent));
  for (int64_t line = 0; line < s.outer * s.inner; ++line) {
    if (ctx.services->stop()) return Status::error(Code::cancelled, "stopped");
    const int64_t row = line / s.inner, column = line % s.inner;
    if (s.inner == 1) {
      load(x.dtype, x.data, row * s.extent, s.extent, values);
    } else {
      for (int64_t e = 0; e < s.extent; ++e)
        load(x.dtype, x.data, (row * s.extent + e) * s.inner + column, 1, values + e);
    }
    for (int64_t e = 0; e < s.extent; ++e) order[e] = e;
    std::partial_sort(order, order + k, order + s.extent, [&](int64_t a, int64_t b) {
      return ranks_before(values[a], values[b], largest) || (!ranks_before(values[b], values[a], largest) && a < b);
    });
    for (int64_t e = 0; e < k; ++e) {
      const int64_t at = (row * k + e) * s.inner + column;
      if (ctx.wants(0)) store(ctx.out[0].dtype, ctx.out[0].data, at, 1, values + order[e]);
      if (ctx.wants(1)) store(ctx.out[1].dtype, ctx.out[1].data, at, 1, order + e);
    }
  }
  return {};
}

}  // namespace

Status arg_max(KernelContext& ctx) noexcept { return arg_extreme(ctx, true); }
Status arg_min(KernelContext& ctx) noexcept { return arg_extreme(ctx, false); }

Status cum_sum(KernelContext& ctx) noexcept {
  return by_real_class(ctx.in[0].dtype, [&]<class T>(Tag<T>) { return accumulate<T>(ctx, 0, plus<T>); });
}
Status cum_prod(KernelContext& ctx) noexcept {
  return by_real_class(ctx.in[0].dtype, [&]<class T>(Tag<T>) { return accumulate<T>(ctx, 1, times<T>); });
}

Status top_k(KernelContext& ctx) noexcept {
  AxisSplit s;
  if (Status status = axis_of(ctx, ctx.attrs->integer("axis"), &s); !status.ok()) return status;
  if (ctx.in[1].count != 1)
    return Status::error(Code::bad_input, "K has %lld elements, not one", static_cast<long long>(ctx.in[1].count));
  const int64_t k = get_i64(ctx.in[1].dtype, ctx.in[1].data, 0);
  if (k < 0 || k > s.extent)
    return Status::error(Code::bad_input, "K %lld is out of range for an axis of %lld", static_cast<long long>(k),
                         static_cast<long long>(s.extent));
  const bool largest = ctx.attrs->integer("largest", 1) != 0;
  return by_real_class(ctx.in[0].dtype, [&]<class T>(Tag<T>) { return select<T>(ctx, s, k, largest); });
}

Status hardmax(KernelContext& ctx) noexcept {
  AxisSplit s;
  if (Status status = axis_of(ctx, ctx.attrs->integer("axis"), &s); !status.ok()) return status;
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  return for_lines(ctx, s, [&](int64_t row, int64_t column, int64_t n) {
    int64_t found[kRun];
    double mark[kRun];
    find_extremes<double>(x, s, row, column, n, true, false, found);
    for (int64_t e = 0; e < s.extent; ++e) {
      for (int64_t k = 0; k < n; ++k) mark[k] = found[k] == e ? 1 : 0;
      store(y.dtype, y.data, (row * s.extent + e) * s.inner + column, n, mark);
    }
  });
}

}  // namespace chorus::native::reference
