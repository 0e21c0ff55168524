// The register tile: R rows x N vectors of C from a packed A panel and rows of B. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/generic/finish.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

constexpr int NR = NV * W;
constexpr int row_classes = MR == 8 ? 4 : 3;  // tiles of 1, 2, 4 (8) rows; panels are padded, so a bigger one is right

struct Tile {
  const float* a;  // packed panel: element (row, k) at k * MR + row
  const float* b;  // element (k, column) at k * ldb + column
  float* c;
  int64_t k, ldb, ldc;
  int rows, cols;  // alive ones, 1 … R and (N-1)·W+1 … N·W
  float alpha, c_scale;  // c_scale 0: C is not read
  bool direct;  // the members below count
  float low, high;  // clip
  const float* bias_row;  // null or [rows]
  const float* bias_column;  // null or [cols]
  const float* residual;  // null or like c
};

template <int R, int N>
CHORUS_FAST_INLINE void tile_store(const Tile& t, F (&acc)[R][N]) {
  const Tail end = tail(t.cols - (N - 1) * W);
  const bool full = t.cols == N * W;
  const F alpha = set1(t.alpha), c_scale = set1(t.c_scale), low = set1(t.low), high = set1(t.high);
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
    if (i < t.rows) {
      float* c = t.c + i * t.ldc;
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) {
        const bool cut = j == N - 1 && !full;
        F v = acc[i][j];
        if (t.alpha != 1.0f) v = v * alpha;
        if (t.c_scale != 0.0f) v = fma(cut ? load(c + j * W, end) : load(c + j * W), c_scale, v);
        if (t.direct) {
          if (t.bias_row != nullptr) v = v + set1(t.bias_row[i]);
          if (t.bias_column != nullptr) v = v + (cut ? load(t.bias_column + j * W, end) : load(t.bias_column + j * W));
          if (t.residual != nullptr) {
            const float* r = t.residual + i * t.ldc + j * W;
            v = v + (cut ? load(r, end) : load(r));
          }
          v = min(high, max(low, v));
        }
        if (cut)
          store(c + j * W, end, v);
        else
          store(c + j * W, v);
      }
    }
  }
}

/// Cut: the last vector of a row of B may not be read beyond `cols`.
template <int R, int N, bool Cut>
void tile_run(const Tile& t) noexcept {
  F acc[R][N];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) acc[i][j] = zero();
  }
  const float* a = t.a;
  const float* b = t.b;
  const int64_t ldb = t.ldb;
  const Tail end = tail(t.cols - (N - 1) * W);
  for (int64_t k = t.k; k > 0; --k) {
    F row[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) row[j] = Cut && j == N - 1 ? load(b + j * W, end) : load(b + j * W);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const F x = set1(a[i]);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) acc[i][j] = fma(x, row[j], acc[i][j]);
    }
    a += MR;
    b += ldb;
  }
  tile_store<R, N>(t, acc);
}

using TileFn = void (*)(const Tile&) noexcept;
template <int R>
constexpr TileFn tile_of(int vectors, bool cut) {
  return vectors == 1   ? (cut ? tile_run<R, 1, true> : tile_run<R, 1, false>)
         : vectors == 2 ? (cut ? tile_run<R, 2, true> : tile_run<R, 2, false>)
                        : (cut ? tile_run<R, 3, true> : tile_run<R, 3, false>);
}
CHORUS_FAST_INLINE TileFn tile_for(int rows, int cols, bool padded) {
  const int vectors = (cols + W - 1) / W;
  const bool cut = !padded && cols != vectors * W;
  if (rows <= 1) return tile_of<1>(vectors, cut);
  if (rows <= 2) return tile_of<2>(vectors, cut);
  if (rows <= 4 || MR == 4) return tile_of<4>(vectors, cut);
  return tile_of<MR>(vectors, cut);
}

/// A block of C: packed A panels times a block of B, one range of K.
struct Block {
  const float* a;  // first panel, at the first k
  int64_t a_step;  // floats to the next panel
  const float* b;  // at the first k
  int64_t ldb;  // floats to the next k
  int64_t b_step;  // floats to the next NR columns
  bool b_padded;  // rows of B can be read up to a multiple of W
  float* c;
  int64_t ldc;
  int64_t rows, cols, k;
  float alpha, c_scale;
  const Epilogue* epilogue;  // null: not the last range of K, or the caller finishes
  int64_t row, col;  // of the block inside the channels of the epilogue
  const float* residual;  // at the block's corner
};

/// Few columns: vectors run down the rows of G packed panels. B element (k, j) at k * bk + j * bj. Writes raw sums to
/// out[j * out_step + row]. Few accumulators are doubled, so that they do not wait for each other.
template <int N, int G>
void skinny_group(const float* a, int64_t a_step, const float* b, int64_t bk, int64_t bj, int64_t k, float* out,
                  int64_t out_step) noexcept {
  constexpr int sets = G * N >= 8 ? 1 : G * N >= 4 ? 2 : 4;
  P acc[sets][G][N];
#pragma GCC unroll 4
  for (int u = 0; u < sets; ++u) {
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) {
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) acc[u][g][j] = set1_panel(0.0f);
    }
  }
  const auto step = [&](int u, int64_t i) __attribute__((always_inline)) {
    P x[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) x[j] = set1_panel(b[i * bk + j * bj]);
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) {
      const P w = load_panel(a + g * a_step + i * MR);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) acc[u][g][j] = fma_panel(w, x[j], acc[u][g][j]);
    }
  };
  int64_t i = 0;
  for (; i + sets <= k; i += sets) {
#pragma GCC unroll 4
    for (int u = 0; u < sets; ++u) step(u, i + u);
  }
  for (; i < k; ++i) step(0, i);
