// Depthwise convolution (one input channel per group): a band of input rows is padded once into scratch, then every
// output row is a sum of shifted vectors. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/generic/finish.h>
#include <engine/native/fast/generic/im2col.h>

#include <core/thread_pool.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

constexpr int64_t band_floats = 24576;  // of padded input at a time
constexpr int64_t depthwise_work = 131072;  // multiplications that are worth a task

struct DepthwisePlan {
  int64_t out_height, out_width, row_floats, band_rows, bands, channels_per_task, channel_tasks;
  size_t worker;  // floats of scratch
};

inline DepthwisePlan depthwise_plan(const ConvShape& s, const ConvSizes& z) noexcept {
  DepthwisePlan p{};
  p.out_height = conv_out_height(s, z), p.out_width = conv_out_width(s, z);
  if (p.out_height == 0 || p.out_width == 0) return p;
  p.row_floats = ((p.out_width - 1) * s.stride_w + (s.kernel_w - 1) * s.dilation_w + 1 + 2 * W + 15) / 16 * 16;
  const int64_t reach = (s.kernel_h - 1) * s.dilation_h + 1;
  const int64_t room = (band_floats / p.row_floats - reach) / s.stride_h + 1;
  p.band_rows = room < 4 ? 4 : room;
  if (p.band_rows > p.out_height) p.band_rows = p.out_height;
  p.bands = (p.out_height + p.band_rows - 1) / p.band_rows;
  const int64_t work = p.band_rows * p.out_width * s.kernel_h * s.kernel_w;
  const int64_t channels = s.in_channels;
  p.channels_per_task = work >= depthwise_work ? 1 : depthwise_work / work;
  if (p.channels_per_task > channels) p.channels_per_task = channels;
  p.channel_tasks = (channels + p.channels_per_task - 1) / p.channels_per_task;
  p.worker = static_cast<size_t>(((p.band_rows - 1) * s.stride_h + reach) * p.row_floats);
  return p;
}

struct Plane {
  const float* x;  // padded band
  int64_t ldx;
  const float* w;
  float* out;
  int64_t rows, cols;
  float bias, low, high;
};

/// K x K taps, step S, R output rows at once; starts at row `row`, returns the first row that is left.
template <int K, int S, int R>
int64_t depthwise_square(const Plane& s, int64_t row) noexcept {
  if (row + R > s.rows) return row;
  F w[K * K];
#pragma GCC unroll 25
  for (int i = 0; i < K * K; ++i) w[i] = set1(s.w[i]);
  const F low = set1(s.low), high = set1(s.high), bias = set1(s.bias);
  for (; row + R <= s.rows; row += R) {
    const float* x = s.x + row * S * s.ldx;
    float* out = s.out + row * s.cols;
    for (int64_t j = 0; j < s.cols; j += W) {
      F acc[R];
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) acc[r] = bias;
#pragma GCC unroll 16
      for (int i = 0; i < (R - 1) * S + K; ++i) {
#pragma GCC unroll 5
        for (int l = 0; l < K; ++l) {
          const float* from = x + i * s.ldx + j * S + l;
          const F v = S == 1 ? load(from) : pick_even(load(from), load(from + W));
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) {
            if (i - r * S >= 0 && i - r * S < K) acc[r] = fma(v, w[(i - r * S) * K + l], acc[r]);
          }
        }
      }
      const bool cut = s.cols - j < W;
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const F v = min(high, max(low, acc[r]));
        if (cut)
          store(out + r * s.cols + j, tail(s.cols - j), v);
        else
          store(out + r * s.cols + j, v);
      }
    }
  }
  return row;
}

inline void depthwise_any(const ConvShape& c, const Plane& s) noexcept {
  const F low = set1(s.low), high = set1(s.high), bias = set1(s.bias);
  for (int64_t row = 0; row < s.rows; ++row) {
    for (int64_t j = 0; j < s.cols; j += W) {
      F acc = bias;
      for (int64_t i = 0; i < c.kernel_h; ++i) {
        const float* x = s.x + (row * c.stride_h + i * c.dilation_h) * s.ldx + j * c.stride_w;
        for (int64_t l = 0; l < c.kernel_w; ++l, x += c.dilation_w) {
          F v;
          if (c.stride_w == 1) {
            v = load(x);
          } else if (c.stride_w == 2) {
            v = load_even(x);
          } else {
            float lanes[W] = {};
            const int64_t n = s.cols - j < W ? s.cols - j : W;
            for (int64_t a = 0; a < n; ++a) lanes[a] = x[a * c.stride_w];
            v = load(lanes);
          }
          acc = fma(v, set1(s.w[i * c.kernel_w + l]), acc);
        }
      }
      store(s.out + row * s.cols + j, tail(s.cols - j), min(high, max(low, acc)));
    }
  }
}

