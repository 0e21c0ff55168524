// Values between the plug-in interface and OpenVINO.
#pragma once
#include <chorus/engine_abi.h>
#include <engine/adapter/adapter.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "openvino.h"

namespace chorus_openvino {

using namespace chorus_adapter;

/// What OpenVINO said last, without the places in its source. Of this process: another thread's failure may have come between.
std::string last_message(const Functions& ov);

/// Throws Failure for a status that is not ok.
void check(const Functions& ov, Status status, const char* doing);

/// OpenVINO's number of ONNX's element type; 0 where it has none.
int to_openvino_type(int dtype) noexcept;
/// ONNX's number of OpenVINO's element type; 0 where it has none.
int to_onnx_type(int type) noexcept;

struct ReleaseTensor {
  const Functions* ov;
  void operator()(OvTensor* tensor) const { ov->tensor_free(tensor); }
};
using TensorPointer = std::unique_ptr<OvTensor, ReleaseTensor>;

/// Over the same memory for numbers; strings are copied. Sequences, maps and optional values throw.
TensorPointer to_openvino(const Functions& ov, const ch_value& value);

/// Memory behind the ch_values of one run; cleared by the next.
class Results {
 public:
  explicit Results(const Functions& ov) : ov_(ov) {}
  void clear();
  /// Describes `tensor` in `out` and keeps it.
  void show(TensorPointer tensor, ch_value& out);
  std::vector<int64_t> shape_of(const OvTensor* tensor) const;

 private:
  void show_strings(const void* data, size_t count, ch_value& out);
  const Functions& ov_;
  std::deque<TensorPointer> tensors_;
  std::deque<std::vector<int64_t>> numbers_;
  std::deque<std::string> texts_;
};

}  // namespace chorus_openvino
