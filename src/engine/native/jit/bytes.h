// Products of bytes: sums of unsigned input times signed weights in int32, exact.
#pragma once
#include <engine/native/jit/geometry.h>

namespace chorus::jit {

/// Null: accepted.
const char* bytes_refusal(const ConvProblem& problem) noexcept;
/// Element::bytes in portable C++.
void run_bytes_plain(const ConvProblem& problem, const fast::ConvSizes& sizes, const ConvBuffers& buffers,
                     ThreadPool& pool) noexcept;

}  // namespace chorus::jit
