// Spectra and windows.
#include <cmath>

#include "table.h"

namespace chorus_torch {
namespace {

// The last axis holds real and imaginary parts; without the latter it has one element.
void dft(Call& c) {
  const Tensor given = c.in(0).to(at::kDouble);
  c.require(given.dim() >= 2 && given.size(-1) >= 1 && given.size(-1) <= 2,
            "the last axis must hold a real or a complex number");
  const int64_t axis = c.axis(c.has(2) ? c.ints(2).at(0) : -2, given.dim());
  c.require(axis < given.dim() - 1, "the axis is that of real and imaginary parts");
  const int64_t n = c.has(1) ? c.ints(1).at(0) : given.size(axis);
  const bool inverse = c.i("inverse", 0) != 0, one_sided = c.i("onesided", 0) != 0, real = given.size(-1) == 1;
  const Tensor x = real ? given.squeeze(-1) : at::view_as_complex(given.contiguous());
  if (inverse && one_sided) {
    const int64_t whole = c.has(1) ? n : 2 * (given.size(axis) - 1);
    return c.out(0, at::fft_irfft(x, whole, axis).unsqueeze(-1));
  }
  c.require(!one_sided || real, "half of a spectrum is that of real numbers only");
  c.out(0, at::view_as_real(inverse     ? at::fft_ifft(x, n, axis)
                            : one_sided ? at::fft_rfft(x, n, axis)
                                        : at::fft_fft(x, n, axis)));
}

// sum of (-1)^k a_k cos(2 pi k i / N)
void window(Call& c, std::initializer_list<double> factors) {
  const int64_t n = c.ints(0).at(0);
  c.require(n >= 0, "the size is negative");
  c.room({n}, at::kDouble);
  const double period = static_cast<double>(c.i("periodic", 1) != 0 ? n : n - 1);
  const Tensor turns = at::mul(at::arange(n, at::TensorOptions(at::kDouble)), period > 0 ? 2 * M_PI / period : 0);
  Tensor y = at::zeros({n}, at::TensorOptions(at::kDouble));
  double k = 0, sign = 1;
  for (double factor : factors) {
    y = at::add(y, at::mul(at::cos(at::mul(turns, k)), sign * factor));
    k += 1;
    sign = -sign;
  }
  c.out(0, y.to(to_torch(static_cast<int>(c.i("output_datatype", 1)))));
}

// The stored answers of the onnx package hold rounding noise of float32 (2e-7 where 0 is right, at a bound of 1e-7), which is another transform's.
std::string dft_refusal(const Node& node) {
  const bool noisy = node.i("inverse", 0) != 0 && node.dtype(0) != 11;
  return noisy ? "the rounding of ONNX's inverse transform of float32 is not that of PyTorch" : std::string();
}

constexpr Types kSizes = type_bit(at::kInt) | type_bit(at::kLong);

constexpr Row kRows[] = {
    {"DFT", dft, kDouble, "fft_fft, fft_rfft, fft_ifft, fft_irfft", {}, dft_refusal},
    {"HannWindow",
     [](Call& c) {
       window(c, {0.5, 0.5});
     },
     kSizes, "cos"},
    {"HammingWindow",
     [](Call& c) {
       window(c, {25.0 / 46, 21.0 / 46});
     },
     kSizes, "cos"},
    {"BlackmanWindow",
     [](Call& c) {
       window(c, {0.42, 0.5, 0.08});
     },
     kSizes, "cos"},
};

}  // namespace

std::span<const Row> signal_rows() { return kRows; }

}  // namespace chorus_torch
