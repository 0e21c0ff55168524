// Scaled dot product attention and rotary embedding. One task per row of queries; sums in float64.
#include <engine/native/reference/attention_ops.h>
#include <engine/native/reference/support.h>
#include <ops/chosen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace chorus::native {
namespace {
using support::kRun;

constexpr double kNegativeInfinity = -std::numeric_limits<double>::infinity();

/// Q, K or V seen as [batch, heads, length, size], whatever its rank.
struct Heads {
  const TensorView* x;
  int64_t batch, heads, length, size;
  bool packed;  ///< rank 3: heads lie behind the length
  Heads(const TensorView& t, int64_t n) noexcept : x(&t), packed(t.rank == 3) {
    batch = t.dims[0];
    heads = packed ? n : t.dims[1];
    length = packed ? t.dims[1] : t.dims[2];
    size = packed ? (n > 0 ? t.dims[2] / n : 0) : t.dims[3];
  }
  int64_t row(int64_t b, int64_t h, int64_t i) const noexcept {
    return packed ? ((b * length + i) * heads + h) * size : ((b * heads + h) * length + i) * size;
  }
};

struct Attention {
  KernelContext& ctx;
  Heads q, k, v;
  int64_t past = 0, total = 0, group = 1;
  double scale = 1, softcap = 0;
  bool causal = false;
  int64_t left = -1, right = -1, mode = 0;
  DType precision = DType::undefined;
  const TensorView* mask = nullptr;

  explicit Attention(KernelContext& c) noexcept
      : ctx(c), q(c.in[0], c.attrs->integer("q_num_heads")), k(c.in[1], c.attrs->integer("kv_num_heads")),
        v(c.in[2], k.heads) {
    past = c.has(4) ? c.in[4].dims[2] : 0;
    total = past + k.length;
    group = k.heads > 0 ? q.heads / k.heads : 0;
    scale = c.attrs->has("scale") ? c.attrs->real("scale")
                                  : 1 / std::sqrt(static_cast<double>(std::max<int64_t>(q.size, 1)));
    softcap = c.attrs->real("softcap");
    causal = c.attrs->integer("is_causal") != 0;
    left = c.attrs->integer("left_window_size", -1);
    right = c.attrs->integer("right_window_size", -1);
    mode = c.attrs->integer("qk_matmul_output_mode");
    if (c.attrs->has("softmax_precision")) precision = static_cast<DType>(c.attrs->integer("softmax_precision"));
    if (c.has(3)) mask = &c.in[3];
  }

  Status check() const noexcept {
    if (k.batch != q.batch || v.batch != q.batch || k.size != q.size || v.length != k.length || v.heads != k.heads ||
        k.heads < 1 || q.heads % k.heads != 0) {
      return Status::error(Code::shape, "Q, K and V do not fit each other");
    }
    for (const int i : {4, 5}) {
      if (!ctx.has(i)) continue;
      const TensorView& p = ctx.in[i];
      if (p.dims[0] != q.batch || p.dims[1] != k.heads || p.dims[2] != past ||
          p.dims[3] != (i == 4 ? k.size : v.size)) {
        return Status::error(Code::shape, "the cache (operand %d) does not fit K and V", i);
      }
    }
    if (mask != nullptr) {
      const int64_t wanted[] = {q.batch, q.heads, q.length, total};
      for (int a = 0; a < mask->rank; ++a) {
        const int64_t d = mask->dims[a], w = wanted[4 - mask->rank + a];
        if (a == mask->rank - 1 ? d > w : d != 1 && d != w)
          return Status::error(Code::shape, "attn_mask does not fit in axis %d", a);
      }
    }
    if (ctx.has(6)) {
      if (ctx.in[6].count != q.batch) return Status::error(Code::shape, "nonpad_kv_seqlen does not fit the batch");
      for (int64_t b = 0; b < q.batch; ++b) {
        const int64_t n = get_i64(ctx.in[6].dtype, ctx.in[6].data, b);
        if (n < 0 || n > total) {
          return Status::error(Code::bad_input, "nonpad_kv_seqlen[%lld] is %lld of %lld keys",
                               static_cast<long long>(b), static_cast<long long>(n), static_cast<long long>(total));
        }
      }
    }
    return {};
  }

  /// Row `t` of keys (past before new ones).
  const TensorView& key_row(const Heads& x, int cache, int64_t b, int64_t h, int64_t t, int64_t* at) const noexcept {
    if (t < past) {
      *at = ((b * x.heads + h) * past + t) * x.size;
      return ctx.in[cache];
    }
    *at = x.row(b, h, t - past);
    return *x.x;
  }

