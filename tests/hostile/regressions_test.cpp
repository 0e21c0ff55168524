// What damaged models found, one small model each.
#include <chorus/error.h>
#include <core/clock.h>
#include <engine/native/native_engine.h>
#include <graph/graph.h>

#include <gtest/gtest.h>

#include <cstdio>

#include <optional>

namespace chorus::testing {
namespace {

struct Small {
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  Small() { graph->opsets[""] = newest_opset(""); }
  ValueId in(const char* name, DType type, Dims dims) {
    const ValueId id = graph->add_input(name, Type::tensor(type, std::move(dims)));
    graph->value(id).declared = true;
    return id;
  }
  std::vector<ValueId> op(std::string_view type, std::vector<ValueId> inputs, Attributes attributes = {},
                          int outputs = 1) {
    return graph->node(graph->add_node(type, inputs, std::move(attributes), outputs)).outputs;
  }
  void out(ValueId id, std::optional<Dims> declared = {}, DType type = DType::float32) {
    if (declared) {
      graph->value(id).type = Type::tensor(type, *declared);
      graph->value(id).declared = true;
    }
    graph->add_output(id);
  }
  /// Error code of the run, ok where it gave a result.
  Code run(const std::vector<Value>& inputs, int64_t milliseconds = 20'000, int64_t budget = int64_t{64} << 20) {
    Model model;
    model.graph = graph;
    CompileOptions options;
    options.memory_budget = budget;
    outputs.assign(graph->outputs().size(), Value());
    StopToken stop;
    stop.set_deadline(now_ns() + milliseconds * 1'000'000);
    RunOptions with;
    with.stop = &stop;
    try {
      instance = native::make_native_engine()->compile(model, options)->instance();
      instance->run(inputs, outputs, with);
      return Code::ok;
    } catch (const Error& error) {
      what = error.what();
      return error.code();
    }
  }
  std::unique_ptr<Instance> instance;
  std::vector<Value> outputs;
  std::string what;
};

Value zeros(const Shape& shape) {
  Value v = Value::tensor(DType::float32, shape);
  std::fill_n(v.as_mutable<float>().data(), static_cast<size_t>(v.numel()), 0.f);
  return v;
}

// bind took a number from beyond the symbols of the inputs.
TEST(Regressions, ADeclaredSymbolThatNoInputHas) {
  Small m;
  m.out(m.op("HammingWindow", {m.in("size", DType::int32, {})})[0], Dims{Dim::symbol("N")});
  EXPECT_EQ(m.run({Value::scalar<int32_t>(5)}), Code::ok) << m.what;
  EXPECT_EQ(m.outputs[0].numel(), 5);
}

// The kernel wrote the true size into the memory of the declared one.
TEST(Regressions, ADeclaredSizeIsCheckedNotBelieved) {
  Small m;
  m.out(m.op("Relu", {m.in("x", DType::float32, {Dim::symbol("N"), 40})})[0], Dims{1, 40});
  EXPECT_EQ(m.run({zeros({2, 40})}), Code::shape);
  EXPECT_NE(m.what.find("2 and 1 differ"), std::string::npos) << m.what;
  EXPECT_EQ(m.run({zeros({1, 40})}), Code::ok) << m.what;
}

TEST(Regressions, ADeclaredSizeThatNoRuleGives) {
  Small m;   // the axis is known in the run only
  const ValueId x = m.in("x", DType::float32, {1, 10, 11, 2}), axis = m.in("axis", DType::int64, {});
  m.out(m.op("DFT", {x, kNone, axis})[0], Dims{1, 10, 2, 2});
  EXPECT_EQ(m.run({zeros({1, 10, 11, 2}), Value::scalar<int64_t>(1)}), Code::ok) << m.what;
  EXPECT_EQ(m.outputs[0].shape(), (Shape{1, 10, 11, 2}));
}

// A fast kernel wrote an output that nobody reads, to null.
TEST(Regressions, TheFirstOutputIsUnused) {
  Small m;
  const ValueId x = m.in("x", DType::float32, {2, 64});
  m.out(m.op("LayerNormalization", {x, m.graph->add_constant("s", zeros({64}))}, {}, 3)[1]);
  EXPECT_EQ(m.run({zeros({2, 64})}), Code::ok) << m.what;
}

// Every tap of a window was walked, inside the input or not.
TEST(Regressions, AWindowFarLargerThanTheInput) {
  Small m;
  const int64_t wide = int64_t{1} << 40;
  m.out(m.op("MaxPool", {m.in("x", DType::float32, {1, 1, 5, 5})},
             {{"kernel_shape", std::vector<int64_t>{3, wide}}, {"auto_pad", std::string("SAME_UPPER")}})[0]);
  EXPECT_NE(m.run({zeros({1, 1, 5, 5})}, 2000), Code::timeout) << m.what;
}

// The estimate of a step multiplied extents in 64 bits: seen by builds with sanitizers.
TEST(Regressions, AnExtentWhoseProductsOverflow) {
  for (const Dims& dims : {Dims{2, int64_t{1} << 62, 4}, Dims{INT64_MAX, INT64_MAX, 4}, Dims{1, INT64_MAX - 3, 2, 2}}) {
    Small m;
    m.out(m.op("Exp", {m.in("x", DType::float32, dims)})[0]);
    EXPECT_NE(m.run({zeros({2, 1, 4})}), Code::ok);
  }
}

TEST(Regressions, StringsDoNotGrowBeyondTheBudget) {
  Small m;
  const ValueId x = m.in("x", DType::string, {1}), shape = m.in("shape", DType::int64, {1});
  m.out(m.op("Expand", {x, shape})[0]);
  EXPECT_EQ(m.run({Value::strings(Shape{1}, std::vector<std::string>{"ab c"}),
                   Value::of<int64_t>(Shape{1}, {int64_t{1} << 31})}),
            Code::budget)
      << m.what;
}

// Strings counted as nothing: sixty doublings were folded until a gigabyte was full.
TEST(Regressions, StringsAreFoldedWithinTheBudgetToo) {
  Small m;
  ValueId x = m.graph->add_constant("words", Value::strings(Shape{2}, std::vector<std::string>{"ab c", "d"}));
  for (int i = 0; i < 60; ++i) x = m.op("Concat", {x, x}, {{"axis", 0}})[0];
  m.out(x);
  const int64_t begin = now_ns();
  EXPECT_EQ(m.run({}), Code::budget) << m.what;
  EXPECT_LT(now_ns() - begin, int64_t{20'000'000'000});
}

GraphPtr body(bool strings, bool grows) {
  auto b = std::make_shared<Graph>();
  b->opsets[""] = newest_opset("");
  b->add_input("i", Type::tensor(DType::int64, {}));
  const ValueId go = b->add_input("go", Type::tensor(DType::boolean, {}));
  const ValueId state = b->add_input("state", Type::tensor(strings ? DType::string : DType::float32,
                                                           strings || !grows ? Dims{2} : Dims{Dim::symbol("n")}));
  const auto add = [&](std::string_view op, std::vector<ValueId> in, Attributes attributes = {}) {
    b->add_output(b->node(b->add_node(op, in, std::move(attributes))).outputs[0]);
  };
  add("Identity", {go});
  if (strings)
    add("StringConcat", {state, state});
  else if (grows)
    add("Concat", {state, state}, {{"axis", 0}});
  else
    add("Neg", {state});
  add("Identity", {state});
  return b;
}

Code run_loop(bool strings, bool grows, int64_t trips, int64_t milliseconds, bool scanned) {
  Small m;
  const ValueId n = m.in("n", DType::int64, {}), go = m.graph->add_constant("go", Value::scalar<bool>(true));
  const ValueId x = m.in("x", strings ? DType::string : DType::float32, {2});
  const auto out = m.op("Loop", {n, go, x}, {{"body", body(strings, grows)}}, 2);
  m.out(out[scanned ? 1 : 0]);
  const Value start = strings ? Value::strings(Shape{2}, std::vector<std::string>{"ab", "cd"}) : zeros({2});
  const Code code = m.run({Value::scalar<int64_t>(trips), start}, milliseconds, int64_t{4} << 20);
  if (code != Code::ok) std::printf("%s\n", m.what.c_str());
  return code;
}

TEST(Regressions, LoopsAreChargedToTheRun) {
  EXPECT_EQ(run_loop(false, true, 1, 20'000, false), Code::ok);
  EXPECT_EQ(run_loop(false, true, 60, 20'000, false), Code::budget) << "a tensor that doubles";
  EXPECT_EQ(run_loop(true, true, 60, 20'000, false), Code::budget) << "a string that doubles";
  EXPECT_EQ(run_loop(false, false, int64_t{1} << 40, 60'000, true), Code::budget) << "items without end";
}

// Axes were listed up to it.
TEST(Regressions, AnOldBroadcastHasItsAxisInTheOperand) {
  for (const int64_t axis : {int64_t{INT32_MIN}, INT64_MIN, INT64_MAX, int64_t{3}, int64_t{-5}}) {
    Small m;
    Node node;
    node.op = find_op("", "Mul");
    node.version = node.op->version_index(6);
    node.type = "Mul";
    node.inputs = {m.in("x", DType::float32, {2, 3, 4, 5}), m.in("y", DType::float32, {3, 4})};
    node.outputs = {m.graph->add_value("z")};
    node.attributes = {{"axis", axis}, {"broadcast", 1}};
    m.out(m.graph->node(m.graph->add_node(std::move(node))).outputs[0]);
    EXPECT_NE(m.run({zeros({2, 3, 4, 5}), zeros({3, 4})}), Code::ok);
    EXPECT_NE(m.what.find("leaves no room"), std::string::npos) << m.what;
  }
}

TEST(Regressions, ATripCountIsOneNumber) {
  Small m;
  const ValueId n = m.in("n", DType::int64, {0}), go = m.graph->add_constant("go", Value::scalar<bool>(true));
  const ValueId x = m.in("x", DType::float32, {2});
  m.out(m.op("Loop", {n, go, x}, {{"body", body(false, false)}}, 2)[0]);
  EXPECT_NE(m.run({Value::tensor(DType::int64, Shape{0}), zeros({2})}), Code::ok);
  EXPECT_NE(m.what.find("rip count"), std::string::npos) << m.what;
}

TEST(Regressions, ARunEndsWhenItsTimeIsUp) {
  const int64_t begin = now_ns();
  EXPECT_EQ(run_loop(false, false, INT64_MAX, 200, false), Code::timeout);
  EXPECT_LT(now_ns() - begin, int64_t{20'000'000'000});
}

}  // namespace
}  // namespace chorus::testing
