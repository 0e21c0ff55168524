// Kernels of the gradient rows; gradient.cpp lists them. Sums in float64, in one block of scratch memory, stored at the end.
#pragma once
#include <engine/native/reference/wide.h>

namespace chorus::native::gradient {

/// A zeroed block for the sums of an output; null: no room.
inline double* sums_for(KernelContext& ctx, int64_t count) noexcept {
  double* sums = support::temporary<double>(ctx, count);
  if (sums != nullptr) std::fill(sums, sums + count, 0.0);
  return sums;
}
inline void store_sums(const TensorView& to, const double* sums) noexcept {
  store_f64(to.dtype, to.data, 0, to.count, sums);
}

// gradient_window.cpp
Status conv_grad_data(KernelContext& ctx) noexcept;
Status conv_grad_weights(KernelContext& ctx) noexcept;
// pooling.cpp
Status average_pool_grad(KernelContext& ctx) noexcept;
Status max_roi_pool_grad(KernelContext& ctx) noexcept;
// resize.cpp
Status resize_grad(KernelContext& ctx) noexcept;
// sample.cpp
Status grid_sample_grad(KernelContext& ctx) noexcept;
// vision.cpp
Status roi_align_grad(KernelContext& ctx) noexcept;
// gradient_sequence.cpp
Status sequence_zeros(KernelContext& ctx) noexcept;
Status sequence_sum(KernelContext& ctx) noexcept;
Status sequence_at_grad(KernelContext& ctx) noexcept;
Status concat_from_sequence_grad(KernelContext& ctx) noexcept;
// gradient_cell.cpp
Status rnn_grad(KernelContext& ctx) noexcept;
Status gru_grad(KernelContext& ctx) noexcept;
Status lstm_grad(KernelContext& ctx) noexcept;
// gradient_attention.cpp
Status linear_attention_grad(KernelContext& ctx) noexcept;

}  // namespace chorus::native::gradient
