// Contracts of kernels along one axis of [outer, n, inner]: softmax, normalisation, reduction. float32, dense.
#pragma once
#include <cstddef>
#include <cstdint>

namespace chorus::fast {

enum class Softmax : uint8_t { normal, logarithm };

/// Along the middle axis; a row of only -infinity gives NaN. y may be x.
struct SoftmaxArgs {
  Softmax kind = Softmax::normal;
  const float* x = nullptr;
  float* y = nullptr;
  int64_t outer = 1, n = 0, inner = 1;
};

enum class Norm : uint8_t { layer, rms };

/// layer: (x - mean) / sqrt(variance + epsilon) * scale + bias; rms: x / sqrt(mean of squares + epsilon) * scale +
/// bias.
/// x and y [rows, n] (y may be x); scale and bias null or [n]; mean and inverse null or [rows] (what was computed).
struct NormArgs {
  Norm kind = Norm::layer;
  const float* x = nullptr;
  float* y = nullptr;
  int64_t rows = 0, n = 0;
  const float* scale = nullptr;
  const float* bias = nullptr;
  float epsilon = 1e-5f;
  float* mean = nullptr;
  float* inverse = nullptr;
};

/// Over n = 0: sum 0, mean NaN, max -infinity, min infinity. max and min give NaN where a NaN is met.
enum class Reduce : uint8_t { sum, mean, max, min, sum_square };

/// x [outer, n, inner] to y [outer, inner]. Sums use blocks, so that the error grows with log n. Global average
/// pooling of NCHW is mean with outer N·C, n H·W.
struct ReduceArgs {
  Reduce op = Reduce::sum;
  const float* x = nullptr;
  float* y = nullptr;
  int64_t outer = 1, n = 0, inner = 1;
  void* scratch = nullptr;  ///< reduce_scratch_bytes(args), 64-byte aligned
};

}  // namespace chorus::fast
