#include <chorus/infer.h>
#include <chorus/model.h>

#include "fixture.h"
#include "support/proves.h"
#include "support/sanitized.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace chorus {
namespace {

namespace fs = std::filesystem;
using testing::error_of;

fs::path temporary(const std::string& name) {
  return fs::temp_directory_path() / ("chorus_" + std::to_string(getpid()) + "_" + name);
}

TEST(Model, FileMemoryAndCallbackAreTheSame) {
  for (const char* name : {"lenet", "branch3", "dyn"}) {
    const std::string bytes = testing::fixture_bytes(name);
    const fs::path path = temporary(std::string(name) + ".onnx");
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    size_t at = 0;
    const auto read = [&](void* buffer, size_t n) {
      n = std::min({n, bytes.size() - at, size_t{977}});
      std::memcpy(buffer, bytes.data() + at, n);
      at += n;
      return n;
    };
    const api::Model file = api::Model::Load(path.string()),
                     memory = api::Model::LoadBuffer(bytes.data(), bytes.size()),
                     callback = api::Model::LoadCallback(read);
    EXPECT_EQ(file.graph_hash(), memory.graph_hash()) << name;
    EXPECT_EQ(file.graph_hash(), callback.graph_hash()) << name;
    const std::string other = testing::fixture_bytes(name, 8);
    EXPECT_NE(file.graph_hash(), api::Model::LoadBuffer(other.data(), other.size()).graph_hash()) << name;

    const Model made = app::make_fixture(name);  // what the generator meant
    ASSERT_EQ(file.nodes().size(), static_cast<size_t>(made.graph->node_count()));
    const auto order = made.graph->order();
    for (size_t i = 0; i < order.size(); ++i) {
      EXPECT_EQ(file.nodes()[i].op, made.graph->node(order[i]).type);
      EXPECT_EQ(file.nodes()[i].name, made.graph->node(order[i]).name);
    }
    const auto check = [&](const std::vector<api::PortInfo>& ports, std::span<const ValueId> ids) {
      ASSERT_EQ(ports.size(), ids.size());
      for (size_t i = 0; i < ids.size(); ++i) {
        const GraphValue& v = made.graph->value(ids[i]);
        EXPECT_EQ(ports[i].name, v.name);
        EXPECT_EQ(ports[i].dtype, v.type.dtype);
        ASSERT_EQ(ports[i].shape.size(), v.type.dims.size());
        for (size_t d = 0; d < v.type.dims.size(); ++d)
          EXPECT_EQ(ports[i].shape[d], v.type.dims[d].is_number() ? v.type.dims[d].number() : -1);
      }
    };
    check(file.inputs(), made.graph->inputs());
    check(file.outputs(), made.graph->outputs());
    fs::remove(path);
  }
  testing::part_of("E-MOD-01");
}

TEST(Model, ParametersAreThoseOfTheGenerator) {
  const std::string bytes = testing::fixture_bytes("lenet");
  const api::Model model = api::Model::LoadBuffer(bytes.data(), bytes.size());
  const Model made = app::make_fixture("lenet");
  EXPECT_EQ(model.parameters().size(), 10u);
  for (const auto& p : model.parameters()) {
    const Value& truth = made.graph->value(made.graph->find_value(p.name)).constant;
    EXPECT_EQ(p.shape, std::vector<int64_t>(truth.shape().begin(), truth.shape().end()));
    const auto [data, size] = model.parameter_data(p.name);
    ASSERT_EQ(size, truth.bytes());
    EXPECT_EQ(std::memcmp(data, truth.data(), size), 0) << p.name;
  }
  EXPECT_EQ(error_of([&] { model.parameter_data("nothing"); }).code(), Code::not_found);
  for (size_t cut : {size_t{0}, size_t{1}, size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    const Error error = error_of([&] { api::Model::LoadBuffer(bytes.data(), cut).Compile(); });
    EXPECT_NE(error.code(), Code::ok) << cut;
    EXPECT_NE(error.code(), Code::internal) << error.what();
  }
  testing::part_of("E-MOD-02");
}

TEST(Model, CompilesToOneStepPerBlock) {
  const std::string bytes = testing::fixture_bytes("convbnrelu");
  const api::Model model = api::Model::LoadBuffer(bytes.data(), bytes.size());
  api::CompileOptions plain;
  plain.optimize = false;
  plain.reference_kernels = true;
  const auto profile_of = [](const api::CompiledModel& compiled, std::vector<float>& output) {
    api::InstanceOptions profiled;
    profiled.profile = true;
    api::Instance instance = compiled.CreateInstance(profiled);
    instance.input(0).copy(testing::noise(3 * 32 * 32));
    instance.Run();
    output = instance.output(0).to_vector<float>();
    const api::Profile profile = instance.GetProfile();
    EXPECT_EQ(static_cast<size_t>(compiled.step_count()), profile.steps.size());  // each is counted and each runs
    return testing::kinds_of(profile);
  };
  std::vector<float> fused, nodes;
  const testing::StepKinds three = profile_of(model.Compile(), fused), nine = profile_of(model.Compile(plain), nodes);
  EXPECT_EQ(three.blocks, 3u);
  EXPECT_LE(three.layout, 1u);  // from channel blocks to the plain layout, on processors where blocks are faster
  EXPECT_EQ(nine.blocks, 9u);
  EXPECT_EQ(nine.layout, 0u);
  EXPECT_EQ(nine.covered.size(), 9u);
  for (const char* name : {"conv1", "relu1", "conv2", "relu2", "conv3", "relu3"})
    EXPECT_EQ(three.covered.count(name), 1u) << name;
  EXPECT_TRUE(testing::close32(fused, nodes));
  EXPECT_NE(model.Compile().Print("plan").find("conv"), std::string::npos);
  EXPECT_EQ(error_of([&] {
              api::CompileOptions other;
              other.engine = "nobody";
              model.Compile(other);
            }).code(),
            Code::not_found);
  testing::part_of("E-MOD-03");
}

TEST(Model, SavedAndLoadedCompiledModels) {
  const fs::path path = temporary("compiled.chorus");
  for (const char* name : {"convbnrelu", "dropout", "lenet"}) {
    const std::string bytes = testing::fixture_bytes(name);
    const api::CompiledModel compiled = api::Model::LoadBuffer(bytes.data(), bytes.size()).Compile();
    compiled.Save(path.string());
    const api::CompiledModel loaded = api::CompiledModel::Load(path.string());
    EXPECT_EQ(loaded.step_count(), compiled.step_count());
    const auto run = [](api::Instance instance) {
      api::InputTensor& input = instance.input(0);
      input.copy(testing::noise(Shape(input.shape()).numel()));
      instance.Run();
      return instance.output(0).to_vector<float>();
    };
    EXPECT_EQ(run(loaded.CreateInstance()), run(compiled.CreateInstance())) << name;
  }
  fs::resize_file(path, fs::file_size(path) / 2);
  const Error damaged = error_of([&] { api::CompiledModel::Load(path.string()); });
  EXPECT_EQ(damaged.code(), Code::bad_input) << damaged.what();
  fs::remove(path);
  EXPECT_EQ(error_of([&] { api::CompiledModel::Load(path.string()); }).code(), Code::not_found);
  testing::part_of("E-MOD-03");
}

TEST(Model, EndlessCallbackIsBounded) {
  api::LoadOptions options;
  options.max_bytes = 10 << 20;
  const Error error = error_of(
      [&] { api::Model::LoadCallback([](void* buffer, size_t n) { return std::memset(buffer, 1, n), n; }, options); });
  EXPECT_EQ(error.code(), Code::budget);
}

int64_t resident_kib() {
  std::ifstream file("/proc/self/statm");
  int64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * 4;
}

TEST(Model, LoadingAndReleasingDoesNotGrow) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's own bookkeeping grows with every allocation";
  const fs::path path = temporary("release.onnx");
  const std::string bytes = testing::fixture_bytes("lenet");
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  for (int i = 0; i < 20; ++i) api::Model::Load(path.string());
  const int64_t before = resident_kib();
  for (int i = 0; i < 1000; ++i) api::Model::Load(path.string());
  EXPECT_LT(resident_kib() - before, 1024);
  fs::remove(path);
  testing::part_of("E-MOD-05");
}

}  // namespace
}  // namespace chorus
