// Tensors of PaddlePaddle, and what every mapping needs of them.
#pragma once
#include <engine/adapter/adapter.h>

#include <cstdint>
#include <string>
#include <vector>

#include "paddle.h"

namespace chorus_paddle {

using namespace chorus_adapter;
using Ints = std::vector<int64_t>;
using Type = phi::DataType;

inline constexpr Type kUndefined = Type::UNDEFINED, kBool = Type::BOOL, kByte = Type::UINT8, kChar = Type::INT8,
                      kShort = Type::INT16, kInt = Type::INT32, kLong = Type::INT64, kHalf = Type::FLOAT16,
                      kBfloat = Type::BFLOAT16, kFloat = Type::FLOAT32, kDouble = Type::FLOAT64;

/// PaddlePaddle's type of ONNX's number; kUndefined where it has none (strings, types below a byte, some of 8 bits).
Type to_paddle(int dtype) noexcept;
/// ONNX's number of PaddlePaddle's type, 0 where it has none.
int to_onnx(Type type) noexcept;
size_t bytes_of(Type type) noexcept;
inline bool is_float(Type t) { return t == kFloat || t == kDouble || t == kHalf || t == kBfloat; }
inline bool is_complex(Type t) { return t == Type::COMPLEX64 || t == Type::COMPLEX128; }
inline bool is_eighth(Type t) { return t == Type::FLOAT8_E4M3FN || t == Type::FLOAT8_E5M2; }

/// A tensor, shared; undefined when made by default. Methods that only move elements may give a view.
class Tensor {
 public:
  Tensor() = default;
  Tensor(paddle::Tensor t) : own_(std::move(t)) {}  // NOLINT: what calls of PaddlePaddle give is one of ours
  operator const paddle::Tensor&() const { return own_; }  // NOLINT: and the other way round
  bool defined() const { return own_.impl() != nullptr; }
  void reset() { own_ = paddle::Tensor(); }
  const phi::DenseTensor& dense() const { return *static_cast<const phi::DenseTensor*>(own_.impl().get()); }

  Type type() const { return dense().dtype(); }
  int64_t dim() const { return dense().dims().size(); }
  int64_t numel() const { return dense().numel(); }
  int64_t size(int64_t axis) const;  ///< negative: from the end
  Ints sizes() const;
  size_t nbytes() const { return static_cast<size_t>(numel()) * bytes_of(type()); }
  const void* data() const;  ///< of a contiguous tensor
  bool is_same(const Tensor& other) const { return own_.impl() == other.own_.impl(); }

  Tensor contiguous() const;
  Tensor copy() const;  ///< dense, in memory of its own
  Tensor to(Type type) const;
  Tensor reinterpret(Type type) const;  ///< the same bytes, of a type of the same size
  Tensor reshape(Ints shape) const;  ///< one extent may be -1
  Tensor flatten(int64_t from = 0, int64_t to = -1) const;
  Tensor squeeze(int64_t axis) const;
  Tensor unsqueeze(int64_t axis) const;
  Tensor permute(const Ints& order) const;
  Tensor transpose(int64_t a, int64_t b) const;
  Tensor expand(const Ints& shape) const;
  Tensor slice(int64_t axis, int64_t begin, int64_t end, int64_t step = 1) const;  ///< 0 <= begin <= end <= extent
  Tensor narrow(int64_t axis, int64_t begin, int64_t length) const { return slice(axis, begin, begin + length); }
  Tensor select(int64_t axis, int64_t at) const;
  Tensor index_select(int64_t axis, const Tensor& places) const;

 private:
  paddle::Tensor own_;
};
using Tensors = std::vector<Tensor>;

/// A tensor over the host's memory; it is never written. Throws Failure for what PaddlePaddle has no type for.
Tensor view_of(const ch_value& value);
/// Whether the memory is the host's or a constant's, which may not be handed out as a result.
bool is_borrowed(const Tensor& t);
/// Elements as integers, of any type of numbers.
Ints to_ints(const Tensor& t);
/// The first element as a number.
double to_number(const Tensor& t);

// Tensors from numbers.
Tensor fresh(const Ints& shape, Type type);  ///< its elements are not set
Tensor full(const Ints& shape, double value, Type type);
Tensor zeros(const Ints& shape, Type type);
Tensor of_ints(const Ints& values);  ///< [n] of int64
Tensor of_doubles(const std::vector<double>& values);
Tensor scalar(double value, Type type);
Tensor scalar_long(int64_t value);
Tensor arange(int64_t n);  ///< 0 … n-1, int64
Tensor copy_of(Type type, const Ints& shape, const void* data);

/// Brings PaddlePaddle's memory and device up, once per process; the number of threads of the calling thread's next calls.
void start_paddle();
void use_threads(int threads);

}  // namespace chorus_paddle
