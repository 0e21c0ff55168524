#include <graph/infer.h>
#include <graph/pass.h>
#include <graph/verify.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus {
namespace {

constexpr Pass kNeeded[] = {
    {"close_bodies", passes::close_bodies, "outer values that bodies read become operands of their node"},
    {"inline_functions", passes::inline_functions, "calls of model-local functions are replaced by their bodies"},
    {"eliminate_dead", passes::eliminate_dead, "what no output needs goes away"},
    {"to_newest", passes::to_newest, "every node is brought to the newest version of its operator"},
    {"decompose_missing", passes::decompose_missing, "operators without a kernel are expressed by simpler ones"},
    {"eliminate_dead", passes::eliminate_dead, "what no output needs goes away"},
};
constexpr Pass kOptimizing[] = {
    kNeeded[0], kNeeded[1], kNeeded[2], kNeeded[3],
    {"fold_constants", passes::fold_constants, "what depends on constants alone is computed once"},
    {"remove_identity", passes::remove_identity, "nodes that change nothing go away"},
    {"cancel_movement", passes::cancel_movement, "transposes and reshapes that undo each other cancel"},
    {"eliminate_common", passes::eliminate_common, "equal computations are done once"},
    {"fold_batch_norm", passes::fold_batch_norm, "batch normalisation goes into the weights before it (rounding differs in the last bits)"},
    {"fold_constants", passes::fold_constants, "what depends on constants alone is computed once"},
    {"remove_identity", passes::remove_identity, "nodes that change nothing go away"},
    kNeeded[4], kNeeded[5],
};

}  // namespace

std::span<const Pass> default_passes(int level) {
  if (level > 0) return kOptimizing;
  return kNeeded;
}

void run_passes(Graph& graph, std::span<const Pass> passes, PassContext& context) {
  for (const Pass& pass : passes) {
    const int changes = pass.run(graph, context);
#ifndef NDEBUG
    verify(graph);
#endif
    if (changes > 0 && (pass.run == passes::to_newest || pass.run == passes::fold_constants || pass.run == passes::decompose_missing ||
                        pass.run == passes::cancel_movement)) {
      infer_types(graph);
    }
  }
}

void select_outputs(Graph& graph, std::span<const std::string> names) {
  std::vector<ValueId> outputs;
  for (const std::string& name : names) {
    const ValueId id = graph.find_value(name);
    if (id == kNone) {
      std::string known;
      for (ValueId out : graph.outputs()) known += (known.empty() ? "" : ", ") + graph.value(out).name;
      throw Error(Code::not_found, fmt::format("the model has no value \"{}\"", name), {}, "outputs of the model: " + known);
    }
    outputs.push_back(id);
  }
  graph.set_outputs(std::move(outputs));
  PassContext context;
  passes::eliminate_dead(graph, context);
}

}  // namespace chorus
