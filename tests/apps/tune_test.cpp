// chorus tune: what it prints and writes, and that later commands use it.
#include "command.h"

#include <core/cpu.h>
#include <engine/native/jit/conv.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;

class Tune : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(chorus_command("gen bert_l2").status, 0);
    if (jit::level(cpu()) == jit::Level::plain) GTEST_SKIP() << "no generated code on this processor";
  }
};

TEST_F(Tune, WritesALogThatOthersRead) {
  const Done done = chorus_command("tune bert_l2.onnx --seconds 0.3 --tuning-log here/log.json --json");
  ASSERT_EQ(done.status, 0) << done.err;
  const Json json = Json::parse(done.out);
  ASSERT_FALSE(json.at("steps").empty());
  for (const Json& s : json.at("steps")) {
    EXPECT_GE(s.at("timed"), 2);
    EXPECT_LE(s.at("after_us").get<double>(), s.at("before_us").get<double>());
  }
  EXPECT_GT(json.at("before_ms"), 0);
  const bool written = json.at("written").get<bool>();
  EXPECT_TRUE(!written || json.at("after_ms").get<double>() <= json.at("before_ms").get<double>());
  EXPECT_EQ(std::filesystem::exists(scratch() / "here/log.json"), written);
  const Done text = chorus_command("tune bert_l2.onnx --seconds 0.3 --tuning-log here/log.json");
  EXPECT_NE(text.out.find(" choices timed, "), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("before_ms="), std::string::npos) << text.out;
  EXPECT_TRUE(text.err.empty()) << text.err;
}

TEST_F(Tune, LiesBesideCompiledFormsByItself) {
  const Done done = chorus_command("tune bert_l2.onnx --seconds 0.1 --json", "CHORUS_CACHE=kept");
  ASSERT_EQ(done.status, 0) << done.err;
  const auto log = Json::parse(done.out).at("log").get<std::string>();
  EXPECT_TRUE(log.starts_with("kept/tuning-")) << log;
}

TEST_F(Tune, ABadLogIsOneWarning) {
  std::ofstream(scratch() / "bad.json") << "{\"format\": \"x\"}";
  for (const char* command : {"run bert_l2.onnx --random", "explain bert_l2.onnx", "ir bert_l2.onnx --level plan"}) {
    const Done good = chorus_command(std::string(command) + " --no-cache");
    const Done bad = chorus_command(std::string(command) + " --no-cache --tuning-log bad.json");
    EXPECT_EQ(bad.status, 0) << bad.err;
    EXPECT_EQ(bad.err, "chorus: bad.json: the tuning log is another kind of file; the cost model chooses\n");
    if (std::string(command).find("run") == std::string::npos) {
      EXPECT_EQ(bad.out, good.out);
    }
  }
}

TEST_F(Tune, SaysWhatIsMissing) {
  const Done nowhere = chorus_command("tune bert_l2.onnx", "env -u CHORUS_CACHE -u XDG_CACHE_HOME");
  EXPECT_EQ(nowhere.status, 3);
  EXPECT_NE(nowhere.err.find("there is no place for the tuning log"), std::string::npos) << nowhere.err;
  EXPECT_EQ(chorus_command("tune absent.onnx --tuning-log x.json").status, 3);
  EXPECT_EQ(chorus_command("tune bert_l2.onnx --seconds 0 --tuning-log x.json").status, 2);
}

TEST(TuneHelp, HasExamplesAndIsCompleted) {
  EXPECT_NE(chorus_command("tune --help").out.find("chorus tune model.onnx --shape"), std::string::npos);
  const std::string words = chorus_command("completion bash").out;
  EXPECT_NE(words.find("\"tune\") words=\""), std::string::npos);
  EXPECT_NE(words.find("--tuning-log"), std::string::npos);
}

}  // namespace
}  // namespace chorus::testing
