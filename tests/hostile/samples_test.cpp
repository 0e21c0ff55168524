// Hostile files: each is refused within a second and 256 MiB, with a line that names the place, and touches nothing outside its folder.
#include "hostile/samples.h"
#include "apps/command.h"
#include "support/sanitized.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include <fcntl.h>

#include <fstream>
#include <set>

namespace chorus::testing {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

struct Opened {
  int status = -1;
  double seconds = 0;  // of processor time
  int64_t bytes = 0;  // resident, at most
  std::string out, err;
};

/// `command` with FILE replaced, in a child with bounds of its own.
Opened open_file(std::string command, const std::string& file) {
  command.replace(command.find("FILE"), 4, file);
  std::vector<std::string> words = {"chorus"};
  for (size_t at = 0; at < command.size();) {
    const size_t end = std::min(command.find(' ', at), command.size());
    words.push_back(command.substr(at, end - at));
    at = end + 1;
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string out = (scratch() / "stdout").string(), err = (scratch() / "stderr").string();
  const pid_t child = fork();
  if (child == 0) {
    const rlimit seconds{kSanitized ? 100u : 10u, kSanitized ? 100u : 10u}, space{rlim_t{8} << 30, rlim_t{8} << 30};
    setrlimit(RLIMIT_CPU, &seconds);
    if (!kSanitized) setrlimit(RLIMIT_AS, &space);
    if (chdir((scratch() / "inside").c_str()) != 0) _exit(99);
    dup2(open(out.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), 1);
    dup2(open(err.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), 2);
    execv(CHORUS_COMMAND, arguments.data());
    _exit(98);
  }
  Opened result;
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  result.seconds = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
  result.bytes = int64_t{usage.ru_maxrss} * 1024;
  result.out = text_of(out);
  result.err = text_of(err);
  return result;
}

/// Names and contents of everything below the scratch folder but what the commands print.
std::set<std::pair<std::string, std::string>> everything() {
  std::set<std::pair<std::string, std::string>> found;
  for (const auto& entry : fs::recursive_directory_iterator(scratch())) {
    const std::string name = fs::relative(entry.path(), scratch()).string();
    if (name == "stdout" || name == "stderr") continue;
    found.emplace(name, entry.is_regular_file() && entry.file_size() < 4096 ? text_of(entry.path()) : "");
  }
  return found;
}

void put_neighbours() {
  const fs::path inside = scratch() / "inside";
  fs::remove_all(inside);
  fs::create_directories(inside / "folder");
  std::ofstream(scratch() / "victim.bin") << std::string(16, 'v');
  std::ofstream(inside / "weights.bin") << std::string(64, 'w');
  std::ofstream(inside / "target.bin") << std::string(16, 't');
  std::ofstream(inside / "folder/target.bin") << std::string(16, 't');
  fs::create_symlink("target.bin", inside / "link.bin");
  fs::create_symlink("folder", inside / "linked");
  fs::create_hard_link(inside / "target.bin", inside / "hard.bin");
}

void expect_refused(const HostileSample& sample) {
  std::ofstream(scratch() / "inside" / sample.name, std::ios::binary) << sample.content;
  const auto before = everything();
  const Opened done = open_file(sample.how, sample.name);
  EXPECT_TRUE(done.status == 3 || (done.status == 4 && std::string(sample.how).find("run") == 0))
      << sample.name << " ended with " << done.status << ": " << done.err << done.out.substr(0, 400);
  EXPECT_LT(done.seconds, kSanitized ? 30 : 1) << sample.name;
  if (!kSanitized) {
    EXPECT_LT(done.bytes, int64_t{256} << 20) << sample.name;
  }
  // The file, or (once it runs) the node in it.
  EXPECT_TRUE(done.err.find(sample.name) != std::string::npos || done.err.find("where: node") != std::string::npos)
      << sample.name << " is not named: " << done.err;
  std::string said = done.err;
  if (const Json json = Json::parse(done.out, nullptr, false); json.is_object()) {
    EXPECT_EQ(json.at("verdict"), "refused") << sample.name;
    for (const Json& finding : json.at("findings")) {
      said += finding.at("what").get<std::string>() + " " + finding.at("where").get<std::string>() + "\n";
      EXPECT_FALSE(finding.at("where").get<std::string>().empty()) << sample.name << ": no place in " << finding;
    }
  }
  EXPECT_NE(said.find(sample.says), std::string::npos) << sample.name << " says: " << said;
  EXPECT_EQ(everything(), before) << sample.name << " left something behind";
}

TEST(Hostile, EverySampleIsRefusedAtOnceWithItsPlace) {
  put_neighbours();
  int count = 0;
  for (const HostileClass& one : hostile_classes()) {
    if (one.samples == nullptr) continue;
    const std::vector<HostileSample> samples = one.samples();
    EXPECT_FALSE(samples.empty()) << one.name;
    for (const HostileSample& sample : samples) {
      expect_refused(sample);
      ++count;
    }
  }
  EXPECT_GE(count, 60);
}

// Outputs are written beside a link's target, never through it.
TEST(Hostile, OutputsDoNotFollowLinks) {
  put_neighbours();
  ASSERT_EQ(open_file("gen lenet -o FILE", "good.onnx").status, 0);
  for (const char* name : {"out.onnx", "out.onnx.data", "out.npz"}) {
    fs::remove(scratch() / "inside" / name);
    fs::create_symlink("../victim.bin", scratch() / "inside" / name);
  }
  EXPECT_EQ(open_file("convert good.onnx FILE --external 1", "out.onnx").status, 0);
  EXPECT_EQ(open_file("run good.onnx --random --no-cache --output FILE", "out.npz").status, 0);
  EXPECT_EQ(text_of(scratch() / "victim.bin"), std::string(16, 'v'));
}

/// Rows of the first table of docs/security.md: first cell, last cell.
std::vector<std::pair<std::string, std::string>> documented() {
  std::ifstream file("docs/security.md");
  std::vector<std::pair<std::string, std::string>> rows;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| ") || line.starts_with("| class") || line.starts_with("|-")) {
      if (!rows.empty() && line.empty()) break;
      continue;
    }
    const size_t first = line.find(" | "), last = line.rfind(" | ");
    rows.emplace_back(line.substr(2, first - 2), line.substr(last + 3, line.rfind(" |") - last - 3));
  }
  return rows;
}

TEST(Hostile, TheTableOfTheDocumentationIsComplete) {
  const auto rows = documented();
  ASSERT_EQ(rows.size(), hostile_classes().size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const HostileClass& one = hostile_classes()[i];
    EXPECT_EQ(rows[i].first, one.name);
    std::string names;
    if (one.samples != nullptr) {
      for (const HostileSample& sample : one.samples()) names += (names.empty() ? "`" : ", `") + sample.name + "`";
      EXPECT_EQ(rows[i].second, names) << one.name;
    } else {
      EXPECT_TRUE(rows[i].second.starts_with("none: ")) << one.name << " has neither a sample nor a reason";
    }
  }
}

}  // namespace
}  // namespace chorus::testing
