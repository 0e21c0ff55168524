// Convolutions and their transposes; one spatial axis goes as two, the first of extent 1.
#include <algorithm>
#include <array>

#include "table.h"
#include "window.h"

namespace chorus_mindspore {

Window window_of(const Call& c, const Tensor& x, Ints kernel) {
  const size_t n = kernel.size();
  c.require(n > 0 && x.dims().size() == n + 2,
            "the input must have a batch, channels and one axis for each extent of the kernel");
  Window w{std::move(kernel), c.is("strides"), c.is("dilations"), Ints(n, 0), Ints(n, 0)};
  if (w.strides.empty()) w.strides.assign(n, 1);
  if (w.dilations.empty()) w.dilations.assign(n, 1);
  const Ints pads = c.is("pads");
  c.require(w.strides.size() == n && w.dilations.size() == n && (pads.empty() || pads.size() == 2 * n),
            "strides, dilations and pads must be given for each axis");
  const std::string_view automatic = c.s("auto_pad", "NOTSET");
  constexpr int64_t kMost = int64_t{1} << 31;
  for (size_t d = 0; d < n; ++d) {
    c.require(w.kernel[d] > 0 && w.strides[d] > 0 && w.dilations[d] > 0,
              "kernel, strides and dilations must be positive");
    c.require(w.kernel[d] < kMost && w.strides[d] < kMost && w.dilations[d] < kMost,
              "a kernel, stride or dilation is out of range");
    if (automatic == "NOTSET" && !pads.empty()) {
      c.require(std::abs(pads[d]) < kMost && std::abs(pads[d + n]) < kMost, "a pad is out of range");
      w.begin[d] = pads[d];
      w.end[d] = pads[d + n];
    } else if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      const int64_t in = x.dims()[d + 2], out = (in + w.strides[d] - 1) / w.strides[d];
      const int64_t total = std::max<int64_t>(0, (out - 1) * w.strides[d] + w.reach(d) - in);
      w.begin[d] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      w.end[d] = total - w.begin[d];
    }
  }
  return w;
}

Tensor padded(const Call& c, const Tensor& x, const Ints& begin, const Ints& end, double value) {
  Ints before = {0, 0}, after = {0, 0};
  before.insert(before.end(), begin.begin(), begin.end());
  after.insert(after.end(), end.begin(), end.end());
  return c.pad(x, before, after, value);
}

Ints two_axes_shape(const Ints& shape) { return shape.size() == 3 ? Ints{shape[0], shape[1], 1, shape[2]} : shape; }

Tensor two_axes(const Call& c, const Tensor& x) { return c.reshape(x, two_axes_shape(x.dims())); }

Ints two_axes(Ints list, int64_t first) {
  if (list.size() == 1) list.insert(list.begin(), first);
  return list;
}

