#include "step_case.h"

#include <cmath>
#include <limits>

namespace chorus::testing {
namespace {

Dims dims_of(const Shape& s) {
  Dims d;
  for (int64_t v : s) d.push_back(v);
  return d;
}

TEST(ElementwiseSteps, RandomBroadcastsOfUpToSevenAxes) {
  Dice dice(1);
  const char* names[] = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum"};
  for (int i = 0; i < 80; ++i) {
    const int64_t rank = dice.roll(0, 7);
    std::vector<int64_t> a, b;
    for (int64_t axis = 0; axis < rank; ++axis) {
      const int64_t extent = dice.roll(0, 9) == 0 ? 1 : dice.roll(2, rank > 4 ? 4 : 19);
      const int64_t manner = dice.roll(0, 3);
      a.push_back(manner == 0 ? 1 : extent);
      b.push_back(manner == 1 ? 1 : extent);
    }
    if (dice.coin()) b.erase(b.begin(), b.begin() + dice.roll(0, rank));
    GraphCase c;
    const Shape sa(a), sb(b);
    const bool swap = dice.coin();
    const ValueId x = c.in("a", dims_of(swap ? sb : sa)), y = c.in("b", dims_of(swap ? sa : sb));
    c.out(c.op(names[dice.roll(0, 6)], {x, y}), "y");
    expect_steps(c, {dice.floats(swap ? sb : sa), dice.floats(swap ? sa : sb)}, 3e-7, "binary.", sa.str() + sb.str());
  }
}

TEST(ElementwiseSteps, CubesOfAnyNumber) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x{0.0F,   -0.0F,   1.5F,   -1.5F,   inf,      -inf, std::nanf(""),
                       1e-14F, -3e-15F, 1e-20F, 6.9e12F, -7.1e12F, 1e30F};
  Dice dice(21);
  const Value more = dice.floats(Shape{40});
  x.insert(x.end(), more.as<float>().begin(), more.as<float>().end());
  GraphCase c;
  c.out(c.op("Pow", {c.in("a", {static_cast<int64_t>(x.size())}), c.floats({}, {3})}), "y");
  expect_steps(c, {Value::of<float>(Shape{static_cast<int64_t>(x.size())}, std::span<const float>(x))}, 1e-7,
               "binary.");
}

TEST(ElementwiseSteps, PowersOfPositiveAndNegativeNumbers) {
  GraphCase c;
  c.out(c.op("Pow", {c.in("a", {8}), c.in("b", {8})}), "y");
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  expect_steps(c,
               {Value::of<float>(Shape{8}, {2, -2, -2, 0, 0, inf, nan, 9}),
                Value::of<float>(Shape{8}, {0.5F, 3, 0.5F, 0, -1, 2, 0, -1.5F})},
               3e-7, "binary.");
}

TEST(ElementwiseSteps, SpecialNumbersGoThroughAsInTheReference) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const std::vector<float> special{nan, inf, -inf, 0.0F, -0.0F, 1, -1, 1e38F, -1e38F, 1e-40F, 3};
  std::vector<float> a, b;
  for (float x : special) {
    for (float y : special) a.push_back(x), b.push_back(y);
  }
  const auto n = static_cast<int64_t>(a.size());
  for (const char* name : {"Add", "Sub", "Mul", "Div", "Max", "Min"}) {
    GraphCase c;
    c.out(c.op(name, {c.in("a", {n}), c.in("b", {n})}), "y");
    expect_steps(
        c,
        {Value::of<float>(Shape{n}, std::span<const float>(a)), Value::of<float>(Shape{n}, std::span<const float>(b))},
        3e-7, "binary.", name);
  }
}

TEST(ElementwiseSteps, OverwritesAnOperandThatDies) {
  Dice dice(2);
  GraphCase c;
  const ValueId x = c.in("x", {3, 70}), y = c.op("Sin", {x});
  const ValueId twice = c.op("Add", {y, y}), mixed = c.op("Mul", {c.op("Sub", {twice, x}), twice});
  c.out(c.op("Relu", {c.op("Div", {mixed, c.in("s", {1, 70})})}), "y");
  expect_steps(
      c,
      {dice.floats(Shape{3, 70}), Value::of<float>(Shape{1, 70}, std::span<const float>(std::vector<float>(70, 0.7F)))},
      1e-5, "unary.");
}

