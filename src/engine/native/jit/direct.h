// Direct convolutions with generated tiles.
#pragma once
#include <engine/native/jit/code_cache.h>
#include <engine/native/jit/geometry.h>
#include <engine/native/jit/tile_code.h>

namespace chorus::jit {

/// From the code cache, generated when it is new; null when memory for code is refused.
Kernel find_tile_kernel(const TileKey& key);

/// Null when memory for code is refused. level: avx2 or avx512.
std::shared_ptr<const ConvCall> make_direct(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);

}  // namespace chorus::jit
