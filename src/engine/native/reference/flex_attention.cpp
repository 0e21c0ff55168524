// FlexAttention: attention whose scores and probabilities pass through graphs of the caller. Sums in float64.
#include <engine/native/reference/attention_ops.h>
#include <engine/native/reference/value_ops.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace chorus::native {
namespace {

/// [batch, heads, length, size] of the operands.
struct Sizes4 {
  int64_t batch, heads, length, size;
  explicit Sizes4(const TensorView& t) noexcept
      : batch(t.dims[0]), heads(t.dims[1]), length(t.dims[2]), size(t.dims[3]) {}
};

Status check(const Sizes4& q, const Sizes4& k, const Sizes4& v) noexcept {
  if (k.batch != q.batch || v.batch != q.batch || k.size != q.size || v.length != k.length || v.heads != k.heads ||
      k.heads < 1 || q.heads % k.heads != 0) {
    return Status::error(Code::shape, "Q, K and V do not fit each other");
  }
  return {};
}

/// scores [B, Hq, L, S] = scale * Q K^T
void make_scores(KernelContext& ctx, const Sizes4& q, const Sizes4& k, double scale, Value* scores) {
  void* const data = scores->mutable_data();
  const DType type = scores->dtype();
  const TensorView &qs = ctx.in[0], &ks = ctx.in[1];
  const int64_t group = q.heads / k.heads;
  support::parallel(
      ctx, q.batch * q.heads * q.length, support::grain_for(k.length * q.size), [&](int64_t begin, int64_t end) {
        std::vector<double> query(static_cast<size_t>(q.size)), key(static_cast<size_t>(q.size)),
            row(static_cast<size_t>(k.length));
        for (int64_t r = begin; r < end; ++r) {
          const int64_t h = r / q.length % q.heads, b = r / q.length / q.heads;
          load_f64(qs.dtype, qs.data, r * q.size, q.size, query.data());
          for (int64_t t = 0; t < k.length; ++t) {
            load_f64(ks.dtype, ks.data, ((b * k.heads + h / group) * k.length + t) * k.size, k.size, key.data());
            double sum = 0;
            for (size_t d = 0; d < query.size(); ++d) sum += query[d] * key[d];
            row[static_cast<size_t>(t)] = sum * scale;
          }
          store_f64(type, data, r * k.length, k.length, row.data());
        }
      });
}

/// In place over rows of `n` elements.
void softmax(KernelContext& ctx, int64_t rows, int64_t n, Value* scores) {
  void* const data = scores->mutable_data();
  const DType type = scores->dtype();
  support::parallel(ctx, rows, support::grain_for(n), [&](int64_t begin, int64_t end) {
    std::vector<double> row(static_cast<size_t>(n));
    for (int64_t r = begin; r < end; ++r) {
      load_f64(type, data, r * n, n, row.data());
      double most = -std::numeric_limits<double>::infinity(), sum = 0;
      for (const double v : row) most = std::isnan(v) || v > most ? v : most;
      for (double& v : row) sum += v = std::exp(v - most);
      for (double& v : row) v /= sum;
      store_f64(type, data, r * n, n, row.data());
    }
  });
}

/// The body's result in place of the scores; without a body they stay.
Status modify(KernelContext& ctx, std::string_view body, Value* scores) {
  if (!ctx.attrs->graph(body)) return {};
  std::vector<Value> outputs;
  if (Status s = ctx.services->run_body(body, {scores, 1}, outputs); !s.ok()) return s;
  if (outputs.size() != 1 || !outputs[0].is_tensor() || outputs[0].dtype() != scores->dtype() ||
      !(outputs[0].shape() == scores->shape())) {
    return Status::error(Code::shape, "%.*s changes the type or the shape of its operand",
                         static_cast<int>(body.size()), body.data());
  }
  *scores = std::move(outputs[0]);
  return {};
}

Status weigh(KernelContext& ctx, const Sizes4& q, const Sizes4& v, const Value& weights) {
  const int64_t dims[] = {q.batch, q.heads, q.length, v.size};
  TensorView y;
  if (Status s = move::output(ctx, 0, ctx.in[0].dtype, move::Extents(dims), &y); !s.ok()) return s;
  const TensorView& vs = ctx.in[2];
  const int64_t group = q.heads / v.heads;
  return support::parallel(
      ctx, q.batch * q.heads * q.length, support::grain_for(v.length * v.size), [&](int64_t begin, int64_t end) {
        std::vector<double> weight(static_cast<size_t>(v.length)), value(static_cast<size_t>(v.size)),
            sum(static_cast<size_t>(v.size));
        for (int64_t r = begin; r < end; ++r) {
          const int64_t h = r / q.length % q.heads, b = r / q.length / q.heads;
          load_f64(weights.dtype(), weights.data(), r * v.length, v.length, weight.data());
          std::fill(sum.begin(), sum.end(), 0);
          for (int64_t t = 0; t < v.length; ++t) {
            load_f64(vs.dtype, vs.data, ((b * v.heads + h / group) * v.length + t) * v.size, v.size, value.data());
            for (size_t d = 0; d < sum.size(); ++d) sum[d] += weight[static_cast<size_t>(t)] * value[d];
          }
          store_f64(y.dtype, y.data, r * v.size, v.size, sum.data());
        }
      });
}

}  // namespace

Status flex_attention(KernelContext& ctx) noexcept {
  return move::guarded([&]() -> Status {
    for (int i = 0; i < 3; ++i) {
      if (ctx.in[i].rank != 4)
        return Status::error(Code::shape, "operand %d has rank %d, 4 is needed", i, ctx.in[i].rank);
    }
    const Sizes4 q(ctx.in[0]), k(ctx.in[1]), v(ctx.in[2]);
    if (Status s = check(q, k, v); !s.ok()) return s;
    const DType usual = ctx.in[0].dtype == DType::float64 ? DType::float64 : DType::float32;
    const auto type = static_cast<DType>(ctx.attrs->integer("softmax_precision", static_cast<int64_t>(usual)));
    const double scale = ctx.attrs->has("scale") ? static_cast<double>(ctx.attrs->real("scale"))
                                                 : 1 / std::sqrt(static_cast<double>(std::max<int64_t>(q.size, 1)));
    Value scores = Value::tensor(type, Shape{q.batch, q.heads, q.length, k.length});
    make_scores(ctx, q, k, scale, &scores);
    if (Status s = modify(ctx, "score_mod", &scores); !s.ok()) return s;
    Value weights =
        Value::copy_of(type, scores.shape(), scores.data(), scores.bytes());  // the body's result may be shared
    softmax(ctx, q.batch * q.heads * q.length, k.length, &weights);
    if (Status s = modify(ctx, "prob_mod", &weights); !s.ok()) return s;
    return weigh(ctx, q, v, weights);
  });
}

}  // namespace chorus::native
