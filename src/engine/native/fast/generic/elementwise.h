// Element-wise functions, binary operations with broadcasting, transposition. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/elementwise.h>
#include <engine/native/fast/generic/im2col.h>
#include <engine/native/fast/generic/math_more.h>

#include <core/thread_pool.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

constexpr int64_t element_task = 16384;  // elements that are worth a task

template <class Function>
CHORUS_FAST_INLINE void map(const float* x, float* y, int64_t n, Function f) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(y + i, f(load(x + i)));
  if (i < n) store(y + i, tail(n - i), f(load(x + i, tail(n - i))));
}

inline void unary_piece(const UnaryArgs& u, const float* x, float* y, int64_t n) noexcept {
  const F alpha = set1(u.alpha), beta = set1(u.beta);
  switch (u.op) {
    case Unary::exp: return map(x, y, n, [](F v) { return exp(v); });
    case Unary::log: return map(x, y, n, [](F v) { return log(v); });
    case Unary::tanh: return map(x, y, n, [](F v) { return tanh(v); });
    case Unary::sigmoid: return map(x, y, n, [](F v) { return sigmoid(v); });
    case Unary::erf: return map(x, y, n, [](F v) { return erf(v); });
    case Unary::gelu_erf: return map(x, y, n, [](F v) { return gelu(v); });
    case Unary::gelu_tanh: return map(x, y, n, [](F v) { return gelu_tanh(v); });
    case Unary::silu: return map(x, y, n, [](F v) { return silu(v); });
    case Unary::hard_swish: return map(x, y, n, [](F v) { return hard_swish(v); });
    case Unary::sqrt: return map(x, y, n, [](F v) { return sqrt(v); });
    case Unary::reciprocal: return map(x, y, n, [](F v) { return set1(1.0f) / v; });
    case Unary::softplus: return map(x, y, n, [](F v) { return softplus(v); });
    case Unary::sin: return map(x, y, n, [](F v) { return sin(v); });
    case Unary::cos: return map(x, y, n, [](F v) { return cos(v); });
    case Unary::hard_sigmoid: return map(x, y, n, [&](F v) { return hard_sigmoid(v, alpha, beta); });
    case Unary::relu: return map(x, y, n, [](F v) { return max(zero(), v); });
    case Unary::leaky_relu: return map(x, y, n, [&](F v) { return select(lt(v, zero()), v * alpha, v); });
    case Unary::clip: return map(x, y, n, [&](F v) { return min(beta, max(alpha, v)); });
  }
}

inline void unary_run(const UnaryArgs& u, ThreadPool& pool) noexcept {
  pool.parallel_for((u.n + element_task - 1) / element_task, [&](int64_t task, int) {
    const int64_t at = task * element_task;
    unary_piece(u, u.x + at, u.y + at, u.n - at < element_task ? u.n - at : element_task);
  });
}

CHORUS_FAST_INLINE F max_or_nan(F a, F b) { return select(is_nan(a), a, max(a, b)); }
CHORUS_FAST_INLINE F min_or_nan(F a, F b) { return select(is_nan(a), a, min(a, b)); }

struct Line {
  const float* p;
  int64_t stride;
};
template <class Function>
CHORUS_FAST_INLINE void map2(const Line& a, const Line& b, float* out, int64_t n, Function f) {
  if ((a.stride | b.stride) & ~int64_t{1}) {  // an operand with gaps: one by one
    for (int64_t i = 0; i < n; ++i) {
      float v[W];
      store(v, f(set1(a.p[i * a.stride]), set1(b.p[i * b.stride])));
      out[i] = v[0];
    }
    return;
  }
  const F first_a = n > 0 ? set1(*a.p) : zero(), first_b = n > 0 ? set1(*b.p) : zero();
  int64_t i = 0;
  for (; i + W <= n; i += W) {
    store(out + i, f(a.stride == 1 ? load(a.p + i) : first_a, b.stride == 1 ? load(b.p + i) : first_b));
  }
  if (i < n) {
    const Tail end = tail(n - i);
    store(out + i, end, f(a.stride == 1 ? load(a.p + i, end) : first_a, b.stride == 1 ? load(b.p + i, end) : first_b));
  }
}

