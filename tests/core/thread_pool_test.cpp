#include <core/thread_pool.h>

#include <chorus/error.h>
#include <core/clock.h>

#include "support/proves.h"

#include <gtest/gtest.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace chorus {
namespace {

ThreadPool::Options options(int threads, int spin_us = 50) {
  ThreadPool::Options result;
  result.threads = threads;
  result.spin_us = spin_us;
  return result;
}

TEST(ThreadPool, EveryTaskOnceWithAWorkerInRange) {
  for (int threads : {1, 2, 3, 8}) {
    for (int spin : {0, 50}) {
      ThreadPool pool(options(threads, spin));
      EXPECT_EQ(pool.threads(), threads);
      for (int64_t n : {-1, 0, 1, 2, 3, 7, 100, 5000}) {
        std::vector<std::atomic<int>> count(static_cast<size_t>(std::max<int64_t>(n, 0)));
        std::atomic<int> bad{0};
        pool.parallel_for(n, [&](int64_t task, int worker) {
          if (worker < 0 || worker >= threads) ++bad;
          ++count.at(static_cast<size_t>(task));
        });
        for (auto& c : count) EXPECT_EQ(c.load(), 1);
        EXPECT_EQ(bad.load(), 0);
      }
    }
  }
}

// Plain (not atomic) scratch per worker: the thread sanitizer reports here if two threads ever share a worker number,
// or if a job's data is not published to the workers and back.
TEST(ThreadPool, ManyJobsBackToBackWithScratchByWorker) {
  for (int spin : {0, 20}) {
    ThreadPool pool(options(4, spin));
    std::vector<int64_t> scratch(4, 0);
    std::vector<int64_t> out(37, 0);
    int64_t want = 0;
    for (int64_t job = 0; job < 3000; ++job) {
      pool.parallel_for(37, [&](int64_t task, int worker) {
        scratch[static_cast<size_t>(worker)] += task;
        out[static_cast<size_t>(task)] = job * task;
      });
      want += 36 * 37 / 2;
      ASSERT_EQ(out[36], job * 36);
    }
    EXPECT_EQ(scratch[0] + scratch[1] + scratch[2] + scratch[3], want);
  }
}

TEST(ThreadPool, WorkersReallyTakePart) {
  ThreadPool pool(options(2));
  std::atomic<int> here{0};
  std::atomic<bool> together{false};
  // Each of two tasks waits for the other: passes only when two threads run them at the same time.
  pool.parallel_for(2, [&](int64_t, int) {
    ++here;
    const int64_t end = now_ns() + 5'000'000'000;
    while (here.load() < 2 && now_ns() < end) std::this_thread::yield();
    if (here.load() == 2) together = true;
  });
  EXPECT_TRUE(together.load());
}

// Both workers are held in their first task until the other has one: nobody can help yet, so these are the first of their shares.
TEST(ThreadPool, AWorkerBeginsWithItsOwnShareAndThenHelps) {
  ThreadPool pool(options(2));
  for (const int64_t n : {2, 3, 10}) {
    int64_t first[2] = {-1, -1};
    std::atomic<int> here{0};
    std::atomic<int64_t> ran{0};
    pool.parallel_for(n, [&](int64_t task, int worker) {
      ++ran;
      if (first[worker] >= 0) return;
      first[worker] = task;
      ++here;
      const int64_t end = now_ns() + 5'000'000'000;
      while (here.load() < 2 && now_ns() < end) std::this_thread::yield();
    });
    EXPECT_EQ(first[0], 0);
    EXPECT_EQ(first[1], (n + 1) / 2);
    EXPECT_EQ(ran.load(), n);
  }
  // One is held until all others ran: they include the rest of its own share.
  std::atomic<int> ran{0};
  pool.parallel_for(10, [&](int64_t task, int) {
    if (task == 0) {
      const int64_t end = now_ns() + 5'000'000'000;
      while (ran.load() < 9 && now_ns() < end) std::this_thread::yield();
      EXPECT_EQ(ran.load(), 9);
    }
    ++ran;
  });
}

TEST(ThreadPool, OneThreadMeansTheCallersThread) {
  ThreadPool pool(options(1));
  const auto self = std::this_thread::get_id();
  std::set<std::thread::id> seen;
  pool.parallel_for(100, [&](int64_t, int) { seen.insert(std::this_thread::get_id()); });
  EXPECT_EQ(seen, std::set<std::thread::id>{self});
  // n == 1 stays on the caller with any number of threads
  ThreadPool two(options(2));
  two.parallel_for(1, [&](int64_t, int worker) {
    EXPECT_EQ(std::this_thread::get_id(), self);
    EXPECT_EQ(worker, 0);
  });
  chorus::testing::part_of("E-DEV-03");
}

TEST(ThreadPool, NestedCallsRunInline) {
  ThreadPool pool(options(3));
  std::atomic<int64_t> sum{0};
  std::atomic<int> bad{0};
  pool.parallel_for(20, [&](int64_t outer, int) {
    const auto self = std::this_thread::get_id();
    pool.parallel_for(10, [&](int64_t inner, int worker) {
      if (worker != 0 || std::this_thread::get_id() != self) ++bad;
      sum += outer * 10 + inner;
    });
  });
  EXPECT_EQ(bad.load(), 0);
  EXPECT_EQ(sum.load(), 199 * 200 / 2);
}

TEST(ThreadPool, ConcurrentCallersAreSafe) {
  ThreadPool pool(options(3));
  std::vector<std::thread> callers;
  std::vector<int64_t> sums(4, 0);
  for (size_t c = 0; c < sums.size(); ++c) {
    callers.emplace_back([&, c] {
      for (int job = 0; job < 500; ++job) {
        std::vector<int64_t> by_worker(3, 0);
        pool.parallel_for(16, [&](int64_t task, int worker) { by_worker[static_cast<size_t>(worker)] += task; });
        sums[c] += by_worker[0] + by_worker[1] + by_worker[2];
      }
    });
  }
  for (auto& caller : callers) caller.join();
  for (int64_t sum : sums) EXPECT_EQ(sum, 500 * 120);
}

TEST(ThreadPool, LowestTasksErrorIsRethrownAfterAllTasksRan) {
  for (int threads : {1, 2, 4}) {
    ThreadPool pool(options(threads));
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::atomic<int> ran{0};
      std::string got;
      try {
        pool.parallel_for(64, [&](int64_t task, int) {
          ++ran;
          if (task == 9 || task == 40 || task == 63) throw Error(Code::bad_input, "task " + std::to_string(task));
        });
      } catch (const Error& error) {
        got = error.what();
      }
      EXPECT_EQ(got, "task 9");
      EXPECT_EQ(ran.load(), 64);
    }
    std::atomic<int> ran{0};
    pool.parallel_for(8, [&](int64_t, int) { ++ran; });  // the old error does not come back
    EXPECT_EQ(ran.load(), 8);
  }
  ThreadPool pool(options(2));
  EXPECT_THROW(pool.parallel_for(1, [](int64_t, int) { throw std::runtime_error("x"); }), std::runtime_error);
}

