// Pools: the largest, the mean, the norm of what a window shows.
#include <algorithm>
#include <array>
#include <limits>

#include "table.h"
#include "window.h"

namespace chorus_mindspore {
namespace {

// Places of the window along axis d.
int64_t places(const Window& w, size_t d, int64_t in, bool ceil) {
  const int64_t room = in + w.begin[d] + w.end[d] - w.reach(d);
  if (room < 0) return 0;
  int64_t n = room / w.strides[d] + 1;
  if (ceil && room % w.strides[d] != 0) ++n;
  if (ceil && (n - 1) * w.strides[d] >= in + w.begin[d]) --n;   // a window that begins in the end's padding is none
  return n;
}

// x with its pads made, and as many elements more at the end as rounding up asks for; the windows then fit exactly.
struct Exact {
  Tensor x;
  Ints end;      ///< pads at the end, those of rounding up included
  Ints places;
};

Exact exact(Call& c, const Tensor& x, const Window& w, double value) {
  Exact e{x, w.end, {}};
  const bool ceil = c.i("ceil_mode", 0) != 0;
  for (size_t d = 0; d < w.axes(); ++d) {
    const int64_t in = x.dims()[d + 2], n = places(w, d, in, ceil);
    c.require(n > 0, "the window is larger than the picture");
    e.places.push_back(n);
    e.end[d] = (n - 1) * w.strides[d] + w.reach(d) - in - w.begin[d];
  }
  e.x = padded(c, x, w.begin, e.end, value);
  return e;
}

double lowest_of(int type) {
  return is_float(type)      ? -std::numeric_limits<double>::infinity()
         : is_unsigned(type) ? 0
         : type == kInt8     ? -128
                             : static_cast<double>(INT32_MIN);
}

// Every window as an axis of its own at the end: [N, C, places …, elements of the kernel].
Tensor unfolded(Call& c, const Exact& e, const Window& w) {
  Tensor y = e.x;
  Ints last = y.dims(), order = {0, 1}, kernels;
  int64_t elements = 1;
  for (size_t d = 0; d < w.axes(); ++d) {
    Ints at;
    for (int64_t p = 0; p < e.places[d]; ++p) {
      for (int64_t k = 0; k < w.kernel[d]; ++k) at.push_back(p * w.strides[d] + k * w.dilations[d]);
    }
    y = c.gather(y, c.reshape(vector_of(at), {e.places[d], w.kernel[d]}), static_cast<int64_t>(2 + 2 * d));
    order.push_back(static_cast<int64_t>(2 + 2 * d));
    kernels.push_back(static_cast<int64_t>(3 + 2 * d));
    elements *= w.kernel[d];
    last[d + 2] = e.places[d];
  }
  order.insert(order.end(), kernels.begin(), kernels.end());
  last.push_back(elements);
  c.room(last, y.type());
  return c.reshape(c.transpose(y, order), last);
}

// One call of MindSpore does.
bool usual(const Tensor& x, const Window& w) {
  return x.count() != 0 && w.axes() <= 2 &&
         std::all_of(w.dilations.begin(), w.dilations.end(), [](int64_t d) { return d == 1; });
}

bool unpadded(const Ints& pads) {
  return std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; });
}

// Of the picture with its pads made.
Tensor pool2d(Call& c, bool mean, const Exact& e, const Window& w) {
  Ints shape = {e.x.dim(0), e.x.dim(1)};
  shape.insert(shape.end(), e.places.begin(), e.places.end());
  const Ints made = two_axes_shape(shape);
  const Ints kernel = two_axes(w.kernel, 1), strides = two_axes(w.strides, 1);
  constexpr int64_t kValid = 2, kChannelsFirst = 0;   // its numbers for pad_mode and format
  Op op = c.op(mean ? "AvgPool" : "MaxPool");
  op.in(two_axes(c, e.x));
  if (mean) {
    op.ints(kernel).ints(strides).i(kValid).i(kChannelsFirst);
  } else {
    op.set_ints("kernel_size", {1, 1, kernel[0], kernel[1]}).set_ints("strides", {1, 1, strides[0], strides[1]});
    op.set_text("pad_mode", "VALID").set_text("format", "NCHW");
  }
  return c.reshape(op.one(e.x.type(), made), shape);
}

