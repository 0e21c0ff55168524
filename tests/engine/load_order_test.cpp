// Engines bring libraries that know nothing of one another. Whatever the order in which they are loaded, each works, none keeps processors busy
// when nobody asks anything of it, and the process ends as it should. Each order has a process of its own: this program, started anew.
#include <core/clock.h>
#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>
#include <thread>

#include "engine/engine_case.h"

namespace chorus {
namespace {

using testing::GraphCase;
using testing::kSanitized;
using testing::message_of;
using testing::run_program;

constexpr const char* kOrder = "CHORUS_TEST_LOAD_ORDER";  // "torch,openvino", and kThreads for each
constexpr const char* kThreads = "CHORUS_TEST_LOAD_THREADS";
constexpr int64_t kSide = 96;

/// y = relu(a × b): work that engines split over their threads.
Model product() {
  GraphCase c;
  const ValueId a = c.in("a", {kSide, kSide}), b = c.in("b", {kSide, kSide});
  c.out(c.op("Relu", {c.op("MatMul", {a, b})}), "y");
  return testing::model_of(c);
}

std::vector<Value> operands() {
  std::vector<Value> values;
  for (int o = 0; o < 2; ++o) {
    Value& v = values.emplace_back(Value::tensor(DType::float32, Shape{kSide, kSide}));
    for (int64_t i = 0; i < kSide * kSide; ++i)
      v.as_mutable<float>()[static_cast<size_t>(i)] = static_cast<float>((i * 37 + o * 11) % 101 - 50) / 50;
  }
  return values;
}

/// Worked out here, in double.
void expect_product(const Value& y, const std::vector<Value>& in, const std::string& who) {
  ASSERT_EQ(y.shape(), Shape({kSide, kSide})) << who;
  const auto a = in[0].as<float>(), b = in[1].as<float>(), got = y.as<float>();
  for (int64_t i = 0; i < kSide; i += 7) {
    for (int64_t j = 0; j < kSide; j += 5) {
      double sum = 0;
      for (int64_t k = 0; k < kSide; ++k)
        sum += static_cast<double>(a[static_cast<size_t>(i * kSide + k)]) * b[static_cast<size_t>(k * kSide + j)];
      ASSERT_NEAR(got[static_cast<size_t>(i * kSide + j)], std::max(sum, 0.0), 1e-4) << who << " at " << i << ", " << j;
    }
  }
}

std::vector<std::string> names_of(const char* list) {
  std::vector<std::string> names;
  std::stringstream parts(list == nullptr ? "" : list);
  for (std::string name; std::getline(parts, name, ',');) names.push_back(name);
  return names;
}

double processor_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

int threads() {
  int count = -2;  // . and ..
  DIR* folder = ::opendir("/proc/self/task");
  while (folder != nullptr && ::readdir(folder) != nullptr) ++count;
  if (folder != nullptr) ::closedir(folder);
  return count;
}

/// The process of one order.
TEST(LoadOrder, DISABLED_Child) {
  const std::vector<std::string> names = names_of(std::getenv(kOrder));
  ASSERT_FALSE(names.empty());
  const std::vector<Value> in = operands();
  CompileOptions options;
  options.threads = std::max(1, std::atoi(std::getenv(kThreads)));
  std::vector<std::shared_ptr<Program>> programs;  // all are kept, then all are used again
  for (const std::string& name : names) {
    programs.push_back(open_engine(name)->compile(product(), options));
    expect_product(run_program(*programs.back(), in)[0], in, name);
  }
  for (size_t i = 0; i < names.size(); ++i) expect_product(run_program(*programs[i], in)[0], in, names[i] + " again");
  std::printf("\nthreads %d\n", threads());
  // Nobody spins for ever: a fifth of a second comes in which the process rests, however busy the machine is.
  double least = 1;
  for (int round = 0; round < 25 && least >= 0.05; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const double before = processor_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    least = std::min(least, processor_seconds() - before);
  }
  EXPECT_LT(least, 0.05);
  programs.clear();
}

struct Done {
  int status = -1;
  int threads = 0;
  std::string text;
};

Done start(const std::string& order, int threads_asked) {
  const std::string line = "exec timeout 120 env " + std::string(kOrder) + "=" + order + " " + kThreads + "=" +
                           std::to_string(threads_asked) + " /proc/" + std::to_string(::getpid()) +
                           "/exe --gtest_also_run_disabled_tests --gtest_filter=LoadOrder.DISABLED_Child 2>&1";
  Done done;
  std::FILE* pipe = ::popen(line.c_str(), "r");
  if (pipe == nullptr) return done;
  for (char text[512]; std::fgets(text, sizeof text, pipe) != nullptr;) {
    std::sscanf(text, "threads %d", &done.threads);
    done.text += text;
  }
  const int status = ::pclose(pipe);
  done.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return done;
}

/// Engines that are here, without those of the tests.
std::vector<std::string> installed() {
  std::vector<std::string> names;
  const std::set<std::string> own = {"native", "example", "older_minor", "newer_minor", "liar", "unruly"};
  for (const EngineInfo& info : list_engines()) {
    if (info.available && own.count(info.name) == 0) names.push_back(info.name);
  }
  return names;
}

void expect_works(const std::string& order, int threads_asked) {
  const Done done = start(order, threads_asked);
  EXPECT_EQ(done.status, 0) << order << " with " << threads_asked << " threads:\n" << done.text;
}

TEST(LoadOrder, EveryOrderedPairWorksAndEndsLong) {
  if (kSanitized) GTEST_SKIP() << "engines open libraries that do not run in a process with sanitizers";
  const std::vector<std::string> names = installed();
  if (names.size() < 2) GTEST_SKIP() << names.size() << " engines are here";
  for (const std::string& first : names) {
    for (const std::string& second : names) {
      if (first == second) continue;
      for (const int count : {1, 4}) expect_works(first + "," + second, count);
    }
  }
}

TEST(LoadOrder, AllAtOnceInManyOrdersLong) {
  if (kSanitized) GTEST_SKIP() << "engines open libraries that do not run in a process with sanitizers";
  std::vector<std::string> names = installed();
  if (names.size() < 2) GTEST_SKIP() << names.size() << " engines are here";
  // Every engine once at every place, forwards and backwards: orders that pairs do not have.
  for (size_t turn = 0; turn < names.size(); ++turn) {
    for (const bool backwards : {false, true}) {
      std::vector<std::string> order = names;
      std::rotate(order.begin(), order.begin() + static_cast<ptrdiff_t>(turn), order.end());
      if (backwards) std::reverse(order.begin(), order.end());
      std::string list;
      for (const std::string& name : order) list += (list.empty() ? "" : ",") + name;
      expect_works(list, turn % 2 == 0 ? 4 : 1);
    }
  }
}

TEST(LoadOrder, OneOrderWorksAndThreadsAddUp) {
  if (kSanitized) GTEST_SKIP() << "engines open libraries that do not run in a process with sanitizers";
  const std::vector<std::string> names = installed();
  if (names.size() < 2) GTEST_SKIP() << names.size() << " engines are here";
  const int alone_a = start(names[0], 1).threads, alone_b = start(names[1], 1).threads;
  const Done both = start(names[0] + "," + names[1], 1);
  EXPECT_EQ(both.status, 0) << both.text;
  EXPECT_GT(both.threads, 0);
  EXPECT_LE(both.threads, alone_a + alone_b)
      << names[0] << " has " << alone_a << " threads, " << names[1] << " has " << alone_b;
}

}  // namespace
}  // namespace chorus
