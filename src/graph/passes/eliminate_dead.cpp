#include <graph/passes/bodies.h>

namespace chorus::passes {
namespace {

bool used(const Graph& graph, ValueId id) {
  return id != kNone && (!graph.value(id).uses.empty() || graph.is_output(id));
}

// Optional outputs that nobody reads need not be made (the mask of Dropout, the indices of MaxPool).
int drop_optional_outputs(Graph& graph, NodeId id) {
  const Node& n = graph.node(id);
  if (n.op == nullptr) return 0;
  int dropped = 0;
  for (int i = static_cast<int>(n.outputs.size()); i-- > 0;) {
    const ValueId out = n.outputs[static_cast<size_t>(i)];
    const Param* param = n.schema().output(i);
    if (out == kNone || used(graph, out) || param == nullptr || param->count != Count::optional) continue;
    graph.drop_output(id, i);
    ++dropped;
  }
  return dropped;
}

}  // namespace

// Keeps ancestors of the outputs and nodes with ordered effects. Inputs of the graph stay: they are its interface.
int eliminate_dead(Graph& graph, PassContext&) {
  int changes = 0;
  const std::vector<NodeId> order = graph.order();
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    bool needed = false;
    for (ValueId out : graph.node(*it).outputs) needed = needed || used(graph, out);
    if (!needed && effect_of(graph.node(*it)) != Effect::ordered) {
      graph.remove_node(*it);
      ++changes;
    } else {
      changes += drop_optional_outputs(graph, *it);
    }
  }
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    const GraphValue& v = graph.value(id);
    if (v.alive && v.producer == kNone && !v.is_input && v.uses.empty() && !graph.is_output(id) && v.is_constant()) {
      graph.remove_value(id);
      ++changes;
    }
  }
  return changes;
}

}  // namespace chorus::passes
