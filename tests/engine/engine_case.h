// Models of a few nodes for tests of engines.
#pragma once
#include <engine/engine.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph_case.h"
#include "support/sanitized.h"

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

inline std::vector<Value> run_program(Program& program, const std::vector<Value>& inputs,
                                      const RunOptions& options = {}) {
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

/// Whether `wanted`, the text of CHORUS_ENGINES ("all", or names with commas between them; null for none), asks for the engine.
inline bool asks_for(const char* wanted, std::string_view engine) {
  std::string_view rest = wanted == nullptr ? "" : wanted;
  while (!rest.empty()) {
    const size_t end = rest.find_first_of(", ");
    const std::string_view name = rest.substr(0, end);
    if (name == "all" || name == engine) return true;
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return false;
}

/// Tests of an engine that `./dev engines` installs: skipped where it is not, failures where CHORUS_ENGINES asked for it.
class InstalledEngine : public ::testing::Test {
 protected:
  explicit InstalledEngine(std::string name) : name_(std::move(name)) {}
  void SetUp() override {
    // OpenVINO and PyTorch open libraries with RTLD_DEEPBIND or share containers with code that is not instrumented.
    if (kSanitized && name_ != "onnxruntime") GTEST_SKIP() << name_ << " does not run in a process with sanitizers";
    for (const EngineInfo& info : list_engines()) {
      if (info.name != name_ || info.available) continue;
      ASSERT_FALSE(asks_for(std::getenv("CHORUS_ENGINES"), name_))
          << "CHORUS_ENGINES asks for " << name_ << ": " << info.reason;
      GTEST_SKIP() << info.reason;
    }
    engine_ = open_engine(name_);
  }
  std::vector<Value> run(GraphCase& c, const std::vector<Value>& inputs, int threads = 1) {
    CompileOptions options;
    options.threads = threads;
    return run_program(*engine_->compile(model_of(c), options), inputs);
  }
  std::string name_;
  std::shared_ptr<Engine> engine_;
};

}  // namespace chorus::testing
