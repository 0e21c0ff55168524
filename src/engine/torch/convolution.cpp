// Convolutions and their transposes.
#include <algorithm>

#include "table.h"
#include "window.h"

namespace chorus_torch {

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
  Ints pads;
  for (size_t d = begin.size(); d-- > 0;) {
    pads.push_back(begin[d]);
    pads.push_back(end[d]);
  }
  return at::constant_pad_nd(x, pads, value);
}

namespace {

void conv(Call& c) {
  Tensor x = c.in(0);
  const Tensor w = c.in(1);
  c.require(w.dim() >= 3, "the weights must have at least three axes");
  Window window = window_of(c, x, w.sizes().slice(2).vec());
  const bool negative = std::any_of(window.begin.begin(), window.begin.end(), [](int64_t p) { return p < 0; });
  if (!window.symmetric() || negative) {
    x = padded(x, window.begin, window.end, 0);
    window.begin.assign(window.axes(), 0);
  }
  c.out(0, at::convolution(x, w, c.has(2) ? std::optional<Tensor>(c.in(2)) : std::nullopt, window.strides, window.begin,
                           window.dilations, false, Ints(window.axes(), 0), c.i("group", 1)));
}

// The full transpose, then what ONNX's pads take away at both ends and its output_padding adds.
void conv_transpose(Call& c) {
  const Tensor x = c.in(0), w = c.in(1);
  c.require(w.dim() >= 3 && x.dim() == w.dim(), "input and weights must have the same number of axes, at least three");
  const size_t n = static_cast<size_t>(w.dim()) - 2;
  const Ints kernel = w.sizes().slice(2).vec(), shape = c.is("output_shape"), pads = c.is("pads");
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
  const int64_t group = c.i("group", 1);
  Tensor y = at::convolution(x, w, std::nullopt, strides, Ints(n, 0), dilations, true, Ints(n, 0), group);
  Ints before(n, 0);
  for (size_t d = 0; d < n; ++d) before[d] = std::max<int64_t>(0, -begin[d]);
  y = padded(y, before, missing, 0);
  for (size_t d = 0; d < n; ++d) y = y.narrow(static_cast<int64_t>(d) + 2, begin[d] + before[d], extent[d]);
  if (c.has(2)) {
    Ints channel(static_cast<size_t>(y.dim()), 1);
    channel[1] = -1;
    y = at::add(y, c.in(2).reshape(channel));
  }
  c.out(0, y);
}

std::string conv_refusal(const Node& node) {
  const int rank = node.rank(0);
  return rank > 5 ? "convolution has at most three spatial axes" : std::string();
}

constexpr Row kRows[] = {
    {"Conv", conv, kFloats, "convolution", "one pad for both ends there: unequal pads are made before", conv_refusal},
    {"ConvTranspose", conv_transpose, kFloats, "convolution",
     "one pad for both ends there: the full transpose is cut; its output_padding must be below the stride",
     conv_refusal},
};

}  // namespace

std::span<const Row> convolution_rows() { return kRows; }

}  // namespace chorus_torch
