// Engine "auto": the fastest within the bound is chosen, a wrong kernel never; answers are remembered, and only what was written is read.
#include <engine/placement/auto.h>
#include <engine/registry/registry.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "engine/picky.h"

namespace chorus {
namespace {

using placement::Answer;
using placement::AutoEngines;
using placement::AutoLog;
using testing::GraphCase;
using testing::Habits;
using testing::model_of;
using testing::Picky;

// Engines of this test by name, and how often they were opened.
struct Shelf {
  std::map<std::string, std::shared_ptr<Engine>, std::less<>> engines = {{"native", open_engine("native")}};
  void add(const std::string& name, Habits habits) { engines[name] = std::make_shared<Picky>(name, std::move(habits)); }
  AutoEngines shown() {
    return {[this](std::string_view name) {
              const auto it = engines.find(name);
              if (it == engines.end()) throw Error(Code::unavailable, std::string(name) + " is not installed");
              return it->second;
            },
            [] { return std::vector<std::string>{"native"}; }};
  }
};

std::string fresh_folder() {
  const std::string folder = ::testing::TempDir() + "chorus_auto_" + std::to_string(::getpid());
  std::filesystem::remove_all(folder);
  return folder;
}

CompileOptions among(std::vector<std::string> engines, const std::string& folder = {}, double bound = 1e-4) {
  CompileOptions options;
  options.more = placement::to_json({std::move(engines), bound, folder, "this build"});
  return options;
}

Model small_model() {
  GraphCase c;
  c.out(
      c.op("Add", {c.op("Mul", {c.in("x", {Dim::symbol("n"), 4}), c.floats({4}, {1, 2, 3, 4})}), c.floats({}, {0.5})}),
      "y");
  return model_of(c);
}

// The row of the table that begins with a name.
std::string row(const std::string& table, const std::string& name) {
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + " ")) return line;
  }
  return {};
}

TEST(Auto, TheFastestIsChosen) {
  Shelf shelf;
  shelf.add("slow", {.slow_us = 3000});
  shelf.add("slower", {.slow_us = 6000});
  const auto program =
      placement::make_auto_engine(shelf.shown())->compile(small_model(), among({"slower", "native", "slow"}));
  EXPECT_NE(program->str("auto").find("nothing is measured"), std::string::npos);
  const Value x = testing::noise(Shape{2, 4});
  const Value y = testing::run_program(*program, {x})[0];
  for (size_t i = 0; i < 8; ++i)
    EXPECT_NEAR(y.as<float>()[i], x.as<float>()[i] * static_cast<float>(i % 4 + 1) + 0.5f, 1e-6);
  const std::string table = program->str("auto");
  EXPECT_NE(row(table, "native").find("chosen"), std::string::npos) << table;
  EXPECT_NE(table.find("at most 0.0001 counts"), std::string::npos) << table;
  EXPECT_EQ(testing::run_program(*program, {testing::noise(Shape{5, 4})})[0].shape(), Shape({5, 4}));  // other sizes
}

// The seeded fault: fast, and one element of one output off by two thousandths of the largest.
TEST(Auto, AWrongKernelIsRejectedByTheBound) {
  Shelf shelf;
  shelf.add("right", {.slow_us = 3000});
  shelf.add("wrong", {.spoil = [](std::span<Value> outputs) {
              Value own = Value::copy_of(outputs[0].dtype(), outputs[0].shape(), outputs[0].data(),
                                         static_cast<size_t>(outputs[0].numel()) * sizeof(float));
              float largest = 0;
              for (const float v : own.as<float>()) largest = std::max(largest, std::fabs(v));
              static_cast<float*>(own.mutable_data())[3] += 2e-3f * largest;
              outputs[0] = own;
            }});
  const Value x = testing::noise(Shape{2, 4});
  for (const auto& [bound, chosen] : {std::pair(1e-4, "right"), {1e-1, "wrong"}}) {
    const auto program =
        placement::make_auto_engine(shelf.shown())->compile(small_model(), among({"right", "wrong"}, {}, bound));
    testing::run_program(*program, {x});
    const std::string table = program->str("auto");
    EXPECT_NE(row(table, chosen).find("chosen"), std::string::npos) << table;
    EXPECT_NE(row(table, "wrong").find("0.002"), std::string::npos) << table;
  }
}

