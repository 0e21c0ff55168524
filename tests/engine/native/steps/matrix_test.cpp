#include "step_case.h"

namespace chorus::testing {
namespace {

constexpr double kTolerance = 1e-4;

Dims dims_of(const Shape& s) {
  Dims d;
  for (int64_t v : s) d.push_back(v);
  return d;
}

TEST(MatrixSteps, ProductsOfAllBroadcastsEqualTheReference) {
  struct Case {
    Shape a, b;
    const char* kernel = "matmul.gemm.";
  };
  const Case cases[] = {{{5, 7}, {7, 3}},
                        {{1, 1}, {1, 1}},
                        {{2, 5, 7}, {7, 33}},
                        {{2, 3, 5, 7}, {2, 3, 7, 4}},
                        {{2, 3, 5, 7}, {3, 7, 4}},
                        {{3, 5, 7}, {2, 3, 7, 4}},
                        {{2, 1, 5, 7}, {1, 3, 7, 4}},
                        {{5, 7}, {2, 3, 7, 4}},
                        {{1, 5, 7}, {4, 7, 6}},
                        {{4, 5, 7}, {1, 7, 6}},
                        {{1, 1, 64}, {64, 200}},
                        {{3, 40, 1}, {3, 1, 17}},
                        {{6, 0}, {0, 3}},
                        {{0, 4}, {4, 3}},
                        {{130, 65}, {65, 70}},
                        {{7}, {7, 3}, "matmul.vector."},
                        {{5, 7}, {7}, "matmul.vector."},
                        {{7}, {7}, "matmul.vector."},
                        {{2, 5, 7}, {7}, "matmul.vector."},
                        {{7}, {2, 7, 3}, "matmul.vector."}};
  Dice dice(1);
  for (const Case& one : cases) {
    for (int constant = 0; constant < 2; ++constant) {
      GraphCase c;
      std::vector<Value> inputs{dice.floats(one.a)};
      const ValueId a = c.in("a", dims_of(one.a));
      const ValueId b = constant ? c.constant(dice.floats(one.b)) : c.in("b", dims_of(one.b));
      if (!constant) inputs.push_back(dice.floats(one.b));
      c.out(c.op("MatMul", {a, b}), "y");
      expect_steps(c, inputs, kTolerance, one.kernel, one.a.str() + one.b.str());
    }
  }
}

TEST(MatrixSteps, EpiloguesOfProducts) {
  Dice dice(2);
  for (int i = 0; i < 30; ++i) {
    GraphCase c;
    const int64_t batch = dice.roll(1, 3), m = dice.roll(1, 20), k = dice.roll(1, 40), n = dice.roll(1, 40);
    const bool shared = dice.coin();
    std::vector<Value> inputs{dice.floats(Shape{batch, m, k})};
    const ValueId a = c.in("a", {batch, m, k}), b = c.constant(dice.floats(shared ? Shape{k, n} : Shape{batch, k, n}));
    ValueId y = c.op("MatMul", {a, b});
    if (dice.coin()) y = c.op("Add", {y, c.constant(dice.floats(Shape{n}))});
    if (dice.coin()) y = c.op("Mul", {y, c.constant(dice.floats(Shape{1, n}))});
    if (dice.coin()) {
      y = c.op("Add", {c.in("r", {batch, m, n}), y});
      inputs.push_back(dice.floats(Shape{batch, m, n}));
    }
    const char* names[] = {"Relu", "Tanh", "Gelu", "HardSwish", "Sigmoid"};
    y = c.op(names[dice.roll(0, 4)], {y});
    c.out(y, "y");
    EXPECT_EQ(expect_steps(c, inputs, kTolerance, "matmul.", "case " + std::to_string(i)).size(), 1U) << i;
  }
}

TEST(MatrixSteps, ABiasAlongTheRowsIsNoEpilogue) {
  // [m, 1] has as many numbers as the last axis has columns, but stands on the other axis.
  Dice dice(3);
  GraphCase c;
  c.out(c.op("Add", {c.op("MatMul", {c.in("a", {6, 5}), c.constant(dice.floats(Shape{5, 6}))}),
                     c.constant(dice.floats(Shape{6, 1}))}),
        "y");
  EXPECT_EQ(expect_steps(c, {dice.floats(Shape{6, 5})}, kTolerance, "matmul.gemm.").size(), 2U);
}

TEST(MatrixSteps, GemmOfAllFormsEqualsTheReference) {
  Dice dice(4);
  for (int i = 0; i < 60; ++i) {
    GraphCase c;
    const int64_t m = dice.roll(1, 20), n = dice.roll(1, 40), k = dice.roll(0, 30);
    const bool flip_a = dice.coin(), flip_b = dice.coin();
    const Shape a = flip_a ? Shape{k, m} : Shape{m, k}, b = flip_b ? Shape{n, k} : Shape{k, n};
    std::vector<Value> inputs{dice.floats(a)};
    std::vector<ValueId> operands{c.in("a", dims_of(a))};
    const auto give = [&](const Shape& s, const std::string& name) {
      if (dice.coin()) return operands.push_back(c.constant(dice.floats(s)));
      operands.push_back(c.in(name, dims_of(s)));
      inputs.push_back(dice.floats(s));
    };
    give(b, "b");
    const Shape forms[] = {Shape{n}, Shape{1, n}, Shape{m, 1}, Shape{m, n}, Shape{}, Shape{1}, Shape{1, 1}};
    const int64_t form = dice.roll(0, 8);
    if (form < 7) give(forms[form], "c");
    const float alphas[] = {1, 0.5F, -2}, betas[] = {1, 0.25F, 0};
    ValueId y = c.op("Gemm", operands,
                     {{"transA", int64_t{flip_a}},
                      {"transB", int64_t{flip_b}},
                      {"alpha", alphas[dice.roll(0, 2)]},
                      {"beta", betas[dice.roll(0, 2)]}});
    if (dice.coin()) y = c.op("Mul", {y, c.constant(dice.floats(Shape{n}))});
    if (dice.coin()) y = c.op("Relu", {y});
    c.out(y, "y");
    expect_steps(c, inputs, kTolerance, "gemm.", "case " + std::to_string(i));
  }
}

TEST(MatrixSteps, OneProgramRunsManySizes) {
  Dice dice(5);
  GraphCase c;
  const ValueId a = c.in("a", {Dim::symbol("n"), Dim::symbol("m"), 24});
  c.out(c.op("Softmax", {c.op("MatMul", {c.op("MatMul", {a, c.constant(dice.floats(Shape{24, 24}))}),
                                         c.op("Transpose", {a}, {{"perm", std::vector<int64_t>{0, 2, 1}}})})}),
        "y");
  infer_types(c.graph);
  const auto instance = compile_steps(c.graph)->instance();
  for (const Shape& shape : {Shape{1, 1, 24}, Shape{3, 17, 24}, Shape{2, 5, 24}, Shape{1, 40, 24}}) {
    const std::vector<Value> inputs{dice.floats(shape)};
    std::vector<Value> outputs(1);
    instance->run(inputs, outputs, {});
    expect_close(outputs[0], run_graph(c.graph, inputs)[0], 2e-3,
                 shape.str());  // scores reach 100: their errors are exponents
  }
}

TEST(MatrixSteps, QuotientsByPowersOfTwoBelongToTheProduct) {
  Dice dice(61);
  for (const double divisor : {8.0, 3.0}) {
    GraphCase c;
    const ValueId product = c.op("MatMul", {c.in("a", {2, 9, 16}), c.in("b", {2, 16, 11})});
    c.out(c.op("Div", {product, c.floats(Shape{}, {divisor})}), "y");
    const auto kernels =
        expect_steps(c, {dice.floats(Shape{2, 9, 16}), dice.floats(Shape{2, 16, 11})}, 1e-5, "matmul.gemm");
    EXPECT_EQ(kernels.size(), divisor == 8 ? 1U : 2U);
  }
}

}  // namespace
}  // namespace chorus::testing
