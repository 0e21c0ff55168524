// Placement: cuts are acyclic and as few as can be, values cross them whole, nothing moves silently, and what is computed is the same.
#include <core/log.h>
#include <core/random.h>
#include <engine/placement/placement.h>
#include <engine/registry/registry.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "engine/picky.h"
#include "support/proves.h"

namespace chorus {
namespace {

using placement::Engines;
using placement::Placement;
using testing::GraphCase;
using testing::Habits;
using testing::model_of;
using testing::Picky;
using testing::run_program;

Engines over_native(Habits habits) {
  return {std::make_shared<Picky>("picky", std::move(habits)), open_engine("native")};
}

Placement placement_of(const Program& program, const Model& model) {
  return placement::placement_of(program, model, "picky");
}

void expect_same(const std::vector<Value>& got, const std::vector<Value>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].kind(), wanted[i].kind());
    if (!wanted[i].is_tensor()) {
      expect_same({got[i].items().begin(), got[i].items().end()}, {wanted[i].items().begin(), wanted[i].items().end()});
      continue;
    }
    ASSERT_EQ(got[i].dtype(), wanted[i].dtype());
    ASSERT_EQ(got[i].shape(), wanted[i].shape());
    if (wanted[i].dtype() == DType::string) {
      for (int64_t k = 0; k < wanted[i].numel(); ++k) EXPECT_EQ(got[i].strings()[k], wanted[i].strings()[k]);
    } else {
      const auto a = got[i].to_doubles(), b = wanted[i].to_doubles();
      for (size_t k = 0; k < a.size(); ++k) EXPECT_NEAR(a[k], b[k], 1e-6 * std::max(1.0, std::abs(b[k])));
    }
  }
}

// Compiles for an engine with such habits, runs, compares with the native engine, and gives the placement.
Placement checked(GraphCase& c, Habits habits, const std::vector<Value>& inputs) {
  const Model model = model_of(c);
  const auto program = placement::compile(model, over_native(std::move(habits)), {});
  expect_same(run_program(*program, inputs), run_program(*open_engine("native")->compile(model, {}), inputs));
  return placement_of(*program, model);
}

TEST(Cut, PartsFollowEachOtherAndAreAsFewAsCanBe) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    uint64_t draw = 0;
    const auto pick = [&](size_t n) {
      return static_cast<size_t>(philox_uniform(seed, 1, draw++) * static_cast<double>(n));
    };
    GraphCase c;
    std::vector<ValueId> values = {c.in("x", {2})};
    const size_t nodes = 1 + pick(30);
    for (size_t i = 0; i < nodes; ++i)
      values.push_back(c.op("Add", {values[pick(values.size())], values[pick(values.size())]}));
    for (ValueId v : values) {
      if (c.graph.value(v).uses.empty() && c.graph.value(v).producer != kNone) c.graph.add_output(v);
    }
    std::vector<int> engine(static_cast<size_t>(c.graph.node_capacity()));
    for (int& e : engine) e = static_cast<int>(pick(2));
    const placement::Cut cut = placement::cut(c.graph, engine);
    std::map<NodeId, size_t> part;
    for (size_t p = 0; p < cut.nodes.size(); ++p) {
      EXPECT_FALSE(cut.nodes[p].empty());
      for (NodeId id : cut.nodes[p]) {
        EXPECT_TRUE(part.emplace(id, p).second) << "twice";
        EXPECT_EQ(engine[static_cast<size_t>(id)], cut.engine[p]);
        for (ValueId in : c.graph.node(id).inputs) {  // producers come before, in this part or an earlier one
          const NodeId producer = c.graph.value(in).producer;
          EXPECT_TRUE(producer == kNone || (part.contains(producer) && part[producer] <= p)) << seed;
        }
      }
    }
    EXPECT_EQ(part.size(), static_cast<size_t>(c.graph.node_count()));
    // The least number of parts: engines take turns, so it is one more than the changes of engine on the worst path, from the better of
    // two first engines.
    size_t least = SIZE_MAX;
    for (int first : {0, 1}) {
      std::map<NodeId, size_t> level;
      size_t most = 0;
      for (NodeId id : c.graph.order()) {
        size_t own = static_cast<size_t>(engine[static_cast<size_t>(id)] != first);
        for (ValueId in : c.graph.node(id).inputs) {
          const NodeId producer = c.graph.value(in).producer;
          if (producer == kNone) continue;
          const bool changes = engine[static_cast<size_t>(producer)] != engine[static_cast<size_t>(id)];
          own = std::max(own, level[producer] + (changes ? 1 : 0));
        }
        level[id] = own;
        most = std::max(most, own);
      }
      least = std::min(least, most + 1);
    }
    EXPECT_LE(cut.nodes.size(), least) << seed;
  }
}

