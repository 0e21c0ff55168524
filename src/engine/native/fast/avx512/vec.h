// Vectors of the AVX-512 (F, BW, DQ, VL) level: sixteen floats.
#pragma once
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#define CHORUS_FAST_LEVEL avx512
#define CHORUS_FAST_INLINE inline __attribute__((always_inline))

namespace chorus::fast::avx512 {

constexpr int W = 16;  ///< floats in a vector
constexpr int MR = 8;  ///< rows of a register tile and of a packed A panel: 8 x 3 accumulators + 3 + 1 of 32 registers
constexpr bool fused = true;  ///< fma rounds once
constexpr int NV = 3;  ///< vectors in a row of the register tile

using F = __m512;
using I = int32_t __attribute__((vector_size(64)));
using U = uint32_t __attribute__((vector_size(64)));
using M = __mmask16;
using Tail = __mmask16;  ///< lanes that are alive

CHORUS_FAST_INLINE F load(const float* p) { return _mm512_loadu_ps(p); }
CHORUS_FAST_INLINE void store(float* p, F v) { _mm512_storeu_ps(p, v); }
CHORUS_FAST_INLINE F set1(float x) { return _mm512_set1_ps(x); }
CHORUS_FAST_INLINE I set1i(int32_t x) { return (I)_mm512_set1_epi32(x); }
CHORUS_FAST_INLINE F zero() { return _mm512_setzero_ps(); }
CHORUS_FAST_INLINE Tail tail(int64_t n) { return static_cast<Tail>(n < W ? (1u << n) - 1u : 0xffffu); }
CHORUS_FAST_INLINE F load(const float* p, Tail t) { return _mm512_maskz_loadu_ps(t, p); }
CHORUS_FAST_INLINE void store(float* p, Tail t, F v) { _mm512_mask_storeu_ps(p, t, v); }
CHORUS_FAST_INLINE F pick_even(F low, F high) {
  const __m512i at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return _mm512_permutex2var_ps(low, at, high);
}
/// p[0], p[2], p[4] …; nothing behind the last one that is taken is read.
CHORUS_FAST_INLINE F load_even(const float* p) { return pick_even(load(p), _mm512_maskz_loadu_ps(0x7fff, p + 16)); }
CHORUS_FAST_INLINE F load_even(const float* p, Tail t) {
  const uint32_t lanes = static_cast<uint32_t>(__builtin_popcount(t)) * 2u;  // the last odd one is not read
  const uint32_t bits = lanes == 0 ? 0u : (lanes >= 32 ? 0x7fffffffu : (1u << (lanes - 1)) - 1u);
  return pick_even(_mm512_maskz_loadu_ps(static_cast<__mmask16>(bits), p),
                   _mm512_maskz_loadu_ps(static_cast<__mmask16>(bits >> 16), p + 16));
}
/// src[0], 0, src[1], 0 …: the lower and the upper half.
CHORUS_FAST_INLINE F spread_low(F v) {
  return _mm512_maskz_permutexvar_ps(0x5555, _mm512_setr_epi32(0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0), v);
}
CHORUS_FAST_INLINE F spread_high(F v) {
  return _mm512_maskz_permutexvar_ps(0x5555, _mm512_setr_epi32(8, 0, 9, 0, 10, 0, 11, 0, 12, 0, 13, 0, 14, 0, 15, 0),
                                     v);
}
/// p[at[i]] of the lanes that are alive.
CHORUS_FAST_INLINE F gather(const float* p, const int32_t* at, Tail t) {
  return _mm512_mask_i32gather_ps(zero(), t, _mm512_maskz_loadu_epi32(t, at), p, 4);
}

CHORUS_FAST_INLINE F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
CHORUS_FAST_INLINE F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
/// The second operand where one of the two is NaN.
CHORUS_FAST_INLINE F max(F a, F b) { return _mm512_max_ps(a, b); }
CHORUS_FAST_INLINE F min(F a, F b) { return _mm512_min_ps(a, b); }
CHORUS_FAST_INLINE F sqrt(F a) { return _mm512_sqrt_ps(a); }
CHORUS_FAST_INLINE I as_int(F a) { return (I)a; }
CHORUS_FAST_INLINE F as_float(I a) { return (F)a; }
CHORUS_FAST_INLINE F to_float(I a) { return _mm512_cvtepi32_ps((__m512i)a); }
CHORUS_FAST_INLINE F abs(F a) { return (F)((I)a & 0x7fffffff); }

CHORUS_FAST_INLINE M lt(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
CHORUS_FAST_INLINE M le(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
CHORUS_FAST_INLINE M eq(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
CHORUS_FAST_INLINE M is_nan(F a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
CHORUS_FAST_INLINE M eqi(I a, I b) { return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b); }
CHORUS_FAST_INLINE M either(M a, M b) { return static_cast<M>(a | b); }
CHORUS_FAST_INLINE M both(M a, M b) { return static_cast<M>(a & b); }
CHORUS_FAST_INLINE F select(M m, F yes, F no) { return _mm512_mask_blend_ps(m, no, yes); }
CHORUS_FAST_INLINE I select(M m, I yes, I no) { return (I)_mm512_mask_blend_epi32(m, (__m512i)no, (__m512i)yes); }
CHORUS_FAST_INLINE bool any(M m) { return m != 0; }

/// To the nearest integer, halves to even.
CHORUS_FAST_INLINE F round(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// Of a value that is an integer already.
CHORUS_FAST_INLINE I to_int(F a) { return (I)_mm512_cvtps_epi32(a); }

CHORUS_FAST_INLINE float sum(F a) { return _mm512_reduce_add_ps(a); }
CHORUS_FAST_INLINE float scalar_max(float a, float b) { return a > b || a != a ? a : b; }
CHORUS_FAST_INLINE float scalar_min(float a, float b) { return a < b || a != a ? a : b; }
CHORUS_FAST_INLINE float maximum(F a) {
  alignas(64) float lane[W];
  _mm512_store_ps(lane, a);
  float r = lane[0];
  for (int i = 1; i < W; ++i) r = scalar_max(r, lane[i]);
  return r;
}
CHORUS_FAST_INLINE float minimum(F a) {
  alignas(64) float lane[W];
  _mm512_store_ps(lane, a);
  float r = lane[0];
  for (int i = 1; i < W; ++i) r = scalar_min(r, lane[i]);
  return r;
}

/// p * 2^n for an integer n, rounded once, also into the denormals.
CHORUS_FAST_INLINE F ldexp(F p, F n) { return _mm512_scalef_ps(p, n); }

/// One column of a packed A panel: MR floats.
using P = __m256;
CHORUS_FAST_INLINE P load_panel(const float* p) { return _mm256_loadu_ps(p); }
CHORUS_FAST_INLINE void store_panel(float* p, P v) { _mm256_storeu_ps(p, v); }
CHORUS_FAST_INLINE P set1_panel(float x) { return _mm256_set1_ps(x); }
CHORUS_FAST_INLINE P fma_panel(P a, P b, P c) { return _mm256_fmadd_ps(a, b, c); }

}  // namespace chorus::fast::avx512
