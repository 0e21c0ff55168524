#include <chorus/config.h>
#include <chorus/error.h>

#include "fixture.h"
#include "support/proves.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>

namespace chorus {
namespace {

using testing::error_of;

TEST(Config, JsonKeepsEveryField) {
  Config c;
  c.SetModel("graph.onnx", "weights.data");
  c.SetEngine("onnxruntime");
  c.SetDevice("cuda:1");
  c.SetThreads(3);
  c.SetAffinity({1, 0});
  c.SetPrecision("bf16");
  c.SwitchIrOptim(false);
  c.SetReferenceKernels(true);
  c.SetPowerMode(PowerMode::balanced);
  c.SetCacheDir("/tmp/cache \"x\"\n", 123456789);
  c.SetProcessing(R"({"outputs": {}})");
  c.SetMemoryLimit(int64_t{1} << 33);
  c.EnableProfile(true);
  c.SetOutputs({"a", "ü"});
  c.SetTimeout(250);
  c.SetFallback(true);
  c.SetWorker(true);
  c.SetWorkerDeadline(1500);
  c.SetNextEngines({"torch", "native"});
  const Config d = Config::FromJson(c.ToJson());
  EXPECT_EQ(d.model(), "graph.onnx");
  EXPECT_EQ(d.params(), "weights.data");
  EXPECT_EQ(d.engine(), "onnxruntime");
  EXPECT_EQ(d.device(), "cuda:1");
  EXPECT_EQ(d.threads(), 3);
  EXPECT_EQ(d.affinity(), (std::vector<int>{1, 0}));
  EXPECT_EQ(d.precision(), "bf16");
  EXPECT_FALSE(d.ir_optim());
  EXPECT_TRUE(d.reference_kernels());
  EXPECT_EQ(d.power_mode(), PowerMode::balanced);
  EXPECT_EQ(d.cache_dir(), "/tmp/cache \"x\"\n");
  EXPECT_EQ(d.cache_bytes(), 123456789);
  EXPECT_EQ(d.processing(), R"({"outputs": {}})");
  EXPECT_EQ(d.memory_limit(), int64_t{1} << 33);
  EXPECT_TRUE(d.profile());
  EXPECT_EQ(d.outputs(), (std::vector<std::string>{"a", "ü"}));
  EXPECT_EQ(d.timeout_ms(), 250);
  EXPECT_TRUE(d.fallback());
  EXPECT_TRUE(d.worker());
  EXPECT_EQ(d.worker_deadline_ms(), 1500);
  EXPECT_EQ(d.next_engines(), (std::vector<std::string>{"torch", "native"}));
  EXPECT_EQ(d.ToJson(), c.ToJson());
  const Config fresh;
  EXPECT_EQ(Config::FromJson("{}").ToJson(), fresh.ToJson());

  const Error unknown = error_of([] { Config::FromJson(R"({"model": "m", "thread": 2})"); });
  EXPECT_EQ(unknown.code(), Code::bad_input);
  EXPECT_NE(unknown.message().find("\"thread\""), std::string::npos);
  for (const char* text :
       {"", "[1]", "{\"threads\": 1.5}", "{\"threads\": \"2\"}", "{\"threads\": -1}", "{\"threads\": 4294967297}",
        "{\"precision\": \"f128\"}", "{\"power_mode\": \"off\"}", "{\"ir_optim\": 1}", "{\"memory_limit\": 0}",
        "{\"outputs\": \"a\"}", "{\"affinity\": [-1]}"}) {
    EXPECT_EQ(error_of([&] { Config::FromJson(text); }).code(), Code::bad_input) << text;
  }
  testing::proves("I-API-04");
}

// By argument, before the environment, before what was read from a file, before native; two engines in one process.
TEST(Config, TheEngineIsChosenAtStartOrPerGraph) {
  const char* const kText =
      R"({"engine": "onnxruntime", "engines": ["native", "torch"], "accuracy_bound": 0.001, "strict": true})";
  EXPECT_EQ(Config().engine(), "native");
  EXPECT_EQ(Config::FromJson(kText).engine(), "onnxruntime");
  EXPECT_EQ(Config::FromJson(kText).engines(), (std::vector<std::string>{"native", "torch"}));
  EXPECT_EQ(Config::FromJson(kText).accuracy_bound(), 0.001);
  EXPECT_TRUE(Config::FromJson(kText).strict());
  ::setenv("CHORUS_ENGINE", "auto", 1);
  EXPECT_EQ(Config().engine(), "auto");
  EXPECT_EQ(Config::FromJson(kText).engine(), "auto");
  Config chosen = testing::fixture_config("mlp");
  EXPECT_EQ(chosen.engine(), "auto");
  Predictor measured(chosen);
  EXPECT_EQ(measured.EngineName(), "auto");
  chosen.SetEngine("native");
  EXPECT_EQ(chosen.engine(), "native");
  ::unsetenv("CHORUS_ENGINE");
  Predictor native(chosen);
  EXPECT_EQ(native.EngineName(), "native");
  EXPECT_EQ(measured.EngineName(), "auto");
  EXPECT_EQ(testing::run_on_noise(measured), testing::run_on_noise(native));   // the only engine that is open
  Config c;
  EXPECT_EQ(error_of([&] { c.SetEngines({"auto"}); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { c.SetAccuracyBound(0); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { c.SetAccuracyBound(NAN); }).code(), Code::bad_input);
  chosen.SetEngine("nonesuch");
  const Error unknown = error_of([&] { Predictor p(chosen); });
  EXPECT_EQ(unknown.code(), Code::not_found);
  EXPECT_NE(unknown.fix().find("known engines: native"), std::string::npos);
}

TEST(Config, RefusesWrongValuesAtOnce) {
  Config c;
  EXPECT_EQ(error_of([&] { c.SetThreads(0); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { c.SetThreads(1025); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { c.SetModel(""); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { c.SetTimeout(-1); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { c.SetModelBuffer(nullptr, 3); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { c.SetPrecision("f64"); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { c.SetThreadPool(nullptr, nullptr, 2); }).code(), Code::bad_input);
  const std::string bytes = "x";
  c.SetModelBuffer(bytes.data(), 1);
  EXPECT_EQ(error_of([&] { c.ToJson(); }).code(), Code::unsupported);
}

// What is parsed is printed by recursion: a text that is nested without end took the whole stack.
TEST(Config, DeepTextsAreRefused) {
  for (const auto& [open, close] : {std::pair("[", "]"), std::pair(R"({"a":)", "}")}) {
    std::string deep;
    for (int i = 0; i < 1'000'000; ++i) deep += open;
    deep += "1";
    for (int i = 0; i < 1'000'000; ++i) deep += close;
    const Error error = error_of([&] { Config::FromJson("{\"engine\": " + deep + "}"); });
    EXPECT_EQ(error.code(), Code::bad_input);
    EXPECT_NE(error.message().find("1000001 deep"), std::string::npos) << error.message();
    Config config = testing::fixture_config("mlp");
    config.SetProcessing("{\"inputs\": " + deep + "}");
    const Error of_steps = error_of([&] { Predictor p(config); });
    EXPECT_EQ(of_steps.code(), Code::bad_input);
    EXPECT_NE(of_steps.message().find("1000001 deep"), std::string::npos) << of_steps.message();
  }
}

TEST(Config, DeviceNames) {
  Config c = testing::fixture_config("mlp");
  for (const char* wrong : {"", "gpu", "cpu:x", "cuda:-1"})
    EXPECT_EQ(error_of([&] { c.SetDevice(wrong); }).code(), Code::bad_input) << wrong;
  c.SetDevice("cuda:0");
  EXPECT_EQ(error_of([&] { Predictor p(c); }).code(), Code::unavailable);
  c.SetFallback(true);
  Predictor fallen(c);
  c.SetDevice("cpu");
  c.SetFallback(false);
  Predictor p(c);
  EXPECT_EQ(testing::run_on_noise(p), testing::run_on_noise(fallen));
  testing::proves("I-API-02");
}

TEST(Config, PowerModeDecidesTheNumberOfThreads) {
  Config c;
  c.SetThreads(5);
  EXPECT_EQ(c.effective_threads(), 5);
  c.SetPowerMode(PowerMode::balanced);
  EXPECT_EQ(c.effective_threads(), 3);
  c.SetPowerMode(PowerMode::low);
  EXPECT_EQ(c.effective_threads(), 1);
}

}  // namespace
}  // namespace chorus
