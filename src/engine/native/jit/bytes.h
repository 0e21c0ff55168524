// Products of bytes: sums of unsigned input times signed weights in int32, exact; as they are, or brought back to bytes.
#pragma once
#include <engine/native/jit/epilogue_code.h>
#include <engine/native/jit/geometry.h>

namespace chorus::jit {

/// Null: accepted.
const char* bytes_refusal(const ConvProblem& problem) noexcept;
/// Element::bytes in portable C++.
void run_bytes_plain(const ConvProblem& problem, const fast::ConvSizes& sizes, const ConvBuffers& buffers,
                     ThreadPool& pool) noexcept;

/// Null when memory for code is refused. Problems that requantize.
std::shared_ptr<const ConvCall> make_bytes(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);
/// The code of calls at these sizes, or at any where extents are open.
void generate_bytes(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);

/// One result from its sum.
uint8_t requantized(const ConvProblem& problem, const ByteChannels& block, int64_t lane, int32_t sum) noexcept;

}  // namespace chorus::jit
