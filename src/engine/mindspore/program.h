// The walk: a graph as a list of steps over slots, made once, run by many instances.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "table.h"

namespace chorus_mindspore {

struct Walk;

/// What a step made of a constant operand, shared by all runs.
struct Prepared {
  std::mutex lock;
  Tensor tensor;
};

struct Step {
  const Row* row = nullptr;
  const ch_node* node = nullptr;
  int32_t index = -1;                  ///< in ch_graph.nodes; -1 in bodies
  std::vector<int32_t> in, out;        ///< slots, -1: omitted
  std::vector<int> out_types;          ///< as the graph says; kNoType: not known
  std::vector<const ch_type*> out_declared;
  std::vector<int32_t> ends;           ///< slots that nobody reads after this step
  int32_t constant = -1;               ///< the slot of operand 1 where it is a constant, else -1
  std::shared_ptr<Prepared> prepared = std::make_shared<Prepared>();
  int narrow = kNoType, wide = kNoType;   ///< operands of the one are computed in the other
  std::vector<std::shared_ptr<const Walk>> bodies;
  std::vector<std::string_view> body_names;
  std::vector<int32_t> captured;       ///< slots that the bodies take behind their own inputs
};

struct Walk {
  std::vector<Step> steps;
  std::vector<int32_t> inputs, outputs;    ///< slots
  std::vector<const ch_type*> output_types;
  std::vector<Slot> start;                 ///< what the slots hold before a run: constants
  /// Runs the steps; `slots` begins as a copy of `start` with the inputs in it. Throws Failure.
  void run(Slot* slots, const Run& with) const;
};

/// Throws Failure.
std::shared_ptr<const Walk> make_walk(const ch_graph& graph, bool top);

}  // namespace chorus_mindspore
