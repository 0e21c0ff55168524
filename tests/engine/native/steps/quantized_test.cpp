// Operators between DequantizeLinear and QuantizeLinear as steps of bytes, against the same nodes one by one by reference kernels.
// Results may differ by one where the float32 value lies within rounding of a tie, nowhere else.
#include "step_case.h"

#include <engine/native/jit/conv.h>
#include <engine/native/plan/quantized.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace chorus::testing {
namespace {

bool has_vectors() { return jit::level(cpu()) == jit::Level::avx512; }
bool has_products() { return has_vectors() && cpu().avx512_vnni; }

Value bytes(Dice& dice, DType type, const Shape& shape) {
  Value v = Value::tensor(type, shape);
  for (int64_t i = 0; i < v.numel(); ++i) {
    const auto byte = static_cast<uint8_t>(dice.roll(0, 255));
    std::memcpy(static_cast<std::byte*>(v.mutable_data()) + i, &byte, 1);
  }
  return v;
}
Value scalar(float x) { return Value::of<float>(Shape{}, {x}); }
Value point(DType type, int64_t v) {
  Value value = Value::tensor(type, Shape{});
  const auto byte = static_cast<uint8_t>(v);
  std::memcpy(value.mutable_data(), &byte, 1);
  return value;
}

/// A graph of which `real` (the value before the last QuantizeLinear) is known too.
struct Quantized {
  Dice& dice;
  GraphCase c;
  std::vector<Value> inputs;
  ValueId real = kNone;
  float step = 0;
  double sizes = 1;  // what sums of float32 may lose, in units of rounding of their steps
  explicit Quantized(Dice& d) : dice(d) {}

