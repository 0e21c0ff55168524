// The inner kernel of direct convolutions and products on matrix registers (AMX): groups of up to 16 pixels times blocks of 16 output
// channels. Arguments and packed weights are those of tile_code.h.
#pragma once
#include <engine/native/jit/tile_code.h>

namespace chorus::jit {

/// Pixels and output blocks of one tile at most.
inline constexpr int kMatrixPixels = 32, kMatrixBlocks = 2;
/// Floats that TileArgs::sums holds.
inline constexpr int kMatrixSums = kMatrixPixels * kMatrixBlocks * 16;

/// key.matrices; every input block is whole (last_lanes == lanes: pairs of bfloat16 or fours of bytes), no column lies outside the picture.
/// The bytes between output pixels and blocks are free, those between input pixels are key.pixel_step.
Code matrix_code(const TileKey& key);

}  // namespace chorus::jit
