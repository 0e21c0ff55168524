// The choice of layouts: which steps run over channel blocks, so that the time of all steps and of the reorders between them is
// least. Exact: with two layouts it is a minimum cut.
#pragma once
#include <cstdint>
#include <vector>

namespace chorus::native {

/// A step as the choice sees it. Values are numbered by the caller.
struct LayoutStep {
  double plain_ns = 0;  ///< estimated time of the plain form on one thread
  double blocked_ns = -1;  ///< of the blocked form; negative: there is none
  std::vector<int> follows;  ///< values that are read in the layout in which the step runs
  std::vector<int> plain;  ///< values that are read plain in either form
  std::vector<int> makes;  ///< values that are made in the layout in which the step runs; others are plain
};

struct LayoutProblem {
  std::vector<LayoutStep> steps;
  std::vector<double> reorder_ns;  ///< per value: to bring it into the other layout, once for all its readers
  std::vector<bool> read_plain;  ///< per value: something outside of the steps reads it plain (outputs)
};

/// Per step: true where the blocked form is chosen. Past a bound of work (graphs far larger than any network) all are plain.
std::vector<bool> choose_layouts(const LayoutProblem& problem);

}  // namespace chorus::native
