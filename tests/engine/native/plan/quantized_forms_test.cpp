// Operators of bytes in the form that steps of bytes know: the pass alone, and whole compiles against exact sums.
#include <engine/native/jit/conv.h>
#include <engine/native/native_engine.h>
#include <engine/native/plan/quantized.h>

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "graph/graph_case.h"

namespace chorus::native {
namespace {

using chorus::testing::GraphCase;

bool has_products() { return cpu().avx512_vnni && jit::level(cpu()) == jit::Level::avx512; }

struct Numbers {
  std::mt19937 random{17};
  int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }
  Value bytes(DType type, const Shape& shape) {
    Value v = Value::tensor(type, shape);
    for (int64_t i = 0; i < v.numel(); ++i) static_cast<uint8_t*>(v.mutable_data())[i] = static_cast<uint8_t>(random());
    return v;
  }
  Value point(DType type) { return bytes(type, Shape{}); }
  Value middle(DType type) {
    Value v = Value::tensor(type, Shape{});
    *static_cast<uint8_t*>(v.mutable_data()) = type == DType::uint8 ? 128 : 0;
    return v;
  }
  float scale() { return static_cast<float>(pick(1, 1000)) * 1e-4F; }
};
Value scalar(float v) { return Value::of<float>(Shape{}, {v}); }
int64_t byte_at(const Value& v, int64_t i) {
  const auto bits = static_cast<const uint8_t*>(v.data())[i];
  return v.dtype() == DType::int8 ? static_cast<int8_t>(bits) : bits;
}

/// One QLinear operator, and the same sums in int32.
struct Linear {
  GraphCase quantized, integers;
  Value x, zero_y;
  std::vector<float> scales;
  std::vector<int32_t> bias;
  float x_scale, y_scale;
  int64_t channels;
};

Linear make_linear(Numbers& n, bool conv, int variant) {
  Linear l;
  const DType x_type = variant % 2 == 0 ? DType::uint8 : DType::int8,
              y_type = n.pick(0, 1) == 0 ? DType::uint8 : DType::int8;
  const DType w_type = variant % 3 == 0 ? DType::uint8 : DType::int8;
  const int64_t in = n.pick(1, 40), k = conv ? n.pick(1, 3) : 1;
  l.channels = n.pick(1, 40);
  const Shape x_shape = conv ? Shape{n.pick(1, 2), in, n.pick(4, 9), n.pick(4, 12)} : Shape{n.pick(1, 20), in};
  const Shape w_shape = conv ? Shape{l.channels, in, k, k} : Shape{in, l.channels};
  l.x = n.bytes(x_type, x_shape);
  l.zero_y = n.point(y_type);
  l.x_scale = n.scale();
  for (int64_t c = 0; c < (variant % 4 < 2 ? 1 : l.channels); ++c) l.scales.push_back(n.scale());
  l.y_scale = l.x_scale * l.scales[0] * 60 * std::sqrt(static_cast<float>(in * k * k));
  const Value x_zero = n.point(x_type), w = n.bytes(w_type, w_shape), w_zero = n.middle(w_type);
  Attributes window;
  if (conv) window.set("pads", std::vector<int64_t>{k - 1, 0, k / 2, k - 1});
  Dims dims;
  for (int64_t d : x_shape) dims.push_back(d);
  const Shape many = l.scales.size() == 1 ? Shape{} : Shape{l.channels};
  {
    GraphCase& c = l.quantized;
    std::vector<ValueId> operands{c.in("x", dims, x_type),
                                  c.constant(scalar(l.x_scale)),
                                  c.constant(x_zero),
                                  c.constant(w),
                                  c.constant(Value::of<float>(many, std::span<const float>(l.scales))),
                                  c.constant(w_zero),
                                  c.constant(scalar(l.y_scale)),
                                  c.constant(l.zero_y)};
    if (conv && variant % 5 != 0) {
      for (int64_t i = 0; i < l.channels; ++i) l.bias.push_back(static_cast<int32_t>(n.pick(-9000, 9000)));
      operands.push_back(c.constant(Value::of<int32_t>(Shape{l.channels}, std::span<const int32_t>(l.bias))));
    }
    c.out(c.op(conv ? "QLinearConv" : "QLinearMatMul", operands, window), "y");
  }
  GraphCase& c = l.integers;
  c.out(c.op(conv ? "ConvInteger" : "MatMulInteger",
             {c.in("x", dims, x_type), c.constant(w), c.constant(x_zero), c.constant(w_zero)}, window),
        "y");
  return l;
}

/// Exact but where the number lies within rounding of a tie.
void expect_exact(const Linear& l, bool conv, const Value& got, const Value& sums, int variant) {
  const double low = got.dtype() == DType::int8 ? -128 : 0, zero = static_cast<double>(byte_at(l.zero_y, 0));
  const int64_t inner = conv ? got.shape()[2] * got.shape()[3] : 1;
  for (int64_t i = 0; i < got.numel(); ++i) {
    const auto channel = static_cast<size_t>(i / inner % l.channels);
    const double sum = sums.as<int32_t>()[static_cast<size_t>(i)] + (l.bias.empty() ? 0.0 : l.bias[channel]);
    const double v = sum * double{l.x_scale} * double{l.scales[l.scales.size() == 1 ? 0 : channel]} / double{l.y_scale};
    const auto byte = [&](double r) { return std::clamp(std::nearbyint(r) + zero, low, low + 255); };
    const double slack = std::abs(v) * 0x1p-21, is = static_cast<double>(byte_at(got, i));
    ASSERT_TRUE(byte(v - slack) <= is && is <= byte(v + slack))
        << "case " << variant << ", " << i << ": " << is << " of " << v;
  }
}

TEST(QuantizedForms, LinearOperatorsAreStepsOfBytes) {
  Numbers n;
  for (int i = 0; i < 40; ++i) {
    const bool conv = i % 2 == 0 || i % 5 == 0;
    Linear l = make_linear(n, conv, i);
    Graph integers(l.integers.graph);
    infer_types(integers);
    const Value sums = chorus::testing::run_graph(integers, {l.x})[0];
    Model model;
    model.graph = chorus::testing::shared(std::move(l.quantized.graph));
    const auto instance = compile(model, {})->instance();
    std::vector<Value> got(1);
    instance->run(std::vector<Value>{l.x}, got, {});
    expect_exact(l, conv, got[0], sums, i);
    if (HasFailure()) return;
    if (!has_products()) continue;
    bool found = false;
    for (const StepInfo& s : instance->steps()) found = found || s.kernel == (conv ? "bytes.conv" : "bytes.product");
    EXPECT_TRUE(found) << "case " << i;
  }
}

TEST(QuantizedForms, BytesMoveAsTheyAre) {
  Numbers n;
  for (const bool same : {true, false}) {
    GraphCase c;
    const ValueId scale = c.constant(scalar(0.1F)), zero = c.constant(n.point(DType::uint8));
    const ValueId other = same ? scale : c.constant(scalar(0.2F));
    const ValueId up = c.op("DequantizeLinear", {c.in("x", {2, 6}, DType::uint8), scale, zero});
    c.out(c.op("QuantizeLinear", {c.op("Reshape", {up, c.ints({3, 4})}), other, zero}), "y");
    PassContext context;
    const int changes =
        chorus::testing::run_pass(c.graph, quantized_forms, {n.bytes(DType::uint8, Shape{2, 6})}, 0, context);
    EXPECT_EQ(changes, same ? 1 : 0);
  }
}

TEST(QuantizedForms, WhatBytesCannotHoldStays) {
  Numbers n;
  Linear l = make_linear(n, true, 1);
  Graph& g = l.quantized.graph;
  const NodeId id = g.value(g.outputs()[0]).producer;
  Value zero = n.middle(DType::int8);
  *static_cast<uint8_t*>(zero.mutable_data()) = 3;
  g.set_operand(id, 5, l.quantized.constant(zero));  // weights of up to -131
  infer_types(g);
  PassContext context;
  EXPECT_EQ(quantized_forms(g, context), 0);
}

}  // namespace
}  // namespace chorus::native
