// Conv of bytes in channel blocks by generated tiles: integer sums, then scale, bias, Relu or Clip, and the result's zero point.
#include <core/convert.h>
#include <engine/native/jit/bytes.h>
#include <engine/native/steps/convolution.h>
#include <engine/native/steps/quantized.h>

#include <algorithm>
#include <cmath>

namespace chorus::native::steps {
namespace {

struct PreparedBytes final : Prepared {
  jit::ConvProblem problem;  // pads: of auto_pad none
  AutoPad auto_pad = AutoPad::none;
  Buffer weights;  // packed, then int32 [out_channels]: the sums of the filters
  Buffer channels;  // jit::ByteChannels per block
  int64_t bytes() const noexcept override { return static_cast<int64_t>(weights.bytes() + channels.bytes()); }
};

const Value* constant(const Graph& g, const Node& n, size_t i) {
  if (i >= n.inputs.size() || n.inputs[i] == kNone) return nullptr;
  const GraphValue& v = g.value(n.inputs[i]);
  return v.is_constant() && !v.is_input ? &v.constant : nullptr;
}

/// One scale, or one per output channel; all zero points are `zero`.
bool reads_scales(const Graph& g, const Node& n, int64_t channels, int64_t zero, std::vector<float>* out) {
  const Value *scale = constant(g, n, 1), *point = constant(g, n, 2);
  if (scale == nullptr || scale->dtype() != DType::float32 || (scale->numel() != 1 && scale->numel() != channels))
    return false;
  const AttrReader attrs = n.attrs();
  const int rank = g.value(n.inputs[0]).type.rank();
  if (attrs.integer("block_size", 0) != 0) return false;
  if (scale->numel() != 1 && (scale->rank() != 1 || from_front(attrs.integer("axis", 1), rank) != 0) && rank != 1)
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

bool reads_weights(const StepDescription& step, int64_t channels, std::vector<float>* scales) {
  const NodeId source = constant_dequantize(*step.graph, step.n(), 1);
  if (source == kNone) return false;
  const Node& d = step.graph->node(source);
  const DType type = step.graph->value(d.inputs[0]).type.dtype;
  if (type != DType::int8 && type != DType::uint8) return false;
  return reads_scales(*step.graph, d, channels, type == DType::int8 ? 0 : 128, scales);
}

/// The bias as real numbers.
bool reads_bias(const StepDescription& step, int64_t channels, std::vector<double>* out) {
  out->assign(static_cast<size_t>(channels), 0);
  if (!step.has(2)) return true;
  if (const Value* v = step.constant(2); v != nullptr && v->dtype() == DType::float32 && v->numel() == channels) {
    for (size_t i = 0; i < out->size(); ++i) (*out)[i] = v->as<float>()[i];
    return true;
  }
  const NodeId source = constant_dequantize(*step.graph, step.n(), 2);
  if (source == kNone) return false;
  const Node& d = step.graph->node(source);
  const Value* v = constant(*step.graph, d, 0);
  std::vector<float> scales;
  if (v->dtype() != DType::int32 || v->numel() != channels || !reads_scales(*step.graph, d, channels, 0, &scales))
    return false;
  for (size_t i = 0; i < out->size(); ++i)
    (*out)[i] = static_cast<double>(v->as<int32_t>()[i]) * static_cast<double>(scales[i]);
  return true;
}

fast::ConvSizes typical(const StepDescription& step) {
  const Type& x = step.in(0);
  const auto number = [&](int axis) {
    const Dim& d = x.dims[static_cast<size_t>(x.rank() + axis)];
    return d.is_number() ? d.number() : 0;
  };
  return {1, x.rank() == 3 ? 1 : number(-2), number(-1)};
}

bool read_problem(const StepDescription& step, jit::ConvProblem* problem) {
  const CpuFeatures& features = step.cpu != nullptr ? *step.cpu : cpu();
  if (!features.avx512_vnni || jit::level(features) != jit::Level::avx512) return false;
  const QuantizedStep& q = *step.quantized;
  if (!read_conv_shape(step, Direction::forward, &problem->shape)) return false;
  if (!is_byte_picture(*step.graph, q.operands[0]) || !is_byte_picture(*step.graph, q.result)) return false;
  jit::ConvProblem& p = *problem;
  const bool few = p.shape.in_channels <= 4 && p.shape.groups == 1;
  const fast::ConvSizes sizes = typical(step);
  p.element = jit::Element::bytes;
  p.requantize = true;
  p.extents = sizes.height > 0 && sizes.width > 0 ? jit::Extents::fixed : jit::Extents::open;
  p.source = few ? jit::Source::planar : jit::Source::blocked;
  p.border = static_cast<uint8_t>(q.in[0].blocked_zero());
  p.flip = q.in[0].dtype == DType::int8 ? 0x80 : 0;
  p.zero = static_cast<float>(q.out.blocked_zero());
  const ByteRange range = byte_range(q);
  p.alpha = range.least, p.beta = range.largest;
  return jit::refusal(p) == nullptr;
}

bool accepts(const StepDescription& step) {
  jit::ConvProblem problem;
  if (!read_problem(step, &problem)) return false;
  std::vector<float> scales;
  std::vector<double> bias;
  return reads_weights(step, problem.shape.out_channels, &scales) &&
         reads_bias(step, problem.shape.out_channels, &bias);
}

uint32_t blocked_operands(const StepDescription& step) {
  jit::ConvProblem problem;
  read_problem(step, &problem);
  return problem.source == jit::Source::planar ? 0U : 1U;
}

Buffer pack(const StepDescription& step, const jit::ConvProblem& problem, size_t sums_at) {
  const Graph& g = *step.graph;
  const NodeId source = constant_dequantize(g, step.n(), 1);
  const auto channels = static_cast<size_t>(problem.shape.out_channels);
  StepDescription of = step;
  of.node = source;
  return of.pack(0, "conv.bytes", sums_at + channels * sizeof(int32_t), [&](std::byte* to) {
    const Value& w = *constant(g, g.node(source), 0);
    const auto count = static_cast<size_t>(w.numel());
    const auto flip = static_cast<uint8_t>(w.dtype() == DType::uint8 ? 0x80 : 0);
    std::vector<int8_t> bytes(count);
    for (size_t i = 0; i < count; ++i)
      bytes[i] = static_cast<int8_t>(static_cast<uint8_t>(static_cast<const uint8_t*>(w.data())[i] ^ flip));
    jit::pack_byte_weights(problem, bytes.data(), to);
    auto* sums = reinterpret_cast<int32_t*>(to + sums_at);
    for (size_t o = 0; o < channels; ++o) {
      sums[o] = 0;
      for (size_t i = 0; i < count / channels; ++i) sums[o] += bytes[o * (count / channels) + i];
    }
  });
}

/// What makes a result of a sum: the integer part of the bias is added before, so that sums stay exact.
void set_channels(const StepDescription& step, const jit::ConvProblem& p, const int32_t* sums, jit::ByteChannels* out) {
  const QuantizedStep& q = *step.quantized;
  std::vector<float> scales;
  std::vector<double> bias;
  reads_weights(step, p.shape.out_channels, &scales);
  reads_bias(step, p.shape.out_channels, &bias);
  const fast::ConvShape& s = p.shape;
  const double products = 255.0 * 128 * static_cast<double>(s.in_channels / s.groups * s.kernel_h * s.kernel_w);
  for (int64_t o = 0; o < p.shape.out_channels; ++o) {
    const auto i = static_cast<size_t>(o), lane = static_cast<size_t>(o % jit::kBlock);
    jit::ByteChannels& block = out[o / jit::kBlock];
    const double unit = static_cast<double>(q.in[0].scale) * static_cast<double>(scales[i]);
    const double whole = unit != 0 ? std::nearbyint(bias[i] / unit) : 0;
    const double first = std::abs(whole) + products < 2147483647.0 ? whole : 0;
    block.start[lane] = static_cast<int32_t>(first) - q.in[0].blocked_zero() * sums[i];
    block.factor[lane] = static_cast<float>(unit / static_cast<double>(q.out.scale));
    block.shift[lane] = static_cast<float>((bias[i] - first * unit) / static_cast<double>(q.out.scale));
  }
}

std::shared_ptr<const Prepared> prepare(const StepDescription& step) {
  auto p = std::make_shared<PreparedBytes>();
  read_problem(step, &p->problem);
  jit::ConvProblem& problem = p->problem;
  p->auto_pad = auto_pad_of(step.n().attrs().string("auto_pad", "NOTSET"));
  fast::ConvShape& s = problem.shape;
  if (p->auto_pad != AutoPad::none) s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = 0;
  const size_t sums_at = jit::packed_weight_bytes(problem);
  p->weights = pack(step, problem, sums_at);
  const auto blocks = static_cast<size_t>(jit::blocks(s.out_channels));
  p->channels = Buffer::allocate(blocks * sizeof(jit::ByteChannels));
  auto* channels = reinterpret_cast<jit::ByteChannels*>(p->channels.mutable_data());
  std::fill_n(channels, blocks, jit::ByteChannels{});
  set_channels(step, problem, reinterpret_cast<const int32_t*>(p->weights.data() + sums_at), channels);
  jit::ConvProblem sized = problem;
  const fast::ConvSizes sizes = typical(step);
  const bool same = p->auto_pad == AutoPad::upper || p->auto_pad == AutoPad::lower;
  if (same && problem.extents == jit::Extents::fixed) set_same_pads(sizes, p->auto_pad, &sized.shape);
  jit::generate(sized, sizes, jit::Level::avx512);
  return p;
}

std::shared_ptr<const void> bind(const KernelContext& ctx) {
  const auto& p = *static_cast<const PreparedBytes*>(ctx.prepared);
  const TensorView& y = ctx.out[0];
  if (y.count == 0) return nullptr;
  const SizedConv z = sized_conv(p.problem.shape, p.auto_pad, ctx);
  if (y.dim(-1) != fast::conv_out_width(z.shape, z.sizes) ||
      (y.rank == 4 ? y.dims[2] : 1) != fast::conv_out_height(z.shape, z.sizes))
    return nullptr;
  jit::ConvProblem problem = p.problem;
  problem.shape = z.shape;
  return jit::ConvCall::make(problem, z.sizes, jit::Level::avx512);
}

int64_t scratch(const KernelContext& ctx) {
  const auto* call = static_cast<const jit::ConvCall*>(ctx.bound);
  return call == nullptr ? 0 : static_cast<int64_t>(call->scratch_bytes(ctx.services->pool().threads()));
}

Status run(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedBytes*>(ctx.prepared);
  const auto* call = static_cast<const jit::ConvCall*>(ctx.bound);
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  if (call == nullptr) return Status::error(Code::shape, "pads and strides do not make the result's extents");
  const int64_t need = scratch(ctx);
  jit::ConvBuffers b;
  b.scratch = need > 0 ? ctx.services->scratch(need) : nullptr;
  if (need > 0 && b.scratch == nullptr) return no_scratch();
  b.input = x.as<const float>();
  b.input_image = x.image_stride;
  b.output = y.as<float>();
  b.output_image = y.image_stride;
  b.weights = reinterpret_cast<const float*>(p.weights.data());
  b.bias = reinterpret_cast<const float*>(p.channels.data());
  call->run(b, ctx.services->pool());
  return {};
}

}  // namespace

std::span<const Candidate> quantized_convolution_steps() {
  static const Candidate list[] = {[] {
    Candidate c{"Conv", "bytes.conv", accepts, 0, prepare, scratch, run, bind, blocked_operands};
    c.efficiency = 3;
    return c;
  }()};
  return list;
}

}  // namespace chorus::native::steps
