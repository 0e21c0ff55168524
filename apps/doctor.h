// The doctor: what an engine answered against a float64 oracle, node by node, down to the first node that it computes wrongly.
#pragma once
#include "engine_runs.h"

#include <string>
#include <utility>
#include <vector>

namespace chorus::app {

struct NodeError {
  NodeId id = kNone;
  std::string value, node, op;
  Difference total;  ///< against the oracle of the whole model
  Difference own;  ///< against the oracle of this node alone, on the values that the engine gave it
};

struct Diagnosis {
  std::string engine, reason;
  std::vector<std::pair<std::string, Difference>> outputs;
  std::vector<NodeError> nodes;  ///< in the order of the graph
  const NodeError* first = nullptr;
};

/// Whether a value is near enough to the oracle's: within the tolerance, or for half-width types in units of their own last place.
bool agrees(const std::string& op, const Difference& d, double tolerance);

/// Measures every node's values that both runs have, in the order of the graph; `first` is the first that does not agree.
Diagnosis examine(const Model& model, const EngineRun& run, const EngineRun& oracle, const NamedValues& inputs,
                  const ComparisonOptions& options);

/// The report's first wrong node as the model `path`, beside it its inputs as .npz and a text for the engine's makers as .md. Throws
/// Error(unsupported) where the node cannot stand alone.
void write_minimal(const Model& model, const Diagnosis& report, const EngineRun& run, const NamedValues& inputs,
                   const ComparisonOptions& options, const std::string& path);

/// Gives every node a name, so that it can be spoken of.
Model with_node_names(const Model& model);

}  // namespace chorus::app
