// What two threads really gain, step by step, told on a machine that others keep busy: a model with one thread and with N takes turns in
// one process, and of every step and of the whole run the least time counts. Threads are pinned, so that the scheduler does not put two on
// one processor.
//   threads_bench MODEL [threads = 2] [seconds = 4] [steps to print = 12] [name=1,3,224,224 …]
// prints the least whole runs, their ratio, the sums of the steps' least times with theirs, and the steps that lose most against equal shares.
#include "step_inputs.h"

#include <chorus/error.h>
#include <core/clock.h>
#include <engine/engine.h>
#include <engine/native/native_engine.h>
#include <format/onnx/onnx.h>

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace chorus;

struct Side {
  std::shared_ptr<Program> program;
  std::unique_ptr<Instance> instance;
  std::vector<Value> inputs;
  std::vector<double> runs, steps;  // ns; of the steps the least

  Side(const char* model, int threads, const bench::Shapes& shapes) {
    CompileOptions options;
    options.threads = threads;
    ThreadPool::Options pool;
    pool.threads = threads;
    for (int i = 1; i < threads; ++i) pool.affinity.push_back(i);
    options.pool = std::make_shared<ThreadPool>(pool);
    program = native::make_native_engine()->compile(onnx::read_model(model), options);
    instance = program->instance();
    inputs = bench::random_inputs(*program, shapes);
  }

  void run(bool timed) {
    std::vector<NodeTime> nodes;
    RunOptions options;
    if (timed) options.times = &nodes;
    std::vector<Value> out(program->outputs().size());
    const int64_t begin = now_ns();
    instance->run(inputs, out, options);
    if (!timed) runs.push_back(static_cast<double>(now_ns() - begin));
    steps.resize(std::max(steps.size(), nodes.size()), 1e18);
    for (const NodeTime& n : nodes) {
      double& least = steps[static_cast<size_t>(n.step)];
      least = std::min(least, static_cast<double>(n.end_ns - n.begin_ns));
    }
  }
};

double sum(const std::vector<double>& all) {
  double total = 0;
  for (const double x : all) total += x;
  return total;
}

struct Group {
  double one = 0, many = 0;
  int count = 0;
};

void print(Side& one, Side& many, double workers, size_t count) {
  for (Side* side : {&one, &many}) std::sort(side->runs.begin(), side->runs.end());
  const double a = one.runs.front(), b = many.runs.front();
  const double sa = sum(one.steps), sb = sum(many.steps);
  std::printf("runs: one=%.3f ms %.0f threads=%.3f ms ratio=%.3f   least steps: %.3f %.3f ratio=%.3f\n", a / 1e6,
              workers, b / 1e6, a / b, sa / 1e6, sb / 1e6, sa / sb);
  const std::vector<StepInfo> infos = one.instance->steps();
  std::map<std::string, Group> groups;
  std::vector<size_t> order;
  for (size_t s = 0; s < infos.size(); ++s) {
    order.push_back(s);
    Group& group = groups[infos[s].op + " " + infos[s].kernel];
    group.one += one.steps[s], group.many += many.steps[s];
    ++group.count;
  }
  if (count == 0) return;
  for (const auto& [name, g] : groups)
    std::printf("%9.3f -> %9.3f ms  %.2f  %4d  %s\n", g.one / 1e6, g.many / 1e6, g.one / g.many, g.count, name.c_str());
  const auto lost = [&](size_t s) { return many.steps[s] - one.steps[s] / workers; };
  std::sort(order.begin(), order.end(), [&](size_t x, size_t y) { return lost(x) > lost(y); });
  for (size_t i = 0; i < std::min(count, order.size()); ++i) {
    const size_t s = order[i];
    std::printf("%8.1f us lost: %8.1f -> %8.1f  %s %s %s\n", lost(s) / 1e3, one.steps[s] / 1e3, many.steps[s] / 1e3,
                infos[s].op.c_str(), infos[s].kernel.c_str(), infos[s].shapes.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("threads_bench MODEL [threads] [seconds] [steps] [name=dims …]\n", stderr), 2;
  try {
    const int threads = argc > 2 ? std::clamp(std::atoi(argv[2]), 1, 64) : 2;
    const bench::Shapes shapes = bench::shapes_of(argc, argv, 5);
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    Side one(argv[1], 1, shapes), many(argv[1], threads, shapes);
    sched_setaffinity(0, sizeof first, &first);
    const double seconds = argc > 3 ? std::atof(argv[3]) : 4;
    const int64_t start = now_ns();
    for (int i = 0; i < 8 || static_cast<double>(now_ns() - start) < seconds * 1e9; ++i)
      for (Side* side : {&one, &many}) side->run(i % 2 == 1);
    print(one, many, threads, argc > 4 ? static_cast<size_t>(std::atoi(argv[4])) : 12);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
