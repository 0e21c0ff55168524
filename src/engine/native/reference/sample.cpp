// Windows at computed places: GridSample, AffineGrid, DeformConv, Col2Im; and the causal convolution with a carried state.
#include <engine/native/reference/gradient.h>
#include <engine/native/reference/window.h>

#include <cmath>

namespace chorus::native::window {
namespace {
using support::Complex;
using support::no_memory;
using support::widen;

// GridSample ---------------------------------------------------------------------------------------------------------------------

enum class Filter : uint8_t { nearest, linear, cubic };
enum class Border : uint8_t { zeros, border, reflection };

struct Sampler {
  Filter filter = Filter::linear;
  Border border = Border::zeros;
  bool align = false, single = true;  ///< single: coordinates are computed in float32, as the grid is
  int rank = 0;
  int64_t extents[kMaxRank];
};

/// Up to four neighbours along one axis; index -1: outside, zero.
struct Taps {
  int count = 0;
  int64_t index[4];
  double weight[4];
};

double reflect(double v, double low, double high) noexcept {
  const double range = high - low;
  if (range <= 0) return low;
  if (v >= low && v <= high) return v;
  const double distance = v < low ? low - v : v - high, folds = std::floor(distance / range),
               rest = distance - folds * range;
  const bool even = std::fmod(folds, 2) == 0;
  return (v < low) == even ? low + rest : high - rest;
}

double unnormalize(const Sampler& s, double n, int64_t extent) noexcept {
  if (s.single) {
    const auto f = static_cast<float>(n), length = static_cast<float>(extent);
    return s.align ? (f + 1) / 2 * (length - 1) : ((f + 1) * length - 1) / 2;
  }
  const auto length = static_cast<double>(extent);
  return s.align ? (n + 1) / 2 * (length - 1) : ((n + 1) * length - 1) / 2;
}

int64_t pixel_index(const Sampler& s, double v, int64_t extent) noexcept {
  const auto last = static_cast<double>(extent - 1);
  if (s.border == Border::zeros) return v >= 0 && v <= last ? static_cast<int64_t>(v) : -1;
  if (s.border == Border::reflection) v = std::trunc(s.align ? reflect(v, 0, last) : reflect(v, -0.5, last + 0.5));
  return static_cast<int64_t>(std::clamp(v, 0.0, last));
}

void fill_taps(const Sampler& s, double normalized, int64_t extent, Taps* taps) noexcept {
  double v = unnormalize(s, normalized, extent);
  if (!(v > -1e15)) v = -1e15;  // NaN too
  v = std::min(v, 1e15);
  if (s.filter == Filter::nearest) v = std::nearbyint(v);
  const auto last = static_cast<double>(extent - 1);
  // A cubic filter takes its four neighbours around the point outside; each of them is brought inside, not the point.
  const bool moved = s.filter != Filter::cubic;
  if (moved && s.border == Border::border) v = std::clamp(v, 0.0, last);
  if (moved && s.border == Border::reflection) v = s.align ? reflect(v, 0, last) : reflect(v, -0.5, last + 0.5);
  if (s.filter == Filter::nearest) {
    *taps = {1, {pixel_index(s, std::trunc(v), extent)}, {1}};
    return;
  }
  const double low = std::floor(v), x = v - low, a = -0.75;
  if (s.filter == Filter::linear) {
    *taps = {2, {pixel_index(s, low, extent), pixel_index(s, low + 1, extent)}, {1 - x, x}};
    return;
  }
  taps->count = 4;
  for (int i = 0; i < 4; ++i) taps->index[i] = pixel_index(s, low - 1 + i, extent);
  taps->weight[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
  taps->weight[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
  taps->weight[2] = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1;
  taps->weight[3] = ((a * (2 - x) - 5 * a) * (2 - x) + 8 * a) * (2 - x) - 4 * a;
}

/// How fast the weights of an axis change with the normalized coordinate.
void fill_slopes(const Sampler& s, double normalized, int64_t extent, double* slope) noexcept {
  std::fill(slope, slope + 4, 0.0);
  if (s.filter == Filter::nearest) return;
  double v = unnormalize(s, normalized, extent);
  const auto last = static_cast<double>(extent - 1);
  double rate = s.align ? last / 2 : static_cast<double>(extent) / 2;
  if (!(std::abs(v) < 1e15)) return;
  const bool moved = s.filter != Filter::cubic;
  if (moved && s.border == Border::border) {
    if (v < 0 || v > last) return;
  } else if (moved && s.border == Border::reflection) {
    const double low = s.align ? 0 : -0.5, high = s.align ? last : last + 0.5;
    if (high <= low) return;
    if (v < low || v > high) {
      const double distance = v < low ? low - v : v - high;
      const bool even = std::fmod(std::floor(distance / (high - low)), 2) == 0;
      rate = even ? -rate : rate;
    }
    v = reflect(v, low, high);
  }
  const double x = v - std::floor(v), a = -0.75, y = 1 - x;
  if (s.filter == Filter::linear) {
    slope[0] = -rate;
    slope[1] = rate;
    return;
  }
  slope[0] = rate * ((3 * a * (x + 1) - 10 * a) * (x + 1) + 8 * a);
  slope[1] = rate * (3 * (a + 2) * x - 2 * (a + 3)) * x;
  slope[2] = -rate * (3 * (a + 2) * y - 2 * (a + 3)) * y;
  slope[3] = -rate * ((3 * a * (y + 1) - 10 * a) * (y + 1) + 8 * a);
}

/// Sum over the neighbours of all axes.
template <class T>
T gather(const Sampler& s, const Taps* taps, const T* plane) noexcept {
  int64_t counts[kMaxRank], k[kMaxRank] = {};
  for (int i = 0; i < s.rank; ++i) counts[i] = taps[i].count;
  T sum{};
  do {
    double weight = 1;
    int64_t at = 0;
    bool inside = true;
    for (int i = 0; i < s.rank && inside; ++i) {
      const int64_t index = taps[i].index[k[i]];
      inside = index >= 0;
      weight *= taps[i].weight[k[i]];
      at = at * s.extents[i] + index;
    }
    // A weight of exactly one keeps values beyond float64 (and infinities) as they are.
    if (inside) sum += weight == 1 ? plane[at] : weight * plane[at];
  } while (step(k, counts, s.rank));
  return sum;
}

template <class T>
Status sample(KernelContext& ctx, const Sampler& s) noexcept {
  const TensorView &x = ctx.in[0], &grid = ctx.in[1];
  TensorView& y = ctx.out[0];
  const T* image = widen<T>(ctx, x);
  const double* places = widen<double>(ctx, grid);
  if (image == nullptr || places == nullptr) return no_memory();
  const int64_t channels = x.dims[1], plane = checked_numel(x.shape().subspan(2)),
                points = checked_numel(y.shape().subspan(2));
  return support::parallel(ctx, x.dims[0] * points,
                           support::grain_for(channels * (int64_t{1} << (2 * std::min(s.rank, 8)))),
                           [&](int64_t begin, int64_t end) {
                             Taps taps[kMaxRank];
                             for (int64_t i = begin; i < end; ++i) {
                               const int64_t n = i / points, point = i % points;
                               for (int axis = 0; axis < s.rank; ++axis)
                                 fill_taps(s, places[(i + 1) * s.rank - 1 - axis], s.extents[axis], &taps[axis]);
                               for (int64_t c = 0; c < channels; ++c) {
                                 const T v = gather(s, taps, image + (n * channels + c) * plane);
                                 support::store(y.dtype, y.data, (n * channels + c) * points + point, 1, &v);
                               }
                             }
                           });
}

/// Attributes, and whether the grid fits.
Status read_sampler(const KernelContext& ctx, const TensorView& x, const TensorView& grid, Sampler* out) noexcept {
  Sampler& s = *out;
  s.rank = x.rank - 2;
  if (s.rank < 1 || grid.rank != x.rank || grid.dim(-1) != s.rank || grid.dims[0] != x.dims[0]) {
    return Status::error(Code::shape, "the grid has not [%lld, …, %d] places", static_cast<long long>(x.dims[0]),
                         s.rank);
  }
  const std::string_view mode = ctx.attrs->string("mode", "linear"),
                         padding = ctx.attrs->string("padding_mode", "zeros");
  s.filter = mode == "nearest" ? Filter::nearest : mode == "cubic" ? Filter::cubic : Filter::linear;
  s.border = padding == "border" ? Border::border : padding == "reflection" ? Border::reflection : Border::zeros;
  s.align = ctx.attrs->integer("align_corners") != 0;
  s.single = grid.dtype != DType::float64;
  std::copy(x.dims + 2, x.dims + x.rank, s.extents);
  return {};
}

}  // namespace

Status grid_sample(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &grid = ctx.in[1];
  if (x.dtype == DType::undefined) return Status::error(Code::unsupported, "strings cannot be sampled");
  Sampler s;
  if (Status status = read_sampler(ctx, x, grid, &s); !status.ok()) return status;
  if (ctx.out[0].count == 0) return {};
  for (int i = 0; i < s.rank; ++i) {
    if (s.extents[i] == 0) return Status::error(Code::shape, "nothing to sample: axis %d has no elements", i + 2);
  }
  if (is_complex(x.dtype)) {
    Complex* wide = support::temporary<Complex>(ctx, x.count);
    if (wide == nullptr) return no_memory();
    load_c128(x.dtype, x.data, 0, x.count, wide);
    TensorView as_wide = x;
    as_wide.data = wide;
    as_wide.dtype = DType::complex128;
    TensorView operands[] = {as_wide, grid};
    KernelContext inner = ctx;
    inner.in = operands;
    return sample<Complex>(inner, s);
  }
  // Integers beyond 2^53 pass unchanged where only the nearest is taken.
  if (s.filter == Filter::nearest && is_integer(x.dtype)) return sample<int64_t>(ctx, s);
  return sample<double>(ctx, s);
}

// AffineGrid ---------------------------------------------------------------------------------------------------------------------

Status affine_grid(KernelContext& ctx) noexcept {
  const TensorView& theta = ctx.in[0];
  TensorView& y = ctx.out[0];
  const int rank = y.rank - 2;
  if (theta.rank != 3 || theta.dims[1] != rank || theta.dims[2] != rank + 1 ||
      (y.count > 0 && theta.dims[0] != y.dims[0])) {
    return Status::error(Code::shape, "theta is not [%lld, %d, %d]", static_cast<long long>(y.dims[0]), rank, rank + 1);
  }
  const bool align = ctx.attrs->integer("align_corners") != 0;
  const double* matrix = widen<double>(ctx, theta);
  if (matrix == nullptr) return no_memory();
  const int64_t points = checked_numel(y.shape().subspan(1, static_cast<size_t>(rank)));
  return support::each_output<double>(ctx, y, rank * 2, [&](int64_t i) {
    const int64_t row = i % rank, n = i / rank / points;
    int64_t index[kMaxRank];
    place(i / rank % points, y.dims + 1, rank, index);
    const double* line = matrix + (n * rank + row) * (rank + 1);
    double sum = line[rank];
    for (int k = 0; k < rank; ++k) {  // x belongs to the last axis
      const int axis = rank - 1 - k;
      const auto at = static_cast<double>(index[axis]), length = static_cast<double>(y.dims[axis + 1]);
      const double v = align ? (length > 1 ? -1 + 2 * at / (length - 1) : -1) : -1 + (2 * at + 1) / length;
      sum += line[k] * v;
    }
    return sum;
  });
}

// DeformConv ---------------------------------------------------------------------------------------------------------------------

namespace {

/// Linear interpolation between the pixels around a place, zeros outside.
double between(const Geometry& g, const double* plane, const double* place_of) noexcept {
  double low[kMaxRank];
  for (int i = 0; i < g.rank; ++i) {
    if (!(place_of[i] > -1 && place_of[i] < static_cast<double>(g.in[i]))) return 0;
    low[i] = std::floor(place_of[i]);
  }
  double sum = 0;
  for (unsigned corner = 0; corner < (1U << g.rank); ++corner) {
    double weight = 1;
    int64_t at = 0;
    bool inside = true;
    for (int i = 0; i < g.rank; ++i) {
      const bool up = (corner >> i & 1) != 0;
      const int64_t p = static_cast<int64_t>(low[i]) + (up ? 1 : 0);
      weight *= up ? place_of[i] - low[i] : 1 - (place_of[i] - low[i]);
      inside &= p >= 0 && p < g.in[i];
      at = at * g.in[i] + p;
    }
    if (inside) sum += weight * plane[at];
  }
  return sum;
}

}  // namespace

Status deform_conv(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &w = ctx.in[1], &offset = ctx.in[2];
  TensorView& y = ctx.out[0];
  Geometry g;
  if (Status s = read_geometry(ctx, x, y, w.shape().subspan(2), &g); !s.ok()) return s;
  const int64_t groups = ctx.attrs->integer("group", 1), shifts = ctx.attrs->integer("offset_group", 1), c = x.dims[1],
                m = w.dims[0];
  if (g.rank > 8 || groups < 1 || shifts < 1 || c % groups != 0 || m % groups != 0 || w.dims[1] != c / groups ||
      c % shifts != 0) {
    return Status::error(Code::shape,
                         "%lld channels, %lld filters, group %lld and offset_group %lld do not fit each other",
                         static_cast<long long>(c), static_cast<long long>(m), static_cast<long long>(groups),
                         static_cast<long long>(shifts));
  }
  const int64_t wanted = x.dims[0] * shifts * g.kernel_count * g.out_count;
  if (offset.count != wanted * g.rank || (ctx.has(4) && ctx.in[4].count != wanted)) {
    return Status::error(Code::shape, "offset (or mask) has not one place per window element: %lld elements",
                         static_cast<long long>(offset.count));
  }
  if (ctx.has(3) && ctx.in[3].count != m)
    return Status::error(Code::shape, "the bias has not one number per output channel");
  const double *image = widen<double>(ctx, x), *filter = widen<double>(ctx, w), *moved = widen<double>(ctx, offset);
  const double *bias = ctx.has(3) ? widen<double>(ctx, ctx.in[3]) : nullptr,
               *mask = ctx.has(4) ? widen<double>(ctx, ctx.in[4]) : nullptr;
  if (image == nullptr || filter == nullptr || moved == nullptr || (ctx.has(3) && bias == nullptr) ||
      (ctx.has(4) && mask == nullptr))
    return no_memory();
  const int64_t each = c / groups;
  return support::each_output<double>(ctx, y, each * g.kernel_count * 8, [&](int64_t i) {
    const int64_t point = i % g.out_count, o = i / g.out_count % m, n = i / g.out_count / m;
    int64_t at[kMaxRank];
    place(point, g.out, g.rank, at);
    double sum = bias != nullptr ? bias[o] : 0;
    for (int64_t ic = 0; ic < each; ++ic) {
      const int64_t channel = o / (m / groups) * each + ic, shift = channel / (c / shifts);
      int64_t k[kMaxRank] = {};
      for (int64_t tap = 0; tap < g.kernel_count; ++tap, step(k, g.kernel, g.rank)) {
        const int64_t entry = (n * shifts + shift) * g.kernel_count + tap;
        double place_of[kMaxRank];
        for (int a = 0; a < g.rank; ++a) {
          place_of[a] = static_cast<double>(at[a] * g.stride[a] - g.pad[a] + k[a] * g.dilation[a]) +
                        moved[(entry * g.rank + a) * g.out_count + point];
        }
        const double v = between(g, image + (n * c + channel) * g.in_count, place_of);
        sum += filter[(o * each + ic) * g.kernel_count + tap] * v *
               (mask != nullptr ? mask[entry * g.out_count + point] : 1);
      }
    }
    return sum;
  });
}

// Col2Im -------------------------------------------------------------------------------------------------------------------------

Status col2im(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &block = ctx.in[2];
  TensorView& y = ctx.out[0];
  if (x.dtype == DType::undefined) return Status::error(Code::unsupported, "strings cannot be added");
  int64_t kernel[kMaxRank];
  const int rank = y.rank - 2;
  if (x.rank != 3 || rank < 1 || support::read_ints(block, kernel, kMaxRank) != rank) {
    return Status::error(Code::shape, "columns of rank %d and a block of %lld axes for an image of %d", x.rank,
                         static_cast<long long>(block.count), rank);
  }
  Geometry g;
  if (Status s = read_geometry(ctx, y, y, {kernel, static_cast<size_t>(rank)}, &g); !s.ok()) return s;
  g.out_count = 1;
  for (int i = 0; i < rank; ++i) {  // out: blocks along each axis
    const int64_t room = g.in[i] + g.pad[i] + g.pad_end[i] - (g.kernel[i] - 1) * g.dilation[i] - 1;
    g.out[i] = room < 0 ? 0 : room / g.stride[i] + 1;
    g.out_count *= g.out[i];
  }
  if (g.kernel_count < 1 || x.dims[1] != y.dims[1] * g.kernel_count || x.dims[2] != g.out_count) {
    return Status::error(Code::shape, "columns [%lld, %lld] do not make an image from %lld blocks of %lld elements",
                         static_cast<long long>(x.dims[1]), static_cast<long long>(x.dims[2]),
                         static_cast<long long>(g.out_count), static_cast<long long>(g.kernel_count));
  }
  // Integers of both signs are added as uint64_t, whose wrapping is defined.
  return support::by_class(is_signed_integer(x.dtype) ? DType::uint64 : x.dtype, [&]<class Tag>(Tag) {
    using T = typename Tag::type;
    return support::each_output<T>(ctx, y, g.kernel_count * g.rank, [&](int64_t i) {
      int64_t at[kMaxRank], k[kMaxRank] = {};
      place(i % g.in_count, g.in, g.rank, at);
      T sum{};
      for (int64_t tap = 0; tap < g.kernel_count; ++tap, step(k, g.kernel, g.rank)) {
        int64_t from = 0;
        bool inside = true;
        for (int a = 0; a < g.rank && inside; ++a) {
          const int64_t p = at[a] + g.pad[a] - k[a] * g.dilation[a];
          inside = p >= 0 && p % g.stride[a] == 0 && p / g.stride[a] < g.out[a];
          from = from * g.out[a] + p / g.stride[a];
        }
        if (!inside) continue;
        T v;
        support::load(x.dtype, x.data, (i / g.in_count * g.kernel_count + tap) * g.out_count + from, 1, &v);
        sum += v;
      }
      return sum;
    });
  });
}

// CausalConvWithState ------------------------------------------------------------------------------------------------------------

Status causal_conv_with_state(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &w = ctx.in[1];
  if (x.rank != 3 || w.rank != 3 || w.dims[0] != x.dims[1] || w.dims[1] != 1 || w.dims[2] < 1) {
    return Status::error(Code::shape, "the input is [batch, channels, length], the filter [channels, 1, k]");
  }
  const int64_t length = x.dims[2], channels = x.dims[1], k = w.dims[2], kept = k - 1;
  if (ctx.has(3) && ctx.in[3].count != x.dims[0] * channels * kept)
    return Status::error(Code::shape, "past_state is not [batch, channels, %lld]", static_cast<long long>(kept));
  if (ctx.has(2) && ctx.in[2].count != channels)
    return Status::error(Code::shape, "the bias has not one number per channel");
  const double *image = widen<double>(ctx, x), *filter = widen<double>(ctx, w),
               *bias = ctx.has(2) ? widen<double>(ctx, ctx.in[2]) : nullptr;
  const double* past = ctx.has(3) ? widen<double>(ctx, ctx.in[3]) : nullptr;
  if (image == nullptr || filter == nullptr || (ctx.has(2) && bias == nullptr) || (ctx.has(3) && past == nullptr))
    return no_memory();
  const std::string_view activation = ctx.attrs->string("activation", "none");
  const bool silu = activation == "silu" || activation == "swish";
  // Element `t` of the sequence with the carried part before it.
  const auto at = [&](int64_t line, int64_t t) {
    if (t >= kept) return image[line * length + t - kept];
    return past != nullptr ? past[line * kept + t] : 0.0;
  };
  if (ctx.wants(1)) {
    const Status s =
        support::each_output<double>(ctx, ctx.out[1], 1, [&](int64_t i) { return at(i / kept, length + i % kept); });
    if (!s.ok()) return s;
  }
  if (!ctx.wants(0)) return {};
  return support::each_output<double>(ctx, ctx.out[0], k, [&](int64_t i) {
    const int64_t line = i / length, t = i % length, c = line % channels;
    double sum = bias != nullptr ? bias[c] : 0;
    for (int64_t j = 0; j < k; ++j) sum += filter[c * k + j] * at(line, t + j);
    return silu ? sum / (1 + std::exp(-sum)) : sum;
  });
}

}  // namespace chorus::native::window

namespace chorus::native {

namespace {

/// One place: dX gets dY by the weights, the coordinates get it by the slopes. planes: of this image's channels.
void sample_back(const window::Sampler& s, const window::Taps* taps, const double (*slopes)[4], const double* dy,
                 int64_t channels, int64_t points, const double* image, int64_t plane, double* dx,
                 double* place) noexcept {
  int64_t counts[kMaxRank], k[kMaxRank] = {};
  for (int i = 0; i < s.rank; ++i) counts[i] = taps[i].count;
  do {
    int64_t at = 0;
    bool inside = true;
    double weight = 1;
    for (int i = 0; i < s.rank && inside; ++i) {
      const int64_t index = taps[i].index[k[i]];
      inside = index >= 0;
      weight *= taps[i].weight[k[i]];
      at = at * s.extents[i] + index;
    }
    if (!inside) continue;
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) {
      const double g = dy[c * points];
      dx[c * plane + at] += weight * g;
      sum += g * image[c * plane + at];
    }
    for (int axis = 0; place != nullptr && axis < s.rank; ++axis) {
      double rate = slopes[axis][k[axis]];
      for (int i = 0; i < s.rank; ++i) rate *= i == axis ? 1 : taps[i].weight[k[i]];
      place[s.rank - 1 - axis] += rate * sum;
    }
  } while (window::step(k, counts, s.rank));
}

}  // namespace

Status gradient::grid_sample_grad(KernelContext& ctx) noexcept {
  const TensorView &dy = ctx.in[0], &x = ctx.in[1], &grid = ctx.in[2];
  window::Sampler s;
  if (Status status = window::read_sampler(ctx, x, grid, &s); !status.ok()) return status;
  const int64_t channels = x.dims[1], plane = checked_numel(x.shape().subspan(2)),
                points = checked_numel(dy.shape().subspan(2));
  if (dy.rank != x.rank || dy.dims[0] != x.dims[0] || dy.dims[1] != channels ||
      points * s.rank * x.dims[0] != grid.count) {
    return Status::error(Code::shape, "dY does not fit X and the grid");
  }
  const bool with_grid = ctx.wants(1);
  const double *from = support::widen<double>(ctx, dy), *image = support::widen<double>(ctx, x),
               *places = support::widen<double>(ctx, grid);
  double *dx = sums_for(ctx, x.count), *dgrid = with_grid ? sums_for(ctx, grid.count) : nullptr;
  if (from == nullptr || image == nullptr || places == nullptr || dx == nullptr || (with_grid && dgrid == nullptr))
    return support::no_memory();
  for (int64_t i = 0; plane > 0 && i < x.dims[0] * points; ++i) {
    window::Taps taps[kMaxRank];
    double slopes[kMaxRank][4];
    const int64_t n = i / points;
    for (int axis = 0; axis < s.rank; ++axis) {
      const double coordinate = places[(i + 1) * s.rank - 1 - axis];
      window::fill_taps(s, coordinate, s.extents[axis], &taps[axis]);
      window::fill_slopes(s, coordinate, s.extents[axis], slopes[axis]);
    }
    sample_back(s, taps, slopes, from + n * channels * points + i % points, channels, points,
                image + n * channels * plane, plane, dx + n * channels * plane,
                with_grid ? dgrid + i * s.rank : nullptr);
  }
  if (ctx.wants(0)) store_sums(ctx.out[0], dx);
  if (with_grid) store_sums(ctx.out[1], dgrid);
  return {};
}

}  // namespace chorus::native
