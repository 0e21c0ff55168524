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

}  // namespace
}  // namespace chorus::testing
