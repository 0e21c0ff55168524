// Graphs as files, as images and as text: rows of the intermediate representation and of ONNX files.
#include "command.h"

#include "../../apps/fixtures.h"
#include "support/proves.h"

#include <format/onnx/onnx.h>
#include <graph/image.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

namespace chorus::testing {
namespace {

Model read(const std::string& file) {
  auto owner = std::make_shared<const std::string>(file);
  return onnx::read_model(*owner, owner);
}

TEST(IrRows, FilesOfAllFixturesAreStableAfterTheFirstPass) {
  ASSERT_FALSE(app::fixtures().empty());
  for (const app::Fixture& fixture : app::fixtures()) {
    SCOPED_TRACE(fixture.name);
    const std::string first = onnx::write_model(read(onnx::write_model(app::make_fixture(fixture.name), {})), {});
    const std::string second = onnx::write_model(read(first), {});
    EXPECT_EQ(first.size(), second.size());
    EXPECT_TRUE(first == second);
    std::string other = first;  // the comparison sees one bit
    other[other.size() / 2] = static_cast<char>(other[other.size() / 2] ^ 1);
    EXPECT_FALSE(other == second);
  }
  proves("S-ONNX-01");
}

// Through the image and back the bytes are the same: names, order and attributes are equal; the plan of the
// same image has its tensors in blocks of channels.
TEST(IrRows, TheImageGivesTheFileBack) {
  for (const app::Fixture& fixture : app::fixtures()) {
    SCOPED_TRACE(fixture.name);
    const Model model = read(onnx::write_model(app::make_fixture(fixture.name), {}));
    auto image = std::make_shared<const std::string>(save_image_bytes(model));
    EXPECT_TRUE(onnx::write_model(load_image(*image, image), {}) == onnx::write_model(model, {}));
  }
  const auto file = [](const char* name) { return (scratch() / name).string(); };
  ASSERT_EQ(chorus_command("gen resnet18 -o " + file("a.onnx")).status, 0);
  ASSERT_EQ(chorus_command("convert " + file("a.onnx") + " " + file("a.chorus")).status, 0);
  ASSERT_EQ(chorus_command("convert " + file("a.chorus") + " " + file("b.onnx")).status, 0);
  EXPECT_TRUE(text_of(file("a.onnx")) == text_of(file("b.onnx")));
  const Done plan = chorus_command("ir " + file("a.chorus") + " --level plan");
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_NE(plan.out.find("blocked"), std::string::npos) << plan.out;
  proves("S-ONNX-05");
}

TEST(IrRows, TheTextOfANetworkIsShort) {
  ASSERT_EQ(chorus_command("gen lenet -o lenet.onnx").status, 0);
  const Done done = chorus_command("ir lenet.onnx --level graph");
  ASSERT_EQ(done.status, 0) << done.err;
  for (const char* name : {"Conv", "Relu", "MaxPool", "Gemm", "Softmax", "conv1.weight"})
    EXPECT_NE(done.out.find(name), std::string::npos) << name;
  EXPECT_LE(std::ranges::count(done.out, '\n'), 40);
  proves("C-IR-10");
  // The levels below it: tensors with places, then code.
  const Done plan = chorus_command("ir lenet.onnx --level plan"),
             kernel = chorus_command("ir lenet.onnx --level kernel");
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_EQ(kernel.status, 0) << kernel.err;
  EXPECT_NE(plan.out.find("arena"), std::string::npos) << plan.out;
  EXPECT_EQ(done.out.find("arena"), std::string::npos);
  EXPECT_FALSE(kernel.out.empty());
  part_of("C-IR-07");
}

// Graph and operators know no framework and no device; the words stand in engines, whose folders they do not include.
TEST(IrRows, HeadersOfTheGraphNameNoFrameworkAndNoDevice) {
  const std::regex names(
      "torch|tensorflow|paddle|mindspore|openvino|onnxruntime|onnx runtime|caffe|keras|mxnet|tvm|ncnn|litert|"
      "tflite|tensorrt|cuda|nvidia|rocm|\\bgpu\\b|\\bnpu\\b|avx|\\bneon\\b|\\bx86\\b",
      std::regex::icase);
  EXPECT_TRUE(std::regex_search(std::string("// as in PyTorch"), names));
  int headers = 0;
  for (const char* folder : {"src/graph", "src/ops"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.path().extension() != ".h") continue;
      ++headers;
      std::smatch found;
      const std::string text = text_of(entry.path());
      EXPECT_FALSE(std::regex_search(text, found, names)) << entry.path() << " names " << found.str();
    }
  }
  EXPECT_GT(headers, 15);
  proves("C-IR-03");
}

}  // namespace
}  // namespace chorus::testing
