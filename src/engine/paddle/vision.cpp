// Pictures of other sizes, and samples of them.
#include <algorithm>
#include <cmath>

#include "table.h"

namespace chorus_paddle {
namespace {

namespace api = paddle::experimental;

struct Axis {
  int64_t in = 0, out = 0;
  double scale = 1, roi_begin = 0, roi_end = 1;
  bool changes() const { return in != out || scale != 1 || roi_begin != 0 || roi_end != 1; }
};

struct Resizing {
  std::string_view mode, coordinates, nearest;
  bool antialias, exclude_outside;
  double cubic, extrapolation;
  std::vector<Axis> axes;
};

void keep_ratio(Call& c, Resizing& r, const Ints& named) {
  const std::string_view policy = c.s("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch" || !c.has(3)) return;
  double scale = policy == "not_larger" ? HUGE_VAL : 0;
  for (int64_t a : named) {
    const double own = r.axes[static_cast<size_t>(a)].scale;
    scale = policy == "not_larger" ? std::min(scale, own) : std::max(scale, own);
  }
  for (int64_t a : named) {
    Axis& axis = r.axes[static_cast<size_t>(a)];
    axis.scale = scale;
    axis.out = static_cast<int64_t>(std::floor(scale * static_cast<double>(axis.in) + 0.5));
  }
}

Resizing resizing_of(Call& c, const Tensor& x) {
  Resizing r{c.s("mode", "nearest"),
             c.s("coordinate_transformation_mode", "half_pixel"),
             c.s("nearest_mode", "round_prefer_floor"),
             c.i("antialias", 0) != 0,
             c.i("exclude_outside", 0) != 0,
             c.f("cubic_coeff_a", -0.75),
             c.f("extrapolation_value", 0),
             {}};
  for (int64_t d = 0; d < x.dim(); ++d) r.axes.push_back({x.size(d), x.size(d)});
  Ints named = c.is("axes");
  if (named.empty()) {
    for (int64_t d = 0; d < x.dim(); ++d) named.push_back(d);
  }
  named = c.axes(named, x.dim());
  const Ints sizes = c.ints(3);
  const Tensor roi = c.in(1), scales = c.in(2);
  const bool by_size = !sizes.empty(), region = r.coordinates == "tf_crop_and_resize" && roi.defined() &&
                                                roi.numel() == 2 * static_cast<int64_t>(named.size());
  c.require(
      by_size ? sizes.size() == named.size() : scales.defined() && scales.numel() == static_cast<int64_t>(named.size()),
      "there must be a size or a scale for each axis");
  for (size_t i = 0; i < named.size(); ++i) {
    Axis& a = r.axes[static_cast<size_t>(named[i])];
    const auto n = static_cast<int64_t>(i);
    if (by_size) {
      a.out = sizes[i];
      a.scale = a.in > 0 ? static_cast<double>(a.out) / static_cast<double>(a.in) : 1;
    } else {
      const float scale = static_cast<float>(to_number(scales.select(0, n)));
      const float extent = scale * static_cast<float>(a.in);
      c.require(extent >= 0 && extent < 1e12F, "a scale is out of range");
      a.scale = scale;
      a.out = static_cast<int64_t>(extent);
    }
    c.require(a.out >= 0 && a.scale > 0 && (a.in > 0 || a.out == 0), "a size or scale is out of range");
    if (region) {
      a.roi_begin = to_number(roi.select(0, n));
      a.roi_end = to_number(roi.select(0, n + static_cast<int64_t>(named.size())));
    }
  }
  keep_ratio(c, r, named);
  return r;
}

// Where ONNX looks for position `at` of the result.
double source(const Resizing& r, const Axis& a, int64_t at, bool& outside) {
  const auto x = static_cast<double>(at), in = static_cast<double>(a.in), length = a.scale * in;
  outside = false;
  if (r.coordinates == "align_corners") return length == 1 ? 0 : x * (in - 1) / (length - 1);
  if (r.coordinates == "asymmetric") return x / a.scale;
  if (r.coordinates == "tf_crop_and_resize") {
    const double span = (a.roi_end - a.roi_begin) * (in - 1);
    const double v = (length == 1 ? span / 2 : x * span / (length - 1)) + a.roi_begin * (in - 1);
    outside = !(v >= 0 && v <= in - 1);
    return v;
  }
  if (r.coordinates == "pytorch_half_pixel" && length == 1) return -0.5;
  const double half = (x + 0.5) / a.scale - 0.5;
  return r.coordinates == "half_pixel_symmetric" ? in / 2 * (1 - static_cast<double>(a.out) / length) + half : half;
}

int64_t clamped(double v, int64_t extent) {
  return !(v > 0) ? 0 : v >= static_cast<double>(extent - 1) ? extent - 1 : static_cast<int64_t>(v);
}

int64_t nearest(const Resizing& r, double v, int64_t extent) {
  const double low = std::floor(v), fraction = v - low;
  const bool up = r.nearest == "floor"               ? false
                  : r.nearest == "ceil"              ? fraction > 0
                  : r.nearest == "round_prefer_ceil" ? fraction >= 0.5
                                                     : fraction > 0.5;
  return clamped(low + (up ? 1 : 0), extent);
}

double weight(const Resizing& r, double distance) {
  const double x = std::abs(distance), a = r.cubic;
  if (r.mode == "linear") return std::max(0.0, 1 - x);
  if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
  return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
}

// One axis as a matrix [out, in] of weights; rows of positions outside are zero and marked.
Tensor matrix(const Resizing& r, const Axis& a, std::vector<char>& outside) {
  const double narrow = r.antialias ? std::min(a.scale, 1.0) : 1.0, reach = (r.mode == "cubic" ? 2 : 1) / narrow;
  std::vector<double> numbers(static_cast<size_t>(a.out * a.in), 0);
  double* rows = numbers.data();
  for (int64_t o = 0; o < a.out; ++o, rows += a.in) {
    bool out = false;
    const double v = source(r, a, o, out);
    outside[static_cast<size_t>(o)] = out ? 1 : 0;
    double sum = 0;
    const double first = std::max(std::ceil(v - reach), -reach - static_cast<double>(a.in)),
                 last = std::min(std::floor(v + reach), 2 * static_cast<double>(a.in) + reach);
    for (double at = first; at <= last && !out; ++at) {
      const bool missing = at < 0 || at >= static_cast<double>(a.in);
      const double w = r.exclude_outside && missing ? 0 : weight(r, (at - v) * narrow);
      rows[clamped(at, a.in)] += w;
      sum += w;
    }
    if ((r.antialias || r.exclude_outside) && sum != 0) {
      for (int64_t i = 0; i < a.in; ++i) rows[i] /= sum;
    }
  }
  return copy_of(kDouble, {a.out, a.in}, numbers.data());
}

Tensor resized_axis(const Resizing& r, const Axis& a, const Tensor& x, int64_t axis) {
  std::vector<char> outside(static_cast<size_t>(a.out), 0);
  Tensor y;
  if (r.mode == "nearest") {
    Ints places;
    for (int64_t o = 0; o < a.out; ++o) {
      bool out = false;
      places.push_back(nearest(r, source(r, a, o, out), a.in));
      outside[static_cast<size_t>(o)] = out ? 1 : 0;
    }
    y = x.index_select(axis, of_ints(places));
  } else {
    const Tensor m = matrix(r, a, outside).to(x.type());
    y = matmul(x.transpose(axis, -1), m.transpose(0, 1)).transpose(axis, -1);
  }
  if (std::count(outside.begin(), outside.end(), 1) == 0) return y;
  Ints shape(static_cast<size_t>(x.dim()), 1);
  shape[static_cast<size_t>(axis)] = a.out;
  const Tensor marks = of_ints(Ints(outside.begin(), outside.end())).to(kBool).reshape(shape);
  return where(marks, r.extrapolation, y);
}

// PaddlePaddle's own kernel where it looks at the same places.
bool same_as_interp(const Resizing& r, const Tensor& x) {
  if (x.dim() != 4 || x.numel() == 0 || r.axes[0].changes() || r.axes[1].changes() || r.antialias ||
      r.exclude_outside || r.axes[2].out == 0 || r.axes[3].out == 0)
    return false;
  if (x.type() != kFloat && x.type() != kDouble) return false;
  auto whole = [](const Axis& a) { return static_cast<double>(a.out) == a.scale * static_cast<double>(a.in); };
  if (!whole(r.axes[2]) || !whole(r.axes[3])) return false;
  auto times = [](const Axis& a) { return a.out % a.in == 0; };
  if (r.mode == "nearest")
    return r.coordinates == "asymmetric" && r.nearest == "floor" && times(r.axes[2]) && times(r.axes[3]);
  return r.mode == "linear" && (r.coordinates == "half_pixel" || r.coordinates == "align_corners");
}

Tensor interp(const Resizing& r, const Tensor& x) {
  const auto height = static_cast<int>(r.axes[2].out), width = static_cast<int>(r.axes[3].out);
  const bool corners = r.coordinates == "align_corners";
  if (r.mode == "nearest")
    return api::nearest_interp(x, paddle::none, paddle::none, paddle::none, "NCHW", 0, height, width, {}, "nearest",
                               false, 1);
  return api::bilinear_interp(x, paddle::none, paddle::none, paddle::none, "NCHW", 0, height, width, {}, "bilinear",
                              corners, 0);
}

void resize(Call& c) {
  const Tensor x = c.in(0);
  const Resizing r = resizing_of(c, x);
  Ints shape;
  for (const Axis& a : r.axes) shape.push_back(a.out);
  c.room(shape, x.type());
  if (x.numel() == 0) return c.out(0, fresh(shape, x.type()));
  if (same_as_interp(r, x)) return c.out(0, interp(r, x));
  const bool moves = r.mode == "nearest";
  Tensor y = moves || is_float(x.type()) ? x : x.to(kDouble);
  for (size_t d = 0; d < r.axes.size(); ++d) {
    if (r.axes[d].changes()) y = resized_axis(r, r.axes[d], y, static_cast<int64_t>(d));
  }
  c.out(0, y);
}

void grid_sample(Call& c) {
  const Tensor x = c.in(0), grid = c.in(1).to(x.type());
  const std::string mode = c.s("mode", "linear") == "nearest" ? "nearest" : "bilinear";
  c.out(0, api::grid_sample(x, grid, mode, std::string(c.s("padding_mode", "zeros")), c.i("align_corners", 0) != 0));
}

std::string grid_refusal(const Node& node) {
  if (node.rank(0) > 5) return "grid_sample has at most three spatial axes";
  return node.s("mode", "linear") == "cubic" ? "grid_sample is not cubic" : std::string();
}

void affine_grid(Call& c) {
  const Tensor theta = c.in(0);
  const Ints size = c.ints(1);
  c.room(size, theta.type());
  c.out(0, api::affine_grid(theta, phi::IntArray(size), c.i("align_corners", 0) != 0));
}

constexpr Row kRows[] = {
    {"Resize", resize, kNumbers, "nearest_interp, bilinear_interp, index_select, matmul",
     "knows three of ONNX's coordinates and one way to round: elsewhere a matrix of weights per axis"},
    {"GridSample", grid_sample, kDoubles, "grid_sample", {}, grid_refusal},
    {"AffineGrid", affine_grid, kDoubles, "affine_grid"},
};

}  // namespace

std::span<const Row> vision_rows() { return kRows; }

}  // namespace chorus_paddle
