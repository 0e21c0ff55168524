// Activation functions of recurrent cells: names, parameters and their defaults, read the same way by rules and kernels.
#pragma once
#include <ops/context.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace chorus {

struct Activation {
  enum class Kind : uint8_t {
    relu,
    tanh,
    sigmoid,
    affine,
    leaky_relu,
    thresholded_relu,
    scaled_tanh,
    hard_sigmoid,
    elu,
    softsign,
    softplus
  };
  Kind kind = Kind::tanh;
  double alpha = 0, beta = 0;
  double operator()(double v) const noexcept;
  double slope(double v) const noexcept;  ///< its derivative
};

/// The functions of `directions` directions, `each` per direction, from the attributes activations, activation_alpha and
/// activation_beta; `defaults` are those of one direction. The numbers of alpha and beta go, in order, to the functions that take
/// one. Null, or what is wrong.
const char* read_activations(const AttrReader& attrs, int each, int64_t directions,
                             std::span<const std::string_view> defaults, Activation* out) noexcept;

}  // namespace chorus
