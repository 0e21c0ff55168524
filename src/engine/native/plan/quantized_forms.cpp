// Graphs of bytes come in several forms; steps of bytes know one, nodes between DequantizeLinear and QuantizeLinear.
#include <core/convert.h>
#include <engine/native/plan/quantized.h>
#include <graph/infer.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace chorus::native {
namespace {

constexpr float kLargestScale = 1e30F;  // 255 steps are a float32

const Value* fixed(const Graph& g, const Node& n, size_t i) {
  if (i >= n.inputs.size() || n.inputs[i] == kNone) return nullptr;
  const GraphValue& v = g.value(n.inputs[i]);
  return v.is_constant() && !v.is_input && v.constant.is_tensor() ? &v.constant : nullptr;
}
bool is(const Node& n, std::string_view type) {
  return n.domain.empty() && n.op != nullptr && n.type == type && n.outputs.size() == 1 && n.outputs[0] != kNone &&
         n.version + 1 == static_cast<int>(n.op->versions.size());
}

bool one_scale(const Value* v) {
  return v != nullptr && v->dtype() == DType::float32 && v->numel() == 1 && std::isnormal(v->as<float>()[0]) &&
         v->as<float>()[0] > 0;
}
bool one_point(const Value* v) {
  return v != nullptr && v->numel() == 1 && (v->dtype() == DType::int8 || v->dtype() == DType::uint8);
}

/// Bytes whose zero point is the middle, so that they are signed ones.
bool has_middle(const Value* zeros, const Value& weights) {
  const bool is_signed = weights.dtype() == DType::int8;
  if ((!is_signed && weights.dtype() != DType::uint8) || (zeros == nullptr && !is_signed)) return false;
  for (int64_t i = 0; zeros != nullptr && i < zeros->numel(); ++i) {
    if (get_i64(zeros->dtype(), zeros->data(), i) != (is_signed ? 0 : 128)) return false;
  }
  return true;
}

/// Which operands of a QLinear operator are what.
struct Places {
  std::string_view type, inner;
  size_t weights, result, bias;  // (data, scale, zero), (scale, zero), bias; the input stands first
  int64_t channel_axis;  // of the weights
};
constexpr auto kPlaces =
    std::to_array<Places>({{"QLinearConv", "Conv", 3, 6, 8, 0}, {"QLinearMatMul", "MatMul", 3, 6, 99, 1}});

class Spelled {
 public:
  explicit Spelled(Graph& g) : g_(g) {}

  bool linear(NodeId id) {
    for (const Places& p : kPlaces) {
      if (is(g_.node(id), p.type) && fits(g_.node(id), p)) return spell(id, p);
    }
    return false;
  }

  /// DequantizeLinear, something that only moves elements, QuantizeLinear of the same scale: bytes move as they are.
  bool mover(NodeId id) {
    const Node& n = g_.node(id);
    const auto moves = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"};
    if (std::none_of(moves.begin(), moves.end(), [&](std::string_view type) { return is(n, type); })) return false;
    const NodeId up = g_.value(n.inputs[0]).producer;
    const GraphValue& made = g_.value(n.outputs[0]);
    if (up == kNone || made.uses.size() != 1 || g_.is_output(n.outputs[0]) || made.uses[0].operand != 0) return false;
    const NodeId down = made.uses[0].node;
    if (!is(g_.node(up), "DequantizeLinear") || !is(g_.node(down), "QuantizeLinear")) return false;
    const auto from = scaling_of(g_, g_.node(up)), to = scaling_of(g_, g_.node(down));
    if (!from || !to || !(*from == *to) || from->scale > kLargestScale) return false;
    std::vector<ValueId> inputs = n.inputs;
    inputs[0] = g_.node(up).inputs[0];
    if (g_.value(inputs[0]).is_constant()) return false;
    const NodeId moved = g_.add_node(n.type, inputs, n.attributes, 1, "", n.name);
    return replace(down, moved);
  }

 private:
  Graph& g_;

