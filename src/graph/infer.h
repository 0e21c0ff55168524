// Type, shape and small-value inference over a graph by the rows' rules.
#pragma once
#include <graph/graph.h>

namespace chorus {

struct InferOptions {
  int64_t max_value_elements = 1024;   ///< operands up to this many elements are propagated as values
  int max_depth = 64;                  ///< nested bodies
};

/// Fills in the types (and symbolic values) of all values in order; declared types are met with the inferred ones. Graph inputs' named
/// and unnamed dynamic dimensions become symbols. Throws Error with node, operator and file offset. Nodes without a row throw
/// Error(unsupported) unless they are calls that a pass will inline.
CHORUS_API void infer_types(Graph& graph, const InferOptions& options = {});
/// One node, whose operands' types are known. Used by builders and passes for the nodes that they add.
CHORUS_API void infer_node(Graph& graph, NodeId node, const InferOptions& options = {});
/// Output types of a node from operand types and values, without a graph (eager calls). `constants[i]` may be null.
CHORUS_API std::vector<Type> infer_call(const OpDef& op, const Attributes& attributes, std::span<const Type> inputs,
                                        std::span<const Value* const> constants, int outputs, std::string_view where = {});

/// Checks operand and output counts, required attributes, attribute kinds, and element types against the schema of the node's version.
/// Throws Error naming node, operand and what is allowed. `infer_node` calls it first.
CHORUS_API void check_node(const Graph& graph, const Node& node, NodeId id);

/// Builds into a graph in place of a node: decompositions and version steps. The node stays until replace() is called.
class CHORUS_API Expander {
 public:
  using Rule = Expansion (*)(OpBuilder&);
  /// Applies `rule` to node; true: the node was replaced by what the rule built. On a refusal returns false and leaves `reason`.
  static bool expand(Graph& graph, NodeId node, Rule rule, std::string* reason);
};

}  // namespace chorus
