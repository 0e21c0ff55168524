#include <chorus/device.h>
#include <chorus/error.h>
#include <chorus/infer.h>

#include "fixture.h"
#include "support/proves.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

namespace chorus {
namespace {

namespace fs = std::filesystem;
using testing::error_of;

TEST(Device, ListAgreesWithTheProcessor) {
  const auto devices = api::Devices();
  ASSERT_FALSE(devices.empty());
  EXPECT_EQ(devices[0].name, "cpu");
  EXPECT_TRUE(devices[0].ready);
  std::ifstream file("/proc/cpuinfo");
  std::string line, flags;
  while (std::getline(file, line)) {
    if (line.rfind("flags", 0) == 0) flags = line + " ";
  }
  for (const char* name : {"avx2", "fma", "avx512f", "avx512bw", "avx512vl"}) {
    const bool listed = std::find(devices[0].features.begin(), devices[0].features.end(), name) != devices[0].features.end();
    EXPECT_EQ(listed, flags.find(std::string(" ") + name + " ") != std::string::npos && std::getenv("CHORUS_CPU_OFF") == nullptr) << name;
  }
  bool cuda = false;
  for (const auto& d : devices) cuda = cuda || (d.name == "cuda" && !d.ready && !d.reason.empty());
  EXPECT_TRUE(cuda);
  EXPECT_EQ(error_of([] { api::Device::Open("cuda:0"); }).code(), Code::unavailable);
  EXPECT_EQ(api::Device::Open("cuda:0", true).info().name, "cpu");
  EXPECT_EQ(error_of([] { api::Device::Open("abacus"); }).code(), Code::bad_input);
  testing::part_of("E-DEV-04");
}

/// Threads of this process that we made.
int workers() {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/task")) {
    std::ifstream file(entry.path() / "comm");
    std::string name;
    std::getline(file, name);
    count += name.rfind("chorus-", 0) == 0;
  }
  return count;
}

TEST(Device, PowerModeIsTheNumberOfWorkers) {
  const std::string bytes = testing::fixture_bytes("mlp");
  const api::Model model = api::Model::LoadBuffer(bytes.data(), bytes.size());
  api::Device device = api::Device::Open("cpu");
  device.SetNumThreads(2);
  const int before = workers();
  std::vector<std::vector<float>> results;
  for (const auto& [mode, extra] : std::vector<std::pair<PowerMode, int>>{{PowerMode::low, 0}, {PowerMode::high, 1}}) {
    device.SetPowerMode(mode);
    EXPECT_EQ(device.GetPowerMode(), mode);
    api::Instance instance = model.Compile({}, device).CreateInstance();
    instance.input(0).copy(testing::noise(784));
    instance.Run();
    // The caller computes too. A thread takes its name when it first runs, which a busy machine may put off.
    for (int wait = 0; wait < 200 && workers() - before < extra; ++wait) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(workers() - before, extra);
    results.push_back(instance.output(0).to_vector<float>());
  }
  EXPECT_EQ(results[0], results[1]);
  device.SetNumThreads(1);
  device.SetPowerMode(PowerMode::high);
  EXPECT_EQ(device.GetPowerMode(), PowerMode::low);  // what is in effect
  testing::part_of("E-DEV-01");
}

TEST(Device, ExternalThreads) {
  const std::string bytes = testing::fixture_bytes("resnet18");
  const api::Model model = api::Model::LoadBuffer(bytes.data(), bytes.size());
  const std::vector<float> input = testing::noise(3 * 224 * 224);
  const auto run = [&](const api::Device& device) {
    api::Instance instance = model.Compile({}, device).CreateInstance();
    instance.input(0).copy(input);
    instance.Run();
    return instance.output(0).to_vector<float>();
  };
  api::Device own = api::Device::Open("cpu");
  own.SetNumThreads(1);
  api::Device external = own;
  std::atomic<int64_t> tasks{0};
  external.SetThreadPool(
      [](void* user, int64_t n, void (*body)(void*, int64_t, int), void* arg) {
        for (int64_t i = n; i-- > 0;) body(arg, i, 0);
        *static_cast<std::atomic<int64_t>*>(user) += n;
      },
      &tasks, 2);
  EXPECT_EQ(run(external), run(own));
  EXPECT_GT(tasks.load(), 10);
  EXPECT_EQ(error_of([&] { external.SetNumThreads(0); }).code(), Code::bad_input);
  testing::part_of("E-DEV-03");
}

void put(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

TEST(Device, EnergyOfScriptedCounters) {
  const fs::path root = fs::temp_directory_path() / ("chorus_powercap_" + std::to_string(getpid()));
  setenv("CHORUS_POWERCAP_ROOT", root.c_str(), 1);
  api::Device device = api::Device::Open("cpu");
  EXPECT_FALSE(device.Energy().has_value());
  EXPECT_FALSE(device.EnergyReason().empty());
  for (const char* name : {"intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"}) {
    fs::create_directories(root / name);
    put(root / name / "max_energy_range_uj", "1000000000\n");
  }
  put(root / "intel-rapl:0" / "energy_uj", "999000000\n");
  put(root / "intel-rapl:1" / "energy_uj", "5000000\n");
  put(root / "intel-rapl:0:0" / "energy_uj", "0\n");
  const auto first = device.Energy();
  ASSERT_TRUE(first.has_value());
  put(root / "intel-rapl:0" / "energy_uj", "2500000\n");   // wrapped: 1 J to the end, 2.5 J after it
  put(root / "intel-rapl:1" / "energy_uj", "6250000\n");   // 1.25 J
  put(root / "intel-rapl:0:0" / "energy_uj", "900000\n");  // part of package 0: not counted twice
  const auto second = device.Energy();
  ASSERT_TRUE(second.has_value());
  EXPECT_NEAR(second->joules - first->joules, 4.75, 1e-9);
  EXPECT_EQ(second->source, "rapl");
  put(root / "intel-rapl:0" / "energy_uj", "no number\n");
  put(root / "intel-rapl:1" / "energy_uj", "\n");
  EXPECT_FALSE(device.Energy().has_value());
  unsetenv("CHORUS_POWERCAP_ROOT");
  fs::remove_all(root);
  testing::part_of("E-DEV-02");
}

}  // namespace
}  // namespace chorus
