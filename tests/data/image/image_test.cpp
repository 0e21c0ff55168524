// Colours, turns, edges: small pictures whose result is known.
#include <data/image/decode.h>
#include <data/image/image.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <vector>

#include "support/proves.h"

namespace chorus {
namespace {

TEST(Image, OrientationTurnsPixels) {
  // EXIF 2.32: a picture that is seen as  1 2 3 / 4 5 6  is stored so under each orientation.
  const std::vector<std::pair<std::pair<int, int>, std::vector<uint8_t>>> stored = {
      {{3, 2}, {1, 2, 3, 4, 5, 6}}, {{3, 2}, {3, 2, 1, 6, 5, 4}}, {{3, 2}, {6, 5, 4, 3, 2, 1}},
      {{3, 2}, {4, 5, 6, 1, 2, 3}}, {{2, 3}, {1, 4, 2, 5, 3, 6}}, {{2, 3}, {3, 6, 2, 5, 1, 4}},
      {{2, 3}, {6, 3, 5, 2, 4, 1}}, {{2, 3}, {4, 1, 5, 2, 6, 3}}};
  for (size_t i = 0; i < stored.size(); ++i) {
    Image image = make_image(stored[i].first.first, stored[i].first.second, Colour::grey);
    image.data = stored[i].second;
    image.orientation = static_cast<int>(i) + 1;
    const Image seen = upright(image);
    EXPECT_EQ(seen.data, (std::vector<uint8_t>{1, 2, 3, 4, 5, 6})) << "orientation " << i + 1;
    EXPECT_EQ(seen.width, 3);
    EXPECT_EQ(seen.orientation, 1);
  }
}

TEST(Image, ColoursTurnsAndEdges) {
  Image image = make_image(2, 1, Colour::rgba);
  image.data = {10, 20, 30, 255, 200, 100, 0, 0};
  EXPECT_EQ(to_colour(image, Colour::rgb).data, (std::vector<uint8_t>{10, 20, 30, 255, 255, 255}));
  EXPECT_EQ(to_colour(image, Colour::bgr).data, (std::vector<uint8_t>{30, 20, 10, 255, 255, 255}));
  Image ink = make_image(1, 1, Colour::cmyk);
  ink.data = {255, 0, 0, 0};
  EXPECT_EQ(to_colour(ink, Colour::rgb).data, (std::vector<uint8_t>{0, 255, 255}));
  Image grey = make_image(3, 2, Colour::grey);
  grey.data = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(rotate_quarters(grey, 1).data, (std::vector<uint8_t>{4, 1, 5, 2, 6, 3}));
  EXPECT_EQ(rotate_quarters(grey, 2).data, (std::vector<uint8_t>{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(rotate_quarters(grey, -1).data, (std::vector<uint8_t>{3, 6, 2, 5, 1, 4}));
  EXPECT_EQ(mirror(grey).data, (std::vector<uint8_t>{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(crop(grey, 1, 1, 10, 10).data, (std::vector<uint8_t>{5, 6}));
  EXPECT_TRUE(crop(grey, 9, 0, 1, 1).empty());
  EXPECT_EQ(pad(grey, 1, 0, 0, 1, 9).data, (std::vector<uint8_t>{9, 9, 9, 9, 1, 2, 3, 9, 4, 5, 6, 9}));
  EXPECT_THROW(make_image(-1, 2, Colour::rgb), Error);
  EXPECT_THROW(make_image(int64_t{1} << 40, int64_t{1} << 40, Colour::rgb), Error);
  EXPECT_THROW(encode_png(ink), Error);
  EXPECT_THROW(encode_jpeg(image), Error);
  testing::part_of("I-API-15");
}

}  // namespace
}  // namespace chorus