namespace {

Ints with_channels(const Ints& spatial) {
  Ints list = {1, 1};
  const Ints two = two_axes(spatial, 1);
  list.insert(list.end(), two.begin(), two.end());
  return list;
}

// What both kinds of convolution are told; their names for it differ with the number of axes.
Op told(Call& c, const char* name, bool volume, const Window& w, int64_t group) {
  Ints pads;
  const Ints begin = two_axes(w.begin, 0), end = two_axes(w.end, 0);
  for (size_t d = 0; d < begin.size(); ++d) pads.push_back(begin[d]), pads.push_back(end[d]);
  const char* format = volume ? "NCDHW" : "NCHW";
  Op op = c.op(name);
  op.set_text("format", format).set_text("data_format", format).set_text("pad_mode", "pad").set_ints("pad_list", pads);
  op.set_ints("pad", pads).set_i("group", group).set_i("groups", group);
  op.set_ints(volume ? "strides" : "stride", with_channels(w.strides));
  op.set_ints(volume ? "dilations" : "dilation", with_channels(w.dilations));
  return op;
}

// x [N, C, spatial …], w [M, C / group, spatial …]; the window's pads are not negative.
Tensor convolve(Call& c, const Tensor& x, const Tensor& w, const Window& window, int64_t group) {
  Ints shape = {x.dim(0), w.dim(0)};
  for (size_t d = 0; d < window.axes(); ++d) {
    shape.push_back((x.dims()[d + 2] + window.begin[d] + window.end[d] - window.reach(d)) / window.strides[d] + 1);
  }
  c.room(shape, x.type());
  if (x.count() == 0 || w.count() == 0) return c.fill(shape, 0, x.type());
  const Ints made = two_axes_shape(shape);
  const bool volume = window.axes() == 3;
  const Tensor y = told(c, volume ? "Conv3D" : "Conv2D", volume, window, group)
                       .in(two_axes(c, x))
                       .in(two_axes(c, w))
                       .one(x.type(), made);
  return c.reshape(y, shape);
}

Tensor with_bias(Call& c, const Tensor& y, size_t operand) {
  if (!c.has(operand)) return y;
  Ints shape(y.dims().size(), 1);
  shape[1] = c.in(operand).count();
  return c.bin("Add", y, c.reshape(c.in(operand), shape));
}

void check_channels(Call& c, const Tensor& x, const Tensor& w, int64_t group) {
  c.require(w.rank() >= 3 && x.rank() == w.rank(),
            "input and weights must have the same number of axes, at least three");
  c.require(group > 0 && x.dim(1) == w.dim(1) * group && w.dim(0) % group == 0,
            "the channels do not fit the weights and groups");
}

// Its kernels take no negative pads: the picture is cut.
Window cut(Call& c, Tensor& x, Window w) {
  const auto negative = [](const Ints& list) {
    return std::any_of(list.begin(), list.end(), [](int64_t p) { return p < 0; });
  };
  if (!negative(w.begin) && !negative(w.end)) return w;
  x = padded(c, x, w.begin, w.end, 0);
  w.begin.assign(w.axes(), 0), w.end = w.begin;
  return w;
}

Window checked_window(Call& c, const Tensor& x, const Tensor& w) {
  Window window = window_of(c, x, Ints(w.dims().begin() + 2, w.dims().end()));
  for (size_t d = 0; d < window.axes(); ++d)
    c.require(x.dims()[d + 2] + window.begin[d] + window.end[d] >= window.reach(d),
              "the window is larger than the picture");
  return window;
}

void conv(Call& c) {
  Tensor x = c.in(0);
  const Tensor w = c.in(1);
  const int64_t group = c.i("group", 1);
  check_channels(c, x, w, group);
  const Window window = cut(c, x, checked_window(c, x, w));
  c.out(0, with_bias(c, convolve(c, x, w, window, group), 2));
}

// Where the result of a transposed convolution lies in the full one.
struct Cut {
  Ints begin, extent, full;  ///< full: without output_padding
};

Cut cut_of(Call& c, const Tensor& x, const Ints& kernel, const Ints& strides, const Ints& dilations) {
  const size_t n = kernel.size();
  const Ints shape = c.is("output_shape"), pads = c.is("pads");
  Ints more = c.is("output_padding");
  if (more.empty()) more.assign(n, 0);
  c.require(more.size() == n && (shape.empty() || shape.size() >= n),
            "output_padding and output_shape must be given for each axis");
  const std::string_view automatic = c.s("auto_pad", "NOTSET");
  Cut cut{Ints(n, 0), Ints(n, 0), Ints(n, 0)};
  for (size_t d = 0; d < n; ++d) {
    const int64_t in = x.dims()[d + 2];
    cut.full[d] = (in - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1;
    const int64_t all = cut.full[d] + more[d];
    if (!shape.empty() || automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      cut.extent[d] = shape.empty() ? in * strides[d] : shape[shape.size() - n + d];
      const int64_t total = all - cut.extent[d], half = total >= 0 ? total / 2 : (total - 1) / 2;
      cut.begin[d] = automatic == "SAME_UPPER" ? half : total - half;
    } else {
      const bool given = automatic == "NOTSET" && pads.size() == 2 * n;
      cut.begin[d] = given ? pads[d] : 0;
      cut.extent[d] = all - cut.begin[d] - (given ? pads[d + n] : 0);
    }
    c.require(in > 0 && cut.extent[d] >= 0, "the pads take away more than there is");
  }
  return cut;
}

// The full transpose [N, M, spatial …] of x [N, C, spatial …] with w [C, M / group, spatial …].
Tensor spread(Call& c, const Tensor& x, const Tensor& w, const Window& window, const Ints& full, int64_t group) {
  Ints shape = {x.dim(0), w.dim(1) * group};
  shape.insert(shape.end(), full.begin(), full.end());
  c.room(shape, x.type());
  if (x.count() == 0 || w.count() == 0) return c.fill(shape, 0, x.type());
  const Ints made = two_axes_shape(shape);
  const bool volume = window.axes() == 3;
  Op op = told(c, volume ? "Conv3DBackpropInput" : "Conv2DBackpropInput", volume, window, group);
  const Tensor from = two_axes(c, x), weights = two_axes(c, w);
  volume ? op.in(weights).in(from) : op.in(from).in(weights);
  return c.reshape(op.one(x.type(), made), shape);
}

void conv_transpose(Call& c) {
  const Tensor x = c.in(0), w = c.in(1);
  const int64_t group = c.i("group", 1);
  c.require(w.rank() >= 3 && x.rank() == w.rank(),
            "input and weights must have the same number of axes, at least three");
  c.require(group > 0 && x.dim(1) == w.dim(0) && w.dim(0) % group == 0,
            "the channels do not fit the weights and groups");
  const size_t n = w.dims().size() - 2;
  const Ints kernel(w.dims().begin() + 2, w.dims().end());
  Ints strides = c.is("strides"), dilations = c.is("dilations");
  if (strides.empty()) strides.assign(n, 1);
  if (dilations.empty()) dilations.assign(n, 1);
  c.require(strides.size() == n && dilations.size() == n, "strides and dilations must be given for each axis");
  for (size_t d = 0; d < n; ++d)
    c.require(strides[d] > 0 && dilations[d] > 0 && strides[d] < (1 << 30) && dilations[d] < (1 << 30),
              "strides and dilations must be positive");
  const Cut cut = cut_of(c, x, kernel, strides, dilations);
  const Window window{kernel, strides, dilations, Ints(n, 0), Ints(n, 0)};
  Tensor y = spread(c, x, w, window, cut.full, group);
  Ints before(y.dims().size(), 0), after = before;
  for (size_t d = 0; d < n; ++d) {
    before[d + 2] = -cut.begin[d];
    after[d + 2] = cut.begin[d] + cut.extent[d] - cut.full[d];
  }
  c.out(0, with_bias(c, c.pad(y, before, after, 0.0), 2));
}

std::string three_axes(const Node& n) { return n.rank(0) > 5 ? "MindSpore has three spatial axes at most" : ""; }

constexpr std::array kRows = std::to_array<Row>({
    {"Conv", conv, "Conv2D,Conv3D,Add",
     "its kernels have two spatial axes or three and no bias: one axis goes as two, negative pads are cut before",
     Widen::sums, three_axes},
    {"ConvTranspose", conv_transpose, "Conv2DBackpropInput,Conv3DBackpropInput,Add",
     "the gradient of a convolution without pads, cut afterwards", Widen::sums, three_axes},
});

}  // namespace

std::span<const Row> convolution_rows() { return kRows; }

}  // namespace chorus_mindspore
