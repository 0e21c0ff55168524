// Writing a model at another operator set: every node steps up or down through the versions of its row.
#include <format/onnx/writer.h>
#include <graph/infer.h>
#include <graph/passes/bodies.h>
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace chorus::onnx {
namespace {

constexpr int kMostGenerations = 32;   // nodes put in place of nodes put in place …

// Whether a type may leave an operator of this version: check_node looks at operands only.
bool output_allowed(const TypeSet& set, const Type& type) {
  if (set.any_map) return true;
  switch (type.kind) {
    case ValueKind::tensor: return type.dtype == DType::undefined || dtype_in(type.dtype, set.tensor);
    case ValueKind::sequence: return set.sequence != 0;
    case ValueKind::optional:
      return type.elem && type.elem->kind == ValueKind::sequence ? set.optional_sequence != 0 : set.optional != 0;
    default: return true;
  }
}

// Reshape's allowzero means nothing where the result has no dimension 0: then no number of the shape is 0.
bool idle_allowzero(const Graph& graph, const Node& n, std::string_view attribute) {
  if (n.type != "Reshape" || !n.domain.empty() || attribute != "allowzero" || n.outputs.empty() ||
      n.outputs[0] == kNone)
    return false;
  const Type& type = graph.value(n.outputs[0]).type;
  return type.has_rank && std::ranges::all_of(type.dims, [](const Dim& d) { return d.is_number() && d.number() > 0; });
}

std::string forbidden_output(const Graph& graph, const Node& n, const Schema& schema) {
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    const Param* param = schema.output(static_cast<int>(i));
    if (n.outputs[i] == kNone) continue;
    const Type& type = graph.value(n.outputs[i]).type;
    if (param == nullptr) return fmt::format("version {} has no output {}", schema.since, i);
    if (!output_allowed(schema.types[static_cast<size_t>(param->type_set)], type))
      return fmt::format("version {} makes no {}", schema.since, type.str());
  }
  return {};
}

/// The numbers of axes of which operand or result the entries of an attribute count; 0: the attribute names no axes.
int axes_counted(const Graph& graph, const Node& n, std::string_view attribute, size_t entry) {
  const auto rank_of = [&](std::span<const ValueId> values, size_t i) {
    if (i >= values.size() || values[i] == kNone) return -1;
    const Type& type = graph.value(values[i]).type;
    return type.kind == ValueKind::tensor && type.has_rank ? type.rank() : -1;
  };
  if (attribute == "axis" || attribute == "axes") {
    const int rank = rank_of(n.inputs, 0);
    return rank >= 0 && n.type == "OneHot" ? rank + 1 : rank;
  }
  const auto scanned = static_cast<size_t>(AttrReader(n.attributes, n.schema()).integer("num_scan_inputs"));
  const size_t states = n.inputs.size() - std::min(scanned, n.inputs.size());
  return rank_of(attribute == "scan_input_axes" ? n.inputs : n.outputs, states + entry);
}

/// Below operator set 11 axes are counted from the front, but where the older text says otherwise: Gather, Scatter, and a default of
/// -1. Returns a sentence where the rank that it takes is not known.
std::string axes_from_front(const Graph& graph, Node& n, const Schema& older) {
  if (n.schema().since < 11 || older.since >= 11 || n.type == "Gather" || n.type == "Scatter") return {};
  for (const char* name : {"axis", "axes", "scan_input_axes", "scan_output_axes"}) {
    const AttrValue* value = n.attributes.find(name);
    const Attr* own = older.attribute(name);
    if (value == nullptr || own == nullptr || own->fallback == *value) continue;
    const auto* one = value->get<int64_t>();
    const auto* list = value->get<std::vector<int64_t>>();
    std::vector<int64_t> axes = one != nullptr    ? std::vector<int64_t>{*one}
                                : list != nullptr ? *list
                                                  : std::vector<int64_t>();
    for (size_t i = 0; i < axes.size(); ++i) {
      if (axes[i] >= 0) continue;
      const int rank = axes_counted(graph, n, name, i);
      if (rank < 0) return fmt::format("{} {} of an unknown rank is counted from the front there", name, axes[i]);
      axes[i] += rank;
    }
    if (one != nullptr)
      n.attributes.set(name, axes[0]);
    else
      n.attributes.set(name, std::move(axes));
  }
  return {};
}

class Converter {
 public:
  Converter(const Opsets& opsets, int opset) : opsets_(opsets), opset_(opset) {}
  /// Returns the number of changes.
  int run(Graph& graph, int depth);

 private:
  /// Index of the version to write; -1: none may be written at this operator set.
  int wanted(const Node& n) const {
    const auto opset = opsets_.find(n.domain);
    const int target = n.domain.empty() ? opset_ : opset == opsets_.end() ? newest_opset(n.domain) : opset->second;
    const int index = n.op->version_index(target);
    return index >= 0 && n.op->schema(index).deprecated ? -1 : index;
  }
  int convert(Graph& graph, NodeId id, int depth);
  void step_up(Graph& graph, NodeId id);
  bool step_down(Graph& graph, NodeId id, std::string& reason);
  bool decompose(Graph& graph, NodeId id, std::string& reason);
  [[noreturn]] void refuse(const Graph& graph, NodeId id, const std::string& reason) const {
    const Node& n = graph.node(id);
    throw Error(Code::unsupported, fmt::format("{} cannot be written at operator set {}: {}", n.type, opset_, reason),
                graph.where(id), "ask for a newer operator set");
  }

  const Opsets& opsets_;
  int opset_;
};

void Converter::step_up(Graph& graph, NodeId id) {
  Node& n = graph.node(id);
  const auto step = n.op->versions[static_cast<size_t>(n.version)].to_next;
  if (step == nullptr) {
    ++n.version;
    return;
  }
  std::string reason;
  if (!Expander::expand(graph, id, step, &reason)) refuse(graph, id, reason);
}

// Down by the row's own rule, else as it is where the newer version is a pure extension of which the node makes no use.
bool Converter::step_down(Graph& graph, NodeId id, std::string& reason) {
  Node& n = graph.node(id);
  const Version& older = n.op->versions[static_cast<size_t>(n.version) - 1];
  if (older.to_previous != nullptr) return Expander::expand(graph, id, older.to_previous, &reason);
  if (older.to_next != nullptr) {
    reason = fmt::format("version {} means something else than version {}",
                         n.op->versions[static_cast<size_t>(n.version)].since, older.since);
    return false;
  }
  const Schema& from = n.schema();
  const Schema& to = n.op->schema(n.version - 1);
  reason = forbidden_output(graph, n, to);
  if (!reason.empty()) return false;
  const Attributes kept = n.attributes;
  reason = axes_from_front(graph, n, to);
  if (!reason.empty()) return false;
  for (const auto& item : kept.items()) {
    const Attr* attr = from.attribute(item.name);
    if (to.attribute(item.name) != nullptr || attr == nullptr) continue;
    if (attr->fallback == item.value || idle_allowzero(graph, n, item.name)) n.attributes.erase(item.name);
  }
  --n.version;
  try {
    check_node(graph, n, id);
    return true;
  } catch (const Error& error) {
    reason = error.message();
    ++n.version;
    n.attributes = kept;
    return false;
  }
}

// By simpler operators, for which the newest version of the node is needed.
bool Converter::decompose(Graph& graph, NodeId id, std::string& reason) {
  const auto* rule = std::get_if<Decompose>(&graph.node(id).op->meaning);
  if (rule == nullptr || *rule == nullptr) return false;
  while (graph.node(id).alive && graph.node(id).version + 1 < static_cast<int>(graph.node(id).op->versions.size()))
    step_up(graph, id);
  return !graph.node(id).alive || Expander::expand(graph, id, *rule, &reason);
}

int Converter::convert(Graph& graph, NodeId id, int depth) {
  if (graph.node(id).op == nullptr) {
    if (graph.node(id).domain.empty()) refuse(graph, id, "the operator is not known");
    const auto here = opsets_.find("");
    if (passes::has_bodies(graph.node(id)) && (here == opsets_.end() || here->second != opset_)) {
      refuse(graph, id,
             "the operator is not known, so what its body means at another operator set is not known either");
    }
    return 0;  // of a domain of its own, whose operator set stays
  }
  int changes = 0;
  if (passes::has_bodies(graph.node(id))) {
    changes +=
        passes::change_bodies(graph, id, passes::BodyTypes::by_node, [&](Graph& body) { return run(body, depth + 1); });
  }
  infer_node(graph, id);  // steps ask for the types of operands and outputs
  while (graph.node(id).alive) {
    const int want = wanted(graph.node(id)), have = graph.node(id).version;
    if (want == have) break;
    ++changes;
    std::string reason = want < 0 ? "the operator is younger, or withdrawn there" : "";
    if (want > have)
      step_up(graph, id);
    else if ((want < 0 || !step_down(graph, id, reason)) && !decompose(graph, id, reason))
      refuse(graph, id, reason);
  }
  return changes;
}

int Converter::run(Graph& graph, int depth) {
  if (depth > 64) throw Error(Code::budget, "bodies are nested deeper than 64");
  int changes = 0;
  graph.checks.clear();
  std::unordered_map<NodeId, int> generation;
  for (NodeId start : graph.order()) {
    NodeId next = graph.node_capacity();
    for (NodeId id = start;; id = next++) {
      if (graph.node(id).alive) {
        const NodeId before = graph.node_capacity();
        const int age = generation[id];
        if (age > kMostGenerations) refuse(graph, id, "its rules go round in a circle");
        changes += convert(graph, id, depth);
        for (NodeId made = before; made < graph.node_capacity(); ++made) generation[made] = age + 1;
      }
      if (next >= graph.node_capacity()) break;
    }
  }
  return changes;
}

}  // namespace

