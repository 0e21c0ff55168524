// Bodies of If, Loop, Scan: attributes hold them shared and immutable, so a pass changes a copy that then takes the body's place.
#pragma once
#include <core/function_ref.h>
#include <graph/pass.h>

namespace chorus::passes {

bool has_bodies(const Node& node) noexcept;
/// The strongest effect of the operator and of what its bodies hold.
Effect effect_of(const Node& node);
/// Whether the node, of the newest version of a row of ai.onnx, is this operator.
bool is_newest(const Node& node, std::string_view type) noexcept;
/// The value of a constant operand that no caller can override, else null.
const Value* constant_operand(const Graph& graph, const Node& node, size_t operand) noexcept;
/// Whether a Dropout of the newest version draws nothing.
bool is_inference_dropout(const Graph& graph, const Node& node);

/// What the inputs of a body are taken to be while `change` runs.
enum class BodyTypes : uint8_t {
  as_they_are,
  by_node,  ///< what the node gives them
  by_node_unshaped  ///< the same without shapes
};
/// Calls `change` with a copy of every body; where it returns more than 0 the copy becomes the body. Returns the sum.
int change_bodies(Graph& graph, NodeId node, BodyTypes types, FunctionRef<int(Graph&)> change);

}  // namespace chorus::passes
