// Values that follow from sizes and constants alone: the shapes that operators compute of shapes. Whole numbers, few of them.
#pragma once
#include <deque>

#include "table.h"

namespace chorus_tvm {

/// Elements of values that were computed ahead; what Known::constant points to.
class Facts {
 public:
  /// Computes the outputs of a node where its operands are known; false where it does not.
  bool compute(const ch_graph& graph, const ch_node& node, std::vector<Known>& known);

 private:
  struct Fact {
    Dims dims;
    std::vector<char> bytes;
    ch_value value{};
  };
  void state(Known& known, Dims dims, int type, const Dims& elements);
  std::deque<Fact> facts_;
};

}  // namespace chorus_tvm
