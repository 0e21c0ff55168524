#include <engine/native/exec/taps.h>

#include <gtest/gtest.h>

namespace chorus::native {
namespace {

using Lists = std::vector<std::vector<int>>;

/// Tensors in order: parent of each; every tensor holds a value of its own.
Plan plan_of(const std::vector<int>& parents) {
  Plan plan;
  for (size_t t = 0; t < parents.size(); ++t) {
    PlanTensor tensor;
    tensor.value = static_cast<ValueId>(t);
    tensor.parent = parents[t];
    plan.tensors.push_back(tensor);
  }
  return plan;
}
void add_step(Plan& plan, std::vector<int> inputs, std::vector<int> outputs) {
  PlanStep step;
  step.inputs = std::move(inputs);
  step.outputs = std::move(outputs);
  plan.steps.push_back(std::move(step));
}
void make_input(Plan& plan, int tensor) {
  plan.tensors[static_cast<size_t>(tensor)].place = Place::input;
  plan.inputs.push_back(tensor);
}

TEST(Taps, ViewsComeWithWhatTheyShare) {
  Plan plan = plan_of({-1, 0, -1, 2, 3});   // input 0 and its view 1; 2 with its view 3 and that one's view 4
  make_input(plan, 0);
  add_step(plan, {1}, {2});
  EXPECT_EQ(taps_of(plan), (Lists{{1}, {2, 3, 4}}));   // the input itself is no intermediate value
}

TEST(Taps, AWholeComesWithItsLastPart) {
  Plan plan = plan_of({-1, 2, -1, 2, 2});   // 2 is written as 1 and 3; 4 is a view of it
  make_input(plan, 0);
  add_step(plan, {0}, {1});
  add_step(plan, {0}, {3});
  EXPECT_EQ(taps_of(plan), (Lists{{}, {1}, {2, 3, 4}}));
}

TEST(Taps, WhatIsOverwrittenIsSeenBefore) {
  Plan plan = plan_of({-1, -1, 1, 2});   // 1, its view 2, and 3 written over 2
  make_input(plan, 0);
  add_step(plan, {0}, {1});
  add_step(plan, {2}, {3});
  EXPECT_EQ(taps_of(plan), (Lists{{}, {1, 2}, {3}}));

  plan = plan_of({-1, 2, -1, 2, 2});   // 2 is written as 1 and 3, then 4 over the whole
  make_input(plan, 0);
  add_step(plan, {0}, {1});
  add_step(plan, {0}, {3});
  add_step(plan, {2}, {4});
  EXPECT_EQ(taps_of(plan), (Lists{{}, {1}, {2, 3}, {4}}));
}

TEST(Taps, AValueIsSeenOnce) {
  Plan plan = plan_of({-1, -1, -1});
  plan.tensors[2].value = 1;             // the same in another layout
  make_input(plan, 0);
  add_step(plan, {0}, {1});
  add_step(plan, {1}, {2});
  EXPECT_EQ(taps_of(plan), (Lists{{}, {1}, {}}));
}

}  // namespace
}  // namespace chorus::native
