#include <graph/verify.h>

#include <algorithm>
#include <unordered_set>

namespace chorus {
namespace {
[[noreturn]] void broken(const Graph& graph, NodeId node, const std::string& what) {
  throw Error(Code::internal, "broken graph: " + what, node == kNone ? "graph \"" + graph.name + "\"" : graph.where(node));
}
bool valid(const Graph& graph, ValueId id) { return id >= 0 && id < graph.value_capacity() && graph.value(id).alive; }
}  // namespace

void verify(const Graph& graph, bool types) {
  std::unordered_set<std::string> names;
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    const GraphValue& v = graph.value(id);
    if (!v.alive) continue;
    if (v.name.empty()) broken(graph, v.producer, "a value has no name");
    if (!names.insert(v.name).second) broken(graph, v.producer, "two values are named \"" + v.name + "\"");
    if (graph.find_value(v.name) != id) broken(graph, v.producer, "value \"" + v.name + "\" is not found by its name");
    if (v.producer != kNone) {
      const Node& n = graph.node(v.producer);
      if (!n.alive || static_cast<size_t>(v.output) >= n.outputs.size() || n.outputs[static_cast<size_t>(v.output)] != id) {
        broken(graph, kNone, "value \"" + v.name + "\" names a producer that does not produce it");
      }
      if (v.is_input || v.is_constant()) broken(graph, v.producer, "value \"" + v.name + "\" is produced, but also an input or a constant");
    }
    for (const Use& use : v.uses) {
      const bool in_range = use.node >= 0 && use.node < graph.node_capacity();
      if (in_range && use.operand >= kCapturedOperand) {
        const auto at = static_cast<size_t>(use.operand - kCapturedOperand);
        const auto& captured = graph.node(use.node).captured;
        if (at >= captured.size() || captured[at] != id) broken(graph, kNone, "value \"" + v.name + "\" lists a capture that does not exist");
        continue;
      }
      if (!in_range || !graph.node(use.node).alive || static_cast<size_t>(use.operand) >= graph.node(use.node).inputs.size() ||
          graph.node(use.node).inputs[static_cast<size_t>(use.operand)] != id) {
        broken(graph, kNone, "value \"" + v.name + "\" lists a use that does not exist");
      }
    }
  }
  for (NodeId id = 0; id < graph.node_capacity(); ++id) {
    const Node& n = graph.node(id);
    if (!n.alive) continue;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (n.inputs[i] == kNone) continue;
      if (!valid(graph, n.inputs[i])) broken(graph, id, "operand " + std::to_string(i) + " does not exist");
      const GraphValue& v = graph.value(n.inputs[i]);
      if (std::find(v.uses.begin(), v.uses.end(), Use{id, static_cast<int32_t>(i)}) == v.uses.end()) {
        broken(graph, id, "operand " + std::to_string(i) + " (\"" + v.name + "\") does not list this use");
      }
      if (v.producer == kNone && !v.is_input && !v.is_constant()) broken(graph, id, "operand \"" + v.name + "\" is produced by nobody");
    }
    for (ValueId out : n.outputs) {
      if (out == kNone) continue;
      if (!valid(graph, out) || graph.value(out).producer != id) broken(graph, id, "an output does not name this node as its producer");
      if (types && graph.value(out).type.kind == ValueKind::none) broken(graph, id, "output \"" + graph.value(out).name + "\" has no type");
    }
    if (n.op != nullptr) {
      const Schema& schema = n.schema();
      const int in = static_cast<int>(n.inputs.size());
      if (in < schema.min_inputs() || in > schema.max_inputs()) broken(graph, id, "operand count " + std::to_string(in) + " is outside the schema");
    }
  }
  for (ValueId id : graph.inputs()) {
    if (!valid(graph, id) || !graph.value(id).is_input) broken(graph, kNone, "an input is not marked as one");
  }
  for (ValueId id : graph.outputs()) {
    if (!valid(graph, id)) broken(graph, kNone, "an output does not exist");
    const GraphValue& v = graph.value(id);
    if (v.producer == kNone && !v.is_input && !v.is_constant()) broken(graph, kNone, "output \"" + v.name + "\" is produced by nobody");
  }
  static_cast<void>(graph.order());
}

}  // namespace chorus
