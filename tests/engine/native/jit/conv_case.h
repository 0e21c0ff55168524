// A convolution run by ConvCall against float64, with every operand at the edge of mapped memory.
#pragma once
#include "support.h"

#include <core/thread_pool.h>
#include <engine/native/jit/code_cache.h>
#include <engine/native/jit/narrow.h>

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

/// A call that finds all its code.
inline std::shared_ptr<const ConvCall> make_generated(const ConvProblem& p, const fast::ConvSizes& z, Level level) {
  generate(p, p.extents == Extents::open ? fast::ConvSizes{1, 0, 0} : z, level);
  const int64_t functions = code_count();
  auto call = ConvCall::make(p, z, level);
  EXPECT_EQ(code_count(), functions) << "a call generates code";
  return call;
}

/// The numbers of one case.
struct CaseData {
  int64_t height, width, taps;  // of the output; products of a sum
  std::vector<float> x, w, scale, bias, residual;
  CaseData(const ConvProblem& p, const fast::ConvSizes& z) {
    const fast::ConvShape& s = p.shape;
    const bool forward = p.direction == Direction::forward;
    height = forward ? fast::conv_out_height(s, z) : fast::conv_transpose_out_height(s, z);
    width = forward ? fast::conv_out_width(s, z) : fast::conv_transpose_out_width(s, z);
    taps = s.in_channels / s.groups * s.kernel_h * s.kernel_w;
    x = random_floats(z.batch * s.in_channels * z.height * z.width, 1);
    w = random_floats(s.out_channels * taps, 2, -0.5f, 0.5f);
    scale = random_floats(s.out_channels, 3, 0.5f, 2.0f), bias = random_floats(s.out_channels, 4);
    if (p.element == Element::bf16) scale.assign(scale.size(), 1.0f);
    residual = random_floats(z.batch * s.out_channels * height * width, 5);
  }
};

/// Sums in float32 of n products wander some sqrt(n) units of the sum of their sizes; Winograd promises 1e-4 of the largest.
inline void expect_truth(const ConvProblem& p, const fast::ConvSizes& z, CaseData d, const float* out) {
  const fast::ConvShape& s = p.shape;
  // What the kernels round, the truth rounds too: all else is exact there.
  if (p.element == Element::bf16) {
    for (float& v : d.x) v = widened(rounded(v));
    for (float& v : d.w) v = widened(rounded(v));
  }
  const Truth t = p.direction == Direction::forward ? convolve(s, z, d.x, d.w) : convolve_transposed(s, z, d.x, d.w);
  double largest = 0;
  for (size_t i = 0; i < t.value.size(); ++i) largest = std::fmax(largest, std::fabs(t.value[i]));
  const bool before = p.residual_place == fast::ResidualPlace::before_activation;
  const int64_t area = d.height * d.width;
  int bad = 0;
  for (size_t i = 0; i < t.value.size() && bad < 5; ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t pixel = at % area, c = at / area % s.out_channels, n = at / area / s.out_channels;
    const auto ci = static_cast<size_t>(c);
    double v = t.value[i] * double{d.scale[ci]} + (p.bias ? double{d.bias[ci]} : 0.0);
    if (p.residual && before) v += double{d.residual[i]};
    double want = activation(p, v);
    if (p.residual && !before) want += double{d.residual[i]};
    const double size = t.size[i] * double{d.scale[ci]} + std::fabs(v) + 1;
    double bound = 0x1p-24 * (4 + 2 * std::sqrt(static_cast<double>(d.taps))) * size;
    if (p.method != Method::direct) bound = 1e-5 * (2 * largest + 1);
    bound *= std::fmax(1.0, std::fmax(std::fabs(double{p.alpha}), std::fabs(v)));
    const double got = double{blocked_at(out, n, c, s.out_channels, area, pixel)};
    if (!(std::fabs(got - want) <= bound)) {
      ++bad;
      ADD_FAILURE() << "image " << n << " channel " << c << " pixel " << pixel << ": " << got << ", want " << want
                    << " within " << bound;
    }
  }
}

inline void check(const ConvProblem& p, const fast::ConvSizes& z, Level level, Guard guard, int threads = 1) {
  SCOPED_TRACE(text(p, z, level));
  ASSERT_EQ(refusal(p), nullptr);
  const fast::ConvShape& s = p.shape;
  const CaseData d(p, z);
  const bool planar = p.source == Source::planar;
  Guarded in(planar ? static_cast<int64_t>(d.x.size()) : blocked_count(z.batch, s.in_channels, z.height, z.width),
             guard);
  if (planar)
    std::copy(d.x.begin(), d.x.end(), in.data());
  else
    to_blocked(d.x, z.batch, s.in_channels, z.height * z.width, in.data());
  Guarded packed(static_cast<int64_t>(packed_weight_bytes(p) / 4), guard);
  pack_weights(p, d.w.data(), d.scale.data(), packed.data());
  Guarded biases(bias_count(s.out_channels), guard);
  Guarded residual(blocked_count(z.batch, s.out_channels, d.height, d.width), guard);
  std::fill_n(biases.data(), biases.count(), 0.0f);
  std::copy(d.bias.begin(), d.bias.end(), biases.data());
  to_blocked(d.residual, z.batch, s.out_channels, d.height * d.width, residual.data());
  Guarded out(residual.count(), guard);
  std::fill_n(out.data(), out.count(), std::numeric_limits<float>::quiet_NaN());
  const auto call = make_generated(p, z, level);
  EXPECT_EQ(std::string_view(call->name()) == "plain", level == Level::plain);
  Guarded scratch(static_cast<int64_t>(call->scratch_bytes(threads) / 4), guard);
  ThreadPool pool({.threads = threads});
  ConvBuffers b{in.data(), packed.data(), biases.data(), residual.data(), out.data(), scratch.data()};
  call->run(b, pool);
  expect_truth(p, z, d, out.data());
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
