// Shapes in masks and planes: contours, convex hulls, smallest rectangles, filled polygons. Contours, rectangles and
// filling follow
// OpenCV's definitions (findContours RETR_LIST / CHAIN_APPROX_SIMPLE, minAreaRect, fillPoly), to the last bit where
// tests say so.
#pragma once
#include <data/image/resize.h>

#include <span>
#include <vector>

namespace chorus {

struct PixelPoint {
  int32_t x = 0, y = 0;
  friend bool operator==(const PixelPoint&, const PixelPoint&) = default;
};
using Contour = std::vector<PixelPoint>;

/// A plane of bytes [height, width], rows dense; not owned.
struct Mask {
  const uint8_t* data = nullptr;
  int64_t width = 0, height = 0;
};

/// The borders between zero and other values: outer borders and those of holes, each with the points where its
/// direction changes. The
/// last found (lowest) comes first. At most `most` are given, the first ones of that order. O(pixels) time and memory.
std::vector<Contour> find_contours(const Mask& mask, size_t most);

/// dst(x, y) = the largest of the 2 × 2 values that end at (x, y).
std::vector<uint8_t> dilate_2x2(const Mask& mask);

/// The corners of the convex hull, counter-clockwise with y up, no three on a line. Empty for no points.
Contour convex_hull(std::span<const PixelPoint> points);

/// A turned rectangle: angle in degrees, clockwise with y down, in [-90, 0).
struct TurnedRect {
  Point centre;
  float width = 0, height = 0, angle = 0;
};
/// The rectangle of smallest area around the points. O(n log n).
TurnedRect min_area_rect(std::span<const PixelPoint> points);
/// Its corners: bottom left, top left, top right, bottom right of the unturned rectangle.
Quad corners(const TurnedRect& rect);

/// Signed area (shoelace; positive when clockwise with y down) and length of the closed polygon.
double signed_area(std::span<const Point> polygon);
double perimeter(std::span<const Point> polygon);

/// A mask [height, width] with 1 on the pixels of a polygon with whole corners (even-odd rule), its border line
/// included, cut to the
/// plane. Coordinates below 2^20 in size.
std::vector<uint8_t> fill_polygon(std::span<const PixelPoint> polygon, int64_t width, int64_t height);

/// Mean over the pixels of the polygon of a plane [height, width] whose rows are `stride` values apart; 0 when it
/// covers none.
double mean_inside(const float* values, int64_t stride, int64_t width, int64_t height,
                   std::span<const PixelPoint> polygon);

}  // namespace chorus
