// MatMulInteger with a constant right matrix by generated tiles of bytes: exact. The left matrix is brought into blocks of unsigned bytes; its
// zero point is a product with the columns' sums, from which the tiles' sums start.
#include <engine/native/jit/conv.h>
#include <engine/native/steps/product.h>
#include <engine/native/steps/support.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace chorus::native::steps {
namespace {

constexpr int64_t kRowsOfTask = 16;

struct PreparedBytes final : Prepared {
  jit::ConvProblem problem;
  Buffer weights;  // packed, then int32 [n]: the sums of the columns
  size_t sums_at = 0;
  int64_t bytes() const noexcept override { return static_cast<int64_t>(weights.bytes()); }
  const int32_t* sums() const noexcept { return reinterpret_cast<const int32_t*>(weights.data() + sums_at); }
};

bool is_byte(DType t) noexcept { return t == DType::int8 || t == DType::uint8; }

int32_t byte_at(DType type, const void* data, int64_t i) noexcept {
  return type == DType::int8 ? int32_t{static_cast<const int8_t*>(data)[i]}
                             : int32_t{static_cast<const uint8_t*>(data)[i]};
}

/// Zero points of the right matrix: none, one, or one per column; constant.
bool read_zeros(const StepDescription& step, int64_t n, std::vector<int32_t>* out) {
  out->assign(static_cast<size_t>(n), 0);
  if (!step.has(3)) return true;
  const Value* v = step.constant(3);
  if (v == nullptr || !is_byte(v->dtype()) || v->rank() > 1 || (v->numel() != 1 && v->numel() != n)) return false;
  for (int64_t i = 0; i < n; ++i)
    (*out)[static_cast<size_t>(i)] = byte_at(v->dtype(), v->data(), v->numel() == 1 ? 0 : i);
  return true;
}

bool one_left_zero(const StepDescription& step) {
  if (!step.has(2)) return true;
  const Type& z = step.in(2);
  return z.is_tensor() && z.has_rank && is_byte(z.dtype) &&
         std::all_of(z.dims.begin(), z.dims.end(), [](const Dim& d) { return d.is(1); });
}

/// The problem of these operands; false when it is not one for bytes.
bool read_bytes(const StepDescription& step, jit::ConvProblem* problem) {
  const Type &a = step.in(0), &b = step.in(1);
  const CpuFeatures& features = step.cpu != nullptr ? *step.cpu : cpu();
  if (!features.avx512_vnni || jit::level(features) != jit::Level::avx512) return false;
  if (!a.is_tensor() || !a.has_rank || a.rank() < 2 || !is_byte(a.dtype) || step.constant(1) == nullptr) return false;
  if (!is_byte(b.dtype) || b.rank() != 2 || !has_numbers(b) || !one_left_zero(step)) return false;
  const int64_t k = b.dims[0].number(), n = b.dims[1].number();
  if (!a.dims.back().is(k)) return false;
  jit::ConvProblem& p = *problem;
  p.shape.in_channels = k, p.shape.out_channels = n;
  p.element = jit::Element::bytes;
  p.target = jit::Target::rows;
  p.residual = true;
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < a.dims.size(); ++i)
    rows = a.dims[i].is_number() && rows > 0 ? rows * a.dims[i].number() : 0;
  p.extents = rows > 0 ? jit::Extents::fixed : jit::Extents::open;
  std::vector<int32_t> zeros;
  return jit::refusal(p) == nullptr && read_zeros(step, n, &zeros);
}

/// Right elements without their zero points, which are signed bytes then (see accepts), as [n, k].
void turn(const Value& b, const std::vector<int32_t>& zeros, std::vector<int8_t>* out) {
  const int64_t k = b.shape()[0], n = b.shape()[1];
  out->resize(static_cast<size_t>(k * n));
  for (int64_t i = 0; i < k * n; ++i) {
    const int32_t v = byte_at(b.dtype(), b.data(), i) - zeros[static_cast<size_t>(i % n)];
    (*out)[static_cast<size_t>(i % n * k + i / n)] = static_cast<int8_t>(v);
  }
}

