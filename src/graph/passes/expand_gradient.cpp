#include <graph/differentiate.h>
#include <graph/infer.h>
#include <graph/pass.h>
#include <graph/passes/bodies.h>
#include <graph/sweep.h>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace chorus::passes {
namespace {

constexpr std::string_view kTraining = "ai.onnx.preview.training";

bool is_gradient(const Node& node) {
  return node.alive && node.op != nullptr && node.domain == kTraining && node.type == "Gradient";
}

/// The tensors that one Gradient node speaks of.
struct Named {
  std::vector<ValueId> xs, zs;
  ValueId y = kNone;
};

ValueId find(const Graph& graph, NodeId id, const std::string& name, std::string_view role) {
  const ValueId value = graph.find_value(name);
  if (value == kNone) {
    throw Error(Code::bad_input, fmt::format("Gradient: {} \"{}\" is no tensor of its graph", role, name),
                graph.where(id));
  }
  return value;
}

Named names_of(const Graph& graph, NodeId id) {
  const AttrReader attributes = graph.node(id).attrs();
  Named named;
  for (const std::string& name : attributes.strings("xs")) named.xs.push_back(find(graph, id, name, "x"));
  for (const std::string& name : attributes.strings("zs")) named.zs.push_back(find(graph, id, name, "z"));
  named.y = find(graph, id, std::string(attributes.string("y")), "y");
  const size_t given = graph.node(id).inputs.size(), wanted = named.xs.size() + named.zs.size();
  if (given != wanted) {
    throw Error(Code::bad_input, fmt::format("Gradient: {} operands for {} names in xs and zs", given, wanted),
                graph.where(id));
  }
  return named;
}

/// The nodes that y is computed by from xs, zs and what does not depend on them, producers first.
std::vector<NodeId> between(const Graph& graph, const Named& named) {
  std::vector<ValueId> waiting{named.y};
  std::unordered_set<ValueId> seen(named.xs.begin(), named.xs.end());
  seen.insert(named.zs.begin(), named.zs.end());
  std::unordered_set<NodeId> found;
  while (!waiting.empty()) {
    const ValueId value = waiting.back();
    waiting.pop_back();
    if (value == kNone || !seen.insert(value).second) continue;
    const NodeId producer = graph.value(value).producer;
    if (producer == kNone || !found.insert(producer).second) continue;
    const Node& node = graph.node(producer);
    waiting.insert(waiting.end(), node.inputs.begin(), node.inputs.end());
    waiting.insert(waiting.end(), node.captured.begin(), node.captured.end());
  }
  std::vector<NodeId> order = graph.order();
  std::erase_if(order, [&](NodeId id) { return found.count(id) == 0; });
  return order;
}

/// Those nodes once more, as a function of the operands of the Gradient node.
class Copy {
 public:
  Copy(Graph& graph, PassContext& context) : graph_(graph), context_(context) {}
  void map(ValueId from, ValueId to) { to_[from] = to; }
  /// What `value` becomes; itself when it depends on nothing that was mapped.
  ValueId of(ValueId value) const {
    const auto it = to_.find(value);
    return it == to_.end() ? value : it->second;
  }
  void run(std::span<const NodeId> nodes);

 private:
  bool depends(const std::vector<ValueId>& values) const {
    return std::any_of(values.begin(), values.end(), [&](ValueId v) { return v != kNone && to_.count(v) != 0; });
  }
  void copy(NodeId id);
  Graph& graph_;
  PassContext& context_;
  std::unordered_map<ValueId, ValueId> to_;
};

void Copy::run(std::span<const NodeId> nodes) {
  for (const NodeId id : nodes) {
    const Node& node = graph_.node(id);
    if (depends(node.inputs) || depends(node.captured)) copy(id);
  }
}

void Copy::copy(NodeId id) {
  if (graph_.node_count() >= context_.max_nodes) {
    throw Error(Code::budget, fmt::format("Gradient: the graph has {} nodes, more are not allowed", context_.max_nodes),
                graph_.where(id));
  }
  Node node = graph_.node(id);
  if (effect_of(node) != Effect::pure && !(is_newest(node, "Dropout") && is_inference_dropout(graph_, node))) {
    throw Error(
        Code::unsupported,
        fmt::format("Gradient: {} between its x and y has random numbers or effects, and others when it is run again",
                    node.type),
        graph_.where(id), "name a tensor behind it among xs or zs");
  }
  for (ValueId& value : node.inputs) value = of(value);
  for (ValueId& value : node.captured) value = of(value);
  const std::vector<ValueId> outputs = node.outputs;
  for (ValueId& value : node.outputs) {
    if (value == kNone) continue;
    const GraphValue& original = graph_.value(value);
    const std::string name = original.name;
    value = graph_.add_value(name, original.type);
  }
  node.name.clear();
  const std::vector<ValueId> made = node.outputs;
  infer_node(graph_, graph_.add_node(std::move(node)));
  // xs and zs cut the graph: what computes them does not count.
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] != kNone) to_.try_emplace(outputs[i], made[i]);
  }
}

