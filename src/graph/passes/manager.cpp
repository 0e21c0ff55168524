#include <graph/infer.h>
#include <graph/passes/bodies.h>
#include <graph/verify.h>
#include <ops/chosen.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus {
namespace {

constexpr int kRounds =
    16;   ///< of a group that runs until nothing changes; every pass makes less or orders what is there

constexpr Pass kDead{"eliminate_dead", passes::eliminate_dead, "what no output needs goes away"};
#ifdef CHORUS_LITE
// `chorus convert --lite` has done these; nothing is differentiated there.
constexpr auto* kDone = +[](Graph&, PassContext&) { return 0; };
constexpr Pass kClose{"close_bodies", kDone, ""}, kInline{"inline_functions", kDone, ""},
    kGradient{"expand_gradient", kDone, ""}, kNewest{"to_newest", kDone, ""};
#else
constexpr Pass kClose{"close_bodies", passes::close_bodies,
                      "outer values that bodies read become operands of their node"};
constexpr Pass kInline{"inline_functions", passes::inline_functions,
                       "calls of model-local functions are replaced by their bodies"};
constexpr Pass kGradient{"expand_gradient", passes::expand_gradient,
                         "Gradient nodes are replaced by the derivative of the tensor that they name"};
constexpr Pass kNewest{"to_newest", passes::to_newest, "every node is brought to the newest version of its operator"};
#endif
constexpr Pass kDecompose{"decompose_missing", passes::decompose_missing,
                          "operators without a kernel are expressed by simpler ones"};
constexpr Pass kEinsum{"expand_einsum", passes::expand_einsum,
                       "sums of products of one or two operands become matrix products"};
constexpr Pass kFold{"fold_constants", passes::fold_constants, "what depends on constants alone is computed once",
                     Repeat::until_stable};
constexpr Pass kIdentity{"remove_identity", passes::remove_identity, "nodes that change nothing go away",
                         Repeat::until_stable};
constexpr Pass kArithmetic{"simplify_arithmetic", passes::simplify_arithmetic,
                           "x * 1, x / 1 and their kin go away, x to the power 2 becomes x * x; every bit stays",
                           Repeat::until_stable};
constexpr Pass kMovement{"cancel_movement", passes::cancel_movement,
                         "transposes and reshapes that undo each other cancel", Repeat::until_stable};
constexpr Pass kRows{
    "lift_rows", passes::lift_rows,
    "a product of rows that are folded into a matrix before and unfolded behind takes them as they are",
    Repeat::until_stable};
constexpr Pass kCommon{"eliminate_common", passes::eliminate_common, "equal computations are done once",
                       Repeat::until_stable};
constexpr Pass kBatchNorm{"fold_batch_norm", passes::fold_batch_norm,
                          "batch normalisation and products by channel go into the weights before them; results differ "
                          "by rounding, a few units in the last place "
                          "of the largest term",
                          Repeat::until_stable};
constexpr Pass kSweep{"eliminate_dead", passes::eliminate_dead, "what no output needs goes away", Repeat::until_stable};

constexpr Pass kWiden{"widen_half", passes::widen_half,
                      "chains of float16 or bfloat16 nodes are computed in float32 and rounded at their ends"};

constexpr Pass kNeeded[] = {kClose, kInline, kGradient, kDead, kNewest, kDecompose, kDead};
constexpr Pass kOptimizing[] = {
    kClose,      kInline,     kGradient, kDead,     kNewest,    kEinsum,    kFold,      kIdentity,
    kArithmetic, kRows,       kMovement, kCommon,   kBatchNorm, kSweep,     kDecompose, kFold,
    kIdentity,   kArithmetic, kRows,     kMovement, kCommon,    kBatchNorm, kSweep,
};

constexpr Pass kWidening[] = {kWiden, kFold, kIdentity, kMovement, kCommon, kSweep};

class Runner {
 public:
  Runner(PassContext& context, int depth) : context_(context), depth_(depth) {}
  int run(Graph& graph, std::span<const Pass> list);

