// remove_identity, simplify_arithmetic, eliminate_common, eliminate_dead, fold_constants: before and after, with equal results.
#include <cmath>

#include "graph/graph_case.h"

namespace chorus {
namespace {
using testing::GraphCase;
using testing::make;
using testing::noise;
using testing::ops_of;
using testing::run_pass;

TEST(RemoveIdentity, WhatChangesNothing) {
  GraphCase c;
  const Dim n = Dim::symbol("n");
  ValueId v = c.op("Relu", {c.in("x", {n, 3, 4})});
  v = c.op("Identity", {v});
  v = c.op("Cast", {v}, {{"to", 1}});
  v = c.op("Reshape", {v, c.ints({0, 3, 4})});
  v = c.op("Transpose", {v}, {{"perm", std::vector<int64_t>{0, 1, 2}}});
  v = c.op("Slice", {v, c.ints({0}), c.ints({9}), c.ints({1})});
  v = c.op("Pad", {v, c.ints({0, 0, 0, 0, 0, 0})});
  v = c.op("Concat", {v}, {{"axis", 1}});
  v = c.op("Expand", {v, c.ints({1, 3, 4})});
  v = c.op("Clip", {v});
  v = c.op("Dropout", {v, c.floats({}, {0.5}), c.constant(Value::scalar<bool>(false))});
  c.out(c.op("Neg", {v}), "y");
  EXPECT_EQ(run_pass(c.graph, passes::remove_identity, {noise({2, 3, 4})}), 10);
  EXPECT_EQ(ops_of(c.graph), "Relu Neg");
}

TEST(RemoveIdentity, LookAlikesStay) {
  GraphCase c;
  const ValueId x = c.op("Neg", {c.in("x", {3, 4})});  // not an input: that could not be replaced anyway
  c.out(c.op("Slice", {x, c.ints({-1}), c.ints({-9}), c.ints({0}), c.ints({-1})}), "reversed");
  c.out(c.op("Pad", {x, c.ints({1, 0, -1, 0})}), "shifted");
  c.out(c.op("Cast", {x}, {{"to", 11}}), "wider");
  c.out(c.op("Expand", {x, c.ints({2, 1, 1})}), "more");
  EXPECT_EQ(run_pass(c.graph, passes::remove_identity, {noise({3, 4})}), 0);
}

TEST(RemoveIdentity, InterfaceNamesStay) {
  GraphCase c;
  const ValueId x = c.in("x", {3});
  c.out(c.op("Identity", {x}), "y");  // an input cannot be an output under another name
  const ValueId r = c.op("Relu", {x});
  c.out(c.op("Identity", {r}), "z");  // Relu takes the name
  c.out(c.op("Identity", {r}), "w");  // which it has only once
  EXPECT_EQ(run_pass(c.graph, passes::remove_identity, {noise({3})}), 1);
  EXPECT_EQ(ops_of(c.graph), "Identity Relu Identity");
}

TEST(SimplifyArithmetic, NeutralElements) {
  GraphCase c;
  ValueId v = c.op("Relu", {c.in("x", {2, 3})});
  v = c.op("Mul", {v, c.floats({3}, {1, 1, 1})});
  v = c.op("Div", {v, c.floats({}, {1})});
  v = c.op("Sub", {v, c.floats({1}, {0})});
  v = c.op("Add", {c.floats({}, {-0.0}), v});
  v = c.op("Pow", {v, c.floats({}, {1})});
  c.out(c.op("Neg", {v}), "y");
  EXPECT_EQ(run_pass(c.graph, passes::simplify_arithmetic, {noise({2, 3})}), 5);
  EXPECT_EQ(ops_of(c.graph), "Relu Neg");
}

TEST(SimplifyArithmetic, WhatWouldChangeABitStays) {
  GraphCase c;
  const ValueId x = c.op("Neg", {c.in("x", {3})});
  c.out(c.op("Add", {x, c.floats({}, {0})}), "plus_zero");  // -0 + 0 is +0
  c.out(c.op("Sub", {c.floats({}, {0}), x}), "negated");
  c.out(c.op("Div", {c.floats({}, {1}), x}), "inverse");
  c.out(c.op("Mul", {x, c.floats({2, 1}, {1, 1})}), "widened");
  EXPECT_EQ(run_pass(c.graph, passes::simplify_arithmetic, {make(DType::float32, {3}, {0.0, -0.0, 2})}), 0);
}

TEST(SimplifyArithmetic, SquareIsAProduct) {
  GraphCase c;
  c.out(c.op("Pow", {c.in("x", {64}), c.floats({}, {2})}), "y");
  EXPECT_EQ(run_pass(c.graph, passes::simplify_arithmetic, {noise({64})}, 1e-7), 1);
  EXPECT_EQ(ops_of(c.graph), "Mul");
  const Value x = noise({64}), y = testing::run_graph(c.graph, {x})[0];
  for (int i = 0; i < 64; ++i) {
    const double exact = static_cast<double>(x.as<float>()[i]) * static_cast<double>(x.as<float>()[i]);
    EXPECT_EQ(y.as<float>()[i], static_cast<float>(exact));
  }
}

TEST(EliminateCommon, EqualNodesAndConstantsMerge) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 6});
  const ValueId a = c.op("Reshape", {x, c.ints({3, 4})}), b = c.op("Reshape", {x, c.ints({3, 4})});
  const ValueId d = c.op("Softplus", {a}), e = c.op("Softplus", {b});
  c.out(c.op("Add", {d, e}), "y");
  EXPECT_EQ(run_pass(c.graph, passes::eliminate_common, {noise({2, 6})}), 3);
  EXPECT_EQ(ops_of(c.graph), "Reshape Softplus Add");
}

