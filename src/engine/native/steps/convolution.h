// What the candidates of convolution share: the shape from attributes and weights, pads that follow from the extents.
#pragma once
#include <engine/native/steps/support.h>

namespace chorus::native::steps {

enum class Direction : uint8_t { forward, transposed };
enum class AutoPad : uint8_t { none, upper, lower, valid };

AutoPad auto_pad_of(std::string_view mode) noexcept;
/// Shape of the operator from its attributes and the type of its weights (one or two spatial axes; one is a height of 1); false
/// where the kernels do not mean the same. Operands and result are float32, or bytes and int32 (ConvInteger). Pads are those of auto_pad none.
bool read_conv_shape(const StepDescription& step, Direction direction, fast::ConvShape* out);
/// A ConvTranspose whose extents follow from strides, pads and output_padding; fills output_pad too.
bool read_transposed_shape(const StepDescription& step, fast::ConvShape* out);
/// Operand 2 is absent or float32 [channels].
bool conv_bias_fits(const StepDescription& step, int64_t channels);

struct SizedConv {
  fast::ConvShape shape;
  fast::ConvSizes sizes;
};
/// Sets the pads of `mode` (upper or lower) for an input of these sizes; height too for pictures.
void set_same_pads(const fast::ConvSizes& sizes, AutoPad mode, fast::ConvShape* shape) noexcept;
/// With the pads of `mode` for the sizes of input and output 0.
SizedConv sized_conv(const fast::ConvShape& shape, AutoPad mode, const KernelContext& ctx) noexcept;

}  // namespace chorus::native::steps