inline void depthwise_plane(const ConvShape& c, const Plane& s) noexcept {
  const bool dense = c.dilation_h == 1 && c.dilation_w == 1 && c.kernel_h == c.kernel_w && c.stride_h == c.stride_w;
  if (dense && c.kernel_w == 3 && c.stride_w == 1) {
    depthwise_square<3, 1, 1>(s, depthwise_square<3, 1, 2>(s, depthwise_square<3, 1, 4>(s, 0)));
  } else if (dense && c.kernel_w == 3 && c.stride_w == 2) {
    depthwise_square<3, 2, 1>(s, depthwise_square<3, 2, 2>(s, 0));
  } else if (dense && c.kernel_w == 5 && c.stride_w == 1) {
    depthwise_square<5, 1, 1>(s, depthwise_square<5, 1, 2>(s, depthwise_square<5, 1, 4>(s, 0)));
  } else if (dense && c.kernel_w == 5 && c.stride_w == 2) {
    depthwise_square<5, 2, 1>(s, depthwise_square<5, 2, 2>(s, 0));
  } else {
    depthwise_any(c, s);
  }
}

/// Output rows [y, y + rows) of one channel of one image, all its multiples. The scratch holds zeros wherever this
/// band's geometry has padding.
inline void depthwise_band(const ConvArgs& a, const DepthwisePlan& p, int64_t image, int64_t channel, int64_t y,
                           int64_t rows, float* scratch) noexcept {
  const ConvShape& c = a.shape;
  const ConvSizes& z = a.sizes;
  const float* plane = a.input + (image * c.in_channels + channel) * z.height * z.width;
  const int64_t room = p.row_floats - c.pad_left, width = z.width < room ? z.width : room;
  const int64_t in_rows = (rows - 1) * c.stride_h + (c.kernel_h - 1) * c.dilation_h + 1;
  for (int64_t i = 0; i < in_rows; ++i) {
    const int64_t in_y = y * c.stride_h - c.pad_top + i;
    if (in_y < 0 || in_y >= z.height || width <= 0) continue;
    copy_floats(plane + in_y * z.width, scratch + i * p.row_floats + c.pad_left, width);
  }
  const Epilogue& e = a.epilogue;
  const bool direct = is_direct(e) && e.residual == nullptr;
  const int64_t multiple = c.out_channels / c.groups;
  for (int64_t m = 0; m < multiple; ++m) {
    const int64_t out_channel = channel * multiple + m;
    const int64_t at = ((image * c.out_channels + out_channel) * p.out_height + y) * p.out_width;
    Plane s{scratch,
            p.row_floats,
            a.weights + out_channel * c.kernel_h * c.kernel_w,
            a.output + at,
            rows,
            p.out_width,
            0.0f,
            -__builtin_inff(),
            __builtin_inff()};
    if (direct) {
      clip_bounds(e, s.low, s.high);
      if (e.bias != nullptr) s.bias = e.bias[out_channel];
    }
    depthwise_plane(c, s);
    if (direct) continue;
    Epilogue rows_of = e;
    rows_of.axis = ChannelAxis::row;
    finish(rows_of,
           {s.out, 0, 1, rows * p.out_width, out_channel, 0, e.residual != nullptr ? e.residual + at : nullptr, 0});
  }
}

inline void depthwise_run(const ConvArgs& a, ThreadPool& pool) noexcept {
  const DepthwisePlan p = depthwise_plan(a.shape, a.sizes);
  const int64_t tasks = a.sizes.batch * p.channel_tasks * p.bands;
  pool.parallel_for(tasks, [&](int64_t task, int worker) {
    const int64_t band = task % p.bands, group = task / p.bands % p.channel_tasks,
                  image = task / p.bands / p.channel_tasks;
    const int64_t y = band * p.band_rows;
    const int64_t rows = p.out_height - y < p.band_rows ? p.out_height - y : p.band_rows;
    float* scratch = static_cast<float*>(a.scratch) + static_cast<size_t>(worker) * p.worker;
    zero_floats(scratch, static_cast<int64_t>(p.worker));
    const int64_t first = group * p.channels_per_task;
    for (int64_t c = first; c < first + p.channels_per_task && c < a.shape.in_channels; ++c) {
      depthwise_band(a, p, image, c, y, rows, scratch);
    }
  });
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
