#include <core/convert.h>
#include <engine/native/plan/quantized.h>

#include <algorithm>
#include <cmath>

namespace chorus::native {
namespace {

bool is_byte(DType t) noexcept { return t == DType::int8 || t == DType::uint8; }

const Value* constant(const Graph& g, const Node& n, size_t i) {
  if (i >= n.inputs.size() || n.inputs[i] == kNone) return nullptr;
  const GraphValue& v = g.value(n.inputs[i]);
  return v.is_constant() && !v.is_input && v.constant.is_tensor() ? &v.constant : nullptr;
}
bool is(const Node& n, std::string_view type) {
  return n.domain.empty() && n.op != nullptr && n.type == type &&
         n.version + 1 == static_cast<int>(n.op->versions.size());
}
bool has(const Node& n, size_t i) { return i < n.inputs.size() && n.inputs[i] != kNone; }

/// How many operands, from the first, are data; 0: not an operator that is computed in bytes.
size_t data_operands(const Node& n) {
  for (const std::string_view type : {"Conv", "MaxPool", "GlobalAveragePool", "ReduceMean", "MatMul", "Gemm"}) {
    if (is(n, type)) return 1;
  }
  return is(n, "Add") ? 2 : 0;
}

/// What Relu and Clip leave.
bool narrows(const Graph& g, const Node& n, QuantizedStep* step) {
  if (is(n, "Relu")) {
    step->low = std::max(step->low, 0.0F), step->high = std::max(step->high, 0.0F);
    return true;
  }
  if (!is(n, "Clip")) return false;
  for (size_t i = 1; i < 3; ++i) {
    if (!has(n, i)) continue;
    const Value* v = constant(g, n, i);
    if (v == nullptr || v->dtype() != DType::float32 || v->numel() != 1) return false;
    const float limit = v->as<float>()[0];
    if (std::isnan(limit)) return false;
    // As Clip is: the upper limit wins.
    if (i == 1) step->low = std::max(step->low, limit), step->high = std::max(step->high, limit);
    if (i == 2) step->low = std::min(step->low, limit), step->high = std::min(step->high, limit);
  }
  return true;
}

bool reads_bytes(const Graph& g, const Node& n, size_t operand, QuantizedStep* step) {
  if (!has(n, operand)) return false;
  const NodeId made = g.value(n.inputs[operand]).producer;
  if (made == kNone || !is(g.node(made), "DequantizeLinear")) return false;
  const Node& source = g.node(made);
  const auto scaling = scaling_of(g, source);
  if (!scaling || g.value(source.inputs[0]).is_constant()) return false;
  step->operands.push_back(source.inputs[0]);
  step->in.push_back(*scaling);
  return true;
}

}  // namespace

std::optional<Scaling> scaling_of(const Graph& g, const Node& n) {
  const bool from = is(n, "DequantizeLinear");
  if ((!from && !is(n, "QuantizeLinear")) || n.outputs.size() != 1 || n.outputs[0] == kNone) return std::nullopt;
  const Type& bytes = g.value(from ? n.inputs[0] : n.outputs[0]).type;
  const Type& real = g.value(from ? n.outputs[0] : n.inputs[0]).type;
  if (!bytes.is_tensor() || !is_byte(bytes.dtype) || !real.is_tensor() || real.dtype != DType::float32)
    return std::nullopt;
  const AttrReader attrs = n.attrs();
  const int64_t precision = attrs.integer("precision", 0);
  if (attrs.integer("block_size", 0) != 0 || (precision != 0 && precision != static_cast<int64_t>(DType::float32)))
    return std::nullopt;
  Scaling s;
  s.dtype = bytes.dtype;
  const Value *scale = constant(g, n, 1), *zero = constant(g, n, 2);
  if (scale == nullptr || scale->dtype() != DType::float32 || scale->numel() != 1) return std::nullopt;
  s.scale = scale->as<float>()[0];
  if (!std::isnormal(s.scale) || s.scale < 0) return std::nullopt;
  if (!has(n, 2)) return s;
  if (zero == nullptr || zero->dtype() != s.dtype || zero->numel() != 1) return std::nullopt;
  s.zero = static_cast<int32_t>(get_i64(zero->dtype(), zero->data(), 0));
  return s;
}

std::optional<QuantizedStep> find_quantized(const Graph& g, NodeId id) {
  const Node& n = g.node(id);
  const size_t data = data_operands(n);
  if (data == 0 || n.outputs.empty() || n.outputs[0] == kNone || !n.captured.empty()) return std::nullopt;
  for (size_t i = 1; i < n.outputs.size(); ++i) {
    if (n.outputs[i] != kNone && (!g.value(n.outputs[i]).uses.empty() || g.is_output(n.outputs[i])))
      return std::nullopt;
  }
  QuantizedStep step;
  step.node = id;
  for (size_t i = 0; i < data; ++i) {
    if (!reads_bytes(g, n, i, &step)) return std::nullopt;
  }
  for (NodeId at = id;;) {
    step.covers.push_back(at);
    const ValueId made = g.node(at).outputs[0];
    const GraphValue& v = g.value(made);
    if (v.uses.size() != 1 || g.is_output(made) || v.uses[0].operand != 0) return std::nullopt;
    at = v.uses[0].node;
    const Node& next = g.node(at);
    if (const auto scaling = is(next, "QuantizeLinear") ? scaling_of(g, next) : std::nullopt) {
      step.covers.push_back(at);
      step.out = *scaling;
      step.result = next.outputs[0];
      return step;
    }
    if (!narrows(g, next, &step)) return std::nullopt;
  }
}

NodeId constant_dequantize(const Graph& g, const Node& n, size_t operand) {
  if (!has(n, operand)) return kNone;
  const NodeId made = g.value(n.inputs[operand]).producer;
  if (made == kNone || !is(g.node(made), "DequantizeLinear")) return kNone;
  const Node& d = g.node(made);
  for (size_t i = 0; i < d.inputs.size(); ++i) {
    if (has(d, i) && constant(g, d, i) == nullptr) return kNone;
  }
  return made;
}

namespace {

/// The product that alone reads weights or bias of bytes.
NodeId user_of(const Graph& g, NodeId dequantize) {
  const Node& d = g.node(dequantize);
  if (d.type != "DequantizeLinear" || !d.domain.empty() || d.outputs.size() != 1 || d.outputs[0] == kNone) return kNone;
  const GraphValue& v = g.value(d.outputs[0]);
  if (v.uses.size() != 1 || v.uses[0].operand < 1 || v.uses[0].operand > 2) return kNone;
  const Node& user = g.node(v.uses[0].node);
  const bool product = user.type == "Conv" || user.type == "MatMul" || user.type == "Gemm";
  return product && user.domain.empty() ? v.uses[0].node : kNone;
}

}  // namespace

bool may_be_quantized(const Graph& g, NodeId dequantize) {
  const NodeId user = user_of(g, dequantize);
  if (user == kNone) return false;
  const NodeId source = g.value(g.node(user).inputs[0]).producer;
  return source != kNone && g.node(source).type == "DequantizeLinear" && g.node(source).domain.empty();
}

bool quantized_user(const Graph& g, NodeId dequantize) {
  const NodeId user = user_of(g, dequantize);
  return user != kNone && find_quantized(g, user).has_value();
}

}  // namespace chorus::native