  double mask_at(int64_t b, int64_t h, int64_t i, int64_t j) const noexcept {
    if (mask == nullptr) return 0;
    const int64_t index[] = {b, h, i, j};
    int64_t at = 0;
    for (int a = 0; a < mask->rank; ++a) {
      const int64_t d = mask->dims[a], n = index[4 - mask->rank + a];
      if (a == mask->rank - 1 && n >= d) return kNegativeInfinity;
      at = at * d + (d == 1 ? 0 : n);
    }
    if (mask->dtype == DType::boolean) return mask->as<uint8_t>()[at] != 0 ? 0 : kNegativeInfinity;
    return get_f64(mask->dtype, mask->data, at);
  }

  double bias_at(int64_t b, int64_t h, int64_t i, int64_t j, int64_t keys) const noexcept {
    const int64_t offset = ctx.has(4) ? past : ctx.has(6) ? keys - q.length : 0, distance = i + offset - j;
    if ((causal && distance < 0) || (left >= 0 && distance > left) || (right >= 0 && -distance > right) || j >= keys)
      return kNegativeInfinity;
    return mask_at(b, h, i, j);
  }

  static void round_to(DType type, double* x, int64_t n) noexcept {
    alignas(64) std::byte raw[kRun * 8];
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t m = std::min(kRun, n - i);
      store_f64(type, raw, 0, m, x + i);
      load_f64(type, raw, 0, m, x + i);
    }
  }

  void emit_scores(int64_t row, const double* scores) const noexcept {
    store_f64(ctx.out[3].dtype, ctx.out[3].data, row * total, total, scores);
  }

  /// Scores of one row of queries; true when every key is masked.
  bool scores_of(int64_t b, int64_t h, int64_t i, double* query, double* scores) const noexcept {
    const int64_t keys = ctx.has(6) ? get_i64(ctx.in[6].dtype, ctx.in[6].data, b) : total,
                  row = (b * q.heads + h) * q.length + i;
    const bool shown = ctx.wants(3);
    load_f64(q.x->dtype, q.x->data, q.row(b, h, i), q.size, query);
    for (int64_t t = 0; t < total; ++t) {
      int64_t at;
      const TensorView& x = key_row(k, 4, b, h / group, t, &at);
      double key[kRun], sum = 0;
      for (int64_t d = 0; d < k.size; d += kRun) {
        const int64_t n = std::min(kRun, k.size - d);
        load_f64(x.dtype, x.data, at + d, n, key);
        for (int64_t e = 0; e < n; ++e) sum += query[d + e] * key[e];
      }
      scores[t] = sum * scale;
    }
    if (shown && mode == 0) emit_scores(row, scores);
    if (softcap > 0) {
      for (int64_t t = 0; t < total; ++t) scores[t] = softcap * std::tanh(scores[t] / softcap);
    }
    if (shown && mode == 1) emit_scores(row, scores);
    bool masked = true;
    for (int64_t t = 0; t < total; ++t) {
      const double bias = bias_at(b, h, i, t, keys);
      masked = masked && bias == kNegativeInfinity;
      scores[t] += bias;
    }
    if (shown && mode == 2) emit_scores(row, scores);
    return masked;
  }

  void softmax(double* x) const noexcept {
    double most = kNegativeInfinity, sum = 0;
    for (int64_t t = 0; t < total; ++t) most = std::isnan(x[t]) || x[t] > most ? x[t] : most;
    for (int64_t t = 0; t < total; ++t) {
      x[t] = most == kNegativeInfinity ? 0 : std::exp(x[t] - most);
      sum += x[t];
    }
    for (int64_t t = 0; t < total; ++t) x[t] /= sum == 0 ? 1 : sum;
  }

  void run_row(int64_t row, double* query, double* scores, double* result) const noexcept {
    const int64_t i = row % q.length, h = row / q.length % q.heads, b = row / q.length / q.heads;
    const bool masked = scores_of(b, h, i, query, scores);
    if (precision != DType::undefined) round_to(precision, scores, total);
    softmax(scores);
    if (masked) std::fill(scores, scores + total, 0.0);
    if (precision != DType::undefined) round_to(precision, scores, total);
    if (ctx.wants(3) && mode == 3) emit_scores(row, scores);
    std::fill(result, result + v.size, 0.0);
    for (int64_t t = 0; t < total && !masked; ++t) {
      int64_t at;
      const TensorView& x = key_row(v, 5, b, h / group, t, &at);
      double value[kRun];
      for (int64_t d = 0; d < v.size; d += kRun) {
        const int64_t n = std::min(kRun, v.size - d);
        load_f64(x.dtype, x.data, at + d, n, value);
        for (int64_t e = 0; e < n; ++e) result[d + e] += scores[t] * value[e];
      }
    }
    if (!ctx.wants(0)) return;
    const int64_t to = q.packed ? ((b * q.length + i) * q.heads + h) * v.size : row * v.size;
    store_f64(ctx.out[0].dtype, ctx.out[0].data, to, v.size, result);
  }

