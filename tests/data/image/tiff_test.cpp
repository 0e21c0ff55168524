// TIFF files that Pillow wrote, lossless, of a picture that a formula gives; damage.
#include "data/image/formula_samples.h"

namespace chorus::testing {
namespace {

TEST(Tiff, PixelsAreThoseOfTheFormula) {
  for (const FormulaSample& s : kTiffFiles) expect_formula(s);
}

TEST(Tiff, DamageIsRefused) {
  for (const FormulaSample& s : kTiffFiles) expect_damage_refused(s);
}

}  // namespace
}  // namespace chorus::testing
