// MatMul and Gemm of bytes with constant weights by generated tiles: integer sums, then scale, bias, Relu or Clip, and the result's
// zero point. The left matrix is brought into blocks of unsigned bytes; rows of results lie as they are, or in blocks that are taken
// apart where the columns do not fill them.
#include <engine/native/jit/bytes.h>
#include <engine/native/steps/product.h>
#include <engine/native/steps/quantized.h>

#include <algorithm>
#include <cstring>

namespace chorus::native::steps {
namespace {

constexpr int64_t kRowsOfTask = 16;

struct PreparedBytes final : Prepared {
  jit::ConvProblem problem;
  Buffer weights;  // packed, then int32 [n]: the sums of the columns
  Buffer channels;  // jit::ByteChannels per block
  int64_t bytes() const noexcept override { return static_cast<int64_t>(weights.bytes() + channels.bytes()); }
};

struct Weights {
  NodeId source = kNone;  // the DequantizeLinear
  int64_t k = 0, n = 0;
  bool transposed = false;  // [n, k]
  std::vector<float> scales;
  std::vector<double> bias;
};

bool read_weights(const StepDescription& step, Weights* w) {
  const AttrReader attrs = step.n().attrs();
  const bool gemm = step.n().type == "Gemm";
  if (gemm && (attrs.integer("transA") != 0 || attrs.real("alpha", 1) != 1 || attrs.real("beta", 1) != 1)) return false;
  w->transposed = gemm && attrs.integer("transB") != 0;
  w->source = constant_dequantize(*step.graph, step.n(), 1);
  if (w->source == kNone) return false;
  const Node& d = step.graph->node(w->source);
  const Type& type = step.graph->value(d.inputs[0]).type;
  if ((type.dtype != DType::int8 && type.dtype != DType::uint8) || type.rank() != 2 || !has_numbers(type)) return false;
  w->k = type.dims[w->transposed ? 1 : 0].number(), w->n = type.dims[w->transposed ? 0 : 1].number();
  // More than a row of bias would spread over rows.
  if (gemm && step.has(2) && (step.in(2).rank() > 2 || (step.in(2).rank() == 2 && !step.in(2).dims[0].is(1))))
    return false;
  return read_byte_scales(*step.graph, d, w->n, type.dtype == DType::int8 ? 0 : 128, w->transposed ? 0 : 1,
                          &w->scales) &&
         (gemm ? read_byte_bias(step, w->n, &w->bias) : (w->bias.assign(static_cast<size_t>(w->n), 0), true));
}

int64_t known_rows(const Type& a) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < a.dims.size(); ++i)
    rows = a.dims[i].is_number() && rows > 0 ? rows * a.dims[i].number() : 0;
  return rows;
}

bool read_problem(const StepDescription& step, const Weights& w, jit::ConvProblem* problem) {
  const CpuFeatures& features = step.cpu != nullptr ? *step.cpu : cpu();
  if (!features.avx512_vnni || jit::level(features) != jit::Level::avx512) return false;
  const QuantizedStep& q = *step.quantized;
  const Type& a = step.graph->value(q.operands[0]).type;
  if (!a.is_tensor() || !a.has_rank || a.rank() < 2 || !a.dims.back().is(w.k)) return false;
  jit::ConvProblem& p = *problem;
  p.shape.in_channels = w.k, p.shape.out_channels = w.n;
  p.element = jit::Element::bytes;
  p.requantize = true;
  p.target = w.n % jit::kBlock == 0 ? jit::Target::rows : jit::Target::blocked;
  p.extents = known_rows(a) > 0 ? jit::Extents::fixed : jit::Extents::open;
  const float turned = q.out.dtype == DType::int8 ? 128 : 0;
  const ByteRange range = byte_range(q);
  p.zero = static_cast<float>(q.out.zero);
  p.alpha = range.least - turned, p.beta = range.largest - turned;
  return jit::refusal(p) == nullptr;
}

bool accepts(const StepDescription& step) {
  Weights w;
  jit::ConvProblem problem;
  return read_weights(step, &w) && read_problem(step, w, &problem);
}

Buffer pack(const StepDescription& step, const Weights& w, const jit::ConvProblem& problem, size_t sums_at) {
  StepDescription of = step;
  of.node = w.source;
  const auto k = static_cast<size_t>(w.k), n = static_cast<size_t>(w.n);
  return of.pack(0, w.transposed ? "product.bytes.transposed" : "product.bytes", sums_at + n * sizeof(int32_t),
                 [&](std::byte* to) {
                   const Value& v = *fixed(*step.graph, of.n(), 0);
                   const auto* from = static_cast<const uint8_t*>(v.data());
                   const int flip = v.dtype() == DType::uint8 ? 0x80 : 0;
                   std::vector<int8_t> bytes(k * n);
                   auto* sums = reinterpret_cast<int32_t*>(to + sums_at);
                   for (size_t o = 0; o < n; ++o) {
                     sums[o] = 0;
                     for (size_t i = 0; i < k; ++i) {
                       bytes[o * k + i] =
                           static_cast<int8_t>(static_cast<uint8_t>(from[w.transposed ? o * k + i : i * n + o] ^ flip));
                       sums[o] += bytes[o * k + i];
                     }
                   }
                   jit::pack_byte_weights(problem, bytes.data(), to);
                 });
}

