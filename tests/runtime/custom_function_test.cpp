// Functions of ONNX as operators of every model: values, types and gradients follow from their nodes.
#include <chorus/model.h>

#include "fixture.h"

#include <gtest/gtest.h>

namespace chorus {
namespace {

using testing::error_of;

/// A call of an operator, which may be one that the table lacks.
ValueId call(Graph& graph, const std::string& op, std::vector<ValueId> operands, const std::string& domain = "") {
  Node n;
  n.op = find_op(domain, op);
  if (n.op != nullptr) n.version = n.op->version_index(17);
  n.domain = domain;
  n.type = op;
  n.inputs = std::move(operands);
  n.outputs = {graph.add_value("value")};
  return graph.node(graph.add_node(std::move(n))).outputs[0];
}

/// my.<name>(x, w) = x² · w, or of that the cube with `outer`, which calls it.
Function function(const std::string& name, const std::string& inner = {}) {
  Graph body;
  body.opsets[""] = 17;
  body.opsets["my"] = 1;
  const ValueId x = body.add_input("x", Type{}), w = body.add_input("w", Type{});
  if (inner.empty()) {
    body.add_output(call(body, "Mul", {call(body, "Mul", {x, x}), w}));
  } else {
    body.add_output(call(body, "Mul", {call(body, inner, {x, w}, "my"), x}));
  }
  Function f;
  f.domain = "my";
  f.name = name;
  f.body = std::make_shared<const Graph>(std::move(body));
  return f;
}

std::shared_ptr<Graph> graph_of(const std::string& name) {
  auto graph = std::make_shared<Graph>();
  graph->opsets[""] = 17;
  graph->opsets["my"] = 1;
  graph->opsets["ai.onnx.preview.training"] = 1;
  const ValueId x = graph->add_input("x", Type::tensor(DType::float32, {Dim(3)})),
                w = graph->add_input("w", Type::tensor(DType::float32, {Dim(3)}));
  const ValueId operands[] = {x, w};
  const ValueId y = call(*graph, name, {x, w}, "my");
  graph->rename(y, "y");
  graph->value(y).type = Type::tensor(DType::float32, {Dim(3)});
  graph->add_output(y);
  const NodeId dx =
      graph->add_node("Gradient", operands, {{"xs", std::vector<std::string>{"x", "w"}}, {"y", std::string("y")}}, 2,
                      "ai.onnx.preview.training");
  for (size_t i = 0; i < 2; ++i) {
    const ValueId d = graph->node(dx).outputs[i];
    graph->rename(d, i == 0 ? "dx" : "dw");
    graph->value(d).type = Type::tensor(DType::float32, {Dim(3)});
    graph->add_output(d);
  }
  return graph;
}

using Floats = std::vector<float>;
std::vector<Floats> run(const std::string& bytes) {
  Predictor predictor(testing::config_of_bytes(bytes));
  predictor.GetInputTensor("x")->copy(Floats{1, -2, 3});
  predictor.GetInputTensor("w")->copy(Floats{2, 5, -1});
  predictor.Run();
  std::vector<Floats> all;
  for (const char* name : {"y", "dx", "dw"}) all.push_back(predictor.GetOutputTensor(name)->to_vector<float>());
  return all;
}

std::string with_functions(std::shared_ptr<const Graph> graph, std::vector<Function> functions) {
  Model model;
  model.graph = std::move(graph);
  model.ir_version = 8;
  model.functions = std::move(functions);
  return onnx::write_model(model);
}
api::Model loaded(const std::string& bytes) { return api::Model::LoadBuffer(bytes.data(), bytes.size()); }

// x² w: 2 x w and x².
const std::vector<Floats> kSquare{{2, 20, -9}, {4, -20, -6}, {1, 4, 9}};
// x³ w: 3 x² w and x³.
const std::vector<Floats> kCube{{2, -40, -27}, {6, 60, -27}, {1, -8, 27}};

TEST(CustomFunction, OfTheModelHaveTypesAndGradients) {
  EXPECT_EQ(run(with_functions(graph_of("Inside"), {function("Inside")})), kSquare);
  EXPECT_EQ(run(with_functions(graph_of("Outer"), {function("Outer", "Inside"), function("Inside")})), kCube);
}

TEST(CustomFunction, AreRegisteredForEveryModel) {
  const std::string caller = testing::bytes_of(graph_of("WeightedCube"));
  const Error unknown = error_of([&] { run(caller); });
  EXPECT_EQ(unknown.code(), Code::unsupported);
  EXPECT_NE(std::string(unknown.what()).find("WeightedCube"), std::string::npos) << unknown.what();

  const api::Model library = loaded(with_functions(
      graph_of("WeightedCube"), {function("WeightedCube", "WeightedSquare"), function("WeightedSquare")}));
  EXPECT_EQ(library.RegisterFunctions(), 2);
  EXPECT_EQ(run(caller), kCube);  // brings the function that it calls
  EXPECT_EQ(run(testing::bytes_of(graph_of("WeightedSquare"))), kSquare);
  // A model's own function goes first.
  EXPECT_EQ(run(with_functions(graph_of("WeightedCube"), {function("WeightedCube")})), kSquare);

  EXPECT_EQ(error_of([&] { library.RegisterFunctions(); }).code(), Code::already_exists);
  EXPECT_EQ(error_of([&] { loaded(testing::bytes_of(graph_of("WeightedSquare"))).RegisterFunctions(); }).code(),
            Code::already_exists);
  EXPECT_EQ(error_of([&] { loaded(testing::fixture_bytes("lenet")).RegisterFunctions(); }).code(), Code::bad_input);
}

}  // namespace
}  // namespace chorus