TEST(EliminateCommon, AttributesAndOutputsKeepNodesApart) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 3});
  c.out(c.op("Elu", {x}, {{"alpha", 1.0F}}), "a");
  c.out(c.op("Elu", {x}, {{"alpha", 2.0F}}), "b");
  c.out(c.op("Elu", {x}, {{"alpha", 1.0F}}), "c");  // its name is an output of its own
  EXPECT_EQ(run_pass(c.graph, passes::eliminate_common, {noise({2, 3})}), 0);
}

TEST(EliminateCommon, TwoDrawsStayTwo) {
  GraphCase c;
  const ValueId x = c.in("x", {64}), on = c.constant(Value::scalar<bool>(true));
  const ValueId ratio = c.floats({}, {0.5});
  c.out(c.op("Add", {c.op("Dropout", {x, ratio, on}), c.op("Dropout", {x, ratio, on})}), "y");
  infer_types(c.graph);
  PassContext context;
  EXPECT_EQ(passes::eliminate_common(c.graph, context), 0);
}

TEST(EliminateCommon, ManyEqualNodesAreLinear) {
  GraphCase c;
  const ValueId x = c.in("x", {2});
  ValueId last = kNone;
  for (int i = 0; i < 50000; ++i) last = c.op("Relu", {x});
  c.out(c.op("Neg", {last}), "y");
  PassContext context;
  EXPECT_EQ(passes::eliminate_common(c.graph, context), 49999);
  verify(c.graph);
  EXPECT_EQ(ops_of(c.graph), "Relu Neg");
}

TEST(EliminateDead, KeepsAncestorsAndInputs) {
  GraphCase c;
  const ValueId x = c.in("x", {3});
  c.in("unused", {3});
  c.op("Add", {c.op("Exp", {x}), c.floats({}, {1})});
  c.out(c.op("Neg", {x}), "y");
  EXPECT_EQ(run_pass(c.graph, passes::eliminate_dead, {noise({3}), noise({3})}), 3);
  EXPECT_EQ(ops_of(c.graph), "Neg");
}

TEST(EliminateDead, UnreadOptionalOutputsAreDropped) {
  GraphCase c;
  const ValueId y = c.op("Dropout", {c.in("x", {3})}, {}, 2);
  c.out(y, "y");
  EXPECT_EQ(run_pass(c.graph, passes::eliminate_dead, {noise({3})}), 1);
  EXPECT_EQ(c.graph.node(c.graph.value(y).producer).outputs.size(), 1U);
}

