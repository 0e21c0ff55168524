// Direct and depthwise convolutions: a grid and random shapes on every level that this processor has.
#include "conv_case.h"

namespace chorus::jit::test {
namespace {

TEST(JitDirect, EveryWidthOfARow) {
  Thinned grid(5);
  for (int64_t width = 1; width <= 33; ++width) {
    if (grid.takes_next()) check_all(square(16, 32, 1, 1, 0), {1, 1, width});
    if (grid.takes_next()) check_all(square(24, 48, 3, 1, 1), {1, 3, width});
    if (grid.takes_next()) check_all(square(20, 80, 3, 2, 1), {1, 4, width});
  }
}

TEST(JitDirect, EveryNumberOfOutputBlocks) {
  Thinned grid(5);
  for (int64_t out = 1; out <= 150; out += 13) {
    if (grid.takes_next()) check_all(square(17, out, 1, 1, 0), {2, 5, 7});
    if (grid.takes_next()) check_all(square(33, out, 3, 1, 1), {1, 7, 7});
  }
}

// Enough work for several tasks: cut along rows, along output blocks and both, into parts of different sizes.
TEST(JitDirect, CutsIntoTasks) {
  for (const Level l : levels()) {
    if (l == Level::plain) continue;
    check(square(128, 176, 3, 1, 1), {1, 9, 13}, l, Guard::behind, 2);
    check(square(640, 128, 1, 1, 0), {1, 7, 7}, l, Guard::behind, 3);
    check(square(48, 80, 3, 1, 1), {1, 37, 29}, l, Guard::behind, 2);
    check(square(512, 336, 1, 2, 0), {2, 15, 15}, l, Guard::behind, 2);
    check(square(16, 16, 3, 1, 1), {3, 41, 40}, l, Guard::behind, 4);
  }
}

// Nobody means to run these; a file may name them, and a call of them is made before anybody asks for the memory.
TEST(JitDirect, SizesThatNoMemoryHolds) {
  for (const Level l : levels()) {
    if (l == Level::plain) continue;
    generate(square(64, 64, 3, 1, 1), {1, int64_t{1} << 26, int64_t{1} << 26}, l);
    generate(square(64, 64, 1, 1, 0), {1, int64_t{1} << 26, int64_t{1} << 26}, l);
  }
}

TEST(JitDirect, EveryInputTail) {
  Thinned grid(5);
  for (int64_t in = 1; in <= 34; ++in)
    if (grid.takes_next()) check_all(square(in, 40, 3, 1, 1), {1, 4, 9});
}

TEST(JitDirect, FiltersStridesDilationsPads) {
  Thinned grid(7);
  for (const int64_t kernel : {1, 2, 3, 5, 7}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const int64_t dilation : {1, 2}) {
        for (const int64_t pad : {int64_t{0}, kernel / 2, kernel}) {
          ConvProblem p = square(18, 20, kernel, stride, pad);
          p.shape.dilation_h = p.shape.dilation_w = dilation;
          if (grid.takes_next()) check_all(p, {1, 15, 17});
        }
      }
    }
  }
}

TEST(JitDirect, PlanarInputs) {
  Thinned grid(3);
  for (const int64_t in : {1, 2, 3, 4}) {
    for (const int64_t kernel : {3, 7}) {
      ConvProblem p = square(in, 40, kernel, 2, kernel / 2);
      p.source = Source::planar;
      if (grid.takes_next()) check_all(p, {2, 21, 37});
      p.shape.stride_h = p.shape.stride_w = 1;
      if (grid.takes_next()) check_all(p, {1, 9, 30});
    }
  }
}

TEST(JitDirect, Depthwise) {
  Thinned grid(7);
  for (const int64_t kernel : {3, 5, 7, 9}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const int64_t width : {1, 2, 7, 14, 15, 16, 17, 31, 33}) {
        if (grid.takes_next()) check_all(square(40, 40, kernel, stride, kernel / 2, 40), {1, 6, width});
      }
    }
  }
  ConvProblem p = square(32, 32, 3, 1, 2, 32);
  p.shape.dilation_h = p.shape.dilation_w = 2;
  check_all(p, {2, 9, 20});
}

TEST(JitDirect, Groups) {
  check_all(square(64, 96, 3, 1, 1, 2), {1, 6, 15});
  check_all(square(96, 48, 1, 1, 0, 3), {2, 6, 15});
  for (const int64_t width : {2, 4, 8}) check_all(square(64, 64, 3, 1, 1, 64 / width), {1, 6, 15});
  EXPECT_STREQ(refusal(square(24, 24, 3, 1, 1, 6)), "groups that do not fill blocks of 16");
}

