// Transposed convolutions as direct ones: the output pixels of one residue modulo the strides take part in the same filter positions.
#pragma once
#include <engine/native/jit/geometry.h>

namespace chorus::jit {

/// Null: accepted.
const char* transposed_refusal(const ConvProblem& problem) noexcept;
size_t transposed_packed_bytes(const ConvProblem& problem) noexcept;
/// One direct convolution's weights after the other: residue of the row first, then of the column.
void transposed_pack(const ConvProblem& problem, const float* weights, const float* scale, float* packed) noexcept;

/// Null when memory for code is refused.
std::shared_ptr<const ConvCall> make_transposed(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);
/// The code of calls at these sizes, or at any where extents are open.
void generate_transposed(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);
/// The same in portable C++.
void run_transposed_plain(const ConvProblem& problem, const fast::ConvSizes& sizes, const ConvBuffers& buffers,
                          ThreadPool& pool) noexcept;

}  // namespace chorus::jit
