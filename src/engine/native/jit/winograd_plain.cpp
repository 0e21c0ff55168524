// Winograd convolutions without generated code, from packed weights: the transforms are those of transform_code.cpp as matrices.
#include <engine/native/jit/winograd.h>

#include <core/thread_pool.h>

#include <array>
#include <cmath>

namespace chorus::jit {
namespace {

using Square = std::array<std::array<double, 6>, 6>;

struct Matrices {
  int m;
  Square input{};  ///< n x n
  Square output{};  ///< m x n
};

Matrices matrices(int m) {
  Matrices t{m};
  if (m == 2) {
    t.input = {{{1, 0, -1}, {0, 1, 1}, {0, -1, 1}, {0, -1, 0, 1}}};
    t.output = {{{1, 1, 1, 0}, {0, 1, -1, 1}}};
    return t;
  }
  const double a = std::sqrt(0.5), b = std::sqrt(2.0);
  t.input = {{{1, 0, -2.5, 0, 1},
              {0, -2 * a, -2, a, 1},
              {0, 2 * a, -2, -a, 1},
              {0, -0.5 * b, -0.5, b, 1},
              {0, 0.5 * b, -0.5, -b, 1},
              {0, 1, 0, -2.5, 0, 1}}};
  t.output = {
      {{1, 1, 1, 1, 1, 0}, {0, a, -a, b, -b, 0}, {0, 0.5, 0.5, 2, 2, 0}, {0, 0.5 * a, -0.5 * a, 2 * b, -2 * b, 1}}};
  return t;
}

/// left * x * transposed left; left has `rows` rows of `n`.
Square sandwich(const Square& left, size_t rows, size_t n, const Square& x) {
  Square half{}, out{};
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < n; ++j) {
      for (size_t k = 0; k < n; ++k) half[i][j] += left[i][k] * x[k][j];
    }
  }
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < rows; ++j) {
      for (size_t k = 0; k < n; ++k) out[i][j] += half[i][k] * left[j][k];
    }
  }
  return out;
}

struct PlainWinograd {
  const ConvProblem& p;
  const fast::ConvSizes& z;
  const ConvBuffers& b;
  Matrices t;
  int64_t height, width, in_blocks, out_blocks;
  Images image;

  /// One tile of one output channel, in float64.
  Square tile(int64_t n, int64_t o, int64_t y, int64_t x) const {
    const auto side = static_cast<size_t>(t.m + 2);
    Square sum{};
    for (int64_t c = 0; c < p.shape.in_channels; ++c) {
      Square d{};
      for (size_t i = 0; i < side; ++i) {
        for (size_t j = 0; j < side; ++j) {
          const int64_t iy = y + static_cast<int64_t>(i) - p.shape.pad_top;
          const int64_t ix = x + static_cast<int64_t>(j) - p.shape.pad_left;
          if (iy < 0 || ix < 0 || iy >= z.height || ix >= z.width) continue;
          const int64_t at = ((c / kBlock * z.height + iy) * z.width + ix) * kBlock + c % kBlock;
          d[i][j] = static_cast<double>(b.input[n * image.input + at]);
        }
      }
      const Square v = sandwich(t.input, side, side, d);
      for (size_t i = 0; i < side * side; ++i) {
        const int64_t at = ((static_cast<int64_t>(i) * out_blocks + o / kBlock) * in_blocks + c / kBlock) * kBlock;
        const float w = b.weights[(at + c % kBlock) * kBlock + o % kBlock];
        sum[i / side][i % side] += v[i / side][i % side] * static_cast<double>(w);
      }
    }
    return sandwich(t.output, static_cast<size_t>(t.m), side, sum);
  }

  void tiles(int64_t n, int64_t o, int64_t y) const {
    const int64_t plane = o / kBlock * height;
    for (int64_t x = 0; x < width; x += t.m) {
      const bool real = o < p.shape.out_channels;
      const Square out = real ? tile(n, o, y, x) : Square{};
      for (int64_t i = 0; i < t.m && y + i < height; ++i) {
        for (int64_t j = 0; j < t.m && x + j < width; ++j) {
          const int64_t at = ((plane + y + i) * width + x + j) * kBlock + o % kBlock;
          const auto v = static_cast<float>(out[static_cast<size_t>(i)][static_cast<size_t>(j)]);
          b.output[n * image.output + at] =
              finish_plain(p, v + (p.bias ? b.bias[o] : 0.0f), p.residual ? b.residual[n * image.residual + at] : 0.0f);
        }
      }
    }
  }
};

}  // namespace

void run_winograd_plain(const ConvProblem& p, const fast::ConvSizes& z, const ConvBuffers& b,
                        ThreadPool& pool) noexcept {
  const int64_t h = fast::conv_out_height(p.shape, z), w = fast::conv_out_width(p.shape, z);
  if (z.batch <= 0 || h == 0 || w == 0) return;
  const PlainWinograd plain{p,
                            z,
                            b,
                            matrices(p.method == Method::winograd2 ? 2 : 4),
                            h,
                            w,
                            blocks(p.shape.in_channels),
                            blocks(p.shape.out_channels),
                            images(p, z, b)};
  const int64_t m = plain.t.m, rows = (h + m - 1) / m, lanes = plain.out_blocks * kBlock;
  pool.parallel_for(z.batch * lanes * rows,
                    [&](int64_t i, int) { plain.tiles(i / rows / lanes, i / rows % lanes, i % rows * m); });
}

}  // namespace chorus::jit
