// Element-wise steps with epilogues as one pass over memory, in either layout.
#pragma once
#include <engine/native/steps/support.h>

#include <optional>
#include <vector>

namespace chorus::native::steps {

/// The kernel's name of an operator of one operand; false when it has none.
bool unary_of(const StepDescription& step, fast::ChainStep* out);
/// Operators of two operands: Add, Sub …; Sum of two is an Add.
std::optional<fast::Binary> binary_of(std::string_view op) noexcept;

/// One operation of a chain whose operand comes with the run (`input` >= 0) or is kept here.
struct PreparedChainStep {
  fast::ChainStep step;
  int input = -1;
  std::vector<float> constant;   ///< padded to whole blocks of channels
};

struct PreparedChain final : Prepared {
  int source = 0;                ///< operand that the chain starts with
  std::vector<PreparedChainStep> steps;
  int64_t bytes() const noexcept override {
    int64_t sum = 0;
    for (const auto& s : steps) sum += static_cast<int64_t>(s.constant.size() * sizeof(float));
    return sum;
  }
};

/// Epilogue kinds that a chain takes in.
uint32_t chain_epilogues() noexcept;
/// Adds the step's epilogues.
void add_epilogues(const StepDescription& step, PreparedChain* chain);
/// Runs it over channel blocks: operands that meet elements or channels are blocked tensors.
Status run_chain_blocked(KernelContext& ctx) noexcept;

}  // namespace chorus::native::steps
