// Rows, rules and kernels of the operators that pick and place by indices.
#include <ops/table.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::infer_op;
using testing::infer_str;
using testing::make;
using testing::run_one;
using testing::run_op;

Value ints(std::initializer_list<int64_t> v) { return Value::of<int64_t>(Shape{static_cast<int64_t>(v.size())}, v); }

TEST(Indexing, GridsRun) {
  for (const OpDef& def : families::indexing_ops()) EXPECT_GE(testing::run_grid(def.name), 3) << def.name;
}

TEST(Indexing, GatherOfAShapeStaysSymbolic) {
  const Dim n = Dim::symbol("n"), s = Dim::symbol("s");
  const auto got = infer_op({.op = "Gather",
                             .inputs = {Type::tensor(DType::int64, {3}), Type::tensor(DType::int64, Dims{})},
                             .constants = {{}, Value::scalar<int64_t>(-2)},
                             .values = {{0, Dims{n, s, 768}}}});
  ASSERT_TRUE(got.values[0].has_value());
  ASSERT_EQ(got.values[0]->size(), 1u);
  EXPECT_TRUE((*got.values[0])[0].same(s));
  EXPECT_EQ(got.types[0].rank(), 0);
  EXPECT_EQ(infer_str({.op = "Gather",
                       .inputs = {Type::tensor(DType::float32, {30522, 768}), Type::tensor(DType::int64, {n, s})}}),
            Type::tensor(DType::float32, {n, s, 768}).str());
}

TEST(Indexing, IndicesOutOfRangeAreErrors) {
  const Value x = make(DType::float32, {2, 3}, {1, 2, 3, 4, 5, 6});
  const Value one = make(DType::float32, {1}, {9});
  EXPECT_THROW(run_one({.op = "Gather", .inputs = {x, ints({2})}}), Error);
  EXPECT_THROW(run_one({.op = "Gather", .inputs = {x, ints({-3})}}), Error);
  EXPECT_THROW(run_one({.op = "GatherND", .inputs = {x, Value::of<int64_t>({1, 2}, {0, 3})}}), Error);
  EXPECT_THROW(run_one({.op = "GatherElements", .inputs = {x, Value::of<int64_t>({1, 1}, {INT64_MIN})}}), Error);
  EXPECT_THROW(run_one({.op = "ScatterND",
                        .inputs = {make(DType::float32, {3}, {1, 2, 3}), Value::of<int64_t>({1, 1}, {7}), one}}),
               Error);
  EXPECT_THROW(
      run_one({.op = "TensorScatter",
               .inputs = {make(DType::float32, {1, 2, 1}, {1, 2}), make(DType::float32, {1, 1, 1}, {1}), ints({2})}}),
      Error);
}

TEST(Indexing, ReductionsFollowTheFormula) {
  const Value x = make(DType::float32, {3}, {1, 2, 3}), u = make(DType::float32, {3}, {10, -20, 30});
  const Value at = ints({1, 1, 2});
  const auto run = [&](const char* how) {
    return run_one({.op = "ScatterElements", .inputs = {x, at, u}, .attributes = {{"reduction", how}}}).to_doubles();
  };
  EXPECT_EQ(run("none"), (std::vector<double>{1, -20, 30}));
  EXPECT_EQ(run("add"), (std::vector<double>{1, -8, 33}));
  EXPECT_EQ(run("mul"), (std::vector<double>{1, -400, 90}));
  EXPECT_EQ(run("min"), (std::vector<double>{1, -20, 3}));
  EXPECT_EQ(run("max"), (std::vector<double>{1, 10, 30}));
}

TEST(Indexing, UniqueMeetsItsDefinition) {
  const double nan = std::nan("");
  const Value x = make(DType::float64, {7}, {3, nan, 1, 3, -0.0, nan, 0});
  const auto out = run_op({.op = "Unique", .inputs = {x}, .outputs = 4});
  EXPECT_EQ(out[0].numel(), 4);
  EXPECT_EQ(out[1].to_int64s(), (std::vector<int64_t>{4, 2, 0, 1}));
  EXPECT_EQ(out[2].to_int64s(), (std::vector<int64_t>{2, 3, 1, 2, 0, 3, 0}));
  EXPECT_EQ(out[3].to_int64s(), (std::vector<int64_t>{2, 1, 2, 2}));
}

}  // namespace
}  // namespace chorus