TEST(Auto, WhoRefusesFailsOrIsAbsentIsListed) {
  Shelf shelf;
  shelf.add("refuses", {.ops = {"Exp"}});
  shelf.add("falls", {.fails_at_run = true});
  const auto engine = placement::make_auto_engine(shelf.shown());
  const auto program = engine->compile(small_model(), among({"refuses", "falls", "absent", "native"}));
  testing::run_program(*program, {testing::noise(Shape{2, 4})});
  const std::string table = program->str("auto");
  EXPECT_NE(row(table, "refuses").find("refuses does not know Mul"), std::string::npos) << table;
  EXPECT_NE(row(table, "falls").find("it fell over"), std::string::npos) << table;
  EXPECT_NE(row(table, "absent").find("absent is not installed"), std::string::npos) << table;
  EXPECT_NE(row(table, "native").find("chosen"), std::string::npos) << table;
  Code code = Code::ok;
  const auto none = engine->compile(small_model(), among({"refuses", "falls"}));
  const std::string said = testing::message_of(
      [&] {
        testing::run_program(*none, {testing::noise(Shape{2, 4})});
      },
      &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("falls: it fell over"), std::string::npos) << said;
  testing::message_of([&] { engine->compile(small_model(), among({"auto"})); }, &code);
  EXPECT_EQ(code, Code::bad_input);
  testing::message_of([&] { testing::run_program(*program, {}); }, &code);
  EXPECT_EQ(code, Code::bad_input);
}

// What samples a picture is a segment of its own, as in detectors of objects.
TEST(Auto, RegionsBehindConvolutionsAreASegment) {
  GraphCase c;
  const ValueId conv = c.op("Conv", {c.in("x", {1, 1, 6, 6}), c.constant(testing::noise(Shape{2, 1, 3, 3}))});
  const ValueId regions = c.op("RoiAlign", {conv, c.constant(testing::noise(Shape{3, 4})), c.ints({0, 0, 0})});
  c.out(c.op("Relu", {regions}), "y");
  const placement::Segments segments = placement::segments_of(model_of(c));
  ASSERT_EQ(segments.nodes.size(), 2u);
  EXPECT_EQ(segments.nodes[0].size(), 1u);
  EXPECT_EQ(segments.nodes[1].size(), 2u);
}

