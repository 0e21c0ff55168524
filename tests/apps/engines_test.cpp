// chorus devices against what the system says about its processor.
#include "command.h"
#include "support/proves.h"
#include "support/sanitized.h"

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

// The engine by argument, before the environment, before a file of settings, before native.
TEST(Engines, ChosenAtStart) {
  ASSERT_EQ(chorus_command("gen lenet").status, 0);
  std::ofstream(scratch() / "settings.json") << R"({"engine": "example", "timeout_ms": 60000})";
  const auto used = [](const std::string& arguments, const std::string& before = "") {
    const Done done = chorus_command("run lenet.onnx --random --json " + arguments, before);
    EXPECT_EQ(done.status, 0) << done.err;
    return done.status == 0 ? Json::parse(done.out)["engine"].get<std::string>() : done.err;
  };
  const std::string faulty = "CHORUS_ENGINE_PATH='" CHORUS_FAULTY_ENGINES "' ";
  EXPECT_EQ(used(""), "native");
  EXPECT_EQ(used("--config settings.json"), "example");
  EXPECT_EQ(used("", "CHORUS_ENGINE=auto"), "auto");
  EXPECT_EQ(used("--config settings.json", "CHORUS_ENGINE=auto"), "auto");
  EXPECT_EQ(used("--config settings.json --engine native", "CHORUS_ENGINE=auto"), "native");
  EXPECT_EQ(used("--engine faulty", faulty + "CHORUS_ENGINE=example"), "faulty");
  const Done unknown = chorus_command("run lenet.onnx --random", "CHORUS_ENGINE=nonesuch");
  EXPECT_EQ(unknown.status, 3);
  EXPECT_NE(unknown.err.find("\"nonesuch\" is not known"), std::string::npos) << unknown.err;
  for (const char* known : {"native", "example", "onnxruntime", "tensorflow", "torch"})
    EXPECT_NE(unknown.err.find(known), std::string::npos) << unknown.err;
  EXPECT_EQ(chorus_command("run lenet.onnx --random --config absent.json").status, 3);

  // Each engine that is here reports its own name.
  size_t frameworks = 0;
  for (const Json& engine : Json::parse(chorus_command("engines --json").out)) {
    if (!engine["available"].get<bool>()) continue;
    const std::string name = engine["name"];
    if (testing::kSanitized && name != "native" && name != "example") continue;  // their libraries do not run there
    EXPECT_EQ(used("--engine " + name), name);
    frameworks += name != "native" && name != "example";
  }
  if (frameworks >= 4)
    proves("A-ADP-067");
  else
    part_of("A-ADP-067");
}

// What was measured is printed, an engine with a wrong product is not chosen, and the next start remembers.
TEST(Engines, AutoShowsWhatItMeasured) {
  ASSERT_EQ(chorus_command("gen mlp").status, 0);
  const std::string before = "CHORUS_CACHE='" + (scratch() / "auto_cache").string() + "'";
  const std::string command = "run mlp.onnx --random --engine auto --engines native,example --explain";
  const Done first = chorus_command(command, before);
  ASSERT_EQ(first.status, 0) << first.err;
  for (const char* words :
       {"engine", "ms", "error", "native", "example", "chosen", "at most 0.0001 counts", "measured on"})
    EXPECT_NE(first.out.find(words), std::string::npos) << words << "\n" << first.out;
  EXPECT_EQ(first.out.find("remembered"), std::string::npos) << first.out;
  const Done second = chorus_command(command, before);
  EXPECT_NE(second.out.find("remembered: measured on"), std::string::npos) << second.out;
  EXPECT_EQ(first.out.substr(first.out.rfind("float32[")),
            second.out.substr(second.out.rfind("float32[")));   // the answer
  EXPECT_TRUE(std::filesystem::exists(scratch() / "auto_cache" / "auto.json"));
  const Done alone = chorus_command("run mlp.onnx --random --engine auto --no-cache --json --explain");
  EXPECT_EQ(alone.status, 0) << alone.err;
  EXPECT_EQ(Json::parse(alone.out)["engine"], "auto");
  EXPECT_NE(alone.err.find("chosen"), std::string::npos) << alone.err;
  EXPECT_EQ(chorus_command("run mlp.onnx --random --engine auto --engines auto").status, 3);
}

}  // namespace
}  // namespace chorus::testing
