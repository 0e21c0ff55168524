// JPEG files written by the encoder, headers that promise too much. What Pillow reads from JPEG files: decode_test.cpp.
#include <data/image/decode.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "data/image/by_hand.h"
#include "data/image/pictures.h"
#include "data/image/samples.h"
#include "support/proves.h"

namespace chorus {
namespace {

using testing::Bytes;
using testing::kPictureSamples;
using testing::message_of;

TEST(Jpeg, WhatIsWrittenComesNearlyBack) {
  double least = 1e9;
  for (int round = 0; round < 10; ++round) {
    Image image = make_image(64, 48, Colour::rgb);
    for (int64_t y = 0; y < 48; ++y)
      for (int64_t x = 0; x < 64; ++x)
        for (int64_t c = 0; c < 3; ++c)
          image.row(y)[3 * x + c] =
              static_cast<uint8_t>(128 + 100 * std::sin(0.1 * static_cast<double>(x * (c + 1) + y * round)));
    EXPECT_EQ(decode_image(encode_png(image), "x.png").data, image.data);
    const Image back = decode_image(encode_jpeg(image, 100), "x.jpg");
    double error = 0;
    for (size_t i = 0; i < image.data.size(); ++i) error += std::pow(image.data[i] - back.data[i], 2);
    least = std::min(least,
                     10 * std::log10(255.0 * 255.0 * static_cast<double>(image.data.size()) / std::max(error, 1e-9)));
    Image bgr = image;
    swap_red_blue(bgr);
    EXPECT_EQ(encode_png(bgr), encode_png(image));
    EXPECT_EQ(encode_jpeg(bgr), encode_jpeg(image));
  }
  EXPECT_GE(least, 40);
  testing::part_of("S-OV-04");
}

TEST(Jpeg, HeadersThatPromiseTooMuch) {
  Bytes jpeg = testing::from_hex(kPictureSamples[0].hex);
  testing::set_jpeg_size(jpeg, 12000, 12000);
  std::string text = message_of([&] { decode_image(jpeg, "bomb.jpg"); });
  EXPECT_NE(text.find("too short"), std::string::npos) << text;
  testing::set_jpeg_size(jpeg, 65500, 65500);
  text = message_of([&] { decode_image(jpeg, "bomb.jpg"); });
  EXPECT_NE(text.find("max_pixels"), std::string::npos) << text;
}

}  // namespace
}  // namespace chorus