void expand(Graph& graph, NodeId id, PassContext& context) {
  const Named named = names_of(graph, id);
  Copy copy(graph, context);
  std::vector<ValueId> sources;
  for (size_t i = 0; i < named.xs.size() + named.zs.size(); ++i) {
    // A tensor of its own for each operand: two names may be given one value, and each has its own gradient.
    const ValueId operand = emit_node(graph, "Identity", {graph.node(id).inputs[i]});
    const bool is_x = i < named.xs.size();
    copy.map(is_x ? named.xs[i] : named.zs[i - named.xs.size()], operand);
    if (is_x) sources.push_back(operand);
  }
  copy.run(between(graph, named));
  const ValueId y = copy.of(named.y);
  if (!is_differentiable(graph.value(y).type)) {
    throw Error(Code::bad_input,
                fmt::format("Gradient: y \"{}\" is {}, which has no gradient", graph.value(named.y).name,
                            graph.value(named.y).type.str()),
                graph.where(id));
  }
  const std::vector<ValueId> gradients = add_gradients(graph, std::span(&y, 1), {}, sources).of;
  const std::vector<ValueId> outputs = graph.node(id).outputs;
  for (size_t i = 0; i < outputs.size() && i < gradients.size(); ++i) {
    if (outputs[i] == kNone) continue;
    ValueId gradient = gradients[i] == kNone ? zeros_like(graph, sources[i]) : gradients[i];
    // An output keeps its name, and one gradient may be two outputs.
    if (graph.is_output(outputs[i])) gradient = emit_node(graph, "Identity", {gradient});
    graph.replace_uses(outputs[i], gradient);
  }
  graph.remove_node(id);
}

/// A Gradient node whose y depends on no other one; kNone: there is none left.
NodeId next_gradient(const Graph& graph) {
  NodeId next = kNone;
  for (NodeId id = 0; id < graph.node_capacity() && next == kNone; ++id) {
    if (is_gradient(graph.node(id))) next = id;
  }
  std::unordered_set<NodeId> seen;
  while (next != kNone) {
    if (!seen.insert(next).second)
      throw Error(Code::bad_input, "Gradient: y depends on its own gradient", graph.where(next));
    const std::vector<NodeId> nodes = between(graph, names_of(graph, next));
    const auto inner = std::find_if(nodes.begin(), nodes.end(), [&](NodeId id) { return is_gradient(graph.node(id)); });
    if (inner == nodes.end()) break;
    next = *inner;
  }
  return next;
}

/// The graph's outputs, and the tensors that Gradient nodes name: as outputs they keep their names through to_newest.
std::vector<ValueId> named_outputs(const Graph& graph) {
  std::vector<ValueId> kept(graph.outputs().begin(), graph.outputs().end());
  for (NodeId id = 0; id < graph.node_capacity(); ++id) {
    if (!is_gradient(graph.node(id))) continue;
    const Named named = names_of(graph, id);
    for (const auto& list : {named.xs, named.zs, {named.y}}) {
      std::copy_if(list.begin(), list.end(), std::back_inserter(kept), [&](ValueId v) {
        return !graph.value(v).is_input && !graph.value(v).is_constant() &&
               std::find(kept.begin(), kept.end(), v) == kept.end();
      });
    }
  }
  return kept;
}

}  // namespace

int expand_gradient(Graph& graph, PassContext& context) {
  if (next_gradient(graph) == kNone) return 0;
  const size_t outputs = graph.outputs().size();
  graph.set_outputs(named_outputs(graph));
  int changes = to_newest(graph, context);
  infer_types(graph);
  for (NodeId id = next_gradient(graph); id != kNone; id = next_gradient(graph), ++changes) expand(graph, id, context);
  graph.set_outputs({graph.outputs().begin(), graph.outputs().begin() + static_cast<std::ptrdiff_t>(outputs)});
  return changes;
}

}  // namespace chorus::passes