bool accepts(const StepDescription& step) {
  jit::ConvProblem problem;
  if (!read_bytes(step, &problem)) return false;
  // Zero points that make signed bytes of all elements: a compile cache drops these, and the answer must stay.
  std::vector<int32_t> zeros;
  read_zeros(step, problem.shape.out_channels, &zeros);
  const int32_t least = step.in(1).dtype == DType::int8 ? -128 : 0;
  return std::all_of(zeros.begin(), zeros.end(), [&](int32_t z) { return z == least + 128; });
}

std::shared_ptr<const Prepared> prepare(const StepDescription& step) {
  auto p = std::make_shared<PreparedBytes>();
  read_bytes(step, &p->problem);
  const int64_t k = p->problem.shape.in_channels, n = p->problem.shape.out_channels;
  p->sums_at = jit::packed_weight_bytes(p->problem);
  p->weights =
      step.pack(1, "matmul_integer.tiles", p->sums_at + static_cast<size_t>(n) * sizeof(int32_t), [&](std::byte* to) {
        std::vector<int32_t> zeros;
        std::vector<int8_t> turned;
        read_zeros(step, n, &zeros);
        turn(*step.constant(1), zeros, &turned);
        jit::pack_byte_weights(p->problem, turned.data(), to);
        auto* sums = reinterpret_cast<int32_t*>(to + p->sums_at);
        for (int64_t o = 0; o < n; ++o) {
          sums[o] = 0;
          for (int64_t i = 0; i < k; ++i) sums[o] += turned[static_cast<size_t>(o * k + i)];
        }
      });
  const Type& a = step.in(0);
  int64_t rows = p->problem.extents == jit::Extents::fixed ? 1 : 0;
  for (size_t i = 0; rows > 0 && i + 1 < a.dims.size(); ++i) rows *= a.dims[i].number();
  jit::generate(p->problem, {1, 1, rows}, jit::Level::avx512);
  p->constants_used = 1U << 1;
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

/// The left matrix in blocks, unsigned.
int64_t scratch(const KernelContext& ctx) {
  const auto& p = *static_cast<const PreparedBytes*>(ctx.prepared);
  return jit::blocks(p.problem.shape.in_channels) * rows_of(ctx) * jit::kBlock;
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
  int32_t zero = a.dtype == DType::int8 ? 128 : 0;
  if (ctx.has(2)) zero += byte_at(ctx.in[2].dtype, ctx.in[2].data, 0);
  const int32_t* sums = p.sums();
  auto* out = y.as<int32_t>();
  ctx.services->pool().parallel_for((rows + kRowsOfTask - 1) / kRowsOfTask, [&](int64_t task, int) {
    const int64_t first = task * kRowsOfTask, last = std::min(first + kRowsOfTask, rows);
    bytes_into_blocks(a, first, last, rows, k, blocks);
    int32_t* begin = out + first * n;
    for (int64_t i = 0; i < n; ++i) begin[i] = -zero * sums[i];
    for (int64_t r = first + 1; r < last; ++r)
      std::memcpy(out + r * n, begin, static_cast<size_t>(n) * sizeof(int32_t));
  });
  jit::ConvBuffers b;
  b.input = reinterpret_cast<const float*>(blocks);
  b.weights = reinterpret_cast<const float*>(p.weights.data());
  b.residual = y.as<const float>();
  b.output = y.as<float>();
  call->run(b, ctx.services->pool());
  return {};
}

}  // namespace

void bytes_into_blocks(const TensorView& a, int64_t first, int64_t last, int64_t rows, int64_t k,
                       uint8_t* to) noexcept {
  const uint64_t flip = a.dtype == DType::int8 ? 0x8080808080808080U : 0;
  for (int64_t c = 0; c < k; c += jit::kBlock) {
    const auto count = static_cast<size_t>(std::min(jit::kBlock, k - c));
    for (int64_t r = first; r < last; ++r) {
      uint64_t block[2] = {};
      std::memcpy(block, a.as<const uint8_t>() + r * k + c, count == 16 ? 16 : count);
      block[0] ^= flip, block[1] ^= flip;  // behind the last column: the weights are zero there
      std::memcpy(to + c * rows + r * jit::kBlock, block, sizeof block);
    }
  }
}

Candidate byte_step() { return {"MatMulInteger", "matmul_integer.tiles", accepts, 0, prepare, scratch, run, bind}; }

}  // namespace chorus::native::steps
