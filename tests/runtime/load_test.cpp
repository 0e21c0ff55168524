#include <runtime/load.h>

#include "fixture.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace chorus {
namespace {

namespace fs = std::filesystem;
using testing::error_of;

TEST(Load, GraphAndParametersApart) {
  const fs::path folder = fs::temp_directory_path() / ("chorus_load_" + std::to_string(getpid()));
  fs::create_directories(folder / "graph");
  fs::create_directories(folder / "params");
  onnx::WriteOptions options;
  options.external_bytes = 64;
  onnx::write_model_file(app::make_fixture("mlp"), (folder / "graph" / "mlp.onnx").string(), options);
  fs::path data;
  for (const auto& entry : fs::directory_iterator(folder / "graph")) {
    if (entry.path().extension() != ".onnx") data = entry.path();
  }
  ASSERT_FALSE(data.empty());
  const fs::path moved = folder / "params" / data.filename();
  fs::rename(data, moved);
  Config config((folder / "graph" / "mlp.onnx").string());
  EXPECT_NE(error_of([&] { Predictor p(config); }).code(), Code::ok);  // the parameters are not beside it
  config.SetModel((folder / "graph" / "mlp.onnx").string(), moved.string());
  config.SetThreads(1);
  Predictor apart(config), whole(testing::fixture_config("mlp"));
  EXPECT_EQ(testing::run_on_noise(apart), testing::run_on_noise(whole));
  fs::remove_all(folder);
}

TEST(Load, UnknownOutputNamesTheKnownOnes) {
  Config config = testing::fixture_config("branch3");
  config.SetOutputs({"up"});
  const Error error = error_of([&] { Predictor p(config); });
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_NE(std::string(error.what()).find("\"left\", \"right\""), std::string::npos);
}

TEST(Load, ListsAreBounded) {
  EXPECT_EQ(quoted_list({}), "none");
  EXPECT_EQ(quoted_list({"a", "b"}), "\"a\", \"b\"");
  EXPECT_LT(quoted_list(std::vector<std::string>(10000, "x")).size(), 200u);
}

}  // namespace
}  // namespace chorus
