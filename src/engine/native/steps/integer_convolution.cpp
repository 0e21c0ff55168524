// ConvInteger with constant weights by generated tiles of bytes: exact. The input is brought into blocks of unsigned bytes with its borders
// written out (the zero point, which the run knows); sums over the filters take the zero point out of the results.
#include <engine/native/jit/conv.h>
#include <engine/native/steps/convolution.h>
#include <engine/native/steps/product.h>

#include <algorithm>
#include <cstring>

namespace chorus::native::steps {
namespace {

struct PreparedSums final : Prepared {
  jit::ConvProblem problem;  // without pads
  fast::ConvShape shape;  // with the pads of auto_pad none
  AutoPad auto_pad = AutoPad::none;
  Buffer weights;  // packed, then int32 [out_channels]: the sums of the filters
  size_t sums_at = 0;
  int64_t bytes() const noexcept override { return static_cast<int64_t>(weights.bytes()); }
  const int32_t* sums() const noexcept { return reinterpret_cast<const int32_t*>(weights.data() + sums_at); }
};

struct SizedSums {
  fast::ConvSizes sizes, padded;
  int64_t top = 0, left = 0;
  std::shared_ptr<const jit::ConvCall> call;
};

fast::ConvSizes padded(const fast::ConvSizes& z, const fast::ConvShape& s) noexcept {
  return {z.batch, z.height + s.pad_top + s.pad_bottom, z.width + s.pad_left + s.pad_right};
}
void drop_pads(fast::ConvShape* s) noexcept { s->pad_top = s->pad_left = s->pad_bottom = s->pad_right = 0; }

/// Weights whose zero points make signed bytes of them.
bool has_middle(const StepDescription& step) {
  const bool is_signed = step.in(1).dtype == DType::int8;
  if (!step.has(3)) return is_signed;
  const Value* v = step.constant(3);
  if (v == nullptr || (v->dtype() != DType::int8 && v->dtype() != DType::uint8)) return false;
  const auto* zeros = static_cast<const uint8_t*>(v->data());
  return std::all_of(zeros, zeros + v->numel(), [&](uint8_t z) { return z == (is_signed ? 0 : 128); });
}

bool read_problem(const StepDescription& step, PreparedSums* p, fast::ConvSizes* typical) {
  const CpuFeatures& features = step.cpu != nullptr ? *step.cpu : cpu();
  if (!features.avx512_vnni || jit::level(features) != jit::Level::avx512) return false;
  if (step.constant(1) == nullptr || !has_middle(step)) return false;
  if (step.has(2) && !step.in(2).has_rank) return false;
  if (!read_conv_shape(step, Direction::forward, &p->shape)) return false;
  p->auto_pad = auto_pad_of(step.n().attrs().string("auto_pad", "NOTSET"));
  if (p->auto_pad != AutoPad::none) drop_pads(&p->shape);
  const Type& x = step.in(0);
  const auto number = [&](int axis) {
    const Dim& d = x.dims[static_cast<size_t>(x.rank() + axis)];
    return d.is_number() ? d.number() : 0;
  };
  fast::ConvShape shape = p->shape;
  *typical = {1, x.rank() == 3 ? 1 : number(-2), number(-1)};
  const bool known = typical->height > 0 && typical->width > 0;
  if (known && (p->auto_pad == AutoPad::upper || p->auto_pad == AutoPad::lower))
    set_same_pads(*typical, p->auto_pad, &shape);
  if (known) *typical = padded(*typical, shape);
  drop_pads(&shape);
  p->problem.shape = shape;
  p->problem.element = jit::Element::bytes;
  p->problem.extents = known ? jit::Extents::fixed : jit::Extents::open;
  return jit::refusal(p->problem) == nullptr;
}

bool accepts(const StepDescription& step) {
  PreparedSums p;
  fast::ConvSizes typical;
  return read_problem(step, &p, &typical);
}

std::shared_ptr<const Prepared> prepare(const StepDescription& step) {
  auto p = std::make_shared<PreparedSums>();
  fast::ConvSizes typical;
  read_problem(step, p.get(), &typical);
  const auto channels = static_cast<size_t>(p->shape.out_channels);
  p->sums_at = jit::packed_weight_bytes(p->problem);
  p->weights = step.pack(1, "conv_integer.tiles", p->sums_at + channels * sizeof(int32_t), [&](std::byte* to) {
    const Value& w = *step.constant(1);
    const auto count = static_cast<size_t>(w.numel());
    const int flip = w.dtype() == DType::uint8 ? 0x80 : 0;
    std::vector<int8_t> bytes(count);
    for (size_t i = 0; i < count; ++i)
      bytes[i] = static_cast<int8_t>(static_cast<uint8_t>(static_cast<const uint8_t*>(w.data())[i] ^ flip));
    jit::pack_byte_weights(p->problem, bytes.data(), to);
    auto* sums = reinterpret_cast<int32_t*>(to + p->sums_at);
    for (size_t o = 0; o < channels; ++o) {
      sums[o] = 0;
      for (size_t i = 0; i < count / channels; ++i) sums[o] += bytes[o * (count / channels) + i];
    }
  });
  jit::generate(p->problem, typical, jit::Level::avx512);
  p->constants_used = 1U << 1;
  return p;
}

std::shared_ptr<const void> bind(const KernelContext& ctx) {
  const auto& p = *static_cast<const PreparedSums*>(ctx.prepared);
  const TensorView& y = ctx.out[0];
  if (y.count == 0) return nullptr;
  const SizedConv z = sized_conv(p.shape, p.auto_pad, ctx);
  if (y.dim(-1) != fast::conv_out_width(z.shape, z.sizes) ||
      (y.rank == 4 ? y.dims[2] : 1) != fast::conv_out_height(z.shape, z.sizes))
    return nullptr;
  auto sized = std::make_shared<SizedSums>();
  sized->sizes = z.sizes;
  sized->padded = padded(z.sizes, z.shape);
  sized->top = z.shape.pad_top, sized->left = z.shape.pad_left;
  sized->call = jit::ConvCall::make(p.problem, sized->padded, jit::Level::avx512);
  return sized;
}

int64_t left_bytes(const PreparedSums& p, const SizedSums& z) noexcept {
  return (z.padded.batch * jit::blocks(p.shape.in_channels) * z.padded.height * z.padded.width * jit::kBlock + 63) /
         64 * 64;
}
int64_t scratch(const KernelContext& ctx) {
  const auto* z = static_cast<const SizedSums*>(ctx.bound);
  if (z == nullptr) return 0;
  const auto& p = *static_cast<const PreparedSums*>(ctx.prepared);
  const TensorView& y = ctx.out[0];
  const int64_t out = y.count / p.shape.out_channels * jit::blocks(p.shape.out_channels) * jit::kBlock;
  return left_bytes(p, *z) + out * static_cast<int64_t>(sizeof(int32_t)) +
         static_cast<int64_t>(z->call->scratch_bytes(ctx.services->pool().threads()));
}

/// One row of one block of the padded picture.
void copy_row(const SizedSums& z, const uint8_t* image, int64_t first, int64_t last, int64_t y, uint8_t border,
              uint8_t flip, uint8_t* to) noexcept {
  std::memset(to, border, static_cast<size_t>(z.padded.width * jit::kBlock));
  y -= z.top;
  if (y < 0 || y >= z.sizes.height) return;
  for (int64_t c = first; c < last; ++c) {
    const uint8_t* from = image + (c * z.sizes.height + y) * z.sizes.width;
    uint8_t* lane = to + z.left * jit::kBlock + (c - first);
    for (int64_t x = 0; x < z.sizes.width; ++x) lane[x * jit::kBlock] = static_cast<uint8_t>(from[x] ^ flip);
  }
}

void out_of_blocks(const int32_t* blocks, const TensorView& y, int64_t pixels, int64_t zero, const int32_t* sums,
                   ThreadPool& pool) noexcept {
  const int64_t channels = y.dims[1];
  pool.parallel_for(y.dims[0] * channels, [&](int64_t task, int) {
    const int64_t n = task / channels, o = task % channels;
    const int32_t* from =
        blocks + (n * jit::blocks(channels) + o / jit::kBlock) * pixels * jit::kBlock + o % jit::kBlock;
    const auto start = static_cast<int32_t>(zero * sums[o]);
    int32_t* to = y.as<int32_t>() + task * pixels;
    for (int64_t i = 0; i < pixels; ++i) to[i] = from[i * jit::kBlock] - start;
  });
}

Status run(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedSums*>(ctx.prepared);
  const auto* z = static_cast<const SizedSums*>(ctx.bound);
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  if (z == nullptr) return Status::error(Code::shape, "pads and strides do not make the result's extents");
  if (ctx.has(2) && ctx.in[2].count != 1) return Status::error(Code::shape, "x_zero_point is one number");
  auto* memory = static_cast<std::byte*>(ctx.services->scratch(scratch(ctx)));
  if (memory == nullptr) return no_scratch();
  const bool is_signed = x.dtype == DType::int8;
  int64_t zero = is_signed ? 128 : 0;
  if (ctx.has(2)) zero += is_signed ? int64_t{*ctx.in[2].as<int8_t>()} : int64_t{*ctx.in[2].as<uint8_t>()};
  const int64_t channels = p.shape.in_channels, blocks = jit::blocks(channels), rows = z->padded.height;
  const int64_t row_bytes = z->padded.width * jit::kBlock, image = channels * z->sizes.height * z->sizes.width;
  auto* left = reinterpret_cast<uint8_t*>(memory);
  ctx.services->pool().parallel_for(z->padded.batch * blocks * rows, [&](int64_t task, int) {
    const int64_t row = task % rows, block = task / rows % blocks, n = task / rows / blocks;
    copy_row(*z, x.as<const uint8_t>() + n * image, block * jit::kBlock, std::min((block + 1) * jit::kBlock, channels),
             row, static_cast<uint8_t>(zero), is_signed ? 0x80 : 0, left + task * row_bytes);
  });
  auto* sums = reinterpret_cast<int32_t*>(memory + left_bytes(p, *z));
  const int64_t pixels = y.count / (y.dims[0] * y.dims[1]);
  jit::ConvBuffers b;
  b.input = reinterpret_cast<const float*>(left);
  b.weights = reinterpret_cast<const float*>(p.weights.data());
  b.output = reinterpret_cast<float*>(sums);
  // Images of bytes are a quarter of their elements, in floats.
  b.input_image = blocks * rows * z->padded.width * (jit::kBlock / 4);
  b.output_image = jit::blocks(y.dims[1]) * pixels * jit::kBlock;
  z->call->run(b, ctx.services->pool());
  out_of_blocks(sums, y, pixels, zero, p.sums(), ctx.services->pool());
  return {};
}

}  // namespace

Candidate integer_convolution_step() {
  return {"ConvInteger", "conv_integer.tiles", accepts, 0, prepare, scratch, run, bind};
}

}  // namespace chorus::native::steps
