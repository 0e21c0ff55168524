// Softmax and normalisation along the middle axis. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/generic/elementwise.h>
#include <engine/native/fast/rows.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

CHORUS_FAST_INLINE F load_or(const float* p, int64_t left, float other) {
  if (left >= W) return load(p);
  float lanes[W];
  for (int i = 0; i < W; ++i) lanes[i] = i < left ? p[i] : other;
  return load(lanes);
}

CHORUS_FAST_INLINE float row_max(const float* x, int64_t n) {
  const float low = -__builtin_inff();
  F a = set1(low), b = a;
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) a = max(a, load(x + i)), b = max(b, load(x + i + W));
  for (; i < n; i += W) a = max(a, load_or(x + i, n - i, low));
  return maximum(max(a, b));
}

/// Sum of f(x[i]); f's value is also stored to y where y is not null.
template <class Function>
CHORUS_FAST_INLINE float row_sum(const float* x, float* y, int64_t n, Function f) {
  F a = zero(), b = zero();
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    const F u = f(load(x + i)), v = f(load(x + i + W));
    if (y != nullptr) store(y + i, u), store(y + i + W, v);
    a = a + u, b = b + v;
  }
  for (; i < n; i += W) {
    const Tail end = tail(n - i);
    const F u = f(load(x + i, end));
    if (y != nullptr) store(y + i, end, u);
    if (n - i >= W) {
      a = a + u;
    } else {  // dead lanes do not count
      float lanes[W] = {};
      store(lanes, end, u);
      b = b + load(lanes);
    }
  }
  return sum(a + b);
}

inline void softmax_row(Softmax kind, const float* x, float* y, int64_t n) noexcept {
  const F top = set1(row_max(x, n));
  if (kind == Softmax::normal) {
    const float total = row_sum(x, y, n, [&](F v) { return exp(v - top); });
    const F scale = set1(1.0f / total);
    map(y, y, n, [&](F v) { return v * scale; });
  } else {
    const float total = row_sum(x, nullptr, n, [&](F v) { return exp(v - top); });
    const F shift = log(set1(total));
    map(x, y, n, [&](F v) { return (v - top) - shift; });
  }
}

/// Columns side by side: `cols` of them, up to W, rows `inner` floats apart.
inline void softmax_columns(Softmax kind, const float* x, float* y, int64_t n, int64_t inner, int64_t cols) noexcept {
  const Tail end = tail(cols);
  F top = set1(-__builtin_inff()), total = zero();
  for (int64_t i = 0; i < n; ++i) top = max(top, load(x + i * inner, end));
  for (int64_t i = 0; i < n; ++i) {
    const F e = exp(load(x + i * inner, end) - top);
    if (kind == Softmax::normal) store(y + i * inner, end, e);
    total = total + e;
  }
  if (kind == Softmax::normal) {
    const F scale = set1(1.0f) / total;
    for (int64_t i = 0; i < n; ++i) store(y + i * inner, end, load(y + i * inner, end) * scale);
  } else {
    const F shift = log(total);
    for (int64_t i = 0; i < n; ++i) store(y + i * inner, end, (load(x + i * inner, end) - top) - shift);
  }
}

inline void softmax_run(const SoftmaxArgs& s, ThreadPool& pool) noexcept {
  if (s.outer <= 0 || s.n <= 0 || s.inner <= 0) return;
  const int64_t groups = (s.inner + W - 1) / W, all = s.outer * groups;  // of columns
  const int64_t work = s.n * (s.inner == 1 ? 1 : W);
  const int64_t step = work >= element_task ? 1 : element_task / work;
  pool.parallel_for((all + step - 1) / step, [&](int64_t task, int) {
    for (int64_t t = task * step; t < (task + 1) * step && t < all; ++t) {
      const int64_t col = t % groups * W, at = t / groups * s.n * s.inner + col;
      if (s.inner == 1)
        softmax_row(s.kind, s.x + at, s.y + at, s.n);
      else
        softmax_columns(s.kind, s.x + at, s.y + at, s.n, s.inner, s.inner - col < W ? s.inner - col : W);
    }
  });
}

inline void norm_row(const NormArgs& s, int64_t row) noexcept {
  const float* x = s.x + row * s.n;
  float* y = s.y + row * s.n;
  const float count = static_cast<float>(s.n);
  const bool layer = s.kind == Norm::layer;
  const float mean = layer ? row_sum(x, nullptr, s.n, [](F v) { return v; }) / count : 0.0f;
  const F m = set1(mean);
  const float variance = row_sum(x, nullptr, s.n, [&](F v) { return (v - m) * (v - m); }) / count;
  const float inverse = 1.0f / std::sqrt(variance + s.epsilon);
  if (s.mean != nullptr) s.mean[row] = mean;
  if (s.inverse != nullptr) s.inverse[row] = inverse;
  const F scale = set1(inverse);
  for (int64_t i = 0; i < s.n; i += W) {
    const Tail end = tail(s.n - i);
    F v = (load(x + i, end) - m) * scale;
    if (s.scale != nullptr) v = v * load(s.scale + i, end);
    if (s.bias != nullptr) v = v + load(s.bias + i, end);
    store(y + i, end, v);
  }
}

inline void norm_run(const NormArgs& s, ThreadPool& pool) noexcept {
  if (s.rows <= 0 || s.n <= 0) return;
  const int64_t step = s.n >= element_task ? 1 : element_task / s.n;
  pool.parallel_for((s.rows + step - 1) / step, [&](int64_t task, int) {
    for (int64_t row = task * step; row < (task + 1) * step && row < s.rows; ++row) norm_row(s, row);
  });
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
