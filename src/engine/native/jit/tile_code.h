// The inner kernel of direct convolutions and of Winograd's products: a tile of pixels times output blocks in registers, over all
// input channels and filter positions; several tiles along a row in one call.
#pragma once
#include <engine/native/jit/epilogue_code.h>

namespace chorus::jit {

/// Pairs of bfloat16, and fours of bytes, in a block. Sums of the latter are integers: no bias, no activation.
inline constexpr int kPairs = 8, kFours = 4;

/// All that the code of a tile depends on. Sizes are arguments.
struct TileKey {
  Level level = Level::avx512;
  int pixels = 1;  ///< along a row
  int out_blocks = 1;  ///< 1 … 4
  int lanes =
      16;  ///< numbers of four bytes per pixel and input block: 16 channels, 8 pairs of bfloat16, or 1 for planar inputs
  int last_lanes = 16;  ///< of the last input block; below 16 it has code of its own
  int pixel_step = 64;  ///< bytes of input between neighbouring output pixels
  int output_step = 64;  ///< bytes between output pixels
  int columns = 0;  ///< width of the filter where it is unrolled; 0: a loop of run-time length
  int column_step = 0;  ///< bytes of input between filter columns, unrolled only
  int left = 0, right = 0;  ///< columns of the tile's window that lie outside the picture
  int prefetch = 0;  ///< lines of `ahead` asked for per filter position
  bool matrices = false;  ///< on matrix registers: matrix_code.h
  bool depthwise = false;  ///< one block of channels, each by itself; columns are unrolled, no input blocks
  EpilogueKey epilogue;
  bool operator==(const TileKey&) const = default;
};

/// Strides and distances in bytes. The kernel may change `tiles`, `ahead` and the pointers.
struct TileArgs {
  const float*
      input;  ///< first pixel of the first tile's window at the first valid filter row (may lie left of the row)
  const float* weights;  ///< first valid filter row of the first output block
  const float* bias;  ///< or ByteChannels
  const float* initial;  ///< what sums start from, of the output's layout; null: zero
  const float* residual;  ///< read only if it is added behind the activation
  float* output;
  const EpilogueParams* params;
  float* sums;  ///< of matrix registers: kMatrixSums floats on the way to the results
  int64_t partial;  ///< not 0: sums are stored without bias, activation and residual
  int64_t ahead;  ///< distance from weights in use to those to prefetch; grows by `prefetch` lines with each tile
  int64_t weight_block;  ///< between output blocks
  int64_t output_block;  ///< of output, initial and residual
  int64_t input_block;  ///< between input blocks (channels of planar inputs)
  int64_t input_row;  ///< between rows of the filter
  int64_t full_blocks;  ///< input blocks without the last one if that has code of its own
  int64_t last_block;  ///< 0: the last input block, which has code of its own, is not part of this call
  int64_t rows;  ///< valid rows of the filter; 0: none
  int64_t skip;  ///< weights of a block's rows that are not valid
  int64_t columns;  ///< of the filter, where it is a loop
  int64_t column_step;
  int64_t tiles;  ///< >= 1
};

/// Registers hold at most so many accumulators: pixels * out_blocks must not exceed it (in blocks of 16).
int most_pixels(Level level, int out_blocks) noexcept;
Code tile_code(const TileKey& key);

/// Of depthwise convolutions: the same arguments, but for weights [kernel_h][kernel_w][16] and no input blocks.
int most_depthwise_pixels(Level level, int columns) noexcept;
Code depthwise_code(const TileKey& key);

/// A filter column, seen from a pixel of the tile, that lies in the picture.
bool inside(const TileKey& key, int pixel, int column) noexcept;

}  // namespace chorus::jit
