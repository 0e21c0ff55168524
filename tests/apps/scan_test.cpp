// chorus scan: what good files hold, and one hostile sample per class of attack on files that are read here: refused within a second and
// 256 MiB, with a line that names the place.
#include "command.h"

#include "../format/onnx/wire_bytes.h"
#include "support/sanitized.h"

#include <format/npz/npz.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fcntl.h>

#include <fstream>
#include <string>
#include <vector>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;

struct Scanned {
  int status = -1;
  double seconds = 0;  // of processor time
  int64_t bytes = 0;  // resident, at most
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
  rusage usage{};
  wait4(child, &status, 0, &usage);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.seconds = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
  result.bytes = int64_t{usage.ru_maxrss} * 1024;
  result.said = text_of(err);
  result.json = Json::parse(text_of(out), nullptr, false);
  return result;
}

void put(const std::string& name, const std::string& content) {
  std::ofstream(scratch() / name, std::ios::binary) << content;
}

// x [4] → op → y
std::string one_node(const std::string& n, const std::string& more = {}) {
  return bytes(1, n) + bytes(2, "g") + more + bytes(11, info("x", 1, {4})) + bytes(12, bytes(1, "y"));
}
std::string entry(std::string_view key, std::string_view value) { return bytes(13, bytes(1, key) + bytes(2, value)); }
std::string external(const std::string& entries) {
  return model(one_node(node("Add", {"x", "w"}, {"y"}),
                        bytes(5, varint(1, 4) + varint(2, 1) + bytes(8, "w") + entries + varint(14, 1))));
}
std::string nested(int depth) {
  std::string graph = one_node(node("Identity", {"x"}, {"y"}));
  for (int i = 0; i < depth; ++i)
    graph = one_node(node("If", {"x"}, {"y"},
                          graph_attribute("then_branch", graph) + graph_attribute("else_branch", graph.substr(0, 0))));
  return model(graph);
}
std::string int64s(std::string_view name, std::vector<int64_t> v) {
  std::string raw(reinterpret_cast<const char*>(v.data()), v.size() * 8);
  return bytes(5, varint(1, static_cast<int64_t>(v.size())) + varint(2, 7) + bytes(8, name) + bytes(9, raw));
}
std::string big_endian(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

struct Sample {
  const char* name;
  std::string content;
  const char* says;  // part of the finding
};

/// What points out of the model's folder, or beyond the file that it names.
std::vector<Sample> external_samples() {
  return {
      {"external_parent.onnx", external(entry("location", "../../../../etc/passwd")), "\"w\""},
      {"external_absolute.onnx", external(entry("location", "/etc/passwd")), "\"w\""},
      {"external_inside_parent.onnx", external(entry("location", "a/../../b")), "\"w\""},
      {"external_link.onnx", external(entry("location", "link.bin")), "link"},
      {"external_hard_link.onnx", external(entry("location", "hard.bin")), "hard.bin"},
      {"external_absent.onnx", external(entry("location", "absent.bin")), "absent.bin"},
      {"external_length.onnx", external(entry("location", "weights.bin") + entry("length", "9223372036854775807")),
       "\"w\""},
      {"external_offset.onnx", external(entry("location", "weights.bin") + entry("offset", "-1")), "\"w\""},
      {"external_key.onnx", external(entry("location", "weights.bin") + entry("__class__", "x")), "__class__"},
      {"external_device.onnx", external(entry("location", "/dev/zero")), "\"w\""},
  };
}

/// Models whose parts do not fit each other.
std::vector<Sample> model_samples() {
  const std::string self =
      bytes(25, bytes(1, "f") + bytes(4, "a") + bytes(5, "b") + bytes(7, node("f", {"a"}, {"b"}, bytes(7, "own"))) +
                    bytes(9, bytes(1, "own") + varint(2, 1)) + bytes(10, "own"));
  const std::string shaped =
      one_node(node("ConstantOfShape", {"s"}, {"y"}), int64s("s", {int64_t{1} << 40, int64_t{1} << 40}));
  return {
      {"dims_overflow.onnx",
       model(one_node(node("Add", {"x", "w"}, {"y"}),
                      bytes(5, varint(1, int64_t{1} << 62) + varint(1, 16) + varint(2, 1) + bytes(8, "w")))),
       "\"w\""},
      {"dims_negative.onnx",
       model(one_node(node("Add", {"x", "w"}, {"y"}), bytes(5, varint(1, -4) + varint(2, 1) + bytes(8, "w")))),
       "\"w\""},
      {"weights_short.onnx",
       model(one_node(node("Add", {"x", "w"}, {"y"}),
                      bytes(5, varint(1, 1'000'000'000) + varint(2, 1) + bytes(8, "w") + bytes(9, "1234")))),
       "\"w\""},
      {"shape_overflow.onnx", model(shaped), "ConstantOfShape"},
      {"type_confusion.onnx",
       model(one_node(node("Softmax", {"x"}, {"y"}, bytes(5, bytes(1, "axis") + bytes(4, "text") + varint(20, 3))))),
       "axis"},
      {"axis_outside.onnx",
       model(one_node(node("Softmax", {"x"}, {"y"}, bytes(5, bytes(1, "axis") + varint(3, 99) + varint(20, 2))))),
       "axis 99"},
      {"element_type.onnx",
       model(one_node(node("Add", {"x", "w"}, {"y"}), bytes(5, varint(1, 1) + varint(2, 4711) + bytes(8, "w")))),
       "4711"},
      {"self_call.onnx",
       model(one_node(node("f", {"x"}, {"y"}, bytes(7, "own")))) + bytes(8, bytes(1, "own") + varint(2, 1)) + self,
       "f"},
      {"nested.onnx", nested(200), "deeper"},
      {"cycle.onnx", model(one_node(node("Add", {"x", "y"}, {"y"}))), "\"y\""},
  };
}

/// Files that are not what their name says, or cut, or endless.
std::vector<Sample> file_samples() {
  return {
      {"length_beyond.onnx", std::string("\x3a\xff\xff\xff\xff\x0f", 6), "left"},
      {"endless_number.onnx", std::string(64, '\xff'), "bits"},
      {"group.onnx", varint(1, 10) + "\x3b", "wire type"},
      {"empty.onnx", "", "no ONNX graph"},
      {"text.onnx", "import os; os.system('true')", ""},
      {"pickle.onnx",
       std::string("\x80\x02"
                   "cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.",
                   40),
       ""},
      {"cut.chorus", std::string("CHORUSG\n\x01\x00\x00\x00", 12), "cut.chorus"},
      {"object.npy",
       std::string("\x93NUMPY\x01\x00\x46\x00", 10) +
           "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }               \n",
       ""},
      {"bomb.npy",
       std::string("\x93NUMPY\x01\x00\x46\x00", 10) +
           "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }    \n",
       ""},
      {"bomb.png",
       std::string("\x89PNG\r\n\x1a\n", 8) + big_endian(13) + "IHDR" + big_endian(60000) + big_endian(60000) +
           std::string("\x08\x06\0\0\0", 5) + big_endian(0),
       "bomb.png"},
  };
}

std::vector<Sample> samples() {
  std::vector<Sample> all = external_samples();
  for (const auto& more : {model_samples(), file_samples()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(Scan, EveryHostileSampleIsRefusedAtOnceWithItsPlace) {
  put("weights.bin", std::string(64, 'w'));
  put("target.bin", std::string(64, 't'));
  std::filesystem::remove(scratch() / "link.bin");
  std::filesystem::create_symlink("target.bin", scratch() / "link.bin");
  std::filesystem::remove(scratch() / "hard.bin");
  std::filesystem::create_hard_link(scratch() / "target.bin", scratch() / "hard.bin");
  for (const Sample& sample : samples()) {
    put(sample.name, sample.content);
    const Scanned done = scan(sample.name);
    EXPECT_EQ(done.status, 3) << sample.name << ": " << done.said;
    EXPECT_LT(done.seconds, kSanitized ? 20 : 1) << sample.name;
    if (!kSanitized) {
      EXPECT_LT(done.bytes, int64_t{256} << 20) << sample.name;
    }
    EXPECT_NE(done.said.find(sample.name), std::string::npos) << sample.name << " is not named: " << done.said;
    ASSERT_TRUE(done.json.is_object()) << sample.name;
    EXPECT_EQ(done.json.at("verdict"), "refused") << sample.name;
    const std::string findings = done.json.at("findings").dump(-1, ' ', false, Json::error_handler_t::replace);
    std::string wanted = Json(sample.says).dump();
    wanted = wanted.substr(1, wanted.size() - 2);
    EXPECT_NE(findings.find(wanted), std::string::npos) << sample.name << ": " << findings;
    for (const Json& f : done.json.at("findings"))
      EXPECT_FALSE(f.at("where").get<std::string>().empty()) << sample.name << ": no place in " << f.dump();
  }
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
