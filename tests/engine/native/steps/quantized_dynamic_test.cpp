// What stands around integer products of dynamic quantisation, every element equal to the reference kernels'.
#include "step_case.h"

#include <cmath>
#include <limits>

namespace chorus::testing {
namespace {

TEST(DynamicQuantizeSteps, EveryElement) {
  Dice dice(41);
  const float infinity = std::numeric_limits<float>::infinity();
  for (int i = 0; i < 30; ++i) {
    // Sizes below a vector, of several tasks, and in between.
    const Shape shape{dice.roll(1, 3), i % 5 == 0 ? dice.roll(20000, 70000) : dice.roll(1, 200)};
    Value x = dice.floats(shape);
    auto numbers = x.as_mutable<float>();
    for (float& v : numbers)
      v = (v + (i % 3 == 0 ? 2 : i % 3 == 1 ? -2 : 0)) * static_cast<float>(i % 4 == 0 ? 1e-20 : 3);
    const auto any = static_cast<size_t>(dice.roll(0, static_cast<int64_t>(numbers.size()) - 1));
    if (i % 10 == 3) numbers[any] = infinity;
    if (i % 10 == 4) numbers[any] = -infinity;
    if (i % 10 == 6) numbers[any] = NAN;
    if (i == 7) std::fill(numbers.begin(), numbers.end(), 0.0F);
    if (i == 17) std::fill(numbers.begin(), numbers.end(), 1e-45F);
    GraphCase c;
    Dims dims;
    for (int64_t d : shape) dims.push_back(d);
    const ValueId made = c.op("DynamicQuantizeLinear", {c.in("x", dims)}, {}, 3);
    c.out(made, "y"), c.out(c.other(made, 1), "scale"), c.out(c.other(made, 2), "zero");
    expect_steps(c, {x}, 0, "dynamic_quantize", "case " + std::to_string(i));
    if (HasFailure()) return;
  }
}

TEST(DynamicQuantizeSteps, CastOfSums) {
  Dice dice(42);
  for (int i = 0; i < 10; ++i) {
    const Shape shape{dice.roll(1, 40000)};
    Value x = Value::tensor(DType::int32, shape);
    for (int32_t& v : x.as_mutable<int32_t>()) v = static_cast<int32_t>(dice.roll(INT32_MIN, INT32_MAX));
    GraphCase c;
    Attributes to;
    to.set("to", static_cast<int64_t>(DType::float32));
    c.out(c.op("Cast", {c.in("x", {shape[0]}, DType::int32)}, to), "y");
    expect_steps(c, {x}, 0, "cast.integers", "case " + std::to_string(i));
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace chorus::testing
