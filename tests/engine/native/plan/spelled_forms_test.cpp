// What exporters spell out, in the forms of PyTorch's two exporters and of hand-written models.
#include <engine/native/plan/spelled_forms.h>

#include <gtest/gtest.h>

#include "graph/graph_case.h"

namespace chorus::native {
namespace {

using chorus::testing::GraphCase;
using chorus::testing::noise;

struct Net {
  GraphCase c;
  ValueId x = c.in("x", {Dim::symbol("n"), 5, 24});
  ValueId number(float v) { return c.constant(Value::of<float>(Shape{}, {v})); }
  ValueId row(uint64_t seed) { return c.constant(noise(Shape{24}, seed)); }
  ValueId mul(ValueId a, ValueId b) { return c.op("Mul", {a, b}); }
  ValueId add(ValueId a, ValueId b) { return c.op("Add", {a, b}); }
  ValueId mean(ValueId v) { return c.op("ReduceMean", {v, c.ints({-1})}); }
  /// The operators behind the pass; results stay the same but for rounding.
  std::string after(ValueId y) {
    c.out(y, "y");
    PassContext context;
    chorus::testing::run_pass(c.graph, spelled_forms, {noise(Shape{3, 5, 24}, 9)}, 2e-6, context);
    PassContext none;
    passes::eliminate_dead(c.graph, none);
    return chorus::testing::ops_of(c.graph);
  }
};

/// How the third power and the half are written: differs between exporters.
ValueId gelu(Net& n, int form, float factor = 0.044715F) {
  const ValueId x = n.x;
  const ValueId cube = form == 0   ? n.c.op("Pow", {x, n.number(3)})
                       : form == 1 ? n.mul(n.mul(x, x), x)
                                   : n.mul(x, n.mul(x, x));
  const ValueId inner = n.mul(n.number(0.7978845608F), n.add(x, n.mul(cube, n.number(factor))));
  const ValueId one = n.add(n.c.op("Tanh", {inner}), n.number(1));
  if (form == 0) return n.mul(n.mul(n.number(0.5F), x), one);
  return form == 1 ? n.mul(n.number(0.5F), n.mul(x, one)) : n.mul(n.mul(x, one), n.number(0.5F));
}

TEST(SpelledForms, GeluByTanh) {
  for (int form = 0; form < 3; ++form) {
    Net n;
    EXPECT_EQ(n.after(gelu(n, form)), "Gelu") << form;
  }
  Net other;
  EXPECT_NE(other.after(gelu(other, 1, 0.045F)), "Gelu");
}

TEST(SpelledForms, RootMeanSquare) {
  for (int form = 0; form < 3; ++form) {
    Net n;
    const ValueId square = form == 0 ? n.c.op("Pow", {n.x, n.number(2)}) : n.mul(n.x, n.x);
    const ValueId root = n.c.op("Sqrt", {n.add(n.mean(square), n.number(1e-6F))});
    const ValueId normal = form == 0   ? n.mul(n.x, n.c.op("Div", {n.number(1), root}))
                           : form == 1 ? n.mul(n.x, n.c.op("Reciprocal", {root}))
                                       : n.c.op("Div", {n.x, root});
    EXPECT_EQ(n.after(form == 1 ? n.mul(n.row(2), normal) : n.mul(normal, n.row(2))), "RMSNormalization") << form;
  }
}

TEST(SpelledForms, RootMeanSquareWithoutWeights) {
  Net n;
  const ValueId root = n.c.op("Sqrt", {n.add(n.mean(n.mul(n.x, n.x)), n.number(1e-6F))});
  EXPECT_EQ(n.after(n.c.op("Neg", {n.mul(n.x, n.c.op("Reciprocal", {root}))})), "RMSNormalization Neg");
}

ValueId layer_norm(Net& n, ValueId centred, ValueId squared) {
  const ValueId root = n.c.op("Sqrt", {n.add(n.mean(squared), n.number(1e-5F))});
  return n.add(n.mul(n.c.op("Div", {centred, root}), n.row(3)), n.row(4));
}

TEST(SpelledForms, LayerNormalization) {
  for (const bool power : {false, true}) {
    Net n;
    const ValueId centred = n.c.op("Sub", {n.x, n.mean(n.x)});
    const ValueId squared = power ? n.c.op("Pow", {centred, n.number(2)}) : n.mul(centred, centred);
    EXPECT_EQ(n.after(layer_norm(n, centred, squared)), "LayerNormalization");
  }
}

TEST(SpelledForms, OthersStay) {
  Net n;  // the square of another value
  const ValueId other = n.add(n.x, n.number(1)), centred = n.c.op("Sub", {n.x, n.mean(n.x)});
  EXPECT_EQ(n.after(layer_norm(n, centred, n.mul(other, other))).find("Normalization"), std::string::npos);
}

}  // namespace
}  // namespace chorus::native
