// The body of step_case.h; named so that it is part of this test program.
#include "step_case.h"

#include <algorithm>

namespace chorus::testing {

std::shared_ptr<native::NativeProgram> compile_steps(const Graph& graph, int threads, int optimize) {
  auto copy = std::make_shared<Graph>(graph);
  infer_types(*copy);
  CompileOptions options;
  options.threads = threads;
  options.optimize = optimize;
  return std::make_shared<native::NativeProgram>(std::move(copy), options);
}

std::vector<std::string> expect_steps(const GraphCase& c, const std::vector<Value>& inputs, double tolerance,
                                      std::string_view kernel, const std::string& what) {
  Graph graph(c.graph);
  infer_types(graph);
  const std::vector<Value> wanted = run_graph(graph, inputs);
  std::vector<Value> first;
  std::vector<std::string> kernels;
  for (int threads : {1, 3}) {
    const auto program = compile_steps(c.graph, threads);
    const auto instance = program->instance();
    for (int run = 0; run < 2; ++run) {
      std::vector<Value> outputs(wanted.size());
      instance->run(inputs, outputs, {});
      for (size_t i = 0; i < wanted.size(); ++i) {
        if (first.size() > i) {
          const auto* bytes = static_cast<const char*>(outputs[i].data());
          EXPECT_TRUE(std::equal(bytes, bytes + dtype_bytes(outputs[i].dtype(), outputs[i].numel()),
                                 static_cast<const char*>(first[i].data())))
              << what << ": " << threads << " threads, run " << run;
          continue;
        }
        expect_close(outputs[i], wanted[i], tolerance, what);
        first.push_back(Value::copy_of(outputs[i].dtype(), outputs[i].shape(), outputs[i].data(),
                                       static_cast<size_t>(dtype_bytes(outputs[i].dtype(), outputs[i].numel()))));
      }
    }
    kernels.clear();
    for (const StepInfo& step : instance->steps()) kernels.push_back(step.kernel);
  }
  EXPECT_FALSE(kernels.empty()) << what;
  if (!kernels.empty()) {
    EXPECT_TRUE(kernels[0].starts_with(kernel)) << what << ": " << kernels[0] << " instead of " << kernel;
  }
  return kernels;
}

}  // namespace chorus::testing
