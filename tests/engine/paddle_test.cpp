// PaddlePaddle through the plug-in interface. Truth: numbers computed here, and properties. Skipped where it is not installed.
#include <core/clock.h>
#include <engine/plugin/plugin.h>

#include <cstdlib>
#include <ctime>
#include <thread>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::GraphCase;
using testing::message_of;
using testing::model_of;
using testing::noise;

class Paddle : public testing::InstalledEngine {
 protected:
  Paddle() : InstalledEngine("paddle") {}
  std::shared_ptr<Program> compile(GraphCase& c, Fallback fallback = Fallback::decompose) {
    CompileOptions options;
    options.fallback = fallback;
    return engine_->compile(model_of(c), options);
  }
};

TEST_F(Paddle, MatrixProductOfAnyBatch) {
  GraphCase c;
  const Value w = noise(Shape{5, 4}, 3);
  c.out(c.op("MatMul", {c.in("x", {Dim::symbol("n"), 5}), c.constant(w)}), "y");
  for (int threads : {1, 3}) {
    for (int64_t n : {1, 7, 0, 3}) {
      const Value x = noise(Shape{n, 5}, static_cast<uint64_t>(n)), y = run(c, {x}, threads)[0];
      ASSERT_EQ(y.shape(), Shape({n, 4}));
      for (int64_t i = 0; i < n * 4; ++i) {
        double wanted = 0;
        for (int64_t k = 0; k < 5; ++k) {
          wanted += static_cast<double>(x.as<float>()[static_cast<size_t>(i / 4 * 5 + k)]) *
                    w.as<float>()[static_cast<size_t>(k * 4 + i % 4)];
        }
        EXPECT_NEAR(y.as<float>()[static_cast<size_t>(i)], wanted, 1e-5);
      }
    }
  }
}

TEST_F(Paddle, WritesIntoGivenBuffers) {
  const auto program = engine_->compile(testing::one_node("Neg", 1, {Dim::symbol("n")}), {});
  const auto instance = program->instance();
  const Value x = noise(Shape{1000});
  std::vector<Value> y = {Value::tensor(DType::float32, Shape{1000})};
  const void* place = y[0].data();
  instance->run(std::vector<Value>{x}, y, {});
  EXPECT_EQ(y[0].data(), place);
  for (size_t i = 0; i < 1000; ++i) EXPECT_EQ(y[0].as<float>()[i], -x.as<float>()[i]);
  std::vector<Value> wrong = {Value::tensor(DType::float32, Shape{999})};
  EXPECT_NE(message_of([&] { instance->run(std::vector<Value>{x}, wrong, {}); }), "");
  instance->run(std::vector<Value>{x}, y, {});  // and works after the failure
}

// A view of an input, of a constant and of another result: none may be the memory of somebody else.
TEST_F(Paddle, ResultsAreNotTheInputs) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 3});
  const Value weight = noise(Shape{4}, 8);
  const ValueId w = c.constant(weight);
  c.out(c.op("Reshape", {x, c.ints({3, 2})}), "view");
  c.out(c.op("Identity", {x}), "same");
  c.out(c.op("Unsqueeze", {w, c.ints({0})}), "constant");
  const auto program = compile(c);
  const auto instance = program->instance();
  const Value input = noise(Shape{2, 3});
  std::vector<Value> out(3);
  instance->run(std::vector<Value>{input}, out, {});
  EXPECT_NE(out[0].data(), input.data());
  EXPECT_NE(out[1].data(), input.data());
  EXPECT_NE(out[2].data(), weight.data());
  EXPECT_EQ(out[0].as<float>()[5], input.as<float>()[5]);
  EXPECT_EQ(out[2].as<float>()[3], weight.as<float>()[3]);
}