// Each engine is slow on a segment: the cut is faster than both.
TEST(Auto, ACutIsChosenWhereItIsFastest) {
  GraphCase c;
  const ValueId x = c.in("x", {1, 1, 6, 6});
  const ValueId conv = c.op("Relu", {c.op("Conv", {x, c.constant(testing::noise(Shape{2, 1, 3, 3}))})});
  const ValueId flat = c.op("Flatten", {conv});
  c.out(c.op("Scaler", {flat}, {{"offset", std::vector<float>{0.f}}, {"scale", std::vector<float>{2.f}}}, 1, 0,
             "ai.onnx.ml"),
        "y");
  const Model model = model_of(c);
  const placement::Segments segments = placement::segments_of(model);
  ASSERT_EQ(segments.nodes.size(), 2u);
  EXPECT_EQ(segments.nodes[0].size(), 3u);  // what is light stays with the convolution
  Shelf shelf;
  // Both know everything; a run that holds the other's operator is slow.
  class Specialist final : public Engine {
   public:
    Specialist(std::string name, std::string weak)
        : weak_(std::move(weak)), fast_(name, {}), slow_(name, {.slow_us = 4000}) {}
    std::string_view name() const noexcept override { return fast_.name(); }
    std::string version() const override { return "1"; }
    std::vector<Claim> claim(const Graph& g, const CompileOptions& o) override { return fast_.claim(g, o); }
    std::shared_ptr<Program> compile(const Model& m, const CompileOptions& o) override {
      for (NodeId id : m.graph->order()) {
        if (m.graph->node(id).type == weak_) return slow_.compile(m, o);
      }
      return fast_.compile(m, o);
    }

   private:
    std::string weak_;
    Picky fast_, slow_;
  };
  shelf.engines["pictures"] = std::make_shared<Specialist>("pictures", "Scaler");
  shelf.engines["tables"] = std::make_shared<Specialist>("tables", "Conv");
  const std::string folder = fresh_folder();
  const auto engine = placement::make_auto_engine(shelf.shown());
  const auto program = engine->compile(model, among({"tables", "pictures"}, folder));
  const Value in = testing::noise(Shape{1, 1, 6, 6});
  const Value y = testing::run_program(*program, {in})[0];
  EXPECT_NE(row(program->str("auto"), "pictures|tables").find("chosen"), std::string::npos) << program->str("auto");
  const Value wanted = testing::run_program(*open_engine("native")->compile(model, {}), {in})[0];
  EXPECT_LE(placement::error_of(std::span(&y, 1), std::span(&wanted, 1)), 1e-6);
  // Remembered at once: its inputs have one size.
  const auto again = engine->compile(model, among({"tables", "pictures"}, folder));
  EXPECT_NE(again->str("auto").find("remembered"), std::string::npos) << again->str("auto");
  EXPECT_NE(row(again->str("auto"), "pictures|tables").find("chosen"), std::string::npos);
  EXPECT_EQ(testing::run_program(*again, {in})[0].to_doubles(), y.to_doubles());
  std::filesystem::remove_all(folder);
}

TEST(Auto, AnswersAreRememberedForTheSameQuestionOnly) {
  Shelf shelf;
  shelf.add("slow", {.slow_us = 1000});
  const std::string folder = fresh_folder();
  const auto engine = placement::make_auto_engine(shelf.shown());
  const Value x = testing::noise(Shape{2, 4});
  const auto remembered = [&](const Model& model, const CompileOptions& options, const Value& in) {
    const auto program = engine->compile(model, options);
    testing::run_program(*program, {in});
    return program->str("auto").find("remembered") != std::string::npos;
  };
  EXPECT_FALSE(remembered(small_model(), among({"native", "slow"}, folder), x));
  EXPECT_TRUE(remembered(small_model(), among({"native", "slow"}, folder), x));
  EXPECT_FALSE(remembered(small_model(), among({"native", "slow"}, folder), testing::noise(Shape{3, 4})));  // size
  EXPECT_FALSE(remembered(small_model(), among({"native"}, folder), x));  // engines
  EXPECT_FALSE(remembered(small_model(), among({"native", "slow"}, folder, 1e-3), x));  // bound
  CompileOptions threads = among({"native", "slow"}, folder);
  threads.threads = 2;
  EXPECT_FALSE(remembered(small_model(), threads, x));
  CompileOptions build = among({"native", "slow"}, folder);
  build.more = placement::to_json({{"native", "slow"}, 1e-4, folder, "another build"});
  EXPECT_FALSE(remembered(small_model(), build, x));
  GraphCase other;
  other.out(other.op("Add", {other.in("x", {Dim::symbol("n"), 4}), other.floats({}, {0.25})}), "y");
  EXPECT_FALSE(remembered(model_of(other), among({"native", "slow"}, folder), x));
  EXPECT_TRUE(remembered(small_model(), among({"native", "slow"}, folder), x));
  std::filesystem::remove_all(folder);
}

Answer some_answer() {
  Answer answer;
  answer.candidates = {{"native", {}, 1.5, 1e-7, "", "note"}, {"a|b", {"a", "b"}, 0, 0, "refuses", ""}};
  return answer;
}

