#include <graph/infer.h>
#include <graph/pass.h>

#include <algorithm>
#include <optional>

namespace chorus::passes {
namespace {

using Perm = std::vector<int64_t>;

bool is(const Node& n, std::string_view type) { return n.alive && n.op != nullptr && n.domain.empty() && n.type == type; }

std::optional<Perm> perm_of(const Graph& graph, const Node& n) {
  const auto given = n.attrs().integers("perm");
  if (!given.empty()) return Perm(given.begin(), given.end());
  const int rank = graph.value(n.inputs[0]).type.rank();
  if (rank < 0) return std::nullopt;
  Perm reversed;
  for (int i = rank; i-- > 0;) reversed.push_back(i);
  return reversed;
}

NodeId producer(const Graph& graph, ValueId id) { return id == kNone ? kNone : graph.value(id).producer; }

// Transpose(p) then Transpose(q): axis i of the result is axis p[q[i]] of the operand.
bool merge_transposes(Graph& graph, NodeId id) {
  const NodeId before = producer(graph, graph.node(id).inputs[0]);
  if (before == kNone || !is(graph.node(before), "Transpose")) return false;
  const auto p = perm_of(graph, graph.node(before)), q = perm_of(graph, graph.node(id));
  if (!p || !q || p->size() != q->size()) return false;
  Perm both;
  for (int64_t axis : *q) both.push_back((*p)[static_cast<size_t>(axis)]);
  graph.set_operand(id, 0, graph.node(before).inputs[0]);
  graph.node(id).attributes.set("perm", std::move(both));
  return true;
}

bool is_view(const Node& n) { return is(n, "Reshape") || is(n, "Squeeze") || is(n, "Unsqueeze") || is(n, "Flatten"); }

// Elements of a Reshape's target as numbers, when it is constant.
std::optional<std::vector<int64_t>> target_of(const Graph& graph, const Node& n) {
  if (!is(n, "Reshape") || n.inputs.size() < 2) return std::nullopt;
  const GraphValue& shape = graph.value(n.inputs[1]);
  if (!shape.is_constant() || shape.is_input) return std::nullopt;
  return shape.constant.to_int64s();
}

// A view of a view: a Reshape whose target says nothing of its operand's dims (no 0 that copies one) can read the first operand.
bool merge_views(Graph& graph, NodeId id) {
  const NodeId before = producer(graph, graph.node(id).inputs[0]);
  if (before == kNone || !is_view(graph.node(before))) return false;
  const auto target = target_of(graph, graph.node(id));
  if (!target || std::count(target->begin(), target->end(), 0) != 0) return false;
  graph.set_operand(id, 0, graph.node(before).inputs[0]);
  return true;
}

bool same_dims(const Type& a, const Type& b) {
  return a.has_rank && b.has_rank && std::equal(a.dims.begin(), a.dims.end(), b.dims.begin(), b.dims.end(),
                                                [](const Dim& x, const Dim& y) { return Dim::equal(x, y) == Dim::Truth::yes; });
}

// Views that lead back to the shape where they began: Squeeze after Unsqueeze, Reshape there and back.
bool skip_round_trip(Graph& graph, NodeId id) {
  const ValueId out = graph.node(id).outputs[0];
  ValueId from = graph.node(id).inputs[0];
  for (int steps = 0; steps < 64; ++steps) {
    const NodeId before = producer(graph, from);
    if (before == kNone || !is_view(graph.node(before))) return false;
    from = graph.node(before).inputs[0];
    if (!same_dims(graph.value(from).type, graph.value(out).type) || !graph.can_replace(out, from)) continue;
    graph.replace_uses(out, from);
    graph.remove_node(id);
    return true;
  }
  return false;
}

}  // namespace

int cancel_movement(Graph& graph, PassContext&) {
  int changes = 0;
  for (NodeId id : graph.order()) {
    if (!graph.node(id).alive || graph.node(id).outputs.empty() || graph.node(id).outputs[0] == kNone) continue;
    if (is(graph.node(id), "Transpose")) {
      while (merge_transposes(graph, id)) ++changes;
    } else if (is_view(graph.node(id))) {
      while (merge_views(graph, id)) ++changes;
      if (skip_round_trip(graph, id)) ++changes;
    }
  }
  return changes;
}

}  // namespace chorus::passes
