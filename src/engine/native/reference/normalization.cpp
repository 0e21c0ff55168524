// Normalisations and softmax: statistics in float64 (mean first, then the squares of what is left), one rounding at the end.
#include <engine/native/reference/wide.h>
#include <ops/chosen.h>

#include <cmath>
#include <limits>

namespace chorus::native {
namespace {
using support::Broadcast;
using support::kRun;
using support::no_memory;
using support::source_of;
using support::temporary;
using support::widen;

struct Moments {
  double mean = 0, variance = 0;
};

Moments moments(const double* x, int64_t n) noexcept {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  const double mean = sum / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
  return {mean, squares / static_cast<double>(n)};
}

/// The last axes from `axis` on as lines of one length.
struct Lines {
  int64_t count = 1, length = 1;
};
Lines lines_from(const TensorView& x, int64_t axis) noexcept {
  Lines l;
  if (axis < 0) axis += x.rank;
  for (int i = 0; i < x.rank; ++i) (i < axis ? l.count : l.length) *= x.dims[i];
  return l;
}

/// An operand of one number per channel.
Status channel_numbers(KernelContext& ctx, int i, int64_t channels, const double** out) noexcept {
  if (ctx.in[i].count != channels) {
    return Status::error(Code::shape, "operand %d has %lld numbers for %lld channels", i,
                         static_cast<long long>(ctx.in[i].count), static_cast<long long>(channels));
  }
  *out = widen<double>(ctx, ctx.in[i]);
  return *out == nullptr ? no_memory() : Status();
}

// Softmax ------------------------------------------------------------------------------------------------------------------------

enum class Form : uint8_t { plain, logarithm };

template <Form form>
Status softmax(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  if (x.rank == 0 || x.count == 0) {
    if (x.count == 0) return {};
    // The only element of a scalar has all the weight.
    set_f64(y.dtype, y.data, 0, form == Form::plain ? 1 : 0);
    return {};
  }
  const auto split = support::split_axis(x.shape(), ctx.attrs->integer("axis", -1));
  const double* data = widen<double>(ctx, x);
  double* result = temporary<double>(ctx, x.count);
  if (data == nullptr || result == nullptr) return no_memory();
  const Status s = support::parallel(
      ctx, split.outer * split.inner, support::grain_for(split.extent * 8), [&](int64_t begin, int64_t end) {
        for (int64_t line = begin; line < end; ++line) {
          const int64_t at = line / split.inner * split.extent * split.inner + line % split.inner;
          double top = -std::numeric_limits<double>::infinity(), sum = 0;
          for (int64_t k = 0; k < split.extent; ++k) {
            const double v = data[at + k * split.inner];
            if (v > top || std::isnan(v)) top = v;
          }
          for (int64_t k = 0; k < split.extent; ++k) {
            const double e = std::exp(data[at + k * split.inner] - top);
            result[at + k * split.inner] = e;
            sum += e;
          }
          const double log_sum = std::log(sum);
          for (int64_t k = 0; k < split.extent; ++k) {
            double& r = result[at + k * split.inner];
            r = form == Form::plain ? r / sum : data[at + k * split.inner] - top - log_sum;
          }
        }
      });
  if (!s.ok()) return s;
  return support::parallel(ctx, y.count, support::kGrain, [&](int64_t begin, int64_t end) {
    store_f64(y.dtype, y.data, begin, end - begin, result + begin);
  });
}

// Layers -------------------------------------------------------------------------------------------------------------------------

/// y = (x - mean) * inverse * scale + bias over the last axes; `centred` false: root mean square, mean 0.
Status normalize_lines(KernelContext& ctx, bool centred) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  const Lines lines = lines_from(x, ctx.attrs->integer("axis", -1));
  const double epsilon = ctx.attrs->real("epsilon", 1e-5F);
  Broadcast scale, bias;
  if (Status s = support::make_broadcast(ctx.in[1], x.shape(), &scale); !s.ok()) return s;
  if (ctx.has(2)) {
    if (Status s = support::make_broadcast(ctx.in[2], x.shape(), &bias); !s.ok()) return s;
  }
  const double* data = widen<double>(ctx, x);
  if (data == nullptr) return no_memory();
  return support::parallel(ctx, lines.count, support::grain_for(lines.length * 4), [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      const double* src = data + line * lines.length;
      Moments m;
      if (centred) {
        m = moments(src, lines.length);
      } else {
        for (int64_t i = 0; i < lines.length; ++i) m.variance += src[i] * src[i];
        m.variance /= static_cast<double>(lines.length);
      }
      const double inverse = 1 / std::sqrt(m.variance + epsilon);
      if (ctx.wants(1)) set_f64(ctx.out[1].dtype, ctx.out[1].data, line, m.mean);
      if (ctx.wants(2)) set_f64(ctx.out[2].dtype, ctx.out[2].data, line, inverse);
      if (!ctx.wants(0)) continue;
      double r[kRun], factor[kRun], added[kRun];
      for (int64_t k = 0; k < lines.length; k += kRun) {
        const int64_t n = std::min(kRun, lines.length - k), at = line * lines.length + k;
        support::load(ctx.in[1], scale, at, n, factor);
        if (ctx.has(2)) support::load(ctx.in[2], bias, at, n, added);
        for (int64_t i = 0; i < n; ++i)
          r[i] = (src[k + i] - m.mean) * inverse * factor[i] + (ctx.has(2) ? added[i] : 0);
        store_f64(y.dtype, y.data, at, n, r);
      }
    }
  });
}

