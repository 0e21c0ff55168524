// Gradients as a function from graph to graph: nodes that compute them are added by the rules of the rows.
#pragma once
#include <graph/graph.h>

#include <span>
#include <string>
#include <vector>

namespace chorus {

/// What add_gradients found.
struct Gradients {
  std::vector<ValueId> of;         ///< one per value that was asked for, of its type; kNone: nothing flows there
  std::vector<NodeId> blocked;  ///< nodes on a path from an input to an output whose rows have no gradient, in order
};

/// Whether gradients flow along values of this type: floats and complex numbers, and sequences and optionals of them.
bool is_differentiable(const Type& type) noexcept;

/// Adds the nodes that compute the gradients of the sum over all outputs of <seed, output> with regard to `inputs` (any values of the
/// graph; where one depends on another, both get their total derivative). A seed has the type of its output; kNone: ones. Operators are
/// of the newest versions (pass to_newest), bodies closed, types inferred. The graph's own nodes stay as they are, but for outputs
/// that a rule needs and nobody wanted. Iterative: a chain of a million nodes is fine.
/// A second call on the result gives second derivatives.
/// Throws Error(unsupported) naming the node for an operator whose gradient rule is not known or that refuses its operands.
Gradients add_gradients(Graph& graph, std::span<const ValueId> outputs, std::span<const ValueId> seeds,
                        std::span<const ValueId> inputs);

/// "Round at node "quantize" (Round): piecewise constant": why nothing flows through a node of Gradients::blocked.
std::string why_blocked(const Graph& graph, NodeId node);

}  // namespace chorus
