#include "step_case.h"

namespace chorus::testing {
namespace {

constexpr double kTolerance = 2e-4;  // float32 sums of up to some hundred terms of magnitude 4, against float64 sums

std::vector<int64_t> some(Dice& dice, size_t n, int64_t low, int64_t high) {
  std::vector<int64_t> v;
  for (size_t i = 0; i < n; ++i) v.push_back(dice.roll(low, high));
  return v;
}

/// Epilogues drawn at random; `operands` are further inputs of the graph.
ValueId with_epilogues(GraphCase& c, Dice& dice, ValueId y, const Shape& shape, std::vector<Value>& inputs,
                       int channel_axis) {
  const int64_t channels = shape[channel_axis];
  std::vector<int64_t> spread(static_cast<size_t>(channel_axis == 1 ? shape.rank() - 1 : 1), 1);
  spread[0] = channels;
  const auto constant = [&] { return c.constant(dice.floats(dice.roll(0, 3) == 0 ? Shape{1} : Shape(spread))); };
  for (int64_t i = dice.roll(0, 3); i > 0; --i)
    y = dice.coin() ? c.op("Add", {y, constant()}) : c.op("Mul", {constant(), y});
  if (dice.coin()) {
    Dims dims;
    for (int64_t d : shape) dims.push_back(d);
    const ValueId other = c.in("r" + std::to_string(inputs.size()), dims);
    inputs.push_back(dice.floats(shape));
    y = dice.coin() ? c.op("Add", {y, other}) : c.op("Add", {other, y});
  }
  switch (dice.roll(0, 10)) {
    case 0: return c.op("Relu", {y});
    case 1: return c.op("Clip", {y, c.floats(Shape{}, {-0.5}), c.floats(Shape{}, {1.5})});
    case 2: return c.op("LeakyRelu", {y}, {{"alpha", 0.1F}});
    case 3: return c.op("HardSwish", {y});
    case 4: return c.op("HardSigmoid", {y}, {{"alpha", 0.25F}, {"beta", 0.4F}});
    case 5: return c.op("Sigmoid", {y});
    case 6: return c.op("Mul", {y, c.op("Sigmoid", {y})});
    case 7: return c.op("Tanh", {y});
    case 8: return c.op("Gelu", {y});
    case 9: return c.op("Gelu", {y}, {{"approximate", "tanh"}});
    default: return y;
  }
}

TEST(ConvolutionSteps, RandomConvolutionsWithEpiloguesEqualTheReference) {
  Dice dice(1);
  for (int i = 0; i < 60; ++i) {
    GraphCase c;
    const auto axes = static_cast<size_t>(dice.roll(1, 2));
    const int64_t groups = dice.roll(0, 2) == 0 ? dice.roll(1, 4) : 1, in_group = dice.roll(1, 9),
                  out_group = dice.roll(1, 20);
    std::vector<int64_t> x{dice.roll(1, 3), groups * in_group}, w{groups * out_group, in_group};
    const auto kernel = some(dice, axes, 1, 4), strides = some(dice, axes, 1, 3), dilations = some(dice, axes, 1, 2);
    std::vector<Value> inputs;
    for (size_t a = 0; a < axes; ++a)
      x.push_back((kernel[a] - 1) * dilations[a] + 1 + dice.roll(0, 14)), w.push_back(kernel[a]);
    Dims dims;
    for (int64_t d : x) dims.push_back(d);
    const ValueId image = c.in("x", dims);
    inputs.push_back(dice.floats(Shape(x)));
    const bool run_weights = dice.roll(0, 4) == 0;
    Dims filter;
    for (int64_t d : w) filter.push_back(d);
    const ValueId weights = run_weights ? c.in("w", filter) : c.constant(dice.floats(Shape(w)));
    if (run_weights) inputs.push_back(dice.floats(Shape(w)));
    std::vector<ValueId> operands{image, weights};
    const int64_t bias = dice.roll(0, 2);
    if (bias == 1) operands.push_back(c.constant(dice.floats(Shape{w[0]})));
    if (bias == 2) {
      operands.push_back(c.in("b", {w[0]}));
      inputs.push_back(dice.floats(Shape{w[0]}));
    }
    Attributes attributes{{"strides", strides}, {"dilations", dilations}, {"group", groups}};
    switch (dice.roll(0, 4)) {
      case 0: attributes.set("auto_pad", "SAME_UPPER"); break;
      case 1: attributes.set("auto_pad", "SAME_LOWER"); break;
      case 2: attributes.set("auto_pad", "VALID"); break;
      default: attributes.set("pads", some(dice, 2 * axes, 0, 3));
    }
    ValueId y = c.op("Conv", operands, attributes);
    infer_types(c.graph);
    std::vector<int64_t> shape;
    for (const Dim& d : c.graph.value(y).type.dims) shape.push_back(d.number());
    y = with_epilogues(c, dice, y, Shape(shape), inputs, 1);
    c.out(y, "y");
    const auto kernels = expect_steps(c, inputs, kTolerance, "conv.gemm.", "case " + std::to_string(i));
    EXPECT_EQ(kernels.size(), 1U) << "case " << i << " leaves steps beside the convolution";
  }
}

TEST(ConvolutionSteps, RandomTransposedConvolutionsEqualTheReference) {
  Dice dice(2);
  for (int i = 0; i < 40; ++i) {
    GraphCase c;
    const auto axes = static_cast<size_t>(dice.roll(1, 2));
    const int64_t groups = dice.roll(1, 2), in = groups * dice.roll(1, 6), out_group = dice.roll(1, 8);
    std::vector<int64_t> x{dice.roll(1, 2), in}, w{in, out_group};
    const auto kernel = some(dice, axes, 1, 4), strides = some(dice, axes, 1, 3);
    Dims dims{x[0], x[1]};
    for (size_t a = 0; a < axes; ++a) {
      x.push_back(dice.roll(3, 9));
      dims.push_back(x.back());
      w.push_back(kernel[a]);
    }
    std::vector<int64_t> extra;
    for (size_t a = 0; a < axes; ++a) extra.push_back(dice.roll(0, strides[a] - 1));
    std::vector<Value> inputs{dice.floats(Shape(x))};
    std::vector<ValueId> operands{c.in("x", dims), c.constant(dice.floats(Shape(w)))};
    if (dice.coin()) operands.push_back(c.constant(dice.floats(Shape{groups * out_group})));
    Attributes attributes{{"strides", strides}, {"group", groups}, {"output_padding", extra}};
    attributes.set("dilations", some(dice, axes, 1, 2));
    attributes.set("pads", some(dice, 2 * axes, 0, 1));
    ValueId y = c.op("ConvTranspose", operands, attributes);
    infer_types(c.graph);
    std::vector<int64_t> shape;
    for (const Dim& d : c.graph.value(y).type.dims) shape.push_back(d.number());
    y = with_epilogues(c, dice, y, Shape(shape), inputs, 1);
    c.out(y, "y");
    expect_steps(c, inputs, kTolerance, "conv_transpose.gemm.", "case " + std::to_string(i));
  }
}

TEST(ConvolutionSteps, OneProgramRunsManySizes) {
  Dice dice(3);
  GraphCase c;
  const ValueId x = c.in("x", {Dim::symbol("n"), 5, Dim::symbol("h"), Dim::symbol("w")});
  c.out(c.op("Relu", {c.op("Conv", {x, c.constant(dice.floats(Shape{7, 5, 3, 3}))},
                           {{"auto_pad", "SAME_UPPER"}, {"strides", std::vector<int64_t>{2, 1}}})}),
        "y");
  infer_types(c.graph);
  const auto instance = compile_steps(c.graph)->instance();
  for (const Shape& shape :
       {Shape{1, 5, 9, 9}, Shape{3, 5, 2, 31}, Shape{2, 5, 40, 3}, Shape{1, 5, 9, 9}, Shape{0, 5, 4, 4}}) {
    const std::vector<Value> inputs{dice.floats(shape)};
    std::vector<Value> outputs(1);
    instance->run(inputs, outputs, {});
    expect_close(outputs[0], run_graph(c.graph, inputs)[0], kTolerance, shape.str());
  }
}

// Results that padding alone makes are the bias: ONNX pads before it convolves.
TEST(ConvolutionSteps, PicturesWithoutPixelsGiveTheBias) {
  Dice dice(12);
  const struct {
    const char* op;
    std::vector<int64_t> x, w, pads;
    const char* kernel;
  } cases[] = {
      {"Conv", {2, 2, 0, 3}, {3, 2, 2, 2}, {1, 1, 1, 1}, "conv.gemm"},
      {"Conv", {1, 16, 4, 0}, {32, 16, 3, 3}, {0, 0, 0, 3}, "conv.gemm"},
      {"Conv", {1, 2, 0}, {3, 2, 3}, {2, 2}, "conv.gemm"},
      {"ConvTranspose", {1, 2, 0, 3}, {2, 3, 2, 2}, {0, 0, 0, 0}, "conv_transpose.gemm"},
      {"Conv", {1, 2, 0, 2, 2}, {3, 2, 2, 2, 2}, {1, 1, 1, 1, 1, 1}, ""},
  };
  for (const auto& one : cases) {
    GraphCase c;
    const std::vector<Dim> dims(one.x.begin(), one.x.end());
    const int64_t channels = one.op == std::string_view("Conv") ? one.w[0] : one.w[1];
    const Value bias = dice.floats(Shape{channels});
    const ValueId weights = c.constant(dice.floats(Shape(one.w)));
    c.out(c.op("Relu", {c.op(one.op, {c.in("x", Dims(dims)), weights, c.constant(bias)}, {{"pads", one.pads}})}), "y");
    const Value x = Value::tensor(DType::float32, Shape(one.x));
    expect_steps(c, {x}, 0, one.kernel, one.op);
    std::vector<Value> y(1);
    const auto instance = compile_steps(c.graph)->instance();
    instance->run(std::vector<Value>{x}, y, {});
    ASSERT_GT(y[0].numel(), 0);
    const int64_t plane = y[0].numel() / y[0].shape()[0] / channels;
    for (int64_t i = 0; i < y[0].numel(); ++i) {
      EXPECT_EQ(y[0].as<float>()[static_cast<size_t>(i)],
                std::max(0.0F, bias.as<float>()[static_cast<size_t>(i / plane % channels)]))
          << one.op << " element " << i;
    }
  }
}

TEST(ConvolutionSteps, TheRestIsLeftToTheReference) {
  Dice dice(4);
  GraphCase shaped;
  shaped.out(shaped.op("ConvTranspose", {shaped.in("x", {1, 2, 4, 4}), shaped.constant(dice.floats(Shape{2, 3, 3, 3}))},
                       {{"output_shape", std::vector<int64_t>{9, 9}}, {"strides", std::vector<int64_t>{2, 2}}}),
             "y");
  expect_steps(shaped, {dice.floats(Shape{1, 2, 4, 4})}, kTolerance, "reference");
  GraphCase wide;
  wide.out(wide.op("Conv", {wide.in("x", {1, 2, 4, 4}, DType::float64),
                            wide.constant(noise(Shape{3, 2, 2, 2}, 1, DType::float64))}),
           "y");
  expect_steps(wide, {noise(Shape{1, 2, 4, 4}, 2, DType::float64)}, 1e-12, "reference");
}

// What is folded and what is not --------------------------------------------------------------------------------------

struct Net {
  GraphCase c;
  ValueId x, y;
  explicit Net(uint64_t seed) {
    Dice dice(seed);
    x = c.in("x", {1, 4, 6, 6});
    y = c.op("Conv", {x, c.constant(dice.floats(Shape{4, 4, 3, 3}))}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  }
  ValueId number(double v) { return c.floats(Shape{}, {v}); }
  size_t steps(ValueId result) {
    c.out(result, "out");
    return expect_steps(c, {noise(Shape{1, 4, 6, 6}, 9)}, kTolerance, "conv.gemm.").size();
  }
};

TEST(ConvolutionSteps, SpelledOutActivationsAreFolded) {
  const auto sum = [](Net& n) { return n.c.op("Clip", {n.c.op("Add", {n.y, n.number(3)}), n.number(0), n.number(6)}); };
  Net after(1), before(2), times(3), sigmoid(4);
  EXPECT_EQ(after.steps(after.c.op("Div", {after.c.op("Mul", {after.y, sum(after)}), after.number(6)})), 1U);
  EXPECT_EQ(before.steps(before.c.op("Mul", {before.c.op("Div", {sum(before), before.number(6)}), before.y})), 1U);
  EXPECT_EQ(times.steps(times.c.op("Mul", {times.c.op("Mul", {times.y, times.number(1.0 / 6)}), sum(times)})), 1U);
  EXPECT_EQ(sigmoid.steps(sigmoid.c.op(
                "Mul", {sigmoid.c.op("HardSigmoid", {sigmoid.y}, {{"alpha", 1.0F / 6}, {"beta", 0.5F}}), sigmoid.y})),
            1U);
  const auto bell = [](Net& n) {
    return n.c.op("Add", {n.c.op("Erf", {n.c.op("Div", {n.y, n.number(1.4142135623730951)})}), n.number(1)});
  };
  Net gelu(5), side(6);
  EXPECT_EQ(gelu.steps(gelu.c.op("Mul", {gelu.c.op("Mul", {gelu.y, bell(gelu)}), gelu.number(0.5)})), 1U);
  EXPECT_EQ(side.steps(side.c.op("Mul", {side.c.op("Mul", {side.number(0.5), side.y}), bell(side)})), 1U);
}

TEST(ConvolutionSteps, OtherNumbersAreNotAnActivation) {
  Net seven(1), half(2), sigmoid(3), order(4);
  EXPECT_GT(seven.steps(seven.c.op(
                "Div", {seven.c.op("Mul", {seven.y, seven.c.op("Clip", {seven.c.op("Add", {seven.y, seven.number(3)}),
                                                                        seven.number(0), seven.number(7)})}),
                        seven.number(6)})),
            1U);
  EXPECT_GT(half.steps(half.c.op(
                "Mul", {half.c.op("Mul", {half.y, half.c.op("Add", {half.c.op("Erf", {half.y}), half.number(1)})}),
                        half.number(0.5)})),
            1U);
  EXPECT_GT(sigmoid.steps(sigmoid.c.op(
                "Mul", {sigmoid.c.op("HardSigmoid", {sigmoid.y}, {{"alpha", 0.2F}, {"beta", 0.5F}}), sigmoid.y})),
            1U);
  EXPECT_GT(order.steps(order.c.op(
                "Div", {order.number(6),
                        order.c.op("Mul", {order.y, order.c.op("Clip", {order.c.op("Add", {order.y, order.number(3)}),
                                                                        order.number(0), order.number(6)})})})),
            1U);
}

TEST(ConvolutionSteps, ValuesThatSomebodyReadsStay) {
  Net read(1), output(2);
  const ValueId activated = read.c.op("Relu", {read.y});
  EXPECT_GT(read.steps(read.c.op("Mul", {activated, read.c.op("Sin", {read.y})})), 1U);
  const ValueId named = output.c.op("Add", {output.y, output.number(1)});
  output.c.out(named, "middle");
  EXPECT_EQ(output.steps(output.c.op("Relu", {named})), 2U);
}

TEST(ConvolutionSteps, TheSumOfTwoConvolutionsIsFoldedOnce) {
  for (int swapped = 0; swapped < 2; ++swapped) {
    Net n(1);
    Dice dice(7);
    const ValueId other = n.c.op("Conv", {n.x, n.c.constant(dice.floats(Shape{4, 4, 1, 1}))});
    const ValueId sum = swapped ? n.c.op("Add", {other, n.y}) : n.c.op("Add", {n.y, other});
    EXPECT_EQ(n.steps(n.c.op(
                  "Relu", {n.c.op("Add", {sum, n.c.op("Conv", {n.x, n.c.constant(dice.floats(Shape{4, 4, 1, 1}))})})})),
              3U);
  }
}

}  // namespace
}  // namespace chorus::testing
