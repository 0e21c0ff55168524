// Detection: NonMaxSuppression, RoiAlign; ImageDecoder by the decoder that the program handed in.
#include <core/picture.h>
#include <engine/native/reference/gradient.h>
#include <engine/native/reference/value_ops.h>
#include <engine/native/reference/wide.h>
#include <ops/chosen.h>

#include <algorithm>
#include <cmath>

namespace chorus::native {
namespace {
using support::no_memory;
using support::temporary;
using support::widen;

// NonMaxSuppression --------------------------------------------------------------------------------------------------------------

/// Corners in order, from [y1, x1, y2, x2] (any two opposite corners) or [x, y, width, height] around a centre.
struct Box {
  double x0, y0, x1, y1;
  double area() const noexcept { return (x1 - x0) * (y1 - y0); }
};

Box read_box(const double* v, bool centre) noexcept {
  if (centre) return {v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2};
  return {std::min(v[1], v[3]), std::min(v[0], v[2]), std::max(v[1], v[3]), std::max(v[0], v[2])};
}

bool overlaps(const Box& a, const Box& b, double threshold) noexcept {
  const double w = std::min(a.x1, b.x1) - std::max(a.x0, b.x0), h = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (!(w > 0) || !(h > 0) || !(a.area() > 0) || !(b.area() > 0)) return false;
  const double both = w * h;
  return both / (a.area() + b.area() - both) > threshold;
}

double number_or(const KernelContext& ctx, int i, double otherwise) noexcept {
  return ctx.has(i) && ctx.in[i].count > 0 ? get_f64(ctx.in[i].dtype, ctx.in[i].data, 0) : otherwise;
}

struct Suppression {
  const double *boxes, *scores;
  int64_t count, most;
  double overlap, least;
  bool filter, centre;
};

/// Selects from one class of one image: indices into `kept` (also where the candidates are sorted); returns how many.
int64_t suppress(const Suppression& s, int64_t batch, const double* scores, int64_t* order, int64_t* kept) noexcept {
  int64_t candidates = 0, n = 0;
  for (int64_t i = 0; i < s.count; ++i) {
    if (std::isnan(scores[i]) || (s.filter && !(scores[i] > s.least))) continue;
    order[candidates++] = i;
  }
  std::sort(order, order + candidates,
            [&](int64_t a, int64_t b) { return scores[a] > scores[b] || (scores[a] == scores[b] && a < b); });
  const double* boxes = s.boxes + batch * s.count * 4;
  for (int64_t i = 0; i < candidates && n < s.most; ++i) {
    const Box box = read_box(boxes + order[i] * 4, s.centre);
    bool free = true;
    for (int64_t k = 0; k < n && free; ++k) free = !overlaps(box, read_box(boxes + kept[k] * 4, s.centre), s.overlap);
    if (free) kept[n++] = order[i];
  }
  return n;
}

Status non_max_suppression(KernelContext& ctx) noexcept {
  const TensorView &boxes = ctx.in[0], &scores = ctx.in[1];
  if (boxes.rank != 3 || scores.rank != 3 || boxes.dims[2] != 4 || boxes.dims[0] != scores.dims[0] ||
      boxes.dims[1] != scores.dims[2]) {
    return Status::error(Code::shape, "boxes are [batches, n, 4], scores [batches, classes, n]");
  }
  const int64_t batches = scores.dims[0], classes = scores.dims[1], n = boxes.dims[1];
  const int64_t asked = ctx.has(2) && ctx.in[2].count > 0 ? get_i64(ctx.in[2].dtype, ctx.in[2].data, 0) : 0;
  Suppression s{widen<double>(ctx, boxes),
                widen<double>(ctx, scores),
                n,
                std::clamp<int64_t>(asked, 0, n),
                number_or(ctx, 3, 0),
                number_or(ctx, 4, 0),
                ctx.has(4) && ctx.in[4].count > 0,
                ctx.attrs->integer("center_point_box") != 0};
  int64_t* order = temporary<int64_t>(ctx, n);
  int64_t* kept = temporary<int64_t>(ctx, checked_mul(checked_mul(batches, classes), std::max<int64_t>(s.most, 1)));
  int64_t* counts = temporary<int64_t>(ctx, batches * classes);
  if (s.boxes == nullptr || s.scores == nullptr || order == nullptr || kept == nullptr || counts == nullptr)
    return no_memory();
  int64_t total = 0;
  for (int64_t i = 0; i < batches * classes; ++i) {
    if (ctx.services->stop()) return Status::error(Code::cancelled, "the run was stopped");
    counts[i] = suppress(s, i / classes, s.scores + i * n, order, kept + i * s.most);
    total += counts[i];
  }
  const int64_t dims[] = {total, 3};
  TensorView y;
  if (Status st = ctx.services->allocate(0, DType::int64, dims, &y); !st.ok()) return st;
  int64_t* out = y.as<int64_t>();
  for (int64_t i = 0; i < batches * classes; ++i) {
    for (int64_t k = 0; k < counts[i]; ++k) {
      *out++ = i / classes;
      *out++ = i % classes;
      *out++ = kept[i * s.most + k];
    }
  }
  return {};
}

// RoiAlign -----------------------------------------------------------------------------------------------------------------------

/// Four neighbours of a place and their weights; weight 0 everywhere: outside.
struct Corners {
  int64_t at[4] = {};
  double weight[4] = {};
};

Corners corners_of(double y, double x, int64_t height, int64_t width) noexcept {
  Corners c;
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width))) return c;
  const auto split = [](double v, int64_t extent, int64_t* low, int64_t* high) {
    v = std::max(v, 0.0);
    *low = static_cast<int64_t>(v);
    if (*low >= extent - 1) {
      *low = *high = extent - 1;
      return 0.0;
    }
    *high = *low + 1;
    return v - static_cast<double>(*low);
  };
  int64_t y0, y1, x0, x1;
  const double fy = split(y, height, &y0, &y1), fx = split(x, width, &x0, &x1);
  const int64_t at[] = {y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1};
  const double weight[] = {(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx};
  std::copy(at, at + 4, c.at);
  std::copy(weight, weight + 4, c.weight);
  return c;
}

