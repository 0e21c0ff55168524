// Epilogues: bias, residual and activation that follow a product and are read by nobody else go into its step.
#include <core/convert.h>
#include <engine/native/plan/plan.h>

#include <cmath>
#include <limits>
#include <optional>

namespace chorus::native {
namespace {

// Elements of a float constant, when it has one per channel: shape [C] on the last axis for matrix products, [1, C, 1, …] or [C, 1, 1]
// for channels-first operators. nullopt otherwise.
std::optional<Value> per_channel(const Value& value, int64_t channels, int rank, int channel_axis) {
  if (!value.is_tensor() || value.dtype() != DType::float32 || value.rank() > rank) return std::nullopt;
  if (value.numel() == 1) {
    const std::vector<float> same(static_cast<size_t>(channels), value.as<float>()[0]);
    return Value::of<float>(Shape{channels}, std::span<const float>(same));
  }
  if (value.numel() != channels) return std::nullopt;
  for (int i = 0; i < value.rank(); ++i) {
    const int axis = rank - value.rank() + i;
    if (value.shape()[i] != 1 && axis != channel_axis) return std::nullopt;
  }
  return value.reshaped(Shape{channels});
}

std::optional<float> constant_number(const Graph& g, ValueId id) {
  if (id == kNone || !g.value(id).is_constant() || g.value(id).is_input) return std::nullopt;
  const Value& v = g.value(id).constant;
  if (!v.is_tensor() || v.numel() != 1 || !is_float(v.dtype())) return std::nullopt;
  return static_cast<float>(get_f64(v.dtype(), v.data(), 0));
}

ValueId operand(const Node& n, size_t i) { return i < n.inputs.size() ? n.inputs[i] : kNone; }

std::optional<EpilogueItem> activation(const Graph& g, const Node& n, NodeId id) {
  EpilogueItem item{EpilogueKind::relu, id};
  const AttrReader attrs = n.attrs();
  if (n.type == "Relu") return item;
  if (n.type == "Sigmoid")
    item.kind = EpilogueKind::sigmoid;
  else if (n.type == "Tanh")
    item.kind = EpilogueKind::tanh;
  else if (n.type == "HardSwish")
    item.kind = EpilogueKind::hard_swish;
  else if (n.type == "LeakyRelu") {
    item.kind = EpilogueKind::leaky_relu;
    item.alpha = attrs.real("alpha");
  } else if (n.type == "HardSigmoid") {
    item.kind = EpilogueKind::hard_sigmoid;
    item.alpha = attrs.real("alpha");
    item.beta = attrs.real("beta");
  } else if (n.type == "Gelu") {
    item.kind = attrs.string("approximate") == "tanh" ? EpilogueKind::gelu_tanh : EpilogueKind::gelu;
  } else if (n.type == "Clip") {
    item.kind = EpilogueKind::clip;
    const auto low = constant_number(g, operand(n, 1)), high = constant_number(g, operand(n, 2));
    if ((operand(n, 1) != kNone && !low) || (operand(n, 2) != kNone && !high)) return std::nullopt;
    item.alpha = low.value_or(std::numeric_limits<float>::lowest());
    item.beta = high.value_or(std::numeric_limits<float>::max());
  } else {
    return std::nullopt;
  }
  return item;
}

/// 1 / v of powers of two: the product with them is the quotient in every bit.
std::optional<Value> inverse(const Value& v) {
  if (!v.is_tensor() || v.dtype() != DType::float32) return std::nullopt;
  std::vector<float> all;
  for (const float x : v.as<float>()) {
    int exponent = 0;
    if (std::abs(std::frexp(x, &exponent)) != 0.5F || std::abs(exponent) > 100) return std::nullopt;
    all.push_back(1 / x);
  }
  return Value::of<float>(v.shape(), std::span<const float>(all));
}

std::optional<EpilogueItem> binary(const Graph& g, const Node& n, NodeId id, ValueId current, int channel_axis,
                                   bool first) {
  const bool divides = n.type == "Div" && n.inputs[0] == current;
  if (n.type != "Add" && n.type != "Mul" && !divides) return std::nullopt;
  const ValueId other = n.inputs[0] == current ? n.inputs[1] : n.inputs[0];
  if (other == current) return std::nullopt;
  const Type& type = g.value(current).type;
  const Type& out = g.value(n.outputs[0]).type;
  if (!out.has_rank || out.rank() != type.rank()) return std::nullopt;
  const GraphValue& o = g.value(other);
  const Dim& channels = type.dims[static_cast<size_t>(channel_axis)];
  if (o.is_constant() && !o.is_input) {
    if (!first || !channels.is_number()) return std::nullopt;
    const auto factor = divides ? inverse(o.constant) : std::optional<Value>(o.constant);
    auto values = factor ? per_channel(*factor, channels.number(), type.rank(), channel_axis) : std::nullopt;
    if (!values) return std::nullopt;
    EpilogueItem item{n.type == "Add" ? EpilogueKind::bias_channel : EpilogueKind::scale_channel, id};
    item.constant = std::move(*values);
    return item;
  }
  if (n.type != "Add" || !first || !o.type.has_rank || o.type.rank() != type.rank() || o.type.dtype != type.dtype)
    return std::nullopt;
  for (size_t d = 0; d < type.dims.size(); ++d) {
    if (Dim::equal(type.dims[d], o.type.dims[d]) != Dim::Truth::yes) return std::nullopt;
  }
  EpilogueItem item{EpilogueKind::residual, id};
  item.operand = other;
  return item;
}

// Activations that a file spells out: two readers of x, a chain of functions and the product that brings both together again.
class Spelled {
 public:
  Spelled(const Graph& g, ValueId x) : g_(g), x_(x) {}

