// Resize: one axis after the other, by a table of taps per axis; nearest neighbours of every element type by a walk.
#include <engine/native/reference/gradient.h>
#include <engine/native/reference/move.h>
#include <engine/native/reference/window.h>

#include <cmath>

namespace chorus::native::window {
namespace {
using support::no_memory;

enum class Mode : uint8_t { nearest, linear, cubic };

struct Axis {
  int64_t in = 0, out = 0;
  double scale = 1;
  double roi_begin = 0, roi_end = 1;
  bool given = false;  ///< named by axes
  bool identity() const noexcept { return in == out && scale == 1 && roi_begin == 0 && roi_end == 1; }
};

struct Plan {
  Mode mode = Mode::nearest;
  bool antialias = false, exclude_outside = false;
  double cubic = -0.75, extrapolation = 0;
  std::string_view coordinates, nearest;
  int rank = 0;
  Axis axes[kMaxRank];
};

/// x_original of ONNX for position `x` of the result. `outside`: extrapolated (tf_crop_and_resize).
double source_position(const Plan& p, const Axis& a, int64_t at, bool* outside) noexcept {
  const auto x = static_cast<double>(at), in = static_cast<double>(a.in), length = a.scale * in;
  *outside = false;
  if (p.coordinates == "align_corners") return length == 1 ? 0 : x * (in - 1) / (length - 1);
  if (p.coordinates == "asymmetric") return x / a.scale;
  if (p.coordinates == "tf_crop_and_resize") {
    const double span = (a.roi_end - a.roi_begin) * (in - 1);
    const double v = (length == 1 ? span / 2 : x * span / (length - 1)) + a.roi_begin * (in - 1);
    *outside = !(v >= 0 && v <= in - 1);
    return v;
  }
  if (p.coordinates == "pytorch_half_pixel" && length == 1) return -0.5;
  const double half = (x + 0.5) / a.scale - 0.5;
  if (p.coordinates == "half_pixel_symmetric") return in / 2 * (1 - static_cast<double>(a.out) / length) + half;
  return half;
}

int64_t clamp_index(double v, int64_t extent) noexcept {
  // Comparisons, so that NaN and what no integer holds stay inside.
  if (!(v > 0)) return 0;
  return v >= static_cast<double>(extent - 1) ? extent - 1 : static_cast<int64_t>(v);
}

int64_t nearest_of(const Plan& p, double v, int64_t extent) noexcept {
  const double low = std::floor(v), fraction = v - low;
  bool up = fraction > 0.5;
  if (p.nearest == "round_prefer_ceil") up = fraction >= 0.5;
  if (p.nearest == "floor") up = false;
  if (p.nearest == "ceil") up = fraction > 0;
  return clamp_index(low + (up ? 1 : 0), extent);
}

/// The weights of a run of neighbours for one position of the result.
double cubic_weight(double x, double a) noexcept {
  x = std::abs(x);
  if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
  return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
}

int taps_before(const Plan& p, const Axis& a) noexcept {  // of the neighbour left of the position
  const double reach = p.mode == Mode::cubic ? 2 : 1, scale = p.antialias ? std::min(a.scale, 1.0) : 1.0;
  return static_cast<int>(std::min(-std::floor(-reach / scale) - 1, 5e8));  // what has no room is refused
}

void fill_taps(const Plan& p, const Axis& a, double v, int before, int taps, int64_t* first, double* weights) noexcept {
  const double low = std::ceil(v) - 1, ratio = v - low;  // ratio in (0, 1]
  const double scale = p.antialias ? std::min(a.scale, 1.0) : 1.0;
  double sum = 0;
  for (int t = 0; t < taps; ++t) {
    const double distance = (static_cast<double>(t - before) - ratio) * scale;
    weights[t] = p.mode == Mode::cubic ? cubic_weight(distance, p.cubic) : std::max(0.0, 1 - std::abs(distance));
    const double index = low + t - before;
    if (p.exclude_outside && !(index >= 0 && index < static_cast<double>(a.in))) weights[t] = 0;
    sum += weights[t];
  }
  if ((p.antialias || p.exclude_outside) && sum != 0) {
    for (int t = 0; t < taps; ++t) weights[t] /= sum;
  }
  // Far outside every neighbour is the same edge: a position that an integer holds does as well.
  *first = static_cast<int64_t>(std::clamp(low, -4e15, 4e15)) - before;
}

/// dst [outer, out, inner] from src [outer, in, inner].
Status resize_axis(KernelContext& ctx, const Plan& p, const Axis& a, int64_t outer, int64_t inner, const double* src,
                   double* dst) noexcept {
  const int before = taps_before(p, a), taps = 2 * before + 2;
  double* weights = support::temporary<double>(ctx, checked_mul(a.out, taps));
  int64_t* first = support::temporary<int64_t>(ctx, a.out);
  bool* outside = support::temporary<bool>(ctx, a.out);
  if (weights == nullptr || first == nullptr || outside == nullptr) return no_memory();
  for (int64_t o = 0; o < a.out; ++o) {
    const double v = source_position(p, a, o, &outside[o]);
    fill_taps(p, a, v, before, taps, &first[o], weights + o * taps);
  }
  return support::parallel(ctx, outer * a.out, support::grain_for(inner * taps), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t o = i % a.out;
      double* line = dst + i * inner;
      std::fill(line, line + inner, outside[o] ? p.extrapolation : 0.0);
      for (int t = 0; t < taps && !outside[o]; ++t) {
        const double w = weights[o * taps + t];
        if (w == 0) continue;
        const double* from = src + (i / a.out * a.in + std::clamp<int64_t>(first[o] + t, 0, a.in - 1)) * inner;
        for (int64_t k = 0; k < inner; ++k) line[k] += w * from[k];
      }
    }
  });
}