  DType any_type() { return dice.coin() ? DType::int8 : DType::uint8; }
  float any_scale() { return static_cast<float>(dice.roll(1, 1000)) * 1e-4F; }
  ValueId tensor(DType type, const Shape& shape, Dims dims = {}) {
    if (dims.empty()) {
      for (int64_t d : shape) dims.push_back(d);
    }
    const ValueId id = c.in("x" + std::to_string(inputs.size()), std::move(dims), type);
    inputs.push_back(bytes(dice, type, shape));
    return id;
  }
  int64_t any_point(DType type) { return dice.roll(0, 255) - (type == DType::int8 ? 128 : 0); }
  ValueId real_of(ValueId x, DType type) {
    return c.op("DequantizeLinear", {x, c.constant(scalar(any_scale())), c.constant(point(type, any_point(type)))});
  }
  void finish(ValueId value, float scale) {
    const DType type = any_type();
    real = value, step = scale;
    c.out(c.op("QuantizeLinear", {value, c.constant(scalar(scale)), c.constant(point(type, any_point(type)))}), "y");
  }
  /// Runs both; `kernel` must be among the steps'.
  void check(const std::string& kernel, const std::string& what, bool exact = false) {
    const Value want = run_graph(typed(c.graph), inputs)[0];
    GraphCase with_real = c;
    with_real.graph.add_output(real);
    const Value values = run_graph(typed(with_real.graph), inputs)[1];
    std::vector<Value> first;
    for (int threads : {1, 3}) {
      const auto program = compile_steps(c.graph, threads);
      const auto instance = program->instance();
      std::vector<Value> got(1);
      instance->run(inputs, got, {});
      compare(got[0], want, values, exact, what);
      bool found = kernel.empty();
      for (const StepInfo& s : instance->steps()) found = found || s.kernel.starts_with(kernel);
      EXPECT_TRUE(found) << what << ": no step by " << kernel << "\n" << program->plan().str();
    }
  }
  static Graph typed(const Graph& g) {
    Graph copy(g);
    infer_types(copy);
    return copy;
  }
  void compare(const Value& got, const Value& want, const Value& values, bool exact, const std::string& what) const {
    ASSERT_EQ(got.shape(), want.shape());
    const auto at = [](const Value& v, int64_t i) {
      const auto byte = static_cast<const uint8_t*>(v.data())[i];
      return v.dtype() == DType::int8 ? int{static_cast<int8_t>(byte)} : int{byte};
    };
    for (int64_t i = 0; i < want.numel(); ++i) {
      const int difference = std::abs(at(got, i) - at(want, i));
      if (difference == 0) continue;
      const double v = double{values.as<float>()[i]} / double{step};
      const double from_tie = std::abs(std::abs(v - std::floor(v)) - 0.5);
      ASSERT_TRUE(!exact && difference == 1 && from_tie <= sizes * 0x1p-22)
          << what << ": element " << i << " is " << at(got, i) << ", want " << at(want, i) << " of " << v;
    }
  }
};

struct ConvCase {
  int64_t n, in, out, kernel, groups, height, width;
  bool open = false;
};

/// Conv with weights of bytes, a bias or none, Relu or Clip or neither.
void build_conv(Quantized& q, const ConvCase& z, int variant) {
  Dice& dice = q.dice;
  const DType type = q.any_type();
  const Shape shape{z.n, z.in, z.height, z.width};
  Dims dims;
  if (z.open) dims = {Dim::symbol("n"), Dim(z.in), Dim::symbol("h"), Dim::symbol("w")};
  const float in_scale = q.any_scale();
  const ValueId x = q.c.op("DequantizeLinear", {q.tensor(type, shape, dims), q.c.constant(scalar(in_scale)),
                                                q.c.constant(point(type, q.any_point(type)))});
  const bool per_channel = dice.coin();
  std::vector<float> scales(static_cast<size_t>(per_channel ? z.out : 1));
  for (float& s : scales) s = q.any_scale();
  const Shape many = per_channel ? Shape{z.out} : Shape{};
  const ValueId scale = q.c.constant(Value::of<float>(many, std::span<const float>(scales)));
  Attributes axis;
  axis.set("axis", int64_t{0});
  const bool is_unsigned = dice.roll(0, 3) == 0;
  const DType kind = is_unsigned ? DType::uint8 : DType::int8;
  Value zeros = Value::tensor(kind, many);
  std::memset(zeros.mutable_data(), is_unsigned ? 128 : 0, static_cast<size_t>(zeros.numel()));
  const ValueId weights = q.c.constant(bytes(dice, kind, Shape{z.out, z.in / z.groups, z.kernel, z.kernel}));
  std::vector<ValueId> operands{x, q.c.op("DequantizeLinear", {weights, scale, q.c.constant(zeros)}, axis)};
  if (variant % 3 == 1) operands.push_back(q.c.constant(dice.floats(Shape{z.out})));
  if (variant % 3 == 2) {
    std::vector<int32_t> bias(static_cast<size_t>(z.out));
    for (int32_t& b : bias) b = static_cast<int32_t>(dice.roll(-20000, 20000));
    std::vector<float> products(scales);
    for (float& s : products) s *= in_scale;
    operands.push_back(q.c.op("DequantizeLinear",
                              {q.c.constant(Value::of<int32_t>(Shape{z.out}, std::span<const int32_t>(bias))),
                               q.c.constant(Value::of<float>(many, std::span<const float>(products)))},
                              axis));
  }
  Attributes attributes;
  const int64_t pad = dice.roll(0, z.kernel - 1), stride = dice.roll(1, 2);
  attributes.set("pads", std::vector<int64_t>{pad, pad, pad / 2, pad});
  attributes.set("strides", std::vector<int64_t>{stride, stride});
  attributes.set("group", z.groups);
  ValueId y = q.c.op("Conv", operands, attributes);
  if (variant % 4 == 1) y = q.c.op("Relu", {y});
  if (variant % 4 == 2) y = q.c.op("Clip", {y, q.c.constant(scalar(-0.5F)), q.c.constant(scalar(6))});
  const auto taps = static_cast<double>(z.in / z.groups * z.kernel * z.kernel);
  // Steps such that results spread over the bytes; a sum of float32 loses up to its terms' sizes.
  const float largest = in_scale * *std::max_element(scales.begin(), scales.end());
  const auto out = static_cast<float>(largest * 60 * std::sqrt(taps));
  q.sizes = 8 + taps * 255 * 128 * double{largest} / double{out};
  q.finish(y, out);
}

TEST(QuantizedSteps, Convolutions) {
  Dice dice(31);
  for (int i = 0; i < 48; ++i) {
    Quantized q(dice);
    ConvCase z{dice.roll(1, 2),  dice.roll(1, 40), dice.roll(1, 50), dice.roll(1, 3), 1,
               dice.roll(5, 14), dice.roll(5, 20)};
    if (i % 4 == 0) z.in = dice.roll(1, 4), z.kernel = dice.roll(1, 5);
    if (i % 6 == 1) z.groups = 2, z.in = 32, z.out = 32;
    if (i % 6 == 3) z.groups = z.in = z.out = dice.roll(2, 50);
    if (i % 12 == 5) z.groups = 8, z.in = z.out = 32;
    z.open = i % 3 == 0;
    build_conv(q, z, i);
    q.check(has_products() ? "bytes.conv" : "", "case " + std::to_string(i));
    if (::testing::Test::HasFailure()) return;
  }
}

/// MatMul, or Gemm with a bias of int32 or float32 or none.
void build_product(Quantized& q, int variant) {
  Dice& dice = q.dice;
  const bool gemm = variant % 2 == 1, transposed = gemm && dice.coin(), open = variant % 3 == 0;
  const int64_t m = dice.roll(1, 30), k = dice.roll(1, 100),
                n = variant % 4 < 2 ? 16 * dice.roll(1, 5) : dice.roll(1, 70);
  const Shape shape = gemm ? Shape{m, k} : Shape{dice.roll(1, 3), m, k};
  Dims dims;
  if (open) {
    for (int64_t d : shape) dims.push_back(d);
    dims[0] = Dim::symbol("rows");
  }
  const DType type = q.any_type(), kind = dice.roll(0, 3) == 0 ? DType::uint8 : DType::int8;
  const float in_scale = q.any_scale();
  const ValueId x = q.c.op("DequantizeLinear", {q.tensor(type, shape, dims), q.c.constant(scalar(in_scale)),
                                                q.c.constant(point(type, q.any_point(type)))});
  const bool per_channel = dice.coin();
  std::vector<float> scales(static_cast<size_t>(per_channel ? n : 1));
  for (float& s : scales) s = q.any_scale();
  const Shape many = per_channel ? Shape{n} : Shape{};
  Value zeros = Value::tensor(kind, many);
  std::memset(zeros.mutable_data(), kind == DType::uint8 ? 128 : 0, static_cast<size_t>(zeros.numel()));
  Attributes axis;
  axis.set("axis", int64_t{transposed ? 0 : 1});
  const ValueId w = q.c.constant(bytes(dice, kind, transposed ? Shape{n, k} : Shape{k, n}));
  const ValueId scale = q.c.constant(Value::of<float>(many, std::span<const float>(scales)));
  std::vector<ValueId> operands{x, q.c.op("DequantizeLinear", {w, scale, q.c.constant(zeros)}, axis)};
  if (gemm && variant % 6 == 1) operands.push_back(q.c.constant(dice.floats(Shape{n})));
  if (gemm && variant % 6 == 3) {
    std::vector<int32_t> bias(static_cast<size_t>(n));
    for (int32_t& b : bias) b = static_cast<int32_t>(dice.roll(-20000, 20000));
    std::vector<float> units(scales);
    for (float& s : units) s *= in_scale;
    Attributes first;
    first.set("axis", int64_t{0});
    operands.push_back(q.c.op("DequantizeLinear",
                              {q.c.constant(Value::of<int32_t>(Shape{n}, std::span<const int32_t>(bias))),
                               q.c.constant(Value::of<float>(many, std::span<const float>(units)))},
                              first));
  }
  Attributes attributes;
  if (transposed) attributes.set("transB", int64_t{1});
  ValueId y = q.c.op(gemm ? "Gemm" : "MatMul", operands, attributes);
  if (variant % 5 == 2) y = q.c.op("Relu", {y});
  const float largest = in_scale * *std::max_element(scales.begin(), scales.end());
  const auto out = static_cast<float>(largest * 60 * std::sqrt(static_cast<double>(k)));
  q.sizes = 8 + static_cast<double>(k) * 255 * 128 * double{largest} / double{out};
  q.finish(y, out);
}

TEST(QuantizedSteps, Products) {
  Dice dice(37);
  for (int i = 0; i < 60; ++i) {
    Quantized q(dice);
    build_product(q, i);
    q.check(has_products() ? "bytes.product" : "", "case " + std::to_string(i));
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(QuantizedSteps, ChainsStayInBytes) {
  if (!has_products()) GTEST_SKIP() << "no products of bytes here";
  Dice dice(32);
  for (int i = 0; i < 8; ++i) {
    // A residual block: three readers of one tensor of bytes, an Add and a pool behind it.
    GraphCase c;
    const DType type = i % 2 == 0 ? DType::int8 : DType::uint8;
    const ValueId zero = c.constant(point(type, 3)), scale = c.constant(scalar(0.02F));
    const auto down = [&](ValueId v) { return c.op("QuantizeLinear", {v, scale, zero}); };
    const auto up = [&](ValueId v) { return c.op("DequantizeLinear", {v, scale, zero}); };
    const auto conv = [&](ValueId v, int64_t kernel) {
      Attributes pads;
      pads.set("pads", std::vector<int64_t>(4, kernel / 2));
      const ValueId w = c.op("DequantizeLinear", {c.constant(bytes(dice, DType::int8, Shape{32, 32, kernel, kernel})),
                                                  c.constant(scalar(0.003F))});
      return down(c.op("Conv", {v, w}, pads));
    };
    const ValueId x = c.in("x", {2, 32, 9, 11});
    const ValueId x8 = down(x);
    const ValueId left = conv(up(x8), 3), right = conv(up(x8), 1);
    const ValueId sum = down(c.op("Relu", {c.op("Add", {up(left), up(right)})}));
    Attributes window;
    window.set("kernel_shape", std::vector<int64_t>{3, 3});
    window.set("pads", std::vector<int64_t>(4, 1));
    const ValueId pooled = down(c.op("MaxPool", {up(sum)}, window));
    const ValueId mean = down(c.op("GlobalAveragePool", {up(c.op("Identity", {pooled}))}));
    c.out(up(mean), "mean");
    c.out(up(sum), "sum");
    const Value input = dice.floats(Shape{2, 32, 9, 11});
    Graph graph(c.graph);
    infer_types(graph);
    const std::vector<Value> want = run_graph(graph, {input});
    const auto program = compile_steps(c.graph, 2);
    const auto instance = program->instance();
    std::vector<Value> got(2);
    instance->run(std::vector<Value>{input}, got, {});
    // A tie here or there moves a byte by one, and the mean by less.
    expect_close(got[0], want[0], 0.021, "mean");
    expect_close(got[1], want[1], 0.041, "sum");
    int floats = 0;
    std::string kernels;
    for (const StepInfo& s : instance->steps()) {
      kernels += std::string(s.kernel) + " ";
      floats += s.kernel.starts_with("conv") || s.kernel.starts_with("add");
    }
    EXPECT_EQ(floats, 0) << kernels;
    for (const char* kernel : {"bytes.conv", "bytes.add", "bytes.max_pool"})
      EXPECT_NE(kernels.find(kernel), std::string::npos) << kernel << " in " << kernels;
  }
}

TEST(QuantizedSteps, SumsAreExact) {
  Dice dice(33);
  for (int i = 0; i < 20; ++i) {
    Quantized q(dice);
    const Shape shape{dice.roll(1, 2), dice.roll(1, 40), dice.roll(1, 9), dice.roll(1, 9)};
    const DType left = q.any_type(), right = q.any_type();
    const ValueId a = q.real_of(q.tensor(left, shape), left);
    const ValueId b = q.real_of(q.tensor(right, shape), right);
    ValueId y = q.c.op("Add", {a, b});
    if (dice.coin()) y = q.c.op("Relu", {y});
    q.finish(y, q.any_scale());
    q.check(has_vectors() ? "bytes.add" : "", "case " + std::to_string(i), true);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(QuantizedSteps, ScalesAloneAreExact) {
  Dice dice(34);
  for (int i = 0; i < 20; ++i) {
    Quantized q(dice);
    const Shape shape{dice.roll(1, 3), dice.roll(1, 40), dice.roll(1, 9)};
    const DType type = q.any_type();
    const ValueId x = q.real_of(q.tensor(type, shape), type);
    q.finish(q.c.op("Neg", {x}), q.any_scale());
    q.check(has_vectors() ? "quantize" : "", "case " + std::to_string(i), true);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(QuantizedSteps, AveragesOfPictures) {
  Dice dice(35);
  for (int i = 0; i < 16; ++i) {
    Quantized q(dice);
    const Shape shape{dice.roll(1, 2), dice.roll(1, 40), dice.roll(1, 9), dice.roll(1, 9)};
    const DType type = q.any_type();
    const ValueId x = q.real_of(q.tensor(type, shape), type);
    Attributes keep;
    keep.set("keepdims", int64_t{1});
    const ValueId y = i % 2 == 0 ? q.c.op("GlobalAveragePool", {x}) : q.c.op("ReduceMean", {x, q.c.ints({2, 3})}, keep);
    q.sizes = 4096;  // means of up to 81 numbers of 255 steps
    q.finish(y, q.any_scale());
    q.check(has_vectors() ? "bytes.average" : "", "case " + std::to_string(i));
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(QuantizedSteps, WhatIsReadElsewhereStaysFloat) {
  Dice dice(36);
  Quantized q(dice);
  build_conv(q, {1, 16, 16, 1, 1, 6, 6}, 0);
  ASSERT_TRUE(native::find_quantized(Quantized::typed(q.c.graph), q.c.graph.value(q.real).producer).has_value());
  q.c.out(q.real, "real");  // the float32 result is asked for
  EXPECT_FALSE(native::find_quantized(Quantized::typed(q.c.graph), q.c.graph.value(q.real).producer).has_value());
}

}  // namespace
}  // namespace chorus::testing