TEST_F(Paddle, EveryElementTypeComesBack) {
  for (DType t : {DType::float32, DType::uint8, DType::int8, DType::uint16, DType::int16, DType::int32, DType::int64,
                  DType::boolean, DType::float16, DType::float64, DType::uint32, DType::uint64, DType::bfloat16,
                  DType::complex64, DType::complex128, DType::float8e4m3fn, DType::float8e5m2}) {
    GraphCase c;
    c.out(c.op("Flatten", {c.in("x", {Dim::symbol("n"), 2}, t)}), "y");
    const auto bytes = static_cast<size_t>(dtype_bytes(t, 6));
    std::vector<unsigned char> data(bytes);
    for (size_t i = 0; i < bytes; ++i) data[i] = t == DType::boolean ? i & 1 : static_cast<unsigned char>(17 * i + 3);
    const Value x = Value::copy_of(t, Shape{3, 2}, data.data(), bytes);
    std::vector<Value> y;
    ASSERT_EQ(message_of([&] { y = run(c, {x}); }), "") << dtype_name(t);
    EXPECT_TRUE(y[0].identical(x)) << dtype_name(t);
  }
}

TEST_F(Paddle, RefusesWithASentenceForEachNode) {
  GraphCase c;
  c.out(c.op("StringConcat", {c.op("Identity", {c.in("x", {2}, DType::string)}), c.in("y", {2}, DType::string)}), "z");
  Code code = Code::ok;
  const std::string said = message_of([&] { compile(c); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("StringConcat: no call of PaddlePaddle"), std::string::npos) << said;
}

TEST_F(Paddle, DecomposesWhatItLacksUnlessAskedNotTo) {
  GraphCase c;  // PaddlePaddle has no SwiGLU
  c.out(c.op("SwiGLU", {c.in("a", {2, 6}), c.in("b", {2, 6})}), "y");
  Code code = Code::ok;
  const std::string said = message_of([&] { compile(c, Fallback::none); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("SwiGLU: no call of PaddlePaddle"), std::string::npos) << said;
  const Value a = noise(Shape{2, 6}), b = noise(Shape{2, 6}, 2);
  const Value y = testing::run_program(*compile(c), {a, b})[0];
  testing::expect_close(y, testing::run_one({.op = "SwiGLU", .inputs = {a, b}}), 1e-6);
}

TEST_F(Paddle, OldVersionsKeepTheirMeaning) {
  GraphCase c;  // Softmax of opset 11 flattens from the axis on
  Attributes axis;
  axis.set("axis", 1);
  c.graph.opsets[""] = 11;
  c.out(c.op("Softmax", {c.in("x", {1, 2, 2})}, axis, 1, 11), "y");
  const Value y = run(c, {Value::of<float>(Shape{1, 2, 2}, {0, 0, 0, 0})})[0];
  for (float v : y.as<float>()) EXPECT_NEAR(v, 0.25F, 1e-6F);
}

TEST_F(Paddle, MistakesInARunNameTheNode) {
  GraphCase c;
  c.out(c.op("Gather", {c.in("x", {3}), c.in("i", {1}, DType::int64)}), "y");
  Code code = Code::ok;
  const std::string said = message_of([&] { run(c, {noise(Shape{3}), Value::of<int64_t>(Shape{1}, {7})}); }, &code);
  EXPECT_EQ(code, Code::bad_input) << said;
  EXPECT_NE(said.find("Gather"), std::string::npos) << said;
}

TEST_F(Paddle, GrowsNoFurtherThanTheBudget) {
  GraphCase c;
  c.out(c.op("Expand", {c.in("x", {1}), c.in("shape", {Dim::symbol("n")}, DType::int64)}), "y");
  Code code = Code::ok;
  message_of([&] { run(c, {noise(Shape{1}), Value::of<int64_t>(Shape{3}, {1 << 20, 1 << 20, 1 << 20})}); }, &code);
  EXPECT_EQ(code, Code::budget);
}

// 400 products of 300 by 300: far more than the deadline.
Model long_run() {
  GraphCase c;
  ValueId v = c.in("x", {300, 300});
  const ValueId w = c.constant(noise(Shape{300, 300}, 5));
  for (int i = 0; i < 400; ++i) v = c.op("MatMul", {v, w});
  c.out(v, "y");
  return model_of(c);
}

TEST_F(Paddle, ALongRunEndsAtItsDeadline) {
  const auto program = engine_->compile(long_run(), {});
  StopToken stop;
  RunOptions options;
  options.stop = &stop;
  const Value x = noise(Shape{300, 300});
  const auto instance = program->instance();
  std::vector<Value> y(1);
  stop.set_deadline(now_ns() + 20'000'000);
  Code code = Code::ok;
  message_of([&] { instance->run(std::vector<Value>{x}, y, options); }, &code);
  EXPECT_EQ(code, Code::timeout);
  stop.reset();
  y.assign(1, Value());
  EXPECT_EQ(message_of([&] { instance->run(std::vector<Value>{x}, y, options); }), "");  // the instance works again
}

TEST_F(Paddle, TwoInstancesAtOnce) {
  GraphCase c;
  const Value w = noise(Shape{5, 4}, 3);
  c.out(c.op("MatMul", {c.in("x", {Dim::symbol("n"), 5}), c.constant(w)}), "y");
  const auto program = compile(c);
  auto work = [&](uint64_t seed) {
    const auto instance = program->instance();
    for (uint64_t i = 0; i < 50; ++i) {
      const Value x = noise(Shape{3, 5}, seed + i);
      std::vector<Value> y(1);
      instance->run(std::vector<Value>{x}, y, {});
      for (size_t at = 0; at < 12; ++at) {
        double wanted = 0;
        for (size_t k = 0; k < 5; ++k)
          wanted += static_cast<double>(x.as<float>()[at / 4 * 5 + k]) * w.as<float>()[k * 4 + at % 4];
        EXPECT_NEAR(y[0].as<float>()[at], wanted, 1e-5);
      }
    }
  };
  std::thread other([&] { work(1000); });
  work(2000);
  other.join();
}

TEST_F(Paddle, ThreadsAreAsManyAsAsked) {
  CompileOptions options;
  options.threads = 2;
  const auto program = engine_->compile(long_run(), options);
  const auto instance = program->instance();
  std::vector<Value> y(1);
  instance->run(std::vector<Value>{noise(Shape{300, 300})}, y, {});
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const std::clock_t before = std::clock();  // and sleep between runs
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC, 0.1);
}

TEST_F(Paddle, ShowsTimesAndValuesOfNodes) {
  GraphCase c;
  c.out(c.op("Relu", {c.op("Neg", {c.in("x", {4})})}), "y");
  CompileOptions compile;
  compile.profile = true;
  const auto program = engine_->compile(model_of(c), compile);
  const auto instance = program->instance();
  std::vector<NodeTime> times;
  std::vector<std::string> seen;
  std::function<void(const std::string&, const Value&)> tap = [&](const std::string& name, const Value&) {
    seen.push_back(name);
  };
  RunOptions options;
  options.times = &times;
  options.tap = &tap;
  std::vector<Value> y(1);
  instance->run(std::vector<Value>{noise(Shape{4})}, y, options);
  EXPECT_EQ(times.size(), 2u);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1], "y");
}

