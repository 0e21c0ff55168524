// Pictures: resizing by gathered taps, one axis after the other. MindSpore's own resizing knows two of ONNX's seven coordinate rules.
#include <algorithm>
#include <array>
#include <cmath>

#include "table.h"

namespace chorus_mindspore {
namespace {

// For each place of a result along one axis: positions in the operand and their weights; whether the place lies outside (crops).
struct Taps {
  size_t each = 0;
  Ints at;
  std::vector<double> weights;
  std::vector<uint8_t> outside;
};

struct Axis {
  int64_t in = 0, out = 0;
  double scale = 1, from = 0, to = 1;  // from and to: of the region of interest
};

double origin(Call& c, std::string_view rule, const Axis& a, int64_t place) {
  const auto x = static_cast<double>(place), in = static_cast<double>(a.in), length = a.scale * in;
  if (rule == "align_corners") return length == 1 ? 0 : x * (in - 1) / (length - 1);
  if (rule == "asymmetric") return x / a.scale;
  if (rule == "pytorch_half_pixel" && length == 1) return -0.5;
  if (rule == "half_pixel_symmetric") {
    const double adjustment = static_cast<double>(a.out) / length;
    return in / 2 * (1 - adjustment) + (x + 0.5) / a.scale - 0.5;
  }
  if (rule == "tf_crop_and_resize") {
    const double middle = length == 1 ? (a.to - a.from) * (in - 1) / 2 : x * (a.to - a.from) * (in - 1) / (length - 1);
    return middle + a.from * (in - 1);
  }
  if (rule == "half_pixel" || rule == "pytorch_half_pixel") return (x + 0.5) / a.scale - 0.5;
  c.fail(CH_BAD_INPUT, "there is no coordinate_transformation_mode \"" + std::string(rule) + "\"");
}

double cubic(double x, double a) {
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

int64_t nearest(std::string_view how, double x) {
  if (how == "floor") return static_cast<int64_t>(std::floor(x));
  if (how == "ceil") return static_cast<int64_t>(std::ceil(x));
  if (how == "round_prefer_ceil") return static_cast<int64_t>(std::floor(x + 0.5));
  return static_cast<int64_t>(std::ceil(x - 0.5));
}

Taps taps_of(Call& c, const Axis& a) {
  const std::string_view mode = c.s("mode", "nearest"), rule = c.s("coordinate_transformation_mode", "half_pixel");
  const std::string_view how = c.s("nearest_mode", "round_prefer_floor");
  const bool exclude = c.i("exclude_outside", 0) != 0;
  const double shrink = c.i("antialias", 0) != 0 ? std::min(a.scale, 1.0) : 1,
               coefficient = c.f("cubic_coeff_a", -0.75);
  const double reach = (mode == "cubic" ? 2 : 1) / shrink;
  Taps taps;
  taps.each = mode == "nearest" ? 1 : static_cast<size_t>(2 * std::ceil(reach)) + 1;
  c.room({a.out, static_cast<int64_t>(taps.each)}, kDouble);
  for (int64_t place = 0; place < a.out; ++place) {
    const double x = origin(c, rule, a, place);
    c.require(std::fabs(x) < 1e15, "a position is out of range");
    taps.outside.push_back(rule == "tf_crop_and_resize" && (x < 0 || x > static_cast<double>(a.in - 1)) ? 1 : 0);
    if (mode == "nearest") {
      taps.at.push_back(std::clamp<int64_t>(nearest(how, x), 0, a.in - 1));
      taps.weights.push_back(1);
      continue;
    }
    const auto first = static_cast<int64_t>(std::floor(x)) - static_cast<int64_t>(std::ceil(reach));
    double sum = 0;
    const size_t begin = taps.weights.size();
    for (size_t k = 0; k < taps.each; ++k) {
      const int64_t p = first + static_cast<int64_t>(k);
      const double distance = (x - static_cast<double>(p)) * shrink;
      double weight = mode == "cubic" ? cubic(distance, coefficient) : std::max(0.0, 1 - std::fabs(distance));
      if (exclude && (p < 0 || p >= a.in)) weight = 0;
      taps.at.push_back(std::clamp<int64_t>(p, 0, a.in - 1));
      taps.weights.push_back(weight);
      sum += weight;
    }
    for (size_t k = begin; k < taps.weights.size() && sum != 0; ++k) taps.weights[k] /= sum;
  }
  return taps;
}

Tensor resized(Call& c, const Tensor& x, size_t axis, const Axis& a) {
  const Taps taps = taps_of(c, a);
  Ints line(x.dims().size(), 1);
  line[axis] = a.out;
  auto tap = [&](size_t k) {
    Ints at;
    for (int64_t place = 0; place < a.out; ++place) at.push_back(taps.at[static_cast<size_t>(place) * taps.each + k]);
    return c.gather(x, at, static_cast<int64_t>(axis));
  };
  Tensor y;
  if (taps.each == 1) y = tap(0);
  for (size_t k = 0; taps.each > 1 && k < taps.each; ++k) {
    std::vector<double> weights;
    for (int64_t place = 0; place < a.out; ++place)
      weights.push_back(taps.weights[static_cast<size_t>(place) * taps.each + k]);
    if (std::all_of(weights.begin(), weights.end(), [](double w) { return w == 0; })) continue;
    const Tensor part = c.bin("Mul", tap(k), c.cast(copy_of(kDouble, line, weights.data()), x.type()));
    y = y ? c.bin("Add", y, part) : part;
  }
  if (!y) y = tap(0);  // no places
  if (std::none_of(taps.outside.begin(), taps.outside.end(), [](uint8_t o) { return o != 0; })) return y;
  return c.where(copy_of(kBool, line, taps.outside.data()), scalar_of(c.f("extrapolation_value", 0), x.type()), y);
}

std::vector<double> numbers(Call& c, size_t i) {
  std::vector<double> list;
  if (!c.has(i)) return list;
  const Tensor x = c.cast(c.slot_in(i).tensor, kDouble);
  return {x.as<double>(), x.as<double>() + x.count()};
}

std::vector<Axis> axes_of(Call& c, const Tensor& x, const Ints& named) {
  const std::vector<double> scales = numbers(c, 2), sizes = numbers(c, 3), region = numbers(c, 1);
  const size_t n = named.size();
  c.require((scales.size() == n) != (sizes.size() == n) || (n == 0), "it takes either scales or sizes, one per axis");
  const bool crops = c.s("coordinate_transformation_mode", "") == "tf_crop_and_resize";
  c.require(!crops || region.size() == 2 * n, "the region of interest needs two numbers per axis");
  const std::string_view policy = c.s("keep_aspect_ratio_policy", "stretch");
  double common = policy == "not_larger" ? 1e300 : 0;
  for (size_t k = 0; k < n && !sizes.empty(); ++k) {
    const double ratio = sizes[k] / static_cast<double>(std::max<int64_t>(1, x.dim(named[k])));
    common = policy == "not_larger" ? std::min(common, ratio) : std::max(common, ratio);
  }
  std::vector<Axis> axes;
  for (size_t k = 0; k < n; ++k) {
    Axis a;
    a.in = x.dim(named[k]);
    const auto in = static_cast<double>(a.in);
    double out = 0;
    if (!sizes.empty()) {
      out = policy == "stretch" ? sizes[k] : std::floor(common * in + 0.5);
      a.scale = policy == "stretch" ? out / std::max(1.0, in) : common;
    } else {
      a.scale = scales[k];
      out = std::floor(crops ? a.scale * (region[k + n] - region[k]) * in : a.scale * in);
    }
    c.require(a.scale > 0 || out == 0, "a scale must be positive");
    c.require(out >= 0 && out < 1e12 && (a.in > 0 || out == 0), "an extent is out of range");
    a.out = static_cast<int64_t>(out);
    if (crops) a.from = region[k], a.to = region[k + n];
    axes.push_back(a);
  }
  return axes;
}

void resize(Call& c) {
  const Tensor given = c.in(0);
  Ints named = c.axes(c.is("axes"), given.rank());
  if (!c.given("axes")) {
    for (int64_t d = 0; d < given.rank(); ++d) named.push_back(d);
  }
  const std::vector<Axis> axes = axes_of(c, given, named);
  Ints shape = given.dims();
  for (size_t k = 0; k < named.size(); ++k) shape[static_cast<size_t>(named[k])] = axes[k].out;
  c.room(shape, given.type());
  const bool moves = c.s("mode", "nearest") == "nearest";
  Tensor x = moves ? given : c.cast(given, is_float(given.type()) && given.type() != kDouble ? kFloat : kDouble);
  for (size_t k = named.size(); k-- > 0;) {
    const Axis& a = axes[k];
    const bool same =
        a.in == a.out && a.scale == 1 && c.s("coordinate_transformation_mode", "") != "tf_crop_and_resize";
    if (!same) x = resized(c, x, static_cast<size_t>(named[k]), a);
  }
  if (!moves && is_integer(given.type())) x = c.un("Rint", x);
  c.out(0, x);
}

// x [N, C, spatial …], grid [N, places …, spatial axes].
void grid_sample(Call& c) {
  const Tensor x = c.in(0), grid = c.cast(c.in(1), x.type());
  const int64_t axes = x.rank() - 2;
  c.require(
      (axes == 2 || axes == 3) && grid.rank() == x.rank() && grid.dims().back() == axes && grid.dim(0) == x.dim(0),
      "the grid does not fit the picture");
  c.require(x.count() > 0 || grid.count() == 0, "there is nothing to take samples of");
  const std::string_view border = c.s("padding_mode", "zeros");
  constexpr int64_t kBilinear = 0, kZeros = 0, kBorder = 1, kReflection = 2;  // its numbers
  Ints shape = {x.dim(0), x.dim(1)};
  shape.insert(shape.end(), grid.dims().begin() + 1, grid.dims().end() - 1);
  c.room(shape, x.type());
  c.out(0, c.op(axes == 2 ? "GridSampler2D" : "GridSampler3D")
               .in(x)
               .in(grid)
               .i(kBilinear)
               .i(border == "border"       ? kBorder
                  : border == "reflection" ? kReflection
                                           : kZeros)
               .flag(c.i("align_corners", 0) != 0)
               .one(x.type(), shape));
}

std::string grid_form(const Node& n) {
  if (n.s("mode", "linear") == "cubic") return "MindSpore's kernel has no cubic interpolation";
  if (n.s("mode", "linear") == "nearest") return "MindSpore's kernel rounds halves away from zero, ONNX to even";
  return n.rank(0) == 4 || n.rank(0) == 5 ? "" : "MindSpore has two spatial axes or three";
}

constexpr std::array kRows = std::to_array<Row>({
    {"GridSample", grid_sample, "GridSampler2D,GridSampler3D", {}, Widen::sums, grid_form},
    {"Resize", resize, "Gather",
     "ResizeBilinearV2 and its kin know two of the coordinate rules: taps are gathered and weighted, one axis after "
     "the other",
     Widen::moves},
});

}  // namespace

std::span<const Row> vision_rows() { return kRows; }

}  // namespace chorus_mindspore
