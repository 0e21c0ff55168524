// Filled polygons against the definition of inside, pixel by pixel.
#include <data/image/shapes.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace chorus {
namespace {

TEST(Polygon, InsideIsFilledOutsideIsNot) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 300; ++round) {
    const int64_t width = 1 + static_cast<int64_t>(random() % 50), height = 1 + static_cast<int64_t>(random() % 50);
    std::vector<PixelPoint> p(3 + random() % 5);
    const bool within = round % 2 == 0;
    for (PixelPoint& c : p)
      c = within ? PixelPoint{static_cast<int32_t>(random() % static_cast<unsigned>(width)),
                              static_cast<int32_t>(random() % static_cast<unsigned>(height))}
                 : PixelPoint{static_cast<int32_t>(random() % 70) - 10, static_cast<int32_t>(random() % 70) - 10};
    const std::vector<uint8_t> mask = fill_polygon(p, width, height);
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        bool inside = false;
        double nearest = 1e9;
        for (size_t i = 0; i < p.size(); ++i) {
          const PixelPoint a = p[i], b = p[(i + 1) % p.size()];
          const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
          const double t =
              length > 0
                  ? std::clamp(((static_cast<double>(x) - a.x) * dx + (static_cast<double>(y) - a.y) * dy) / length,
                               0.0, 1.0)
                  : 0;
          nearest = std::min(nearest,
                             std::hypot(static_cast<double>(x) - a.x - t * dx, static_cast<double>(y) - a.y - t * dy));
          if ((a.y > y) != (b.y > y) && static_cast<double>(x) < a.x + (static_cast<double>(y) - a.y) * dx / dy)
            inside = !inside;
        }
        const int got = mask[static_cast<size_t>(y * width + x)];
        // Lines that leave the picture are cut, which may move them by a pixel.
        if (inside && nearest > 1e-3) {
          ASSERT_EQ(got, 1) << x << "," << y;
        }
        if (!inside && nearest > 2) {
          ASSERT_EQ(got, 0) << x << "," << y;
        }
        if (within && nearest == 0) {
          ASSERT_EQ(got, 1) << x << "," << y;
        }
      }
  }
}

TEST(Polygon, MeanInside) {
  const std::vector<float> plane = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const std::vector<PixelPoint> box = {{1, 0}, {2, 0}, {2, 1}, {1, 1}};
  EXPECT_DOUBLE_EQ(mean_inside(plane.data(), 4, 4, 3, box), (2 + 3 + 6 + 7) / 4.0);
  EXPECT_DOUBLE_EQ(mean_inside(plane.data() + 1, 4, 3, 3, box), (3 + 4 + 7 + 8) / 4.0);
  const std::vector<PixelPoint> away = {{50, 50}, {60, 50}, {60, 60}};
  EXPECT_EQ(mean_inside(plane.data(), 4, 4, 3, away), 0);
}

}  // namespace
}  // namespace chorus
