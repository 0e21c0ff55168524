// Errors of the activations in registers, in spacings of floats, on both levels by interpretation: over a grid of all exponents.
#include "conv_case.h"
#include "interpreter.h"

#include <engine/native/jit/epilogue_code.h>

namespace chorus::jit::test {
namespace {

struct alignas(64) Args {
  float v[16];
  const EpilogueParams* params;
};

Code activation_code(Level level, const EpilogueKey& key) {
  Code c;
  c.level = level;
  const EpilogueRegisters r{{4, 5, 6, 7}, 1, 2};
  c.get(1, {0, -1, 1, static_cast<int32_t>(offsetof(Args, params))});
  if (needs_constants(key)) emit_constants(c, r);
  for (int h = 0; h < c.halves(); ++h) {
    c.load(0, {0, -1, 1, h * 32});
    emit_activation(c, key, r, 0);
    c.store({0, -1, 1, h * 32}, 0);
  }
  c.finish();
  return c;
}

/// Worst error in spacings of the exact value; below `floor` errors do not count.
double worst(Level level, const ConvProblem& p, double floor) {
  const Code code = activation_code(level, epilogue_key(p));
  EpilogueParams params;
  set_params(p, &params);
  double most = 0;
  for (uint32_t first = 0; first < 0x7f800000u; first += 16u * 9973u) {
    Args a{};
    float x[16];
    for (uint32_t i = 0; i < 16; ++i) {
      const uint32_t bits = std::min(first + i / 2 * 9973u, 0x7f7fffffu) | (i % 2 << 31);
      std::memcpy(&x[i], &bits, 4);
      a.v[i] = x[i];
    }
    a.params = &params;
    Interpreter interpreter;
    interpreter.allow(&a, sizeof a), interpreter.allow(&params, sizeof params);
    interpreter.run(code, &a);
    for (int i = 0; i < 16; ++i) {
      const double want = activation(p, static_cast<double>(x[i]));
      const double error = std::fabs(static_cast<double>(a.v[i]) - want);
      if (error <= floor) continue;
      const double spacing = std::fabs(want) < 0x1p-126 ? 0x1p-149 : std::ldexp(1.0, std::ilogb(want) - 23);
      most = std::fmax(most, error / spacing);
    }
  }
  return most;
}

TEST(JitEpilogueCode, ErrorTable) {
  using fast::Activation;
  struct Row {
    Activation activation;
    double ulp, floor;
  };
  // The floor holds where results vanish below the smallest normal number (silu: times the operand).
  const Row table[] = {{Activation::none, 0, 0},           {Activation::relu, 0, 0},
                       {Activation::clip, 0, 0},           {Activation::leaky_relu, 0.5, 0},
                       {Activation::hard_swish, 3, 1e-43}, {Activation::hard_sigmoid, 1, 0},
                       {Activation::sigmoid, 3, 4e-39},    {Activation::silu, 4, 1e-36}};
  for (const Level l : {Level::avx2, Level::avx512}) {
    for (const Row& row : table) {
      ConvProblem p;
      p.activation = row.activation;
      p.alpha = 0.2f, p.beta = 0.5f;
      const double error = worst(l, p, row.floor);
      std::printf("  level %d activation %2d: %.3f ulp\n", static_cast<int>(l), static_cast<int>(row.activation),
                  error);
      EXPECT_LE(error, row.ulp) << "activation " << static_cast<int>(row.activation);
    }
  }
}

TEST(JitEpilogueCode, NanStaysNan) {
  using fast::Activation;
  for (const Level l : {Level::avx2, Level::avx512}) {
    for (const Activation activation :
         {Activation::relu, Activation::clip, Activation::leaky_relu, Activation::hard_swish, Activation::hard_sigmoid,
          Activation::sigmoid, Activation::silu}) {
      ConvProblem p;
      p.activation = activation;
      p.alpha = 0.2f, p.beta = 0.5f;
      EpilogueParams params;
      set_params(p, &params);
      Args a{};
      for (float& v : a.v) v = std::numeric_limits<float>::quiet_NaN();
      a.params = &params;
      Interpreter interpreter;
      interpreter.allow(&a, sizeof a), interpreter.allow(&params, sizeof params);
      interpreter.run(activation_code(l, epilogue_key(p)), &a);
      for (const float v : a.v) EXPECT_TRUE(std::isnan(v)) << "activation " << static_cast<int>(activation);
    }
  }
}

}  // namespace
}  // namespace chorus::jit::test
