// MatMul and Gemm: constant right operands are packed once, batches run by strides, everything else one product at a
// time.
#include <engine/native/steps/product.h>

#include <algorithm>
#include <cstring>

namespace chorus::native::steps {
namespace {

struct PreparedProduct final : Prepared {
  fast::Form a_form = fast::Form::normal, b_form = fast::Form::normal;
  float alpha = 1, beta = 0;
  Buffer b;  // packed matrices one after the other; null: B comes with the run
  int64_t packed_floats = 0;  // of one matrix
  bool run_c = false;  // Gemm: operand 2 is read in the run
  PreparedEpilogue epilogue;
  int64_t bytes() const noexcept override { return static_cast<int64_t>(b.bytes()) + epilogue.bytes(); }
};

void pack_constant(const StepDescription& step, const Value& value, int64_t k, int64_t n, int64_t matrices,
                   fast::Form form, PreparedProduct& p) {
  const size_t one = (table().gemm_packed_b_bytes(k, n) + 63) / 64 * 64;
  p.packed_floats = static_cast<int64_t>(one / sizeof(float));
  p.b = step.pack(1, "product", one * static_cast<size_t>(matrices), [&](std::byte* bytes) {
    const auto* from = static_cast<const float*>(value.data());
    auto* to = reinterpret_cast<float*>(bytes);
    for (int64_t i = 0; i < matrices; ++i) {
      table().gemm_pack_b(k, n, from + i * k * n, form == fast::Form::normal ? n : k, form, to + i * p.packed_floats);
    }
  });
  p.constants_used |= 1U << 1;
}

Status run_product(KernelContext& ctx, fast::GemmArgs& args) noexcept {
  const auto bytes = static_cast<int64_t>(table().gemm_scratch_bytes(args.shape, ctx.services->pool().threads()));
  args.scratch = bytes > 0 ? ctx.services->scratch(bytes) : nullptr;
  if (bytes > 0 && args.scratch == nullptr) return no_scratch();
  table().gemm_run(args, ctx.services->pool());
  return {};
}

// MatMul --------------------------------------------------------------------------------------------------------------

/// A product with broadcast batches: [batch…, m, k] · [batch…, k, n]; vectors are a row on the left, a column on the
/// right.
struct Product {
  int64_t m = 1, n = 1, k = 0;
  int64_t batch = 1, a_batch = 1, b_batch = 1;
  bool regular = true;  // each operand is either one matrix or one per product
};

Product read_product(const KernelContext& ctx) noexcept {
  const TensorView &a = ctx.in[0], &b = ctx.in[1], &y = ctx.out[0];
  Product p;
  p.m = a.rank > 1 ? a.dim(-2) : 1;
  p.k = a.dim(-1);
  p.n = b.rank > 1 ? b.dim(-1) : 1;
  for (int i = 0; i < a.rank - 2; ++i) p.a_batch *= a.dims[i];
  for (int i = 0; i < b.rank - 2; ++i) p.b_batch *= b.dims[i];
  const int lead = y.rank - (a.rank > 1 ? 1 : 0) - (b.rank > 1 ? 1 : 0);
  for (int i = 0; i < lead; ++i) p.batch *= y.dims[i];
  p.regular = (p.a_batch == 1 || p.a_batch == p.batch) && (p.b_batch == 1 || p.b_batch == p.batch);
  if (p.b_batch == 1 && p.a_batch == p.batch) {  // one tall product
    p.m *= p.batch;
    p.batch = p.a_batch = 1;
  }
  return p;
}

fast::GemmArgs product_args(const KernelContext& ctx, const Product& p) noexcept {
  const auto& prepared = *static_cast<const PreparedProduct*>(ctx.prepared);
  fast::GemmArgs g;
  g.shape = {p.m,
             p.n,
             p.k,
             fast::Form::normal,
             fast::Form::normal,
             prepared.b ? fast::Packed::b : fast::Packed::none,
             p.regular ? p.batch : 1};
  g.a = ctx.in[0].as<const float>();
  g.b = prepared.b ? reinterpret_cast<const float*>(prepared.b.data()) : ctx.in[1].as<const float>();
  g.c = ctx.out[0].as<float>();
  g.lda = p.k;
  g.ldb = g.ldc = p.n;
  g.stride_a = p.a_batch == 1 ? 0 : p.m * p.k;
  g.stride_b = p.b_batch == 1 ? 0 : prepared.b ? prepared.packed_floats : p.k * p.n;
  g.stride_c = p.m * p.n;
  g.epilogue = make_epilogue(prepared.epilogue, ctx);
  g.epilogue.axis = fast::ChannelAxis::column;
  return g;
}

int64_t matmul_scratch(const KernelContext& ctx) {
  const Product p = read_product(ctx);
  return static_cast<int64_t>(table().gemm_scratch_bytes(product_args(ctx, p).shape, ctx.services->pool().threads()));
}

/// Batches of which axes of either operand are repeated: matrix by matrix.
int64_t matrix_of(const TensorView& operand, const TensorView& y, int64_t batch) noexcept {
  int64_t at = 0, step = 1;
  for (int i = 0; i < y.rank - 2; ++i) {
    const int axis = y.rank - 3 - i, own = operand.rank - 3 - i;
    const int64_t index = batch % y.dims[axis];
    batch /= y.dims[axis];
    if (own < 0) continue;
    if (operand.dims[own] != 1) at += index * step;
    step *= operand.dims[own];
  }
  return at;
}

Status run_matmul(KernelContext& ctx) noexcept {
  const TensorView &a = ctx.in[0], &b = ctx.in[1], &y = ctx.out[0];
  if (y.count == 0) return {};
  const Product p = read_product(ctx);
  if (p.k != (b.rank > 1 ? b.dim(-2) : b.dim(0))) {
    return Status::error(Code::shape, "%lld columns on the left, %lld rows on the right", static_cast<long long>(p.k),
                         static_cast<long long>(b.rank > 1 ? b.dim(-2) : b.dim(0)));
  }
  fast::GemmArgs args = product_args(ctx, p);
  if (p.regular) return run_product(ctx, args);
  const fast::GemmArgs first = args;
  const auto bytes = static_cast<int64_t>(table().gemm_scratch_bytes(args.shape, ctx.services->pool().threads()));
  args.scratch = bytes > 0 ? ctx.services->scratch(bytes) : nullptr;
  if (bytes > 0 && args.scratch == nullptr) return no_scratch();
  for (int64_t i = 0; i < p.batch; ++i) {
    args.a = first.a + matrix_of(a, y, i) * first.stride_a;
    args.b = first.b + matrix_of(b, y, i) * first.stride_b;
    args.c = first.c + i * first.stride_c;
    if (first.epilogue.residual != nullptr) args.epilogue.residual = first.epilogue.residual + i * first.stride_c;
    table().gemm_run(args, ctx.services->pool());
  }
  return {};
}

bool accepts_matrices(const StepDescription& step) {
  return is_float32(step.in(0)) && is_float32(step.in(1)) && is_float32(step.out(0)) && step.in(0).rank() >= 2 &&
         step.in(1).rank() >= 2;
}
bool accepts_vectors(const StepDescription& step) {
  return is_float32(step.in(0)) && is_float32(step.in(1)) && is_float32(step.out(0)) && step.in(0).rank() >= 1 &&
         step.in(1).rank() >= 1;
}

std::shared_ptr<const Prepared> prepare_matmul(const StepDescription& step) {
  auto p = std::make_shared<PreparedProduct>();
  p->epilogue = prepare_epilogue(step, OwnBias::none, {});
  if (const Value* b = step.constant(1); b != nullptr && b->numel() > 0) {
    const Shape& s = b->shape();
    const int64_t k = s.rank() > 1 ? s[s.rank() - 2] : s[0], n = s.rank() > 1 ? s[s.rank() - 1] : 1;
    pack_constant(step, *b, k, n, b->numel() / (k * n), fast::Form::normal, *p);
  }
  return p;
}

// Gemm ----------------------------------------------------------------------------------------------------------------

bool accepts_gemm(const StepDescription& step) {
  return is_float32(step.in(0), 2) && is_float32(step.in(1), 2) && is_float32(step.out(0), 2) &&
         (!step.has(2) || (is_float32(step.in(2)) && step.in(2).rank() <= 2));
}

}  // namespace

bool constant_row(const StepDescription& step, int operand, float factor, std::vector<float>* row) {
  const Value* c = step.constant(operand);
  const Type& y = step.out(0);
  if (c == nullptr || c->dtype() != DType::float32 || !y.dims[1].is_number()) return false;
  const int64_t n = y.dims[1].number(), last = c->rank() > 0 ? c->shape()[c->rank() - 1] : 1;
  if (c->numel() != last || (last != 1 && last != n) || n == 0) return false;
  const auto values = c->as<float>();
  for (int64_t i = 0; i < n; ++i) row->push_back(factor * values[static_cast<size_t>(last == 1 ? 0 : i)]);
  return true;
}

namespace {

std::shared_ptr<const Prepared> prepare_gemm(const StepDescription& step) {
  auto p = std::make_shared<PreparedProduct>();
  const AttrReader attrs = step.n().attrs();
  p->a_form = attrs.integer("transA") != 0 ? fast::Form::transposed : fast::Form::normal;
  p->b_form = attrs.integer("transB") != 0 ? fast::Form::transposed : fast::Form::normal;
  p->alpha = attrs.real("alpha", 1);
  const float beta = attrs.real("beta", 1);
  std::vector<float> bias;
  const bool has_c = step.has(2) && beta != 0;
  const bool constant_c = has_c && constant_row(step, 2, beta, &bias);
  p->run_c = has_c && !constant_c;
  p->beta = p->run_c ? beta : 0;
  if (!p->run_c && step.constant(2) != nullptr) p->constants_used |= 1U << 2;
  p->epilogue = prepare_epilogue(step, constant_c ? OwnBias::constant : OwnBias::none, bias);
  if (const Value* b = step.constant(1); b != nullptr && b->numel() > 0) {
    const bool normal = p->b_form == fast::Form::normal;
    pack_constant(step, *b, b->shape()[normal ? 0 : 1], b->shape()[normal ? 1 : 0], 1, p->b_form, *p);
  }
  return p;
}

fast::GemmArgs gemm_args(const KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedProduct*>(ctx.prepared);
  const TensorView &a = ctx.in[0], &y = ctx.out[0];
  const bool normal = p.a_form == fast::Form::normal;
  fast::GemmArgs g;
  g.shape = {y.dims[0],
             y.dims[1],
             a.dims[normal ? 1 : 0],
             p.a_form,
             p.b ? fast::Form::normal : p.b_form,
             p.b ? fast::Packed::b : fast::Packed::none,
             1};
  g.a = a.as<const float>();
  g.b = p.b ? reinterpret_cast<const float*>(p.b.data()) : ctx.in[1].as<const float>();
  g.c = y.as<float>();
  g.lda = normal ? g.shape.k : g.shape.m;
  g.ldb = p.b_form == fast::Form::normal ? g.shape.n : g.shape.k;
  g.ldc = g.shape.n;
  g.alpha = p.alpha;
  g.beta = p.beta;
  g.epilogue = make_epilogue(p.epilogue, ctx);
  g.epilogue.axis = fast::ChannelAxis::column;
  return g;
}

int64_t gemm_scratch(const KernelContext& ctx) {
  return static_cast<int64_t>(table().gemm_scratch_bytes(gemm_args(ctx).shape, ctx.services->pool().threads()));
}

/// C, repeated, where the product will be added to it.
Status spread_c(const TensorView& c, const TensorView& y) noexcept {
  const int64_t rows = c.rank == 2 ? c.dims[0] : 1, columns = c.rank > 0 ? c.dim(-1) : 1, m = y.dims[0], n = y.dims[1];
  if ((rows != 1 && rows != m) || (columns != 1 && columns != n)) {
    return Status::error(Code::shape, "C of %lld x %lld does not spread over %lld x %lld", static_cast<long long>(rows),
                         static_cast<long long>(columns), static_cast<long long>(m), static_cast<long long>(n));
  }
  for (int64_t i = 0; i < m; ++i) {
    const float* from = c.as<const float>() + (rows == 1 ? 0 : i * columns);
    float* to = y.as<float>() + i * n;
    if (columns == 1)
      std::fill(to, to + n, from[0]);
    else
      std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
  }
  return {};
}

Status run_gemm(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedProduct*>(ctx.prepared);
  const TensorView &a = ctx.in[0], &b = ctx.in[1], &y = ctx.out[0];
  if (y.count == 0) return {};
  fast::GemmArgs args = gemm_args(ctx);
  const bool a_normal = p.a_form == fast::Form::normal, b_normal = p.b_form == fast::Form::normal;
  if (a.dims[a_normal ? 0 : 1] != args.shape.m || b.dims[b_normal ? 1 : 0] != args.shape.n ||
      b.dims[b_normal ? 0 : 1] != args.shape.k) {
    return Status::error(Code::shape, "the operands share no inner dimension: %lld and %lld",
                         static_cast<long long>(args.shape.k), static_cast<long long>(b.dims[b_normal ? 0 : 1]));
  }
  if (p.run_c) {
    if (Status s = spread_c(ctx.in[2], y); !s.ok()) return s;
  }
  return run_product(ctx, args);
}

}  // namespace

std::span<const Candidate> matrix_steps() {
  static const Candidate list[] = {
      tile_step("MatMul"),
      tile_step("Gemm"),
      byte_step(),
#ifndef CHORUS_LITE
      integer_convolution_step(),
#endif
      {"MatMul", at_level("matmul.gemm"), accepts_matrices, all_epilogues(), prepare_matmul, matmul_scratch,
       run_matmul},
      {"MatMul", at_level("matmul.vector"), accepts_vectors, 0, prepare_matmul, matmul_scratch, run_matmul},
      {"Gemm", at_level("gemm.gemm"), accepts_gemm, all_epilogues(), prepare_gemm, gemm_scratch, run_gemm},
  };
  return list;
}

}  // namespace chorus::native::steps
