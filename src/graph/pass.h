// Passes: functions from graph to graph, one per file in graph/passes/.
#pragma once
#include <chorus/result.h>
#include <graph/graph.h>

#include <span>
#include <string_view>
#include <vector>

namespace chorus {

/// How passes compute with constants: implemented by an engine (the native one), so that this layer knows none.
class ConstantEvaluator {
 public:
  virtual ~ConstantEvaluator() = default;
  virtual Result<std::vector<Value>> evaluate(const Graph& graph, NodeId node, std::span<const Value> inputs) = 0;
};

struct PassContext {
  ConstantEvaluator* evaluator = nullptr;       ///< null: nothing is folded
  int64_t fold_budget_bytes = int64_t{256} << 20;  ///< bytes that folding may produce in all
  int64_t fold_value_bytes = int64_t{64} << 20;    ///< of one folded value
  int64_t fold_flops = int64_t{2} << 30;           ///< work that folding may spend
  const std::vector<Function>* functions = nullptr;  ///< model-local functions, for inlining
  bool (*keeps)(const Graph&, NodeId) =
      nullptr;  ///< nodes of constants that are not folded: the target computes with what they read; null: none
  bool (*runs)(const Node&) =
      nullptr;  ///< whether the target has a kernel for the newest version; null: it runs everything
  int64_t max_nodes = 1 << 20;  ///< a pass that would grow the graph past this throws Error(budget)
  int max_depth = 64;
};

enum class Repeat : uint8_t {
  once,
  until_stable
};  ///< neighbours that are until_stable run in turn until none changes anything

struct Pass {
  std::string_view name;
  /// Returns the number of changes made. May throw Error.
  int (*run)(Graph&, PassContext&);
  std::string_view what;  ///< one sentence for `chorus ir --passes`
  Repeat repeat = Repeat::once;
};

namespace passes {
int inline_functions(Graph&, PassContext&);  ///< model-local functions (iterative, cycle check, depth bound)
int close_bodies(Graph&, PassContext&);  ///< outer values captured by If/Loop/Scan bodies become inputs of the node
int expand_gradient(Graph&,
                    PassContext&);  ///< Gradient (ai.onnx.preview.training) → the nodes that compute what it names
int to_newest(Graph&, PassContext&);  ///< every node to the newest version of its row
int decompose_missing(
    Graph&, PassContext&);  ///< operators that the caller cannot run, by their rows' decomposition (see set below)
int fold_constants(Graph&, PassContext&);
int eliminate_dead(Graph&, PassContext&);  ///< keeps only ancestors of the outputs (and ordered effects)
int eliminate_common(Graph&, PassContext&);  ///< common sub-expressions (pure operators)
int remove_identity(
    Graph&, PassContext&);  ///< Identity, Dropout at inference, no-op Cast/Reshape/Transpose/Pad/Concat of one …
int simplify_arithmetic(Graph&, PassContext&);  ///< x + -0, x * 1, x / 1, pow(x, 2): rewrites that keep every bit
int cancel_movement(
    Graph&,
    PassContext&);  ///< Transpose∘Transpose, Reshape∘Reshape, Squeeze∘Unsqueeze, Transpose through element-wise to cancel
int expand_einsum(Graph&,
                  PassContext&);  ///< Einsum of one or two operands of float32 → Transpose, Reshape, MatMul or Mul
int lift_rows(Graph&, PassContext&);  ///< Gemm between two Reshapes that only fold and unfold rows → MatMul + Add
int fold_batch_norm(Graph&, PassContext&);  ///< Conv/ConvTranspose/Gemm + BatchNormalization → weights
int widen_half(Graph&,
               PassContext&);  ///< chains of float16 or bfloat16 nodes in float32, rounded where values leave the chain
}  // namespace passes

/// The passes of an optimising compile, in order; `level` 0: only what is needed to run (inline, close, to_newest, dead code).
CHORUS_API std::span<const Pass> default_passes(int level);
/// After those, for an engine without kernels of its own for float16 and bfloat16: chains of such nodes are computed in float32.
CHORUS_API std::span<const Pass> widening_passes();
/// Runs them with the verifier after each (debug builds and tests), types inferred before and after. Throws Error.
/// The same passes run in the bodies of If, Loop and Scan afterwards.
CHORUS_API void run_passes(Graph& graph, std::span<const Pass> passes, PassContext& context);
/// Keeps only what the given outputs need (their names); throws Error(not_found) naming one that is unknown. Closes bodies first.
CHORUS_API void select_outputs(Graph& graph, std::span<const std::string> names);

}  // namespace chorus
