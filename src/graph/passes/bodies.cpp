#include <graph/infer.h>
#include <graph/passes/bodies.h>

#include <algorithm>

namespace chorus::passes {
namespace {

constexpr int kDepth = 256;   // deeper bodies count as ordered: nobody takes them away

Effect effect_at(const Node& n, int depth) {
  Effect effect = n.op == nullptr ? Effect::pure : n.op->effect;
  for (const auto& item : n.attributes.items()) {
    const GraphPtr* body = item.value.get<GraphPtr>();
    if (body == nullptr || *body == nullptr) continue;
    if (depth >= kDepth) return Effect::ordered;
    for (NodeId id = 0; id < (*body)->node_capacity() && effect != Effect::ordered; ++id) {
      if ((*body)->node(id).alive) effect = std::max(effect, effect_at((*body)->node(id), depth + 1));
    }
  }
  return effect;
}

}  // namespace

bool has_bodies(const Node& n) noexcept {
  const auto items = n.attributes.items();
  return std::any_of(items.begin(), items.end(),
                     [](const auto& item) { return item.value.template get<GraphPtr>() != nullptr; });
}

Effect effect_of(const Node& node) { return effect_at(node, 0); }

bool is_newest(const Node& n, std::string_view type) noexcept {
  return n.alive && n.op != nullptr && n.domain.empty() && n.type == type &&
         n.version + 1 == static_cast<int>(n.op->versions.size());
}

const Value* constant_operand(const Graph& graph, const Node& n, size_t operand) noexcept {
  if (operand >= n.inputs.size() || n.inputs[operand] == kNone) return nullptr;
  const GraphValue& v = graph.value(n.inputs[operand]);
  return v.is_constant() && !v.is_input ? &v.constant : nullptr;
}

namespace {

int change_body(Graph& graph, NodeId id, size_t attribute, BodyTypes how, FunctionRef<int(Graph&)> change) {
  const auto& item = graph.node(id).attributes.items()[attribute];
  auto copy = std::make_shared<Graph>(**item.value.get<GraphPtr>());
  std::vector<Type> types =
      how != BodyTypes::as_they_are ? body_input_types(graph, id, item.name) : std::vector<Type>();
  const std::vector<ValueId> inputs(copy->inputs().begin(), copy->inputs().end());
  types.resize(inputs.size());
  for (size_t k = 0; k < inputs.size(); ++k) {
    Type& own = copy->value(inputs[k]).type;
    Type given = std::exchange(types[k], own);   // from here on what the body itself says
    if (how == BodyTypes::by_node_unshaped && given.is_tensor()) given = Type::tensor(given.dtype);
    if (given.kind != ValueKind::none)
      own = own.kind == ValueKind::none ? std::move(given) : Type::meet(own, given, copy->value(inputs[k]).name);
  }
  const int made = change(*copy);
  if (made == 0) return 0;
  for (size_t k = 0; k < inputs.size(); ++k) {
    if (copy->value(inputs[k]).alive) copy->value(inputs[k]).type = types[k];
  }
  graph.node(id).attributes.items()[attribute].value.data = GraphPtr(std::move(copy));
  return made;
}

}  // namespace

int change_bodies(Graph& graph, NodeId id, BodyTypes how, FunctionRef<int(Graph&)> change) {
  int changes = 0;
  for (size_t i = 0; i < graph.node(id).attributes.items().size(); ++i) {
    const GraphPtr* body = graph.node(id).attributes.items()[i].value.get<GraphPtr>();
    if (body == nullptr || *body == nullptr) continue;
    try {
      changes += change_body(graph, id, i, how, change);
    } catch (const Error& error) {
      // The branch of an If that these shapes never take may contradict them: it is then changed without knowing them.
      if (error.code() != Code::shape || graph.node(id).type != "If" || how != BodyTypes::by_node) throw;
      changes += change_body(graph, id, i, BodyTypes::by_node_unshaped, change);
    }
  }
  return changes;
}

bool is_inference_dropout(const Graph& graph, const Node& n) {
  if (n.inputs.size() <= 2 || n.inputs[2] == kNone) return true;
  const Value* training = constant_operand(graph, n, 2);
  return training != nullptr && training->dtype() == DType::boolean && training->numel() == 1 &&
         training->to_int64s()[0] == 0;
}

}  // namespace chorus::passes
