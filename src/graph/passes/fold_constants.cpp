#include <core/convert.h>
#include <graph/infer.h>
#include <graph/passes/bodies.h>

#include <algorithm>
#include <optional>

namespace chorus::passes {
namespace {

constexpr int64_t kSmallOperands = 4096;   ///< bytes up to which an operator with unknown sizes is tried

int64_t count_of(const Type& type) {
  int64_t count = 1;
  for (const Dim& d : type.dims) count = checked_mul(count, d.number());
  return count;
}

// A value whose elements and shape inference already knows as numbers.
bool known_by_inference(const GraphValue& v) {
  if (!v.symbolic || !v.type.is_tensor() || !v.type.is_static() ||
      !(is_integer(v.type.dtype) || v.type.dtype == DType::boolean))
    return false;
  if (count_of(v.type) != static_cast<int64_t>(v.symbolic->size())) return false;
  return std::all_of(v.symbolic->begin(), v.symbolic->end(), [](const Dim& d) { return d.is_number(); });
}

Value value_of(const GraphValue& v) {
  std::vector<int64_t> dims;
  for (const Dim& d : v.type.dims) dims.push_back(d.number());
  Value value = Value::tensor(v.type.dtype, Shape(dims));
  for (size_t i = 0; i < v.symbolic->size(); ++i)
    set_i64(v.type.dtype, value.mutable_data(), static_cast<int64_t>(i), (*v.symbolic)[i].number());
  return value;
}

bool has_constant_operands(const Graph& graph, const Node& n) {
  return std::all_of(n.inputs.begin(), n.inputs.end(), [&](ValueId in) {
    return in == kNone || (graph.value(in).is_constant() && !graph.value(in).is_input);
  });
}

// What a tensor takes; of strings the buffer has nothing.
int64_t bytes_of(const Value& v) {
  if (!v.is_tensor()) return 0;
  return v.dtype() == DType::string ? static_cast<int64_t>(v.strings().bytes.size()) + 8 * v.numel()
                                    : static_cast<int64_t>(v.bytes());
}

// Bytes that the outputs will have; nullopt: not known before the run.
std::optional<int64_t> planned_bytes(const Graph& graph, const Node& n) {
  int64_t total = 0;
  for (ValueId out : n.outputs) {
    if (out == kNone) continue;
    const Type& t = graph.value(out).type;
    if (!t.is_static() || !t.is_tensor() || t.dtype == DType::undefined || t.dtype == DType::string)
      return std::nullopt;
    const int64_t count = count_of(t);
    const int64_t bytes = count < 0 ? -1 : dtype_bytes(t.dtype, count);
    total = bytes < 0 ? -1 : checked_add(total, bytes);
    if (total < 0) return INT64_MAX;
  }
  return total;
}

class NodeCost final : public CostContext {
 public:
  NodeCost(const Graph& graph, NodeId id)
      : graph_(graph), node_(graph.node(id)), attrs_(node_.attributes, node_.schema()) {
    for (ValueId in : node_.inputs) add(in);
    for (ValueId out : node_.outputs) add(out);
  }
  const AttrReader& attrs() const override { return attrs_; }
  int inputs() const override { return static_cast<int>(node_.inputs.size()); }
  int outputs() const override { return static_cast<int>(node_.outputs.size()); }
  DType dtype(bool output, int i) const override {
    const ValueId id = at(output, i);
    return id == kNone ? DType::undefined : graph_.value(id).type.dtype;
  }
  std::span<const int64_t> dims(bool output, int i) const override {
    if (at(output, i) == kNone) return {};
    return dims_[static_cast<size_t>(output ? inputs() + i : i)];
  }