  bool fits(const Node& n, const Places& p) const {
    if (!one_scale(fixed(g_, n, 1)) || !one_point(fixed(g_, n, 2)) || !one_scale(fixed(g_, n, p.result)) ||
        !one_point(fixed(g_, n, p.result + 1)))
      return false;
    const Value *w = fixed(g_, n, p.weights), *scale = fixed(g_, n, p.weights + 1);
    if (w == nullptr || scale == nullptr || scale->dtype() != DType::float32 ||
        !has_middle(fixed(g_, n, p.weights + 2), *w))
      return false;
    const bool matrix = p.bias > n.inputs.size() && p.inner == "MatMul";
    if (w->rank() < 2 || (matrix && w->rank() != 2)) return false;
    if (scale->numel() != 1 && (scale->rank() != 1 || scale->numel() != w->shape()[static_cast<int>(p.channel_axis)]))
      return false;
    const bool biased = p.bias < n.inputs.size() && n.inputs[p.bias] != kNone;
    return !biased || fixed(g_, n, p.bias) != nullptr;
  }

  ValueId scalar(const Node& n, size_t i) {
    return g_.add_constant(g_.value(n.inputs[i]).name, fixed(g_, n, i)->reshaped(Shape{}));
  }
  ValueId add(std::string_view op, std::initializer_list<ValueId> inputs, Attributes attributes = {}) {
    const NodeId id = g_.add_node(op, std::vector<ValueId>(inputs), std::move(attributes));
    infer_node(g_, id);
    return g_.node(id).outputs[0];
  }
  bool replace(NodeId old, NodeId made) {
    infer_node(g_, made);
    const ValueId from = g_.node(old).outputs[0], to = g_.node(made).outputs[0];
    const std::string name = g_.value(from).name;
    g_.replace_uses(from, to);
    g_.remove_node(old);
    g_.rename(to, name);
    return true;
  }

  bool spell(NodeId id, const Places& p) {
    const Node n = g_.node(id);
    const ValueId x = add("DequantizeLinear", {n.inputs[0], scalar(n, 1), scalar(n, 2)});
    const Value &w = *fixed(g_, n, p.weights), &scale = *fixed(g_, n, p.weights + 1);
    const bool one = scale.numel() == 1;
    Attributes axis;
    if (!one) axis.set("axis", p.channel_axis);
    Value zeros = Value::tensor(w.dtype(), one ? Shape{} : scale.shape());
    std::fill_n(static_cast<uint8_t*>(zeros.mutable_data()), zeros.numel(),
                static_cast<uint8_t>(w.dtype() == DType::uint8 ? 128 : 0));
    const ValueId scales = g_.add_constant("scales", one ? scale.reshaped(Shape{}) : scale);
    const ValueId weights =
        add("DequantizeLinear", {n.inputs[p.weights], scales, g_.add_constant("zeros", std::move(zeros))}, axis);
    ValueId bias = kNone;
    if (p.bias < n.inputs.size() && n.inputs[p.bias] != kNone) {
      std::vector<float> units(static_cast<size_t>(scale.numel()));
      for (size_t i = 0; i < units.size(); ++i) units[i] = fixed(g_, n, 1)->as<float>()[0] * scale.as<float>()[i];
      Attributes first;
      if (!one) first.set("axis", int64_t{0});
      const Shape shape = one ? Shape{} : scale.shape();
      const ValueId unit = g_.add_constant("units", Value::of<float>(shape, std::span<const float>(units)));
      bias = add("DequantizeLinear", {n.inputs[p.bias], unit}, first);
    }
    const ValueId sum =
        bias == kNone ? add(p.inner, {x, weights}, n.attributes) : add(p.inner, {x, weights, bias}, n.attributes);
    const ValueId operands[] = {sum, scalar(n, p.result), scalar(n, p.result + 1)};
    return replace(id, g_.add_node("QuantizeLinear", operands, {}, 1, "", n.name));
  }
};

}  // namespace

int quantized_forms(Graph& graph, PassContext&) {
  int changes = 0;
  Spelled spelled(graph);
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    if (!n.alive || n.inputs.empty() || n.inputs[0] == kNone || !n.captured.empty()) continue;
    if (spelled.linear(id) || spelled.mover(id)) ++changes;
  }
  return changes;
}

}  // namespace chorus::native
