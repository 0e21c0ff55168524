// The operator Attention without a matrix of scores. With a cache, the keys and values that go on are written first and then read.
#include <engine/native/steps/support.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace chorus::native::steps {
namespace {

enum Operand : int { kQ, kK, kV, kMask, kPastKey, kPastValue, kLengths };
constexpr int64_t kFar = int64_t{1} << 40;  // a window beyond every sequence

struct PreparedAttention final : Prepared {
  int64_t heads = 0, kv_heads = 0;  // of operands of rank 3
  float scale = 0;  // NaN: 1 / √size
  float cap = 0;
  int64_t left = -1, right = -1;
  fast::EmptyRow empty = fast::EmptyRow::zero;
};

bool is_wanted(const StepDescription& step, size_t output) {
  const auto& outputs = step.n().outputs;
  if (output >= outputs.size() || outputs[output] == kNone) return false;
  return !step.graph->value(outputs[output]).uses.empty() || step.graph->is_output(outputs[output]);
}

bool accepts(const StepDescription& step) {
  const int rank = step.in(kQ).has_rank ? step.in(kQ).rank() : 0;
  if (rank != 3 && rank != 4) return false;
  for (const int i : {kQ, kK, kV}) {
    if (!is_float32(step.in(i), rank)) return false;
  }
  if (step.has(kMask) && !is_float32(step.in(kMask)) &&
      (step.in(kMask).dtype != DType::boolean || !step.in(kMask).has_rank))
    return false;
  if (step.has(kMask) && step.in(kMask).rank() == 0) return false;
  if (step.has(kPastKey) && (!is_float32(step.in(kPastKey), 4) || !is_float32(step.in(kPastValue), 4) ||
                             !is_wanted(step, 1) || !is_wanted(step, 2)))
    return false;
  const AttrReader attrs = step.n().attrs();
  const bool in_float32 =
      attrs.integer("softmax_precision", static_cast<int64_t>(DType::float32)) == static_cast<int64_t>(DType::float32);
  return in_float32 && !is_wanted(step, 3) && is_float32(step.out(0), rank);
}

std::shared_ptr<const Prepared> prepare(const StepDescription& step) {
  auto p = std::make_shared<PreparedAttention>();
  const AttrReader attrs = step.n().attrs();
  p->heads = attrs.integer("q_num_heads");
  p->kv_heads = attrs.integer("kv_num_heads");
  p->scale = attrs.has("scale") ? attrs.real("scale") : std::nanf("");
  p->cap = attrs.real("softcap");
  p->left = std::min(attrs.integer("left_window_size", -1), kFar);
  p->right = std::min(attrs.integer("right_window_size", -1), kFar);
  if (attrs.integer("is_causal") != 0) p->right = 0;
  for (const auto& [key, value] : step.n().metadata) {
    if (key == kEmptyRows) p->empty = fast::EmptyRow::not_a_number;
  }
  return p;
}

/// Q, K or V as heads, whatever its rank.
struct Heads {
  int64_t batch, heads, length, size;
  fast::HeadRows at;
};
Heads heads_of(const TensorView& x, int64_t heads) noexcept {
  if (x.rank == 4) {
    const int64_t h = x.dims[1], n = x.dims[2], d = x.dims[3];
    return {x.dims[0], h, n, d, {h * n * d, n * d, d}};
  }
  const int64_t d = heads > 0 ? x.dims[2] / heads : 0;
  return {x.dims[0], heads, x.dims[1], d, {x.dims[1] * x.dims[2], d, x.dims[2]}};
}
/// [batch, heads, length, size] in one piece.
fast::HeadRows dense(const Heads& x, int64_t length) noexcept {
  return {x.heads * length * x.size, length * x.size, x.size};
}

Status misfit(const char* what) noexcept { return Status::error(Code::shape, "Attention: %s", what); }

Status read_mask(const KernelContext& ctx, int64_t total, fast::AttentionArgs& a) noexcept {
  const TensorView& m = ctx.in[kMask];
  const int64_t wanted[] = {a.batch, a.heads, a.rows};
  int64_t* const to[] = {&a.mask.batch, &a.mask.head, &a.mask.row};
  int64_t distance = m.dim(-1);
  if (distance > total || m.rank > 4) return misfit("attn_mask does not fit the keys");
  for (int axis = m.rank - 2; axis >= 0; --axis) {
    const int at = 4 - m.rank + axis;
    if (m.dims[axis] != 1 && m.dims[axis] != wanted[at]) return misfit("attn_mask does not fit the scores");
    *to[at] = m.dims[axis] == 1 ? 0 : distance;
    distance *= m.dims[axis];
  }
  if (m.dtype == DType::boolean)
    a.mask.takes_part = m.as<const uint8_t>();
  else
    a.mask.added = m.as<const float>();
  a.keys = m.dim(-1);  // what the mask does not reach is hidden
  return {};
}

Status read_lengths(const KernelContext& ctx, int64_t total, fast::AttentionArgs& a) noexcept {
  const TensorView& lengths = ctx.in[kLengths];
  if (lengths.count != a.batch) return misfit("nonpad_kv_seqlen does not fit the batch");
  a.keys_of = lengths.as<const int64_t>();
  for (int64_t b = 0; b < a.batch; ++b) {
    if (a.keys_of[b] < 0 || a.keys_of[b] > total)
      return Status::error(Code::bad_input, "nonpad_kv_seqlen[%lld] is %lld of %lld keys", static_cast<long long>(b),
                           static_cast<long long>(a.keys_of[b]), static_cast<long long>(total));
  }
  return {};
}

/// Sizes and places; the mask and the lengths are read in the run.
fast::AttentionArgs args_of(const KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedAttention*>(ctx.prepared);
  const Heads q = heads_of(ctx.in[kQ], p.heads), k = heads_of(ctx.in[kK], p.kv_heads),
              v = heads_of(ctx.in[kV], k.heads);
  const int64_t past = ctx.has(kPastKey) ? ctx.in[kPastKey].dims[2] : 0;
  fast::AttentionArgs a;
  a.batch = q.batch, a.heads = q.heads, a.rows = q.length, a.keys = past + k.length;
  a.group = k.heads > 0 ? q.heads / k.heads : 1;
  a.size = q.size, a.value_size = v.size;
  a.q = ctx.in[kQ].as<const float>(), a.k = ctx.in[kK].as<const float>(), a.v = ctx.in[kV].as<const float>();
  a.q_at = q.at, a.k_at = k.at, a.v_at = v.at;
  if (past > 0) {
    a.k = ctx.out[1].as<const float>(), a.v = ctx.out[2].as<const float>();
    a.k_at = dense(k, a.keys), a.v_at = dense(v, a.keys);
  }
  a.y = ctx.out[0].as<float>();
  a.y_at = ctx.in[kQ].rank == 4 ? fast::HeadRows{q.heads * q.length * v.size, q.length * v.size, v.size}
                                : fast::HeadRows{q.length * q.heads * v.size, v.size, q.heads * v.size};
  a.scale = std::isnan(p.scale) ? 1 / std::sqrt(static_cast<float>(std::max<int64_t>(q.size, 1))) : p.scale;
  a.cap = p.cap;
  a.left = p.left, a.right = p.right;
  a.offset = past;
  a.empty = p.empty;
  return a;
}

int64_t scratch(const KernelContext& ctx) {
  return static_cast<int64_t>(table().attention_scratch_bytes(args_of(ctx), ctx.services->pool().threads()));
}

Status check(const KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedAttention*>(ctx.prepared);
  const Heads q = heads_of(ctx.in[kQ], p.heads), k = heads_of(ctx.in[kK], p.kv_heads),
              v = heads_of(ctx.in[kV], k.heads);
  if (k.batch != q.batch || v.batch != q.batch || k.size != q.size || v.length != k.length || v.heads != k.heads ||
      k.heads < 1 || q.heads % k.heads != 0)
    return misfit("Q, K and V do not fit each other");
  if (!ctx.has(kPastKey)) return {};
  for (const int i : {kPastKey, kPastValue}) {
    const TensorView& c = ctx.in[i];
    if (c.dims[0] != q.batch || c.dims[1] != k.heads || c.dims[2] != ctx.in[kPastKey].dims[2] ||
        c.dims[3] != (i == kPastKey ? k.size : v.size))
      return misfit("the cache does not fit K and V");
  }
  return {};
}

/// The cache and behind it the new rows, head by head.
void present(const KernelContext& ctx, int output, int cache, const Heads& x, const TensorView& from) noexcept {
  if (!ctx.wants(output)) return;
  const TensorView& y = ctx.out[output];
  const bool cached = ctx.has(cache);
  const int64_t past = cached ? ctx.in[cache].dims[2] : 0, total = past + x.length, size = x.size;
  ctx.services->pool().parallel_for(x.batch * x.heads, [&](int64_t head, int) {
    float* to = y.as<float>() + head * total * size;
    if (past * size > 0)
      std::memcpy(to, ctx.in[cache].as<const float>() + head * past * size,
                  static_cast<size_t>(past * size) * sizeof(float));
    const float* rows = from.as<const float>() + head / x.heads * x.at.batch + head % x.heads * x.at.head;
    for (int64_t i = 0; i < x.length && size > 0; ++i)
      std::memcpy(to + (past + i) * size, rows + i * x.at.row, static_cast<size_t>(size) * sizeof(float));
  });
}

Status run(KernelContext& ctx) noexcept {
  if (Status s = check(ctx); !s.ok()) return s;
  const auto& p = *static_cast<const PreparedAttention*>(ctx.prepared);
  fast::AttentionArgs a = args_of(ctx);
  const auto bytes = static_cast<int64_t>(table().attention_scratch_bytes(a, ctx.services->pool().threads()));
  const int64_t total = a.keys;
  if (ctx.has(kMask)) {
    if (Status s = read_mask(ctx, total, a); !s.ok()) return s;
  }
  if (ctx.has(kLengths)) {
    if (Status s = read_lengths(ctx, total, a); !s.ok()) return s;
  }
  const Heads k = heads_of(ctx.in[kK], p.kv_heads), v = heads_of(ctx.in[kV], k.heads);
  present(ctx, 1, kPastKey, k, ctx.in[kK]);
  present(ctx, 2, kPastValue, v, ctx.in[kV]);
  a.scratch = bytes > 0 ? ctx.services->scratch(bytes) : nullptr;
  if (bytes > 0 && a.scratch == nullptr) return no_scratch();
  table().attention_run(a, ctx.services->pool());
  return {};
}

}  // namespace

std::span<const Candidate> attention_steps() {
  static const Candidate list[] = {
      {"Attention", at_level("attention.blocks"), accepts, 0, prepare, scratch, run},
  };
  return list;
}

}  // namespace chorus::native::steps
