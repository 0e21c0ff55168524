// Transposed convolution: the product of transposed weights and input pixels gives, for each output channel and tap, an
// image that is added to the output at the tap's place. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/generic/conv.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

constexpr int64_t spread_floats = 1 << 17;  // of the product at a time

struct ConvTransposePlan {
  int64_t area, out_group, k;
  int64_t channels_per_task, channel_tasks, rows_per_band;  // input rows whose products are formed together
  int64_t out_height, out_width;
  size_t worker;  // floats of scratch
};

inline ConvTransposePlan conv_transpose_plan(const ConvShape& s, const ConvSizes& z) noexcept {
  ConvTransposePlan p{};
  p.area = s.kernel_h * s.kernel_w;
  p.out_group = s.out_channels / s.groups;
  p.k = s.in_channels / s.groups;
  p.out_height = conv_transpose_out_height(s, z), p.out_width = conv_transpose_out_width(s, z);
  // Whole panels of rows per task, at most four: MR and the number of taps meet at MR channels at the latest.
  p.channels_per_task = most(least(parts(4 * MR, p.area), p.out_group), 1);
  while (p.channels_per_task < p.out_group && p.channels_per_task * p.area % MR != 0) ++p.channels_per_task;
  p.channel_tasks = parts(p.out_group, p.channels_per_task);
  const int64_t taps = p.channels_per_task * p.area;
  p.rows_per_band = least(most(spread_floats / most(taps * z.width, 1), 1), most(z.height, 1));
  p.worker = static_cast<size_t>(up(taps * p.rows_per_band * z.width, 16));
  return p;
}

/// Every task's channels start a panel of their own, so that a task is a row range of whole panels.
inline size_t conv_transpose_packed_weight_bytes(const ConvShape& s) noexcept {
  const ConvTransposePlan p = conv_transpose_plan(s, {});
  const size_t one = gemm_packed_a_bytes(p.channels_per_task * p.area, p.k);
  return one * static_cast<size_t>(p.channel_tasks * s.groups);
}

inline void conv_transpose_pack_weights(const ConvShape& s, const float* weights, float* packed) noexcept {
  const ConvTransposePlan p = conv_transpose_plan(s, {});
  const size_t one = gemm_packed_a_bytes(p.channels_per_task * p.area, p.k) / sizeof(float);
  for (int64_t g = 0; g < s.groups; ++g) {
    for (int64_t t = 0; t < p.channel_tasks; ++t, packed += one) {
      const int64_t channel = t * p.channels_per_task;
      const int64_t channels = least(p.channels_per_task, p.out_group - channel);
      const float* from = weights + (g * p.k * p.out_group + channel) * p.area;
      gemm_pack_a(channels * p.area, p.k, from, p.out_group * p.area, Form::transposed, packed);
    }
  }
}

inline size_t conv_transpose_scratch_bytes(const ConvShape& s, const ConvSizes& z, int threads) noexcept {
  return conv_transpose_plan(s, z).worker * static_cast<size_t>(threads) * sizeof(float);
}

/// out[i * step] += src[i]
CHORUS_FAST_INLINE void add_strided(const float* src, float* out, int64_t step, int64_t n) {
  int64_t i = 0;
  if (step == 1) {
    for (; i + W <= n; i += W) store(out + i, load(out + i) + load(src + i));
  } else if (step == 2) {
    for (; i + W < n; i += W) {  // the last column has no neighbour to its right
      const F v = load(src + i);
      float* to = out + 2 * i;
      store(to, load(to) + spread_low(v));
      store(to + W, load(to + W) + spread_high(v));
    }
  }
  for (; i < n; ++i) out[i * step] += src[i];
}

/// Adds the images of all taps of one output channel, input rows [y, y + rows).
inline void spread_taps(const ConvShape& s, const ConvSizes& z, const ConvTransposePlan& p, const float* product,
                        int64_t y, int64_t rows, float* plane) noexcept {
  for (int64_t kh = 0; kh < s.kernel_h; ++kh) {
    for (int64_t kw = 0; kw < s.kernel_w; ++kw, product += rows * z.width) {
      const int64_t at = kw * s.dilation_w - s.pad_left;  // output column of input column 0
      const int64_t first = at >= 0 ? 0 : least(parts(-at, s.stride_w), z.width);
      const int64_t last = at >= p.out_width ? 0 : least((p.out_width - 1 - at) / s.stride_w + 1, z.width);
      if (last <= first) continue;
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t out_y = (y + i) * s.stride_h - s.pad_top + kh * s.dilation_h;
        if (out_y < 0 || out_y >= p.out_height) continue;
        add_strided(product + i * z.width + first, plane + out_y * p.out_width + at + first * s.stride_w, s.stride_w,
                    last - first);
      }
    }
  }
}

inline void conv_transpose_run(const ConvArgs& a, ThreadPool& pool) noexcept {
  const ConvShape& s = a.shape;
  const ConvSizes& z = a.sizes;
  const ConvTransposePlan p = conv_transpose_plan(s, z);
  const int64_t pixels = p.out_height * p.out_width;
  if (z.batch <= 0 || pixels == 0 || s.out_channels == 0) return;
  const size_t one = gemm_packed_a_bytes(p.channels_per_task * p.area, p.k) / sizeof(float);
  Epilogue e = a.epilogue;
  e.axis = ChannelAxis::row;
  pool.parallel_for(z.batch * s.groups * p.channel_tasks, [&](int64_t task, int worker) {
    const int64_t part = task % p.channel_tasks, group = task / p.channel_tasks % s.groups;
    const int64_t image = task / p.channel_tasks / s.groups;
    const int64_t in_group = part * p.channels_per_task, channel = group * p.out_group + in_group;
    const int64_t channels = least(p.channels_per_task, p.out_group - in_group);
    float* product = static_cast<float*>(a.scratch) + static_cast<size_t>(worker) * p.worker;
    float* out = a.output + (image * s.out_channels + channel) * pixels;
    zero_floats(out, channels * pixels);
    Block b{};
    b.a = a.weights + static_cast<size_t>(group * p.channel_tasks + part) * one, b.a_step = p.k * MR;
    b.ldb = z.height * z.width, b.b_step = NR, b.c = product, b.rows = channels * p.area, b.k = p.k, b.alpha = 1.0f;
    const float* input = a.input + (image * s.in_channels + group * p.k) * z.height * z.width;
    for (int64_t y = 0; y < z.height; y += p.rows_per_band) {
      const int64_t rows = least(p.rows_per_band, z.height - y);
      b.b = input + y * z.width, b.cols = rows * z.width, b.ldc = b.cols;
      run_block(b);
      for (int64_t c = 0; c < channels; ++c) {
        spread_taps(s, z, p, product + c * p.area * b.cols, y, rows, out + c * pixels);
      }
    }
    if (is_nothing(e)) return;
    const float* r = e.residual != nullptr ? e.residual + (image * s.out_channels + channel) * pixels : nullptr;
    finish(e, {out, pixels, channels, pixels, channel, 0, r, pixels});
  });
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
