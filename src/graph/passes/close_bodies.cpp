#include <graph/passes/bodies.h>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace chorus::passes {
namespace {

int close(Graph& graph, PassContext& context, int depth);

/// What all bodies of a node capture, each name once, in order of first use.
struct Names {
  std::vector<std::string> list;
  std::unordered_map<std::string, size_t> index;
  void add(const std::string& name) {
    if (index.try_emplace(name, list.size()).second) list.push_back(name);
  }
};

// Value of `graph` that an outer name means; when the name belongs further out, this graph captures it in turn.
ValueId resolve(Graph& graph, const std::string& name) {
  if (const ValueId id = graph.find_value(name); id != kNone) return id;
  const ValueId id = graph.add_value(name);
  graph.captures.emplace_back(id, name);
  return id;
}

// A body gets an input for every name, also for those that only another body of the node reads.
void add_inputs(Graph& body, const Names& names) {
  std::vector<ValueId> inputs(body.inputs().begin(), body.inputs().end());
  const size_t formal = inputs.size();
  inputs.resize(formal + names.list.size(), kNone);
  for (const auto& [value, name] : body.captures) {
    ValueId& input = inputs[formal + names.index.at(name)];
    if (input == kNone)
      input = value;
    else
      body.replace_uses(value, input);   // captured twice under one name
  }
  for (size_t i = 0; i < names.list.size(); ++i) {
    if (inputs[formal + i] == kNone) inputs[formal + i] = body.add_value(names.list[i]);
  }
  body.set_inputs(std::move(inputs));
  body.captures.clear();
}

int close_node(Graph& graph, NodeId id, PassContext& context, int depth) {
  if (!has_bodies(graph.node(id))) return 0;
  if (depth >= context.max_depth)
    throw Error(Code::budget, fmt::format("bodies are nested deeper than {}", context.max_depth), graph.where(id));
  Names names;
  int changes = change_bodies(graph, id, BodyTypes::as_they_are, [&](Graph& body) {
    const int inside = close(body, context, depth + 1);
    for (const auto& capture : body.captures) names.add(capture.second);
    return inside + static_cast<int>(body.captures.size());
  });
  if (names.list.empty()) return changes;
  change_bodies(graph, id, BodyTypes::as_they_are, [&](Graph& body) {
    add_inputs(body, names);
    return 1;
  });
  for (const std::string& name : names.list) graph.add_captured(id, resolve(graph, name));
  return changes;
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
  if (!graph.captures.empty())
    throw Error(Code::bad_input, "a body reads \"" + graph.captures.front().second + "\", which nothing makes");
  return changes;
}

}  // namespace chorus::passes
