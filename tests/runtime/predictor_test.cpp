#include <chorus/model.h>
#include <chorus/predictor.h>

#include "fixture.h"
#include "support/proves.h"

#include <core/convert.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace chorus {
namespace {

using testing::close32;
using testing::error_of;
using testing::fixture_config;
using testing::noise;
using testing::run_on_noise;

TEST(Predictor, MissingModelIsNamed) {
  Config config("/nowhere/at/all/model.onnx");
  const Error error = error_of([&] { Predictor p(config); });
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_NE(std::string(error.what()).find("/nowhere/at/all/model.onnx"), std::string::npos);
  config.SetModel("/nowhere/graph.onnx", "/nowhere/params.bin");
  EXPECT_EQ(error_of([&] { Predictor p(config); }).code(), Code::not_found);
  EXPECT_EQ(error_of([] { Predictor p{Config()}; }).code(), Code::bad_input);
  testing::proves("I-API-01");
}

TEST(Predictor, OptimisationSwitch) {
  Config config = fixture_config("convbnrelu");
  config.EnableProfile(true);
  config.SwitchIrOptim(false);
  Predictor plain(config);
  config.SwitchIrOptim(true);
  Predictor fused(config);
  const auto a = run_on_noise(plain), b = run_on_noise(fused);
  const testing::StepKinds nine = testing::kinds_of(plain.GetProfile()), three = testing::kinds_of(fused.GetProfile());
  EXPECT_EQ(nine.blocks, 9u);  // three blocks of three nodes in the file
  EXPECT_EQ(nine.layout, 0u);
  EXPECT_EQ(three.blocks, 3u);
  // One step more where the blocks compute over channel blocks, as wide processors do: the answer goes back to the plain layout.
  EXPECT_LE(three.layout, 1u);
  EXPECT_TRUE(close32(b[0], a[0]));
  testing::proves("I-API-03");
  testing::part_of("E-MOD-03");
}

TEST(Predictor, IsMadeFromAConfigOnlyAndKeepsIt) {
  static_assert(!std::is_default_constructible_v<Predictor>);
  static_assert(std::is_constructible_v<Predictor, const Config&>);
  Config config = fixture_config("branch3");
  config.SetOutputs({"right"});
  Predictor predictor(config);
  const auto before = run_on_noise(predictor);
  config.SetOutputs({});
  config.SetModel("/nowhere.onnx");
  config.SetPrecision("int8");
  EXPECT_EQ(predictor.GetOutputNames(), std::vector<std::string>{"right"});
  EXPECT_EQ(run_on_noise(predictor), before);
  const auto clone = predictor.Clone();
  EXPECT_EQ(run_on_noise(*clone), before);
  EXPECT_EQ(clone->GetOutputNames(), predictor.GetOutputNames());
  testing::proves("I-API-05");
}

TEST(Predictor, NamesInTheOrderOfTheGraph) {
  Predictor predictor(fixture_config("branch3"));
  EXPECT_EQ(predictor.GetInputNames(), (std::vector<std::string>{"a", "b", "scale"}));
  testing::proves("I-API-07");
  EXPECT_EQ(predictor.GetOutputNames(), (std::vector<std::string>{"left", "right"}));
  testing::proves("I-API-11");
}

TEST(Predictor, TensorPointersStay) {
  Predictor predictor(fixture_config("branch3"));
  InputTensor* a = predictor.GetInputTensor("a");
  OutputTensor* left = predictor.GetOutputTensor("left");
  run_on_noise(predictor);
  const std::vector<float> first = left->to_vector<float>();
  for (int i = 0; i < 3; ++i) run_on_noise(predictor);
  EXPECT_EQ(predictor.GetInputTensor("a"), a);
  EXPECT_EQ(predictor.GetOutputTensor("left"), left);
  EXPECT_EQ(left->to_vector<float>(), first);
  EXPECT_EQ(predictor.GetInputTensor("left"), nullptr);
  EXPECT_NE(predictor.LastMessage().find("\"a\", \"b\", \"scale\""), std::string::npos);
  EXPECT_EQ(predictor.GetOutputTensor(""), nullptr);
  EXPECT_FALSE(predictor.LastMessage().empty());
  predictor.GetInputTensor("b");
  EXPECT_TRUE(predictor.LastMessage().empty());
  testing::proves("I-API-08");
}

TEST(Predictor, CopyConvertsAndChecksTheSize) {
  Predictor predictor(fixture_config("mlp"));
  InputTensor* x = predictor.GetInputTensor("x");
  std::vector<uint8_t> bytes(784);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7);
  std::vector<float> floats(bytes.begin(), bytes.end());
  std::vector<uint16_t> halves(784);
  store_f32(DType::float16, halves.data(), 0, 784, floats.data());
  const auto held = [&] {
    return std::vector<float>(static_cast<const float*>(x->data()), static_cast<const float*>(x->data()) + 784);
  };
  x->copy(floats.data());
  EXPECT_EQ(held(), floats);
  x->copy(bytes.data());
  EXPECT_EQ(held(), floats);
  x->copy(halves.data(), DType::float16, 784);
  EXPECT_EQ(held(), floats);
  const Error error = error_of([&] { x->copy(std::vector<float>(783)); });
  EXPECT_EQ(error.code(), Code::shape);
  EXPECT_NE(error.message().find("\"x\""), std::string::npos);
  EXPECT_EQ(error_of([&] { predictor.Run(); }).code(), Code::bad_input);  // refused data is not half there
  testing::proves("I-API-09");
}

