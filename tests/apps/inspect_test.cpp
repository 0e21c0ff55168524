// What a model file says about its parameters, against the hashes that another package found in the same file.
#include "command.h"
#include "support/proves.h"

#include "../runtime/fixture.h"

#include <chorus/model.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace chorus::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// SHA-256 of each tensor of `chorus gen lenet --seed 7`, read with the onnx package and hashed with Python's hashlib.
struct Hash {
  const char* name;
  const char* sha256;
};
constexpr Hash kManifest[] = {
    {"conv1.weight", "f23e630ae2c729bab6cb5e11100c5a586af8571d728ecd71f6c1f38318c9dcb5"},
    {"conv1.bias", "73484392afbc1834ae660fcae42882bdaf92e9988cd8462e4daf1792f95eff0f"},
    {"conv2.weight", "341d2260335cf8eb959e5f0c15511bc1cce40616cbd1f48c462983072a5963d0"},
    {"conv2.bias", "8f808875d648e8484416f18feb455d3dcfabe8c055db1675588c83aabd9a8674"},
    {"fc1.weight", "6e3776b8e42ba48f39fd350f7201b1b63e565609e0f9ee1a41efa6140802cd69"},
    {"fc1.bias", "f85d26f3efe5895530ceae34119edcc1ebc2e15f4ae5deac1a3a5fb741e42eb9"},
    {"fc2.weight", "7bc594fb744828b04533ce81e0f4741930557480ec5e803bec34d4050a635781"},
    {"fc2.bias", "8b9ca4df167c2082f790693a51720a0cd8f39808e8adeef77d4e58ae8358627b"},
    {"fc3.weight", "e9c9211a4e0c14aca371bfbb6d73699ce8ba18946709cd445925183f0a475df3"},
    {"fc3.bias", "75630af83daeebf7c0d74d8ce502ca13f29ef448b8e1b5a1211aafbeb600b4da"},
};

void put(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string sha256_of(std::string_view bytes) {
  const fs::path data = scratch() / "parameter.raw", sum = scratch() / "parameter.sha256";
  put(data, bytes);
  EXPECT_EQ(std::system(("sha256sum <'" + data.string() + "' >'" + sum.string() + "'").c_str()), 0);
  return text_of(sum).substr(0, 64);
}

void expect_manifest(const api::Model& model) {
  const auto parameters = model.parameters();
  ASSERT_EQ(parameters.size(), std::size(kManifest));
  for (size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_EQ(parameters[i].name, kManifest[i].name);
    const auto [data, size] = model.parameter_data(kManifest[i].name);
    EXPECT_EQ(static_cast<int64_t>(size), parameters[i].bytes);
    EXPECT_EQ(sha256_of({static_cast<const char*>(data), size}), kManifest[i].sha256) << kManifest[i].name;
  }
}

/// The file with the tensor "fc3.bias" (dims, type, 40 bytes, name) changed by `change`, which gets where it begins.
template <class Change>
std::string damaged(std::string bytes, Change&& change) {
  const size_t name = bytes.find(
      "\x42\x08"
      "fc3.bias");
  EXPECT_NE(name, std::string::npos);
  const size_t at = name - 46;
  EXPECT_EQ(bytes.substr(at, 6), std::string("\x08\x0a\x10\x01\x4a\x28"));
  change(bytes, at);
  return bytes;
}

void expect_refused(const fs::path& path, const std::string& name) {
  const Error error = error_of([&] { api::Model::Load(path.string()).Compile(); });
  EXPECT_TRUE(error.code() == Code::bad_input || error.code() == Code::not_found) << error.what();
  EXPECT_NE(std::string(error.what()).find("\"" + name + "\""), std::string::npos) << error.what();
  const Done done = chorus_command("run '" + path.string() + "' --random --no-cache");
  EXPECT_EQ(done.status, 3);
  EXPECT_NE(done.err.find("\"" + name + "\""), std::string::npos) << done.err;
}

TEST(Inspect, ParametersInTheFileAndBesideIt) {
  ASSERT_EQ(chorus_command("gen lenet").status, 0);
  const fs::path whole = scratch() / "lenet.onnx", apart = scratch() / "apart.onnx",
                 data = scratch() / "apart.onnx.data";
  expect_manifest(api::Model::Load(whole.string()));
  const Json json = Json::parse(chorus_command("inspect lenet.onnx --json").out);
  ASSERT_EQ(json["parameters"].size(), std::size(kManifest));
  for (size_t i = 0; i < std::size(kManifest); ++i) EXPECT_EQ(json["parameters"][i]["name"], kManifest[i].name);

  // In a file of their own, found beside the model or named.
  ASSERT_EQ(chorus_command("convert lenet.onnx apart.onnx --external 1").status, 0);
  EXPECT_LT(fs::file_size(apart), 5000u);
  expect_manifest(api::Model::Load(apart.string()));
  fs::create_directories(scratch() / "elsewhere");
  fs::rename(data, scratch() / "elsewhere" / "apart.onnx.data");
  api::LoadOptions options;
  options.params = (scratch() / "elsewhere" / "apart.onnx.data").string();
  expect_manifest(api::Model::Load(apart.string(), options));
  expect_refused(apart, "conv1.weight");                        // the file is missing
  const std::string all = text_of(options.params);
  put(data, std::string_view(all).substr(0, 200'000));          // cut inside fc1.weight
  expect_refused(apart, "fc1.weight");

  const std::string bytes = text_of(whole);
  put(scratch() / "shape.onnx", damaged(bytes, [](std::string& b, size_t at) { b[at + 1] = 11; }));
  expect_refused(scratch() / "shape.onnx", "fc3.bias");
  // One number less; a field that the format does not know fills the place.
  put(scratch() / "short.onnx", damaged(bytes, [](std::string& b, size_t at) {
        b[at + 5] = 0x24;
        b.replace(at + 42, 4, std::string("\x78\x80\x80\x01"));
      }));
  expect_refused(scratch() / "short.onnx", "fc3.bias");
  put(scratch() / "missing.onnx", damaged(bytes, [](std::string& b, size_t at) { b[at + 46 + 9] = 'z'; }));
  expect_refused(scratch() / "missing.onnx", "fc3.bias");
  proves("E-MOD-02");   // and without a finding of the address sanitizer, under which this program runs too
}

}  // namespace
}  // namespace chorus::testing
