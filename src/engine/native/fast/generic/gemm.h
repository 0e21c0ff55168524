// Matrix multiplication over the register tile: packing, blocking, split into tasks. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/gemm.h>
#include <engine/native/fast/generic/pack.h>
#include <engine/native/fast/generic/tile.h>

#include <core/thread_pool.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

CHORUS_FAST_INLINE int64_t up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }
CHORUS_FAST_INLINE int64_t parts(int64_t n, int64_t step) { return (n + step - 1) / step; }
CHORUS_FAST_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
CHORUS_FAST_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

constexpr int64_t max_k = 384;  // a range of K: the block of B (max_k x max_columns) stays in the second cache
constexpr int64_t max_columns = 240;  // a multiple of every NR; 15 cache lines, so that rows spread over the sets
constexpr int64_t chunk_floats = 2 << 20;  // of A packed at a time, shared by all workers
constexpr int64_t item_floats = 1 << 18;  // of A packed at a time by one worker, for batches
constexpr int64_t dot_limit = 4;  // rows or columns up to which plain dot products are taken

constexpr int64_t wanted_blocks = 16;  // of columns, so that many cores find work without gathering B twice
constexpr int64_t least_columns = 96;

/// Columns of a block: a multiple of NR, few enough for `wanted` blocks if they are not too narrow.
CHORUS_FAST_INLINE int64_t block_columns(int64_t n, int64_t wanted) {
  int64_t columns = up((n + wanted - 1) / wanted, NR);
  if (columns < least_columns) columns = least_columns;
  const int64_t blocks = (n + max_columns - 1) / max_columns;
  const int64_t even = up((n + blocks - 1) / (blocks > 0 ? blocks : 1), NR);
  return columns < even ? columns : even;
}

/// How a product is cut, from sizes only.
struct GemmPlan {
  int64_t k_block, columns, column_blocks, row_chunk, row_parts, rows_per_part;
  bool by_item;  // a task is one matrix of the batch (and one block of columns)
  bool direct_b;  // B is read where it lies
  bool dot;  // both operands run along K in memory and one side is thin
  bool skinny;
  size_t shared, worker;  // floats of scratch
};

inline GemmPlan gemm_plan(const GemmShape& s) noexcept {
  GemmPlan p{};
  const int64_t k = most(s.k, 1);
  p.k_block = up(parts(k, parts(k, max_k)), 8);
  p.columns = block_columns(most(s.n, 1), s.batch >= 4 ? 1 : wanted_blocks);
  p.column_blocks = most(parts(s.n, p.columns), 1);
  const bool packed_a = s.packed == Packed::a, packed_b = s.packed == Packed::b;
  p.dot = s.packed == Packed::none && s.a_form == Form::normal &&
          (s.n <= dot_limit || (s.b_form == Form::transposed && s.m <= dot_limit));
  p.skinny = !p.dot && !packed_b && s.n <= skinny_columns;
  p.direct_b = !packed_b && s.b_form == Form::normal && s.m <= 2 * MR;
  p.by_item = s.batch >= 4;
  const int64_t limit = p.by_item ? item_floats : chunk_floats;
  p.row_chunk = least(up(s.m, MR), most(limit / k / MR * MR, MR));
  // Enough tasks for many cores where the work is big enough, without packing B again too often.
  const int64_t work = s.m * s.n * s.k / 500000;
  const int64_t wanted = least(most(work, 1), 64);
  const int64_t panels = most(parts(p.row_chunk, MR), 1);
  const bool free_split = packed_b || p.direct_b || p.skinny;
  const int64_t split = p.by_item ? 1 : most(least(parts(wanted, p.column_blocks), panels / (free_split ? 1 : 16)), 1);
  p.rows_per_part = parts(panels, split) * MR;
  p.row_parts = parts(panels * MR, p.rows_per_part);
  const size_t pack_a = packed_a ? 0 : static_cast<size_t>(p.row_chunk * k);
  const size_t pack_b = packed_b || p.direct_b || p.skinny ? 0 : static_cast<size_t>(p.k_block * p.columns);
  p.shared = p.by_item || p.dot ? 0 : pack_a;
  p.worker = (p.by_item ? pack_a : 0) + pack_b;
  if (p.dot) p.worker = s.b_form == Form::normal ? static_cast<size_t>(up(k * dot_limit, 16)) : 0;
  p.shared = static_cast<size_t>(up(static_cast<int64_t>(p.shared), 16));
  p.worker = static_cast<size_t>(up(static_cast<int64_t>(p.worker), 16));
  return p;
}

