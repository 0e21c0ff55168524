// chorus scan: what good files hold. Hostile ones: ../hostile/samples_test.cpp.
#include "command.h"

#include <format/npz/npz.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>

#include <fstream>
#include <string>
#include <vector>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;

struct Scanned {
  int status = -1;
  std::string said;  // standard error
  Json json;
};

Scanned scan(const std::string& file) {
  const std::string out = (scratch() / "scan.json").string(), err = (scratch() / "scan.err").string();
  const pid_t child = fork();
  if (child == 0) {
    if (chdir(scratch().c_str()) != 0) _exit(99);
    dup2(open(out.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), 1);
    dup2(open(err.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), 2);
    execl(CHORUS_COMMAND, "chorus", "scan", file.c_str(), "--json", static_cast<char*>(nullptr));
    _exit(98);
  }
  Scanned result;
  int status = 0;
  waitpid(child, &status, 0);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.said = text_of(err);
  result.json = Json::parse(text_of(out), nullptr, false);
  return result;
}

TEST(Scan, SaysWhatGoodFilesHold) {
  ASSERT_EQ(chorus_command("gen lenet -o lenet.onnx").status, 0);
  ASSERT_EQ(chorus_command("convert lenet.onnx lenet.chorus").status, 0);
  for (const char* file : {"lenet.onnx", "lenet.chorus"}) {
    const Scanned done = scan(file);
    ASSERT_EQ(done.status, 0) << done.said;
    const Json& c = done.json.at("contents");
    EXPECT_EQ(done.json.at("kind"), std::string(file).substr(6));
    EXPECT_EQ(done.json.at("verdict"), "good") << done.json.at("findings");
    EXPECT_EQ(c.at("operators").at("Conv"), 2);
    EXPECT_EQ(c.at("operators").at("Gemm"), 3);
    EXPECT_EQ(c.at("inputs").at(0).at("type"), "float32[1, 1, 28, 28]");
    // 5x5x1x6+6, 5x5x6x16+16, 400x120+120, 120x84+84, 84x10+10 numbers of four bytes
    EXPECT_EQ(c.at("weights").at("bytes"), 4 * (156 + 2416 + 48120 + 10164 + 850));
  }
  write_npz((scratch() / "two.npz").string(),
            {{"a", Value::of<float>(Shape{2}, {1.f, 2.f})}, {"b", Value::scalar<int64_t>(3)}});
  const Scanned arrays = scan("two.npz");
  EXPECT_EQ(arrays.status, 0);
  EXPECT_EQ(arrays.json.at("contents").at("arrays").at(0).at("type"), "float32[2]");
  ASSERT_EQ(chorus_command("gen customop -o custom.onnx").status, 0);
  const Scanned custom = scan("custom.onnx");
  EXPECT_EQ(custom.status, 0);
  EXPECT_EQ(custom.json.at("verdict"), "warning");
  EXPECT_EQ(custom.json.at("contents").at("custom_domains").at(0), "my");
  const Done words = chorus_command("scan lenet.onnx");
  EXPECT_NE(words.out.find("verdict    good"), std::string::npos) << words.out;
}

}  // namespace
}  // namespace chorus::testing
