// The first frame of an animation is the picture itself. What Pillow reads from WebP files: decode_test.cpp.
#include <data/image/decode.h>

#include <gtest/gtest.h>

#include <string>

#include "data/image/by_hand.h"
#include "data/image/samples.h"

namespace chorus {
namespace {

Image sample(const std::string& name) {
  for (const testing::PictureSample& s : testing::kPictureSamples)
    if (s.name == name) return decode_image(testing::from_hex(s.hex), name);
  ADD_FAILURE() << "no sample " << name;
  return {};
}

TEST(WebP, FirstFrameIsThePicture) {
  const Image still = sample("webp exact"), moving = sample("webp animation");
  EXPECT_EQ(still.width, 21);
  EXPECT_EQ(to_colour(moving, Colour::rgb).data, still.data);
  // Lossless WebP and PNG of the same pixels.
  EXPECT_EQ(decode_image(encode_png(still), "x").data, still.data);
}

}  // namespace
}  // namespace chorus