inline size_t gemm_packed_a_bytes(int64_t m, int64_t k) noexcept {
  return static_cast<size_t>(up(up(m, MR) * k, 16)) * sizeof(float);
}
inline size_t gemm_packed_b_bytes(int64_t k, int64_t n) noexcept {
  return static_cast<size_t>(up(up(n, NR) * k, 16)) * sizeof(float);
}
inline void gemm_pack_a(int64_t m, int64_t k, const float* a, int64_t lda, Form form, float* packed) noexcept {
  if (form == Form::normal)
    pack_lines<MR>(m, k, a, lda, packed);
  else
    pack_across<MR>(m, k, a, lda, packed);
}
inline void gemm_pack_b(int64_t k, int64_t n, const float* b, int64_t ldb, Form form, float* packed) noexcept {
  if (form == Form::normal)
    pack_across<NR>(n, k, b, ldb, packed);
  else
    pack_lines<NR>(n, k, b, ldb, packed);
}
inline size_t gemm_scratch_bytes(const GemmShape& shape, int threads) noexcept {
  const GemmPlan p = gemm_plan(shape);
  return (p.shared + p.worker * static_cast<size_t>(threads)) * sizeof(float);
}

/// One matrix of the batch.
struct GemmItem {
  const float* a;
  const float* b;
  float* c;
  const float* residual;
};

CHORUS_FAST_INLINE void pack_rows_of_a(const GemmArgs& g, const GemmItem& item, int64_t row, int64_t rows, float* out) {
  const bool normal = g.shape.a_form == Form::normal;
  gemm_pack_a(rows, g.shape.k, normal ? item.a + row * g.lda : item.a + row, g.lda, g.shape.a_form, out);
}

/// Rows [row, row + rows) x one block of columns; `a` holds the packed panels from `row` on.
inline void gemm_task(const GemmArgs& g, const GemmPlan& p, const GemmItem& item, const float* a, int64_t row,
                      int64_t rows, int64_t block, float* scratch) noexcept {
  const GemmShape& s = g.shape;
  const int64_t col = block * p.columns;
  Block t{};
  t.a_step = s.k * MR;
  t.ldc = g.ldc, t.rows = rows, t.cols = least(p.columns, s.n - col), t.row = row, t.col = col;
  t.c = item.c + row * g.ldc + col;
  t.residual = item.residual != nullptr ? item.residual + row * g.ldc + col : nullptr;
  t.alpha = g.alpha;
  if (p.skinny) {
    const bool normal = s.b_form == Form::normal;
    t.a = a, t.b = item.b, t.ldb = normal ? g.ldb : 1, t.k = s.k, t.c_scale = g.beta, t.epilogue = &g.epilogue;
    return run_skinny(t, normal ? 1 : g.ldb);
  }
  for (int64_t k = 0; k == 0 || k < s.k; k += p.k_block) {
    t.k = least(p.k_block, s.k - k);
    t.a = a + k * MR;
    if (s.packed == Packed::b) {
      t.b = item.b + col * s.k + k * NR, t.ldb = NR, t.b_step = s.k * NR, t.b_padded = true;
    } else if (p.direct_b) {
      t.b = item.b + k * g.ldb + col, t.ldb = g.ldb, t.b_step = NR, t.b_padded = false;
    } else {
      const bool normal = s.b_form == Form::normal;
      gemm_pack_b(t.k, t.cols, normal ? item.b + k * g.ldb + col : item.b + col * g.ldb + k, g.ldb, s.b_form, scratch);
      t.b = scratch, t.ldb = NR, t.b_step = t.k * NR, t.b_padded = true;
    }
    t.c_scale = k == 0 ? g.beta : 1.0f;
    t.epilogue = k + t.k >= s.k ? &g.epilogue : nullptr;
    run_block(t);
  }
}