Status resize_smooth(KernelContext& ctx, const Plan& p) noexcept {
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  const int64_t parts = is_complex(x.dtype) ? 2 : 1;  // real and imaginary parts are one more axis
  double* current = support::temporary<double>(ctx, checked_mul(x.count, parts));
  if (current == nullptr) return no_memory();
  if (parts == 2) {
    load_c128(x.dtype, x.data, 0, x.count, reinterpret_cast<support::Complex*>(current));
  } else {
    load_f64(x.dtype, x.data, 0, x.count, current);
  }
  int64_t dims[kMaxRank];
  std::copy(x.dims, x.dims + x.rank, dims);
  for (int i = 0; i < x.rank; ++i) {
    const Axis& a = p.axes[i];
    if (a.identity()) continue;
    const auto split = support::split_axis({dims, static_cast<size_t>(x.rank)}, i);
    double* next = support::temporary<double>(ctx, checked_mul(checked_mul(split.outer * a.out, split.inner), parts));
    if (next == nullptr) return no_memory();
    if (Status s = resize_axis(ctx, p, a, split.outer, split.inner * parts, current, next); !s.ok()) return s;
    current = next;
    dims[i] = a.out;
  }
  if (parts == 2) {
    store_c128(y.dtype, y.data, 0, y.count, reinterpret_cast<const support::Complex*>(current));
  } else {
    support::parallel(ctx, y.count, support::kGrain, [&](int64_t begin, int64_t end) {
      store_f64(y.dtype, y.data, begin, end - begin, current + begin);
    });
  }
  return {};
}

Status resize_nearest(KernelContext& ctx, const Plan& p, const TensorView& x, const move::Extents& shape) noexcept {
  int64_t* table[kMaxRank];
  int64_t strides[kMaxRank];
  support::row_strides(x.shape(), strides);
  int last = p.rank;  // axes from here on are copied whole
  while (last > 0 && p.axes[last - 1].identity()) --last;
  bool any_outside = false;
  for (int i = 0; i < last; ++i) {
    table[i] = support::temporary<int64_t>(ctx, p.axes[i].out);
    if (table[i] == nullptr) return no_memory();
    for (int64_t o = 0; o < p.axes[i].out; ++o) {
      bool outside;
      const double v = source_position(p, p.axes[i], o, &outside);
      table[i][o] = outside ? -1 : nearest_of(p, v, p.axes[i].in) * strides[i];
      any_outside |= outside;
    }
  }
  int64_t run = 1;
  for (int i = last; i < p.rank; ++i) run *= p.axes[i].out;
  const int64_t runs = run > 0 ? shape.count() / run : 0;
  const auto source_of = [&](int64_t r) {
    move::Source s{0, 0};
    for (int i = last - 1; i >= 0; --i) {
      const int64_t from = table[i][r % p.axes[i].out];
      r /= p.axes[i].out;
      if (from < 0) return move::Source{-1, 0};
      s.offset += from;
    }
    return s;
  };
  if (Status s = move::copy(ctx, 0, x.dtype, shape, runs, run, source_of); !s.ok()) return s;
  if (!any_outside || p.extrapolation == 0 || x.dtype == DType::string) return {};
  for (int64_t r = 0; r < runs; ++r) {
    if (source_of(r).input >= 0) continue;
    for (int64_t k = 0; k < run; ++k) set_f64(x.dtype, ctx.out[0].data, r * run + k, p.extrapolation);
  }
  return {};
}

