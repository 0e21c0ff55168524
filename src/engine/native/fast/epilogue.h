// What GEMM and convolution do with a result before it leaves the registers or the first cache.
#pragma once
#include <cstdint>

namespace chorus::fast {

enum class Activation : uint8_t {
  none,
  relu,
  clip,          ///< min(max(x, alpha), beta); relu6 is clip with 0 and 6
  leaky_relu,    ///< x < 0 ? alpha * x : x
  hard_swish,    ///< x * min(max(x / 6 + 0.5, 0), 1)
  hard_sigmoid,  ///< min(max(alpha * x + beta, 0), 1)
  sigmoid,
  silu,          ///< x * sigmoid(x)
  tanh,
  gelu_erf,      ///< x/2 * (1 + erf(x / sqrt 2))
  gelu_tanh,     ///< x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))
};

enum class ChannelAxis : uint8_t { row, column };  ///< bias, scale and shift run along M (conv: always) or along N
enum class ResidualPlace : uint8_t { before_activation, after_activation };

/// out = activation((x + bias) * scale + shift + residual), or activation(…) + residual. Null pointers are left out.
/// NaN stays NaN through every activation.
struct Epilogue {
  const float* bias = nullptr;      ///< [channels]
  const float* scale = nullptr;     ///< [channels]
  const float* shift = nullptr;     ///< [channels]; only together with scale
  const float* residual = nullptr;  ///< the shape and strides of the output; does not overlap it
  ChannelAxis axis = ChannelAxis::row;
  ResidualPlace residual_place = ResidualPlace::before_activation;
  Activation activation = Activation::none;
  float alpha = 0;
  float beta = 0;
};

}  // namespace chorus::fast
