// Steps of optimizers as operators. Random cases against the evaluator of the onnx package: tools/truth/check_cases.py.
#include <ops/table.h>
#include <gtest/gtest.h>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::make;
using testing::run_one;
using testing::run_op;

constexpr std::string_view kTraining = "ai.onnx.preview.training";

TEST(Training, GridsRun) {
  for (const OpDef& def : families::training_ops()) {
    if (def.name == "Gradient") continue;  // needs a graph around it
    EXPECT_GE(testing::run_grid(def.name, 1e-6, def.domain), 4) << def.name;
  }
}

TEST(Training, TheFirstStepOfAdamIsNotCorrected) {
  const Value x = make(DType::float64, {1}, {1}), g = make(DType::float64, {1}, {2}),
              zero = make(DType::float64, {1}, {0});
  const auto run = [&](double count) {
    return run_op({.op = "Adam",
                   .inputs = {make(DType::float64, {}, {0.1}), make(DType::int64, {}, {count}), x, g, zero, zero},
                   .attributes = {{"alpha", 0.5}, {"beta", 0.75}, {"epsilon", 0.0}},
                   .outputs = 3,
                   .domain = kTraining});
  };
  // v = 0.5 * 2 = 1, h = 0.25 * 4 = 1: x - 0.1 * 1 / 1; with T = 1 the rate is 0.1 * sqrt(0.25) / 0.5 = 0.1 as well, with T = 2 more.
  expect_close(run(0)[0], make(DType::float64, {1}, {0.9}), 1e-12);
  expect_close(run(1)[0], make(DType::float64, {1}, {0.9}), 1e-12);
  expect_close(run(2)[0], make(DType::float64, {1}, {1 - 0.1 * 0.6614378277661477 / 0.75}), 1e-12);
}

TEST(Training, GradientIsRefusedByKernelsWithASentence) {
  try {
    run_one({.op = "Gradient",
             .inputs = {make(DType::float32, {1}, {1})},
             .attributes = {{"xs", std::vector<std::string>{"x"}}, {"y", "y"}},
             .domain = "ai.onnx.preview.training"});
    ADD_FAILURE() << "it ran";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::unsupported);
  }
  EXPECT_THROW(run_one({.op = "Gradient",
                        .inputs = {make(DType::float32, {1}, {1})},
                        .attributes = {{"xs", std::vector<std::string>{"x", "z"}}, {"y", "y"}},
                        .domain = "ai.onnx.preview.training"}),
               Error);
}

}  // namespace
}  // namespace chorus
