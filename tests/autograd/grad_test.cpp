// Gradients of tensors: grad, backward, scopes, custom functions, hooks; rows A-ADP-042 … 044 in part.
#include <chorus/autograd.h>
#include <chorus/ops.h>

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/proves.h"
#include "support/sanitized.h"

namespace chorus {
namespace {

Tensor doubles(const std::vector<double>& v) { return from_data<double>(Shape{static_cast<int64_t>(v.size())}, v); }
void expect_values(const Tensor& got, const std::vector<double>& wanted, double tolerance = 1e-12) {
  const std::vector<double> values = got.to_doubles();
  ASSERT_EQ(values.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(values[i], wanted[i], tolerance) << i;
}
GradOptions seeded(const Tensor& seed) {
  GradOptions options;
  options.seeds = {seed};
  return options;
}
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Grad, OfAPolynomial) {
  const Tensor x = requires_grad(doubles({1, -2, 3}));
  const Tensor y = sum(x * x * x + 2.0 * x);
  expect_values(grad(y, x), {5, 14, 29});
}

TEST(Grad, ActivationsAtThePointsOfTheRows) {
  const auto slope = [](Tensor (*f)(const Tensor&), const std::vector<double>& at) {
    const Tensor x = requires_grad(doubles(at));
    const Tensor y = f(x);
    return grad(y, x, seeded(ones(y.shape(), y.dtype())));
  };
  expect_values(slope([](const Tensor& t) { return sigmoid(t); }, {0}), {0.25});
  testing::part_of("A-ADP-042");
  expect_values(slope([](const Tensor& t) { return relu(t); }, {-1, 0, 2}), {0, 0, 1});
  testing::part_of("A-ADP-043");
  expect_values(slope([](const Tensor& t) { return tanh(t); }, {0}), {1});
  testing::part_of("A-ADP-044");
}

TEST(Grad, InAHistoryScopeAlsoOfEvaluatedTensors) {
  const Tensor x = doubles({2, 3});
  const KeepHistory scope;
  const Tensor y = exp(x) * x;
  y.eval();
  const Tensor z = sum(y * y);
  const double e4 = std::exp(4.0), e6 = std::exp(6.0);
  expect_values(grad(z, x), {2 * 2 * e4 + 2 * 4 * e4, 2 * 3 * e6 + 2 * 9 * e6}, 1e-8);
}

TEST(Grad, OutsideOfEveryScopeThereIsNoHistory) {
  const Tensor x = doubles({2, 3});
  const Tensor y = sum(x * x);
  y.eval();
  const std::string text = error_of([&] { grad(y, x); });
  EXPECT_NE(text.find("no output depends on input 0"), std::string::npos) << text;
  EXPECT_NE(text.find("KeepHistory"), std::string::npos) << text;
}

TEST(Grad, SecondAndThirdDerivatives) {
  const Tensor x = requires_grad(doubles({0.3, -1.2}));
  GradOptions again;
  again.differentiable = true;
  const Tensor first = grad(sum(sin(x)), x, again);
  const Tensor second = grad(sum(first), x, again);
  const Tensor third = grad(sum(second), x);
  expect_values(first, {std::cos(0.3), std::cos(-1.2)});
  expect_values(second, {-std::sin(0.3), -std::sin(-1.2)});
  expect_values(third, {-std::cos(0.3), -std::cos(-1.2)});
  EXPECT_TRUE(tracks_gradients(second));
  EXPECT_FALSE(tracks_gradients(third));
}

TEST(Grad, IntermediateTensorsAndSeveralOutputs) {
  const Tensor x = requires_grad(doubles({1, 2})), w = requires_grad(doubles({3, 4}));
  const Tensor h = x * w;
  GradOptions options;
  options.seeds = {doubles({1, 10}), doubles({1, 1})};
  const auto found = grad({h * h, w * 5.0}, {x, w, h}, options);
  expect_values(found[0], {2 * 3 * 3, 2 * 8 * 4 * 10});
  expect_values(found[1], {2 * 3 * 1 + 5, 2 * 8 * 2 * 10 + 5});
  expect_values(found[2], {2 * 3, 2 * 8 * 10});
}

TEST(Grad, UnusedInputs) {
  const Tensor x = requires_grad(doubles({1, 2})), other = requires_grad(doubles({5, 6}));
  const Tensor y = sum(x * x);
  EXPECT_NE(error_of([&] { grad(y, other); }).find("input 0"), std::string::npos);
  GradOptions options;
  options.unused = Unused::zeros;
  expect_values(grad(y, other, options), {0, 0});
  options.unused = Unused::empty;
  EXPECT_FALSE(grad(y, other, options).defined());
}

TEST(Grad, NamesTheOperatorThatBlocks) {
  const Tensor x = requires_grad(doubles({1.2, 2.7}));
  const std::string text = error_of([&] { grad(sum(round(x)), x); });
  EXPECT_NE(text.find("Round"), std::string::npos) << text;
}

TEST(Grad, SeedsAreChecked) {
  const Tensor x = requires_grad(doubles({1, 2}));
  const Tensor y = x * x;
  EXPECT_NE(error_of([&] { grad(y, x); }).find("needs a seed"), std::string::npos);
  EXPECT_NE(error_of([&] { grad(y, x, seeded(doubles({1, 2, 3}))); }).find("a seed of"), std::string::npos);
  EXPECT_THROW(grad(Tensor(), x), Error);
  EXPECT_THROW(requires_grad(Tensor({1, 2, 3})), Error);
}

// A small network step by step downhill; the same structure is compiled from the second step on, for other batch sizes too.
TEST(Grad, ANetworkLearnsAndIsCompiledOnce) {
  const auto engine = Evaluator::open("native");
  const EvaluateOn scope(*engine);
  Generator generator(5);
  Tensor filter = randn({4, 1, 3, 3}, generator, DType::float64) * 0.3,
         weight = randn({36, 3}, generator, DType::float64) * 0.3;
  const auto loss_of = [](const Tensor& x, const Tensor& labels, const Tensor& f, const Tensor& w) {
    const Tensor h = max_pool(relu(conv(x, f)), {2, 2}, "NOTSET", 0, {}, {}, 0, {2, 2});
    return softmax_cross_entropy_loss(matmul(flatten(h), w), labels);
  };
  double first = 0, last = 0;
  for (int step = 0; step < 12; ++step) {
    const int64_t batch = 6 + 2 * (step % 2);
    Generator data(7);
    const Tensor x = randn({batch, 1, 8, 8}, data, DType::float64), labels = randint(0, 3, {batch}, data);
    const Tensor f = requires_grad(filter), w = requires_grad(weight);
    const Tensor loss = loss_of(x, labels, f, w);
    const auto gradients = grad({loss}, {f, w});
    eval({loss, gradients[0], gradients[1]});
    if (step == 4) {  // a direction, against differences
      const NoGrad plain;
      const Tensor direction = randn({4, 1, 3, 3}, generator, DType::float64);
      const double h = 1e-5, up = loss_of(x, labels, f + direction * h, w).item<double>(),
                   down = loss_of(x, labels, f + direction * -h, w).item<double>();
      EXPECT_NEAR((up - down) / (2 * h), sum(direction * gradients[0]).item<double>(), 1e-6);
    }
    (step == 0 ? first : last) = loss.item<double>();
    filter = detach(f + gradients[0] * -0.5).eval();
    weight = detach(w + gradients[1] * -0.5).eval();
  }
  EXPECT_LT(last, first * 0.8);
  EXPECT_GT(engine->counts().from_cache, 0);
}

TEST(Backward, AddsUp) {
  const Tensor x = requires_grad(doubles({1, 2})), w = requires_grad(doubles({3, 4}));
  EXPECT_FALSE(gradient(x).defined());
  backward(sum(x * w));
  expect_values(gradient(x), {3, 4});
  expect_values(gradient(w), {1, 2});
  backward(x * x, doubles({1, 1}));
  expect_values(gradient(x), {5, 8});
  set_gradient(x, Tensor());
  EXPECT_FALSE(gradient(x).defined());
  set_gradient(x, doubles({7, 7}));
  expect_values(gradient(x), {7, 7});
  EXPECT_THROW(set_gradient(x, doubles({1})), Error);
  EXPECT_NE(error_of([] { backward(sum(doubles({1, 2}))); }).find("requires gradients"), std::string::npos);
}

TEST(Backward, NoGradAndDetach) {
  const Tensor x = requires_grad(doubles({1, 2}));
  {
    const NoGrad scope;
    EXPECT_FALSE(tracks_gradients(x * x));
  }
  EXPECT_TRUE(tracks_gradients(x * x));
  const Tensor pending = x * x, cut = detach(pending);
  EXPECT_FALSE(tracks_gradients(cut));
  backward(sum(pending * cut));
  expect_values(gradient(x), {2 * 1 * 1, 2 * 2 * 4});  // cut counts as a constant
}

TEST(Backward, DropoutKeepsItsMask) {
  const Tensor x = requires_grad(ones({64}, DType::float64));
  const Tensor y = dropout(x, 0.5, true);
  const Tensor g = grad(y, x, seeded(ones({64}, DType::float64)));
  expect_values(g, y.to_doubles());  // x = 1: what came through is the scale
}

class Cube final : public CustomFunction {
 public:
  explicit Cube(double factor) : factor_(factor) {}
  std::vector<Tensor> forward(std::span<const Tensor> inputs) override { return {inputs[0] * inputs[0] * inputs[0]}; }
  std::vector<Tensor> backward(std::span<const Tensor> inputs, std::span<const Tensor>,
                               std::span<const Tensor> gradients) override {
    ++calls;
    return {gradients[0] * inputs[0] * inputs[0] * factor_};
  }
  int calls = 0;

