// Latency of ThreadPool::parallel_for with empty tasks: thread_pool_bench [threads = 2] [pin]
// pin: thread i on processor i, so that a busy machine's scheduler does not put two of them on one processor.
#include <chorus/error.h>
#include <core/clock.h>
#include <core/thread_pool.h>

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using chorus::now_ns;
using chorus::ThreadPool;

void print(const char* what, std::vector<int64_t>& ns) {
  std::sort(ns.begin(), ns.end());
  std::printf("%-44s median %8.2f us   min %8.2f us   p99 %8.2f us\n", what, ns[ns.size() / 2] * 1e-3,
              ns.front() * 1e-3, ns[ns.size() * 99 / 100] * 1e-3);
}

// One dispatch of `n` tasks that each take `work_ns`, timed `repeats` times with a pause before each.
void measure(const char* what, ThreadPool& pool, int64_t n, int64_t work_ns, int64_t pause_us, int repeats) {
  std::vector<int64_t> times;
  for (int i = 0; i < repeats; ++i) {
    if (pause_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(pause_us));
    const int64_t begin = now_ns();
    pool.parallel_for(n, [work_ns](int64_t, int) {
      if (work_ns == 0) return;
      for (const int64_t end = now_ns() + work_ns; now_ns() < end;) {
      }
    });
    times.push_back(now_ns() - begin);
  }
  print(what, times);
}

}  // namespace

int main(int argc, char** argv) try {
  ThreadPool::Options options;
  options.threads = argc > 1 ? std::atoi(argv[1]) : 2;
  if (argc > 2 && std::string_view(argv[2]) == "pin") {
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    sched_setaffinity(0, sizeof first, &first);
    for (int i = 1; i < options.threads; ++i) options.affinity.push_back(i);
  }
  ThreadPool pool(options);
  const int threads = pool.threads();
  std::printf("%d threads, spin %d us\n", threads, options.spin_us);
  measure("warm up", pool, threads, 0, 0, 1000);
  measure("one task (never leaves the caller)", pool, 1, 0, 0, 100'000);
  measure("one empty task per thread, back to back", pool, threads, 0, 0, 100'000);
  measure("one empty task per thread, workers asleep", pool, threads, 0, 1000, 1000);
  measure("1000 empty tasks, back to back", pool, 1000, 0, 0, 2000);
  // Both threads must take part: two tasks of 20 us in close to 20 us, not 40.
  measure("one task of 20 us per thread, back to back", pool, threads, 20'000, 0, 5000);
  measure("one task of 20 us per thread, workers asleep", pool, threads, 20'000, 1000, 1000);
  measure("one task of 200 us per thread, workers asleep", pool, threads, 200'000, 1000, 500);
  return 0;
} catch (const chorus::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