  /// The item that stands for the chain, or nullopt.
  std::optional<EpilogueItem> find() {
    const auto& uses = g_.value(x_).uses;
    if (uses.size() != 2 || g_.is_output(x_)) return std::nullopt;
    for (size_t order = 0; order < 2; ++order) {
      if (uses[0].operand >= kCapturedOperand || uses[1].operand >= kCapturedOperand) return std::nullopt;
      for (auto match : {&Spelled::silu, &Spelled::hard_swish, &Spelled::hard_swish_in_steps, &Spelled::gelu}) {
        nodes_.clear();
        at_ = x_;
        other_ = uses[1 - order].node;
        EpilogueItem item{EpilogueKind::silu};
        if (!takes(uses[order].node) || !(this->*match)(item.kind)) continue;
        item.node = nodes_.back();
        nodes_.pop_back();
        item.inner = nodes_;
        return item;
      }
    }
    return std::nullopt;
  }

 private:
  bool takes(NodeId id) {
    const Node& n = g_.node(id);
    if (!n.domain.empty() || n.op == nullptr || n.outputs.size() != 1) return false;
    nodes_.push_back(id);
    at_ = n.outputs[0];
    return true;
  }
  const Node& last() const { return g_.node(nodes_.back()); }
  /// The only reader of the last node's result.
  bool next() {
    const GraphValue& v = g_.value(at_);
    return v.uses.size() == 1 && !g_.is_output(at_) && v.uses[0].operand < kCapturedOperand && takes(v.uses[0].node);
  }
  /// The last node is `type` of the chain and this number.
  bool is(std::string_view type, double number) const {
    const Node& n = last();
    if (n.type != type || n.inputs.size() != 2) return false;
    const ValueId before = nodes_.size() > 1 ? g_.node(nodes_[nodes_.size() - 2]).outputs[0] : x_;
    const bool first = n.inputs[0] == before;
    const auto c = constant_number(g_, n.inputs[first ? 1 : 0]);
    if (!c || n.inputs[first ? 0 : 1] != before || (type == "Div" && !first)) return false;
    return std::abs(*c - number) <= 4e-7 * std::abs(number) &&
           g_.value(n.inputs[first ? 1 : 0]).constant.rank() <= g_.value(x_).type.rank();
  }
  bool scales(double factor) const { return is("Mul", factor) || is("Div", 1 / factor); }
  /// Goes on to the product with x.
  bool joins_x() {
    if (!next() || last().type != "Mul" || nodes_.back() != other_) return false;
    return last().inputs[0] == x_ || last().inputs[1] == x_;
  }
  /// The product with x and one scaling, before, after, or on the side of x.
  bool joins_scaled(double factor) {
    const Node& side = g_.node(other_);
    const size_t length = nodes_.size();
    const ValueId at = at_;
    if (joins_x()) return next() && scales(factor);
    nodes_.resize(length);
    at_ = at;
    if (next() && scales(factor) && joins_x()) return true;
    nodes_.resize(length);
    at_ = at;
    // x · factor first: the other reader of x is that product.
    Spelled way(g_, x_);
    if (!way.takes(other_) || !way.scales(factor)) return false;
    if (!way.next() || !next() || way.nodes_.back() != nodes_.back() || last().type != "Mul") return false;
    if (last().inputs[0] != side.outputs[0] && last().inputs[1] != side.outputs[0]) return false;
    nodes_.insert(nodes_.begin(), other_);
    return true;
  }

