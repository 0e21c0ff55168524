// Windows that slide over pictures: what convolution and pooling share.
#pragma once
#include "call.h"

namespace chorus_mindspore {

struct Window {
  Ints kernel, strides, dilations, begin, end;   ///< per spatial axis; begin and end: pads
  size_t axes() const { return kernel.size(); }
  int64_t reach(size_t d) const { return (kernel[d] - 1) * dilations[d] + 1; }
};

/// From the attributes of ONNX; `auto_pad` is resolved for the extents of x [N, C, spatial …].
Window window_of(const Call& c, const Tensor& x, Ints kernel);
/// x [N, C, spatial …] with pads on the spatial axes; negative ones cut.
Tensor padded(const Call& c, const Tensor& x, const Ints& begin, const Ints& end, double value);
/// [N, C, W] as [N, C, 1, W], others as they are: kernels have two spatial axes or three.
Tensor two_axes(const Call& c, const Tensor& x);
/// The same of a shape.
Ints two_axes_shape(const Ints& shape);
/// A list for two spatial axes or three: `first` goes before the only one.
Ints two_axes(Ints list, int64_t first);

}  // namespace chorus_mindspore
