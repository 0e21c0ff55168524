// Pools: the largest, the mean, the norm of what a window shows.
#include <algorithm>
#include <limits>

#include "table.h"
#include "window.h"

namespace chorus_torch {
namespace {

// Places of the window along axis d.
int64_t places(const Window& w, size_t d, int64_t in, bool ceil) {
  const int64_t reach = (w.kernel[d] - 1) * w.dilations[d] + 1, room = in + w.begin[d] + w.end[d] - reach;
  if (room < 0) return 0;
  int64_t n = room / w.strides[d] + 1;
  if (ceil && room % w.strides[d] != 0) ++n;
  if (ceil && (n - 1) * w.strides[d] >= in + w.begin[d]) --n;   // a window that begins in the end's padding is none
  return n;
}

// x with its pads made, and as many elements more at the end as rounding up asks for; the windows then fit exactly.
struct Exact {
  Tensor x;
  Ints end;   // pads at the end, those of rounding up included
};
Exact exact(Call& c, const Tensor& x, const Window& w, bool ceil, double value) {
  Exact e{x, w.end};
  for (size_t d = 0; d < w.axes(); ++d) {
    const int64_t in = x.size(static_cast<int64_t>(d) + 2), n = places(w, d, in, ceil);
    c.require(n > 0, "the window is larger than the picture");
    e.end[d] = (n - 1) * w.strides[d] + (w.kernel[d] - 1) * w.dilations[d] + 1 - in - w.begin[d];
  }
  e.x = padded(x, w.begin, e.end, value);
  return e;
}

double lowest_of(ScalarType type) {
  return at::isFloatingType(type) ? -std::numeric_limits<double>::infinity() : type == at::kByte ? 0 : -128;
}

// Every window as an axis of its own at the end: [N, C, places …, kernel elements].
Tensor unfolded(const Tensor& x, const Window& w) {
  Tensor y = x;
  for (size_t d = 0; d < w.axes(); ++d) {
    const auto axis = static_cast<int64_t>(d) + 2;
    y = y.unfold(axis, (w.kernel[d] - 1) * w.dilations[d] + 1, w.strides[d]).slice(-1, 0, std::nullopt, w.dilations[d]);
  }
  return y;
}

Tensor pool_max(const Tensor& x, const Window& w) {
  const Ints zero(w.axes(), 0);
  if (w.axes() == 1) return at::max_pool1d(x, w.kernel, w.strides, zero, w.dilations);
  if (w.axes() == 2) return at::max_pool2d(x, w.kernel, w.strides, zero, w.dilations);
  return at::max_pool3d(x, w.kernel, w.strides, zero, w.dilations);
}

// Places of the largest elements in the padded picture, as places in the whole input tensor.
Tensor places_in(const Tensor& local, const Tensor& x, const Exact& e, const Window& w, bool columns) {
  Tensor rest = local, place = at::zeros_like(local);
  const auto n = static_cast<int64_t>(w.axes());
  int64_t stride = 1;
  std::vector<Tensor> coordinates(static_cast<size_t>(n));
  for (int64_t d = n; d-- > 0;) {
    const int64_t extent = e.x.size(d + 2);
    coordinates[static_cast<size_t>(d)] = at::sub(at::remainder(rest, extent), w.begin[static_cast<size_t>(d)]);
    rest = at::floor_divide(rest, extent);
  }
  for (int64_t k = 0; k < n; ++k) {
    const int64_t d = columns ? k : n - 1 - k;
    place = at::add(place, at::mul(coordinates[static_cast<size_t>(d)], stride));
    stride *= x.size(d + 2);
  }
  Ints shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = x.size(0);
  shape[1] = x.size(1);
  return at::add(place, at::mul(at::arange(shape[0] * shape[1], local.options()), stride).reshape(shape));
}

void max_pool(Call& c) {
  const Tensor x = c.in(0);
  const Window w = window_of(c, x, c.is("kernel_shape"));
  const Exact e = exact(c, x, w, c.i("ceil_mode", 0) != 0, lowest_of(x.scalar_type()));
  const bool integer = !at::isFloatingType(x.scalar_type());
  if (!c.wants(1)) return c.out(0, integer ? pool_max(e.x.to(at::kFloat), w) : pool_max(e.x, w));
  const Ints zero(w.axes(), 0);
  const Tensor from = integer ? e.x.to(at::kFloat) : e.x;
  auto [values, local] = w.axes() == 1   ? at::max_pool1d_with_indices(from, w.kernel, w.strides, zero, w.dilations)
                         : w.axes() == 2 ? at::max_pool2d_with_indices(from, w.kernel, w.strides, zero, w.dilations)
                                         : at::max_pool3d_with_indices(from, w.kernel, w.strides, zero, w.dilations);
  c.out(0, values);
  c.out(1, places_in(local, x, e, w, c.i("storage_order", 0) != 0));
}

// Means with dilations and uneven pads are sums over windows, divided by what ONNX counts.
void average_pool(Call& c) {
  const Tensor x = c.in(0);
  const Window w = window_of(c, x, c.is("kernel_shape"));
  const bool ceil = c.i("ceil_mode", 0) != 0, with_pads = c.i("count_include_pad", 0) != 0;
  const Exact e = exact(c, x, w, ceil, 0);
  Ints last;
  for (size_t d = 0; d < w.axes(); ++d) last.push_back(-1 - static_cast<int64_t>(d));
  const Tensor inside = at::ones({1, 1}, x.options());
  Ints picture = x.sizes().vec();
  picture[0] = picture[1] = 1;
  Tensor counted = at::ones(picture, x.options());
  Ints rest = e.end;
  if (with_pads) {   // ONNX's own pads count, those of rounding up do not
    counted = padded(counted, w.begin, w.end, 1);
    for (size_t d = 0; d < w.axes(); ++d) rest[d] -= w.end[d];
    counted = padded(counted, Ints(w.axes(), 0), rest, 0);
  } else {
    counted = padded(counted, w.begin, rest, 0);
  }
  c.out(0, at::div(at::sum(unfolded(e.x, w), last), at::sum(unfolded(counted, w), last)));
}

// The usual case: one call.
void average_pool_fast(Call& c) {
  const Tensor x = c.in(0);
  const Window w = window_of(c, x, c.is("kernel_shape"));
  const bool plain = w.axes() == 2 && w.symmetric() && c.i("ceil_mode", 0) == 0 && w.dilations == Ints(2, 1) &&
                     2 * w.begin[0] <= w.kernel[0] && 2 * w.begin[1] <= w.kernel[1] && w.begin[0] >= 0 &&
                     w.begin[1] >= 0;
  if (!plain) return average_pool(c);
  c.out(0, at::avg_pool2d(x, w.kernel, w.strides, w.begin, false, c.i("count_include_pad", 0) != 0));
}

void lp_pool(Call& c) {
  const Tensor x = c.in(0);
  const Window w = window_of(c, x, c.is("kernel_shape"));
  const Exact e = exact(c, x, w, c.i("ceil_mode", 0) != 0, 0);
  const auto p = static_cast<double>(c.i("p", 2));
  Ints last;
  for (size_t d = 0; d < w.axes(); ++d) last.push_back(-1 - static_cast<int64_t>(d));
  c.out(0, at::pow(at::sum(at::pow(at::abs(unfolded(e.x, w)), p), last), 1 / p));
}

Ints spatial(const Tensor& x) {
  Ints axes;
  for (int64_t d = 2; d < x.dim(); ++d) axes.push_back(d);
  return axes;
}

void global_average(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, x.dim() <= 2 ? x : at::mean(x, spatial(x), true));
}
void global_max(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, x.dim() <= 2 ? x : at::amax(x, spatial(x), true));
}
void global_lp(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, x.dim() <= 2 ? at::abs(x) : at::linalg_vector_norm(x, static_cast<double>(c.i("p", 2)), spatial(x), true));
}

