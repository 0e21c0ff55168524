// Work on hostile input in child processes: a crash, a hang, too much memory or an unexpected exception is a finding, not the end.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace chorus::testing {

struct WatchLimits {
  int seconds = 10;  ///< processor time of one item
  int64_t resident = int64_t{512} << 20;  ///< bytes, at most; not checked in builds with sanitizers
  double all_seconds = 1e9;  ///< processor time after which no further item begins
  int most_findings = 20;
};

struct WatchFinding {
  int64_t number = 0;
  std::string what;  ///< "died: Segmentation fault", "took more than 10 s", "internal error: …"
};

struct Watched {
  int64_t done = 0;  ///< items begun
  std::vector<WatchFinding> findings;
  double slowest = 0, seconds = 0;  ///< processor time: of one item, of all
  int64_t slowest_number = 0, most_resident = 0;
};

/// Runs item(0) … item(count - 1) in a child process, in order; after a finding a new one goes on behind it. An exception that leaves
/// an item is a finding. What an item writes is lost unless it lies in memory that is shared (Shared).
Watched watch(int64_t count, const WatchLimits& limits, const std::function<void(int64_t)>& item);

/// One zeroed object that children write and the parent reads.
void* shared_memory(size_t bytes);
template <class T>
T& shared() {
  return *static_cast<T*>(shared_memory(sizeof(T)));
}

/// CHORUS_SEED, else from the clock: each run sees other damage.
uint64_t seed_of_this_run();
int64_t environment_number(const char* name, int64_t otherwise);
/// Of this process, in seconds.
double processor_seconds();

}  // namespace chorus::testing
