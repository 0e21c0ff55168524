// Conv and ConvTranspose of one and two spatial axes as products of packed weights with gathered pixels.
#include <engine/native/steps/convolution.h>

#include <algorithm>
#include <cstring>

namespace chorus::native::steps {
namespace {

bool positive(std::span<const int64_t> v, int64_t least, size_t count) noexcept {
  return (v.empty() || v.size() == count) &&
         std::all_of(v.begin(), v.end(), [&](int64_t x) { return x >= least && x < (1 << 30); });
}

/// Pads of SAME_UPPER and SAME_LOWER follow from the extents.
void same_pads(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t dilation, AutoPad mode, int64_t* before,
               int64_t* after) noexcept {
  const int64_t total = std::max<int64_t>((out - 1) * stride + (kernel - 1) * dilation + 1 - in, 0);
  *before = mode == AutoPad::upper ? total / 2 : total - total / 2;
  *after = total - *before;
}

}  // namespace

AutoPad auto_pad_of(std::string_view mode) noexcept {
  return mode == "SAME_UPPER"   ? AutoPad::upper
         : mode == "SAME_LOWER" ? AutoPad::lower
         : mode == "VALID"      ? AutoPad::valid
                                : AutoPad::none;
}

bool read_conv_shape(const StepDescription& step, Direction direction, fast::ConvShape* out) {
  const Type &x = step.in(0), &w = step.in(1);
  const int rank = x.rank();
  const auto is_byte = [](const Type& t) {
    return t.is_tensor() && t.has_rank && (t.dtype == DType::int8 || t.dtype == DType::uint8);
  };
  const Type& y = step.out(0);
  const bool sums = is_byte(x) && is_byte(w) && y.is_tensor() && y.has_rank && y.dtype == DType::int32;
  if (!sums && (!is_float32(x) || !is_float32(w) || !is_float32(y))) return false;
  if ((rank != 3 && rank != 4) || w.rank() != rank || y.rank() != rank || !has_numbers(w)) return false;
  const AttrReader attrs = step.n().attrs();
  const auto axes = static_cast<size_t>(rank - 2);
  const auto strides = attrs.integers("strides"), dilations = attrs.integers("dilations"),
             pads = attrs.integers("pads");
  if (!positive(strides, 1, axes) || !positive(dilations, 1, axes) || !positive(pads, 0, 2 * axes)) return false;
  const int64_t groups = attrs.integer("group", 1), w0 = w.dims[0].number(), w1 = w.dims[1].number();
  if (groups < 1 || w0 % groups != 0) return false;
  fast::ConvShape& s = *out;
  s.groups = groups;
  s.in_channels = direction == Direction::forward ? w1 * groups : w0;
  s.out_channels = direction == Direction::forward ? w0 : w1 * groups;
  if (x.dims[1].is_number() && x.dims[1].number() != s.in_channels) return false;
  // One spatial axis is the width of pictures of height one.
  const size_t last = axes - 1;
  const auto at = [&](std::span<const int64_t> v, size_t i, int64_t otherwise) { return v.empty() ? otherwise : v[i]; };
  s.kernel_w = w.dims[2 + last].number();
  s.stride_w = at(strides, last, 1);
  s.dilation_w = at(dilations, last, 1);
  s.pad_left = at(pads, last, 0);
  s.pad_right = at(pads, last + axes, 0);
  if (axes == 2) {
    s.kernel_h = w.dims[2].number();
    s.stride_h = at(strides, 0, 1);
    s.dilation_h = at(dilations, 0, 1);
    s.pad_top = at(pads, 0, 0);
    s.pad_bottom = at(pads, axes, 0);
  }
  return true;
}

bool conv_bias_fits(const StepDescription& step, int64_t channels) {
  if (!step.has(2)) return true;
  const Type& b = step.in(2);
  return is_float32(b, 1) && b.dims[0].is(channels);
}

bool read_transposed_shape(const StepDescription& step, fast::ConvShape* out) {
  const AttrReader attrs = step.n().attrs();
  const auto axes = static_cast<size_t>(std::max(step.in(0).rank() - 2, 0));
  const auto extra = attrs.integers("output_padding");
  if (attrs.string("auto_pad", "NOTSET") != "NOTSET" || !attrs.integers("output_shape").empty()) return false;
  if (!positive(extra, 0, axes) || !read_conv_shape(step, Direction::transposed, out)) return false;
  if (!extra.empty()) out->output_pad_w = extra.back();
  if (extra.size() == 2) out->output_pad_h = extra[0];
  return true;
}

void set_same_pads(const fast::ConvSizes& z, AutoPad mode, fast::ConvShape* shape) noexcept {
  fast::ConvShape& s = *shape;
  const auto out = [](int64_t in, int64_t stride) { return (in + stride - 1) / stride; };
  same_pads(z.width, out(z.width, s.stride_w), s.kernel_w, s.stride_w, s.dilation_w, mode, &s.pad_left, &s.pad_right);
  same_pads(z.height, out(z.height, s.stride_h), s.kernel_h, s.stride_h, s.dilation_h, mode, &s.pad_top, &s.pad_bottom);
}

SizedConv sized_conv(const fast::ConvShape& shape, AutoPad mode, const KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  const bool plane = x.rank == 4;
  SizedConv z{shape, {x.dims[0], plane ? x.dims[2] : 1, x.dim(-1)}};
  fast::ConvShape& s = z.shape;
  if (mode == AutoPad::upper || mode == AutoPad::lower) {
    same_pads(x.dim(-1), y.dim(-1), s.kernel_w, s.stride_w, s.dilation_w, mode, &s.pad_left, &s.pad_right);
    if (plane) same_pads(x.dims[2], y.dims[2], s.kernel_h, s.stride_h, s.dilation_h, mode, &s.pad_top, &s.pad_bottom);
  }
  return z;
}

namespace {

struct PreparedConv final : Prepared {
  fast::ConvShape shape;         // pads: of auto_pad none
  AutoPad auto_pad = AutoPad::none;
  Buffer weights;                // packed; null: they come with the run
  bool run_bias = false;         // operand 2 is not constant
  PreparedEpilogue epilogue;
  int64_t bytes() const noexcept override { return static_cast<int64_t>(weights.bytes()) + epilogue.bytes(); }
};

bool accepts_conv(const StepDescription& step) {
  fast::ConvShape s;
  return read_conv_shape(step, Direction::forward, &s) && conv_bias_fits(step, s.out_channels);
}

bool accepts_transposed(const StepDescription& step) {
  fast::ConvShape s;
  return read_transposed_shape(step, &s) && conv_bias_fits(step, s.out_channels);
}

template <Direction direction>
std::shared_ptr<const Prepared> prepare(const StepDescription& step) {
  auto p = std::make_shared<PreparedConv>();
  direction == Direction::forward ? read_conv_shape(step, direction, &p->shape)
                                  : read_transposed_shape(step, &p->shape);
  p->auto_pad = auto_pad_of(step.n().attrs().string("auto_pad", "NOTSET"));
  if (p->auto_pad != AutoPad::none) p->shape.pad_top = p->shape.pad_left = p->shape.pad_bottom = p->shape.pad_right = 0;
  const Value* bias = step.constant(2);
  p->run_bias = step.has(2) && bias == nullptr;
  p->epilogue = prepare_epilogue(step,
                                 p->run_bias       ? OwnBias::at_run
                                 : bias != nullptr ? OwnBias::constant
                                                   : OwnBias::none,
                                 bias != nullptr ? bias->as<float>() : std::span<const float>());
  if (bias != nullptr) p->constants_used |= 1U << 2;
  if (const Value* w = step.constant(1)) {
    const bool forward = direction == Direction::forward;
    const size_t bytes =
        (forward ? table().conv_packed_weight_bytes : table().conv_transpose_packed_weight_bytes)(p->shape);
    p->weights = step.pack(1, forward ? "conv" : "conv_transpose", bytes, [&](std::byte* to) {
      (forward ? table().conv_pack_weights : table().conv_transpose_pack_weights)(
          p->shape, static_cast<const float*>(w->data()), reinterpret_cast<float*>(to));
    });
    p->constants_used |= 1U << 1;
  }
  return p;
}

/// Where a picture has no pixels its padding alone makes results: a pixel of 0 takes the place of one pad, or of a stride that a
/// transposed convolution goes back.
void give_pixel(Direction direction, int64_t* extent, int64_t stride, int64_t* before, int64_t* after) noexcept {
  if (*extent != 0 || (direction == Direction::forward && *before + *after < 1)) return;
  *extent = 1;
  if (direction == Direction::transposed)
    *after += stride;
  else
    --(*before > 0 ? *before : *after);
}

template <Direction direction>
SizedConv sized(const KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedConv*>(ctx.prepared);
  SizedConv z = sized_conv(p.shape, p.auto_pad, ctx);
  fast::ConvShape& s = z.shape;
  give_pixel(direction, &z.sizes.height, s.stride_h, &s.pad_top, &s.pad_bottom);
  give_pixel(direction, &z.sizes.width, s.stride_w, &s.pad_left, &s.pad_right);
  return z;
}

size_t up64(size_t bytes) noexcept { return (bytes + 63) / 64 * 64; }

/// Bytes of the zeros that stand for a picture without pixels; its other extents may be any numbers.
size_t zero_bytes(const KernelContext& ctx, const SizedConv& z) noexcept {
  if (ctx.in[0].count != 0 || ctx.out[0].count == 0) return 0;
  constexpr size_t most = size_t{1} << 40;
  size_t bytes = sizeof(float);
  for (const int64_t d : {z.sizes.batch, z.shape.in_channels, z.sizes.height, z.sizes.width}) {
    if (static_cast<size_t>(d) > most / std::max<size_t>(bytes, 1)) return most;
    bytes *= static_cast<size_t>(d);
  }
  return up64(bytes);
}

template <Direction direction>
size_t packed_at_run(const PreparedConv& p) noexcept {
  if (p.weights) return 0;
  return up64((direction == Direction::forward ? table().conv_packed_weight_bytes
                                               : table().conv_transpose_packed_weight_bytes)(p.shape));
}

template <Direction direction>
int64_t scratch(const KernelContext& ctx) {
  const SizedConv z = sized<direction>(ctx);
  const auto bytes =
      direction == Direction::forward ? table().conv_scratch_bytes : table().conv_transpose_scratch_bytes;
  return static_cast<int64_t>(zero_bytes(ctx, z) +
                              packed_at_run<direction>(*static_cast<const PreparedConv*>(ctx.prepared)) +
                              bytes(z.shape, z.sizes, ctx.services->pool().threads()));
}

template <Direction direction>
Status run(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedConv*>(ctx.prepared);
  constexpr bool forward = direction == Direction::forward;
  const SizedConv z = sized<direction>(ctx);
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  const int64_t height =
      forward ? fast::conv_out_height(z.shape, z.sizes) : fast::conv_transpose_out_height(z.shape, z.sizes);
  const int64_t width =
      forward ? fast::conv_out_width(z.shape, z.sizes) : fast::conv_transpose_out_width(z.shape, z.sizes);
  if (y.count == 0) return {};
  if (x.dims[1] != z.shape.in_channels || y.dim(-1) != width || (y.rank == 4 ? y.dims[2] : 1) != height) {
    return Status::error(Code::shape, "%lld channels of %lld x %lld do not make %lld x %lld",
                         static_cast<long long>(x.dims[1]), static_cast<long long>(z.sizes.height),
                         static_cast<long long>(z.sizes.width), static_cast<long long>(height),
                         static_cast<long long>(width));
  }
  const int64_t need = scratch<direction>(ctx);
  auto* memory = need > 0 ? static_cast<std::byte*>(ctx.services->scratch(need)) : nullptr;
  if (need > 0 && memory == nullptr) return no_scratch();
  fast::ConvArgs args;
  args.shape = z.shape;
  args.sizes = z.sizes;
  args.input = x.as<const float>();
  if (const size_t zeros = zero_bytes(ctx, z); zeros > 0) {
    std::memset(memory, 0, zeros);
    args.input = reinterpret_cast<const float*>(memory);
    memory += zeros;
  }
  args.output = y.as<float>();
  args.epilogue = make_epilogue(p.epilogue, ctx);
  if (p.run_bias) args.epilogue.bias = ctx.in[2].as<const float>();
  const size_t packed = packed_at_run<direction>(p);
  if (p.weights) {
    args.weights = reinterpret_cast<const float*>(p.weights.data());
  } else {
    auto* to = reinterpret_cast<float*>(memory);
    (forward ? table().conv_pack_weights : table().conv_transpose_pack_weights)(p.shape, ctx.in[1].as<const float>(),
                                                                                to);
    args.weights = to;
  }
  args.scratch = memory + packed;
  (forward ? table().conv_run : table().conv_transpose_run)(args, ctx.services->pool());
  return {};
}

}  // namespace

std::span<const Candidate> convolution_steps() {
  static const std::vector<Candidate> list = [] {
    std::vector<Candidate> all{
        {"Conv", at_level("conv.gemm"), accepts_conv, all_epilogues(), prepare<Direction::forward>,
         scratch<Direction::forward>, run<Direction::forward>},
        {"ConvTranspose", at_level("conv_transpose.gemm"), accepts_transposed, all_epilogues(),
         prepare<Direction::transposed>, scratch<Direction::transposed>, run<Direction::transposed>},
    };
    for (Candidate& c : all) c.efficiency = 0.55F;
    return all;
  }();
  return list;
}

}  // namespace chorus::native::steps
