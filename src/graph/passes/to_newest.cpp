#include <graph/infer.h>
#include <graph/pass.h>

#include <fmt/format.h>

namespace chorus::passes {
namespace {

int bring_up(Graph& graph, PassContext& context, int depth);

// Bodies in attributes are shared and immutable: a changed body is a copy.
int bring_up_bodies(Graph& graph, NodeId id, PassContext& context, int depth) {
  if (depth >= context.max_depth) throw Error(Code::budget, fmt::format("bodies are nested deeper than {}", context.max_depth), graph.where(id));
  int changes = 0;
  for (auto& item : graph.node(id).attributes.items()) {
    if (item.value.kind() != AttrKind::graph) continue;
    auto copy = std::make_shared<Graph>(**item.value.get<GraphPtr>());
    const int made = bring_up(*copy, context, depth + 1);
    if (made > 0) item.value.data = GraphPtr(std::move(copy));
    changes += made;
  }
  return changes;
}

int bring_up(Graph& graph, PassContext& context, int depth) {
  int changes = 0;
  for (NodeId start : graph.order()) {
    // An expansion may put several nodes of older versions in the place of one: they are found behind the old capacity.
    NodeId id = start;
    NodeId done = graph.node_capacity();
    for (;;) {
      if (graph.node(id).alive && graph.node(id).op != nullptr) {
        changes += bring_up_bodies(graph, id, context, depth);
        bool typed = false;
        while (graph.node(id).alive && graph.node(id).version + 1 < static_cast<int>(graph.node(id).op->versions.size())) {
          if (!typed) infer_node(graph, id);
          typed = true;
          Node& n = graph.node(id);
          const auto step = n.op->versions[static_cast<size_t>(n.version)].to_next;
          if (step == nullptr) {
            ++n.version;
          } else {
            std::string reason;
            if (!Expander::expand(graph, id, step, &reason)) throw Error(Code::unsupported, n.type + ": " + reason, graph.where(id));
          }
          ++changes;
        }
        if (graph.node(id).alive && !typed) infer_node(graph, id);
      }
      if (done >= graph.node_capacity()) break;
      id = done++;
    }
    if (graph.node_count() > context.max_nodes) throw Error(Code::budget, fmt::format("version steps grow the graph past {} nodes", context.max_nodes));
  }
  return changes;
}

}  // namespace

int to_newest(Graph& graph, PassContext& context) {
  graph.checks.clear();
  const int changes = bring_up(graph, context, 0);
  for (auto& [domain, version] : graph.opsets) {
    if (const int newest = newest_opset(domain); newest > version) version = newest;
  }
  return changes;
}

}  // namespace chorus::passes