#pragma GCC unroll 8
  for (int g = 0; g < G; ++g) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      P v = acc[0][g][j];
#pragma GCC unroll 4
      for (int u = 1; u < sets; ++u) v = v + acc[u][g][j];
      store_panel(out + j * out_step + g * MR, v);
    }
  }
}

constexpr int64_t skinny_columns = MR == 8 ? 4 : 2;

template <int N>
void skinny_rows(const Block& s, int64_t bj) noexcept {
  constexpr int G = N == 1 ? 8 : 4;
  float raw[N * G * MR];
  const int64_t panels = (s.rows + MR - 1) / MR;
  for (int64_t p = 0; p < panels;) {
    const float* a = s.a + p * s.a_step;
    const int64_t left = panels - p, step = left >= G ? G : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    if (step == G)
      skinny_group<N, G>(a, s.a_step, s.b, s.ldb, bj, s.k, raw, G * MR);
    else if (step == 4)
      skinny_group<N, 4>(a, s.a_step, s.b, s.ldb, bj, s.k, raw, G * MR);
    else if (step == 2)
      skinny_group<N, 2>(a, s.a_step, s.b, s.ldb, bj, s.k, raw, G * MR);
    else
      skinny_group<N, 1>(a, s.a_step, s.b, s.ldb, bj, s.k, raw, G * MR);
    const int64_t first = p * MR;
    const int64_t last = first + step * MR < s.rows ? first + step * MR : s.rows;
    for (int64_t i = first; i < last; ++i) {
      float* c = s.c + i * s.ldc;
      for (int j = 0; j < N; ++j) {
        const float v = raw[j * G * MR + (i - first)] * s.alpha;
        c[j] = s.c_scale != 0.0f ? v + s.c_scale * c[j] : v;
      }
    }
    p += step;
  }
  if (s.epilogue == nullptr) return;
  Epilogue e = *s.epilogue;
  if (N == 1 && s.ldc == 1) {  // a contiguous column is finished as a row: channels change their axis
    e.axis = e.axis == ChannelAxis::row ? ChannelAxis::column : ChannelAxis::row;
    finish(e, {s.c, 0, 1, s.rows, s.col, s.row, s.residual, 0});
  } else {
    finish(e, {s.c, s.ldc, s.rows, N, s.row, s.col, s.residual, s.ldc});
  }
}

/// The same contract as run_block for cols <= skinny_columns; B element (k, j) at k * ldb + j * bj.
inline void run_skinny(const Block& s, int64_t bj) noexcept {
  switch (s.cols) {
    case 1: skinny_rows<1>(s, bj); break;
    case 2: skinny_rows<2>(s, bj); break;
    case 3: skinny_rows<3>(s, bj); break;
    default: skinny_rows<4>(s, bj); break;
  }
}

/// Few columns beyond whole tiles would waste most of a vector: they go the other way.
CHORUS_FAST_INLINE int64_t whole_columns(const Block& s) {
  const int64_t left = s.cols % W;
  return left > 0 && left <= skinny_columns && s.cols > W && s.rows >= MR ? s.cols - left : s.cols;
}

inline void run_block(const Block& whole) noexcept {
  Block s = whole;
  s.cols = whole_columns(whole);
  if (s.cols < whole.cols) {
    Block last = whole;
    last.cols = whole.cols - s.cols, last.col += s.cols, last.c += s.cols;
    last.b += s.cols / NR * s.b_step + s.cols % NR;
    if (last.residual != nullptr) last.residual += s.cols;
    run_skinny(last, 1);
  }
  const Epilogue* e = s.epilogue;
  const bool direct = e != nullptr && is_direct(*e);
  Tile t{};
  t.k = s.k, t.ldb = s.ldb, t.ldc = s.ldc, t.alpha = s.alpha, t.c_scale = s.c_scale, t.direct = direct;
  if (direct) clip_bounds(*e, t.low, t.high);
  for (int64_t i = 0; i < s.rows; i += MR) {
    t.rows = static_cast<int>(s.rows - i < MR ? s.rows - i : MR);
    t.a = s.a + i / MR * s.a_step;
    for (int64_t j = 0; j < s.cols; j += NR) {
      t.cols = static_cast<int>(s.cols - j < NR ? s.cols - j : NR);
      t.b = s.b + j / NR * s.b_step;
      t.c = s.c + i * s.ldc + j;
      if (direct) {
        const bool by_row = e->axis == ChannelAxis::row;
        t.bias_row = e->bias != nullptr && by_row ? e->bias + s.row + i : nullptr;
        t.bias_column = e->bias != nullptr && !by_row ? e->bias + s.col + j : nullptr;
        t.residual = s.residual != nullptr ? s.residual + i * s.ldc + j : nullptr;
      }
      tile_for(t.rows, t.cols, s.b_padded)(t);
      if (e != nullptr && !direct) {
        finish(*e, {t.c, s.ldc, t.rows, t.cols, s.row + i, s.col + j,
                    s.residual != nullptr ? s.residual + i * s.ldc + j : nullptr, s.ldc});
      }
    }
  }
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
