// TIFF files that Pillow wrote, lossless, of a picture that a formula gives; damage.
#include <data/image/decode.h>

#include <chorus/error.h>
#include <core/picture.h>

#include <gtest/gtest.h>

#include <string_view>

#include "data/image/by_hand.h"

namespace chorus {
namespace {
using testing::from_hex;

/// 7 x 5 pixels: channel c of (x, y) is 37 x + 11 y + 91 c, cut to 8 bits.
struct Sample {
  std::string_view name;
  int64_t channels;
  std::string_view hex;
};
constexpr Sample kSamples[] = {
    {"tiff rgb", 3,
     "49492a00080000000a000001040001000000070000000101040001000000050000000201030003000000860000000301030001000000"
     "0100000006010300010000000200000011010400010000008c0000001501030001000000030000001601040001000000050000001701"
     "040001000000690000001c010300010000000100000000000000080008000800005bb62580db4aa5006fca2594ef4ab9146fde39940b"
     "66c1308be655b00b7ad5309ffa55c41f7ae9449f1671cc3b96f160bb1685e03baa0560cf2a85f44faa217cd746a1fc6bc62190eb46b5"
     "106bda3590ff5ab52c87e251ac0776d12c9bf651c01b76e5409b0a65c0"},
    {"tiff lzw grey", 1,
     "49492a0032000000800004a4a37a5172de058c0aa7a4fb11d2161d9810aaa67bd0424635a416ada7f8b0a2764db01ca0a80809000001"
     "030001000000070000000101030001000000050000000201030001000000080000000301030001000000050000000601030001000000"
     "0100000011010400010000000800000016010300010000000500000017010400010000002a0000001c01030001000000010000000000"
     "0000"},
    {"tiff deflate rgb", 3,
     "49492a007c000000789c01690096ff005bb62580db4aa5006fca2594ef4ab9146fde39940b66c1308be655b00b7ad5309ffa55c41f7a"
     "e9449f1671cc3b96f160bb1685e03baa0560cf2a85f44faa217cd746a1fc6bc62190eb46b5106bda3590ff5ab52c87e251ac0776d12c"
     "9bf651c01b76e5409b0a65c07fe333e10a000001030001000000070000000101030001000000050000000201030003000000fa000000"
     "030103000100000008000000060103000100000002000000110104000100000008000000150103000100000003000000160103000100"
     "0000050000001701040001000000740000001c010300010000000100000000000000080008000800"},
};

TEST(Tiff, PixelsAreThoseOfTheFormula) {
  for (const Sample& s : kSamples) {
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
}

TEST(Tiff, DamageIsRefused) {
  for (const Sample& s : kSamples) {
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
}

}  // namespace
}  // namespace chorus
