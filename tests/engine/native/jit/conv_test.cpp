// Generated convolutions against float64, every operand at the edge of mapped memory, every level that this processor has.
#include "support.h"

#include <core/thread_pool.h>
#include <engine/native/jit/code_cache.h>
#include <support/proves.h>

#include <string>

namespace chorus::jit::test {
namespace {

std::vector<Level> levels() {
  std::vector<Level> all{Level::plain};
  if (level(masked(cpu(), "avx512")) == Level::avx2) all.push_back(Level::avx2);
  if (level(cpu()) == Level::avx512) all.push_back(Level::avx512);
  return all;
}

std::string text(const ConvProblem& p, const fast::ConvSizes& z, Level level) {
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
void check(const ConvProblem& p, const fast::ConvSizes& z, Level level, Guard guard, int threads = 1) {
  SCOPED_TRACE(text(p, z, level));
  ASSERT_EQ(refusal(p), nullptr);
  const fast::ConvShape& s = p.shape;
  const int64_t oh = fast::conv_out_height(s, z), ow = fast::conv_out_width(s, z);
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
  const auto call = ConvCall::make(p, z, level);
  EXPECT_EQ(std::string_view(call->name()) == "plain", level == Level::plain);
  Guarded scratch(static_cast<int64_t>(call->scratch_bytes(threads) / 4), guard);
  ThreadPool pool({.threads = threads});
  ConvBuffers b{in.data(), packed.data(), biases.data(), residual.data(), out.data(), scratch.data()};
  call->run(b, pool);

  const Truth t = convolve(s, z, x, w);
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

ConvProblem square(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t groups = 1) {
  ConvProblem p;
  fast::ConvShape& s = p.shape;
  s.in_channels = in, s.out_channels = out, s.groups = groups;
  s.kernel_h = s.kernel_w = kernel, s.stride_h = s.stride_w = stride;
  s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = pad;
  p.bias = true, p.residual = true, p.activation = fast::Activation::relu;
  return p;
}

void check_all(const ConvProblem& p, const fast::ConvSizes& z) {
  for (const Level l : levels()) {
    for (const Guard g : {Guard::before, Guard::behind}) check(p, z, l, g);
  }
}

TEST(JitConv, EveryWidthOfARow) {
  for (int64_t width = 1; width <= 33; ++width) {
    check_all(square(16, 32, 1, 1, 0), {1, 1, width});
    check_all(square(24, 48, 3, 1, 1), {1, 3, width});
    check_all(square(20, 80, 3, 2, 1), {1, 4, width});
  }
}

TEST(JitConv, EveryNumberOfOutputBlocks) {
  for (int64_t out = 1; out <= 150; out += 13) {
    check_all(square(17, out, 1, 1, 0), {2, 5, 7});
    check_all(square(33, out, 3, 1, 1), {1, 7, 7});
  }
}

TEST(JitConv, EveryInputTail) {
  for (int64_t in = 1; in <= 34; ++in) check_all(square(in, 40, 3, 1, 1), {1, 4, 9});
}

TEST(JitConv, FiltersStridesDilationsPads) {
  for (const int64_t kernel : {1, 2, 3, 5, 7}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const int64_t dilation : {1, 2}) {
        for (const int64_t pad : {int64_t{0}, kernel / 2, kernel}) {
          ConvProblem p = square(18, 20, kernel, stride, pad);
          p.shape.dilation_h = p.shape.dilation_w = dilation;
          check_all(p, {1, 15, 17});
        }
      }
    }
  }
}

TEST(JitConv, PlanarInputs) {
  for (const int64_t in : {1, 2, 3, 4}) {
    for (const int64_t kernel : {3, 7}) {
      ConvProblem p = square(in, 40, kernel, 2, kernel / 2);
      p.source = Source::planar;
      check_all(p, {2, 21, 37});
      p.shape.stride_h = p.shape.stride_w = 1;
      check_all(p, {1, 9, 30});
    }
  }
}

TEST(JitConv, Depthwise) {
  for (const int64_t kernel : {3, 5, 7, 9}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const int64_t width : {1, 2, 7, 14, 15, 16, 17, 31, 33}) {
        check_all(square(40, 40, kernel, stride, kernel / 2, 40), {1, 6, width});
      }
    }
  }
  ConvProblem p = square(32, 32, 3, 1, 2, 32);
  p.shape.dilation_h = p.shape.dilation_w = 2;
  check_all(p, {2, 9, 20});
}

