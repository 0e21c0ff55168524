// The walk: a graph as a list of steps over slots, made once, run by many instances.
#pragma once
#include <deque>
#include <vector>

#include "table.h"

namespace chorus_paddle {

struct Step {
  const Row* row = nullptr;
  const ch_node* node = nullptr;
  const ch_graph* graph = nullptr;
  int32_t index = -1;                  ///< in ch_graph.nodes; -1 in bodies
  std::vector<int32_t> in, out;        ///< slots, -1: omitted
  std::vector<Type> out_types;   ///< as the graph says; Undefined: not known
  std::vector<int32_t> ends;           ///< slots that nobody reads after this step
  Widen widen = Widen::none;           ///< only where an operand is of a type that needs it
  std::vector<std::shared_ptr<const Walk>> bodies;   ///< in the order of ONNX's attributes of kind graph, by name
  std::vector<std::string_view> body_names;
  std::vector<int32_t> captured;       ///< slots that the bodies take behind their own inputs
};

struct Walk {
  std::vector<Step> steps;
  std::vector<int32_t> inputs, outputs;    ///< slots
  std::vector<Slot> start;  ///< what the slots hold before a run: constants, and what follows from them alone
  /// Runs the steps; `slots` begins as a copy of `start` with the inputs in it, and is `start` with the outputs in it afterwards.
  void run(Slot* slots, const RunContext& context) const;
};

/// Throws Failure. `top`: steps that depend on constants alone are computed now.
std::shared_ptr<const Walk> make_walk(const ch_graph& graph, bool top);

/// Turns what PaddlePaddle threw in a step into a Failure with the operator and the node.
[[noreturn]] void rethrow(const Step& step);

}  // namespace chorus_paddle
