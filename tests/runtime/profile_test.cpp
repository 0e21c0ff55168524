#include "fixture.h"
#include "support/proves.h"

#include <runtime/profile.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>

namespace chorus {
namespace {

TEST(Profile, EveryStepOnceAndMostOfTheTime) {
  Config config = testing::fixture_config("resnet18");
  config.EnableProfile(true);
  Predictor predictor(config);
  for (int i = 0; i < 3; ++i) testing::run_on_noise(predictor);
  const Profile profile = predictor.GetProfile(true);
  EXPECT_EQ(profile.runs, 3);
  std::set<std::string> names;
  double sum = 0;
  for (const auto& step : profile.steps) {
    EXPECT_TRUE(names.insert(step.name).second) << step.name << " is there twice";
    EXPECT_EQ(step.calls, 3);
    EXPECT_FALSE(step.kernel.empty());
    EXPECT_GE(step.roofline, 0);
    EXPECT_LE(step.roofline, 1);
    sum += step.total_ms;
  }
  EXPECT_GE(names.size(), 22u);  // 20 convolutions, a pool, a product at least
  EXPECT_GE(sum, 0.8 * profile.run_ms);
  EXPECT_LE(sum, profile.run_ms);
  EXPECT_GT(profile.peak_gflops, 0.1);
  EXPECT_GT(profile.peak_gbytes, 0.1);

  const auto json = nlohmann::json::parse(profile.json());
  EXPECT_EQ(json.at("steps").size(), profile.steps.size());
  const auto trace = nlohmann::json::parse(profile.chrome_trace);
  EXPECT_EQ(trace.at("traceEvents").size(), 3 * profile.steps.size());
  for (const auto& event : trace.at("traceEvents")) {
    EXPECT_EQ(event.at("ph"), "X");
    EXPECT_GE(event.at("ts").get<double>(), 0);
  }
  const std::string table = profile.table();
  for (const auto& step : profile.steps) EXPECT_NE(table.find(step.name), std::string::npos);
  testing::part_of("E-INF-03");
}

TEST(Profile, LimitsOfTheMachineGoByTheSizeOfTheData) {
  ThreadPool pool(ThreadPool::Options{.threads = 1});
  const Peaks peaks = measured_peaks(pool);
  EXPECT_GT(peaks.gflops, 0.1);
  ASSERT_EQ(peaks.levels.size(), 3u);
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_GT(peaks.levels[i].bytes, peaks.levels[i - 1].bytes);
    EXPECT_LE(peaks.levels[i].gbytes, peaks.levels[i - 1].gbytes);   // what fits a cache moves no slower
  }
  EXPECT_GT(peaks.levels[2].gbytes, 0.1);
  EXPECT_LT(peaks.levels[0].gbytes, 10'000);                           // no copy was left out
  EXPECT_EQ(peaks.gbytes_of(0), peaks.levels[0].gbytes);
  EXPECT_EQ(peaks.gbytes_of(peaks.levels[1].bytes), peaks.levels[1].gbytes);
  EXPECT_EQ(peaks.gbytes_of(1e15), peaks.gbytes);
}

TEST(Profile, EmptyUnlessAskedFor) {
  Predictor predictor(testing::fixture_config("mlp"));
  testing::run_on_noise(predictor);
  EXPECT_TRUE(predictor.GetProfile().steps.empty());
}

}  // namespace
}  // namespace chorus
