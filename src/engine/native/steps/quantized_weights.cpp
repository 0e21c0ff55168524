// Weights and bias of products of bytes: what a file says of their scales, and what makes results of integer sums.
#include <core/convert.h>
#include <engine/native/steps/quantized.h>

#include <cmath>

namespace chorus::native::steps {

const Value* fixed(const Graph& g, const Node& n, size_t i) {
  if (i >= n.inputs.size() || n.inputs[i] == kNone) return nullptr;
  const GraphValue& v = g.value(n.inputs[i]);
  return v.is_constant() && !v.is_input ? &v.constant : nullptr;
}

bool read_byte_scales(const Graph& g, const Node& n, int64_t channels, int64_t zero, int64_t axis,
                      std::vector<float>* out) {
  const Value *scale = fixed(g, n, 1), *point = fixed(g, n, 2);
  if (scale == nullptr || scale->dtype() != DType::float32 || (scale->numel() != 1 && scale->numel() != channels))
    return false;
  const AttrReader attrs = n.attrs();
  const int rank = g.value(n.inputs[0]).type.rank();
  if (attrs.integer("block_size", 0) != 0) return false;
  if (scale->numel() != 1 && (scale->rank() != 1 || from_front(attrs.integer("axis", 1), rank) != axis) && rank != 1)
    return false;
  if (point == nullptr && zero != 0) return false;
  for (int64_t i = 0; point != nullptr && i < point->numel(); ++i) {
    if (get_i64(point->dtype(), point->data(), i) != zero) return false;
  }
  out->resize(static_cast<size_t>(channels));
  for (size_t i = 0; i < out->size(); ++i) {
    (*out)[i] = scale->as<float>()[scale->numel() == 1 ? 0 : i];
    if (!std::isfinite((*out)[i])) return false;
  }
  return true;
}

bool read_byte_bias(const StepDescription& step, int64_t channels, std::vector<double>* out) {
  out->assign(static_cast<size_t>(channels), 0);
  if (!step.has(2)) return true;
  if (const Value* v = step.constant(2); v != nullptr && v->dtype() == DType::float32 && v->numel() == channels) {
    for (size_t i = 0; i < out->size(); ++i) (*out)[i] = v->as<float>()[i];
    return true;
  }
  const NodeId source = constant_dequantize(*step.graph, step.n(), 2);
  if (source == kNone) return false;
  const Node& d = step.graph->node(source);
  const Value* v = fixed(*step.graph, d, 0);
  std::vector<float> scales;
  if (v->dtype() != DType::int32 || v->rank() != 1 || v->numel() != channels ||
      !read_byte_scales(*step.graph, d, channels, 0, 0, &scales))
    return false;
  for (size_t i = 0; i < out->size(); ++i)
    (*out)[i] = static_cast<double>(v->as<int32_t>()[i]) * static_cast<double>(scales[i]);
  return true;
}

void set_byte_channels(const QuantizedStep& q, std::span<const float> scales, std::span<const double> bias,
                       int64_t depth, const int32_t* sums, jit::ByteChannels* out) {
  const double products = 255.0 * 128 * static_cast<double>(depth);
  for (size_t i = 0; i < scales.size(); ++i) {
    const size_t lane = i % jit::kBlock;
    jit::ByteChannels& block = out[i / jit::kBlock];
    const double unit = static_cast<double>(q.in[0].scale) * static_cast<double>(scales[i]);
    const double whole = unit != 0 ? std::nearbyint(bias[i] / unit) : 0;
    const double first = std::abs(whole) + products < 2147483647.0 ? whole : 0;
    block.start[lane] = static_cast<int32_t>(first) - q.in[0].blocked_zero() * sums[i];
    block.factor[lane] = static_cast<float>(unit / static_cast<double>(q.out.scale));
    block.shift[lane] = static_cast<float>((bias[i] - first * unit) / static_cast<double>(q.out.scale));
  }
}

}  // namespace chorus::native::steps
