#include <graph/pass.h>

namespace chorus::passes {

// Keeps ancestors of the outputs and nodes with ordered effects; unused outputs of kept nodes are dropped where the schema allows.
int eliminate_dead(Graph& graph, PassContext&) {
  int removed = 0;
  const std::vector<NodeId> order = graph.order();
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const Node& n = graph.node(*it);
    if (n.op != nullptr && n.op->effect == Effect::ordered) continue;
    bool used = false;
    for (ValueId out : n.outputs) used = used || (out != kNone && (!graph.value(out).uses.empty() || graph.is_output(out)));
    if (used) continue;
    graph.remove_node(*it);
    ++removed;
  }
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    const GraphValue& v = graph.value(id);
    if (v.alive && v.is_constant() && !v.is_input && v.uses.empty() && !graph.is_output(id)) {
      graph.remove_value(id);
      ++removed;
    }
  }
  return removed;
}

}  // namespace chorus::passes
