// MatMul and Gemm with a constant right matrix by the generated tiles of convolutions: rows are pixels, columns are channels.
#include <engine/native/jit/conv.h>
#include <engine/native/steps/product.h>
#include <engine/native/steps/product_element.h>
#include <engine/native/steps/tunable.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace chorus::native::steps {
namespace {

constexpr int64_t kFewRows = 8;  // below, the packed panels of the other kernels do as well

struct PreparedTiles final : TunablePrepared {
  Buffer weights, bias;
  int residual = -1;
  int64_t parts = 1;  // of the sums: `problem` is one of them, and so are the weights, one after the other
  fast::Activation after = fast::Activation::none;  // what the tiles do not compute
  int64_t bytes() const noexcept override { return static_cast<int64_t>(weights.bytes() + bias.bytes()); }
  std::optional<Sized> sized(const KernelContext& context) const override;
};

/// The constant matrix: [k, n], or [n, k] when it is transposed.
struct Matrix {
  int64_t k = 0, n = 0;
  fast::Form form = fast::Form::normal;
  float alpha = 1;
  int64_t rows = 0;  // of the left matrix where they are known
};

bool read_rows(const StepDescription& step, Matrix* out) {
  const Type &a = step.in(0), &y = step.out(0);
  const Value* b = step.constant(1);
  if (step.n().inputs.size() < 2 || !is_float32(a) || a.rank() < 2 || !is_float32(y) || b == nullptr ||
      !is_float32(step.in(1), 2))
    return false;
  const AttrReader attrs = step.n().attrs();
  Matrix m;
  if (step.n().type == "Gemm") {
    if (attrs.integer("transA") != 0 || a.rank() != 2) return false;
    if (attrs.integer("transB") != 0) m.form = fast::Form::transposed;
    m.alpha = attrs.real("alpha", 1);
    std::vector<float> bias;
    const float beta = attrs.real("beta", 1);
    if (step.has(2) && beta != 0 && !constant_row(step, 2, beta, &bias)) return false;
  }
  const bool normal = m.form == fast::Form::normal;
  m.k = b->shape()[normal ? 0 : 1];
  m.n = b->shape()[normal ? 1 : 0];
  if (m.k < 1 || m.n < 1 || m.n % jit::kBlock != 0 || !a.dims.back().is(m.k)) return false;
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < a.dims.size(); ++i)
    rows = a.dims[i].is_number() && rows > 0 ? rows * a.dims[i].number() : 0;
  if (rows > 0 && rows < kFewRows) return false;
  m.rows = rows;
  *out = m;
  return true;
}

bool accepts(const StepDescription& step) {
  if (jit::level(step.cpu != nullptr ? *step.cpu : cpu()) == jit::Level::plain) return false;
  Matrix m;
  if (!read_rows(step, &m)) return false;
  jit::ConvProblem problem;
  problem.shape.in_channels = m.k;
  problem.shape.out_channels = m.n;
  problem.source = jit::Source::rows;
  problem.target = jit::Target::rows;
  return jit::refusal(problem) == nullptr;
}

/// Rows that begin a multiple of 4 KiB apart meet in one set of the first cache: they are brought into blocks before.
bool is_crowded(int64_t k) noexcept { return k % 1024 == 0; }

/// Long rows are summed in parts, so that a part of all rows stays in the second cache while the weights stream past once.
constexpr int64_t kPartBytes = 384 << 10, kLongRow = 1024, kUnknownRows = 128;
int64_t parts_of(const Matrix& m) noexcept {
  const int64_t bytes = (m.rows > 0 ? m.rows : kUnknownRows) * m.k * static_cast<int64_t>(sizeof(float));
  if (!is_crowded(m.k) || m.k <= kLongRow || bytes <= kPartBytes) return 1;
  for (int64_t parts = 2; parts <= 8; ++parts) {
    if (m.k % (parts * jit::kBlock) == 0 && (bytes / parts <= kPartBytes || m.k / parts <= kLongRow * 3 / 4))
      return parts;
  }
  return 1;
}

/// The first part adds what comes before the activation, the others add to what is there, the last one ends it.
enum class Part : uint8_t { first, middle, last };
jit::ConvProblem part_of(const PreparedTiles& p, Part part) noexcept {
  jit::ConvProblem problem = p.problem;
  if (p.parts == 1) return problem;
  if (part != Part::last) problem.activation = fast::Activation::none;
  if (part != Part::first) problem.bias = false, problem.residual = true;
  return problem;
}

bool is_generated(fast::Activation a) noexcept {
  return a != fast::Activation::tanh && a != fast::Activation::gelu_erf && a != fast::Activation::gelu_tanh;
}