TEST(EliminateDead, CapturedValuesAreNeeded) {
  GraphCase c;
  const ValueId x = c.in("x", {3}), cond = c.in("cond", {}, DType::boolean);
  c.graph.rename(c.op("Exp", {x}), "kept");
  GraphCase yes, no;
  yes.out(yes.op("Neg", {testing::capture(yes.graph, "kept")}), "a");
  no.out(no.op("Relu", {testing::capture(no.graph, "x")}), "b");
  c.out(c.op("If", {cond},
             {{"then_branch", testing::shared(std::move(yes.graph))},
              {"else_branch", testing::shared(std::move(no.graph))}}),
        "y");
  PassContext context;
  passes::close_bodies(c.graph, context);
  EXPECT_EQ(run_pass(c.graph, passes::eliminate_dead, {noise({3}), Value::scalar<bool>(true)}), 0);
}

TEST(FoldConstants, ByEvaluatorAndByInference) {
  GraphCase c;
  const ValueId x = c.in("x", {Dim::symbol("n"), 4});
  const ValueId k = c.op("Add", {c.op("Exp", {c.floats({4}, {0, 1, 2, 3})}), c.floats({}, {1})});
  const ValueId y = c.op("Mul", {x, k});
  const ValueId last = c.op("Shape", {x}, {{"start", 1}});
  c.out(c.op("Reshape", {y, c.op("Concat", {c.ints({-1}), last}, {{"axis", 0}})}), "y");
  testing::CaseEvaluator evaluator;
  PassContext context;
  context.evaluator = &evaluator;
  EXPECT_EQ(run_pass(c.graph, passes::fold_constants, {noise({3, 4})}, 0, context), 4);
  EXPECT_EQ(ops_of(c.graph), "Mul Reshape");
  const Value& folded = c.graph.value(c.graph.node(c.graph.value(y).producer).inputs[1]).constant;
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(folded.as<float>()[i], std::exp(i) + 1, 1e-5);
}

TEST(FoldConstants, BudgetsOverridesRandomAndOutputs) {
  GraphCase c;
  const ValueId x = c.in("x", {1});
  c.out(c.op("Add", {x, c.op("Expand", {c.floats({1}, {1}), c.ints({1 << 20})})}), "big");
  c.out(c.op("Exp", {c.floats({2}, {1, 2})}), "interface");
  c.graph.value(x).constant = make(DType::float32, {1}, {3});  // a default that the caller may override
  c.out(c.op("Neg", {c.op("Sqrt", {x})}), "of_default");
  testing::CaseEvaluator evaluator;
  PassContext context;
  context.evaluator = &evaluator;
  context.fold_value_bytes = 1 << 20;
  EXPECT_EQ(run_pass(c.graph, passes::fold_constants, {noise({1}, 3)}, 0, context), 0);
  EXPECT_EQ(evaluator.calls, 0);
  context.fold_value_bytes = 1 << 23;
  context.fold_flops = 1000;
  EXPECT_EQ(run_pass(c.graph, passes::fold_constants, {noise({1}, 3)}, 0, context), 0);
  context.fold_flops = 1 << 30;
  EXPECT_EQ(run_pass(c.graph, passes::fold_constants, {noise({1}, 3)}, 0, context), 1);
}

/// Refuses, or gives something else than what was planned.
class Broken final : public ConstantEvaluator {
 public:
  explicit Broken(std::vector<Value> results) : results_(std::move(results)) {}
  Result<std::vector<Value>> evaluate(const Graph&, NodeId, std::span<const Value>) override {
    if (results_.empty()) return Error(Code::budget, "too much");
    return results_;
  }

 private:
  std::vector<Value> results_;
};

TEST(FoldConstants, AFailureIsLeftToTheRun) {
  for (const std::vector<Value>& results : {std::vector<Value>{}, {Value()}, {noise({1 << 19})}}) {
    GraphCase c;
    c.out(c.op("Neg", {c.op("Exp", {c.floats({2}, {1, 2})})}), "y");
    Broken evaluator(results);
    PassContext context;
    context.evaluator = &evaluator;
    context.fold_value_bytes = 1 << 20;
    EXPECT_EQ(run_pass(c.graph, passes::fold_constants, {}, 0, context), 0);
  }
}

}  // namespace
}  // namespace chorus
