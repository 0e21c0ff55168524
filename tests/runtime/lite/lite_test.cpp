// LiteModel in the full library, and the small library of the edge profile: built, measured, run beside the full one.
#include <chorus/lite.h>
#include <chorus/predictor.h>

#include "apps/fixtures.h"
#include "support/proves.h"

#include <core/file.h>
#include <engine/native/native_engine.h>
#include <graph/image.h>
#include <runtime/load.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace chorus {
namespace {

namespace fs = std::filesystem;

class LiteTest : public ::testing::Test {
 protected:
  LiteTest() : folder_(fs::temp_directory_path() / ("chorus_lite_" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~LiteTest() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string image(const Model& model, const std::string& name) const {
    save_image_file(native::lite_form(model), path(name));
    return path(name);
  }

 private:
  fs::path folder_;
};

Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(Code::ok, "");
}

std::vector<float> noise(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> data(static_cast<size_t>(count));
  for (float& v : data) v = static_cast<float>(random() >> 8) / (1 << 23) - 1;
  return data;
}

Model one_node(std::string_view op) {
  Graph graph;
  graph.opsets[""] = 20;
  const ValueId x = graph.add_input("x", Type::tensor(DType::float32, {Dim(4)}));
  const NodeId node = graph.add_node(op, std::vector<ValueId>{x});
  graph.add_output(graph.node(node).outputs[0]);
  Model model;
  model.graph = std::make_shared<const Graph>(std::move(graph));
  model.ir_version = 10;
  return model;
}

/// What the full library's Predictor gives for the first input, with extents left open as 1.
std::vector<float> predicted(const std::string& model, std::vector<float>& data, uint32_t seed) {
  Predictor predictor{Config(model)};
  InputTensor* input = predictor.GetInputTensor(predictor.GetInputNames()[0]);
  std::vector<int64_t> shape = input->shape();
  int64_t count = 1;
  for (int64_t& extent : shape) count *= extent = std::max<int64_t>(extent, 1);
  data = noise(count, seed);
  input->Reshape(shape);
  input->copy(data);
  predictor.Run();
  OutputTensor* output = predictor.GetOutputTensor(predictor.GetOutputNames()[0]);
  std::vector<float> result(static_cast<size_t>(output->count()));
  output->copy(result.data());
  return result;
}

TEST_F(LiteTest, AnswersAsThePredictor) {
  const std::string file = image(app::make_fixture("lenet"), "lenet.chorus");
  std::vector<float> data;
  const std::vector<float> expected = predicted(file, data, 3);
  LiteModel model(file);
  ASSERT_EQ(model.inputs().size(), 1u);
  std::vector<int64_t> shape = model.inputs()[0].shape;
  for (int64_t& extent : shape) extent = std::max<int64_t>(extent, 1);
  model.set_input(0, data.data(), data.size() * sizeof(float), shape);
  model.run();
  const LiteTensor output = model.output(0);
  ASSERT_EQ(output.dtype, DType::float32);
  const auto* scores = static_cast<const float*>(output.data);
  EXPECT_EQ(std::vector<float>(scores, scores + output.bytes / sizeof(float)), expected);
}

TEST_F(LiteTest, RunsFromMemory) {
  const std::string bytes = save_image_bytes(one_node("Relu"));
  LiteModel model = LiteModel::from_memory(bytes.data(), bytes.size());
  const float x[] = {-1, 2, -3, 4};
  model.set_input(0, x, sizeof x);
  model.run();
  const auto* y = static_cast<const float*>(model.output(0).data);
  EXPECT_EQ(std::vector<float>(y, y + 4), (std::vector<float>{0, 2, 0, 4}));
}

TEST_F(LiteTest, MistakesAreNamed) {
  EXPECT_EQ(error_of([] { LiteModel m("/nowhere/model.chorus"); }).code(), Code::not_found);
  EXPECT_EQ(error_of([] { LiteModel::from_memory("no image", 8); }).code(), Code::bad_input);
  std::string bytes = save_image_bytes(one_node("Relu"));
  EXPECT_EQ(error_of([&] { LiteModel::from_memory(bytes.data(), bytes.size() / 2); }).code(), Code::bad_input);
  LiteModel model = LiteModel::from_memory(bytes.data(), bytes.size());
  const float x[8] = {};
  EXPECT_EQ(error_of([&] { model.run(); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { model.output(0); }).code(), Code::bad_input);
  EXPECT_EQ(error_of([&] { model.output(7); }).code(), Code::not_found);
  EXPECT_EQ(error_of([&] { model.set_input(1, x, 16); }).code(), Code::not_found);
  const Error size = error_of([&] { model.set_input(0, x, sizeof x); });
  EXPECT_EQ(size.code(), Code::shape);
  EXPECT_EQ(size.message(), "32 bytes are given, float32 [4] has 16");
  EXPECT_EQ(error_of([&] { model.set_input(0, x, 16, {-4}); }).code(), Code::shape);
  model.set_input(0, x, 16);
  model.run();
  EXPECT_EQ(model.output(0).bytes, 16u);
}

#ifdef CHORUS_SOURCE  // not under sanitizers: their flags have no place in a build for size
/// The largest difference, relative to the largest magnitude.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size() || a.empty()) return INFINITY;
  double largest = 0, worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return INFINITY;
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return worst / std::max(largest, 1e-30);
}

struct Outcome {
  int status;
  std::string text;
};

Outcome shell(const std::string& command) {
  Outcome outcome{-1, {}};
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return outcome;
  char part[4096];
  for (size_t n; (n = std::fread(part, 1, sizeof part, pipe)) > 0;) outcome.text.append(part, n);
  const int status = ::pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

class EdgeBuild : public LiteTest {
 protected:
  static void SetUpTestSuite() {
    const Outcome built = shell("cd " CHORUS_SOURCE
                                " && cmake --preset lite && cmake --build --preset lite --target chorus example_lite");
    ASSERT_EQ(built.status, 0) << built.text.substr(built.text.size() - std::min<size_t>(built.text.size(), 4000));
  }
  int64_t stripped(const std::string& file) const {
    const Outcome strip = shell("strip -o " + path("stripped") + " " CHORUS_SOURCE "/build-lite/" + file);
    EXPECT_EQ(strip.status, 0) << strip.text;
    return strip.status == 0 ? static_cast<int64_t>(fs::file_size(path("stripped"))) : 0;
  }
  Outcome run(const std::string& model, const std::vector<float>& data) const {
    AtomicFile input(path("input"));
    input.write({reinterpret_cast<const char*>(data.data()), data.size() * sizeof(float)});
    input.commit();
    return shell(CHORUS_SOURCE "/build-lite/bin/example_lite " + model + " " + path("input") + " --output " +
                 path("output"));
  }
};

/// A real network where the checks against other packages have left one, else the fixture that is nearest to one.
std::string network() {
  for (const char* name : {"squeezenet1_1", "mobilenet_v2"}) {
    const std::string file = std::string(CHORUS_SOURCE "/.cache/truth/models/") + name + "/model.onnx";
    if (fs::exists(file)) return file;
  }
  return {};
}

TEST_F(EdgeBuild, SmallLibraryRunsANetworkAsTheFullOneLong) {
  const int64_t library = stripped("lib/libchorus.so"), program = stripped("bin/example_lite");
  std::printf("libchorus.so of the edge profile: %lld bytes; a program that holds it: %lld bytes\n",
              static_cast<long long>(library), static_cast<long long>(program));
  EXPECT_GT(library, 100'000);
  EXPECT_LT(library, 1'000'000);
  EXPECT_LT(program, 1'000'000);
  const std::string real = network();
  const Model model = real.empty() ? app::make_fixture("resnet18") : *load_model(real);
  const std::string file = image(model, "net.chorus");
  std::vector<float> data;
  const std::vector<float> expected = predicted(file, data, 11);
  const Outcome ran = run(file, data);
  ASSERT_EQ(ran.status, 0) << ran.text;
  const std::string bytes = read_whole(path("output"), 1 << 20);
  const auto* scores = reinterpret_cast<const float*>(bytes.data());
  const double worst = difference(std::vector<float>(scores, scores + bytes.size() / sizeof(float)), expected);
  std::printf("%s: largest difference to the full library %.2g of the largest result\n",
              real.empty() ? "resnet18 (fixture)" : real.c_str(), worst);
  EXPECT_LT(worst, 1e-4);  // other kernels: no Winograd, other orders of summation
  testing::part_of({"S-NCNN-12", "S-TFL-12"});
}

/// What api_program prints, compiled for the library in `folder` with the headers in `include`.
std::vector<float> api_program(const std::string& program, const std::string& folder, const std::string& include,
                               const std::string& model) {
  const Outcome built = shell(CHORUS_COMPILER " -std=c++17 -Wall -Wextra -Werror -I'" + include +
                              "' '" CHORUS_SOURCE "/tests/runtime/lite/api_program.cpp' '" + folder +
                              "/libchorus.so' -Wl,-rpath,'" + folder + "' -o '" + program + "'");
  EXPECT_EQ(built.status, 0) << built.text;
  const Outcome ran = shell("'" + program + "' '" + model + "'");
  EXPECT_EQ(ran.status, 0) << ran.text;
  std::istringstream numbers(ran.text);
  std::vector<float> scores;
  for (float score; numbers >> score;) scores.push_back(score);
  return scores;
}

TEST_F(EdgeBuild, BothProfilesHaveTheInterfaceLong) {
  for (const auto& [build, place] :
       {std::pair(CHORUS_BINARY, "full"), std::pair(CHORUS_SOURCE "/build-lite", "lite")}) {
    const Outcome installed =
        shell(std::string("cmake --install '") + build + "' --component library --prefix '" + path(place) + "'");
    ASSERT_EQ(installed.status, 0) << installed.text;
  }
  const Outcome same = shell("diff -r '" + path("full/include") + "' '" + path("lite/include") + "'");
  EXPECT_EQ(same.status, 0) << same.text;
  EXPECT_TRUE(fs::exists(path("full/include/chorus/lite.h")));
  const std::string model = image(app::make_fixture("resnet18"), "resnet18.chorus");
  const auto full = api_program(path("api_full"), path("full/lib"), path("full/include"), model),
             lite = api_program(path("api_lite"), path("lite/lib"), path("lite/include"), model);
  EXPECT_EQ(full.size(), 1000u);
  EXPECT_LT(difference(lite, full), 1e-4);
  testing::proves("E-GEN-02");
}

TEST_F(EdgeBuild, OtherVersionsAreRefusedLong) {
  save_image_file(app::make_fixture("lenet"), path("old.chorus"));   // operators of opset 17
  const Outcome ran = run(path("old.chorus"), noise(28 * 28, 1));
  EXPECT_EQ(ran.status, 3);
  EXPECT_NE(ran.text.find("chorus convert --lite"), std::string::npos) << ran.text;
}

TEST_F(EdgeBuild, OperatorThatWasLeftOutIsNamedLong) {
  const Outcome ran = run(image(one_node("Sinh"), "sinh.chorus"), noise(4, 1));
  EXPECT_EQ(ran.status, 3);
  EXPECT_NE(ran.text.find("operator \"Sinh\" is not in this build"), std::string::npos) << ran.text;
  EXPECT_NE(ran.text.find("CHORUS_OPERATORS"), std::string::npos) << ran.text;
  const Outcome relu = run(image(one_node("Relu"), "relu.chorus"), noise(4, 1));
  EXPECT_EQ(relu.status, 0) << relu.text;
}

#endif

}  // namespace
}  // namespace chorus
