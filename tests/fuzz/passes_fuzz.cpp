// The passes of an optimising compile with constants folded by the reference kernels, the verifier after each.
#include "fuzz/models.h"

#include <engine/native/native_engine.h>
#include <graph/pass.h>

namespace chorus::fuzz {
namespace {
void run(std::string_view bytes) {
  const Model model = read(bytes);
  Graph graph(*model.graph);
  const auto evaluator = native::make_evaluator();
  PassContext context;
  context.functions = &model.functions;
  context.evaluator = evaluator.get();
  context.fold_budget_bytes = kMemory;
  context.fold_value_bytes = kMemory / 4;
  context.fold_flops = int64_t{1} << 24;
  context.runs = native::has_kernel;
  context.max_nodes = 1 << 16;
  run_passes(graph, default_passes(1), context);
  run_passes(graph, widening_passes(), context);
}
}  // namespace

const Target passes{"passes",    "the passes", [](std::string_view bytes) { bounded(run, bytes); },
                    model_seeds, change_model, 5};
}  // namespace chorus::fuzz
