// Spectra and windows.
#include <cmath>

#include "table.h"

namespace chorus_paddle {
namespace {

namespace api = paddle::experimental;

// The last axis holds real and imaginary parts; without the latter it has one element.
void dft(Call& c) {
  const Tensor given = c.in(0).to(kDouble);
  c.require(given.dim() >= 2 && given.size(-1) >= 1 && given.size(-1) <= 2,
            "the last axis must hold a real or a complex number");
  const int64_t axis = c.axis(c.has(2) ? c.ints(2).at(0) : -2, given.dim());
  c.require(axis < given.dim() - 1, "the axis is that of real and imaginary parts");
  const int64_t n = c.has(1) ? c.ints(1).at(0) : given.size(axis);
  const bool inverse = c.i("inverse", 0) != 0, one_sided = c.i("onesided", 0) != 0, real = given.size(-1) == 1;
  auto fitted = [&](const Tensor& x, int64_t wanted) {  // zeros behind, or less of it
    Ints more(static_cast<size_t>(x.dim()), 0);
    more[static_cast<size_t>(axis)] = wanted - x.size(axis);
    return pad(x, Ints(more.size(), 0), more, 0.0);
  };
  const Tensor complete = real ? concat({given, zeros(given.sizes(), kDouble)}, -1) : given;
  if (inverse && one_sided) {
    const int64_t whole = c.has(1) ? n : 2 * (given.size(axis) - 1);
    c.require(whole > 0 && given.numel() > 0, "the result would be empty");
    const Tensor half = api::as_complex(fitted(complete, whole / 2 + 1).contiguous());
    return c.out(0, Tensor(api::fft_c2r(half, {axis}, "backward", false, whole)).unsqueeze(-1));
  }
  c.require(n > 0 && given.numel() > 0, "the result would be empty");
  c.require(!one_sided || real, "half of a spectrum is that of real numbers only");
  const Tensor x = api::as_complex(fitted(complete, n).contiguous());
  const Tensor y = api::as_real(api::fft_c2c(x, {axis}, "backward", !inverse));
  c.out(0, one_sided ? y.narrow(axis, 0, n / 2 + 1) : y);
}

// sum of (-1)^k a_k cos(2 pi k i / N)
void window(Call& c, std::initializer_list<double> factors) {
  const int64_t n = c.ints(0).at(0);
  c.require(n >= 0, "the size is negative");
  c.room({n}, kDouble);
  const double period = static_cast<double>(c.i("periodic", 1) != 0 ? n : n - 1);
  if (n == 0) return c.out(0, fresh({0}, to_paddle(static_cast<int>(c.i("output_datatype", 1)))));
  const Tensor turns = mul(arange(n).to(kDouble), period > 0 ? 2 * M_PI / period : 0);
  Tensor y = zeros({n}, kDouble);
  double k = 0, sign = 1;
  for (double factor : factors) {
    y = add(y, mul(api::cos(mul(turns, k)), sign * factor));
    k += 1;
    sign = -sign;
  }
  c.out(0, y.to(to_paddle(static_cast<int>(c.i("output_datatype", 1)))));
}

// The stored answers of the onnx package hold rounding noise of float32 (2e-7 where 0 is right, at a bound of 1e-7), which is another transform's.
std::string dft_refusal(const Node& node) {
  const bool noisy = node.i("inverse", 0) != 0 && node.dtype(0) != 11;
  return noisy ? "the rounding of ONNX's inverse transform of float32 is not that of PaddlePaddle" : std::string();
}

constexpr Row kRows[] = {
    {"DFT", dft, kDoubles, "fft_c2c, fft_c2r", {}, dft_refusal},
    {"HannWindow",
     [](Call& c) {
       window(c, {0.5, 0.5});
     },
     kWholes, "cos"},
    {"HammingWindow",
     [](Call& c) {
       window(c, {25.0 / 46, 21.0 / 46});
     },
     kWholes, "cos"},
    {"BlackmanWindow",
     [](Call& c) {
       window(c, {0.42, 0.5, 0.08});
     },
     kWholes, "cos"},
};

}  // namespace

std::span<const Row> signal_rows() { return kRows; }

}  // namespace chorus_paddle
