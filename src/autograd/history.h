// The history behind some tensors as a graph.
#pragma once
#include <graph/graph.h>
#include <tensor/expr.h>

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace chorus::autograd {

struct History {
  Graph graph;
  int nodes = 0;                        ///< of the history; what stands behind them was added
  std::vector<Tensor> tensors;          ///< by value id: the tensor that a value of the history is
  /// The value of a tensor; kNone when it is not part of the history.
  ValueId value_of(const Tensor& tensor) const;
  std::unordered_map<const Expr*, ValueId> first;   ///< value of output 0
};

/// What a history begins with, found without making its graph.
struct Leaves {
  std::vector<std::shared_ptr<Expr>> customs;  ///< outputs of custom functions, operands first
  std::vector<Tensor> required;                ///< leaves that require gradients
};
Leaves leaves_of(std::span<const Tensor> outputs);

enum class Extents : uint8_t { symbols, numbers };
/// symbols: extents other than 1 are unknown to rules, equal ones are known to be equal.
History history_of(std::span<const Tensor> outputs, Extents extents);

}  // namespace chorus::autograd
