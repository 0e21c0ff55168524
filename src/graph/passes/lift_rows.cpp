#include <graph/infer.h>
#include <graph/passes/bodies.h>

#include <algorithm>

namespace chorus::passes {
namespace {

NodeId maker(const Graph& graph, ValueId id, std::string_view type) {
  const NodeId node = id == kNone ? kNone : graph.value(id).producer;
  return node != kNone && is_newest(graph.node(node), type) ? node : kNone;
}

// A plain product with a bias for every column.
bool is_plain(const Graph& graph, const Node& n) {
  const AttrReader attrs = n.attrs();
  if (attrs.integer("transA") != 0 || attrs.integer("transB") != 0 || attrs.real("alpha", 1) != 1) return false;
  if (n.inputs.size() < 3 || n.inputs[2] == kNone) return true;
  const Type& c = graph.value(n.inputs[2]).type;
  return attrs.real("beta", 1) == 1 && c.has_rank && c.rank() <= 1;
}

// Both have the same axes but for the last one.
bool same_rows(const Type& a, const Type& b) {
  if (!a.has_rank || !b.has_rank || a.rank() != b.rank() || a.rank() < 2) return false;
  return std::equal(a.dims.begin(), a.dims.end() - 1, b.dims.begin(),
                    [](const Dim& p, const Dim& q) { return Dim::equal(p, q) == Dim::Truth::yes; });
}

bool lift(Graph& graph, NodeId id) {
  const Node& n = graph.node(id);
  if (n.inputs.size() < 2 || !is_plain(graph, n)) return false;
  const NodeId before = maker(graph, n.inputs[0], "Reshape");
  const GraphValue& product = graph.value(n.outputs[0]);
  if (before == kNone || graph.is_output(n.outputs[0]) || product.uses.size() != 1 || product.uses[0].operand != 0)
    return false;
  const NodeId after = product.uses[0].node;
  if (!is_newest(graph.node(after), "Reshape")) return false;
  const ValueId x = graph.node(before).inputs[0], y = graph.node(after).outputs[0], b = n.inputs[1];
  const Type &from = graph.value(x).type, &to = graph.value(y).type, &matrix = graph.value(b).type;
  if (!same_rows(from, to) || matrix.rank() != 2 || from.dtype != to.dtype ||
      Dim::equal(from.dims.back(), matrix.dims[0]) != Dim::Truth::yes ||
      Dim::equal(to.dims.back(), matrix.dims[1]) != Dim::Truth::yes)
    return false;
  const std::string name = n.name, result = graph.value(y).name;
  const ValueId bias = n.inputs.size() > 2 ? n.inputs[2] : kNone;
  const int64_t offset = n.file_offset;
  const auto add = [&](std::string_view type, ValueId left, ValueId right, const std::string& called) {
    const ValueId operands[] = {left, right};
    const NodeId made = graph.add_node(type, operands, {}, 1, "", called);
    graph.node(made).file_offset = offset;
    infer_node(graph, made);
    return graph.node(made).outputs[0];
  };
  ValueId made = add("MatMul", x, b, name);
  if (bias != kNone) made = add("Add", made, bias, name + "/bias");
  graph.replace_uses(y, made);
  graph.remove_node(after);
  graph.remove_node(id);
  graph.rename(made, result);
  return true;
}

}  // namespace

int lift_rows(Graph& graph, PassContext&) {
  int changes = 0;
  for (NodeId id : graph.order()) {
    if (graph.node(id).alive && is_newest(graph.node(id), "Gemm") && lift(graph, id)) ++changes;
  }
  return changes;
}

}  // namespace chorus::passes
