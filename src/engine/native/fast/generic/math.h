// Functions of one vector. Polynomials are own weighted minimax fits (Lawson iteration, coefficients rounded one by
// one); measured errors stand in math_error.h. NaN in, NaN out; infinities and denormals as in the C library unless
// said. Included after a level's vec.h.
#pragma once
#include <cstdint>

namespace chorus::fast::CHORUS_FAST_LEVEL {

CHORUS_FAST_INLINE F infinity() { return set1(__builtin_inff()); }
CHORUS_FAST_INLINE F not_a_number() { return set1(__builtin_nanf("")); }
CHORUS_FAST_INLINE F with_sign(F magnitude, F sign) {
  return as_float((as_int(magnitude) & 0x7fffffff) | (as_int(sign) & static_cast<int32_t>(0x80000000u)));
}

template <int N>
CHORUS_FAST_INLINE F polynomial(F x, const float (&c)[N]) {  // c[0] + c[1] x + …
  F r = set1(c[N - 1]);
#pragma GCC unroll 16
  for (int i = N - 2; i >= 0; --i) r = fma(r, x, set1(c[i]));
  return r;
}

// ln 2 in two parts; the first has nine bits, so that its product with an exponent is exact without fused operations.
constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f, log2_e = 1.44269504f;

constexpr float exp_terms[] = {0.49999994f, 0.166665211f, 0.0416682623f, 0.00836867094f, 0.00138209993f};

/// e^(x + tail): `tail` is a small correction of x.
CHORUS_FAST_INLINE F exp_with(F x, F correction) {
  const F a = min(set1(89.0f), max(set1(-105.0f), x));
  const F n = round(a * set1(log2_e));
  const F r = fnma(n, set1(ln2_low), fnma(n, set1(ln2_high), a)) + correction;
  const F p = fma(r * r, polynomial(r, exp_terms), r) + set1(1.0f);
  return ldexp(p, n);
}
/// e^x of numbers up to 0, and of NaN.
CHORUS_FAST_INLINE F exp_down(F x) {
  const F a = max(set1(-105.0f), x);
  const F n = round(a * set1(log2_e));
  const F r = fnma(n, set1(ln2_low), fnma(n, set1(ln2_high), a));
  return ldexp(fma(r * r, polynomial(r, exp_terms), r) + set1(1.0f), n);
}
CHORUS_FAST_INLINE F exp(F x) { return exp_with(x, zero()); }

CHORUS_FAST_INLINE F log(F x) {
  static constexpr float c[] = {0.333333135f,  -0.250000089f, 0.200020716f,  -0.166679904f, 0.142203629f,
                                -0.124062084f, 0.118834712f,  -0.116701826f, 0.0674953908f};
  const M tiny = lt(x, set1(1.17549435e-38f));
  const F a = select(tiny, x * set1(8388608.0f), x);
  const I e = (as_int(a) - 0x3f3504f3) >> 23;  // so that the rest lies in [sqrt 1/2, sqrt 2)
  const F f = as_float(as_int(a) - (e << 23)) - set1(1.0f);
  const F n = to_float(e) - select(tiny, set1(23.0f), zero());
  const F f2 = f * f;
  F y = fma(f2 * f, polynomial(f, c), n * set1(ln2_low));
  y = fnma(set1(0.5f), f2, y) + f;
  y = fma(n, set1(ln2_high), y);
  y = select(eq(x, infinity()), x, y);
  y = select(eq(x, zero()), zero() - infinity(), y);
  return select(either(lt(x, zero()), is_nan(x)), not_a_number(), y);
}

/// log(1 + u) for u in [0, 1].
CHORUS_FAST_INLINE F log1p_unit(F u) {
  const F w = set1(1.0f) + u;
  return log(w) + (u - (w - set1(1.0f))) / w;
}

CHORUS_FAST_INLINE F tanh(F x) {
  static constexpr float c[] = {-0.333333313f, 0.133332178f,    -0.0539475866f,
                                0.0217028726f, -0.00817869324f, 0.00214136182f};
  const F a = abs(x), s = x * x;
  const F small = fma(x * s, polynomial(s, c), x);
  const F e = exp(min(set1(20.0f), a + a));
  const F large = set1(1.0f) - set1(2.0f) / (e + set1(1.0f));
  return with_sign(select(lt(a, set1(0.6f)), small, large), x);
}

CHORUS_FAST_INLINE F sigmoid(F x) {
  const F e = exp(zero() - abs(x));
  return select(lt(x, zero()), e, set1(1.0f)) / (set1(1.0f) + e);
}
CHORUS_FAST_INLINE F silu(F x) { return x * sigmoid(x); }

CHORUS_FAST_INLINE F erf(F x) {
  static constexpr float near[] = {0.128379151f,   -0.376124889f,  0.11281731f,
                                   -0.0267629661f, 0.00498735253f, -0.00059595838f};
  static constexpr float far[] = {0.12864849f,   0.635151327f,     0.106236845f,   -0.0237620194f,
                                  0.0036424296f, -0.000322794018f, 1.12300113e-05f};
  const F a = min(set1(4.1f), abs(x)), s = x * x;
  const F small = fma(x, polynomial(s, near), x);
  const F large = set1(1.0f) - exp(zero() - fma(a, polynomial(a, far), a));
  return select(lt(abs(x), set1(0.93f)), small, with_sign(large, x));
}

/// The rounding error of a * b, exactly (barring underflow).
CHORUS_FAST_INLINE F product_error(F a, F b, F product) {
  if constexpr (fused) return fma(a, b, zero() - product);
  const F ah = as_float(as_int(a) & static_cast<int32_t>(0xfffff000u)), al = a - ah;
  const F bh = as_float(as_int(b) & static_cast<int32_t>(0xfffff000u)), bl = b - bh;
  return (((ah * bh - product) + ah * bl) + al * bh) + al * bl;
}

/// x * Phi(x); the lower tail comes from exp(-x^2/2) * erfcx, so that it keeps its relative accuracy.
CHORUS_FAST_INLINE F gelu(F x) {
  static constexpr float c[] = {1.27697837f,     -0.0927638561f,   -0.166030943f,  0.164052486f,
                                -0.0542076156f,  -0.00804097392f,  0.00864464045f, 0.00126464956f,
                                -0.00126220414f, -0.000356335804f, 3.37318161e-05f};
  const F a = min(set1(14.5f), abs(x)), t = a * set1(0.707106781f);
  const F q = (t - set1(2.0f)) / (t + set1(2.0f));
  const F s = a * a;
  const F e = exp_with(s * set1(-0.5f), product_error(a, a, s) * set1(-0.5f));
  const F below = (set1(0.5f) * a * polynomial(q, c) / fma(set1(2.0f), t, set1(1.0f))) * e;  // |x| Phi(-|x|)
  const F y = select(lt(x, zero()), set1(-0.0f) - below, x - below);  // -0 where the tail underflows
  return select(lt(x, set1(-14.5f)), x * zero(), y);
}

/// x / (1 + e^-u), u = 2 sqrt(2/pi) (x + 0.044715 x^3) in two parts: the lower tail would magnify its rounding |u|
/// times.
CHORUS_FAST_INLINE F gelu_tanh(F x) {
  const F one = set1(1.59576917f), one_low = set1(-4.53406805e-08f);  // 2 sqrt(2/pi)
  const F cube = set1(0.0713548139f), cube_low = set1(2.39883247e-09f);  // times 0.044715
  const F a = min(set1(12.0f), max(set1(-12.0f), x));
  const F s = a * a, s_low = product_error(a, a, s);
  const F p = s * cube, p_low = product_error(s, cube, p) + fma(s, cube_low, fma(s_low, cube, one_low));
  const F v = one + p, v_low = (p - (v - one)) - ((v - (v - one)) - one) + p_low;
  const F u = a * v, u_low = fma(a, v_low, product_error(a, v, u));
  const F low = select(lt(x, zero()), u_low, zero() - u_low);
  const F e = exp_with(zero() - abs(u), low);
  return x * (select(lt(x, zero()), e, set1(1.0f)) / (set1(1.0f) + e));
}
CHORUS_FAST_INLINE F hard_sigmoid(F x, F alpha, F beta) { return min(set1(1.0f), max(zero(), fma(alpha, x, beta))); }
/// The sum comes first, so that it is exact near -3.
CHORUS_FAST_INLINE F hard_swish(F x) { return x * (min(set1(6.0f), max(zero(), x + set1(3.0f))) * set1(0.166666667f)); }
CHORUS_FAST_INLINE F softplus(F x) { return max(zero(), x) + log1p_unit(exp(zero() - abs(x))); }

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
