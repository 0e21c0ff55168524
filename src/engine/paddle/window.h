// Windows that slide over pictures: what convolution and pooling share.
#pragma once
#include "call.h"

namespace chorus_paddle {

struct Window {
  Ints kernel, strides, dilations, begin, end;   ///< per spatial axis; begin and end: pads
  bool symmetric() const { return begin == end; }
  size_t axes() const { return kernel.size(); }
};

/// From the attributes of ONNX; `auto_pad` is resolved for the extents of x [N, C, spatial …]. `ceil`: pools round their number of places up.
Window window_of(const Call& c, const Tensor& x, Ints kernel);
/// Padded over the spatial axes.
Tensor padded(const Tensor& x, const Ints& begin, const Ints& end, double value);
/// Weights w [M, C / group, spatial …] over x [N, C, spatial …] with the window's pads, which are not negative.
Tensor convolved(Call& c, const Tensor& x, const Tensor& w, const Window& window);
/// As the calls want them.
std::vector<int> narrow(const Ints& values);

}  // namespace chorus_paddle
