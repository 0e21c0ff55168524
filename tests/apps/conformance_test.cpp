// An engine from outside: the example, built with the engine header alone, found by its folder, checked by the command's own cases.
#include "command.h"
#include "support/proves.h"
#include "support/sanitized.h"

#include "../runtime/fixture.h"

#include <format/npz/npz.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace chorus::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

void put(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

/// One node as a case folder of the onnx package's form; the expected result is computed here.
void write_case(const std::string& op, const std::vector<std::vector<float>>& inputs,
                const std::vector<float>& expected) {
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 25;
  const Type type = Type::tensor(DType::float32, {Dim(2), Dim(3)});
  std::vector<ValueId> operands;
  for (size_t i = 0; i < inputs.size(); ++i) operands.push_back(graph->add_input("x" + std::to_string(i), type));
  const NodeId node = graph->add_node(op, operands);
  graph->value(graph->node(node).outputs[0]).type = type;
  graph->add_output(graph->node(node).outputs[0]);
  const fs::path folder = scratch() / "cases" / ("test_" + op), data = folder / "test_data_set_0";
  put(folder / "model.onnx", bytes_of(graph));
  for (size_t i = 0; i < inputs.size(); ++i) {
    put(data / ("input_" + std::to_string(i) + ".pb"),
        onnx::write_value(Value::of<float>(Shape{2, 3}, inputs[i]), "x" + std::to_string(i)));
  }
  put(data / "output_0.pb",
      onnx::write_value(Value::of<float>(Shape{2, 3}, expected), graph->value(graph->outputs()[0]).name));
}

/// Builds the plug-in libchorus_engine_NAME.so from `source` with no header of Chorus but the engine interface.
void build_plugin(const std::string& name, const std::string& source, const std::string& header) {
  const fs::path sdk = scratch() / ("sdk_" + name);
  put(sdk / "include" / "chorus" / "engine_abi.h", header);
  put(sdk / "engine.cpp", source);
  const std::string line = "'" CHORUS_COMPILER "' -std=c++17 -O1 -fPIC -shared -fvisibility=hidden -I'" +
                           (sdk / "include").string() + "' '" + (sdk / "engine.cpp").string() + "' -o '" +
                           (sdk / ("libchorus_engine_" + name + ".so")).string() + "'";
  ASSERT_EQ(std::system(line.c_str()), 0) << line;
}

TEST(Conformance, APluginFromOutsideTheTree) {
  if (kSanitized) GTEST_SKIP() << "a plug-in built without the sanitizer";
  const std::string header = text_of(fs::path(CHORUS_INCLUDE) / "chorus" / "engine_abi.h");
  const std::string source = replaced(text_of(CHORUS_EXAMPLE_ENGINE), "str(\"example\")", "str(\"mine\")");
  EXPECT_LE(std::count(source.begin(), source.end(), '\n'), 300);
  build_plugin("mine", source, header);
  const std::vector<float> a = {1, -2, 3, -4, 5, -6}, b = {0.5f, 2, -1, -1, 4, 0.25f};
  std::vector<float> sum(6), product(6), positive(6);
  for (size_t i = 0; i < 6; ++i) sum[i] = a[i] + b[i], product[i] = a[i] * b[i], positive[i] = std::max(a[i], 0.0f);
  write_case("Add", {a, b}, sum);
  write_case("Mul", {a, b}, product);
  write_case("Relu", {a}, positive);
  const std::string mine = "CHORUS_ENGINE_PATH='" + (scratch() / "sdk_mine").string() + "'";
  const Done passed = chorus_command("conformance cases --engine mine --no-fallback --json report.json", mine);
  EXPECT_EQ(passed.status, 0) << passed.out << passed.err;
  EXPECT_NE(passed.out.find("3 passed, 0 failed, 0 skipped"), std::string::npos) << passed.out;
  // The suite sees a wrong engine.
  build_plugin(
      "wrong",
      replaced(replaced(source, "w.a[i] * w.b[i]", "w.a[i] * w.b[i] + 0.01f"), "str(\"mine\")", "str(\"wrong\")"),
      header);
  const Done failed = chorus_command("conformance cases --engine wrong --no-fallback --json report.json",
                                     "CHORUS_ENGINE_PATH='" + (scratch() / "sdk_wrong").string() + "'");
  EXPECT_NE(failed.status, 0);
  EXPECT_NE(failed.out.find("2 passed, 1 failed"), std::string::npos) << failed.out;
  EXPECT_EQ(Json::parse(text_of(scratch() / "report.json"))["failed"][0]["name"], "test_Mul");

  // Built for another version of the interface: refused with both numbers.
  build_plugin("later", replaced(source, "str(\"mine\")", "str(\"later\")"),
               replaced(header, "CH_ABI_MAJOR = 1", "CH_ABI_MAJOR = 2"));
  const Done refused = chorus_command("run cases/test_Add/model.onnx --random --engine later",
                                      "CHORUS_ENGINE_PATH='" + (scratch() / "sdk_later").string() + "'");
  EXPECT_EQ(refused.status, 4) << refused.err;
  EXPECT_NE(refused.err.find("the plug-in speaks version 2."), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("this Chorus 1."), std::string::npos) << refused.err;
  proves("E-GEN-09");

  // One program, one word of difference: the engine's name.
  for (const std::string engine : {"native", "mine"}) {
    EXPECT_EQ(chorus_command("run cases/test_Mul/model.onnx --random --seed 5 --engine " + engine + " --output by_" +
                                 engine + ".npz",
                             mine)
                  .status,
              0);
    EXPECT_NE(chorus_command("bench cases/test_Mul/model.onnx --seconds 0.02 --engine " + engine, mine)
                  .out.find("engine=" + engine),
              std::string::npos);
  }
  const NamedValues native = read_npz((scratch() / "by_native.npz").string()),
                    other = read_npz((scratch() / "by_mine.npz").string());
  ASSERT_EQ(native.size(), other.size());
  for (size_t i = 0; i < native.size(); ++i) EXPECT_TRUE(native[i].second.identical(other[i].second));
  proves("E-GEN-08");
}

TEST(Conformance, AnInfiniteAnswerAllowsNothingButItself) {
  const float inf = std::numeric_limits<float>::infinity();
  const fs::path folder = scratch() / "cases";
  const auto passes = [&](float expected) {
    fs::remove_all(folder);
    write_case("Abs", {{-inf, 1, 2, 3, 4, 5}}, {expected, 1, 2, 3, 4, 5});
    return chorus_command("conformance cases").status == 0;
  };
  EXPECT_TRUE(passes(inf));
  EXPECT_FALSE(passes(-inf));
  EXPECT_FALSE(passes(3e38f));
  fs::remove_all(folder);
  write_case("Abs", {{-7, 1, 2, 3, 4, 5}}, {inf, 1, 2, 3, 4, 5});  // a finite answer where the right one is infinite
  EXPECT_EQ(chorus_command("conformance cases").status, 1);
}

}  // namespace
}  // namespace chorus::testing
