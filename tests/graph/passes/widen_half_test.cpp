// widen_half: chains of half precision in float32, against the same chain in float64 rounded once; what is no chain stays.
#include <core/convert.h>

#include <cmath>

#include "graph/graph_case.h"

namespace chorus {
namespace {
using testing::GraphCase;
using testing::make;
using testing::noise;
using testing::ops_of;
using testing::run_graph;
using testing::run_pass;

/// Attention scores and their product with the values, in one element type.
GraphCase attention(DType type) {
  GraphCase c;
  const ValueId q = c.in("q", {4, 8}, type), k = c.in("k", {8, 6}, type), v = c.in("v", {6, 8}, type);
  ValueId s = c.op("MatMul", {c.op("Mul", {q, c.constant(make(type, {1}, {0.375}))}), k});
  s = c.op("Add", {s, c.constant(make(type, {1, 6}, {0, 0.5, -0.25, 1, 0, -1}))});
  s = c.op("Transpose", {c.op("Softmax", {s})}, {{"perm", std::vector<int64_t>{0, 1}}});
  c.out(c.op("MatMul", {s, v}), "y");
  return c;
}

Value as(DType type, const Value& x) {
  Value y = Value::tensor(type, x.shape());
  const std::vector<double> v = x.to_doubles();
  store_f64(type, y.mutable_data(), 0, x.numel(), v.data());
  return y;
}

/// Largest distance from the truth in units of half a step of the type at the truth.
double worst(const Value& found, const Value& truth, double half_step) {
  const std::vector<double> a = found.to_doubles(), b = truth.to_doubles();
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::fabs(a[i] - b[i]) / std::ldexp(half_step, std::ilogb(b[i])));
  return most;
}

TEST(WidenHalf, AChainIsRoundedOnce) {
  for (const DType type : {DType::float16, DType::bfloat16}) {
    std::vector<Value> narrow, exact;
    for (const auto& [shape, seed] : {std::pair{Shape{4, 8}, 3}, {Shape{8, 6}, 4}, {Shape{6, 8}, 5}}) {
      narrow.push_back(noise(shape, static_cast<uint64_t>(seed), type));
      exact.push_back(as(DType::float64, narrow.back()));
    }
    const Value truth = run_graph(attention(DType::float64).graph, exact)[0];
    const double half_step = type == DType::float16 ? 0x1p-11 : 0x1p-8;
    GraphCase c = attention(type);
    EXPECT_GT(worst(run_graph(c.graph, narrow)[0], truth, half_step), 1.2);  // a rounding per node
    EXPECT_EQ(run_pass(c.graph, passes::widen_half, narrow, 0.05), 6);
    EXPECT_LE(worst(run_graph(c.graph, narrow)[0], truth, half_step), 1.001);
    EXPECT_EQ(c.graph.value(c.graph.outputs()[0]).type.dtype, type);
    EXPECT_EQ(ops_of(c.graph), "Cast Mul Cast MatMul Add Softmax Transpose Cast MatMul Cast");
  }
}

TEST(WidenHalf, OneNodeStays) {
  GraphCase c;
  const ValueId x = c.in("x", {4, 4}, DType::float16);
  const ValueId turned = c.op("Transpose", {c.op("Add", {c.op("Transpose", {x}), x})});
  c.out(c.op("Relu", {turned}), "y");
  c.out(c.op("MatMul", {x, x}), "z");  // beside the sum, not behind it
  EXPECT_EQ(run_pass(c.graph, passes::widen_half, {noise({4, 4}, 1, DType::float16)}), 0);
}

// A comparison, a rounding that the model asks for, and a graph output see the narrow number.
TEST(WidenHalf, WhatLeavesTheChainIsRounded) {
  GraphCase c;
  const ValueId x = c.in("x", {3}, DType::float16);
  const ValueId third = c.op("Div", {x, c.constant(make(DType::float16, {1}, {3}))});
  c.out(third, "third");
  c.out(c.op("Equal", {third, c.constant(make(DType::float16, {3}, {1.0 / 3, 2.0 / 3, 1}))}), "equal");
  const ValueId rounded = c.op("Cast", {c.op("Cast", {third}, {{"to", 1}})}, {{"to", 10}});
  c.out(c.op("Mul", {c.op("Add", {third, third}), rounded}), "y");
  const std::vector<Value> in = {make(DType::float16, {3}, {1, 2, 3})};
  EXPECT_EQ(run_pass(c.graph, passes::widen_half, in, 1e-3), 3);
  const std::vector<Value> out = run_graph(c.graph, in);
  EXPECT_EQ(out[1].to_int64s(), (std::vector<int64_t>{1, 1, 1}));
  EXPECT_EQ(out[0].dtype(), DType::float16);
  for (const auto& [i, numerator] : {std::pair{0, 1.0}, {1, 2.0}}) {
    // 2 t · r with t a third in float32 and r one in float16.
    const double r = out[0].to_doubles()[static_cast<size_t>(i)];
    EXPECT_NEAR(out[2].to_doubles()[static_cast<size_t>(i)], 2 * numerator / 3 * r, 0x1p-12 * (1 + 1e-3)) << i;
  }
}

TEST(WidenHalf, OutputsThatNobodyReadsStayOmitted) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 4}, DType::float16), scale = c.constant(make(DType::float16, {4}, {1, 2, 3, 4}));
  const ValueId n = c.op("LayerNormalization", {x, scale}, {}, 2);
  c.out(c.op("Add", {n, x}), "y");
  c.out(c.other(n, 1), "mean");  // float32, as stash_type says
  EXPECT_EQ(run_pass(c.graph, passes::widen_half, {noise({2, 4}, 1, DType::float16)}, 2e-3), 2);
  EXPECT_EQ(c.graph.value(c.graph.outputs()[1]).type.dtype, DType::float32);
}

TEST(WidenHalf, ATypeTakenFromAValueIsNamed) {
  GraphCase c;
  const ValueId x = c.in("x", {3}, DType::bfloat16), f = c.in("f", {3});
  const ValueId e = c.op("Exp", {x});
  c.out(c.op("Mul", {e, c.op("CastLike", {f, e})}), "y");
  const std::vector<Value> in = {noise({3}, 1, DType::bfloat16), noise({3})};
  EXPECT_EQ(run_pass(c.graph, passes::widen_half, in, 2e-2), 3);
  EXPECT_EQ(ops_of(c.graph), "Cast Cast Exp Cast Mul Cast");
}

}  // namespace
}  // namespace chorus
