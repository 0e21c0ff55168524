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
  double gflops = 0, gbytes = 0;       ///< gbytes: of data in memory
  struct Level {
    double bytes = 0, gbytes = 0;      ///< so much data, of all threads together, moves so fast
  };
  std::vector<Level> levels;           ///< from few bytes to many; the last is memory
  /// What this machine moves at most when `bytes` are used: those that fit a cache may be there.
  double gbytes_of(double bytes) const;
};

/// Measures once per process and number of threads, within a second: a float32 matrix product by the native engine, and copies of data
/// that fits the second cache of a core, the third one, and none.
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
  std::vector<Sum> sums_;  // per step
  std::deque<Event> events_;  // the last ones
  int64_t runs_ = 0, run_ns_ = 0, first_ns_ = 0;
};

}  // namespace chorus
