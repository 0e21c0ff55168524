// Hulls and rectangles against slow definitions over all pairs of points.
#include <data/image/shapes.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

namespace chorus {
namespace {

std::vector<PixelPoint> random_points(std::mt19937& random) {
  const int spread = std::array{3, 20, 1000, 30000}[random() % 4];
  std::vector<PixelPoint> points(1 + random() % 24);
  for (PixelPoint& p : points)
    p = {static_cast<int32_t>(random() % static_cast<unsigned>(spread)),
         static_cast<int32_t>(random() % static_cast<unsigned>(random() % 3 == 0 ? 2 : spread))};
  return points;
}

TEST(Hull, HoldsAllPointsAndNoMore) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 2000; ++round) {
    const std::vector<PixelPoint> points = random_points(random);
    const Contour hull = convex_hull(points);
    ASSERT_FALSE(hull.empty());
    for (size_t i = 0; i < hull.size(); ++i) {
      ASSERT_NE(std::find(points.begin(), points.end(), hull[i]), points.end());
      if (hull.size() < 3) continue;
      const PixelPoint a = hull[i], b = hull[(i + 1) % hull.size()], c = hull[(i + 2) % hull.size()];
      const auto side = [&](PixelPoint p) {
        return int64_t{b.x - a.x} * (p.y - a.y) - int64_t{b.y - a.y} * (p.x - a.x);
      };
      ASSERT_GT(side(c), 0);
      for (const PixelPoint p : points) ASSERT_GE(side(p), 0);
    }
  }
  EXPECT_TRUE(convex_hull({}).empty());
}

/// The smallest area over rectangles with a side along any pair of points.
double smallest_area(const std::vector<PixelPoint>& points) {
  double best = 1e300;
  for (const PixelPoint p : points)
    for (const PixelPoint q : points) {
      const double dx = q.x - p.x, dy = q.y - p.y, length = std::hypot(dx, dy);
      if (length == 0) continue;
      double low_u = 1e300, high_u = -1e300, low_v = 1e300, high_v = -1e300;
      for (const PixelPoint r : points) {
        const double u = (r.x * dx + r.y * dy) / length, v = (r.y * dx - r.x * dy) / length;
        low_u = std::min(low_u, u), high_u = std::max(high_u, u);
        low_v = std::min(low_v, v), high_v = std::max(high_v, v);
      }
      best = std::min(best, (high_u - low_u) * (high_v - low_v));
    }
  return best == 1e300 ? 0 : best;
}

TEST(Rectangle, SmallestAmongAllDirections) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 1000; ++round) {
    const std::vector<PixelPoint> points = random_points(random);
    const TurnedRect rect = min_area_rect(points);
    double reach = 1;
    for (const PixelPoint p : points)
      reach = std::max({reach, std::fabs(p.x - points[0].x) * 1.0, std::fabs(p.y - points[0].y) * 1.0});
    // Single precision: 2^-24 of the size, times the size, times the handful of roundings.
    ASSERT_NEAR(double{rect.width} * rect.height, smallest_area(points), 1e-5 * reach * 30000);
    ASSERT_TRUE(rect.angle >= -90 && rect.angle < 0) << rect.angle;
    const double turn = rect.angle * std::numbers::pi / 180;
    for (const PixelPoint p : points) {
      const double dx = p.x - rect.centre.x, dy = p.y - rect.centre.y;
      ASSERT_LE(std::fabs(dx * std::cos(turn) + dy * std::sin(turn)), rect.width / 2 + 0.05);
      ASSERT_LE(std::fabs(dy * std::cos(turn) - dx * std::sin(turn)), rect.height / 2 + 0.05);
    }
    const Quad q = corners(rect);
    ASSERT_NEAR(std::fabs(signed_area(q)), double{rect.width} * rect.height, 1e-4 * (1 + reach * reach));
    ASSERT_NEAR(perimeter(q), 2 * (double{rect.width} + rect.height), 1e-3 * (1 + reach));
  }
}

}  // namespace
}  // namespace chorus