TEST(ActivationSteps, FunctionsAtManyNumbers) {
  std::vector<float> numbers{0.0F,
                             -0.0F,
                             1e-30F,
                             -1e-30F,
                             88,
                             -88,
                             104,
                             -104,
                             1e30F,
                             -1e30F,
                             std::numeric_limits<float>::infinity(),
                             -std::numeric_limits<float>::infinity(),
                             std::numeric_limits<float>::quiet_NaN()};
  for (int i = -400; i <= 400; ++i) numbers.push_back(static_cast<float>(i) / 40);
  const auto n = static_cast<int64_t>(numbers.size());
  const Value x = Value::of<float>(Shape{n}, std::span<const float>(numbers));
  for (const char* name : {"Exp", "Log", "Tanh", "Sigmoid", "Erf", "HardSwish", "Sqrt", "Reciprocal", "Softplus",
                           "Relu", "Gelu", "LeakyRelu", "HardSigmoid"}) {
    GraphCase c;
    c.out(c.op(name, {c.in("x", {n})}), "y");
    // An infinity times zero is NaN in one order of computing and zero in another.
    const bool products = std::string_view(name) == "HardSwish" || std::string_view(name) == "Gelu";
    std::vector<float> finite(numbers);
    for (float& v : finite) v = products && !std::isfinite(v) ? 0.5F : v;
    expect_steps(c, {products ? Value::of<float>(Shape{n}, std::span<const float>(finite)) : x}, 1e-6, "unary.", name);
  }
  GraphCase tanh;
  tanh.out(tanh.op("Gelu", {tanh.in("x", {801})}, {{"approximate", "tanh"}}), "y");
  expect_steps(tanh, {Value::of<float>(Shape{801}, std::span<const float>(numbers).subspan(13))}, 1e-6, "unary.");
}

TEST(ActivationSteps, AnglesAndParameters) {
  Dice dice(3);
  for (const char* name : {"Sin", "Cos"}) {
    GraphCase c;
    c.out(c.op(name, {c.op("Mul", {c.in("x", {1000}), c.floats(Shape{}, {30})})}), "y");
    expect_steps(c, {dice.floats(Shape{1000})}, 1e-6, "binary.", name);
  }
  GraphCase leaky, hard;
  leaky.out(leaky.op("LeakyRelu", {leaky.in("x", {99})}, {{"alpha", -0.3F}}), "y");
  hard.out(hard.op("HardSigmoid", {hard.in("x", {99})}, {{"alpha", 0.7F}, {"beta", 0.1F}}), "y");
  expect_steps(leaky, {dice.floats(Shape{99})}, 1e-6, "unary.");
  expect_steps(hard, {dice.floats(Shape{99})}, 1e-6, "unary.");
}

TEST(ActivationSteps, ClipWithEveryKindOfBound) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x{-inf, -7, -1, 0, 1, 7, inf, std::numeric_limits<float>::quiet_NaN(), 3e38F};
  const Value value = Value::of<float>(Shape{9}, std::span<const float>(x));
  const double low[] = {-2, 5}, high[] = {2, -5};
  for (int l = -1; l < 2; ++l) {
    for (int h = -1; h < 2; ++h) {
      GraphCase c;
      std::vector<ValueId> operands{c.in("x", {9})};
      if (l >= 0 || h >= 0) operands.push_back(l >= 0 ? c.floats(Shape{}, {low[l]}) : kNone);
      if (h >= 0) operands.push_back(c.floats(Shape{}, {high[h]}));
      c.out(c.op("Clip", operands), "y");
      expect_steps(c, {value}, 0, "unary.", std::to_string(l) + " " + std::to_string(h));
    }
  }
}

}  // namespace
}  // namespace chorus::testing
