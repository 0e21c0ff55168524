// What the targets over models share.
#pragma once
#include "fuzz/target.h"

#include <graph/graph.h>

namespace chorus::fuzz {

inline constexpr int64_t kMemory = int64_t{64} << 20;   ///< bytes of tensors that reading or folding may make

/// Reads ONNX bytes with small limits; the bytes live as long as the model.
Model read(std::string_view bytes);

}  // namespace chorus::fuzz