int count_threads() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

TEST(ThreadPool, BirthAndDeathLeaveNoThread) {
  const int before = count_threads();
  for (int repeat = 0; repeat < 30; ++repeat) {
    ThreadPool pool(options(5, repeat % 2 == 0 ? 0 : 50));
    if (repeat % 3 == 0) pool.parallel_for(9, [](int64_t, int) {});
    EXPECT_EQ(count_threads(), before + 4);
  }
  EXPECT_EQ(count_threads(), before);
}

TEST(ThreadPool, WorkersAreNamedAndTakeNoSignals) {
  ThreadPool pool(options(2));
  std::atomic<int> here{0};
  std::string name;
  bool blocked = false;
  pool.parallel_for(2, [&](int64_t, int worker) {
    ++here;
    const int64_t end = now_ns() + 5'000'000'000;
    while (here.load() < 2 && now_ns() < end) std::this_thread::yield();
    if (worker != 1) return;
    char text[16] = {};
    pthread_getname_np(pthread_self(), text, sizeof text);
    name = text;
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, nullptr, &set);
    blocked = sigismember(&set, SIGINT) == 1 && sigismember(&set, SIGUSR1) == 1;
  });
  EXPECT_EQ(name, "chorus-1");
  EXPECT_TRUE(blocked);
  sigset_t mine;
  pthread_sigmask(SIG_BLOCK, nullptr, &mine);
  EXPECT_EQ(sigismember(&mine, SIGINT), 0);  // the caller's own mask is back
}

std::vector<int> allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  std::vector<int> result;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(static_cast<size_t>(i), &set)) result.push_back(i);
  }
  return result;
}

TEST(ThreadPool, AffinityPinsTheWorkersOnly) {
  const auto before = allowed_processors();
  auto o = options(3);
  o.affinity = {before.back()};
  ThreadPool pool(o);
  std::mutex mutex;
  std::set<std::vector<int>> workers;
  for (int repeat = 0; repeat < 50 && workers.empty(); ++repeat) {
    pool.parallel_for(30, [&](int64_t, int worker) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      if (worker == 0) return;
      std::lock_guard lock(mutex);
      workers.insert(allowed_processors());
    });
  }
  EXPECT_EQ(workers, std::set<std::vector<int>>{{before.back()}});
  EXPECT_EQ(allowed_processors(), before);
  chorus::testing::part_of("E-DEV-03");
}

