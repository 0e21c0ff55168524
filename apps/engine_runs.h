// One model on several engines and as an oracle in float64, with every value of every node: what compare and check look at.
#pragma once
#include "difference.h"
#include "model_options.h"

#include <format/npz/npz.h>
#include <graph/graph.h>

#include <map>
#include <string>
#include <vector>

namespace chorus::app {

/// What sub-commands ask that run one model on several engines.
struct ComparisonOptions {
  ModelOptions model;
  std::vector<std::string> engines, inputs, shapes;
  double tolerance = 1e-4;  ///< largest |a - b| / max(1, |b|)
  uint64_t seed = 7;
  bool json = false;
};
/// The options of a model but --engine, and those above; `which` describes --engines.
void add_comparison_options(Arguments command, ComparisonOptions& options, const std::string& which);

/// The model with every tensor that a node makes as an output, after the outputs that it has.
Model with_all_outputs(const Model& model);

/// The model computed in float64: constants, inputs and types of floats are widened; operators that take no float64 get float32 between
/// casts. Throws Error(unsupported) for models with bodies (If, Loop, Scan).
Model in_float64(const Model& model);

/// Values of the inputs, as `--input`, `--shape` and the seed say, in the order of the model's inputs.
NamedValues input_values(const ModelOptions& options, const std::vector<std::string>& inputs,
                         const std::vector<std::string>& shapes, uint64_t seed);

struct EngineRun {
  std::string engine;
  std::string reason;  ///< why it could not run; empty: it did
  Code code = Code::ok;  ///< of that
  std::map<std::string, Value> values;  ///< by name
};
/// Compiles without optimisation and runs once; errors of the engine become the reason. Inputs are converted to the types of the model.
EngineRun run_on(const std::string& engine, const Model& model, const NamedValues& inputs, const ModelOptions& options);
enum class Watched { every_value, outputs };
/// The oracle: float64 where the model allows it, else the plain kernels; `engine` says which.
EngineRun run_oracle(const Model& model, const NamedValues& inputs, const ModelOptions& options,
                     Watched watched = Watched::every_value);

}  // namespace chorus::app