/// Axis of entry i of roi, scales and sizes.
int named_axis(const KernelContext& ctx, int64_t i, int rank) noexcept {
  const auto axes = ctx.attrs->integers("axes");
  const int64_t a = axes.empty() ? i : axes[static_cast<size_t>(i)];
  return static_cast<int>(a < 0 ? a + rank : a);
}

/// Operands roi, scales, sizes stand at first, first + 1, first + 2.
Status read_axes(const KernelContext& ctx, Plan* p, int first = 1) noexcept {
  const int scales = first + 1, sizes = first + 2;
  const auto axes = ctx.attrs->integers("axes");
  const int64_t n = axes.empty() ? p->rank : static_cast<int64_t>(axes.size());
  const bool by_sizes = ctx.has(sizes) && ctx.in[sizes].count > 0;
  if (!by_sizes && !(ctx.has(scales) && ctx.in[scales].count == n))
    return Status::error(Code::shape, "neither sizes nor %lld scales", static_cast<long long>(n));
  if (by_sizes && ctx.in[sizes].count != n)
    return Status::error(Code::shape, "%lld sizes for %lld axes", static_cast<long long>(ctx.in[sizes].count),
                         static_cast<long long>(n));
  for (int64_t i = 0; i < n; ++i) {
    const int axis = named_axis(ctx, i, p->rank);
    if (axis < 0 || axis >= p->rank)
      return Status::error(Code::bad_input, "axis %d is out of range for rank %d", axis, p->rank);
    Axis& a = p->axes[axis];
    a.given = true;
    if (by_sizes) {
      const int64_t size = get_i64(ctx.in[sizes].dtype, ctx.in[sizes].data, i);
      a.scale = a.in > 0 ? static_cast<double>(size) / static_cast<double>(a.in) : 1;
    } else {
      a.scale = get_f64(ctx.in[scales].dtype, ctx.in[scales].data, i);
    }
    if (!(a.scale >= 0) || (a.scale == 0 && a.out > 0) || !std::isfinite(a.scale)) {
      return Status::error(Code::bad_input, "scale %g of axis %d is not positive", a.scale, axis);
    }
    if (p->coordinates == "tf_crop_and_resize" && ctx.has(first) && ctx.in[first].count == 2 * n) {
      a.roi_begin = get_f64(ctx.in[first].dtype, ctx.in[first].data, i);
      a.roi_end = get_f64(ctx.in[first].dtype, ctx.in[first].data, n + i);
    }
  }
  const std::string_view policy = ctx.attrs->string("keep_aspect_ratio_policy", "stretch");
  if (!by_sizes || policy == "stretch") return {};
  double scale = policy == "not_larger" ? 1e300 : 0;
  for (int i = 0; i < p->rank; ++i) {
    if (p->axes[i].given)
      scale = policy == "not_larger" ? std::min(scale, p->axes[i].scale) : std::max(scale, p->axes[i].scale);
  }
  for (int i = 0; i < p->rank; ++i) {
    if (p->axes[i].given) p->axes[i].scale = scale;
  }
  return {};
}

void read_attributes(const KernelContext& ctx, Plan* plan) noexcept {
  Plan& p = *plan;
  const std::string_view mode = ctx.attrs->string("mode", "nearest");
  p.mode = mode == "linear" ? Mode::linear : mode == "cubic" ? Mode::cubic : Mode::nearest;
  p.antialias = ctx.attrs->integer("antialias") != 0 && p.mode != Mode::nearest;
  p.exclude_outside = ctx.attrs->integer("exclude_outside") != 0;
  p.cubic = ctx.attrs->real("cubic_coeff_a", -0.75F);
  p.extrapolation = ctx.attrs->real("extrapolation_value");
  p.coordinates = ctx.attrs->string("coordinate_transformation_mode", "half_pixel");
  p.nearest = ctx.attrs->string("nearest_mode", "round_prefer_floor");
}

