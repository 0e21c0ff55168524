// Gradient graphs against central differences of the graphs that they were made from.
#pragma once
#include <graph/graph.h>

#include <cstdint>
#include <string>
#include <vector>

namespace chorus {

/// All outputs of a graph, node by node with the reference kernels; random nodes draw the same numbers every time.
std::vector<Value> run_once(const Graph& graph, const std::vector<Value>& inputs);

struct Differences {
  int64_t checked = 0;       ///< derivatives that were compared
  int64_t skipped = 0;       ///< the function is not smooth there, or not finite
  int64_t refused = 0;       ///< rules that ask for more than symbolic shapes tell
  std::vector<std::string> failures;
  Differences& operator+=(const Differences& o);
};
struct DifferenceOptions {
  uint64_t seed = 1;
  int samples = 10;          ///< elements per input
  int order = 1;             ///< 2: the gradient graph is differentiated and compared as well
  bool symbolic = true;      ///< also with every extent unknown when the gradient graph is made
  std::vector<int> ignored;  ///< inputs whose gradient is not defined
  int bits = 64;             ///< of the narrowest type that the function computes in
};

/// `graph` has one input per value of `inputs`, newest versions, types inferred. Gradients of a random weighted sum of all its
/// differentiable outputs with regard to all its differentiable inputs.
Differences compare_with_differences(const Graph& graph, const std::vector<Value>& inputs,
                                     const DifferenceOptions& options, const std::string& what);

}  // namespace chorus
