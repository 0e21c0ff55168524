// Models: the interface class "model management" of the inference-engine API. C++17.
//   auto model = api::Model::Load("lenet.onnx");
//   auto compiled = model.Compile({});
//   auto instance = compiled.CreateInstance();          // chorus/infer.h
#pragma once
#include <chorus/device.h>
#include <chorus/dtype.h>
#include <chorus/error.h>
#include <chorus/export.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace chorus {
namespace api {

class Instance;
struct InstanceOptions;

/// An input or output of a model.
struct PortInfo {
  std::string name;
  DType dtype = DType::undefined;
  bool has_rank = false;
  std::vector<int64_t> shape;          ///< -1: dynamic
  std::vector<std::string> dims;       ///< as written: "batch", "3", "?"
  std::string kind;                    ///< "tensor", "sequence", "optional", "map"
  std::string layout;                  ///< "NCHW" where the model's operators say so, else ""
};

struct ParameterInfo {
  std::string name;
  DType dtype = DType::undefined;
  std::vector<int64_t> shape;
  int64_t bytes = 0;
};

struct NodeInfo {
  std::string name, domain, op;
  int version = 0;                     ///< of the operator; 0: unknown to the table
  std::vector<std::string> inputs, outputs;  ///< names of values; empty: omitted
};

struct LoadOptions {
  int64_t max_bytes = int64_t{1} << 40;        ///< of the file
  int64_t max_tensor_bytes = int64_t{64} << 30;
  std::string params;                          ///< file of the external tensors when it is not beside the model
};

struct CompileOptions {
  std::string engine;  ///< as Config::SetEngine; empty: CHORUS_ENGINE of the environment, else "native"
  std::string precision = "f32";  ///< "f32", "bf16", "f16", "int8"
  bool optimize = true;
  bool reference_kernels = false;  ///< the oracle
  int64_t memory_limit = int64_t{16} << 30;  ///< bytes that one instance may hold
  std::vector<std::string> outputs;  ///< only these; empty: all
  std::string cache_dir;  ///< as Config::SetCacheDir, keyed by what the model holds; empty: nowhere
  int64_t cache_bytes = int64_t{4} << 30;
};

/// Weights and code; a handle, copies are the same.
class CHORUS_API CompiledModel {
 public:
  /// The instance keeps the weights alive. Defined in chorus/infer.h's library part: include it to use the result.
  Instance CreateInstance() const;
  Instance CreateInstance(const InstanceOptions& options) const;
  /// Writes the optimised graph with its weights as one image (position-independent, weights used in place when it is loaded).
  void Save(const std::string& path) const;
  /// An image that Save wrote; bad_input for damaged ones. Weights are packed anew for this processor.
  static CompiledModel Load(const std::string& path, const CompileOptions& options = {});
  static CompiledModel Load(const std::string& path, const CompileOptions& options, const Device& device);
  /// Executed steps: fused nodes count once; bringing a tensor into another layout counts too (a step without nodes in a Profile).
  int64_t step_count() const;
  std::string Print(const std::string& level) const;  ///< "plan", "kernel"

  struct Impl;
  explicit CompiledModel(std::shared_ptr<Impl> impl);
  ~CompiledModel();
  CompiledModel(const CompiledModel&);
  CompiledModel& operator=(const CompiledModel&);

 private:
  std::shared_ptr<Impl> impl_;
};

/// A model as read; a handle, copies are the same.
class CHORUS_API Model {
 public:
  /// An .onnx or .chorus file; weights are used in place from the mapped file. Throws Error: not_found, bad_input (with the place in the file), budget.
  static Model Load(const std::string& path, const LoadOptions& options = {});
  /// From memory that `owner` keeps; null: copied.
  static Model LoadBuffer(const void* data, size_t bytes, std::shared_ptr<const void> owner = nullptr,
                          const LoadOptions& options = {});
  /// `read(buffer, n)` fills up to n bytes and returns how many, 0 at the end: other sources, compressed or encrypted files.
  using Reader = std::function<size_t(void* buffer, size_t n)>;
  static Model LoadCallback(const Reader& read, const LoadOptions& options = {});