struct Region {
  double x, y, bin_width, bin_height;
  int64_t grid_x, grid_y;
};
constexpr int64_t kMostSamples = int64_t{1} << 24;  // per bin: more is no region of an image

Status read_region(const KernelContext& ctx, const double* roi, int64_t rows, int64_t columns, Region* out) noexcept {
  const bool half_pixel = ctx.attrs->string("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  const double scale = ctx.attrs->real("spatial_scale", 1), offset = half_pixel ? 0.5 : 0;
  double width = (roi[2] - roi[0]) * scale, height = (roi[3] - roi[1]) * scale;
  if (!half_pixel) {
    width = std::max(width, 1.0);
    height = std::max(height, 1.0);
  }
  *out = {roi[0] * scale - offset,
          roi[1] * scale - offset,
          width / static_cast<double>(columns),
          height / static_cast<double>(rows),
          0,
          0};
  if (!(std::abs(width) < 1e9 && std::abs(height) < 1e9))
    return Status::error(Code::bad_input, "a region of %g x %g is no part of an image", width, height);
  const int64_t samples = ctx.attrs->integer("sampling_ratio");
  out->grid_x = samples > 0 ? samples : static_cast<int64_t>(std::ceil(out->bin_width));
  out->grid_y = samples > 0 ? samples : static_cast<int64_t>(std::ceil(out->bin_height));
  const int64_t all = checked_mul(std::max<int64_t>(out->grid_x, 0), std::max<int64_t>(out->grid_y, 0));
  if (all < 0 || all > kMostSamples)
    return Status::error(Code::budget, "a region asks for %lld x %lld samples per bin",
                         static_cast<long long>(out->grid_x), static_cast<long long>(out->grid_y));
  return {};
}

/// Operands of RoiAlign, from `first` on, read and checked.
struct Alignment {
  const TensorView* x;
  const double *data, *boxes;
  int64_t* images;
  Region* regions;
  int64_t rows, columns;
  bool maximum;
};

Status read_alignment(KernelContext& ctx, int first, const TensorView& y, Alignment* out) noexcept {
  const TensorView &x = ctx.in[first], &rois = ctx.in[first + 1], &images = ctx.in[first + 2];
  if (x.rank != 4 || y.rank != 4 || rois.rank != 2 || rois.dims[1] != 4 || images.count != rois.dims[0]) {
    return Status::error(Code::shape, "X has rank 4, rois are [n, 4], batch_indices [n]");
  }
  *out = {&x,
          widen<double>(ctx, x),
          widen<double>(ctx, rois),
          temporary<int64_t>(ctx, images.count),
          temporary<Region>(ctx, images.count),
          y.dims[2],
          y.dims[3],
          ctx.attrs->string("mode", "avg") == "max"};
  if (out->data == nullptr || out->boxes == nullptr || out->images == nullptr || out->regions == nullptr)
    return no_memory();
  for (int64_t r = 0; r < rois.dims[0]; ++r) {
    const int64_t image = out->images[r] = get_i64(images.dtype, images.data, r);
    if (image < 0 || image >= x.dims[0]) {
      return Status::error(Code::bad_input, "batch index %lld at position %lld is not in [0, %lld)",
                           static_cast<long long>(image), static_cast<long long>(r), static_cast<long long>(x.dims[0]));
    }
    if (Status s = read_region(ctx, out->boxes + r * 4, y.dims[2], y.dims[3], &out->regions[r]); !s.ok()) return s;
  }
  return {};
}

/// Calls visit(position in X, weight) for the corners of all samples of bin `i`; returns the number of samples.
template <class F>
int64_t visit_bin(const Alignment& a, int64_t i, F visit) noexcept {
  const int64_t channels = a.x->dims[1], height = a.x->dims[2], width = a.x->dims[3];
  const int64_t column = i % a.columns, row = i / a.columns % a.rows, c = i / a.columns / a.rows % channels,
                r = i / a.columns / a.rows / channels;
  const Region& g = a.regions[r];
  const int64_t plane = (a.images[r] * channels + c) * height * width;
  if (height == 0 || width == 0) return 1;
  for (int64_t iy = 0; iy < g.grid_y; ++iy) {
    const double py = g.y + static_cast<double>(row) * g.bin_height +
                      (static_cast<double>(iy) + 0.5) * g.bin_height / static_cast<double>(g.grid_y);
    for (int64_t ix = 0; ix < g.grid_x; ++ix) {
      const double px = g.x + static_cast<double>(column) * g.bin_width +
                        (static_cast<double>(ix) + 0.5) * g.bin_width / static_cast<double>(g.grid_x);
      const Corners at = corners_of(py, px, height, width);
      for (int k = 0; k < 4; ++k) visit(plane + at.at[k], at.weight[k]);
    }
  }
  return std::max<int64_t>(g.grid_x * g.grid_y, 1);
}

/// ONNX's maximum is over the weighted corners, not over the interpolated samples. Returns its place, -1 where there is no sample.
int64_t greatest_corner(const Alignment& a, int64_t i, double* weight) noexcept {
  int64_t best = -1;
  visit_bin(a, i, [&](int64_t at, double w) {
    if (best >= 0 && !(w * a.data[at] > *weight * a.data[best])) return;
    best = at;
    *weight = w;
  });
  return best;
}

Status roi_align(KernelContext& ctx) noexcept {
  Alignment a;
  if (Status s = read_alignment(ctx, 0, ctx.out[0], &a); !s.ok()) return s;
  return support::each_output<double>(ctx, ctx.out[0], 64, [&](int64_t i) {
    if (a.maximum) {
      double weight = 0;
      const int64_t at = greatest_corner(a, i, &weight);
      return at < 0 ? 0.0 : weight * a.data[at];
    }
    double sum = 0;
    const int64_t samples = visit_bin(a, i, [&](int64_t at, double w) { sum += w * a.data[at]; });
    return sum / static_cast<double>(samples);
  });
}

// ImageDecoder -------------------------------------------------------------------------------------------------------------------

Status image_decoder(KernelContext& ctx) noexcept {
  return move::guarded([&]() -> Status {
    const PictureDecoder decode = picture_decoder();
    if (decode == nullptr)
      return Status::error(Code::unsupported, "no decoder of pictures is installed in this process");
    const TensorView& x = ctx.in[0];
    const std::string_view format = ctx.attrs->string("pixel_format");
    const bool grey = format == "Grayscale", swapped = format == "BGR";
    Picture picture;
    // What cannot be decoded is an empty picture: the operator's contract.
    if (x.count == 0 || !decode({x.as<const uint8_t>(), static_cast<size_t>(x.count)}, &picture)) picture = {};
    const int64_t dims[] = {picture.height, picture.width, grey ? 1 : 3};
    TensorView y;
    if (Status s = move::output(ctx, 0, DType::uint8, move::Extents(dims), &y); !s.ok()) return s;
    const uint8_t* from = picture.pixels.data();
    for (int64_t i = 0; i < picture.height * picture.width; ++i, from += 3) {
      if (grey) {  // ITU-R 601-2 in 16 bits, as Pillow rounds it
        y.as<uint8_t>()[i] = static_cast<uint8_t>((from[0] * 19595 + from[1] * 38470 + from[2] * 7471 + 0x8000) >> 16);
        continue;
      }
      for (int c = 0; c < 3; ++c) y.as<uint8_t>()[i * 3 + c] = from[swapped ? 2 - c : c];
    }
    return {};
  });
}

constexpr KernelRow kKernels[] = {
    {"NonMaxSuppression", non_max_suppression}, {"RoiAlign", roi_align}, {"ImageDecoder", image_decoder}};

}  // namespace

std::span<const KernelRow> reference::vision_kernels() { return chosen<kKernels>(); }

Status gradient::roi_align_grad(KernelContext& ctx) noexcept {
  const TensorView& dy = ctx.in[0];
  Alignment a;
  if (Status s = read_alignment(ctx, 1, dy, &a); !s.ok()) return s;
  if (dy.dims[1] != a.x->dims[1] || dy.dims[0] != ctx.in[2].dims[0])
    return Status::error(Code::shape, "dY does not fit X and rois");
  const double* from = widen<double>(ctx, dy);
  double* sums = sums_for(ctx, a.x->count);
  if (from == nullptr || sums == nullptr) return no_memory();
  for (int64_t i = 0; i < dy.count; ++i) {
    double weight = 0;
    if (a.maximum) {
      if (const int64_t at = greatest_corner(a, i, &weight); at >= 0) sums[at] += weight * from[i];
      continue;
    }
    const int64_t samples = visit_bin(a, i, [](int64_t, double) {});
    visit_bin(a, i, [&](int64_t at, double w) { sums[at] += w * from[i] / static_cast<double>(samples); });
  }
  store_sums(ctx.out[0], sums);
  return {};
}

}  // namespace chorus::native
