// Drawn digits: pictures with known answers for tests, examples and benchmarks.
#pragma once
#include <format/npz/npz.h>

#include <cstdint>

namespace chorus::app {

/// "image" float32 [count, 1, 28, 28], ink 0 to 1 with noise, and "labels" int64 [count], 0 to 9: strokes of random slant, place,
/// size and width. Picture i depends on the seed and i alone.
NamedValues make_digits(int64_t count, uint64_t seed = 7);

}  // namespace chorus::app
