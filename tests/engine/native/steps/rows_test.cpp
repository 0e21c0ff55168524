// Normalisations, reductions, pools and movements at random shapes.
#include "step_case.h"

namespace chorus::testing {
namespace {

Dims dims_of(const Shape& s) {
  Dims d;
  for (int64_t v : s) d.push_back(v);
  return d;
}

Shape random_shape(Dice& dice, int64_t rank, int64_t low, int64_t high) {
  std::vector<int64_t> d;
  for (int64_t i = 0; i < rank; ++i) d.push_back(dice.roll(low, high));
  return Shape(d);
}

void one_node(Dice& dice, std::string_view op, const Shape& shape, Attributes attributes, double tolerance,
              std::string_view kernel) {
  GraphCase c;
  c.out(c.op(op, {c.in("x", dims_of(shape))}, attributes), "y");
  expect_steps(c, {dice.floats(shape)}, tolerance, kernel, std::string(op) + shape.str());
}

TEST(NormalizationSteps, SoftmaxAlongAnyAxis) {
  Dice dice(1);
  for (int i = 0; i < 40; ++i) {
    const int64_t rank = dice.roll(1, 5);
    const Shape shape = random_shape(dice, rank, 1, rank > 3 ? 7 : 30);
    one_node(dice, dice.coin() ? "Softmax" : "LogSoftmax", shape, {{"axis", dice.roll(-rank, rank - 1)}}, 2e-6, "");
  }
  one_node(dice, "Softmax", Shape{3, 1000}, {}, 2e-6, "softmax.");
  one_node(dice, "LogSoftmax", Shape{3, 7, 5}, {{"axis", int64_t{1}}}, 2e-6, "log_softmax.");
}

TEST(NormalizationSteps, LayersWithAllOutputs) {
  Dice dice(2);
  for (int i = 0; i < 30; ++i) {
    const int64_t rank = dice.roll(1, 4), axis = dice.roll(0, rank - 1);
    const Shape shape = random_shape(dice, rank, 2, 20);
    const Shape line(shape.dims().subspan(static_cast<size_t>(axis)));
    GraphCase c;
    std::vector<Value> inputs{dice.floats(shape), dice.floats(line)};
    std::vector<ValueId> operands{c.in("x", dims_of(shape)), c.in("scale", dims_of(line))};
    if (dice.coin()) operands.push_back(c.constant(dice.floats(line)));
    const int outputs = static_cast<int>(dice.roll(1, 3));
    const ValueId y =
        c.op("LayerNormalization", operands, {{"axis", dice.coin() ? axis : axis - rank}, {"epsilon", 1e-3F}}, outputs);
    for (int o = 0; o < outputs; ++o) c.out(c.other(y, o), "y" + std::to_string(o));
    expect_steps(c, inputs, 2e-5, "layer_norm.", shape.str());
    GraphCase rms;
    rms.out(rms.op("RMSNormalization", {rms.in("x", dims_of(shape)), rms.in("scale", dims_of(line))}, {{"axis", axis}}),
            "y");
    expect_steps(rms, inputs, 2e-5, "rms_norm.", shape.str());
  }
}

TEST(NormalizationSteps, RowsOfNoNumbersHaveNoMean) {
  GraphCase c;
  const ValueId y = c.op("LayerNormalization", {c.in("x", {3, 0}), c.in("scale", {0})}, {}, 3);
  for (int o = 0; o < 3; ++o) c.out(c.other(y, o), "y" + std::to_string(o));
  Dice dice(13);
  expect_steps(c, {dice.floats(Shape{3, 0}), dice.floats(Shape{0})}, 0, "layer_norm.");
}

TEST(NormalizationSteps, AScaleThatIsBroadcastIsLeftToTheReference) {
  Dice dice(3);
  GraphCase c;
  c.out(c.op("LayerNormalization", {c.in("x", {2, 3, 4}), c.in("s", {1})}, {{"axis", int64_t{1}}}), "y");
  expect_steps(c, {dice.floats(Shape{2, 3, 4}), dice.floats(Shape{1})}, 2e-5, "reference");
}

TEST(NormalizationSteps, BatchNormalizationWithAndWithoutRelu) {
  Dice dice(4);
  for (const Shape& shape : {Shape{2, 5, 7, 9}, Shape{3, 4}, Shape{1, 6, 33}}) {
    for (int relu = 0; relu < 2; ++relu) {
      GraphCase c;
      const Shape channels{shape[1]};
      const ValueId variance = c.constant(
          Value::of<float>(channels, std::span<const float>(std::vector<float>(static_cast<size_t>(shape[1]), 0.6F))));
      ValueId y =
          c.op("BatchNormalization", {c.in("x", dims_of(shape)), c.constant(dice.floats(channels)),
                                      c.constant(dice.floats(channels)), c.constant(dice.floats(channels)), variance});
      if (relu) y = c.op("Relu", {y});
      c.out(y, "y");
      EXPECT_EQ(expect_steps(c, {dice.floats(shape)}, 1e-5, "batch_norm.", shape.str()).size(), 1U);
    }
  }
}

TEST(ReductionSteps, NeighbouringAxesOfRandomTensors) {
  Dice dice(5);
  const char* names[] = {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare"};
  for (int i = 0; i < 60; ++i) {
    const int64_t rank = dice.roll(1, 5), first = dice.roll(0, rank - 1), last = dice.roll(first, rank - 1);
    const Shape shape = random_shape(dice, rank, 1, rank > 3 ? 6 : 25);
    std::vector<int64_t> axes;
    for (int64_t a = first; a <= last; ++a)
      axes.insert(dice.coin() ? axes.begin() : axes.end(), dice.coin() ? a : a - rank);
    GraphCase c;
    const ValueId list =
        c.constant(Value::of<int64_t>(Shape{static_cast<int64_t>(axes.size())}, std::span<const int64_t>(axes)));
    c.out(c.op(names[i % 5], {c.in("x", dims_of(shape)), list}, {{"keepdims", dice.roll(0, 1)}}), "y");
    expect_steps(c, {dice.floats(shape)}, 3e-6, "reduce.", std::string(names[i % 5]) + shape.str());
  }
  one_node(dice, "ReduceMean", Shape{3, 4, 5}, {}, 3e-6, "reduce.");
}

TEST(ReductionSteps, AxesApartAndNoAxesAreLeftToTheReference) {
  Dice dice(6);
  GraphCase c;
  c.out(c.op("ReduceSum", {c.in("x", {3, 4, 5}), c.ints({0, 2})}), "y");
  expect_steps(c, {dice.floats(Shape{3, 4, 5})}, 3e-6, "reference");
  one_node(dice, "ReduceSum", Shape{3, 4}, {{"noop_with_empty_axes", int64_t{1}}}, 0, "reference");
}

TEST(PoolingSteps, RandomWindows) {
  Dice dice(7);
  for (int i = 0; i < 60; ++i) {
    const auto axes = static_cast<size_t>(dice.roll(1, 2));
    std::vector<int64_t> x{dice.roll(1, 2), dice.roll(1, 5)}, kernel, strides, pads(2 * axes);
    for (size_t a = 0; a < axes; ++a) {
      kernel.push_back(dice.roll(1, 4));
      strides.push_back(dice.roll(1, 3));
      pads[a] = dice.roll(0, kernel[a] - 1);
      pads[a + axes] = dice.roll(0, kernel[a] - 1);
      x.push_back(kernel[a] + dice.roll(0, 20));
    }
    const bool average = dice.coin();
    Attributes attributes{{"kernel_shape", kernel}, {"strides", strides}};
    switch (dice.roll(0, 4)) {
      case 0: attributes.set("auto_pad", "SAME_UPPER"); break;
      case 1: attributes.set("auto_pad", "SAME_LOWER"); break;
      default: attributes.set("pads", pads);
    }
    if (!attributes.find("auto_pad")) attributes.set("ceil_mode", dice.roll(0, 1));
    if (average) attributes.set("count_include_pad", dice.roll(0, 1));
    one_node(dice, average ? "AveragePool" : "MaxPool", Shape(x), attributes, average ? 2e-6 : 0,
             average ? "average_pool." : "max_pool.");
  }
  one_node(dice, "GlobalAveragePool", Shape{2, 3, 9, 11}, {}, 2e-6, "global_average_pool.");
  one_node(dice, "GlobalMaxPool", Shape{2, 3, 70}, {}, 0, "global_max_pool.");
}

TEST(PoolingSteps, IndicesAndDilationsAreLeftToTheReference) {
  Dice dice(8);
  GraphCase c;
  const ValueId y = c.op("MaxPool", {c.in("x", {1, 2, 6, 6})}, {{"kernel_shape", std::vector<int64_t>{2, 2}}}, 2);
  c.out(y, "y");
  c.out(c.other(y, 1), "indices");
  expect_steps(c, {dice.floats(Shape{1, 2, 6, 6})}, 0, "reference");
  one_node(dice, "MaxPool", Shape{1, 2, 9, 9},
           {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"dilations", std::vector<int64_t>{2, 2}}}, 0, "reference");
}

TEST(MovementSteps, RandomPermutationsMoveEveryBit) {
  Dice dice(9);
  for (int i = 0; i < 80; ++i) {
    const int64_t rank = dice.roll(1, 6);
    const Shape shape = random_shape(dice, rank, 1, rank > 4 ? 5 : 17);
    std::vector<int64_t> perm;
    for (int64_t a = 0; a < rank; ++a) perm.insert(perm.begin() + dice.roll(0, a), a);
    const DType type = dice.roll(0, 2) == 0 ? DType::int64 : dice.coin() ? DType::int32 : DType::float32;
    GraphCase c;
    c.out(c.op("Transpose", {c.in("x", dims_of(shape), type)},
               dice.roll(0, 5) == 0 ? Attributes{} : Attributes{{"perm", perm}}),
          "y");
    expect_steps(c, {noise(shape, static_cast<uint64_t>(i), type)}, 0, "transpose.", shape.str());
  }
}

TEST(MovementSteps, ConcatenationsOfSomeTensors) {
  Dice dice(10);
  for (int i = 0; i < 30; ++i) {
    const int64_t rank = dice.roll(1, 4), axis = dice.roll(0, rank - 1);
    const Shape shape = random_shape(dice, rank, 1, i % 10 == 0 ? 40 : 7);
    GraphCase c;
    std::vector<ValueId> operands;
    std::vector<Value> inputs;
    for (int64_t k = dice.roll(1, 5); k > 0; --k) {
      std::vector<int64_t> own(shape.begin(), shape.end());
      own[static_cast<size_t>(axis)] = dice.roll(0, 9);
      operands.push_back(c.in("x" + std::to_string(k), dims_of(Shape(own))));
      inputs.push_back(dice.floats(Shape(own)));
    }
    c.out(c.op("Concat", operands, {{"axis", dice.coin() ? axis : axis - rank}}), "y");
    expect_steps(c, inputs, 0, "concat.", shape.str());
  }
}

TEST(MovementSteps, ResizeInEveryModeThatItTakes) {
  Dice dice(11);
  for (const char* mode : {"nearest", "linear"}) {
    for (const char* where :
         {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"}) {
      for (const char* nearest : {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}) {
        for (int i = 0; i < 6; ++i) {
          const Shape shape{dice.roll(1, 2), dice.roll(1, 3), dice.roll(1, 12), dice.roll(1, 12)};
          GraphCase c;
          const ValueId x = c.in("x", dims_of(shape));
          const double factors[] = {0.4, 0.5, 1, 1.7, 2, 3};
          Attributes attributes{{"mode", mode}, {"coordinate_transformation_mode", where}, {"nearest_mode", nearest}};
          std::vector<ValueId> operands{x, kNone};
          if (i % 3 == 0) {
            operands.push_back(c.floats(Shape{4}, {1, 1, factors[dice.roll(1, 5)], factors[dice.roll(1, 5)]}));
          } else if (i % 3 == 1) {
            operands.insert(operands.end(), {kNone, c.ints({shape[0], shape[1], dice.roll(1, 20), dice.roll(1, 20)})});
          } else {
            operands.push_back(c.floats(Shape{2}, {2, 1}));
            attributes.set("axes", std::vector<int64_t>{2, -1});
          }
          c.out(c.op("Resize", operands, attributes), "y");
          expect_steps(c, {dice.floats(shape)}, mode[0] == 'n' ? 0 : 3e-6, "resize.",
                       std::string(mode) + " " + where + " " + nearest + shape.str());
        }
      }
    }
  }
}

TEST(MovementSteps, OtherResizesAreLeftToTheReference) {
  Dice dice(12);
  const auto reference = [&](Attributes attributes, std::initializer_list<double> scales) {
    GraphCase c;
    c.out(c.op("Resize", {c.in("x", {1, 2, 5, 6}), kNone, c.floats(Shape{4}, scales)}, attributes), "y");
    expect_steps(c, {dice.floats(Shape{1, 2, 5, 6})}, 1e-5, "reference");
  };
  reference({{"mode", "cubic"}}, {1, 1, 2, 2});
  reference({{"mode", "linear"}, {"antialias", int64_t{1}}}, {1, 1, 0.5, 0.5});
  reference({{"mode", "linear"}}, {1, 2, 1, 2});
}

}  // namespace
}  // namespace chorus::testing
