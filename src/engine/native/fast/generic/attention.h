// Attention by blocks of queries and keys with a running softmax. Scores are kept turned, [keys, queries]: queries are the lanes, so that
// the softmax needs no sums across a vector and the weights are the right operand of the second product as they are.
// Included after a level's vec.h.
#pragma once
#include <engine/native/fast/attention.h>
#include <engine/native/fast/generic/gemm.h>
#include <engine/native/fast/generic/math.h>
#include <engine/native/fast/generic/rows.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

constexpr int64_t key_block = 128;  // scores of a block of queries with them stay in the first cache
constexpr int64_t key_chunk_floats = 1 << 16;  // of K and V, packed at a time
constexpr int64_t most_blocks = 12;  // of queries in a task
constexpr int64_t wanted_tasks = 32;
constexpr int64_t few_rows = 4;  // up to which keys are read once, row by row

/// How the work is cut, from sizes only; offsets in floats of a worker's scratch.
struct AttentionPlan {
  int64_t blocks, blocks_per_task, tasks_per_head, chunk;  // chunk: keys packed at a time
  int64_t block_floats;  // of a block of queries: packed queries, results, top, total, met
  int64_t queries, k, v, scores, bias, rows, worker;
};

inline AttentionPlan attention_plan(const AttentionArgs& a) noexcept {
  AttentionPlan p{};
  if (a.rows <= few_rows) {
    p.worker = up(a.keys, 16) + up(a.value_size, 16);
    p.tasks_per_head = 1;
    return p;
  }
  p.blocks = parts(a.rows, NR);
  const int64_t heads = a.batch * a.heads;
  int64_t tasks = parts(p.blocks, most_blocks);
  if (heads < wanted_tasks) tasks = most(tasks, least(parts(wanted_tasks, most(heads, 1)), parts(p.blocks, 4)));
  p.blocks_per_task = parts(p.blocks, tasks);
  p.tasks_per_head = parts(p.blocks, p.blocks_per_task);
  const int64_t both = most(a.size + up(a.value_size, MR), 1);
  p.chunk = least(most(key_chunk_floats / both / key_block, 1) * key_block, up(a.keys, key_block));
  p.block_floats = (a.size + up(a.value_size, MR) + 3) * NR;
  int64_t at = 0;
  const auto take = [&](int64_t floats) {
    const int64_t start = at;
    at += up(floats, 16);
    return start;
  };
  p.queries = take(p.block_floats * p.blocks_per_task);
  p.k = take(p.chunk * a.size);
  p.v = take(p.chunk * up(a.value_size, MR));
  p.scores = take(key_block * NR);
  p.bias = take(key_block * NR);
  p.rows = take(key_block * NR);
  p.worker = at;
  return p;
}

inline size_t attention_scratch_bytes(const AttentionArgs& a, int threads) noexcept {
  return static_cast<size_t>(attention_plan(a).worker) * static_cast<size_t>(threads) * sizeof(float);
}

/// Of one batch: keys that there are, and which a query sees.
struct Sight {
  int64_t keys, offset, left, right;
  /// Keys [first, last) that some of the queries [i, i + n) may see.
  int64_t first(int64_t i) const { return left < 0 ? 0 : most(least(i + offset - left, keys), 0); }
  int64_t last(int64_t i, int64_t n) const { return right < 0 ? keys : most(least(i + n + offset + right, keys), 0); }
  /// Every one of the queries sees every one of the keys [j, j + m).
  bool all(int64_t i, int64_t n, int64_t j, int64_t m) const {
    return (right < 0 || j + m - 1 - i - offset <= right) && (left < 0 || j - (i + n - 1) - offset >= -left);
  }
};
CHORUS_FAST_INLINE Sight sight_of(const AttentionArgs& a, int64_t batch) {
  const bool own = a.keys_of != nullptr;
  return {own ? least(a.keys_of[batch], a.keys) : a.keys, own ? a.keys_of[batch] - a.rows : a.offset, a.left, a.right};
}

/// One head of one batch.
struct Head {
  const float *q, *k, *v;
  float* y;
  const float* added;
  const uint8_t* takes_part;
  Sight sight;
};
CHORUS_FAST_INLINE Head head_of(const AttentionArgs& a, int64_t index) {
  const int64_t b = index / a.heads, h = index % a.heads, kv = h / a.group, m = b * a.mask.batch + h * a.mask.head;
  return {a.q + b * a.q_at.batch + h * a.q_at.head,
          a.k + b * a.k_at.batch + kv * a.k_at.head,
          a.v + b * a.v_at.batch + kv * a.v_at.head,
          a.y + b * a.y_at.batch + h * a.y_at.head,
          a.mask.added != nullptr ? a.mask.added + m : nullptr,
          a.mask.takes_part != nullptr ? a.mask.takes_part + m : nullptr,
          sight_of(a, b)};
}

