// Medians of repeated measurements, and how sure they are.
#pragma once
#include <vector>

namespace chorus::app {

/// Middle of the values, the mean of the two middle ones of an even number. At least one value.
double median(std::vector<double> values);

/// Nearest rank: the least value that `share` (0..1) of the values do not exceed. `sorted` is not empty.
double percentile(const std::vector<double>& sorted, double share);

struct Interval {
  double low = 0, high = 0;
  double confidence = 0;  ///< probability that the interval holds the median of what the values are drawn from
};

/// The narrowest interval between two order statistics, as far from either end, that holds the median with a probability of at least
/// `wanted`; from the lowest to the highest value where even that is less sure. Holds for every continuous distribution
/// (the sign test). At least one value.
Interval interval_of_median(std::vector<double> values, double wanted = 0.95);

}  // namespace chorus::app
