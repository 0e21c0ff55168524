#include <chorus/error.h>
#include <core/clock.h>
#include <core/thread_pool.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

namespace chorus {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMaxSpinUs = 1'000'000;
constexpr uint32_t kOpen = uint32_t{1} << 31;  // bit of Impl::state; the bits below count the workers inside the job

using Body = FunctionRef<void(int64_t task, int worker)>;

inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Every task runs even when one throws, and the error of the lowest task is the one rethrown: what the caller sees then
// does not depend on the number of threads.
class FirstError {
 public:
  void keep(int64_t task) noexcept {
    std::lock_guard lock(mutex_);
    if (task < task_) {
      task_ = task;
      error_ = std::current_exception();
    }
  }
  void rethrow_if_any() {
    if (!error_) return;
    task_ = std::numeric_limits<int64_t>::max();
    std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  std::mutex mutex_;
  int64_t task_ = std::numeric_limits<int64_t>::max();
  std::exception_ptr error_;
};

void run_inline(int64_t n, const Body& body) {
  std::exception_ptr first;
  for (int64_t task = 0; task < n; ++task) {
    try {
      body(task, 0);
    } catch (...) {
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
}

// Workers take no signals: the application's handlers run on its own threads.
class BlockSignals {
 public:
  BlockSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

// A job is open while `state` has kOpen. A worker enters it by adding one to `state`, and only while it is open, so the
// caller waits for the workers that entered, not for those that still sleep; a late one finds the job closed. The plain
// members below are written before the opening store (release) and read after the entering exchange (acquire).
struct ThreadPool::Impl {
  int threads = 1;
  int64_t spin_ns = 0;
  External external = nullptr;
  void* external_user = nullptr;
  std::vector<std::thread> workers;

  std::atomic<bool> busy{false};
  std::atomic<bool> stop{false};
  const Body* body = nullptr;
  FirstError first_error;

  alignas(64) std::atomic<uint32_t> epoch{0};  // counts jobs; idle workers watch it
  alignas(64) std::atomic<uint32_t> state{0};
  // The tasks of a worker, consecutive ones: whoever has done its own takes those that others have left. The same worker meets the same
  // part of every job that is cut alike, so what one step writes is in the cache of the processor that reads it in the next.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  std::vector<Share> shares;

  void start(const Options& options);
  void pin(int worker, int processor);
  void shut_down() noexcept;
  void worker_loop(int worker) noexcept;
  bool enter() noexcept;
  void leave() noexcept;
  void claim_tasks(int worker) noexcept;
  void dispatch(int64_t n, const Body& work);
  void dispatch_external(int64_t n, const Body& work);
  template <class T>
  void wait_change(const std::atomic<T>& word, T seen) const noexcept;
};

// Spins for at most spin_ns, then sleeps until `word` differs from `seen`.
template <class T>
void ThreadPool::Impl::wait_change(const std::atomic<T>& word, T seen) const noexcept {
  if (spin_ns > 0) {
    const int64_t end = now_ns() + spin_ns;
    do {
      for (int i = 0; i < 16; ++i) {
        if (word.load(std::memory_order_acquire) != seen) return;
        relax();
      }
    } while (now_ns() < end);
  }
  word.wait(seen, std::memory_order_acquire);
}

void ThreadPool::Impl::start(const Options& options) {
  workers.reserve(static_cast<size_t>(threads - 1));
  try {
    const BlockSignals block;
    for (int worker = 1; worker < threads; ++worker) {
      workers.emplace_back([this, worker] { worker_loop(worker); });
    }
  } catch (const std::system_error& error) {
    const size_t started = workers.size();
    shut_down();
    throw Error(Code::budget,
                "thread pool: the system refused thread " + std::to_string(started + 2) + " of " +
                    std::to_string(threads) + ": " + error.what(),
                {}, "use fewer threads, or raise the process limit (ulimit -u, the container's pids limit)");
  }
  if (options.affinity.empty()) return;
  for (int worker = 1; worker < threads; ++worker) {
    pin(worker, options.affinity[static_cast<size_t>(worker - 1) % options.affinity.size()]);
  }
}

void ThreadPool::Impl::pin(int worker, int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(processor), &set);
  const int result = pthread_setaffinity_np(workers[static_cast<size_t>(worker - 1)].native_handle(), sizeof set, &set);
  if (result == 0) return;
  shut_down();
  throw Error(Code::bad_input,
              "thread pool: cannot pin worker " + std::to_string(worker) + " to processor " +
                  std::to_string(processor) + ": " + std::generic_category().message(result),
              "Options::affinity", "name processors that this process may use (taskset -p, the container's cpuset)");
}

void ThreadPool::Impl::shut_down() noexcept {
  stop.store(true, std::memory_order_relaxed);
  epoch.fetch_add(1, std::memory_order_release);
  epoch.notify_all();
  for (auto& worker : workers) worker.join();
  workers.clear();
}

void ThreadPool::Impl::worker_loop(int worker) noexcept {
  char name[16];  // the kernel's limit
  std::snprintf(name, sizeof name, "chorus-%d", worker);
  pthread_setname_np(pthread_self(), name);
  uint32_t seen = 0;
  for (;;) {
    wait_change(epoch, seen);
    seen = epoch.load(std::memory_order_acquire);
    if (stop.load(std::memory_order_relaxed)) return;
    if (enter()) {
      claim_tasks(worker);
      leave();
    }
  }
}

bool ThreadPool::Impl::enter() noexcept {
  uint32_t now = state.load(std::memory_order_relaxed);
  while ((now & kOpen) != 0) {
    if (state.compare_exchange_weak(now, now + 1, std::memory_order_acquire, std::memory_order_relaxed)) return true;
  }
  return false;
}

void ThreadPool::Impl::leave() noexcept {
  // 1: the job is closed and this was the last worker in it. The pool outlives this line: its destructor joins us.
  if (state.fetch_sub(1, std::memory_order_acq_rel) == 1) state.notify_one();
}

void ThreadPool::Impl::claim_tasks(int worker) noexcept {
  const Body& work = *body;
  for (int i = 0; i < threads; ++i) {
    Share& share = shares[static_cast<size_t>((worker + i) % threads)];
    const int64_t end = share.end;
    while (share.next.load(std::memory_order_relaxed) < end) {
      const int64_t task = share.next.fetch_add(1, std::memory_order_relaxed);
      if (task >= end) break;
      try {
        work(task, worker);
      } catch (...) {
        first_error.keep(task);
      }
    }
  }
}

void ThreadPool::Impl::dispatch(int64_t n, const Body& work) {
  body = &work;
  const int64_t each = n / threads, more = n % threads;  // no product that could overflow
  int64_t begin = 0;
  for (int i = 0; i < threads; ++i) {
    Share& share = shares[static_cast<size_t>(i)];
    share.next.store(begin, std::memory_order_relaxed);
    begin += each + (i < more ? 1 : 0);
    share.end = begin;
  }
  state.store(kOpen, std::memory_order_release);
  epoch.fetch_add(1, std::memory_order_release);
  // Costs a system call only when somebody sleeps.
  if (n >= threads) {
    epoch.notify_all();
  } else {
    for (int64_t i = 1; i < n; ++i) epoch.notify_one();
  }
  claim_tasks(0);
  uint32_t inside = state.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
  while (inside != 0) {
    wait_change(state, inside);
    inside = state.load(std::memory_order_acquire);
  }
}

void ThreadPool::Impl::dispatch_external(int64_t n, const Body& work) {
  struct Call {
    const Body& work;
    FirstError& first_error;
    int64_t n;
    int threads;
    std::atomic<int64_t> done{0};
  } call{work, first_error, n, threads, {}};
  external(
      external_user, n,
      [](void* arg, int64_t task, int worker) {
        auto& c = *static_cast<Call*>(arg);
        if (task < 0 || task >= c.n || worker < 0 || worker >= c.threads) return;  // then `done` stays short: an error
        try {
          c.work(task, worker);
        } catch (...) {  // must not unwind through the other pool's frames
          c.first_error.keep(task);
        }
        c.done.fetch_add(1, std::memory_order_release);
      },
      &call);
  const int64_t done = call.done.load(std::memory_order_acquire);
  first_error.rethrow_if_any();
  if (done != n) {
    throw Error(Code::internal,
                "external thread pool: ran " + std::to_string(done) + " of " + std::to_string(n) +
                    " tasks with worker in [0, " + std::to_string(threads) + ")",
                {}, "call body(arg, task, worker) exactly once for each task before returning");
  }
}

ThreadPool::ThreadPool(const Options& options) : impl_(std::make_unique<Impl>()) {
  if (options.threads < 1 || options.threads > kMaxThreads) {
    throw Error(Code::bad_input, "thread pool: " + std::to_string(options.threads) + " threads", "Options::threads",
                "use 1 to " + std::to_string(kMaxThreads));
  }
  if (options.spin_us < 0 || options.spin_us > kMaxSpinUs) {
    throw Error(Code::bad_input, "thread pool: a spin of " + std::to_string(options.spin_us) + " us",
                "Options::spin_us", "use 0 to " + std::to_string(kMaxSpinUs));
  }
  for (int processor : options.affinity) {
    if (processor >= 0 && processor < CPU_SETSIZE) continue;
    throw Error(Code::bad_input, "thread pool: no processor " + std::to_string(processor), "Options::affinity",
                "use numbers in [0, " + std::to_string(CPU_SETSIZE) + ")");
  }
  impl_->threads = options.threads;
  impl_->spin_ns = int64_t{options.spin_us} * 1000;
  impl_->shares = std::vector<Impl::Share>(static_cast<size_t>(options.threads));
  impl_->start(options);
}

ThreadPool::ThreadPool(External run, void* user, int threads) : impl_(std::make_unique<Impl>()) {
  if (run == nullptr || threads < 1 || threads > kMaxThreads) {
    throw Error(Code::bad_input,
                run == nullptr ? "external thread pool: no function"
                               : "external thread pool: " + std::to_string(threads) + " threads",
                {}, "give a function and 1 to " + std::to_string(kMaxThreads) + " threads");
  }
  impl_->threads = threads;
  impl_->external = run;
  impl_->external_user = user;
}

ThreadPool::~ThreadPool() { impl_->shut_down(); }

int ThreadPool::threads() const noexcept { return impl_->threads; }

void ThreadPool::parallel_for(int64_t n, FunctionRef<void(int64_t task, int worker)> body) {
  if (n <= 0) return;
  if (n == 1) return body(0, 0);
  Impl& pool = *impl_;
  if (pool.threads == 1 || pool.busy.exchange(true, std::memory_order_acquire)) return run_inline(n, body);
  struct Release {
    std::atomic<bool>& busy;
    ~Release() { busy.store(false, std::memory_order_release); }
  } release{pool.busy};
  if (pool.external != nullptr) return pool.dispatch_external(n, body);
  pool.dispatch(n, body);
  pool.first_error.rethrow_if_any();
}

}  // namespace chorus
