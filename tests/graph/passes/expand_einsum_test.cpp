// expand_einsum: every form against the reference kernel of Einsum, which sums over all labels one by one.
#include "graph/graph_case.h"

namespace chorus::testing {
namespace {

struct Form {
  const char* equation;
  std::vector<Shape> shapes;
  const char* ops;   // what becomes of it; null: it stays
};

TEST(ExpandEinsum, FormsBecomeProducts) {
  const std::vector<Form> forms = {
      {"bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}, "MatMul"},
      {"ij,jk", {{3, 4}, {4, 5}}, "MatMul"},
      {"bhid,bhjd->bhij", {{2, 3, 4, 5}, {2, 3, 6, 5}}, "Transpose MatMul"},
      {"bind,bjnd->bnij", {{2, 4, 3, 5}, {2, 6, 3, 5}}, "Transpose Transpose MatMul"},
      {"bqc,bchw->bqhw", {{2, 3, 4}, {2, 4, 5, 6}}, "Reshape MatMul Reshape"},
      {"bhwc,hkc->bhwk", {{2, 3, 4, 5}, {3, 6, 5}}, "Transpose Transpose Reshape MatMul Reshape Transpose"},
      {"abc,cbd->ad", {{2, 3, 4}, {4, 3, 5}}, "Transpose Reshape Reshape MatMul"},
      {"i,j->ji", {{3}, {4}}, "Reshape Reshape MatMul Transpose"},
      {"i,i->", {{7}, {7}}, "Reshape Reshape MatMul Reshape"},
      {"ij,ij->ij", {{3, 4}, {3, 4}}, "Mul"},
      {"ijk,i->ijk", {{3, 4, 5}, {3}}, "Unsqueeze Mul"},
      {"ijk,j->ijk", {{3, 4, 5}, {4}}, nullptr},
      {"ijk,il->jl", {{3, 4, 5}, {3, 6}}, nullptr},
      {"...ij,...jk->...ik", {{2, 3, 4}, {1, 4, 5}}, "MatMul"},
      {"ij->ji", {{3, 4}}, "Transpose"},
      {"ijk->k", {{3, 4, 5}}, "ReduceSum"},
      {"ijk", {{3, 4, 5}}, "Identity"},
      {"ii->i", {{4, 4}}, nullptr},
      {"ij,jk,kl->il", {{2, 3}, {3, 4}, {4, 5}}, nullptr},
  };
  for (const Form& form : forms) {
    GraphCase c;
    std::vector<ValueId> operands;
    std::vector<Value> feeds;
    for (size_t i = 0; i < form.shapes.size(); ++i) {
      std::vector<Dim> dims(form.shapes[i].begin(), form.shapes[i].end());
      operands.push_back(c.in("x" + std::to_string(i), dims));
      feeds.push_back(noise(form.shapes[i], i + 1));
    }
    c.out(c.op("Einsum", operands, {{"equation", form.equation}}), "y");
    const int changes = run_pass(c.graph, passes::expand_einsum, feeds, 1e-5);
    PassContext context;
    passes::eliminate_dead(c.graph, context);
    if (form.ops != nullptr) {
      EXPECT_EQ(changes, 1) << form.equation;
      EXPECT_EQ(ops_of(c.graph), form.ops) << form.equation;
    }
  }
}

TEST(ExpandEinsum, OpenBatchStaysOpen) {
  GraphCase c;
  const ValueId q = c.in("q", {Dim::symbol("n"), Dim::symbol("s"), 4}),
                k = c.in("k", {Dim::symbol("n"), Dim::symbol("s"), 4});
  c.out(c.op("Einsum", {q, k}, {{"equation", "nid,njd->nij"}}), "y");
  EXPECT_EQ(run_pass(c.graph, passes::expand_einsum, {noise({2, 3, 4}), noise({2, 3, 4}, 2)}, 1e-5), 1);
  EXPECT_EQ(run_graph(c.graph, {noise({5, 7, 4}), noise({5, 7, 4}, 2)})[0].shape(), (Shape{5, 7, 7}));
}

TEST(ExpandEinsum, ALengthOfOneThatStandsForMoreStays) {
  GraphCase c;   // the summed axis is broadcast: no product of matrices
  c.out(
      c.op("Einsum", {c.in("x", {3, Dim::symbol("a")}), c.in("y", {Dim::symbol("b"), 4})}, {{"equation", "ij,jk->ik"}}),
      "z");
  EXPECT_EQ(run_pass(c.graph, passes::expand_einsum, {noise({3, 5}), noise({5, 4}, 2)}, 1e-5), 0);
}

}  // namespace
}  // namespace chorus::testing
