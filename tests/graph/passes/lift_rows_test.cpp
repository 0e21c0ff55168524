// lift_rows: products of folded rows, and those that stay as they are.
#include "graph/graph_case.h"

namespace chorus::testing {
namespace {

/// x [2, 5, 6] as rows, times a [6, 8] matrix, back to [2, 5, 8].
struct Folded {
  GraphCase c;
  ValueId x = c.in("x", {2, 5, 6}), b = c.constant(noise({6, 8}, 3));
  ValueId rows() { return c.op("Reshape", {x, c.ints({-1, 6})}); }
  ValueId back(ValueId product) { return c.op("Reshape", {product, c.ints({2, 5, 8})}); }
};

TEST(LiftRows, AProductWithABiasTakesTheTensorAsItIs) {
  Folded f;
  f.c.out(f.back(f.c.op("Gemm", {f.rows(), f.b, f.c.constant(noise({8}, 4))})), "y");
  EXPECT_EQ(run_pass(f.c.graph, passes::lift_rows, {noise({2, 5, 6})}, 1e-5), 1);
  PassContext context;
  passes::eliminate_dead(f.c.graph, context);
  EXPECT_EQ(ops_of(f.c.graph), "MatMul Add");
}

TEST(LiftRows, WithoutABiasAndWithOpenSizes) {
  GraphCase c;
  const ValueId x = c.in("x", {Dim::symbol("n"), 5, 6});
  const ValueId product = c.op("Gemm", {c.op("Reshape", {x, c.ints({-1, 6})}), c.constant(noise({6, 8}, 3))});
  const ValueId relu = c.op("Relu", {c.op("Reshape", {product, c.ints({-1, 5, 8})})});
  c.out(relu, "y");
  run_pass(c.graph, passes::lift_rows, {noise({3, 5, 6})},
           1e-5);  // whether the first size is proved equal is the rules' affair
  EXPECT_EQ(run_graph(c.graph, {noise({4, 5, 6})})[0].shape(), (Shape{4, 5, 8}));
}

TEST(LiftRows, OtherProductsStay) {
  const auto unchanged = [](Folded& f, ValueId product) {
    f.c.out(f.back(product), "y");
    EXPECT_EQ(run_pass(f.c.graph, passes::lift_rows, {noise({2, 5, 6})}), 0);
  };
  Folded scaled, matrix, turned;
  unchanged(scaled, scaled.c.op("Gemm", {scaled.rows(), scaled.b}, {{"alpha", 2.0F}}));
  unchanged(matrix, matrix.c.op("Gemm", {matrix.rows(), matrix.b, matrix.c.constant(noise({10, 8}, 5))}));
  unchanged(turned,
            turned.c.op("Gemm", {turned.rows(), turned.c.constant(noise({8, 6}, 3))}, {{"transB", int64_t{1}}}));
  Folded read;  // by somebody else too
  const ValueId product = read.c.op("Gemm", {read.rows(), read.b});
  read.c.out(read.c.op("Relu", {product}), "z");
  unchanged(read, product);
  Folded mixed;  // the rows are cut elsewhere
  const ValueId other = mixed.c.op("Gemm", {mixed.rows(), mixed.b});
  mixed.c.out(mixed.c.op("Reshape", {other, mixed.c.ints({5, 2, 8})}), "y");
  EXPECT_EQ(run_pass(mixed.c.graph, passes::lift_rows, {noise({2, 5, 6})}), 0);
}

}  // namespace
}  // namespace chorus::testing
