// Convolutions and their transposes.
#include <algorithm>

#include "table.h"
#include "window.h"

namespace chorus_paddle {

Window window_of(const Call& c, const Tensor& x, Ints kernel) {
  const size_t n = kernel.size();
  c.require(n > 0 && static_cast<size_t>(x.dim()) == n + 2,
            "the input must have a batch, channels and one axis for each extent of the kernel");
  Window w{std::move(kernel), c.is("strides"), c.is("dilations"), Ints(n, 0), Ints(n, 0)};
  if (w.strides.empty()) w.strides.assign(n, 1);
  if (w.dilations.empty()) w.dilations.assign(n, 1);
  const Ints pads = c.is("pads");
  c.require(w.strides.size() == n && w.dilations.size() == n && (pads.empty() || pads.size() == 2 * n),
            "strides, dilations and pads must be given for each axis");
  const std::string_view automatic = c.s("auto_pad", "NOTSET");
  for (size_t d = 0; d < n; ++d) {
    c.require(w.kernel[d] > 0 && w.strides[d] > 0 && w.dilations[d] > 0,
              "kernel, strides and dilations must be positive");
    if (automatic == "NOTSET" && !pads.empty()) {
      w.begin[d] = pads[d];
      w.end[d] = pads[d + n];
    } else if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      const int64_t in = x.size(static_cast<int64_t>(d) + 2), out = (in + w.strides[d] - 1) / w.strides[d];
      const int64_t total =
          std::max<int64_t>(0, (out - 1) * w.strides[d] + (w.kernel[d] - 1) * w.dilations[d] + 1 - in);
      w.begin[d] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      w.end[d] = total - w.begin[d];
    }
  }
  return w;
}

Tensor padded(const Tensor& x, const Ints& begin, const Ints& end, double value) {
  Ints before(static_cast<size_t>(x.dim()) - begin.size(), 0), after = before;
  before.insert(before.end(), begin.begin(), begin.end());
  after.insert(after.end(), end.begin(), end.end());
  return pad(x, before, after, value);
}

std::vector<int> narrow(const Ints& values) { return {values.begin(), values.end()}; }

// One axis is a picture of height 1.
Tensor convolved(Call& c, const Tensor& x, const Tensor& w, const Window& window) {
  std::vector<int> pads, strides = narrow(window.strides), dilations = narrow(window.dilations);
  for (size_t d = 0; d < window.axes(); ++d) {
    pads.push_back(static_cast<int>(window.begin[d]));
    pads.push_back(static_cast<int>(window.end[d]));
  }
  const int group = static_cast<int>(c.i("group", 1));
  Ints shape = {x.size(0), w.size(0)};
  for (size_t d = 0; d < window.axes(); ++d) {
    const auto axis = static_cast<int64_t>(d) + 2;
    const int64_t reach = (window.kernel[d] - 1) * window.dilations[d] + 1;
    const int64_t room = x.size(axis) + window.begin[d] + window.end[d] - reach;
    c.require(room >= 0, "the kernel is larger than the picture");
    shape.push_back(room / window.strides[d] + 1);
  }
  c.require(group > 0 && x.size(1) == w.size(1) * group && w.size(0) % group == 0,
            "the channels do not fit the weights and groups");
  c.room(shape, x.type());
  if (x.numel() == 0 || w.numel() == 0) return zeros(shape, x.type());
  if (window.axes() == 3)
    return paddle::experimental::conv3d(x, w, strides, pads, "EXPLICIT", group, dilations, "NCDHW");
  if (window.axes() == 2)
    return paddle::experimental::conv2d(x, w, strides, pads, "EXPLICIT", dilations, group, "NCHW");
  strides.insert(strides.begin(), 1);
  dilations.insert(dilations.begin(), 1);
  pads.insert(pads.begin(), {0, 0});
  return Tensor(paddle::experimental::conv2d(x.unsqueeze(2), w.unsqueeze(2), strides, pads, "EXPLICIT", dilations,
                                             group, "NCHW"))
      .squeeze(2);
}