std::shared_ptr<const Graph> graph_at_opset(const Model& model, int opset) {
  auto graph = std::make_shared<Graph>(*model.graph);
  std::unordered_map<std::string, Type> declared;
  std::unordered_map<std::string, bool> unused;
  for (ValueId id = 0; id < graph->value_capacity(); ++id) {
    const GraphValue& v = graph->value(id);
    if (!v.alive) continue;
    if (v.declared || v.is_input) declared.emplace(v.name, v.type);
    if (v.is_constant() && v.uses.empty()) unused.emplace(v.name, true);
  }
  PassContext context;
  context.functions = &model.functions;
  passes::close_bodies(*graph, context);
  passes::inline_functions(*graph, context);
  name_input_dims(*graph);
  const Opsets opsets = graph->opsets;
  Converter(opsets, opset).run(*graph, 0);
  for (ValueId id = 0; id < graph->value_capacity(); ++id) {
    GraphValue& v = graph->value(id);
    if (!v.alive) continue;
    // The names that inference gave to unknown dimensions are not the file's.
    if (const auto type = declared.find(v.name); type != declared.end()) v.type = type->second;
    if (v.is_constant() && !v.is_input && v.uses.empty() && !graph->is_output(id) && unused.count(v.name) == 0)
      graph->remove_value(id);
  }
  if (graph->opsets.count("") != 0 || model.graph->opsets.empty())
    graph->opsets[""] = opset;
  else
    for (NodeId id = 0; id < graph->node_capacity(); ++id) {
      if (graph->node(id).alive && graph->node(id).domain.empty()) graph->opsets[""] = opset;
    }
  return graph;
}

}  // namespace chorus::onnx
