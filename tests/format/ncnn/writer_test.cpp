// ncnn's files, against its documented text form: layers, ids of parameters, order of weights, worked out by hand.
#include <format/ncnn/ncnn.h>
#include <graph/infer.h>

#include <cstring>

#include "graph/graph_case.h"

namespace chorus {
namespace {

using testing::GraphCase;

Value numbers(const Shape& shape) {
  std::vector<float> v(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i) + 0.5F;
  return Value::of<float>(shape, std::span<const float>(v));
}

ncnn::Net net_of(GraphCase& c) {
  infer_types(c.graph);
  return ncnn::write_net(*ncnn::with_sizes(c.graph, {}));
}

std::string refusal_of(GraphCase& c) {
  infer_types(c.graph);
  const auto sized = ncnn::with_assumed_sizes(c.graph);
  const auto order = sized->order();
  return ncnn::refusals(*sized, order).front();
}

TEST(NcnnWriter, ConvolutionWithBiasAndRelu) {
  GraphCase c;
  const Value weights = numbers({2, 3, 1, 2}), bias = numbers({2});
  Attributes attributes = {{"strides", std::vector<int64_t>{2, 1}}, {"pads", std::vector<int64_t>{0, 1, 1, 0}}};
  c.out(c.op("Relu", {c.op("Conv", {c.in("x", {1, 3, 4, 5}), c.constant(weights), c.constant(bias)}, attributes)}),
        "y");
  const ncnn::Net net = net_of(c);
  // Ids: 0 outputs, 1 11 kernel, 2 12 dilation, 3 13 stride, 4 15 14 16 left right top bottom, 5 bias, 6 number of weights.
  EXPECT_EQ(net.param,
            "7767517\n3 3\n"
            "Input l0 0 1 b0\n"
            "Convolution l1 1 1 b0 b1 0=2 1=2 11=1 2=1 12=1 3=1 13=2 4=1 14=0 15=0 16=1 5=1 6=12\n"
            "ReLU l2 1 1 b1 out0\n");
  ASSERT_EQ(net.inputs.size(), 1U);
  EXPECT_EQ(net.inputs[0].dims, (ncnn::Extents{3, 4, 5}));  // without the batch
  EXPECT_EQ(net.outputs[0].dims, (ncnn::Extents{2, 3, 5}));
  EXPECT_EQ(net.outputs[0].shape, (ncnn::Extents{1, 2, 3, 5}));
  const uint32_t tag = 0x0002C056;  // 32-bit floats follow; a bias stands without it
  ASSERT_EQ(net.weights.size(), 4U + 12 * 4 + 2 * 4);
  EXPECT_EQ(std::memcmp(net.weights.data(), &tag, 4), 0);
  EXPECT_EQ(std::memcmp(net.weights.data() + 4, weights.data(), 48), 0);
  EXPECT_EQ(std::memcmp(net.weights.data() + 52, bias.data(), 8), 0);
}

// ncnn gives a blob to one reader only.
TEST(NcnnWriter, SplitsWhatHasSeveralReaders) {
  GraphCase c;
  const ValueId x = c.in("x", {1, 2, 3});
  const ValueId y = c.op("Abs", {x});
  c.out(y, "y");
  c.out(c.op("Add", {y, x}), "z");
  EXPECT_EQ(net_of(c).param,
            "7767517\n5 7\n"
            "Input l0 0 1 b0\n"
            "Split l1 1 2 b0 b0_0 b0_1\n"
            "UnaryOp l2 1 1 b0_0 b1 0=0\n"
            "Split l3 1 2 b1 b1_0 out0\n"
            "BinaryOp l4 2 1 b1_0 b0_1 out1 0=0\n");
}

TEST(NcnnWriter, BroadcastsBlobsOfOneRank) {
  GraphCase c;
  c.out(c.op("Mul", {c.in("x", {1, 4, 2, 3}), c.in("s", {2, 1})}), "y");
  const std::string param = net_of(c).param;
  EXPECT_NE(param.find("Reshape l2 1 1"), std::string::npos) << param;  // s: [1,2,1] instead of its own two extents
}

TEST(NcnnWriter, TransposeIsOnePermutationOfAtMostFourExtents) {
  GraphCase c;  // [1,2,3,4,5] → axes 2,3 stay together: [2, 12, 5] → [12, 2, 5], width and depth stay
  c.out(c.op("Transpose", {c.in("x", {1, 2, 3, 4, 5})}, {{"perm", std::vector<int64_t>{0, 2, 3, 1, 4}}}), "y");
  const ncnn::Net net = net_of(c);
  EXPECT_NE(net.param.find("Permute l2 1 1 b1 out0 0=2\n"), std::string::npos) << net.param;
  EXPECT_EQ(net.outputs[0].dims, (ncnn::Extents{12, 2, 5}));
}

TEST(NcnnWriter, LstmHasItsGatesInNcnnsOrder) {
  GraphCase c;
  const Value w = Value::of<float>({1, 4, 1}, {1, 2, 3, 4}), r = Value::of<float>({1, 4, 1}, {5, 6, 7, 8});
  const Value b = Value::of<float>({1, 8}, {1, 2, 3, 4, 10, 20, 30, 40});
  c.out(
      c.op("LSTM", {c.in("x", {3, 1, 1}), c.constant(w), c.constant(r), c.constant(b)}, {{"hidden_size", int64_t{1}}}),
      "y");
  const ncnn::Net net = net_of(c);
  std::vector<float> floats(net.weights.size() / 4);
  std::memcpy(floats.data(), net.weights.data(), net.weights.size());
  ASSERT_EQ(floats.size(), 15U);  // ONNX: i o f c; ncnn: i f o g; three tags of one word
  EXPECT_EQ(std::vector<float>(floats.begin() + 1, floats.begin() + 5), (std::vector<float>{1, 3, 2, 4}));
  EXPECT_EQ(std::vector<float>(floats.begin() + 6, floats.begin() + 10), (std::vector<float>{11, 33, 22, 44}));
  EXPECT_EQ(std::vector<float>(floats.begin() + 11, floats.begin() + 15), (std::vector<float>{5, 7, 6, 8}));
}

TEST(NcnnWriter, RefusesWithASentence) {
  GraphCase unknown;
  unknown.out(unknown.op("Det", {unknown.in("x", {3, 3})}), "y");
  EXPECT_EQ(refusal_of(unknown), "ncnn: Det: it has no layer for Det");
  GraphCase integers;
  integers.out(integers.op("Add", {integers.in("x", {3}, DType::int64), integers.in("y", {3}, DType::int64)}), "z");
  EXPECT_EQ(refusal_of(integers), "ncnn: Add: it computes in float32, not in int64");
  GraphCase dilated;
  dilated.out(dilated.op("MaxPool", {dilated.in("x", {1, 1, 5, 5})},
                         {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"dilations", std::vector<int64_t>{2, 2}}}),
              "y");
  EXPECT_EQ(refusal_of(dilated), "ncnn: MaxPool: ncnn's pooling has no dilation");
}

// What ncnn's layers compute wrongly is not written.
TEST(NcnnWriter, RefusesWhatTheLayersComputeWrongly) {
  for (const char* op : {"Exp", "Log"}) {
    GraphCase c;
    c.out(c.op(op, {c.in("x", {3})}), "y");
    EXPECT_NE(refusal_of(c).find("infinity"), std::string::npos) << op;
  }
  GraphCase largest;
  largest.out(largest.op("ReduceMax", {largest.in("x", {3})}), "y");
  EXPECT_NE(refusal_of(largest).find("infinities"), std::string::npos);
  GraphCase power;
  power.out(power.op("Pow", {power.in("x", {3}), power.in("y", {3})}), "z");
  EXPECT_NE(refusal_of(power).find("not positive"), std::string::npos);
  GraphCase half;
  half.out(half.op("Identity", {half.in("x", {3}, DType::float16)}), "y");
  EXPECT_NE(refusal_of(half), "");
}

// An input keeps the name of its blob, so that one that is an output as well goes through a layer.
TEST(NcnnWriter, InputThatIsAnOutput) {
  GraphCase c;
  c.out(c.op("Identity", {c.in("x", {3})}), "y");
  EXPECT_EQ(net_of(c).param, "7767517\n2 2\nInput l0 0 1 b0\nSplit l1 1 1 b0 out0\n");
}

// Sizes that are open are assumed for claims, and given for a net.
TEST(NcnnWriter, WritesForGivenSizes) {
  GraphCase c;
  c.out(c.op("Relu", {c.in("x", {Dim::symbol("n"), 3, Dim::symbol("h")})}), "y");
  EXPECT_EQ(refusal_of(c), "");
  const std::optional<Shape> sizes[] = {Shape{1, 3, 7}};
  EXPECT_EQ(ncnn::write_net(*ncnn::with_sizes(c.graph, sizes)).outputs[0].shape, (ncnn::Extents{1, 3, 7}));
  EXPECT_THROW(ncnn::write_net(*ncnn::with_sizes(c.graph, {})), Error);
}

}  // namespace
}  // namespace chorus
