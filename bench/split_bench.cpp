// How well the work of a model's steps divides among threads, told on one thread and under load: every step runs on a pool that computes
// its tasks one after the other and takes their processor time; then tasks are given to N workers as the real pool does (whoever is free
// claims the next one). What no task holds counts as serial.
//   split_bench MODEL [threads = 2] [seconds = 2] [steps to print = 12] [name=1,3,224,224 …]
// prints the time of all steps on one thread, the time foretold for N threads, the ratio, and the steps that lose most against equal shares.
#include "step_inputs.h"

#include <chorus/error.h>
#include <core/clock.h>
#include <engine/native/native_engine.h>
#include <format/onnx/onnx.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace chorus;

constexpr double kMeetingNs = 1000;  // to wake the other workers out of their spin and to wait for the last one

struct Job {
  int64_t begin_ns = 0, end_ns = 0;
  double tasks_ns = 0, foretold_ns = 0;
  int64_t tasks = 0;
};

struct Recorder {
  size_t workers = 2;
  double clock_ns = 0;
  std::vector<Job> jobs;

  void job(int64_t n, void (*body)(void*, int64_t, int), void* arg) {
    Job job;
    job.begin_ns = now_ns();
    std::vector<double> free_at(workers, 0);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t begin = bench::thread_ns();
      body(arg, i, 0);
      const double ns = std::max(static_cast<double>(bench::thread_ns() - begin) - clock_ns, 0.0);
      job.tasks_ns += ns;
      *std::min_element(free_at.begin(), free_at.end()) += ns;
    }
    job.foretold_ns = *std::max_element(free_at.begin(), free_at.end()) + kMeetingNs;
    job.tasks = n;
    job.end_ns = now_ns();
    jobs.push_back(job);
  }
};

double cost_of_clock() {
  int64_t least = 1'000'000;
  for (int i = 0; i < 1000; ++i) {
    const int64_t begin = bench::thread_ns();
    least = std::min(least, bench::thread_ns() - begin);
  }
  return static_cast<double>(least);
}

/// The least of all runs, each number by itself: what the machine does besides only adds.
struct Step {
  double serial = 1e18, tasks = 1e18, foretold = 1e18;
  int64_t jobs = 0, count = 0;
  double one() const { return serial + tasks; }
  double many() const { return serial + foretold; }
};

void add(std::vector<Step>& steps, const std::vector<NodeTime>& times, const std::vector<Job>& jobs) {
  steps.resize(std::max(steps.size(), times.size()));
  size_t at = 0;
  for (size_t s = 0; s < times.size(); ++s) {
    double serial = static_cast<double>(times[s].end_ns - times[s].begin_ns), tasks = 0, foretold = 0;
    Step& step = steps[s];
    step.jobs = step.count = 0;
    for (; at < jobs.size() && jobs[at].begin_ns <= times[s].end_ns; ++at) {
      serial -= static_cast<double>(jobs[at].end_ns - jobs[at].begin_ns);
      tasks += jobs[at].tasks_ns, foretold += jobs[at].foretold_ns;
      ++step.jobs, step.count += jobs[at].tasks;
    }
    step.serial = std::min(step.serial, std::max(serial, 0.0));
    step.tasks = std::min(step.tasks, tasks);
    step.foretold = std::min(step.foretold, foretold);
  }
}

void print(const std::vector<Step>& steps, const std::vector<StepInfo>& infos, double workers, size_t count) {
  double one = 0, many = 0, serial = 0;
  std::vector<size_t> order;
  for (size_t s = 0; s < steps.size(); ++s) {
    one += steps[s].one(), many += steps[s].many(), serial += steps[s].serial;
    order.push_back(s);
  }
  std::printf("one=%.3f ms %.0f threads=%.3f ms ratio=%.3f serial=%.3f ms (%.1f %%)\n", one / 1e6, workers, many / 1e6,
              one / many, serial / 1e6, serial / one * 100);
  const auto lost = [&](size_t s) { return steps[s].many() - steps[s].one() / workers; };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lost(a) > lost(b); });
  for (size_t i = 0; i < std::min(count, order.size()); ++i) {
    const Step& step = steps[order[i]];
    const StepInfo& info = infos[order[i]];
    std::printf("%8.1f us lost of %8.1f  serial %7.1f  %3lld jobs %4lld tasks  %s %s %s\n", lost(order[i]) / 1e3,
                step.one() / 1e3, step.serial / 1e3, static_cast<long long>(step.jobs),
                static_cast<long long>(step.count), info.op.c_str(), info.kernel.c_str(), info.shapes.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("split_bench MODEL [threads] [seconds] [steps] [name=dims …]\n", stderr), 2;
  try {
    Recorder recorder;
    recorder.workers = static_cast<size_t>(argc > 2 ? std::clamp(std::atoi(argv[2]), 1, 64) : 2);
    recorder.clock_ns = cost_of_clock();
    CompileOptions options;
    options.threads = static_cast<int>(recorder.workers);
    options.pool = std::make_shared<ThreadPool>([](void* user, int64_t n, void (*body)(void*, int64_t, int),
                                                   void* arg) { static_cast<Recorder*>(user)->job(n, body, arg); },
                                                &recorder, options.threads);
    const auto program = native::make_native_engine()->compile(onnx::read_model(argv[1]), options);
    const auto instance = program->instance();
    const std::vector<Value> inputs = bench::random_inputs(*program, bench::shapes_of(argc, argv, 5));
    const double seconds = argc > 3 ? std::atof(argv[3]) : 2;
    std::vector<NodeTime> times;
    std::vector<Step> steps;
    RunOptions run;
    run.times = &times;
    const int64_t start = bench::thread_ns();
    for (int i = 0; i < 3 || static_cast<double>(bench::thread_ns() - start) < seconds * 1e9; ++i) {
      times.clear(), recorder.jobs.clear();
      std::vector<Value> out(program->outputs().size());
      instance->run(inputs, out, run);
      if (i > 0) add(steps, times, recorder.jobs);
    }
    print(steps, instance->steps(), static_cast<double>(recorder.workers),
          argc > 4 ? static_cast<size_t>(std::atoi(argv[4])) : 12);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