// The program of the standard, as it is printed there: only a using-directive before it.
namespace literal {
using namespace chorus;
std::vector<float> program(std::shared_ptr<Predictor> predictor, const std::vector<float>& input, size_t i) {
  const float* data_in = input.data();
  std::vector<float> result(10);
  float* data = result.data();
  auto input_names = predictor->GetInputNames();
  {
    auto tensor = predictor->GetInputTensor(input_names[i]);
    tensor->copy(data_in);
  }
  predictor->Run();
  auto out_names = predictor->GetOutputNames();
  {
    auto tensor = predictor->GetOutputTensor(out_names[i]);
    tensor->copy(data);
  }
  return result;
}
}  // namespace literal

/// y = softmax(W3 relu(W2 relu(W1 x + b1) + b2) + b3) in float64, from the file's parameters.
std::vector<double> mlp_in_double(const api::Model& model, const std::vector<float>& input) {
  std::vector<double> x(input.begin(), input.end());
  for (const char* name : {"fc1", "fc2", "fc3"}) {
    const auto [weight, weight_bytes] = model.parameter_data(std::string(name) + ".weight");
    const auto [bias, bias_bytes] = model.parameter_data(std::string(name) + ".bias");
    std::vector<double> y(bias_bytes / sizeof(float));
    for (size_t o = 0; o < y.size(); ++o) {
      y[o] = static_cast<const float*>(bias)[o];
      for (size_t i = 0; i < x.size(); ++i)
        y[o] += static_cast<double>(static_cast<const float*>(weight)[o * x.size() + i]) * x[i];
      if (std::string_view(name) != "fc3") y[o] = std::max(y[o], 0.0);
    }
    x = y;
  }
  double sum = 0;
  const double top = *std::max_element(x.begin(), x.end());
  for (double& v : x) sum += v = std::exp(v - top);
  for (double& v : x) v /= sum;
  return x;
}

TEST(Predictor, LiteralProgram) {
  const std::string bytes = testing::fixture_bytes("mlp");
  const auto predictor = std::make_shared<Predictor>(testing::config_of_bytes(bytes));
  const std::vector<float> input = noise(784);
  const std::vector<float> got = literal::program(predictor, input, 0);
  const std::vector<double> truth = mlp_in_double(api::Model::LoadBuffer(bytes.data(), bytes.size()), input);
  for (size_t i = 0; i < 10; ++i) EXPECT_NEAR(got[i], truth[i], 1e-5);
  testing::part_of("I-API-10");
}

