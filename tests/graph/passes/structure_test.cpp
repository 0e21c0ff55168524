// close_bodies, inline_functions, to_newest, decompose_missing, run_passes and select_outputs.
#include <cmath>
#include <functional>

#include "graph/graph_case.h"

namespace chorus {
namespace {
using testing::capture;
using testing::GraphCase;
using testing::make;
using testing::noise;
using testing::ops_of;
using testing::run_graph;
using testing::shared;

Value boolean(bool v) { return Value::scalar<bool>(v); }

Code code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return Code::ok;
}

// ---- close_bodies

// y = cond ? -a : relu(b) + a, with a = exp(x), b = x
GraphCase branching() {
  GraphCase c, yes, no;
  const ValueId x = c.in("x", {3}), cond = c.in("cond", {}, DType::boolean);
  c.graph.rename(c.op("Exp", {x}), "a");
  yes.out(yes.op("Neg", {capture(yes.graph, "a")}), "p");
  no.out(no.op("Add", {no.op("Relu", {capture(no.graph, "x")}), capture(no.graph, "a")}), "q");
  c.out(
      c.op("If", {cond}, {{"then_branch", shared(std::move(yes.graph))}, {"else_branch", shared(std::move(no.graph))}}),
      "y");
  return c;
}

TEST(CloseBodies, BothBranchesGetAllCapturedValues) {
  GraphCase c = branching();
  PassContext context;
  EXPECT_EQ(passes::close_bodies(c.graph, context), 3);
  verify(c.graph);
  const Node& n = c.graph.node(c.graph.value(c.graph.outputs()[0]).producer);
  ASSERT_EQ(n.captured.size(), 2U);
  for (const auto& item : n.attributes.items()) EXPECT_EQ((*item.value.get<GraphPtr>())->inputs().size(), 2U);
  EXPECT_EQ(passes::close_bodies(c.graph, context), 0);
  const Value x = make(DType::float32, {3}, {-1, 0, 2});
  testing::expect_close(run_graph(c.graph, {x, boolean(true)})[0],
                        make(DType::float32, {3}, {-0.36787944, -1, -7.3890561}), 1e-6);
  testing::expect_close(run_graph(c.graph, {x, boolean(false)})[0],
                        make(DType::float32, {3}, {0.36787944, 1, 9.3890561}), 1e-6);
  infer_types(c.graph);
  EXPECT_EQ(c.graph.value(c.graph.outputs()[0]).type.str(), "float32[3]");
}

TEST(CloseBodies, NamesFromFurtherOutGoThroughTheMiddle) {
  GraphCase c, outer, inner, other;
  const ValueId x = c.in("x", {2}), cond = c.in("cond", {}, DType::boolean);
  inner.out(inner.op("Neg", {capture(inner.graph, "x")}), "r");
  other.out(other.op("Relu", {capture(other.graph, "x")}), "s");
  const ValueId again = capture(outer.graph, "cond");
  outer.out(
      outer.op("If", {again},
               {{"then_branch", shared(std::move(inner.graph))}, {"else_branch", shared(std::move(other.graph))}}),
      "t");
  GraphCase no;
  no.out(no.op("Exp", {capture(no.graph, "x")}), "u");
  c.out(c.op("If", {cond},
             {{"then_branch", shared(std::move(outer.graph))}, {"else_branch", shared(std::move(no.graph))}}),
        "y");
  static_cast<void>(x);
  PassContext context;
  EXPECT_GT(passes::close_bodies(c.graph, context), 0);
  verify(c.graph);
  EXPECT_TRUE(run_graph(c.graph, {make(DType::float32, {2}, {1, -2}), boolean(true)})[0].identical(
      make(DType::float32, {2}, {-1, 2})));
}

TEST(CloseBodies, UnknownNameAndDepthAreErrors) {
  GraphCase c, yes, no;
  const ValueId cond = c.in("cond", {}, DType::boolean);
  yes.out(yes.op("Neg", {capture(yes.graph, "nowhere")}), "p");
  no.out(no.op("Neg", {capture(no.graph, "nowhere")}), "q");
  c.out(
      c.op("If", {cond}, {{"then_branch", shared(std::move(yes.graph))}, {"else_branch", shared(std::move(no.graph))}}),
      "y");
  PassContext context;
  EXPECT_EQ(code_of([&] { passes::close_bodies(c.graph, context); }), Code::bad_input);
  GraphCase d = branching();
  context.max_depth = 0;
  EXPECT_EQ(code_of([&] { passes::close_bodies(d.graph, context); }), Code::budget);
}

// ---- inline_functions

Function function(std::string name, Graph&& body, std::vector<std::string> attributes = {}, Attributes defaults = {}) {
  Function f;
  f.domain = "local";
  f.name = std::move(name);
  f.attributes = std::move(attributes);
  f.defaults = std::move(defaults);
  f.body = shared(std::move(body));
  return f;
}

AttrValue reference(std::string name, AttrKind kind) {
  AttrValue v;
  v.ref_name = std::move(name);
  v.declared = kind;
  return v;
}

// scaled(x) = elu(x, alpha = @alpha) with a default of 2
Function scaled() {
  GraphCase f;
  f.graph.add_input("x", {});
  f.out(f.op("Elu", {f.graph.inputs()[0]}, {{"alpha", reference("alpha", AttrKind::real)}}), "y");
  return function("scaled", std::move(f.graph), {}, {{"alpha", 2.0F}});
}

TEST(InlineFunctions, AttributesDefaultsAndNesting) {
  GraphCase f;
  f.graph.add_input("x", {});
  f.out(f.op("scaled",
             {f.op("scaled", {f.graph.inputs()[0]}, {{"alpha", reference("inner", AttrKind::real)}}, 1, 0, "local")},
             {}, 1, 0, "local"),
        "y");
  f.graph.opsets["extra"] = 3;
  const std::vector<Function> functions{scaled(), function("both", std::move(f.graph), {"inner"})};
  GraphCase c;
  c.out(c.op("both", {c.in("x", {1})}, {{"inner", 0.5F}}, 1, 0, "local"), "y");
  PassContext context;
  context.functions = &functions;
  EXPECT_EQ(passes::inline_functions(c.graph, context), 3);
  verify(c.graph);
  EXPECT_EQ(ops_of(c.graph), "Elu Elu");
  EXPECT_EQ(c.graph.opsets["extra"], 3);
  EXPECT_EQ(c.graph.value(c.graph.outputs()[0]).name, "y");
  EXPECT_EQ(passes::inline_functions(c.graph, context), 0);
  const double first = 0.5 * std::expm1(-1.0), second = 2 * std::expm1(first);
  testing::expect_close(run_graph(c.graph, {make(DType::float32, {1}, {-1})})[0], make(DType::float32, {1}, {second}),
                        1e-6);
}

TEST(InlineFunctions, MissingAttributeAndTooManyOperandsAreErrors) {
  GraphCase f;
  f.graph.add_input("x", {});
  f.out(f.op("Elu", {f.graph.inputs()[0]}, {{"alpha", reference("alpha", AttrKind::real)}}), "y");
  const std::vector<Function> functions{function("needs", std::move(f.graph), {"alpha"})};
  PassContext context;
  context.functions = &functions;
  GraphCase a, b;
  a.out(a.op("needs", {a.in("x", {1})}, {}, 1, 0, "local"), "y");
  EXPECT_EQ(code_of([&] { passes::inline_functions(a.graph, context); }), Code::bad_input);
  const ValueId x = b.in("x", {1});
  b.out(b.op("needs", {x, x}, {{"alpha", 1.0F}}, 1, 0, "local"), "y");
  EXPECT_EQ(code_of([&] { passes::inline_functions(b.graph, context); }), Code::bad_input);
}

TEST(InlineFunctions, OmittedOperandIsOmittedInside) {
  GraphCase f, yes, no;
  f.graph.add_input("x", {});
  f.graph.add_input("low", {});
  f.graph.add_input("cond", {});
  yes.out(yes.op("Clip", {capture(yes.graph, "x"), capture(yes.graph, "low")}), "p");
  no.out(no.op("Neg", {capture(no.graph, "x")}), "q");
  f.out(f.op("If", {f.graph.inputs()[2]},
             {{"then_branch", shared(std::move(yes.graph))}, {"else_branch", shared(std::move(no.graph))}}),
        "y");
  const std::vector<Function> functions{function("clipped", std::move(f.graph))};
  PassContext context;
  context.functions = &functions;
  GraphCase c;
  const ValueId x = c.in("x", {2}), cond = c.in("cond", {}, DType::boolean);
  c.out(c.op("clipped", {x, kNone, cond}, {}, 1, 0, "local"), "y");
  EXPECT_EQ(passes::inline_functions(c.graph, context), 1);
  verify(c.graph);
  const Value v = make(DType::float32, {2}, {-5, 5});
  EXPECT_TRUE(run_graph(c.graph, {v, boolean(true)})[0].identical(v));
}

TEST(InlineFunctions, OperandReturnedAsItIs) {
  GraphCase f;
  f.graph.add_input("x", {});
  f.graph.add_output(f.graph.inputs()[0]);
  const std::vector<Function> functions{function("same", std::move(f.graph))};
  PassContext context;
  context.functions = &functions;
  GraphCase c;
  c.out(c.op("same", {c.in("x", {1})}, {}, 1, 0, "local"), "y");
  passes::inline_functions(c.graph, context);
  verify(c.graph);
  EXPECT_EQ(ops_of(c.graph), "Identity");
  EXPECT_EQ(c.graph.value(c.graph.outputs()[0]).name, "y");
}

TEST(InlineFunctions, RecursionAndDoublingEnd) {
  std::vector<Function> functions;
  GraphCase self;
  self.graph.add_input("x", {});
  self.out(self.op("again", {self.graph.inputs()[0]}, {}, 1, 0, "local"), "y");
  functions.push_back(function("again", std::move(self.graph)));
  for (int i = 0; i < 40; ++i) {   // each calls the next twice, in the two branches of an If
    GraphCase f, branch[2];
    f.graph.add_input("x", {});
    f.graph.add_input("cond", {});
    const std::string next = i == 39 ? "" : "f" + std::to_string(i + 1);
    for (GraphCase& b : branch) {
      const ValueId x = capture(b.graph, "x");
      b.out(next.empty() ? b.op("Neg", {x}) : b.op(next, {x, capture(b.graph, "cond")}, {}, 1, 0, "local"), "r");
    }
    f.out(f.op("If", {f.graph.inputs()[1]},
               {{"then_branch", shared(std::move(branch[0].graph))},
                {"else_branch", shared(std::move(branch[1].graph))}}),
          "y");
    functions.push_back(function("f" + std::to_string(i), std::move(f.graph)));
  }
  PassContext context;
  context.functions = &functions;
  context.max_nodes = 10000;
  GraphCase a, b;
  a.out(a.op("again", {a.in("x", {1})}, {}, 1, 0, "local"), "y");
  EXPECT_EQ(code_of([&] { passes::inline_functions(a.graph, context); }), Code::bad_input);
  b.out(b.op("f0", {b.in("x", {1}), b.in("cond", {}, DType::boolean)}, {}, 1, 0, "local"), "y");
  EXPECT_EQ(code_of([&] { passes::inline_functions(b.graph, context); }), Code::budget);
}

// ---- to_newest, decompose_missing, run_passes

TEST(ToNewest, EveryNodeAndBodyReachesTheNewestVersion) {
  GraphCase c, yes, no;
  const ValueId x = c.in("x", {2, 3}), cond = c.in("cond", {}, DType::boolean);
  const ValueId s = c.op("Squeeze", {c.op("Unsqueeze", {x}, {{"axes", std::vector<int64_t>{0}}}, 1, 11)},
                         {{"axes", std::vector<int64_t>{0}}}, 1, 11);
  c.graph.rename(c.op("Clip", {s}, {{"min", -1.0F}, {"max", 1.0F}}, 1, 6), "a");
  yes.out(yes.op("Pad", {capture(yes.graph, "a")}, {{"pads", std::vector<int64_t>{0, 1, 0, 1}}, {"value", 2.0F}}, 1, 2),
          "p");
  no.out(no.op("Pad", {capture(no.graph, "a")}, {{"pads", std::vector<int64_t>{0, 2, 0, 0}}, {"value", 3.0F}}, 1, 2),
         "q");
  c.out(c.op("If", {cond},
             {{"then_branch", shared(std::move(yes.graph))}, {"else_branch", shared(std::move(no.graph))}}, 1, 11),
        "y");
  c.graph.opsets[""] = 11;
  PassContext context;
  passes::close_bodies(c.graph, context);
  EXPECT_GT(passes::to_newest(c.graph, context), 0);
  verify(c.graph);
  const std::function<void(const Graph&)> newest = [&](const Graph& g) {
    for (NodeId id : g.order()) {
      const Node& n = g.node(id);
      EXPECT_EQ(n.version + 1, static_cast<int>(n.op->versions.size())) << g.where(id);
      for (const auto& item : n.attributes.items()) {
        if (const GraphPtr* body = item.value.get<GraphPtr>()) newest(**body);
      }
    }
  };
  newest(c.graph);
  EXPECT_EQ(c.graph.opsets[""], newest_opset(""));
  EXPECT_EQ(passes::to_newest(c.graph, context), 0);
  const Value v = make(DType::float32, {2, 3}, {-3, 0, 3, 0.5, -0.5, 9});
  EXPECT_TRUE(run_graph(c.graph, {v, boolean(true)})[0].identical(
      make(DType::float32, {2, 5}, {2, -1, 0, 1, 2, 2, 0.5, -0.5, 1, 2})));
  EXPECT_TRUE(run_graph(c.graph, {v, boolean(false)})[0].identical(
      make(DType::float32, {2, 5}, {3, 3, -1, 0, 1, 3, 3, 0.5, -0.5, 1})));
}

TEST(DecomposeMissing, OnlyWhatTheTargetLacks) {
  GraphCase c;
  const ValueId x = c.in("x", {1, 8, 2, 3});
  const ValueId d = c.op("DepthToSpace", {x}, {{"blocksize", 2}});
  c.out(c.op("SpaceToDepth", {d}, {{"blocksize", 2}}), "y");
  PassContext context;
  context.runs = [](const Node& n) { return n.type != "DepthToSpace"; };
  EXPECT_EQ(testing::run_pass(c.graph, passes::decompose_missing, {noise({1, 8, 2, 3})}, 0, context), 1);
  EXPECT_EQ(ops_of(c.graph).find("DepthToSpace"), std::string::npos);
  EXPECT_NE(ops_of(c.graph).find("SpaceToDepth"), std::string::npos);
}

TEST(RunPasses, WholeListKeepsResultsInGraphAndBodies) {
  GraphCase c, body;
  const ValueId x = c.in("x", {2, 3});
  c.graph.rename(c.op("Transpose", {x}), "t");
  const ValueId i = body.graph.add_input("i", {}), more = body.graph.add_input("more", {}),
                sum = body.graph.add_input("sum", {});
  static_cast<void>(i);
  ValueId v = body.op("Transpose", {capture(body.graph, "t")});
  v = body.op("Mul", {body.op("Identity", {v}), body.op("Add", {body.floats({}, {0.5}), body.floats({}, {0.5})})});
  const ValueId kept = body.op("Identity", {more});
  v = body.op("Add", {sum, v});
  body.out(kept, "go_on");
  body.out(v, "new_sum");
  const ValueId trips = c.constant(Value::scalar<int64_t>(3)), yes = c.constant(boolean(true));
  c.out(c.op("Loop", {trips, yes, x}, {{"body", shared(std::move(body.graph))}}), "y");
  Graph plain(c.graph);
  PassContext context;
  passes::close_bodies(plain, context);
  const Value in = noise({2, 3});
  const Value wanted = run_graph(plain, {in})[0];
  for (const int level : {0, 1}) {
    Graph g(c.graph);
    testing::CaseEvaluator evaluator;
    PassContext own;
    own.evaluator = &evaluator;
    run_passes(g, default_passes(level), own);
    verify(g, true);
    EXPECT_TRUE(run_graph(g, {in})[0].identical(wanted));
    EXPECT_EQ(g.value(g.outputs()[0]).type.str(), "float32[2, 3]");
    if (level == 0) continue;
    const Node& loop = g.node(g.value(g.outputs()[0]).producer);
    EXPECT_EQ(ops_of(**loop.attributes.find("body")->get<GraphPtr>()), "Transpose Identity Add");
    const std::string once = g.str();
    run_passes(g, default_passes(level), own);
    EXPECT_EQ(g.str(), once);
  }
}

TEST(SelectOutputs, KeepsWhatTheNamesNeed) {
  GraphCase c = branching();
  c.out(c.op("Neg", {c.graph.inputs()[0]}), "z");
  Graph g(c.graph);
  const std::string y[] = {"y"}, wrong[] = {"w"}, a[] = {"a"};
  select_outputs(g, y);
  EXPECT_EQ(ops_of(g), "Exp If");     // Exp is read only in a body
  verify(g);
  select_outputs(g, a);
  EXPECT_EQ(ops_of(g), "Exp");
  EXPECT_EQ(code_of([&] { select_outputs(g, wrong); }), Code::not_found);
}

}  // namespace
}  // namespace chorus
