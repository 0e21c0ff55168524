// chorus run: the profile and the taps of a whole network.
#include "command.h"
#include "support/proves.h"
#include "support/sanitized.h"

#include "../runtime/fixture.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;

Json profile_of(const std::string& options) {
  const Done done = chorus_command(
      "run resnet18.onnx --random --no-cache --threads 1 --repeat 3 --profile --json --output out.npz " + options);
  EXPECT_EQ(done.status, 0) << done.err;
  // Two JSON documents: the outputs, then the profile.
  const size_t second = done.out.find("\n}\n{");
  EXPECT_NE(second, std::string::npos) << done.out.substr(0, 200);
  return Json::parse(done.out.substr(second + 3));
}

/// The share of the runs' time that the steps account for.
double share_of(const Json& profile) {
  double sum = 0;
  for (const Json& step : profile["steps"]) sum += step["total_ms"].get<double>();
  return sum / profile["run_ms"].get<double>();
}

/// The largest difference, relative to the largest magnitude.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size() || a.empty()) return 1e30;
  double worst = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    largest = std::max(largest, std::fabs(static_cast<double>(b[i])));
  }
  return worst / largest;
}

/// A hook sees the value of every node; each is what the reference kernels give for the same name as an output.
void expect_hooks(const Model& made) {
  Config config = fixture_config("resnet18");
  config.SwitchIrOptim(false);
  Predictor predictor(config);
  std::map<std::string, std::vector<float>> seen;
  predictor.SetHook([&](const std::string& name, DType type, const std::vector<int64_t>& shape, const void* data) {
    EXPECT_EQ(type, DType::float32);
    const auto* values = static_cast<const float*>(data);
    EXPECT_TRUE(seen.emplace(name, std::vector<float>(values, values + Shape(shape).numel())).second) << name;
  });
  run_on_noise(predictor);
  auto graph = std::make_shared<Graph>(*made.graph);
  size_t values = 0;
  std::vector<std::string> some;
  for (const NodeId id : graph->order()) {
    for (const ValueId out : graph->node(id).outputs) {
      EXPECT_EQ(seen.count(graph->value(out).name), 1u) << graph->value(out).name;
      if (values++ % 8 == 3 && !graph->is_output(out)) some.push_back(graph->value(out).name);
    }
  }
  EXPECT_EQ(seen.size(), values);
  ASSERT_GE(some.size(), 5u);
  for (const std::string& name : some) {
    graph->value(graph->find_value(name)).type = Type::tensor(DType::float32);
    graph->add_output(graph->find_value(name));
  }
  Config oracle = config_of_bytes(bytes_of(graph));
  oracle.SetReferenceKernels(true);
  Predictor reference(oracle);
  run_on_noise(reference);
  for (const std::string& name : some)
    EXPECT_LT(difference(seen[name], reference.GetOutputTensor(name)->to_vector<float>()), 1e-5) << name;
}

TEST(Run, ProfileAndHooksOfResnet18) {
  ASSERT_EQ(chorus_command("gen resnet18").status, 0);
  const Model made = app::make_fixture("resnet18");
  std::multiset<std::string> nodes;
  for (const NodeId id : made.graph->order()) nodes.insert(made.graph->node(id).name);

  // Node by node: a step for every node of the file, none twice. What only gives bytes another shape executes nothing.
  const Json plain = profile_of("--optimize 0");
  std::multiset<std::string> executed;
  for (const Json& step : plain["steps"]) {
    EXPECT_EQ(step["calls"], 3);
    EXPECT_EQ(step["nodes"].size(), 1u) << step;
    for (const Json& node : step["nodes"]) executed.insert(node.get<std::string>());
  }
  executed.insert("flatten");
  EXPECT_EQ(executed, nodes);
  // Fused: every step once, and no node in two steps.
  Json fused = profile_of("");
  std::set<std::string> steps, covered;
  for (const Json& step : fused["steps"]) {
    EXPECT_TRUE(steps.insert(step["name"].get<std::string>()).second) << step["name"];
    for (const Json& node : step["nodes"]) EXPECT_TRUE(covered.insert(node.get<std::string>()).second) << node;
  }
  for (const std::string& name : nodes) {
    if (name.rfind("conv", 0) == 0 || name.find(".conv") != std::string::npos) {
      EXPECT_EQ(covered.count(name), 1u) << name;
    }
  }
  // A machine that gives the processor to others between two steps may spoil one measurement.
  double share = share_of(fused);
  for (int again = 0; again < 5 && share < 0.8; ++again) share = share_of(fused = profile_of(""));
  EXPECT_GE(share, 0.8);
  EXPECT_LE(share, 1.0);

  expect_hooks(made);
  if (!kSanitized) proves("E-INF-03");
}

}  // namespace
}  // namespace chorus::testing
