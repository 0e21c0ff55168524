// Gradients of tensors. Operations on a tensor that requires gradients remember their operands, also after they were evaluated; so do
// all operations inside a KeepHistory scope (chorus/tensor.h). Everything else forgets them: an evaluated tensor is a leaf.
#pragma once
#include <chorus/tensor.h>

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace chorus {

/// What becomes of an input that no output depends on.
enum class Unused : uint8_t { error, zeros, empty };

struct GradOptions {
  std::vector<Tensor>
      seeds;  ///< one per output, of its shape and type; none: the outputs have one element each, its seed is 1
  Unused unused = Unused::error;  ///< error: Error(bad_input) that names the operator where the path ends
  bool differentiable = false;  ///< the gradients keep their history: they can be differentiated again
};

/// Gradients of the sum over all outputs of <seed, output>, one per input, of its shape and type; lazy like every tensor. An input may be any
/// tensor of the history, also an intermediate one. Throws Error(bad_input) for outputs without history, for several elements without a
/// seed and for inputs that nothing depends on; Error(unsupported) naming an operator without gradient rule.
///   KeepHistory scope; Tensor y = x * x; Tensor dy = grad(y, x);   // 2 x
CHORUS_API std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                                    const GradOptions& options = {});
CHORUS_API std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                                    const GradOptions& options = {});
CHORUS_API Tensor grad(const Tensor& output, const Tensor& input, const GradOptions& options = {});

/// The tensor itself, evaluated, a leaf that requires gradients: what is computed from it keeps its history, and backward gives it a gradient.
/// Throws Error(type) unless its elements are floats or complex numbers.
CHORUS_API Tensor requires_grad(const Tensor& tensor);
/// Whether gradients flow to or through the tensor.
CHORUS_API bool tracks_gradients(const Tensor& tensor) noexcept;
/// The same values, without history.
CHORUS_API Tensor detach(const Tensor& tensor);

/// Adds to the gradient of every tensor that requires one and that `output` depends on. seed: as for grad. Throws Error(bad_input) when there is none.
CHORUS_API void backward(const Tensor& output, const Tensor& seed = {});
/// What backward calls have added up since the last clear; empty: nothing.
CHORUS_API Tensor gradient(const Tensor& tensor);
/// Puts another gradient in its place (empty: none). Throws Error(shape|type) unless it is like the tensor.
CHORUS_API void set_gradient(const Tensor& tensor, const Tensor& gradient);

/// While it lives, nothing that this thread computes keeps its history.
class CHORUS_API NoGrad {
 public:
  NoGrad() noexcept;
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;
};

/// A function with a gradient of its own.
class CHORUS_API CustomFunction {
 public:
  virtual ~CustomFunction() = default;
  /// Runs without history.
  virtual std::vector<Tensor> forward(std::span<const Tensor> inputs) = 0;
  /// Gradients of the inputs (empty: none) from those of the outputs (empty: none flows there).
  virtual std::vector<Tensor> backward(std::span<const Tensor> inputs, std::span<const Tensor> outputs,
                                       std::span<const Tensor> gradients) = 0;
};
/// The outputs of `function`, which is kept as long as their history.
CHORUS_API std::vector<Tensor> apply(const std::shared_ptr<CustomFunction>& function,
                                     const std::vector<Tensor>& inputs);
/// The tensor itself; on the way back `hook` sees its gradient and may give another in its place (empty: the same).
CHORUS_API Tensor with_hook(const Tensor& tensor, std::function<Tensor(const Tensor& gradient)> hook);

}  // namespace chorus
