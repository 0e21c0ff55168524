// Files against what Pillow reads from them, against PNG and BMP files written here by hand, against bounds and damage.
#include <data/image/decode.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include "data/image/by_hand.h"
#include "data/image/samples.h"
#include "support/proves.h"

namespace chorus {
namespace {

using testing::Bytes;
using testing::kPictureSamples;
using testing::PictureSample;

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == Code::bad_input || error.code() == Code::not_found) << error.what();
    return error.what();
  }
  return {};
}

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

TEST(Decode, PngByHand) {
  // Every colour type and depth, plain and interlaced: pixels written here come back.
  for (const testing::PngKind& kind : testing::kPngKinds)
    for (const bool interlaced : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "type " << kind.type << " depth " << kind.depth << " interlaced " << interlaced);
      const testing::HandPng made = testing::make_png(kind, 13, 9, interlaced);
      const Image image = decode_image(made.file, "hand.png");
      ASSERT_EQ(image.width, 13);
      ASSERT_EQ(image.height, 9);
      EXPECT_EQ(image.data, made.pixels);
      if (kind.type == 3) {
        EXPECT_EQ(image.colour, Colour::indexed);
        const Image rgb = to_colour(image, Colour::rgb);
        for (size_t i = 0; i < made.pixels.size(); ++i)
          for (size_t c = 0; c < 3; ++c) ASSERT_EQ(rgb.data[3 * i + c], made.palette[3 * made.pixels[i] + c]);
      }
    }
  testing::proves("A-PAR-006");
}

