// The peak of this core: a loop of independent fused multiply-adds.
#pragma once
#include <ctime>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bench {

/// Processor time of this thread, in seconds.
inline double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

#if defined(__x86_64__)
inline volatile float sink;
constexpr long peak_rounds = 20000;

__attribute__((target("avx512f"))) inline void multiply_add_avx512() {
  __m512 acc[16];
  for (auto& a : acc) a = _mm512_set1_ps(0.5f);
  const __m512 x = _mm512_set1_ps(0.9999f);
  for (long i = 0; i < peak_rounds; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) acc[j] = _mm512_fmadd_ps(acc[j], x, x);
  }
  for (const auto& a : acc) sink = _mm512_cvtss_f32(a);
}
__attribute__((target("avx2,fma"))) inline void multiply_add_avx2() {
  __m256 acc[12];
  for (auto& a : acc) a = _mm256_set1_ps(0.5f);
  const __m256 x = _mm256_set1_ps(0.9999f);
  for (long i = 0; i < peak_rounds; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) acc[j] = _mm256_fmadd_ps(acc[j], x, x);
  }
  for (const auto& a : acc) sink = _mm256_cvtss_f32(a);
}

inline double peak_gflops(bool wide) {
  double best = 1;
  for (int i = 0; i < 3; ++i) {
    const double start = thread_seconds();
    wide ? multiply_add_avx512() : multiply_add_avx2();
    const double t = thread_seconds() - start;
    best = t < best ? t : best;
  }
  return static_cast<double>(peak_rounds) * 2 * (wide ? 16 * 16 : 12 * 8) / best * 1e-9;
}
#else
inline double peak_gflops(bool) { return 1; }
#endif

}  // namespace bench
