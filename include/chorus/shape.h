// Shape: the extents of a tensor, outermost first. Rank 0 is a scalar. Arithmetic is checked.
#pragma once
#include <chorus/export.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

namespace chorus {

/// The largest rank anywhere; a file that asks for more is refused (NumPy: 64, PyTorch: 64, most kernels elsewhere: 8).
inline constexpr int kMaxRank = 32;

class CHORUS_API Shape {
 public:
  Shape() noexcept = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  Shape(const std::vector<int64_t>& dims)
      : Shape(std::span<const int64_t>(dims)) {}  // NOLINT(google-explicit-constructor)
  /// Throws Error(shape) for more than kMaxRank dimensions or a negative one.
  explicit Shape(std::span<const int64_t> dims);
  Shape(const Shape& other);
  Shape(Shape&& other) noexcept;
  Shape& operator=(const Shape& other);
  Shape& operator=(Shape&& other) noexcept;
  ~Shape();

  int rank() const noexcept { return rank_; }
  const int64_t* data() const noexcept { return rank_ <= kInline ? inline_ : heap_; }
  int64_t operator[](int i) const noexcept { return data()[i]; }
  const int64_t* begin() const noexcept { return data(); }
  const int64_t* end() const noexcept { return data() + rank_; }
  std::span<const int64_t> dims() const noexcept { return {data(), static_cast<size_t>(rank_)}; }
  bool operator==(const Shape& other) const noexcept;
  /// Product of the extents, 1 for a scalar. Throws Error(shape) when it overflows int64.
  int64_t numel() const;
  /// "[2, 3]"
  std::string str() const;

 private:
  static constexpr int kInline = 6;
  int32_t rank_ = 0;
  union {
    int64_t inline_[kInline] = {};
    int64_t* heap_;
  };
};

/// Product of extents; -1 when it overflows int64 or an extent is negative. Empty: 1.
CHORUS_API int64_t checked_numel(std::span<const int64_t> dims) noexcept;
/// a*b and a+b, -1 on overflow or a negative operand.
inline int64_t checked_mul(int64_t a, int64_t b) noexcept {
  int64_t r;
  return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &r) ? -1 : r;
}
inline int64_t checked_add(int64_t a, int64_t b) noexcept {
  int64_t r;
  return a < 0 || b < 0 || __builtin_add_overflow(a, b, &r) ? -1 : r;
}
CHORUS_API std::string shape_str(std::span<const int64_t> dims);

}  // namespace chorus
