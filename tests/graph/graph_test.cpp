// Editing, the verifier against seeded defects, inference of small graphs, expansion.
#include <functional>

#include "graph/graph_case.h"

namespace chorus {
namespace {
using testing::GraphCase;
using testing::noise;
using testing::ops_of;
using testing::shared;

Code code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return Code::ok;
}

// x → Relu r → Neg y (output); a constant beside
GraphCase small() {
  GraphCase c;
  c.graph.rename(c.op("Relu", {c.in("x", {2, 3})}), "r");
  c.out(c.op("Add", {c.op("Neg", {c.graph.find_value("r")}), c.floats({3}, {1, 2, 3})}), "y");
  return c;
}

TEST(Graph, ReplaceUsesMovesOperandsAndKeepsOutputNames) {
  GraphCase c = small();
  const ValueId y = c.graph.find_value("y"), r = c.graph.find_value("r");
  EXPECT_TRUE(c.graph.can_replace(y, r));
  EXPECT_FALSE(c.graph.can_replace(y, c.graph.inputs()[0]));
  c.graph.replace_uses(y, r);
  EXPECT_EQ(c.graph.outputs()[0], r);
  EXPECT_EQ(c.graph.value(r).name, "y");
  EXPECT_TRUE(c.graph.is_output(r));
  EXPECT_FALSE(c.graph.is_output(y));
  verify(c.graph);
}

TEST(Graph, ReplaceOfInterfaceNamesIsRefused) {
  GraphCase c = small();
  const ValueId y = c.graph.find_value("y"), r = c.graph.find_value("r");
  c.graph.add_output(r);
  EXPECT_FALSE(c.graph.can_replace(y, r));
  EXPECT_EQ(code_of([&] { c.graph.replace_uses(y, r); }), Code::internal);
  GraphCase d = small();
  EXPECT_EQ(code_of([&] { d.graph.replace_uses(d.graph.find_value("y"), d.graph.inputs()[0]); }), Code::internal);
}

TEST(Graph, RemovalIsRefusedWhileInUse) {
  GraphCase c = small();
  EXPECT_EQ(code_of([&] { c.graph.remove_node(0); }), Code::internal);
  EXPECT_EQ(code_of([&] { c.graph.remove_value(c.graph.inputs()[0]); }), Code::internal);
}

TEST(Graph, CompactKeepsEverythingButIds) {
  GraphCase c = small();
  const ValueId dead = c.op("Exp", {c.graph.inputs()[0]});
  c.graph.remove_node(c.graph.value(dead).producer);
  const std::string before = c.graph.str();
  c.graph.compact();
  verify(c.graph);
  EXPECT_EQ(c.graph.str(), before);
  EXPECT_EQ(c.graph.node_capacity(), c.graph.node_count());
  const Graph copy(c.graph);
  verify(copy);
  EXPECT_EQ(copy.str(), before);
}

TEST(Graph, CyclesAndDoubleProducersAreBadInput) {
  GraphCase c = small();
  c.graph.set_operand(0, 0, c.graph.find_value("y"));
  EXPECT_EQ(code_of([&] { c.graph.order(); }), Code::bad_input);
  Node again;
  again.op = find_op("", "Neg");
  again.inputs = {c.graph.inputs()[0]};
  again.outputs = {c.graph.find_value("r")};
  EXPECT_EQ(code_of([&] { c.graph.add_node(again); }), Code::bad_input);
}

TEST(Graph, OrderIsOfTheFileWhereItCanBe) {
  GraphCase c;
  const ValueId x = c.in("x", {1});
  for (int i = 0; i < 5; ++i) c.out(c.op("Neg", {x}), "y" + std::to_string(i));
  EXPECT_EQ(c.graph.order(), (std::vector<NodeId>{0, 1, 2, 3, 4}));
}

TEST(Verify, FindsEachSeededDefect) {
  const std::vector<std::pair<const char*, std::function<void(Graph&)>>> defects = {
      {"does not list all its uses", [](Graph& g) { g.value(g.find_value("r")).uses.clear(); }},
      {"a use that does not exist",
       [](Graph& g) {
         g.value(g.find_value("r")).uses.push_back({0, 5});
       }},
      {"a use that does not exist", [](Graph& g) { g.value(g.find_value("r")).uses[0].node = 99; }},
      {"lists a use twice",
       [](Graph& g) { g.value(g.find_value("r")).uses.push_back(g.value(g.find_value("r")).uses[0]); }},
      {"has no name", [](Graph& g) { g.value(g.find_value("r")).name.clear(); }},
      {"two values have it", [](Graph& g) { g.value(g.find_value("r")).name = "x"; }},
      {"a producer that does not produce it", [](Graph& g) { g.value(g.find_value("r")).producer = 1; }},
      {"a producer that does not produce it", [](Graph& g) { g.value(g.find_value("r")).output = 1; }},
      {"also an input", [](Graph& g) { g.value(g.find_value("r")).is_input = true; }},
      {"produced by nobody", [](Graph& g) { g.add_output(g.add_value("lost")); }},
      {"produced by nobody", [](Graph& g) { g.set_operand(1, 0, g.add_value("lost")); }},
      {"an output does not exist",
       [](Graph& g) {
         g.value(g.find_value("y")).alive = false;
         g.node(2).outputs.clear();
       }},
      {"how often it is an output", [](Graph& g) { g.value(g.find_value("y")).times_output = 0; }},
      {"not marked as one",
       [](Graph& g) {
         g.value(g.inputs()[0]).is_input = false;
         g.value(g.inputs()[0]).constant = noise({2, 3});
       }},
      {"operand count 2", [](Graph& g) { g.set_operand(1, 1, g.inputs()[0]); }},
      {"no version number", [](Graph& g) { g.node(0).version = 1000; }},
      {"cycle", [](Graph& g) { g.set_operand(0, 0, g.find_value("y")); }},
      {"captured value 0 does not exist", [](Graph& g) { g.node(0).captured.push_back(1000); }},
      {"does not list all its uses", [](Graph& g) { g.node(0).captured.push_back(g.inputs()[0]); }},
  };
  for (const auto& [text, seed] : defects) {
    GraphCase c = small();
    verify(c.graph);
    seed(c.graph);
    try {
      verify(c.graph);
      ADD_FAILURE() << "not found: " << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what() << "\nwanted: " << text;
    }
  }
}

TEST(Verify, LooksIntoBodies) {
  GraphCase c, yes, no;
  const ValueId cond = c.in("cond", {}, DType::boolean);
  yes.out(yes.op("Neg", {yes.floats({1}, {1})}), "p");
  no.out(no.op("Neg", {no.floats({1}, {1})}), "q");
  yes.graph.value(yes.graph.find_value("p")).times_output = 2;
  c.out(
      c.op("If", {cond}, {{"then_branch", shared(std::move(yes.graph))}, {"else_branch", shared(std::move(no.graph))}}),
      "y");
  EXPECT_EQ(code_of([&] { verify(c.graph); }), Code::internal);
}

TEST(Infer, SymbolsFlowAndUnknownInputDimsGetNames) {
  GraphCase c;
  const ValueId x = c.in("x", {Dim::symbol("n"), Dim(), 4});
  c.out(c.op("Reshape", {c.op("Concat", {x, x}, {{"axis", 0}}), c.ints({-1, 4})}), "y");
  infer_types(c.graph);
  const Type& t = c.graph.value(c.graph.outputs()[0]).type;
  ASSERT_EQ(t.rank(), 2);
  EXPECT_TRUE(Dim::equal(t.dims[0], Dim(2) * Dim::symbol("n") * Dim::symbol("x.1")) == Dim::Truth::yes) << t.str();
}

TEST(Infer, ContradictionsNameTheNode) {
  GraphCase c;
  c.out(c.op("Add", {c.in("x", {2, 3}), c.in("z", {4})}), "y");
  try {
    infer_types(c.graph);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::shape);
    EXPECT_NE(std::string(error.what()).find("Add_node"), std::string::npos) << error.what();
  }
  GraphCase d;
  d.out(d.op("Relu", {d.in("x", {2, 3})}), "y");
  d.graph.value(d.graph.outputs()[0]).type = Type::tensor(DType::float32, {2, 4});
  d.graph.value(d.graph.outputs()[0]).declared = true;
  EXPECT_EQ(code_of([&] { infer_types(d.graph); }), Code::shape);
}

