// chorus check FOLDER: cases on engines that answer wrongly, that die, and that refuse.
#include "command.h"

#include <core/file.h>
#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
}

/// y = op(x, x …) of float32 [3] as a case folder.
void write_case(const fs::path& folder, const std::string& type, size_t operands, std::initializer_list<float> x) {
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 17;
  const ValueId in = graph->add_input("x", Type::tensor(DType::float32, {Dim(3)}));
  graph->value(in).declared = true;
  Node node;
  node.op = find_op("", type);
  node.version = node.op->version_index(17);
  node.type = type;
  node.inputs.assign(operands, in);
  node.outputs = {graph->add_value("y")};
  const ValueId out = node.outputs[0];
  graph->add_node(std::move(node));
  graph->add_output(out);
  infer_types(*graph);
  Model model;
  model.graph = graph;
  model.ir_version = 8;
  fs::create_directories(folder / "test_data_set_0");
  onnx::write_model_file(model, (folder / "model.onnx").string());
  write(folder / "test_data_set_0" / "input_0.pb", onnx::write_value(Value::of<float>(Shape{3}, x), "x"));
}

TEST(CheckCases, WhatIsWrongOrDiesIsListedAndTheRestGoesOn) {
  const fs::path cases = scratch() / "some_cases";
  write_case(cases / "a" / "mul", "Mul", 2, {1, 2, 3});  // the faulty engine adds 0.01
  write_case(cases / "b" / "add", "Add", 2, {1, 2, 3});
  write_case(cases / "c" / "sqrt", "Sqrt", 1, {1, 2, 3});  // refused
  write_case(cases / "d" / "neg", "Neg", 1, {1000, 2, 3});  // the unruly engine dies of it
  write_case(cases / "e" / "neg", "Neg", 1, {1, 2, 3});
  write_case(cases / "f" / "draw", "RandomNormalLike", 1, {1, 2, 3});  // nobody can say
  const std::string engines = "CHORUS_ENGINE_PATH='" CHORUS_FAULTY_ENGINES "':'" CHORUS_TEST_ENGINES "'";
  const Done done =
      chorus_command("check some_cases --engines faulty,unruly,example --write found_cases --json", engines);
  EXPECT_EQ(done.status, 1) << done.err;
  const Json list = Json::parse(done.out);
  ASSERT_EQ(list.size(), 2u) << done.out;
  EXPECT_EQ(list[0]["engine"], "faulty");
  EXPECT_EQ(list[0]["case"], "a__mul");
  EXPECT_EQ(list[0]["op"], "Mul");
  EXPECT_EQ(list[0]["dies"], false);
  EXPECT_EQ(list[1]["engine"], "unruly");
  EXPECT_EQ(list[1]["case"], "d__neg");
  EXPECT_EQ(list[1]["dies"], true);
  EXPECT_NE(list[1]["reason"].get<std::string>().find("while it ran the model"), std::string::npos);
  for (const char* file : {"faulty/a__mul.onnx", "faulty/a__mul.npz", "unruly/d__neg.onnx", "unruly/d__neg.npz"})
    EXPECT_TRUE(fs::exists(scratch() / "found_cases" / file)) << file;
  EXPECT_NE(text_of(scratch() / "found_cases/unruly/d__neg.md").find("ends the process"), std::string::npos);
  EXPECT_NE(text_of(scratch() / "found_cases/faulty/a__mul.md").find("gives a wrong result"), std::string::npos);
  EXPECT_EQ(chorus_command("check some_cases --engines example").status, 0);
}

}  // namespace
}  // namespace chorus::testing
