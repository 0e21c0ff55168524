// Folding into weights, against the unfolded graph and against a float64 oracle of the folded weights.
#include <cmath>
#include <limits>

#include "graph/graph_case.h"

namespace chorus {
namespace {
using testing::GraphCase;
using testing::make;
using testing::noise;
using testing::ops_of;
using testing::run_pass;
constexpr double kTolerance = 2e-6;

TEST(FoldBatchNorm, ProductsAndSumsByChannelIntoConv) {
  GraphCase c;
  const ValueId x = c.in("x", {Dim::symbol("n"), 4, 6, 6});
  ValueId v = c.op("Conv", {x, c.constant(noise({3, 2, 3, 3}, 2)), c.floats({3}, {0.1, 0.2, 0.3})}, {{"group", 1}});
  c.graph.node(c.graph.value(v).producer).attributes.set("group", 2);
  c.graph.set_operand(c.graph.value(v).producer, 1, c.constant(noise({4, 2, 3, 3}, 2)));
  c.graph.set_operand(c.graph.value(v).producer, 2, c.floats({4}, {0.1, 0.2, 0.3, 0.4}));
  v = c.op("Mul", {v, c.floats({1, 4, 1, 1}, {1, -2, 0.5, 3})});
  v = c.op("Add", {c.floats({4, 1, 1}, {1, 2, 3, 4}), v});
  v = c.op("Sub", {v, c.floats({}, {0.5})});
  v = c.op("Sub", {c.floats({1}, {2}), v});
  v = c.op("Div", {v, c.floats({4, 1, 1}, {2, 4, 5, 8})});
  c.out(v, "y");
  EXPECT_EQ(run_pass(c.graph, passes::fold_batch_norm, {noise({2, 4, 6, 6})}, kTolerance), 5);
  EXPECT_EQ(ops_of(c.graph), "Conv");
}

TEST(FoldBatchNorm, ConvTransposeCountsChannelsByGroup) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 4, 3, 3});
  ValueId v = c.op("ConvTranspose", {x, c.constant(noise({4, 3, 2, 2}, 2))}, {{"group", 2}});
  v = c.op("Mul", {v, c.floats({6, 1, 1}, {1, 2, 3, 4, 5, 6})});
  c.out(c.op("Add", {v, c.floats({6, 1, 1}, {6, 5, 4, 3, 2, 1})}), "y");
  EXPECT_EQ(run_pass(c.graph, passes::fold_batch_norm, {noise({2, 4, 3, 3})}, kTolerance), 2);
  EXPECT_EQ(ops_of(c.graph), "ConvTranspose");
}

TEST(FoldBatchNorm, GemmWithFactorsAndBothOrders) {
  for (const int transposed : {0, 1}) {
    GraphCase c;
    const ValueId x = c.in("x", {2, 4});
    const ValueId w = c.constant(noise(transposed ? Shape{3, 4} : Shape{4, 3}, 2));
    ValueId v = c.op("Gemm", {x, w, c.floats({}, {0.75})}, {{"alpha", 0.5F}, {"beta", 2.0F}, {"transB", transposed}});
    v = c.op("Mul", {v, c.floats({3}, {1, -2, 3})});
    c.out(c.op("Add", {v, c.floats({1, 3}, {1, 2, 3})}), "y");
    EXPECT_EQ(run_pass(c.graph, passes::fold_batch_norm, {noise({2, 4})}, kTolerance), 2) << transposed;
    EXPECT_EQ(ops_of(c.graph), "Gemm");
  }
}

TEST(FoldBatchNorm, WhatIsNotByChannelStays) {
  GraphCase c;
  const ValueId x = c.in("x", {1, 3, 4, 4});
  auto conv = [&] { return c.op("Conv", {x, c.constant(noise({3, 3, 1, 1}, 2))}); };
  c.out(c.op("Mul", {conv(), c.floats({4}, {1, 2, 3, 4})}), "by_column");
  c.out(c.op("Add", {conv(), c.constant(noise({2, 3, 1, 1}))}), "widened");
  c.out(c.op("Add", {conv(), c.constant(noise({1, 1, 3, 1, 1}))}), "more_axes");
  c.out(c.op("Div", {c.floats({}, {1}), conv()}), "inverse");
  c.out(c.op("Mul", {conv(), c.floats({}, {std::numeric_limits<double>::infinity()})}), "infinite");
  const ValueId seen = conv();
  c.out(seen, "seen");
  c.out(c.op("Mul", {seen, c.floats({}, {2})}), "of_seen");
  const ValueId twice = conv();
  c.out(c.op("Add", {c.op("Mul", {twice, c.floats({}, {2})}), twice}), "twice");
  EXPECT_EQ(run_pass(c.graph, passes::fold_batch_norm, {noise({1, 3, 4, 4})}), 0);
}

