// Kernels over tensors in channel blocks. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/blocked.h>
#include <engine/native/fast/generic/elementwise.h>
#include <engine/native/fast/generic/image.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

constexpr int block_vectors = static_cast<int>(channel_block) / W;  // vectors of a pixel
static_assert(channel_block % W == 0);

// Reorders ------------------------------------------------------------------------------------------------------------

constexpr int64_t reorder_pixels = 512;  // of a task

template <class Function>
inline void each_strip(const ReorderArgs& s, ThreadPool& pool, Function strip) noexcept {
  if (s.images <= 0 || s.channels <= 0 || s.pixels <= 0) return;
  const int64_t blocks = channel_blocks(s.channels), pieces = (s.pixels + reorder_pixels - 1) / reorder_pixels;
  const int64_t few = s.pixels >= reorder_pixels ? 1 : reorder_pixels / s.pixels;  // blocks of a task
  const int64_t all = s.images * blocks;
  pool.parallel_for((all + few - 1) / few * pieces, [&](int64_t task, int) {
    const int64_t at = task % pieces * reorder_pixels;
    const int64_t n = s.pixels - at < reorder_pixels ? s.pixels - at : reorder_pixels;
    for (int64_t i = task / pieces * few; i < (task / pieces + 1) * few && i < all; ++i) {
      const int64_t image = i / blocks, block = i % blocks, first = block * channel_block;
      const int64_t channels = s.channels - first < channel_block ? s.channels - first : channel_block;
      strip(image * s.plain_image + first * s.pixels + at,
            image * s.blocked_image + (block * s.pixels + at) * channel_block, channels, n);
    }
  });
}

inline void block_channels(const ReorderArgs& s, ThreadPool& pool) noexcept {
  each_strip(s, pool, [&](int64_t plain, int64_t blocked, int64_t channels, int64_t n) {
    float* y = s.y + blocked;
    if (channels < channel_block) zero_floats(y, n * channel_block);
    for (int64_t p = 0; p < n; p += 16) {
      turn_tile(s.x + plain + p, s.pixels, y + p * channel_block, channel_block, channels, n - p < 16 ? n - p : 16);
    }
  });
}

inline void unblock_channels(const ReorderArgs& s, ThreadPool& pool) noexcept {
  each_strip(s, pool, [&](int64_t plain, int64_t blocked, int64_t channels, int64_t n) {
    for (int64_t p = 0; p < n; p += 16) {
      turn_tile(s.x + blocked + p * channel_block, channel_block, s.y + plain + p, s.pixels, n - p < 16 ? n - p : 16,
                channels);
    }
  });
}

// Chains --------------------------------------------------------------------------------------------------------------

constexpr int64_t chain_piece = 2048;  // floats that stay in the first cache from step to step

template <class Function>
CHORUS_FAST_INLINE void map_channel(const float* x, const float* c, float* y, int64_t n, Function f) {
  F v[block_vectors];
  for (int j = 0; j < block_vectors; ++j) v[j] = load(c + j * W);
  for (int64_t i = 0; i < n; i += channel_block) {
    for (int j = 0; j < block_vectors; ++j) store(y + i + j * W, f(load(x + i + j * W), v[j]));
  }
}

template <class Function>
CHORUS_FAST_INLINE void map_sides(const ChainStep& s, const float* x, const float* c, float* y, int64_t n, Function f) {
  if (s.place == Place::right)
    map_channel(x, c, y, n, f);
  else
    map_channel(x, c, y, n, [&](F a, F b) { return f(b, a); });
}

inline void channel_piece(const ChainStep& s, const float* x, const float* c, float* y, int64_t n) noexcept {
  switch (s.binary) {
    case Binary::add: return map_channel(x, c, y, n, [](F a, F b) { return a + b; });
    case Binary::mul: return map_channel(x, c, y, n, [](F a, F b) { return a * b; });
    case Binary::sub: return map_sides(s, x, c, y, n, [](F a, F b) { return a - b; });
    case Binary::div: return map_sides(s, x, c, y, n, [](F a, F b) { return a / b; });
    case Binary::max: return map_sides(s, x, c, y, n, [](F a, F b) { return max_or_nan(a, b); });
    case Binary::min: return map_sides(s, x, c, y, n, [](F a, F b) { return min_or_nan(a, b); });
    case Binary::pow: return map_sides(s, x, c, y, n, [](F a, F b) { return pow(a, b); });
  }
}

inline void chain_step(const ChainArgs& a, const ChainStep& s, int64_t image, int64_t line, int64_t at, const float* x,
                       float* y, int64_t n) noexcept {
  if (s.kind == ChainStep::Kind::unary) {
    UnaryArgs unary;
    unary.op = s.unary;
    unary.alpha = s.alpha;
    unary.beta = s.beta;
    return unary_piece(unary, x, y, n);
  }
  const float* operand = s.operand + image * s.operand_image;
  if (s.meets == Meets::channel && a.width > 1) return channel_piece(s, x, operand + line * a.width, y, n);
  const Line own{x, 1};
  const Line other = s.meets == Meets::element   ? Line{operand + line * a.length + at, 1}
                     : s.meets == Meets::channel ? Line{operand + line, 0}
                                                 : Line{operand, 0};
  if (s.place == Place::right)
    binary_piece(s.binary, own, other, y, n);
  else
    binary_piece(s.binary, other, own, y, n);
}