inline void binary_piece(Binary op, const Line& a, const Line& b, float* out, int64_t n) noexcept {
  switch (op) {
    case Binary::add: return map2(a, b, out, n, [](F x, F y) { return x + y; });
    case Binary::sub: return map2(a, b, out, n, [](F x, F y) { return x - y; });
    case Binary::mul: return map2(a, b, out, n, [](F x, F y) { return x * y; });
    case Binary::div: return map2(a, b, out, n, [](F x, F y) { return x / y; });
    case Binary::max: return map2(a, b, out, n, [](F x, F y) { return max_or_nan(x, y); });
    case Binary::min: return map2(a, b, out, n, [](F x, F y) { return min_or_nan(x, y); });
    case Binary::pow: return map2(a, b, out, n, [](F x, F y) { return pow(x, y); });
  }
}

inline void binary_run(const BinaryArgs& s, ThreadPool& pool) noexcept {
  if (s.outer <= 0 || s.middle <= 0 || s.inner <= 0) return;
  // A task is some lines of [outer * middle], or a piece of one line where lines are long.
  const int64_t pieces = (s.inner + element_task - 1) / element_task;
  const int64_t lines = s.inner >= element_task ? 1 : element_task / s.inner;
  const int64_t all = s.outer * s.middle, groups = (all + lines - 1) / lines;
  pool.parallel_for(groups * pieces, [&](int64_t task, int) {
    const int64_t at = task % pieces * element_task;
    const int64_t n = s.inner - at < element_task ? s.inner - at : element_task;
    const int64_t first = task / pieces * lines, last = first + lines < all ? first + lines : all;
    for (int64_t line = first; line < last; ++line) {
      const int64_t o = line / s.middle, m = line % s.middle;
      const Line a{s.a + o * s.a_stride[0] + m * s.a_stride[1] + at * s.a_stride[2], s.a_stride[2]};
      const Line b{s.b + o * s.b_stride[0] + m * s.b_stride[1] + at * s.b_stride[2], s.b_stride[2]};
      binary_piece(s.op, a, b, s.out + line * s.inner + at, n);
    }
  });
}

inline void transpose_run(const TransposeArgs& s, ThreadPool& pool) noexcept {
  if (s.batch <= 0 || s.rows <= 0 || s.columns <= 0 || s.inner <= 0) return;
  const int64_t side = s.inner == 1 ? 32 : s.inner >= 64 ? 4 : 16;  // of a tile
  const int64_t row_tiles = (s.rows + side - 1) / side, column_tiles = (s.columns + side - 1) / side;
  const int64_t size = s.rows * s.columns * s.inner;
  const int64_t strip = side * s.rows * s.inner;  // a task: some strips of columns
  const int64_t strips = strip >= element_task ? 1 : element_task / strip;
  const int64_t all = s.batch * column_tiles;
  pool.parallel_for((all + strips - 1) / strips, [&](int64_t task, int) {
    for (int64_t t = task * strips; t < (task + 1) * strips && t < all; ++t) {
      const int64_t column = t % column_tiles * side;
      const int64_t columns = s.columns - column < side ? s.columns - column : side;
      const float* x = s.x + t / column_tiles * size;
      float* out = s.out + t / column_tiles * size;
      for (int64_t i = 0; i < row_tiles; ++i) {
        const int64_t row = i * side, rows = s.rows - row < side ? s.rows - row : side;
        if (s.inner == 1) {
          turn_tile(x + row * s.columns + column, s.columns, out + column * s.rows + row, s.rows, rows, columns);
          continue;
        }
        for (int64_t c = column; c < column + columns; ++c) {
          for (int64_t r = row; r < row + rows; ++r) {
            copy_floats(x + (r * s.columns + c) * s.inner, out + (c * s.rows + r) * s.inner, s.inner);
          }
        }
      }
    }
  });
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
