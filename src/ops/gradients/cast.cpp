// Gradients of conversions and of what makes tensors from numbers.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

namespace chorus::gradients {

/// Rounding to a narrower type counts as the identity.
void cast_rule(GradContext& b) { b.set_gradient(0, cast_like(b, b.out_gradient(0), b.in(0))); }
void view_as_real_rule(GradContext& b) { b.set_gradient(0, own(b, "ViewAsComplex", {b.out_gradient(0)})); }
void view_as_complex_rule(GradContext& b) { b.set_gradient(0, own(b, "ViewAsReal", {b.out_gradient(0)})); }

/// y = (x - zero point) · scale: the scale's gradient sums over what shares it.
void dequantize_rule(GradContext& b) {
  if (b.wanted(0)) return by_meaning(b);
  const int rank = known_rank(b, 0), scales = known_rank(b, 1);
  const Ref ones = filled(b, shape_of(b, b.in(1)), b.in(1), 1);
  const Ref steps = b.op("DequantizeLinear", {b.in(0), ones, b.has_input(2) ? b.in(2) : Ref{}}, b.attrs().all());
  const Ref parts = cast_like(b, mul(b, b.out_gradient(0), steps), b.in(1));
  const int64_t block = b.attrs().integer("block_size");
  const int64_t axis = rank == 0 ? 0 : axis_of(b, scales == 1 && rank == 1 ? 0 : b.attrs().integer("axis", 1), rank);
  std::vector<int64_t> summed;
  if (scales == rank && block > 0) {
    const Ref blocks = extent_of(b, b.in(1), axis), size = b.ints({block});
    const Ref more = sub(b, mul(b, blocks, size), extent_of(b, parts, axis));
    const Ref full = b.op("Pad", {parts, joined(b, {b.ints({0}), more}), Ref{}, b.ints({axis})});
    const Ref shape = joined(
        b, {b.op("Shape", {parts}, {{"end", axis}}), blocks, size, b.op("Shape", {parts}, {{"start", axis + 1}})});
    return b.set_gradient(1, b.op("ReduceSum", {reshape(b, full, shape), b.ints({axis + 1})}, {{"keepdims", 0}}));
  }
  const Dim& first = scales == 1 ? b.input(1).dims[0] : Dim(1);
  const bool each = scales == 1 && !(first.is_number() && first.number() == 1);
  for (int64_t i = 0; i < rank; ++i) {
    if (!each || i != axis) summed.push_back(i);
  }
  const Ref sums = summed.empty() ? parts : b.op("ReduceSum", {parts, b.ints(summed)}, {{"keepdims", 0}});
  b.set_gradient(1, reshape_like(b, sums, b.in(1)));
}

/// start + i · delta; the limit only decides how many there are.
void range_rule(GradContext& b) {
  const Ref dy = b.out_gradient(0);
  const auto total = [&](Ref x) { return b.op("ReduceSum", {x}, {{"keepdims", 0}}); };
  if (b.wanted(0)) b.set_gradient(0, total(dy));
  if (b.wanted(2)) {
    const Ref steps = b.op("Range", {whole(b, 0), b.op("Size", {dy}), whole(b, 1)});
    b.set_gradient(2, total(mul(b, dy, cast_like(b, steps, dy))));
  }
}

}  // namespace chorus::gradients
