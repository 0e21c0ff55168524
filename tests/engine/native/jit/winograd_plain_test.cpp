// Winograd without generated code.
#include "conv_case.h"

namespace chorus::jit::test {
namespace {

TEST(JitWinogradPlain, BothTiles) {
  for (const Method method : {Method::winograd4, Method::winograd2}) {
    ConvProblem p = square(20, 18, 3, 1, 1);
    p.method = method;
    for (const Guard g : {Guard::before, Guard::behind}) check(p, {2, 7, 9}, Level::plain, g, 2);
    p.residual_place = fast::ResidualPlace::after_activation;
    p.shape.pad_top = 0, p.shape.pad_right = 2;
    check(p, {1, 5, 4}, Level::plain, Guard::behind);
  }
}

}  // namespace
}  // namespace chorus::jit::test
