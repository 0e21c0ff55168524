// Value: what flows along an edge of a graph: a tensor, a sequence, an optional or a map, with its data.
#pragma once
#include <chorus/buffer.h>
#include <chorus/dtype.h>
#include <chorus/export.h>
#include <chorus/shape.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus {

enum class ValueKind : uint8_t { none = 0, tensor = 1, sequence = 2, optional = 3, map = 4 };

/// Strings of a tensor, immutable: all bytes in one block, `ends[i]` the end of element i in it (the first begins at 0).
struct CHORUS_API Strings {
  std::string bytes;
  std::vector<int64_t> ends;
  std::string_view operator[](int64_t i) const noexcept {
    const int64_t begin = i == 0 ? 0 : ends[static_cast<size_t>(i) - 1];
    return std::string_view(bytes).substr(static_cast<size_t>(begin),
                                          static_cast<size_t>(ends[static_cast<size_t>(i)] - begin));
  }
  int64_t size() const noexcept { return static_cast<int64_t>(ends.size()); }
  void push_back(std::string_view s) {
    bytes.append(s);
    ends.push_back(static_cast<int64_t>(bytes.size()));
  }
};

/// Copies share their memory; the data is treated as immutable once a Value is shared.
class CHORUS_API Value {
 public:
  Value() noexcept = default;  ///< kind none: an omitted optional input

  /// A dense, uninitialised tensor (element type not string). Throws Error(shape|budget).
  static Value tensor(DType dtype, const Shape& shape);
  /// A tensor over existing memory; throws Error(shape) when `buffer` is too small.
  static Value tensor(DType dtype, const Shape& shape, Buffer buffer);
  static Value strings(const Shape& shape, std::shared_ptr<const Strings> strings);
  static Value strings(const Shape& shape, std::span<const std::string> items);
  /// `elem` is the element type of the tensors inside (undefined when unknown); sequences share their items.
  static Value sequence(DType elem, std::vector<Value> items);
  /// 0 or 1 item.
  static Value optional(DType elem, std::vector<Value> items);
  /// keys: a rank-1 tensor of integers or strings; values: a tensor or sequence of the same length.
  static Value map(Value keys, Value values);
  template <class T>
  static Value of(const Shape& shape, std::span<const T> data) {
    return copy_of(dtype_of<T>(), shape, data.data(), data.size() * sizeof(T));
  }
  template <class T>
  static Value of(const Shape& shape, std::initializer_list<T> data) {
    return copy_of(dtype_of<T>(), shape, data.begin(), data.size() * sizeof(T));
  }
  template <class T>
  static Value scalar(T v) {
    return copy_of(dtype_of<T>(), Shape{}, &v, sizeof(T));
  }
  /// Throws Error(shape) when `bytes` is not what shape and type need.
  static Value copy_of(DType dtype, const Shape& shape, const void* data, size_t bytes);

  ValueKind kind() const noexcept { return kind_; }
  bool is_tensor() const noexcept { return kind_ == ValueKind::tensor; }
  explicit operator bool() const noexcept { return kind_ != ValueKind::none; }
  DType dtype() const noexcept { return dtype_; }
  const Shape& shape() const noexcept { return shape_; }
  int rank() const noexcept { return shape_.rank(); }
  int64_t numel() const { return shape_.numel(); }
  size_t bytes() const noexcept { return buffer_.bytes(); }

  const void* data() const noexcept { return buffer_.data(); }
  void* mutable_data() { return buffer_.mutable_data(); }
  const Buffer& buffer() const noexcept { return buffer_; }
  /// Typed access; throws Error(type) when T is not the element type.
  template <class T>
  std::span<const T> as() const {
    check_dtype(dtype_of<T>());
    return {static_cast<const T*>(data()), static_cast<size_t>(numel())};
  }
  template <class T>
  std::span<T> as_mutable() {
    check_dtype(dtype_of<T>());
    return {static_cast<T*>(mutable_data()), static_cast<size_t>(numel())};
  }
  const Strings& strings() const;  ///< throws Error(type) unless a tensor of strings
  const std::shared_ptr<const Strings>& strings_ptr() const noexcept { return strings_; }
  std::span<const Value> items() const noexcept;  ///< of a sequence, optional (0 or 1) or map (keys, values)

  /// The same data under another shape of equal element count. Throws Error(shape).
  Value reshaped(const Shape& shape) const;
  /// Elements converted to float64 / int64 (any numeric tensor); throws Error(type) otherwise.
  std::vector<double> to_doubles() const;
  std::vector<int64_t> to_int64s() const;
  /// Same kind, types, shapes and bytes (so NaN equals the same NaN).
  bool identical(const Value& other) const;
  /// "float32[2, 3] [[1, 2, 3], …]" with at most `limit` elements.
  std::string str(int limit = 16) const;

 private:
  void check_dtype(DType wanted) const;
  ValueKind kind_ = ValueKind::none;
  DType dtype_ = DType::undefined;
  Shape shape_;
  Buffer buffer_;
  std::shared_ptr<const Strings> strings_;
  std::shared_ptr<const std::vector<Value>> items_;
};

}  // namespace chorus
