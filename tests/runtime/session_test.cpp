#include <chorus/infer.h>

#include "fixture.h"
#include "support/proves.h"
#include "support/sanitized.h"

#include <core/clock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace chorus {
namespace {

using testing::error_of;
using testing::fixture_config;
using testing::noise;

/// A chain of products that runs for the better part of a second: x = tanh(x W), over and over.
std::string long_model() {
  constexpr int64_t n = 256;
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 17;
  ValueId x = graph->add_input("x", Type::tensor(DType::float32, {Dim(n), Dim(n)}));
  Value weight = Value::tensor(DType::float32, {n, n});
  const std::vector<float> data = noise(n * n, 9);
  for (size_t i = 0; i < data.size(); ++i) weight.as_mutable<float>()[i] = data[i] / 16;
  const ValueId w = graph->add_constant("w", weight);
  const auto add = [&](const char* type, std::vector<ValueId> operands) {
    Node node;
    node.op = find_op("", type);
    node.version = node.op->version_index(17);
    node.type = type;
    node.inputs = std::move(operands);
    node.outputs = {graph->add_value(graph->unique_name(type))};
    return graph->node(graph->add_node(std::move(node))).outputs[0];
  };
  for (int i = 0; i < 1500; ++i) x = add("Tanh", {add("MatMul", {x, w})});
  graph->value(x).type = Type::tensor(DType::float32, {Dim(n), Dim(n)});
  graph->add_output(x);
  return testing::bytes_of(graph);
}

TEST(Session, AsyncEqualsSyncAndARunCanBeCancelled) {
  Predictor predictor(testing::config_of_bytes(long_model()));
  InputTensor* x = predictor.GetInputTensor(predictor.GetInputNames()[0]);
  OutputTensor* y = predictor.GetOutputTensor(predictor.GetOutputNames()[0]);
  const std::vector<float> input = noise(256 * 256);
  x->copy(input);
  const int64_t start = now_ns();
  predictor.Run();
  const double whole_ms = elapsed_ms(start, now_ns());
  const std::vector<float> sync = y->to_vector<float>();

  const RunHandle first = predictor.RunAsync();
  EXPECT_EQ(error_of([&] { predictor.Run(); }).code(), Code::bad_input);  // one run at a time
  x->copy(noise(256 * 256, 5));                                            // does not disturb the run
  first.get();
  EXPECT_EQ(y->to_vector<float>(), sync);

  const RunHandle second = predictor.RunAsync();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const int64_t asked = now_ns();
  second.cancel();
  const Error cancelled = error_of([&] { second.get(); });
  const double waited_ms = elapsed_ms(asked, now_ns());
  EXPECT_EQ(cancelled.code(), Code::cancelled) << "the whole run takes " << whole_ms << " ms";
  EXPECT_LT(waited_ms, 100);
  EXPECT_EQ(error_of([&] { y->count(); }).code(), Code::bad_input);  // no value of a run that did not finish
  EXPECT_TRUE(second.done());
  x->copy(input);
  predictor.Run();
  EXPECT_EQ(y->to_vector<float>(), sync);
  testing::proves("E-INF-02");  // and clean under TSan: this program runs there too
}

TEST(Session, TimeOut) {
  Config config = testing::config_of_bytes(long_model());
  config.SetTimeout(1);
  Predictor predictor(config);
  predictor.GetInputTensor("x")->copy(noise(256 * 256));
  EXPECT_EQ(error_of([&] { predictor.Run(); }).code(), Code::timeout);
  const RunHandle handle = predictor.RunAsync();
  EXPECT_TRUE(handle.wait(60'000));
  EXPECT_EQ(error_of([&] { handle.get(); }).code(), Code::timeout);
  testing::part_of("E-INF-02");
}

TEST(Session, SubsetOfOutputs) {
  const std::string bytes = testing::fixture_bytes("branch3");
  api::Instance instance = api::Model::LoadBuffer(bytes.data(), bytes.size()).Compile().CreateInstance();
  instance.input("a").copy(noise(16, 1));
  instance.input("b").copy(noise(16, 2));
  EXPECT_EQ(error_of([&] { instance.Run(); }).code(), Code::bad_input);  // "scale" is missing
  instance.Run({"left"});                                                 // which does not need it
  const std::vector<float> left = instance.output("left").to_vector<float>();
  EXPECT_EQ(error_of([&] { instance.output("right").count(); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { instance.Run({"middle"}); }).code(), Code::not_found);
  instance.input("scale").copy(std::vector<float>{3});
  instance.Run();
  EXPECT_EQ(instance.output("left").to_vector<float>(), left);
  EXPECT_EQ(instance.output("right").count(), 8);
  testing::part_of("E-INF-02");
}

int64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  long long size = 0, resident = 0;
  if (file == nullptr || std::fscanf(file, "%lld %lld", &size, &resident) != 2) return 0;
  std::fclose(file);
  return resident * 4096;
}

TEST(Session, InstancesShareWeights) {
  const std::string bytes = testing::fixture_bytes("resnet18");
  const api::Model model = api::Model::LoadBuffer(bytes.data(), bytes.size());
  api::Device device = api::Device::Open("cpu");
  device.SetNumThreads(1);
  const api::CompiledModel compiled = model.Compile({}, device);
  const std::vector<float> input = noise(3 * 224 * 224);
  const auto run = [&](api::Instance& instance) {
    instance.input(0).borrow(input.data(), DType::float32, {1, 3, 224, 224});
    instance.Run();
    return instance.output(0).to_vector<float>();
  };
  api::Instance first = compiled.CreateInstance();
  const std::vector<float> serial = run(first);
  const int64_t before = resident_bytes();
  std::vector<api::Instance> instances;
  for (int i = 0; i < 8; ++i) instances.push_back(compiled.CreateInstance());
  for (auto& instance : instances) EXPECT_EQ(run(instance), serial);
  const int64_t allowed = 8 * first.arena_bytes() + model.weight_bytes() / 10;
  if (!testing::kSanitized) {
    EXPECT_LE(resident_bytes() - before, allowed);
  }

  std::vector<std::vector<float>> results(2);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 2; ++i) threads.emplace_back([&, i] { results[i] = run(instances[i]); });
  for (auto& t : threads) t.join();
  EXPECT_EQ(results[0], serial);
  EXPECT_EQ(results[1], serial);
  testing::proves("E-INF-01");
}

TEST(Session, PredictorsKeepTheirOwnThreads) {
  const std::string bytes = testing::fixture_bytes("resnet18");
  const std::vector<float> input = noise(3 * 224 * 224);
  std::vector<std::vector<float>> results(3);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      Predictor predictor(testing::config_of_bytes(bytes, 1 << i));
      predictor.GetInputTensor("image")->copy(input);
      predictor.Run();
      results[i] = predictor.GetOutputTensor("logits")->to_vector<float>();
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(results[0], results[1]);  // bit for bit, for 1, 2 and 4 threads
  EXPECT_EQ(results[0], results[2]);
  testing::part_of("E-DEV-03");
}

}  // namespace
}  // namespace chorus
