#include "support/sanitized.h"
#include "tensor/tensor_case.h"

#include <chrono>
#include <cstdio>
#include <thread>

namespace chorus::testing {
namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::unique_ptr<Evaluator> native(const Evaluator::Options& options = {}) { return Evaluator::open("native", options); }

TEST(Lazy, ComputesOnlyWhenAsked) {
  const Tensor x = initialize({1.0, 2.0}), y = relu(x - 1.5);
  EXPECT_FALSE(y.evaluated());
  EXPECT_EQ(y.shape(), Shape{2});
  EXPECT_FALSE(y.evaluated());
  expect_values(y, {0, 0.5});
  EXPECT_TRUE(y.evaluated());
}

TEST(Lazy, ErrorsComeAtTheCall) {
  EXPECT_THROW(add(zeros({2}), zeros({3})), Error);
  EXPECT_THROW(softmax(zeros({2}), 5), Error);
  EXPECT_THROW(add(Tensor(), zeros({3})), Error);
  EXPECT_THROW(Tensor().shape(), Error);
  EXPECT_THROW(zeros({2}).item<float>(), Error);
}

TEST(Lazy, StructuresSeenTwiceAreCompiled) {
  const auto engine = native();
  const EvaluateOn scope(*engine);
  for (int64_t n : {2, 3, 5, 7}) {   // sizes are no part of the structure
    const Tensor x = arange(0.0, static_cast<double>(n)), y = exp(x * 0.5) + x;
    std::vector<double> wanted;
    for (int64_t i = 0; i < n; ++i) wanted.push_back(std::exp(0.5 * static_cast<double>(i)) + static_cast<double>(i));
    expect_values(y, {n}, wanted, 1e-6);
  }
  const Evaluator::Counts c = engine->counts();
  EXPECT_EQ(c.node_by_node, 1);
  EXPECT_EQ(c.compiled, 1);
  EXPECT_EQ(c.from_cache, 2);
}

// Broadcasts, views, several outputs, strings and sequences through both ways.
TEST(Lazy, BothWaysAgree) {
  const auto check = [](auto&& make) {
    const auto engine = native();
    std::vector<std::string> seen;
    for (int i = 0; i < 4; ++i) {
      const EvaluateOn scope(*engine);
      seen.push_back(make().str());
    }
    EXPECT_EQ(seen[0], seen[1]);
    EXPECT_EQ(seen[0], seen[2]);
    EXPECT_EQ(seen[0], seen[3]);
    EXPECT_GE(engine->counts().compiled, 1);
  };
  const Tensor a = reshape(arange(0.0, 6.0), {2, 3}).eval(), b = arange(0.0, 3.0).eval(), s = initialize({"x", "y"});
  check([&] { return a + b; });
  check([&] { return identity(a); });
  check([&] { return reshape(permute(a, {1, 0}) * 2, {6}); });
  check([&] { return topk(a, {2})[1]; });
  check([&] {
    const auto p = split(a, 3, 1);
    return p[0] + p[2];
  });
  check([&] { return string_concat(s, s); });
  check([&] { return non_zero(a > 1); });
  check([&] { return reshape(a, shape(permute(a, {1, 0}))); });
  check([&] { return concat_from_sequence(sequence_construct({a, a}), 0); });
  check([&] { return max(matmul(a, permute(a, {1, 0})), {1}); });
  check([&] { return a[{1}] + b; });
}

TEST(Lazy, SizesOnlyTheDataTell) {
  const Tensor x = initialize({0, 3, 0, 5});
  const Tensor where_not_zero = non_zero(x);
  EXPECT_EQ(where_not_zero.rank(), 2);
  EXPECT_EQ(where_not_zero.shape(), Shape({1, 2}));
  expect_values(reshape(non_zero(x), {2}) + 1, {2, 4});
}

TEST(Lazy, SharedExpressionsAreComputedOnce) {
  const auto engine = native();
  const EvaluateOn scope(*engine);
  const Tensor x = initialize({1.0, 2.0}), shared = exp(x), a = shared + 1, b = shared * 2;
  a.eval();
  EXPECT_TRUE(shared.evaluated());   // somebody else holds it, so its value is kept
  EXPECT_FALSE(b.evaluated());
  expect_values(b, {2 * std::exp(1.0), 2 * std::exp(2.0)}, 1e-6);
}

TEST(Lazy, DoublingIsNotExponential) {
  Tensor x = initialize({1.0});
  for (int i = 0; i < 100; ++i) x = x + x;
  expect_values(x, {std::ldexp(1.0, 100)});
}

TEST(Lazy, RandomNumbersAreDrawnOnce) {
  const Tensor r = random_uniform({4}), twice = r + r;
  const std::vector<double> once = r.to_doubles();
  expect_values(twice, {2 * once[0], 2 * once[1], 2 * once[2], 2 * once[3]}, 1e-6);
  EXPECT_NE(random_uniform({4}).to_doubles(), once);
}

TEST(Lazy, HeavyStructuresAreCompiledAtOnce) {
  const auto engine = native();
  const EvaluateOn scope(*engine);
  const Tensor a = ones({256, 256}), b = full({256, 256}, 2.0);
  expect_values(matmul(a, b)[{7, 9}], Shape{}, {512});
  EXPECT_EQ(engine->counts().compiled, 1);
  EXPECT_EQ(engine->counts().node_by_node, 0);
}

TEST(Lazy, TheCacheIsBounded) {
  Evaluator::Options small;
  small.cache_bytes = 64 << 10;
  const auto engine = native(small);
  const EvaluateOn scope(*engine);
  for (int64_t n = 1; n <= 60; ++n) {
    for (int again = 0; again < 2; ++again) {
      Tensor x = initialize({1.0});
      for (int64_t i = 0; i < n; ++i) x = x + 1;
      expect_values(x, {1.0 + static_cast<double>(n)});
    }
  }
  const Evaluator::Counts c = engine->counts();
  EXPECT_EQ(c.compiled, 60);
  EXPECT_LT(c.entries, 60);
  EXPECT_LE(c.bytes, small.cache_bytes + (256 << 10));   // the newest entry stays in any case
}

TEST(Lazy, AChainOfAMillionNodes) {
  constexpr int kNodes = kSanitized ? 20'000 : 1'000'000;
  const double begin = seconds();
  const Tensor one = ones({2});
  Tensor x = initialize({1.0, 2.0});
  {
    const KeepHistory scope;
    for (int i = 0; i < kNodes; ++i) x = x + one;
  }
  const double built = seconds();
  EXPECT_FALSE(x.evaluated());
  expect_values(x, {kNodes + 1, kNodes + 2});
  const double evaluated = seconds();
  x = Tensor();
  const double gone = seconds();
  std::printf("a million nodes: built in %.2f s, evaluated in %.2f s, destroyed in %.2f s\n", built - begin,
              evaluated - built, gone - evaluated);
  if (!kSanitized) {
    EXPECT_LT(gone - begin, 60);
  }
}

TEST(Lazy, LongChainsEvaluateThemselves) {
  constexpr int kNodes = kSanitized ? 20'000 : 1'000'000;
  const Tensor one = ones({1});
  Tensor x = zeros({1});
  for (int i = 0; i < kNodes; ++i) x = x + one;
  expect_values(x, {kNodes});
  Tensor unevaluated = zeros({1});
  for (int i = 0; i < kNodes / 10 * 3; ++i) unevaluated = -unevaluated;   // destroyed while its end is pending
}

TEST(Lazy, ThreadsShareExpressions) {
  for (int round = 0; round < 20; ++round) {
    const Tensor x = initialize({1.0, 2.0});
    const Tensor shared = exp(x * static_cast<double>(round) * 0.01);
    std::vector<std::thread> threads;
    std::vector<double> got(8);
    for (size_t t = 0; t < got.size(); ++t) {
      threads.emplace_back([&, t] { got[t] = (shared + static_cast<double>(t)).to_doubles()[0]; });
    }
    for (std::thread& t : threads) t.join();
    for (size_t t = 0; t < got.size(); ++t) EXPECT_NEAR(got[t], std::exp(0.01 * round) + static_cast<double>(t), 1e-5);
  }
}

TEST(Lazy, TwoEnginesAtOnce) {
  const auto a = native(), b = native();
  const Tensor x = initialize({1.0});
  const Tensor p = x + 1, q = x + 2;
  p.eval(*a);
  q.eval(*b);
  EXPECT_EQ(a->counts().node_by_node, 1);
  EXPECT_EQ(b->counts().node_by_node, 1);
  EXPECT_TRUE(mentions(error_of([] { Evaluator::open("no such engine"); }), "no such engine"));
}

TEST(Lazy, FirstSightCostsMicroseconds) {
  const Tensor y = ones({4, 4});
  Tensor x = zeros({4, 4});
  constexpr int kNodes = 20000;
  const double begin = seconds();
  for (int i = 0; i < kNodes; ++i) x = x + y;
  const double called = seconds();
  x.eval();
  const double done = seconds();
  std::printf("per node: %.2f us for the call, %.2f us for the run\n", (called - begin) / kNodes * 1e6,
              (done - called) / kNodes * 1e6);
  expect_values(x[{0, 0}], {kNodes});
  if (!kSanitized) {
    EXPECT_LT((done - begin) / kNodes, 100e-6);
  }
}

}  // namespace
}  // namespace chorus::testing
