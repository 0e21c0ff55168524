// Compiled programs kept in a folder: the same answers, and nothing that is damaged, old or another's is ever used.
#include <runtime/compile_cache.h>

#include "fixture.h"
#include "support/proves.h"
#include "support/sanitized.h"

#include <chorus/infer.h>
#include <core/clock.h>
#include <runtime/custom_op.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace chorus {
namespace {

namespace fs = std::filesystem;
using testing::error_of;

class CompileCacheTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(root_); }
  void TearDown() override { fs::remove_all(root_); }

  std::string model(const std::string& name, uint64_t seed = 7) {
    const fs::path path = root_ / (name + ".onnx");
    const std::string bytes = testing::fixture_bytes(name, seed);
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path.string();
  }
  std::string folder() const { return (root_ / "cache" / "deep").string(); }
  Config config(const std::string& path) const {
    Config config(path);
    config.SetThreads(1);
    config.SetCacheDir(folder());
    return config;
  }
  std::vector<fs::path> kept() const {
    std::vector<fs::path> list;
    if (fs::exists(folder())) {
      for (const auto& entry : fs::directory_iterator(folder())) list.push_back(entry.path());
    }
    std::sort(list.begin(), list.end());
    return list;
  }
  static std::vector<std::vector<float>> outputs(const Config& config) {
    Predictor predictor(config);
    return testing::run_on_noise(predictor);
  }
  static std::vector<std::vector<float>> plain(const std::string& path) {
    Config config(path);
    config.SetThreads(1);
    return outputs(config);
  }
  static std::string text(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
  }
  static void put(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  const fs::path root_ = fs::temp_directory_path() / ("chorus_compile_cache_" + std::to_string(getpid()));
};

TEST_F(CompileCacheTest, TheSecondTimeIsTheSameAndMapsWhatTheFirstKept) {
  for (const char* name : {"lenet", "resnet18", "branch3", "dropout"}) {
    const std::string path = model(name);
    const auto truth = plain(path);
    EXPECT_EQ(outputs(config(path)), truth) << name;
    ASSERT_EQ(kept().size(), 1u) << name;
    const auto written = fs::file_size(kept()[0]);
    EXPECT_EQ(outputs(config(path)), truth) << name;
    EXPECT_EQ(kept().size(), 1u);
    // Packed weights in place of the file's, not besides them (transformed ones of convolutions are larger than their source).
    if (std::string(name) == "resnet18") {
      EXPECT_LT(written, fs::file_size(path) * 22 / 10);
    }
    Predictor warm(config(path));
    const std::string all = text("/proc/self/maps");
    EXPECT_NE(all.find(kept()[0].filename().string()), std::string::npos) << name;
    EXPECT_EQ(all.find(std::string(name) + ".onnx"), std::string::npos) << "the model's file is not needed any more";
    fs::remove_all(folder());
  }
}

TEST_F(CompileCacheTest, WeightsArePackedOnceAndTheFileIsLetGo) {
  const std::string path = model("resnet18");
  Config config(path);
  config.SetThreads(1);
  Predictor predictor(config);  // no cache
  EXPECT_EQ(text("/proc/self/maps").find("resnet18.onnx"), std::string::npos);
  const auto before = testing::run_on_noise(predictor);
  EXPECT_EQ(testing::run_on_noise(*predictor.Clone()), before);
}

TEST_F(CompileCacheTest, DamageIsAMissAndIsWrittenAnew) {
  const std::string path = model("lenet");
  const auto truth = outputs(config(path));
  const fs::path file = kept().at(0);
  const std::string good = text(file);
  std::vector<std::string> damaged = {"",
                                      "x",
                                      good.substr(0, 100),
                                      good.substr(0, good.size() / 2),
                                      good.substr(0, good.size() - 1),
                                      good + "x",
                                      std::string(good.size(), '\0')};
  for (size_t at = 0; at < good.size(); at += std::max<size_t>(good.size() / 40, 1)) {
    damaged.push_back(good);
    damaged.back()[at] = static_cast<char>(damaged.back()[at] ^ 0x10);
  }
  for (size_t back : {1u, 8u, 20u, 40u, 47u, 60u, 120u}) {  // footer, notes, key
    damaged.push_back(good);
    damaged.back()[good.size() - back] = static_cast<char>(damaged.back()[good.size() - back] ^ 1);
  }
  for (size_t i = 0; i < damaged.size(); ++i) {
    fs::remove(file);
    put(file, damaged[i]);
    EXPECT_EQ(outputs(config(path)), truth) << i;
    EXPECT_TRUE(text(file) == good) << "damage " << i << " was not replaced";
  }
}

