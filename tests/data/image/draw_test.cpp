#include <data/image/draw.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <cmath>

#include "data/image/pictures.h"
#include "support/proves.h"

namespace chorus {
namespace {

using testing::dark;
using testing::white;

TEST(Draw, BoxPixels) {
  // The box of a detection: its edges take the ink, nothing else changes.
  Image image = white(20, 16);
  const Quad box = {Point{3, 4}, Point{15, 4}, Point{15, 11}, Point{3, 11}};
  draw_outline(image, box, {200, 10, 30}, 1);
  for (int64_t y = 0; y < 16; ++y)
    for (int64_t x = 0; x < 20; ++x) {
      const bool on = (x >= 3 && x <= 15 && (y == 4 || y == 11)) || (y >= 4 && y <= 11 && (x == 3 || x == 15));
      const uint8_t* p = image.row(y) + 3 * x;
      EXPECT_EQ(p[0], on ? 200 : 255) << x << "," << y;
      EXPECT_EQ(p[1], on ? 10 : 255);
      EXPECT_EQ(p[2], on ? 30 : 255);
    }
  Image bgr = white(20, 16, Colour::bgr);
  draw_outline(bgr, box, {200, 10, 30}, 1);
  swap_red_blue(bgr);
  EXPECT_EQ(bgr.data, image.data);
  testing::part_of("S-OV-05");
}

TEST(Draw, SlantedLinesStayNearTheirLine) {
  Image image = white(60, 60, Colour::grey);
  const Point line[] = {{5, 8}, {50, 31}};
  draw_outline(image, line, {0, 0, 0}, 3);
  for (int64_t y = 0; y < 60; ++y)
    for (int64_t x = 0; x < 60; ++x) {
      const double dx = 45, dy = 23,
                   t = std::clamp(
                       (static_cast<double>(x - 5) * dx + static_cast<double>(y - 8) * dy) / (dx * dx + dy * dy), 0.0,
                       1.0);
      const double distance = std::hypot(static_cast<double>(x) - 5 - t * dx, static_cast<double>(y) - 8 - t * dy);
      if (distance < 0.9) {
        EXPECT_EQ(image.row(y)[x], 0);
      }
      if (distance > 2.1) {
        EXPECT_EQ(image.row(y)[x], 255);
      }
    }
}

TEST(Draw, NothingOutsideAndNoEnd) {
  Image image = white(10, 10);
  const float far = 1e30f;
  const Quad wild = {Point{-far, 5}, Point{far, -far}, Point{NAN, 3}, Point{5, INFINITY}};
  draw_outline(image, wild, {}, 1);
  blend_polygon(image, wild, {}, 0.5f);
  const Quad over = {Point{-1000, -1000}, Point{1000, -1000}, Point{1000, 1000}, Point{-1000, 1000}};
  blend_polygon(image, over, {0, 0, 0}, 1);
  EXPECT_EQ(dark(image), 300);
  Image wide = make_image(4, 4, Colour::rgba);
  EXPECT_THROW(draw_outline(wide, over, {}, 1), Error);
}

}  // namespace
}  // namespace chorus
