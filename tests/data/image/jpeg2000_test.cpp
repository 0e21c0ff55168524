// JPEG 2000 files that Pillow wrote, lossless, of a picture that a formula gives; damage.
#include "data/image/formula_samples.h"

namespace chorus::testing {
namespace {

TEST(Jpeg2000, PixelsAreThoseOfTheFormula) {
  for (const FormulaSample& s : kJpeg2000Files) expect_formula(s);
}

TEST(Jpeg2000, DamageIsRefused) {
  for (const FormulaSample& s : kJpeg2000Files) expect_damage_refused(s);
}

// OpenJPEG takes memory for every tile and component while it reads the header.
TEST(Jpeg2000, TilesWithoutEndAreRefusedBeforeTheirMemoryIsTaken) {
  Bytes many = from_hex(kJpeg2000Files[1].hex);
  const auto expect_refused = [](const Bytes& file) {
    try {
      decode_image(file, "tiles.j2k");
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::bad_input);
      EXPECT_NE(std::string(error.what()).find("too many tiles"), std::string::npos) << error.what();
    }
  };
  ASSERT_EQ(many[3], 0x51);
  many[13] = 2;   // Ysiz 131077, tiles of 7 x 5
  expect_refused(many);
  Bytes parts = from_hex(kJpeg2000Files[1].hex);
  parts[40] = 0x40;   // Csiz 16385
  expect_refused(parts);
  Bytes decoy = from_hex(kJpeg2000Files[1].hex);
  decoy.insert(decoy.end(), many.begin(), many.end());
  expect_refused(decoy);
}

}  // namespace
}  // namespace chorus::testing
