#include "step_case.h"

#include <engine/native/jit/conv.h>
#include <engine/native/plan/spelled_forms.h>

#include <cmath>

namespace chorus::testing {
namespace {

constexpr double kTolerance = 2e-4;

/// The tiles need generated code; the same cases run without it too (CHORUS_JIT=off, other processors).
const char* kernel(const char* tiles, const char* otherwise) {
  return jit::level(cpu()) == jit::Level::plain ? otherwise : tiles;
}

TEST(ProductSteps, RandomProductsWithEpilogues) {
  Dice dice(11);
  for (int i = 0; i < 60; ++i) {
    GraphCase c;
    const int64_t batch = dice.roll(1, 3), m = dice.roll(8, 40), n = 16 * dice.roll(1, 9);
    const int64_t ks[] = {dice.roll(1, 70), 16 * dice.roll(1, 8), 1024}, k = ks[dice.roll(0, 2)];
    std::vector<Value> inputs{dice.floats(Shape{batch, m, k})};
    const ValueId a = c.in("a", {batch, m, k});
    Value b = dice.floats(Shape{k, n});
    for (float& v : b.as_mutable<float>()) v /= std::sqrt(static_cast<float>(k));
    ValueId y = c.op("MatMul", {a, c.constant(std::move(b))});
    if (dice.coin()) y = c.op("Add", {y, c.constant(dice.floats(Shape{n}))});
    if (dice.coin()) y = c.op("Mul", {y, c.constant(dice.floats(Shape{1, n}))});
    if (dice.coin()) {
      y = c.op("Add", {c.in("r", {batch, m, n}), y});
      inputs.push_back(dice.floats(Shape{batch, m, n}));
    }
    const char* names[] = {"Relu", "Tanh", "Gelu", "HardSwish", "Sigmoid", "LeakyRelu"};
    if (const int64_t f = dice.roll(0, 6); f < 6) y = c.op(names[f], {y});
    c.out(y, "y");
    EXPECT_EQ(
        expect_steps(c, inputs, kTolerance, kernel("matmul.tiles", "matmul.gemm"), "case " + std::to_string(i)).size(),
        1U)
        << i;
    if (HasFailure()) return;
  }
}

TEST(ProductSteps, GemmWithBothFormsOfTheRightMatrix) {
  Dice dice(12);
  for (int i = 0; i < 20; ++i) {
    GraphCase c;
    const int64_t m = dice.roll(8, 30), k = dice.roll(1, 50), n = 16 * dice.roll(1, 4);
    const bool turned = dice.coin();
    const ValueId b = c.constant(dice.floats(turned ? Shape{n, k} : Shape{k, n}));
    std::vector<ValueId> operands{c.in("a", {m, k}), b};
    if (dice.coin()) operands.push_back(c.constant(dice.floats(dice.coin() ? Shape{n} : Shape{1, 1})));
    const Attributes attributes{{"transB", int64_t{turned}}, {"alpha", 0.5F}, {"beta", 1.5F}};
    c.out(c.op("Relu", {c.op("Gemm", operands, attributes)}), "y");
    expect_steps(c, {dice.floats(Shape{m, k})}, kTolerance, kernel("gemm.tiles", "gemm.gemm"),
                 "case " + std::to_string(i));
  }
}

TEST(ProductSteps, LongRowsAreSummedInParts) {
  Dice dice(15);
  for (int i = 0; i < 8; ++i) {
    GraphCase c;
    const int64_t m = dice.roll(60, 130), k = i % 2 == 0 ? 2048 : 3072, n = 16 * dice.roll(1, 3);
    std::vector<Value> inputs{dice.floats(Shape{m, k})};
    Value b = dice.floats(Shape{k, n});
    for (float& v : b.as_mutable<float>()) v /= std::sqrt(static_cast<float>(k));
    ValueId y = c.op("MatMul", {c.in("a", {m, k}), c.constant(std::move(b))});
    if (dice.coin()) y = c.op("Add", {y, c.constant(dice.floats(Shape{n}))});
    if (dice.coin()) {
      y = c.op("Add", {y, c.in("r", {m, n})});
      inputs.push_back(dice.floats(Shape{m, n}));
    }
    if (dice.coin()) y = c.op(dice.coin() ? "Relu" : "Gelu", {y});
    c.out(y, "y");
    expect_steps(c, inputs, kTolerance, kernel("matmul.tiles", "matmul.gemm"), "case " + std::to_string(i));
    if (HasFailure()) return;
  }
}

/// Gelu by the tangent in the order that `form` says, behind a product.
ValueId spelled_gelu(GraphCase& c, ValueId x, int form) {
  const auto number = [&](double v) { return c.floats({}, {v}); };
  const ValueId cube = form % 2 == 0 ? c.op("Pow", {x, number(3)}) : c.op("Mul", {x, c.op("Mul", {x, x})});
  const ValueId sum = c.op("Add", {x, c.op("Mul", {cube, number(0.044715)})});
  const ValueId bell = c.op("Add", {c.op("Tanh", {c.op("Mul", {sum, number(std::sqrt(2 / M_PI))})}), number(1)});
  if (form / 2 == 0) return c.op("Mul", {c.op("Mul", {x, number(0.5)}), bell});
  if (form / 2 == 1) return c.op("Mul", {number(0.5), c.op("Mul", {x, bell})});
  return c.op("Mul", {x, c.op("Mul", {bell, number(0.5)})});
}

TEST(ProductSteps, GeluByTheTangentIsFoldedInEverySpelling) {
  Dice dice(16);
  for (int form = 0; form < 6; ++form) {
    GraphCase c;
    const ValueId x = c.op("MatMul", {c.in("a", {12, 20}), c.constant(dice.floats(Shape{20, 32}))});
    c.out(spelled_gelu(c, x, form), "y");
    PassContext context;
    run_pass(c.graph, native::spelled_forms, {dice.floats(Shape{12, 20})}, 1e-5, context);
    passes::eliminate_dead(c.graph, context);
    EXPECT_EQ(expect_steps(c, {dice.floats(Shape{12, 20})}, 1e-4, kernel("matmul.tiles", "matmul.gemm")).size(), 1U)
        << form;
  }
  GraphCase read;  // by somebody else in between
  const ValueId x = read.op("MatMul", {read.in("a", {12, 20}), read.constant(dice.floats(Shape{20, 32}))});
  read.out(spelled_gelu(read, x, 0), "y");
  read.out(read.op("Neg", {x}), "z");
  PassContext context;
  run_pass(read.graph, native::spelled_forms, {dice.floats(Shape{12, 20})}, 1e-5, context);
  EXPECT_GT(expect_steps(read, {dice.floats(Shape{12, 20})}, 1e-4, kernel("matmul.tiles", "matmul.gemm")).size(), 1U);
}

TEST(ProductSteps, RowsAreCountedAtBind) {
  Dice dice(13);
  GraphCase c;
  const ValueId a = c.in("a", {Dim::symbol("n"), Dim::symbol("m"), 24});
  c.out(c.op("Gelu", {c.op("MatMul", {a, c.constant(dice.floats(Shape{24, 48}))})}), "y");
  const auto program = compile_steps(c.graph);
  const auto instance = program->instance();
  for (const Shape& shape : {Shape{1, 1, 24}, Shape{3, 7, 24}, Shape{0, 4, 24}, Shape{1, 200, 24}}) {
    const std::vector<Value> inputs{dice.floats(shape)};
    std::vector<Value> outputs(1);
    instance->run(inputs, outputs, {});
    expect_close(outputs[0], run_graph(c.graph, inputs)[0], kTolerance, shape.str());
  }
}

TEST(ProductSteps, FewRowsAndPartialBlocksAreLeftToOthers) {
  Dice dice(14);
  for (const auto& [m, n] : {std::pair<int64_t, int64_t>{7, 32}, {20, 24}}) {
    GraphCase c;
    c.out(c.op("MatMul", {c.in("a", {m, 12}), c.constant(dice.floats(Shape{12, n}))}), "y");
    expect_steps(c, {dice.floats(Shape{m, 12})}, kTolerance, "matmul.gemm.");
  }
}

}  // namespace
}  // namespace chorus::testing
