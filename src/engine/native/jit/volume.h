// Convolutions of volumes as sums of convolutions of their slices.
#pragma once
#include <engine/native/jit/geometry.h>

namespace chorus::jit {

/// Null when memory for code is refused.
std::shared_ptr<const ConvCall> make_volume(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);
/// The code of calls at these sizes, or at any where extents are open.
void generate_volume(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);

}  // namespace chorus::jit
