// Input pixels as rows of B: one row per (channel, kernel row, kernel column), columns are output pixels, counted through
// all images where small outputs are merged. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/conv.h>
#include <engine/native/fast/generic/pack.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

CHORUS_FAST_INLINE void copy_floats(const float* src, float* dst, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(dst + i, load(src + i));
  if (i < n) store(dst + i, tail(n - i), load(src + i, tail(n - i)));
}
CHORUS_FAST_INLINE void zero_floats(float* dst, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(dst + i, zero());
  if (i < n) store(dst + i, tail(n - i), zero());
}
/// dst[i] = src[i * step]
CHORUS_FAST_INLINE void copy_strided(const float* src, int64_t step, float* dst, int64_t n) {
  if (step == 1) return copy_floats(src, dst, n);
  int64_t i = 0;
  if (step == 2) {
    for (; i + W <= n; i += W) store(dst + i, load_even(src + 2 * i));
    if (i < n) store(dst + i, tail(n - i), load_even(src + 2 * i, tail(n - i)));
    return;
  }
  for (; i < n; ++i) dst[i] = src[i * step];
}

/// dst[j] = row[at + j * step], zero outside [0, width), for j in [0, n).
CHORUS_FAST_INLINE void copy_padded(const float* row, int64_t width, int64_t at, int64_t step, float* dst, int64_t n) {
  int64_t first = at >= 0 ? 0 : step == 1 ? -at : (-at + step - 1) / step;
  int64_t last = at >= width ? 0 : step == 1 ? width - at : (width - 1 - at) / step + 1;
  if (first > n) first = n;
  if (last > n) last = n;
  if (last < first) last = first;
  if (first > 0) zero_floats(dst, first);
  if (last > first) copy_strided(row + at + first * step, step, dst + first, last - first);
  if (n > last) zero_floats(dst + last, n - last);
}

struct Im2col {
  ConvShape shape;
  const float* input;      // first channel of the group, first image
  int64_t image;           // floats from image to image
  int64_t height, width;
  int64_t out_height, out_width;
};

/// Stride 1 and as wide an output as the input: output pixel i of an image reads input pixel i + shift, so that one copy
/// serves many rows; then the rows and columns that fall into the padding are cleared. Pixels [pixel, pixel + n).
inline void im2col_run(const Im2col& s, const float* plane, int64_t kh, int64_t kw, int64_t pixel, int64_t n,
                       float* dst) noexcept {
  const int64_t dy = kh * s.shape.dilation_h - s.shape.pad_top, dx = kw * s.shape.dilation_w - s.shape.pad_left;
  const int64_t width = s.width, shift = dy * width + dx;
  const int64_t end = pixel + n;
  // Output pixels whose row lies inside the input, then those whose address does.
  int64_t first = dy < 0 ? -dy * width : 0, last = (s.height - dy) * width;
  if (first < pixel) first = pixel;
  if (last > end) last = end;
  if (first > end) first = end;
  if (last < first) last = first;
  const int64_t from = first + shift < 0 ? -shift : first;
  const int64_t to = last + shift > s.height * width ? s.height * width - shift : last;
  zero_floats(dst, first - pixel);
  if (to > from) copy_floats(plane + from + shift, dst + (from - pixel), to - from);
  zero_floats(dst + (last - pixel), end - last);
  if (dx == 0 || last == first) return;
  const int64_t wide = dx < 0 ? -dx : dx, cleared = wide < width ? wide : width;
  const int64_t column = dx < 0 ? 0 : width - cleared;
  for (int64_t row = first / width * width + column; row < last; row += width) {
    for (int64_t i = row; i < row + cleared; ++i) if (i >= first && i < last) dst[i - pixel] = 0.0f;
  }
}

/// One row of B, columns [col, col + cols).
inline void im2col_row(const Im2col& s, int64_t channel, int64_t kh, int64_t kw, int64_t col, int64_t cols,
                       float* dst) noexcept {
  const int64_t pixels = s.out_height * s.out_width;
  int64_t image = col / pixels, y = col % pixels / s.out_width, x = col % pixels % s.out_width;
  const float* plane = s.input + image * s.image + channel * s.height * s.width;
  if (s.shape.stride_h == 1 && s.shape.stride_w == 1 && s.out_width == s.width) {
    for (int64_t pixel = col % pixels; cols > 0; pixel = 0, plane += s.image) {
      const int64_t n = cols < pixels - pixel ? cols : pixels - pixel;
      im2col_run(s, plane, kh, kw, pixel, n, dst);
      dst += n, cols -= n;
    }
    return;
  }
  while (cols > 0) {
    const int64_t n = cols < s.out_width - x ? cols : s.out_width - x;
    const int64_t in_y = y * s.shape.stride_h - s.shape.pad_top + kh * s.shape.dilation_h;
    if (in_y < 0 || in_y >= s.height) {
      zero_floats(dst, n);
    } else {
      const int64_t in_x = x * s.shape.stride_w - s.shape.pad_left + kw * s.shape.dilation_w;
      copy_padded(plane + in_y * s.width, s.width, in_x, s.shape.stride_w, dst, n);
    }
    dst += n, cols -= n, x = 0;
    if (++y == s.out_height) y = 0, plane += s.image;
  }
}

/// Rows [k, k + rows) of B, `ld` floats apart, each filled with zeros up to a multiple of W.
inline void im2col(const Im2col& s, int64_t k, int64_t rows, int64_t col, int64_t cols, float* dst, int64_t ld) noexcept {
  const int64_t area = s.shape.kernel_h * s.shape.kernel_w;
  if (s.height * s.width == 1 && s.out_height * s.out_width == 1 && area == 1) {  // vectors: a transposition
    turn_tile(s.input + k + col * s.image, s.image, dst, ld, cols, rows);
    return;
  }
  int64_t channel = k / area, kh = k % area / s.shape.kernel_w, kw = k % area % s.shape.kernel_w;
  const int64_t end = (cols + W - 1) / W * W;
  for (int64_t i = 0; i < rows; ++i, dst += ld) {
    im2col_row(s, channel, kh, kw, col, cols, dst);
    for (int64_t j = cols; j < end; ++j) dst[j] = 0.0f;
    if (++kw == s.shape.kernel_w) {
      kw = 0;
      if (++kh == s.shape.kernel_h) kh = 0, ++channel;
    }
  }
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
