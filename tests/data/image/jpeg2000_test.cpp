// JPEG 2000 files that Pillow wrote, lossless, of a picture that a formula gives; damage.
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
    {"jp2 rgb", 3,
     "0000000c6a5020200d0a870a00000014667479706a703220000000006a7032200000002d6a7032680000001669686472000000050000"
     "00070003070700000000000f636f6c7201000000000010000001176a703263ff4fff51002f0000000000070000000500000000000000"
     "00000000070000000500000000000000000003070101070101070101ff52000c00000001000204040001ff5c000a4040484850484850"
     "ff640025000143726561746564206279204f70656e4a5045472076657273696f6e20322e352e34ff90000a0000000000990001ff93cf"
     "b41408bc33f2fccfb4140b7d5d90bfcfb41402ed78b70bcfc01607c80e1f68180db216f4cb0a987f0b0999cfc01a1f50147e00400a63"
     "742493bf00df0ae3cfc0163ed01008f14a101f04c7da091f68243ed0201a64025f183f40bf14c9cfc01e3ed0587da08012c87edee255"
     "a111ec86e6bf0e26413fcfc0123ed048fc00c001aee22f0b60a67f0b87bfffd9"},
    {"j2k grey", 1,
     "ff4fff510029000000000007000000050000000000000000000000070000000500000000000000000001070101ff52000c0000000100"
     "0204040001ff5c000a4040484850484850ff640025000143726561746564206279204f70656e4a5045472076657273696f6e20322e35"
     "2e34ff90000a00000000003d0001ff93cfb41408bc33f2fccfc01607c80e1f68180db216f4cb0a987f0b0999c7da091f68243ed0201a"
     "64025f183f40bf14c9ffd9"},
    {"jp2 rgba", 4,
     "0000000c6a5020200d0a870a00000014667479706a703220000000006a7032200000004f6a7032680000001669686472000000050000"
     "00070004070700000000000f636f6c720100000000001000000022636465660004000000000001000100000002000200000003000300"
     "0100000000014c6a703263ff4fff51003200000000000700000005000000000000000000000007000000050000000000000000000407"
     "0101070101070101070101ff52000c00000001000204040001ff5c000a4040484850484850ff64002500014372656174656420627920"
     "4f70656e4a5045472076657273696f6e20322e352e34ff90000a0000000000cb0001ff93cfb41408bc33f2fccfb4140b7d5d90bfcfb4"
     "1402ed78b70bcfb41408bc5388a4cfc01607c80e1f68180db216f4cb0a987f0b0999cfc01a1f50147e00400a63742493bf00df0ae3cf"
     "c0163ed01008f14a101f04cfc01a07c80e1f6818108bbcb79d7f0bc53f0bfdd0c7da091f68243ed0201a64025f183f40bf14c9cfc01e"
     "3ed0587da08012c87edee255a111ec86e6bf0e26413fcfc0123ed048fc00c001aee22f0b60a67f0b87bfcfc0163ed0487da0601a507e"
     "095f1623543f12b6bfffd9"},
};

TEST(Jpeg2000, PixelsAreThoseOfTheFormula) {
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

TEST(Jpeg2000, DamageIsRefused) {
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
