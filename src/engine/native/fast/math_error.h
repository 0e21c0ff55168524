// The bounds of the vector functions' errors, over all floats and in every level, against float64. The test measures
// them on a sample (every 1021st float) and fails when one is exceeded; over all 2^32 floats `fast_bench avx512
// exhaustive` measured exp 1.012 and tanh 1.332.
#pragma once
#include <engine/native/fast/elementwise.h>

namespace chorus::fast {

/// |got - exact| <= ulp * (spacing of floats at the exact value), or <= floor. The floor holds where the exact value
/// nears zero by cancellation or underflow.
struct MathError {
  double ulp;
  double floor;
};

constexpr MathError math_error(Unary op) {
  switch (op) {
    case Unary::exp: return {1.1, 0};
    case Unary::log: return {1, 0};
    case Unary::tanh: return {1.5, 0};
    case Unary::sigmoid: return {2.5, 0};
    case Unary::erf: return {1.5, 0};
    case Unary::gelu_erf: return {5, 0};
    case Unary::gelu_tanh: return {4, 1e-43};
    case Unary::silu: return {3.5, 1e-43};
    case Unary::hard_swish: return {3, 0};
    case Unary::sqrt: return {0.5, 0};
    case Unary::reciprocal: return {0.5, 0};
    case Unary::softplus: return {2.2, 0};
    case Unary::sin: return {2.2, 0};
    case Unary::cos: return {2.2, 0};
    case Unary::hard_sigmoid: return {1, 0};
    case Unary::relu:
    case Unary::clip: return {0, 0};
    case Unary::leaky_relu: return {0.5, 0};
  }
  return {0, 0};
}

/// powf, measured on special and 400,000 random pairs.
constexpr MathError pow_error{0.51, 0};

}  // namespace chorus::fast
