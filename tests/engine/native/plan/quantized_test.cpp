// Which nodes are one step of bytes, and which are not.
#include <engine/native/jit/conv.h>
#include <engine/native/native_engine.h>
#include <engine/native/plan/quantized.h>

#include <gtest/gtest.h>

#include "graph/graph_case.h"

namespace chorus::native {
namespace {

using chorus::testing::GraphCase;

struct Net {
  GraphCase c;
  ValueId x = c.in("x", {1, 4, 6, 6}, DType::uint8);
  ValueId scale = c.constant(Value::of<float>(Shape{}, {0.5F})), zero = c.constant(Value::of<uint8_t>(Shape{}, {7}));
  ValueId weights = c.constant(Value::tensor(DType::int8, Shape{8, 4, 1, 1}));
  ValueId up(ValueId v) { return c.op("DequantizeLinear", {v, scale, zero}); }
  ValueId down(ValueId v) { return c.op("QuantizeLinear", {v, scale, zero}); }
  ValueId real_weights() { return c.op("DequantizeLinear", {weights, scale}); }
  NodeId node(ValueId v) const { return c.graph.value(v).producer; }
  std::optional<QuantizedStep> find(ValueId v) {
    infer_types(c.graph);
    return find_quantized(c.graph, node(v));
  }
};

TEST(QuantizedStep, ConvWithActivations) {
  Net n;
  const ValueId w = n.real_weights(), conv = n.c.op("Conv", {n.up(n.x), w});
  const ValueId six = n.c.constant(Value::of<float>(Shape{}, {6.0F}));
  const ValueId y = n.down(n.c.op("Clip", {n.c.op("Relu", {conv}), kNone, six}));
  n.c.out(y, "y");
  const auto step = n.find(conv);
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->operands, std::vector<ValueId>{n.x});
  EXPECT_EQ(step->in, (std::vector<Scaling>{{0.5F, 7, DType::uint8}}));
  EXPECT_EQ(step->out, (Scaling{0.5F, 7, DType::uint8}));
  EXPECT_EQ(step->covers.size(), 4U);
  EXPECT_EQ(step->covers.back(), n.node(y));
  EXPECT_EQ(step->result, y);
  EXPECT_EQ(step->low, 0);
  EXPECT_EQ(step->high, 6);
  EXPECT_EQ(constant_dequantize(n.c.graph, n.c.graph.node(n.node(conv)), 1), n.node(w));
  EXPECT_TRUE(may_be_quantized(n.c.graph, n.node(w)));
  EXPECT_TRUE(quantized_user(n.c.graph, n.node(w)));
}

TEST(QuantizedStep, ReluAfterClipBelowZeroLeavesZero) {
  Net n;
  const ValueId low = n.c.constant(Value::of<float>(Shape{}, {-3.0F})),
                high = n.c.constant(Value::of<float>(Shape{}, {-1.0F}));
  const ValueId sum = n.c.op("Add", {n.up(n.x), n.up(n.x)});
  n.c.out(n.down(n.c.op("Relu", {n.c.op("Clip", {sum, low, high})})), "y");
  const auto step = n.find(sum);
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->operands, (std::vector<ValueId>{n.x, n.x}));
  EXPECT_EQ(step->low, 0);
  EXPECT_EQ(step->high, 0);
}

TEST(QuantizedStep, FoldingLeavesWeightsThatAStepReads) {
  const bool has_products = cpu().avx512_vnni && jit::level(cpu()) == jit::Level::avx512;
  for (const bool depthwise : {false, true}) {
    Net n;
    Attributes group;
    if (depthwise)
      group.set("group", int64_t{4}), n.weights = n.c.constant(Value::tensor(DType::int8, Shape{4, 1, 1, 1}));
    n.c.out(n.down(n.c.op("Conv", {n.up(n.x), n.real_weights()}, group)), "y");
    Model model;
    model.graph = chorus::testing::shared(std::move(n.c.graph));
    EXPECT_EQ(chorus::testing::ops_of(*optimize(model, {})),
              has_products ? "DequantizeLinear DequantizeLinear Conv QuantizeLinear"
                           : "DequantizeLinear Conv QuantizeLinear");
  }
}

TEST(QuantizedStep, OtherGraphsAreNot) {
  {  // no QuantizeLinear behind it: its weights are folded in the end, but not before that is known
    Net n;
    const ValueId w = n.real_weights(), conv = n.c.op("Conv", {n.up(n.x), w});
    n.c.out(n.c.op("Neg", {conv}), "y");
    EXPECT_FALSE(n.find(conv).has_value());
    EXPECT_TRUE(may_be_quantized(n.c.graph, n.node(w)));
    EXPECT_FALSE(quantized_user(n.c.graph, n.node(w)));
  }
  {  // an operand of float32
    Net n;
    const ValueId real = n.c.in("real", {1, 4, 6, 6}), w = n.real_weights(), conv = n.c.op("Conv", {real, w});
    n.c.out(n.down(conv), "y");
    EXPECT_FALSE(n.find(conv).has_value());
    EXPECT_FALSE(may_be_quantized(n.c.graph, n.node(w)));
  }
  {  // two readers
    Net n;
    const ValueId sum = n.c.op("Add", {n.up(n.x), n.up(n.x)});
    n.c.out(n.down(sum), "y");
    n.c.out(n.c.op("Neg", {sum}), "z");
    EXPECT_FALSE(n.find(sum).has_value());
  }
  {  // a scale that the run brings
    Net n;
    const ValueId scale = n.c.in("scale", {});
    const ValueId sum = n.c.op("Add", {n.up(n.x), n.up(n.x)});
    n.c.out(n.c.op("QuantizeLinear", {sum, scale, n.zero}), "y");
    EXPECT_FALSE(n.find(sum).has_value());
  }
  {  // a scale per channel
    Net n;
    const ValueId scales = n.c.constant(Value::of<float>(Shape{4}, {1.0F, 2.0F, 3.0F, 4.0F}));
    const ValueId real = n.c.op("DequantizeLinear", {n.x, scales}), sum = n.c.op("Add", {real, real});
    n.c.out(n.down(sum), "y");
    EXPECT_FALSE(n.find(sum).has_value());
  }
}

}  // namespace
}  // namespace chorus::native
