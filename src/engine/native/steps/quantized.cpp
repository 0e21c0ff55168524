// QuantizeLinear and DequantizeLinear with one scale, and what moves bytes between them without products: Add, MaxPool, averages of
// whole pictures. In channel blocks signed bytes have their sign bit turned, so that all kernels there see unsigned ones.
#include <engine/native/steps/pooling.h>
#include <engine/native/steps/quantized.h>

#include <cmath>
#include <cstring>

namespace chorus::native::steps {

bool is_byte_picture(const Graph& graph, ValueId value) {
  const Type& t = graph.value(value).type;
  return t.is_tensor() && t.has_rank && (t.dtype == DType::int8 || t.dtype == DType::uint8) && t.rank() >= 3 &&
         t.rank() <= 5 && t.dims[1].is_number() && t.dims[1].number() > 0;
}

ByteRange byte_range(const QuantizedStep& step) {
  const auto zero = static_cast<float>(step.out.blocked_zero());
  const auto of = [&](float limit) {
    const float v = std::nearbyint(limit / step.out.scale) + zero;  // infinite limits stay infinite
    return v > 255 ? 255.0F : v > 0 ? v : 0.0F;
  };
  return {of(step.low), of(step.high)};
}

int64_t blocked_image(const TensorView& t) noexcept {
  int64_t pixels = 1;
  for (int i = 2; i < t.rank; ++i) pixels *= t.dims[i];
  return fast::channel_blocks(t.dims[1]) * fast::channel_block * pixels;
}

namespace {

using jit::ByteMap;

constexpr int64_t kTaskElements = 16 << 10;

int64_t bytes_in(ByteMap kind) noexcept {
  return kind == ByteMap::quantize || kind == ByteMap::to_real || kind == ByteMap::range ? 4 : 1;
}
int64_t bytes_out(ByteMap kind) noexcept {
  return kind == ByteMap::quantize || kind == ByteMap::add || kind == ByteMap::add_signed ? 1 : 4;
}

}  // namespace

bool has_byte_code(const StepDescription& step) {
  return jit::level(step.cpu != nullptr ? *step.cpu : cpu()) == jit::Level::avx512;
}

jit::Kernel find_byte_code(const StepDescription& step, ByteMap kind) {
  return has_byte_code(step) ? jit::find_byte_map(kind) : nullptr;
}

void run_byte_map(ByteMap kind, jit::Kernel kernel, const jit::ByteMapParams& params, const void* a, const void* b,
                  void* y, int64_t count, ThreadPool& pool) noexcept {
  const int64_t in = bytes_in(kind), out = bytes_out(kind);
  const auto at = [](const void* from, int64_t bytes) {
    return from == nullptr ? nullptr : static_cast<const std::byte*>(from) + bytes;
  };
  pool.parallel_for((count + kTaskElements - 1) / kTaskElements, [&](int64_t task, int) {
    const int64_t first = task * kTaskElements, n = std::min(kTaskElements, count - first);
    jit::ByteMapArgs args{at(a, first * in), at(b, first * in), static_cast<std::byte*>(y) + first * out, &params,
                          n / 16};
    const int64_t whole = kernel != nullptr ? n / 16 * 16 : 0;
    const jit::ByteMapArgs begin = args;
    if (whole > 0) kernel(&args);
    jit::run_byte_map_plain(kind, begin, whole, n - whole);
  });
}

namespace {

uint32_t first_operand(const StepDescription&) { return 1; }
uint32_t two_operands(const StepDescription&) { return 3; }

struct PreparedMap final : Prepared {
  ByteMap kind = ByteMap::quantize;
  jit::ByteMapParams params{};
  jit::Kernel kernel = nullptr;  // null: memory for code was refused
  int64_t bytes() const noexcept override { return static_cast<int64_t>(sizeof params); }
};

void run_vectors(const PreparedMap& p, const void* a, const void* b, void* y, int64_t count,
                 ThreadPool& pool) noexcept {
  run_byte_map(p.kind, p.kernel, p.params, a, b, y, count, pool);
}

Status run_plain(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedMap*>(ctx.prepared);
  if (ctx.out[0].count > 0)
    run_vectors(p, ctx.in[0].data, nullptr, ctx.out[0].data, ctx.out[0].count, ctx.services->pool());
  return {};
}

Status run_blocked(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedMap*>(ctx.prepared);
  const TensorView &y = ctx.out[0], &x = ctx.in[0];
  if (y.count == 0) return {};
  const bool two = p.kind == ByteMap::add;
  const int64_t image = blocked_image(y);
  const auto size = [](const TensorView& t) { return t.dtype == DType::float32 ? 4 : 1; };
  for (int64_t n = 0; n < y.dims[0]; ++n) {
    const auto at = [&](const TensorView& t) { return t.as<std::byte>() + n * t.image_stride * size(t); };
    run_vectors(p, at(x), two ? at(ctx.in[1]) : nullptr, at(y), image, ctx.services->pool());
  }
  return {};
}

// QuantizeLinear and DequantizeLinear ---------------------------------------------------------------------------------

bool accepts_map(const StepDescription& step) { return scaling_of(*step.graph, step.n()).has_value(); }
bool accepts_blocked_map(const StepDescription& step) {
  const bool to_bytes = step.n().op->name == "QuantizeLinear";
  return has_byte_code(step) && accepts_map(step) &&
         is_byte_picture(*step.graph, to_bytes ? step.n().outputs[0] : step.n().inputs[0]);
}

template <LayoutForm form>
std::shared_ptr<const Prepared> prepare_map(const StepDescription& step) {
  const Scaling s = *scaling_of(*step.graph, step.n());
  auto p = std::make_shared<PreparedMap>();
  const bool turned = form == LayoutForm::plain && s.dtype == DType::int8;  // a tensor of signed bytes as it is
  const auto zero = static_cast<float>(turned ? s.zero : s.blocked_zero());
  if (step.n().op->name == "QuantizeLinear") {
    p->kind = ByteMap::quantize;
    jit::fill(p->params.step, s.scale);
    jit::fill(p->params.out.zero, zero);
    jit::fill(p->params.out.alpha, turned ? -128.0F : 0.0F);
    jit::fill(p->params.out.beta, turned ? 127.0F : 255.0F);
  } else {
    p->kind = turned ? ByteMap::dequantize_signed : ByteMap::dequantize;
    jit::fill(p->params.zero_a, zero);
    jit::fill(p->params.scale_a, s.scale);
  }
  p->kernel = find_byte_code(step, p->kind);
  return p;
}

// Add -----------------------------------------------------------------------------------------------------------------

bool are_pictures(const StepDescription& step) {
  const QuantizedStep& q = *step.quantized;
  return is_byte_picture(*step.graph, q.result) &&
         std::all_of(q.operands.begin(), q.operands.end(), [&](ValueId v) { return is_byte_picture(*step.graph, v); });
}

bool accepts_add(const StepDescription& step) {
  return has_byte_code(step) && are_pictures(step) && same_dims(step.in(0), step.out(0)) &&
         same_dims(step.in(1), step.out(0));
}

/// Tensors as they lie: bytes of one kind.
bool accepts_plain_add(const StepDescription& step) {
  const QuantizedStep& q = *step.quantized;
  return same_dims(step.in(0), step.out(0)) && same_dims(step.in(1), step.out(0)) && q.in[0].dtype == q.in[1].dtype;
}

template <LayoutForm form>
std::shared_ptr<const Prepared> prepare_add(const StepDescription& step) {
  const QuantizedStep& q = *step.quantized;
  auto p = std::make_shared<PreparedMap>();
  constexpr bool plain = form == LayoutForm::plain;
  p->kind = plain && q.in[0].dtype == DType::int8 ? ByteMap::add_signed : ByteMap::add;
  const auto zero = [](const Scaling& s) { return static_cast<float>(plain ? s.zero : s.blocked_zero()); };
  jit::fill(p->params.zero_a, zero(q.in[0]));
  jit::fill(p->params.scale_a, q.in[0].scale);
  jit::fill(p->params.zero_b, zero(q.in[1]));
  jit::fill(p->params.scale_b, q.in[1].scale);
  jit::fill(p->params.step, q.out.scale);
  const ByteRange range = byte_range(q);
  const float turned = plain && q.out.dtype == DType::int8 ? 128 : 0;
  jit::fill(p->params.out.zero, zero(q.out));
  jit::fill(p->params.out.alpha, range.least - turned);
  jit::fill(p->params.out.beta, range.largest - turned);
  p->kernel = find_byte_code(step, p->kind);
  return p;
}

Status run_plain_add(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedMap*>(ctx.prepared);
  const TensorView& y = ctx.out[0];
  if (y.count > 0) run_vectors(p, ctx.in[0].data, ctx.in[1].data, y.data, y.count, ctx.services->pool());
  return {};
}

// MaxPool: the order of bytes is that of the numbers ------------------------------------------------------------------

bool accepts_max(const StepDescription& step) {
  const QuantizedStep& q = *step.quantized;
  return has_byte_code(step) && are_pictures(step) && accepts_max_pool(step) && q.in[0] == q.out &&
         q.covers.size() == 2;
}

using Lanes = uint8_t __attribute__((vector_size(16)));  // both compilers have it, on every processor

void max_row(const fast::PoolArgs& a, const uint8_t* plane, int64_t oy, uint8_t* y) noexcept {
  constexpr int64_t kLanes = fast::channel_block;
  const int64_t top = oy * a.stride_h - a.pad_top;
  const int64_t from_y = std::max<int64_t>(top, 0), to_y = std::min(top + a.kernel_h, a.height);
  for (int64_t ox = 0; ox < a.out_width; ++ox) {
    const int64_t left = ox * a.stride_w - a.pad_left;
    const int64_t from_x = std::max<int64_t>(left, 0), to_x = std::min(left + a.kernel_w, a.width);
    Lanes most{};
    for (int64_t iy = from_y; iy < to_y; ++iy) {
      for (int64_t ix = from_x; ix < to_x; ++ix) {
        Lanes x;
        std::memcpy(&x, plane + (iy * a.width + ix) * kLanes, sizeof x);
        most = x > most ? x : most;
      }
    }
    std::memcpy(y + ox * kLanes, &most, sizeof most);
  }
}

Status run_max(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  const fast::PoolArgs args = pool_args(ctx, fast::Pool::max);
  const int64_t blocks = fast::channel_blocks(x.dims[1]), in = args.height * args.width * fast::channel_block;
  const int64_t out_row = args.out_width * fast::channel_block;
  ctx.services->pool().parallel_for(x.dims[0] * blocks * args.out_height, [&](int64_t task, int) {
    const int64_t oy = task % args.out_height, block = task / args.out_height % blocks,
                  n = task / args.out_height / blocks;
    max_row(args, x.as<const uint8_t>() + n * x.image_stride + block * in, oy,
            y.as<uint8_t>() + n * y.image_stride + (block * args.out_height + oy) * out_row);
  });
  return {};
}

// Averages of whole pictures ------------------------------------------------------------------------------------------

struct PreparedMean final : Prepared {
  Scaling in, out;
  ByteRange range{};
};

bool accepts_mean(const StepDescription& step) {
  if (!has_byte_code(step) || !are_pictures(step) || step.in(0).rank() != step.out(0).rank()) return false;
  if (step.n().op->name == "GlobalAveragePool") return true;
  std::vector<int64_t> axes;
  if (!step.has(1) || !constant_integers(step, 1, &axes) || step.n().attrs().integer("keepdims", 1) != 1) return false;
  uint32_t reduced = 0;
  for (int64_t axis : axes) {
    const int64_t at = from_front(axis, step.in(0).rank());
    if (at < 2) return false;
    reduced |= 1U << at;
  }
  return reduced == (1U << step.in(0).rank()) - 4;
}

std::shared_ptr<const Prepared> prepare_mean(const StepDescription& step) {
  auto p = std::make_shared<PreparedMean>();
  p->in = step.quantized->in[0], p->out = step.quantized->out;
  p->range = byte_range(*step.quantized);
  return p;
}

Status run_mean(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedMean*>(ctx.prepared);
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  constexpr int64_t kLanes = fast::channel_block;
  const int64_t blocks = fast::channel_blocks(x.dims[1]), pixels = x.count / (x.dims[0] * x.dims[1]);
  const double scale = double{p.in.scale} / static_cast<double>(pixels);
  const auto zero = static_cast<float>(p.out.blocked_zero());
  ctx.services->pool().parallel_for(x.dims[0] * blocks, [&](int64_t task, int) {
    const int64_t block = task % blocks, n = task / blocks;
    const uint8_t* from = x.as<const uint8_t>() + n * x.image_stride + block * pixels * kLanes;
    uint8_t* to = y.as<uint8_t>() + n * y.image_stride + block * kLanes;
    int64_t sums[kLanes] = {};
    for (int64_t first = 0; first < pixels; first += 1 << 16) {
      uint32_t part[kLanes] = {};
      for (int64_t i = first; i < std::min<int64_t>(first + (1 << 16), pixels); ++i) {
        for (int64_t l = 0; l < kLanes; ++l) part[l] += from[i * kLanes + l];
      }
      for (int64_t l = 0; l < kLanes; ++l) sums[l] += part[l];
    }
    for (int64_t l = 0; l < kLanes; ++l) {
      const auto mean = static_cast<float>(static_cast<double>(sums[l] - pixels * p.in.blocked_zero()) * scale);
      const float v = std::nearbyint(mean / p.out.scale) + zero;
      const float low = v > p.range.least ? v : p.range.least;
      to[l] = static_cast<uint8_t>(low < p.range.largest ? low : p.range.largest);
    }
  });
  return {};
}

Candidate made(std::string_view op, std::string_view name, bool (*accepts)(const StepDescription&),
               std::shared_ptr<const Prepared> (*prepare)(const StepDescription&), KernelFn run,
               uint32_t (*blocked)(const StepDescription&)) {
  Candidate c{op, name, accepts, 0, prepare, nullptr, run};
  c.blocked_operands = blocked;
  return c;
}

}  // namespace

std::span<const Candidate> scaling_steps() {
  static const std::vector<Candidate> list = [] {
    std::vector<Candidate> all{
        made("QuantizeLinear", "quantize", accepts_map, prepare_map<LayoutForm::plain>, run_plain, nullptr),
        made("DequantizeLinear", "dequantize", accepts_map, prepare_map<LayoutForm::plain>, run_plain, nullptr),
        made("QuantizeLinear", "quantize.blocked", accepts_blocked_map, prepare_map<LayoutForm::blocked>, run_blocked,
             first_operand),
        made("DequantizeLinear", "dequantize.blocked", accepts_blocked_map, prepare_map<LayoutForm::blocked>,
             run_blocked, first_operand),
    };
    const auto dynamic = dynamic_quantize_steps();
    all.insert(all.end(), dynamic.begin(), dynamic.end());
    return all;
  }();
  return list;
}

std::span<const Candidate> quantized_steps() {
  static const std::vector<Candidate> list = [] {
    std::vector<Candidate> all{
        made("Add", "bytes.add", accepts_plain_add, prepare_add<LayoutForm::plain>, run_plain_add, nullptr),
        made("Add", "bytes.add.blocked", accepts_add, prepare_add<LayoutForm::blocked>, run_blocked, two_operands),
        made("MaxPool", "bytes.max_pool", accepts_max, nullptr, run_max, first_operand),
        made("GlobalAveragePool", "bytes.average", accepts_mean, prepare_mean, run_mean, first_operand),
        made("ReduceMean", "bytes.average", accepts_mean, prepare_mean, run_mean, first_operand),
    };
    const auto products = quantized_convolution_steps();
    all.insert(all.end(), products.begin(), products.end());
    const auto matrices = quantized_product_steps();
    all.insert(all.end(), matrices.begin(), matrices.end());
    return all;
  }();
  return list;
}

}  // namespace chorus::native::steps