TEST(Placement, WholeWhereTheEngineTakesAll) {
  GraphCase c;
  const ValueId x = c.in("x", {3});
  c.out(c.op("Relu", {c.op("Softmax", {x})}), "y");
  const Placement p = checked(c, {}, {testing::noise(Shape{3})});
  ASSERT_EQ(p.parts.size(), 1u);
  EXPECT_EQ(p.parts[0].engine, "picky");
  EXPECT_EQ(p.elsewhere(), 0u);
  EXPECT_TRUE(p.crossings.empty());
}

TEST(Placement, RefusedPartsRunNatively) {
  GraphCase c;
  const ValueId x = c.in("x", {Dim::symbol("n"), 4}), r = c.op("Relu", {x});
  const ValueId s = c.op("Erf", {r});
  c.out(c.op("Add", {c.op("Neg", {s}), r}), "y");
  c.out(c.op("Exp", {x}), "z");
  const Placement p = checked(c, {.ops = {"Erf"}, .all_but = true}, {testing::noise(Shape{3, 4})});
  ASSERT_EQ(p.parts.size(), 3u);
  EXPECT_EQ(p.parts[0].engine, "picky");
  EXPECT_EQ(p.parts[1].engine, "native");
  EXPECT_EQ(p.parts[1].nodes.size(), 1u);
  EXPECT_EQ(p.elsewhere(), 1u);
  ASSERT_EQ(p.nodes.size(), 5u);
  for (const placement::Placed& n : p.nodes) {
    EXPECT_EQ(n.device, "cpu");
    EXPECT_NE(n.type.find("float32["), std::string::npos);
    EXPECT_EQ(n.reason, n.engine == "picky" ? "" : "picky does not know Erf");
  }
  EXPECT_EQ(p.crossings.size(), 3u);  // r to the native part and past it, s back
  EXPECT_EQ(p.copies(), 0u);
}

TEST(Placement, SizesThatOnlyTheRunKnows) {
  GraphCase c;
  const ValueId x = c.in("x", {Dim::symbol("n")});
  const ValueId found = c.op("NonZero", {c.op("Relu", {x})});
  const ValueId picked = c.op("GatherND", {x, c.op("Transpose", {found})});
  c.out(c.op("Neg", {picked}), "y");
  c.out(c.op("Shape", {c.op("Exp", {picked})}), "n");
  for (const char* op : {"NonZero", "GatherND", "Transpose", "Neg", "Exp"}) {
    const Placement p = checked(c, {.ops = {op}, .all_but = true}, {Value::of<float>(Shape{5}, {1, -1, 2, 0, 3})});
    EXPECT_EQ(p.elsewhere(), 1u) << op;
  }
}

