// The transforms interpreted, for both levels: together they make a 3x3 convolution of one tile, against float64.
#include "conv_case.h"
#include "interpreter.h"

#include <engine/native/jit/transform_code.h>

namespace chorus::jit::test {
namespace {

void tile(Level level, int m, bool residual) {
  SCOPED_TRACE("level " + std::to_string(static_cast<int>(level)) + " m " + std::to_string(m));
  const int n = m + 2;
  const auto x = random_floats(int64_t{n} * n * 16, 1), w = random_floats(9, 2), bias = random_floats(16, 3);
  const auto r = random_floats(int64_t{m} * m * 16, 4);
  std::vector<float> values(x.size()), out(r.size()), between(36 * 16);
  TransformKey key{level, m, {fast::Activation::none, true, residual}};
  TransformArgs a{};
  a.source = x.data(), a.target = values.data(), a.source_step = n * 64, a.target_step = 64, a.between = between.data();
  Interpreter interpreter;
  interpreter.allow(&a, sizeof a);
  for (const std::vector<float>* v : {&x, &bias, &r}) interpreter.allow(v->data(), v->size() * 4);
  for (const std::vector<float>* v : {&values, &out, &between}) interpreter.allow(v->data(), v->size() * 4);
  interpreter.run(input_transform_code(key), &a);
  const auto g = filter_transform(m);
  for (int y = 0; y < n; ++y) {
    for (int c = 0; c < n; ++c) {
      double f = 0;
      for (int k = 0; k < 9; ++k)
        f += g[static_cast<size_t>(y * 3 + k / 3)] * g[static_cast<size_t>(c * 3 + k % 3)] *
             static_cast<double>(w[static_cast<size_t>(k)]);
      for (int l = 0; l < 16; ++l) values[static_cast<size_t>((y * n + c) * 16 + l)] *= static_cast<float>(f);
    }
  }
  a.source = values.data(), a.target = out.data(), a.source_step = 64, a.target_step = m * 64;
  a.bias = bias.data();
  (residual ? a.residual : a.initial) = r.data();
  interpreter.run(output_transform_code(key), &a);
  for (int y = 0; y < m; ++y) {
    for (int c = 0; c < m; ++c) {
      for (int l = 0; l < 16; ++l) {
        const auto at = static_cast<size_t>((y * m + c) * 16 + l);
        double sum = static_cast<double>(bias[static_cast<size_t>(l)]) + static_cast<double>(r[at]);
        for (int k = 0; k < 9; ++k)
          sum += static_cast<double>(x[static_cast<size_t>(((y + k / 3) * n + c + k % 3) * 16 + l)]) *
                 static_cast<double>(w[static_cast<size_t>(k)]);
        ASSERT_NEAR(out[at], sum, m == 2 ? 3e-6 : 6e-6) << y << "," << c << " lane " << l;
      }
    }
  }
}

TEST(JitTransformCode, TogetherAConvolution) {
  for (const Level l : {Level::avx2, Level::avx512}) {
    for (const int m : {2, 4}) {
      tile(l, m, true);
      tile(l, m, false);
    }
  }
}

}  // namespace
}  // namespace chorus::jit::test
