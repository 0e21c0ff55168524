// Windowed operators against small sums written out, and against each other (transposed maps, pooling of its inverse); shape rules.
#include <ops/table.h>
#include <gtest/gtest.h>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::infer_str;
using testing::make;
using testing::run_one;
using testing::run_op;
using Ints = std::vector<int64_t>;

TEST(Convolution, GridsRun) {
  for (const OpDef& def : families::convolution_ops()) EXPECT_GE(testing::run_grid(def.name), 2) << def.name;
}

TEST(Convolution, ConvSlides) {
  const Value x = make(DType::float32, {1, 1, 5}, {1, 2, 3, 4, 5}), w = make(DType::float32, {1, 1, 2}, {1, 10});
  expect_close(run_one({.op = "Conv", .inputs = {x, w}}), make(DType::float32, {1, 1, 4}, {21, 32, 43, 54}));
  expect_close(run_one({.op = "Conv",
                        .inputs = {x, w},
                        .attributes = {{"dilations", Ints{2}}, {"strides", Ints{2}}, {"pads", Ints{1, 1}}}}),
               make(DType::float32, {1, 1, 3}, {20, 42, 4}));
  expect_close(
      run_one({.op = "Conv", .inputs = {x, w}, .attributes = {{"strides", Ints{2}}, {"auto_pad", "SAME_LOWER"}}}),
      make(DType::float32, {1, 1, 3}, {10, 32, 54}));
}

TEST(Convolution, TransposeIsTheAdjoint) {
  // <conv(x, w), y> = <x, conv_transpose(y, w)> for any x and y.
  const Value x = make(DType::float64, {1, 2, 5}, {1, -2, 3, 4, 0.5, 2, 1, -1, 3, 7}),
              w = make(DType::float64, {3, 2, 3}, {1, 2, 3, 4, 5, 6, -1, 0, 1, 2, -2, 3, 1, 1, 0, 5, 2, 1});
  const Attributes window{{"strides", Ints{2}}, {"pads", Ints{1, 1}}};
  const Value out = run_one({.op = "Conv", .inputs = {x, w}, .attributes = window});
  const Value y = make(DType::float64, {1, 3, 3}, {2, -1, 3, 0.5, 4, 1, -3, 2, 2});
  const Value back = run_one({.op = "ConvTranspose", .inputs = {y, w}, .attributes = window});
  double left = 0, right = 0;
  for (size_t i = 0; i < 9; ++i) left += out.to_doubles()[i] * y.to_doubles()[i];
  ASSERT_EQ(back.shape(), x.shape());
  for (size_t i = 0; i < 10; ++i) right += back.to_doubles()[i] * x.to_doubles()[i];
  EXPECT_DOUBLE_EQ(left, right);
}

TEST(Convolution, MaxPoolFindsIndicesAndUnpoolPutsThemBack) {
  const Value x = make(DType::float32, {1, 1, 4, 4}, {1, 2, 3, 4, 8, 7, 6, 5, 9, 10, 11, 12, 16, 15, 14, 13});
  const auto y = run_op({.op = "MaxPool",
                         .inputs = {x},
                         .attributes = {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}},
                         .outputs = 2});
  expect_close(y[0], make(DType::float32, {1, 1, 2, 2}, {8, 6, 16, 14}));
  expect_close(y[1], make(DType::int64, {1, 1, 2, 2}, {4, 6, 12, 14}));
  expect_close(run_one({.op = "MaxUnpool",
                        .inputs = {y[0], y[1]},
                        .attributes = {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}}),
               make(DType::float32, {1, 1, 4, 4}, {0, 0, 0, 0, 8, 0, 6, 0, 0, 0, 0, 0, 16, 0, 14, 0}));
  const Value bad = make(DType::int64, {1, 1, 2, 2}, {4, 6, 12, 16});
  EXPECT_THROW(run_one({.op = "MaxUnpool",
                        .inputs = {y[0], bad},
                        .attributes = {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}}),
               Error);
}

TEST(Convolution, AveragesCountThePaddingAsAsked) {
  const Value x = make(DType::float32, {1, 1, 3}, {1, 2, 3});
  const Attributes base{{"kernel_shape", Ints{2}}, {"pads", Ints{1, 0}}, {"strides", Ints{2}}, {"ceil_mode", 1}};
  expect_close(run_one({.op = "AveragePool", .inputs = {x}, .attributes = base}),
               make(DType::float32, {1, 1, 2}, {1, 2.5}));
  Attributes counted = base;
  counted.set("count_include_pad", 1);
  expect_close(run_one({.op = "AveragePool", .inputs = {x}, .attributes = counted}),
               make(DType::float32, {1, 1, 2}, {0.5, 2.5}));
}

