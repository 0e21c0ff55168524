#include "fuzz/models.h"

#include "hostile/corpus.h"
#include "hostile/damage.h"

#include <format/onnx/onnx.h>

#include <set>

namespace chorus::fuzz {

Model read(std::string_view bytes) {
  onnx::ReadLimits limits;
  limits.tensor_bytes = kMemory;
  const auto owner = std::make_shared<const std::string>(bytes);
  return onnx::read_model(*owner, owner, {}, "fuzz", limits);
}

std::vector<Seed> model_seeds() {
  std::vector<Seed> seeds;
  std::set<std::string> names;
  for (Seed& seed : testing::make_corpus()) {
    // "Add_0", "Add_1" …: cases of one operator; others stand for themselves.
    const size_t line = seed.name.rfind('_');
    const bool numbered = line != std::string::npos && line + 1 < seed.name.size() &&
                          seed.name.find_first_not_of("0123456789", line + 1) == std::string::npos;
    if (seed.bytes.size() > 16384 || !names.insert(numbered ? seed.name.substr(0, line) : seed.name).second) continue;
    seeds.push_back(std::move(seed));
  }
  return seeds;
}

std::string change_model(std::string_view bytes, std::string_view, Random& random) {
  std::string how;
  return testing::damage_structure(bytes, random, how);
}

}  // namespace chorus::fuzz
