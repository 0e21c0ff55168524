// The interface between executor and kernels: one function per operator (or variant) that reads tensors, writes tensors, and
// neither throws, locks nor logs; it allocates only what its node's nature needs (sizes known after the run), from the run's budget.
// The same kernel serves a bound program (contexts made once at bind) and node-by-node execution.
#pragma once
#include <chorus/error.h>
#include <chorus/value.h>
#include <core/thread_pool.h>
#include <ops/context.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace chorus::native {

/// A dense tensor in memory: extents outermost first. Data is null only for zero elements (or strings: see KernelContext::strings).
struct TensorView {
  void* data = nullptr;
  const int64_t* dims = nullptr;
  int32_t rank = 0;
  DType dtype = DType::undefined;
  int64_t count = 0;  ///< elements
  /// Set for tensors in channel blocks [N, ceil(C / 16), spatial …, 16] (kernels of blocked candidates only; dims stay N, C, spatial):
  /// floats from one image to the next, larger than one image when the tensor is a range of a larger one's channels. The lanes behind
  /// the last channel hold any number: no kernel lets them flow into another lane.
  int64_t image_stride = 0;
  std::span<const int64_t> shape() const noexcept { return {dims, static_cast<size_t>(rank)}; }
  int64_t dim(int axis) const noexcept { return dims[axis < 0 ? axis + rank : axis]; }
  template <class T>
  T* as() const noexcept {
    return static_cast<T*>(data);
  }
};

/// Services of the executor for one run. All calls are noexcept; failures come back as a Status or null.
class KernelServices {
 public:
  virtual ~KernelServices() = default;
  virtual ThreadPool& pool() noexcept = 0;
  /// Memory until the kernel returns, aligned to 64 bytes; from an arena that is kept between runs. Null: budget exceeded.
  virtual void* scratch(int64_t bytes) noexcept = 0;
  /// Room for output i whose shape only the kernel knows (rows with Sizes::known_after_run).
  virtual Status allocate(int output, DType dtype, std::span<const int64_t> dims, TensorView* view) noexcept = 0;
  /// A whole output: strings, sequences, optionals, maps, or a tensor that shares an input's memory.
  virtual Status set_value(int output, Value value) noexcept = 0;
  /// Runs a body (attribute `name`: then_branch, body …) with the given inputs; outputs are appended.
  virtual Status run_body(std::string_view name, std::span<const Value> inputs,
                          std::vector<Value>& outputs) noexcept = 0;
  /// True when the run shall end (cancelled, past its deadline): long kernels ask now and then.
  virtual bool stop() noexcept = 0;
};

struct KernelContext {
  const AttrReader* attrs = nullptr;
  int n_in = 0, n_out = 0;
  const TensorView* in = nullptr;  ///< [n_in]; dtype undefined: omitted or not a tensor of numbers
  TensorView* out = nullptr;  ///< [n_out]; preallocated unless the row says known_after_run
  const Value* const* values = nullptr;  ///< [n_in] operands as Values (strings, sequences, optionals); null: omitted.
      ///< For plain tensors inside a bound program the entry may be null: use `in`.
  const bool* wanted = nullptr;  ///< [n_out] false: nobody reads this output, out[i].dtype is undefined
  const Type* out_types = nullptr;  ///< [n_out] what the shape rule says of the outputs; may be null (bound programs)
  KernelServices* services = nullptr;
  const void* prepared = nullptr;  ///< what the candidate's prepare step made (packed weights, tables)
  const void* bound = nullptr;  ///< what the candidate's bind step made for these sizes
  uint64_t random_seed = 0;  ///< of the run, for random kernels; with a counter per node in random_stream
  uint64_t random_stream = 0;

  bool has(int i) const noexcept {
    return i < n_in && (in[i].dtype != DType::undefined || (values && values[i] && *values[i]));
  }
  bool wants(int i) const noexcept { return i < n_out && wanted[i]; }
  const Strings& strings(int i) const noexcept { return *values[i]->strings_ptr(); }
};

using KernelFn = Status (*)(KernelContext&) noexcept;

/// Reference kernels: plain C++, every type of the row, the oracle of the fast ones. For float32 (and narrower) operands they sum in
/// the type that the row promises; for float64 operands in float64, so that the float64 oracle of a model is the same kernel.
struct KernelRow {
  std::string_view op;
  KernelFn run;
  std::string_view domain = "";
};

/// The reference kernel of an operator's newest version, or null (then its decomposition is used).
KernelFn find_reference(std::string_view domain, std::string_view op) noexcept;
/// Adds the kernel of a custom operator; the names must live for the rest of the process.
void register_reference(std::string_view domain, std::string_view op, KernelFn run);

// Families, one file each in engine/native/reference/, concatenated in reference/table.cpp.
namespace reference {
std::span<const KernelRow> elementwise_kernels();
std::span<const KernelRow> unary_kernels();
std::span<const KernelRow> activation_kernels();
std::span<const KernelRow> reduction_kernels();
std::span<const KernelRow> movement_kernels();
std::span<const KernelRow> indexing_kernels();
std::span<const KernelRow> creation_kernels();
std::span<const KernelRow> cast_kernels();
std::span<const KernelRow> matrix_kernels();
std::span<const KernelRow> convolution_kernels();
std::span<const KernelRow> normalization_kernels();
std::span<const KernelRow> recurrent_kernels();
std::span<const KernelRow> attention_kernels();
std::span<const KernelRow> control_kernels();
std::span<const KernelRow> sequence_kernels();
std::span<const KernelRow> loss_kernels();
std::span<const KernelRow> vision_kernels();
std::span<const KernelRow> signal_kernels();
std::span<const KernelRow> ml_kernels();
std::span<const KernelRow> linear_kernels();
std::span<const KernelRow> tree_kernels();
std::span<const KernelRow> training_kernels();
std::span<const KernelRow> gradient_kernels();
}  // namespace reference

}  // namespace chorus::native