 private:
  double factor_;
};

TEST(Custom, GradientsOfTheirOwn) {
  const auto cube = std::make_shared<Cube>(6.0);  // twice the true gradient
  const Tensor x = requires_grad(doubles({1, 2}));
  const Tensor y = apply(cube, {x * 2.0})[0];
  expect_values(y, {8, 64});
  expect_values(grad(sum(y + x), x), {2 * 6 * 4 + 1, 2 * 6 * 16 + 1});
  EXPECT_EQ(cube->calls, 1);
  // Two of them one after the other.
  const Tensor twice = apply(cube, {apply(std::make_shared<Cube>(3.0), {x})[0]})[0];
  expect_values(grad(sum(twice), x), {6 * 1 * 3 * 1, 6 * 64.0 * 3 * 4});
}

TEST(Custom, HooksSeeAndChangeGradients) {
  const Tensor x = requires_grad(doubles({1, 2}));
  std::vector<double> seen;
  const Tensor h = with_hook(x * x, [&](const Tensor& g) {
    seen = g.to_doubles();
    return g * 10.0;
  });
  backward(sum(h * 3.0));
  EXPECT_EQ(seen, (std::vector<double>{3, 3}));
  expect_values(gradient(x), {60, 120});
}

// The history of a long chain is walked and let go without recursion.
TEST(Backward, MillionCallsLong) {
  const Tensor x = requires_grad(doubles({2}));
  Tensor y = x;
  for (int i = 0; i < (testing::kSanitized ? 20'000 : 1'000'000); ++i) y = -y;
  backward(sum(y));
  expect_values(gradient(x), {1});
}

}  // namespace
}  // namespace chorus
