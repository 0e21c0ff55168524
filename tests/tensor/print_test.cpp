#include "tensor/tensor_case.h"

#include <limits>
#include <sstream>

namespace chorus::testing {
namespace {

// Texts as NumPy 1.26 prints the same arrays.
TEST(Print, AsNumPy) {
  EXPECT_EQ(initialize({{1, 2}, {3, 4}}).str(), "[[1 2]\n [3 4]]");
  EXPECT_EQ(initialize({{10, 2}, {3, -4}}).str(), "[[10  2]\n [ 3 -4]]");
  EXPECT_EQ(initialize({1.0, 2.5}).str(), "[1.  2.5]");
  EXPECT_EQ(initialize({1.0, 2.0}).str(), "[1. 2.]");
  EXPECT_EQ(initialize({0.1, 0.25}).str(), "[0.1  0.25]");
  EXPECT_EQ(initialize({1.0 / 3}, DType::float64).str(), "[0.33333333]");
  EXPECT_EQ(initialize({std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity(), 1.0}).str(),
            "[ nan -inf   1.]");
  EXPECT_EQ(initialize({true, false}).str(), "[ True False]");
  EXPECT_EQ(initialize(7).str(), "7");
  EXPECT_EQ(reshape(arange(8), {2, 2, 2}).str(), "[[[0 1]\n  [2 3]]\n\n [[4 5]\n  [6 7]]]");
  EXPECT_EQ(zeros({0}).str(), "[]");
  EXPECT_EQ(initialize({std::complex<float>(1, -2)}).str(), "[1.-2.j]");
}

TEST(Print, IsBounded) {
  EXPECT_EQ(arange(2000).str(), "[   0    1    2 ... 1997 1998 1999]");
  EXPECT_LT(zeros({1000, 1000}).str().size(), 400U);
  std::ostringstream out;
  out << reshape(arange(2000), {2, 1000});
  EXPECT_EQ(out.str(), "[[   0    1    2 ...  997  998  999]\n [1000 1001 1002 ... 1997 1998 1999]]");
}

}  // namespace
}  // namespace chorus::testing
