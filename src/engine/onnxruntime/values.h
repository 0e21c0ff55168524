// Values between the plug-in interface and ONNX Runtime.
#pragma once
#include <chorus/engine_abi.h>
#include <engine/adapter/adapter.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "ort.h"

namespace chorus_ort {

using namespace chorus_adapter;

/// What a session, value … is made with.
struct Context {
  Ort ort;
  std::string version;
  OrtEnv* env = nullptr;
  OrtMemoryInfo* memory = nullptr;
  OrtAllocator* allocator = nullptr;   ///< ONNX Runtime's own, not released
};

/// Throws Failure for a status that is none; releases it.
void check(const Ort& ort, OrtStatus* status, const char* doing);

struct ReleaseValue {
  const Ort* ort;
  void operator()(OrtValue* value) const { ort->ReleaseValue(value); }
};
using ValuePointer = std::unique_ptr<OrtValue, ReleaseValue>;

inline constexpr int kLastType = 23;   ///< of ONNX's element types that 1.31 has under the same number: float4e2m1
/// Bits of an element; 0 for strings and unknown types.
int bits_of(int dtype) noexcept;

/// Over the same memory for numbers; strings, sequences and maps are copied.
ValuePointer to_ort(const Context& context, const ch_value& value);

/// Memory behind the ch_values of one run; cleared by the next.
class Results {
 public:
  explicit Results(const Context& context) : context_(context) {}
  void clear();
  /// Describes `value` in `out` and keeps it.
  void show(ValuePointer value, ch_value& out);

 private:
  void show_tensor(OrtValue* value, ch_value& out);
  void show_strings(OrtValue* value, size_t count, ch_value& out);
  const Context& context_;
  std::deque<ValuePointer> values_;
  std::deque<std::vector<int64_t>> numbers_;
  std::deque<std::string> texts_;
  std::deque<ch_value> items_;
  std::deque<std::vector<const ch_value*>> lists_;
};

}  // namespace chorus_ort
