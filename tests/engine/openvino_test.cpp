// OpenVINO through the plug-in interface. Truth: numbers computed here in double, and properties. See InstalledEngine.
#include <core/clock.h>
#include <engine/plugin/plugin.h>

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <set>
#include <thread>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::GraphCase;
using testing::message_of;
using testing::model_of;
using testing::noise;

class OpenVino : public testing::InstalledEngine {
 protected:
  OpenVino() : InstalledEngine("openvino") {}
};

// y[n,4] = x[n,5] w[5,4] in double.
void expect_product(const Value& x, const Value& w, const Value& y, int64_t n) {
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

TEST_F(OpenVino, MatrixProductOfAnyBatch) {
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
      expect_product(x, w, y[0], n);
    }
  }
}

// Float inputs whose products need more than the 8 bits of a bfloat16: the hint must hold on machines that have it.
TEST_F(OpenVino, ComputesInFloat32) {
  GraphCase c;
  c.out(c.op("MatMul", {c.in("x", {64, 64}), c.constant(noise(Shape{64, 64}, 9))}), "y");
  const Value x = noise(Shape{64, 64}, 8), w = noise(Shape{64, 64}, 9), y = run(c, {x})[0];
  for (size_t i = 0; i < 64 * 64; ++i) {
    double wanted = 0;
    for (size_t k = 0; k < 64; ++k)
      wanted += static_cast<double>(x.as<float>()[i / 64 * 64 + k]) * w.as<float>()[k * 64 + i % 64];
    EXPECT_NEAR(y.as<float>()[i], wanted, 1e-4);
  }
}

TEST_F(OpenVino, WritesIntoGivenBuffersAndForgetsThem) {
  const auto program = engine_->compile(testing::one_node("Neg", 1, {Dim::symbol("n")}), {});
  const auto instance = program->instance();
  const Value x = noise(Shape{1000});
  std::vector<Value> y = {Value::tensor(DType::float32, Shape{1000})};
  const void* place = y[0].data();
  instance->run(std::vector<Value>{x}, y, {});
  EXPECT_EQ(y[0].data(), place);
  for (size_t i = 0; i < 1000; ++i) EXPECT_EQ(y[0].as<float>()[i], -x.as<float>()[i]);
  for (int64_t size : {999, 1001}) {
    std::vector<Value> wrong = {Value::tensor(DType::float32, Shape{size})};
    EXPECT_NE(message_of([&] { instance->run(std::vector<Value>{x}, wrong, {}); }), "") << size;
  }
  instance->run(std::vector<Value>{x}, y, {});  // and works after the failure
  const std::vector<float> before(y[0].as<float>().begin(), y[0].as<float>().end());
  const Value other = noise(Shape{1000}, 77);
  std::vector<Value> own(1);
  instance->run(std::vector<Value>{other}, own, {});  // must not write into the buffer of the run before
  EXPECT_NE(own[0].data(), place);
  for (size_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(own[0].as<float>()[i], -other.as<float>()[i]);
    EXPECT_EQ(y[0].as<float>()[i], before[i]);
  }
}

TEST_F(OpenVino, EveryElementTypeComesBack) {
  for (DType t : {DType::float32, DType::uint8, DType::int8, DType::uint16, DType::int16, DType::int32, DType::int64,
                  DType::boolean, DType::float16, DType::uint32, DType::uint64, DType::bfloat16}) {
    GraphCase c;  // small whole numbers, which every type holds
    c.out(c.op("Identity", {c.in("x", {Dim::symbol("n"), 2}, t)}), "y");
    Value x = Value::tensor(t, Shape{3, 2});
    const size_t width = x.bytes() / 6;
    auto* bytes = static_cast<unsigned char*>(x.mutable_data());
    std::fill(bytes, bytes + x.bytes(), static_cast<unsigned char>(0));
    // Low bytes for whole numbers; high ones for floating point: 0x40.. is an ordinary number of each width.
    const bool floating = t == DType::float32 || t == DType::float16 || t == DType::bfloat16;
    for (size_t i = 0; i < 6; ++i) {
      bytes[i * width + (floating ? width - 1 : 0)] = static_cast<unsigned char>(t == DType::boolean ? i & 1
                                                                                 : floating          ? 0x40 + i % 2
                                                                                                     : 3 + i);
    }
    std::vector<Value> y;
    ASSERT_EQ(message_of([&] { y = run(c, {x}); }), "") << dtype_name(t);
    EXPECT_TRUE(y[0].identical(x)) << dtype_name(t);
  }
}

