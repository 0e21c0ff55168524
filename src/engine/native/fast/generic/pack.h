// Packing into panels: groups of `Width` lines interleaved, element (line, k) at panel + k * Width + line; zeros
// where a panel has fewer lines. Included after a level's vec.h.
#pragma once
#include <cstdint>
#include <cstring>

namespace chorus::fast::CHORUS_FAST_LEVEL {

using Quad = float __attribute__((vector_size(16)));
CHORUS_FAST_INLINE Quad load_quad(const float* p) {
  Quad v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
CHORUS_FAST_INLINE void store_quad(float* p, Quad v) { std::memcpy(p, &v, sizeof v); }

/// 4 x 4 floats, transposed.
CHORUS_FAST_INLINE void turn_quad(const float* src, int64_t ld, float* dst, int64_t step) {
  const Quad a = load_quad(src), b = load_quad(src + ld), c = load_quad(src + 2 * ld), d = load_quad(src + 3 * ld);
  const Quad ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Quad cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  store_quad(dst, __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5));
  store_quad(dst + step, __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7));
  store_quad(dst + 2 * step, __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5));
  store_quad(dst + 3 * step, __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7));
}

/// A tile of rows x columns, both small: quads, then what is left.
CHORUS_FAST_INLINE void turn_tile(const float* x, int64_t ldx, float* out, int64_t ldo, int64_t rows, int64_t columns) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    int64_t c = 0;
    for (; c + 4 <= columns; c += 4) turn_quad(x + r * ldx + c, ldx, out + c * ldo + r, ldo);
    for (; c < columns; ++c)
      for (int64_t i = 0; i < 4; ++i) out[c * ldo + r + i] = x[(r + i) * ldx + c];
  }
  for (; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) out[c * ldo + r] = x[r * ldx + c];
}

/// Lines lie along K in memory: line i, element k at src[i * ld + k].
template <int Width>
inline void pack_lines(int64_t lines, int64_t k, const float* src, int64_t ld, float* dst) noexcept {
  for (int64_t i = 0; i < lines; i += Width, dst += k * Width, src += Width * ld) {
    const int64_t n = lines - i < Width ? lines - i : Width;
    if (n < Width) std::memset(dst, 0, static_cast<size_t>(k * Width) * sizeof(float));
    int64_t line = 0;
    for (; line + 4 <= n; line += 4) {
      const float* from = src + line * ld;
      int64_t j = 0;
      for (; j + 4 <= k; j += 4) turn_quad(from + j, ld, dst + j * Width + line, Width);
      for (; j < k; ++j)
        for (int64_t l = 0; l < 4; ++l) dst[j * Width + line + l] = from[l * ld + j];
    }
    for (; line < n; ++line)
      for (int64_t j = 0; j < k; ++j) dst[j * Width + line] = src[line * ld + j];
  }
}

/// Lines lie side by side: line i, element k at src[k * ld + i].
template <int Width>
inline void pack_across(int64_t lines, int64_t k, const float* src, int64_t ld, float* dst) noexcept {
  for (int64_t i = 0; i < lines; i += Width, dst += k * Width) {
    const int64_t n = lines - i < Width ? lines - i : Width;
    for (int64_t j = 0; j < k; ++j) {
      const float* from = src + j * ld + i;
      float* to = dst + j * Width;
      if (n == Width) {
        std::memcpy(to, from, Width * sizeof(float));
      } else {
        for (int64_t l = 0; l < n; ++l) to[l] = from[l];
        for (int64_t l = n; l < Width; ++l) to[l] = 0.0f;
      }
    }
  }
}

inline float dot(const float* a, const float* b, int64_t n) noexcept {
  F s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    s0 = fma(load(a + i), load(b + i), s0);
    s1 = fma(load(a + i + W), load(b + i + W), s1);
    s2 = fma(load(a + i + 2 * W), load(b + i + 2 * W), s2);
    s3 = fma(load(a + i + 3 * W), load(b + i + 3 * W), s3);
  }
  for (; i + W <= n; i += W) s0 = fma(load(a + i), load(b + i), s0);
  if (i < n) s1 = fma(load(a + i, tail(n - i)), load(b + i, tail(n - i)), s1);
  return sum((s0 + s1) + (s2 + s3));
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
