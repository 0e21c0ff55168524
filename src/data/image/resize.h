// Sizes and perspectives with the arithmetic of OpenCV, whose pictures text models are fed with: bilinear scaling in
// 11-bit fixed
// point (equal bytes), bicubic sampling in float (measured: at most one level apart, in fewer than 1 of 1,000 values).
#pragma once
#include <data/image/image.h>

#include <array>

namespace chorus {

struct Point {
  float x = 0, y = 0;
};
using Quad = std::array<Point, 4>;

/// Bilinear (pixel centres at .5), 8 bits, any number of channels. Exactly half in both directions is the mean of 2 ×
/// 2 pixels.
/// Throws bad_input for an empty picture, other bit depths or a size below 1.
Image resize_linear(const Image& image, int64_t width, int64_t height);

/// The 3 × 3 matrix, row by row with [8] = 1, that maps from[i] to to[i]. All zero when the corners are degenerate.
std::array<double, 9> perspective(const Quad& from, const Quad& to);

/// dst(p) = src(matrix⁻¹ p), bicubic (a = −0.75), edge pixels repeated outwards. 8 bits, 1 to 4 channels. A matrix
/// without inverse
/// samples at 0, 0. Throws bad_input for an empty picture or other bit depths.
Image warp_cubic(const Image& image, const std::array<double, 9>& matrix, int64_t width, int64_t height);

}  // namespace chorus
