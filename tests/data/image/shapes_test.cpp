// Contours, hulls, rectangles and polygons against slow definitions: flood fill, all pairs of points, distances.
#include <data/image/shapes.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <set>

#include "support/proves.h"

namespace chorus {
namespace {

struct Plane {
  int64_t width, height;
  std::vector<uint8_t> data;
  Mask mask() const { return {data.data(), width, height}; }
  int at(int64_t x, int64_t y) const { return x < 0 || y < 0 || x >= width || y >= height ? 0 : data[static_cast<size_t>(y * width + x)]; }
};

Plane random_plane(std::mt19937& random) {
  Plane p{1 + static_cast<int64_t>(random() % 40), 1 + static_cast<int64_t>(random() % 40), {}};
  const unsigned share = 1 + random() % 9;
  p.data.resize(static_cast<size_t>(p.width * p.height));
  for (uint8_t& v : p.data) v = random() % 10 < share ? 255 : 0;
  return p;
}

/// Number of connected regions of pixels that are (not) zero; the plane is framed by zeros.
int regions(const Plane& plane, bool background, bool diagonals) {
  std::set<std::pair<int64_t, int64_t>> seen;
  int count = 0;
  for (int64_t y = -1; y <= plane.height; ++y)
    for (int64_t x = -1; x <= plane.width; ++x) {
      if ((plane.at(x, y) == 0) != background || seen.contains({x, y})) continue;
      ++count;
      std::vector<std::pair<int64_t, int64_t>> open = {{x, y}};
      seen.insert({x, y});
      while (!open.empty()) {
        const auto [px, py] = open.back();
        open.pop_back();
        for (int64_t dy = -1; dy <= 1; ++dy)
          for (int64_t dx = -1; dx <= 1; ++dx) {
            if (!diagonals && dx != 0 && dy != 0) continue;
            const int64_t qx = px + dx, qy = py + dy;
            if (qx < -1 || qy < -1 || qx > plane.width || qy > plane.height) continue;
            if ((plane.at(qx, qy) == 0) == background && seen.insert({qx, qy}).second) open.emplace_back(qx, qy);
          }
      }
    }
  return count;
}

TEST(Contours, OnePerRegionAndHole) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 300; ++round) {
    const Plane plane = random_plane(random);
    const std::vector<Contour> found = find_contours(plane.mask(), 1 << 20);
    // Regions touch over corners, holes do not; the frame around everything is no hole.
    ASSERT_EQ(static_cast<int>(found.size()), regions(plane, false, true) + regions(plane, true, false) - 1);
    for (const Contour& contour : found)
      for (size_t i = 0; i < contour.size(); ++i) {
        const PixelPoint p = contour[i], q = contour[(i + 1) % contour.size()];
        ASSERT_NE(plane.at(p.x, p.y), 0);
        const bool border = plane.at(p.x - 1, p.y) == 0 || plane.at(p.x + 1, p.y) == 0 || plane.at(p.x, p.y - 1) == 0 || plane.at(p.x, p.y + 1) == 0;
        ASSERT_TRUE(border);
        // Points in between are left out only on straight runs of set pixels.
        const int64_t dx = q.x - p.x, dy = q.y - p.y, n = std::max(std::abs(dx), std::abs(dy));
        ASSERT_TRUE(dx == 0 || dy == 0 || std::abs(dx) == std::abs(dy));
        for (int64_t k = 0; k < n; ++k) ASSERT_NE(plane.at(p.x + dx * k / n, p.y + dy * k / n), 0);
      }
    const size_t most = random() % 5;
    const std::vector<Contour> few = find_contours(plane.mask(), most);
    ASSERT_EQ(few.size(), std::min(most, found.size()));
    for (size_t i = 0; i < few.size(); ++i) ASSERT_EQ(few[i], found[i]);
  }
  EXPECT_TRUE(find_contours({nullptr, 0, 0}, 10).empty());
}

TEST(Contours, Dilation) {
  std::mt19937 random(4);
  for (int round = 0; round < 100; ++round) {
    const Plane plane = random_plane(random);
    const std::vector<uint8_t> out = dilate_2x2(plane.mask());
    for (int64_t y = 0; y < plane.height; ++y)
      for (int64_t x = 0; x < plane.width; ++x)
        ASSERT_EQ(out[static_cast<size_t>(y * plane.width + x)],
                  std::max(std::max(plane.at(x, y), plane.at(x - 1, y)), std::max(plane.at(x, y - 1), plane.at(x - 1, y - 1))));
  }
}

std::vector<PixelPoint> random_points(std::mt19937& random) {
  const int spread = std::array{3, 20, 1000, 30000}[random() % 4];
  std::vector<PixelPoint> points(1 + random() % 24);
  for (PixelPoint& p : points)
    p = {static_cast<int32_t>(random() % static_cast<unsigned>(spread)), static_cast<int32_t>(random() % static_cast<unsigned>(random() % 3 == 0 ? 2 : spread))};
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
      const auto side = [&](PixelPoint p) { return int64_t{b.x - a.x} * (p.y - a.y) - int64_t{b.y - a.y} * (p.x - a.x); };
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
    for (const PixelPoint p : points) reach = std::max({reach, std::fabs(p.x - points[0].x) * 1.0, std::fabs(p.y - points[0].y) * 1.0});
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

TEST(Polygon, InsideIsFilledOutsideIsNot) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 300; ++round) {
    const int64_t width = 1 + static_cast<int64_t>(random() % 50), height = 1 + static_cast<int64_t>(random() % 50);
    std::vector<PixelPoint> p(3 + random() % 5);
    const bool within = round % 2 == 0;
    for (PixelPoint& c : p)
      c = within ? PixelPoint{static_cast<int32_t>(random() % static_cast<unsigned>(width)), static_cast<int32_t>(random() % static_cast<unsigned>(height))}
                 : PixelPoint{static_cast<int32_t>(random() % 70) - 10, static_cast<int32_t>(random() % 70) - 10};
    const std::vector<uint8_t> mask = fill_polygon(p, width, height);
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        bool inside = false;
        double nearest = 1e9;
        for (size_t i = 0; i < p.size(); ++i) {
          const PixelPoint a = p[i], b = p[(i + 1) % p.size()];
          const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
          const double t = length > 0 ? std::clamp(((static_cast<double>(x) - a.x) * dx + (static_cast<double>(y) - a.y) * dy) / length, 0.0, 1.0) : 0;
          nearest = std::min(nearest, std::hypot(static_cast<double>(x) - a.x - t * dx, static_cast<double>(y) - a.y - t * dy));
          if ((a.y > y) != (b.y > y) && static_cast<double>(x) < a.x + (static_cast<double>(y) - a.y) * dx / dy) inside = !inside;
        }
        const int got = mask[static_cast<size_t>(y * width + x)];
        // Lines that leave the picture are cut, which may move them by a pixel.
        if (inside && nearest > 1e-3) { ASSERT_EQ(got, 1) << x << "," << y; }
        if (!inside && nearest > 2) { ASSERT_EQ(got, 0) << x << "," << y; }
        if (within && nearest == 0) { ASSERT_EQ(got, 1) << x << "," << y; }
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
