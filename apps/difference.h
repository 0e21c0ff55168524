// How far two results of one computation are apart.
#pragma once
#include <chorus/value.h>

#include <cstdint>
#include <string>

namespace chorus::app {

struct Difference {
  std::string reason;            ///< kinds, types or shapes that cannot be compared; empty: they were
  double absolute = 0;  ///< largest |a - b|; infinity where one is no number or infinite and the other is not
  double relative = 0;  ///< largest |a - b| / max(1, |b|)
  double units = 0;  ///< largest distance in units of the last place of b's type (of float32 for wider types)
  int64_t at = 0, elements = 0;  ///< place of the largest relative difference; elements compared
  double a = 0, b = 0;  ///< the elements there
  bool narrow = false;  ///< one of the two is a float type of 16 bits or fewer
  bool within(double tolerance) const noexcept { return reason.empty() && relative <= tolerance; }
};

/// `b` is the truth. Float types of different width are compared as doubles; strings and sequences are equal or not.
Difference difference(const Value& a, const Value& b);

}  // namespace chorus::app