TEST(Decode, BmpByHand) {
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

TEST(Decode, PnmByHand) {
  const auto decode = [](std::string_view text) { return decode_image({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, "x"); };
  EXPECT_EQ(decode("P2 # grey\n3 1\n10\n0 5 10").data, (Bytes{0, 128, 255}));
  EXPECT_EQ(decode("P3\n1 1 255\n1 2 3").data, (Bytes{1, 2, 3}));
  EXPECT_EQ(decode("P1\n4 1\n0110").data, (Bytes{255, 0, 0, 255}));
  EXPECT_EQ(decode(std::string_view("P4\n4 1\n\x60", 8)).data, (Bytes{255, 0, 0, 255}));
  EXPECT_EQ(decode("P5\n2 1\n255\nAB").data, (Bytes{'A', 'B'}));
  EXPECT_EQ(decode("P6 1 1 255\nABC").data, (Bytes{'A', 'B', 'C'}));
  EXPECT_EQ(decode("P5 1 1 65535\nAB").data, (Bytes{'A'}));
}

TEST(Decode, WhatIsWrittenComesBack) {
  std::mt19937 random(5);
  for (const Colour colour : {Colour::grey, Colour::grey_alpha, Colour::rgb, Colour::rgba})
    for (const int bits : {8, 16}) {
      Image image = make_image(31, 17, colour, bits);
      for (uint8_t& v : image.data) v = static_cast<uint8_t>(random());
      const Image back = decode_image(encode_png(image), "x.png");
      EXPECT_EQ(back.data, image.data);
      EXPECT_EQ(back.colour, colour);
    }
  double least = 1e9;
  for (int round = 0; round < 10; ++round) {
    Image image = make_image(64, 48, Colour::rgb);
    for (int64_t y = 0; y < 48; ++y)
      for (int64_t x = 0; x < 64; ++x)
        for (int64_t c = 0; c < 3; ++c)
          image.row(y)[3 * x + c] = static_cast<uint8_t>(128 + 100 * std::sin(0.1 * static_cast<double>(x * (c + 1) + y * round)));
    EXPECT_EQ(decode_image(encode_png(image), "x.png").data, image.data);
    const Image back = decode_image(encode_jpeg(image, 100), "x.jpg");
    double error = 0;
    for (size_t i = 0; i < image.data.size(); ++i) error += std::pow(image.data[i] - back.data[i], 2);
    least = std::min(least, 10 * std::log10(255.0 * 255.0 * static_cast<double>(image.data.size()) / std::max(error, 1e-9)));
    Image bgr = image;
    swap_red_blue(bgr);
    EXPECT_EQ(encode_png(bgr), encode_png(image));
    EXPECT_EQ(encode_jpeg(bgr), encode_jpeg(image));
  }
  EXPECT_GE(least, 40);
  testing::part_of("S-OV-04");
}

TEST(Decode, OrientationTurnsPixels) {
  // EXIF 2.32: a picture that is seen as  1 2 3 / 4 5 6  is stored so under each orientation.
  const std::vector<std::pair<std::pair<int, int>, Bytes>> stored = {
      {{3, 2}, {1, 2, 3, 4, 5, 6}}, {{3, 2}, {3, 2, 1, 6, 5, 4}}, {{3, 2}, {6, 5, 4, 3, 2, 1}}, {{3, 2}, {4, 5, 6, 1, 2, 3}},
      {{2, 3}, {1, 4, 2, 5, 3, 6}}, {{2, 3}, {3, 6, 2, 5, 1, 4}}, {{2, 3}, {6, 3, 5, 2, 4, 1}}, {{2, 3}, {4, 1, 5, 2, 6, 3}}};
  for (size_t i = 0; i < stored.size(); ++i) {
    Image image = make_image(stored[i].first.first, stored[i].first.second, Colour::grey);
    image.data = stored[i].second;
    image.orientation = static_cast<int>(i) + 1;
    const Image seen = upright(image);
    EXPECT_EQ(seen.data, (Bytes{1, 2, 3, 4, 5, 6})) << "orientation " << i + 1;
    EXPECT_EQ(seen.width, 3);
    EXPECT_EQ(seen.orientation, 1);
  }
}

TEST(Decode, ExifOrientation) {
  for (const bool little : {true, false})
    for (int value = 0; value < 12; ++value) {
      const Bytes block = testing::make_exif(little, value);
      EXPECT_EQ(exif_orientation(block), value >= 1 && value <= 8 ? value : 1);
      EXPECT_EQ(exif_orientation(std::span(block).subspan(6)), value >= 1 && value <= 8 ? value : 1);
    }
  const Bytes whole = testing::make_exif(true, 6);
  // Mark, header, count and two entries of 12 bytes: the orientation ends at byte 40.
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_EQ(exif_orientation(std::span(whole).first(n)), n < 40 ? 1 : 6) << n;
}

TEST(Decode, HeadersThatPromiseTooMuch) {
  // 40 bytes that promise 3.6 gigapixels: refused before memory is taken, with name, sizes and the way out.
  testing::HandPng png = testing::make_png({2, 8}, 4, 4, false);
  testing::set_png_size(png.file, 60000, 60000);
  std::string text = message_of([&] { decode_image(png.file, "bomb.png"); });
  EXPECT_NE(text.find("60000 x 60000"), std::string::npos) << text;
  EXPECT_NE(text.find("max_pixels"), std::string::npos) << text;
  EXPECT_NE(text.find("bomb.png"), std::string::npos) << text;
  testing::set_png_size(png.file, 10000, 10000);
  text = message_of([&] { decode_image(png.file, "bomb.png"); });
  EXPECT_NE(text.find("too short"), std::string::npos) << text;
  testing::set_png_size(png.file, 0x7fffffff, 1);
  EXPECT_NE(message_of([&] { decode_image(png.file, "bomb.png"); }), "");

  Bytes jpeg = testing::from_hex(kPictureSamples[0].hex);
  testing::set_jpeg_size(jpeg, 12000, 12000);
  text = message_of([&] { decode_image(jpeg, "bomb.jpg"); });
  EXPECT_NE(text.find("too short"), std::string::npos) << text;
  testing::set_jpeg_size(jpeg, 65500, 65500);
  text = message_of([&] { decode_image(jpeg, "bomb.jpg"); });
  EXPECT_NE(text.find("max_pixels"), std::string::npos) << text;

  DecodeLimits small;
  small.max_dimension = 20;
  EXPECT_NE(message_of([&] { decode_image(testing::from_hex(kPictureSamples[0].hex), "a", small); }).find("max_dimension = 20"), std::string::npos);
  small = {};
  small.max_file_bytes = 100;
  EXPECT_NE(message_of([&] { decode_image(testing::from_hex(kPictureSamples[0].hex), "a", small); }).find("max_file_bytes"), std::string::npos);
  small = {};
  small.max_image_bytes = 100;
  for (const PictureSample& sample : kPictureSamples)
    EXPECT_NE(message_of([&] { decode_image(testing::from_hex(sample.hex), "a", small); }).find("max_image_bytes = 100"), std::string::npos)
        << sample.name;
}

TEST(Decode, CutWrongAndMissingFiles) {
  for (const PictureSample& sample : kPictureSamples) {
    const Bytes whole = testing::from_hex(sample.hex);
    for (const double share : {0.0, 0.1, 0.5, 0.9}) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<int64_t>(share * static_cast<double>(whole.size())));
      // What is missing from a file cut near its end may be its end mark alone.
      bool whole_picture = false;
      const std::string text =
          message_of([&] { whole_picture = testing::hash_of(decode_image(cut, "cut file").data) == sample.pixels && share > 0.8; });
      EXPECT_TRUE(whole_picture || text.find("cut file") != std::string::npos) << sample.name << " cut to " << share << ": " << text;
    }
  }
  const Bytes wrong = {'G', 'a', 'r', 'b', 'a', 'g', 'e', 0, 0, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_NE(message_of([&] { decode_image(wrong, "wrong.png"); }).find("wrong.png"), std::string::npos);
  EXPECT_NE(message_of([&] { load_image("/nonexistent/picture.png"); }).find("/nonexistent/picture.png"), std::string::npos);
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
        case 3: file.insert(file.begin() + static_cast<int64_t>(at), file.begin(), file.begin() + static_cast<int64_t>(std::min<size_t>(file.size(), random() % 9))); break;
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
  std::mt19937 more(random());
  for (int round = 0; round < 10000; ++round) {
    Bytes block = testing::make_exif(more() % 2 != 0, static_cast<int>(more() % 10));
    for (int i = 0; i < 4; ++i) block[more() % block.size()] = static_cast<uint8_t>(more());
    block.resize(1 + more() % block.size());
    const int orientation = exif_orientation(block);
    ASSERT_TRUE(orientation >= 1 && orientation <= 8);
  }
  testing::part_of("A-PAR-016");
}

TEST(Image, ColoursTurnsAndEdges) {
  Image image = make_image(2, 1, Colour::rgba);
  image.data = {10, 20, 30, 255, 200, 100, 0, 0};
  EXPECT_EQ(to_colour(image, Colour::rgb).data, (Bytes{10, 20, 30, 255, 255, 255}));
  EXPECT_EQ(to_colour(image, Colour::bgr).data, (Bytes{30, 20, 10, 255, 255, 255}));
  Image ink = make_image(1, 1, Colour::cmyk);
  ink.data = {255, 0, 0, 0};
  EXPECT_EQ(to_colour(ink, Colour::rgb).data, (Bytes{0, 255, 255}));
  Image grey = make_image(3, 2, Colour::grey);
  grey.data = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(rotate_quarters(grey, 1).data, (Bytes{4, 1, 5, 2, 6, 3}));
  EXPECT_EQ(rotate_quarters(grey, 2).data, (Bytes{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(rotate_quarters(grey, -1).data, (Bytes{3, 6, 2, 5, 1, 4}));
  EXPECT_EQ(mirror(grey).data, (Bytes{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(crop(grey, 1, 1, 10, 10).data, (Bytes{5, 6}));
  EXPECT_TRUE(crop(grey, 9, 0, 1, 1).empty());
  EXPECT_EQ(pad(grey, 1, 0, 0, 1, 9).data, (Bytes{9, 9, 9, 9, 1, 2, 3, 9, 4, 5, 6, 9}));
  EXPECT_THROW(make_image(-1, 2, Colour::rgb), Error);
  EXPECT_THROW(make_image(int64_t{1} << 40, int64_t{1} << 40, Colour::rgb), Error);
  EXPECT_THROW(encode_png(ink), Error);
  EXPECT_THROW(encode_jpeg(image), Error);
  testing::part_of("I-API-15");
}

}  // namespace
}  // namespace chorus