// For every place and element of the window, its position in the picture (in the order of columns on request).
Tensor position_table(const Exact& e, const Window& w, const Ints& dims, bool columns) {
  Ints table = {0};
  Ints shape;   // places …, kernel …
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t d = 0; d < w.axes(); ++d) {
      int64_t stride = 1;
      for (size_t s = columns ? 0 : d + 1; s < (columns ? d : w.axes()); ++s) stride *= dims[s + 2];
      Ints next;
      for (int64_t base : table) {
        for (int64_t i = 0; i < (pass == 0 ? e.places[d] : w.kernel[d]); ++i)
          next.push_back(base + stride * (pass == 0 ? i * w.strides[d] - w.begin[d] : i * w.dilations[d]));
      }
      table = std::move(next);
    }
  }
  return vector_of(table);
}

void max_pool(Call& c) {
  const Tensor x = c.in(0);
  const Window w = window_of(c, x, c.is("kernel_shape"));
  const Exact e = exact(c, x, w, lowest_of(x.type()));
  if (!c.wants(1) && usual(x, w) && is_float(x.type())) return c.out(0, pool2d(c, false, e, w));
  const Tensor windows = unfolded(c, e, w);
  c.out(0, c.reduce("ReduceMax", windows, {windows.rank() - 1}, false));
  if (!c.wants(1)) return;
  const Ints places_shape(windows.dims().begin(), windows.dims().end() - 1);
  const Tensor local = c.op("Argmax").in(windows).i(windows.rank() - 1).i(kInt64).one(kInt64, places_shape);
  Ints shape(local.dims().size(), 1);
  int64_t all = 1, picture = 1;
  for (size_t d = 0; d < w.axes(); ++d) shape[d + 2] = e.places[d], all *= e.places[d], picture *= x.dims()[d + 2];
  const auto elements = static_cast<double>(windows.dims().back());
  const Tensor row = c.reshape(c.bin("Mul", c.range(all), elements), shape);
  const Tensor table = position_table(e, w, x.dims(), c.i("storage_order", 0) != 0);
  const Tensor at = c.gather(table, c.bin("Add", local, row), 0);
  shape.assign(shape.size(), 1);
  shape[0] = x.dim(0), shape[1] = x.dim(1);
  c.out(1,
        c.bin("Add", at, c.reshape(c.bin("Mul", c.range(shape[0] * shape[1]), static_cast<double>(picture)), shape)));
}

// How many elements of each window count, as numbers for one axis.
Tensor counts(Call& c, const Window& w, const Exact& e, size_t d, int64_t in, int type) {
  const bool pads = c.i("count_include_pad", 0) != 0;
  const int64_t from = pads ? 0 : w.begin[d], to = pads ? w.begin[d] + in + w.end[d] : w.begin[d] + in;
  std::vector<double> list;
  for (int64_t p = 0; p < e.places[d]; ++p) {
    int64_t n = 0;
    for (int64_t k = 0; k < w.kernel[d]; ++k) {
      const int64_t at = p * w.strides[d] + k * w.dilations[d];
      if (at >= from && at < to) ++n;
    }
    list.push_back(static_cast<double>(n));
  }
  Ints shape(w.axes() + 2, 1);
  shape[d + 2] = e.places[d];
  return c.cast(copy_of(kDouble, shape, list.data()), type);
}

// Sums over windows, divided by what ONNX counts.
void average_pool(Call& c) {
  const Tensor x = c.in(0);
  const Window w = window_of(c, x, c.is("kernel_shape"));
  const Exact e = exact(c, x, w, 0);
  Tensor sum;
  if (usual(x, w)) {
    const Tensor mean = pool2d(c, true, e, w);
    if (unpadded(w.begin) && unpadded(e.end)) return c.out(0, mean);
    sum = c.bin("Mul", mean, static_cast<double>(count_of(w.kernel)));
  } else {
    const Tensor windows = unfolded(c, e, w);
    sum = c.reduce("ReduceSum", windows, {windows.rank() - 1}, false);
  }
  Tensor divisor = counts(c, w, e, 0, x.dim(2), x.type());
  for (size_t d = 1; d < w.axes(); ++d) divisor = c.bin("Mul", divisor, counts(c, w, e, d, x.dims()[d + 2], x.type()));
  c.out(0, c.bin("Div", sum, divisor));
}