  std::vector<PortInfo> inputs() const;
  std::vector<PortInfo> outputs() const;
  std::vector<NodeInfo> nodes() const;
  std::vector<ParameterInfo> parameters() const;
  /// Bytes of a parameter in row-major order (strings: none); valid as long as the model. Error(not_found) for an unknown name.
  std::pair<const void*, size_t> parameter_data(const std::string& name) const;
  const std::string& source() const noexcept;
  std::vector<std::pair<std::string, std::string>> metadata() const;
  std::vector<std::pair<std::string, int64_t>> opsets() const;  ///< domain ("" is ai.onnx) → version
  std::string producer() const;  ///< program and version that wrote the file
  int64_t ir_version() const noexcept;
  std::string graph() const;  ///< printed form
  uint64_t graph_hash() const;  ///< of structure and parameters; the same however it was loaded
  int64_t weight_bytes() const;

  CompiledModel Compile(const CompileOptions& options = {}) const;
  CompiledModel Compile(const CompileOptions& options, const Device& device) const;

  /// The functions of this model (FunctionProto) can be called by every model that is loaded from now on, until the process ends; types and
  /// gradients follow from their nodes. A model's own function of the same name goes first. Returns how many there are.
  /// Throws Error(bad_input) when there is none, Error(already_exists) for a name that is taken.
  int RegisterFunctions() const;

  struct Impl;
  explicit Model(std::shared_ptr<const Impl> impl);
  ~Model();
  Model(const Model&);
  Model& operator=(const Model&);

 private:
  std::shared_ptr<const Impl> impl_;
};

/// A custom operator for RegisterOp. Tensors are dense, row-major; extents outermost first.
struct CustomTensor {
  DType dtype = DType::undefined;
  std::vector<int64_t> shape;
  const void* data = nullptr;  ///< of an input
  void* out = nullptr;  ///< of an output, to be written
};
struct CustomOp {
  std::string domain, name;
  int version = 1;
  /// As in the operator table: "(T x) -> (T y) {alpha: float = 1.0}; T = f32 f64" (docs/how_to_add_an_operator.md).
  std::string signature;
  std::string doc;
  using Numbers = std::function<double(const std::string& attribute)>;  ///< value of a float or int attribute
  /// Extents of all outputs from those of the inputs (-1: not known yet; then also -1 in the result). Null: each output like input 0.
  std::function<std::vector<std::vector<int64_t>>(const std::vector<std::vector<int64_t>>& inputs,
                                                  const Numbers& attribute)>
      shape;
  /// Computes; returns an empty string or what is wrong with the data. Called by one thread at a time per instance.
  std::function<std::string(const std::vector<CustomTensor>& inputs, std::vector<CustomTensor>& outputs,
                            const Numbers& attribute)>
      compute;
  /// The gradients of the inputs: writes `input_gradients`, which are like the inputs and hold zeros before (`out` null: nobody asks for
  /// it, or the input has no real or complex numbers). `output_gradients` are like the outputs. Returns as compute does. It becomes an
  /// operator of its own, NAMEGradient in the same domain.
  std::function<std::string(const std::vector<CustomTensor>& inputs, const std::vector<CustomTensor>& outputs,
                            const std::vector<CustomTensor>& output_gradients,
                            std::vector<CustomTensor>& input_gradients, const Numbers& attribute)>
      gradient;
  /// Instead: why there is none ("labels"); nothing flows back then. Without either a derivative is refused with the operator's name.
  std::string no_gradient;
  /// Cases for CheckOp, as in the operator table: "f32[2,3]; f32[0]; f64[]@0..1 alpha=0.5".
  std::string cases;
};

/// For every model compiled from now on, until the process ends. Throws Error(already_exists), Error(bad_input) for a wrong signature.
CHORUS_API void RegisterOp(CustomOp op);
/// Checks any operator on its cases (CustomOp::cases, or the grid of a row of the table), as the tests of the table do: shape rule and
/// kernel agree, with known and with unknown extents; equal operands give equal bits; a decomposition gives the kernel's values;
/// derivatives are those of central differences, and none where a reason says so. Returns a sentence for everything that is wrong; empty:
/// nothing. `seed`: of the operands. Throws Error(not_found) for an unknown operator.
CHORUS_API std::vector<std::string> CheckOp(const std::string& domain, const std::string& name, uint64_t seed = 1);
/// Opens a shared object and calls its `extern "C" void chorus_register_ops(void (*add)(chorus::api::CustomOp))`. Those named in the
/// environment variable CHORUS_PLUGIN (paths, ':' between) are opened by the first Model or Predictor.
CHORUS_API void LoadPlugin(const std::string& path);

}  // namespace api
}  // namespace chorus
