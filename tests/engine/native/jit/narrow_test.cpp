// Products of bfloat16: exact but for sums in float32 once the operands are rounded, on the processor, in plain C++, and interpreted.
#include "conv_case.h"
#include "interpreter.h"

#include <engine/native/jit/tile_code.h>

#include <random>

namespace chorus::jit::test {
namespace {

ConvProblem narrow(ConvProblem p) {
  p.element = Element::bf16;
  return p;
}

void check_narrow(const ConvProblem& p, const fast::ConvSizes& z) {
  check(narrow(p), z, Level::plain, Guard::behind);
  if (!cpu().avx512_bf16 || level(cpu()) != Level::avx512) return;
  for (const Guard g : {Guard::before, Guard::behind}) check(narrow(p), z, Level::avx512, g, 2);
}

TEST(JitNarrow, FiltersStridesGroupsTails) {
  for (const int64_t width : {1, 6, 14, 15, 29}) {
    check_narrow(square(16, 32, 1, 1, 0), {2, 3, width});
    check_narrow(square(22, 50, 3, 1, 1), {1, 5, width});
    check_narrow(square(34, 16, 3, 2, 1), {2, 6, width});
    check_narrow(square(64, 96, 3, 1, 1, 2), {1, 4, width});
    check_narrow(square(32, 32, 3, 1, 1, 8), {1, 4, width});
    check_narrow(square(600, 48, 1, 1, 0), {1, 3, width});
  }
  std::mt19937 random(5);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int i = 0; i < 60; ++i) {
    ConvProblem p = square(2 * pick(1, 40), pick(1, 80), pick(1, 5), pick(1, 3), pick(0, 3));
    p.shape.dilation_w = pick(1, 2);
    p.extents = pick(0, 1) != 0 ? Extents::open : Extents::fixed;
    p.residual_place = pick(0, 1) != 0 ? fast::ResidualPlace::before_activation : fast::ResidualPlace::after_activation;
    const fast::ConvSizes z{pick(1, 2), pick(6, 12), pick(10, 40)};
    check_narrow(p, z);
  }
}

/// [rows, in] x [in, out]: rows come apart into blocks and go together again.
TEST(JitNarrow, Rows) {
  const bool has = cpu().avx512_bf16 && level(cpu()) == Level::avx512;
  for (const Level l : {Level::plain, Level::avx512}) {
    if (l != Level::plain && !has) continue;
    for (const int64_t rows : {1, 7, 33, 100}) {
      ConvProblem p = narrow(square(80, 48, 1, 1, 0));
      p.residual = false, p.bias = false, p.source = Source::rows, p.target = Target::rows;
      p.activation = fast::Activation::none;
      ASSERT_EQ(refusal(p), nullptr);
      auto x = random_floats(rows * 80, 1), w = random_floats(48 * 80, 2);
      std::vector<float> packed(packed_weight_bytes(p) / 4), out(static_cast<size_t>(rows * 48));
      pack_weights(p, w.data(), nullptr, packed.data());
      const auto call = make_generated(p, {1, 1, rows}, l);
      Guarded scratch(static_cast<int64_t>(call->scratch_bytes(2) / 4), Guard::behind);
      ThreadPool pool({.threads = 2});
      ConvBuffers b{x.data(), packed.data(), nullptr, nullptr, out.data(), scratch.data()};
      call->run(b, pool);
      for (int64_t i = 0; i < rows * 48; ++i) {
        double sum = 0;
        for (int64_t k = 0; k < 80; ++k) {
          sum += double{widened(rounded(x[static_cast<size_t>(i / 48 * 80 + k)]))} *
                 double{widened(rounded(w[static_cast<size_t>(i % 48 * 80 + k)]))};
        }
        ASSERT_NEAR(out[static_cast<size_t>(i)], sum, 1e-5);
      }
    }
  }
}

TEST(JitNarrow, RoundsToNearestEven) {
  const auto all = random_floats(2000, 3, -1e3f, 1e3f);
  for (const float x : all) {
    const double below = double{widened(static_cast<uint16_t>(rounded(x) - 1))},
                 above = double{widened(static_cast<uint16_t>(rounded(x) + 1))};
    const double error = std::fabs(double{widened(rounded(x))} - double{x});
    EXPECT_LE(error, std::fabs(below - double{x}));
    EXPECT_LE(error, std::fabs(above - double{x}));
  }
  EXPECT_EQ(rounded(1.00390625f), 0x3f80);  // ties go to the even one
  EXPECT_EQ(rounded(1.01171875f), 0x3f82);
  EXPECT_EQ(rounded(1e-39f), 0);
  EXPECT_EQ(rounded(INFINITY), 0x7f80);
  EXPECT_TRUE(std::isnan(widened(rounded(NAN))));
}

/// A tile of pairs where the processor has none: every buffer is exactly as large as it must be.
TEST(JitNarrow, TilesInterpreted) {
  for (const int out_blocks : {1, 2, 3}) {
    for (const int pixels : {1, 5, most_pixels(Level::avx512, out_blocks)}) {
      const auto x = random_floats(pixels * 16, 1), w = random_floats(out_blocks * 256, 2);
      std::vector<uint16_t> input, weights(static_cast<size_t>(out_blocks * 256));
      for (const float v : x) input.push_back(rounded(v));
      for (int i = 0; i < out_blocks * 256; ++i) {
        const int o = i / 256, c = i % 256 / 16, lane = i % 16;
        weights[static_cast<size_t>(o * 256 + (c / 2 * 16 + lane) * 2 + c % 2)] = rounded(w[static_cast<size_t>(i)]);
      }
      std::vector<float> out(static_cast<size_t>(out_blocks * pixels * 16));
      TileKey key;
      key.pixels = pixels, key.out_blocks = out_blocks, key.lanes = key.last_lanes = kPairs, key.pixel_step = 32;
      TileArgs a{};
      a.input = reinterpret_cast<const float*>(input.data()),
      a.weights = reinterpret_cast<const float*>(weights.data());
      a.output = out.data();
      a.weight_block = 512, a.output_block = pixels * 64;
      a.full_blocks = a.rows = a.columns = a.tiles = 1;
      Interpreter interpreter;
      interpreter.allow(&a, sizeof a);
      interpreter.allow(input.data(), input.size() * 2), interpreter.allow(weights.data(), weights.size() * 2);
      interpreter.allow(out.data(), out.size() * 4);
      interpreter.run(tile_code(key), &a);
      for (int i = 0; i < out_blocks * pixels * 16; ++i) {
        const int o = i / 16 / pixels, p = i / 16 % pixels;
        double sum = 0;
        for (int c = 0; c < 16; ++c) {
          sum += double{widened(rounded(x[static_cast<size_t>(p * 16 + c)]))} *
                 double{widened(rounded(w[static_cast<size_t>(o * 256 + c * 16 + i % 16)]))};
        }
        ASSERT_NEAR(out[static_cast<size_t>(i)], sum, 1e-5) << "tile " << pixels << "x" << out_blocks;
      }
    }
  }
}

TEST(JitNarrow, Refusals) {
  EXPECT_STREQ(refusal(narrow(square(15, 16, 1, 1, 0))), "bfloat16 of an odd number of channels");
  EXPECT_STREQ(refusal(narrow(square(32, 32, 3, 1, 1, 32))), "bfloat16 of single channels");
  ConvProblem p = narrow(square(32, 32, 3, 1, 1));
  p.method = Method::winograd4;
  EXPECT_STREQ(refusal(p), "bfloat16 of another form");
}

}  // namespace
}  // namespace chorus::jit::test
