// The families of fast candidates, concatenated explicitly.
#include <engine/native/candidate.h>

#include <string_view>
#include <unordered_map>
#include <vector>

namespace chorus::native {
namespace {

using Table = std::unordered_map<std::string_view, std::vector<const Candidate*>>;
struct Tables {
  Table plain, blocked, quantized;
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
                                                 steps::recurrent_steps(),
                                                 steps::attention_steps(),
                                                 steps::tree_steps(),
                                                 steps::scaling_steps(),
                                                 steps::blocked_convolution_steps(),
                                                 steps::blocked_elementwise_steps(),
                                                 steps::blocked_movement_steps(),
                                                 steps::blocked_pooling_steps()};
  for (const auto& family : families) {
    for (const Candidate& candidate : family) {
      (candidate.blocked_operands != nullptr ? tables.blocked : tables.plain)[candidate.op].push_back(&candidate);
    }
  }
  for (const Candidate& candidate : steps::quantized_steps()) tables.quantized[candidate.op].push_back(&candidate);
  return tables;
}

const Tables& tables() {
  static const Tables all = make_tables();
  return all;
}

std::span<const Candidate* const> find(const Table& table, std::string_view op) {
  const auto found = table.find(op);
  if (found == table.end()) return {};
  return found->second;
}

}  // namespace

std::span<const Candidate* const> candidates(std::string_view op, LayoutForm form) {
  return find(form == LayoutForm::blocked ? tables().blocked : tables().plain, op);
}
std::span<const Candidate* const> quantized_candidates(std::string_view op) { return find(tables().quantized, op); }

}  // namespace chorus::native