inline void chain_run(const ChainArgs& a, ThreadPool& pool) noexcept {
  if (a.images <= 0 || a.lines <= 0 || a.length <= 0) return;
  // A task is some lines, or a piece of one line where lines are long.
  const int64_t pieces = (a.length + element_task - 1) / element_task;
  const int64_t few = a.length >= element_task ? 1 : element_task / a.length;
  const int64_t all = a.images * a.lines;
  pool.parallel_for((all + few - 1) / few * pieces, [&](int64_t task, int) {
    const int64_t from = task % pieces * element_task;
    const int64_t to = a.length - from < element_task ? a.length : from + element_task;
    for (int64_t i = task / pieces * few; i < (task / pieces + 1) * few && i < all; ++i) {
      const int64_t image = i / a.lines, line = i % a.lines;
      for (int64_t at = from; at < to; at += chain_piece) {
        const int64_t n = to - at < chain_piece ? to - at : chain_piece;
        const float* x = a.x + image * a.x_image + line * a.length + at;
        float* y = a.y + image * a.y_image + line * a.length + at;
        for (int s = 0; s < a.count; ++s) chain_step(a, a.steps[s], image, line, at, s == 0 ? x : y, y, n);
      }
    }
  });
}

// Windows -------------------------------------------------------------------------------------------------------------

template <class Op>
CHORUS_FAST_INLINE void blocked_window(const PoolArgs& s, const float* plane, int64_t y, int64_t x, float* out) {
  F v[block_vectors];
  for (int j = 0; j < block_vectors; ++j) v[j] = Op::start();
  const int64_t top = y * s.stride_h - s.pad_top, left = x * s.stride_w - s.pad_left;
  int64_t first = 0, last = s.kernel_w;
  while (first < last && left + first * s.dilation_w < 0) ++first;
  while (last > first && left + (last - 1) * s.dilation_w >= s.width) --last;
  for (int64_t i = 0; i < s.kernel_h; ++i) {
    const int64_t in_y = top + i * s.dilation_h;
    if (in_y < 0 || in_y >= s.height) continue;
    const float* row = plane + (in_y * s.width + left) * channel_block;
    for (int64_t k = first; k < last; ++k) {
      const float* at = row + k * s.dilation_w * channel_block;
      for (int j = 0; j < block_vectors; ++j) v[j] = Op::join(v[j], load(at + j * W));
    }
  }
  for (int j = 0; j < block_vectors; ++j) store(out + j * W, v[j]);
}

CHORUS_FAST_INLINE void blocked_divide(const PoolArgs& s, int64_t y, float* out) {
  const bool padded = s.kind == Pool::average_padded;
  const int64_t low_h = padded ? -s.pad_top : 0, high_h = s.height + (padded ? s.pad_bottom : 0);
  const int64_t low_w = padded ? -s.pad_left : 0, high_w = s.width + (padded ? s.pad_right : 0);
  const int64_t down = taps_in(y * s.stride_h - s.pad_top, s.kernel_h, s.dilation_h, low_h, high_h);
  const int64_t reach = (s.kernel_w - 1) * s.dilation_w;
  for (int64_t x = 0; x < s.out_width; ++x, out += channel_block) {
    const int64_t at = x * s.stride_w - s.pad_left;
    const bool whole = at >= low_w && at + reach < high_w;
    const int64_t n = down * (whole ? s.kernel_w : taps_in(at, s.kernel_w, s.dilation_w, low_w, high_w));
    const F count = set1(static_cast<float>(n > 0 ? n : 1));
    for (int j = 0; j < block_vectors; ++j) {
      store(out + j * W, n == 0 ? zero() : load(out + j * W) / count);
    }
  }
}

inline void blocked_pool_run(const BlockedPoolArgs& b, ThreadPool& pool) noexcept {
  const PoolArgs& s = b.pool;
  if (b.images <= 0 || s.planes <= 0 || s.out_height <= 0 || s.out_width <= 0) return;
  const int64_t lines = b.images * s.planes * s.out_height;
  const int64_t work = s.out_width * s.kernel_h * s.kernel_w * channel_block;
  const int64_t few = work >= element_task ? 1 : element_task / work;
  pool.parallel_for((lines + few - 1) / few, [&](int64_t task, int) {
    for (int64_t t = task * few; t < (task + 1) * few && t < lines; ++t) {
      const int64_t y = t % s.out_height, plane = t / s.out_height % s.planes, image = t / s.out_height / s.planes;
      const float* in = s.x + image * b.x_image + plane * s.height * s.width * channel_block;
      float* out = s.y + image * b.y_image + (plane * s.out_height + y) * s.out_width * channel_block;
      for (int64_t x = 0; x < s.out_width; ++x) {
        if (s.kind == Pool::max)
          blocked_window<TakeMax>(s, in, y, x, out + x * channel_block);
        else
          blocked_window<AddTerm>(s, in, y, x, out + x * channel_block);
      }
      if (s.kind != Pool::max) blocked_divide(s, y, out);
    }
  });
}

