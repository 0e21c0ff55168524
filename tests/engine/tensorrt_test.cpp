// TensorRT through the plug-in interface, on a stand-in of the same C++ interface (plugins/mock_tensorrt.cpp), whose device memory nobody else
// can read. Truth: numbers computed here.
#include <engine/plugin/plugin.h>
#include <dlfcn.h>

#include <cstdlib>
#include <map>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::GraphCase;
using testing::message_of;
using testing::model_of;
using testing::noise;

constexpr const char* kMock = CHORUS_TEST_PLUGINS "/libmock_tensorrt.so";

class TensorRt : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"CHORUS_TENSORRT_LIBRARY", "CHORUS_TENSORRT_PARSER", "CHORUS_CUDART_LIBRARY"})
      set(name, kMock);
  }
  void TearDown() override {
    for (const auto& [name, value] : before_) {
      if (value.second)
        ::setenv(name.c_str(), value.first.c_str(), 1);
      else
        ::unsetenv(name.c_str());
    }
  }
  void set(const char* name, const char* value) {
    const char* old = std::getenv(name);
    before_.emplace(name, std::pair(old == nullptr ? "" : old, old != nullptr));
    ::setenv(name, value, 1);
  }
  std::shared_ptr<Engine> load() {
    return plugin::load_engine(std::string(CHORUS_PLUGINS) + "/libchorus_engine_tensorrt.so", "tensorrt", "");
  }
  std::string refusal_to_load() {
    Code code = Code::ok;
    const std::string said = message_of([&] { load(); }, &code);
    EXPECT_EQ(code, Code::unavailable);
    return said;
  }
  static std::shared_ptr<Program> compile(Engine& engine, GraphCase& c) {
    CompileOptions options;
    options.fallback = Fallback::none;
    return engine.compile(model_of(c), options);
  }
  std::map<std::string, std::pair<std::string, bool>> before_;
};

TEST_F(TensorRt, RunsAModelOnDeviceMemory) {
  const auto engine = load();
  GraphCase c;
  const Value w = noise(Shape{3, 4}, 5), b = noise(Shape{4}, 6);
  c.out(c.op("Relu", {c.op("Add", {c.op("MatMul", {c.in("x", {2, 3}), c.constant(w, "w")}), c.constant(b, "b")})}),
        "y");
  const auto program = compile(*engine, c);
  const auto instance = program->instance();
  for (uint64_t seed : {1, 2}) {
    const Value x = noise(Shape{2, 3}, seed);
    std::vector<Value> y(1);
    if (seed == 2) y[0] = Value::tensor(DType::float32, Shape{2, 4});  // and into a buffer that is given
    instance->run(std::vector<Value>{x}, y, {});
    ASSERT_EQ(y[0].shape(), Shape({2, 4}));
    for (size_t i = 0; i < 8; ++i) {
      double wanted = b.as<float>()[i % 4];
      for (size_t k = 0; k < 3; ++k)
        wanted += static_cast<double>(x.as<float>()[i / 4 * 3 + k]) * w.as<float>()[k * 4 + i % 4];
      EXPECT_NEAR(y[0].as<float>()[i], wanted > 0 ? wanted : 0, 1e-5);
    }
  }
}

TEST_F(TensorRt, RefusesWhatTheParserDoesNotRead) {
  const auto engine = load();
  GraphCase c;
  c.out(c.op("Sin", {c.op("Relu", {c.in("x", {2})})}), "y");
  Code code = Code::ok;
  const std::string said = message_of([&] { compile(*engine, c); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("Sin: TensorRT: no importer is registered for Sin"), std::string::npos) << said;
  EXPECT_EQ(said.find("Relu:"), std::string::npos) << said;
  GraphCase texts;
  texts.out(texts.op("Identity", {texts.in("x", {2}, DType::string)}), "y");
  EXPECT_NE(message_of([&] { compile(*engine, texts); }).find("TensorRT has no element type"), std::string::npos);
  GraphCase open;
  open.out(open.op("Relu", {open.in("x", {Dim::symbol("n")})}), "y");
  EXPECT_NE(message_of([&] { compile(*engine, open); }).find("built for sizes"), std::string::npos);
}

TEST_F(TensorRt, SaysWhyItDoesNotBuild) {
  const auto engine = load();
  GraphCase c;
  c.out(c.op("Neg", {c.in("x", {2})}), "y");
  Code code = Code::ok;
  const std::string said = message_of([&] { compile(*engine, c); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("no implementation of Neg was found"), std::string::npos) << said;
}

TEST_F(TensorRt, AFailureOfTheDeviceIsAnError) {
  const auto engine = load();
  GraphCase c;
  c.out(c.op("Relu", {c.in("x", {2})}), "y");
  const auto program = compile(*engine, c);
  set("CHORUS_MOCK_CUDA_ERROR", "700");
  Code code = Code::ok;
  const std::string said = message_of([&] { testing::run_program(*program, {noise(Shape{2})}); }, &code);
  EXPECT_EQ(code, Code::device_lost);
  EXPECT_NE(said.find("an illegal address"), std::string::npos) << said;
  set("CHORUS_MOCK_CUDA_ERROR", "0");
  EXPECT_EQ(message_of([&] { testing::run_program(*program, {noise(Shape{2})}); }), "");
}

TEST_F(TensorRt, EndsWhatItMade) {
  void* const mock = ::dlopen(kMock, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(mock, nullptr);
  const auto living = reinterpret_cast<int (*)()>(::dlsym(mock, "chorus_mock_living"));
  const int before = living();
  {
    const auto engine = load();
    GraphCase c;
    c.out(c.op("Relu", {c.in("x", {2})}), "y");
    const auto program = compile(*engine, c);
    testing::run_program(*program, {noise(Shape{2})});
    EXPECT_GT(living(), before);
  }
  EXPECT_LE(living(), before + 1);  // an engine's own runtime lives as long as the process keeps the engine
}

TEST_F(TensorRt, AMissingLibraryIsNamed) {
  set("CHORUS_TENSORRT_LIBRARY", "/nonexistent/libnvinfer.so.10");
  const std::string said = refusal_to_load();
  EXPECT_NE(said.find("/nonexistent/libnvinfer.so.10"), std::string::npos) << said;
  EXPECT_NE(said.find("CHORUS_TENSORRT_LIBRARY"), std::string::npos) << said;
}

TEST_F(TensorRt, AnotherVersionIsRefused) {
  set("CHORUS_MOCK_TENSORRT_VERSION", "110100");
  EXPECT_NE(refusal_to_load().find("TensorRT 11.1.0 was found; 10 is needed"), std::string::npos);
}

TEST_F(TensorRt, NoDeviceIsSaid) {
  set("CHORUS_MOCK_NO_DEVICE", "1");
  EXPECT_NE(refusal_to_load().find("there is no CUDA device"), std::string::npos);
}

TEST_F(TensorRt, AnotherLibraryIsNoParser) {
  set("CHORUS_TENSORRT_PARSER", CHORUS_PLUGINS "/libchorus_engine_tensorrt.so");
  EXPECT_NE(refusal_to_load().find("createNvOnnxParser_INTERNAL"), std::string::npos);
}

}  // namespace
}  // namespace chorus
