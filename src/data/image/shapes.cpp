#include <data/image/shapes.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace chorus {
namespace {

/// Twice the area of the triangle; above 0 when a, b, c turn to the left (y up).
int64_t cross(PixelPoint a, PixelPoint b, PixelPoint c) {
  return int64_t{b.x - a.x} * (c.y - a.y) - int64_t{b.y - a.y} * (c.x - a.x);
}

}  // namespace

Contour convex_hull(std::span<const PixelPoint> points) {
  struct Indexed {
    PixelPoint p;
    size_t index;
  };
  std::vector<Indexed> sorted(points.size());
  for (size_t i = 0; i < points.size(); ++i) sorted[i] = {points[i], i};
  std::sort(sorted.begin(), sorted.end(), [](const Indexed& a, const Indexed& b) {
    return a.p.x != b.p.x ? a.p.x < b.p.x : a.p.y != b.p.y ? a.p.y < b.p.y : a.index < b.index;
  });
  sorted.erase(std::unique(sorted.begin(), sorted.end(), [](const Indexed& a, const Indexed& b) { return a.p == b.p; }),
               sorted.end());
  const size_t n = sorted.size();
  std::vector<Indexed> hull(2 * n + 1);
  size_t k = 0;
  const auto add = [&](const Indexed& p, size_t bottom) {
    while (k >= bottom + 2 && cross(hull[k - 2].p, hull[k - 1].p, p.p) <= 0) --k;
    hull[k++] = p;
  };
  for (size_t i = 0; i < n; ++i) add(sorted[i], 0);
  const size_t lower = k - 1;
  for (size_t i = n; i-- > 1;) add(sorted[i - 1], lower);
  hull.resize(n < 2 ? n : k - 1);
  // Which corner comes first decides between rectangles of equal area: the first one in the order of the points when
  // the hull goes
  // around in that order (the last one when it goes the other way round), else the rightmost.
  size_t low = 0, high = 0, rises = 0, right = 0;
  for (size_t i = 0; i < hull.size(); ++i) {
    if (hull[i].index < hull[low].index) low = i;
    if (hull[i].index > hull[high].index) high = i;
    if (hull[i].p == sorted.back().p) right = i;
    rises += hull[i].index < hull[(i + 1) % hull.size()].index ? 1 : 0;
  }
  size_t first = right;
  if (hull.size() >= 3 && rises == hull.size() - 1)
    first = low;
  else if (hull.size() >= 3 && rises == 1)
    first = high;
  Contour out;
  for (size_t i = 0; i < hull.size(); ++i) out.push_back(hull[(first + i) % hull.size()].p);
  return out;
}

namespace {

/// The best rectangle so far: its direction (a, b), sizes along and across, and the hull corners that touch its left
/// and bottom side.
struct Best {
  float a = 1, b = 0, width = 0, height = 0, area = std::numeric_limits<float>::max();
  size_t left = 0, bottom = 0;
};

/// Rotating calipers in single precision; each of the n steps lays one side on an edge of the hull.
class Calipers {
 public:
  explicit Calipers(std::span<const PixelPoint> hull) : n_(hull.size()), points_(n_), edges_(n_), inverse_(n_) {
    for (size_t i = 0; i < n_; ++i) points_[i] = {static_cast<float>(hull[i].x), static_cast<float>(hull[i].y)};
    for (size_t i = 0; i < n_; ++i) {
      const Point p = points_[i], q = points_[(i + 1) % n_];
      const double dx = q.x - p.x, dy = q.y - p.y;
      edges_[i] = {static_cast<float>(dx), static_cast<float>(dy)};
      inverse_[i] = static_cast<float>(1.0 / std::sqrt(dx * dx + dy * dy));
      if (p.y < points_[touch_[0]].y) touch_[0] = i;
      if (p.x > points_[touch_[1]].x) touch_[1] = i;
      if (p.y > points_[touch_[2]].y) touch_[2] = i;
      if (p.x < points_[touch_[3]].x) touch_[3] = i;
    }
  }

  Best run() {
    for (size_t step = 0; step < n_; ++step) {
      turn(nearest_side());
      measure();
    }
    return best_;
  }

  Point point(size_t i) const { return points_[i]; }

 private:
  /// The edge that starts where side `s` touches, turned so that all four may be compared.
  Point turned_edge(size_t s) const {
    const Point e = edges_[touch_[s]];
    switch (s) {
      case 0: return e;
      case 1: return {e.y, -e.x};
      case 2: return {-e.x, -e.y};
      default: return {-e.y, e.x};
    }
  }

  size_t nearest_side() const {
    size_t main = 0;
    Point lead = turned_edge(0);
    for (size_t s = 1; s < 4; ++s) {
      const Point e = turned_edge(s);
      if (e.y * lead.x + -e.x * lead.y < 0) {
        main = s;
        lead = e;
      }
    }
    return main;
  }

