// Products of matrices against sums written out, einsum's notation, determinants by cofactors; shape rules.
#include <ops/table.h>
#include <gtest/gtest.h>

#include <limits>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::make;
using testing::run_one;

TEST(Matrix, GridsRun) {
  for (const OpDef& def : families::matrix_ops()) EXPECT_GE(testing::run_grid(def.name), 2) << def.name;
}

TEST(Matrix, MatMulBroadcastsBatches) {
  const Value a = make(DType::float32, {2, 1, 1, 2}, {1, 2, 3, 4}), b = make(DType::float32, {2, 2, 1}, {1, 10, 2, 20});
  expect_close(run_one({.op = "MatMul", .inputs = {a, b}}), make(DType::float32, {2, 2, 1, 1}, {21, 42, 43, 86}));
}

TEST(Matrix, IntegersWrap) {
  const Value a = make(DType::int32, {1, 2}, {2147483647, 1}), b = make(DType::int32, {2, 1}, {2, 3});
  expect_close(run_one({.op = "MatMul", .inputs = {a, b}}), make(DType::int32, {1, 1}, {1}));
}

TEST(Matrix, ScaledIntegersSaturate) {
  const Value a = make(DType::int64, {1, 1}, {2}), b = make(DType::int64, {1, 1}, {3});
  const auto scaled = [&](double alpha) {
    const Value y = run_one({.op = "Gemm", .inputs = {a, b}, .attributes = {{"alpha", alpha}}});
    return *static_cast<const int64_t*>(y.data());
  };
  EXPECT_EQ(scaled(0.5), 3);
  EXPECT_EQ(scaled(-0.75), -4);
  EXPECT_EQ(scaled(1e30), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(scaled(-1e30), std::numeric_limits<int64_t>::min());
}

TEST(Matrix, ZeroPointsPerRowAndColumn) {
  const Value a = make(DType::uint8, {2, 2}, {1, 2, 3, 4}), b = make(DType::uint8, {2, 2}, {5, 6, 7, 8});
  const Value za = make(DType::uint8, {2}, {1, 2}), zb = make(DType::uint8, {2}, {5, 4});
  // (a - za) = [[0, 1], [1, 2]], (b - zb) = [[0, 2], [2, 4]]
  expect_close(run_one({.op = "MatMulInteger", .inputs = {a, b, za, zb}}), make(DType::int32, {2, 2}, {2, 4, 4, 10}));
}

TEST(Matrix, EinsumTakesDiagonalsAndTraces) {
  const Value x = make(DType::float32, {2, 2}, {1, 2, 3, 4});
  expect_close(run_one({.op = "Einsum", .inputs = {x}, .attributes = {{"equation", "ii->i"}}}),
               make(DType::float32, {2}, {1, 4}));
  expect_close(run_one({.op = "Einsum", .inputs = {x}, .attributes = {{"equation", "ii"}}}),
               make(DType::float32, {}, {5}));
  expect_close(run_one({.op = "Einsum", .inputs = {x}, .attributes = {{"equation", "ba"}}}),
               make(DType::float32, {2, 2}, {1, 3, 2, 4}));
}

TEST(Matrix, EinsumRefusesWrongEquations) {
  const Value x = make(DType::float32, {2, 2}, {1, 2, 3, 4});
  for (const char* wrong : {"i", "ijk", "ij,jk->ik", "ij->k", "ij->ii", "i?", "......ij", "ij->ij,", "ij-"}) {
    EXPECT_THROW(run_one({.op = "Einsum", .inputs = {x}, .attributes = {{"equation", wrong}}}), Error) << wrong;
  }
}

TEST(Matrix, Determinants) {
  const Value x = make(DType::float64, {2, 3, 3}, {0, 2, 1, 1, 0, 3, 4, -1, 2, 1, 2, 3, 2, 4, 6, 1, 0, 1});
  // 0*(0+3) - 2*(2-12) + 1*(-1-0) = 19; two rows are multiples of each other
  expect_close(run_one({.op = "Det", .inputs = {x}}), make(DType::float64, {2}, {19, 0}), 1e-12);
}

TEST(Matrix, ShapesMayBeSymbolic) {
  const Dim n = Dim::symbol("n"), k = Dim::symbol("k");
  EXPECT_EQ(
      testing::infer_str(
          {.op = "MatMul", .inputs = {Type::tensor(DType::float32, {n, 3, k}), Type::tensor(DType::float32, {k, 5})}}),
      "float32[n, 3, 5]");
  EXPECT_EQ(testing::infer_str({.op = "Gemm",
                                .inputs = {Type::tensor(DType::float32, {k, n}), Type::tensor(DType::float32, {k, 5})},
                                .attributes = {{"transA", 1}}}),
            "float32[n, 5]");
  EXPECT_EQ(testing::infer_str({.op = "Einsum",
                                .inputs = {Type::tensor(DType::float32, {n, k}), Type::tensor(DType::float32, {k, 4})},
                                .attributes = {{"equation", "ij,jk->ki"}}}),
            "float32[4, n]");
  EXPECT_THROW(
      testing::infer_op(
          {.op = "MatMul", .inputs = {Type::tensor(DType::float32, {2, 3}), Type::tensor(DType::float32, {4, 5})}}),
      Error);
}

}  // namespace
}  // namespace chorus
