// Where a model's time goes, measured under load: processor time of whole runs, and of every step the least time of all runs.
//   step_bench MODEL [seconds = 3] [first steps to print = 0: none] [name=1,3,224,224 …] [precision=bf16]     one thread, random inputs,
//                                                                                                             open dims are 1
// prints the least and the median processor time of a run, the sum of the steps' least times, then the steps by time with their rate.
#include "step_inputs.h"

#include <chorus/error.h>
#include <engine/engine.h>
#include <engine/native/native_engine.h>
#include <format/onnx/onnx.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace chorus;

using bench::thread_ns;

struct Times {
  std::vector<double> runs;
  std::vector<double> steps;  // least, ns
};

Times measure(Instance& instance, const std::vector<Value>& inputs, size_t outputs, double seconds) {
  Times t;
  std::vector<NodeTime> nodes;
  RunOptions plain, timed;
  timed.times = &nodes;
  int64_t spent = 0;
  for (int i = 0; static_cast<double>(spent) < seconds * 1e9 || i < 6; ++i) {
    std::vector<Value> out(outputs);
    nodes.clear();
    const int64_t begin = thread_ns();
    instance.run(inputs, out, i % 2 == 0 ? plain : timed);
    const int64_t ns = thread_ns() - begin;
    spent += ns;
    if (i % 2 == 0 && i > 0) t.runs.push_back(static_cast<double>(ns));
    t.steps.resize(std::max(t.steps.size(), nodes.size()), 1e18);
    for (const NodeTime& n : nodes) {
      double& least = t.steps[static_cast<size_t>(n.step)];
      least = std::min(least, static_cast<double>(n.end_ns - n.begin_ns));
    }
  }
  std::sort(t.runs.begin(), t.runs.end());
  return t;
}

void print(const Times& t, const std::vector<StepInfo>& steps, size_t count) {
  double sum = 0;
  std::map<std::string, std::pair<double, int>> kinds;
  std::vector<size_t> order;
  for (size_t s = 0; s < steps.size(); ++s) {
    sum += t.steps[s];
    order.push_back(s);
    auto& kind = kinds[steps[s].op + " " + steps[s].kernel];
    kind.first += t.steps[s];
    ++kind.second;
  }
  std::printf("cpu_ms least=%.3f median=%.3f steps=%.3f\n", t.runs.front() / 1e6, t.runs[t.runs.size() / 2] / 1e6,
              sum / 1e6);
  if (count == 0) return;
  for (const auto& [name, kind] : kinds)
    std::printf("%9.3f ms %5.1f %% %4d  %s\n", kind.first / 1e6, kind.first / sum * 100, kind.second, name.c_str());
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return t.steps[a] > t.steps[b]; });
  for (size_t i = 0; i < std::min(count, order.size()); ++i) {
    const StepInfo& s = steps[order[i]];
    const double ns = t.steps[order[i]];
    std::printf("%9.1f us %7.1f GFLOP/s %6.1f GB/s  %s %s %s\n", ns / 1e3, s.cost.flops / ns,
                (s.cost.bytes_read + s.cost.bytes_written) / ns, s.op.c_str(), s.kernel.c_str(), s.shapes.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("step_bench MODEL [seconds] [steps] [name=dims …] [precision=bf16]\n", stderr), 2;
  try {
    CompileOptions options;
    for (int i = 4; i < argc; ++i) {
      if (argv[i] == std::string("precision=bf16")) options.precision = Precision::bf16;
    }
    options.threads = 1;
    const auto program = native::make_native_engine()->compile(onnx::read_model(argv[1]), options);
    const auto instance = program->instance();
    const std::vector<Value> inputs = bench::random_inputs(*program, bench::shapes_of(argc, argv, 4));
    const Times times = measure(*instance, inputs, program->outputs().size(), argc > 2 ? std::atof(argv[2]) : 3);
    print(times, instance->steps(), argc > 3 ? static_cast<size_t>(std::atoi(argv[3])) : 0);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
