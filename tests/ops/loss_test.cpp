// Losses against their formulas.
#include <ops/table.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::make;
using testing::run_op;

TEST(Loss, GridsRun) {
  for (const OpDef& def : families::loss_ops()) EXPECT_GE(testing::run_grid(def.name), 5) << def.name;
}

TEST(Loss, ExampleOfTheStandard) {
  // The weighted mean of the third example in ONNX's text: -1.57 (rounded there).
  const Value x = make(DType::float32, {2, 3, 2}, {1, 2, 2, 2, 3, 2, 0, 1, 2, 2, 1, 2});
  const Value target = Value::of<int64_t>({2, 2}, {2, 1, 0, 2}), weight = make(DType::float32, {3}, {0.2, 0.3, 0.1});
  const auto loss = [&](const char* reduction) {
    return run_op({.op = "NegativeLogLikelihoodLoss",
                   .inputs = {x, target, weight},
                   .attributes = {{"reduction", reduction}}})[0]
        .to_doubles();
  };
  EXPECT_NEAR(loss("sum")[0], -1.1, 1e-6);
  EXPECT_NEAR(loss("mean")[0], -1.1 / 0.7, 1e-6);
}

TEST(Loss, CrossEntropySkipsIgnoredLabels) {
  const Value x = make(DType::float64, {3, 2}, {1, 3, 5, 5, -1000, 1000});
  const auto out = run_op({.op = "SoftmaxCrossEntropyLoss",
                           .inputs = {x, Value::of<int64_t>({3}, {0, 7, 0})},
                           .attributes = {{"ignore_index", 7}},
                           .outputs = 2});
  const double first = std::log(1 + std::exp(2.0));
  EXPECT_NEAR(out[0].to_doubles()[0], (first + 2000) / 2, 1e-9);
  EXPECT_NEAR(out[1].to_doubles()[2], -std::log(2.0), 1e-12);
  EXPECT_THROW(run_op({.op = "SoftmaxCrossEntropyLoss", .inputs = {x, Value::of<int64_t>({3}, {0, 7, 0})}}), Error);
}

}  // namespace
}  // namespace chorus
