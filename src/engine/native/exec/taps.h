// Which values of a plan can be read when: for hooks that see what a run makes.
#pragma once
#include <engine/native/plan/plan.h>

#include <vector>

namespace chorus::native {

/// Lists of tensors: [0] are there before the first step (known from the shapes, views of inputs), [s + 1] as soon as step s has run: what it
/// wrote, views of that, and tensors whose last part it wrote. Every value of the graph that a tensor holds stands in one list, but inputs and constants.
std::vector<std::vector<int>> taps_of(const Plan& plan);

}  // namespace chorus::native