namespace {

namespace api = paddle::experimental;

Tensor with_bias(const Tensor& y, const Tensor& bias) {
  Ints channel(static_cast<size_t>(y.dim()), 1);
  channel[1] = -1;
  return add(y, bias.reshape(channel));
}

void conv(Call& c) {
  Tensor x = c.in(0);
  const Tensor w = c.in(1);
  c.require(w.dim() >= 3, "the weights must have at least three axes");
  const Ints extents = w.sizes();
  Window window = window_of(c, x, Ints(extents.begin() + 2, extents.end()));
  const bool negative = std::any_of(window.begin.begin(), window.begin.end(), [](int64_t p) { return p < 0; }) ||
                        std::any_of(window.end.begin(), window.end.end(), [](int64_t p) { return p < 0; });
  if (negative) {
    x = padded(x, window.begin, window.end, 0);
    window.begin.assign(window.axes(), 0);
    window.end.assign(window.axes(), 0);
  }
  const Tensor y = convolved(c, x, w, window);
  c.out(0, c.has(2) ? with_bias(y, c.in(2)) : y);
}

// The full transpose, [N, C, full extents].
Tensor transposed(Call& c, const Tensor& x, const Tensor& w, const Ints& given_strides, const Ints& given_dilations) {
  std::vector<int> strides = narrow(given_strides), dilations = narrow(given_dilations);
  const int group = static_cast<int>(c.i("group", 1));
  c.require(group > 0 && x.size(1) == w.size(0) && x.size(1) % group == 0,
            "the channels do not fit the weights and groups");
  Ints shape = {x.size(0), w.size(1) * group};
  for (size_t d = 0; d < strides.size(); ++d) {
    const auto axis = static_cast<int64_t>(d) + 2;
    shape.push_back((x.size(axis) - 1) * strides[d] + (w.size(axis) - 1) * dilations[d] + 1);
  }
  c.room(shape, x.type());
  if (x.numel() == 0 || w.numel() == 0) return zeros(shape, x.type());
  const std::vector<int> none(strides.size(), 0);
  if (strides.size() == 3)
    return api::conv3d_transpose(x, w, strides, none, {}, {}, "EXPLICIT", group, dilations, "NCDHW");
  if (strides.size() == 2)
    return api::conv2d_transpose(x, w, strides, none, {}, phi::IntArray(), "EXPLICIT", group, dilations, "NCHW");
  strides.insert(strides.begin(), 1);
  dilations.insert(dilations.begin(), 1);
  return Tensor(api::conv2d_transpose(x.unsqueeze(2), w.unsqueeze(2), strides, {0, 0}, {}, phi::IntArray(), "EXPLICIT",
                                      group, dilations, "NCHW"))
      .squeeze(2);
}

// The full transpose, then what ONNX's pads take away at both ends and its output_padding adds.
void conv_transpose(Call& c) {
  const Tensor x = c.in(0), w = c.in(1);
  c.require(w.dim() >= 3 && x.dim() == w.dim(), "input and weights must have the same number of axes, at least three");
  const size_t n = static_cast<size_t>(w.dim()) - 2;
  const Ints extents = w.sizes(), kernel(extents.begin() + 2, extents.end()), shape = c.is("output_shape"),
             pads = c.is("pads");
  Ints strides = c.is("strides"), dilations = c.is("dilations"), more = c.is("output_padding");
  if (strides.empty()) strides.assign(n, 1);
  if (dilations.empty()) dilations.assign(n, 1);
  if (more.empty()) more.assign(n, 0);
  c.require(strides.size() == n && dilations.size() == n && more.size() == n,
            "strides, dilations and output_padding must be given for each axis");
  const std::string_view automatic = c.s("auto_pad", "NOTSET");
  Ints begin(n, 0), extent(n, 0), missing(n, 0);
  for (size_t d = 0; d < n; ++d) {
    const int64_t in = x.size(static_cast<int64_t>(d) + 2);
    const int64_t full = (in - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1 + more[d];
    int64_t end = 0;
    if (!shape.empty() || automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      extent[d] = shape.empty() ? in * strides[d] : shape[shape.size() - n + d];
      const int64_t total = full - extent[d];
      const int64_t half = total >= 0 ? total / 2 : (total - 1) / 2;
      begin[d] = automatic == "SAME_UPPER" ? half : total - half;
      end = total - begin[d];
    } else {
      if (automatic == "NOTSET" && pads.size() == 2 * n) begin[d] = pads[d], end = pads[d + n];
      extent[d] = full - begin[d] - end;
    }
    c.require(extent[d] >= 0, "the pads take away more than there is");
    missing[d] = std::max<int64_t>(
        0, begin[d] + extent[d] - (full - more[d]));   // zeros that output_padding or a larger shape adds
  }
  Tensor y = transposed(c, x, w, strides, dilations);
  Ints before(n, 0);
  for (size_t d = 0; d < n; ++d) before[d] = std::max<int64_t>(0, -begin[d]);
  y = padded(y, before, missing, 0);
  for (size_t d = 0; d < n; ++d) y = y.narrow(static_cast<int64_t>(d) + 2, begin[d] + before[d], extent[d]);
  c.out(0, c.has(2) ? with_bias(y, c.in(2)) : y);
}

std::string conv_refusal(const Node& node) {
  const int rank = node.rank(0);
  return rank > 5 ? "convolution has at most three spatial axes" : std::string();
}

constexpr Row kRows[] = {
    {"Conv", conv, kDoubles, "conv2d, conv3d", "of two and three axes only there: one axis is a picture of height 1",
     conv_refusal},
    {"ConvTranspose", conv_transpose, kDoubles, "conv2d_transpose, conv3d_transpose",
     "its output_padding must be below the stride there: the full transpose is cut or padded", conv_refusal},
};

}  // namespace

std::span<const Row> convolution_rows() { return kRows; }

}  // namespace chorus_paddle
