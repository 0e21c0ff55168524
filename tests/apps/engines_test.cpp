// chorus devices against what the system says about its processor.
#include "command.h"
#include "support/proves.h"

#include "../runtime/fixture.h"

#include <chorus/device.h>
#include <core/cpu.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;

/// The words behind "NAME :" of the first processor in /proc/cpuinfo.
std::set<std::string> processor_flags() {
  std::ifstream file("/proc/cpuinfo");
  std::set<std::string> flags;
  for (std::string line; flags.empty() && std::getline(file, line);) {
    if (line.rfind("flags", 0) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;) flags.insert(word);
  }
  return flags;
}

TEST(Devices, ListIsThatOfTheSystem) {
  const std::set<std::string> flags = processor_flags();
  if (flags.empty()) GTEST_SKIP() << "/proc/cpuinfo names no flags";
  const Done done = chorus_command("devices --json", "env -u CHORUS_CPU_OFF");
  ASSERT_EQ(done.status, 0) << done.err;
  const Json json = Json::parse(done.out);
  const Json& cpu = json.at(0);
  EXPECT_EQ(cpu["name"], "cpu");
  EXPECT_EQ(cpu["state"], "ready");
  const std::set<std::string> listed = cpu["features"].get<std::set<std::string>>();
  const std::map<std::string, std::string> other_names = {{"sse42", "sse4_2"},
                                                          {"avx512_vbmi", "avx512vbmi"}};   // as Linux writes them
  for (const std::string_view feature : cpu_feature_names()) {
    const std::string name(feature);
    const auto other = other_names.find(name);
    EXPECT_EQ(listed.count(name), flags.count(other == other_names.end() ? name : other->second)) << name;
  }
  std::ifstream memory("/proc/meminfo");
  std::string word;
  int64_t kib = 0;
  memory >> word >> kib;
  EXPECT_EQ(word, "MemTotal:");
  EXPECT_NEAR(cpu["memory_bytes"].get<double>(), static_cast<double>(kib) * 1024, static_cast<double>(kib) * 16);
  EXPECT_GE(cpu["processors"].get<int>(), 1);

  const auto cuda = std::find_if(json.begin(), json.end(), [](const Json& d) { return d["name"] == "cuda"; });
  ASSERT_NE(cuda, json.end());
  EXPECT_EQ((*cuda)["state"], "absent");
  EXPECT_FALSE((*cuda)["reason"].get<std::string>().empty());
  EXPECT_NE(chorus_command("devices").out.find("cuda     absent"), std::string::npos);

  // Asked for all the same: refused with that reason, or the processor where the program allows it.
  ASSERT_EQ(chorus_command("gen mlp").status, 0);
  const Done refused = chorus_command("run mlp.onnx --random --device cuda:0");
  EXPECT_EQ(refused.status, 4);
  EXPECT_NE(refused.err.find((*cuda)["reason"].get<std::string>()), std::string::npos) << refused.err;
  EXPECT_EQ(error_of([] { api::Device::Open("cuda:0"); }).code(), Code::unavailable);
  EXPECT_EQ(api::Device::Open("cuda:0", true).info().name, "cpu");
  Config config = fixture_config("mlp");
  config.SetDevice("cuda:0");
  EXPECT_EQ(error_of([&] { Predictor p(config); }).code(), Code::unavailable);
  config.SetFallback(true);
  Predictor predictor(config), on_cpu(fixture_config("mlp"));
  EXPECT_EQ(run_on_noise(predictor), run_on_noise(on_cpu));
  proves("E-DEV-04");
}

}  // namespace
}  // namespace chorus::testing
