// Which nodes Gelu by the tangent takes; that steps compute it rightly is tested with them.
#include <engine/native/plan/gelu.h>

#include <cmath>

#include "graph/graph_case.h"

namespace chorus::native {
namespace {
using testing::GraphCase;

struct Spelling {
  GraphCase c;
  ValueId a = c.in("a", {4, 8}), x = c.op("Relu", {a});
  ValueId number(double v) { return c.floats({}, {v}); }
  ValueId bell_of(ValueId scaled) {
    const ValueId sum = c.op("Add", {x, scaled});
    return c.op("Add", {c.op("Tanh", {c.op("Mul", {sum, number(std::sqrt(2 / M_PI))})}), number(1)});
  }
  ValueId simple(double factor = 0.044715) {
    return bell_of(c.op("Mul", {c.op("Pow", {x, number(3)}), number(factor)}));
  }
  std::optional<EpilogueItem> find(ValueId result) {
    c.out(result, "y");
    infer_types(c.graph);
    return find_gelu_tanh(c.graph, x);
  }
};

TEST(GeluTanh, IsFoundWithAllItsNodes) {
  Spelling s;
  const auto item = s.find(s.c.op("Mul", {s.c.op("Mul", {s.x, s.number(0.5)}), s.simple()}));
  ASSERT_TRUE(item.has_value());
  EXPECT_EQ(item->kind, EpilogueKind::gelu_tanh);
  EXPECT_EQ(item->inner.size(), 7U);  // all but the last one
  EXPECT_EQ(s.c.graph.node(item->node).outputs[0], s.c.graph.outputs()[0]);
}

TEST(GeluTanh, OtherNumbersAreSomethingElse) {
  Spelling cube, half;
  EXPECT_FALSE(
      cube.find(cube.c.op("Mul", {cube.c.op("Mul", {cube.x, cube.number(0.5)}), cube.simple(0.0447)})).has_value());
  EXPECT_FALSE(half.find(half.c.op("Mul", {half.c.op("Mul", {half.x, half.number(0.25)}), half.simple()})).has_value());
}

TEST(GeluTanh, WhatSomebodyElseReadsStays) {
  Spelling s;
  const ValueId bell = s.simple();
  s.c.out(s.c.op("Neg", {bell}), "z");
  EXPECT_FALSE(s.find(s.c.op("Mul", {s.c.op("Mul", {s.x, s.number(0.5)}), bell})).has_value());
  Spelling out;
  out.c.out(out.x, "x");
  EXPECT_FALSE(out.find(out.c.op("Mul", {out.c.op("Mul", {out.x, out.number(0.5)}), out.simple()})).has_value());
}

}  // namespace
}  // namespace chorus::native
