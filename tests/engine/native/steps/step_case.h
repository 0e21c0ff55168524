// What the tests of steps share: a small graph through the native engine, against the same graph node by node by
// reference kernels.
#pragma once
#include <engine/native/exec/instance.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph_case.h"

namespace chorus::testing {

/// Runs `c` by the engine with 1 and 3 threads, twice each, and compares with the reference kernels; all runs must
/// agree in every bit.
/// `kernel`: the beginning of the name that the first step's kernel must have. Returns the names of all steps' kernels.
std::vector<std::string> expect_steps(const GraphCase& c, const std::vector<Value>& inputs, double tolerance,
                                      std::string_view kernel, const std::string& what = {});
/// Compiles without passes; operators must be of their newest versions.
std::shared_ptr<native::NativeProgram> compile_steps(const Graph& graph, int threads = 1, int optimize = 1);

/// Numbers for random cases, the same on every machine.
class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  int64_t roll(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  bool coin() { return roll(0, 1) == 1; }
  Value floats(const Shape& shape) { return noise(shape, engine_()); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace chorus::testing
