// The same convolutions without generated code: for other processors and where executable memory is refused.
#include <engine/native/jit/geometry.h>
#include <engine/native/jit/narrow.h>

#include <core/thread_pool.h>

#include <algorithm>
#include <cmath>

namespace chorus::jit {
namespace {

using fast::Activation;
using fast::ConvShape;

float activate(const ConvProblem& p, float x) noexcept {
  switch (p.activation) {
    case Activation::relu: return x < 0 ? 0 : x;
    case Activation::clip: return x < p.alpha ? p.alpha : x > p.beta ? p.beta : x;
    case Activation::leaky_relu: return x < 0 ? p.alpha * x : x;
    case Activation::hard_swish: return x * (std::clamp(x + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f));
    case Activation::hard_sigmoid: return std::clamp(p.alpha * x + p.beta, 0.0f, 1.0f);
    case Activation::sigmoid: return 1.0f / (1.0f + std::exp(-x));
    case Activation::silu: return x / (1.0f + std::exp(-x));
    default: return x;
  }
}

struct Plain {
  const ConvProblem& problem;
  const ConvShape& s;
  const fast::ConvSizes& z;
  const ConvBuffers& b;
  Geometry g;
  Images image;
  int64_t out_d, out_h, out_w;

  void tap(const float* x, int64_t lanes, const float* w, float* acc) const noexcept {
    if (g.form == Form::depthwise) {
      for (int64_t o = 0; o < kBlock; ++o) acc[o] += x[o] * w[o];
      return;
    }
    if (problem.element == Element::bf16) {
      const auto* pairs = reinterpret_cast<const uint16_t*>(w);
      for (int64_t i = 0; i < 2 * lanes * kBlock; ++i)
        acc[i / 2 % kBlock] += widened(rounded(x[i / (2 * kBlock) * 2 + i % 2])) * widened(pairs[i]);
      return;
    }
    for (int64_t i = 0; i < lanes; ++i) {
      for (int64_t o = 0; o < kBlock; ++o) acc[o] += x[i] * w[i * kBlock + o];
    }
  }

  /// All filter positions of one depth of the filter, which meets the input's depth iz.
  void slice(const float* x, const float* w, int64_t plane, int64_t oy, int64_t ox, float* acc) const noexcept {
    const int64_t step = g.form == Form::planar ? 1 : problem.source == Source::rows ? s.in_channels : kBlock;
    for (int64_t c = 0; c < g.in_blocks; ++c, x += plane) {
      const int64_t lanes = c + 1 == g.in_blocks ? g.last_lanes : g.lanes;
      for (int64_t i = 0; i < s.kernel_h * s.kernel_w; ++i, w += g.tap) {
        const int64_t iy = oy * s.stride_h - s.pad_top + i / s.kernel_w * s.dilation_h;
        const int64_t ix = ox * s.stride_w - s.pad_left + i % s.kernel_w * s.dilation_w;
        if (iy >= 0 && iy < z.height && ix >= 0 && ix < z.width) tap(x + (iy * z.width + ix) * step, lanes, w, acc);
      }
    }
  }
  void pixel(int64_t n, int64_t k, int64_t oz, int64_t oy, int64_t ox, float* acc) const noexcept {
    const Depth& d = problem.depth;
    const int64_t area =
        problem.source == Source::rows ? kBlock : z.height * z.width * (g.form == Form::planar ? 1 : kBlock);
    const int64_t depth = is_volume(problem) ? d.size : 1;
    for (int64_t i = 0; i < (is_volume(problem) ? d.kernel : 1); ++i) {
      const int64_t iz = oz * d.stride - d.pad_front + i * d.dilation;
      if (iz < 0 || iz >= depth) continue;
      const float* x = b.input + n * image.input + (g.first_in(k) * depth + iz) * area;
      slice(x, b.weights + (i * g.out_blocks + k) * g.out_block_floats, depth * area, oy, ox, acc);
    }
  }

  void row(int64_t n, int64_t k, int64_t oz, int64_t oy) const noexcept {
    for (int64_t ox = 0; ox < out_w; ++ox) {
      float acc[kBlock] = {};
      pixel(n, k, oz, oy, ox, acc);
      const int64_t at = problem.target == Target::rows ? (oy * out_w + ox) * s.out_channels + k * kBlock
                                                        : (((k * out_d + oz) * out_h + oy) * out_w + ox) * kBlock;
      for (int64_t o = 0; o < kBlock; ++o) {
        b.output[n * image.output + at + o] =
            finish_plain(problem, acc[o] + (problem.bias ? b.bias[k * kBlock + o] : 0.0f),
                         problem.residual ? b.residual[n * image.residual + at + o] : 0.0f);
      }
    }
  }
};

}  // namespace

float finish_plain(const ConvProblem& p, float sum, float residual) noexcept {
  const bool before = p.residual_place == fast::ResidualPlace::before_activation;
  const float v = activate(p, p.residual && before ? sum + residual : sum);
  return p.residual && !before ? v + residual : v;
}

void run_plain(const ConvProblem& p, const fast::ConvSizes& z, const ConvBuffers& b, ThreadPool& pool) noexcept {
  const int64_t d = out_depth(p), h = out_height(p, z), w = out_width(p, z);
  if (z.batch <= 0 || d == 0 || h == 0 || w == 0) return;
  const Plain plain{p, p.shape, z, b, geometry(p), images(p, z, b), d, h, w};
  const int64_t k = plain.g.out_blocks;
  pool.parallel_for(z.batch * k * d * h,
                    [&](int64_t task, int) { plain.row(task / h / d / k, task / h / d % k, task / h % d, task % h); });
}

}  // namespace chorus::jit
