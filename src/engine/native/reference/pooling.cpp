// Pooling: maxima, averages and norms over windows, over whole planes and over regions, and their inverse.
#include <engine/native/reference/gradient.h>
#include <engine/native/reference/window.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace chorus::native::window {
namespace {
using support::kRun;
using support::no_memory;
using support::widen;

/// Calls visit(flat input index) for the elements of window `o` that lie inside the input, row-major; returns how many positions lie
/// inside the input with its padding.
template <class F>
int64_t visit_window(const Geometry& g, int64_t window, F visit) noexcept {
  int64_t o[kMaxRank], begin[kMaxRank], first[kMaxRank], last[kMaxRank], k[kMaxRank];
  place(window, g.out, g.rank, o);
  int64_t padded = 1;
  bool empty = false;
  for (int i = 0; i < g.rank; ++i) {  // a window may be far larger than the input: only taps inside are walked
    begin[i] = o[i] * g.stride[i] - g.pad[i];
    first[i] = begin[i] < 0 ? (-begin[i] - 1) / g.dilation[i] + 1 : 0;
    last[i] = begin[i] < g.in[i] ? std::min(g.kernel[i], (g.in[i] - 1 - begin[i]) / g.dilation[i] + 1) : 0;
    const int64_t end = g.in[i] + g.pad_end[i];
    padded *= begin[i] < end ? std::min(g.kernel[i], (end - 1 - begin[i]) / g.dilation[i] + 1) : 0;
    empty |= first[i] >= last[i];
    k[i] = first[i];
  }
  while (!empty) {
    int64_t at = 0;
    for (int i = 0; i < g.rank; ++i) at = at * g.in[i] + begin[i] + k[i] * g.dilation[i];
    visit(at);
    int i = g.rank - 1;
    while (i >= 0 && ++k[i] == last[i]) {
      k[i] = first[i];
      --i;
    }
    empty = i < 0;
  }
  return padded;
}

/// The greater of two, NaN before everything.
bool beats(double v, double best) noexcept { return v > best || (std::isnan(v) && !std::isnan(best)); }

double lowest_of(DType t) noexcept {
  if (t == DType::int8) return -128;
  return is_float(t) ? -std::numeric_limits<double>::infinity() : 0;
}

/// Position of a flat row-major index in column-major order (storage_order=1): the first spatial axis runs fastest.
int64_t column_major(const Geometry& g, int64_t flat) noexcept {
  int64_t index[kMaxRank], at = 0;
  place(flat, g.in, g.rank, index);
  for (int i = g.rank - 1; i >= 0; --i) at = at * g.in[i] + index[i];
  return at;
}

/// One output element from the plane at `plane`.
template <class F>
Status pool(KernelContext& ctx, const Geometry& g, const double* x, F reduce) noexcept {
  return support::each_output<double>(ctx, ctx.out[0], g.kernel_count, [&](int64_t i) {
    return reduce(x + i / g.out_count * g.in_count, i % g.out_count);
  });
}

double power_mean_root(double sum, double p) noexcept {
  return p == 1 ? sum : p == 2 ? std::sqrt(sum) : std::pow(sum, 1 / p);
}
double power(double v, double p) noexcept { return p == 1 ? std::abs(v) : p == 2 ? v * v : std::pow(std::abs(v), p); }

/// Over whole planes: start, then f per element, then finish.
template <class F, class G>
Status over_planes(KernelContext& ctx, double start, F f, G finish) noexcept {
  const TensorView& x = ctx.in[0];
  if (x.rank < 2) return Status::error(Code::shape, "a tensor of rank %d has no channels", x.rank);
  int64_t plane = 1;
  for (int i = 2; i < x.rank; ++i) plane *= x.dims[i];
  return support::each_output<double>(ctx, ctx.out[0], plane, [&](int64_t i) {
    double total = start, v[kRun];
    for (int64_t k = 0; k < plane; k += kRun) {
      const int64_t n = std::min(kRun, plane - k);
      load_f64(x.dtype, x.data, i * plane + k, n, v);
      for (int64_t j = 0; j < n; ++j) total = f(total, v[j]);
    }
    return finish(total, plane);
  });
}

/// Position in X of the maximum of bin `i` of Y; -1 for an empty bin.
int64_t place_of_maximum(const TensorView& x, const TensorView& y, const double* data, const double* roi, double scale,
                         int64_t i) noexcept {
  const int64_t channels = x.dims[1], height = x.dims[2], width = x.dims[3], rows = y.dims[2], columns = y.dims[3];
  const int64_t column = i % columns, row = i / columns % rows, c = i / columns / rows % channels,
                r = i / columns / rows / channels;
  const double* box = roi + r * 5;
  const double x0 = std::round(box[1] * scale), y0 = std::round(box[2] * scale);
  const double w = std::max(std::round(box[3] * scale) - x0 + 1, 1.0) / static_cast<double>(columns);
  const double h = std::max(std::round(box[4] * scale) - y0 + 1, 1.0) / static_cast<double>(rows);
  const auto edge = [](double v, int64_t limit) {  // a scale of infinity makes NaN: no place in the picture
    return v > 0 ? static_cast<int64_t>(std::min(v, static_cast<double>(limit))) : 0;
  };
  const int64_t top = edge(std::floor(static_cast<double>(row) * h) + y0, height),
                bottom = edge(std::ceil(static_cast<double>(row + 1) * h) + y0, height);
  const int64_t left = edge(std::floor(static_cast<double>(column) * w) + x0, width),
                right = edge(std::ceil(static_cast<double>(column + 1) * w) + x0, width);
  const int64_t plane = (static_cast<int64_t>(box[0]) * channels + c) * height * width;
  int64_t best = -1;
  for (int64_t py = top; py < bottom; ++py) {
    for (int64_t px = left; px < right; ++px) {
      const int64_t at = plane + py * width + px;
      best = best < 0 || beats(data[at], data[best]) ? at : best;
    }
  }
  return best;
}

Status read_regions(const TensorView& x, const TensorView& rois, const double* roi) noexcept {
  for (int64_t r = 0; r < rois.dims[0]; ++r) {
    for (int k = 0; k < 5; ++k) {
      if (std::abs(roi[r * 5 + k]) <= 1e9 &&
          (k > 0 || (roi[r * 5] >= 0 && roi[r * 5] < static_cast<double>(x.dims[0]))))
        continue;
      return Status::error(Code::bad_input, "region %lld has %g at place %d: no image and no coordinate of %lld images",
                           static_cast<long long>(r), roi[r * 5 + k], k, static_cast<long long>(x.dims[0]));
    }
  }
  return {};
}

}  // namespace

