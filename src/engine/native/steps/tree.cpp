// Trees: the nodes are read and laid out once, not in every run.
#include <engine/native/reference/forest.h>
#include <engine/native/steps/support.h>

namespace chorus::native::steps {
namespace {

struct PreparedForest final : Prepared {
  std::unique_ptr<const Forest> forest;
  int64_t bytes() const noexcept override { return forest->bytes(); }
};

bool accepts(const StepDescription& step) { return step.in(0).is_tensor() && step.in(0).dtype != DType::undefined; }

template <TreeOp op>
std::shared_ptr<const Prepared> prepare(const StepDescription& step) {
  auto p = std::make_shared<PreparedForest>();
  p->forest = Forest::build(op, step.n().attrs(), step.in(0).dtype);
  return p;
}

Status run(KernelContext& ctx) noexcept { return static_cast<const PreparedForest*>(ctx.prepared)->forest->run(ctx); }

}  // namespace

std::span<const Candidate> tree_steps() {
  static const Candidate list[] = {
      {.op = "TreeEnsemble",
       .name = "forest",
       .accepts = accepts,
       .epilogues = 0,
       .prepare = prepare<TreeOp::ensemble>,
       .scratch = nullptr,
       .run = run,
       .domain = "ai.onnx.ml"},
      {.op = "TreeEnsembleClassifier",
       .name = "forest",
       .accepts = accepts,
       .epilogues = 0,
       .prepare = prepare<TreeOp::classifier>,
       .scratch = nullptr,
       .run = run,
       .domain = "ai.onnx.ml"},
      {.op = "TreeEnsembleRegressor",
       .name = "forest",
       .accepts = accepts,
       .epilogues = 0,
       .prepare = prepare<TreeOp::regressor>,
       .scratch = nullptr,
       .run = run,
       .domain = "ai.onnx.ml"},
  };
  return list;
}

}  // namespace chorus::native::steps
