// Normalisations: statistics of the results, known values, and the old meaning of softmax.
#include <ops/table.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::make;
using testing::run_one;
using testing::run_op;

TEST(Normalization, GridsRun) {
  for (const OpDef& def : families::normalization_ops()) EXPECT_GE(testing::run_grid(def.name), 3) << def.name;
}

TEST(Normalization, SoftmaxOfLargeNumbers) {
  const Value x = make(DType::float32, {3}, {1000, 1000, -INFINITY});
  expect_close(run_one({.op = "Softmax", .inputs = {x}}), make(DType::float32, {3}, {0.5, 0.5, 0}));
  expect_close(run_one({.op = "LogSoftmax", .inputs = {x}}),
               make(DType::float32, {3}, {std::log(0.5), std::log(0.5), -INFINITY}), 1e-7);
}

TEST(Normalization, OldSoftmaxFlattens) {
  const Value x = make(DType::float32, {1, 2, 2}, {0, 0, 0, 0});
  expect_close(run_one({.op = "Softmax", .inputs = {x}, .version = 11}),
               make(DType::float32, {1, 2, 2}, {0.25, 0.25, 0.25, 0.25}));
  expect_close(run_one({.op = "Softmax", .inputs = {x}}), make(DType::float32, {1, 2, 2}, {0.5, 0.5, 0.5, 0.5}));
}

TEST(Normalization, LayerGivesItsStatistics) {
  const Value x = make(DType::float64, {2, 2}, {1, 3, -2, 2}), one = make(DType::float64, {2}, {1, 1});
  const auto y =
      run_op({.op = "LayerNormalization", .inputs = {x, one}, .attributes = {{"epsilon", 0.0f}}, .outputs = 3});
  expect_close(y[0], make(DType::float64, {2, 2}, {-1, 1, -1, 1}), 1e-12);
  expect_close(y[1], make(DType::float32, {2, 1}, {2, 0}));
  expect_close(y[2], make(DType::float32, {2, 1}, {1, 0.5}));
}

TEST(Normalization, BatchMixesRunningStatistics) {
  const Value x = make(DType::float64, {2, 1, 2}, {0, 2, 4, 6}), one = make(DType::float64, {1}, {1}),
              zero = make(DType::float64, {1}, {0});
  const Value mean = make(DType::float64, {1}, {10}), variance = make(DType::float64, {1}, {1});
  const auto y = run_op({.op = "BatchNormalization",
                         .inputs = {x, one, zero, mean, variance},
                         .attributes = {{"training_mode", 1}, {"momentum", 0.75f}, {"epsilon", 0.0f}},
                         .outputs = 3});
  const double s = std::sqrt(5.0);  // mean 3, variance 5
  expect_close(y[0], make(DType::float64, {2, 1, 2}, {-3 / s, -1 / s, 1 / s, 3 / s}), 1e-12);
  expect_close(y[1], make(DType::float64, {1}, {8.25}), 1e-12);
  expect_close(y[2], make(DType::float64, {1}, {2}), 1e-12);
}

TEST(Normalization, ShapesAreChecked) {
  const Type x = Type::tensor(DType::float32, {Dim::symbol("n"), 4, Dim::symbol("w")});
  const Type four = Type::tensor(DType::float32, {4}), three = Type::tensor(DType::float32, {3});
  EXPECT_EQ(testing::infer_str({.op = "BatchNormalization", .inputs = {x, four, four, four, four}}),
            "float32[n, 4, w]");
  EXPECT_THROW(testing::infer_op({.op = "BatchNormalization", .inputs = {x, four, four, three, four}}), Error);
  EXPECT_THROW(testing::infer_op({.op = "Softmax", .inputs = {x}, .attributes = {{"axis", 3}}}), Error);
  EXPECT_THROW(
      testing::infer_op({.op = "GroupNormalization", .inputs = {x, four, four}, .attributes = {{"num_groups", 3}}}),
      Error);
}

}  // namespace
}  // namespace chorus
