// A graph for given sizes of its inputs: compiled functions, one per operator, and where their tensors lie.
#pragma once
#include <memory>

#include "compile.h"
#include "facts.h"

namespace chorus_tvm {

/// Where a value lies in a run.
struct Place {
  enum class Kind : uint8_t { none, input, constant, output, arena } kind = Kind::none;
  int64_t at = 0;   ///< number of the input or output, or bytes from the arena's begin
  int32_t root = -1;   ///< the value whose memory it is: another's where it is the same elements
};

struct Step {
  int32_t node = -1;
  size_t function = 0;
  std::vector<int32_t> values;   ///< what it reads, then what it makes
};

struct Plan {
  const ch_graph* graph = nullptr;
  std::vector<Dims> input_dims;
  std::vector<Known> values;
  std::vector<Place> places;
  std::vector<Step> steps;
  std::vector<Value> funcs;   ///< as TVM's intermediate form
  Module module;
  uint64_t arena = 0;   ///< bytes
  Facts facts;   ///< values that follow from sizes and constants alone
};

/// What is known of each value when the inputs have these sizes; an input of unknown sizes keeps them where `inputs` is null.
std::vector<Known> known_values(const ch_graph& graph, const std::vector<Dims>* inputs);
/// Why each node is refused; empty: it is taken.
std::vector<std::string> refusals(const ch_graph& graph);
/// Throws Failure.
std::shared_ptr<const Plan> make_plan(const ch_graph& graph, const std::vector<Dims>& inputs);

}  // namespace chorus_tvm
