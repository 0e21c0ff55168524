// chorus convert: every pair of formats, versions, refusals.
#include "command.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;

Json inspected(const std::string& file) {
  const Done done = chorus_command("inspect " + file + " --json");
  EXPECT_EQ(done.status, 0) << done.err;
  Json json = Json::parse(done.out, nullptr, false);
  json.erase("model");   // its path
  return json;
}

void expect_done(const std::string& arguments) {
  const Done done = chorus_command(arguments);
  ASSERT_EQ(done.status, 0) << arguments << ": " << done.err;
}

TEST(Convert, EveryPairKeepsTheModelAndItsAnswers) {
  for (const std::string name : {"lenet", "dyn", "branch3"}) {
    expect_done("gen " + name + " -o " + name + ".onnx");
    expect_done("convert " + name + ".onnx " + name + ".chorus");
    expect_done("convert " + name + ".chorus " + name + "_2.chorus");
    expect_done("convert " + name + "_2.chorus " + name + "_3.onnx");
    expect_done("convert " + name + "_3.onnx " + name + "_4.onnx");
    const Json first = inspected(name + ".onnx");
    EXPECT_GT(first.at("nodes").size(), 0u);
    std::string answers;
    for (const std::string& file :
         {name + ".onnx", name + ".chorus", name + "_2.chorus", name + "_3.onnx", name + "_4.onnx"}) {
      EXPECT_EQ(inspected(file), first) << file;
      const Done run = chorus_command("run " + file + " --random --threads 1 --output answers.npz" +
                                      (name == "dyn" ? " --shape tokens=2,5,16" : ""));
      ASSERT_EQ(run.status, 0) << run.err;
      const std::string these = text_of(scratch() / "answers.npz");
      if (answers.empty()) answers = these;
      EXPECT_EQ(these, answers) << file << " answers otherwise";
    }
    EXPECT_TRUE(text_of(scratch() / (name + ".chorus")) == text_of(scratch() / (name + "_2.chorus")))
        << "equal models, unequal images";
  }
}

TEST(Convert, WritesTheVersionsThatAreAskedFor) {
  expect_done("gen lenet -o v.onnx");
  for (const std::string from : {"v.onnx", "v.chorus"}) {
    for (const std::string to : {"w.onnx", "w.chorus"}) {
      expect_done("convert v.onnx v.chorus");
      expect_done("convert " + from + " " + to + " --opset 13 --ir 8");
      const Json json = inspected(to);
      EXPECT_EQ(json.at("opsets").at("").get<int>(), 13) << from << " to " << to;
      EXPECT_EQ(json.at("ir_version").get<int>(), 8) << from << " to " << to;
    }
  }
}

TEST(Convert, ForTheEdgeProfileEverythingIsAtItsNewest) {
  expect_done("gen lenet -o e.onnx");
  expect_done("convert e.onnx e13.onnx --opset 13");
  for (const std::string from : {"e.onnx", "e13.onnx"}) {
    expect_done("convert " + from + " e.chorus --lite");
    const Json json = inspected("e.chorus"), before = inspected(from);
    ASSERT_EQ(json.at("nodes").size(), before.at("nodes").size());
    for (size_t i = 0; i < json.at("nodes").size(); ++i) {
      const Json &node = json["nodes"][i], &old = before["nodes"][i];
      EXPECT_EQ(node["name"], old["name"]);
      EXPECT_GE(node["version"], old["version"]);
    }
    expect_done("run " + from + " --random --threads 1 --output before.npz");
    expect_done("run e.chorus --random --threads 1 --output after.npz");
    EXPECT_EQ(text_of(scratch() / "before.npz"), text_of(scratch() / "after.npz"));
    expect_done("convert e.chorus back.onnx");   // and it is a model like others
    expect_done("run back.onnx --random --threads 1 --output after.npz");
    EXPECT_EQ(text_of(scratch() / "before.npz"), text_of(scratch() / "after.npz"));
  }
  EXPECT_EQ(inspected("e.chorus").at("nodes").at(0).at("version"), 22);   // Conv
  EXPECT_EQ(chorus_command("convert e.onnx e2.onnx --lite").status, 4);
}

TEST(Convert, RefusesWithASentence) {
  expect_done("gen mlp -o r.onnx");
  for (const std::string arguments : {"r.onnx r.tflite", "r.pt r.onnx", "r.onnx r"}) {
    const Done done = chorus_command("convert " + arguments);
    EXPECT_EQ(done.status, 4) << arguments;
    EXPECT_NE(done.err.find("known formats: .onnx, .chorus"), std::string::npos) << done.err;
  }
  EXPECT_EQ(chorus_command("convert absent.onnx r.chorus").status, 3);
  EXPECT_EQ(chorus_command("convert r.onnx r.chorus --external 10").status, 4);
  EXPECT_EQ(chorus_command("convert r.onnx r2.onnx --opset 999").status, 4);
  EXPECT_EQ(chorus_command("convert r.onnx r2.onnx --opset 0").status, 2);
}

TEST(Convert, DamagedImagesAreRefused) {
  expect_done("gen mlp -o d.onnx");
  expect_done("convert d.onnx d.chorus");
  std::string image = text_of(scratch() / "d.chorus");
  const auto expect_refused = [&](const std::string& bytes, const char* what) {
    std::ofstream(scratch() / "bad.chorus", std::ios::binary) << bytes;
    const Done done = chorus_command("run bad.chorus --random");
    EXPECT_EQ(done.status, what[0] == '=' ? 4 : 3) << what << ": " << done.err;
    EXPECT_NE(done.err.find("bad.chorus"), std::string::npos) << "the sentence names no file: " << done.err;
  };
  expect_refused(image.substr(0, image.size() / 2), "cut");
  expect_refused(image.substr(0, 8), "the magic alone");
  for (const size_t at : {16, 24, 32, 70, 90}) {
    std::string damaged = image;
    damaged.replace(at, 6, std::string(6, '\x7f'));
    std::ofstream(scratch() / "bad.chorus", std::ios::binary) << damaged;
    const Done done = chorus_command("run bad.chorus --random");
    EXPECT_TRUE(done.status == 0 || done.status == 3 || done.status == 4)
        << at << ": " << done.status << " " << done.err;
  }
}

}  // namespace
}  // namespace chorus::testing
