// Gradients of Softmax and of losses over classes. The normalisations are differentiated by their meanings.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

#include <climits>

namespace chorus::gradients {
namespace {

Ref sum_along(GradContext& b, Ref x, int64_t axis) { return b.op("ReduceSum", {x, b.ints({axis})}, {{"keepdims", 1}}); }

/// -input[n, target[n]] · weight[target[n]], and its mean.
Expansion likelihood_form(OpBuilder& b) {
  const Ref x = b.in(0);
  Ref target = b.in(1), counts;
  if (b.attrs().given("ignore_index")) {
    const DType type = b.type_of(target).dtype;
    const Ref ignored =
        equal(b, target, rules::scalar(b, type, static_cast<double>(b.attrs().integer("ignore_index"))));
    counts = as_numbers(b, b.op("Not", {ignored}), x);
    target = where(b, ignored, rules::scalar(b, type, 0), target);
  } else {
    counts = filled(b, shape_of(b, target), x, 1);
  }
  if (b.has_input(2)) counts = mul(b, counts, b.op("Gather", {b.in(2), target}, {{"axis", 0}}));
  const Ref chosen = b.op("GatherElements", {x, b.op("Unsqueeze", {target, b.ints({1})})}, {{"axis", 1}});
  const Ref each = neg(b, mul(b, b.op("Squeeze", {chosen, b.ints({1})}), counts));
  const std::string_view how = b.attrs().string("reduction", "mean");
  if (how == "none") return each;
  const auto total = [&](Ref v) { return b.op("ReduceSum", {v}, {{"keepdims", 0}}); };
  return how == "sum" ? total(each) : div(b, total(each), total(counts));
}

}  // namespace

void softmax_rule(GradContext& b) {
  const Ref y = b.out(0), dy = b.out_gradient(0);
  if (known_rank(b, 0) == 0) return b.set_gradient(0, zeros_like(b, y));
  const Ref part = mul(b, dy, y);
  b.set_gradient(0, sub(b, part, mul(b, y, sum_along(b, part, b.attrs().integer("axis", -1)))));
}

void log_softmax_rule(GradContext& b) {
  const Ref y = b.out(0), dy = b.out_gradient(0);
  if (known_rank(b, 0) == 0) return b.set_gradient(0, zeros_like(b, y));
  b.set_gradient(0, sub(b, dy, mul(b, b.op("Exp", {y}), sum_along(b, dy, b.attrs().integer("axis", -1)))));
}

void likelihood_rule(GradContext& b) { b.through(likelihood_form); }

}  // namespace chorus::gradients
