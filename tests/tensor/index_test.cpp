#include "support/proves.h"
#include "tensor/tensor_case.h"

namespace chorus::testing {
namespace {

const Tensor& square_of_four() {
  static const Tensor t = initialize({{1, 2}, {3, 4}});
  return t;
}

TEST(Index, Elements) {
  EXPECT_EQ(index(square_of_four(), {1, 0}).item<int>(), 3);
  const std::string text = error_of([] { index(square_of_four(), {1, 2}); });
  EXPECT_TRUE(mentions(text, "dimension 1")) << text;
  EXPECT_TRUE(mentions(text, "size 2")) << text;
  EXPECT_THROW(index(square_of_four(), {-3}), Error);
  EXPECT_THROW(index(square_of_four(), {0, 0, 0}), Error);
  proves("A-TEN-013");
}

TEST(Index, SlicesAreTensors) {
  static_assert(std::is_same_v<decltype(index(Tensor(), {1})), Tensor>);
  expect_values(index(square_of_four(), {1}), {2}, {3, 4});
  expect_values(square_of_four()[1], {2}, {3, 4});
  expect_values(square_of_four(), {2, 2}, {1, 2, 3, 4});
  proves({"A-TEN-014", "A-TEN-040", "A-TEN-041"});
}

TEST(Index, AgreesWithTheReference) {
  const Tensor t = reshape(arange(12), {3, 4});
  for (int64_t i = -3; i < 3; ++i) {
    for (int64_t j = -4; j < 4; ++j) {
      const Tensor e = index(t, {i, j});
      EXPECT_EQ(e.rank(), 0);
      EXPECT_EQ(e.item<int64_t>(), (i + 3) % 3 * 4 + (j + 4) % 4);
    }
  }
  EXPECT_TRUE(index(t).value().identical(t.value()));
  proves({"A-TEN-042", "A-TEN-043"});
}

// All starts, stops and steps around a dimension, against Python's rule written out.
TEST(Index, SlicesAsPython) {
  const Tensor t = arange(5);
  std::vector<std::optional<int64_t>> ends = {std::nullopt};
  for (int64_t i = -7; i <= 7; ++i) ends.emplace_back(i);
  for (int64_t step : {-7, -2, -1, 1, 2, 7}) {
    for (const auto& start : ends) {
      for (const auto& stop : ends) {
        const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? 5 : 4;
        const auto cut = [&](const std::optional<int64_t>& e, int64_t otherwise) {
          return e ? std::min(std::max(*e < 0 ? *e + 5 : *e, low), high) : otherwise;
        };
        std::vector<double> wanted;
        const int64_t from = cut(start, step > 0 ? 0 : 4), to = cut(stop, step > 0 ? 5 : -1);
        for (int64_t i = from; step > 0 ? i < to : i > to; i += step) wanted.push_back(static_cast<double>(i));
        expect_values(t[Slice{start, stop, step}], {static_cast<int64_t>(wanted.size())}, wanted);
      }
    }
  }
  EXPECT_THROW((t[Slice{0, 1, 0}]), Error);
}

TEST(Index, AxesAndEllipsis) {
  const Tensor t = reshape(arange(24), {2, 3, 4});
  EXPECT_EQ((t[{Index::ellipsis(), 1}].shape()), Shape({2, 3}));
  expect_values(t[{Index::ellipsis(), 1}], {1, 5, 9, 13, 17, 21});
  EXPECT_EQ((t[{Index::new_axis(), 0}].shape()), Shape({1, 3, 4}));
  expect_values(t[{Index::all(), 2, Slice{1, 3, 1}}], {2, 2}, {9, 10, 21, 22});
  EXPECT_THROW((t[{Index::ellipsis(), Index::ellipsis()}]), Error);
}

TEST(Permute, OrdersDimensions) {
  const Tensor m = initialize({{0, 1, 2}, {3, 4, 5}});
  expect_values(permute(m, {1, 0}), {3, 2}, {0, 3, 1, 4, 2, 5});
  part_of("A-TEN-044");
  expect_values(m, {2, 3}, {0, 1, 2, 3, 4, 5});
  EXPECT_THROW(permute(m, {0, 0}), Error);
  EXPECT_THROW(permute(m, {0}), Error);
  EXPECT_THROW(permute(m, {0, 2}), Error);
  const Tensor t = reshape(arange(24), {2, 3, 4}), p = permute(t, {2, 0, 1});
  EXPECT_EQ(p.shape(), Shape({4, 2, 3}));
  EXPECT_TRUE(permute(p, {1, 2, 0}).value().identical(t.value()));
  proves({"A-TEN-045", "A-TEN-046", "A-TEN-047"});
}

TEST(Reshape, KeepsTheOrderOfElements) {
  expect_values(reshape(arange(6), {2, 3}), {2, 3}, {0, 1, 2, 3, 4, 5});
  const std::string text = error_of([] { reshape(arange(6), {4, 2}); });
  EXPECT_TRUE(mentions(text, "6")) << text;
  EXPECT_TRUE(mentions(text, "8")) << text;
  proves({"A-TEN-015", "A-TEN-050"});
  const Tensor m = initialize({{0, 1, 2}, {3, 4, 5}});
  expect_values(reshape(m, {3, 2}), {3, 2}, {0, 1, 2, 3, 4, 5});
  expect_values(reshape(permute(m, {1, 0}), {2, 3}), {2, 3}, {0, 3, 1, 4, 2, 5});
  part_of({"A-TEN-048", "A-TEN-051"});
  expect_values(m, {2, 3}, {0, 1, 2, 3, 4, 5});
  proves("A-TEN-049");
}

}  // namespace
}  // namespace chorus::testing
