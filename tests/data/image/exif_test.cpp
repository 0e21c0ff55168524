// The orientation tag, in blocks written by hand, cut and damaged.
#include <data/image/decode.h>

#include <gtest/gtest.h>

#include <random>

#include "data/image/by_hand.h"

namespace chorus {
namespace {

TEST(Exif, Orientation) {
  for (const bool little : {true, false})
    for (int value = 0; value < 12; ++value) {
      const testing::Bytes block = testing::make_exif(little, value);
      EXPECT_EQ(exif_orientation(block), value >= 1 && value <= 8 ? value : 1);
      EXPECT_EQ(exif_orientation(std::span(block).subspan(6)), value >= 1 && value <= 8 ? value : 1);
    }
  const testing::Bytes whole = testing::make_exif(true, 6);
  // Mark, header, count and two entries of 12 bytes: the orientation ends at byte 40.
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_EQ(exif_orientation(std::span(whole).first(n)), n < 40 ? 1 : 6) << n;
}

TEST(Exif, DamagedBlocks) {
  std::mt19937 more(std::random_device{}());
  for (int round = 0; round < 10000; ++round) {
    testing::Bytes block = testing::make_exif(more() % 2 != 0, static_cast<int>(more() % 10));
    for (int i = 0; i < 4; ++i) block[more() % block.size()] = static_cast<uint8_t>(more());
    block.resize(1 + more() % block.size());
    const int orientation = exif_orientation(block);
    ASSERT_TRUE(orientation >= 1 && orientation <= 8);
  }
}

}  // namespace
}  // namespace chorus
