// Every operation of a model has a kernel, or the model is refused as a whole.
#include "command.h"
#include "support/proves.h"

#include "../../apps/fixtures.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;

TEST(Explain, AKernelForEveryNodeOrNothingRuns) {
  ASSERT_EQ(chorus_command("gen resnet50").status, 0);
  const Done plan = chorus_command("explain resnet50.onnx --device cpu --optimize 0 --strict --json");
  ASSERT_EQ(plan.status, 0) << plan.err;
  const Json json = Json::parse(plan.out);
  const Model made = app::make_fixture("resnet50");
  const auto order = made.graph->order();
  ASSERT_EQ(json["nodes"].size(), order.size());
  ASSERT_EQ(order.size(), 175u);   // 53 convolutions and normalisations, 49 Relu, 16 Add, two pools, Flatten, Gemm
  for (size_t i = 0; i < order.size(); ++i) {
    const Json& row = json["nodes"][i];
    EXPECT_EQ(row["node"], made.graph->node(order[i]).name);
    EXPECT_EQ(row["engine"], "native");
    if (row["node"] == "flatten") {
      EXPECT_NE(row["reason"].get<std::string>().find("view"), std::string::npos);   // nothing is computed
    } else {
      EXPECT_NE(row["kernel"], "-") << row;
      EXPECT_FALSE(row["kernel"].get<std::string>().empty()) << row;
    }
  }
  std::filesystem::remove(scratch() / "resnet50.onnx");   // 100 MB

  ASSERT_EQ(chorus_command("gen customop").status, 0);
  for (const std::string command :
       {"explain customop.onnx --strict", "run customop.onnx --random --tap all --output partly.npz",
        "bench customop.onnx --seconds 0.1"}) {
    const Done refused = chorus_command(command);
    EXPECT_EQ(refused.status, 4) << command;
    EXPECT_NE((refused.out + refused.err).find("Swish6"), std::string::npos) << refused.out << refused.err;
    EXPECT_NE((refused.out + refused.err).find("swish"), std::string::npos)
        << "the node is not named: " << refused.out << refused.err;
  }
  EXPECT_FALSE(std::filesystem::exists(scratch() / "partly.npz"));   // not even the nodes before it
  proves("E-GEN-05");
}

}  // namespace
}  // namespace chorus::testing
