// The structure of a capture: a key for the cache of programs, and the graph that is compiled for it. Sizes are not part of it, only
// which of them are 1 and which are equal; of values only those of small integers that a shape rule may read.
#pragma once
#include <graph/graph.h>
#include <tensor/capture.h>

#include <memory>
#include <string>
#include <vector>

namespace chorus {

struct Structure {
  std::string key;
  bool cacheable = true;  ///< false: an attribute that has no key
  std::vector<int32_t> leaf_at;  ///< inputs of the graph: index into Capture::leaves
  std::vector<char> baked;  ///< per leaf: a constant of the graph
  std::vector<char> used;  ///< per leaf: read by a node
  std::vector<int32_t> outputs;  ///< outputs of the graph: value numbers
};
Structure describe(const Capture& captured);
/// Types are inferred. Throws Error where rules that held for the numbers do not hold for symbols.
std::shared_ptr<const Graph> to_graph(const Capture& captured, const Structure& structure);

}  // namespace chorus