  bool silu(EpilogueKind& kind) {
    kind = EpilogueKind::silu;
    return last().type == "Sigmoid" && joins_x();
  }
  bool hard_swish(EpilogueKind& kind) {
    kind = EpilogueKind::hard_swish;
    if (last().type != "HardSigmoid") return false;
    const AttrReader attrs = last().attrs();
    return std::abs(attrs.real("alpha") - 1.0 / 6) <= 4e-8 && attrs.real("beta") == 0.5F && joins_x();
  }
  bool hard_swish_in_steps(EpilogueKind& kind) {  // x · clip(x + 3, 0, 6) / 6
    kind = EpilogueKind::hard_swish;
    if (!is("Add", 3) || !next() || last().type != "Clip" || last().inputs.size() != 3) return false;
    const auto low = constant_number(g_, last().inputs[1]), high = constant_number(g_, last().inputs[2]);
    return low && high && *low == 0 && *high == 6 && joins_scaled(1.0 / 6);
  }
  bool gelu(EpilogueKind& kind) {  // x · (erf(x / √2) + 1) / 2
    kind = EpilogueKind::gelu;
    if (!scales(std::sqrt(0.5)) || !next() || last().type != "Erf" || !next() || !is("Add", 1)) return false;
    return joins_scaled(0.5);
  }

  const Graph& g_;
  ValueId x_, at_ = kNone;
  NodeId other_ = kNone;
  std::vector<NodeId> nodes_;
};

}  // namespace

FusionChoice choose_epilogues(const Graph& g, NodeId node, uint32_t accepted) {
  FusionChoice choice{node, {}, kNone};
  const Node& start = g.node(node);
  ValueId current = start.outputs[0];
  choice.result = current;
  const Type& type = g.value(current).type;
  if (!type.has_rank || type.rank() < 2 || type.dtype != DType::float32) return choice;
  const bool matrix = start.type == "Gemm" || start.type == "MatMul";
  const int channel_axis = matrix ? type.rank() - 1 : 1;
  bool activated = false, residual = false;
  while (!activated) {
    if (auto item = Spelled(g, current).find(); item && (accepted & epilogue_bit(item->kind))) {
      choice.result = g.node(item->node).outputs[0];
      choice.epilogues.push_back(std::move(*item));
      return choice;
    }
    if (g.value(current).uses.size() != 1 || g.is_output(current)) return choice;
    const NodeId next = g.value(current).uses[0].node;
    const Node& n = g.node(next);
    if (g.value(current).uses[0].operand >= kCapturedOperand || !n.domain.empty() || n.op == nullptr ||
        n.outputs.size() != 1)
      return choice;
    std::optional<EpilogueItem> item = activation(g, n, next);
    if (item && n.inputs[0] != current) return choice;
    activated = item.has_value();
    if (!item) item = binary(g, n, next, current, channel_axis, !residual);
    if (!item || !(accepted & epilogue_bit(item->kind))) return choice;
    residual = residual || item->kind == EpilogueKind::residual;
    choice.epilogues.push_back(std::move(*item));
    current = n.outputs[0];
    choice.result = current;
  }
  return choice;
}

}  // namespace chorus::native
