// The part of a rule's context that reads a node of a graph; shared by inference and expansion.
#pragma once
#include <graph/graph.h>

#include <optional>

namespace chorus {

template <class Base>
class GraphNodeContext : public Base {
 public:
  GraphNodeContext(const Graph& graph, NodeId id)
      : graph_(graph), id_(id), attrs_(graph.node(id).attributes, graph.node(id).schema()) {}
  const OpDef& op() const override { return *node().op; }
  const AttrReader& attrs() const override { return attrs_; }
  int inputs() const override { return static_cast<int>(node().inputs.size()); }
  int outputs() const override { return static_cast<int>(node().outputs.size()); }
  bool has_input(int i) const override { return operand(i) != kNone; }
  bool has_output(int i) const override { return i < outputs() && node().outputs[static_cast<size_t>(i)] != kNone; }
  const Type& input(int i) const override {
    static const Type none;
    return operand(i) == kNone ? none : graph_.value(operand(i)).type;
  }
  using Base::constant;
  const Value* constant(int i) const override {
    if (operand(i) == kNone) return nullptr;
    const GraphValue& v = graph_.value(operand(i));
    return v.is_constant() && !v.is_input ? &v.constant : nullptr;
  }
  [[noreturn]] void fail(Code code, std::string what, std::string fix) const override {
    throw Error(code, node().type + ": " + what, graph_.where(id_), std::move(fix));
  }

 protected:
  const Node& node() const { return graph_.node(id_); }
  ValueId operand(int i) const { return i >= 0 && i < inputs() ? node().inputs[static_cast<size_t>(i)] : kNone; }
  const Graph& graph_;
  NodeId id_;
  AttrReader attrs_;
};

}  // namespace chorus