 private:
  int apply(Graph& graph, const Pass& pass);
  int run_in_bodies(Graph& graph, std::span<const Pass> list);
  void infer(Graph& graph);
  PassContext& context_;
  int depth_;
  bool typed_ = false;   ///< types are those of the graph as it is
};

// These ask for no types: they come before to_newest, while calls of functions and nodes of old versions are about.
bool needs_types(const Pass& pass) {
  return pass.run != kClose.run && pass.run != kInline.run && pass.run != kGradient.run &&
         pass.run != passes::eliminate_dead && pass.run != passes::eliminate_common && pass.run != kNewest.run;
}

// These look into bodies by themselves.
bool goes_into_bodies(const Pass& pass) {
  return pass.run == kClose.run || pass.run == kInline.run || pass.run == kNewest.run || pass.run == kGradient.run;
}

void Runner::infer(Graph& graph) {
  if (typed_) return;
  if (depth_ == 0)
    infer_types(graph);
  else
    infer_body_graph(graph);
  typed_ = true;
}

int Runner::apply(Graph& graph, const Pass& pass) {
  if (needs_types(pass)) infer(graph);
  const int changes = pass.run(graph, context_);
#ifndef NDEBUG
  verify(graph);
#endif
  if (changes > 0) typed_ = false;
  return changes;
}

int Runner::run(Graph& graph, std::span<const Pass> list) {
  int changes = 0;
  for (size_t i = 0; i < list.size();) {
    size_t end = i + 1;
    if (list[i].repeat == Repeat::once) {
      changes += apply(graph, list[i]);
    } else {
      while (end < list.size() && list[end].repeat == Repeat::until_stable) ++end;
      for (int round = 0; round < kRounds; ++round) {
        int in_round = 0;
        for (size_t k = i; k < end; ++k) in_round += apply(graph, list[k]);
        changes += in_round;
        if (in_round == 0) break;
      }
    }
    i = end;
  }
  return changes + run_in_bodies(graph, list);
}

int Runner::run_in_bodies(Graph& graph, std::span<const Pass> list) {
  constexpr bool kBodies =
      is_chosen("", "If") || is_chosen("", "Loop") || is_chosen("", "Scan") || is_chosen("", "SequenceMap");
  if constexpr (!kBodies) return 0;
  std::vector<Pass> inside;
  std::copy_if(list.begin(), list.end(), std::back_inserter(inside),
               [](const Pass& pass) { return !goes_into_bodies(pass); });
  int changes = 0;
  for (NodeId id = 0; id < graph.node_capacity() && !inside.empty(); ++id) {
    if (!graph.node(id).alive || graph.node(id).op == nullptr || !passes::has_bodies(graph.node(id))) continue;
    if (depth_ >= context_.max_depth)
      throw Error(Code::budget, fmt::format("bodies are nested deeper than {}", context_.max_depth), graph.where(id));
    infer(graph);
    changes += passes::change_bodies(graph, id, passes::BodyTypes::by_node,
                                     [&](Graph& body) { return Runner(context_, depth_ + 1).run(body, inside); });
  }
  return changes;
}

}  // namespace

std::span<const Pass> default_passes(int level) {
  if (level > 0) return kOptimizing;
  return kNeeded;
}

std::span<const Pass> widening_passes() { return kWidening; }

void run_passes(Graph& graph, std::span<const Pass> passes, PassContext& context) {
  Runner(context, 0).run(graph, passes);
  const bool known = [&] {
    for (NodeId id = 0; id < graph.node_capacity(); ++id) {
      if (graph.node(id).alive && graph.node(id).op == nullptr) return false;
    }
    return true;
  }();
  // Types, and checks for bind, of the graph as it is now. Where an operator has no row the engine's refusal says more.
  if (known) infer_types(graph);
}

void select_outputs(Graph& graph, std::span<const std::string> names) {
  PassContext context;
  passes::close_bodies(graph, context);  // bodies name what they read: it must not go away
  std::vector<ValueId> outputs;
  for (const std::string& name : names) {
    const ValueId id = graph.find_value(name);
    if (id == kNone) {
      std::string known;
      for (ValueId out : graph.outputs()) known += (known.empty() ? "" : ", ") + graph.value(out).name;
      throw Error(Code::not_found, fmt::format("the model has no value \"{}\"", name), {},
                  "outputs of the model: " + known);
    }
    outputs.push_back(id);
  }
  graph.set_outputs(std::move(outputs));
  passes::eliminate_dead(graph, context);
}

}  // namespace chorus
