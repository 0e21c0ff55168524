// Transposed convolutions against float64: every input scattered to the outputs that it reaches.
#include "conv_case.h"

namespace chorus::jit::test {
namespace {

ConvProblem transposed(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t groups = 1) {
  ConvProblem p = square(in, out, kernel, stride, pad, groups);
  p.direction = Direction::transposed;
  return p;
}

TEST(JitTransposed, FiltersStridesPads) {
  Thinned grid(7);
  for (const int64_t kernel : {1, 2, 3, 4, 5}) {
    for (int64_t stride = 1; stride <= std::min<int64_t>(kernel, 3); ++stride) {
      for (const int64_t pad : {int64_t{0}, kernel / 2, kernel - 1}) {
        for (const int64_t width : {1, 2, 9, 31}) {
          ConvProblem p = transposed(20, 40, kernel, stride, pad);
          p.shape.output_pad_w = stride - 1;
          if (fast::conv_transpose_out_height(p.shape, {1, 4, width}) > 0 &&
              fast::conv_transpose_out_width(p.shape, {1, 4, width}) > 0)
            if (grid.takes_next()) check_all(p, {1, 4, width});
        }
      }
    }
  }
}

TEST(JitTransposed, GroupsBatchesActivations) {
  check_all(transposed(64, 32, 4, 2, 1, 2), {2, 5, 7});
  ConvProblem p = transposed(24, 33, 2, 2, 0);
  p.activation = fast::Activation::silu;
  p.residual_place = fast::ResidualPlace::after_activation;
  check_all(p, {3, 5, 17});
  p.shape.kernel_h = 3, p.shape.stride_h = 1, p.shape.pad_top = 1;
  check_all(p, {1, 6, 10});
  for (const Level l : levels()) check(p, {2, 20, 20}, l, Guard::behind, 3);
}

TEST(JitTransposed, Refusals) {
  EXPECT_STREQ(refusal(transposed(16, 16, 2, 3, 0)), "strides beyond the filter's size");
  EXPECT_STREQ(refusal(transposed(16, 16, 3, 1, 0, 16)), "groups that do not fill blocks of 16");
  ConvProblem p = transposed(16, 16, 3, 2, 0);
  p.shape.dilation_h = 2;
  EXPECT_STREQ(refusal(p), "a dilated transposed convolution");
}

}  // namespace
}  // namespace chorus::jit::test
