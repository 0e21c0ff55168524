#include <graph/verify.h>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

namespace chorus {
namespace {

[[noreturn]] void broken(const Graph& graph, NodeId node, const std::string& what) {
  throw Error(Code::internal, "broken graph: " + what,
              node == kNone ? "graph \"" + graph.name + "\"" : graph.where(node));
}

bool valid(const Graph& graph, ValueId id) { return id >= 0 && id < graph.value_capacity() && graph.value(id).alive; }

// The operand that a use names, kNone when there is none.
ValueId used_by(const Graph& graph, const Use& use) {
  if (use.node < 0 || use.node >= graph.node_capacity() || !graph.node(use.node).alive || use.operand < 0) return kNone;
  const Node& n = graph.node(use.node);
  const bool captured = use.operand >= kCapturedOperand;
  const auto at = static_cast<size_t>(captured ? use.operand - kCapturedOperand : use.operand);
  const auto& list = captured ? n.captured : n.inputs;
  return at < list.size() ? list[at] : kNone;
}

void check_value(const Graph& graph, ValueId id) {
  const GraphValue& v = graph.value(id);
  if (v.name.empty()) broken(graph, v.producer, "a value has no name");
  if (graph.find_value(v.name) != id)
    broken(graph, v.producer, "value \"" + v.name + "\" is not found by its name: two values have it");
  if (v.producer != kNone) {
    const bool in_range = v.producer >= 0 && v.producer < graph.node_capacity() && graph.node(v.producer).alive;
    const auto at = static_cast<size_t>(v.output);
    if (!in_range || at >= graph.node(v.producer).outputs.size() || graph.node(v.producer).outputs[at] != id) {
      broken(graph, kNone, "value \"" + v.name + "\" names a producer that does not produce it");
    }
    if (v.is_input || v.is_constant())
      broken(graph, v.producer, "value \"" + v.name + "\" is produced, but also an input or a constant");
  }
  std::vector<Use> uses = v.uses;
  std::sort(uses.begin(), uses.end(),
            [](const Use& a, const Use& b) { return a.node != b.node ? a.node < b.node : a.operand < b.operand; });
  for (size_t i = 0; i < uses.size(); ++i) {
    if (used_by(graph, uses[i]) != id) broken(graph, kNone, "value \"" + v.name + "\" lists a use that does not exist");
    if (i > 0 && uses[i] == uses[i - 1]) broken(graph, uses[i].node, "value \"" + v.name + "\" lists a use twice");
  }
}

// Adds the operands of a node to the number of references that every value has.
void check_operands(const Graph& graph, NodeId id, const std::vector<bool>& made, std::vector<size_t>& references) {
  const Node& n = graph.node(id);
  auto check = [&](ValueId in, const std::string& what) {
    if (!valid(graph, in)) broken(graph, id, what + " does not exist");
    ++references[static_cast<size_t>(in)];
    if (!made[static_cast<size_t>(in)])
      broken(graph, id, what + " \"" + graph.value(in).name + "\" is produced by nobody");
  };
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    if (n.inputs[i] != kNone) check(n.inputs[i], fmt::format("operand {}", i));
  }
  for (size_t i = 0; i < n.captured.size(); ++i) check(n.captured[i], fmt::format("captured value {}", i));
}

void check_bodies(const Graph& graph, NodeId id, int depth);

void check_node(const Graph& graph, NodeId id, bool types) {
  const Node& n = graph.node(id);
  for (ValueId out : n.outputs) {
    if (out == kNone) continue;
    if (!valid(graph, out) || graph.value(out).producer != id)
      broken(graph, id, "an output does not name this node as its producer");
    if (types && graph.value(out).type.kind == ValueKind::none)
      broken(graph, id, "output \"" + graph.value(out).name + "\" has no type");
  }
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    if (n.outputs[i] != kNone && graph.value(n.outputs[i]).output != static_cast<int32_t>(i))
      broken(graph, id, fmt::format("output {} says that it is another one", i));
  }
  if (n.op == nullptr) return;
  if (n.version < 0 || static_cast<size_t>(n.version) >= n.op->versions.size())
    broken(graph, id, fmt::format("the operator has no version number {}", n.version));
  const Schema& schema = n.schema();
  const int in = static_cast<int>(n.inputs.size()), out = static_cast<int>(n.outputs.size());
  if (in < schema.min_inputs() || in > schema.max_inputs())
    broken(graph, id, fmt::format("operand count {} is outside the schema", in));
  if (out > schema.max_outputs()) broken(graph, id, fmt::format("output count {} is outside the schema", out));
}

void verify_at(const Graph& graph, bool types, int depth) {
  std::unordered_set<ValueId> captures;
  for (const auto& [value, name] : graph.captures) captures.insert(value);
  std::vector<bool> made(static_cast<size_t>(graph.value_capacity()));
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    const GraphValue& v = graph.value(id);
    if (v.alive) check_value(graph, id);
    made[static_cast<size_t>(id)] =
        v.alive && (v.producer != kNone || v.is_input || v.is_constant() || captures.count(id) > 0);
  }
  std::vector<size_t> references(static_cast<size_t>(graph.value_capacity()));
  int live = 0;
  for (NodeId id = 0; id < graph.node_capacity(); ++id) {
    if (!graph.node(id).alive) continue;
    ++live;
    check_operands(graph, id, made, references);
    check_node(graph, id, types);
    check_bodies(graph, id, depth);
  }
  if (live != graph.node_count())
    broken(graph, kNone, fmt::format("{} nodes are alive, {} are counted", live, graph.node_count()));
  std::vector<int32_t> times(static_cast<size_t>(graph.value_capacity()));
  for (ValueId id : graph.outputs()) {
    if (!valid(graph, id)) broken(graph, kNone, "an output does not exist");
    if (!made[static_cast<size_t>(id)])
      broken(graph, kNone, "output \"" + graph.value(id).name + "\" is produced by nobody");
    ++times[static_cast<size_t>(id)];
  }
  for (ValueId id : graph.inputs()) {
    if (!valid(graph, id) || !graph.value(id).is_input) broken(graph, kNone, "an input is not marked as one");
  }
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    const GraphValue& v = graph.value(id);
    if (!v.alive) continue;
    // Every listed use exists and none is listed twice: with equal numbers the list is complete.
    if (references[static_cast<size_t>(id)] != v.uses.size())
      broken(graph, v.producer, "value \"" + v.name + "\" does not list all its uses");
    if (times[static_cast<size_t>(id)] != v.times_output)
      broken(graph, v.producer, "value \"" + v.name + "\" does not know how often it is an output");
  }
  static_cast<void>(graph.order());
}

void check_bodies(const Graph& graph, NodeId id, int depth) {
  const Node& n = graph.node(id);
  for (const auto& item : n.attributes.items()) {
    const GraphPtr* body = item.value.get<GraphPtr>();
    if (body == nullptr) continue;
    if (depth >= 256) broken(graph, id, "bodies are nested deeper than 256");
    if ((*body)->inputs().size() < n.captured.size())
      broken(graph, id, "body \"" + item.name + "\" has fewer inputs than the node captures values");
    verify_at(**body, false, depth + 1);
  }
}

}  // namespace

void verify(const Graph& graph, bool types) { verify_at(graph, types, 0); }

}  // namespace chorus
