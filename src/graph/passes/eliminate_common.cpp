#include <graph/passes/bodies.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string_view>
#include <unordered_map>

namespace chorus::passes {
namespace {

constexpr size_t kMergedConstantBytes =
    4096;   ///< constants up to this are compared by content: shape operands, scalars

size_t mix(size_t seed, size_t value) { return seed ^ (value + 0x9e3779b97f4a7c15ull + (seed << 6) + (seed >> 2)); }

size_t hash_of(const Node& n) {
  size_t h = std::hash<const void*>()(n.op);
  h = mix(h, static_cast<size_t>(n.version));
  h = mix(h, n.outputs.size());
  for (ValueId id : n.inputs) h = mix(h, static_cast<size_t>(id));
  for (ValueId id : n.captured) h = mix(h, static_cast<size_t>(id));
  size_t names = 0;   // attributes are a set: a sum does not depend on their order
  for (const auto& item : n.attributes.items()) names += std::hash<std::string>()(item.name);
  return mix(h, names);
}

bool equal(const Node& a, const Node& b) {
  if (a.op != b.op || a.version != b.version || a.inputs != b.inputs || a.captured != b.captured ||
      a.outputs.size() != b.outputs.size())
    return false;
  return a.attributes == b.attributes;
}

bool mergeable(const Node& n) {
  // Bodies may hold random operators: two loops with equal bodies are two draws.
  return n.op != nullptr && n.op->effect == Effect::pure && !has_bodies(n);
}

bool can_take_over(const Graph& graph, const Node& from, const Node& to) {
  for (size_t i = 0; i < from.outputs.size(); ++i) {
    const ValueId a = from.outputs[i], b = to.outputs[i];
    if (a == kNone) continue;
    // An output that the first one leaves out cannot be given afterwards.
    if (b == kNone || !graph.can_replace(a, b)) return false;
  }
  return true;
}

int merge_constants(Graph& graph) {
  int changes = 0;
  std::unordered_multimap<size_t, ValueId> seen;
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    const GraphValue& v = graph.value(id);
    if (!v.alive || !v.is_constant() || v.is_input || !v.constant.is_tensor() || v.constant.dtype() == DType::string)
      continue;
    if (v.constant.bytes() > kMergedConstantBytes || v.uses.empty() || graph.is_output(id)) continue;
    const std::string_view bytes(static_cast<const char*>(v.constant.data()), v.constant.bytes());
    size_t h = mix(std::hash<std::string_view>()(bytes), static_cast<size_t>(v.constant.dtype()));
    for (int64_t d : v.constant.shape()) h = mix(h, static_cast<size_t>(d));
    ValueId same = kNone;
    for (auto [it, end] = seen.equal_range(h); it != end && same == kNone; ++it) {
      if (graph.value(it->second).constant.identical(v.constant)) same = it->second;
    }
    if (same == kNone) {
      seen.emplace(h, id);
      continue;
    }
    graph.replace_uses(id, same);
    graph.remove_value(id);
    ++changes;
  }
  return changes;
}

}  // namespace

// Nodes of one operator, version, attributes and operands compute the same: the later one's users take the earlier one's outputs.
int eliminate_common(Graph& graph, PassContext&) {
  int changes = merge_constants(graph);
  std::unordered_multimap<size_t, NodeId> seen;
  std::vector<NodeId> doubles;
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    if (!mergeable(n)) continue;
    const size_t h = hash_of(n);
    NodeId same = kNone;
    for (auto [it, end] = seen.equal_range(h); it != end && same == kNone; ++it) {
      const Node& first = graph.node(it->second);
      if (equal(first, n) && can_take_over(graph, n, first)) same = it->second;
    }
    if (same == kNone) {
      seen.emplace(h, id);
      continue;
    }
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      if (n.outputs[i] != kNone) graph.replace_uses(n.outputs[i], graph.node(same).outputs[i]);
    }
    doubles.push_back(id);
  }
  for (auto it = doubles.rbegin(); it != doubles.rend(); ++it) graph.remove_node(*it);
  return changes + static_cast<int>(doubles.size());
}

}  // namespace chorus::passes
