// Contours against flood fill.
#include <data/image/shapes.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>

namespace chorus {
namespace {

struct Plane {
  int64_t width, height;
  std::vector<uint8_t> data;
  Mask mask() const { return {data.data(), width, height}; }
  int at(int64_t x, int64_t y) const {
    return x < 0 || y < 0 || x >= width || y >= height ? 0 : data[static_cast<size_t>(y * width + x)];
  }
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
        const bool border = plane.at(p.x - 1, p.y) == 0 || plane.at(p.x + 1, p.y) == 0 || plane.at(p.x, p.y - 1) == 0 ||
                            plane.at(p.x, p.y + 1) == 0;
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
                  std::max(std::max(plane.at(x, y), plane.at(x - 1, y)),
                           std::max(plane.at(x, y - 1), plane.at(x - 1, y - 1))));
  }
}

}  // namespace
}  // namespace chorus
