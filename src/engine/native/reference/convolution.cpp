// Convolutions and the list of all windowed kernels. Sums in float64, of quantised operands too (exact there).
#include <engine/native/reference/window.h>
#include <ops/chosen.h>

#include <cmath>

namespace chorus::native {
namespace window {

Status read_geometry(const KernelContext& ctx, const TensorView& image, const TensorView& windows,
                     std::span<const int64_t> kernel, Geometry* out) noexcept {
  Geometry& g = *out;
  g.rank = image.rank - 2;
  const auto n = static_cast<size_t>(std::max(g.rank, 0));
  if (kernel.empty()) kernel = ctx.attrs->integers("kernel_shape");
  if (g.rank < 0 || windows.rank != image.rank || kernel.size() != n) {
    return Status::error(Code::shape, "a window of %d axes for tensors of rank %d and %d",
                         static_cast<int>(kernel.size()), image.rank, windows.rank);
  }
  const auto strides = ctx.attrs->integers("strides"), dilations = ctx.attrs->integers("dilations"),
             pads = ctx.attrs->integers("pads");
  const std::string_view mode = ctx.attrs->string("auto_pad", "NOTSET");
  for (size_t i = 0; i < n; ++i) {
    g.in[i] = image.dims[i + 2];
    g.out[i] = windows.dims[i + 2];
    g.kernel[i] = kernel[i];
    g.stride[i] = i < strides.size() ? strides[i] : 1;
    g.dilation[i] = i < dilations.size() ? dilations[i] : 1;
    g.pad[i] = mode == "NOTSET" && pads.size() == 2 * n ? pads[i] : 0;
    g.pad_end[i] = mode == "NOTSET" && pads.size() == 2 * n ? pads[i + n] : 0;
    if (mode.starts_with("SAME")) {
      const int64_t total =
          std::max<int64_t>((g.out[i] - 1) * g.stride[i] + (g.kernel[i] - 1) * g.dilation[i] + 1 - g.in[i], 0);
      g.pad[i] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
      g.pad_end[i] = total - g.pad[i];
    }
    g.in_count *= g.in[i];
    g.out_count *= g.out[i];
    g.kernel_count *= g.kernel[i];
  }
  return {};
}

}  // namespace window

namespace {
using support::kRun;
using support::no_memory;
using support::widen;
using window::Geometry;
using window::place;

int64_t ceil_div(int64_t a, int64_t b) noexcept { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

// Conv ---------------------------------------------------------------------------------------------------------------------------

/// Sizes of a convolution: x [n, c, in…], w [m, c / groups, kernel…].
struct Channels {
  int64_t n = 0, c = 0, m = 0, groups = 1;
  int64_t per_group() const noexcept { return c / groups; }
};

Status read_channels(const KernelContext& ctx, const TensorView& x, const TensorView& w, Channels* out) noexcept {
  *out = {x.dims[0], x.dims[1], w.dims[0], ctx.attrs->integer("group", 1)};
  if (out->groups < 1 || out->c % out->groups != 0 || out->m % out->groups != 0 || w.dims[1] != out->c / out->groups) {
    return Status::error(Code::shape, "%lld channels, a filter of [%lld, %lld …] and %lld groups do not fit each other",
                         static_cast<long long>(out->c), static_cast<long long>(out->m),
                         static_cast<long long>(w.dims[1]), static_cast<long long>(out->groups));
  }
  return {};
}

/// Adds one filter row (last axis) at its places of an output row [first, first + n).
void add_row(const Geometry& g, const double* x, const double* w, int64_t first, int64_t n, double* sums) noexcept {
  const int last = g.rank - 1;
  const int64_t stride = g.stride[last];
  for (int64_t k = 0; k < g.kernel[last]; ++k) {
    const int64_t shift = k * g.dilation[last] - g.pad[last];  // input position of output 0
    const int64_t begin = std::max(first, ceil_div(-shift, stride)),
                  end = std::min(first + n, ceil_div(g.in[last] - shift, stride));
    const double v = w[k];
    const double* src = x + shift;
    for (int64_t o = begin; o < end; ++o) sums[o - first] += v * src[o * stride];
  }
}

/// Sums of a run of one output row: channel `m` of image `n`; outer[] is the row's position in the axes before the last.
void convolve_row(const Geometry& g, const Channels& ch, const double* x, const double* w, const int64_t* outer,
                  int64_t first, int64_t n, double* sums) noexcept {
  const int last = g.rank - 1;
  const int64_t width = g.in[last], rows = g.kernel_count / g.kernel[last];
  for (int64_t c = 0; c < ch.per_group(); ++c) {
    int64_t k[kMaxRank] = {};
    for (int64_t row = 0; row < rows; ++row) {
      int64_t at = 0;
      bool inside = true;
      for (int i = 0; i < last && inside; ++i) {
        const int64_t p = outer[i] * g.stride[i] - g.pad[i] + k[i] * g.dilation[i];
        inside = p >= 0 && p < g.in[i];
        at = at * g.in[i] + p;
      }
      if (inside)
        add_row(g, x + c * g.in_count + at * width, w + c * g.kernel_count + row * g.kernel[last], first, n, sums);
      window::step(k, g.kernel, last);
    }
  }
}

/// finish(channel, first output element, n, sums) for every run of every output row.
template <class F>
Status convolve(KernelContext& ctx, const Geometry& g, const Channels& ch, const double* x, const double* w,
                F finish) noexcept {
  if (g.kernel_count == 0 || g.out_count == 0) return {};
  const int last = g.rank - 1;
  const int64_t width = g.out[last], rows = g.out_count / width, pieces = (width - 1) / kRun + 1;
  const int64_t work = ch.per_group() * g.kernel_count * std::min(width, kRun);
  return support::parallel(ctx, ch.n * ch.m * rows * pieces, support::grain_for(work), [&](int64_t begin, int64_t end) {
    double sums[kRun];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t piece = task % pieces, row = task / pieces % rows, m = task / pieces / rows % ch.m,
                    n = task / pieces / rows / ch.m;
      const int64_t first = piece * kRun, count = std::min(kRun, width - first);
      int64_t outer[kMaxRank];
      place(row, g.out, last, outer);
      std::fill(sums, sums + count, 0.0);
      const int64_t group = m / (ch.m / ch.groups);
      convolve_row(g, ch, x + (n * ch.c + group * ch.per_group()) * g.in_count, w + m * ch.per_group() * g.kernel_count,
                   outer, first, count, sums);
      finish(m, ((n * ch.m + m) * rows + row) * width + first, count, sums);
    }
  });
}

Status conv(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &w = ctx.in[1];
  TensorView& y = ctx.out[0];
  Geometry g;
  Channels ch;
  if (Status s = window::read_geometry(ctx, x, y, w.shape().subspan(2), &g); !s.ok()) return s;
  if (Status s = read_channels(ctx, x, w, &ch); !s.ok()) return s;
  const double *image = widen<double>(ctx, x), *filter = widen<double>(ctx, w),
               *bias = ctx.has(2) ? widen<double>(ctx, ctx.in[2]) : nullptr;
  if (image == nullptr || filter == nullptr || (ctx.has(2) && bias == nullptr)) return no_memory();
  if (bias != nullptr && ctx.in[2].count != ch.m)
    return Status::error(Code::shape, "the bias has not one number per output channel");
  return convolve(ctx, g, ch, image, filter, [&](int64_t m, int64_t at, int64_t n, double* sums) {
    if (bias != nullptr) {
      for (int64_t i = 0; i < n; ++i) sums[i] += bias[m];
    }
    store_f64(y.dtype, y.data, at, n, sums);
  });
}

// Quantised convolutions ---------------------------------------------------------------------------------------------------------

/// Operand `i` less its zero point (operand `zero`: one number, or one per entry of the first axis).
Status centred(KernelContext& ctx, int i, int zero, const double** out) noexcept {
  const TensorView& x = ctx.in[i];
  double* wide = support::temporary<double>(ctx, x.count);
  if (wide == nullptr) return no_memory();
  *out = wide;
  load_f64(x.dtype, x.data, 0, x.count, wide);
  if (!ctx.has(zero)) return {};
  const TensorView& z = ctx.in[zero];
  if (z.count != 1 && z.count != x.dims[0]) {
    return Status::error(Code::shape, "operand %d has %lld numbers; one, or one for each of %lld are possible", zero,
                         static_cast<long long>(z.count), static_cast<long long>(x.dims[0]));
  }
  const int64_t each = z.count == 1 ? x.count : x.count / std::max<int64_t>(z.count, 1);
  for (int64_t k = 0; k < x.count; ++k) wide[k] -= get_f64(z.dtype, z.data, k / each);
  return {};
}

Status conv_integer(KernelContext& ctx) noexcept {
  TensorView& y = ctx.out[0];
  Geometry g;
  Channels ch;
  if (Status s = window::read_geometry(ctx, ctx.in[0], y, ctx.in[1].shape().subspan(2), &g); !s.ok()) return s;
  if (Status s = read_channels(ctx, ctx.in[0], ctx.in[1], &ch); !s.ok()) return s;
  const double *image, *filter;
  if (ctx.has(2) && ctx.in[2].count != 1) return Status::error(Code::shape, "x_zero_point is one number");
  if (Status s = centred(ctx, 0, 2, &image); !s.ok()) return s;
  if (Status s = centred(ctx, 1, 3, &filter); !s.ok()) return s;
  return convolve(ctx, g, ch, image, filter, [&](int64_t, int64_t at, int64_t n, double* sums) {
    int64_t whole[kRun];
    for (int64_t i = 0; i < n; ++i) whole[i] = static_cast<int64_t>(sums[i]);
    store_i64(y.dtype, y.data, at, n, whole);
  });
}

Status qlinear_conv(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &w = ctx.in[3], &w_scale = ctx.in[4];
  TensorView& y = ctx.out[0];
  Geometry g;
  Channels ch;
  if (Status s = window::read_geometry(ctx, x, y, w.shape().subspan(2), &g); !s.ok()) return s;
  if (Status s = read_channels(ctx, x, w, &ch); !s.ok()) return s;
  for (const int i : {1, 2, 6, 7}) {
    if (ctx.in[i].count != 1)
      return Status::error(Code::shape, "operand %d is one number, not %lld", i,
                           static_cast<long long>(ctx.in[i].count));
  }
  if (w_scale.count != 1 && w_scale.count != ch.m)
    return Status::error(Code::shape, "w_scale is one number, or one per output channel");
  if (ctx.has(8) && ctx.in[8].count != ch.m)
    return Status::error(Code::shape, "the bias has not one number per output channel");
  const double *image, *filter;
  if (Status s = centred(ctx, 0, 2, &image); !s.ok()) return s;
  if (Status s = centred(ctx, 3, 5, &filter); !s.ok()) return s;
  const double x_scale = get_f64(ctx.in[1].dtype, ctx.in[1].data, 0),
               y_scale = get_f64(ctx.in[6].dtype, ctx.in[6].data, 0);
  const double zero = get_f64(ctx.in[7].dtype, ctx.in[7].data, 0);
  const double low = y.dtype == DType::int8 ? -128 : 0, high = y.dtype == DType::int8 ? 127 : 255;
  return convolve(ctx, g, ch, image, filter, [&](int64_t m, int64_t at, int64_t n, double* sums) {
    const double scale = x_scale * get_f64(w_scale.dtype, w_scale.data, w_scale.count == 1 ? 0 : m) / y_scale;
    const double bias = ctx.has(8) ? get_f64(ctx.in[8].dtype, ctx.in[8].data, m) : 0;
    for (int64_t i = 0; i < n; ++i) sums[i] = std::clamp(std::nearbyint((sums[i] + bias) * scale) + zero, low, high);
    store_f64(y.dtype, y.data, at, n, sums);
  });
}

// ConvTranspose ------------------------------------------------------------------------------------------------------------------

/// pads of ConvTranspose where output_shape or auto_pad decide them.
void transpose_pads(const KernelContext& ctx, Geometry* g) noexcept {
  const std::string_view mode = ctx.attrs->string("auto_pad", "NOTSET");
  const auto extra = ctx.attrs->integers("output_padding"), pads = ctx.attrs->integers("pads");
  const bool wanted = !ctx.attrs->integers("output_shape").empty();
  for (int i = 0; i < g->rank; ++i) {
    const auto k = static_cast<size_t>(i);
    g->pad[i] = !wanted && mode == "NOTSET" && k < pads.size() ? pads[k] : 0;
    if (!wanted && !mode.starts_with("SAME")) continue;
    const int64_t total = g->stride[i] * (g->in[i] - 1) + (k < extra.size() ? extra[k] : 0) +
                          (g->kernel[i] - 1) * g->dilation[i] + 1 - g->out[i];
    // Half rounded down, of negative totals too (as Python and the ONNX text's integer division of non-negative ones).
    const int64_t half = total >= 0 ? total / 2 : -((1 - total) / 2);
    g->pad[i] = mode == "SAME_UPPER" ? half : total - half;
  }
}

/// One output row: every input row and filter row that meets it.
void spread_row(const Geometry& g, const double* x, const double* w, const int64_t* outer, double* sums) noexcept {
  const int last = g.rank - 1;
  const int64_t rows = g.kernel_count / g.kernel[last];
  int64_t k[kMaxRank] = {};
  for (int64_t row = 0; row < rows; ++row, window::step(k, g.kernel, last)) {
    int64_t at = 0;
    bool inside = true;
    for (int i = 0; i < last && inside; ++i) {
      const int64_t p = outer[i] + g.pad[i] - k[i] * g.dilation[i];
      inside = p >= 0 && p % g.stride[i] == 0 && p / g.stride[i] < g.in[i];
      at = at * g.in[i] + p / g.stride[i];
    }
    if (!inside) continue;
    const double* src = x + at * g.in[last];
    for (int64_t t = 0; t < g.kernel[last]; ++t) {
      const int64_t shift = t * g.dilation[last] - g.pad[last];
      const int64_t begin = std::max<int64_t>(0, ceil_div(-shift, g.stride[last]));
      const int64_t end = std::min(g.in[last], ceil_div(g.out[last] - shift, g.stride[last]));
      const double v = w[row * g.kernel[last] + t];
      for (int64_t i = begin; i < end; ++i) sums[i * g.stride[last] + shift] += v * src[i];
    }
  }
}

Status conv_transpose(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &w = ctx.in[1];
  TensorView& y = ctx.out[0];
  Geometry g;
  if (Status s = window::read_geometry(ctx, x, y, w.shape().subspan(2), &g); !s.ok()) return s;
  transpose_pads(ctx, &g);
  const int64_t groups = ctx.attrs->integer("group", 1), c = x.dims[1], m = w.dims[1] * groups;
  if (groups < 1 || c % groups != 0 || w.dims[0] != c) {
    return Status::error(Code::shape, "%lld channels, a filter of [%lld …] and %lld groups do not fit each other",
                         static_cast<long long>(c), static_cast<long long>(w.dims[0]), static_cast<long long>(groups));
  }
  if (ctx.has(2) && ctx.in[2].count != m)
    return Status::error(Code::shape, "the bias has not one number per output channel");
  if (y.count == 0 || g.kernel_count == 0) return {};
  const double *image = widen<double>(ctx, x), *filter = widen<double>(ctx, w),
               *bias = ctx.has(2) ? widen<double>(ctx, ctx.in[2]) : nullptr;
  const int last = g.rank - 1;
  const int64_t width = g.out[last], rows = g.out_count / width, per_group = c / groups, tasks = y.dims[0] * m * rows;
  // Sums of a whole row per task: in one block for all, so that tasks need no memory of their own.
  double* sums = support::temporary<double>(ctx, y.count);
  if (image == nullptr || filter == nullptr || sums == nullptr || (ctx.has(2) && bias == nullptr)) return no_memory();
  return support::parallel(
      ctx, tasks, support::grain_for(per_group * g.kernel_count * width), [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
          const int64_t row = task % rows, o = task / rows % m, n = task / rows / m, group = o / w.dims[1];
          int64_t outer[kMaxRank];
          place(row, g.out, last, outer);
          double* line = sums + task * width;
          std::fill(line, line + width, bias != nullptr ? bias[o] : 0.0);
          for (int64_t i = group * per_group; i < (group + 1) * per_group; ++i) {
            spread_row(g, image + (n * c + i) * g.in_count, filter + (i * w.dims[1] + o % w.dims[1]) * g.kernel_count,
                       outer, line);
          }
          store_f64(y.dtype, y.data, task * width, width, line);
        }
      });
}

constexpr KernelRow kKernels[] = {
    {"Conv", conv},
    {"ConvTranspose", conv_transpose},
    {"ConvInteger", conv_integer},
    {"QLinearConv", qlinear_conv},
    {"DeformConv", window::deform_conv},
    {"CausalConvWithState", window::causal_conv_with_state},
    {"MaxPool", window::max_pool},
    {"AveragePool", window::average_pool},
    {"LpPool", window::lp_pool},
    {"GlobalAveragePool", window::global_average_pool},
    {"GlobalMaxPool", window::global_max_pool},
    {"GlobalLpPool", window::global_lp_pool},
    {"MaxUnpool", window::max_unpool},
    {"MaxRoiPool", window::max_roi_pool},
    {"Resize", window::resize},
    {"GridSample", window::grid_sample},
    {"AffineGrid", window::affine_grid},
    {"Col2Im", window::col2im},
};

}  // namespace

std::span<const KernelRow> reference::convolution_kernels() { return chosen<kKernels>(); }

}  // namespace chorus::native
