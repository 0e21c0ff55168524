// Recurrent cells of one unit against their equations written out.
#include <ops/table.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::make;
using testing::run_op;

double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }

TEST(Recurrent, GridsRun) {
  for (const OpDef& def : families::recurrent_ops()) EXPECT_GE(testing::run_grid(def.name), 4) << def.name;
}

TEST(Recurrent, LstmFollowsItsEquations) {
  const Value x = make(DType::float64, {2, 1, 1}, {0.5, -1}), w = make(DType::float64, {1, 4, 1}, {0.1, 0.2, 0.3, 0.4}),
              r = make(DType::float64, {1, 4, 1}, {-0.1, 0.2, -0.3, 0.4}),
              p = make(DType::float64, {1, 3}, {0.5, 0.6, 0.7}), none{};
  const auto y = run_op({.op = "LSTM", .inputs = {x, w, r, none, none, none, none, p}, .outputs = 3});
  double h = 0, c = 0;
  for (const double v : {0.5, -1.0}) {
    const double i = sigmoid(0.1 * v - 0.1 * h + 0.5 * c), f = sigmoid(0.3 * v - 0.3 * h + 0.7 * c);
    const double next = f * c + i * std::tanh(0.4 * v + 0.4 * h);
    h = sigmoid(0.2 * v + 0.2 * h + 0.6 * next) * std::tanh(next);
    c = next;
  }
  expect_close(y[1], make(DType::float64, {1, 1, 1}, {h}), 1e-14);
  expect_close(y[2], make(DType::float64, {1, 1, 1}, {c}), 1e-14);
}

TEST(Recurrent, GruResetsBeforeOrAfter) {
  const Value x = make(DType::float64, {1, 1, 1}, {0.5}), w = make(DType::float64, {1, 3, 1}, {0.1, 0.2, 0.3}),
              r = make(DType::float64, {1, 3, 1}, {0.4, 0.5, 0.6}),
              b = make(DType::float64, {1, 6}, {0, 0, 0, 0, 0, 0.25}), h0 = make(DType::float64, {1, 1, 1}, {2}),
              none{};
  const double z = sigmoid(0.05 + 0.8), reset = sigmoid(0.1 + 1.0);
  const double before = std::tanh(0.15 + reset * 2 * 0.6 + 0.25), after = std::tanh(0.15 + reset * (2 * 0.6 + 0.25));
  expect_close(run_op({.op = "GRU", .inputs = {x, w, r, b, none, h0}, .outputs = 2})[1],
               make(DType::float64, {1, 1, 1}, {(1 - z) * before + z * 2}), 1e-14);
  expect_close(
      run_op(
          {.op = "GRU", .inputs = {x, w, r, b, none, h0}, .attributes = {{"linear_before_reset", 1}}, .outputs = 2})[1],
      make(DType::float64, {1, 1, 1}, {(1 - z) * after + z * 2}), 1e-14);
}

TEST(Recurrent, SequencesEndWhereTheySay) {
  const Value x = make(DType::float64, {3, 2, 1}, {1, 2, 3, 4, 5, 6}), one = make(DType::float64, {1, 1, 1}, {1}),
              zero = make(DType::float64, {1, 1, 1}, {0}), none{};
  const Value lengths = make(DType::int32, {2}, {3, 1});
  const Attributes copy{{"activations", AttrValue(std::vector<std::string>{"Affine"})}, {"direction", "reverse"}};
  const auto y = run_op({.op = "RNN", .inputs = {x, one, zero, none, lengths}, .attributes = copy, .outputs = 2});
  expect_close(y[0], make(DType::float64, {3, 1, 2, 1}, {1, 2, 3, 0, 5, 0}));
  expect_close(y[1], make(DType::float64, {1, 2, 1}, {1, 2}));
  const Value wrong = make(DType::int32, {2}, {4, 1});
  EXPECT_THROW(run_op({.op = "RNN", .inputs = {x, one, zero, none, wrong}, .attributes = copy, .outputs = 2}), Error);
}

}  // namespace
}  // namespace chorus
