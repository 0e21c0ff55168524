// Thread pool: 1..N compute threads, the caller being one of them; bounded spin, then sleep; affinity; external pools.
// Work is split by the caller into tasks computed from sizes only, so results never depend on the number of threads.
#pragma once
#include <chorus/export.h>
#include <core/function_ref.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace chorus {

class CHORUS_API ThreadPool {
 public:
  struct Options {
    int threads = 1;              ///< compute threads, the caller included; 1..1024
    std::vector<int> affinity;    ///< worker i is pinned to affinity[(i - 1) % size]; the caller is not; empty: none
    int spin_us = 50;             ///< how long an idle worker spins before it sleeps (microseconds, 0..1,000,000)
  };
  /// Error(bad_input) for options out of range or a processor that this process may not use, Error(budget) when the
  /// system refuses a thread. Workers are named "chorus-1" … and take no signals.
  explicit ThreadPool(const Options& options);
  /// A pool that runs its tasks on someone else's threads: `run(user, n, body, arg)` calls body(arg, task, worker) for
  /// every task in [0, n), worker in [0, threads), and returns when all are done. Calls with the same worker must not
  /// overlap. A pool that skips or repeats a task gets Error(internal).
  using External = void (*)(void* user, int64_t n, void (*body)(void*, int64_t, int), void* arg);
  ThreadPool(External run, void* user, int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const noexcept;

  /// Calls body(task, worker) once for every task in [0, n); worker in [0, threads()). Returns when all are done.
  /// Every worker has an equal share of consecutive tasks and then helps with those of others, one by one; nothing may depend on
  /// which worker runs which. When tasks throw, all others still
  /// run and the error of the lowest task is rethrown here: the same outcome with any number of threads.
  /// A sleeping worker that arrives after the last task was claimed is not waited for.
  /// No allocation and no lock on the way with n == 1 or one thread. Nested or concurrent calls are safe: a call that
  /// finds the pool busy runs its tasks itself, as worker 0: scratch by worker belongs to one call, not to the pool.
  void parallel_for(int64_t n, FunctionRef<void(int64_t task, int worker)> body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chorus
