// Contracts of pooling and resizing of NCHW planes. float32, dense.
#pragma once
#include <cstddef>
#include <cstdint>

namespace chorus::fast {

/// average: of the taps inside the input; average_padded: padding counts as zeros (but not what lies beyond it).
enum class Pool : uint8_t { max, average, average_padded };

/// x [planes, height, width] to y [planes, out_height, out_width]. The caller gives the output extents (floor or ceil
/// mode); taps beyond the padded input are ignored. A window without taps gives -infinity (max) or 0. max keeps NaN.
struct PoolArgs {
  Pool kind = Pool::max;
  const float* x = nullptr;
  float* y = nullptr;
  int64_t planes = 0, height = 0, width = 0, out_height = 0, out_width = 0;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  void* scratch = nullptr;  ///< pool_scratch_bytes(args, pool.threads()), 64-byte aligned
};

enum class Resize : uint8_t { nearest, linear };

/// Along one axis, for each output index: the input indices and the weight of the second (linear only).
struct ResizeAxis {
  const int32_t* low = nullptr;
  const int32_t* high = nullptr;   ///< linear
  const float* weight = nullptr;   ///< linear; of `high`, that of `low` is 1 - weight
};

/// x [planes, height, width] to y [planes, out_height, out_width] by index tables whose indices are inside the input.
struct ResizeArgs {
  Resize kind = Resize::nearest;
  const float* x = nullptr;
  float* y = nullptr;
  int64_t planes = 0, height = 0, width = 0, out_height = 0, out_width = 0;
  ResizeAxis rows, columns;
  void* scratch = nullptr;  ///< resize_scratch_bytes(args, pool.threads()), 64-byte aligned
};

}  // namespace chorus::fast