/// What is known of a block of queries after some of the keys; every array has NR lanes.
struct QueryBlock {
  int64_t first, count;  // queries
  float *q, *y, *top, *total,
      *met;  // packed queries [size], results [value_size], largest score, sum, 1: a key took part
};
CHORUS_FAST_INLINE QueryBlock query_block(const AttentionArgs& a, const AttentionPlan& p, int64_t block,
                                          float* memory) {
  QueryBlock q{};
  q.first = block * NR, q.count = least(NR, a.rows - q.first);
  q.q = memory;
  q.y = q.q + a.size * NR;
  q.top = memory + p.block_floats - 3 * NR, q.total = q.top + NR, q.met = q.total + NR;
  return q;
}

/// The mask of a block as numbers to add, [keys, queries].
inline void turn_mask(const AttentionArgs& a, const Head& h, const QueryBlock& q, int64_t key, int64_t keys,
                      float* rows, float* bias) noexcept {
  if (h.added != nullptr) return turn_tile(h.added + q.first * a.mask.row + key, a.mask.row, bias, NR, q.count, keys);
  for (int64_t i = 0; i < q.count; ++i) {
    const uint8_t* from = h.takes_part + (q.first + i) * a.mask.row + key;
    for (int64_t j = 0; j < keys; ++j) rows[i * key_block + j] = from[j] != 0 ? 0.0f : -__builtin_inff();
  }
  turn_tile(rows, key_block, bias, NR, q.count, keys);
}

/// Adds what hides keys to the scores of a block; `met` remembers which queries have seen a key.
template <int N>
inline void hide(const AttentionArgs& a, const Head& h, const QueryBlock& q, int64_t key, int64_t keys, float* scores,
                 float* bias, float* rows) noexcept {
  const bool masked = h.added != nullptr || h.takes_part != nullptr, turned = masked && a.mask.row != 0;
  const bool bounded = !h.sight.all(q.first, q.count, key, keys);
  if (turned) turn_mask(a, h, q, key, keys, rows, bias);
  const F never = set1(-__builtin_inff());
  F lanes[N], met[N];
  for (int n = 0; n < N; ++n) {
    float count[W];
    for (int i = 0; i < W; ++i) count[i] = static_cast<float>(n * W + i);
    lanes[n] = load(count), met[n] = load(q.met + n * W);
  }
  constexpr int64_t far = 1 << 20;  // beyond every lane
  for (int64_t j = 0; j < keys; ++j) {
    F one = zero();
    if (masked && !turned)
      one = set1(h.added != nullptr ? h.added[key + j] : h.takes_part[key + j] != 0 ? 0.0f : -__builtin_inff());
    const int64_t distance = key + j - q.first - h.sight.offset;
    const F low = set1(static_cast<float>(h.sight.right < 0 ? -far : most(least(distance - h.sight.right, far), -far)));
    const F high = set1(static_cast<float>(h.sight.left < 0 ? far : most(least(distance + h.sight.left, far), -far)));
    for (int n = 0; n < N; ++n) {
      F b = turned ? load(bias + j * NR + n * W) : one;
      if (bounded) b = select(both(le(low, lanes[n]), le(lanes[n], high)), b, never);
      met[n] = select(eq(b, never), met[n], set1(1.0f));
      float* s = scores + j * NR + n * W;
      store(s, load(s) + b);
    }
  }
  for (int n = 0; n < N; ++n) store(q.met + n * W, met[n]);
}

/// Scores of a block become weights; what was summed before is brought to the new largest score.
template <int N>
inline void weigh(const AttentionArgs& a, const QueryBlock& q, int64_t keys, float* scores) noexcept {
  F top[N], total[N];
  for (int n = 0; n < N; ++n) top[n] = load(q.top + n * W);
  for (int64_t j = 0; j < keys; ++j) {
    for (int n = 0; n < N; ++n) top[n] = max(load(scores + j * NR + n * W), top[n]);
  }
  const F low = set1(-__builtin_inff());
  F fade[N];
  for (int n = 0; n < N; ++n) {
    const F before = load(q.top + n * W);
    store(q.top + n * W, top[n]);
    top[n] = select(eq(top[n], low), zero(), top[n]);  // no key yet: weights of 0, not NaN
    fade[n] = exp_down(before - top[n]);
    total[n] = load(q.total + n * W) * fade[n];
  }
  for (int64_t i = 0; i < a.value_size; ++i) {
    for (int n = 0; n < N; ++n) store(q.y + i * NR + n * W, load(q.y + i * NR + n * W) * fade[n]);
  }
  for (int64_t j = 0; j < keys; ++j) {
    for (int n = 0; n < N; ++n) {
      float* s = scores + j * NR + n * W;
      const F w = exp_down(load(s) - top[n]);
      store(s, w);
      total[n] = total[n] + w;
    }
  }
  for (int n = 0; n < N; ++n) store(q.total + n * W, total[n]);
}

