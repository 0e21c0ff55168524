// TVM through the plug-in interface. Truth: numbers computed here, and properties. Skipped where it is not installed.
#include <engine/plugin/plugin.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::GraphCase;
using testing::message_of;
using testing::model_of;
using testing::noise;

class Tvm : public testing::InstalledEngine {
 protected:
  Tvm() : InstalledEngine("tvm") {}
  std::shared_ptr<Program> compile(GraphCase& c, Fallback fallback = Fallback::decompose) {
    CompileOptions options;
    options.fallback = fallback;
    return engine_->compile(model_of(c), options);
  }
};

TEST_F(Tvm, MatrixProductOfEachBatchItIsGiven) {
  GraphCase c;
  const Value w = noise(Shape{5, 4}, 3);
  c.out(c.op("MatMul", {c.in("x", {2, 7, 5}), c.constant(w)}), "y");
  const auto program = compile(c);
  const Value x = noise(Shape{2, 7, 5}), y = testing::run_program(*program, {x})[0];
  ASSERT_EQ(y.shape(), Shape({2, 7, 4}));
  for (size_t i = 0; i < 56; ++i) {
    double wanted = 0;
    for (size_t k = 0; k < 5; ++k)
      wanted += static_cast<double>(x.as<float>()[i / 4 * 5 + k]) * w.as<float>()[k * 4 + i % 4];
    EXPECT_NEAR(y.as<float>()[i], wanted, 1e-5);
  }
}

TEST_F(Tvm, ConvolutionWithPaddingStridesAndGroups) {
  GraphCase c;
  const ValueId y = c.op(
      "Conv", {c.in("x", {1, 4, 6, 5}), c.in("w", {6, 2, 3, 3}), c.in("b", {6})},
      {{"pads", std::vector<int64_t>{1, 0, 1, 2}}, {"strides", std::vector<int64_t>{2, 1}}, {"group", int64_t{2}}});
  c.out(y, "y");
  const Value x = noise(Shape{1, 4, 6, 5}), w = noise(Shape{6, 2, 3, 3}, 2), b = noise(Shape{6}, 3);
  const Value got = testing::run_program(*compile(c), {x, w, b})[0];
  ASSERT_EQ(got.shape(), Shape({1, 6, 3, 5}));
  for (int64_t o = 0; o < 6; ++o) {
    for (int64_t r = 0; r < 3; ++r) {
      for (int64_t q = 0; q < 5; ++q) {
        double wanted = b.as<float>()[static_cast<size_t>(o)];
        for (int64_t k = 0; k < 18; ++k) {
          const int64_t i = k / 9, row = 2 * r - 1 + k / 3 % 3, column = q + k % 3;
          if (row < 0 || row >= 6 || column >= 5) continue;
          wanted += static_cast<double>(x.as<float>()[static_cast<size_t>(((o / 3 * 2 + i) * 6 + row) * 5 + column)]) *
                    w.as<float>()[static_cast<size_t>(o * 18 + k)];
        }
        EXPECT_NEAR(got.as<float>()[static_cast<size_t>((o * 3 + r) * 5 + q)], wanted, 1e-5);
      }
    }
  }
}

// TVM simplifies x != x to false, and its maximum passes over NaN.
TEST_F(Tvm, NaNIsSeenAndPassedOn) {
  GraphCase c;
  const ValueId x = c.in("x", {4});
  c.out(c.op("IsNaN", {x}), "is");
  c.out(c.op("Relu", {x}), "relu");
  c.out(c.op("Max", {x, c.in("z", {1})}), "max");
  const float data[] = {-1, NAN, 2, INFINITY}, zero[] = {0};
  const auto out = testing::run_program(*compile(c), {Value::copy_of(DType::float32, Shape{4}, data, 16),
                                                      Value::copy_of(DType::float32, Shape{1}, zero, 4)});
  EXPECT_FALSE(out[0].as<bool>()[0]);
  EXPECT_TRUE(out[0].as<bool>()[1]);
  for (size_t k : {1, 2}) {
    EXPECT_EQ(out[k].as<float>()[0], 0);
    EXPECT_TRUE(std::isnan(out[k].as<float>()[1]));
    EXPECT_EQ(out[k].as<float>()[3], INFINITY);
  }
}

TEST_F(Tvm, WritesIntoGivenBuffers) {
  const auto program = engine_->compile(testing::one_node("Neg", 1, {1000}), {});
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

// The same elements under another shape, of an input and of a constant: none may be the memory of somebody else.
TEST_F(Tvm, ResultsAreNotTheInputs) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 3});
  const Value weight = noise(Shape{4}, 8);
  c.out(c.op("Reshape", {x, c.ints({3, 2})}), "view");
  c.out(c.op("Identity", {x}), "same");
  c.out(c.op("Unsqueeze", {c.constant(weight), c.ints({0})}), "constant");
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

