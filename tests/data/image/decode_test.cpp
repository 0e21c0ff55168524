// Files against what Pillow reads from them, against bounds and damage.
#include <data/image/decode.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "data/image/by_hand.h"
#include "data/image/pictures.h"
#include "data/image/samples.h"
#include "support/proves.h"

namespace chorus {
namespace {

using testing::Bytes;
using testing::kPictureSamples;
using testing::message_of;
using testing::PictureSample;

void expect_sample(const PictureSample& sample) {
  SCOPED_TRACE(sample.name);
  const Image image = decode_image(testing::from_hex(sample.hex), sample.name);
  EXPECT_EQ(image.colour, sample.colour);
  EXPECT_EQ(image.width, sample.width);
  EXPECT_EQ(image.height, sample.height);
  EXPECT_EQ(image.channels, sample.channels);
  EXPECT_EQ(image.bits, sample.bits);
  EXPECT_EQ(image.orientation, sample.orientation);
  EXPECT_EQ(testing::hash_of(image.data), sample.pixels);
}

TEST(Decode, EqualsPillow) {
  for (const PictureSample& sample : kPictureSamples) expect_sample(sample);
  testing::proves("A-PAR-005");
}

TEST(Decode, Limits) {
  DecodeLimits small;
  small.max_dimension = 20;
  EXPECT_NE(message_of([&] {
              decode_image(testing::from_hex(kPictureSamples[0].hex), "a", small);
            }).find("max_dimension = 20"),
            std::string::npos);
  small = {};
  small.max_file_bytes = 100;
  EXPECT_NE(
      message_of([&] { decode_image(testing::from_hex(kPictureSamples[0].hex), "a", small); }).find("max_file_bytes"),
      std::string::npos);
  small = {};
  small.max_image_bytes = 100;
  for (const PictureSample& sample : kPictureSamples)
    EXPECT_NE(
        message_of([&] { decode_image(testing::from_hex(sample.hex), "a", small); }).find("max_image_bytes = 100"),
        std::string::npos)
        << sample.name;
}

TEST(Decode, CutWrongAndMissingFiles) {
  for (const PictureSample& sample : kPictureSamples) {
    const Bytes whole = testing::from_hex(sample.hex);
    for (const double share : {0.0, 0.1, 0.5, 0.9}) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<int64_t>(share * static_cast<double>(whole.size())));
      // What is missing from a file cut near its end may be its end mark alone.
      bool whole_picture = false;
      const std::string text = message_of([&] {
        whole_picture = testing::hash_of(decode_image(cut, "cut file").data) == sample.pixels && share > 0.8;
      });
      EXPECT_TRUE(whole_picture || text.find("cut file") != std::string::npos)
          << sample.name << " cut to " << share << ": " << text;
    }
  }
  const Bytes wrong = {'G', 'a', 'r', 'b', 'a', 'g', 'e', 0, 0, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_NE(message_of([&] { decode_image(wrong, "wrong.png"); }).find("wrong.png"), std::string::npos);
  EXPECT_NE(message_of([&] { load_image("/nonexistent/picture.png"); }).find("/nonexistent/picture.png"),
            std::string::npos);
}

TEST(Decode, MutatedFilesNeverCrash) {
  std::mt19937 random(std::random_device{}());
  DecodeLimits limits;
  limits.max_pixels = 1 << 16;
  limits.max_image_bytes = 1 << 20;
  int good = 0, refused = 0;
  constexpr int kRounds = 12000;
  for (int round = 0; round < kRounds; ++round) {
    const PictureSample& sample = kPictureSamples[round % std::size(kPictureSamples)];
    Bytes file = testing::from_hex(sample.hex);
    const int edits = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < edits; ++i) {
      const size_t at = random() % file.size();
      switch (random() % 5) {
        case 0: file[at] = static_cast<uint8_t>(random()); break;
        case 1: file[at] ^= static_cast<uint8_t>(1u << random() % 8); break;
        case 2: file.resize(std::max<size_t>(at, 1)); break;
        case 3:
          file.insert(file.begin() + static_cast<int64_t>(at), file.begin(),
                      file.begin() + static_cast<int64_t>(std::min<size_t>(file.size(), random() % 9)));
          break;
        default: file[at] = random() % 2 != 0 ? 0xff : 0; break;
      }
    }
    if (random() % 2 != 0) testing::repair_png_sums(file);  // reach what lies behind the check sums
    try {
      const Image image = decode_image(file, "mutated", limits);
      ASSERT_LE(image.width * image.height, limits.max_pixels);
      ASSERT_EQ(static_cast<int64_t>(image.data.size()), image.height * image.row_bytes());
      to_colour(upright(image), Colour::rgb);
      ++good;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), Code::bad_input) << error.what();
      ++refused;
    }
  }
  EXPECT_EQ(good + refused, kRounds);
  EXPECT_GT(good, 0);
  EXPECT_GT(refused, 0);
  testing::part_of("A-PAR-016");
}

}  // namespace
}  // namespace chorus
