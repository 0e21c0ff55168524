// A compiled program as the compile cache keeps it: loaded and bound. The cache's own checksums stand before it; this is what lies behind them.
#include "fuzz/models.h"

#include <engine/native/native_engine.h>

namespace chorus::fuzz {
namespace {

constexpr size_t kLine = 64;

CompileOptions options() {
  CompileOptions options;
  options.memory_budget = kMemory;
  return options;
}

void run(std::string_view bytes) {
  // Packs are used in place: at a multiple of 64, as a mapped file is.
  auto owner = std::make_shared<std::vector<char>>(bytes.size() + kLine);
  char* const at = owner->data() + (kLine - reinterpret_cast<uintptr_t>(owner->data()) % kLine) % kLine;
  bytes.copy(at, bytes.size());
  const auto program = native::make_native_engine()->load({at, bytes.size()}, owner, options());
  static_cast<void>(program->instance());
}

std::vector<Seed> seeds() {
  std::vector<Seed> programs;
  const auto engine = native::make_native_engine();
  for (const Seed& seed : model_seeds()) {
    if (seed.name != "convbnrelu" && seed.name != "loop" && seed.name != "Conv_0" && seed.name != "MatMul_0" &&
        seed.name != "Gemm_0" && seed.name != "branch3")
      continue;
    std::string bytes;
    engine->save(*engine->compile(read(seed.bytes), options()), [&](std::span<const std::byte> part) {
      bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
    });
    programs.push_back({seed.name, std::move(bytes)});
  }
  return programs;
}

}  // namespace

const Target program{"program",
                     "a compiled program from the cache",
                     [](std::string_view bytes) { bounded(run, bytes); },
                     seeds,
                     change_numbers,
                     5};
}  // namespace chorus::fuzz
