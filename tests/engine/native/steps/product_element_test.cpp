// Products of bfloat16 where they are asked for: rounded operands, nothing else, and float32 where the processor cannot.
#include "step_case.h"

#include <engine/native/jit/conv.h>
#include <engine/native/jit/narrow.h>
#include <engine/native/native_engine.h>

#include <cmath>

namespace chorus::testing {
namespace {

bool has_bf16() { return cpu().avx512_bf16 && jit::level(cpu()) == jit::Level::avx512; }

Model model_of(const GraphCase& c) {
  Model model;
  model.graph = std::make_shared<Graph>(c.graph);
  return model;
}

std::vector<float> run(const Model& model, const Value& x, Precision precision) {
  CompileOptions options;
  options.precision = precision;
  const auto program = native::make_native_engine()->compile(model, options);
  const auto instance = program->instance();
  std::vector<Value> out(1);
  instance->run(std::vector<Value>{x}, out, {});
  const auto y = out[0].as<float>();
  return {y.begin(), y.end()};
}

double rounded(float x) { return double{has_bf16() ? jit::widened(jit::rounded(x)) : x}; }

TEST(ProductElement, AMatrixProduct) {
  constexpr int64_t m = 24, k = 64, n = 48;
  Dice dice(1);
  GraphCase c;
  const Value b = dice.floats(Shape{k, n}), x = dice.floats(Shape{m, k});
  c.out(c.op("MatMul", {c.in("a", {m, k}), c.constant(b)}), "y");
  const std::vector<float> got = run(model_of(c), x, Precision::bf16), f32 = run(model_of(c), x, Precision::f32);
  bool differs = false;
  for (int64_t i = 0; i < m * n; ++i) {
    double sum = 0, size = 0;
    for (int64_t j = 0; j < k; ++j) {
      const double p = rounded(x.as<float>()[static_cast<size_t>(i / n * k + j)]) *
                       rounded(b.as<float>()[static_cast<size_t>(j * n + i % n)]);
      sum += p, size += std::fabs(p);
    }
    const auto at = static_cast<size_t>(i);
    EXPECT_NEAR(double{got[at]}, sum, 1e-6 * size);
    EXPECT_NEAR(double{got[at]}, double{f32[at]}, 0x1p-7 * size);
    differs = differs || got[at] != f32[at];
  }
  EXPECT_EQ(differs, has_bf16());
}

TEST(ProductElement, AConvolutionOfOpenWidth) {
  constexpr int64_t in = 64, out = 96, height = 12, width = 37;
  Dice dice(2);
  GraphCase c;
  const Value w = dice.floats(Shape{out, in, 3, 3}), x = dice.floats(Shape{1, in, height, width});
  c.out(c.op("Relu", {c.op("Conv", {c.in("x", {1, in, height, Dim::symbol("width")}), c.constant(w)},
                           {{"pads", std::vector<int64_t>{1, 1, 1, 1}}})}),
        "y");
  const std::vector<float> got = run(model_of(c), x, Precision::bf16);
  for (int64_t i = 0; i < out * height * width; i += 13) {
    const int64_t o = i / width / height, oy = i / width % height, ox = i % width;
    double sum = 0, size = 0;
    for (int64_t t = 0; t < in * 9; ++t) {
      const int64_t ch = t / 9, y = oy + t / 3 % 3 - 1, xx = ox + t % 3 - 1;
      if (y < 0 || y >= height || xx < 0 || xx >= width) continue;
      const double p = rounded(x.as<float>()[static_cast<size_t>((ch * height + y) * width + xx)]) *
                       rounded(w.as<float>()[static_cast<size_t>((o * in) * 9 + t)]);
      sum += p, size += std::fabs(p);
    }
    EXPECT_NEAR(double{got[static_cast<size_t>(i)]}, std::fmax(sum, 0), 2e-6 * size);
  }
}

TEST(ProductElement, OtherOperatorsKeepFloat32) {
  GraphCase c;
  c.out(c.op("Exp", {c.in("x", {1, 16, 4, 4})}), "y");
  const Value x = Dice(3).floats(Shape{1, 16, 4, 4});
  EXPECT_EQ(run(model_of(c), x, Precision::bf16), run(model_of(c), x, Precision::f32));
}

}  // namespace
}  // namespace chorus::testing
