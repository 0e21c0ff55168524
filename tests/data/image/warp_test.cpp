// Perspective against its definition in double precision.
#include <data/image/resize.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "data/image/pictures.h"

namespace chorus {
namespace {

using testing::noise;
using testing::value;

Point mapped(const std::array<double, 9>& m, Point p) {
  const double w = m[6] * p.x + m[7] * p.y + m[8];
  return {static_cast<float>((m[0] * p.x + m[1] * p.y + m[2]) / w),
          static_cast<float>((m[3] * p.x + m[4] * p.y + m[5]) / w)};
}

/// Four corners near those of a rectangle, so that the mapping is a sane one.
Quad shaken(std::mt19937& random, float width, float height) {
  std::uniform_real_distribution<float> shake(-0.15f, 0.15f);
  Quad q = {Point{0, 0}, Point{width, 0}, Point{width, height}, Point{0, height}};
  for (Point& p : q) p = {p.x + width * (0.2f + shake(random)), p.y + height * (0.2f + shake(random))};
  return q;
}

TEST(Perspective, MapsCornersOntoCorners) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 500; ++round) {
    const Quad from = shaken(random, 300, 40), to = shaken(random, 100, 90);
    const std::array<double, 9> m = perspective(from, to);
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(mapped(m, from[i]).x, to[i].x, 1e-3);
      EXPECT_NEAR(mapped(m, from[i]).y, to[i].y, 1e-3);
    }
  }
  const Quad flat = {Point{0, 0}, Point{1, 0}, Point{2, 0}, Point{3, 0}};
  for (const double v : perspective(flat, flat)) EXPECT_EQ(v, 0);
}

double cubic(double x) {
  // Keys, "Cubic convolution interpolation for digital image processing", 1981, a = -0.75.
  constexpr double a = -0.75;
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

TEST(Warp, WithinOneLevelOfTheDefinition) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 40; ++round) {
    const Image image = noise(20 + static_cast<int64_t>(random() % 60), 20 + static_cast<int64_t>(random() % 60),
                              round % 2 != 0 ? Colour::bgr : Colour::grey, random());
    const Quad box = shaken(random, static_cast<float>(image.width), static_cast<float>(image.height));
    const int64_t width = 40, height = 25;
    const Quad corners = {Point{0, 0}, Point{40, 0}, Point{40, 25}, Point{0, 25}};
    const Image out = warp_cubic(image, perspective(box, corners), width, height);
    const std::array<double, 9> back = perspective(corners, box);
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        const double w = back[6] * static_cast<double>(x) + back[7] * static_cast<double>(y) + back[8];
        const double fx = (back[0] * static_cast<double>(x) + back[1] * static_cast<double>(y) + back[2]) / w;
        const double fy = (back[3] * static_cast<double>(x) + back[4] * static_cast<double>(y) + back[5]) / w;
        for (int64_t c = 0; c < image.channels; ++c) {
          double truth = 0;
          for (int64_t r = -1; r < 3; ++r)
            for (int64_t k = -1; k < 3; ++k)
              truth +=
                  value(image, static_cast<int64_t>(std::floor(fx)) + k, static_cast<int64_t>(std::floor(fy)) + r, c) *
                  cubic(fx - std::floor(fx) - static_cast<double>(k)) *
                  cubic(fy - std::floor(fy) - static_cast<double>(r));
          ASSERT_NEAR(value(out, x, y, c), std::clamp(truth, 0.0, 255.0), 0.51);
        }
      }
  }
  // A known box comes out as the known pixels.
  const Image image = noise(50, 40, Colour::bgr, 3);
  const Quad box = {Point{10, 5}, Point{30, 5}, Point{30, 20}, Point{10, 20}};
  const Image line =
      warp_cubic(image, perspective(box, {Point{0, 0}, Point{20, 0}, Point{20, 15}, Point{0, 15}}), 20, 15);
  EXPECT_EQ(line.data, crop(image, 10, 5, 20, 15).data);
  const Image far = warp_cubic(image, {1e-9, 0, 0, 0, 1e-9, 0, 0, 0, 1}, 3, 3);  // far outside: edge pixels
  EXPECT_EQ(far.row(2)[6], image.row(39)[49 * 3]);
  warp_cubic(image, {}, 3, 3);
}

}  // namespace
}  // namespace chorus
