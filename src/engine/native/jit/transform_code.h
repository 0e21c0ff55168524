// Winograd's transforms of one tile of 16 channels. F(m x m, 3 x 3) works on n = m + 2 points a side: for m = 4 they are 0, ±sqrt(1/2),
// ±sqrt(2) and infinity, which round least among the symmetric choices tried; for m = 2 they are 0, ±1 and infinity.
#pragma once
#include <engine/native/jit/epilogue_code.h>

#include <span>

namespace chorus::jit {

struct TransformKey {
  Level level = Level::avx512;
  int m = 4;
  EpilogueKey epilogue;  ///< of the output transform
};

/// Strides in bytes; pixels of a row are neighbours (64 bytes).
struct TransformArgs {
  const float* source;  ///< input transform: n x n pixels; output transform: the first of n * n products
  float* target;  ///< input transform: the first of n * n values; output transform: m x m pixels
  int64_t source_step;  ///< between rows of pixels; between products
  int64_t target_step;  ///< between values; between rows of pixels
  float* between;  ///< n * n * 16 floats of scratch
  const float* bias;
  const float* initial;  ///< residual before the activation, of the target's strides; null: none
  const float* residual;  ///< behind the activation
  const EpilogueParams* params;
};

Code input_transform_code(const TransformKey& key);
Code output_transform_code(const TransformKey& key);

/// The matrix that transforms filters, n x 3.
std::span<const double> filter_transform(int m) noexcept;

}  // namespace chorus::jit
