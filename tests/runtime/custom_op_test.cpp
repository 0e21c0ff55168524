#include <chorus/infer.h>
#include <chorus/model.h>

#include "fixture.h"
#include "support/proves.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace chorus {
namespace {

using testing::error_of;
using testing::noise;

std::string compute_swish(const std::vector<api::CustomTensor>& in, std::vector<api::CustomTensor>& out,
                          const api::CustomOp::Numbers&) {
  if (in[0].shape != out[0].shape) return "shapes differ";
  const auto* x = static_cast<const float*>(in[0].data);
  auto* y = static_cast<float*>(out[0].out);
  for (int64_t i = 0; i < Shape(in[0].shape).numel(); ++i) y[i] = x[i] * std::clamp(x[i] + 3.0f, 0.0f, 6.0f) / 6.0f;
  return "";
}

/// -swish6(W x + b) in float64.
std::vector<float> truth(const api::Model& model, const std::vector<float>& x) {
  const auto* w = static_cast<const float*>(model.parameter_data("fc1.weight").first);
  const auto* b = static_cast<const float*>(model.parameter_data("fc1.bias").first);
  std::vector<float> y(x.size());
  for (size_t n = 0; n < x.size() / 8; ++n) {
    for (size_t o = 0; o < 8; ++o) {
      double sum = b[o];
      for (size_t i = 0; i < 8; ++i) sum += static_cast<double>(w[o * 8 + i]) * x[n * 8 + i];
      y[n * 8 + o] = static_cast<float>(-sum * std::clamp(sum + 3, 0.0, 6.0) / 6);
    }
  }
  return y;
}

TEST(CustomOp, UnknownThenRegistered) {
  const std::string bytes = testing::fixture_bytes("customop");
  const Error unknown = error_of([&] { Predictor p(testing::config_of_bytes(bytes)); });
  EXPECT_EQ(unknown.code(), Code::unsupported);
  EXPECT_NE(std::string(unknown.what()).find("my.Swish6"), std::string::npos);

  int shapes_asked = 0;
  bool saw_dynamic = false, saw_numbers = false;
  api::CustomOp op;
  op.domain = "my";
  op.name = "Swish6";
  op.signature = "(T x) -> (T y); T = f32";
  op.compute = &compute_swish;
  op.shape = [&](const std::vector<std::vector<int64_t>>& inputs, const api::CustomOp::Numbers&) {
    ++shapes_asked;
    (inputs[0][0] < 0 ? saw_dynamic : saw_numbers) = true;
    return inputs;
  };
  api::RegisterOp(op);
  EXPECT_EQ(error_of([&] { api::RegisterOp(op); }).code(), Code::already_exists);

  const api::Model model = api::Model::LoadBuffer(bytes.data(), bytes.size());
  api::Instance instance = model.Compile().CreateInstance();
  for (int64_t batch : {1, 3, 2}) {
    const std::vector<float> x = noise(batch * 8, static_cast<uint64_t>(batch));
    instance.input("x").copy(x);
    instance.Run();
    EXPECT_EQ(instance.output("y").shape(), (std::vector<int64_t>{batch, 8}));
    EXPECT_TRUE(testing::close32(instance.output("y").to_vector<float>(), truth(model, x)));
  }
  EXPECT_TRUE(saw_dynamic);
  EXPECT_TRUE(saw_numbers);
  EXPECT_GE(shapes_asked, 4);
  testing::part_of("E-MOD-04");
}

TEST(CustomOp, RefusesWhatIsIncomplete) {
  api::CustomOp op;
  op.domain = "my";
  op.name = "Broken";
  op.signature = "(T x) -> (T y); T = f32";
  EXPECT_EQ(error_of([&] { api::RegisterOp(op); }).code(), Code::bad_input);  // no compute
  op.compute = &compute_swish;
  op.signature = "x -> y";
  EXPECT_EQ(error_of([&] { api::RegisterOp(op); }).code(), Code::bad_input);
  op.signature = "(T x) -> (T y); T = f32";
  op.name = "";
  EXPECT_EQ(error_of([&] { api::RegisterOp(op); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([] { api::LoadPlugin("/nowhere/libno.so"); }).code(), Code::unavailable);
}

TEST(CustomOp, AttributesAndErrorsOfTheKernel) {
  api::CustomOp op;
  op.domain = "my";
  op.name = "ScaleBy";
  op.signature = "(T x) -> (T y) {factor: float = 2.0, limit: int = 5}; T = f32";
  op.compute = [](const std::vector<api::CustomTensor>& in, std::vector<api::CustomTensor>& out,
                  const api::CustomOp::Numbers& number) -> std::string {
    const auto* x = static_cast<const float*>(in[0].data);
    for (int64_t i = 0; i < Shape(in[0].shape).numel(); ++i) {
      if (x[i] > number("limit")) return "a value above the limit";
      static_cast<float*>(out[0].out)[i] = static_cast<float>(x[i] * number("factor"));
    }
    return "";
  };
  api::RegisterOp(op);
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 17;
  graph->opsets["my"] = 1;
  const ValueId x = graph->add_input("x", Type::tensor(DType::float32, {Dim(3)}));
  const ValueId operands[] = {x};
  const NodeId id = graph->add_node("ScaleBy", operands, {{"factor", 3.0f}}, 1, "my", "scale");
  graph->value(graph->node(id).outputs[0]).type = Type::tensor(DType::float32, {Dim(3)});
  graph->add_output(graph->node(id).outputs[0]);
  Predictor predictor(testing::config_of_bytes(testing::bytes_of(graph)));
  predictor.GetInputTensor("x")->copy(std::vector<float>{1, -2, 4});
  predictor.Run();
  EXPECT_EQ(predictor.GetOutputTensor("scale")->to_vector<float>(), (std::vector<float>{3, -6, 12}));
  predictor.GetInputTensor("x")->copy(std::vector<float>{1, 6, 4});
  const Error error = error_of([&] { predictor.Run(); });
  EXPECT_EQ(error.code(), Code::bad_input);
  EXPECT_NE(std::string(error.what()).find("a value above the limit"), std::string::npos);
  EXPECT_NE(std::string(error.what()).find("scale"), std::string::npos);
}

}  // namespace
}  // namespace chorus
