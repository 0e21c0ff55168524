// Pooling and resizing of planes. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/generic/reduce.h>
#include <engine/native/fast/image.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

/// Floats of a row as wide as all windows need, with room for whole vectors behind it.
inline int64_t pool_row(const PoolArgs& s) noexcept {
  return ((s.out_width - 1) * s.stride_w + (s.kernel_w - 1) * s.dilation_w + 1 + 2 * W + 15) / 16 * 16;
}
inline size_t pool_scratch_bytes(const PoolArgs& s, int threads) noexcept {
  if (s.out_width <= 0) return 0;
  return static_cast<size_t>(pool_row(s)) * static_cast<size_t>(threads) * sizeof(float);
}

/// Taps of a window that starts at `at` (may be negative) with positions in [low, high).
CHORUS_FAST_INLINE int64_t taps_in(int64_t at, int64_t kernel, int64_t dilation, int64_t low, int64_t high) {
  int64_t n = 0;
  for (int64_t i = 0; i < kernel; ++i) n += at + i * dilation >= low && at + i * dilation < high;
  return n;
}

template <class Op>
void pool_line(const PoolArgs& s, const float* plane, int64_t y, float* row, float* out) noexcept {
  const int64_t room = pool_row(s);
  float other[W];
  store(other, Op::start());
  // Down: one row that holds the windows' columns, at pad_left; the padding is neutral.
  for (int64_t i = 0; i < room; i += W) store(row + i, Op::start());
  float* inside = row + s.pad_left;
  const int64_t width = s.width < room - s.pad_left ? s.width : room - s.pad_left;
  const int64_t top = y * s.stride_h - s.pad_top;
  for (int64_t i = 0; i < s.kernel_h; ++i) {
    const int64_t in_y = top + i * s.dilation_h;
    if (in_y < 0 || in_y >= s.height) continue;
    const float* x = plane + in_y * s.width;
    for (int64_t j = 0; j < width; j += W) {
      const Tail end = tail(width - j);
      store(inside + j, end, Op::join(load(inside + j, end), load(x + j, end)));
    }
  }
  // Across.
  for (int64_t j = 0; j < s.out_width; j += W) {
    F v = Op::start();
    for (int64_t i = 0; i < s.kernel_w; ++i) {
      const float* x = row + j * s.stride_w + i * s.dilation_w;
      F u;
      if (s.stride_w == 1) {
        u = load(x);
      } else if (s.stride_w == 2) {
        u = load_even(x);
      } else {
        float lanes[W] = {};
        for (int64_t a = 0; a < W && a < s.out_width - j; ++a) lanes[a] = x[a * s.stride_w];
        u = load(lanes);
      }
      v = Op::join(v, u);
    }
    store(out + j, tail(s.out_width - j), v);
  }
}

CHORUS_FAST_INLINE void pool_divide(const PoolArgs& s, int64_t y, float* out) {
  const bool padded = s.kind == Pool::average_padded;
  const int64_t low_h = padded ? -s.pad_top : 0, high_h = s.height + (padded ? s.pad_bottom : 0);
  const int64_t low_w = padded ? -s.pad_left : 0, high_w = s.width + (padded ? s.pad_right : 0);
  const int64_t down = taps_in(y * s.stride_h - s.pad_top, s.kernel_h, s.dilation_h, low_h, high_h);
  const int64_t reach = (s.kernel_w - 1) * s.dilation_w;
  for (int64_t j = 0; j < s.out_width; ++j) {
    const int64_t at = j * s.stride_w - s.pad_left;
    const bool whole = at >= low_w && at + reach < high_w;
    const int64_t n = down * (whole ? s.kernel_w : taps_in(at, s.kernel_w, s.dilation_w, low_w, high_w));
    out[j] = n == 0 ? 0.0f : out[j] / static_cast<float>(n);
  }
}

inline void pool_run(const PoolArgs& s, ThreadPool& pool) noexcept {
  if (s.planes <= 0 || s.out_height <= 0 || s.out_width <= 0) return;
  const int64_t lines = s.planes * s.out_height, work = s.out_width * (s.kernel_h * s.stride_w + s.kernel_w);
  const int64_t step = work >= element_task ? 1 : element_task / work;
  pool.parallel_for((lines + step - 1) / step, [&](int64_t task, int worker) {
    float* row = static_cast<float*>(s.scratch) + worker * pool_row(s);
    for (int64_t t = task * step; t < (task + 1) * step && t < lines; ++t) {
      const float* plane = s.x + t / s.out_height * s.height * s.width;
      float* out = s.y + t * s.out_width;
      if (s.kind == Pool::max) {
        pool_line<TakeMax>(s, plane, t % s.out_height, row, out);
      } else {
        pool_line<AddTerm>(s, plane, t % s.out_height, row, out);
        pool_divide(s, t % s.out_height, out);
      }
    }
  });
}

inline size_t resize_scratch_bytes(const ResizeArgs& s, int threads) noexcept {
  if (s.kind == Resize::nearest || s.width <= 0) return 0;
  return static_cast<size_t>((s.width + 15) / 16 * 16) * static_cast<size_t>(threads) * sizeof(float);
}

CHORUS_FAST_INLINE void resize_line(const ResizeArgs& s, const float* plane, int64_t y, float* row, float* out) {
  const float* x = plane + s.rows.low[y] * s.width;
  if (s.kind == Resize::linear) {
    const float* z = plane + s.rows.high[y] * s.width;
    const F w1 = set1(s.rows.weight[y]), w0 = set1(1.0f - s.rows.weight[y]);
    for (int64_t j = 0; j < s.width; j += W) {
      const Tail end = tail(s.width - j);
      store(row + j, end, fma(load(x + j, end), w0, load(z + j, end) * w1));
    }
    x = row;
  }
  for (int64_t j = 0; j < s.out_width; j += W) {
    const Tail end = tail(s.out_width - j);
    F v = gather(x, s.columns.low + j, end);
    if (s.kind == Resize::linear) {
      const F w = load(s.columns.weight + j, end);
      v = fma(v, set1(1.0f) - w, gather(x, s.columns.high + j, end) * w);
    }
    store(out + j, end, v);
  }
}

inline void resize_run(const ResizeArgs& s, ThreadPool& pool) noexcept {
  if (s.planes <= 0 || s.out_height <= 0 || s.out_width <= 0) return;
  const int64_t lines = s.planes * s.out_height, work = s.out_width * 2 + s.width;
  const int64_t step = work >= element_task ? 1 : element_task / work;
  pool.parallel_for((lines + step - 1) / step, [&](int64_t task, int worker) {
    float* row =
        s.kind == Resize::linear ? static_cast<float*>(s.scratch) + worker * ((s.width + 15) / 16 * 16) : nullptr;
    for (int64_t t = task * step; t < (task + 1) * step && t < lines; ++t) {
      resize_line(s, s.x + t / s.out_height * s.height * s.width, t % s.out_height, row, s.y + t * s.out_width);
    }
  });
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
