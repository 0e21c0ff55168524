// Kernels of windowed operators: the geometry of a window and the kernels that convolution.cpp lists from other files.
#pragma once
#include <engine/native/reference/wide.h>

namespace chorus::native::window {

/// A window over the spatial axes: output o covers the inputs o * stride - pad + k * dilation, k in [0, kernel).
struct Geometry {
  int rank = 0;
  int64_t in[kMaxRank], out[kMaxRank], kernel[kMaxRank], stride[kMaxRank], dilation[kMaxRank], pad[kMaxRank],
      pad_end[kMaxRank];
  int64_t in_count = 1, out_count = 1, kernel_count = 1;
};
/// Extents after the first two axes of `image` and `windows` (the tensor with one element per window); `kernel` empty: from the
/// attribute. auto_pad is resolved by the extents.
Status read_geometry(const KernelContext& ctx, const TensorView& image, const TensorView& windows,
                     std::span<const int64_t> kernel, Geometry* out) noexcept;

/// Walks row-major over extents; index[] is the position.
inline bool step(int64_t* index, const int64_t* extents, int rank) noexcept {
  for (int i = rank - 1; i >= 0; --i) {
    if (++index[i] < extents[i]) return true;
    index[i] = 0;
  }
  return false;
}
inline void place(int64_t flat, const int64_t* extents, int rank, int64_t* index) noexcept {
  for (int i = rank - 1; i >= 0; --i) {
    index[i] = flat % extents[i];
    flat /= extents[i];
  }
}

// pooling.cpp
Status max_pool(KernelContext& ctx) noexcept;
Status average_pool(KernelContext& ctx) noexcept;
Status lp_pool(KernelContext& ctx) noexcept;
Status global_average_pool(KernelContext& ctx) noexcept;
Status global_max_pool(KernelContext& ctx) noexcept;
Status global_lp_pool(KernelContext& ctx) noexcept;
Status max_unpool(KernelContext& ctx) noexcept;
Status max_roi_pool(KernelContext& ctx) noexcept;
// resize.cpp
Status resize(KernelContext& ctx) noexcept;
// sample.cpp
Status grid_sample(KernelContext& ctx) noexcept;
Status affine_grid(KernelContext& ctx) noexcept;
Status deform_conv(KernelContext& ctx) noexcept;
Status col2im(KernelContext& ctx) noexcept;
Status causal_conv_with_state(KernelContext& ctx) noexcept;

}  // namespace chorus::native::window
