// The choice of layouts against trying out every combination.
#include <engine/native/plan/layout.h>

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace chorus::native {
namespace {

// The time of a choice, straight from the meaning: steps, and one reorder per value whose readers want another layout.
double time_of(const LayoutProblem& p, const std::vector<bool>& blocked) {
  double ns = 0;
  const size_t values = p.reorder_ns.size();
  std::vector<bool> made(values, false), read_plain(p.read_plain), read_blocked(values, false);
  for (size_t s = 0; s < p.steps.size(); ++s) {
    const LayoutStep& step = p.steps[s];
    if (blocked[s] && step.blocked_ns < 0) return std::numeric_limits<double>::infinity();
    ns += blocked[s] ? step.blocked_ns : step.blocked_ns < 0 ? 0 : step.plain_ns;
    for (int v : step.makes) made[static_cast<size_t>(v)] = blocked[s];
    for (int v : step.follows) (blocked[s] ? read_blocked : read_plain)[static_cast<size_t>(v)] = true;
    for (int v : step.plain) read_plain[static_cast<size_t>(v)] = true;
  }
  for (size_t v = 0; v < values; ++v) {
    if (made[v] ? read_plain[v] : read_blocked[v]) ns += p.reorder_ns[v];
  }
  return ns;
}

LayoutProblem random_problem(std::mt19937& random, int steps) {
  auto roll = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  LayoutProblem p;
  for (int v = 0; v <= steps; ++v) {
    p.reorder_ns.push_back(roll(40));
    p.read_plain.push_back(roll(5) == 0);
  }
  for (int s = 0; s < steps; ++s) {   // step s makes value s + 1 and reads some of those before
    LayoutStep step;
    step.plain_ns = roll(60);
    if (roll(4) != 0) {
      step.blocked_ns = roll(60);
      step.makes.push_back(s + 1);
    }
    for (int reads = 1 + roll(3); reads > 0; --reads) {
      const int v = roll(s + 1);
      (roll(4) == 0 ? step.plain : step.follows).push_back(v);
    }
    p.steps.push_back(std::move(step));
  }
  return p;
}

TEST(LayoutChoice, IsTheCheapestOfAllCombinations) {
  std::mt19937 random(5);
  int some_blocked = 0;
  for (int i = 0; i < 400; ++i) {
    const int steps = 1 + i % 10;
    const LayoutProblem p = random_problem(random, steps);
    double least = std::numeric_limits<double>::infinity();
    for (unsigned mask = 0; mask < 1U << steps; ++mask) {
      std::vector<bool> blocked;
      for (int s = 0; s < steps; ++s) blocked.push_back((mask >> s & 1) != 0);
      least = std::min(least, time_of(p, blocked));
    }
    const std::vector<bool> chosen = choose_layouts(p);
    some_blocked += std::count(chosen.begin(), chosen.end(), true) > 0;
    EXPECT_NEAR(time_of(p, chosen), least, 1e-9) << "problem " << i;
  }
  EXPECT_GT(some_blocked, 100);
}

TEST(LayoutChoice, AReorderForManyReadersIsPaidOnce) {
  // One plain-only maker, five readers that each save 3 when blocked; the reorder costs 10: worth it together, for none alone.
  LayoutProblem p;
  p.reorder_ns = {10};
  p.read_plain = {false};
  p.steps.push_back({1, -1, {}, {}, {}});
  for (int i = 0; i < 5; ++i) p.steps.push_back({8, 5, {0}, {}, {}});
  EXPECT_EQ(choose_layouts(p), (std::vector<bool>{false, true, true, true, true, true}));
  p.steps.resize(4);
  EXPECT_EQ(choose_layouts(p), std::vector<bool>(4, false));
}

TEST(LayoutChoice, AHundredThousandStepsAreChosenInTime) {
  LayoutProblem p;
  p.reorder_ns.assign(100'001, 5);
  p.read_plain.assign(100'001, false);
  for (int s = 0; s < 100'000; ++s)
    p.steps.push_back({static_cast<double>(s % 17), static_cast<double>(s % 13), {s}, {}, {s + 1}});
  EXPECT_EQ(choose_layouts(p).size(), 100'000U);
}

}  // namespace
}  // namespace chorus::native
