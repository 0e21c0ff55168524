// Comparison of tensors with numbers written in the test.
#pragma once
#include <chorus/ops.h>
#include <chorus/tensor.h>

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace chorus::testing {

/// |got - wanted| ≤ tolerance · (1 + |wanted|), NaN equals NaN, and the shape where it is given.
inline void expect_values(const Tensor& got, const std::vector<double>& wanted, double tolerance = 0) {
  const std::vector<double> have = got.to_doubles();
  ASSERT_EQ(have.size(), wanted.size()) << got;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (std::isnan(wanted[i])) {
      EXPECT_TRUE(std::isnan(have[i])) << "element " << i << " of " << got;
    } else if (std::isinf(wanted[i])) {
      EXPECT_EQ(have[i], wanted[i]) << "element " << i << " of " << got;
    } else {
      EXPECT_NEAR(have[i], wanted[i], tolerance * (1 + std::abs(wanted[i]))) << "element " << i << " of " << got;
    }
  }
}
inline void expect_values(const Tensor& got, const Shape& shape, const std::vector<double>& wanted,
                          double tolerance = 0) {
  EXPECT_EQ(got.shape(), shape) << got.shape().str();
  expect_values(got, wanted, tolerance);
}

/// Runs f, which must throw Error; returns its text.
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}
inline bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace chorus::testing