Status layer_normalization(KernelContext& ctx) noexcept { return normalize_lines(ctx, true); }
Status rms_normalization(KernelContext& ctx) noexcept { return normalize_lines(ctx, false); }

// Channels -----------------------------------------------------------------------------------------------------------------------

/// Statistics over groups of channels of each image; scale and bias per channel.
Status normalize_groups(KernelContext& ctx, int64_t groups) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  if (x.rank < 2) return Status::error(Code::shape, "a tensor of rank %d has no channels", x.rank);
  const int64_t channels = x.dims[1];
  if (x.count == 0) return {};
  if (groups < 1 || channels % groups != 0) {
    return Status::error(Code::shape, "%lld channels do not make %lld groups", static_cast<long long>(channels),
                         static_cast<long long>(groups));
  }
  const double *scale, *bias, *data = widen<double>(ctx, x);
  if (data == nullptr) return no_memory();
  if (Status s = channel_numbers(ctx, 1, channels, &scale); !s.ok()) return s;
  if (Status s = channel_numbers(ctx, 2, channels, &bias); !s.ok()) return s;
  const double epsilon = ctx.attrs->real("epsilon", 1e-5F);
  const int64_t plane = x.count / (x.dims[0] * channels), length = plane * (channels / groups);
  return support::parallel(ctx, x.dims[0] * groups, support::grain_for(length * 4), [&](int64_t begin, int64_t end) {
    double r[kRun];
    for (int64_t group = begin; group < end; ++group) {
      const double* src = data + group * length;
      const Moments m = moments(src, length);
      const double inverse = 1 / std::sqrt(m.variance + epsilon);
      for (int64_t k = 0; k < length; k += kRun) {
        const int64_t n = std::min(kRun, length - k);
        for (int64_t i = 0; i < n; ++i) {
          const int64_t c = (group * length + k + i) / plane % channels;
          r[i] = (src[k + i] - m.mean) * inverse * scale[c] + bias[c];
        }
        store_f64(y.dtype, y.data, group * length + k, n, r);
      }
    }
  });
}

Status instance_normalization(KernelContext& ctx) noexcept {
  return normalize_groups(ctx, ctx.in[0].rank > 1 ? ctx.in[0].dims[1] : 1);
}
Status group_normalization(KernelContext& ctx) noexcept {
  return normalize_groups(ctx, ctx.attrs->integer("num_groups"));
}

