// Contracts of element-wise functions, binary operations with broadcasting, and transposition. float32.
#pragma once
#include <cstddef>
#include <cstdint>

namespace chorus::fast {

/// Functions of one number. NaN in gives NaN out; measured errors stand in math_error.h.
enum class Unary : uint8_t {
  exp,
  log,
  tanh,
  sigmoid,
  erf,
  gelu_erf,
  gelu_tanh,
  silu,
  hard_swish,
  sqrt,
  reciprocal,
  softplus,
  sin,
  cos,
  hard_sigmoid,  ///< min(max(alpha * x + beta, 0), 1)
  relu,
  leaky_relu,    ///< x < 0 ? alpha * x : x
  clip,          ///< min(max(x, alpha), beta)
};
constexpr int unary_count = 18;

struct UnaryArgs {
  Unary op = Unary::exp;
  const float* x = nullptr;  ///< [n]
  float* y = nullptr;        ///< [n]; x itself, or apart from it
  int64_t n = 0;
  float alpha = 0, beta = 0;
};

/// max and min give NaN where one operand is NaN; pow is C's powf.
enum class Binary : uint8_t { add, sub, mul, div, max, min, pow };

/// out[o][m][i] = op(a[o*sa0 + m*sa1 + i*sa2], b[o*sb0 + m*sb1 + i*sb2]); out is dense [outer, middle, inner].
/// Strides in floats, 0 repeats an operand. Same shape: inner = n; scalar: strides 0; a channel of NCHW: middle.
struct BinaryArgs {
  Binary op = Binary::add;
  const float* a = nullptr;
  const float* b = nullptr;
  float* out = nullptr;  ///< an operand of the same shape itself, or apart from both
  int64_t outer = 1, middle = 1, inner = 0;
  int64_t a_stride[3] = {0, 0, 1};
  int64_t b_stride[3] = {0, 0, 1};
};

/// out[b][c][r][i] = x[b][r][c][i], dense, any 32-bit elements; out is apart from x.
struct TransposeArgs {
  const float* x = nullptr;
  float* out = nullptr;
  int64_t batch = 1, rows = 0, columns = 0, inner = 1;
};

}  // namespace chorus::fast
