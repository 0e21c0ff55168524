// Rows in tiles: every pixel once, borders as they are, and few kinds for widths that are not known.
#include <engine/native/jit/row.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace chorus::jit {
namespace {

fast::ConvShape shape_of(int64_t kernel, int64_t stride, int64_t dilation, int64_t left, int64_t right) {
  fast::ConvShape s;
  s.kernel_w = kernel, s.stride_w = stride, s.dilation_w = dilation, s.pad_left = left, s.pad_right = right;
  return s;
}

/// Columns of the window of pixels [first, first + n) that lie before 0 and behind the picture, counted one by one.
void count_outside(const fast::ConvShape& s, int64_t first, int64_t n, int64_t in_width, int64_t* left,
                   int64_t* right) {
  *left = *right = 0;
  const int64_t begin = first * s.stride_w - s.pad_left;
  const int64_t end = (first + n - 1) * s.stride_w - s.pad_left + (s.kernel_w - 1) * s.dilation_w;
  for (int64_t x = begin; x <= end; ++x) *left += x < 0, *right += x >= in_width;
}

TEST(JitRow, TilesCoverARow) {
  std::mt19937 random(7);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int i = 0; i < 4000; ++i) {
    const fast::ConvShape s = shape_of(pick(1, 7), pick(1, 4), pick(1, 3), pick(0, 5), pick(-3, 5));
    const int64_t in_width = pick(1, 400);
    const int64_t width = fast::conv_extent(in_width, s.kernel_w, s.stride_w, s.dilation_w, s.pad_left, s.pad_right);
    if (width <= 0) continue;
    const int most = static_cast<int>(pick(1, 28));
    for (const Extents extents : {Extents::fixed, Extents::open}) {
      int64_t next = 0;
      for (const jit::Run& run : cut_row(s, width, in_width, most, extents)) {
        ASSERT_EQ(run.first_pixel, next);
        ASSERT_GE(run.pixels, 1);
        ASSERT_LE(run.pixels, most);
        for (int64_t t = 0; t < run.tiles; ++t, next += run.pixels) {
          int64_t left = 0, right = 0;
          count_outside(s, next, run.pixels, in_width, &left, &right);
          // Borders beyond the window itself say no more than that all of it lies outside.
          const int64_t window = (run.pixels - 1) * s.stride_w + (s.kernel_w - 1) * s.dilation_w + 1;
          ASSERT_EQ(std::min<int64_t>(run.left, window), left);
          ASSERT_EQ(std::min<int64_t>(run.right, window), right);
        }
      }
      ASSERT_EQ(next, width);
    }
  }
}

TEST(JitRow, WideRowsAreCountedNotVisited) {
  const fast::ConvShape s = shape_of(3, 1, 1, 1, 1);
  constexpr int64_t kWidth =
      int64_t{1} << 40;  // of a file that nobody means to run; visiting its tiles would take minutes
  for (const Extents extents : {Extents::fixed, Extents::open}) {
    const std::vector<jit::Run> runs = cut_row(s, kWidth, kWidth, 28, extents);
    EXPECT_LE(runs.size(), 10U);
    int64_t pixels = 0;
    for (const jit::Run& run : runs) pixels += run.tiles * run.pixels;
    EXPECT_EQ(pixels, kWidth);
    EXPECT_EQ(runs.front().left, 1);
    EXPECT_EQ(runs.back().right, 1);
  }
}

TEST(JitRow, KindsOfOpenWidthsAreAllAndFew) {
  std::mt19937 random(11);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int i = 0; i < 200; ++i) {
    const fast::ConvShape s = shape_of(pick(1, 7), pick(1, 3), pick(1, 3), pick(0, 16), pick(-2, 16));
    const int most = static_cast<int>(pick(1, 28));
    const std::vector<jit::Run> kinds = open_kinds(s, most);
    for (int k = 0; k < 300; ++k) {
      const int64_t in_width = pick(1, k < 150 ? 120 : 5000);
      const int64_t width = fast::conv_extent(in_width, s.kernel_w, s.stride_w, s.dilation_w, s.pad_left, s.pad_right);
      if (width <= 0) continue;
      for (const jit::Run& run : cut_row(s, width, in_width, most, Extents::open)) {
        const bool known = std::any_of(kinds.begin(), kinds.end(), [&](const jit::Run& a) {
          return a.pixels == run.pixels && a.left == run.left && a.right == run.right;
        });
        ASSERT_TRUE(known) << "width " << in_width << ": a tile of " << run.pixels << ", " << run.left << " left, "
                           << run.right << " right";
      }
    }
  }
  EXPECT_LE(open_kinds(shape_of(1, 1, 1, 0, 0), 28).size(), 6U);
  EXPECT_LE(open_kinds(shape_of(3, 1, 1, 1, 1), 14).size(), 24U);
  EXPECT_LE(open_kinds(shape_of(5, 2, 1, 2, 2), 16).size(), 48U);
}

}  // namespace
}  // namespace chorus::jit