TEST(AutoLog, ReadsOnlyWhatWasWritten) {
  const std::string folder = fresh_folder();
  const AutoLog log(folder);
  Answer found;
  EXPECT_FALSE(log.find("key", &found));
  log.put("key", some_answer());
  ASSERT_TRUE(log.find("key", &found));
  EXPECT_TRUE(found.remembered);
  ASSERT_EQ(found.candidates.size(), 2u);
  EXPECT_EQ(found.candidates[1].cut, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(found.candidates[1].reason, "refuses");
  EXPECT_EQ(found.candidates[0].ms, 1.5);
  EXPECT_FALSE(log.find("other", &found));
  std::ifstream file(log.path());
  const std::string good((std::istreambuf_iterator<char>(file)), {});
  // Every cut and every changed byte: never a crash, and what is still read is sound.
  const auto write = [&](const std::string& bytes) { std::ofstream(log.path(), std::ios::binary) << bytes; };
  for (size_t i = 0; i < good.size(); ++i) {
    write(good.substr(0, i));
    EXPECT_FALSE(log.find("key", &found)) << i;
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 0x11);
    write(changed);
    if (log.find("key", &found)) {
      EXPECT_LT(found.chosen, found.candidates.size()) << i;
    }
  }
  const auto replaced = [&](std::string_view what, std::string_view by) {
    std::string text = good;
    text.replace(text.find(what), what.size(), by);
    write(text);
    return log.find("key", &found);
  };
  EXPECT_FALSE(replaced("\"chosen\":0", "\"chosen\":1"));  // one that does not count
  EXPECT_FALSE(replaced("\"chosen\":0", "\"chosen\":7"));
  EXPECT_FALSE(replaced("\"chosen\":0", "\"chosen\":-1"));
  EXPECT_FALSE(replaced("1.5", "-1.5"));
  EXPECT_FALSE(replaced("1.5", "1e999"));
  EXPECT_FALSE(replaced("\"version\":1", "\"version\":2"));
  EXPECT_FALSE(replaced("\"version\":1", "\"version\":1,\"more\":1"));
  EXPECT_FALSE(replaced("\"cut\":[]", "\"cut\":[[]]"));
  log.put("key", some_answer());  // a damaged file is replaced
  EXPECT_TRUE(log.find("key", &found));
  write(std::string(2'000'000, ' ') + good);
  EXPECT_FALSE(log.find("key", &found));
  std::filesystem::remove_all(folder);
}

TEST(AutoLog, IsBounded) {
  const std::string folder = fresh_folder();
  const AutoLog log(folder);
  Answer answer = some_answer();
  for (int i = 0; i < 131; ++i) log.put("key" + std::to_string(i), answer);
  Answer found;
  EXPECT_FALSE(log.find("key0", &found));  // the oldest go
  EXPECT_TRUE(log.find("key130", &found));
  answer.candidates[0].note.assign(900, 'x');
  for (int c = 0; c < 60; ++c) answer.candidates.push_back(answer.candidates[0]);
  for (int i = 0; i < 20; ++i) log.put("large" + std::to_string(i), answer);
  EXPECT_LE(std::filesystem::file_size(log.path()), 1u << 20);
  EXPECT_TRUE(log.find("large19", &found));
  std::filesystem::remove_all(folder);
}

TEST(AutoError, IsAShareOfTheLargestValue) {
  const auto error = [](std::vector<float> a, std::vector<float> b) {
    const Value x = Value::of<float>(Shape{static_cast<int64_t>(a.size())}, a);
    const Value y = Value::of<float>(Shape{static_cast<int64_t>(b.size())}, b);
    return placement::error_of(std::span(&x, 1), std::span(&y, 1));
  };
  const float nan = NAN, inf = INFINITY;
  EXPECT_EQ(error({1, 2}, {1, 2}), 0);
  EXPECT_NEAR(error({1, 2}, {1.5f, 2}), 0.25, 1e-6);
  EXPECT_EQ(error({nan, inf, 4}, {nan, inf, 4}), 0);
  EXPECT_EQ(error({nan, 1}, {2, 1}), INFINITY);
  EXPECT_EQ(error({inf, 1}, {-inf, 1}), INFINITY);
  EXPECT_EQ(error({1, 2}, {1, 2, 3}), INFINITY);
  EXPECT_EQ(error({0.1f}, {0}), INFINITY);
  EXPECT_EQ(error({}, {}), 0);
}

}  // namespace
}  // namespace chorus
