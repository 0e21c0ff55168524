// MindSpore through the plug-in interface. Truth: numbers worked out by hand from ONNX's document, and properties. See InstalledEngine.
#include <engine/plugin/plugin.h>

#include <cmath>
#include <limits>
#include <thread>

#include "engine/differences.h"

namespace chorus {
namespace {

using testing::GraphCase;
using testing::kInfinity;
using testing::message_of;
using testing::model_of;
using testing::noise;

class MindSpore : public testing::InstalledEngine {
 protected:
  MindSpore() : InstalledEngine("mindspore") {}
};

TEST_F(MindSpore, DifferencesAreConverted) {
  EXPECT_GT(testing::expect_converted(*engine_, testing::kDifferences, true), 70);
}

TEST_F(MindSpore, SoftmaxOfNothingButMinusInfinityLeavesTheOtherRowsAlone) {
  GraphCase c;
  c.out(c.op("Softmax", {c.in("x", {3, 2})}), "y");
  const auto inf = static_cast<float>(kInfinity);
  const Value y = run(c, {Value::of<float>(Shape{3, 2}, {0, 0, -inf, -inf, 5, 5})})[0];
  const auto p = y.as<float>();
  EXPECT_EQ(p[0], 0.5F);
  EXPECT_TRUE(std::isnan(p[2]));
  EXPECT_EQ(p[4], 0.5F);
  EXPECT_EQ(p[5], 0.5F);
}

TEST_F(MindSpore, IsOfTheInstalledVersion) {
  for (const EngineInfo& info : list_engines()) {
    EXPECT_TRUE(info.name != "mindspore" || info.version == "2.10.0") << info.version;
  }
}

// Two instances of one program, and runs from several threads, have kernels of their own.
TEST_F(MindSpore, RunsFromSeveralThreads) {
  GraphCase c;
  c.out(c.op("Relu", {c.op("MatMul", {c.in("x", {8, 16}), c.in("w", {16, 8})})}), "y");
  CompileOptions options;
  options.threads = 2;
  const auto program = engine_->compile(model_of(c), options);
  const Value x = noise(Shape{8, 16}), w = noise(Shape{16, 8});
  const Value wanted = testing::run_program(*program, {x, w})[0];
  std::vector<std::thread> threads;
  std::vector<double> most(3, 0);
  for (size_t t = 0; t < most.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int k = 0; k < 20; ++k) {
        const Value y = testing::run_program(*program, {x, w})[0];
        for (int64_t i = 0; i < 64; ++i)
          most[t] = std::max<double>(most[t], std::fabs(y.as<float>()[i] - wanted.as<float>()[i]));
      }
    });
  }
  for (std::thread& t : threads) t.join();
  for (double m : most) EXPECT_EQ(m, 0);
}

// A shape that was not seen before, and one that was, go through one program.
TEST_F(MindSpore, TakesOtherShapesInOneProgram) {
  GraphCase c;
  c.out(c.op("Add", {c.in("x", {Dim::symbol("n"), 2}), c.in("y", {2})}), "z");
  const auto program = engine_->compile(model_of(c), {});
  for (int64_t n : {1, 3, 0, 1}) {
    const Value x = noise(Shape{n, 2}), y = noise(Shape{2});
    const Value z = testing::run_program(*program, {x, y})[0];
    ASSERT_EQ(z.shape(), x.shape());
    for (int64_t i = 0; i < 2 * n; ++i) EXPECT_EQ(z.as<float>()[i], x.as<float>()[i] + y.as<float>()[i % 2]);
  }
}

TEST_F(MindSpore, PositionsOutOfRangeAreErrors) {
  for (const char* op : {"Gather", "GatherElements"}) {
    GraphCase c;
    c.out(c.op(op, {c.in("x", {3}), c.in("at", {1}, DType::int64)}), "y");
    Code code = Code::ok;
    message_of([&] { run(c, {noise(Shape{3}), Value::of<int64_t>(Shape{1}, {3})}); }, &code);
    EXPECT_EQ(code, Code::bad_input) << op;
  }
}

}  // namespace
}  // namespace chorus
