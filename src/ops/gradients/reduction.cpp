// Gradients of reductions, running sums and products, TopK.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

#include <numeric>

namespace chorus::gradients {
namespace {

/// Nothing is reduced: noop_with_empty_axes and no axes.
bool no_axes(GradContext& b) { return !b.has_input(1) || rules::known_count(b, 1) == 0; }

/// A tensor like the output with the reduced axes back, of extent 1: it broadcasts against the operand.
Ref with_axes(GradContext& b, Ref y) {
  if (b.attrs().integer("keepdims", 1) != 0) return y;
  if (!no_axes(b)) return b.op("Unsqueeze", {y, b.in(1)});
  if (b.attrs().integer("noop_with_empty_axes") != 0) return y;
  std::vector<int64_t> all(static_cast<size_t>(known_rank(b, 0)));
  std::iota(all.begin(), all.end(), int64_t{0});
  return all.empty() ? y : b.op("Unsqueeze", {y, b.ints(all)});
}
Ref dy(GradContext& b) { return with_axes(b, b.out_gradient(0)); }
Ref y(GradContext& b) { return with_axes(b, b.out(0)); }
/// The same reduction by another operator, axes kept.
Ref reduced(GradContext& b, std::string_view op, Ref x) {
  Attributes attributes{{"keepdims", 1}};
  if (b.attrs().integer("noop_with_empty_axes") != 0) attributes.set("noop_with_empty_axes", int64_t{1});
  return b.op(op, {x, b.has_input(1) ? b.in(1) : Ref{}}, std::move(attributes));
}
Ref count(GradContext& b, Ref x) { return cast_like(b, b.op("Size", {x}), b.in(0)); }

}  // namespace

void reduce_sum_rule(GradContext& b) { b.set_gradient(0, b.op("Expand", {dy(b), shape_of(b, b.in(0))})); }
void reduce_mean_rule(GradContext& b) {
  const Ref each = div(b, count(b, b.in(0)), count(b, b.out(0)));
  b.set_gradient(0, b.op("Expand", {div(b, dy(b), each), shape_of(b, b.in(0))}));
}
/// The elements that reach the extremum share the gradient.
void reduce_extremum_rule(GradContext& b) {
  const Ref hits = as_numbers(b, equal(b, b.in(0), y(b)), b.in(0));
  b.set_gradient(0, mul(b, div(b, dy(b), reduced(b, "ReduceSum", hits)), hits));
}
/// The product of the others: without dividing by 0. One zero in a line: only its own place has a gradient; two: none has.
void reduce_prod_rule(GradContext& b) {
  const Ref x = b.in(0), one = number(b, x, 1), zero = number(b, x, 0);
  const Ref is_zero = equal(b, x, zero), safe = where(b, is_zero, one, x);
  const Ref zeros = as_numbers(b, is_zero, x), others = sub(b, reduced(b, "ReduceSum", zeros), zeros);
  const Ref product = div(b, reduced(b, "ReduceProd", safe), safe);
  b.set_gradient(0, where(b, equal(b, others, zero), mul(b, dy(b), product), zero));
}
void reduce_l1_rule(GradContext& b) { b.set_gradient(0, mul(b, dy(b), b.op("Sign", {b.in(0)}))); }
void reduce_l2_rule(GradContext& b) {
  const Ref norm = y(b), zero = number(b, norm, 0), none = equal(b, norm, zero);
  b.set_gradient(0, mul(b, b.in(0), where(b, none, zero, div(b, dy(b), where(b, none, number(b, norm, 1), norm)))));
}
void reduce_log_sum_rule(GradContext& b) {
  const Ref sums = reduced(b, "ReduceSum", b.in(0));
  b.set_gradient(0, b.op("Expand", {div(b, dy(b), sums), shape_of(b, b.in(0))}));
}
void reduce_log_sum_exp_rule(GradContext& b) { b.set_gradient(0, mul(b, dy(b), b.op("Exp", {sub(b, b.in(0), y(b))}))); }
void reduce_sum_square_rule(GradContext& b) {
  b.set_gradient(0, mul(b, mul(b, dy(b), number(b, b.in(0), 2)), b.in(0)));
}

void cum_sum_rule(GradContext& b) {
  const int64_t reverse = b.attrs().integer("reverse") != 0 ? 0 : 1;
  b.set_gradient(0, b.op("CumSum", {b.out_gradient(0), b.in(1)},
                         {{"exclusive", b.attrs().integer("exclusive")}, {"reverse", reverse}}));
}
void cum_prod_rule(GradContext& b) {
  b.set_gradient(0, own(b, "CumProdGrad", {b.out_gradient(0), b.in(0), b.in(1)}, b.attrs().all()));
}

/// dX_i = sum over j of dY_j times the product of the other factors of y_j: factors in a square, those on the diagonal left out.
Expansion cum_prod_grad_form(OpBuilder& b) {
  const auto given = rules::known_ints(static_cast<const NodeContext&>(b), 2);
  const int rank = b.input(1).rank();
  if (!given || given->size() != 1 || rank < 1)
    return Expansion::refuse("CumProdGrad along an axis that is not constant");
  const int64_t axis = rules::normalize_axis(b, (*given)[0], rank);
  const bool reverse = b.attrs().integer("reverse") != 0, exclusive = b.attrs().integer("exclusive") != 0;
  const Ref x = b.in(1), n = extent_of(b, x, axis);
  const Ref line = b.op("Range", {whole(b, 0), b.op("Squeeze", {n, b.ints({0})}), whole(b, 1)});
  std::vector<int64_t> behind;
  for (int64_t i = 1; i < rank - axis; ++i) behind.push_back(i);
  const Ref numbers = behind.empty() ? line : b.op("Unsqueeze", {line, b.ints(behind)});
  const Ref i = b.op("Unsqueeze", {numbers, b.ints({1})}), j = b.op("Unsqueeze", {numbers, b.ints({0})});
  const Ref square = joined(b, {b.op("Shape", {x}, {{"end", axis}}), n, b.op("Shape", {x}, {{"start", axis}})});
  const Ref factors = b.op("Expand", {b.op("Unsqueeze", {x, b.ints({axis})}), square});
  const Ref others = where(b, equal(b, i, j), number(b, x, 1), factors);
  const Ref products =
      b.op("CumProd", {others, whole(b, axis + 1)}, {{"exclusive", exclusive ? 1 : 0}, {"reverse", reverse ? 1 : 0}});
  const Ref depends = b.op(exclusive ? "Less" : "LessOrEqual", {reverse ? j : i, reverse ? i : j});
  const Ref terms = mul(b, products, b.op("Unsqueeze", {b.in(0), b.ints({axis})}));
  return b.op("ReduceSum", {where(b, depends, terms, number(b, x, 0)), b.ints({axis + 1})}, {{"keepdims", 0}});
}
void cum_prod_grad_rule(GradContext& b) { b.through(cum_prod_grad_form); }

void top_k_rule(GradContext& b) {
  if (!b.out_gradient(0)) return;
  b.set_gradient(0, b.op("ScatterElements", {zeros_like(b, b.in(0)), b.out(1), b.out_gradient(0)},
                         {{"axis", b.attrs().integer("axis", -1)}}));
}

}  // namespace chorus::gradients
