// Vectors of the AVX2 + FMA level: eight floats.
#pragma once
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#define CHORUS_FAST_LEVEL avx2
#define CHORUS_FAST_INLINE inline __attribute__((always_inline))

namespace chorus::fast::avx2 {

constexpr int W = 8;   ///< floats in a vector
constexpr int MR = 4;  ///< rows of a register tile and of a packed A panel: 4 x 3 accumulators + 3 + 1 = 16 registers
constexpr bool fused = true;  ///< fma rounds once
constexpr int NV = 3;  ///< vectors in a row of the register tile

using F = __m256;
using I = int32_t __attribute__((vector_size(32)));
using U = uint32_t __attribute__((vector_size(32)));
using M = __m256;  ///< lane mask: the sign bit counts
using Tail = __m256i;  ///< lanes that are alive, for maskload and maskstore

CHORUS_FAST_INLINE F load(const float* p) { return _mm256_loadu_ps(p); }
CHORUS_FAST_INLINE void store(float* p, F v) { _mm256_storeu_ps(p, v); }
CHORUS_FAST_INLINE F set1(float x) { return _mm256_set1_ps(x); }
CHORUS_FAST_INLINE I set1i(int32_t x) { return (I)_mm256_set1_epi32(x); }
CHORUS_FAST_INLINE F zero() { return _mm256_setzero_ps(); }
CHORUS_FAST_INLINE Tail tail(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < W ? static_cast<int>(n) : W),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
CHORUS_FAST_INLINE F load(const float* p, Tail t) { return _mm256_maskload_ps(p, t); }
CHORUS_FAST_INLINE void store(float* p, Tail t, F v) { _mm256_maskstore_ps(p, t, v); }
CHORUS_FAST_INLINE F pick_even(F low, F high) {
  const F mixed = _mm256_shuffle_ps(low, high, 0x88);
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8));
}
/// p[0], p[2], p[4] …; nothing behind the last one that is taken is read.
CHORUS_FAST_INLINE F load_even(const float* p) {
  // The second half starts one float early, so that p[15] is not touched; its odd lanes are the wanted ones.
  const F low = load(p);
  const F high = load(p + 7);
  const F mixed = _mm256_shuffle_ps(low, high, 0xd8);  // low 0 2, high 1 3 per 128-bit lane
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8));
}
CHORUS_FAST_INLINE F load_even(const float* p, Tail t) {
  const __m256i at = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
  return _mm256_mask_i32gather_ps(zero(), p, at, _mm256_castsi256_ps(t), 4);
}
/// src[0], 0, src[1], 0 …: the lower and the upper half.
CHORUS_FAST_INLINE F spread_low(F v) {
  return _mm256_unpacklo_ps(_mm256_permutevar8x32_ps(v, _mm256_setr_epi32(0, 1, 0, 0, 2, 3, 0, 0)), zero());
}
CHORUS_FAST_INLINE F spread_high(F v) {
  return _mm256_unpacklo_ps(_mm256_permutevar8x32_ps(v, _mm256_setr_epi32(4, 5, 0, 0, 6, 7, 0, 0)), zero());
}
/// p[at[i]] of the lanes that are alive.
CHORUS_FAST_INLINE F gather(const float* p, const int32_t* at, Tail t) {
  return _mm256_mask_i32gather_ps(zero(), p, _mm256_maskload_epi32(at, t), _mm256_castsi256_ps(t), 4);
}

CHORUS_FAST_INLINE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
CHORUS_FAST_INLINE F fnma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }
/// The second operand where one of the two is NaN.
CHORUS_FAST_INLINE F max(F a, F b) { return _mm256_max_ps(a, b); }
CHORUS_FAST_INLINE F min(F a, F b) { return _mm256_min_ps(a, b); }
CHORUS_FAST_INLINE F sqrt(F a) { return _mm256_sqrt_ps(a); }
CHORUS_FAST_INLINE I as_int(F a) { return (I)a; }
CHORUS_FAST_INLINE F as_float(I a) { return (F)a; }
CHORUS_FAST_INLINE F to_float(I a) { return _mm256_cvtepi32_ps((__m256i)a); }
CHORUS_FAST_INLINE F abs(F a) { return (F)((I)a & 0x7fffffff); }

CHORUS_FAST_INLINE M lt(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
CHORUS_FAST_INLINE M le(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
CHORUS_FAST_INLINE M eq(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
CHORUS_FAST_INLINE M is_nan(F a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
CHORUS_FAST_INLINE M eqi(I a, I b) { return (M)(a == b); }
CHORUS_FAST_INLINE M either(M a, M b) { return _mm256_or_ps(a, b); }
CHORUS_FAST_INLINE M both(M a, M b) { return _mm256_and_ps(a, b); }
CHORUS_FAST_INLINE F select(M m, F yes, F no) { return _mm256_blendv_ps(no, yes, m); }
CHORUS_FAST_INLINE I select(M m, I yes, I no) { return (I)_mm256_blendv_ps((F)no, (F)yes, m); }
CHORUS_FAST_INLINE bool any(M m) { return _mm256_movemask_ps(m) != 0; }

/// To the nearest integer, halves to even.
CHORUS_FAST_INLINE F round(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// Of a value that is an integer already.
CHORUS_FAST_INLINE I to_int(F a) { return (I)_mm256_cvtps_epi32(a); }

CHORUS_FAST_INLINE float sum(F a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
CHORUS_FAST_INLINE float scalar_max(float a, float b) { return a > b || a != a ? a : b; }
CHORUS_FAST_INLINE float scalar_min(float a, float b) { return a < b || a != a ? a : b; }
CHORUS_FAST_INLINE float maximum(F a) {
  alignas(32) float lane[W];
  _mm256_store_ps(lane, a);
  float r = lane[0];
  for (int i = 1; i < W; ++i) r = scalar_max(r, lane[i]);
  return r;
}
CHORUS_FAST_INLINE float minimum(F a) {
  alignas(32) float lane[W];
  _mm256_store_ps(lane, a);
  float r = lane[0];
  for (int i = 1; i < W; ++i) r = scalar_min(r, lane[i]);
  return r;
}

/// p * 2^n for an integer n in [-252, 254], rounded once, also into the denormals.
CHORUS_FAST_INLINE F ldexp(F p, F n) {
  const I i = to_int(n), half = i >> 1;
  return p * as_float((half + 127) << 23) * as_float((i - half + 127) << 23);
}

/// One column of a packed A panel: MR floats.
using P = __m128;
CHORUS_FAST_INLINE P load_panel(const float* p) { return _mm_loadu_ps(p); }
CHORUS_FAST_INLINE void store_panel(float* p, P v) { _mm_storeu_ps(p, v); }
CHORUS_FAST_INLINE P set1_panel(float x) { return _mm_set1_ps(x); }
CHORUS_FAST_INLINE P fma_panel(P a, P b, P c) { return _mm_fmadd_ps(a, b, c); }

}  // namespace chorus::fast::avx2
