// The loops that run where no code can be generated.
#include "conv_case.h"

namespace chorus::jit::test {
namespace {

TEST(JitPlain, EveryForm) {
  for (const Guard g : {Guard::before, Guard::behind}) {
    check(square(20, 40, 3, 2, 1), {2, 9, 11}, Level::plain, g);
    check(square(64, 64, 3, 1, 1, 2), {1, 5, 6}, Level::plain, g);
    check(square(64, 64, 3, 1, 1, 8), {1, 5, 6}, Level::plain, g);
    check(square(24, 24, 5, 2, 2, 24), {1, 9, 9}, Level::plain, g);
    ConvProblem p = square(3, 20, 7, 2, 3);
    p.source = Source::planar;
    check(p, {2, 15, 17}, Level::plain, g, 2);
  }
}

}  // namespace
}  // namespace chorus::jit::test
