// Contract of convolution and transposed convolution, NCHW, weights packed once; batch, height and width are run-time.
// One-dimensional convolutions are height 1 with kernel_h 1.
#pragma once
#include <engine/native/fast/epilogue.h>

#include <cstddef>
#include <cstdint>

namespace chorus {
class ThreadPool;
}

namespace chorus::fast {

/// Weights: conv [out_channels, in_channels / groups, kernel_h, kernel_w];
/// transposed [in_channels, out_channels / groups, kernel_h, kernel_w]. groups divides both channel counts.
struct ConvShape {
  int64_t in_channels = 0, out_channels = 0, groups = 1;
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  int64_t output_pad_h = 0, output_pad_w = 0;  ///< transposed convolution only
};

struct ConvSizes {
  int64_t batch = 1, height = 1, width = 1;  ///< of the input
};

/// Output extent of a convolution; 0 where the padded input is smaller than the kernel.
constexpr int64_t conv_extent(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t before,
                              int64_t after) {
  const int64_t room = in + before + after - ((kernel - 1) * dilation + 1);
  return in <= 0 || room < 0 ? 0 : room / stride + 1;
}
constexpr int64_t conv_out_height(const ConvShape& s, const ConvSizes& z) {
  return conv_extent(z.height, s.kernel_h, s.stride_h, s.dilation_h, s.pad_top, s.pad_bottom);
}
constexpr int64_t conv_out_width(const ConvShape& s, const ConvSizes& z) {
  return conv_extent(z.width, s.kernel_w, s.stride_w, s.dilation_w, s.pad_left, s.pad_right);
}
constexpr int64_t conv_transpose_extent(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads,
                                        int64_t output_pad) {
  const int64_t out = (in - 1) * stride + (kernel - 1) * dilation + 1 - pads + output_pad;
  return in <= 0 || out < 0 ? 0 : out;
}
constexpr int64_t conv_transpose_out_height(const ConvShape& s, const ConvSizes& z) {
  return conv_transpose_extent(z.height, s.kernel_h, s.stride_h, s.dilation_h, s.pad_top + s.pad_bottom,
                               s.output_pad_h);
}
constexpr int64_t conv_transpose_out_width(const ConvShape& s, const ConvSizes& z) {
  return conv_transpose_extent(z.width, s.kernel_w, s.stride_w, s.dilation_w, s.pad_left + s.pad_right, s.output_pad_w);
}

struct ConvArgs {
  ConvShape shape;
  ConvSizes sizes;
  const float* input = nullptr;    ///< [batch, in_channels, height, width]
  const float* weights = nullptr;  ///< packed by conv_pack_weights (conv_transpose_pack_weights) of the same table
  float* output = nullptr;         ///< [batch, out_channels, out height, out width]; not the input
  Epilogue epilogue;               ///< axis is always the output channel; the residual has the output's shape
  void* scratch = nullptr;         ///< conv_scratch_bytes(shape, sizes, pool.threads()), 64-byte aligned
};

}  // namespace chorus::fast
