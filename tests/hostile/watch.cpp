#include "hostile/watch.h"

#include "support/sanitized.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <system_error>

namespace chorus::testing {
namespace {

/// Shared with the child.
struct State {
  int64_t next;
  double slowest, seconds;
  int64_t slowest_number, most_resident;
  char finding[2000];
};

int64_t resident_peak() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

void set_timer(int seconds) {
  const itimerval timer{{0, 0}, {seconds, 0}};
  setitimer(ITIMER_PROF, &timer, nullptr);
}

void say(State& state, const std::string& text) {
  std::snprintf(state.finding, sizeof state.finding, "%s", text.c_str());
}

/// The child: items until the last, the end of the time, or a finding.
[[noreturn]] void run_items(int64_t count, const WatchLimits& limits, const std::function<void(int64_t)>& item,
                            State& state) {
  std::signal(SIGPROF, SIG_DFL);
  for (; state.next < count && state.seconds < limits.all_seconds; ++state.next) {
    const double begin = processor_seconds();
    set_timer(limits.seconds);
    try {
      item(state.next);
    } catch (const std::exception& error) {
      say(state, error.what());
      _exit(1);
    }
    const double took = processor_seconds() - begin;
    state.seconds += took;
    if (took > state.slowest) {
      state.slowest = took;
      state.slowest_number = state.next;
    }
    state.most_resident = std::max(state.most_resident, resident_peak());
    if (!kSanitized && resident_peak() > limits.resident) {
      say(state, fmt::format("took {} MiB of memory", resident_peak() >> 20));
      _exit(1);
    }
  }
  std::fflush(nullptr);
  _exit(0);
}

std::string how_it_ended(int status, const WatchLimits& limits, const State& state) {
  if (WIFEXITED(status))
    return state.finding[0] != 0 ? state.finding : fmt::format("ended with status {}", WEXITSTATUS(status));
  if (WTERMSIG(status) == SIGPROF) return fmt::format("took more than {} s", limits.seconds);
  return fmt::format("died: {}", strsignal(WTERMSIG(status)));
}

}  // namespace

void* shared_memory(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  return memory;
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

int64_t environment_number(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoll(text, nullptr, 10);
}

uint64_t seed_of_this_run() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(environment_number(
      "CHORUS_SEED", std::chrono::duration_cast<std::chrono::milliseconds>(now).count() % 1'000'000'000));
}

Watched watch(int64_t count, const WatchLimits& limits, const std::function<void(int64_t)>& item) {
  State& state = shared<State>();
  Watched result;
  while (state.next < count && static_cast<int>(result.findings.size()) < limits.most_findings &&
         state.seconds < limits.all_seconds) {
    state.finding[0] = 0;
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child == 0) run_items(count, limits, item, state);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
    result.findings.push_back({state.next++, how_it_ended(status, limits, state)});
  }
  result.done = state.next;
  result.slowest = state.slowest;
  result.seconds = state.seconds;
  result.slowest_number = state.slowest_number;
  result.most_resident = state.most_resident;
  munmap(&state, sizeof(State));
  return result;
}

}  // namespace chorus::testing