TEST(Infer, BodyWithAnotherNumberOfInputsIsBadInput) {
  GraphCase c, yes, no;
  const ValueId cond = c.in("cond", {}, DType::boolean);
  yes.out(yes.op("Neg", {yes.in("extra", {1})}), "p");
  no.out(no.op("Neg", {no.floats({1}, {1})}), "q");
  c.out(
      c.op("If", {cond}, {{"then_branch", shared(std::move(yes.graph))}, {"else_branch", shared(std::move(no.graph))}}),
      "y");
  EXPECT_EQ(code_of([&] { infer_types(c.graph); }), Code::bad_input);
}

// A loop whose carried value grows, in a loop, in a loop …: every level is inferred several times for one round of the level around it.
TEST(Infer, LoopsInLoopsEndByBudget) {
  GraphPtr body;
  for (int level = 0; level < 40; ++level) {
    GraphCase b;
    const ValueId i = b.graph.add_input("i", {}), more = b.graph.add_input("more", {}), v = b.graph.add_input("v", {});
    static_cast<void>(i);
    const ValueId grown = b.op("Concat", {v, v}, {{"axis", 0}});
    const ValueId trips = b.constant(Value::scalar<int64_t>(2));
    const ValueId last =
        body == nullptr ? grown : b.op("Loop", {trips, more, b.floats({3}, {1, 2, 3})}, {{"body", body}});
    b.out(b.op("Identity", {more}), "go_on");
    static_cast<void>(last);
    b.out(b.op("Identity", {grown}), "r");
    body = shared(std::move(b.graph));
  }
  GraphCase c;
  c.out(c.op("Loop", {c.constant(Value::scalar<int64_t>(2)), c.constant(Value::scalar<bool>(true)), c.in("x", {3})},
             {{"body", body}}),
        "y");
  EXPECT_EQ(code_of([&] { infer_types(c.graph); }), Code::budget);
}

