// Every fuzz target for a moment, in the default tests: seeds as they are, then damaged ones that differ from run to run.
//   CHORUS_SEED=…         another run's inputs (each run prints its own)
//   CHORUS_FUZZ_SECONDS=n processor time per target
//   CHORUS_FUZZ_INPUT=n   input n alone, in this process; CHORUS_FUZZ_FILE=path writes it
#include "fuzz/target.h"
#include "hostile/watch.h"
#include "support/sanitized.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace chorus::fuzz {
namespace {

constexpr double kSeconds = 0.4;
constexpr int64_t kMost = int64_t{1} << 40;

/// Seeds first, then damage upon damage of one of them.
std::string input(const Target& target, const std::vector<Seed>& seeds, uint64_t seed, int64_t number) {
  if (number < static_cast<int64_t>(seeds.size())) return seeds[static_cast<size_t>(number)].bytes;
  Random random(seed * 0x2545f4914f6cdd1du + static_cast<uint64_t>(number));
  random.next();
  std::string bytes = seeds[random.below(seeds.size())].bytes;
  for (uint64_t round = 1 + random.below(3); round > 0; --round)
    bytes = changed(target, bytes, seeds[random.below(seeds.size())].bytes, random);
  return bytes;
}

class Fuzz : public ::testing::TestWithParam<const Target*> {};

TEST_P(Fuzz, SurvivesDamage) {
  const Target& target = *GetParam();
  const std::vector<Seed> seeds = target.seeds();
  ASSERT_FALSE(seeds.empty());
  const uint64_t seed = testing::seed_of_this_run();
  if (const int64_t only = testing::environment_number("CHORUS_FUZZ_INPUT", -1); only >= 0) {
    const std::string bytes = input(target, seeds, seed, only);
    if (const char* path = std::getenv("CHORUS_FUZZ_FILE")) std::ofstream(path, std::ios::binary) << bytes;
    target.run(bytes);
    return;
  }
  testing::WatchLimits limits;
  limits.seconds = target.seconds * (testing::kSanitized ? 10 : 1);
  limits.all_seconds = static_cast<double>(testing::environment_number("CHORUS_FUZZ_SECONDS", 0));
  if (limits.all_seconds == 0) limits.all_seconds = kSeconds;
  const testing::Watched all =
      testing::watch(kMost, limits, [&](int64_t number) { target.run(input(target, seeds, seed, number)); });
  for (const testing::WatchFinding& finding : all.findings) {
    ADD_FAILURE() << target.what << ": input " << finding.number << " " << finding.what
                  << "\n  again: CHORUS_SEED=" << seed << " CHORUS_FUZZ_INPUT=" << finding.number
                  << " test_fuzz --gtest_filter='*SurvivesDamage/" << target.name << "'";
  }
  std::printf(
      "%s: %lld inputs, %zu seeds, seed %llu, %zu findings; slowest %.2f s (number %lld), most memory %lld MiB\n",
      target.name, static_cast<long long>(all.done), seeds.size(), static_cast<unsigned long long>(seed),
      all.findings.size(), all.slowest, static_cast<long long>(all.slowest_number),
      static_cast<long long>(all.most_resident >> 20));
  EXPECT_GT(all.done, 0);
}

INSTANTIATE_TEST_SUITE_P(All, Fuzz, ::testing::ValuesIn(all_targets().begin(), all_targets().end()),
                         [](const auto& info) { return std::string(info.param->name); });

/// A finding is seen: the test above would be blind without it.
TEST(FuzzItself, CrashesHangsAndExceptionsAreFindings) {
  testing::WatchLimits limits;
  limits.seconds = 1;
  const testing::Watched all = testing::watch(5, limits, [](int64_t number) {
    if (number == 1) std::abort();
    if (number == 2) bounded([](std::string_view) { throw std::bad_alloc(); }, "");
    if (number == 3) {
      while (std::getenv("CHORUS_NEVER_SET") == nullptr) continue;
    }
  });
  ASSERT_EQ(all.findings.size(), 3u);
  EXPECT_EQ(all.findings[0].what, "died: Aborted");
  EXPECT_EQ(all.findings[1].what, "out of memory");
  EXPECT_EQ(all.findings[2].what, "took more than 1 s");
  EXPECT_EQ(all.done, 5);
}

}  // namespace
}  // namespace chorus::fuzz
