// Filled polygons: the inside by the even-odd rule along rows with 16-bit fixed-point edges, and the border line of
// each edge.
#include <data/image/shapes.h>

#include <algorithm>
#include <cmath>

namespace chorus {
namespace {

/// A segment with wide coordinates.
struct Segment {
  int64_t x0, y0, x1, y1;
};

/// Moves the ends of the segment to the border of the picture, rows first, rounding towards the end that moves (as
/// OpenCV does: a
/// cut line may differ by a pixel from the whole one). False when nothing is left.
bool cut(Segment& s, int64_t width, int64_t height) {
  const auto side = [](int64_t v, int64_t size) { return v < 0 ? -1 : v >= size ? 1 : 0; };
  const auto edge = [](int at, int64_t size) { return at < 0 ? int64_t{0} : size - 1; };
  const int top = side(s.y0, height), bottom = side(s.y1, height);
  if ((top != 0 && top == bottom) || (side(s.x0, width) != 0 && side(s.x0, width) == side(s.x1, width))) return false;
  if (top != 0) {
    const int64_t y = edge(top, height);
    s.x0 += (y - s.y0) * (s.x1 - s.x0) / (s.y1 - s.y0);
    s.y0 = y;
  }
  if (bottom != 0) {
    const int64_t y = edge(bottom, height);
    s.x1 += (y - s.y1) * (s.x1 - s.x0) / (s.y1 - s.y0);
    s.y1 = y;
  }
  const int left = side(s.x0, width), right = side(s.x1, width);
  if (left != 0 && left == right) return false;
  if (left != 0) {
    const int64_t x = edge(left, width);
    s.y0 += (x - s.x0) * (s.y1 - s.y0) / (s.x1 - s.x0);
    s.x0 = x;
  }
  if (right != 0) {
    const int64_t x = edge(right, width);
    s.y1 += (x - s.x1) * (s.y1 - s.y0) / (s.x1 - s.x0);
    s.x1 = x;
  }
  return true;
}

class Filler {
 public:
  Filler(int64_t width, int64_t height)
      : width_(width), height_(height),
        mask_(static_cast<size_t>(std::max<int64_t>(width, 0) * std::max<int64_t>(height, 0))) {}

  /// Pixels nearest to the segment, one per step along its longer side, from the left (upper) end on.
  void line(PixelPoint a, PixelPoint b) {
    Segment s{a.x, a.y, b.x, b.y};
    if (width_ <= 0 || height_ <= 0 || !cut(s, width_, height_)) return;
    if (s.x1 < s.x0) s = {s.x1, s.y1, s.x0, s.y0};
    const int64_t ax = s.x1 - s.x0, ay = std::abs(s.y1 - s.y0), step = s.y1 < s.y0 ? -1 : 1;
    const bool steep = ay > ax;
    const int64_t longer = steep ? ay : ax, shorter = steep ? ax : ay;
    int64_t x = s.x0, y = s.y0, error = longer - 2 * shorter;
    for (int64_t i = 0; i <= longer; ++i) {
      put(x, y);
      const bool aside = error < 0;
      error += aside ? 2 * longer - 2 * shorter : -2 * shorter;
      if (steep)
        y += step, x += aside ? 1 : 0;
      else
        x += 1, y += aside ? step : 0;
    }
  }

  void inside(std::span<const PixelPoint> polygon) {
    struct Edge {
      int64_t top, bottom, x, slope;
    };
    std::vector<Edge> edges;
    constexpr int64_t kOne = 1 << 16;
    for (size_t i = 0; i < polygon.size(); ++i) {
      PixelPoint p = polygon[i], q = polygon[(i + 1) % polygon.size()];
      if (p.y == q.y) continue;
      if (p.y > q.y) std::swap(p, q);
      edges.push_back({p.y, q.y, p.x * kOne, (int64_t{q.x} - p.x) * kOne / (q.y - p.y)});
    }
    std::vector<int64_t> at;
    int64_t first = height_, last = 0;
    for (const Edge& e : edges) first = std::min(first, e.top), last = std::max(last, e.bottom);
    for (int64_t y = std::max<int64_t>(first, 0); y < std::min(last, height_); ++y) {
      at.clear();
      for (const Edge& e : edges)
        if (y >= e.top && y < e.bottom) at.push_back(e.x + e.slope * (y - e.top));
      std::sort(at.begin(), at.end());
      for (size_t i = 0; i + 1 < at.size(); i += 2) {
        const int64_t x0 = (at[i] + kOne - 1) >> 16, x1 = at[i + 1] >> 16;
        for (int64_t x = std::max<int64_t>(x0, 0); x <= std::min(x1, width_ - 1); ++x) put(x, y);
      }
    }
  }

  std::vector<uint8_t> take() { return std::move(mask_); }

 private:
  void put(int64_t x, int64_t y) {
    if (x >= 0 && y >= 0 && x < width_ && y < height_) mask_[static_cast<size_t>(y * width_ + x)] = 1;
  }
  int64_t width_, height_;
  std::vector<uint8_t> mask_;
};

}  // namespace

std::vector<uint8_t> fill_polygon(std::span<const PixelPoint> polygon, int64_t width, int64_t height) {
  Filler filler(width, height);
  for (size_t i = 0; i < polygon.size(); ++i) filler.line(polygon[i], polygon[(i + 1) % polygon.size()]);
  filler.inside(polygon);
  return filler.take();
}

double mean_inside(const float* values, int64_t stride, int64_t width, int64_t height,
                   std::span<const PixelPoint> polygon) {
  const std::vector<uint8_t> mask = fill_polygon(polygon, width, height);
  double sum = 0;
  int64_t count = 0;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      if (mask[static_cast<size_t>(y * width + x)] != 0) {
        sum += static_cast<double>(values[y * stride + x]);
        ++count;
      }
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

}  // namespace chorus
