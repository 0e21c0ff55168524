// Contracts of kernels over tensors in channel blocks: [images, blocks, height, width, 16] float32, dense inside an image. What
// stands in the lanes behind the last channel never reaches another lane. Strides in floats.
#pragma once
#include <engine/native/fast/elementwise.h>
#include <engine/native/fast/image.h>

#include <cstddef>
#include <cstdint>

namespace chorus::fast {

constexpr int64_t channel_block = 16;
constexpr int64_t channel_blocks(int64_t channels) { return (channels + channel_block - 1) / channel_block; }

/// Between [images, channels, pixels] and its blocked form; lanes behind the last channel become zeros.
struct ReorderArgs {
  const float* x = nullptr;
  float* y = nullptr;
  int64_t images = 0, channels = 0, pixels = 0;
  int64_t plain_image = 0, blocked_image = 0;
};

/// How the second operand of a binary operation meets lines of a tensor.
enum class Meets : uint8_t {
  element,  ///< the tensor's shape
  channel,  ///< line l of an image takes the `width` numbers at l * width, again and again
  number,  ///< one number for all
};
enum class Place : uint8_t { left, right };

/// One operation of a chain: y = f(y), or y = y op operand (`place` right), or y = operand op y.
struct ChainStep {
  enum class Kind : uint8_t { unary, binary } kind = Kind::unary;
  Unary unary = Unary::relu;
  Binary binary = Binary::add;
  Meets meets = Meets::element;
  Place place = Place::right;
  float alpha = 0, beta = 0;
  const float* operand = nullptr;
  int64_t operand_image = 0;  ///< 0 repeats it for all images
};

/// y = last(…first(x)) over images of `lines` lines of `length` floats: one pass through memory. Blocked: a line is a block of
/// channels, width 16; planes of channels: width 1. y is x or apart from it; operands of later steps are apart from y.
struct ChainArgs {
  const float* x = nullptr;
  float* y = nullptr;
  int64_t images = 0, lines = 0, length = 0, width = 1;
  int64_t x_image = 0, y_image = 0;
  const ChainStep* steps = nullptr;
  int count = 0;
};

/// As PoolArgs over blocks: `planes` is blocks of one image; scratch is not used.
struct BlockedPoolArgs {
  PoolArgs pool;
  int64_t images = 0, x_image = 0, y_image = 0;
};

/// As ResizeArgs over blocks: `planes` is blocks of one image; scratch is not used.
struct BlockedResizeArgs {
  ResizeArgs resize;
  int64_t images = 0, x_image = 0, y_image = 0;
};

/// Channels brought into another order: channel c of y is channel from[c].channel of operand from[c].operand.
struct ChannelSource {
  int32_t operand = 0, channel = 0;
};
struct ChannelMapArgs {
  const float* const* x = nullptr;  ///< per operand
  const int64_t* x_image = nullptr;  ///< per operand
  float* y = nullptr;
  const ChannelSource* from = nullptr;  ///< [channels]
  int64_t images = 0, channels = 0, pixels = 0, y_image = 0;
};

}  // namespace chorus::fast
