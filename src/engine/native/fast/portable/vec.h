// Vectors of the portable level: four floats as a compiler vector (SSE2 on x86-64, NEON on ARM, anything elsewhere).
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#define CHORUS_FAST_LEVEL portable
#define CHORUS_FAST_INLINE inline __attribute__((always_inline))

namespace chorus::fast::portable {

constexpr int W = 4;   ///< floats in a vector
constexpr int MR = 4;  ///< rows of a register tile and of a packed A panel
constexpr bool fused = false;  ///< fma rounds once
constexpr int NV = 3;  ///< vectors in a row of the register tile

using F = float __attribute__((vector_size(16)));
using I = int32_t __attribute__((vector_size(16)));
using U = uint32_t __attribute__((vector_size(16)));
using M = I;     ///< lane mask: all bits or none
using Tail = int;  ///< how many leading lanes are alive

CHORUS_FAST_INLINE F load(const float* p) {
  F v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
CHORUS_FAST_INLINE void store(float* p, F v) { std::memcpy(p, &v, sizeof v); }
CHORUS_FAST_INLINE F set1(float x) { return F{x, x, x, x}; }
CHORUS_FAST_INLINE I set1i(int32_t x) { return I{x, x, x, x}; }
CHORUS_FAST_INLINE F zero() { return F{}; }
CHORUS_FAST_INLINE Tail tail(int64_t n) { return n < W ? static_cast<int>(n) : W; }
CHORUS_FAST_INLINE F load(const float* p, Tail n) {
  F v{};
  for (int i = 0; i < W; ++i)
    if (i < n) v[i] = p[i];
  return v;
}
CHORUS_FAST_INLINE void store(float* p, Tail n, F v) {
  for (int i = 0; i < W; ++i)
    if (i < n) p[i] = v[i];
}
CHORUS_FAST_INLINE F pick_even(F low, F high) { return F{low[0], low[2], high[0], high[2]}; }
/// p[0], p[2], p[4] …; nothing behind the last one that is taken is read.
CHORUS_FAST_INLINE F load_even(const float* p) { return F{p[0], p[2], p[4], p[6]}; }
CHORUS_FAST_INLINE F load_even(const float* p, Tail n) {
  F v{};
  for (int i = 0; i < W; ++i)
    if (i < n) v[i] = p[2 * i];
  return v;
}
/// src[0], 0, src[1], 0 …: the lower and the upper half.
CHORUS_FAST_INLINE F spread_low(F v) { return F{v[0], 0, v[1], 0}; }
CHORUS_FAST_INLINE F spread_high(F v) { return F{v[2], 0, v[3], 0}; }
/// p[at[i]] of the lanes that are alive.
CHORUS_FAST_INLINE F gather(const float* p, const int32_t* at, Tail n) {
  F v{};
  for (int i = 0; i < W; ++i)
    if (i < n) v[i] = p[at[i]];
  return v;
}

CHORUS_FAST_INLINE F fma(F a, F b, F c) { return a * b + c; }
CHORUS_FAST_INLINE F fnma(F a, F b, F c) { return c - a * b; }
/// The second operand where one of the two is NaN.
CHORUS_FAST_INLINE F max(F a, F b) { return a > b ? a : b; }
CHORUS_FAST_INLINE F min(F a, F b) { return a < b ? a : b; }
CHORUS_FAST_INLINE F sqrt(F a) { return F{std::sqrt(a[0]), std::sqrt(a[1]), std::sqrt(a[2]), std::sqrt(a[3])}; }
CHORUS_FAST_INLINE I as_int(F a) { return (I)a; }
CHORUS_FAST_INLINE F as_float(I a) { return (F)a; }
CHORUS_FAST_INLINE F to_float(I a) { return __builtin_convertvector(a, F); }
CHORUS_FAST_INLINE F abs(F a) { return (F)((I)a & 0x7fffffff); }

CHORUS_FAST_INLINE M lt(F a, F b) { return a < b; }
CHORUS_FAST_INLINE M le(F a, F b) { return a <= b; }
CHORUS_FAST_INLINE M eq(F a, F b) { return a == b; }
CHORUS_FAST_INLINE M is_nan(F a) { return a != a; }
CHORUS_FAST_INLINE M eqi(I a, I b) { return a == b; }
CHORUS_FAST_INLINE M either(M a, M b) { return a | b; }
CHORUS_FAST_INLINE M both(M a, M b) { return a & b; }
CHORUS_FAST_INLINE F select(M m, F yes, F no) { return m ? yes : no; }
CHORUS_FAST_INLINE I select(M m, I yes, I no) { return m ? yes : no; }
CHORUS_FAST_INLINE bool any(M m) { return (m[0] | m[1] | m[2] | m[3]) != 0; }

/// To the nearest integer, halves to even; |a| < 2^22.
CHORUS_FAST_INLINE F round(F a) {
  const F magic = set1(12582912.0f);  // 1.5 * 2^23: the addition rounds away the fraction
  return (a + magic) - magic;
}
/// Of a value that is an integer already.
CHORUS_FAST_INLINE I to_int(F a) { return __builtin_convertvector(a, I); }

CHORUS_FAST_INLINE float sum(F a) { return (a[0] + a[2]) + (a[1] + a[3]); }
CHORUS_FAST_INLINE float scalar_max(float a, float b) { return a > b || a != a ? a : b; }
CHORUS_FAST_INLINE float scalar_min(float a, float b) { return a < b || a != a ? a : b; }
CHORUS_FAST_INLINE float maximum(F a) { return scalar_max(scalar_max(a[0], a[1]), scalar_max(a[2], a[3])); }
CHORUS_FAST_INLINE float minimum(F a) { return scalar_min(scalar_min(a[0], a[1]), scalar_min(a[2], a[3])); }

/// p * 2^n for an integer n in [-252, 254], rounded once, also into the denormals.
CHORUS_FAST_INLINE F ldexp(F p, F n) {
  const I i = to_int(n), half = i >> 1;
  return p * as_float((half + 127) << 23) * as_float((i - half + 127) << 23);
}

/// One column of a packed A panel: MR floats.
using P = F;
CHORUS_FAST_INLINE P load_panel(const float* p) { return load(p); }
CHORUS_FAST_INLINE void store_panel(float* p, P v) { store(p, v); }
CHORUS_FAST_INLINE P set1_panel(float x) { return set1(x); }
CHORUS_FAST_INLINE P fma_panel(P a, P b, P c) { return a * b + c; }

}  // namespace chorus::fast::portable