TEST(JitConv, Groups) {
  check_all(square(64, 96, 3, 1, 1, 2), {1, 6, 15});
  check_all(square(96, 48, 1, 1, 0, 3), {2, 6, 15});
  for (const int64_t width : {2, 4, 8}) check_all(square(64, 64, 3, 1, 1, 64 / width), {1, 6, 15});
  EXPECT_STREQ(refusal(square(24, 24, 3, 1, 1, 6)), "groups that do not fill blocks of 16");
}

TEST(JitConv, Activations) {
  using fast::Activation;
  for (const Activation a : {Activation::none, Activation::relu, Activation::clip, Activation::leaky_relu,
                             Activation::hard_swish, Activation::hard_sigmoid, Activation::sigmoid, Activation::silu}) {
    for (const int64_t groups : {1, 32}) {
      ConvProblem p = square(32, 32, 3, 1, 1, groups);
      p.activation = a;
      p.alpha = 0.2f, p.beta = 0.5f;
      for (const auto place : {fast::ResidualPlace::before_activation, fast::ResidualPlace::after_activation}) {
        p.residual_place = place;
        check_all(p, {1, 5, 30});
      }
      p.residual = p.bias = false;
      check_all(p, {1, 5, 30});
    }
  }
}

TEST(JitConv, Winograd) {
  for (const Method method : {Method::winograd4, Method::winograd2}) {
    for (const int64_t width : {1, 2, 3, 4, 5, 8, 13, 30}) {
      ConvProblem p = square(20, 40, 3, 1, 1);
      p.method = method;
      check_all(p, {1, 6, width});
      p.residual_place = fast::ResidualPlace::after_activation;
      p.activation = fast::Activation::silu;
      p.shape.pad_left = 0, p.shape.pad_bottom = 2;
      if (width > 1) check_all(p, {2, 9, width});
    }
    ConvProblem p = square(100, 33, 3, 1, 1);
    p.method = method;
    for (const Level l : levels()) {
      if (l != Level::plain) check(p, {1, 14, 14}, l, Guard::behind);
    }
    for (const Level l : levels()) check(p, {5, 4, 20}, l, Guard::behind, 3);
  }
}

TEST(JitConv, RandomShapes) {
  std::mt19937 random(7);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int i = 0; i < 150; ++i) {
    ConvProblem p = square(pick(1, 70), pick(1, 100), 1, 1, 0);
    fast::ConvShape& s = p.shape;
    s.kernel_h = pick(1, 5), s.kernel_w = pick(1, 5);
    s.stride_h = pick(1, 3), s.stride_w = pick(1, 3);
    s.dilation_h = pick(1, 2), s.dilation_w = pick(1, 3);
    s.pad_top = pick(0, 4), s.pad_left = pick(0, 4), s.pad_bottom = pick(0, 4), s.pad_right = pick(0, 4);
    p.bias = pick(0, 1) == 1, p.residual = pick(0, 1) == 1;
    const fast::ConvSizes z{pick(1, 3), pick(1, 20), pick(1, 40)};
    if (fast::conv_out_height(s, z) == 0 || fast::conv_out_width(s, z) == 0) continue;
    const auto all = levels();
    check(p, z, all[static_cast<size_t>(i) % all.size()], i % 2 == 0 ? Guard::before : Guard::behind);
  }
}

}  // namespace
}  // namespace chorus::jit::test
