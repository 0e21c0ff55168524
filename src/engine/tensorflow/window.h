// Windows that slide over pictures: what convolution and pooling share.
#pragma once
#include "call.h"

namespace chorus_tensorflow {

struct Window {
  Ints kernel, strides, dilations, begin, end;   ///< per spatial axis; begin and end: pads
  size_t axes() const { return kernel.size(); }
  int64_t reach(size_t d) const { return (kernel[d] - 1) * dilations[d] + 1; }
};

/// From the attributes of ONNX; `auto_pad` is resolved for the extents of x [N, C, spatial …].
Window window_of(const Call& c, const Tensor& x, Ints kernel);
/// x [N, C, spatial …] with pads on the spatial axes; negative ones cut.
Tensor padded(const Call& c, const Tensor& x, const Ints& begin, const Ints& end, double value);
/// The order that brings channels to the end ([N, C, spatial …] to [N, spatial …, C]), and back.
Ints channels_last(int64_t rank);
Ints channels_first(int64_t rank);

}  // namespace chorus_tensorflow