// ---- expansion

Expansion as_operand(OpBuilder& b) { return b.in(0); }
Expansion twice(OpBuilder& b) { return b.op("Neg", {b.op("Neg", {b.in(0)})}); }
Expansion refuses(OpBuilder& b) {
  b.op("Add", {b.in(0), b.constant(Value::scalar<float>(1))});
  return Expansion::refuse("no");
}

TEST(Expand, TakesTheNamesAndLeavesNothingBehind) {
  GraphCase c = small();
  infer_types(c.graph);
  const std::string before = c.graph.str();
  std::string reason;
  EXPECT_FALSE(Expander::expand(c.graph, 0, refuses, &reason));
  EXPECT_EQ(reason, "no");
  EXPECT_EQ(c.graph.str(), before);
  EXPECT_TRUE(Expander::expand(c.graph, 0, twice, nullptr));
  verify(c.graph, true);
  EXPECT_EQ(ops_of(c.graph), "Neg Neg Neg Add");
  EXPECT_NE(c.graph.find_value("r"), kNone);
}

TEST(Expand, OperandPassedThroughKeepsItsName) {
  GraphCase c;
  const ValueId x = c.in("x", {3});
  const ValueId a = c.op("Neg", {x});
  c.out(a, "a");
  const ValueId b = c.op("Relu", {a});
  c.out(c.op("Exp", {b}), "y");
  c.graph.rename(b, "b");
  infer_types(c.graph);
  ASSERT_TRUE(Expander::expand(c.graph, c.graph.value(b).producer, as_operand, nullptr));
  verify(c.graph);
  EXPECT_EQ(c.graph.value(c.graph.outputs()[0]).name, "a");
  GraphCase d;
  d.out(d.op("Relu", {d.in("x", {3})}), "y");
  infer_types(d.graph);
  ASSERT_TRUE(Expander::expand(d.graph, 0, as_operand, nullptr));
  EXPECT_EQ(ops_of(d.graph), "Identity");
  EXPECT_EQ(d.graph.value(d.graph.outputs()[0]).name, "y");
}

}  // namespace
}  // namespace chorus