TEST_F(CompileCacheTest, AnotherBuildsProgramIsNotUsed) {
  const std::string path = model("lenet");
  outputs(config(path));
  const fs::path file = kept().at(0);
  const CompileCache cache(folder(), int64_t{1} << 30);
  // The same place, a key that says another build: what a hash collision or a downgrade would give.
  const std::string good = text(file), build = build_identity();
  ASSERT_FALSE(build.empty());
  const size_t at = good.rfind(build);
  ASSERT_NE(at, std::string::npos);
  std::string other = good;
  other[at] = other[at] == 'a' ? 'b' : 'a';
  fs::remove(file);
  put(file, other);
  EXPECT_EQ(outputs(config(path)), plain(path));
  EXPECT_TRUE(text(file) == good);
}

TEST_F(CompileCacheTest, AChangedModelIsCompiledAnew) {
  const std::string path = model("mlp");
  const auto first = outputs(config(path));
  model("mlp", 8);  // the same size, other weights
  const auto second = outputs(config(path));
  EXPECT_NE(first, second);
  EXPECT_EQ(second, plain(path));
  Config chosen = config(path);
  chosen.SwitchIrOptim(false);
  outputs(chosen);
  EXPECT_EQ(kept().size(), 3u);  // one per model and options
}

TEST_F(CompileCacheTest, ExternalDataBelongsToTheModel) {
  onnx::WriteOptions options;
  options.external_bytes = 64;
  const std::string path = (root_ / "mlp.onnx").string();
  onnx::write_model_file(app::make_fixture("mlp"), path, options);
  const auto first = outputs(config(path));
  EXPECT_EQ(outputs(config(path)), first);
  fs::path data;
  for (const auto& entry : fs::directory_iterator(root_)) {
    if (entry.path().string().find("mlp.onnx.") != std::string::npos) data = entry.path();
  }
  ASSERT_FALSE(data.empty());
  std::string bytes = text(data);
  for (size_t i = 0; i + 4 <= bytes.size(); i += 4)
    bytes[i + 3] = static_cast<char>(bytes[i + 3] ^ 0x80);  // every weight's sign
  put(data, bytes);
  const auto second = outputs(config(path));
  EXPECT_NE(first, second);
  EXPECT_EQ(second, plain(path));
}

TEST_F(CompileCacheTest, TheFolderIsBounded) {
  const std::string a = model("lenet"), b = model("mlp"), c = model("branch3");
  const auto ago = [](int hours) { return fs::file_time_type::clock::now() - std::chrono::hours(hours); };
  outputs(config(c));
  const auto size_of_c = static_cast<int64_t>(fs::file_size(kept().at(0)));
  fs::remove_all(folder());
  outputs(config(a));
  const fs::path oldest = kept().at(0);
  fs::last_write_time(oldest, ago(3));
  outputs(config(b));
  const fs::path newer = kept()[0] == oldest ? kept().at(1) : kept()[0];
  fs::last_write_time(newer, ago(2));
  std::ofstream(fs::path(folder()) / ".chorus-0123.tmp") << "left by a process that died";
  fs::last_write_time(fs::path(folder()) / ".chorus-0123.tmp", ago(2));
  std::ofstream(fs::path(folder()) / "of a stranger") << "stays";
  Config third = config(c);
  third.SetCacheDir(folder(), static_cast<int64_t>(fs::file_size(newer)) + size_of_c);
  outputs(third);
  EXPECT_FALSE(fs::exists(oldest)) << "the one unused for longest goes first";
  EXPECT_TRUE(fs::exists(newer));
  EXPECT_FALSE(fs::exists(fs::path(folder()) / ".chorus-0123.tmp"));
  EXPECT_TRUE(fs::exists(fs::path(folder()) / "of a stranger"));
  outputs(config(b));  // a hit counts as a use
  EXPECT_GT(fs::last_write_time(newer), ago(1));
  Config none = config(a);
  none.SetCacheDir(folder(), 100);  // smaller than any program
  EXPECT_EQ(outputs(none), plain(a));
  EXPECT_EQ(kept().size(), 3u);
  EXPECT_EQ(error_of([&] { none.SetCacheDir(folder(), 0); }).code(), Code::bad_input);
}