/// Mean and population variance of each channel over images and planes.
Status batch_moments(KernelContext& ctx, const double* data, int64_t images, int64_t channels, int64_t plane,
                     double* mean, double* variance) noexcept {
  return support::parallel(ctx, channels, support::grain_for(images * plane * 2), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      double sum = 0, squares = 0;
      const auto over = [&](auto f) {
        for (int64_t n = 0; n < images; ++n) {
          for (int64_t i = 0; i < plane; ++i) f(data[(n * channels + c) * plane + i]);
        }
      };
      over([&](double v) { sum += v; });
      mean[c] = sum / static_cast<double>(images * plane);
      over([&](double v) { squares += (v - mean[c]) * (v - mean[c]); });
      variance[c] = squares / static_cast<double>(images * plane);
    }
  });
}

Status batch_normalization(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  const int64_t channels = x.rank > 1 ? x.dims[1] : 1, images = x.rank > 0 ? x.dims[0] : 1;
  const int64_t plane = x.rank > 2 ? checked_numel(x.shape().subspan(2)) : 1;
  const double *scale, *bias, *mean, *variance, *data = widen<double>(ctx, x);
  if (data == nullptr) return no_memory();
  if (Status s = channel_numbers(ctx, 1, channels, &scale); !s.ok()) return s;
  if (Status s = channel_numbers(ctx, 2, channels, &bias); !s.ok()) return s;
  if (Status s = channel_numbers(ctx, 3, channels, &mean); !s.ok()) return s;
  if (Status s = channel_numbers(ctx, 4, channels, &variance); !s.ok()) return s;
  const double epsilon = ctx.attrs->real("epsilon", 1e-5F), momentum = ctx.attrs->real("momentum", 0.9F);
  if (ctx.attrs->integer("training_mode") != 0) {
    double *current_mean = temporary<double>(ctx, channels), *current_variance = temporary<double>(ctx, channels);
    if (current_mean == nullptr || current_variance == nullptr) return no_memory();
    if (Status s = batch_moments(ctx, data, images, channels, plane, current_mean, current_variance); !s.ok()) return s;
    for (int64_t c = 0; c < channels; ++c) {
      if (ctx.wants(1))
        set_f64(ctx.out[1].dtype, ctx.out[1].data, c, mean[c] * momentum + current_mean[c] * (1 - momentum));
      if (ctx.wants(2))
        set_f64(ctx.out[2].dtype, ctx.out[2].data, c, variance[c] * momentum + current_variance[c] * (1 - momentum));
    }
    mean = current_mean;
    variance = current_variance;
  }
  if (!ctx.wants(0)) return {};
  return support::each_output<double>(ctx, y, 4, [&](int64_t i) {
    const int64_t c = i / plane % channels;
    return (data[i] - mean[c]) / std::sqrt(variance[c] + epsilon) * scale[c] + bias[c];
  });
}

// LRN, LpNormalization, MeanVarianceNormalization --------------------------------------------------------------------------------

Status lrn(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  if (x.rank < 2) return Status::error(Code::shape, "a tensor of rank %d has no channels", x.rank);
  const int64_t size = ctx.attrs->integer("size"), channels = x.dims[1], plane = checked_numel(x.shape().subspan(2));
  if (size < 1) return Status::error(Code::bad_input, "size %lld is not positive", static_cast<long long>(size));
  const double alpha = ctx.attrs->real("alpha", 1e-4F), beta = ctx.attrs->real("beta", 0.75F),
               bias = ctx.attrs->real("bias", 1);
  const double* data = widen<double>(ctx, x);
  if (data == nullptr) return no_memory();
  return support::each_output<double>(ctx, ctx.out[0], std::min(size, channels) + 16, [&](int64_t i) {
    const int64_t c = i / plane % channels, first = std::max<int64_t>(0, c - (size - 1) / 2),
                  last = std::min(channels - 1, c + size / 2);
    double squares = 0;
    for (int64_t k = first; k <= last; ++k) squares += data[i + (k - c) * plane] * data[i + (k - c) * plane];
    return data[i] / std::pow(bias + alpha / static_cast<double>(size) * squares, beta);
  });
}