TEST(Predictor, OutputShapesAreKnownAfterTheRun) {
  Predictor predictor(fixture_config("dyn"));
  OutputTensor* each = predictor.GetOutputTensor("each");
  EXPECT_EQ(each->shape(), (std::vector<int64_t>{-1, -1, 32}));
  EXPECT_EQ(error_of([&] { each->count(); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { predictor.GetInputTensor("tokens")->copy(noise(16).data()); }).code(), Code::shape);
  for (const auto& [batch, length] : std::vector<std::pair<int64_t, int64_t>>{{2, 5}, {1, 1}, {3, 17}}) {
    predictor.GetInputTensor("tokens")->Reshape({batch, length, 16});
    predictor.GetInputTensor("tokens")->copy(noise(batch * length * 16));
    predictor.Run();
    EXPECT_EQ(each->shape(), (std::vector<int64_t>{batch, length, 32}));
    EXPECT_EQ(predictor.GetOutputTensor("pooled")->shape(), (std::vector<int64_t>{batch, 32}));
    EXPECT_EQ(each->count(), batch * length * 32);
  }
  testing::proves("I-API-12");
}

/// y16 = cast<float16>(x), y = 300 * x - 20.
std::string cast_model() {
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 17;
  const ValueId x = graph->add_input("x", Type::tensor(DType::float32, {Dim(6)}));
  Node cast;
  cast.op = find_op("", "Cast");
  cast.version = cast.op->version_index(17);
  cast.type = "Cast";
  cast.name = "cast";
  cast.inputs = {x};
  cast.attributes.set("to", int64_t{10});
  cast.outputs = {graph->add_value("y16")};
  const NodeId id = graph->add_node(std::move(cast));
  graph->value(graph->node(id).outputs[0]).type = Type::tensor(DType::float16, {Dim(6)});
  graph->add_output(graph->node(id).outputs[0]);
  return testing::bytes_of(graph);
}

TEST(Predictor, OutputCopyConverts) {
  Predictor predictor(testing::config_of_bytes(cast_model()));
  const std::vector<float> input = {-1.5f, 0.0f, 1.0f / 3, 254.9f, 255.5f, 70000.0f};
  predictor.GetInputTensor("x")->copy(input);
  predictor.Run();
  const OutputTensor* y = predictor.GetOutputTensor("y16");
  std::vector<float> floats(6);
  y->copy(floats.data());
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(floats[i], static_cast<float>(static_cast<_Float16>(input[i]))) << i;
  EXPECT_TRUE(std::isinf(floats[5]));
  EXPECT_EQ(y->to_vector<uint8_t>(), (std::vector<uint8_t>{0, 0, 0, 254, 255, 255}));
  EXPECT_EQ(y->to_vector<int8_t>(), (std::vector<int8_t>{-1, 0, 0, 127, 127, 127}));

  Predictor branch(fixture_config("branch3"));
  const std::vector<float> exact = run_on_noise(branch)[0];
  std::vector<float> again(exact.size());
  branch.GetOutputTensor("left")->copy(again.data());
  const void* raw = branch.GetOutputTensor("left")->view().data();
  EXPECT_EQ(std::memcmp(raw, again.data(), again.size() * sizeof(float)), 0);
  testing::proves("I-API-13");
}

TEST(Predictor, HooksSeeIntermediateValues) {
  Config config = fixture_config("mlp");
  config.SwitchIrOptim(false);
  Predictor predictor(config);
  std::vector<std::string> names;
  std::vector<float> relu;
  predictor.SetHook([&](const std::string& name, DType type, const std::vector<int64_t>& shape, const void* data) {
    names.push_back(name);
    if (name == "relu2") {
      EXPECT_EQ(type, DType::float32);
      EXPECT_EQ(shape, (std::vector<int64_t>{1, 64}));
      relu.assign(static_cast<const float*>(data), static_cast<const float*>(data) + 64);
    }
  });
  run_on_noise(predictor);
  EXPECT_EQ(names, (std::vector<std::string>{"fc1", "relu1", "fc2", "relu2", "fc3", "probabilities"}));
  ASSERT_EQ(relu.size(), 64u);
  EXPECT_GE(*std::min_element(relu.begin(), relu.end()), 0.0f);
  EXPECT_GT(*std::max_element(relu.begin(), relu.end()), 0.0f);
  testing::part_of("E-INF-03");
}

}  // namespace
}  // namespace chorus