/// `rows` [n, k]: part by part.
void pack_parts(const PreparedTiles& p, const Matrix& m, const float* rows, const float* scale, float* packed) {
  if (p.parts == 1) return jit::pack_weights(p.problem, rows, scale, packed);
  const int64_t k = m.k / p.parts;
  std::vector<float> part(static_cast<size_t>(k * m.n));
  for (int64_t i = 0; i < p.parts; ++i) {
    for (int64_t row = 0; row < m.n; ++row)
      std::memcpy(part.data() + row * k, rows + row * m.k + i * k, static_cast<size_t>(k) * sizeof(float));
    jit::pack_weights(p.problem, part.data(), scale,
                      packed + i * static_cast<int64_t>(jit::packed_weight_bytes(p.problem) / sizeof(float)));
  }
}

void pack(const StepDescription& step, const Matrix& m, const PreparedEpilogue& e, PreparedTiles& p) {
  const auto* from = static_cast<const float*>(step.constant(1)->data());
  std::vector<float> scale(static_cast<size_t>(m.n), m.alpha);
  for (size_t i = 0; i < e.scale.size(); ++i) scale[i] *= e.scale[i];
  const bool narrow = p.problem.element == jit::Element::bf16;
  p.weights = step.pack(1,
                        narrow        ? "product.tiles.bf16"
                        : p.parts > 1 ? "product.tiles.parts"
                                      : "product.tiles",
                        static_cast<size_t>(p.parts) * jit::packed_weight_bytes(p.problem), [&](std::byte* to) {
                          auto* packed = reinterpret_cast<float*>(to);
                          if (m.form == fast::Form::transposed) return pack_parts(p, m, from, scale.data(), packed);
                          std::vector<float> turned(static_cast<size_t>(m.k * m.n));
                          ThreadPool alone{ThreadPool::Options{}};
                          table().transpose_run({from, turned.data(), 1, m.k, m.n, 1}, alone);
                          pack_parts(p, m, turned.data(), scale.data(), packed);
                        });
  p.constants_used |= 1U << 1;
}

std::shared_ptr<const Prepared> prepare(const StepDescription& step) {
  auto p = std::make_shared<PreparedTiles>();
  Matrix m;
  read_rows(step, &m);
  p->level = jit::level(step.cpu != nullptr ? *step.cpu : cpu());
  std::vector<float> own;
  const float beta = step.n().attrs().real("beta", 1);
  const bool gemm = step.n().type == "Gemm", biased = gemm && step.has(2) && beta != 0;
  if (biased) constant_row(step, 2, beta, &own);
  const PreparedEpilogue e = prepare_epilogue(step, biased ? OwnBias::constant : OwnBias::none, own);
  jit::ConvProblem& problem = p->problem;
  problem.shape.in_channels = m.k;
  problem.shape.out_channels = m.n;
  problem.extents = m.rows > 0 ? jit::Extents::fixed : jit::Extents::open;
  problem.source = jit::Source::rows;
  problem.target = jit::Target::rows;
  problem.bias = !e.bias.empty() || !e.shift.empty();
  problem.residual = e.residual >= 0;
  problem.activation = is_generated(e.activation) ? e.activation : fast::Activation::none;
  problem.alpha = e.alpha;
  problem.beta = e.beta;
  problem.element = element_of(step, problem, p->level);
  problem.unit = unit_of(step, problem);
  if (problem.element == jit::Element::f32) p->parts = parts_of(m);
  problem.shape.in_channels = m.k / p->parts;
  if (problem.element == jit::Element::f32 && (is_crowded(m.k) || p->parts > 1)) problem.source = jit::Source::blocked;
  p->choose(step, {1, 1, m.rows});
  p->after = is_generated(e.activation) ? fast::Activation::none : e.activation;
  p->residual = e.residual;
  p->bias = Buffer::allocate(static_cast<size_t>(m.n) * sizeof(float));
  auto* sums = reinterpret_cast<float*>(p->bias.mutable_data());
  for (size_t i = 0; i < static_cast<size_t>(m.n); ++i) {
    double v = e.bias.empty() ? 0 : e.bias[i];
    if (!e.scale.empty()) v *= e.scale[i];
    if (!e.shift.empty()) v += e.shift[i];
    sums[i] = static_cast<float>(v);
  }
  pack(step, m, e, *p);
  for (const Part part : {Part::first, Part::middle, Part::last}) {
    if (part == Part::first || p->parts > (part == Part::middle ? 2 : 1))
      jit::generate(part_of(*p, part), {1, 1, m.rows}, p->level);
  }
  if (gemm && step.constant(2) != nullptr) p->constants_used |= 1U << 2;
  return p;
}

int64_t rows_of(const KernelContext& ctx) noexcept {
  const TensorView& a = ctx.in[0];
  int64_t rows = 1;
  for (int i = 0; i + 1 < a.rank; ++i) rows *= a.dims[i];
  return rows;
}

std::optional<TunablePrepared::Sized> PreparedTiles::sized(const KernelContext& ctx) const {
  const int64_t rows = rows_of(ctx);
  if (rows == 0 || rows >= int64_t{1} << 31) return std::nullopt;
  return Sized{problem, {1, 1, rows}};
}

