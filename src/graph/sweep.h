// The reverse sweep over some nodes of a graph; shared by whole graphs, bodies and the forms that rules differentiate through.
#pragma once
#include <graph/differentiate.h>

#include <unordered_map>
#include <unordered_set>

namespace chorus {

class Sweep {
 public:
  /// `nodes` in an order in which producers come first. Gradients are wanted for `sources` and flow through what depends on them.
  Sweep(Graph& graph, std::vector<NodeId> nodes, std::span<const ValueId> sources);
  bool depends(ValueId value) const { return depends_.count(value) != 0; }
  /// Adds to the gradient of a value.
  void add(ValueId value, ValueId gradient);
  /// The sum of what arrived at a value; kNone: nothing did.
  ValueId total(ValueId value);
  /// Applies the rules, last node first.
  void run();
  const std::vector<NodeId>& blocked() const { return blocked_; }

 private:
  void visit(NodeId node);
  Graph& graph_;
  std::vector<NodeId> nodes_;
  std::unordered_set<ValueId> depends_;
  std::unordered_map<ValueId, std::vector<ValueId>> parts_;
  std::vector<NodeId> blocked_;
};

/// A node with the newest version of an operator, types inferred; first output.
ValueId emit_node(Graph& graph, std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {},
                  std::string_view domain = "");
/// Zeros or ones of a value's type and shape; an empty sequence has none, a sequence of tensors one of zeros.
ValueId zeros_like(Graph& graph, ValueId like);
ValueId ones_like(Graph& graph, ValueId like);

/// Sees one node with bodies: gradients of its outputs (kNone: none) and which operands and captured values are wanted.
struct BodyNode {
  NodeId node = kNone;
  std::vector<ValueId> out_gradients;
  std::vector<char> wanted, wanted_captured;
};
struct BodyGradients {
  std::vector<ValueId> inputs, captured;  ///< kNone: none
};
BodyGradients differentiate_bodies(Graph& graph, const BodyNode& of);

}  // namespace chorus
