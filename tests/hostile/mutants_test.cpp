// Damaged models never crash, hang, or take more memory and time than they are given; most come far enough to mean something.
//   CHORUS_SEED=…        another run's models (each run prints its own)
//   CHORUS_MUTANT=number one of them alone, in this process: for a debugger; CHORUS_MUTANT_FILE=path writes it
//   CHORUS_MUTANTS=count how many
#include "hostile/corpus.h"
#include "hostile/drive.h"
#include "support/proves.h"
#include "support/sanitized.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>

namespace chorus::testing {
namespace {

constexpr int kSeconds = kSanitized ? 60 : 10;  // processor time of one model
constexpr int64_t kResident =
    kMemoryBudget + (int64_t{384} << 20);  // with what reading, folding and the program itself hold

/// Shared with the child that runs the models.
struct Counts {
  int64_t next, read, compiled, started, ran;
  double slowest;
  int64_t slowest_number, most_resident;
  char finding[2000];
};

int64_t environment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoll(text, nullptr, 10);
}

uint64_t this_run() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(
      environment("CHORUS_SEED", std::chrono::duration_cast<std::chrono::milliseconds>(now).count() % 1'000'000'000));
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

int64_t resident_peak() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

void set_timer(int seconds) {
  const itimerval timer{{0, 0}, {seconds, 0}};
  setitimer(ITIMER_PROF, &timer, nullptr);
}

void say(Counts& counts, const std::string& text) {
  std::snprintf(counts.finding, sizeof counts.finding, "%s", text.c_str());
}

/// The child: runs models until the last or a finding.
[[noreturn]] void run_models(std::span<const Seed> corpus, uint64_t seed, int64_t last, Counts& counts) {
  std::signal(SIGPROF, SIG_DFL);
  for (; counts.next < last; ++counts.next) {
    const Damaged mutant = make_mutant(corpus, seed, static_cast<uint64_t>(counts.next));
    const double begin = processor_seconds();
    set_timer(kSeconds);
    try {
      const Journey journey = drive(mutant.bytes);
      counts.read += journey.read;
      counts.compiled += journey.compiled;
      counts.started += journey.started;
      counts.ran += journey.ran;
    } catch (const std::exception& error) {
      say(counts, error.what());
      _exit(1);
    }
    const double took = processor_seconds() - begin;
    if (took > counts.slowest) {
      counts.slowest = took;
      counts.slowest_number = counts.next;
    }
    counts.most_resident = std::max(counts.most_resident, resident_peak());
    if (!kSanitized && resident_peak() > kResident) {
      say(counts, fmt::format("took {} MiB of memory", resident_peak() >> 20));
      _exit(1);
    }
  }
  std::fflush(nullptr);
  _exit(0);
}

std::string how_it_ended(int status, const Counts& counts) {
  if (WIFEXITED(status))
    return counts.finding[0] != 0 ? counts.finding : fmt::format("ended with status {}", WEXITSTATUS(status));
  if (WTERMSIG(status) == SIGPROF) return fmt::format("took more than {} s", kSeconds);
  return fmt::format("died: {}", strsignal(WTERMSIG(status)));
}

void run_all(int64_t count) {
  const std::vector<Seed> corpus = make_corpus(".cache/truth/cases");
  const uint64_t seed = this_run();
  if (const int64_t only = environment("CHORUS_MUTANT", -1); only >= 0) {
    const Damaged mutant = make_mutant(corpus, seed, static_cast<uint64_t>(only));
    if (const char* path = std::getenv("CHORUS_MUTANT_FILE")) std::ofstream(path, std::ios::binary) << mutant.bytes;
    std::printf("%s\n%s\n", mutant.how.c_str(), drive(mutant.bytes).error.c_str());
    return;
  }
  count = environment("CHORUS_MUTANTS", count);
  void* memory = mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  Counts& counts = *new (memory) Counts{};
  int findings = 0;
  const double begin = processor_seconds();
  while (counts.next < count && findings < 20) {
    counts.finding[0] = 0;
    std::fflush(nullptr);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) run_models(corpus, seed, count, counts);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
    ++findings;
    ADD_FAILURE() << "model " << counts.next << " " << how_it_ended(status, counts) << "\n  "
                  << make_mutant(corpus, seed, static_cast<uint64_t>(counts.next)).how
                  << "\n  again: CHORUS_SEED=" << seed << " CHORUS_MUTANT=" << counts.next << " test_hostile";
    ++counts.next;
  }
  rusage children{};
  getrusage(RUSAGE_CHILDREN, &children);
  std::printf(
      "%lld damaged models of %zu, seed %llu: %lld reached shape inference, %lld compiled, %lld began a run, %lld ran "
      "to a result; "
      "%d findings; slowest %.2f s (number %lld), most memory %lld MiB, %.1f s of processor time\n",
      static_cast<long long>(counts.next), corpus.size(), static_cast<unsigned long long>(seed),
      static_cast<long long>(counts.read), static_cast<long long>(counts.compiled),
      static_cast<long long>(counts.started), static_cast<long long>(counts.ran), findings, counts.slowest,
      static_cast<long long>(counts.slowest_number), static_cast<long long>(counts.most_resident >> 20),
      processor_seconds() - begin + static_cast<double>(children.ru_utime.tv_sec + children.ru_stime.tv_sec));
  EXPECT_GE(counts.read * 2, count) << "fewer than half reach shape inference: the damages are too rough";
  EXPECT_GE(counts.ran * 10, count) << "fewer than one in ten runs";
  munmap(memory, sizeof(Counts));
}

TEST(Mutants, NeitherCrashNorHangNorGrow) { run_all(500); }
TEST(Mutants, TenThousandLong) { run_all(10'000); }

TEST(Mutants, TheCorpusItselfIsGood) {
  int ran = 0, all = 0;
  for (const Seed& seed : make_corpus()) {
    const Journey journey = drive(seed.bytes);
    EXPECT_TRUE(journey.read) << seed.name << ": " << journey.error;
    ran += journey.ran;
    ++all;
  }
  EXPECT_GE(ran * 10, all * 9) << ran << " of " << all << " run";
}

}  // namespace
}  // namespace chorus::testing
