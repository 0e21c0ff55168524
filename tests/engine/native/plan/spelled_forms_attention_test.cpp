// Attention in the forms of exporters: heads given or cut out of rows, factors before or behind the product, masks.
#include <engine/native/plan/spelled_forms.h>

#include <gtest/gtest.h>

#include "graph/graph_case.h"

namespace chorus::native {
namespace {

using chorus::testing::GraphCase;
using chorus::testing::noise;

enum class Rows { heads, rows, keys_behind };  // how Q, K and V come
enum class Factor { none, before, behind, quotient };
enum class Mask { none, full, row };

struct Net {
  GraphCase c;
  std::vector<Value> inputs;
  Rows form = Rows::heads;
  Factor factor = Factor::behind;
  Mask mask = Mask::none;
  int64_t softmax_axis = -1;

  ValueId in(const char* name, const Shape& shape) {
    inputs.push_back(noise(shape, 20 + inputs.size()));
    return c.in(name, Dims(shape.begin(), shape.end()));
  }
  ValueId number(float v) { return c.constant(Value::of<float>(Shape{}, {v})); }
  ValueId turn(ValueId v, std::vector<int64_t> perm) {
    Attributes a;
    a.set("perm", std::move(perm));
    return c.op("Transpose", {v}, std::move(a));
  }
  ValueId cut(ValueId v) { return c.op("Reshape", {v, c.ints({2, -1, 3, 4})}); }
  ValueId operand(const char* name, int64_t length) {
    if (form == Rows::heads) return in(name, Shape{2, 3, length, 4});
    return turn(cut(in(name, Shape{2, length, 12})), {0, 2, 1, 3});
  }
  ValueId keys() {
    if (form == Rows::keys_behind) return turn(cut(in("k", Shape{2, 7, 12})), {0, 2, 3, 1});
    return turn(operand("k", 7), {0, 1, 3, 2});
  }
  ValueId made() {
    ValueId q = operand("q", 5), k = keys();
    if (factor == Factor::before) q = c.op("Mul", {q, number(0.7F)}), k = c.op("Mul", {k, number(0.7F)});
    ValueId s = c.op("MatMul", {q, k});
    if (factor == Factor::behind) s = c.op("Mul", {s, number(0.5F)});
    if (factor == Factor::quotient) s = c.op("Div", {s, number(2)});
    if (mask == Mask::full) s = c.op("Add", {s, in("m", Shape{2, 1, 5, 7})});
    if (mask == Mask::row) s = c.op("Add", {in("m", Shape{7}), s});
    Attributes axis;
    axis.set("axis", softmax_axis);
    const ValueId y = c.op("MatMul", {c.op("Softmax", {s}, std::move(axis)), operand("v", 7)});
    if (form == Rows::heads) return y;
    return c.op("Reshape", {turn(y, {0, 2, 1, 3}), c.ints({2, -1, 12})});
  }
  std::string after(ValueId y) {
    c.out(y, "y");
    PassContext context;
    chorus::testing::run_pass(c.graph, spelled_attention, inputs, 2e-6, context);
    PassContext none;
    passes::eliminate_dead(c.graph, none);
    return chorus::testing::ops_of(c.graph);
  }
};

TEST(SpelledAttention, EveryFormIsTheOperator) {
  for (const Rows form : {Rows::heads, Rows::rows, Rows::keys_behind}) {
    for (const Factor factor : {Factor::none, Factor::before, Factor::behind, Factor::quotient}) {
      for (const Mask mask : {Mask::none, Mask::full, Mask::row}) {
        Net n;
        n.form = form, n.factor = factor, n.mask = mask;
        EXPECT_EQ(n.after(n.made()), "Attention") << int(form) << int(factor) << int(mask);
      }
    }
  }
}

TEST(SpelledAttention, OthersStay) {
  Net along;  // a Softmax over queries
  along.softmax_axis = 2;
  EXPECT_EQ(along.after(along.made()).find("Attention"), std::string::npos);
  Net wide;  // weights that somebody else reads
  const ValueId q = wide.operand("q", 5), k = wide.keys(), v = wide.operand("v", 7);
  const ValueId w = wide.c.op("Softmax", {wide.c.op("MatMul", {q, k})});
  wide.c.out(w, "w");
  EXPECT_EQ(wide.after(wide.c.op("MatMul", {w, v})).find("Attention"), std::string::npos);
  Net column;  // a mask with one number per query
  const ValueId s = column.c.op("MatMul", {column.operand("q", 5), column.keys()});
  const ValueId m = column.c.op("Add", {s, column.in("m", Shape{5, 1})});
  EXPECT_EQ(
      column.after(column.c.op("MatMul", {column.c.op("Softmax", {m}), column.operand("v", 7)})).find("Attention"),
      std::string::npos);
}

}  // namespace
}  // namespace chorus::native
