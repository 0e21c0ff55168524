// Gradients through bodies and sequences, and what add_gradients says about paths, against differences and by hand.
#include <graph/differentiate.h>
#include <graph/infer.h>
#include <runtime/differences.h>

#include <cstdio>

#include "graph/graph_case.h"
#include "support/sanitized.h"

namespace chorus::testing {
namespace {

constexpr DType kF = DType::float64;
Type scalar_of(DType type) { return Type::tensor(type, Dims{}); }

Value doubles(const Shape& shape, std::initializer_list<double> v) { return make(kF, shape, v); }

// A node whose bodies read `captured` as further inputs.
std::vector<ValueId> body_node(Graph& graph, std::string_view op, std::vector<ValueId> inputs,
                               std::vector<ValueId> captured, Attributes attributes, int outputs) {
  Node n;
  n.op = find_op("", op);
  n.version = static_cast<int>(n.op->versions.size()) - 1;
  n.type = std::string(op);
  n.name = "body_" + std::string(op);
  n.inputs = std::move(inputs);
  n.captured = std::move(captured);
  n.attributes = std::move(attributes);
  for (int i = 0; i < outputs; ++i) n.outputs.push_back(graph.add_value("y"));
  const NodeId id = graph.add_node(std::move(n));
  infer_node(graph, id);
  return graph.node(id).outputs;
}
ValueId emit(Graph& g, std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {}) {
  const NodeId id = g.add_node(op, inputs, std::move(attributes));
  infer_node(g, id);
  return g.node(id).outputs[0];
}

void expect_gradients(const Graph& graph, const std::vector<Value>& inputs, const std::string& what, int order = 1,
                      bool symbolic = true) {
  DifferenceOptions options;
  options.order = order;
  options.symbolic = symbolic;
  const Differences d = compare_with_differences(graph, inputs, options, what);
  std::printf("%s: %lld derivatives, %lld not smooth, %lld need known shapes\n", what.c_str(),
              static_cast<long long>(d.checked), static_cast<long long>(d.skipped), static_cast<long long>(d.refused));
  EXPECT_GT(d.checked, 0) << what;
  for (const std::string& failure : d.failures) ADD_FAILURE() << failure;
}

GraphPtr product_body() {
  Graph b;
  b.opsets[""] = newest_opset("");
  const ValueId x = b.add_input("x", Type::tensor(kF)), y = b.add_input("y", Type::tensor(kF));
  b.add_output(emit(b, "Mul", {x, emit(b, "Sin", {y})}));
  return shared(std::move(b));
}
GraphPtr sum_body() {
  Graph b;
  b.opsets[""] = newest_opset("");
  const ValueId x = b.add_input("x", Type::tensor(kF));
  b.add_input("y", Type::tensor(kF));
  b.add_output(emit(b, "Exp", {x}));
  return shared(std::move(b));
}

Graph if_graph(bool condition) {
  Graph g;
  g.opsets[""] = newest_opset("");
  const ValueId x = g.add_input("x", Type::tensor(kF, {3})), y = g.add_input("y", Type::tensor(kF, {3}));
  // Computed, so that neither branch is decided ahead.
  const ValueId zero = g.add_constant("zero", doubles({}, {0}));
  const ValueId sum = emit(g, "ReduceSum", {emit(g, "Mul", {x, zero})}, {{"keepdims", 0}});
  const ValueId cond = emit(g, condition ? "GreaterOrEqual" : "Less", {sum, zero});
  g.add_output(
      body_node(g, "If", {cond}, {x, y}, {{"then_branch", product_body()}, {"else_branch", sum_body()}}, 1)[0]);
  return g;
}

TEST(GradientControl, If) {
  const std::vector<Value> inputs{doubles({3}, {0.3, -0.5, 1.2}), doubles({3}, {0.7, 0.1, -0.4})};
  expect_gradients(if_graph(true), inputs, "If, then", 2);
  expect_gradients(if_graph(false), inputs, "If, else", 2);
}

// s = s · w + sin(s); items s². Goes on while the condition holds.
GraphPtr loop_body(double limit) {
  Graph b;
  b.opsets[""] = newest_opset("");
  b.add_input("i", scalar_of(DType::int64));
  b.add_input("go", scalar_of(DType::boolean));
  const ValueId s = b.add_input("s", Type::tensor(kF)), w = b.add_input("w", Type::tensor(kF));
  const ValueId next = emit(b, "Add", {emit(b, "Mul", {s, w}), emit(b, "Sin", {s})});
  const ValueId size = emit(b, "ReduceL1", {next}, {{"keepdims", 0}});
  b.add_output(emit(b, "Less", {size, b.add_constant("limit", doubles({}, {limit}))}));
  b.add_output(next);
  b.add_output(emit(b, "Mul", {s, s}));
  return shared(std::move(b));
}

Graph loop_graph(int64_t trips, double limit, bool conditional) {
  Graph g;
  g.opsets[""] = newest_opset("");
  const ValueId s = g.add_input("s", Type::tensor(kF, {2})), w = g.add_input("w", Type::tensor(kF, {2}));
  const ValueId m = g.add_constant("m", Value::scalar<int64_t>(trips)),
                go = conditional ? g.add_constant("go", Value::scalar(true)) : kNone;
  for (const ValueId id : body_node(g, "Loop", {m, go, s}, {w}, {{"body", loop_body(limit)}}, 2)) g.add_output(id);
  return g;
}

TEST(GradientControl, Loop) {
  const std::vector<Value> inputs{doubles({2}, {0.3, -0.8}), doubles({2}, {0.9, 0.4})};
  expect_gradients(loop_graph(4, 100, false), inputs, "Loop, counted", 2);
  expect_gradients(loop_graph(9, 2.5, true), inputs, "Loop, until a condition fails");
  expect_gradients(loop_graph(0, 100, false), inputs, "Loop, no iteration");
}

// The state grows: s = concat(s, w · last(s)). It cannot be stacked.
TEST(GradientControl, LoopOfGrowingState) {
  Graph b;
  b.opsets[""] = newest_opset("");
  b.add_input("i", scalar_of(DType::int64));
  const ValueId go = b.add_input("go", scalar_of(DType::boolean));
  const ValueId s = b.add_input("s", Type::tensor(kF)), w = b.add_input("w", Type::tensor(kF));
  const auto ints = [](Graph& g, int64_t v) { return g.add_constant("c", Value::of<int64_t>(Shape{1}, {v})); };
  const ValueId last = emit(b, "Slice", {s, ints(b, -1), ints(b, 1000), ints(b, 0)});
  b.add_output(emit(b, "Identity", {go}));
  b.add_output(emit(b, "Concat", {s, emit(b, "Mul", {emit(b, "Sin", {last}), w})}, {{"axis", 0}}));
  Graph g;
  g.opsets[""] = newest_opset("");
  const ValueId x = g.add_input("x", Type::tensor(kF, {2})), weight = g.add_input("w", Type::tensor(kF, {1}));
  const ValueId m = g.add_constant("m", Value::scalar<int64_t>(4));
  g.add_output(body_node(g, "Loop", {m, kNone, x}, {weight}, {{"body", shared(std::move(b))}}, 1)[0]);
  expect_gradients(g, {doubles({2}, {0.3, 0.9}), doubles({1}, {1.3})}, "Loop, growing state");
}

TEST(GradientControl, Scan) {
  Graph b;
  b.opsets[""] = newest_opset("");
  const ValueId h = b.add_input("h", Type::tensor(kF)), x = b.add_input("x", Type::tensor(kF)),
                u = b.add_input("u", Type::tensor(kF)), w = b.add_input("w", Type::tensor(kF));
  const ValueId next = emit(b, "Tanh", {emit(b, "Add", {emit(b, "MatMul", {h, w}), emit(b, "Mul", {x, u})})});
  b.add_output(next);
  b.add_output(emit(b, "Exp", {next}));
  const GraphPtr body = shared(std::move(b));
  for (const int64_t direction : {0, 1}) {
    Graph g;
    g.opsets[""] = newest_opset("");
    const ValueId h0 = g.add_input("h", Type::tensor(kF, {2})), xs = g.add_input("x", Type::tensor(kF, {3, 2})),
                  us = g.add_input("u", Type::tensor(kF, {2, 3})), ws = g.add_input("w", Type::tensor(kF, {2, 2}));
    Attributes attributes{{"body", body}, {"num_scan_inputs", 2}};
    attributes.set("scan_input_axes", std::vector<int64_t>{0, 1});
    attributes.set("scan_input_directions", std::vector<int64_t>{direction, 1 - direction});
    attributes.set("scan_output_axes", std::vector<int64_t>{1});
    attributes.set("scan_output_directions", std::vector<int64_t>{direction});
    for (const ValueId id : body_node(g, "Scan", {h0, xs, us}, {ws}, attributes, 2)) g.add_output(id);
    expect_gradients(g, {doubles({2}, {0.1, -0.2}), noise({3, 2}, 3, kF), noise({2, 3}, 4, kF), noise({2, 2}, 5, kF)},
                     direction == 0 ? "Scan" : "Scan, backwards", 2);
  }
}

TEST(GradientControl, SequenceMap) {
  Graph b;
  b.opsets[""] = newest_opset("");
  const ValueId x = b.add_input("x", Type::tensor(kF)), y = b.add_input("y", Type::tensor(kF)),
                z = b.add_input("z", Type::tensor(kF)), w = b.add_input("w", Type::tensor(kF));
  b.add_output(emit(b, "Mul", {emit(b, "Mul", {x, y}), emit(b, "Mul", {emit(b, "Sin", {z}), w})}));
  Graph g;
  g.opsets[""] = newest_opset("");
  const Type list = Type::sequence(Type::tensor(kF));
  const ValueId xs = g.add_input("xs", list), ys = g.add_input("ys", list),
                z0 = g.add_input("z", Type::tensor(kF, {2})), w0 = g.add_input("w", Type::tensor(kF, {2}));
  g.add_output(body_node(g, "SequenceMap", {xs, ys, z0}, {w0}, {{"body", shared(std::move(b))}}, 1)[0]);
  const auto pair = [](uint64_t seed) {
    return Value::sequence(kF, {noise({2}, seed, kF), noise({2}, seed + 1, kF), noise({1}, seed + 2, kF)});
  };
  expect_gradients(g, {pair(1), pair(7), noise({2}, 11, kF), noise({2}, 12, kF)}, "SequenceMap", 1, false);
}

// Numbers drawn in a body cannot be drawn again.
TEST(GradientControl, RandomBodiesAreRefused) {
  Graph b;
  b.opsets[""] = newest_opset("");
  const ValueId h = b.add_input("h", Type::tensor(kF)), x = b.add_input("x", Type::tensor(kF));
  b.add_output(emit(b, "Mul", {h, emit(b, "RandomUniformLike", {x})}));
  Graph g;
  g.opsets[""] = newest_opset("");
  const ValueId h0 = g.add_input("h", Type::tensor(kF, {2})), xs = g.add_input("x", Type::tensor(kF, {3, 2}));
  Attributes attributes{{"body", shared(std::move(b))}, {"num_scan_inputs", 1}};
  g.add_output(body_node(g, "Scan", {h0, xs}, {}, attributes, 1)[0]);
  try {
    add_gradients(g, std::vector<ValueId>{g.outputs()[0]}, {}, std::vector<ValueId>{h0});
    ADD_FAILURE() << "differentiated";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_NE(std::string(error.what()).find("random"), std::string::npos) << error.what();
  }
}

// A loop in a branch.
TEST(GradientControl, Nested) {
  const GraphPtr inner = loop_body(100);
  const auto branch = [&](int64_t trips) {
    Graph b;
    b.opsets[""] = newest_opset("");
    const ValueId s = b.add_input("s", Type::tensor(kF)), w = b.add_input("w", Type::tensor(kF));
    const ValueId m = b.add_constant("m", Value::scalar<int64_t>(trips));
    b.add_output(body_node(b, "Loop", {m, kNone, s}, {w}, {{"body", inner}}, 2)[0]);
    return shared(std::move(b));
  };
  Graph g;
  g.opsets[""] = newest_opset("");
  const ValueId s = g.add_input("s", Type::tensor(kF, {2})), w = g.add_input("w", Type::tensor(kF, {2}));
  const ValueId sum = emit(g, "ReduceSum", {s}, {{"keepdims", 0}});
  const ValueId cond = emit(g, "Less", {sum, g.add_constant("zero", doubles({}, {0}))});
  g.add_output(body_node(g, "If", {cond}, {s, w}, {{"then_branch", branch(3)}, {"else_branch", branch(1)}}, 1)[0]);
  expect_gradients(g, {doubles({2}, {0.3, -0.8}), doubles({2}, {0.9, 0.4})}, "a loop in a branch, then");
  expect_gradients(g, {doubles({2}, {0.9, -0.3}), doubles({2}, {0.9, 0.4})}, "a loop in a branch, else");
}

TEST(GradientGraph, SaysWhatBlocks) {
  Graph g;
  g.opsets[""] = newest_opset("");
  const ValueId x = g.add_input("x", Type::tensor(kF, {3}));
  const NodeId round = g.add_node("Round", std::vector<ValueId>{x}, {}, 1, "", "quantize");
  infer_node(g, round);
  g.add_output(emit(g, "Mul", {g.node(round).outputs[0], g.node(round).outputs[0]}));
  const std::vector<ValueId> outputs(g.outputs().begin(), g.outputs().end());
  const Gradients found = add_gradients(g, outputs, {}, std::vector<ValueId>{x});
  EXPECT_EQ(found.of[0], kNone);
  ASSERT_EQ(found.blocked, std::vector<NodeId>{round});
  EXPECT_EQ(why_blocked(g, round).substr(0, 25), "node \"quantize\" (Round): ");
}

TEST(GradientGraph, AbsentAndSharedGradients) {
  Graph g;
  g.opsets[""] = newest_opset("");
  const ValueId x = g.add_input("x", Type::tensor(kF, {2})), unused = g.add_input("unused", Type::tensor(kF, {2}));
  const ValueId y = emit(g, "Mul", {x, x}), z = emit(g, "Add", {y, x});
  g.add_output(z);
  const Gradients found = add_gradients(g, std::vector<ValueId>{z}, {}, std::vector<ValueId>{x, unused, y});
  EXPECT_EQ(found.of[1], kNone);
  g.set_outputs({found.of[0]});
  const std::vector<Value> got = run_once(g, {doubles({2}, {3, -1}), doubles({2}, {0, 0})});
  expect_close(got[0], doubles({2}, {7, -1}), 1e-12);   // 2 x + 1
  EXPECT_NE(found.of[2], kNone);
}

TEST(GradientGraph, OperatorsWithoutARuleAreNamed) {
  static constexpr Version kVersions[] = {{1, "(T x) -> (T y); T = floats"}};
  static OpDef def;
  def.name = "Mystery";
  def.domain = "com.example";
  def.versions = kVersions;
  def.grid = "f32[2]";
  def.infer = [](ShapeContext& ctx) { ctx.set_output(0, ctx.input(0)); };
  def.cost = [](const CostContext&) { return Cost(); };
  def.doc = "y";
  def.api.cpp = "mystery";
  def.meaning = Primitive{"a test"};
  register_op(def);
  Graph g;
  g.opsets[""] = newest_opset("");
  const ValueId x = g.add_input("x", Type::tensor(kF, {2}));
  const NodeId id = g.add_node("Mystery", std::vector<ValueId>{x}, {}, 1, "com.example", "riddle");
  infer_node(g, id);
  const ValueId y = g.node(id).outputs[0];
  g.add_output(y);
  try {
    add_gradients(g, std::vector<ValueId>{y}, {}, std::vector<ValueId>{x});
    ADD_FAILURE() << "differentiated";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_NE(std::string(error.what()).find("riddle"), std::string::npos) << error.what();
  }
}

// A chain of a million nodes: neither the sweep nor anything under it recurses.
TEST(GradientGraph, MillionNodesLong) {
  Graph g;
  g.opsets[""] = newest_opset("");
  const ValueId x = g.add_input("x", Type::tensor(kF, {1}));
  ValueId y = x;
  constexpr int kNodes = kSanitized ? 20'000 : 1'000'000;
  for (int i = 0; i < kNodes; ++i) y = emit(g, "Neg", {y});
  g.add_output(y);
  const Gradients found = add_gradients(g, std::vector<ValueId>{y}, {}, std::vector<ValueId>{x});
  ASSERT_NE(found.of[0], kNone);
  EXPECT_GE(g.node_count(), 2 * kNodes);
  g.set_outputs({found.of[0]});
  const std::vector<Value> got = run_once(g, {doubles({1}, {2})});
  expect_close(got[0], doubles({1}, {1}), 0);
}

}  // namespace
}  // namespace chorus::testing
