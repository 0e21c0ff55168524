#include <core/convert.h>
#include <engine/native/plan/gelu.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace chorus::native {
namespace {

class GeluTanh {
 public:
  GeluTanh(const Graph& g, ValueId x) : g_(g), x_(x) {}

  std::optional<EpilogueItem> find() {
    for (const Use& use : g_.value(x_).uses) {
      nodes_.clear();
      if (use.operand >= kCapturedOperand || !inner(use.node) || !outer() || !closed()) continue;
      EpilogueItem item{EpilogueKind::gelu_tanh, nodes_.back()};
      nodes_.pop_back();
      item.inner = nodes_;
      return item;
    }
    return std::nullopt;
  }

 private:
  /// The node is among those that the item stands for.
  bool take(NodeId id) {
    const Node& n = g_.node(id);
    if (!n.domain.empty() || n.op == nullptr || n.outputs.size() != 1) return false;
    nodes_.push_back(id);
    return true;
  }
  const Node& last() const { return g_.node(nodes_.back()); }
  NodeId maker(ValueId id, std::string_view type) const {
    const NodeId node = id == kNone ? kNone : g_.value(id).producer;
    return node != kNone && g_.node(node).type == type && g_.node(node).inputs.size() == 2 ? node : kNone;
  }
  /// The operand beside the number; kNone where there is another number or none.
  ValueId beside(const Node& n, std::string_view type, double number) const {
    if (n.type != type || n.inputs.size() != 2) return kNone;
    for (size_t i = 0; i < 2; ++i) {
      if (i == 0 && type == "Div") continue;
      const auto c = constant_number(g_, n.inputs[i]);
      if (c && std::abs(*c - number) <= 4e-7 * number &&
          g_.value(n.inputs[i]).constant.rank() <= g_.value(x_).type.rank())
        return n.inputs[1 - i];
    }
    return kNone;
  }
  ValueId halved(const Node& n) const {
    const ValueId by = beside(n, "Mul", 0.5);
    return by != kNone ? by : beside(n, "Div", 2);
  }
  /// On to the only reader of the last node.
  bool next() {
    const ValueId out = last().outputs[0];
    const GraphValue& v = g_.value(out);
    return v.uses.size() == 1 && v.uses[0].operand < kCapturedOperand && !g_.is_output(out) && take(v.uses[0].node);
  }
  bool next_is(std::string_view type, double number) {
    const ValueId before = last().outputs[0];
    return next() && beside(last(), type, number) == before;
  }

  bool cube(ValueId id) {
    if (const NodeId power = maker(id, "Pow"); power != kNone)
      return g_.node(power).inputs[0] == x_ && constant_number(g_, g_.node(power).inputs[1]) == 3.0F && take(power);
    const NodeId product = maker(id, "Mul");
    if (product == kNone) return false;
    const auto& in = g_.node(product).inputs;
    if (in[0] != x_ && in[1] != x_) return false;
    const NodeId square = maker(in[0] == x_ ? in[1] : in[0], "Mul");
    if (square == kNone || g_.node(square).inputs[0] != x_ || g_.node(square).inputs[1] != x_) return false;
    return take(square) && take(product);
  }
  /// tanh(√(2/π) · (x + 0.044715 x³)) + 1, from the sum on.
  bool inner(NodeId sum) {
    const Node& n = g_.node(sum);
    if (n.type != "Add" || n.inputs.size() != 2 || (n.inputs[0] != x_ && n.inputs[1] != x_)) return false;
    const NodeId scaled = maker(n.inputs[0] == x_ ? n.inputs[1] : n.inputs[0], "Mul");
    if (scaled == kNone) return false;
    const ValueId third = beside(g_.node(scaled), "Mul", 0.044715);
    if (third == kNone || !cube(third) || !take(scaled) || !take(sum)) return false;
    if (!next_is("Mul", std::sqrt(2 / M_PI)) || !next() || last().type != "Tanh") return false;
    return next_is("Add", 1);
  }
  /// · x / 2, in any order.
  bool outer() {
    const ValueId one = last().outputs[0];
    if (!next()) return false;
    if (halved(last()) == one) {
      const ValueId half = last().outputs[0];
      return next() && last().type == "Mul" && other(half) == x_;
    }
    if (last().type != "Mul") return false;
    if (other(one) == x_) {
      const ValueId product = last().outputs[0];
      return next() && halved(last()) == product;
    }
    const NodeId half = g_.value(other(one)).producer;
    if (half == kNone || halved(g_.node(half)) != x_) return false;
    nodes_.insert(nodes_.begin(), half);
    return true;
  }
  ValueId other(ValueId one) const { return last().inputs[last().inputs[0] == one ? 1 : 0]; }
  /// Nobody else reads what is computed in between, and x.
  bool closed() const {
    const auto inside = [&](ValueId id) {
      const auto& uses = g_.value(id).uses;
      return !g_.is_output(id) && std::all_of(uses.begin(), uses.end(), [&](const Use& use) {
        return use.operand < kCapturedOperand && std::find(nodes_.begin(), nodes_.end(), use.node) != nodes_.end();
      });
    };
    return inside(x_) &&
           std::all_of(nodes_.begin(), nodes_.end() - 1, [&](NodeId id) { return inside(g_.node(id).outputs[0]); });
  }

  const Graph& g_;
  ValueId x_;
  std::vector<NodeId> nodes_;
};

}  // namespace

std::optional<float> constant_number(const Graph& graph, ValueId id) {
  if (id == kNone || !graph.value(id).is_constant() || graph.value(id).is_input) return std::nullopt;
  const Value& v = graph.value(id).constant;
  if (!v.is_tensor() || v.numel() != 1 || !is_float(v.dtype())) return std::nullopt;
  return static_cast<float>(get_f64(v.dtype(), v.data(), 0));
}

std::optional<EpilogueItem> find_gelu_tanh(const Graph& graph, ValueId x) { return GeluTanh(graph, x).find(); }

}  // namespace chorus::native