TEST(Placement, SequencesStringsAndOptionalsCross) {
  GraphCase c;
  const ValueId x = c.in("x", {2}), y = c.in("y", {2});
  const ValueId sequence = c.op("SequenceConstruct", {x, y, c.op("Add", {x, y})});
  c.out(c.op("ConcatFromSequence", {sequence}, {{"axis", int64_t{0}}}), "joined");
  const ValueId text = c.op("Cast", {x}, {{"to", int64_t{8}}});
  c.out(c.op("StringConcat", {text, text}), "twice");
  const ValueId optional = c.op("Optional", {sequence});
  c.out(c.op("SequenceLength", {c.op("OptionalGetElement", {optional})}), "length");
  const std::vector<Value> inputs = {Value::of<float>(Shape{2}, {1, 2}), Value::of<float>(Shape{2}, {3, 4})};
  for (const std::set<std::string>& theirs : {std::set<std::string>{"SequenceConstruct", "Cast", "Optional"},
                                              {"ConcatFromSequence", "StringConcat", "OptionalGetElement"},
                                              {"Add", "Optional", "StringConcat"}}) {
    const Placement p = checked(c, {.ops = theirs}, inputs);
    EXPECT_GT(p.parts.size(), 1u);
    for (const placement::Crossing& crossing : p.crossings) {  // strings leave a plug-in as copies, numbers by pointer
      const bool copied =
          crossing.value == c.graph.value(text).name && p.parts[static_cast<size_t>(crossing.from)].engine == "picky";
      EXPECT_EQ(crossing.passing == placement::Passing::copied, copied) << crossing.value;
    }
  }
}

TEST(Placement, BodiesStayWhole) {
  Graph then_body, else_body;
  {
    const ValueId outer = testing::capture(then_body, "r");
    then_body.add_output(then_body.node(then_body.add_node("Neg", std::span(&outer, 1))).outputs[0]);
    const ValueId other = testing::capture(else_body, "r");
    else_body.add_output(else_body.node(else_body.add_node("Exp", std::span(&other, 1))).outputs[0]);
  }
  GraphCase c;
  const ValueId x = c.in("x", {3}), condition = c.in("condition", {}, DType::boolean), r = c.op("Relu", {x});
  c.graph.rename(r, "r");
  const ValueId chosen = c.op(
      "If", {condition},
      {{"then_branch", testing::shared(std::move(then_body))}, {"else_branch", testing::shared(std::move(else_body))}});
  c.out(c.op("Softmax", {chosen}), "y");
  for (const bool yes : {true, false}) {
    Value flag = Value::tensor(DType::boolean, Shape{});
    *static_cast<bool*>(flag.mutable_data()) = yes;
    const Placement p = checked(c, {.ops = {"If"}, .all_but = true}, {testing::noise(Shape{3}), flag});
    EXPECT_EQ(p.elsewhere(), 1u);
    EXPECT_EQ(p.parts.size(), 3u);
  }
}

TEST(Placement, OutputsThatNobodyComputes) {
  GraphCase c;
  const ValueId x = c.in("x", {2});
  c.graph.add_output(x);
  c.graph.add_output(c.floats({2}, {5, 6}));
  const ValueId y = c.op("Softmax", {c.op("Relu", {x})});
  c.out(y, "y");
  c.graph.add_output(y);  // twice
  const Model model = model_of(c);
  const auto program = placement::compile(model, over_native({.ops = {"Relu"}}), {});
  const Value in = Value::of<float>(Shape{2}, {1, 2});
  expect_same(run_program(*program, {in}), run_program(*open_engine("native")->compile(model, {}), {in}));
  // Into buffers of the caller, all at once and twice over.
  const auto instance = program->instance();
  for (int round = 0; round < 2; ++round) {
    std::vector<Value> outputs;
    for (int i = 0; i < 4; ++i) outputs.push_back(Value::tensor(DType::float32, Shape{2}));
    const void* data = outputs[2].data();
    instance->run(std::span(&in, 1), outputs, {});
    EXPECT_EQ(outputs[2].data(), data);
    EXPECT_EQ(outputs[0].as<float>()[1], 2);
    EXPECT_EQ(outputs[1].as<float>()[1], 6);
    EXPECT_EQ(outputs[3].as<float>()[0], outputs[2].as<float>()[0]);
  }
  std::vector<Value> small(4, Value::tensor(DType::float32, Shape{1}));
  EXPECT_FALSE(testing::message_of([&] { instance->run(std::span(&in, 1), small, {}); }).empty());
  EXPECT_EQ(instance->bind(std::vector{Type::of(in)}).size(), 4u);
}

