// LiteModel: a model from a .chorus file, run by the native engine. The whole interface of the edge profile (docs/lite.md), where the
// library has 0.9 MB; the full library has it too. C++17.
//   chorus::LiteModel model("squeezenet.chorus");            // chorus convert --lite squeezenet.onnx squeezenet.chorus
//   model.set_input(0, pixels.data(), pixels.size() * sizeof(float));
//   model.run();
//   const float* scores = static_cast<const float*>(model.output(0).data);
#pragma once
#include <chorus/dtype.h>
#include <chorus/error.h>
#include <chorus/export.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace chorus {

/// An input or output of the model.
struct LitePort {
  std::string name;
  DType dtype = DType::undefined;
  std::vector<int64_t> shape;  ///< extents, outermost first; -1: open until set_input
  bool has_rank = true;  ///< false: the model does not even say how many extents; shape is empty
};

/// What a run gave. `data` belongs to the model and holds until its next run.
struct LiteTensor {
  DType dtype = DType::undefined;
  std::vector<int64_t> shape;
  const void* data = nullptr;  ///< dense, row-major; null for zero elements
  size_t bytes = 0;
};

/// One run at a time. Every failure is an Error (chorus/error.h) and leaves the model as it was.
class CHORUS_API LiteModel {
 public:
  /// Reads and compiles a .chorus file. `threads`: computing threads, this one included; 0: one per processor that the process may use.
  /// Throws Error: not_found, bad_input (damaged, or another format), unsupported (an operator that this build left out).
  explicit LiteModel(const std::string& path, int threads = 1);
  /// From memory, which stays as long as the model; weights are used in place when it begins at a multiple of 64.
  static LiteModel from_memory(const void* bytes, size_t size, int threads = 1);
  ~LiteModel();
  LiteModel(LiteModel&&) noexcept;
  LiteModel& operator=(LiteModel&&) noexcept;

  const std::vector<LitePort>& inputs() const noexcept;
  const std::vector<LitePort>& outputs() const noexcept;

  /// Copies `bytes` bytes of dense row-major elements of the input's type. `shape` may be left out where the model says it.
  /// Throws Error: not_found (index), shape (extents, or bytes that they do not take), type (an input that is not a tensor of numbers).
  void set_input(size_t index, const void* data, size_t bytes, const std::vector<int64_t>& shape = {});
  /// Throws Error: bad_input (an input without a value and default), shape, budget …
  void run();
  /// Throws Error: not_found (index), bad_input (before the first run), type (an output that is not a tensor of numbers).
  LiteTensor output(size_t index) const;

 private:
  struct Impl;
  explicit LiteModel(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chorus