Tensor norm(Call& c, const Tensor& x, const Ints& axes, bool keep) {
  const auto p = static_cast<double>(c.i("p", 2));
  const Tensor powers = c.bin("Pow", c.un("Abs", x), p);
  return c.bin("Pow", c.reduce("ReduceSum", powers, axes, keep), 1 / p);
}

void lp_pool(Call& c) {
  const Tensor x = c.in(0);
  const Window w = window_of(c, x, c.is("kernel_shape"));
  const Tensor windows = unfolded(c, exact(c, x, w, 0), w);
  c.out(0, norm(c, windows, {windows.rank() - 1}, false));
}

Ints spatial(const Tensor& x) {
  Ints axes;
  for (int64_t d = 2; d < x.rank(); ++d) axes.push_back(d);
  return axes;
}

void global_average(Call& c) { c.out(0, c.reduce("ReduceMean", c.in(0), spatial(c.in(0)), true)); }
void global_max(Call& c) { c.out(0, c.reduce("ReduceMax", c.in(0), spatial(c.in(0)), true)); }
void global_lp(Call& c) { c.out(0, norm(c, c.in(0), spatial(c.in(0)), true)); }

// Positions count over the whole input, so its elements are written into the whole output.
void max_unpool(Call& c) {
  const Tensor x = c.in(0), at = c.cast(c.in(1), kInt64);
  const Ints kernel = c.is("kernel_shape"), pads = c.is("pads");
  Ints strides = c.is("strides"), natural = x.dims(), shape = c.ints(2);
  if (strides.empty()) strides.assign(kernel.size(), 1);
  c.require(kernel.size() + 2 == natural.size() && strides.size() == kernel.size(),
            "kernel and strides must be given for each axis");
  for (size_t d = 0; d < kernel.size(); ++d)
    natural[d + 2] =
        (x.dims()[d + 2] - 1) * strides[d] + kernel[d] - (pads.empty() ? 0 : pads[d] + pads[d + kernel.size()]);
  if (shape.empty()) shape = natural;
  c.require(shape.size() == natural.size(), "output_shape has another rank");
  c.room(natural, x.type());
  int64_t count = 1;
  for (int64_t n : natural) count *= n;
  for (int64_t p : to_ints(at)) c.require(p >= 0 && p < count, "a position is out of range");
  const int64_t n = x.count();
  const Tensor flat = c.op("TensorScatterUpdate")
                          .in(c.fill({count}, 0, x.type()))
                          .in(c.reshape(at, {n, 1}))
                          .in(c.reshape(x, {n}))
                          .one(x.type(), {count});
  Ints none(shape.size(), 0), more;
  for (size_t d = 0; d < shape.size(); ++d) more.push_back(shape[d] - natural[d]);
  c.out(0, c.pad(c.reshape(flat, natural), none, more, 0.0));
}

constexpr Widen kWiden = Widen::value;
constexpr std::array kRows = std::to_array<Row>({
    {"MaxPool", max_pool, "ReduceMax,Gather",
     "no dilations and no pads of ONNX's kind: pads are made before, windows gathered where the plain kernel does not "
     "do",
     kWiden},
    {"AveragePool", average_pool, "AvgPool,ReduceSum,Div",
     "its pads never count: the mean of the padded picture is scaled by what ONNX counts", Widen::sums},
    {"LpPool", lp_pool, "Pow,ReduceSum,Abs", "no such pool: windows are gathered", Widen::sums},
    {"GlobalAveragePool", global_average, "ReduceMean", {}, Widen::sums},
    {"GlobalMaxPool", global_max, "ReduceMax", {}, kWiden},
    {"GlobalLpPool", global_lp, "Pow,ReduceSum,Abs", {}, Widen::sums},
    {"MaxUnpool", max_unpool, "TensorScatterUpdate",
     "MaxUnpool2D counts positions within a channel: written at their places"},
});

}  // namespace

std::span<const Row> pooling_rows() { return kRows; }

}  // namespace chorus_mindspore
