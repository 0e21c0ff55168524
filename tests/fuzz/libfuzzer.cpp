// One target as a program of libFuzzer. `--seeds=FOLDER` writes the seeds there and ends.
#include "fuzz/target.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace {

const chorus::fuzz::Target& target() { return chorus::fuzz::CHORUS_FUZZ_TARGET; }

const std::vector<chorus::fuzz::Seed>& seeds() {
  static const auto* const all = new std::vector<chorus::fuzz::Seed>(target().seeds());
  return *all;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  constexpr const char* kSeeds = "--seeds=";
  for (int i = 1; i < *count; ++i) {
    if (std::strncmp((*arguments)[i], kSeeds, std::strlen(kSeeds)) != 0) continue;
    const std::filesystem::path folder = (*arguments)[i] + std::strlen(kSeeds);
    std::filesystem::create_directories(folder);
    int number = 0;
    for (const auto& seed : seeds()) std::ofstream(folder / std::to_string(number++), std::ios::binary) << seed.bytes;
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  target().run({reinterpret_cast<const char*>(data), size});
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned number) {
  chorus::fuzz::Random random(number);
  random.next();
  if (target().change == nullptr || random.chance(40)) return LLVMFuzzerMutate(data, size, most);
  const std::string_view other = seeds()[random.below(seeds().size())].bytes;
  const std::string bytes = target().change({reinterpret_cast<const char*>(data), size}, other, random);
  if (bytes.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
