// The tuning log: what is written is read, nothing else is, and a bad one costs a sentence, never a run.
#include <runtime/tuning_log.h>

#include "fixture.h"
#include "support/proves.h"

#include <core/file.h>
#include <core/log.h>
#include <engine/native/exec/tune.h>
#include <engine/native/jit/conv.h>
#include <engine/native/native_engine.h>
#include <runtime/load.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace chorus {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

class TuningLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_);
    set_log_sink([](void* user, LogLevel,
                    std::string_view text) { static_cast<TuningLogTest*>(user)->heard_.emplace_back(text); },
                 this, LogLevel::warning);
  }
  void TearDown() override {
    set_log_sink(nullptr, nullptr);
    fs::remove_all(root_);
  }
  std::string file() const { return (root_ / "log.json").string(); }
  void put(const std::string& text) const { std::ofstream(file(), std::ios::binary | std::ios::trunc) << text; }
  std::string text() const { return read_whole(file(), 1 << 24); }
  std::string model(const std::string& name) const {
    const fs::path path = root_ / (name + ".onnx");
    std::ofstream(path, std::ios::binary) << testing::fixture_bytes(name);
    return path.string();
  }
  static TuningLog example() {
    TuningLog log;
    log.put({"step one", "direct blocks=2", 120.25, 100.5});
    log.put({"step two", "winograd4", 1e-3, 0});
    return log;
  }
  /// The text of the example with one field changed; the steps keep their checksum.
  std::string changed(const std::string& key, const Json& value) const {
    Json json = Json::parse(text());
    json[key] = value;
    return json.dump();
  }

  const fs::path root_ = fs::temp_directory_path() / ("chorus_tuning_" + std::to_string(getpid()));
  std::vector<std::string> heard_;
};

TEST_F(TuningLogTest, WhatIsWrittenIsRead) {
  TuningLog log = example();
  log.put({"step one", "direct chunk=128", 90, 80});  // in the place of the older one
  EXPECT_EQ(log.steps().size(), 2u);
  EXPECT_EQ(log.choice("step one"), "direct chunk=128");
  EXPECT_EQ(log.choice("step"), "");
  log.write(file());
  const TuningLog read = TuningLog::read(file());
  EXPECT_EQ(read.identity(), log.identity());
  ASSERT_EQ(read.steps().size(), 2u);
  EXPECT_EQ(read.choice("step two"), "winograd4");
  EXPECT_EQ(read.steps()[1].before_us, 90);
  EXPECT_NE(example().identity(), log.identity());
  log.drop("step one");
  log.drop("step nine");
  EXPECT_EQ(log.choice("step one"), "");
  EXPECT_EQ(log.steps().size(), 1u);
  EXPECT_EQ(TuningLog().identity(), "");
  for (const auto& entry : fs::directory_iterator(root_))
    EXPECT_EQ(entry.path().filename(), "log.json") << "nothing else is left";
}

TEST_F(TuningLogTest, TextsAreBounded) {
  TuningLog log;
  for (const std::string& bad :
       {std::string(), std::string(TuningLog::kMostText + 1, 'x'), std::string("a\nb"), std::string("\xff")}) {
    EXPECT_THROW(log.put({bad, "direct", 1, 1}), Error);
    EXPECT_THROW(log.put({"step", bad, 1, 1}), Error);
  }
  EXPECT_TRUE(log.steps().empty());
}

