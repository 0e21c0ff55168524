// Linear models and support vector machines: grids and what they refuse. Random models: tools/truth/check_cases.py.
#include <ops/table.h>
#include <gtest/gtest.h>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::make;
using testing::OpCall;
using testing::run_op;

OpCall ml(std::string_view op, std::vector<Value> inputs, Attributes attributes, int outputs = 1) {
  return {.op = op,
          .inputs = std::move(inputs),
          .attributes = std::move(attributes),
          .outputs = outputs,
          .domain = "ai.onnx.ml"};
}

TEST(Linear, GridsRun) {
  for (const OpDef& def : families::linear_ops())
    EXPECT_GE(testing::run_grid(def.name, 1e-6, def.domain), 4) << def.name;
}

TEST(Linear, OneRowOfCoefficientsGivesTwoScores) {
  const auto out = run_op(ml("LinearClassifier", {make(DType::float32, {2, 2}, {1, 2, -3, -4})},
                             {{"coefficients", std::vector<float>{1, 1}},
                              {"intercepts", std::vector<float>{0.5F}},
                              {"classlabels_strings", std::vector<std::string>{"no", "yes"}}},
                             2));
  expect_close(out[0], Value::strings({2}, std::vector<std::string>{"yes", "no"}));
  expect_close(out[1], make(DType::float32, {2, 2}, {-3.5, 3.5, 6.5, -6.5}));
}

TEST(Linear, NumbersThatDoNotFitAreRefused) {
  const Value x = make(DType::float32, {1, 2}, {1, 2});
  const auto refused = [&](std::string_view op, Attributes a) {
    EXPECT_THROW(run_op(ml(op, {x}, std::move(a))), Error) << op;
  };
  refused("LinearRegressor", {{"coefficients", std::vector<float>{1, 2, 3}}});
  refused("LinearRegressor", {{"coefficients", std::vector<float>{1, 2}}, {"targets", 0}});
  refused("LinearRegressor", {{"coefficients", std::vector<float>{1, 2}}, {"post_transform", "RELU"}});
  refused("LinearClassifier", {{"coefficients", std::vector<float>{1, 2}}});
  refused("LinearClassifier",
          {{"coefficients", std::vector<float>{1, 2}}, {"classlabels_ints", std::vector<int64_t>{1, 2, 3}}});
  refused("SVMRegressor", {{"coefficients", std::vector<float>{1}},
                           {"support_vectors", std::vector<float>{1, 2, 3}},
                           {"n_supports", 1},
                           {"rho", std::vector<float>{0}}});
  refused("SVMRegressor", {{"coefficients", std::vector<float>{1, 2}}});
  refused("SVMClassifier", {{"coefficients", std::vector<float>{1}},
                            {"support_vectors", std::vector<float>{1, 2, 3, 4}},
                            {"vectors_per_class", std::vector<int64_t>{1, 1}},
                            {"rho", std::vector<float>{0}},
                            {"classlabels_ints", std::vector<int64_t>{1, 2}}});
  refused("SVMClassifier", {{"coefficients", std::vector<float>{1, 2}},
                            {"support_vectors", std::vector<float>{1, 2, 3, 4}},
                            {"vectors_per_class", std::vector<int64_t>{3, -1}},
                            {"rho", std::vector<float>{0}},
                            {"classlabels_ints", std::vector<int64_t>{1, 2}}});
}

}  // namespace
}  // namespace chorus