TEST(FoldBatchNorm, SharedWeightsStayForTheOther) {
  GraphCase c;
  const ValueId x = c.in("x", {1, 3, 4, 4}), w = c.constant(noise({3, 3, 1, 1}, 2));
  c.out(c.op("Conv", {x, w}), "plain");
  c.out(c.op("Mul", {c.op("Conv", {x, w}), c.floats({}, {2})}), "doubled");
  EXPECT_EQ(run_pass(c.graph, passes::fold_batch_norm, {noise({1, 3, 4, 4})}, kTolerance), 1);
}

TEST(FoldBatchNorm, DefaultsThatACallerMayOverrideStay) {
  GraphCase c;
  const ValueId x = c.in("x", {1, 3, 4, 4}), w = c.in("w", {3, 3, 1, 1});
  c.graph.value(w).constant = noise({3, 3, 1, 1}, 2);
  c.out(c.op("Mul", {c.op("Conv", {x, w}), c.floats({}, {2})}), "y");
  EXPECT_EQ(run_pass(c.graph, passes::fold_batch_norm, {noise({1, 3, 4, 4}), noise({3, 3, 1, 1}, 9)}), 0);
}

TEST(FoldBatchNorm, BatchNormalization) {
  ASSERT_NE(find_op("", "BatchNormalization"), nullptr);
  GraphCase c;
  const ValueId x = c.in("x", {2, 2, 5, 5});
  const Value w = noise({3, 2, 3, 3}, 2), b = noise({3}, 3);
  const Value scale = make(DType::float32, {3}, {1, -2, 3}), bias = make(DType::float32, {3}, {3, 2, 1});
  const Value mean = make(DType::float32, {3}, {0.5, -0.5, 1}), var = make(DType::float32, {3}, {1, 4, 0.25});
  const ValueId v = c.op("Conv", {x, c.constant(w), c.constant(b)});
  c.out(c.op("BatchNormalization", {v, c.constant(scale), c.constant(bias), c.constant(mean), c.constant(var)},
             {{"epsilon", 0.125F}}),
        "y");
  EXPECT_EQ(run_pass(c.graph, passes::fold_batch_norm, {noise({2, 2, 5, 5})}, kTolerance), 1);
  EXPECT_EQ(ops_of(c.graph), "Conv");
  const Node& conv = c.graph.node(c.graph.value(c.graph.outputs()[0]).producer);
  const Value& folded = c.graph.value(conv.inputs[1]).constant;
  const Value& folded_bias = c.graph.value(conv.inputs[2]).constant;
  for (int m = 0; m < 3; ++m) {
    const double factor = double(scale.as<float>()[m]) / std::sqrt(double(var.as<float>()[m]) + 0.125);
    for (int i = 0; i < 18; ++i)
      EXPECT_EQ(folded.as<float>()[m * 18 + i], static_cast<float>(double(w.as<float>()[m * 18 + i]) * factor));
    const double moved =
        (double(b.as<float>()[m]) - double(mean.as<float>()[m])) * factor + double(bias.as<float>()[m]);
    EXPECT_NEAR(folded_bias.as<float>()[m], moved, 1e-6 * (1 + std::abs(moved)));
  }
}

TEST(FoldBatchNorm, TrainingFormStays) {
  ASSERT_NE(find_op("", "BatchNormalization"), nullptr);
  GraphCase c;
  const ValueId v = c.op("Conv", {c.in("x", {2, 2, 5, 5}), c.constant(noise({3, 2, 3, 3}, 2))});
  const ValueId ones = c.floats({3}, {1, 1, 1});
  c.out(c.op("BatchNormalization", {v, ones, ones, ones, ones}, {{"training_mode", 1}}, 3), "y");
  infer_types(c.graph);
  PassContext context;
  EXPECT_EQ(passes::fold_batch_norm(c.graph, context), 0);
}

}  // namespace
}  // namespace chorus