inline void cap_scores(float cap, int64_t count, float* scores) noexcept {
  const F c = set1(cap), inverse = set1(1.0f / cap);
  for (int64_t i = 0; i < count; i += W) store(scores + i, c * tanh(load(scores + i) * inverse));
}

/// One block of queries with one block of keys; `k` and `v` are the packed panels of these keys.
template <int N>
inline void attend(const AttentionArgs& a, const AttentionPlan& p, const Head& h, const QueryBlock& q, const float* k,
                   const float* v, int64_t key, int64_t keys, float* memory) noexcept {
  float* scores = memory + p.scores;
  Tile t{};
  t.b = q.q, t.ldb = NR, t.ldc = NR, t.k = a.size, t.cols = N * W, t.alpha = a.scale;
  for (int64_t j = 0; j < keys; j += MR) {
    t.a = k + j * a.size, t.c = scores + j * NR, t.rows = static_cast<int>(least(MR, keys - j));
    tile_for(t.rows, t.cols, true)(t);
  }
  if (a.cap > 0) cap_scores(a.cap, keys * NR, scores);
  const bool open = h.added == nullptr && h.takes_part == nullptr && h.sight.all(q.first, q.count, key, keys);
  if (!open) {
    hide<N>(a, h, q, key, keys, scores, memory + p.bias, memory + p.rows);
  } else {
    for (int n = 0; n < N; ++n) store(q.met + n * W, set1(1.0f));
  }
  weigh<N>(a, q, keys, scores);
  t.b = scores, t.k = keys, t.alpha = 1.0f, t.c_scale = 1.0f;
  for (int64_t i = 0; i < a.value_size; i += MR) {
    t.a = v + i * keys, t.c = q.y + i * NR, t.rows = static_cast<int>(least(MR, a.value_size - i));
    tile_for(t.rows, t.cols, true)(t);
  }
}

inline void begin_block(const AttentionArgs& a, const Head& h, const QueryBlock& q) noexcept {
  pack_lines<NR>(q.count, a.size, h.q + q.first * a.q_at.row, a.q_at.row, q.q);
  for (int64_t i = 0; i < a.value_size * NR; ++i) q.y[i] = 0.0f;
  for (int64_t i = 0; i < NR; ++i) q.top[i] = -__builtin_inff(), q.total[i] = 0.0f, q.met[i] = 0.0f;
}

inline void end_block(const AttentionArgs& a, const Head& h, const QueryBlock& q) noexcept {
  const bool empty_is_zero = a.empty == EmptyRow::zero;
  for (int64_t n = 0; n < NR; n += W) {
    const F total = load(q.total + n), met = load(q.met + n);
    const F scale = set1(1.0f) / (empty_is_zero ? select(eq(total, zero()), set1(1.0f), total) : total);
    for (int64_t i = 0; i < a.value_size; ++i) {
      F y = load(q.y + i * NR + n) * scale;
      if (empty_is_zero) y = select(eq(met, zero()), zero(), y);
      store(q.y + i * NR + n, y);
    }
  }
  turn_tile(q.y, NR, h.y + q.first * a.y_at.row, a.y_at.row, a.value_size, q.count);
}

/// Blocks of queries of one head: keys are packed chunk by chunk, each chunk meets all blocks.
inline void attention_task(const AttentionArgs& a, const AttentionPlan& p, const Head& h, int64_t first, int64_t last,
                           float* memory) noexcept {
  for (int64_t b = first; b < last; ++b)
    begin_block(a, h, query_block(a, p, b, memory + p.queries + (b - first) * p.block_floats));
  const int64_t from = h.sight.first(first * NR) / key_block * key_block,
                to = h.sight.last(first * NR, least(last * NR, a.rows) - first * NR);
  for (int64_t chunk = from; chunk < to; chunk += p.chunk) {
    const int64_t end = least(chunk + p.chunk, to);
    float *k = memory + p.k, *v = memory + p.v;
    for (int64_t key = chunk; key < end; key += key_block) {
      const int64_t keys = least(key_block, end - key);
      pack_lines<MR>(keys, a.size, h.k + key * a.k_at.row, a.k_at.row, k + (key - chunk) * a.size);
      pack_across<MR>(a.value_size, keys, h.v + key * a.v_at.row, a.v_at.row, v + (key - chunk) * up(a.value_size, MR));
    }
    for (int64_t b = first; b < last; ++b) {
      const QueryBlock q = query_block(a, p, b, memory + p.queries + (b - first) * p.block_floats);
      const int64_t seen_first = h.sight.first(q.first), seen_last = h.sight.last(q.first, q.count);
      for (int64_t key = chunk; key < end; key += key_block) {
        const int64_t keys = least(key_block, end - key);
        if (key + keys <= seen_first || key >= seen_last) continue;
        const float *kp = k + (key - chunk) * a.size, *vp = v + (key - chunk) * up(a.value_size, MR);
        if (q.count <= W)
          attend<1>(a, p, h, q, kp, vp, key, keys, memory);
        else if (q.count <= 2 * W)
          attend<2>(a, p, h, q, kp, vp, key, keys, memory);
        else
          attend<3>(a, p, h, q, kp, vp, key, keys, memory);
      }
    }
  }
  for (int64_t b = first; b < last; ++b)
    end_block(a, h, query_block(a, p, b, memory + p.queries + (b - first) * p.block_floats));
}

