// Conv (of volumes too) and ConvTranspose over channel blocks by generated kernels: blocked to blocked, and a first layer that reads a plain picture.
#include <engine/native/jit/conv.h>
#include <engine/native/steps/convolution.h>
#include <engine/native/steps/product_element.h>
#include <engine/native/steps/tunable.h>

#include <algorithm>

namespace chorus::native::steps {
namespace {

struct PreparedBlocked final : TunablePrepared {  // pads of the problem: of auto_pad none
  AutoPad auto_pad = AutoPad::none;
  Buffer weights, bias;
  int residual = -1;  // operand
  int64_t bytes() const noexcept override { return static_cast<int64_t>(weights.bytes() + bias.bytes()); }
  std::optional<Sized> sized(const KernelContext& context) const override;
};

/// A convolution of three spatial axes, pads given; the depth's size is set at bind.
bool read_volume(const StepDescription& step, jit::ConvProblem* problem) {
  const Type &x = step.in(0), &w = step.in(1);
  const AttrReader attrs = step.n().attrs();
  if (!is_float32(x, 5) || !is_float32(w, 5) || !has_numbers(w) || !is_float32(step.out(0), 5)) return false;
  const AutoPad mode = auto_pad_of(attrs.string("auto_pad", "NOTSET"));
  const auto strides = attrs.integers("strides"), dilations = attrs.integers("dilations"),
             pads = attrs.integers("pads");
  const auto fits = [](std::span<const int64_t> v, int64_t least, size_t count) {
    return (v.empty() || v.size() == count) &&
           std::all_of(v.begin(), v.end(), [&](int64_t i) { return i >= least && i < (1 << 30); });
  };
  if (mode == AutoPad::upper || mode == AutoPad::lower || !fits(strides, 1, 3) || !fits(dilations, 1, 3) ||
      !fits(pads, 0, 6))
    return false;
  const auto at = [](std::span<const int64_t> v, size_t i, int64_t otherwise) { return v.empty() ? otherwise : v[i]; };
  const int64_t groups = attrs.integer("group", 1), out = w.dims[0].number();
  if (groups < 1 || out % groups != 0) return false;
  fast::ConvShape& s = problem->shape;
  s.groups = groups, s.in_channels = w.dims[1].number() * groups, s.out_channels = out;
  if (x.dims[1].is_number() && x.dims[1].number() != s.in_channels) return false;
  const auto pad = [&](size_t i) { return mode == AutoPad::valid ? 0 : at(pads, i, 0); };
  problem->depth = {1, w.dims[2].number(), at(strides, 0, 1), at(dilations, 0, 1), pad(0), pad(3)};
  s.kernel_h = w.dims[3].number(), s.stride_h = at(strides, 1, 1), s.dilation_h = at(dilations, 1, 1);
  s.kernel_w = w.dims[4].number(), s.stride_w = at(strides, 2, 1), s.dilation_w = at(dilations, 2, 1);
  s.pad_top = pad(1), s.pad_bottom = pad(4), s.pad_left = pad(2), s.pad_right = pad(5);
  return true;
}

/// Extents of a picture, or of the slices of a volume, where they are known; 0 otherwise.
fast::ConvSizes typical(const StepDescription& step) {
  const Type& x = step.in(0);
  const auto number = [&](int axis) {
    const Dim& d = x.dims[static_cast<size_t>(x.rank() + axis)];
    return d.is_number() ? d.number() : 0;
  };
  return {1, x.rank() == 3 ? 1 : number(-2), number(-1)};
}

/// Everything of the problem but the sizes; false when it is not one for these kernels.
bool read_problem(const StepDescription& step, jit::ConvProblem* problem) {
  const bool transposed = step.n().op->name == "ConvTranspose";
  if (transposed               ? !read_transposed_shape(step, &problem->shape)
      : step.in(0).rank() == 5 ? !read_volume(step, problem)
                               : !read_conv_shape(step, Direction::forward, &problem->shape))
    return false;
  if (step.in(0).rank() < 3) return false;
  problem->direction = transposed ? jit::Direction::transposed : jit::Direction::forward;
  if (step.constant(1) == nullptr || !conv_bias_fits(step, problem->shape.out_channels)) return false;
  if (step.has(2) && step.constant(2) == nullptr) return false;
  const bool few = !transposed && problem->shape.in_channels <= 4 && problem->shape.groups == 1;
  if (!step.in(0).dims[1].is_number()) return false;
  const fast::ConvSizes sizes = typical(step);
  problem->extents = sizes.height > 0 && sizes.width > 0 ? jit::Extents::fixed : jit::Extents::open;
  problem->source = few ? jit::Source::planar : jit::Source::blocked;
  const PreparedEpilogue e = prepare_epilogue(step, OwnBias::none, {});
  problem->bias = true;
  problem->residual = e.residual >= 0;
  problem->activation = e.activation;
  problem->alpha = e.alpha;
  problem->beta = e.beta;
  return true;
}

bool accepts(const StepDescription& step) {
  // Padding alone makes results of a picture without pixels: for the plain step.
  if (std::ranges::any_of(step.in(0).dims, [](const Dim& d) { return d.is(0); })) return false;
  jit::ConvProblem problem;
  return read_problem(step, &problem) && jit::refusal(problem) == nullptr;
}

uint32_t blocked_operands(const StepDescription& step) {
  jit::ConvProblem problem;
  read_problem(step, &problem);
  uint32_t mask = problem.source == jit::Source::blocked ? 1U : 0U;
  if (problem.residual) mask |= 1U << step.n().inputs.size();
  return mask;
}

/// All code that bind will ask for.
void generate(const StepDescription& step, const PreparedBlocked& p) {
  const fast::ConvSizes sizes = typical(step);
  jit::ConvProblem problem = p.problem;
  if (p.auto_pad != AutoPad::upper && p.auto_pad != AutoPad::lower) return jit::generate(problem, sizes, p.level);
  if (problem.extents == jit::Extents::fixed) {
    set_same_pads(sizes, p.auto_pad, &problem.shape);
    return jit::generate(problem, sizes, p.level);
  }
  // Pads follow from the width modulo the stride.
  for (int64_t rest = 0; rest < problem.shape.stride_w; ++rest) {
    set_same_pads({1, 1, sizes.width > 0 ? sizes.width : (int64_t{1} << 20) + rest}, p.auto_pad, &problem.shape);
    jit::generate(problem, sizes, p.level);
    if (sizes.width > 0) break;
  }
}

std::shared_ptr<const Prepared> prepare(const StepDescription& step) {
  auto p = std::make_shared<PreparedBlocked>();
  read_problem(step, &p->problem);
  jit::ConvProblem& problem = p->problem;
  p->level = jit::level(step.cpu != nullptr ? *step.cpu : cpu());
  p->auto_pad = auto_pad_of(step.n().attrs().string("auto_pad", "NOTSET"));
  if (p->auto_pad != AutoPad::none) {
    problem.shape.pad_top = problem.shape.pad_left = problem.shape.pad_bottom = problem.shape.pad_right = 0;
  }
  problem.element = element_of(step, problem, p->level);
  problem.unit = unit_of(step, problem);
  p->choose(step, typical(step));
  // y = (x·w + bias) · scale + shift: the scale goes into the weights.
  const Value* bias = step.constant(2);
  const PreparedEpilogue e = prepare_epilogue(step, bias != nullptr ? OwnBias::constant : OwnBias::none,
                                              bias != nullptr ? bias->as<float>() : std::span<const float>());
  p->residual = e.residual;
  const auto channels = static_cast<size_t>(problem.shape.out_channels);
  const auto padded = static_cast<size_t>(jit::bias_count(problem.shape.out_channels));
  p->bias = Buffer::allocate(padded * sizeof(float));
  auto* sums = reinterpret_cast<float*>(p->bias.mutable_data());
  for (size_t i = 0; i < padded; ++i) {
    double v = i < channels && !e.bias.empty() ? e.bias[i] : 0;
    if (i < channels && !e.scale.empty()) v *= e.scale[i];
    if (i < channels && !e.shift.empty()) v += e.shift[i];
    sums[i] = static_cast<float>(v);
  }
  static constexpr std::string_view forms[] = {"conv.blocked.direct", "conv.blocked.winograd4",
                                               "conv.blocked.winograd2"};
  const bool transposed = problem.direction == jit::Direction::transposed;
  const bool narrow = problem.element == jit::Element::bf16;
  p->weights = step.pack(1,
                         transposed ? "conv_transpose.blocked"
                         : narrow   ? "conv.blocked.bf16"
                                    : forms[static_cast<size_t>(problem.method)],
                         jit::packed_weight_bytes(problem), [&](std::byte* to) {
                           jit::pack_weights(problem, static_cast<const float*>(step.constant(1)->data()),
                                             e.scale.empty() ? nullptr : e.scale.data(), reinterpret_cast<float*>(to));
                         });
  generate(step, *p);
  p->constants_used = 1U << 1 | (bias != nullptr ? 1U << 2 : 0U);
  return p;
}

std::optional<TunablePrepared::Sized> sized_volume(const PreparedBlocked& p, const KernelContext& ctx) {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  jit::ConvProblem problem = p.problem;
  jit::Depth& d = problem.depth;
  d.size = x.dims[2];
  const fast::ConvSizes sizes{x.dims[0], x.dims[3], x.dims[4]};
  if (y.dims[2] != fast::conv_extent(d.size, d.kernel, d.stride, d.dilation, d.pad_front, d.pad_back) ||
      y.dims[3] != fast::conv_out_height(problem.shape, sizes) ||
      y.dims[4] != fast::conv_out_width(problem.shape, sizes))
    return std::nullopt;
  return TunablePrepared::Sized{problem, sizes};
}

std::optional<TunablePrepared::Sized> PreparedBlocked::sized(const KernelContext& ctx) const {
  if (ctx.out[0].count == 0) return std::nullopt;
  if (ctx.in[0].rank == 5) return sized_volume(*this, ctx);
  const SizedConv z = sized_conv(problem.shape, auto_pad, ctx);
  const TensorView& y = ctx.out[0];
  const bool transposed = problem.direction == jit::Direction::transposed;
  const int64_t width =
      transposed ? fast::conv_transpose_out_width(z.shape, z.sizes) : fast::conv_out_width(z.shape, z.sizes);
  const int64_t height =
      transposed ? fast::conv_transpose_out_height(z.shape, z.sizes) : fast::conv_out_height(z.shape, z.sizes);
  if (y.dim(-1) != width || (y.rank == 4 ? y.dims[2] : 1) != height) return std::nullopt;
  Sized result{problem, z.sizes};
  result.problem.shape = z.shape;
  return result;
}

std::shared_ptr<const void> bind(const KernelContext& ctx) {
  const auto& p = *static_cast<const PreparedBlocked*>(ctx.prepared);
  const auto z = p.sized(ctx);
  return z ? jit::ConvCall::make(z->problem, z->sizes, p.level) : nullptr;
}

int64_t scratch(const KernelContext& ctx) {
  const auto* call = static_cast<const jit::ConvCall*>(ctx.bound);
  return call == nullptr ? 0 : static_cast<int64_t>(call->scratch_bytes(ctx.services->pool().threads()));
}

Status run(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedBlocked*>(ctx.prepared);
  const auto* call = static_cast<const jit::ConvCall*>(ctx.bound);
  if (ctx.out[0].count == 0) return {};
  if (call == nullptr) return Status::error(Code::shape, "pads and strides do not make the result's extents");
  const int64_t need = scratch(ctx);
  jit::ConvBuffers b;
  b.scratch = need > 0 ? ctx.services->scratch(need) : nullptr;
  if (need > 0 && b.scratch == nullptr) return no_scratch();
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  b.input = x.as<const float>();
  b.input_image = x.image_stride;
  b.output = y.as<float>();
  b.output_image = y.image_stride;
  b.weights = reinterpret_cast<const float*>(p.weights.data());
  b.bias = reinterpret_cast<const float*>(p.bias.data());
  if (p.residual >= 0) {
    b.residual = ctx.in[p.residual].as<const float>();
    b.residual_image = ctx.in[p.residual].image_stride;
  }
  call->run(b, ctx.services->pool());
  return {};
}

uint32_t taken_epilogues() {
  uint32_t mask = 0;
  for (EpilogueKind k : {EpilogueKind::bias_channel, EpilogueKind::scale_channel, EpilogueKind::residual,
                         EpilogueKind::relu, EpilogueKind::clip, EpilogueKind::leaky_relu, EpilogueKind::hard_swish,
                         EpilogueKind::hard_sigmoid, EpilogueKind::sigmoid, EpilogueKind::silu}) {
    mask |= epilogue_bit(k);
  }
  return mask;
}

}  // namespace

std::span<const Candidate> blocked_convolution_steps() {
  const auto make = [](std::string_view op, std::string_view name) {
    Candidate c{op, name, accepts, taken_epilogues(), prepare, scratch, run, bind, blocked_operands};
    c.residual_in_place = true;
    c.efficiency = 0.9F;
    return c;
  };
  static const Candidate list[] = {make("Conv", "conv.blocked"), make("ConvTranspose", "conv_transpose.blocked")};
  return list;
}

}  // namespace chorus::native::steps