// Places count over the whole input, so its elements are written into the whole output.
void max_unpool(Call& c) {
  const Tensor x = c.in(0), places = c.in(1);
  Ints shape = c.ints(2);
  const Ints kernel = c.is("kernel_shape"), pads = c.is("pads");
  Ints strides = c.is("strides");
  if (strides.empty()) strides.assign(kernel.size(), 1);
  Ints natural = x.sizes().vec();
  for (size_t d = 0; d < kernel.size(); ++d) {
    const int64_t padding = pads.empty() ? 0 : pads[d] + pads[d + kernel.size()];
    natural[d + 2] = (x.size(static_cast<int64_t>(d) + 2) - 1) * strides[d] - padding + kernel[d];
  }
  if (shape.empty()) shape = natural;
  c.room(natural, x.scalar_type());
  c.room(shape, x.scalar_type());
  int64_t count = 1;
  for (int64_t n : natural) count *= n;
  Tensor y = at::zeros({count}, x.options()).scatter(0, places.flatten(), x.flatten()).reshape(natural);
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] > natural[d]) {
      Ints pad(2 * (shape.size() - d), 0);
      pad.back() = shape[d] - natural[d];
      y = at::constant_pad_nd(y, pad, 0);
    }
  }
  c.out(0, y);
}

std::string pool_refusal(const Node& node) {
  return node.rank(0) > 5 ? "pools have at most three spatial axes" : std::string();
}

constexpr Row kRows[] = {
    {"MaxPool", max_pool, kFloats | type_bit(at::kChar) | type_bit(at::kByte), "max_pool2d",
     "pads of at most half the window, one for both ends: made before; places count within one picture: recounted",
     pool_refusal},
    {"AveragePool", average_pool_fast, kFloats, "avg_pool2d, unfold",
     "no dilations, one pad for both ends: sums over windows", pool_refusal},
    {"LpPool", lp_pool, kFloats, "unfold, pow, sum", "lp_pool has no pads, dilations or negative elements",
     pool_refusal},
    {"GlobalAveragePool", global_average, kFloats, "mean"},
    {"GlobalMaxPool", global_max, kFloats, "amax"},
    {"GlobalLpPool", global_lp, kFloats, "linalg_vector_norm"},
    {"MaxUnpool", max_unpool, kFloats, "scatter", "places count within one picture there"},
};

}  // namespace

std::span<const Row> pooling_rows() { return kRows; }

}  // namespace chorus_torch