  void turn(size_t main) {
    const size_t i = touch_[main];
    const float x = edges_[i].x * inverse_[i], y = edges_[i].y * inverse_[i];
    switch (main) {
      case 0: a_ = x, b_ = y; break;
      case 1: a_ = y, b_ = -x; break;
      case 2: a_ = -x, b_ = -y; break;
      default: a_ = -y, b_ = x; break;
    }
    touch_[main] = (i + 1) % n_;
  }

  void measure() {
    const Point right = points_[touch_[1]], left = points_[touch_[3]], top = points_[touch_[2]],
                bottom = points_[touch_[0]];
    const float width = (right.x - left.x) * a_ + (right.y - left.y) * b_;
    const float height = -(top.x - bottom.x) * b_ + (top.y - bottom.y) * a_;
    const float area = width * height;
    if (area <= best_.area) best_ = {a_, b_, width, height, area, touch_[3], touch_[0]};
  }

  size_t n_;
  std::vector<Point> points_, edges_;
  std::vector<float> inverse_;
  size_t touch_[4] = {0, 0, 0, 0};  ///< bottom (smallest y), right, top, left
  float a_ = 1, b_ = 0;
  Best best_;
};

/// Brings the angle into [-90, 0) by quarter turns, each of which swaps the sides.
void set_angle(TurnedRect& rect, double radians) {
  double angle = radians * 180 / std::numbers::pi;
  while (angle >= 0) {
    angle -= 90;
    std::swap(rect.width, rect.height);
  }
  while (angle < -90) {
    angle += 90;
    std::swap(rect.width, rect.height);
  }
  rect.angle = static_cast<float>(angle);
}

}  // namespace

TurnedRect min_area_rect(std::span<const PixelPoint> points) {
  TurnedRect rect;
  const Contour hull = convex_hull(points);
  if (hull.empty()) return rect;
  const Point p = {static_cast<float>(hull[0].x), static_cast<float>(hull[0].y)};
  if (hull.size() == 1) {
    rect.centre = p;
    rect.angle = -90;
    return rect;
  }
  if (hull.size() == 2) {
    const Point q = {static_cast<float>(hull[1].x), static_cast<float>(hull[1].y)};
    const double dx = q.x - p.x, dy = q.y - p.y;
    rect.centre = {(p.x + q.x) * 0.5f, (p.y + q.y) * 0.5f};
    rect.width = static_cast<float>(std::sqrt(dx * dx + dy * dy));
    set_angle(rect, std::atan2(dy, dx));
    return rect;
  }
  Calipers calipers(hull);
  const Best best = calipers.run();
  const Point left = calipers.point(best.left), bottom = calipers.point(best.bottom);
  const float a1 = best.a, b1 = best.b, a2 = -best.b, b2 = best.a;
  const float c1 = a1 * left.x + left.y * b1, c2 = a2 * bottom.x + bottom.y * b2;
  const float scale = 1.f / (a1 * b2 - a2 * b1);
  const Point corner = {(c1 * b2 - c2 * b1) * scale, (a1 * c2 - a2 * c1) * scale};
  const Point along = {a1 * best.width, b1 * best.width}, across = {a2 * best.height, b2 * best.height};
  rect.centre = {corner.x + (along.x + across.x) * 0.5f, corner.y + (along.y + across.y) * 0.5f};
  rect.width = static_cast<float>(std::sqrt(double{along.x} * along.x + double{along.y} * along.y));
  rect.height = static_cast<float>(std::sqrt(double{across.x} * across.x + double{across.y} * across.y));
  set_angle(rect, std::atan2(double{along.y}, double{along.x}));
  return rect;
}

Quad corners(const TurnedRect& rect) {
  const double angle = rect.angle * std::numbers::pi / 180.0;
  const float b = static_cast<float>(std::cos(angle)) * 0.5f, a = static_cast<float>(std::sin(angle)) * 0.5f;
  const Point c = rect.centre;
  const float w = rect.width, h = rect.height;
  return {Point{c.x - a * h - b * w, c.y + b * h - a * w}, Point{c.x + a * h - b * w, c.y - b * h - a * w},
          Point{c.x + a * h + b * w, c.y - b * h + a * w}, Point{c.x - a * h + b * w, c.y + b * h + a * w}};
}

double signed_area(std::span<const Point> polygon) {
  double sum = 0;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Point p = polygon[i], q = polygon[(i + 1) % polygon.size()];
    sum += double{p.x} * q.y - double{q.x} * p.y;
  }
  return sum / 2;
}

double perimeter(std::span<const Point> polygon) {
  double sum = 0;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Point p = polygon[i], q = polygon[(i + 1) % polygon.size()];
    sum += std::sqrt((double{q.x} - p.x) * (double{q.x} - p.x) + (double{q.y} - p.y) * (double{q.y} - p.y));
  }
  return sum;
}

}  // namespace chorus
