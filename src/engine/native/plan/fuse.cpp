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
  if (!value.is_tensor() || value.dtype() != DType::float32 || value.numel() != channels || value.rank() > rank) return std::nullopt;
  for (int i = 0; i < value.rank(); ++i) {
    const int axis = rank - value.rank() + i;
    if (value.shape()[i] != 1 && axis != channel_axis) return std::nullopt;
  }
  // One element is also "per channel" of a one-channel tensor only when it stands on no wider axis.
  return value.reshaped(Shape{channels});
}

std::optional<float> scalar(const Graph& g, ValueId id) {
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
  if (n.type == "Sigmoid") item.kind = EpilogueKind::sigmoid;
  else if (n.type == "Tanh") item.kind = EpilogueKind::tanh;
  else if (n.type == "HardSwish") item.kind = EpilogueKind::hard_swish;
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
    const auto low = scalar(g, operand(n, 1)), high = scalar(g, operand(n, 2));
    if ((operand(n, 1) != kNone && !low) || (operand(n, 2) != kNone && !high)) return std::nullopt;
    item.alpha = low.value_or(std::numeric_limits<float>::lowest());
    item.beta = high.value_or(std::numeric_limits<float>::max());
  } else {
    return std::nullopt;
  }
  return item;
}

std::optional<EpilogueItem> binary(const Graph& g, const Node& n, NodeId id, ValueId current, int channel_axis, bool first) {
  if (n.type != "Add" && n.type != "Mul") return std::nullopt;
  const ValueId other = n.inputs[0] == current ? n.inputs[1] : n.inputs[0];
  if (other == current) return std::nullopt;
  const Type& type = g.value(current).type;
  const Type& out = g.value(n.outputs[0]).type;
  if (!out.has_rank || out.rank() != type.rank()) return std::nullopt;
  const GraphValue& o = g.value(other);
  const Dim& channels = type.dims[static_cast<size_t>(channel_axis)];
  if (o.is_constant() && !o.is_input) {
    if (!first || !channels.is_number()) return std::nullopt;
    auto values = per_channel(o.constant, channels.number(), type.rank(), channel_axis);
    if (!values) return std::nullopt;
    EpilogueItem item{n.type == "Add" ? EpilogueKind::bias_channel : EpilogueKind::scale_channel, id};
    item.constant = std::move(*values);
    return item;
  }
  if (n.type != "Add" || !first || !o.type.has_rank || o.type.rank() != type.rank() || o.type.dtype != type.dtype) return std::nullopt;
  for (size_t d = 0; d < type.dims.size(); ++d) {
    if (Dim::equal(type.dims[d], o.type.dims[d]) != Dim::Truth::yes) return std::nullopt;
  }
  EpilogueItem item{EpilogueKind::residual, id};
  item.operand = other;
  return item;
}

// x·Sigmoid(x): two readers, the product and its sigmoid, which meet again at once.
bool is_silu(const Graph& g, ValueId current, NodeId& sigmoid, NodeId& product) {
  const auto& uses = g.value(current).uses;
  if (uses.size() != 2 || g.is_output(current)) return false;
  for (int order = 0; order < 2; ++order) {
    const NodeId s = uses[static_cast<size_t>(order)].node, m = uses[static_cast<size_t>(1 - order)].node;
    const Node& sn = g.node(s);
    const Node& mn = g.node(m);
    if (sn.type != "Sigmoid" || mn.type != "Mul" || !sn.domain.empty() || !mn.domain.empty()) continue;
    const ValueId half = sn.outputs[0];
    if (g.value(half).uses.size() != 1 || g.is_output(half) || g.value(half).uses[0].node != m) continue;
    sigmoid = s;
    product = m;
    return true;
  }
  return false;
}

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
    NodeId sigmoid = kNone, product = kNone;
    if ((accepted & epilogue_bit(EpilogueKind::silu)) && is_silu(g, current, sigmoid, product)) {
      EpilogueItem item{EpilogueKind::silu, product};
      item.also = sigmoid;
      choice.epilogues.push_back(std::move(item));
      choice.result = g.node(product).outputs[0];
      return choice;
    }
    if (g.value(current).uses.size() != 1 || g.is_output(current)) return choice;
    const NodeId next = g.value(current).uses[0].node;
    const Node& n = g.node(next);
    if (g.value(current).uses[0].operand >= kCapturedOperand || !n.domain.empty() || n.op == nullptr || n.outputs.size() != 1) return choice;
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