std::shared_ptr<const Prepared> prepare(const StepDescription& step) {
  auto p = std::make_shared<PreparedBytes>();
  Weights w;
  read_weights(step, &w);
  read_problem(step, w, &p->problem);
  const size_t sums_at = jit::packed_weight_bytes(p->problem);
  p->weights = pack(step, w, p->problem, sums_at);
  const auto blocks = static_cast<size_t>(jit::blocks(w.n));
  p->channels = Buffer::allocate(blocks * sizeof(jit::ByteChannels));
  auto* channels = reinterpret_cast<jit::ByteChannels*>(p->channels.mutable_data());
  std::fill_n(channels, blocks, jit::ByteChannels{});
  set_byte_channels(*step.quantized, w.scales, w.bias, w.k,
                    reinterpret_cast<const int32_t*>(p->weights.data() + sums_at), channels);
  jit::generate(p->problem, {1, 1, known_rows(step.graph->value(step.quantized->operands[0]).type)},
                jit::Level::avx512);
  return p;
}

int64_t rows_of(const KernelContext& ctx) noexcept {
  int64_t rows = 1;
  for (int i = 0; i + 1 < ctx.in[0].rank; ++i) rows *= ctx.in[0].dims[i];
  return rows;
}

std::shared_ptr<const void> bind(const KernelContext& ctx) {
  const auto& p = *static_cast<const PreparedBytes*>(ctx.prepared);
  const int64_t rows = rows_of(ctx);
  if (rows == 0 || rows >= int64_t{1} << 31) return nullptr;
  return jit::ConvCall::make(p.problem, {1, 1, rows}, jit::Level::avx512);
}

/// The left matrix in blocks, and the results where they lie in blocks.
int64_t left_bytes(const jit::ConvProblem& p, int64_t rows) noexcept {
  return (jit::blocks(p.shape.in_channels) * rows * jit::kBlock + 63) / 64 * 64;
}
int64_t scratch(const KernelContext& ctx) {
  const jit::ConvProblem& p = static_cast<const PreparedBytes*>(ctx.prepared)->problem;
  const int64_t rows = rows_of(ctx);
  const int64_t out = p.target == jit::Target::rows ? 0 : jit::blocks(p.shape.out_channels) * rows * jit::kBlock;
  return left_bytes(p, rows) + out;
}

void out_of_blocks(const uint8_t* from, int64_t rows, int64_t n, uint8_t* to) noexcept {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < n; c += jit::kBlock)
      std::memcpy(to + r * n + c, from + (c / jit::kBlock * rows + r) * jit::kBlock,
                  static_cast<size_t>(std::min(jit::kBlock, n - c)));
  }
}

Status run(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedBytes*>(ctx.prepared);
  const auto* call = static_cast<const jit::ConvCall*>(ctx.bound);
  const TensorView &a = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  const int64_t rows = rows_of(ctx), k = p.problem.shape.in_channels, n = p.problem.shape.out_channels;
  if (call == nullptr || a.dim(-1) != k || y.count != rows * n)
    return Status::error(Code::shape, "%lld rows of %lld columns", static_cast<long long>(rows),
                         static_cast<long long>(a.dim(-1)));
  auto* blocks = static_cast<uint8_t*>(ctx.services->scratch(scratch(ctx)));
  if (blocks == nullptr) return no_scratch();
  ctx.services->pool().parallel_for((rows + kRowsOfTask - 1) / kRowsOfTask, [&](int64_t task, int) {
    bytes_into_blocks(a, task * kRowsOfTask, std::min((task + 1) * kRowsOfTask, rows), rows, k, blocks);
  });
  const bool apart = p.problem.target == jit::Target::blocked;
  uint8_t* out = apart ? blocks + left_bytes(p.problem, rows) : y.as<uint8_t>();
  jit::ConvBuffers b;
  b.input = reinterpret_cast<const float*>(blocks);
  b.weights = reinterpret_cast<const float*>(p.weights.data());
  b.bias = reinterpret_cast<const float*>(p.channels.data());
  b.output = reinterpret_cast<float*>(out);
  call->run(b, ctx.services->pool());
  if (apart) out_of_blocks(out, rows, n, y.as<uint8_t>());
  return {};
}

Candidate made(std::string_view op) {
  Candidate c{op, "bytes.product", accepts, 0, prepare, scratch, run, bind};
  c.efficiency = 3;
  return c;
}

}  // namespace

std::span<const Candidate> quantized_product_steps() {
  static const Candidate list[] = {made("MatMul"), made("Gemm")};
  return list;
}

}  // namespace chorus::native::steps