// Resizing ------------------------------------------------------------------------------------------------------------

CHORUS_FAST_INLINE void blocked_resize_line(const ResizeArgs& s, const float* plane, int64_t y, float* out) {
  const int64_t row = s.width * channel_block;
  const float* low = plane + s.rows.low[y] * row;
  if (s.kind == Resize::nearest) {
    for (int64_t x = 0; x < s.out_width; ++x) {
      copy_floats(low + s.columns.low[x] * channel_block, out + x * channel_block, channel_block);
    }
    return;
  }
  const float* high = plane + s.rows.high[y] * row;
  const F down = set1(s.rows.weight[y]), up = set1(1.0f - s.rows.weight[y]);
  for (int64_t x = 0; x < s.out_width; ++x) {
    const int64_t a = s.columns.low[x] * channel_block, b = s.columns.high[x] * channel_block;
    const F right = set1(s.columns.weight[x]), left = set1(1.0f - s.columns.weight[x]);
    for (int j = 0; j < channel_block; j += W) {
      const F first = load(low + a + j) * up + load(high + a + j) * down;
      const F second = load(low + b + j) * up + load(high + b + j) * down;
      store(out + x * channel_block + j, first * left + second * right);
    }
  }
}

inline void blocked_resize_run(const BlockedResizeArgs& b, ThreadPool& pool) noexcept {
  const ResizeArgs& s = b.resize;
  if (b.images <= 0 || s.planes <= 0 || s.out_height <= 0 || s.out_width <= 0) return;
  const int64_t lines = b.images * s.planes * s.out_height, work = s.out_width * channel_block;
  const int64_t few = work >= element_task ? 1 : element_task / work;
  pool.parallel_for((lines + few - 1) / few, [&](int64_t task, int) {
    for (int64_t t = task * few; t < (task + 1) * few && t < lines; ++t) {
      const int64_t y = t % s.out_height, plane = t / s.out_height % s.planes, image = t / s.out_height / s.planes;
      blocked_resize_line(s, s.x + image * b.x_image + plane * s.height * s.width * channel_block, y,
                          s.y + image * b.y_image + (plane * s.out_height + y) * s.out_width * channel_block);
    }
  });
}

// Channels in another order -------------------------------------------------------------------------------------------

/// Neighbouring lanes of y that are neighbouring lanes of one block of x.
struct LaneRun {
  const float* x;
  int64_t lane, count;
};

/// Runs of at most a vector of one block of y; returns how many.
inline int lane_runs(const ChannelMapArgs& s, int64_t image, int64_t first, LaneRun* runs) noexcept {
  const int64_t channels = s.channels - first < channel_block ? s.channels - first : channel_block;
  int n = 0;
  for (int64_t i = 0; i < channels;) {
    const ChannelSource from = s.from[first + i];
    const int64_t lane = from.channel % channel_block;
    int64_t count = 1;
    while (count < W && i + count < channels && lane + count < channel_block &&
           s.from[first + i + count].operand == from.operand &&
           s.from[first + i + count].channel == from.channel + count)
      ++count;
    const float* block =
        s.x[from.operand] + image * s.x_image[from.operand] + from.channel / channel_block * s.pixels * channel_block;
    runs[n++] = {block + lane, i, count};
    i += count;
  }
  return n;
}

inline void channel_map_run(const ChannelMapArgs& s, ThreadPool& pool) noexcept {
  if (s.images <= 0 || s.channels <= 0 || s.pixels <= 0) return;
  const int64_t blocks = channel_blocks(s.channels);
  const int64_t pieces = (s.pixels + reorder_pixels - 1) / reorder_pixels;
  pool.parallel_for(s.images * blocks * pieces, [&](int64_t task, int) {
    const int64_t at = task % pieces * reorder_pixels, image = task / pieces / blocks, block = task / pieces % blocks;
    const int64_t end = s.pixels - at < reorder_pixels ? s.pixels : at + reorder_pixels;
    LaneRun runs[channel_block];
    const int count = lane_runs(s, image, block * channel_block, runs);
    float* y = s.y + image * s.y_image + block * s.pixels * channel_block;
    for (int r = 0; r < count; ++r) {
      const Tail lanes = tail(runs[r].count);
      const float* x = runs[r].x;
      float* to = y + runs[r].lane;
      for (int64_t p = at * channel_block; p < end * channel_block; p += channel_block) {
        store(to + p, lanes, load(x + p, lanes));
      }
    }
  });
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