TEST_F(CompileCacheTest, ManyWritersOneResult) {
  const std::string path = model("lenet");
  const auto truth = plain(path);
  std::vector<std::thread> threads;
  std::vector<int> wrong(8, 0);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) wrong[t] += outputs(config(path)) != truth;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(8, 0));
  EXPECT_EQ(kept().size(), 1u);  // and no temporary files
}

TEST_F(CompileCacheTest, AFolderThatCannotBeWrittenIsNoError) {
  const std::string path = model("mlp");
  put(root_ / "file", "not a folder");
  Config config(path);
  config.SetThreads(1);
  config.SetCacheDir((root_ / "file" / "below").string());
  EXPECT_EQ(outputs(config), plain(path));
}

TEST_F(CompileCacheTest, CustomOperatorsAreNotKept) {
  const std::string path = model("customop");
  std::string bytes = text(path);  // an operator of this test's own
  bytes.replace(bytes.find("Swish6"), 6, "Keeper");
  put(path, bytes);
  api::CustomOp op;
  op.domain = "my";
  op.name = "Keeper";
  op.signature = "(T x) -> (T y); T = f32";
  op.compute = [](const std::vector<api::CustomTensor>& in, std::vector<api::CustomTensor>& out,
                  const api::CustomOp::Numbers&) {
    int64_t count = 1;
    for (int64_t d : in[0].shape) count *= d;
    std::copy_n(static_cast<const float*>(in[0].data), count, static_cast<float*>(out[0].out));
    return std::string();
  };
  api::RegisterOp(op);
  Predictor predictor(config(path));
  EXPECT_TRUE(kept().empty());
}

/// Second compile over first, on a network of some size.
double ratio_of_compiles(const std::string& folder) {
  const std::string bytes = testing::fixture_bytes("resnet18");
  const api::Model model = api::Model::LoadBuffer(bytes.data(), bytes.size());
  api::Device device = api::Device::Open("cpu");
  device.SetNumThreads(1);
  api::CompileOptions cached;
  cached.cache_dir = folder;
  double ratio = 1e9;
  for (int round = 0; round < 5 && ratio > 0.2; ++round) {  // the machine may be busy
    fs::remove_all(folder);
    const int64_t begin = now_ns();
    model.Compile(cached, device);
    const int64_t middle = now_ns();
    model.Compile(cached, device);
    ratio = std::min(ratio, static_cast<double>(now_ns() - middle) / static_cast<double>(middle - begin));
  }
  return ratio;
}

TEST_F(CompileCacheTest, CompiledOnceSavedLoadedAndCached) {
  const std::string bytes = testing::fixture_bytes("convbnrelu");
  const api::Model model = api::Model::LoadBuffer(bytes.data(), bytes.size());
  api::CompileOptions uncompiled;
  uncompiled.optimize = false;
  uncompiled.reference_kernels = true;
  const auto run = [](api::Instance instance) {
    instance.input(0).copy(testing::noise(3 * 32 * 32));
    instance.Run();
    return instance.output(0).to_vector<float>();
  };
  const auto truth = run(model.Compile(uncompiled).CreateInstance());
  EXPECT_EQ(model.Compile(uncompiled).step_count(), 9);  // three nodes a block
  EXPECT_GE(model.Compile().step_count(), 3);  // one
  EXPECT_LE(model.Compile().step_count(), 4);  // and where channel blocks are faster a change of the layout at the end
  EXPECT_NE(model.Compile().Print("plan").find("conv"), std::string::npos);
  const auto fast = run(model.Compile().CreateInstance());
  EXPECT_TRUE(testing::close32(fast, truth));
  const fs::path artefact = root_ / "model.chorus";
  model.Compile().Save(artefact.string());
  EXPECT_EQ(run(api::CompiledModel::Load(artefact.string()).CreateInstance()), fast);

  api::CompileOptions cached;
  cached.cache_dir = folder();
  EXPECT_EQ(run(model.Compile(cached).CreateInstance()), fast);
  ASSERT_EQ(kept().size(), 1u);
  EXPECT_EQ(run(model.Compile(cached).CreateInstance()), fast);
  // The artefact of a program that came from the cache has all weights again.
  model.Compile(cached).Save(artefact.string());
  EXPECT_EQ(run(api::CompiledModel::Load(artefact.string()).CreateInstance()), fast);
  EXPECT_EQ(kept().size(), 1u);

  const double ratio = ratio_of_compiles(folder());
  RecordProperty("ratio", std::to_string(ratio));
  if (!testing::kSanitized) {
    EXPECT_LE(ratio, 0.2);
  }
  testing::proves("E-MOD-03");
}

}  // namespace
}  // namespace chorus
