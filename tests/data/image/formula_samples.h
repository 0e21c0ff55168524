// What every reader of lossless pictures is asked: files that Pillow wrote of a picture that a formula gives, whole and damaged.
#pragma once
#include <data/image/decode.h>

#include <chorus/error.h>
#include <core/picture.h>
#include <gtest/gtest.h>

#include <string_view>

#include "data/image/by_hand.h"
#include "data/image/formula_files.h"

namespace chorus::testing {

inline void expect_formula(const FormulaSample& s) {
  const Image image = decode_image(from_hex(s.hex), s.name);
  ASSERT_EQ(image.width, 7) << s.name;
  ASSERT_EQ(image.height, 5) << s.name;
  ASSERT_EQ(image.bits, 8) << s.name;
  for (int64_t y = 0; y < 5; ++y) {
    for (int64_t x = 0; x < 7; ++x) {
      for (int64_t c = 0; c < image.channels; ++c) {
        // A grey picture may come as three equal channels.
        const int64_t wanted = (x * 37 + y * 11 + (s.channels == 1 ? 0 : c * 91)) % 256;
        ASSERT_EQ(image.row(y)[x * image.channels + c], wanted) << s.name << ": " << x << ", " << y << ", " << c;
      }
    }
  }
  install_picture_decoder();
  Picture picture;
  ASSERT_TRUE(picture_decoder()(from_hex(s.hex), &picture));
  EXPECT_EQ(picture.pixels.size(), 105U) << s.name;
  EXPECT_EQ(picture.pixels[3], 37) << s.name;
  set_picture_decoder(nullptr);
}

/// A damaged file is refused, or read within the bounds; nothing else may happen.
inline void expect_damage_refused(const FormulaSample& s) {
  const auto whole = from_hex(s.hex);
  for (size_t n = 0; n < whole.size(); n += 3) {
    // A file that ends too early is refused, or (behind the last pixel) read whole; nothing else may happen.
    try {
      const Image image = decode_image({whole.data(), n}, s.name);
      EXPECT_EQ(image.width, 7) << s.name << " cut at " << n;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::bad_input) << s.name << " cut at " << n << ": " << e.what();
    }
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const uint8_t bits : {0x01, 0x80, 0xff}) {
      auto damaged = whole;
      damaged[at] ^= bits;
      try {
        DecodeLimits limits;
        limits.max_pixels = 10'000;
        const Image image = decode_image(damaged, s.name, limits);
        EXPECT_LE(image.width * image.height, 10'000) << s.name << " at " << at;
      } catch (const Error& e) {
        EXPECT_TRUE(e.code() == Code::bad_input || e.code() == Code::budget)
            << s.name << " at " << at << ": " << e.what();
      }
    }
  }
}

}  // namespace chorus::testing
