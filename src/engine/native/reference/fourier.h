// Fast Fourier transforms of any length in one element type: mixed radix, and a convolution (Bluestein) where a prime factor is large.
// O(n log n). Rounding errors grow with log n; roots are computed in float64 and rounded once.
#pragma once
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <numbers>

namespace chorus::native::fourier {

enum class Way : uint8_t { forward, backward };

/// Longest transform that is tried: tables of more elements than this would not fit anywhere.
inline constexpr int64_t kLongest = int64_t{1} << 40;

/// exp(2 pi i k / n) for k in [0, n): the angle is brought into the first octant, where sine and cosine are exact to the last bit.
inline std::complex<double> unit_root(int64_t k, int64_t n) noexcept {
  const bool lower = 2 * k > n;
  int64_t eighths = 8 * (lower ? n - k : k);  // the angle is pi / (4 n) times this, in [0, pi]
  const bool left = eighths > 2 * n;
  if (left) eighths = 4 * n - eighths;
  const bool steep = eighths > n;
  const double angle =
      std::numbers::pi / 4 * static_cast<double>(steep ? 2 * n - eighths : eighths) / static_cast<double>(n);
  const double along = steep ? std::sin(angle) : std::cos(angle), across = steep ? std::cos(angle) : std::sin(angle);
  return {left ? -along : along, lower ? -across : across};
}

/// a * b by the schoolbook formula (std::complex looks for infinities, which costs a call); backward: a * b, forward: a * conj(b).
template <Way way, class T>
std::complex<T> turn(std::complex<T> a, std::complex<T> b) noexcept {
  if constexpr (way == Way::forward)
    return {a.real() * b.real() + a.imag() * b.imag(), a.imag() * b.real() - a.real() * b.imag()};
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

/// A quarter turn: times i (backward) or -i (forward).
template <Way way, class T>
std::complex<T> quarter(std::complex<T> a) noexcept {
  if constexpr (way == Way::forward) return {a.imag(), -a.real()};
  return {-a.imag(), a.real()};
}

/// Transforms of F elements in registers: y[k] = sum of x[j] root^(j k). Sums are taken in pairs from both ends, so that real parts
/// of mirrored elements meet first.
template <int F, Way way, class T>
void butterfly(const std::complex<T>* x, std::complex<T>* y) noexcept {
  constexpr T kSign = way == Way::forward ? -1 : 1;
  if constexpr (F == 2) {
    y[0] = x[0] + x[1];
    y[1] = x[0] - x[1];
  } else if constexpr (F == 3) {
    constexpr T kSine = kSign * T(0.866025403784438646763723170752936183);
    const auto sum = x[1] + x[2], gap = x[1] - x[2];
    const auto along = x[0] + T(-0.5) * sum, across = std::complex<T>(-(kSine * gap.imag()), kSine * gap.real());
    y[0] = x[0] + sum;
    y[1] = along + across;
    y[2] = along - across;
  } else if constexpr (F == 4) {
    const auto even = x[0] + x[2], even_gap = x[0] - x[2], odd = x[1] + x[3], odd_gap = quarter<way>(x[1] - x[3]);
    y[0] = even + odd;
    y[2] = even - odd;
    y[1] = even_gap + odd_gap;
    y[3] = even_gap - odd_gap;
  } else {
    static_assert(F == 5);
    constexpr T kCos1 = T(0.309016994374947424102293417182819059), kCos2 = T(-0.809016994374947424102293417182819059);
    constexpr T kSin1 = kSign * T(0.951056516295153572116439333379382143),
                kSin2 = kSign * T(0.587785252292473129168705954639072769);
    const auto outer = x[1] + x[4], outer_gap = x[1] - x[4], inner = x[2] + x[3], inner_gap = x[2] - x[3];
    const auto pair = [&](int k, T cos_outer, T cos_inner, T sin_outer, T sin_inner) {
      const std::complex<T> along(x[0].real() + cos_outer * outer.real() + cos_inner * inner.real(),
                                  x[0].imag() + cos_outer * outer.imag() + cos_inner * inner.imag());
      const std::complex<T> across(-(sin_outer * outer_gap.imag() + sin_inner * inner_gap.imag()),
                                   sin_outer * outer_gap.real() + sin_inner * inner_gap.real());
      y[k] = along + across;
      y[5 - k] = along - across;
    };
    y[0] = x[0] + outer + inner;
    pair(1, kCos1, kCos2, kSin1, kSin2);
    pair(2, kCos2, kCos1, kSin2, -kSin1);
  }
}

/// Mixed radix. Every stage reads [l][factor][m] and writes [factor][l][m], so that no reordering is left at the end.
template <class T>
class MixedRadix {
 public:
  using C = std::complex<T>;

  /// Elements of `tables` for prepare.
  static int64_t table_size(int64_t n) noexcept { return 3 * n; }
  /// Elements of `room` for run.
  static int64_t room_size(int64_t n) noexcept { return 3 * n; }

  void prepare(int64_t n, C* tables) noexcept {
    n_ = n;
    split(n);
    int64_t l = 1;
    for (int s = 0; s < count_; ++s) {
      const int64_t factor = stages_[s].factor, m = n / (l * factor);
      stages_[s].roots = tables;
      for (int64_t j = 1; j < factor; ++j) {
        for (int64_t i = 1; i < m; ++i) *tables++ = C(unit_root(j * l * i % n, n));
      }
      stages_[s].circle = tables;
      if (factor > 5) {
        for (int64_t j = 0; j < factor; ++j) *tables++ = C(unit_root(j, factor));
      }
      l *= factor;
    }
  }

  /// In place, not scaled.
  void run(C* data, C* room, Way way) const noexcept {
    if (way == Way::forward)
      run_all<Way::forward>(data, room);
    else
      run_all<Way::backward>(data, room);
  }

 private:
  struct Stage {
    int64_t factor = 0;
    const C* roots = nullptr;  // [factor - 1][m - 1]: root^(j i) of the stage's length
    const C* circle = nullptr;  // factors without a butterfly: the roots of unity of the factor
  };

  void split(int64_t n) noexcept {
    count_ = 0;
    const auto take = [&](int64_t factor) {
      for (; n % factor == 0; n /= factor) stages_[count_++].factor = factor;
    };
    take(4);
    if (n % 2 == 0) {
      take(2);
      std::swap(stages_[0].factor, stages_[count_ - 1].factor);
    }
    for (int64_t factor = 3; factor * factor <= n; factor += 2) take(factor);
    if (n > 1) stages_[count_++].factor = n;
  }

  template <Way way>
  void run_all(C* data, C* room) const noexcept {
    C *from = data, *to = room;
    int64_t l = 1;
    for (int s = 0; s < count_; ++s) {
      const Stage& stage = stages_[s];
      const int64_t m = n_ / (l * stage.factor);
      switch (stage.factor) {
        case 2: run_stage<2, way>(stage, l, m, from, to); break;
        case 3: run_stage<3, way>(stage, l, m, from, to); break;
        case 4: run_stage<4, way>(stage, l, m, from, to); break;
        case 5: run_stage<5, way>(stage, l, m, from, to); break;
        default: run_prime<way>(stage, l, m, from, to, room + n_); break;
      }
      std::swap(from, to);
      l *= stage.factor;
    }
    if (from != data) std::copy_n(from, n_, data);
  }

  template <int F, Way way>
  static void run_stage(const Stage& stage, int64_t l, int64_t m, const C* from, C* to) noexcept {
    for (int64_t k = 0; k < l; ++k) {
      for (int64_t i = 0; i < m; ++i) {
        C x[F], y[F];
        for (int j = 0; j < F; ++j) x[j] = from[i + m * (j + F * k)];
        butterfly<F, way>(x, y);
        to[i + m * k] = y[0];
        for (int j = 1; j < F; ++j)
          to[i + m * (k + l * j)] = i == 0 ? y[j] : turn<way>(y[j], stage.roots[(j - 1) * (m - 1) + i - 1]);
      }
    }
  }

  /// Any odd factor by the definition, elements from both ends in pairs. `pairs`: 2 elements per pair.
  template <Way way>
  static void run_prime(const Stage& stage, int64_t l, int64_t m, const C* from, C* to, C* pairs) noexcept {
    const int64_t factor = stage.factor, half = factor / 2;
    for (int64_t k = 0; k < l; ++k) {
      for (int64_t i = 0; i < m; ++i) {
        const auto x = [&](int64_t j) { return from[i + m * (j + factor * k)]; };
        const auto put = [&](int64_t j, C y) {
          to[i + m * (k + l * j)] = i == 0 ? y : turn<way>(y, stage.roots[(j - 1) * (m - 1) + i - 1]);
        };
        C total = x(0);
        for (int64_t j = 1; j <= half; ++j) {
          pairs[2 * j - 2] = x(j) + x(factor - j);
          pairs[2 * j - 1] = quarter<way>(x(j) - x(factor - j));
          total += pairs[2 * j - 2];
        }
        to[i + m * k] = total;
        for (int64_t row = 1; row <= half; ++row) {
          C along = x(0), across = 0;
          int64_t at = 0;
          for (int64_t j = 1; j <= half; ++j) {
            at += row;
            if (at >= factor) at -= factor;
            along += stage.circle[at].real() * pairs[2 * j - 2];
            across += stage.circle[at].imag() * pairs[2 * j - 1];
          }
          put(row, along + across);
          put(factor - row, along - across);
        }
      }
    }
  }

  Stage stages_[64];
  int count_ = 0;
  int64_t n_ = 1;
};

/// A transform of length n >= 1, n <= kLongest. Memory comes from the caller: `tables` is shared by all lines, `room` belongs to one.
template <class T>
class Transform {
 public:
  using C = std::complex<T>;
  explicit Transform(int64_t n) noexcept : n_(n), padded_(needs_convolution(n) ? smooth_length(2 * n - 1) : 0) {}

  int64_t table_size() const noexcept {
    return padded_ > 0 ? MixedRadix<T>::table_size(padded_) + 2 * padded_ + n_ + MixedRadix<T>::room_size(padded_)
                       : MixedRadix<T>::table_size(n_);
  }
  int64_t room_size() const noexcept {
    return padded_ > 0 ? padded_ + MixedRadix<T>::room_size(padded_) : MixedRadix<T>::room_size(n_);
  }

  void prepare(C* tables) noexcept {
    if (padded_ == 0) return radix_.prepare(n_, tables);
    radix_.prepare(padded_, tables);
    tables += MixedRadix<T>::table_size(padded_);
    chirp_ = tables;
    C* spectrum = tables + n_;
    spectrum_ = spectrum;
    std::fill_n(spectrum, padded_, C(0));
    int64_t square = 0;  // j * j modulo 2 n
    for (int64_t j = 0; j < n_; ++j) {
      const std::complex<double> root = unit_root(square, 2 * n_);
      chirp_[j] = C(root);
      spectrum[j] = C(root / static_cast<double>(padded_));
      if (j > 0) spectrum[padded_ - j] = spectrum[j];
      square = (square + 2 * j + 1) % (2 * n_);
    }
    radix_.run(spectrum, spectrum + padded_, Way::forward);
  }

  /// y[k] = sum of x[j] exp(∓2 pi i j k / n) in place, times `scale`.
  void run(C* data, C* room, Way way, T scale = 1) const noexcept {
    if (padded_ == 0)
      radix_.run(data, room, way);
    else if (way == Way::forward)
      convolve<Way::forward>(data, room);
    else
      convolve<Way::backward>(data, room);
    if (scale != T(1)) {
      for (int64_t k = 0; k < n_; ++k) data[k] *= scale;
    }
  }

 private:
  /// A prime factor whose square exceeds the length costs more by definition than three transforms of the next smooth length.
  static bool needs_convolution(int64_t n) noexcept {
    int64_t rest = n;
    for (int64_t factor = 2; factor * factor <= rest; ++factor) {
      while (rest % factor == 0) rest /= factor;
    }
    return rest > 48 && rest > n / rest;
  }

  /// The smallest product of twos, threes and fives that is at least n.
  static int64_t smooth_length(int64_t n) noexcept {
    int64_t best = 1;
    while (best < n) best *= 2;
    for (int64_t fives = 1; fives < best; fives *= 5) {
      for (int64_t length = fives; length < best; length *= 3) {
        int64_t candidate = length;
        while (candidate < n) candidate *= 2;
        best = std::min(best, candidate);
      }
    }
    return best;
  }

  /// j k = (j² + k² - (k - j)²) / 2 makes the transform a convolution with a chirp.
  template <Way way>
  void convolve(C* data, C* room) const noexcept {
    C *line = room, *rest = room + padded_;
    for (int64_t j = 0; j < n_; ++j) line[j] = turn<way>(data[j], chirp_[j]);
    std::fill_n(line + n_, padded_ - n_, C(0));
    radix_.run(line, rest, Way::forward);
    // The chirp is even, so the spectrum of its conjugate is the conjugate of its spectrum.
    for (int64_t k = 0; k < padded_; ++k)
      line[k] =
          way == Way::forward ? turn<Way::backward>(line[k], spectrum_[k]) : turn<Way::forward>(line[k], spectrum_[k]);
    radix_.run(line, rest, Way::backward);
    for (int64_t k = 0; k < n_; ++k) data[k] = turn<way>(line[k], chirp_[k]);
  }

  int64_t n_, padded_;
  MixedRadix<T> radix_;
  C* chirp_ = nullptr;
  const C* spectrum_ = nullptr;
};

}  // namespace chorus::native::fourier
