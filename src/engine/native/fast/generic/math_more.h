// Sine, cosine and power of one vector. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/generic/math.h>

#include <cmath>

namespace chorus::fast::CHORUS_FAST_LEVEL {

enum class Wave : uint8_t { sine, cosine };

/// Beyond this the three-part pi/2 loses bits; such lanes go through the C library in float64.
constexpr float wave_limit = 8192.0f;

template <Wave which>
void wave_far(const float* x, float* y) noexcept {
  for (int i = 0; i < W; ++i) {
    const double v = x[i];
    if (!(std::fabs(v) < wave_limit)) y[i] = static_cast<float>(which == Wave::sine ? std::sin(v) : std::cos(v));
  }
}

template <Wave which>
CHORUS_FAST_INLINE F wave(F x) {
  static constexpr float sine[] = {-0.166666672f, 0.0083333794f, -0.000198530688f, 2.83262943e-06f};
  static constexpr float cosine[] = {0.0416666456f, -0.00138873095f, 2.44323364e-05f};
  const M far = either(le(set1(wave_limit), abs(x)), is_nan(x));
  const F a = select(far, zero(), x);
  const F n = round(a * set1(0.636619772f));
  // pi/2 in four parts of at most eleven bits each but the last: the products are exact without fused operations.
  F r = fnma(n, set1(1.5703125f), a);
  r = fnma(n, set1(0.000483751297f), r);
  r = fnma(n, set1(7.54953362e-08f), r);
  r = fnma(n, set1(2.56334407e-12f), r);
  const F s = r * r;
  const F sin = fma(r * s, polynomial(s, sine), r);
  const F cos = fma(s * s, polynomial(s, cosine), fnma(set1(0.5f), s, set1(1.0f)));
  const I quarter = to_int(n) + (which == Wave::cosine ? 1 : 0);
  const F v = select(eqi(quarter & 1, set1i(0)), sin, cos);
  F y = as_float(as_int(v) ^ ((quarter & 2) << 30));
  if (any(far)) {
    float from[W], to[W];
    store(from, x);
    store(to, y);
    wave_far<which>(from, to);
    y = load(to);
  }
  return which == Wave::sine ? select(eq(x, zero()), x, y) : y;  // -0 stays
}
CHORUS_FAST_INLINE F sin(F x) { return wave<Wave::sine>(x); }
CHORUS_FAST_INLINE F cos(F x) { return wave<Wave::cosine>(x); }

// Power runs in float64, half a vector at a time.
using HalfF = float __attribute__((vector_size(W * 2)));
using D = double __attribute__((vector_size(W * 4)));
using L = int64_t __attribute__((vector_size(W * 4)));
constexpr double round_magic = 6755399441055744.0;  // 1.5 * 2^52

CHORUS_FAST_INLINE D all(double x) { return D{} + x; }
CHORUS_FAST_INLINE D pick(L m, D yes, D no) { return (D)(((L)yes & m) | ((L)no & ~m)); }
CHORUS_FAST_INLINE D round_even(D x) { return (x + round_magic) - round_magic; }
CHORUS_FAST_INLINE D magnitude(D x) { return (D)((L)x & 0x7fffffffffffffff); }

/// log2 of a positive normal number, to about 1e-12.
CHORUS_FAST_INLINE D log2_of(D x) {
  const L bits = (L)x;
  const L e = ((bits - 0x3fe6a09e667f3bcd) >> 52);
  const D m = (D)(bits - (e << 52));
  const D n = (D)(e + (int64_t)0x4338000000000000) - round_magic;
  const D f = (m - 1.0) / (m + 1.0), s = f * f;
  D p = all(1.0 / 13);
  p = p * s + 1.0 / 11, p = p * s + 1.0 / 9, p = p * s + 1.0 / 7, p = p * s + 1.0 / 5, p = p * s + 1.0 / 3;
  return n + (f + f * s * p) * 2.8853900817779268;
}
/// 2^t for |t| <= 300.
CHORUS_FAST_INLINE D exp2_of(D t) {
  const D n = round_even(t), g = (t - n) * 0.69314718055994531;
  D p = all(1.0 / 362880);
  p = p * g + 1.0 / 40320, p = p * g + 1.0 / 5040, p = p * g + 1.0 / 720, p = p * g + 1.0 / 120, p = p * g + 1.0 / 24;
  p = p * g + 1.0 / 6, p = p * g + 0.5, p = p * g + 1.0, p = p * g + 1.0;
  const L k = (L)(n + round_magic) - (int64_t)0x4338000000000000;
  return p * (D)((k + 1023) << 52);
}

CHORUS_FAST_INLINE D power(D x, D y) {
  const double inf = __builtin_inf();
  const D a = magnitude(x);
  const L is_zero = a == 0.0, is_inf = a == inf;
  D logarithm = log2_of(pick(is_zero | is_inf, all(1.0), a));
  logarithm = pick(is_zero, all(-1e60), pick(is_inf, all(1e60), logarithm));
  D t = pick(a == 1.0, all(0.0), y * logarithm);
  t = pick(t > 300.0, all(300.0), pick(t < -300.0, all(-300.0), t));
  D r = exp2_of(t);
  // Whole and odd exponents; a float of 2^24 and more is even.
  const D ya = magnitude(y), yc = pick(ya > 33554432.0, all(33554432.0), ya);
  const L whole = round_even(yc) == yc, odd = whole & (round_even(yc * 0.5) != yc * 0.5);
  const L negative = (L)x >> 63;
  r = (D)((L)r | (negative & odd & (int64_t)0x8000000000000000ull));
  const D nan = all(__builtin_nan(""));
  r = pick(negative & ~whole & ~is_zero & ~is_inf, nan, r);
  r = pick((x != x) | (y != y), nan, r);
  return pick((y == 0.0) | (x == 1.0), all(1.0), r);
}

CHORUS_FAST_INLINE bool all_are(F x, float number) {
  return !any(lt(zero(), select(eq(x, set1(number)), zero(), set1(1.0f))));
}

CHORUS_FAST_INLINE F pow(F x, F y) {
  const bool cube = all_are(y, 3.0f);  // as networks spell it; rounded twice, the first time to float64
  HalfF xs[2], ys[2], rs[2];
  std::memcpy(xs, &x, sizeof x);
  std::memcpy(ys, &y, sizeof y);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const D a = __builtin_convertvector(xs[i], D);
    const D r = cube ? a * a * a : power(a, __builtin_convertvector(ys[i], D));
    rs[i] = __builtin_convertvector(r, HalfF);
  }
  F r;
  std::memcpy(&r, rs, sizeof r);
  return r;
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