  /// present = past and new keys, [batch, heads, total, size].
  Status present(int o, const Heads& x, int cache) const noexcept {
    if (!ctx.wants(o)) return {};
    TensorView& y = ctx.out[o];
    return support::parallel(
        ctx, q.batch * x.heads * total, support::grain_for(x.size), [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) {
            int64_t at;
            const TensorView& from = key_row(x, cache, r / total / x.heads, r / total % x.heads, r % total, &at);
            if (x.size > 0) cast_elements(from.dtype, from.data, at, y.dtype, y.data, r * x.size, x.size, true);
          }
        });
  }
};

Status attention(KernelContext& ctx) noexcept {
  if ((ctx.in[0].rank == 3) != (ctx.in[1].rank == 3) || (ctx.in[1].rank == 3) != (ctx.in[2].rank == 3)) {
    return Status::error(Code::shape, "Q, K and V must have the same rank");
  }
  const Attention a(ctx);
  if (Status s = a.check(); !s.ok()) return s;
  const int64_t each = a.q.size + a.total + a.v.size, threads = ctx.services->pool().threads();
  auto* memory = static_cast<double*>(ctx.services->scratch(std::max<int64_t>(1, each * threads) * 8));
  if (memory == nullptr)
    return Status::error(Code::budget, "no memory for %lld scores", static_cast<long long>(a.total * threads));
  ctx.services->pool().parallel_for(a.q.batch * a.q.heads * a.q.length, [&](int64_t row, int worker) {
    double* own = memory + worker * each;
    a.run_row(row, own, own + a.q.size, own + a.q.size + a.total);
  });
  if (Status s = a.present(1, a.k, 4); !s.ok()) return s;
  return a.present(2, a.v, 5);
}

Status rotary_embedding(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &cosines = ctx.in[1], &sines = ctx.in[2];
  TensorView& y = ctx.out[0];
  const Heads heads(x, ctx.attrs->integer("num_heads"));
  const int64_t wanted = ctx.attrs->integer("rotary_embedding_dim"), turned = wanted == 0 ? heads.size : wanted,
                half = turned / 2;
  const bool interleaved = ctx.attrs->integer("interleaved") != 0, by_position = ctx.has(3);
  if (turned > heads.size || turned % 2 != 0 || cosines.dim(-1) != half || sines.dim(-1) != half) {
    return Status::error(Code::shape, "the caches do not fit %lld rotated elements of heads of %lld",
                         static_cast<long long>(turned), static_cast<long long>(heads.size));
  }
  const int64_t steps = heads.batch * heads.length,
                cached = half == 0 ? 0 : std::min(cosines.count, sines.count) / half;
  if (by_position ? ctx.in[3].count != steps : cached < steps)
    return Status::error(Code::shape, "positions do not fit the batch and its steps");
  for (int64_t i = 0; by_position && i < steps; ++i) {
    const int64_t p = get_i64(ctx.in[3].dtype, ctx.in[3].data, i);
    if (p < -cached || p >= cached) {
      return Status::error(Code::bad_input, "position %lld is outside of the cache of %lld", static_cast<long long>(p),
                           static_cast<long long>(cached));
    }
  }
  return support::parallel(ctx, steps * heads.heads, support::grain_for(heads.size), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t h = r % heads.heads, step = r / heads.heads,
                    at = heads.row(step / heads.length, h, step % heads.length);
      int64_t angle = by_position ? get_i64(ctx.in[3].dtype, ctx.in[3].data, step) : step;
      if (angle < 0) angle += cached;
      copy_elements(x.dtype, x.data, at + turned, y.data, at + turned, heads.size - turned);
      for (int64_t i = 0; i < half; ++i) {
        const int64_t first = at + (interleaved ? 2 * i : i), second = at + (interleaved ? 2 * i + 1 : half + i);
        const double c = get_f64(cosines.dtype, cosines.data, angle * half + i),
                     s = get_f64(sines.dtype, sines.data, angle * half + i);
        const double a = get_f64(x.dtype, x.data, first), b = get_f64(x.dtype, x.data, second);
        set_f64(y.dtype, y.data, first, c * a - s * b);
        set_f64(y.dtype, y.data, second, s * a + c * b);
      }
    }
  });
}

constexpr KernelRow kRows[] = {{"Attention", attention},
                               {"RotaryEmbedding", rotary_embedding},
                               {"FlexAttention", flex_attention, "ai.onnx.preview"}};

}  // namespace

std::span<const KernelRow> reference::attention_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native
