// Damaged models never crash, hang, or take more memory and time than they are given; most come far enough to mean something.
//   CHORUS_SEED=…        another run's models (each run prints its own)
//   CHORUS_MUTANT=number one of them alone, in this process: for a debugger; CHORUS_MUTANT_FILE=path writes it
//   CHORUS_MUTANTS=count how many
#include "hostile/corpus.h"
#include "hostile/drive.h"
#include "hostile/watch.h"
#include "support/sanitized.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace chorus::testing {
namespace {

/// How far the models came; shared with the child that runs them.
struct Counts {
  int64_t read, compiled, started, ran;
};

void run_one(const std::vector<Seed>& corpus, uint64_t seed, int64_t number) {
  const Damaged mutant = make_mutant(corpus, seed, static_cast<uint64_t>(number));
  if (const char* path = std::getenv("CHORUS_MUTANT_FILE")) std::ofstream(path, std::ios::binary) << mutant.bytes;
  std::printf("%s\n%s\n", mutant.how.c_str(), drive(mutant.bytes).error.c_str());
}

void run_all(int64_t count) {
  const std::vector<Seed> corpus = make_corpus(".cache/truth/cases");
  const uint64_t seed = seed_of_this_run();
  if (const int64_t only = environment_number("CHORUS_MUTANT", -1); only >= 0) return run_one(corpus, seed, only);
  count = environment_number("CHORUS_MUTANTS", count);
  Counts& counts = shared<Counts>();
  WatchLimits limits;
  limits.seconds = kSanitized ? 60 : 10;
  limits.resident = kMemoryBudget + (int64_t{384} << 20);  // with what reading, folding and the program itself hold
  const Watched all = watch(count, limits, [&](int64_t number) {
    const Journey journey = drive(make_mutant(corpus, seed, static_cast<uint64_t>(number)).bytes);
    counts.read += journey.read;
    counts.compiled += journey.compiled;
    counts.started += journey.started;
    counts.ran += journey.ran;
  });
  for (const WatchFinding& finding : all.findings) {
    ADD_FAILURE() << "model " << finding.number << " " << finding.what << "\n  "
                  << make_mutant(corpus, seed, static_cast<uint64_t>(finding.number)).how
                  << "\n  again: CHORUS_SEED=" << seed << " CHORUS_MUTANT=" << finding.number << " test_hostile";
  }
  std::printf(
      "%lld damaged models of %zu, seed %llu: %lld reached shape inference, %lld compiled, %lld began a run, %lld ran "
      "to a result; "
      "%zu findings; slowest %.2f s (number %lld), most memory %lld MiB, %.1f s of processor time\n",
      static_cast<long long>(all.done), corpus.size(), static_cast<unsigned long long>(seed),
      static_cast<long long>(counts.read), static_cast<long long>(counts.compiled),
      static_cast<long long>(counts.started), static_cast<long long>(counts.ran), all.findings.size(), all.slowest,
      static_cast<long long>(all.slowest_number), static_cast<long long>(all.most_resident >> 20), all.seconds);
  EXPECT_GE(counts.read * 2, count) << "fewer than half reach shape inference: the damages are too rough";
  EXPECT_GE(counts.ran * 10, count) << "fewer than one in ten runs";
}

TEST(Mutants, NeitherCrashNorHangNorGrow) { run_all(500); }
TEST(Mutants, TenThousandLong) { run_all(kSanitized ? 4'000 : 10'000); }

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
