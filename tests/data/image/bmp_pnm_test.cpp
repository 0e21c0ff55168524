// BMP and PNM files written by hand.
#include <data/image/decode.h>

#include <gtest/gtest.h>

#include <string_view>

#include "data/image/by_hand.h"
#include "support/proves.h"

namespace chorus {
namespace {

using testing::Bytes;

TEST(Bmp, ByHand) {
  for (const int bits : {8, 24, 32})
    for (const bool top_down : {false, true}) {
      SCOPED_TRACE(bits);
      const testing::HandBmp made = testing::make_bmp(bits, 7, 5, top_down);
      const Image image = to_colour(decode_image(made.file, "hand.bmp"), Colour::rgb);
      EXPECT_EQ(image.width, 7);
      EXPECT_EQ(image.height, 5);
      EXPECT_EQ(image.data, made.rgb);
    }
  testing::proves("A-PAR-007");
}

TEST(Pnm, ByHand) {
  const auto decode = [](std::string_view text) {
    return decode_image({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, "x");
  };
  EXPECT_EQ(decode("P2 # grey\n3 1\n10\n0 5 10").data, (Bytes{0, 128, 255}));
  EXPECT_EQ(decode("P3\n1 1 255\n1 2 3").data, (Bytes{1, 2, 3}));
  EXPECT_EQ(decode("P1\n4 1\n0110").data, (Bytes{255, 0, 0, 255}));
  EXPECT_EQ(decode(std::string_view("P4\n4 1\n\x60", 8)).data, (Bytes{255, 0, 0, 255}));
  EXPECT_EQ(decode("P5\n2 1\n255\nAB").data, (Bytes{'A', 'B'}));
  EXPECT_EQ(decode("P6 1 1 255\nABC").data, (Bytes{'A', 'B', 'C'}));
  EXPECT_EQ(decode("P5 1 1 65535\nAB").data, (Bytes{'A'}));
}

}  // namespace
}  // namespace chorus
