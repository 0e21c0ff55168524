// PNG files written by hand, files written by the encoder, headers that promise too much.
#include <data/image/decode.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>

#include "data/image/by_hand.h"
#include "data/image/pictures.h"
#include "support/proves.h"

namespace chorus {
namespace {

using testing::Bytes;
using testing::message_of;

TEST(Png, ByHand) {
  // Every colour type and depth, plain and interlaced: pixels written here come back.
  for (const testing::PngKind& kind : testing::kPngKinds)
    for (const bool interlaced : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "type " << kind.type << " depth " << kind.depth << " interlaced "
                                        << interlaced);
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

TEST(Png, WhatIsWrittenComesBack) {
  std::mt19937 random(5);
  for (const Colour colour : {Colour::grey, Colour::grey_alpha, Colour::rgb, Colour::rgba})
    for (const int bits : {8, 16}) {
      Image image = make_image(31, 17, colour, bits);
      for (uint8_t& v : image.data) v = static_cast<uint8_t>(random());
      const Image back = decode_image(encode_png(image), "x.png");
      EXPECT_EQ(back.data, image.data);
      EXPECT_EQ(back.colour, colour);
    }
}

TEST(Png, HeadersThatPromiseTooMuch) {
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
}

}  // namespace
}  // namespace chorus
