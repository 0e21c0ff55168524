// What the candidates of quantised work share.
#pragma once
#include <engine/native/plan/quantized.h>
#include <engine/native/steps/support.h>

namespace chorus::native::steps {

/// A picture of bytes that can lie in channel blocks.
bool is_byte_picture(const Graph& graph, ValueId value);
/// Least and largest byte of a result, as floats around `zero` (the zero point in the layout at hand): what Relu and Clip leave.
struct ByteRange {
  float least, largest;
};
ByteRange byte_range(const QuantizedStep& step);
/// Elements of a blocked image with its padding lanes.
int64_t blocked_image(const TensorView& t) noexcept;

std::span<const Candidate> quantized_convolution_steps();

}  // namespace chorus::native::steps
