#include <data/image/draw.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data/image/pictures.h"

namespace chorus {
namespace {

using testing::dark;
using testing::white;

TEST(Text, CodePoints) {
  EXPECT_EQ(code_points("aé中😀"), (std::vector<uint32_t>{'a', 0xe9, 0x4e2d, 0x1f600}));
  EXPECT_EQ(code_points("\x80"), (std::vector<uint32_t>{0xfffd}));
  EXPECT_EQ(code_points("\xe4\xb8"), (std::vector<uint32_t>{0xfffd, 0xfffd}));
  EXPECT_EQ(code_points("\xc0\xaf"), (std::vector<uint32_t>{0xfffd, 0xfffd}));
  EXPECT_EQ(code_points("\xed\xa0\x80").size(), 3u);
  EXPECT_EQ(code_points("\xf4\x90\x80\x80").size(), 4u);
}

TEST(Text, DrawnWhereItWasMeasured) {
  Font font(Font::installed());
  const Font::Extent one = font.measure("Chorus", 20), two = font.measure("ChorusChorus", 20);
  EXPECT_GT(one.width, 40);
  EXPECT_NEAR(two.width, 2 * one.width, 1);
  Image image = white(200, 60);
  font.draw(image, "Chorus", {20, 40}, 20, {0, 0, 0});
  EXPECT_GT(dark(image), 100);
  for (int64_t y = 0; y < 60; ++y)
    for (int64_t x = 0; x < 200; ++x)
      if (image.row(y)[3 * x] < 128) {
        EXPECT_TRUE(static_cast<double>(x) >= 19 && static_cast<double>(x) <= 21 + one.width);
        EXPECT_TRUE(static_cast<double>(y) >= 39 - one.ascent && static_cast<double>(y) <= 41 + one.descent);
      }
  Image turned = white(60, 200);
  font.draw(turned, "Chorus", {20, 20}, 20, {0, 0, 0}, std::acos(-1.0) / 2);
  EXPECT_NEAR(static_cast<double>(dark(turned)), static_cast<double>(dark(image)),
              0.2 * static_cast<double>(dark(image)));
  Image small = white(8, 8);
  font.draw(small, "outside", {-4, 4}, 30, {0, 0, 0});
  font.draw(small, "far", {1e20f, 4}, 30, {0, 0, 0});
  EXPECT_THROW(Font("/nonexistent.ttf"), Error);
  EXPECT_THROW(Font("CMakeLists.txt"), Error);
}

}  // namespace
}  // namespace chorus
