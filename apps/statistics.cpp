#include "statistics.h"

#include <algorithm>
#include <cmath>

namespace chorus::app {

double median(std::vector<double> values) {
  const size_t n = values.size();
  std::sort(values.begin(), values.end());
  return n % 2 != 0 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double percentile(const std::vector<double>& sorted, double share) {
  const auto rank = static_cast<size_t>(share * static_cast<double>(sorted.size()) + 0.999999);
  return sorted[std::min(sorted.size(), std::max<size_t>(rank, 1)) - 1];
}

Interval interval_of_median(std::vector<double> values, double wanted) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  // P(fewer than or equal to k of n values lie below the median), for k = 0, 1, …: sums of binomial(n, k) / 2ⁿ in logarithms.
  const auto chance = [n](size_t k) {
    const double count = static_cast<double>(n), hits = static_cast<double>(k);
    return std::exp(std::lgamma(count + 1) - std::lgamma(hits + 1) - std::lgamma(count - hits + 1) -
                    count * std::log(2.0));
  };
  size_t rank = 0;  // both ends are so many values away from the outermost ones
  double beyond = chance(0);
  while (rank + 1 < n - 1 - rank && 1 - 2 * (beyond + chance(rank + 1)) >= wanted) beyond += chance(++rank);
  return {values[rank], values[n - 1 - rank], std::max(0.0, 1 - 2 * beyond)};
}

}  // namespace chorus::app
