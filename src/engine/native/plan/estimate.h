// Rough times of steps and reorders on one thread, for choices at compile time: sizes that are not known are taken as typical ones.
#pragma once
#include <engine/native/candidate.h>

#include <map>
#include <string>

namespace chorus::native {

class Estimate {
 public:
  explicit Estimate(const Graph& graph);
  /// Nanoseconds of the node by this candidate (null: the reference kernel).
  double step_ns(NodeId node, const Candidate* candidate, LayoutForm form) const;
  /// Nanoseconds to bring a value [N, C, …] into channel blocks or out of them.
  double reorder_ns(ValueId value) const;
  /// Extents with typical numbers for symbols: 1 for the first axis of inputs, 64 for others.
  std::vector<int64_t> dims(const Type& type) const;

 private:
  const Graph& graph_;
  std::map<std::string, int64_t, std::less<>> symbols_;
};

}  // namespace chorus::native
