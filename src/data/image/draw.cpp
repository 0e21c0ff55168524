#include <chorus/error.h>
#include <data/image/draw.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace chorus {
namespace {

void check(const Image& image, const char* where) {
  const bool known = image.colour == Colour::grey || image.colour == Colour::rgb || image.colour == Colour::bgr;
  if (image.bits != 8 || !known)
    throw Error(Code::bad_input, fmt::format("cannot draw on {} channels of {} bits", image.channels, image.bits),
                where, "convert the picture with to_colour");
}

/// Mixes ink into one pixel; cover 0 … 255.
void mix(Image& image, int64_t x, int64_t y, Ink ink, int cover) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  uint8_t* p = image.row(y) + x * image.channels;
  const auto lay = [cover](uint8_t& to, int value) {
    to = static_cast<uint8_t>((to * (255 - cover) + value * cover + 127) / 255);
  };
  if (image.channels == 1) return lay(*p, (ink.red + ink.green + ink.blue) / 3);
  const bool blue_first = image.colour == Colour::bgr;
  lay(p[0], blue_first ? ink.blue : ink.red);
  lay(p[1], ink.green);
  lay(p[2], blue_first ? ink.red : ink.blue);
}

double distance_to_segment(double x, double y, Point a, Point b) {
  const double dx = double{b.x} - a.x, dy = double{b.y} - a.y, length = dx * dx + dy * dy;
  const double t = length > 0 ? std::clamp(((x - a.x) * dx + (y - a.y) * dy) / length, 0.0, 1.0) : 0;
  return std::hypot(x - (a.x + t * dx), y - (a.y + t * dy));
}

void draw_segment(Image& image, Point a, Point b, Ink ink, double half) {
  const auto bound = [](double v, int64_t size) {
    return v > 0 ? static_cast<int64_t>(std::min(v, static_cast<double>(size))) : 0;  // far points have no int64_t
  };
  if (!std::isfinite(a.x + a.y + b.x + b.y)) return;
  const double reach = half + 1;
  const int64_t y0 = bound(std::min(a.y, b.y) - reach, image.height),
                y1 = bound(std::max(a.y, b.y) + reach + 1, image.height);
  const double dx = double{b.x} - a.x, dy = double{b.y} - a.y, length = std::hypot(dx, dy);
  for (int64_t y = y0; y < y1; ++y) {
    double left = std::min(a.x, b.x) - reach, right = std::max(a.x, b.x) + reach;
    // Along a slanted line only a few columns of each row are near it.
    if (std::fabs(dy) > 1e-6) {
      const double at = a.x + (static_cast<double>(y) - a.y) * dx / dy, spread = reach * length / std::fabs(dy) + 1;
      left = std::max(left, at - spread);
      right = std::min(right, at + spread);
    }
    for (int64_t x = bound(left, image.width); x < bound(right + 1, image.width); ++x) {
      const double d = distance_to_segment(static_cast<double>(x), static_cast<double>(y), a, b);
      const double cover = std::clamp(half + 0.5 - d, 0.0, 1.0);
      if (cover > 0) mix(image, x, y, ink, static_cast<int>(cover * 255));
    }
  }
}

Contour whole(std::span<const Point> polygon) {
  constexpr float kFar = 1 << 20;
  Contour out;
  for (const Point p : polygon)
    if (std::isfinite(p.x + p.y))
      out.push_back({static_cast<int32_t>(std::lrintf(std::clamp(p.x, -kFar, kFar))),
                     static_cast<int32_t>(std::lrintf(std::clamp(p.y, -kFar, kFar)))});
  return out;
}

}  // namespace

void draw_outline(Image& image, std::span<const Point> polygon, Ink ink, int thickness) {
  check(image, "draw_outline");
  for (size_t i = 0; i < polygon.size(); ++i)
    draw_segment(image, polygon[i], polygon[(i + 1) % polygon.size()], ink, std::max(thickness, 1) / 2.0);
}

void blend_polygon(Image& image, std::span<const Point> polygon, Ink ink, float opacity) {
  check(image, "blend_polygon");
  const Contour corners = whole(polygon);
  if (corners.empty() || image.empty()) return;
  const std::vector<uint8_t> mask = fill_polygon(corners, image.width, image.height);
  const int cover = static_cast<int>(std::clamp(opacity, 0.f, 1.f) * 255);
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x)
      if (mask[static_cast<size_t>(y * image.width + x)] != 0) mix(image, x, y, ink, cover);
}

}  // namespace chorus
