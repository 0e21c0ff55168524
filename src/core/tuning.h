// What was timed on this machine and holds for it: choices that a compile takes in place of those of its cost model. The interface alone;
// runtime/tuning_log.h keeps them in a file.
#pragma once
#include <string_view>

namespace chorus {

class Tuning {
 public:
  virtual ~Tuning() = default;
  /// The choice for a step of this signature, in words of the kernel that made both; empty: nothing was timed. Valid as long as this object.
  virtual std::string_view choice(std::string_view signature) const noexcept = 0;
  /// Equal for equal contents: two compiles with the same one choose the same.
  virtual std::string_view identity() const noexcept = 0;
};

}  // namespace chorus
