#include "graph/graph_case.h"

namespace chorus {
namespace {
using testing::GraphCase;
using testing::make;
using testing::noise;
using testing::ops_of;
using testing::run_pass;
using Perm = std::vector<int64_t>;

TEST(CancelMovement, TransposesAreComposed) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 3, 4});
  const ValueId a = c.op("Transpose", {x}, {{"perm", Perm{1, 2, 0}}});
  c.out(c.op("Transpose", {a}, {{"perm", Perm{0, 2, 1}}}), "y");
  EXPECT_EQ(run_pass(c.graph, passes::cancel_movement, {noise({2, 3, 4})}), 1);
  EXPECT_EQ(c.graph.node(c.graph.value(c.graph.outputs()[0]).producer).inputs[0], x);
}

TEST(CancelMovement, InversePairGoesAway) {
  GraphCase c;
  const ValueId x = c.op("Relu", {c.in("x", {2, 3, 4})});
  const ValueId a = c.op("Transpose", {x}, {{"perm", Perm{1, 2, 0}}});
  c.out(c.op("Transpose", {a}, {{"perm", Perm{2, 0, 1}}}), "y");
  run_pass(c.graph, passes::cancel_movement, {noise({2, 3, 4})});
  run_pass(c.graph, passes::eliminate_dead, {noise({2, 3, 4})});
  EXPECT_EQ(ops_of(c.graph), "Relu");
}

TEST(CancelMovement, ThroughElementwiseWithBroadcastConstants) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 3, 4, 5}), z = c.in("z", {2, 3, 4, 5});
  const ValueId a = c.op("Transpose", {x}, {{"perm", Perm{0, 2, 3, 1}}}),
                b = c.op("Transpose", {z}, {{"perm", Perm{0, 2, 3, 1}}});
  const ValueId bias = c.op("Add", {a, c.floats({3}, {1, 2, 3})});   // by channel: the last axis in this order
  const ValueId scaled = c.op("Mul", {bias, c.floats({}, {0.5})});
  const ValueId plane = c.op("Mul", {scaled, c.constant(noise({4, 1, 3}, 7))});
  const ValueId sum = c.op("Relu", {c.op("Add", {plane, b})});
  const ValueId clipped = c.op("Clip", {sum, c.floats({}, {0.25}), c.floats({}, {3})});
  c.out(c.op("Transpose", {clipped}, {{"perm", Perm{0, 3, 1, 2}}}), "y");
  const std::vector<Value> inputs{noise({2, 3, 4, 5}), noise({2, 3, 4, 5}, 2)};
  EXPECT_GT(run_pass(c.graph, passes::cancel_movement, inputs), 0);
  testing::CaseEvaluator evaluator;
  PassContext context;
  context.evaluator = &evaluator;
  run_pass(c.graph, passes::fold_constants, inputs, 0, context);
  run_pass(c.graph, passes::eliminate_dead, inputs);
  EXPECT_EQ(ops_of(c.graph), "Add Mul Mul Add Relu Clip");
}

TEST(CancelMovement, StaysWhereAnotherReaderNeedsTheOrder) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 3, 4});
  const ValueId r = c.op("Relu", {c.op("Transpose", {x}, {{"perm", Perm{1, 2, 0}}})});
  c.out(c.op("Transpose", {r}, {{"perm", Perm{2, 0, 1}}}), "y");
  c.out(r, "seen");
  EXPECT_EQ(run_pass(c.graph, passes::cancel_movement, {noise({2, 3, 4})}), 0);
}

TEST(CancelMovement, PerChannelQuantisationKeepsItsAxis) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 3});
  const ValueId t = c.op("Transpose", {x}, {{"perm", Perm{1, 0}}});
  const ValueId q = c.op("QuantizeLinear", {t, c.floats({3}, {0.1, 0.2, 0.3}), kNone}, {{"axis", 0}});
  c.out(c.op("Transpose", {q}, {{"perm", Perm{1, 0}}}), "y");
  EXPECT_EQ(run_pass(c.graph, passes::cancel_movement, {noise({2, 3})}), 0);
}

TEST(CancelMovement, ViewsMergeAndCancel) {
  GraphCase c;
  const ValueId x = c.op("Relu", {c.in("x", {2, 12})});
  const ValueId a = c.op("Reshape", {x, c.ints({2, 3, 4})});
  const ValueId b = c.op("Reshape", {a, c.ints({4, -1})});
  const ValueId d = c.op("Unsqueeze", {b, c.ints({0})});
  c.out(c.op("Relu", {d}), "y");
  c.out(c.op("Relu", {c.op("Reshape", {a, c.ints({2, 12})})}), "back");
  run_pass(c.graph, passes::cancel_movement, {noise({2, 12})});
  run_pass(c.graph, passes::eliminate_dead, {noise({2, 12})});
  EXPECT_EQ(ops_of(c.graph), "Relu Relu Reshape Relu");
}

TEST(CancelMovement, ZeroThatCopiesADimIsResolvedFirst) {
  GraphCase c;
  const ValueId x = c.in("x", {Dim::symbol("n"), 12});
  const ValueId a = c.op("Reshape", {x, c.ints({0, 3, 4})});
  c.out(c.op("Reshape", {a, c.ints({0, 0, 2, 2})}), "y");   // 0 copies a dim of the operand: only with that operand
  run_pass(c.graph, passes::cancel_movement, {noise({5, 12})});
  run_pass(c.graph, passes::eliminate_dead, {noise({5, 12})});
  EXPECT_EQ(ops_of(c.graph), "Reshape");
  EXPECT_EQ(testing::run_graph(c.graph, {noise({7, 12})})[0].shape(), (Shape{7, 3, 2, 2}));
}

}  // namespace
}  // namespace chorus
