// Convolutions and products whose operands are rounded to bfloat16: the input is brought into pairs of channels first, then tiles add up
// products of pairs in float32.
#pragma once
#include <engine/native/jit/code_cache.h>
#include <engine/native/jit/geometry.h>

namespace chorus::jit {

/// Null: accepted.
const char* narrow_refusal(const ConvProblem& problem) noexcept;
/// To bfloat16 and back: to nearest, ties to even; numbers below 2^-126 become zero, as in the processor's own rounding.
uint16_t rounded(float x) noexcept;
float widened(uint16_t bits) noexcept;

/// Rows of 16 floats become 16 numbers of bfloat16, both at any distance.
struct NarrowArgs {
  const float* source;
  uint16_t* target;
  int64_t source_step, target_step;  ///< bytes
  int64_t count;  ///< >= 1
};
Code narrow_code(Level level);

/// Null when memory for code is refused.
std::shared_ptr<const ConvCall> make_narrow(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);
/// The code of calls at these sizes, or at any where extents are open.
void generate_narrow(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);

}  // namespace chorus::jit
