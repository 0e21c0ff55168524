// The memory of an instance's intermediate values. A larger size keeps the pages that were touched: address space is reserved ahead, so
// that a larger input costs the pages it adds and not all of them anew.
#pragma once
#include <cstddef>
#include <cstdint>

namespace chorus::native {

class Arena {
 public:
  Arena() noexcept = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  /// At least `bytes`, aligned to 64, with 64 readable bytes behind the end; what was in it is lost when true is answered. `most`: never
  /// more than this is reserved. Throws Error(budget) when the system has none.
  void grow(int64_t bytes, int64_t most);
  std::byte* data() const noexcept { return data_; }
  int64_t bytes() const noexcept { return bytes_; }  ///< the largest size asked for so far

 private:
  void release() noexcept;
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0, reserved_ = 0;
};

}  // namespace chorus::native
