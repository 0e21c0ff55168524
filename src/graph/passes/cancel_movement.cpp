#include <graph/infer.h>
#include <graph/passes/bodies.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

namespace chorus::passes {
namespace {

using Perm = std::vector<int64_t>;

NodeId producer(const Graph& graph, ValueId id) { return id == kNone ? kNone : graph.value(id).producer; }

bool is_made_by(const Graph& graph, ValueId id, std::string_view type) {
  const NodeId node = producer(graph, id);
  return node != kNone && is_newest(graph.node(node), type);
}

std::optional<Perm> perm_of(const Graph& graph, const Node& n) {
  const auto given = n.attrs().integers("perm");
  if (!given.empty()) return Perm(given.begin(), given.end());
  const int rank = graph.value(n.inputs[0]).type.rank();
  if (rank < 0) return std::nullopt;
  Perm reversed;
  for (int i = rank; i-- > 0;) reversed.push_back(i);
  return reversed;
}

// Transpose(p), then Transpose(q): axis i of the result is axis p[q[i]] of the operand.
std::optional<Perm> composed(const Perm& p, const Perm& q) {
  Perm both;
  for (int64_t axis : q) {
    if (p.size() != q.size() || axis < 0 || axis >= static_cast<int64_t>(p.size())) return std::nullopt;
    both.push_back(p[static_cast<size_t>(axis)]);
  }
  return both;
}

bool is_identity(const Perm& perm) {
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

bool merge_transposes(Graph& graph, NodeId id) {
  const ValueId middle = graph.node(id).inputs[0];
  if (!is_made_by(graph, middle, "Transpose")) return false;
  const Node& before = graph.node(producer(graph, middle));
  const auto p = perm_of(graph, before), q = perm_of(graph, graph.node(id));
  const auto both = p && q ? composed(*p, *q) : std::nullopt;
  if (!both) return false;
  const ValueId source = before.inputs[0], out = graph.node(id).outputs[0];
  if (is_identity(*both) && graph.can_replace(out, source)) {
    graph.replace_uses(out, source);
    graph.remove_node(id);
    return true;
  }
  graph.set_operand(id, 0, source);
  graph.node(id).attributes.set("perm", *both);
  return true;
}

// ---- a Transpose moved up through element-wise operators to those that it undoes

/// The operators between a Transpose and the ones that it undoes: computed in the axes from before those, they need none of them.
class Pull {
 public:
  Pull(Graph& graph, Perm perm) : graph_(graph), perm_(std::move(perm)) {}
  /// Whether `id`, transposed by perm, can be had without a Transpose at run time.
  bool possible(ValueId id, int depth = 0);
  bool cancels() const { return cancelled_ > 0 && !moved_.empty(); }
  /// Makes it so; the value keeps its id where an operator makes it.
  ValueId apply(ValueId id);

 private:
  static constexpr int kDepth = 32;
  static constexpr size_t kNodes = 256;
  int rank() const { return static_cast<int>(perm_.size()); }
  bool possible_node(ValueId id, int depth);
  ValueId transposed_constant(ValueId id);
  Graph& graph_;
  Perm perm_;
  int cancelled_ = 0;
  std::unordered_map<ValueId, bool> moved_;  // outputs of operators that move; true: done
  std::unordered_map<ValueId, ValueId> done_;
};

bool Pull::possible(ValueId id, int depth) {
  if (id == kNone) return true;
  const GraphValue& v = graph_.value(id);
  if (v.is_constant() && !v.is_input) return v.constant.is_tensor() && v.constant.rank() <= rank();
  if (v.type.rank() == 0) return true;  // a scalar has no axes
  if (v.type.rank() != rank()) return false;
  if (is_made_by(graph_, id, "Transpose")) {
    const auto p = perm_of(graph_, graph_.node(v.producer));
    const auto both = p ? composed(*p, perm_) : std::nullopt;
    if (!both || !is_identity(*both)) return false;
    ++cancelled_;
    return true;
  }
  return moved_.count(id) > 0 || possible_node(id, depth);
}

bool Pull::possible_node(ValueId id, int depth) {
  const GraphValue& v = graph_.value(id);
  if (v.producer == kNone || graph_.is_output(id) || depth >= kDepth || moved_.size() >= kNodes) return false;
  const Node& n = graph_.node(v.producer);
  if (!is_newest(n, n.type) || n.op->layout != Layout::elementwise || n.op->effect != Effect::pure ||
      n.outputs.size() != 1)
    return false;
  if (n.schema().attribute("axis") != nullptr) return false;  // per-channel quantisation counts axes
  const NodeId reader = v.uses.empty() ? kNone : v.uses[0].node;
  if (!std::all_of(v.uses.begin(), v.uses.end(),
                   [&](const Use& use) { return use.node == reader && use.operand < kCapturedOperand; }))
    return false;
  moved_.emplace(id, false);
  return std::all_of(n.inputs.begin(), n.inputs.end(), [&](ValueId in) { return possible(in, depth + 1); });
}

// A constant that broadcasts from fewer axes gets leading ones first; the Transpose of it is folded.
ValueId Pull::transposed_constant(ValueId id) {
  const Value data = graph_.value(id).constant;
  if (data.rank() == 0 || (data.numel() == 1 && data.rank() <= 1)) return id;
  std::vector<int64_t> dims(static_cast<size_t>(rank() - data.rank()), 1);
  dims.insert(dims.end(), data.shape().begin(), data.shape().end());
  const std::string name = graph_.value(id).name;
  const ValueId operand[] = {data.rank() == rank() ? id
                                                   : graph_.add_constant(name + "/axes", data.reshaped(Shape(dims)))};
  const NodeId made = graph_.add_node("Transpose", operand, {{"perm", perm_}}, 1, "", name + "/transposed");
  infer_node(graph_, made);
  return graph_.node(made).outputs[0];
}

ValueId Pull::apply(ValueId id) {
  if (id == kNone) return kNone;
  if (auto it = done_.find(id); it != done_.end()) return it->second;
  ValueId result = id;
  if (const auto it = moved_.find(id); it != moved_.end()) {
    const NodeId node = graph_.value(id).producer;
    for (size_t i = 0; i < graph_.node(node).inputs.size(); ++i) {
      graph_.set_operand(node, static_cast<int>(i), apply(graph_.node(node).inputs[i]));
    }
    GraphValue& v = graph_.value(id);
    v.type = {};
    v.symbolic = nullptr;
    v.declared = false;
    infer_node(graph_, node);
  } else if (graph_.value(id).is_constant()) {
    result = transposed_constant(id);
  } else if (graph_.value(id).type.rank() != 0) {
    result = graph_.node(graph_.value(id).producer).inputs[0];
  }
  done_.emplace(id, result);
  return result;
}

bool pull_up(Graph& graph, NodeId id) {
  const auto perm = perm_of(graph, graph.node(id));
  const ValueId in = graph.node(id).inputs[0], out = graph.node(id).outputs[0];
  if (!perm || perm->empty() || graph.value(in).type.rank() != static_cast<int>(perm->size())) return false;
  Pull pull(graph, *perm);
  if (!pull.possible(in) || !pull.cancels()) return false;
  const ValueId result = pull.apply(in);
  graph.replace_uses(out, result);
  graph.remove_node(id);
  return true;
}

// ---- views: the same elements in the same order under other dims

bool is_view(const Node& n) {
  return is_newest(n, "Reshape") || is_newest(n, "Squeeze") || is_newest(n, "Unsqueeze") || is_newest(n, "Flatten");
}

ValueId source_of_view(const Graph& graph, ValueId id) {
  const NodeId node = producer(graph, id);
  return node != kNone && is_view(graph.node(node)) ? graph.node(node).inputs[0] : kNone;
}

bool same_dims(const Type& a, const Type& b) {
  return a.has_rank && b.has_rank &&
         std::equal(a.dims.begin(), a.dims.end(), b.dims.begin(), b.dims.end(),
                    [](const Dim& x, const Dim& y) { return Dim::equal(x, y) == Dim::Truth::yes; });
}

// Views that lead back to the shape where they began: Squeeze after Unsqueeze, Reshape there and back.
bool skip_round_trip(Graph& graph, NodeId id) {
  const ValueId out = graph.node(id).outputs[0];
  ValueId from = graph.node(id).inputs[0];
  for (int steps = 0; steps < 64; ++steps) {
    from = source_of_view(graph, from);
    if (from == kNone) return false;
    if (!same_dims(graph.value(from).type, graph.value(out).type) || !graph.can_replace(out, from)) continue;
    graph.replace_uses(out, from);
    graph.remove_node(id);
    return true;
  }
  return false;
}

// A Reshape's target that says nothing of its operand's dims: no 0, which copies one.
bool names_all_dims(const Graph& graph, const Node& n) {
  const Value* target = is_newest(n, "Reshape") ? constant_operand(graph, n, 1) : nullptr;
  if (target == nullptr) return false;
  const std::vector<int64_t> dims = target->to_int64s();
  return std::count(dims.begin(), dims.end(), 0) == 0;
}

// Dims of a value as a Reshape's target: at most one is not a number, none is 0.
std::optional<std::vector<int64_t>> target_for(const Type& type) {
  if (!type.has_rank) return std::nullopt;
  std::vector<int64_t> target;
  for (const Dim& d : type.dims) target.push_back(d.is_number() ? d.number() : -1);
  if (std::count(target.begin(), target.end(), 0) > 0 || std::count(target.begin(), target.end(), -1) > 1)
    return std::nullopt;
  return target;
}

bool merge_views(Graph& graph, NodeId id) {
  const ValueId source = source_of_view(graph, graph.node(id).inputs[0]);
  if (source == kNone) return false;
  if (names_all_dims(graph, graph.node(id))) {
    graph.set_operand(id, 0, source);
    return true;
  }
  const ValueId out = graph.node(id).outputs[0];
  const auto target = target_for(graph.value(out).type);
  if (!target) return false;
  const std::string name = graph.node(id).name, result = graph.value(out).name;
  const ValueId shape =
      graph.add_constant(result + "/shape", Value::of<int64_t>(Shape{static_cast<int64_t>(target->size())}, *target));
  const ValueId operands[] = {source, shape};
  const NodeId made = graph.add_node("Reshape", operands, {}, 1, "", name);
  graph.node(made).name = name;
  graph.node(made).file_offset = graph.node(id).file_offset;
  const ValueId merged = graph.node(made).outputs[0];
  graph.value(merged).type = graph.value(out).type;
  infer_node(graph, made);
  graph.replace_uses(out, merged);
  graph.remove_node(id);
  graph.rename(merged, result);
  return true;
}

}  // namespace

// Exact: elements only move. Operators between two transposes that undo each other compute the same numbers in another order of axes.
int cancel_movement(Graph& graph, PassContext&) {
  int changes = 0;
  for (NodeId id : graph.order()) {
    const auto alive = [&] { return graph.node(id).alive; };
    if (!alive() || graph.node(id).outputs.size() != 1 || graph.node(id).outputs[0] == kNone) continue;
    if (is_newest(graph.node(id), "Transpose")) {
      while (alive() && merge_transposes(graph, id)) ++changes;
      if (alive() && pull_up(graph, id)) ++changes;
    } else if (is_view(graph.node(id))) {
      if (skip_round_trip(graph, id)) ++changes;
      while (alive() && merge_views(graph, id)) ++changes;
    }
  }
  return changes;
}

}  // namespace chorus::passes
