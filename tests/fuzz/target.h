// What is fuzzed: one Target per file `<name>_fuzz.cpp`. The same targets run as programs of libFuzzer (`./dev fuzz`, libfuzzer.cpp) and, for
// seconds, in the default tests (fuzz_test.cpp).
#pragma once
#include "hostile/bytes.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::fuzz {

using testing::Random;
using testing::Seed;

struct Target {
  const char* name;
  const char* what;  ///< "the ONNX reader"
  /// One input through the code. What leaves it as an exception, crashes, hangs or grows is a finding.
  void (*run)(std::string_view bytes);
  std::vector<Seed> (*seeds)();
  /// An input changed in its own terms (fields, chunks, tokens); `other`: another seed. Null: by bytes alone.
  std::string (*change)(std::string_view bytes, std::string_view other, Random& random);
  int seconds;  ///< processor time that one input may take in an optimised build
};

extern const Target onnx, shapes, passes, plan, versions, image, program, tensor, arrays, pictures, processing, config;
std::span<const Target* const> all_targets();

/// Calls `action`; an Error that says something is what bad input should give. Throws std::logic_error for Error(internal), an Error
/// without a sentence, and a lack of memory.
void bounded(void (*action)(std::string_view), std::string_view bytes);

/// Changed by `change` or by bytes.
std::string changed(const Target& target, std::string_view bytes, std::string_view other, Random& random);

/// One model per operator of the table, control flow, functions, networks; at most 16 KiB each.
std::vector<Seed> model_seeds();
/// Fields, dimensions, attributes, edges, operators of a model.
std::string change_model(std::string_view bytes, std::string_view other, Random& random);
/// Numbers of 4 and 8 bytes in their places: offsets, sizes, counts.
std::string change_numbers(std::string_view bytes, std::string_view other, Random& random);
/// Tokens of a text in JSON's form.
std::string change_json(std::string_view bytes, std::string_view other, Random& random);

}  // namespace chorus::fuzz
