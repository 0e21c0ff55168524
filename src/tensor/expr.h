// Expr: one call of an operator, or a leaf with its value. See docs: an evaluated expression is a leaf.
#pragma once
#include <chorus/tensor.h>
#include <ops/op_def.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace chorus {

struct ExprOutput {
  ValueKind kind = ValueKind::tensor;
  DType dtype = DType::undefined;
  bool fixed = false;                       ///< a tensor whose shape is known: `shape` counts, else `type`
  Shape shape;
  std::shared_ptr<const Type> type;
  std::shared_ptr<const Dims> known;        ///< elements that shape rules found, flat
  Value value;                              ///< once evaluated
  Type full_type() const;
};

enum class Weak : uint8_t { no, boolean, integer, real };  ///< a bare number: takes the type of what stands next to it

/// A call of a function with its own gradient: what its outputs keep.
struct CustomCall {
  virtual ~CustomCall();
  /// Gradients of the inputs (empty: none) from those of the outputs (empty: none).
  virtual std::vector<Tensor> backward(const std::vector<Tensor>& gradients) = 0;
  std::vector<Tensor> inputs;
  std::vector<std::weak_ptr<Expr>> results;
  uint64_t number = 0;  ///< later calls have larger ones
};
/// The gradient that backward adds up, of a tensor that requires one. `sum` may be a pending graph that reads the tensor, so graphs must not
/// own the cell: the user's tensors own it, and in their place the graphs take `variable`, a leaf with the same value that knows the cell.
struct GradientCell {
  std::mutex mutex;
  Tensor sum;
  Tensor variable;  ///< set once, before it is shared
};

struct Expr {
  const OpDef* op = nullptr;  ///< null: a leaf from the start
  Attributes attributes;
  std::vector<Tensor> inputs;  ///< guarded by graph_mutex() once shared; empty Tensors are omitted operands
  std::vector<ExprOutput> outputs;
  int32_t depth = 0;  ///< longest chain of pending calls that ends here
  int32_t mark = -1;  ///< of a capture in progress; guarded by graph_mutex()
  Weak weak = Weak::no;
  double number = 0;  ///< of a bare real number, in full precision
  bool keeps_history = false;
  bool tracks = false;  ///< requires gradients, or depends on what does; set before it is shared
  bool stops_gradient = false;  ///< detached
  std::shared_ptr<CustomCall> custom;  ///< output of a function with its own gradient
  std::shared_ptr<GradientCell> gradient;  ///< of a user's tensor that requires gradients
  std::weak_ptr<GradientCell> gradient_of_variable;  ///< of the leaf that graphs take in its place
  std::atomic<bool> done{false};  ///< all outputs have their values (acquire / release)
  ~Expr();
};

/// Guards the edges of all expressions: held for the walk of a capture and for dropping the operands of evaluated ones, never while
/// anything is computed.
std::mutex& graph_mutex() noexcept;
/// Lets go of operands without recursion.
void release_edges(std::vector<Tensor>& edges) noexcept;

Tensor make_leaf(Value value, Weak weak = Weak::no);
/// What a graph takes for the tensor: GradientCell::variable, or the tensor itself.
inline const Tensor& graph_leaf(const Tensor& tensor) {
  return tensor.defined() && tensor.expr()->gradient ? tensor.expr()->gradient->variable : tensor;
}
bool history_is_kept() noexcept;
/// Inside a NoGrad scope nothing keeps its history.
bool gradients_are_off() noexcept;
void turn_gradients_off(int by) noexcept;

}  // namespace chorus
