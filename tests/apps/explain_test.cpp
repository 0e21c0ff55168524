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

// The example engine knows three operators: lenet runs on it as far as it goes, and it is said what does not.
TEST(Explain, WhatAnEngineDoesNotKnowRunsNatively) {
  ASSERT_EQ(chorus_command("gen lenet").status, 0);
  const Done done = chorus_command("explain lenet.onnx --engine example --json");
  ASSERT_EQ(done.status, 0) << done.err;
  const Json json = Json::parse(done.out);
  EXPECT_EQ(json["engine"], "example");
  size_t elsewhere = 0, in_parts = 0;
  for (const Json& row : json["nodes"]) {
    const bool relu = row["op"] == "Relu-14";
    EXPECT_EQ(row["engine"], relu ? "example" : "native") << row;
    EXPECT_EQ(row["device"], "cpu");
    EXPECT_FALSE(row["type"].get<std::string>().empty());
    EXPECT_EQ(row["reason"], relu ? "" : "the example engine knows Add, Mul and Relu only");
    elsewhere += !relu;
  }
  EXPECT_EQ(json["elsewhere"], elsewhere);
  EXPECT_EQ(json["taken"], 4);
  for (const Json& part : json["parts"]) in_parts += part["nodes"].get<size_t>();
  EXPECT_EQ(in_parts, json["nodes"].size());
  EXPECT_EQ(json["parts"].size(), 9u);   // native before, between and behind four Relu
  EXPECT_EQ(json["crossings"].size(), 8u);
  EXPECT_EQ(json["copies"], 0);
  for (const Json& c : json["crossings"]) {
    EXPECT_EQ(c["to"].get<int>(), c["from"].get<int>() + 1);
    EXPECT_EQ(c["by"], "pointer");
    EXPECT_GT(c["bytes"].get<int64_t>(), 0);
  }
  const Done text = chorus_command("explain lenet.onnx --engine example");
  EXPECT_NE(text.out.find(
                "4 of 13 nodes run on example\n9 elsewhere; 9 parts, 8 values cross between them, 0 of them copied"),
            std::string::npos)
      << text.out;
  EXPECT_EQ(chorus_command("explain lenet.onnx --engine example --strict").status, 4);
  EXPECT_EQ(chorus_command("run lenet.onnx --random --engine example --strict").status, 4);

  const Done cut = chorus_command("run lenet.onnx --random --engine example --json");
  const Done whole = chorus_command("run lenet.onnx --random --json");
  ASSERT_EQ(cut.status, 0) << cut.err;
  EXPECT_NE(cut.err.find("engine example: 9 of 13 nodes run elsewhere"), std::string::npos) << cut.err;
  EXPECT_TRUE(whole.err.empty()) << whole.err;
  const Json a = Json::parse(cut.out), b = Json::parse(whole.out);
  EXPECT_EQ(a["engine"], "example");
  const auto x = a["outputs"][0]["values"].flatten(), y = b["outputs"][0]["values"].flatten();
  ASSERT_EQ(x.size(), 10u);
  for (size_t i = 0; i < x.size(); ++i) {
    const std::string at = x.begin().key().substr(0, x.begin().key().rfind('/') + 1) + std::to_string(i);
    EXPECT_NEAR(x[at].get<double>(), y[at].get<double>(), 1e-5);
  }
  proves("S-TVM-07");
}

}  // namespace
}  // namespace chorus::testing
