// A convolution run by ConvCall against float64, with every operand at the edge of mapped memory.
#pragma once
#include "support.h"

#include <core/thread_pool.h>
#include <engine/native/jit/code_cache.h>

#include <string>

#include "support/sanitized.h"

namespace chorus::jit::test {

using chorus::testing::kSanitized;
using chorus::testing::Thinned;

/// All levels that this processor has.
inline std::vector<Level> levels() {
  std::vector<Level> all{Level::plain};
  if (level(masked(cpu(), "avx512")) == Level::avx2) all.push_back(Level::avx2);
  if (level(cpu()) == Level::avx512) all.push_back(Level::avx512);
  return all;
}

inline std::string text(const ConvProblem& p, const fast::ConvSizes& z, Level level) {
  const fast::ConvShape& s = p.shape;
  const int64_t all[] = {z.batch,    s.in_channels, z.height,     z.width,    s.out_channels, s.groups,
                         s.kernel_h, s.kernel_w,    s.stride_h,   s.stride_w, s.dilation_h,   s.dilation_w,
                         s.pad_top,  s.pad_left,    s.pad_bottom, s.pad_right};
  std::string out =
      "level " + std::to_string(int(level)) + " act " + std::to_string(int(p.activation)) + " NCHW OG kk ss dd pppp:";
  for (const int64_t v : all) out += " " + std::to_string(v);
  return out;
}

/// Sums in float32 of n products wander some sqrt(n) units of the sum of their sizes; Winograd promises 1e-4 of the largest.
inline void check(const ConvProblem& p, const fast::ConvSizes& z, Level level, Guard guard, int threads = 1) {
  SCOPED_TRACE(text(p, z, level));
  ASSERT_EQ(refusal(p), nullptr);
  const fast::ConvShape& s = p.shape;
  const bool forward = p.direction == Direction::forward;
  const int64_t oh = forward ? fast::conv_out_height(s, z) : fast::conv_transpose_out_height(s, z);
  const int64_t ow = forward ? fast::conv_out_width(s, z) : fast::conv_transpose_out_width(s, z);
  const int64_t ig = s.in_channels / s.groups, taps = ig * s.kernel_h * s.kernel_w;
  const auto x = random_floats(z.batch * s.in_channels * z.height * z.width, 1);
  const auto w = random_floats(s.out_channels * taps, 2, -0.5f, 0.5f);
  const auto scale = random_floats(s.out_channels, 3, 0.5f, 2.0f), bias = random_floats(s.out_channels, 4);
  const auto r = random_floats(z.batch * s.out_channels * oh * ow, 5);
  const bool planar = p.source == Source::planar;
  Guarded in(planar ? static_cast<int64_t>(x.size()) : blocked_count(z.batch, s.in_channels, z.height, z.width), guard);
  if (planar)
    std::copy(x.begin(), x.end(), in.data());
  else
    to_blocked(x, z.batch, s.in_channels, z.height * z.width, in.data());
  Guarded packed(static_cast<int64_t>(packed_weight_bytes(p) / 4), guard);
  pack_weights(p, w.data(), scale.data(), packed.data());
  Guarded biases(bias_count(s.out_channels), guard), residual(blocked_count(z.batch, s.out_channels, oh, ow), guard);
  std::fill_n(biases.data(), biases.count(), 0.0f);
  std::copy(bias.begin(), bias.end(), biases.data());
  to_blocked(r, z.batch, s.out_channels, oh * ow, residual.data());
  Guarded out(residual.count(), guard);
  std::fill_n(out.data(), out.count(), std::numeric_limits<float>::quiet_NaN());
  generate(p, p.extents == Extents::open ? fast::ConvSizes{1, 0, 0} : z, level);
  const int64_t functions = code_count();
  const auto call = ConvCall::make(p, z, level);
  EXPECT_EQ(code_count(), functions) << "a call generates code";
  EXPECT_EQ(std::string_view(call->name()) == "plain", level == Level::plain);
  Guarded scratch(static_cast<int64_t>(call->scratch_bytes(threads) / 4), guard);
  ThreadPool pool({.threads = threads});
  ConvBuffers b{in.data(), packed.data(), biases.data(), residual.data(), out.data(), scratch.data()};
  call->run(b, pool);

  const Truth t = forward ? convolve(s, z, x, w) : convolve_transposed(s, z, x, w);
  double largest = 0;
  for (size_t i = 0; i < t.value.size(); ++i) largest = std::fmax(largest, std::fabs(t.value[i]));
  const bool before = p.residual_place == fast::ResidualPlace::before_activation;
  int bad = 0;
  for (size_t i = 0; i < t.value.size() && bad < 5; ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t pixel = at % (oh * ow), c = at / (oh * ow) % s.out_channels, n = at / (oh * ow) / s.out_channels;
    const auto ci = static_cast<size_t>(c);
    double v = t.value[i] * double{scale[ci]} + (p.bias ? double{bias[ci]} : 0.0);
    if (p.residual && before) v += double{r[i]};
    double want = activation(p, v);
    if (p.residual && !before) want += double{r[i]};
    const double size = t.size[i] * double{scale[ci]} + std::fabs(v) + 1;
    double bound = 0x1p-24 * (4 + 2 * std::sqrt(static_cast<double>(taps))) * size;
    if (p.method != Method::direct) bound = 1e-5 * (2 * largest + 1);
    bound *= std::fmax(1.0, std::fmax(std::fabs(double{p.alpha}), std::fabs(v)));
    const double got = double{blocked_at(out.data(), n, c, s.out_channels, oh * ow, pixel)};
    if (!(std::fabs(got - want) <= bound)) {
      ++bad;
      ADD_FAILURE() << "image " << n << " channel " << c << " pixel " << pixel << ": " << got << ", want " << want
                    << " within " << bound;
    }
  }
}

inline ConvProblem square(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t groups = 1) {
  ConvProblem p;
  fast::ConvShape& s = p.shape;
  s.in_channels = in, s.out_channels = out, s.groups = groups;
  s.kernel_h = s.kernel_w = kernel, s.stride_h = s.stride_w = stride;
  s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = pad;
  p.bias = true, p.residual = true, p.activation = fast::Activation::relu;
  return p;
}

inline void check_all(const ConvProblem& p, const fast::ConvSizes& z) {
  for (const Level l : levels()) {
    for (const Guard g : {Guard::before, Guard::behind}) {
      if (l != Level::plain || g == Guard::behind) check(p, z, l, g);
    }
  }
}

}  // namespace chorus::jit::test