/// Dot products of rows of A with rows of transposed B.
inline void gemm_dot(const GemmArgs& g, const GemmItem& item, int64_t row, int64_t rows, int64_t col, int64_t cols,
                     float* scratch) noexcept {
  const GemmShape& s = g.shape;
  const float* b = item.b;
  int64_t ldb = g.ldb;
  if (s.b_form == Form::normal) {  // few columns: turned into rows first
    for (int64_t k = 0; k < s.k; ++k)
      for (int64_t j = 0; j < s.n; ++j) scratch[j * s.k + k] = b[k * g.ldb + j];
    b = scratch, ldb = s.k;
  }
  for (int64_t i = row; i < row + rows; ++i) {
    const float* x = item.a + i * g.lda;
    float* c = item.c + i * g.ldc;
    for (int64_t j = col; j < col + cols; ++j) {
      const float v = dot(x, b + j * ldb, s.k) * g.alpha;
      c[j] = g.beta != 0.0f ? v + g.beta * c[j] : v;
    }
  }
  if (is_nothing(g.epilogue)) return;
  const float* r = item.residual != nullptr ? item.residual + row * g.ldc + col : nullptr;
  Epilogue e = g.epilogue;
  if (s.n == 1 && g.ldc == 1) {
    e.axis = e.axis == ChannelAxis::row ? ChannelAxis::column : ChannelAxis::row;
    finish(e, {item.c + row, 0, 1, rows, col, row, r, 0});
  } else {
    finish(e, {item.c + row * g.ldc + col, g.ldc, rows, cols, row, col, r, g.ldc});
  }
}

CHORUS_FAST_INLINE GemmItem gemm_item(const GemmArgs& g, int64_t i) {
  const float* r = g.epilogue.residual;
  return {g.a + i * g.stride_a, g.b + i * g.stride_b, g.c + i * g.stride_c,
          r != nullptr ? r + i * g.stride_c : nullptr};
}

inline void gemm_run(const GemmArgs& g, ThreadPool& pool) noexcept {
  const GemmShape& s = g.shape;
  if (s.m <= 0 || s.n <= 0 || s.batch <= 0) return;
  const GemmPlan p = gemm_plan(s);
  float* shared = static_cast<float*>(g.scratch);
  float* workers = shared + p.shared;
  if (p.dot) {
    const int64_t step = most(32768 / most(s.k, 1), 1);  // rows (columns) of a task along the long side
    const bool tall = s.n <= dot_limit;
    const int64_t pieces = parts(tall ? s.m : s.n, step);
    pool.parallel_for(s.batch * pieces, [&](int64_t task, int worker) {
      const int64_t at = task % pieces * step, size = least(step, (tall ? s.m : s.n) - at);
      gemm_dot(g, gemm_item(g, task / pieces), tall ? at : 0, tall ? size : s.m, tall ? 0 : at, tall ? s.n : size,
               workers + static_cast<size_t>(worker) * p.worker);
    });
    return;
  }
  if (p.by_item) {
    pool.parallel_for(s.batch * p.column_blocks, [&](int64_t task, int worker) {
      const GemmItem item = gemm_item(g, task / p.column_blocks);
      float* mine = workers + static_cast<size_t>(worker) * p.worker;
      float* pack_b = s.packed == Packed::a ? mine : mine + p.row_chunk * most(s.k, 1);
      for (int64_t row = 0; row < s.m; row += p.row_chunk) {
        const int64_t rows = least(p.row_chunk, s.m - row);
        const float* a = item.a + row * s.k;
        if (s.packed != Packed::a) pack_rows_of_a(g, item, row, rows, mine), a = mine;
        gemm_task(g, p, item, a, row, rows, task % p.column_blocks, pack_b);
      }
    });
    return;
  }
  for (int64_t i = 0; i < s.batch; ++i) {
    const GemmItem item = gemm_item(g, i);
    for (int64_t row = 0; row < s.m; row += p.row_chunk) {
      const int64_t rows = least(p.row_chunk, s.m - row);
      const float* a = item.a + row * s.k;
      if (s.packed != Packed::a) {
        const int64_t step = up(most(65536 / most(s.k, 1), MR), MR);
        pool.parallel_for(parts(rows, step), [&](int64_t task, int) {
          pack_rows_of_a(g, item, row + task * step, least(step, rows - task * step), shared + task * step * s.k);
        });
        a = shared;
      }
      pool.parallel_for(p.column_blocks * p.row_parts, [&](int64_t task, int worker) {
        const int64_t first = task % p.row_parts * p.rows_per_part;
        if (first >= rows) return;
        gemm_task(g, p, item, a + first * s.k, row + first, least(p.rows_per_part, rows - first), task / p.row_parts,
                  workers + static_cast<size_t>(worker) * p.worker);
      });
    }
  }
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
