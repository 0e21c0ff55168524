// Reductions over the middle axis: chunks of it are reduced on their own, then the chunks. Included after a level's
// vec.h.
#pragma once
#include <engine/native/fast/generic/rows.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

constexpr int64_t reduce_chunk = 65536;  // elements of a chunk
constexpr int64_t sum_block = 512;  // vectors of a line that are added up before they join the total
constexpr int64_t column_block = 32;  // rows that one accumulator adds up

struct ReducePlan {
  int64_t chunk, chunks;  // along n
  int64_t columns, column_groups;  // along inner
  int64_t outers, outer_groups;  // rows of a task
};

inline ReducePlan reduce_plan(const ReduceArgs& s) noexcept {
  ReducePlan p{};
  p.columns = s.inner < 1024 ? s.inner : 1024;
  p.column_groups = (s.inner + p.columns - 1) / p.columns;
  p.chunk = reduce_chunk / p.columns;
  if (p.chunk > s.n) p.chunk = s.n;
  if (p.chunk < 1) p.chunk = 1;
  p.chunks = s.n <= 0 ? 1 : (s.n + p.chunk - 1) / p.chunk;
  const int64_t work = p.chunk * p.columns;
  p.outers = p.chunks > 1 || p.column_groups > 1 || work >= element_task ? 1 : element_task / (work > 0 ? work : 1);
  if (p.outers > s.outer) p.outers = s.outer;
  if (p.outers < 1) p.outers = 1;
  p.outer_groups = (s.outer + p.outers - 1) / p.outers;
  return p;
}

inline size_t reduce_scratch_bytes(const ReduceArgs& s) noexcept {
  if (s.outer <= 0 || s.inner <= 0) return 0;
  const ReducePlan p = reduce_plan(s);
  if (p.chunks == 1) return 0;
  return static_cast<size_t>((s.outer * p.chunks * s.inner + 15) / 16 * 16) * sizeof(float);
}

struct AddTerm {
  static constexpr bool sums = true;
  static F start() { return zero(); }
  static CHORUS_FAST_INLINE F term(F x) { return x; }
  static CHORUS_FAST_INLINE F join(F a, F b) { return a + b; }
};
struct AddSquare : AddTerm {
  static CHORUS_FAST_INLINE F term(F x) { return x * x; }
};
struct TakeMax {
  static constexpr bool sums = false;
  static F start() { return set1(-__builtin_inff()); }
  static CHORUS_FAST_INLINE F term(F x) { return x; }
  static CHORUS_FAST_INLINE F join(F a, F b) { return max_or_nan(a, b); }
};
struct TakeMin {
  static constexpr bool sums = false;
  static F start() { return set1(__builtin_inff()); }
  static CHORUS_FAST_INLINE F term(F x) { return x; }
  static CHORUS_FAST_INLINE F join(F a, F b) { return min_or_nan(a, b); }
};

template <class Op>
CHORUS_FAST_INLINE float across(F v) {
  float lanes[W];
  store(lanes, v);
  for (int half = W / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) {
      float r[W];
      store(r, Op::join(set1(lanes[i]), set1(lanes[i + half])));
      lanes[i] = r[0];
    }
  }
  return lanes[0];
}

template <class Op>
float reduce_line(const float* x, int64_t n) noexcept {
  F total = Op::start();
  for (int64_t from = 0; from < n; from += sum_block * W) {
    const int64_t to = n - from < sum_block * W ? n : from + sum_block * W;
    F a = Op::start(), b = a, c = a, d = a;
    int64_t i = from;
    for (; i + 4 * W <= to; i += 4 * W) {
      a = Op::join(a, Op::term(load(x + i)));
      b = Op::join(b, Op::term(load(x + i + W)));
      c = Op::join(c, Op::term(load(x + i + 2 * W)));
      d = Op::join(d, Op::term(load(x + i + 3 * W)));
    }
    float other[W];
    store(other, Op::start());
    for (; i < to; i += W) a = Op::join(a, Op::term(load_or(x + i, to - i, other[0])));
    total = Op::join(total, Op::join(Op::join(a, b), Op::join(c, d)));
  }
  return across<Op>(total);
}

/// y[j] over n rows `step` floats apart, j in [0, cols): blocks of rows, joined pairwise like the digits of a counter.
template <class Op>
void reduce_columns(const float* x, int64_t n, int64_t step, int64_t cols, float* y) noexcept {
  for (int64_t j = 0; j < cols; j += W) {
    const Tail end = tail(cols - j);
    F pending[64];
    int depth = 0;
    for (int64_t from = 0; from < n; from += column_block) {
      const int64_t to = n - from < column_block ? n : from + column_block;
      F a = Op::start();
      for (int64_t i = from; i < to; ++i) a = Op::join(a, Op::term(load(x + i * step + j, end)));
      for (int64_t block = from / column_block; (block & 1) != 0; block >>= 1) a = Op::join(pending[--depth], a);
      pending[depth++] = a;
    }
    F total = Op::start();
    while (depth > 0) total = Op::join(total, pending[--depth]);
    store(y + j, end, total);
  }
}

template <class Op, class Last>
void reduce_with(const ReduceArgs& s, ThreadPool& pool, float divisor) noexcept {
  const ReducePlan p = reduce_plan(s);
  float* partial = static_cast<float*>(s.scratch);
  float* first = p.chunks == 1 ? s.y : partial;  // [outer, chunks, inner]
  pool.parallel_for(p.outer_groups * p.chunks * p.column_groups, [&](int64_t task, int) {
    const int64_t col = task % p.column_groups * p.columns, chunk = task / p.column_groups % p.chunks;
    const int64_t cols = s.inner - col < p.columns ? s.inner - col : p.columns;
    const int64_t o = task / p.column_groups / p.chunks * p.outers;
    const int64_t from = chunk * p.chunk, n = s.n - from < p.chunk ? s.n - from : p.chunk;
    for (int64_t i = o; i < o + p.outers && i < s.outer; ++i) {
      const float* x = s.x + (i * s.n + from) * s.inner + col;
      float* y = first + (i * p.chunks + chunk) * s.inner + col;
      if (s.inner == 1)
        *y = reduce_line<Op>(x, n);
      else
        reduce_columns<Op>(x, n, s.inner, cols, y);
    }
  });
  if (p.chunks > 1) {
    for (int64_t i = 0; i < s.outer; ++i) {
      const float* x = partial + i * p.chunks * s.inner;
      if (s.inner == 1)
        s.y[i] = reduce_line<Last>(x, p.chunks);
      else
        reduce_columns<Last>(x, p.chunks, s.inner, s.inner, s.y + i * s.inner);
    }
  }
  if (divisor != 1.0f) {
    const F d = set1(divisor);
    map(s.y, s.y, s.outer * s.inner, [&](F v) { return v / d; });
  }
}

inline void reduce_run(const ReduceArgs& s, ThreadPool& pool) noexcept {
  if (s.outer <= 0 || s.inner <= 0) return;
  switch (s.op) {
    case Reduce::sum: return reduce_with<AddTerm, AddTerm>(s, pool, 1.0f);
    case Reduce::mean: return reduce_with<AddTerm, AddTerm>(s, pool, static_cast<float>(s.n));
    case Reduce::max: return reduce_with<TakeMax, TakeMax>(s, pool, 1.0f);
    case Reduce::min: return reduce_with<TakeMin, TakeMin>(s, pool, 1.0f);
    case Reduce::sum_square: return reduce_with<AddSquare, AddTerm>(s, pool, 1.0f);
  }
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
