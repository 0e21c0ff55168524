// The families of fast candidates, concatenated explicitly.
#include <engine/native/candidate.h>

#include <string_view>
#include <unordered_map>
#include <vector>

namespace chorus::native {
namespace {

using Table = std::unordered_map<std::string_view, std::vector<const Candidate*>>;

Table make_table() {
  Table table;
  const std::span<const Candidate> families[] = {
      steps::convolution_steps(),   steps::matrix_steps(),  steps::elementwise_steps(), steps::activation_steps(),
      steps::normalization_steps(), steps::pooling_steps(), steps::movement_steps(),    steps::reduction_steps()};
  for (const auto& family : families) {
    for (const Candidate& candidate : family) table[candidate.op].push_back(&candidate);
  }
  return table;
}

}  // namespace

std::span<const Candidate* const> candidates(std::string_view op) {
  static const Table table = make_table();
  const auto found = table.find(op);
  if (found == table.end()) return {};
  return found->second;
}

}  // namespace chorus::native
