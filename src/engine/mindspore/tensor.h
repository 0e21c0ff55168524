// Tensors of the walk, and the calls of MindSpore's kernels that make them. No header of MindSpore is seen here: kernel.cpp alone has them.
#pragma once
#include <engine/adapter/adapter.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace chorus_mindspore {

using namespace chorus_adapter;
using Ints = std::vector<int64_t>;

/// Element types by ONNX's numbers.
enum Type : int {
  kNoType = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kHalf = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
};
/// Whether MindSpore has the type of ONNX's number (it has none below a byte, no float8 here, and no strings).
bool has_type(int dtype) noexcept;
/// "float32", "int8" …
const char* type_name(int type) noexcept;
size_t type_bytes(int type) noexcept;
inline bool is_float(int t) { return t == kFloat || t == kDouble || t == kHalf || t == kBfloat16; }
inline bool is_unsigned(int t) { return t == kUint8 || t == kUint16 || t == kUint32 || t == kUint64; }
inline bool is_complex(int t) { return t == kComplex64 || t == kComplex128; }
inline bool is_integer(int t) { return is_unsigned(t) || t == kInt8 || t == kInt16 || t == kInt32 || t == kInt64; }
/// Elements of a shape.
int64_t count_of(const Ints& dims) noexcept;

/// Memory with its end: 64-aligned, freed with the last tensor over it. Throws std::bad_alloc.
std::shared_ptr<char> new_memory(size_t bytes);

/// A dense tensor, shared; undefined when made by default. Nothing writes to it after the call that made it.
class Tensor {
 public:
  Tensor() = default;
  /// A new one, of what is in memory.
  Tensor(int type, Ints dims);
  /// Over somebody's memory; `owner` may be null where it outlives the tensor.
  Tensor(int type, Ints dims, void* data, std::shared_ptr<char> owner);
  explicit operator bool() const { return held_ != nullptr; }
  int type() const { return held_->type; }
  const Ints& dims() const { return held_->dims; }
  int64_t rank() const { return static_cast<int64_t>(held_->dims.size()); }
  int64_t dim(int64_t axis) const { return held_->dims[static_cast<size_t>(axis)]; }
  int64_t count() const { return held_->count; }
  size_t bytes() const { return static_cast<size_t>(held_->count) * type_bytes(held_->type); }
  void* data() const { return held_->data; }
  template <class T>
  T* as() const {
    return static_cast<T*>(held_->data);
  }
  /// Whether the memory is the tensor's own, not the host's.
  bool owns() const { return held_->owner != nullptr; }
  /// The same elements under another shape or type of the same size.
  Tensor viewed(Ints dims) const { return {type(), std::move(dims), data(), held_->owner}; }
  Tensor viewed(int type) const { return {type, dims(), data(), held_->owner}; }

 private:
  struct Held {
    int type;
    Ints dims;
    int64_t count;
    void* data;
    std::shared_ptr<char> owner;
  };
  std::shared_ptr<const Held> held_;
};
using Tensors = std::vector<Tensor>;

/// A tensor over the host's memory, which nothing writes; it must outlive the tensor. Throws Failure for a type that MindSpore lacks.
Tensor view_of(const ch_value& value);
/// A tensor with a copy of these elements.
Tensor copy_of(int type, const Ints& dims, const void* data);
/// [n] of int32 or int64.
Tensor vector_of(const Ints& values, int type = kInt64);
/// A number in any type but complex ones.
Tensor scalar_of(double value, int type);
/// Elements as integers; of an integer or boolean tensor.
Ints to_ints(const Tensor& tensor);
/// The first element as a number.
double to_number(const Tensor& tensor);

}  // namespace chorus_mindspore
