// Models of a few nodes for tests of engines.
#pragma once
#include <engine/engine.h>

#include <memory>
#include <string>
#include <vector>

#include "graph/graph_case.h"

namespace chorus::testing {

/// The graph with types inferred, as a file would give it.
inline Model model_of(GraphCase& c) {
  infer_types(c.graph);
  Model model;
  model.graph = std::make_shared<Graph>(c.graph);
  return model;
}

/// y = op(x …) of float32 with the given extents.
inline Model one_node(std::string_view op, int inputs, Dims dims) {
  GraphCase c;
  std::vector<ValueId> in;
  for (int i = 0; i < inputs; ++i) in.push_back(c.in(std::string(1, static_cast<char>('a' + i)), dims));
  c.out(c.op(op, in), "y");
  return model_of(c);
}

inline std::vector<Value> run_program(Program& program, const std::vector<Value>& inputs, const RunOptions& options = {}) {
  std::vector<Value> outputs(program.outputs().size());
  const auto instance = program.instance();
  instance->run(inputs, outputs, options);
  for (Value& v : outputs) {   // what is borrowed dies with the instance
    if (v.is_tensor() && v.dtype() != DType::string) v = Value::copy_of(v.dtype(), v.shape(), v.data(), v.bytes());
  }
  return outputs;
}

/// The message of the error that `body` throws, and its code; empty when it throws none.
template <class F>
std::string message_of(F&& body, Code* code = nullptr) {
  try {
    body();
  } catch (const Error& error) {
    if (code != nullptr) *code = error.code();
    return error.what();
  }
  return {};
}

}  // namespace chorus::testing
