// The families of fast candidates, concatenated explicitly.
#include <engine/native/candidate.h>

#include <string_view>
#include <unordered_map>
#include <vector>

namespace chorus::native {
namespace {

using Table = std::unordered_map<std::string_view, std::vector<const Candidate*>>;
struct Tables {
  Table plain, blocked;
};

Tables make_tables() {
  Tables tables;
  const std::span<const Candidate> families[] = {steps::convolution_steps(),
                                                 steps::matrix_steps(),
                                                 steps::elementwise_steps(),
                                                 steps::activation_steps(),
                                                 steps::normalization_steps(),
                                                 steps::pooling_steps(),
                                                 steps::movement_steps(),
                                                 steps::reduction_steps(),
                                                 steps::tree_steps(),
                                                 steps::blocked_convolution_steps(),
                                                 steps::blocked_elementwise_steps(),
                                                 steps::blocked_movement_steps(),
                                                 steps::blocked_pooling_steps()};
  for (const auto& family : families) {
    for (const Candidate& candidate : family) {
      (candidate.blocked_operands != nullptr ? tables.blocked : tables.plain)[candidate.op].push_back(&candidate);
    }
  }
  return tables;
}

}  // namespace

std::span<const Candidate* const> candidates(std::string_view op, LayoutForm form) {
  static const Tables tables = make_tables();
  const Table& table = form == LayoutForm::blocked ? tables.blocked : tables.plain;
  const auto found = table.find(op);
  if (found == table.end()) return {};
  return found->second;
}

}  // namespace chorus::native
