// Small graphs for tests: built in a line per node, run node by node by rows and reference kernels, without an engine.
#pragma once
#include <graph/infer.h>
#include <graph/pass.h>
#include <graph/verify.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "ops/op_case.h"

namespace chorus::testing {

/// Builds a graph; `op` gives the first output of the node that it adds.
struct GraphCase {
  Graph graph;
  ValueId in(std::string name, Dims dims, DType type = DType::float32) {
    const ValueId id = graph.add_input(std::move(name), Type::tensor(type, std::move(dims)));
    graph.value(id).declared = true;
    return id;
  }
  ValueId constant(Value value, std::string name = "c") {
    return graph.add_constant(std::move(name), std::move(value));
  }
  ValueId floats(Shape shape, std::initializer_list<double> v) { return constant(make(DType::float32, shape, v)); }
  ValueId ints(std::initializer_list<int64_t> v) {
    return constant(Value::of<int64_t>(Shape{static_cast<int64_t>(v.size())}, v));
  }
  /// `since`: version of the operator, 0 the newest. A type without a row becomes a call of a function.
  ValueId op(std::string_view type, std::vector<ValueId> inputs, Attributes attributes = {}, int outputs = 1,
             int since = 0, std::string_view domain = "");
  /// Output i of the node that makes `first`.
  ValueId other(ValueId first, int i) const {
    return graph.node(graph.value(first).producer).outputs[static_cast<size_t>(i)];
  }
  void out(ValueId id, std::string name) {
    graph.rename(id, std::move(name));
    graph.add_output(id);
  }
};

/// A value of a body that stands for a name of the graph around it.
ValueId capture(Graph& body, const std::string& name);
GraphPtr shared(Graph&& graph);

/// All outputs; bodies of If and Loop too.
std::vector<Value> run_graph(const Graph& graph, const std::vector<Value>& inputs);

/// Constants by rows and reference kernels.
class CaseEvaluator final : public ConstantEvaluator {
 public:
  Result<std::vector<Value>> evaluate(const Graph& graph, NodeId node, std::span<const Value> inputs) override;
  int calls = 0;
};

using PassFunction = int (*)(Graph&, PassContext&);
/// Types, the pass, the verifier; a second run must find nothing to do; outputs on `inputs` are the same within `tolerance`, names and
/// number of inputs and outputs as before. Returns the number of changes of the first run.
int run_pass(Graph& graph, PassFunction pass, const std::vector<Value>& inputs, double tolerance = 0);
int run_pass(Graph& graph, PassFunction pass, const std::vector<Value>& inputs, double tolerance, PassContext& context);
/// Operators in order: "Transpose Relu Transpose".
std::string ops_of(const Graph& graph);
/// Elements by a fixed recurrence, in [-2, 2].
Value noise(const Shape& shape, uint64_t seed = 1, DType type = DType::float32);

}  // namespace chorus::testing
