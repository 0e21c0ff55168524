#include <graph/infer.h>
#include <graph/passes/bodies.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus::passes {
namespace {

int bring_up(Graph& graph, PassContext& context, int depth);

int bring_up_bodies(Graph& graph, NodeId id, PassContext& context, int depth) {
  if (!has_bodies(graph.node(id))) return 0;
  if (depth >= context.max_depth)
    throw Error(Code::budget, fmt::format("bodies are nested deeper than {}", context.max_depth), graph.where(id));
  return change_bodies(graph, id, BodyTypes::by_node, [&](Graph& body) { return bring_up(body, context, depth + 1); });
}

// One node up to its newest version, or until a step has put other nodes in its place.
int bring_up_node(Graph& graph, NodeId id) {
  int changes = 0;
  infer_node(graph, id);   // steps ask for the types of operands and outputs
  while (graph.node(id).alive && graph.node(id).version + 1 < static_cast<int>(graph.node(id).op->versions.size())) {
    Node& n = graph.node(id);
    const auto step = n.op->versions[static_cast<size_t>(n.version)].to_next;
    ++changes;
    if (step == nullptr) {
      ++n.version;
      continue;
    }
    std::string reason;
    if (!Expander::expand(graph, id, step, &reason))
      throw Error(Code::unsupported, n.type + ": " + reason, graph.where(id));
  }
  return changes;
}

void raise_opsets(Graph& graph) {
  for (auto& [domain, version] : graph.opsets) version = std::max(version, newest_opset(domain));
  for (NodeId id = 0; id < graph.node_capacity(); ++id) {
    const Node& n = graph.node(id);
    if (n.alive && n.op != nullptr && newest_opset(n.domain) > 0)
      graph.opsets.try_emplace(n.domain, newest_opset(n.domain));
  }
}

int bring_up(Graph& graph, PassContext& context, int depth) {
  int changes = 0;
  graph.checks.clear();
  for (NodeId start : graph.order()) {
    // A step may put several nodes, of older versions too, in the place of one: they are found behind the capacity that was.
    NodeId next = graph.node_capacity();
    for (NodeId id = start;; id = next++) {
      if (graph.node(id).alive && graph.node(id).op != nullptr) {
        changes += bring_up_bodies(graph, id, context, depth);
        changes += bring_up_node(graph, id);
      }
      if (next >= graph.node_capacity()) break;
      if (graph.node_count() > context.max_nodes)
        throw Error(Code::budget, fmt::format("version steps grow the graph past {} nodes", context.max_nodes));
    }
  }
  if (changes > 0) raise_opsets(graph);
  return changes;
}

}  // namespace

// Bodies first, then their node: its type rule looks into them. An operator without a row is left as it is: inference names it.
int to_newest(Graph& graph, PassContext& context) {
  name_input_dims(graph);
  const int changes = bring_up(graph, context, 0);
  raise_opsets(graph);
  return changes;
}

}  // namespace chorus::passes