TEST_F(Paddle, LoopsRunTheirBodies) {
  GraphCase c;  // doubles x three times and keeps every state
  Graph body;
  body.opsets[""] = newest_opset("");
  body.add_input("i", Type::tensor(DType::int64, {}));
  const ValueId go_on = body.add_input("c", Type::tensor(DType::boolean, {}));
  const ValueId state = body.add_input("s", Type::tensor(DType::float32, {2}));
  const auto twice = [&] {
    Node n;
    n.type = "Add";
    n.op = find_op("", "Add");
    n.version = static_cast<int>(n.op->versions.size()) - 1;
    n.inputs = {state, state};
    n.outputs = {body.add_value("t", {})};
    return body.node(body.add_node(n)).outputs[0];
  }();
  for (ValueId v : {go_on, twice, twice}) body.add_output(v);
  Attributes attributes;
  attributes.set("body", testing::shared(std::move(body)));
  const ValueId last =
      c.op("Loop", {c.constant(Value::of<int64_t>(Shape{}, {3})), kNone, c.in("x", {2})}, attributes, 2);
  c.out(last, "last");
  c.out(c.other(last, 1), "all");
  const auto out = run(c, {Value::of<float>(Shape{2}, {1, -2})});
  EXPECT_EQ(out[0].as<float>()[1], -16);
  EXPECT_EQ(out[1].shape(), Shape({3, 2}));
  EXPECT_EQ(out[1].as<float>()[2], 4);
}

}  // namespace
}  // namespace chorus
