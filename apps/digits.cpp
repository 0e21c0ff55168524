#include "digits.h"

#include <core/random.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace chorus::app {
namespace {

constexpr int64_t kSide = 28;

struct Point {
  double x, y;
};

// One line through these points each, in a box of one by one; y grows downwards.
constexpr Point k0[] = {{.5, .05},  {.75, .15}, {.85, .5},  {.75, .85}, {.5, .95},
                        {.25, .85}, {.15, .5},  {.25, .15}, {.5, .05}};
constexpr Point k1[] = {{.3, .25}, {.55, .05}, {.55, .95}};
constexpr Point k2[] = {{.2, .25}, {.35, .07}, {.65, .07}, {.8, .27}, {.7, .5}, {.2, .95}, {.82, .95}};
constexpr Point k3[] = {{.2, .15},  {.5, .05}, {.78, .2}, {.7, .42}, {.45, .48},
                        {.75, .58}, {.8, .8},  {.5, .95}, {.18, .84}};
constexpr Point k4[] = {{.65, .95}, {.65, .05}, {.15, .65}, {.85, .65}};
constexpr Point k5[] = {{.78, .05}, {.28, .05}, {.24, .45}, {.55, .4}, {.8, .6}, {.72, .87}, {.45, .95}, {.18, .85}};
constexpr Point k6[] = {{.7, .08},  {.4, .25}, {.2, .6},  {.3, .88}, {.55, .95},
                        {.78, .78}, {.7, .55}, {.45, .5}, {.23, .65}};
constexpr Point k7[] = {{.15, .05}, {.85, .05}, {.45, .95}};
constexpr Point k8[] = {{.5, .48}, {.25, .3},  {.35, .08}, {.65, .08}, {.75, .3}, {.5, .48},
                        {.2, .7},  {.35, .94}, {.65, .94}, {.8, .7},   {.5, .48}};
constexpr Point k9[] = {{.77, .35}, {.55, .5},  {.3, .45}, {.22, .22}, {.45, .05},
                        {.7, .12},  {.77, .35}, {.7, .7},  {.45, .95}};
constexpr std::array<std::span<const Point>, 10> kDigits = {k0, k1, k2, k3, k4, k5, k6, k7, k8, k9};

double distance(Point p, Point a, Point b) {
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double t = std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy), 0.0, 1.0);
  const double x = p.x - a.x - t * dx, y = p.y - a.y - t * dy;
  return std::sqrt(x * x + y * y);
}

/// The random numbers of one picture: its own stream.
class Dice {
 public:
  Dice(uint64_t seed, int64_t picture) : seed_(seed), stream_(static_cast<uint64_t>(picture)) {}
  double between(double low, double high) { return low + (high - low) * philox_uniform(seed_, stream_, next_++); }

 private:
  uint64_t seed_, stream_, next_ = 0;
};

void draw(int64_t digit, Dice& dice, float* pixels) {
  const double size = dice.between(14, 21), angle = dice.between(-0.3, 0.3), slant = dice.between(-0.3, 0.3);
  const double x0 = 13.5 + dice.between(-3, 3), y0 = 13.5 + dice.between(-3, 3), half = dice.between(0.7, 1.8);
  std::vector<Point> line;
  for (const Point& p : kDigits[static_cast<size_t>(digit)]) {
    const double x = (p.x - 0.5 + slant * (p.y - 0.5)) * size, y = (p.y - 0.5) * size;
    line.push_back({x0 + x * std::cos(angle) - y * std::sin(angle), y0 + x * std::sin(angle) + y * std::cos(angle)});
  }
  for (int64_t i = 0; i < kSide * kSide; ++i) {
    const Point p{static_cast<double>(i % kSide), static_cast<double>(i / kSide)};
    double nearest = std::numeric_limits<double>::infinity();
    for (size_t s = 1; s < line.size(); ++s) nearest = std::min(nearest, distance(p, line[s - 1], line[s]));
    pixels[i] = static_cast<float>(std::clamp(half + 0.5 - nearest, 0.0, 1.0) + dice.between(-0.15, 0.15));
  }
}

}  // namespace

NamedValues make_digits(int64_t count, uint64_t seed) {
  Value images = Value::tensor(DType::float32, {count, 1, kSide, kSide}), labels = Value::tensor(DType::int64, {count});
  for (int64_t i = 0; i < count; ++i) {
    Dice dice(seed, i);
    const auto digit = static_cast<int64_t>(dice.between(0, 10));
    labels.as_mutable<int64_t>()[static_cast<size_t>(i)] = digit;
    draw(digit, dice, images.as_mutable<float>().data() + i * kSide * kSide);
  }
  return {{"image", images}, {"labels", labels}};
}

}  // namespace chorus::app