// Values that live one after the other share memory: each must still be what it was when the next was made of it.
TEST_F(Tvm, ALongChainInLittleMemory) {
  GraphCase c;
  ValueId x = c.in("x", {64}), first = x;
  for (int i = 0; i < 30; ++i) x = c.op("Add", {c.op("Mul", {x, x}), first});
  c.out(x, "y");
  const Value in = noise(Shape{64});
  const Value y = testing::run_program(*compile(c), {in})[0];
  for (size_t i = 0; i < 64; ++i) {
    float wanted = in.as<float>()[i];
    for (int k = 0; k < 30; ++k) wanted = wanted * wanted + in.as<float>()[i];
    if (std::isfinite(wanted) && std::abs(wanted) < 1e3f) {
      EXPECT_NEAR(y.as<float>()[i], wanted, 1e-3 * (1 + std::abs(wanted)));
    }
  }
}

TEST_F(Tvm, EveryElementTypeComesBack) {
  for (DType t : {DType::float32, DType::uint8, DType::int8, DType::uint16, DType::int16, DType::int32, DType::int64,
                  DType::boolean, DType::float16, DType::float64, DType::uint32, DType::uint64}) {
    GraphCase c;
    c.out(c.op("Transpose", {c.in("x", {3, 2}, t)}), "y");
    const auto bytes = static_cast<size_t>(dtype_bytes(t, 6));
    std::vector<unsigned char> data(bytes);
    for (size_t i = 0; i < bytes; ++i) data[i] = t == DType::boolean ? i & 1 : static_cast<unsigned char>(17 * i + 3);
    const Value x = Value::copy_of(t, Shape{3, 2}, data.data(), bytes);
    std::vector<Value> y;
    ASSERT_EQ(message_of([&] { y = testing::run_program(*compile(c), {x}); }), "") << dtype_name(t);
    const size_t size = bytes / 6;
    for (size_t i = 0; i < 6; ++i) {
      EXPECT_EQ(
          std::memcmp(static_cast<const char*>(y[0].data()) + i * size, data.data() + (i % 3 * 2 + i / 3) * size, size),
          0)
          << dtype_name(t);
    }
  }
}

TEST_F(Tvm, RefusesWithASentence) {
  GraphCase c;
  c.out(c.op("NonZero", {c.in("x", {4})}), "y");
  Code code = Code::ok;
  const std::string said = message_of([&] { compile(c); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("NonZero: the mapping to TVM has no row for it"), std::string::npos) << said;
  GraphCase late;
  late.out(late.op("Reshape", {late.in("x", {4}), late.in("shape", {2}, DType::int64)}), "y");
  const std::string sizes = message_of([&] { compile(late); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(sizes.find("TVM compiles for sizes"), std::string::npos) << sizes;
}

// A function for each size that comes; more sizes than programs are kept, and one again.
TEST_F(Tvm, SizesThatOnlyTheRunKnows) {
  GraphCase c;
  const Value w = noise(Shape{5, 4}, 3);
  c.out(c.op("Relu", {c.op("MatMul", {c.in("x", {Dim::symbol("n"), 5}), c.constant(w)})}), "y");
  const auto program = compile(c);
  const auto instance = program->instance();
  for (int64_t n : {1, 7, 3, 2, 4, 5, 6, 8, 9, 10, 7, 1}) {
    const Value x = noise(Shape{n, 5}, static_cast<uint64_t>(n));
    std::vector<Value> y(1);
    instance->run(std::vector<Value>{x}, y, {});
    ASSERT_EQ(y[0].shape(), Shape({n, 4}));
    for (size_t i = 0; i < static_cast<size_t>(n * 4); ++i) {
      double wanted = 0;
      for (size_t k = 0; k < 5; ++k)
        wanted += static_cast<double>(x.as<float>()[i / 4 * 5 + k]) * w.as<float>()[k * 4 + i % 4];
      EXPECT_NEAR(y[0].as<float>()[i], wanted > 0 ? wanted : 0, 1e-5);
    }
  }
}

TEST_F(Tvm, ThreadsCompileAndRunAtOnce) {
  std::vector<std::thread> threads;
  std::vector<int> good(3, 0);
  for (size_t k = 0; k < good.size(); ++k) {
    threads.emplace_back([&, k] {
      const auto n = static_cast<int64_t>(8 + k);
      const auto program = engine_->compile(testing::one_node("Add", 2, {n}), {});
      for (int round = 0; round < 20; ++round) {
        const Value a = noise(Shape{n}, k), b = noise(Shape{n}, 9);
        const Value y = testing::run_program(*program, {a, b})[0];
        bool same = true;
        for (size_t i = 0; i < static_cast<size_t>(n); ++i)
          same = same && y.as<float>()[i] == a.as<float>()[i] + b.as<float>()[i];
        good[k] += same ? 1 : 0;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  for (int g : good) EXPECT_EQ(g, 20);
}

}  // namespace
}  // namespace chorus
