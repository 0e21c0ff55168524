// Fixture models: small networks with random weights, made from a seed, for tests, benchmarks and examples.
#pragma once
#include <graph/graph.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace chorus::app {

struct Fixture {
  std::string_view name, what;
  void (*build)(Graph& graph, uint64_t seed);
};

std::span<const Fixture> fixtures();
/// Error(not_found) names the known ones. The same seed gives the same bytes on every machine.
Model make_fixture(std::string_view name, uint64_t seed = 7);

}  // namespace chorus::app
