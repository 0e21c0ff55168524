#include <graph/infer.h>
#include <graph/pass.h>

#include <fmt/format.h>

#include <deque>

namespace chorus::passes {

// Operators that the target cannot run are replaced by their rows' decomposition, again and again, until it can or nothing more is known.
int decompose_missing(Graph& graph, PassContext& context) {
  if (context.runs == nullptr) return 0;
  int changes = 0;
  std::deque<NodeId> work;
  for (NodeId id : graph.order()) work.push_back(id);
  while (!work.empty()) {
    const NodeId id = work.front();
    work.pop_front();
    const Node& n = graph.node(id);
    if (!n.alive || n.op == nullptr || context.runs(n)) continue;
    const auto* rule = std::get_if<Decompose>(&n.op->meaning);
    if (rule == nullptr) continue;
    const NodeId before = graph.node_capacity();
    std::string reason;
    if (!Expander::expand(graph, id, *rule, &reason)) continue;
    ++changes;
    for (NodeId made = before; made < graph.node_capacity(); ++made) work.push_back(made);
    if (graph.node_count() > context.max_nodes) throw Error(Code::budget, fmt::format("decompositions grow the graph past {} nodes", context.max_nodes));
  }
  return changes;
}

}  // namespace chorus::passes
