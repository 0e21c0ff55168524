// What tuning times: steps with a choice, equal ones once, at the sizes of the bound run; never worse than the cost model says.
#include <engine/native/exec/tune.h>

#include <engine/native/jit/choice.h>
#include <engine/native/native_engine.h>
#include <graph/graph.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "support/proves.h"

namespace chorus::native {
namespace {

Value filled(const Shape& shape, float with) {
  Value v = Value::tensor(DType::float32, shape);
  std::fill_n(v.as_mutable<float>().data(), static_cast<size_t>(v.numel()), with);
  return v;
}

/// Three equal convolutions of 3 x 3, one of 1 x 1, and a depthwise one, which has no choice.
Model convolutions(const Dim& width) {
  auto g = std::make_shared<Graph>();
  g->name = "convolutions";
  g->opsets[""] = newest_opset("");
  ValueId x = g->add_input("x", Type::tensor(DType::float32, {1, 32, 12, width}));
  const auto conv = [&](ValueId in, int64_t channels, int64_t kernel, int64_t groups) {
    const int64_t pad = kernel / 2;
    const ValueId w = g->add_constant("w", filled({channels, 32 / groups, kernel, kernel}, 0.02F));
    const ValueId made = g->node(g->add_node("Conv", std::vector<ValueId>{in, w},
                                             {{"pads", std::vector<int64_t>{pad, pad, pad, pad}}, {"group", groups}}))
                             .outputs[0];
    return g->node(g->add_node("Relu", std::vector<ValueId>{made}, {})).outputs[0];
  };
  for (int i = 0; i < 3; ++i) x = conv(x, 32, 3, 1);
  x = conv(x, 32, 3, 32);
  x = conv(x, 48, 3, 1);
  g->add_output(x);
  Model model;
  model.graph = std::move(g);
  return model;
}

std::vector<TunedStep> tuned(const Model& model, int64_t width) {
  const auto program = native::compile(model, {});
  const auto instance = program->instance();
  instance->bind(std::vector<Type>{Type::tensor(DType::float32, {1, 32, 12, width})});
  TuneOptions options;
  options.seconds = 0.02;
  return tune_steps(*program, *instance, options);
}

TEST(Tune, EqualStepsAreTimedOnceAndTheBestIsKept) {
  if (jit::level(cpu()) == jit::Level::plain) GTEST_SKIP() << "no generated code on this processor";
  for (const bool open : {false, true}) {
    const auto steps = tuned(convolutions(open ? Dim::symbol("width") : Dim(20)), 20);
    ASSERT_EQ(steps.size(), 2u) << open;
    std::set<int> counts;
    for (const TunedStep& s : steps) {
      counts.insert(s.steps);
      EXPECT_GE(s.timed, 3) << s.signature;
      EXPECT_GT(s.after_us, 0);
      EXPECT_LE(s.after_us, s.before_us) << s.signature;
      if (s.choice == s.model_choice) {
        EXPECT_EQ(s.after_us, s.before_us);
      }
      EXPECT_EQ(s.signature.find(" open") != std::string::npos, open) << s.signature;
    }
    EXPECT_EQ(counts, (std::set<int>{1, 3}));
  }
  testing::part_of("S-TVM-27");
}

TEST(Tune, NothingIsTimedWhereNothingIsChosen) {
  auto g = std::make_shared<Graph>();
  g->opsets[""] = newest_opset("");
  const ValueId x = g->add_input("x", Type::tensor(DType::float32, {4, 4}));
  g->add_output(g->node(g->add_node("Sin", std::vector<ValueId>{x}, {})).outputs[0]);
  Model model;
  model.graph = std::move(g);
  const auto program = native::compile(model, {});
  const auto instance = program->instance();
  instance->bind(std::vector<Type>{Type::tensor(DType::float32, {4, 4})});
  EXPECT_TRUE(tune_steps(*program, *instance, {}).empty());
}

}  // namespace
}  // namespace chorus::native