TEST(Placement, SimplerOperatorsComeBeforeAnotherEngine) {
  GraphCase c;
  const ValueId x = c.in("x", {4}), y = c.in("y", {4});
  c.out(c.op("Softmax", {c.op("Sum", {x, y, x})}), "y");
  const std::vector<Value> inputs = {testing::noise(Shape{4}, 1), testing::noise(Shape{4}, 2)};
  const Placement p = checked(c, {.ops = {"Add"}}, inputs);
  ASSERT_EQ(p.nodes.size(), 2u);
  EXPECT_EQ(p.nodes[0].engine, "picky") << "Sum is additions: " << p.nodes[0].reason;
  EXPECT_EQ(p.nodes[1].engine, "native");
  // Where it takes only some of the simpler ones, the node stays as it is.
  const Placement whole = checked(c, {.ops = {"Relu"}}, inputs);
  ASSERT_EQ(whole.parts.size(), 1u);
  EXPECT_EQ(whole.parts[0].nodes.size(), 2u);
}

TEST(Placement, WhatIsRefusedAtCompileMovesOn) {
  GraphCase c;
  const ValueId x = c.in("x", {4});
  c.out(c.op("Softmax", {c.op("Exp", {c.op("Relu", {x})})}), "y");
  const Placement p = checked(c, {.ops = {"Relu", "Exp"}, .refuses_at_compile = "Exp"}, {testing::noise(Shape{4})});
  EXPECT_EQ(p.elsewhere(), 3u);
  EXPECT_EQ(p.nodes[1].reason, "picky cannot compile Exp");
}

TEST(Placement, NobodyTakesIt) {
  GraphCase c;
  c.out(c.op("Relu", {c.in("x", {4})}), "y");
  const Engines both = {std::make_shared<Picky>("picky", Habits{.ops = {"Exp"}}),
                        std::make_shared<Picky>("poor", Habits{.ops = {"Add"}})};
  Code code = Code::ok;
  const std::string said = testing::message_of([&] { placement::compile(model_of(c), both, {}); }, &code);
  EXPECT_EQ(code, Code::unsupported);
  EXPECT_NE(said.find("picky does not know Relu; poor does not know Relu"), std::string::npos) << said;
}

TEST(Placement, RunsEndWhenAsked) {
  GraphCase c;
  c.out(c.op("Softmax", {c.op("Relu", {c.in("x", {4})})}), "y");
  const auto program = placement::compile(model_of(c), over_native({.ops = {"Relu"}}), {});
  StopToken stop;
  stop.request();
  RunOptions options;
  options.stop = &stop;
  Code code = Code::ok;
  testing::message_of([&] { run_program(*program, {testing::noise(Shape{4})}, options); }, &code);
  EXPECT_EQ(code, Code::cancelled);
  testing::message_of([&] { run_program(*program, {Value()}); }, &code);
  EXPECT_EQ(code, Code::bad_input);
}

