#include <chorus/error.h>
#include <data/image/resize.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace chorus {

std::array<double, 9> perspective(const Quad& from, const Quad& to) {
  // Eight unknowns, two equations a corner; Gauss with the largest pivot.
  double m[8][9] = {};
  for (size_t i = 0; i < 4; ++i) {
    const double x = from[i].x, y = from[i].y, u = to[i].x, v = to[i].y;
    const double first[9] = {x, y, 1, 0, 0, 0, -x * u, -y * u, u};
    const double second[9] = {0, 0, 0, x, y, 1, -x * v, -y * v, v};
    std::copy(first, first + 9, m[i]);
    std::copy(second, second + 9, m[i + 4]);
  }
  for (int i = 0; i < 8; ++i) {
    int pivot = i;
    for (int r = i + 1; r < 8; ++r)
      if (std::fabs(m[r][i]) > std::fabs(m[pivot][i])) pivot = r;
    if (std::fabs(m[pivot][i]) < 1e-12) return {};
    if (pivot != i) std::swap_ranges(m[i], m[i] + 9, m[pivot]);
    for (int r = i + 1; r < 8; ++r) {
      const double factor = m[r][i] / m[i][i];
      for (int c = i; c < 9; ++c) m[r][c] -= factor * m[i][c];
    }
  }
  std::array<double, 9> out{};
  out[8] = 1;
  for (int i = 7; i >= 0; --i) {
    double sum = m[i][8];
    for (int c = i + 1; c < 8; ++c) sum -= m[i][c] * out[static_cast<size_t>(c)];
    out[static_cast<size_t>(i)] = sum / m[i][i];
  }
  return out;
}

namespace {

/// Weights of the four neighbours for a place `x` in [0, 1) behind the second of them (a = −0.75); they add up to 1.
void cubic(float x, float* w) {
  constexpr float a = -0.75f;
  const float y = 1 - x;
  w[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
  w[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
  w[2] = ((a + 2) * y - (a + 3)) * y * y + 1;
  w[3] = 1 - w[0] - w[1] - w[2];
}

std::array<double, 9> inverse(const std::array<double, 9>& m) {
  const double d =
      m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6]);
  if (d == 0 || !std::isfinite(d)) return {};
  const double k = 1 / d;
  return {(m[4] * m[8] - m[5] * m[7]) * k, (m[2] * m[7] - m[1] * m[8]) * k, (m[1] * m[5] - m[2] * m[4]) * k,
          (m[5] * m[6] - m[3] * m[8]) * k, (m[0] * m[8] - m[2] * m[6]) * k, (m[2] * m[3] - m[0] * m[5]) * k,
          (m[3] * m[7] - m[4] * m[6]) * k, (m[1] * m[6] - m[0] * m[7]) * k, (m[0] * m[4] - m[1] * m[3]) * k};
}

/// Four channels at a time: GCC's and clang's portable vectors.
using Four = float __attribute__((vector_size(16)));

template <int kChannels>
Four load(const uint8_t* p) {
  if constexpr (kChannels == 1)
    return Four{static_cast<float>(p[0]), 0, 0, 0};
  else if constexpr (kChannels == 2)
    return Four{static_cast<float>(p[0]), static_cast<float>(p[1]), 0, 0};
  else if constexpr (kChannels == 3)
    return Four{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]), 0};
  else
    return Four{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]), static_cast<float>(p[3])};
}

/// The sum over 4 × 4 pixels from (x, y) on; pixels outside are the nearest inside.
template <int kChannels>
void sample(const Image& image, int64_t x, int64_t y, const float* across, const float* down, uint8_t* to) {
  Four sum = {};
  const bool inside = x >= 0 && y >= 0 && x + 3 < image.width && y + 3 < image.height;
  int64_t column[4];
  for (int64_t k = 0; k < 4; ++k)
    column[k] = (inside ? x + k : std::clamp<int64_t>(x + k, 0, image.width - 1)) * kChannels;
  for (int64_t r = 0; r < 4; ++r) {
    const uint8_t* row = image.row(inside ? y + r : std::clamp<int64_t>(y + r, 0, image.height - 1));
    Four line = {};
    for (int k = 0; k < 4; ++k) line += load<kChannels>(row + column[k]) * across[k];
    sum += line * down[r];
  }
  for (int c = 0; c < kChannels; ++c) to[c] = static_cast<uint8_t>(std::lrintf(std::clamp(sum[c], 0.f, 255.f)));
}

template <int kChannels>
void warp(const Image& image, const std::array<double, 9>& m, Image& out) {
  // Beyond this distance only edge pixels are seen.
  constexpr double kFar = 1 << 30;
  for (int64_t y = 0; y < out.height; ++y) {
    uint8_t* to = out.row(y);
    const double row = static_cast<double>(y);
    const double x0 = m[1] * row + m[2], y0 = m[4] * row + m[5], w0 = m[7] * row + m[8];
    for (int64_t x = 0; x < out.width; ++x, to += kChannels) {
      const double column = static_cast<double>(x);
      const double w = w0 + m[6] * column;
      const double scale = w != 0 ? 1 / w : 0;
      const double fx = std::clamp((x0 + m[0] * column) * scale, -kFar, kFar);
      const double fy = std::clamp((y0 + m[3] * column) * scale, -kFar, kFar);
      const double left = std::floor(fx), top = std::floor(fy);
      float across[4], down[4];
      cubic(static_cast<float>(fx - left), across);
      cubic(static_cast<float>(fy - top), down);
      sample<kChannels>(image, static_cast<int64_t>(left) - 1, static_cast<int64_t>(top) - 1, across, down, to);
    }
  }
}

}  // namespace

Image warp_cubic(const Image& image, const std::array<double, 9>& matrix, int64_t width, int64_t height) {
  if (image.empty() || image.bits != 8 || width < 1 || height < 1)
    throw Error(Code::bad_input,
                fmt::format("cannot turn {} x {} pixels of {} bits into {} x {}", image.width, image.height, image.bits,
                            width, height),
                "warp_cubic", "use sizes of at least 1 and 8 bits");
  Image out = make_image(width, height, image.colour);
  const std::array<double, 9> m = inverse(matrix);
  switch (image.channels) {
    case 1: warp<1>(image, m, out); break;
    case 2: warp<2>(image, m, out); break;
    case 3: warp<3>(image, m, out); break;
    default: warp<4>(image, m, out); break;
  }
  return out;
}

}  // namespace chorus
