#include <graph/pass.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus::passes {
namespace {

int close(Graph& graph, PassContext& context, int depth);

// Value of `graph` that an outer name means; when the name belongs further out, this graph captures it in turn.
ValueId resolve(Graph& graph, const std::string& name) {
  if (const ValueId id = graph.find_value(name); id != kNone) return id;
  const ValueId id = graph.add_value(name);
  graph.captures.emplace_back(id, name);
  return id;
}

int close_node(Graph& graph, NodeId id, PassContext& context, int depth) {
  if (depth >= context.max_depth) throw Error(Code::budget, fmt::format("bodies are nested deeper than {}", context.max_depth), graph.where(id));
  std::vector<std::shared_ptr<Graph>> bodies;
  std::vector<std::string> names;   // what all bodies of the node capture, each once, in order of first use
  for (auto& item : graph.node(id).attributes.items()) {
    if (item.value.kind() != AttrKind::graph) continue;
    auto body = std::make_shared<Graph>(**item.value.get<GraphPtr>());
    close(*body, context, depth + 1);
    for (const auto& [value, name] : body->captures) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    bodies.push_back(body);
    item.value.data = GraphPtr(body);
  }
  for (const auto& body : bodies) {
    std::vector<ValueId> inputs(body->inputs().begin(), body->inputs().end());
    for (const std::string& name : names) {
      auto it = std::find_if(body->captures.begin(), body->captures.end(), [&](const auto& c) { return c.second == name; });
      inputs.push_back(it != body->captures.end() ? it->first : body->add_value(name));
    }
    body->set_inputs(std::move(inputs));
    body->captures.clear();
  }
  for (const std::string& name : names) graph.add_captured(id, resolve(graph, name));
  return static_cast<int>(names.size());
}

int close(Graph& graph, PassContext& context, int depth) {
  int changes = 0;
  for (NodeId id = 0; id < graph.node_capacity(); ++id) {
    if (graph.node(id).alive) changes += close_node(graph, id, context, depth);
  }
  return changes;
}

}  // namespace

// The captured values of all bodies of a node become further inputs of every one of them, in one order, and Node::captured lists the
// values that they are bound to. A second run finds nothing to do: closed bodies have no captures.
int close_bodies(Graph& graph, PassContext& context) {
  const int changes = close(graph, context, 0);
  if (!graph.captures.empty()) throw Error(Code::bad_input, "a body reads \"" + graph.captures.front().second + "\", which nothing makes");
  return changes;
}

}  // namespace chorus::passes
