// The example plug-in, loaded as an installed one: found beside the program, claims, computes, refuses, stops.
#include <thread>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::GraphCase;
using testing::message_of;

Model chain(Dims dims) {   // y = relu(a * b + c)
  GraphCase c;
  const ValueId a = c.in("a", dims), b = c.in("b", dims);
  const ValueId d = c.op("Mul", {a, b});
  c.out(c.op("Relu", {c.op("Add", {d, c.floats({2, 3}, {1, -1, 2, -2, 3, -3})})}), "y");
  return testing::model_of(c);
}

TEST(Example, ComputesWhatItClaims) {
  const auto engine = open_engine("example");
  const Model model = chain({2, 3});
  for (const Claim& claim : engine->claim(*model.graph, {})) EXPECT_EQ(claim.verdict, Verdict::yes) << claim.reason;
  const auto program = engine->compile(model, {});
  const Value a = testing::noise(Shape{2, 3}, 1), b = testing::noise(Shape{2, 3}, 2);
  const double c[] = {1, -1, 2, -2, 3, -3};
  const Value y = testing::run_program(*program, {a, b})[0];
  for (size_t i = 0; i < 6; ++i) {
    const double wanted = std::max(0.0, static_cast<double>(a.as<float>()[i]) * b.as<float>()[i] + c[i]);
    EXPECT_NEAR(y.as<float>()[i], wanted, 1e-6) << i;
  }
}

TEST(Example, RefusesWithSentences) {
  const auto engine = open_engine("example");
  GraphCase c;
  const ValueId a = c.in("a", {2, 3});
  c.out(c.op("Softmax", {c.op("Relu", {a})}), "y");
  const Model model = testing::model_of(c);
  Code code = Code::ok;
  const std::string said = message_of([&] { engine->compile(model, {}); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("refuses 1 of 2 nodes"), std::string::npos) << said;
  EXPECT_NE(said.find("Add, Mul and Relu only"), std::string::npos) << said;
}

TEST(Example, ManyInstancesAtOnce) {
  const auto program = open_engine("example")->compile(testing::one_node("Add", 2, {100000}), {});
  std::vector<std::thread> threads;
  std::vector<double> errors(4, 1);
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const Value a = testing::noise(Shape{100000}, t), b = testing::noise(Shape{100000}, t + 9);
      double worst = 0;
      for (int repeat = 0; repeat < 5; ++repeat) {
        const Value y = testing::run_program(*program, {a, b})[0];
        for (size_t i = 0; i < 100000; ++i) {
          worst =
              std::max(worst, std::abs(static_cast<double>(y.as<float>()[i]) - (a.as<float>()[i] + b.as<float>()[i])));
        }
      }
      errors[t] = worst;
    });
  }
  for (std::thread& t : threads) t.join();
  for (double e : errors) EXPECT_EQ(e, 0);
}

TEST(Example, StopsWhenAsked) {
  const auto program = open_engine("example")->compile(testing::one_node("Add", 2, {3}), {});
  StopToken stop;
  stop.request();
  RunOptions options;
  options.stop = &stop;
  Code code = Code::ok;
  const Value x = Value::of<float>(Shape{3}, {1, 2, 3});
  message_of([&] { testing::run_program(*program, {x, x}, options); }, &code);
  EXPECT_EQ(code, Code::cancelled);
}

}  // namespace
}  // namespace chorus
