#include "graph/graph_case.h"

#include <core/convert.h>

#include <map>

namespace chorus::testing {

ValueId GraphCase::op(std::string_view type, std::vector<ValueId> inputs, Attributes attributes, int outputs, int since,
                      std::string_view domain) {
  Node n;
  n.op = find_op(domain, type);
  n.type = std::string(type);
  n.domain = std::string(domain);
  if (n.op != nullptr)
    n.version = since == 0 ? static_cast<int>(n.op->versions.size()) - 1 : n.op->version_index(since);
  n.name = graph.unique_name(std::string(type) + "_node");
  n.inputs = std::move(inputs);
  n.attributes = std::move(attributes);
  for (int i = 0; i < outputs; ++i) n.outputs.push_back(graph.add_value(std::string(type)));
  return graph.node(graph.add_node(std::move(n))).outputs[0];
}

ValueId capture(Graph& body, const std::string& name) {
  const ValueId id = body.add_value(name);
  body.captures.emplace_back(id, name);
  return id;
}

GraphPtr shared(Graph&& graph) { return std::make_shared<const Graph>(std::move(graph)); }

namespace {

std::vector<Value> run_body(const Node& n, std::string_view attribute, std::vector<Value> inputs,
                            const std::vector<Value>& captured) {
  inputs.insert(inputs.end(), captured.begin(), captured.end());
  return run_graph(**n.attributes.find(attribute)->get<GraphPtr>(), inputs);
}

std::vector<Value> run_loop(const Node& n, const std::vector<Value>& operands, const std::vector<Value>& captured) {
  std::vector<Value> carried(operands.begin() + 2, operands.end());
  const int64_t trips = operands[0].to_int64s()[0];
  for (int64_t i = 0; i < trips; ++i) {
    std::vector<Value> inputs{Value::scalar<int64_t>(i), Value::scalar<bool>(true)};
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    const std::vector<Value> results = run_body(n, "body", inputs, captured);
    carried.assign(results.begin() + 1, results.end());
  }
  return carried;
}

std::vector<Value> run_node(const Node& n, const std::vector<Value>& operands, const std::vector<Value>& captured) {
  if (n.type == "If") return run_body(n, operands[0].to_int64s()[0] != 0 ? "then_branch" : "else_branch", {}, captured);
  if (n.type == "Loop") return run_loop(n, operands, captured);
  OpCall call{n.type, operands, n.attributes, static_cast<int>(n.outputs.size())};
  call.domain = n.domain;
  call.version = n.op->versions[static_cast<size_t>(n.version)].since;
  return run_op(call);
}

}  // namespace

std::vector<Value> run_graph(const Graph& graph, const std::vector<Value>& inputs) {
  std::map<ValueId, Value> values;
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    if (graph.value(id).alive && graph.value(id).is_constant()) values[id] = graph.value(id).constant;
  }
  for (size_t i = 0; i < graph.inputs().size(); ++i) {
    if (i < inputs.size() && inputs[i]) values[graph.inputs()[i]] = inputs[i];
  }
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    std::vector<Value> operands, captured;
    for (ValueId in : n.inputs) operands.push_back(in == kNone ? Value() : values.at(in));
    for (ValueId in : n.captured) captured.push_back(values.at(in));
    const std::vector<Value> results = run_node(n, operands, captured);
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      if (n.outputs[i] != kNone) values[n.outputs[i]] = results.at(i);
    }
  }
  std::vector<Value> outputs;
  for (ValueId id : graph.outputs()) outputs.push_back(values.at(id));
  return outputs;
}

Result<std::vector<Value>> CaseEvaluator::evaluate(const Graph& graph, NodeId id, std::span<const Value> inputs) {
  ++calls;
  try {
    return run_node(graph.node(id), {inputs.begin(), inputs.end()}, {});
  } catch (const Error& error) {
    return error;
  }
}

int run_pass(Graph& graph, PassFunction pass, const std::vector<Value>& inputs, double tolerance,
             PassContext& context) {
  infer_types(graph);
  const std::vector<Value> wanted = run_graph(graph, inputs);
  std::vector<std::string> names;
  for (ValueId id : graph.inputs()) names.push_back(graph.value(id).name);
  for (ValueId id : graph.outputs()) names.push_back(graph.value(id).name);
  const int changes = pass(graph, context);
  verify(graph);
  infer_types(graph);
  const std::string once = graph.str();
  EXPECT_EQ(pass(graph, context), 0) << "the pass is not idempotent:\n" << once << "then\n" << graph.str();
  EXPECT_EQ(graph.str(), once);
  std::vector<std::string> kept;
  for (ValueId id : graph.inputs()) kept.push_back(graph.value(id).name);
  for (ValueId id : graph.outputs()) kept.push_back(graph.value(id).name);
  EXPECT_EQ(kept, names);
  const std::vector<Value> got = run_graph(graph, inputs);
  EXPECT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size() && i < wanted.size(); ++i) {
    if (tolerance == 0)
      EXPECT_TRUE(got[i].identical(wanted[i])) << got[i].str() << " instead of " << wanted[i].str() << "\n"
                                               << graph.str();
    else
      expect_close(got[i], wanted[i], tolerance, graph.str());
  }
  return changes;
}

int run_pass(Graph& graph, PassFunction pass, const std::vector<Value>& inputs, double tolerance) {
  PassContext context;
  return run_pass(graph, pass, inputs, tolerance, context);
}

std::string ops_of(const Graph& graph) {
  std::string text;
  for (NodeId id : graph.order()) text += (text.empty() ? "" : " ") + graph.node(id).type;
  return text;
}

Value noise(const Shape& shape, uint64_t seed, DType type) {
  Value value = Value::tensor(type, shape);
  uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
  for (int64_t i = 0; i < value.numel(); ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    set_f64(type, value.mutable_data(), i, static_cast<double>(state >> 40) / static_cast<double>(1 << 22) - 2);
  }
  return value;
}

}  // namespace chorus::testing