std::string error_text(const ThreadPool::Options& o) {
  try {
    ThreadPool pool(o);
  } catch (const Error& error) {
    return std::string(code_name(error.code())) + ": " + error.what();
  }
  return "no error";
}

TEST(ThreadPool, BadOptionsAreNamed) {
  EXPECT_EQ(error_text(options(0)),
            "bad_input: thread pool: 0 threads\n  where: Options::threads\n  fix:   use 1 to 1024");
  EXPECT_EQ(error_text(options(1025)),
            "bad_input: thread pool: 1025 threads\n  where: Options::threads\n  fix:   use 1 to 1024");
  EXPECT_EQ(error_text(options(1, -1)),
            "bad_input: thread pool: a spin of -1 us\n  where: Options::spin_us\n  fix:   use 0 to 1000000");
  auto o = options(2);
  o.affinity = {-3};
  EXPECT_EQ(error_text(o),
            "bad_input: thread pool: no processor -3\n  where: Options::affinity\n  fix:   use numbers in [0, 1024)");
  o.affinity = {1023};
  const int before = count_threads();
  if (allowed_processors().back() != 1023) {
    EXPECT_NE(error_text(o).find("cannot pin worker 1 to processor 1023: Invalid argument"), std::string::npos);
  }
  EXPECT_EQ(count_threads(), before);
  EXPECT_THROW(ThreadPool(nullptr, nullptr, 2), Error);
}

TEST(ThreadPool, IdleWorkersSleep) {
  ThreadPool pool(options(4, 50));
  pool.parallel_for(100, [](int64_t, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  rusage begin{}, end{};
  getrusage(RUSAGE_SELF, &begin);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  getrusage(RUSAGE_SELF, &end);
  const auto us = [](const timeval& t) { return t.tv_sec * 1'000'000 + t.tv_usec; };
  EXPECT_LT(us(end.ru_utime) - us(begin.ru_utime) + us(end.ru_stime) - us(begin.ru_stime), 50'000);
}

struct Borrowed {  // someone else's pool: two plain threads
  int calls = 0;
  int64_t skip = -1;
  int bad_worker = 0;
  static void run(void* user, int64_t n, void (*body)(void*, int64_t, int), void* arg) {
    auto& self = *static_cast<Borrowed*>(user);
    ++self.calls;
    std::vector<std::thread> threads;
    for (int worker = 0; worker < 2; ++worker) {
      threads.emplace_back([&, worker] {
        for (int64_t task = worker; task < n; task += 2) {
          if (task != self.skip) body(arg, task, worker + self.bad_worker);
        }
      });
    }
    for (auto& thread : threads) thread.join();
  }
};

TEST(ThreadPool, ExternalThreadsRunTheTasks) {
  Borrowed other;
  const int before = count_threads();
  ThreadPool pool(&Borrowed::run, &other, 2);
  EXPECT_EQ(count_threads(), before);
  const auto self = std::this_thread::get_id();
  std::vector<int64_t> sums(2, 0);
  std::atomic<int> mine{0};
  pool.parallel_for(100, [&](int64_t task, int worker) {
    sums[static_cast<size_t>(worker)] += task;
    if (std::this_thread::get_id() == self) ++mine;
    pool.parallel_for(3, [&](int64_t, int inner) { EXPECT_EQ(inner, 0); });  // nested: inline
  });
  EXPECT_EQ(sums[0] + sums[1], 4950);
  EXPECT_EQ(mine.load(), 0);
  EXPECT_EQ(other.calls, 1);
  try {
    pool.parallel_for(10, [](int64_t task, int) {
      if (task >= 4) throw Error(Code::type, std::to_string(task));
    });
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "4");
  }
  chorus::testing::part_of("E-DEV-03");
}

TEST(ThreadPool, ABrokenExternalPoolIsAnErrorNotAWrongResult) {
  Borrowed other;
  other.skip = 7;
  ThreadPool pool(&Borrowed::run, &other, 2);
  try {
    pool.parallel_for(10, [](int64_t, int) {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::internal);
    EXPECT_EQ(error.message(), "external thread pool: ran 9 of 10 tasks with worker in [0, 2)");
  }
  other.skip = -1;
  other.bad_worker = 1;  // workers 1 and 2 of a pool of 2
  EXPECT_THROW(pool.parallel_for(10, [](int64_t, int worker) { EXPECT_LT(worker, 2); }), Error);
  other.bad_worker = 0;
  pool.parallel_for(10, [](int64_t, int) {});
}

}  // namespace
}  // namespace chorus