TEST(Convolution, ResizeInterpolates) {
  const Value x = make(DType::float32, {1, 1, 1, 2}, {0, 4}), none{};
  const Value twice = make(DType::float32, {4}, {1, 1, 1, 2});
  expect_close(run_one({.op = "Resize", .inputs = {x, none, twice}, .attributes = {{"mode", "linear"}}}),
               make(DType::float32, {1, 1, 1, 4}, {0, 1, 3, 4}), 1e-6);
  expect_close(run_one({.op = "Resize",
                        .inputs = {x, none, twice},
                        .attributes = {{"mode", "linear"}, {"coordinate_transformation_mode", "asymmetric"}}}),
               make(DType::float32, {1, 1, 1, 4}, {0, 2, 4, 4}), 1e-6);
  expect_close(run_one({.op = "Upsample", .inputs = {x, twice}}), make(DType::float32, {1, 1, 1, 4}, {0, 0, 4, 4}));
}

TEST(Convolution, ShapesFollowSymbolicImages) {
  const Dim n = Dim::symbol("n"), h = Dim::symbol("h"), w = Dim::symbol("w");
  const Type x = Type::tensor(DType::float32, {n, 3, h, w}), filter = Type::tensor(DType::float32, {8, 3, 3, 3});
  EXPECT_EQ(infer_str({.op = "Conv", .inputs = {x, filter}, .attributes = {{"pads", Ints{1, 1, 1, 1}}}}),
            "float32[n, 8, h, w]");
  const testing::RuleResult half = testing::infer_op(
      {.op = "Conv", .inputs = {x, filter}, .attributes = {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}}});
  for (const int64_t extent : {1, 7, 8, 640}) {
    EXPECT_EQ(half.types[0].dims[2].evaluate([&](std::string_view) { return std::optional<int64_t>(extent); }),
              (extent - 1) / 2 + 1);
  }
  EXPECT_EQ(infer_str({.op = "Resize",
                       .inputs = {x, Type(), Type::tensor(DType::float32, {4})},
                       .constants = {Value(), Value(), make(DType::float32, {4}, {1, 1, 2, 2})}}),
            "float32[n, 3, 2*h, 2*w]");
  EXPECT_EQ(infer_str({.op = "GlobalAveragePool", .inputs = {x}}), "float32[n, 3, 1, 1]");
  EXPECT_EQ(infer_str({.op = "ConvTranspose",
                       .inputs = {x, Type::tensor(DType::float32, {3, 4, 2, 2})},
                       .attributes = {{"strides", Ints{2, 2}}}}),
            "float32[n, 4, 2*h, 2*w]");
  EXPECT_THROW(testing::infer_op({.op = "Conv", .inputs = {x, Type::tensor(DType::float32, {8, 4, 3, 3})}}), Error);
}

TEST(Convolution, CubicSamplesOutsideTakeNeighboursOfThePointOutside) {
  // One row 1 2 4 8; the point is at -0.8 (unnormalized): taps -2, -1, 0 and 1 with the weights of x = 0.2, of which three lie outside.
  const Value x = make(DType::float64, {1, 1, 1, 4}, {1, 2, 4, 8});
  const double at = -0.8, t = 0.2, a = -0.75;
  const Value grid = make(DType::float64, {1, 1, 1, 2}, {(2 * at + 1) / 4 - 1, 0});
  const double far = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a,
               near = ((a + 2) * t - (a + 3)) * t * t + 1;
  const double next = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1,
               last = ((a * (2 - t) - 5 * a) * (2 - t) + 8 * a) * (2 - t) - 4 * a;
  const auto run = [&](const char* padding) {
    return run_one(
        {.op = "GridSample", .inputs = {x, grid}, .attributes = {{"mode", "cubic"}, {"padding_mode", padding}}});
  };
  expect_close(run("border"), make(DType::float64, {1, 1, 1, 1}, {(far + near + next) * 1 + last * 2}), 1e-12);
  expect_close(run("reflection"), make(DType::float64, {1, 1, 1, 1}, {far * 2 + near * 1 + next * 1 + last * 2}),
               1e-12);
  expect_close(run("zeros"), make(DType::float64, {1, 1, 1, 1}, {next * 1 + last * 2}), 1e-12);
}

}  // namespace
}  // namespace chorus