TEST(Placement, TimesAndTapsAreThoseOfTheWhole) {
  GraphCase c;
  const ValueId r = c.op("Relu", {c.in("x", {4})});
  c.graph.rename(r, "r");
  c.out(c.op("Neg", {c.op("Softmax", {r})}), "y");
  const Model model = model_of(c);
  const auto program = placement::compile(model, over_native({.ops = {"Relu", "Neg"}}), {});
  const auto instance = program->instance();
  std::vector<NodeTime> times;
  std::set<std::string> seen;
  std::function<void(const std::string&, const Value&)> tap = [&](const std::string& name, const Value&) {
    seen.insert(name);
  };
  RunOptions options;
  options.times = &times;
  options.tap = &tap;
  const Value in = testing::noise(Shape{4});
  std::vector<Value> outputs(1);
  instance->run(std::span(&in, 1), outputs, options);
  const auto steps = instance->steps();
  ASSERT_EQ(steps.size(), 3u);
  ASSERT_EQ(times.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(times[i].step, static_cast<int32_t>(i));
  EXPECT_TRUE(seen.contains("r"));
  EXPECT_TRUE(seen.contains("y"));
}

struct Said {
  std::vector<std::string> lines;
  Said() { set_log_sink(&Said::take, this, LogLevel::warning); }
  ~Said() { set_log_sink(nullptr, nullptr); }
  static void take(void* user, LogLevel, std::string_view line) { static_cast<Said*>(user)->lines.emplace_back(line); }
};

TEST(Placement, NothingMovesSilentlyAndEachReasonIsSaidOnce) {
  GraphCase c;
  c.out(c.op("Softmax", {c.op("Relu", {c.in("x", {4})})}), "y");
  const Model model = model_of(c);
  const auto engine = placement::with_fallback(over_native({.ops = {"Relu"}}));
  Said said;
  engine->compile(model, {});
  engine->compile(model, {});
  ASSERT_EQ(said.lines.size(), 1u);
  EXPECT_EQ(said.lines[0],
            "engine picky: 1 of 2 nodes run elsewhere, in 2 parts with 1 values between: Softmax (picky does not know "
            "Softmax)");
  CompileOptions alone;
  alone.fallback = Fallback::none;
  Code code = Code::ok;
  testing::message_of([&] { engine->compile(model, alone); }, &code);
  EXPECT_EQ(code, Code::unsupported);
}

// Random nodes run on our generator under every engine, and a part draws what the whole would.
TEST(Placement, TheSameSeedGivesTheSameNumbersOnEveryEngine) {
  GraphCase c;
  const ValueId x = c.in("x", {64});
  const auto draw = [&](const char* op, Attributes attributes = {}) { return c.op(op, {x}, std::move(attributes)); };
  const ValueId a = draw("RandomNormalLike"), s = c.op("Softmax", {a}), b = c.op("RandomUniformLike", {s});
  c.out(c.op("Add", {a, b}), "y");
  c.out(c.op("Bernoulli", {c.op("Relu", {b})}), "z");
  c.out(c.op("Relu", {draw("RandomUniformLike", {{"high", 3.f}})}), "w");
  const Model model = model_of(c);
  RunOptions options;
  options.seed = 42;
  const Value in = testing::noise(Shape{64});
  const auto wanted = run_program(*open_engine("native")->compile(model, {}), {in}, options);
  EXPECT_NE(wanted[0].to_doubles(), wanted[2].to_doubles());
  const auto expect_equal = [&](const std::vector<Value>& got) {
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(got[i].to_doubles(), wanted[i].to_doubles()) << i;
  };
  for (const std::set<std::string>& theirs : {std::set<std::string>{}, {"Softmax"}, {"Relu"}, {"Relu", "Add"}})
    expect_equal(run_program(*placement::compile(model, over_native({.ops = theirs}), {}), {in}, options));
  for (const EngineInfo& info : list_engines()) {
    if (!info.available || (testing::kSanitized && info.name != "native" && info.name != "example")) continue;
    SCOPED_TRACE(info.name);
    const auto got = run_program(*open_complete_engine(info.name)->compile(model, {}), {in}, options);
    EXPECT_EQ(got[1].to_doubles(), wanted[1].to_doubles());
    EXPECT_EQ(got[2].to_doubles(), wanted[2].to_doubles());  // no arithmetic of the engine's own in between
  }
}

}  // namespace
}  // namespace chorus
