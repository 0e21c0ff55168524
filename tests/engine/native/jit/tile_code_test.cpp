// Tiles interpreted, for both levels whatever the processor: sums against float64, no access outside the operands.
#include "conv_case.h"
#include "interpreter.h"

#include <engine/native/jit/tile_code.h>

namespace chorus::jit::test {
namespace {

/// A row of tiles of a 1x1 convolution over `in` channels; every buffer is exactly as large as it must be.
void points(Level level, int pixels, int out_blocks, int64_t in, int tiles, bool partial) {
  SCOPED_TRACE("level " + std::to_string(static_cast<int>(level)) + " tile " + std::to_string(pixels) + "x" +
               std::to_string(out_blocks) + " channels " + std::to_string(in));
  const int64_t in_blocks = blocks(in), width = int64_t{pixels} * tiles;
  const auto x = random_floats(in_blocks * width * 16, 1), w = random_floats(out_blocks * in_blocks * 256, 2);
  const auto bias = random_floats(out_blocks * 16, 3), initial = random_floats(out_blocks * width * 16, 4);
  std::vector<float> out(initial.size());
  TileKey key;
  key.level = level, key.pixels = pixels, key.out_blocks = out_blocks;
  key.last_lanes = static_cast<int>(in - (in_blocks - 1) * 16);
  key.prefetch = 2;
  key.epilogue = {fast::Activation::relu, true, false};
  TileArgs a{};
  a.input = x.data(), a.weights = w.data(), a.bias = bias.data(), a.initial = initial.data(), a.output = out.data();
  a.partial = partial ? 1 : 0;
  a.weight_block = in_blocks * 1024, a.output_block = width * 64, a.input_block = width * 64;
  a.last_block = key.last_lanes < 16 ? 1 : 0;
  a.full_blocks = in_blocks - a.last_block;
  a.rows = a.columns = 1, a.tiles = tiles;
  Interpreter interpreter;
  interpreter.allow(&a, sizeof a);
  for (const std::vector<float>* v : {&x, &w, &bias, &initial}) interpreter.allow(v->data(), v->size() * 4);
  interpreter.allow(out.data(), out.size() * 4);
  interpreter.run(tile_code(key), &a);
  for (int64_t o = 0; o < out_blocks * 16; ++o) {
    for (int64_t p = 0; p < width; ++p) {
      const auto at = static_cast<size_t>((o / 16 * width + p) * 16 + o % 16);
      double sum = static_cast<double>(initial[at]);
      for (int64_t c = 0; c < in; ++c) {
        sum += static_cast<double>(x[static_cast<size_t>((c / 16 * width + p) * 16 + c % 16)]) *
               static_cast<double>(w[static_cast<size_t>(((o / 16 * in_blocks + c / 16) * 16 + c % 16) * 16 + o % 16)]);
      }
      if (!partial) sum = std::fmax(sum + static_cast<double>(bias[static_cast<size_t>(o)]), 0);
      ASSERT_NEAR(out[at], sum, 1e-5) << "channel " << o << " pixel " << p;
    }
  }
}

TEST(JitTileCode, EveryTile) {
  for (const Level l : {Level::avx2, Level::avx512}) {
    for (int n = 1; n <= 4; ++n) {
      for (int p = 1; p <= most_pixels(l, n); ++p) points(l, p, n, 40, 2, p % 2 == 0);
    }
  }
}

TEST(JitTileCode, RegistersSuffice) {
  for (const Level l : {Level::avx2, Level::avx512}) {
    for (int n = 1; n <= 4; ++n) {
      for (int p = 1; p <= most_pixels(l, n); ++p) {
        for (const auto a : {fast::Activation::silu, fast::Activation::hard_swish, fast::Activation::clip}) {
          TileKey key;
          key.level = l, key.pixels = p, key.out_blocks = n, key.columns = 3, key.column_step = 64, key.left = 1;
          key.epilogue = {a, true, true};
          const Code code = tile_code(key);
          for (const Instr& i : code.list) {
            const int most = i.op <= Op::copy ? code.registers() : kGeneral;
            ASSERT_LT(std::max({i.d, i.a, i.b}), most);
          }
        }
      }
    }
  }
}

TEST(JitTileCode, InputChannelsBehindTheLastAreNotRead) {
  // The interpreter would refuse them: the input ends with the last real channel.
  TileKey key;
  key.pixels = 1, key.last_lanes = 5;
  const auto x = random_floats(5, 1), w = random_floats(256, 2);
  std::vector<float> out(16);
  TileArgs a{};
  a.input = x.data(), a.weights = w.data(), a.output = out.data();
  a.last_block = a.rows = a.columns = a.tiles = 1;
  Interpreter interpreter;
  interpreter.allow(&a, sizeof a);
  interpreter.allow(x.data(), 20), interpreter.allow(w.data(), 1024), interpreter.allow(out.data(), 64);
  interpreter.run(tile_code(key), &a);
  double sum = 0;
  for (size_t c = 0; c < 5; ++c) sum += static_cast<double>(x[c]) * static_cast<double>(w[c * 16]);
  EXPECT_NEAR(out[0], sum, 1e-6);
}

TEST(JitTileCode, ColumnsOutsideThePicture) {
  TileKey k;
  k.pixels = 4, k.columns = 3, k.column_step = 64, k.left = 1, k.right = 1;
  EXPECT_FALSE(inside(k, 0, 0));
  EXPECT_TRUE(inside(k, 0, 1));
  EXPECT_TRUE(inside(k, 3, 1));
  EXPECT_FALSE(inside(k, 3, 2));
  k.columns = 0;
  EXPECT_TRUE(inside(k, 0, 0));
}

}  // namespace
}  // namespace chorus::jit::test
