// Type, shape and small-value inference over a graph by the rows' rules.
#pragma once
#include <graph/graph.h>

namespace chorus {

struct InferOptions {
  int64_t max_value_elements = 1024;   ///< operands up to this many elements are propagated as values
  int max_depth = 64;                  ///< nested bodies
  int64_t max_body_work =
      int64_t{1} << 20;  ///< nodes and values of bodies visited in one call: loops in loops are inferred several times
};

/// Fills in the types (and symbolic values) of all values in order; declared types are met with the inferred ones. Graph inputs' named
/// and unnamed dynamic dimensions become symbols. Throws Error with node, operator and file offset. Nodes without a row throw
/// Error(unsupported) unless they are calls that a pass will inline.
CHORUS_API void infer_types(Graph& graph, const InferOptions& options = {});
/// One node, whose operands' types are known. Used by builders and passes for the nodes that they add.
CHORUS_API void infer_node(Graph& graph, NodeId node, const InferOptions& options = {});
/// Every node in order, like infer_types, but for a body: unknown dimensions of inputs stay unknown (a body has no names of its own for them).
CHORUS_API void infer_body_graph(Graph& body, const InferOptions& options = {});
/// "x.0" for the unknown dimension 0 of input x: inside one run it is one number. infer_types begins with it.
CHORUS_API void name_input_dims(Graph& graph);
/// Types of a body's inputs that hold in every iteration, for the operand types of its node (which are known). Kind none: not known.
CHORUS_API std::vector<Type> body_input_types(Graph& graph, NodeId node, std::string_view attribute,
                                              const InferOptions& options = {});
/// Output types of a node from operand types and values, without a graph (eager calls). `constants[i]` may be null; `captured`: types of
/// what its bodies read besides their formal inputs.
CHORUS_API std::vector<Type> infer_call(const OpDef& op, const Attributes& attributes, std::span<const Type> inputs,
                                        std::span<const Value* const> constants, int outputs,
                                        std::string_view where = {}, std::span<const Type> captured = {});

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
