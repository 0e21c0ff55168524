// Pools: the largest, the mean, the norm of what a window shows.
#include <algorithm>
#include <limits>

#include "table.h"
#include "window.h"

namespace chorus_paddle {
namespace {

namespace api = paddle::experimental;

// Places of the window along axis d.
int64_t places(const Window& w, size_t d, int64_t in, bool ceil) {
  const int64_t reach = (w.kernel[d] - 1) * w.dilations[d] + 1, room = in + w.begin[d] + w.end[d] - reach;
  if (room < 0) return 0;
  int64_t n = room / w.strides[d] + 1;
  if (ceil && room % w.strides[d] != 0) ++n;
  if (ceil && (n - 1) * w.strides[d] >= in + w.begin[d]) --n;   // a window that begins in the end's padding is none
  return n;
}

Ints window_shape(const Tensor& x, const Window& w) {
  Ints shape = x.sizes();
  for (size_t d = 0; d < w.axes(); ++d)
    shape[d + 2] = (shape[d + 2] - (w.kernel[d] - 1) * w.dilations[d] - 1) / w.strides[d] + 1;
  return shape;
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

// Of the type that a mapping computes in.
constexpr double kLowest = -std::numeric_limits<double>::infinity();

// The elements of every window that lie at one place of it, for all of its places: as many tensors [N, C, places …].
template <class F>
void each_place(const Tensor& x, const Window& w, F&& visit) {
  Ints at(w.axes(), 0);
  for (;;) {
    Tensor part = x;
    for (size_t d = 0; d < w.axes(); ++d) {
      const auto axis = static_cast<int64_t>(d) + 2;
      const int64_t reach = (w.kernel[d] - 1) * w.dilations[d], first = at[d] * w.dilations[d];
      part = part.slice(axis, first, x.size(axis) - reach + first, w.strides[d]);
    }
    visit(part);
    size_t d = w.axes();
    while (d > 0 && ++at[d - 1] == w.kernel[d - 1]) at[--d] = 0;
    if (d == 0) return;
  }
}

Tensor window_sum(const Tensor& x, const Window& w) {
  Tensor y;
  each_place(x, w, [&](const Tensor& part) { y = y.defined() ? add(y, part) : part; });
  return y;
}

// Two axes, no dilations and pads: PaddlePaddle's own kernel.
Tensor pooled(const Tensor& x, const Window& w, const Ints& pads, const char* type, bool exclusive) {
  if (w.axes() == 3)
    return api::pool3d(x, w.kernel, w.strides, pads, false, exclusive, "NCDHW", type, false, false, "EXPLICIT");
  return api::pool2d(x, phi::IntArray(w.kernel), w.strides, pads, false, exclusive, "NCHW", type, false, false,
                     "EXPLICIT");
}

bool is_usual(const Window& w) { return (w.axes() == 2 || w.axes() == 3) && w.dilations == Ints(w.axes(), 1); }

// Places of the elements in the whole input tensor, as many as its padded form has: [N, C, padded extents …].
Tensor places_of(const Tensor& x, const Exact& e, const Window& w, bool columns) {
  const size_t n = w.axes();
  Ints extents = e.x.sizes();
  Tensor place = zeros({}, kLong);
  int64_t stride = 1;
  for (size_t k = 0; k < n; ++k) {
    const size_t d = columns ? k : n - 1 - k;
    Ints line(extents.size(), 1);
    line[d + 2] = extents[d + 2];
    const Tensor along = sub(arange(extents[d + 2]), static_cast<double>(w.begin[d])).reshape(line);
    place = add(place, mul(along, static_cast<double>(stride)));
    stride *= x.size(static_cast<int64_t>(d) + 2);
  }
  Ints lead(extents.size(), 1);
  lead[0] = x.size(0);
  lead[1] = x.size(1);
  const Tensor first = mul(arange(lead[0] * lead[1]), static_cast<double>(stride)).reshape(lead);
  return add(place, first).expand(extents);
}

void max_pool(Call& c) {
  const Tensor x = c.in(0);
  const Window w = window_of(c, x, c.is("kernel_shape"));
  const bool whole = !is_float(x.type());
  const Exact e = exact(c, whole ? x.to(kDouble) : x, w, c.i("ceil_mode", 0) != 0, kLowest);
  if (e.x.numel() == 0) {
    c.out(1, fresh(window_shape(e.x, w), kLong));
    return c.out(0, fresh(window_shape(e.x, w), x.type()));
  }
  if (!c.wants(1) && is_usual(w)) return c.out(0, pooled(e.x, w, Ints(w.axes(), 0), "max", true));
  const Tensor whole_places = c.wants(1) ? places_of(x, e, w, c.i("storage_order", 0) != 0) : Tensor();
  Tensors places;
  if (c.wants(1)) each_place(whole_places, w, [&](const Tensor& part) { places.push_back(part); });
  Tensor most, where_most;
  size_t k = 0;
  each_place(e.x, w, [&](const Tensor& part) {
    if (!most.defined()) {
      most = part;
      if (c.wants(1)) where_most = places[0];
    } else {
      if (c.wants(1)) where_most = where(gt(part, most), places[k], where_most);
      most = maximum(most, part);
    }
    ++k;
  });
  c.out(0, most);
  if (c.wants(1)) c.out(1, where_most);
}

// Means with dilations and uneven pads are sums over windows, divided by what ONNX counts.
void average_pool(Call& c) {
  const Tensor x = c.in(0);
  const Window w = window_of(c, x, c.is("kernel_shape"));
  const bool ceil = c.i("ceil_mode", 0) != 0, with_pads = c.i("count_include_pad", 0) != 0;
  const Exact e = exact(c, x, w, ceil, 0);
  Ints picture = x.sizes();
  picture[0] = picture[1] = 1;
  Tensor counted = full(picture, 1, x.type());
  Ints rest = e.end;
  if (with_pads) {   // ONNX's own pads count, those of rounding up do not
    counted = padded(counted, w.begin, w.end, 1);
    for (size_t d = 0; d < w.axes(); ++d) rest[d] -= w.end[d];
    counted = padded(counted, Ints(w.axes(), 0), rest, 0);
  } else {
    counted = padded(counted, w.begin, rest, 0);
  }
  c.out(0, div(window_sum(e.x, w), window_sum(counted, w)));
}

// The usual case: one call.
void average_pool_fast(Call& c) {
  const Tensor x = c.in(0);
  const Window w = window_of(c, x, c.is("kernel_shape"));
  const bool with_pads = c.i("count_include_pad", 0) != 0;
  bool plain = is_usual(w) && c.i("ceil_mode", 0) == 0 && x.numel() > 0;
  Ints pads;
  for (size_t d = 0; d < w.axes(); ++d) {
    plain = plain && w.begin[d] >= 0 && w.end[d] >= 0 && w.begin[d] < w.kernel[d] && w.end[d] < w.kernel[d] &&
            places(w, d, x.size(static_cast<int64_t>(d) + 2), false) > 0;
    pads.push_back(w.begin[d]);
    pads.push_back(w.end[d]);
  }
  if (!plain) return average_pool(c);
  c.out(0, pooled(x, w, pads, "avg", !with_pads));
}

void lp_pool(Call& c) {
  const Tensor x = c.in(0);
  const Window w = window_of(c, x, c.is("kernel_shape"));
  const Exact e = exact(c, x, w, c.i("ceil_mode", 0) != 0, 0);
  const auto p = static_cast<double>(c.i("p", 2));
  if (e.x.numel() == 0) return c.out(0, fresh(window_shape(e.x, w), x.type()));
  c.out(0, pow(window_sum(pow(api::abs(e.x), p), w), 1 / p));
}

Ints spatial(const Tensor& x) {
  Ints axes;
  for (int64_t d = 2; d < x.dim(); ++d) axes.push_back(d);
  return axes;
}

void global_average(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, x.dim() <= 2 ? x : mean(x, spatial(x), true));
}
void global_max(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, x.dim() <= 2 ? x : largest(x, spatial(x), true));
}
void global_lp(Call& c) {
  const Tensor x = c.in(0);
  const auto p = static_cast<double>(c.i("p", 2));
  if (x.numel() == 0 || x.dim() <= 2) return c.out(0, x.numel() == 0 ? sum(x, spatial(x), true) : Tensor(api::abs(x)));
  c.out(0, pow(sum(pow(api::abs(x), p), spatial(x), true), 1 / p));
}

// Places count over the whole input, so its elements are written into the whole output.
void max_unpool(Call& c) {
  const Tensor x = c.in(0), places = c.in(1);
  Ints shape = c.ints(2);
  const Ints kernel = c.is("kernel_shape"), pads = c.is("pads");
  Ints strides = c.is("strides");
  if (strides.empty()) strides.assign(kernel.size(), 1);
  Ints natural = x.sizes();
  for (size_t d = 0; d < kernel.size(); ++d) {
    const int64_t padding = pads.empty() ? 0 : pads[d] + pads[d + kernel.size()];
    natural[d + 2] = (x.size(static_cast<int64_t>(d) + 2) - 1) * strides[d] - padding + kernel[d];
  }
  if (shape.empty()) shape = natural;
  c.room(natural, x.type());
  c.room(shape, x.type());
  int64_t count = 1;
  for (int64_t n : natural) count *= n;
  Tensor y = put_along(zeros({count}, x.type()), 0, places.reshape({-1}), x.reshape({-1}), "assign").reshape(natural);
  Ints more(shape.size(), 0);
  for (size_t d = 0; d < shape.size(); ++d) more[d] = std::max<int64_t>(0, shape[d] - natural[d]);
  y = pad(y, Ints(shape.size(), 0), more, 0.0);
  c.out(0, y);
}

std::string pool_refusal(const Node& node) {
  return node.rank(0) > 5 ? "pools have at most three spatial axes" : std::string();
}

constexpr Row kRows[] = {
    {"MaxPool", max_pool, kNumbers, "pool2d, pool3d",
     "no dilations, and places count within one picture: windows are compared place by place", pool_refusal},
    {"AveragePool", average_pool_fast, kDoubles, "pool2d, pool3d",
     "no dilations, and rounding up counts otherwise: sums over windows", pool_refusal},
    {"LpPool", lp_pool, kDoubles, "slice, pow, add", "lp_pool has no dilations or negative elements", pool_refusal},
    {"GlobalAveragePool", global_average, kDoubles, "mean"},
    {"GlobalMaxPool", global_max, kDoubles, "max"},
    {"GlobalLpPool", global_lp, kDoubles, "pow, sum"},
    {"MaxUnpool", max_unpool, kDoubles, "put_along_axis", "places count within one picture there"},
};

}  // namespace

std::span<const Row> pooling_rows() { return kRows; }

}  // namespace chorus_paddle
