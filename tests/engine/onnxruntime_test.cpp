// ONNX Runtime through the plug-in interface. Truth: numbers computed here in double, and properties. See InstalledEngine.
#include <core/clock.h>
#include <core/convert.h>
#include <engine/plugin/plugin.h>

#include <cstdlib>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::GraphCase;
using testing::message_of;
using testing::model_of;
using testing::noise;

class OnnxRuntime : public testing::InstalledEngine {
 protected:
  OnnxRuntime() : InstalledEngine("onnxruntime") {}
};

TEST_F(OnnxRuntime, MatrixProductOfAnyBatch) {
  GraphCase c;
  const Value w = noise(Shape{5, 4}, 3);
  c.out(c.op("MatMul", {c.in("x", {Dim::symbol("n"), 5}), c.constant(w)}), "y");
  const Model model = model_of(c);
  for (int threads : {1, 3}) {
    CompileOptions options;
    options.threads = threads;
    const auto program = engine_->compile(model, options);
    const auto instance = program->instance();
    for (int64_t n : {1, 7, 0, 3}) {
      const Value x = noise(Shape{n, 5}, static_cast<uint64_t>(n));
      std::vector<Value> y(1);
      instance->run(std::vector<Value>{x}, y, {});
      ASSERT_EQ(y[0].shape(), Shape({n, 4}));
      for (int64_t i = 0; i < n * 4; ++i) {
        double wanted = 0;
        for (int64_t k = 0; k < 5; ++k) {
          wanted += static_cast<double>(x.as<float>()[static_cast<size_t>(i / 4 * 5 + k)]) *
                    w.as<float>()[static_cast<size_t>(k * 4 + i % 4)];
        }
        EXPECT_NEAR(y[0].as<float>()[static_cast<size_t>(i)], wanted, 1e-5);
      }
    }
  }
}

