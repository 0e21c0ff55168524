// What a call of an engine costs beyond the same call in this process, when the engine works in a worker.
//   worker_bench [engine = example] [calls = 5000] [rounds = 7]
// A sum of two vectors of 16, 16,384 and 1,048,576 floats, in this process and in a worker, in turns; prints the median over all calls of each in
// microseconds, and the difference.
#include <chorus/error.h>
#include <core/clock.h>
#include <engine/engine.h>
#include <ops/op_def.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace chorus;

Model sum_of(int64_t n) {
  auto graph = std::make_shared<Graph>();
  const Type type = Type::tensor(DType::float32, {Dim(n)});
  const ValueId a = graph->add_input("a", type), b = graph->add_input("b", type);
  const NodeId node = graph->add_node("Add", std::vector<ValueId>{a, b});
  graph->value(graph->node(node).outputs[0]).type = type;
  graph->add_output(graph->node(node).outputs[0]);
  Model model;
  model.graph = std::move(graph);
  return model;
}

struct Side {
  std::shared_ptr<Program> program;
  std::unique_ptr<Instance> instance;
  std::vector<double> times;
};

Side side(const std::string& name, const Model& model) {
  Side s;
  s.program = open_engine(name)->compile(model, {});
  s.instance = s.program->instance();
  return s;
}

void call(Side& s, const std::vector<Value>& in, int calls) {
  std::vector<Value> out(1);
  for (int i = 0; i < calls; ++i) {
    const int64_t begin = now_ns();
    s.instance->run(in, out, {});
    s.times.push_back(static_cast<double>(now_ns() - begin) * 1e-3);
  }
}

double median(std::vector<double>& times) {
  const auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

void measure(const std::string& engine, int64_t n, int calls, int rounds) {
  const Model model = sum_of(n);
  Side here = side(engine, model), there = side("worker:" + engine, model);
  const std::vector<float> numbers(static_cast<size_t>(n), 1.5F);
  const Value v = Value::of<float>(Shape{n}, std::span<const float>(numbers));
  for (int round = 0; round < rounds; ++round) {
    call(here, {v, v}, calls);
    call(there, {v, v}, calls);
  }
  const double a = median(here.times), b = median(there.times);
  std::printf("%9lld floats: here %9.2f us, in a worker %9.2f us, difference %8.2f us\n", static_cast<long long>(n), a,
              b, b - a);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string engine = argc > 1 ? argv[1] : "example";
    const int calls = std::max(1, argc > 2 ? std::atoi(argv[2]) : 5000), rounds = argc > 3 ? std::atoi(argv[3]) : 7;
    measure(engine, 16, calls, rounds);
    measure(engine, 1 << 14, calls, rounds);
    measure(engine, 1 << 20, std::max(1, calls / 100), rounds);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