struct BoundTiles {
  std::shared_ptr<const jit::ConvCall> calls[3];  // by Part; a product in one part is the first
};

std::shared_ptr<const void> bind(const KernelContext& ctx) {
  const auto& p = *static_cast<const PreparedTiles*>(ctx.prepared);
  const auto z = p.sized(ctx);
  if (!z) return nullptr;
  auto bound = std::make_shared<BoundTiles>();
  for (const Part part : {Part::first, Part::middle, Part::last}) {
    if (part == Part::first || p.parts > (part == Part::middle ? 2 : 1))
      bound->calls[static_cast<int>(part)] = jit::ConvCall::make(part_of(p, part), z->sizes, p.level);
  }
  return bound;
}

int64_t blocked_bytes(const PreparedTiles& p, int64_t rows) noexcept {
  if (p.problem.source == jit::Source::rows) return 0;
  return p.parts * jit::blocked_count(1, p.problem.shape.in_channels, 1, rows) * static_cast<int64_t>(sizeof(float));
}

int64_t scratch(const KernelContext& ctx) {
  const auto* bound = static_cast<const BoundTiles*>(ctx.bound);
  if (bound == nullptr) return 0;
  int64_t most = 0;
  for (const auto& call : bound->calls) {
    if (call != nullptr)
      most = std::max(most, static_cast<int64_t>(call->scratch_bytes(ctx.services->pool().threads())));
  }
  return most + blocked_bytes(*static_cast<const PreparedTiles*>(ctx.prepared), rows_of(ctx));
}

/// [rows, k] to [k / 16, rows, 16]; k is a multiple of 16.
void into_blocks(const float* from, int64_t rows, int64_t k, float* to, ThreadPool& pool) noexcept {
  constexpr int64_t few = 8;  // rows of a task
  pool.parallel_for((rows + few - 1) / few, [&](int64_t task, int) {
    const int64_t first = task * few, last = std::min(first + few, rows);
    for (int64_t c = 0; c < k; c += jit::kBlock) {
      for (int64_t r = first; r < last; ++r) {
        std::memcpy(to + c * rows + r * jit::kBlock, from + r * k + c, jit::kBlock * sizeof(float));
      }
    }
  });
}

Status run(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedTiles*>(ctx.prepared);
  const auto* bound = static_cast<const BoundTiles*>(ctx.bound);
  const TensorView &a = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  const int64_t rows = rows_of(ctx), k = p.problem.shape.in_channels * p.parts;
  if (bound == nullptr || a.dim(-1) != k || y.count != rows * p.problem.shape.out_channels)
    return Status::error(Code::shape, "%lld rows of %lld columns", static_cast<long long>(rows),
                         static_cast<long long>(a.dim(-1)));
  const int64_t need = scratch(ctx), blocked = blocked_bytes(p, rows);
  auto* memory = need > 0 ? static_cast<std::byte*>(ctx.services->scratch(need)) : nullptr;
  if (need > 0 && memory == nullptr) return no_scratch();
  jit::ConvBuffers b;
  b.input = a.as<const float>();
  if (blocked > 0) {
    into_blocks(b.input, rows, k, reinterpret_cast<float*>(memory), ctx.services->pool());
    b.input = reinterpret_cast<const float*>(memory);
  }
  b.scratch = memory + blocked;
  b.output = y.as<float>();
  b.weights = reinterpret_cast<const float*>(p.weights.data());
  b.bias = reinterpret_cast<const float*>(p.bias.data());
  if (p.residual >= 0) b.residual = ctx.in[p.residual].as<const float>();
  for (int64_t i = 0; i < p.parts; ++i) {
    const Part part = i == 0 ? Part::first : i + 1 < p.parts ? Part::middle : Part::last;
    bound->calls[static_cast<int>(part)]->run(b, ctx.services->pool());
    b.residual = b.output;
    b.input += k / p.parts * rows;
    b.weights += jit::packed_weight_bytes(p.problem) / sizeof(float);
  }
  if (p.after == fast::Activation::none) return {};
  const fast::Unary f = p.after == fast::Activation::tanh       ? fast::Unary::tanh
                        : p.after == fast::Activation::gelu_erf ? fast::Unary::gelu_erf
                                                                : fast::Unary::gelu_tanh;
  table().unary_run({f, y.as<const float>(), y.as<float>(), y.count, 0, 0}, ctx.services->pool());
  return {};
}

}  // namespace

Candidate tile_step(std::string_view op) {
  Candidate c{op, op == "Gemm" ? "gemm.tiles" : "matmul.tiles", accepts, all_epilogues(), prepare, scratch, run, bind};
  c.residual_in_place = true;
  c.efficiency = 0.9F;
  return c;
}

}  // namespace chorus::native::steps