Status max_pool(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  const bool with_indices = ctx.wants(1);
  Geometry g;
  if (Status s = read_geometry(ctx, x, y, {}, &g); !s.ok()) return s;
  const double* data = widen<double>(ctx, x);
  if (data == nullptr) return no_memory();
  const bool by_columns = ctx.attrs->integer("storage_order") != 0;
  const double lowest = lowest_of(x.dtype);
  return support::parallel(ctx, y.count, support::grain_for(g.kernel_count), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t plane = i / g.out_count;
      const double* src = data + plane * g.in_count;
      double best = lowest;
      int64_t where = -1;
      visit_window(g, i % g.out_count, [&](int64_t at) {
        if (where >= 0 && !beats(src[at], best)) return;
        best = src[at];
        where = at;
      });
      set_f64(y.dtype, y.data, i, best);
      if (with_indices) {
        ctx.out[1].as<int64_t>()[i] =
            where < 0 ? -1 : plane * g.in_count + (by_columns ? column_major(g, where) : where);
      }
    }
  });
}

Status average_pool(KernelContext& ctx) noexcept {
  Geometry g;
  if (Status s = read_geometry(ctx, ctx.in[0], ctx.out[0], {}, &g); !s.ok()) return s;
  const double* data = widen<double>(ctx, ctx.in[0]);
  if (data == nullptr) return no_memory();
  const bool with_padding = ctx.attrs->integer("count_include_pad") != 0;
  return pool(ctx, g, data, [&](const double* src, int64_t window) {
    double sum = 0;
    int64_t inside = 0;
    const int64_t padded = visit_window(g, window, [&](int64_t at) {
      sum += src[at];
      ++inside;
    });
    return sum / static_cast<double>(with_padding ? padded : inside);
  });
}

Status lp_pool(KernelContext& ctx) noexcept {
  Geometry g;
  if (Status s = read_geometry(ctx, ctx.in[0], ctx.out[0], {}, &g); !s.ok()) return s;
  const double* data = widen<double>(ctx, ctx.in[0]);
  if (data == nullptr) return no_memory();
  const auto p = static_cast<double>(ctx.attrs->integer("p", 2));
  return pool(ctx, g, data, [&](const double* src, int64_t window) {
    double sum = 0;
    visit_window(g, window, [&](int64_t at) { sum += power(src[at], p); });
    return power_mean_root(sum, p);
  });
}

Status global_average_pool(KernelContext& ctx) noexcept {
  return over_planes(
      ctx, 0, [](double a, double b) { return a + b; },
      [](double sum, int64_t n) { return sum / static_cast<double>(n); });
}

Status global_max_pool(KernelContext& ctx) noexcept {
  return over_planes(
      ctx, -std::numeric_limits<double>::infinity(), [](double a, double b) { return beats(b, a) ? b : a; },
      [](double best, int64_t) { return best; });
}

Status global_lp_pool(KernelContext& ctx) noexcept {
  const auto p = static_cast<double>(ctx.attrs->integer("p", 2));
  return over_planes(
      ctx, 0, [p](double a, double b) { return a + power(b, p); },
      [p](double sum, int64_t) { return power_mean_root(sum, p); });
}

