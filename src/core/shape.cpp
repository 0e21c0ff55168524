#include <chorus/error.h>
#include <chorus/shape.h>

#include <algorithm>
#include <utility>

namespace chorus {

Shape::Shape(std::span<const int64_t> dims) {
  if (dims.size() > static_cast<size_t>(kMaxRank)) {
    throw Error(Code::shape, "a shape of rank " + std::to_string(dims.size()) + " is not supported", {},
                "use at most " + std::to_string(kMaxRank) + " dimensions");
  }
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] < 0) {
      throw Error(Code::shape, "dimension " + std::to_string(i) + " of shape " + shape_str(dims) + " is negative", {},
                  "use extents of 0 or more");
    }
  }
  int64_t* target = dims.size() <= static_cast<size_t>(kInline) ? inline_ : (heap_ = new int64_t[dims.size()]);
  std::copy(dims.begin(), dims.end(), target);
  rank_ = static_cast<int32_t>(dims.size());
}

Shape::Shape(const Shape& other) {
  int64_t* target = other.rank_ <= kInline ? inline_ : (heap_ = new int64_t[static_cast<size_t>(other.rank_)]);
  std::copy(other.begin(), other.end(), target);
  rank_ = other.rank_;
}

Shape::Shape(Shape&& other) noexcept : rank_(other.rank_) {
  if (rank_ <= kInline) {
    std::copy(other.inline_, other.inline_ + rank_, inline_);
  } else {
    heap_ = other.heap_;
    other.rank_ = 0;
  }
}

Shape& Shape::operator=(const Shape& other) {
  if (this != &other) *this = Shape(other);
  return *this;
}

Shape& Shape::operator=(Shape&& other) noexcept {
  if (this == &other) return *this;
  if (rank_ > kInline) delete[] heap_;
  rank_ = other.rank_;
  if (rank_ <= kInline) {
    std::copy(other.inline_, other.inline_ + rank_, inline_);
  } else {
    heap_ = other.heap_;
    other.rank_ = 0;
  }
  return *this;
}

Shape::~Shape() {
  if (rank_ > kInline) delete[] heap_;
}

bool Shape::operator==(const Shape& other) const noexcept {
  return rank_ == other.rank_ && std::equal(begin(), end(), other.begin());
}

int64_t Shape::numel() const {
  const int64_t count = checked_numel(dims());
  if (count < 0) {
    throw Error(Code::shape, "shape " + str() + " has more elements than a 64-bit number can count", {},
                "use smaller extents");
  }
  return count;
}

std::string Shape::str() const { return shape_str(dims()); }

int64_t checked_numel(std::span<const int64_t> dims) noexcept {
  // A zero anywhere makes the product zero even when the others alone would overflow.
  bool zero = false;
  for (int64_t d : dims) {
    if (d < 0) return -1;
    zero = zero || d == 0;
  }
  if (zero) return 0;
  int64_t product = 1;
  for (int64_t d : dims) {
    if (__builtin_mul_overflow(product, d, &product)) return -1;
  }
  return product;
}

std::string shape_str(std::span<const int64_t> dims) {
  // A text for people: a hostile rank must not make a huge message.
  constexpr size_t kShown = 64;
  std::string out = "[";
  for (size_t i = 0; i < std::min(dims.size(), kShown); ++i) {
    if (i > 0) out += ", ";
    out += std::to_string(dims[i]);
  }
  if (dims.size() > kShown) out += ", ... (" + std::to_string(dims.size()) + " dimensions)";
  out += "]";
  return out;
}

}  // namespace chorus