/// Sums of dst [outer, in, inner] from src [outer, out, inner]: resize_axis the other way round.
Status spread_axis(KernelContext& ctx, const Plan& p, const Axis& a, int64_t outer, int64_t inner, const double* src,
                   double* dst) noexcept {
  const bool nearest = p.mode == Mode::nearest;
  const int before = nearest ? 0 : taps_before(p, a), taps = nearest ? 1 : 2 * before + 2;
  double* weights = support::temporary<double>(ctx, taps);
  if (weights == nullptr) return no_memory();
  std::fill(dst, dst + outer * a.in * inner, 0.0);
  for (int64_t o = 0; o < a.out; ++o) {
    bool outside;
    int64_t first = 0;
    const double v = source_position(p, a, o, &outside);
    if (outside) continue;
    if (nearest) {
      first = nearest_of(p, v, a.in);
      weights[0] = 1;
    } else {
      fill_taps(p, a, v, before, taps, &first, weights);
    }
    for (int t = 0; t < taps; ++t) {
      if (weights[t] == 0) continue;
      const int64_t at = std::clamp<int64_t>(first + t, 0, a.in - 1);
      for (int64_t n = 0; n < outer; ++n) {
        const double* from = src + (n * a.out + o) * inner;
        double* to = dst + (n * a.in + at) * inner;
        for (int64_t k = 0; k < inner; ++k) to[k] += weights[t] * from[k];
      }
    }
  }
  return {};
}

}  // namespace

Status resize(KernelContext& ctx) noexcept {
  const TensorView x = move::view(ctx, 0);
  Plan p;
  p.rank = x.rank;
  read_attributes(ctx, &p);
  const bool prepared = ctx.out[0].dtype != DType::undefined;
  for (int i = 0; i < x.rank; ++i) p.axes[i].in = p.axes[i].out = x.dims[i];
  for (int i = 0; i < x.rank && prepared; ++i) p.axes[i].out = ctx.out[0].dims[i];
  if (Status s = read_axes(ctx, &p); !s.ok()) return s;
  for (int i = 0; i < x.rank && !prepared; ++i) {  // strings: computed here, as the shape rule does
    const double extent = static_cast<double>(static_cast<float>(p.axes[i].scale) * static_cast<float>(x.dims[i]));
    if (p.axes[i].given) p.axes[i].out = extent < 1e15 ? static_cast<int64_t>(extent) : -1;
    if (p.axes[i].out < 0) return Status::error(Code::budget, "scale %g of axis %d is too large", p.axes[i].scale, i);
  }
  move::Extents shape;
  shape.rank = x.rank;
  for (int i = 0; i < x.rank; ++i) {
    shape.dims[i] = p.axes[i].out;
    if (p.axes[i].in == 0 && p.axes[i].out > 0)
      return Status::error(Code::shape, "an axis without elements cannot grow to %lld",
                           static_cast<long long>(p.axes[i].out));
  }
  if (prepared && ctx.out[0].count == 0) return {};
  return p.mode == Mode::nearest ? resize_nearest(ctx, p, x, shape) : resize_smooth(ctx, p);
}

}  // namespace chorus::native::window

namespace chorus::native {

Status gradient::resize_grad(KernelContext& ctx) noexcept {
  using namespace window;
  const TensorView& dy = ctx.in[0];
  TensorView& dx = ctx.out[0];
  if (dy.rank != dx.rank) return Status::error(Code::shape, "dY of rank %d for an input of rank %d", dy.rank, dx.rank);
  Plan p;
  p.rank = dx.rank;
  read_attributes(ctx, &p);
  int64_t dims[kMaxRank];
  for (int i = 0; i < dx.rank; ++i) {
    p.axes[i].in = dx.dims[i];
    dims[i] = p.axes[i].out = dy.dims[i];
    if (dx.dims[i] == 0 && dy.dims[i] > 0)
      return Status::error(Code::shape, "an axis without elements cannot grow to %lld",
                           static_cast<long long>(dy.dims[i]));
  }
  if (Status s = read_axes(ctx, &p, 2); !s.ok()) return s;
  const double* current = support::widen<double>(ctx, dy);
  if (current == nullptr) return no_memory();
  for (int i = dx.rank - 1; i >= 0; --i) {
    const Axis& a = p.axes[i];
    if (a.identity()) continue;
    const auto split = support::split_axis({dims, static_cast<size_t>(dx.rank)}, i);
    const int64_t count = checked_mul(checked_mul(split.outer, a.in), split.inner);
    double* next = count < 0 ? nullptr : support::temporary<double>(ctx, count);
    if (next == nullptr) return no_memory();
    if (Status s = spread_axis(ctx, p, a, split.outer, split.inner, current, next); !s.ok()) return s;
    current = next;
    dims[i] = a.in;
  }
  store_sums(dx, current);
  return {};
}

}  // namespace chorus::native
