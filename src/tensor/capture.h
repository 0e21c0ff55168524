// What an evaluation has to compute: the pending calls behind some tensors, producers first.
#pragma once
#include <tensor/expr.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace chorus {

/// Operands of captured nodes: ≥ 0 a value made by a node, kOmitted, or a leaf by leaf_operand(index).
inline constexpr int32_t kOmitted = -1;
constexpr int32_t leaf_operand(int32_t leaf) noexcept { return -2 - leaf; }
constexpr bool is_leaf_operand(int32_t operand) noexcept { return operand <= -2; }
constexpr int32_t leaf_of(int32_t operand) noexcept { return -2 - operand; }

struct CapturedNode {
  std::shared_ptr<Expr> expr;
  int32_t operands = 0;       ///< begin in Capture::operands
  int32_t operand_count = 0;
  int32_t value = 0;          ///< number of output 0; the others follow
  bool kept = false;          ///< somebody besides the captured nodes holds it: its values are stored
};
struct Capture {
  std::vector<Value> leaves;
  std::vector<CapturedNode> nodes;
  std::vector<int32_t> operands;
  int32_t values = 0;
  std::span<const int32_t> operands_of(const CapturedNode& n) const {
    return {operands.data() + n.operands, static_cast<size_t>(n.operand_count)};
  }
};

Capture capture(std::span<const Tensor> targets);
/// Stores the values of the kept nodes (values[number]) and lets their operands go.
void commit(Capture& captured, std::vector<Value>& values);

}  // namespace chorus
