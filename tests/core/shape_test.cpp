#include <chorus/error.h>
#include <chorus/shape.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace chorus {
namespace {

TEST(Shape, ScalarVectorAndDeep) {
  const Shape scalar{};
  EXPECT_EQ(scalar.rank(), 0);
  EXPECT_EQ(scalar.numel(), 1);
  EXPECT_EQ(scalar.str(), "[]");
  const Shape s{2, 3, 0};
  EXPECT_EQ(s.numel(), 0);
  EXPECT_EQ(s.str(), "[2, 3, 0]");
  EXPECT_EQ(s[1], 3);
}

TEST(Shape, CopiesAndMovesAtEveryRank) {
  for (int rank = 0; rank <= kMaxRank; ++rank) {
    std::vector<int64_t> dims(static_cast<size_t>(rank));
    std::iota(dims.begin(), dims.end(), 1);
    const Shape a(dims);
    Shape b = a;
    EXPECT_EQ(a, b);
    Shape c = std::move(b);
    EXPECT_EQ(c, a);
    EXPECT_EQ(std::vector<int64_t>(c.begin(), c.end()), dims);
    for (const Shape& start : {Shape{}, Shape{9, 9}, Shape(std::vector<int64_t>(20, 7))}) {
      Shape d = start;
      d = c;
      EXPECT_EQ(d, a);
      Shape e = start;
      e = std::move(d);
      EXPECT_EQ(e, a);
      d = start;  // usable again after a move
      EXPECT_EQ(d, start);
    }
    const Shape& itself = c;
    c = itself;
    EXPECT_EQ(c, a);
  }
}

TEST(Shape, RefusesBadDims) {
  EXPECT_THROW(Shape(std::vector<int64_t>(kMaxRank + 1, 1)), Error);
  try {
    Shape{4, -2};
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::shape);
    EXPECT_NE(e.message().find("[4, -2]"), std::string::npos);
  }
}

TEST(Shape, NumelIsChecked) {
  const int64_t big = int64_t{1} << 32;
  EXPECT_THROW((Shape{big, big}.numel()), Error);
  EXPECT_EQ((Shape{big, big, 0}.numel()), 0);  // though the first two alone overflow
  EXPECT_EQ((Shape{big, big >> 2}.numel()), int64_t{1} << 62);
  const int64_t negative[] = {3, -1};
  EXPECT_EQ(checked_numel(negative), -1);
  EXPECT_EQ(checked_mul(big, big), -1);
  EXPECT_EQ(checked_mul(-1, 2), -1);
  EXPECT_EQ(checked_add(std::numeric_limits<int64_t>::max(), 1), -1);
  EXPECT_EQ(checked_add(2, 3), 5);
}

TEST(Shape, TextOfAHostileRankStaysShort) {
  const std::vector<int64_t> dims(1'000'000, 1);
  EXPECT_LT(shape_str(dims).size(), 400u);
}

}  // namespace
}  // namespace chorus
