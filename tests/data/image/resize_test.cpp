// Scaling against its definition in double precision and against OpenCV's bytes.
#include <data/image/resize.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "data/image/by_hand.h"
#include "data/image/pictures.h"
#include "support/proves.h"

namespace chorus {
namespace {

using testing::noise;
using testing::value;

TEST(Resize, EqualsOpenCv) {
  // cv2.resize of OpenCV 5.0.0 on the picture of this generator (seed 11), hashed.
  const struct {
    int width, height;
    uint64_t hash;
  } cases[] = {{80, 20, 0xc9e6870c00a75a72u},
               {53, 90, 0x47ae31bf883106deu},
               {26, 18, 0x1c612a3b401993e8u},
               {7, 5, 0x42bb8b7fc54d4464u},
               {200, 111, 0x4ed2301fb1d370f1u}};
  const Image image = noise(53, 37, Colour::bgr, 11);
  for (const auto& c : cases)
    EXPECT_EQ(testing::hash_of(resize_linear(image, c.width, c.height).data), c.hash) << c.width;
}

TEST(Resize, WithinOneLevelOfTheDefinition) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 120; ++round) {
    const Colour colour = std::array{Colour::grey, Colour::grey_alpha, Colour::rgb, Colour::rgba}[random() % 4];
    const auto side = [&] { return static_cast<int64_t>(1 + random() % 60); };
    const Image image = noise(side(), side(), colour, random());
    const int64_t width = side(), height = side();
    const Image out = resize_linear(image, width, height);
    const double sx = static_cast<double>(image.width) / static_cast<double>(width),
                 sy = static_cast<double>(image.height) / static_cast<double>(height);
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x)
        for (int64_t c = 0; c < image.channels; ++c) {
          const double fx =
              std::clamp((static_cast<double>(x) + 0.5) * sx - 0.5, 0.0, static_cast<double>(image.width - 1));
          const double fy =
              std::clamp((static_cast<double>(y) + 0.5) * sy - 0.5, 0.0, static_cast<double>(image.height - 1));
          const auto ix = static_cast<int64_t>(fx), iy = static_cast<int64_t>(fy);
          const double u = fx - std::floor(fx), v = fy - std::floor(fy);
          const double truth = (1 - v) * ((1 - u) * value(image, ix, iy, c) + u * value(image, ix + 1, iy, c)) +
                               v * ((1 - u) * value(image, ix, iy + 1, c) + u * value(image, ix + 1, iy + 1, c));
          // Rounding of the weights (2^-12 of 255, twice) and of the sum.
          ASSERT_NEAR(value(out, x, y, c), truth, 1.0)
              << image.width << "x" << image.height << " to " << width << "x" << height;
        }
  }
  testing::part_of({"S-PDL-20", "S-OV-05"});
}

TEST(Resize, RefusesWhatCannotBe) {
  EXPECT_THROW(resize_linear(Image{}, 3, 3), Error);
  EXPECT_THROW(resize_linear(noise(3, 3, Colour::rgb, 1), 0, 3), Error);
  EXPECT_THROW(resize_linear(make_image(3, 3, Colour::rgb, 16), 2, 3), Error);
  EXPECT_THROW(warp_cubic(Image{}, {}, 3, 3), Error);
}

}  // namespace
}  // namespace chorus
