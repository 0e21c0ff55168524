// Input pixels as rows of B: one row per (channel, kernel row, kernel column), columns are output pixels, counted
// through all images where small outputs are merged. Included after a level's vec.h.
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
    // A whole pair of vectors is read only where all of it belongs to the row.
    for (; i + W < n; i += W) store(dst + i, pick_even(load(src + 2 * i), load(src + 2 * i + W)));
    for (; i + W <= n; i += W) store(dst + i, load_even(src + 2 * i));
    if (i < n) store(dst + i, tail(n - i), load_even(src + 2 * i, tail(n - i)));
    return;
  }
  for (; i < n; ++i) dst[i] = src[i * step];
}

struct Im2col {
  ConvShape shape;
  const float* input;  // first channel of the group, first image
  int64_t image;  // floats from image to image
  int64_t height, width;
  int64_t out_height, out_width;
  const float* begin;  // of the whole input: what may be read
  const float* end;
};

/// Stride 1 and as wide an output as the input: output pixel i of an image reads input pixel i + shift, so that one
/// copy serves many rows; then the rows and columns that fall into the padding are cleared. Pixels [pixel, pixel + n).
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
    for (int64_t i = row; i < row + cleared; ++i)
      if (i >= first && i < last) dst[i - pixel] = 0.0f;
  }
}

/// Where a block of columns begins.
struct Corner {
  int64_t image, pixel, y, x;
};

/// Output columns [first, last) whose input column for tap `kw` lies inside the input.
CHORUS_FAST_INLINE void inside_columns(const Im2col& s, int64_t kw, int64_t& first, int64_t& last) {
  const int64_t step = s.shape.stride_w, at = kw * s.shape.dilation_w - s.shape.pad_left;
  first = at >= 0 ? 0 : (step - 1 - at) / step;
  last = at >= s.width ? 0 : (s.width - 1 - at) / step + 1;
  if (last > s.out_width) last = s.out_width;
  if (first > last) first = last;
}

/// n columns from `src`, `step` apart, by whole vectors: reads and writes beyond n, up to a multiple of W.
CHORUS_FAST_INLINE void copy_beyond(const float* src, int64_t step, float* dst, int64_t n) {
  if (step == 1) {
    for (int64_t i = 0; i < n; i += W) store(dst + i, load(src + i));
  } else {
    for (int64_t i = 0; i < n; i += W) store(dst + i, pick_even(load(src + 2 * i), load(src + 2 * i + W)));
  }
}

/// One row of B, `cols` columns from the corner on; [inside, outside) is inside_columns of the tap.
inline void im2col_row(const Im2col& s, int64_t channel, int64_t kh, int64_t kw, int64_t inside, int64_t outside,
                       const Corner& corner, int64_t cols, float* dst, const float* dst_end) noexcept {
  const float* plane = s.input + corner.image * s.image + channel * s.height * s.width;
  if (s.shape.stride_h == 1 && s.shape.stride_w == 1 && s.out_width == s.width) {
    const int64_t pixels = s.out_height * s.out_width;
    for (int64_t pixel = corner.pixel; cols > 0; pixel = 0, plane += s.image) {
      const int64_t n = cols < pixels - pixel ? cols : pixels - pixel;
      im2col_run(s, plane, kh, kw, pixel, n, dst);
      dst += n, cols -= n;
    }
    return;
  }
  const int64_t step = s.shape.stride_w, shift = kw * s.shape.dilation_w - s.shape.pad_left;
  for (int64_t y = corner.y, x = corner.x; cols > 0; x = 0) {
    const int64_t n = cols < s.out_width - x ? cols : s.out_width - x;
    const int64_t in_y = y * s.shape.stride_h - s.shape.pad_top + kh * s.shape.dilation_h;
    if (in_y < 0 || in_y >= s.height) {
      zero_floats(dst, n);
    } else {
      int64_t first = inside > x ? inside - x : 0, last = outside - x;
      if (first > n) first = n;
      if (last > n) last = n;
      if (last < first) last = first;
      const float* src = plane + in_y * s.width + x * step + shift;
      const int64_t whole = (n + W - 1) / W * W;
      if (step <= 2 && src >= s.begin && src + whole * step <= s.end && dst + whole <= dst_end) {
        copy_beyond(src, step, dst, n);  // then the padding; what lies behind n is overwritten by the next row
        for (int64_t i = 0; i < first; ++i) dst[i] = 0.0f;
        for (int64_t i = last; i < n; ++i) dst[i] = 0.0f;
        dst += n, cols -= n;
        if (++y == s.out_height) y = 0, plane += s.image;
        continue;
      }
      if (first > 0) zero_floats(dst, first);
      if (last > first)
        copy_strided(plane + in_y * s.width + (x + first) * step + shift, step, dst + first, last - first);
      if (n > last) zero_floats(dst + last, n - last);
    }
    dst += n, cols -= n;
    if (++y == s.out_height) y = 0, plane += s.image;
  }
}

/// Rows [k, k + rows) of B, `ld` floats apart, each filled with zeros up to a multiple of W.
inline void im2col(const Im2col& s, int64_t k, int64_t rows, int64_t col, int64_t cols, float* dst,
                   int64_t ld) noexcept {
  const int64_t area = s.shape.kernel_h * s.shape.kernel_w, pixels = s.out_height * s.out_width;
  const int64_t end = (cols + W - 1) / W * W;
  if (s.height * s.width == 1 && pixels == 1 && area == 1) {  // vectors: a transposition
    turn_tile(s.input + k + col * s.image, s.image, dst, ld, cols, rows);
    for (int64_t i = 0; i < rows; ++i) zero_floats(dst + i * ld + cols, end - cols);
    return;
  }
  const Corner corner{col / pixels, col % pixels, col % pixels / s.out_width, col % pixels % s.out_width};
  int64_t channel = k / area, kh = k % area / s.shape.kernel_w, kw = k % area % s.shape.kernel_w;
  int64_t inside = 0, outside = s.out_width;
  for (int64_t i = 0; i < rows; ++i, dst += ld) {
    if (area > 1 || i == 0) inside_columns(s, kw, inside, outside);
    im2col_row(s, channel, kh, kw, inside, outside, corner, cols, dst, dst + ld);
    if (end > cols) zero_floats(dst + cols, end - cols);
    if (++kw == s.shape.kernel_w) {
      kw = 0;
      if (++kh == s.shape.kernel_h) kh = 0, ++channel;
    }
  }
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
