// Depthwise tiles interpreted, for both levels whatever the processor.
#include "conv_case.h"
#include "interpreter.h"

#include <engine/native/jit/tile_code.h>

namespace chorus::jit::test {
namespace {

/// One row of pixels with pads on both sides, all columns of the picture in one tile.
void row(Level level, int pixels, int kernel, int stride, int dilation) {
  SCOPED_TRACE("level " + std::to_string(static_cast<int>(level)) + " pixels " + std::to_string(pixels) + " kernel " +
               std::to_string(kernel) + " stride " + std::to_string(stride) + " dilation " + std::to_string(dilation));
  const int reach = (pixels - 1) * stride + (kernel - 1) * dilation + 1, pad = kernel / 2 * dilation;
  const int width = reach - 2 * pad;
  if (width < 1) return;
  const auto x = random_floats(int64_t{2} * width * 16, 1), w = random_floats(int64_t{2} * kernel * 16, 2);
  const auto bias = random_floats(16, 3), initial = random_floats(int64_t{pixels} * 16, 4);
  std::vector<float> out(initial.size());
  TileKey key;
  key.level = level, key.pixels = pixels, key.depthwise = true, key.lanes = key.last_lanes = 1;
  key.pixel_step = 64 * stride, key.columns = kernel, key.column_step = 64 * dilation;
  key.left = key.right = pad;
  key.epilogue = {fast::Activation::none, true, true};
  TileArgs a{};
  a.input = x.data() - std::ptrdiff_t{pad} * 16, a.weights = w.data(), a.bias = bias.data(), a.output = out.data();
  a.initial = a.residual = initial.data();
  a.input_row = int64_t{width} * 64, a.rows = 2, a.tiles = 1;
  Interpreter interpreter;
  interpreter.allow(&a, sizeof a);
  for (const std::vector<float>* v : {&x, &w, &bias, &initial}) interpreter.allow(v->data(), v->size() * 4);
  interpreter.allow(out.data(), out.size() * 4);
  interpreter.run(depthwise_code(key), &a);
  for (int p = 0; p < pixels; ++p) {
    for (int c = 0; c < 16; ++c) {
      double sum = 2 * static_cast<double>(initial[static_cast<size_t>(p * 16 + c)]) +
                   static_cast<double>(bias[static_cast<size_t>(c)]);
      for (int i = 0; i < 2 * kernel; ++i) {
        const int at = p * stride - pad + i % kernel * dilation;
        if (at < 0 || at >= width) continue;
        sum += static_cast<double>(x[static_cast<size_t>((i / kernel * width + at) * 16 + c)]) *
               static_cast<double>(w[static_cast<size_t>(i * 16 + c)]);
      }
      ASSERT_NEAR(out[static_cast<size_t>(p * 16 + c)], sum, 1e-5) << "pixel " << p << " channel " << c;
    }
  }
}

TEST(JitDepthwiseCode, EveryTile) {
  for (const Level l : {Level::avx2, Level::avx512}) {
    for (const int kernel : {1, 3, 5, 7, 9}) {
      for (int p = 1; p <= most_depthwise_pixels(l, kernel); ++p) {
        for (const int stride : {1, 2}) row(l, p, kernel, stride, p % 3 == 0 ? 2 : 1);
      }
    }
  }
}

}  // namespace
}  // namespace chorus::jit::test
