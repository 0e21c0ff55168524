#include <graph/infer.h>
#include <graph/pass.h>

#include <fmt/format.h>

#include <deque>

namespace chorus::passes {

// Operators that the target cannot run are replaced by their rows' decomposition, again and again, until it can or nothing more is known.
// What stays is for the engine to refuse, with the sentence of its own.
int decompose_missing(Graph& graph, PassContext& context) {
  if (context.runs == nullptr) return 0;
  struct Item {
    NodeId node;
    int depth;
  };
  int changes = 0;
  std::deque<Item> work;
  for (NodeId id : graph.order()) work.push_back({id, 0});
  while (!work.empty()) {
    const auto [id, depth] = work.front();
    work.pop_front();
    const Node& n = graph.node(id);
    if (!n.alive || n.op == nullptr || context.runs(n)) continue;
    const auto* rule = std::get_if<Decompose>(&n.op->meaning);
    if (rule == nullptr) continue;
    // Two rows that express each other would go on for ever without growing.
    if (depth >= context.max_depth)
      throw Error(Code::budget, fmt::format("{}: decompositions are nested deeper than {}", n.type, context.max_depth),
                  graph.where(id));
    const NodeId before = graph.node_capacity();
    if (!Expander::expand(graph, id, *rule, nullptr)) continue;
    ++changes;
    for (NodeId made = before; made < graph.node_capacity(); ++made) work.push_back({made, depth + 1});
    if (graph.node_count() > context.max_nodes)
      throw Error(Code::budget, fmt::format("decompositions grow the graph past {} nodes", context.max_nodes));
  }
  return changes;
}

}  // namespace chorus::passes