TEST(JitDirect, Activations) {
  Thinned grid(5);
  using fast::Activation;
  for (const Activation a : {Activation::none, Activation::relu, Activation::clip, Activation::leaky_relu,
                             Activation::hard_swish, Activation::hard_sigmoid, Activation::sigmoid, Activation::silu}) {
    for (const int64_t groups : {1, 32}) {
      ConvProblem p = square(32, 32, 3, 1, 1, groups);
      p.activation = a;
      p.alpha = 0.2f, p.beta = 0.5f;
      for (const auto place : {fast::ResidualPlace::before_activation, fast::ResidualPlace::after_activation}) {
        p.residual_place = place;
        if (grid.takes_next()) check_all(p, {1, 5, 30});
      }
      p.residual = p.bias = false;
      if (grid.takes_next()) check_all(p, {1, 5, 30});
    }
  }
}

TEST(JitDirect, RandomShapes) {
  std::mt19937 random(7);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int i = 0; i < (kSanitized ? 30 : 150); ++i) {
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

// Matrices: rows instead of blocks, at the edge of mapped memory, by the levels' own answer over blocks (which is tested above).
void check_rows(int64_t m, int64_t k, int64_t n, Source source, Target target, bool residual, Level level,
                Guard guard) {
  ConvProblem p = square(k, n, 1, 1, 0);
  p.bias = true;
  p.residual = residual;
  p.activation = fast::Activation::relu;
  const fast::ConvSizes z{1, 1, m};
  const auto x = random_floats(m * k, 1), w = random_floats(n * k, 2, -0.5f, 0.5f), r = random_floats(m * n, 3),
             bias = random_floats(n, 4);
  p.source = source, p.target = target;
  SCOPED_TRACE(text(p, z, level));
  ASSERT_EQ(refusal(p), nullptr);
  Guarded in(source == Source::rows ? m * k : blocked_count(1, k, 1, m), guard),
      packed(static_cast<int64_t>(packed_weight_bytes(p) / 4), guard);
  Guarded biases(bias_count(n), guard), rest(m * n, guard), out(m * n, guard);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t c = 0; c < k; ++c) {
      const int64_t at = source == Source::rows ? i * k + c : (c / kBlock * m + i) * kBlock + c % kBlock;
      in.data()[at] = x[static_cast<size_t>(i * k + c)];
    }
    for (int64_t c = 0; c < n; ++c) {
      const int64_t at = target == Target::rows ? i * n + c : (c / kBlock * m + i) * kBlock + c % kBlock;
      rest.data()[at] = r[static_cast<size_t>(i * n + c)];
    }
  }
  std::copy(bias.begin(), bias.end(), biases.data());
  pack_weights(p, w.data(), nullptr, packed.data());
  ThreadPool pool({.threads = 1});
  const auto call = ConvCall::make(p, z, level);
  ASSERT_EQ(call->scratch_bytes(1), 0U);
  call->run({in.data(), packed.data(), biases.data(), rest.data(), out.data(), nullptr}, pool);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t c = 0; c < n; ++c) {
      const double own = double{bias[static_cast<size_t>(c)]},
                   more = residual ? double{r[static_cast<size_t>(i * n + c)]} : 0.0;
      double sum = own + more, size = std::fabs(own) + std::fabs(more);
      for (int64_t j = 0; j < k; ++j) {
        const double product = double{x[static_cast<size_t>(i * k + j)]} * double{w[static_cast<size_t>(c * k + j)]};
        sum += product, size += std::fabs(product);
      }
      const int64_t at = target == Target::rows ? i * n + c : (c / kBlock * m + i) * kBlock + c % kBlock;
      ASSERT_NEAR(double{out.data()[at]}, std::fmax(sum, 0.0),
                  0x1p-24 * (4 + 2 * std::sqrt(static_cast<double>(k))) * size)
          << i << " " << c;
    }
  }
}

TEST(JitDirect, RowsOfMatrices) {
  Thinned grid(11);
  for (const Level level : levels()) {
    for (const Guard guard : {Guard::behind, Guard::before}) {
      for (const Source source : {Source::rows, Source::blocked}) {
        for (const int64_t m : {1, 5, 14, 29, 130}) {
          for (const int64_t k : {1, 16, 37, 200}) {
            for (const int64_t n : {16, 48, 144}) {
              if (grid.takes_next()) check_rows(m, k, n, source, Target::rows, (m + n) % 2 == 0, level, guard);
              if (grid.takes_next()) check_rows(m, k, n, source, Target::blocked, (m + n) % 2 == 1, level, guard);
            }
          }
        }
      }
    }
  }
}

TEST(JitDirect, RowsThatAreNoMatrixAreRefused) {
  ConvProblem p = square(32, 32, 3, 1, 1);
  p.source = Source::rows;
  EXPECT_NE(refusal(p), nullptr);
  p = square(32, 24, 1, 1, 0);
  p.target = Target::rows;
  EXPECT_NE(refusal(p), nullptr);
}

}  // namespace
}  // namespace chorus::jit::test