TEST_F(OpenVino, RefusesWithASentenceForEachNode) {
  GraphCase c;
  const ValueId x = c.in("x", {2, 2});
  c.out(c.op("Det", {c.op("Relu", {x})}), "y");
  const Model model = model_of(c);
  int refused = 0;
  for (const Claim& claim : engine_->claim(*model.graph, {})) {
    if (claim.verdict != Verdict::no) continue;
    ++refused;
    EXPECT_EQ(model.graph->node(claim.node).type, "Det");
    EXPECT_NE(claim.reason.find("Det: OpenVINO has no conversion"), std::string::npos) << claim.reason;
  }
  EXPECT_EQ(refused, 1);
  Code code = Code::ok;
  const std::string said = message_of([&] { engine_->compile(model, {}); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("refuses 1 of 2 nodes"), std::string::npos) << said;
}

TEST_F(OpenVino, RefusesTypesThatItDoesNotHave) {
  GraphCase small;
  small.out(small.op("Identity", {small.in("x", {2}, DType::uint2)}), "y");
  Code code = Code::ok;
  EXPECT_NE(message_of([&] { engine_->compile(model_of(small), {}); }, &code).find("element type"), std::string::npos);
  EXPECT_EQ(code, Code::unsupported);
  GraphCase list;
  list.out(
      list.op("SequenceAt", {list.op("SplitToSequence", {list.in("x", {4, 2}), list.ints({1, 3})}), list.ints({0})}),
      "y");
  EXPECT_NE(message_of([&] { engine_->compile(model_of(list), {}); }, &code).find("OpenVINO has no sequences"),
            std::string::npos);
  EXPECT_EQ(code, Code::unsupported);
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

TEST_F(OpenVino, ALongRunEndsAtItsDeadline) {
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

TEST_F(OpenVino, TwoInstancesAtOnce) {
  GraphCase c;
  const Value w = noise(Shape{5, 4}, 3);
  c.out(c.op("MatMul", {c.in("x", {Dim::symbol("n"), 5}), c.constant(w)}), "y");
  const auto program = engine_->compile(model_of(c), {});
  auto work = [&](uint64_t seed) {
    const auto instance = program->instance();
    for (uint64_t i = 0; i < 50; ++i) {
      const Value x = noise(Shape{3, 5}, seed + i);
      std::vector<Value> y(1);
      instance->run(std::vector<Value>{x}, y, {});
      expect_product(x, w, y[0], 3);
    }
  };
  std::thread other([&] { work(1000); });
  work(2000);
  other.join();
}

// Between runs nothing may use the processor: the pool sleeps.
TEST_F(OpenVino, IdleThreadsSleep) {
  CompileOptions options;
  options.threads = 2;
  const auto program = engine_->compile(long_run(), options);
  const auto instance = program->instance();
  std::vector<Value> y(1);
  instance->run(std::vector<Value>{noise(Shape{300, 300})}, y, {});
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const double busy = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  EXPECT_LT(busy, 0.1);
}

std::string absent_message(const char* library) {
  const char* before = std::getenv("CHORUS_OPENVINO_LIBRARY");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("CHORUS_OPENVINO_LIBRARY", library, 1);
  Code code = Code::ok;
  const std::string path = std::string(CHORUS_PLUGINS) + "/libchorus_engine_openvino.so";
  const std::string said = message_of([&] { plugin::load_engine(path, "openvino", ""); }, &code);
  EXPECT_EQ(code, Code::unavailable);
  if (before == nullptr)
    ::unsetenv("CHORUS_OPENVINO_LIBRARY");
  else
    ::setenv("CHORUS_OPENVINO_LIBRARY", kept.c_str(), 1);
  return said;
}

TEST(OpenVinoAbsent, SaysWhatHelps) {
  const std::string said = absent_message("/nonexistent/libopenvino_c.so.1");
  EXPECT_NE(said.find("./dev engines openvino"), std::string::npos) << said;
  EXPECT_NE(said.find("/nonexistent/"), std::string::npos) << said;
}

TEST(OpenVinoAbsent, RefusesAnotherVersion) {
  const std::string said = absent_message(CHORUS_TEST_PLUGINS "/libother_openvino.so");
  EXPECT_NE(said.find("OpenVINO 2025.1.0-1 was found; 2026.4.1 is needed"), std::string::npos) << said;
  const std::string longer = absent_message(CHORUS_TEST_PLUGINS "/libchorus_engine_liar.so");
  EXPECT_NE(longer.find("does not say its version"), std::string::npos) << longer;
}

// It would end the process by SIGFPE while it compiles.
TEST_F(OpenVino, WhatItDividesByZeroForIsRefused) {
  GraphCase empty, none, some;
  empty.out(empty.op("Gather", {empty.in("x", {0, 3}), empty.constant(Value::tensor(DType::int64, Shape{0}))}), "y");
  none.out(none.op("Compress", {none.in("x", {3}), none.constant(Value::of<bool>(Shape{3}, {false, false, false}))}),
           "y");
  some.out(some.op("Compress", {some.in("x", {3}), some.constant(Value::of<bool>(Shape{3}, {false, true, false}))}),
           "y");
  for (GraphCase* c : {&empty, &none}) {
    Code code = Code::ok;
    EXPECT_NE(message_of([&] { engine_->compile(model_of(*c), {}); }, &code).find("divides by zero"),
              std::string::npos);
    EXPECT_EQ(code, Code::unsupported);
  }
  const Value x = Value::of<float>(Shape{3}, {1, 2, 3});
  EXPECT_EQ(run(some, {x})[0].as<float>()[0], 2);
}

// Wrong answers that can be told from the node: better refused.
TEST_F(OpenVino, WhatItComputesAsSomethingElseIsRefused) {
  using Axes = std::vector<int64_t>;
  GraphCase softmax, reduce, average, lp, most;
  softmax.graph.opsets[""] = 11;
  softmax.out(softmax.op("Softmax", {softmax.in("x", {2, 3, 4})}, {{"axis", int64_t{1}}}, 1, 11), "y");
  reduce.out(reduce.op("ReduceL1", {reduce.in("x", {3})}, {{"noop_with_empty_axes", int64_t{1}}}), "y");
  average.out(average.op("AveragePool", {average.in("x", {1, 1, 4, 4})},
                         {{"kernel_shape", Axes{3, 3}},
                          {"strides", Axes{2, 2}},
                          {"ceil_mode", int64_t{1}},
                          {"count_include_pad", int64_t{1}}}),
              "y");
  lp.out(lp.op("LpPool", {lp.in("x", {1, 1, 4, 4})},
               {{"kernel_shape", Axes{3, 3}}, {"strides", Axes{2, 2}}, {"ceil_mode", int64_t{1}}}),
         "y");
  most.out(most.op("MaxPool", {most.in("x", {1, 1, 2, 2})},
                   {{"kernel_shape", Axes{1, 1}}, {"strides", Axes{2, 2}}, {"ceil_mode", int64_t{1}}}),
           "y");
  CompileOptions options;
  options.fallback = Fallback::none;
  for (auto [c, words] :
       {std::pair(&softmax, "over one axis"), std::pair(&reduce, "noop_with_empty_axes"),
        std::pair(&average, "ceil_mode"), std::pair(&lp, "ceil_mode"), std::pair(&most, "ceil_mode")}) {
    Code code = Code::ok;
    const std::string said = message_of([&] { engine_->compile(model_of(*c), options); }, &code);
    EXPECT_NE(said.find(words), std::string::npos) << words << ": " << said;
    EXPECT_EQ(code, Code::unsupported);
  }
  GraphCase last, plain, inside;   // and what means the same is not
  last.graph.opsets[""] = 11;
  last.out(last.op("Softmax", {last.in("x", {2, 3})}, {{"axis", int64_t{1}}}, 1, 11), "y");
  plain.out(plain.op("ReduceL1", {plain.in("x", {3})}), "y");
  inside.out(inside.op("MaxPool", {inside.in("x", {1, 1, 4, 4})},
                       {{"kernel_shape", Axes{3, 3}}, {"strides", Axes{2, 2}}, {"ceil_mode", int64_t{1}}}),
             "y");
  for (GraphCase* c : {&last, &plain, &inside})
    EXPECT_EQ(message_of([&] { engine_->compile(model_of(*c), options); }), "");
}

// It would answer, and wrongly: each with what it is.
TEST_F(OpenVino, WhatItAnswersWronglyIsRefused) {
  const auto said = [&](GraphCase& c) {
    Code code = Code::ok;
    const std::string message = message_of([&] { engine_->compile(model_of(c), {}); }, &code);
    EXPECT_EQ(code, Code::unsupported) << message;
    return message;
  };
  GraphCase wide, small, rest;
  wide.out(wide.op("Neg", {wide.in("x", {3}, DType::float64)}), "y");
  EXPECT_NE(said(wide).find("computes float64 in float32"), std::string::npos);
  small.out(small.op("Abs", {small.in("x", {3}, DType::int8)}), "y");
  EXPECT_NE(said(small).find("saturates"), std::string::npos);
  Attributes fmod;
  fmod.set("fmod", 1);
  rest.out(rest.op("Mod", {rest.in("x", {4}), rest.in("z", {4})}, fmod), "y");
  EXPECT_NE(said(rest).find("remainder of infinities"), std::string::npos);
  GraphCase right;   // the same operator where nothing is wrong
  right.out(right.op("Abs", {right.in("x", {3}, DType::int32)}), "y");
  EXPECT_EQ(run(right, {Value::of<int32_t>(Shape{3}, {-4, 5, -6})})[0].as<int32_t>()[2], 6);
}

// A row of minus infinities has the maximum minus infinity, which the graph asks for; it would be the least float32.
TEST_F(OpenVino, AMaximumThatIsComparedKeepsItsInfinity) {
  const float infinity = std::numeric_limits<float>::infinity();
  GraphCase c;
  const ValueId most = c.op("ReduceMax", {c.in("x", {2, 2}), c.constant(Value::of<int64_t>(Shape{1}, {1}))});
  c.out(c.op("Equal", {most, c.constant(Value::of<float>(Shape{1}, {-infinity}))}), "masked");
  c.out(most, "most");
  const std::vector<Value> y = run(c, {Value::of<float>(Shape{2, 2}, {-infinity, -infinity, 3, -infinity})});
  EXPECT_TRUE(y[0].as<bool>()[0]);
  EXPECT_FALSE(y[0].as<bool>()[1]);
  EXPECT_EQ(y[1].as<float>()[0], -infinity);
  EXPECT_EQ(y[1].as<float>()[1], 3);
}

}  // namespace
}  // namespace chorus