/// Sum of w[j] · v[j], a few vectors of a row at a time.
template <int N>
inline void mix(const float* w, const float* v, int64_t ld, int64_t keys, int64_t at, int64_t size, float* y) noexcept {
  F sums[N];
  for (int n = 0; n < N; ++n) sums[n] = zero();
  const Tail end = tail(size - at - (N - 1) * W);
  for (int64_t j = 0; j < keys; ++j) {
    const F x = set1(w[j]);
    const float* row = v + j * ld + at;
    for (int n = 0; n < N; ++n) sums[n] = fma(x, n + 1 < N ? load(row + n * W) : load(row + n * W, end), sums[n]);
  }
  for (int n = 0; n < N; ++n) store(y + at + n * W, sums[n]);
}

/// One query: its scores in a row.
inline void attend_row(const AttentionArgs& a, const Head& h, int64_t i, float* scores, float* result) noexcept {
  const int64_t first = h.sight.first(i), last = most(h.sight.last(i, 1), first), n = last - first;
  bool met = false;
  for (int64_t j = 0; j < n; ++j)
    scores[j] = dot(h.q + i * a.q_at.row, h.k + (first + j) * a.k_at.row, a.size) * a.scale;
  if (a.cap > 0) {
    for (int64_t j = 0; j < n; j += W) {
      const Tail end = tail(n - j);
      store(scores + j, end, set1(a.cap) * tanh(load(scores + j, end) * set1(1.0f / a.cap)));
    }
  }
  if (h.added == nullptr && h.takes_part == nullptr) met = n > 0;
  for (int64_t j = 0; j < n && (h.added != nullptr || h.takes_part != nullptr); ++j) {
    const int64_t at = i * a.mask.row + first + j;
    const float b = h.added != nullptr ? h.added[at] : h.takes_part[at] != 0 ? 0.0f : -__builtin_inff();
    met = met || b != -__builtin_inff();
    scores[j] += b;
  }
  const float top = row_max(scores, n), safe = top == -__builtin_inff() ? 0.0f : top;
  const float total = row_sum(scores, scores, n, [&](F x) { return exp_down(x - set1(safe)); });
  for (int64_t at = 0; at < a.value_size; at += 4 * W) {
    const int64_t left = a.value_size - at;
    if (left > 3 * W)
      mix<4>(scores, h.v + first * a.v_at.row, a.v_at.row, n, at, a.value_size, result);
    else if (left > 2 * W)
      mix<3>(scores, h.v + first * a.v_at.row, a.v_at.row, n, at, a.value_size, result);
    else if (left > W)
      mix<2>(scores, h.v + first * a.v_at.row, a.v_at.row, n, at, a.value_size, result);
    else
      mix<1>(scores, h.v + first * a.v_at.row, a.v_at.row, n, at, a.value_size, result);
  }
  const bool zeros = a.empty == EmptyRow::zero;
  const float scale = 1.0f / (zeros && total == 0.0f ? 1.0f : total);
  for (int64_t d = 0; d < a.value_size; ++d) h.y[i * a.y_at.row + d] = zeros && !met ? 0.0f : result[d] * scale;
}

inline void attention_run(const AttentionArgs& a, ThreadPool& pool) noexcept {
  if (a.batch <= 0 || a.heads <= 0 || a.rows <= 0 || a.value_size <= 0) return;
  const AttentionPlan p = attention_plan(a);
  auto* workers = static_cast<float*>(a.scratch);
  pool.parallel_for(a.batch * a.heads * p.tasks_per_head, [&](int64_t task, int worker) {
    float* memory = workers + worker * p.worker;
    const Head h = head_of(a, task / p.tasks_per_head);
    if (a.rows <= few_rows) {
      for (int64_t i = 0; i < a.rows; ++i) attend_row(a, h, i, memory, memory + up(a.keys, 16));
      return;
    }
    const int64_t first = task % p.tasks_per_head * p.blocks_per_task;
    attention_task(a, p, h, first, least(first + p.blocks_per_task, p.blocks), memory);
  });
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
