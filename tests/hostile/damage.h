// Damaged models: by structure (fields, dimensions, attributes, edges, types, operators, nesting), which stay well-formed protobuf, and
// by bytes. A damage depends on (seed, number, corpus) alone.
#pragma once
#include "hostile/bytes.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace chorus::testing {

struct Damaged {
  std::string bytes;
  std::string how;  ///< "reshape_3: dims of a tensor, operator Add becomes Conv"
};

/// Even numbers are damaged in structure, odd ones in their bytes. Files stay below 1 MiB.
Damaged make_mutant(std::span<const Seed> corpus, uint64_t seed, uint64_t number);
/// An ONNX model damaged in structure; as it is where the bytes are no message.
std::string damage_structure(std::string_view model, Random& random, std::string& how);

}  // namespace chorus::testing
