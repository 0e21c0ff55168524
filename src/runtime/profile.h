// Times of executed steps over many runs, and what this machine can do.
#pragma once
#include <chorus/infer.h>
#include <engine/engine.h>

#include <deque>
#include <span>
#include <vector>

namespace chorus {

/// 10⁹ per second; 0: not measured.
struct Peaks {
  double gflops = 0, gbytes = 0;
};

/// Measures once per process and number of threads: a float32 matrix product by the native engine, and reading and writing large arrays.
Peaks measured_peaks(ThreadPool& pool);

class Recorder {
 public:
  void add(Instance& instance, std::span<const NodeTime> times, int64_t begin_ns, int64_t end_ns);
  api::Profile profile(const Instance& instance, const Peaks& peaks) const;

 private:
  struct Sum {
    int64_t calls = 0, total_ns = 0, min_ns = 0;
  };
  struct Event {
    int32_t step;
    int64_t begin_ns, end_ns;
  };
  std::vector<Sum> sums_;              // per step
  std::deque<Event> events_;           // the last ones
  int64_t runs_ = 0, run_ns_ = 0, first_ns_ = 0;
};

}  // namespace chorus
