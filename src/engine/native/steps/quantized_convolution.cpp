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

bool reads_weights(const StepDescription& step, int64_t channels, std::vector<float>* scales) {
  const NodeId source = constant_dequantize(*step.graph, step.n(), 1);
  if (source == kNone) return false;
  const Node& d = step.graph->node(source);
  const DType type = step.graph->value(d.inputs[0]).type.dtype;
  if (type != DType::int8 && type != DType::uint8) return false;
  return read_byte_scales(*step.graph, d, channels, type == DType::int8 ? 0 : 128, 0, scales);
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
         read_byte_bias(step, problem.shape.out_channels, &bias);
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
    const Value& w = *fixed(g, g.node(source), 0);
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

void set_channels(const StepDescription& step, const jit::ConvProblem& p, const int32_t* sums, jit::ByteChannels* out) {
  std::vector<float> scales;
  std::vector<double> bias;
  reads_weights(step, p.shape.out_channels, &scales);
  read_byte_bias(step, p.shape.out_channels, &bias);
  const fast::ConvShape& s = p.shape;
  set_byte_channels(*step.quantized, scales, bias, s.in_channels / s.groups * s.kernel_h * s.kernel_w, sums, out);
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