/// Indices count in the tensor that the attributes infer; a larger output_shape has it in its corner.
Status max_unpool(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &indices = ctx.in[1];
  TensorView& y = ctx.out[0];
  if (indices.count != x.count || y.rank != x.rank || x.rank < 2)
    return Status::error(Code::shape, "one index for each element is needed");
  const auto kernel = ctx.attrs->integers("kernel_shape"), strides = ctx.attrs->integers("strides"),
             pads = ctx.attrs->integers("pads");
  int64_t inferred[kMaxRank] = {x.dims[0], x.dims[1]};
  const auto spatial = static_cast<size_t>(x.rank - 2);
  if (kernel.size() != spatial)
    return Status::error(Code::shape, "kernel_shape has %d numbers", static_cast<int>(kernel.size()));
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t both = pads.size() == 2 * spatial ? pads[i] + pads[i + spatial] : 0;
    inferred[i + 2] = (x.dims[i + 2] - 1) * (i < strides.size() ? strides[i] : 1) - both + kernel[i];
  }
  const int64_t room = checked_numel({inferred, static_cast<size_t>(x.rank)});
  std::memset(y.data, 0, static_cast<size_t>(dtype_bytes(y.dtype, y.count)));
  for (int64_t i = 0; i < x.count; ++i) {
    const int64_t index = indices.as<int64_t>()[i];
    int64_t at[kMaxRank], to = 0;
    bool inside = index >= 0 && index < room;
    if (inside) place(index, inferred, x.rank, at);
    for (int a = 0; a < x.rank && inside; ++a) {
      inside = at[a] < y.dims[a];
      to = to * y.dims[a] + at[a];
    }
    if (!inside) {
      return Status::error(Code::bad_input,
                           "index %lld at position %lld is outside of the %lld elements that are unpooled to",
                           static_cast<long long>(index), static_cast<long long>(i), static_cast<long long>(room));
    }
    copy_elements(x.dtype, x.data, i, y.data, to, 1);
  }
  return {};
}

/// Bins of Fast R-CNN: corners rounded to the grid, at least one element wide.
Status max_roi_pool(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &rois = ctx.in[1];
  TensorView& y = ctx.out[0];
  if (x.rank != 4 || rois.rank != 2 || rois.dims[1] != 5)
    return Status::error(Code::shape, "X has rank 4, rois are [n, 5]");
  const double scale = ctx.attrs->real("spatial_scale", 1);
  const double *data = widen<double>(ctx, x), *roi = widen<double>(ctx, rois);
  if (data == nullptr || roi == nullptr) return no_memory();
  if (Status s = read_regions(x, rois, roi); !s.ok()) return s;
  return support::each_output<double>(ctx, y, 16, [&](int64_t i) {
    const int64_t at = place_of_maximum(x, y, data, roi, scale, i);
    return at < 0 ? 0.0 : data[at];
  });
}

}  // namespace chorus::native::window

namespace chorus::native {

Status gradient::average_pool_grad(KernelContext& ctx) noexcept {
  using namespace window;
  const TensorView& dy = ctx.in[0];
  TensorView& dx = ctx.out[0];
  Geometry g;
  if (Status s = read_geometry(ctx, dx, dy, {}, &g); !s.ok()) return s;
  if (dx.dims[0] != dy.dims[0] || dx.dims[1] != dy.dims[1])
    return Status::error(Code::shape, "dY and the input differ in images or channels");
  const double* from = widen<double>(ctx, dy);
  double* sums = sums_for(ctx, dx.count);
  if (from == nullptr || sums == nullptr) return no_memory();
  const bool with_padding = ctx.attrs->integer("count_include_pad") != 0;
  const Status s = support::parallel(ctx, dx.dims[0] * dx.dims[1], 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      for (int64_t w = 0; w < g.out_count; ++w) {
        int64_t inside = 0;
        const int64_t padded = visit_window(g, w, [&](int64_t) { ++inside; });
        const double share = from[plane * g.out_count + w] / static_cast<double>(with_padding ? padded : inside);
        visit_window(g, w, [&](int64_t at) { sums[plane * g.in_count + at] += share; });
      }
    }
  });
  store_sums(dx, sums);
  return s;
}

Status gradient::max_roi_pool_grad(KernelContext& ctx) noexcept {
  const TensorView &dy = ctx.in[0], &x = ctx.in[1], &rois = ctx.in[2];
  if (x.rank != 4 || dy.rank != 4 || rois.rank != 2 || rois.dims[1] != 5 || dy.dims[0] != rois.dims[0] ||
      dy.dims[1] != x.dims[1]) {
    return Status::error(Code::shape, "X and dY have rank 4, rois are [n, 5]");
  }
  const double scale = ctx.attrs->real("spatial_scale", 1);
  const double *from = window::widen<double>(ctx, dy), *data = window::widen<double>(ctx, x),
               *roi = window::widen<double>(ctx, rois);
  double* sums = sums_for(ctx, x.count);
  if (from == nullptr || data == nullptr || roi == nullptr || sums == nullptr) return support::no_memory();
  if (Status s = window::read_regions(x, rois, roi); !s.ok()) return s;
  for (int64_t i = 0; i < dy.count; ++i) {
    const int64_t at = window::place_of_maximum(x, dy, data, roi, scale, i);
    if (at >= 0) sums[at] += from[i];
  }
  store_sums(ctx.out[0], sums);
  return {};
}

}  // namespace chorus::native
