// Winograd convolutions against float64.
#include "conv_case.h"

namespace chorus::jit::test {
namespace {

TEST(JitWinograd, Winograd) {
  Thinned grid(3);
  for (const Method method : {Method::winograd4, Method::winograd2}) {
    for (const int64_t width : {1, 2, 3, 4, 5, 8, 13, 30}) {
      ConvProblem p = square(20, 40, 3, 1, 1);
      p.method = method;
      if (grid.takes_next()) check_all(p, {1, 6, width});
      p.residual_place = fast::ResidualPlace::after_activation;
      p.activation = fast::Activation::silu;
      p.shape.pad_left = 0, p.shape.pad_bottom = 2;
      if (width > 1 && grid.takes_next()) check_all(p, {2, 9, width});
    }
    ConvProblem p = square(100, 33, 3, 1, 1);
    p.method = method;
    for (const Level l : levels()) {
      if (l != Level::plain) check(p, {1, 14, 14}, l, Guard::behind);
    }
    for (const Level l : levels()) check(p, {5, 4, 20}, l, Guard::behind, 3);
    // Several chunks of tiles that begin within a row, of two sizes; as many threads as chunks and fewer.
    p.shape.in_channels = 17;
    for (const Level l : levels()) {
      check(p, {1, 53, 57}, l, Guard::behind, 4);
      check(p, {2, 31, 37}, l, Guard::before, 2);
    }
  }
}

}  // namespace
}  // namespace chorus::jit::test