Status lp_normalization(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  const auto split = support::split_axis(x.shape(), ctx.attrs->integer("axis", -1));
  const bool absolute = ctx.attrs->integer("p", 2) == 1;
  const double* data = widen<double>(ctx, x);
  double* norms = temporary<double>(ctx, split.outer * split.inner);
  if (data == nullptr || norms == nullptr) return no_memory();
  const Status s = support::parallel(
      ctx, split.outer * split.inner, support::grain_for(split.extent * 2), [&](int64_t begin, int64_t end) {
        for (int64_t line = begin; line < end; ++line) {
          const double* src = data + line / split.inner * split.extent * split.inner + line % split.inner;
          double sum = 0;
          for (int64_t k = 0; k < split.extent; ++k)
            sum += absolute ? std::abs(src[k * split.inner]) : src[k * split.inner] * src[k * split.inner];
          norms[line] = absolute ? sum : std::sqrt(sum);
        }
      });
  if (!s.ok()) return s;
  // A line of zeros stays zeros.
  return support::each_output<double>(ctx, y, 2, [&](int64_t i) {
    const double norm = norms[i / split.inner / split.extent * split.inner + i % split.inner];
    return norm == 0 ? 0 : data[i] / norm;
  });
}

/// Statistics over any axes: one group of sums per position in the others.
Status mean_variance_normalization(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  int64_t dims[kMaxRank];
  std::copy(x.dims, x.dims + x.rank, dims);
  int64_t each = 1;
  for (const int64_t a : ctx.attrs->integers("axes")) {
    const int64_t axis = a < 0 ? a + x.rank : a;
    if (axis < 0 || axis >= x.rank)
      return Status::error(Code::bad_input, "axis %lld is out of range for rank %d", static_cast<long long>(a), x.rank);
    each *= dims[axis];
    dims[axis] = 1;
  }
  if (x.count == 0) return {};
  const int64_t groups = checked_numel({dims, static_cast<size_t>(x.rank)});
  Broadcast map;
  if (Status s = support::make_broadcast(TensorView{nullptr, dims, x.rank, x.dtype, groups}, x.shape(), &map); !s.ok())
    return s;
  const double* data = widen<double>(ctx, x);
  double *mean = temporary<double>(ctx, groups), *deviation = temporary<double>(ctx, groups);
  if (data == nullptr || mean == nullptr || deviation == nullptr) return no_memory();
  std::fill(mean, mean + groups, 0.0);
  std::fill(deviation, deviation + groups, 0.0);
  for (int64_t i = 0; i < x.count; ++i) mean[source_of(map, i)] += data[i];
  for (int64_t g = 0; g < groups; ++g) mean[g] /= static_cast<double>(each);
  for (int64_t i = 0; i < x.count; ++i) {
    const int64_t g = source_of(map, i);
    deviation[g] += (data[i] - mean[g]) * (data[i] - mean[g]);
  }
  for (int64_t g = 0; g < groups; ++g) deviation[g] = std::sqrt(deviation[g] / static_cast<double>(each)) + 1e-9;
  return support::each_output<double>(ctx, ctx.out[0], 8, [&](int64_t i) {
    const int64_t g = source_of(map, i);
    return (data[i] - mean[g]) / deviation[g];
  });
}

constexpr KernelRow kKernels[] = {
    {"BatchNormalization", batch_normalization}, {"InstanceNormalization", instance_normalization},
    {"GroupNormalization", group_normalization}, {"LayerNormalization", layer_normalization},
    {"RMSNormalization", rms_normalization},     {"LRN", lrn},
    {"LpNormalization", lp_normalization},       {"MeanVarianceNormalization", mean_variance_normalization},
    {"Softmax", softmax<Form::plain>},           {"LogSoftmax", softmax<Form::logarithm>},
};

}  // namespace

std::span<const KernelRow> reference::normalization_kernels() { return chosen<kKernels>(); }

}  // namespace chorus::native