TEST_F(TuningLogTest, OthersAreRefusedWithASentence) {
  example().write(file());
  const std::string good = text();
  const std::vector<std::pair<std::string, std::string>> bad = {
      {changed("processor", "another"), "was made for another processor"},
      {changed("features", "sse42"), "was made for another processor"},
      {changed("library", "0.0.1"), "was made by version 0.0.1"},
      {changed("version", 2), "another version of the format"},
      {changed("version", "1"), "another version of the format"},
      {changed("format", "x"), "another kind of file"},
      {changed("checksum", "0000000000000000"), "its checksum is wrong"},
      {changed("steps", Json::array()), "its checksum is wrong"},
      {changed("steps", 7), "it has no steps"},
      {"", "it is no JSON object"},
      {"[]", "it is no JSON object"},
      {good + "x", "it is no JSON object"},
      {good.substr(0, good.size() / 2), "it is no JSON object"},
      {std::string(200, '['), "nested too deep"},
      {std::string(100'000, '{'), "nested too deep"}};
  for (const auto& [content, why] : bad) {
    put(content);
    try {
      TuningLog::read(file());
      ADD_FAILURE() << why;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::bad_input);
      EXPECT_NE(error.message().find(why), std::string::npos) << error.message();
    }
    heard_.clear();
    EXPECT_EQ(TuningLog::find(file()), nullptr);
    ASSERT_EQ(heard_.size(), 1u);
    EXPECT_NE(heard_[0].find(why), std::string::npos) << heard_[0];
    EXPECT_EQ(heard_[0].find('\n'), std::string::npos) << "one sentence";
  }
  heard_.clear();
  EXPECT_EQ(TuningLog::find(file() + ".absent"), nullptr);
  EXPECT_TRUE(heard_.empty()) << "no log is no fault";
  put(std::string(static_cast<size_t>(TuningLog::kMostBytes) + 1, ' '));
  EXPECT_EQ(TuningLog::find(file()), nullptr);
  EXPECT_EQ(heard_.size(), 1u);
}

TEST_F(TuningLogTest, NoDamagedByteIsBelieved) {
  example().write(file());
  const std::string good = text(), identity(example().identity());
  for (size_t at = 0; at < good.size(); ++at) {
    for (const char flip : {char(0x01), char(0x10), char(0x80)}) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      put(damaged);
      try {
        EXPECT_EQ(TuningLog::read(file()).identity(), identity) << "byte " << at << " of the spaces between";
      } catch (const Error&) {
      }
    }
  }
}

/// A model whose steps have choices here; none on processors without generated code.
bool has_choices() { return jit::level(cpu()) != jit::Level::plain; }

TEST_F(TuningLogTest, CompilesChooseByIt) {
  if (!has_choices()) GTEST_SKIP() << "no generated code on this processor";
  const std::string path = model("convbnrelu");
  const auto whole = load_model(path);
  const auto program = native::compile(*whole, {});
  const auto instance = program->instance();
  std::vector<Type> types;
  for (const Port& port : program->inputs()) types.push_back(port.type);
  instance->bind(types);
  const auto steps = native::tune_steps(*program, *instance, {.seconds = 0.05});
  ASSERT_GE(steps.size(), 2u);
  TuningLog log;
  std::set<std::string> methods;
  for (const native::TunedStep& s : steps) {
    EXPECT_GE(s.timed, 2) << s.signature;
    EXPECT_LE(s.after_us, s.before_us) << "the cost model's choice is kept when it is the best: " << s.signature;
    EXPECT_GT(s.before_us, 0);
    methods.insert(s.model_choice);
    log.put(
        {s.signature, s.model_choice.starts_with("winograd") ? "direct blocks=1" : "direct blocks=1 chunk=128", 2, 1});
  }
  testing::part_of({"S-TVM-27", "S-TVM-28"});
  log.write(file());
  Config plain(path);
  plain.SetThreads(1);
  Config tuned = plain;
  tuned.SetTuningLog(file());
  Predictor before(plain), after(tuned), again(tuned);
  const auto a = testing::run_on_noise(before), b = testing::run_on_noise(after);
  EXPECT_EQ(before.Print("plan").find("tuned"), std::string::npos);
  EXPECT_NE(after.Print("plan").find("tuned: direct blocks=1"), std::string::npos) << after.Print("plan");
  EXPECT_EQ(after.Print("plan"), again.Print("plan"));
  EXPECT_EQ(testing::run_on_noise(again), b) << "the same choice at every start";
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(testing::close32(a[i], b[i]));
  // A log of another processor counts for nothing.
  put(changed("processor", "another"));
  Predictor foreign(tuned);
  EXPECT_EQ(foreign.Print("plan"), before.Print("plan"));
  EXPECT_EQ(testing::run_on_noise(foreign), a);
  testing::part_of("S-TVM-31");
}

TEST_F(TuningLogTest, ChoicesThatDoNotFitAreLeftOut) {
  if (!has_choices()) GTEST_SKIP() << "no generated code on this processor";
  const std::string path = model("bert_l2");
  const auto program = native::compile(*load_model(path), {});
  const auto instance = program->instance();
  std::vector<Type> types;
  for (const Port& port : program->inputs()) types.push_back(port.type);
  instance->bind(types);
  TuningLog log;
  for (const native::TunedStep& s : native::tune_steps(*program, *instance, {.seconds = 0.01}))
    log.put({s.signature, "winograd4", 2, 1});  // products have no such form
  ASSERT_FALSE(log.steps().empty());
  log.write(file());
  Config plain(path), tuned(path);
  tuned.SetTuningLog(file());
  Predictor before(plain), after(tuned);
  EXPECT_EQ(after.Print("plan"), before.Print("plan"));
  EXPECT_EQ(testing::run_on_noise(after), testing::run_on_noise(before));
}

TEST_F(TuningLogTest, KeptProgramsKnowTheirLog) {
  if (!has_choices()) GTEST_SKIP() << "no generated code on this processor";
  const std::string path = model("convbnrelu"), folder = (root_ / "cache").string();
  const auto kept = [&] {
    return std::count_if(fs::directory_iterator(folder), fs::directory_iterator(),
                         [](const auto& e) { return e.path().extension() == ".chorus-program"; });
  };
  Config config(path);
  config.SetThreads(1);
  config.SetCacheDir(folder);
  const std::string before = Predictor(config).Print("plan");
  EXPECT_EQ(kept(), 1);
  const auto program = native::compile(*load_model(path), {});
  const auto instance = program->instance();
  std::vector<Type> types;
  for (const Port& port : program->inputs()) types.push_back(port.type);
  instance->bind(types);
  TuningLog log;
  for (const auto& s : native::tune_steps(*program, *instance, {.seconds = 0.01}))
    log.put({s.signature, "direct blocks=1", 2, 1});
  log.write(TuningLog::path_in(folder));  // where a compile looks by itself
  for (int i = 0; i < 2; ++i) {
    EXPECT_NE(Predictor(config).Print("plan").find("tuned"), std::string::npos) << i;
    EXPECT_EQ(kept(), 2) << "compiled anew once, then found";
  }
  fs::remove(TuningLog::path_in(folder));
  EXPECT_EQ(Predictor(config).Print("plan"), before);
  EXPECT_EQ(kept(), 2);
}

}  // namespace
}  // namespace chorus
