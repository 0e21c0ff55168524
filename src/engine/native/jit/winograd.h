// Winograd convolutions: 3x3, stride 1, dilation 1, one group, as products of transformed tiles.
#pragma once
#include <engine/native/jit/geometry.h>

namespace chorus::jit {

bool winograd_fits(const ConvProblem& problem) noexcept;
size_t winograd_packed_bytes(const ConvProblem& problem) noexcept;
/// [n * n][out block][in block][16 in][16 out], transformed in float64.
void winograd_pack(const ConvProblem& problem, const float* weights, const float* scale, float* packed) noexcept;

/// Null when memory for code is refused.
std::shared_ptr<const ConvCall> make_winograd(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);
/// The code of calls at these sizes, or at any where extents are open.
void generate_winograd(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);

/// The convolution in portable C++.
void run_winograd_plain(const ConvProblem& problem, const fast::ConvSizes& sizes, const ConvBuffers& buffers,
                        ThreadPool& pool) noexcept;

}  // namespace chorus::jit