TEST_F(OnnxRuntime, WritesIntoGivenBuffers) {
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

TEST_F(OnnxRuntime, EveryElementTypeComesBack) {
  for (DType t : {DType::float32, DType::uint8, DType::int8, DType::uint16, DType::int16, DType::int32, DType::int64,
                  DType::boolean, DType::float16, DType::float64, DType::uint32, DType::uint64, DType::bfloat16,
                  DType::float8e4m3fn, DType::float8e4m3fnuz, DType::float8e5m2, DType::float8e5m2fnuz}) {
    GraphCase c;
    c.out(c.op("Identity", {c.in("x", {Dim::symbol("n"), 2}, t)}), "y");
    const auto bytes = static_cast<size_t>(dtype_bytes(t, 6));
    std::vector<unsigned char> data(bytes);
    for (size_t i = 0; i < bytes; ++i) data[i] = t == DType::boolean ? i & 1 : static_cast<unsigned char>(17 * i + 3);
    const Value x = Value::copy_of(t, Shape{3, 2}, data.data(), bytes);
    Code code = Code::ok;
    std::vector<Value> y;
    const std::string said = message_of([&] { y = run(c, {x}); }, &code);
    ASSERT_EQ(said, "") << dtype_name(t);
    EXPECT_TRUE(y[0].identical(x)) << dtype_name(t);
  }
}

TEST_F(OnnxRuntime, FourBitTypesArePackedAlike) {
  GraphCase c;
  Attributes to;
  to.set("to", static_cast<int64_t>(DType::int32));
  c.out(c.op("Cast", {c.in("x", {5}, DType::int4)}, to), "y");
  const unsigned char packed[] = {0x21, 0x8F, 0x07};  // 1, 2, -1, -8, 7: first element in the low bits
  const Value y = run(c, {Value::copy_of(DType::int4, Shape{5}, packed, 3)})[0];
  EXPECT_EQ(y.to_int64s(), (std::vector<int64_t>{1, 2, -1, -8, 7}));
}

TEST_F(OnnxRuntime, Strings) {
  GraphCase c;
  c.out(c.op("StringConcat", {c.in("a", {3}, DType::string), c.in("b", {3}, DType::string)}), "y");
  const std::vector<std::string> a = {"x", "", "größe"}, b = {"1", "", "!"};
  const Value y = run(c, {Value::strings(Shape{3}, a), Value::strings(Shape{3}, b)})[0];
  ASSERT_EQ(y.dtype(), DType::string);
  EXPECT_EQ(y.strings()[0], "x1");
  EXPECT_EQ(y.strings()[1], "");
  EXPECT_EQ(y.strings()[2], "größe!");
}

TEST_F(OnnxRuntime, Sequences) {
  GraphCase c;
  Attributes axis;
  axis.set("axis", 0);
  c.out(c.op("SplitToSequence", {c.in("x", {4, 2}), c.ints({1, 3})}, axis), "y");
  const Value x = noise(Shape{4, 2});
  const auto instance_program = engine_->compile(model_of(c), {});
  const auto instance = instance_program->instance();
  std::vector<Value> y(1);
  instance->run(std::vector<Value>{x}, y, {});
  ASSERT_EQ(y[0].kind(), ValueKind::sequence);
  ASSERT_EQ(y[0].items().size(), 2u);
  EXPECT_EQ(y[0].items()[0].shape(), Shape({1, 2}));
  EXPECT_EQ(y[0].items()[1].shape(), Shape({3, 2}));
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(y[0].items()[1].as<float>()[i], x.as<float>()[i + 2]);
}

TEST_F(OnnxRuntime, RefusesWhatItDoesNotKnow) {
  GraphCase c;
  c.out(c.op("Identity", {c.in("x", {2}, DType::uint2)}), "y");
  Code code = Code::ok;
  const std::string said = message_of([&] { engine_->compile(model_of(c), {}); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("element type"), std::string::npos) << said;
}

// It would answer, and wrongly, or fail in the run only.
TEST_F(OnnxRuntime, RefusesWhatItAnswersWrongly) {
  GraphCase mean, rest;
  mean.out(mean.op("ReduceMean", {mean.in("x", {0, 3}), mean.constant(Value::of<int64_t>(Shape{1}, {0}))}), "y");
  rest.out(rest.op("Mod", {rest.in("x", {2}, DType::int32), rest.in("z", {2}, DType::int32)}), "y");
  Code code = Code::ok;
  const std::string said = message_of([&] { engine_->compile(model_of(mean), {}); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("mean of no elements"), std::string::npos) << said;
  const Value x = Value::of<int32_t>(Shape{2}, {7, -7}), z = Value::of<int32_t>(Shape{2}, {3, 3});
  EXPECT_EQ(run(rest, {x, z})[0].as<int32_t>()[1], 2);  // of integers it is right
}

TEST_F(OnnxRuntime, ALongRunEndsAtItsDeadline) {
  GraphCase c;  // 400 products of 300 by 300: far more than the deadline
  ValueId v = c.in("x", {300, 300});
  const ValueId w = c.constant(noise(Shape{300, 300}, 5));
  for (int i = 0; i < 400; ++i) v = c.op("MatMul", {v, w});
  c.out(v, "y");
  for (NodeId id = 0; id < c.graph.node_capacity(); ++id)
    c.graph.node(id).name.clear();  // ONNX Runtime wants different ones or none
  const auto program = engine_->compile(model_of(c), {});
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

TEST(OnnxRuntimeAbsent, SaysWhatHelps) {
  const char* before = std::getenv("CHORUS_ORT_LIBRARY");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("CHORUS_ORT_LIBRARY", "/nonexistent/libonnxruntime.so.1", 1);
  Code code = Code::ok;
  const std::string path = std::string(CHORUS_PLUGINS) + "/libchorus_engine_onnxruntime.so";
  const std::string said = message_of([&] { plugin::load_engine(path, "onnxruntime", ""); }, &code);
  EXPECT_EQ(code, Code::unavailable);
  EXPECT_NE(said.find("./dev engines onnxruntime"), std::string::npos) << said;
  EXPECT_NE(said.find("/nonexistent/"), std::string::npos) << said;
  if (before == nullptr)
    ::unsetenv("CHORUS_ORT_LIBRARY");
  else
    ::setenv("CHORUS_ORT_LIBRARY", kept.c_str(), 1);
}

}  // namespace
}  // namespace chorus
