#include <core/convert.h>
#include <graph/infer.h>
#include <graph/pass.h>

#include <algorithm>

namespace chorus::passes {
namespace {

// A value whose elements and shape inference already knows as numbers.
bool known_by_inference(const GraphValue& v) {
  return v.symbolic && v.type.is_static() && std::all_of(v.symbolic->begin(), v.symbolic->end(), [](const Dim& d) { return d.is_number(); });
}

Value value_of(const GraphValue& v) {
  std::vector<int64_t> dims;
  for (const Dim& d : v.type.dims) dims.push_back(d.number());
  Value value = Value::tensor(v.type.dtype, Shape(dims));
  for (size_t i = 0; i < v.symbolic->size(); ++i) set_i64(v.type.dtype, value.mutable_data(), static_cast<int64_t>(i), (*v.symbolic)[i].number());
  return value;
}

bool foldable(const Graph& graph, const Node& n) {
  if (n.op == nullptr || n.op->effect != Effect::pure || !n.captured.empty()) return false;
  for (const auto& item : n.attributes.items()) {
    if (item.value.kind() == AttrKind::graph) return false;
  }
  return std::all_of(n.inputs.begin(), n.inputs.end(), [&](ValueId in) {
    return in == kNone || (graph.value(in).is_constant() && !graph.value(in).is_input);
  });
}

// Bytes that the outputs will have, -1 when that is not known before.
int64_t planned_bytes(const Graph& graph, const Node& n) {
  int64_t total = 0;
  for (ValueId out : n.outputs) {
    if (out == kNone) continue;
    const Type& t = graph.value(out).type;
    if (!t.is_static() || !t.is_tensor()) return -1;
    int64_t count = 1;
    for (const Dim& d : t.dims) count = checked_mul(count, d.number());
    const int64_t bytes = count < 0 ? -1 : dtype_bytes(t.dtype, count);
    if (bytes < 0) return INT64_MAX;
    total = checked_add(total, bytes);
    if (total < 0) return INT64_MAX;
  }
  return total;
}

void replace_by_constant(Graph& graph, ValueId id, Value data) {
  const std::string name = graph.value(id).name;
  const Type type = graph.value(id).type;
  const ValueId constant = graph.add_constant(name, std::move(data));
  graph.value(constant).type = type.is_static() ? type : graph.value(constant).type;
  graph.replace_uses(id, constant);
}

}  // namespace

int fold_constants(Graph& graph, PassContext& context) {
  int changes = 0;
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    if (!n.alive || n.op == nullptr) continue;
    if (n.op->effect == Effect::pure && n.outputs.size() == 1 && n.outputs[0] != kNone && !graph.is_output(n.outputs[0]) &&
        known_by_inference(graph.value(n.outputs[0]))) {
      const ValueId out = n.outputs[0];
      replace_by_constant(graph, out, value_of(graph.value(out)));
      graph.remove_node(id);
      ++changes;
      continue;
    }
    if (context.evaluator == nullptr || !foldable(graph, n)) continue;
    const bool interface = std::any_of(n.outputs.begin(), n.outputs.end(), [&](ValueId out) { return out != kNone && graph.is_output(out); });
    const int64_t bytes = planned_bytes(graph, n);
    if (interface || bytes > context.fold_value_bytes || bytes > context.fold_budget_bytes) continue;
    std::vector<Value> operands;
    int64_t in_bytes = 0;
    for (ValueId in : n.inputs) {
      operands.push_back(in == kNone ? Value() : graph.value(in).constant);
      in_bytes += static_cast<int64_t>(operands.back().bytes());
    }
    // Sizes unknown before the run (a file can ask for anything): only with small operands.
    if (bytes < 0 && in_bytes > 4096) continue;
    auto result = context.evaluator->evaluate(graph, id, operands);
    if (!result.ok()) continue;   // left to the run, where the error names the input that causes it
    std::vector<ValueId> outputs = graph.node(id).outputs;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i] == kNone || !result.value()[i]) continue;
      context.fold_budget_bytes -= static_cast<int64_t>(result.value()[i].bytes());
      replace_by_constant(graph, outputs[i], std::move(result.value()[i]));
    }
    graph.remove_node(id);
    ++changes;
  }
  return changes;
}

}  // namespace chorus::passes