 private:
  ValueId at(bool output, int i) const {
    const auto& list = output ? node_.outputs : node_.inputs;
    return i >= 0 && static_cast<size_t>(i) < list.size() ? list[static_cast<size_t>(i)] : kNone;
  }
  void add(ValueId id) {
    dims_.emplace_back();
    if (id == kNone || !graph_.value(id).type.is_static()) return;
    for (const Dim& d : graph_.value(id).type.dims) dims_.back().push_back(d.number());
  }
  const Graph& graph_;
  const Node& node_;
  AttrReader attrs_;
  std::vector<std::vector<int64_t>> dims_;
};

// Within what folding may still spend? Sizes that are unknown before the run (a file can ask for anything): only with small operands.
bool affordable(const Graph& graph, NodeId id, PassContext& context) {
  const Node& n = graph.node(id);
  const auto bytes = planned_bytes(graph, n);
  if (!bytes) {
    int64_t in_bytes = 0;
    for (ValueId in : n.inputs) {
      if (in != kNone) in_bytes += bytes_of(graph.value(in).constant);
    }
    return in_bytes <= kSmallOperands;
  }
  if (*bytes > context.fold_value_bytes || *bytes > context.fold_budget_bytes) return false;
  const Cost cost = n.op->cost(NodeCost(graph, id));
  const double work = cost.flops + 16 * cost.transcendental + (cost.bytes_read + cost.bytes_written) / 8;
  if (!(work <= static_cast<double>(context.fold_flops))) return false;
  context.fold_flops -= static_cast<int64_t>(work);
  return true;
}

bool results_fit(const Node& n, const std::vector<Value>& results, const PassContext& context) {
  int64_t total = 0;
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    if (n.outputs[i] == kNone) continue;
    if (i >= results.size() || !results[i].is_tensor()) return false;
    const int64_t bytes = bytes_of(results[i]);
    if (bytes > context.fold_value_bytes) return false;
    total += bytes;
  }
  return total <= context.fold_budget_bytes;
}

// The constants take the outputs' names: what is asked for by name is still there.
void replace_by_constants(Graph& graph, NodeId id, std::vector<Value> values) {
  std::vector<std::pair<ValueId, std::string>> names;
  for (size_t i = 0; i < graph.node(id).outputs.size(); ++i) {
    const ValueId out = graph.node(id).outputs[i];
    if (out == kNone) continue;
    const ValueId constant = graph.add_constant(graph.value(out).name, std::move(values[i]));
    names.emplace_back(constant, graph.value(out).name);
    graph.replace_uses(out, constant);
  }
  graph.remove_node(id);
  for (auto& [constant, name] : names) graph.rename(constant, std::move(name));
}

bool fold(Graph& graph, NodeId id, PassContext& context) {
  const Node& n = graph.node(id);
  if (n.op == nullptr || n.op->effect != Effect::pure || has_bodies(n)) return false;
  // An output of the graph has to be made by a node.
  if (std::any_of(n.outputs.begin(), n.outputs.end(),
                  [&](ValueId out) { return out != kNone && graph.is_output(out); }))
    return false;
  if (n.outputs.size() == 1 && n.outputs[0] != kNone && known_by_inference(graph.value(n.outputs[0]))) {
    std::vector<Value> values{value_of(graph.value(n.outputs[0]))};
    replace_by_constants(graph, id, std::move(values));
    return true;
  }
  if (context.keeps != nullptr && context.keeps(graph, id)) return false;
  if (context.evaluator == nullptr || !has_constant_operands(graph, n) || !affordable(graph, id, context)) return false;
  std::vector<Value> operands;
  for (ValueId in : n.inputs) operands.push_back(in == kNone ? Value() : graph.value(in).constant);
  auto result = context.evaluator->evaluate(graph, id, operands);
  // A failure is left to the run, where the error names what causes it.
  if (!result.ok() || !results_fit(n, result.value(), context)) return false;
  for (const Value& v : result.value()) context.fold_budget_bytes -= bytes_of(v);
  replace_by_constants(graph, id, std::move(result.value()));
  return true;
}

}  // namespace

int fold_constants(Graph& graph, PassContext& context) {
  int changes = 0;
  for (NodeId id : graph.order()) {
    if (graph.node(id).alive && fold(graph, id, context)) ++changes;
  }
  return changes;
}

}  // namespace chorus::passes
