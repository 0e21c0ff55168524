// The shape rules of all versions, and the small values that they compute.
#include "fuzz/models.h"

#include <graph/infer.h>
#include <graph/pass.h>

namespace chorus::fuzz {
namespace {
void run(std::string_view bytes) {
  const Model model = read(bytes);
  Graph graph(*model.graph);
  PassContext context;
  context.functions = &model.functions;
  chorus::passes::inline_functions(graph, context);
  chorus::passes::close_bodies(graph, context);
  infer_types(graph);
}
}  // namespace

const Target shapes{"shapes",    "the shape rules", [](std::string_view bytes) { bounded(run, bytes); },
                    model_seeds, change_model,      2};
}  // namespace chorus::fuzz
