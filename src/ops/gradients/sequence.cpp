// Gradients of sequences and optionals: the gradient of a sequence is a sequence of as many gradients.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

namespace chorus::gradients {
namespace {

/// A position counted from the beginning; an omitted one is `behind` places before the end.
Ref from_start(GradContext& b, int operand, int64_t behind) {
  const Ref n = b.op("SequenceLength", {b.in(0)});
  if (!b.has_input(operand)) return behind == 0 ? n : sub(b, n, whole(b, behind));
  Ref at = b.in(operand);
  if (b.type_of(at).dtype != DType::int64) at = b.op("Cast", {at}, {{"to", static_cast<int64_t>(DType::int64)}});
  return where(b, less(b, at, whole(b, 0)), add(b, at, n), at);
}

}  // namespace

void sequence_construct_rule(GradContext& b) {
  for (int i = 0; i < b.inputs(); ++i) {
    if (b.wanted(i)) b.set_gradient(i, b.op("SequenceAt", {b.out_gradient(0), whole(b, i)}));
  }
}
void sequence_at_rule(GradContext& b) {
  b.set_gradient(0, own(b, "SequenceAtGrad", {b.out_gradient(0), b.in(0), b.in(1)}));
}
void sequence_insert_rule(GradContext& b) {
  const Ref at = from_start(b, 2, 0);
  if (b.wanted(0)) b.set_gradient(0, b.op("SequenceErase", {b.out_gradient(0), at}));
  if (b.wanted(1)) b.set_gradient(1, b.op("SequenceAt", {b.out_gradient(0), at}));
}
void sequence_erase_rule(GradContext& b) {
  const Ref at = from_start(b, 1, 1);
  b.set_gradient(0, b.op("SequenceInsert", {b.out_gradient(0), zeros_like(b, b.op("SequenceAt", {b.in(0), at})), at}));
}
void concat_from_sequence_rule(GradContext& b) {
  b.set_gradient(0, own(b, "ConcatFromSequenceGrad", {b.out_gradient(0), b.in(0)}, b.attrs().all()));
}
void split_to_sequence_rule(GradContext& b) {
  // Without lengths, keepdims=0 drops the axis of every part.
  const bool dropped = !b.has_input(1) && b.attrs().integer("keepdims", 1) == 0;
  const Ref joined = b.op("ConcatFromSequence", {b.out_gradient(0)},
                          {{"axis", b.attrs().integer("axis")}, {"new_axis", dropped ? 1 : 0}});
  b.set_gradient(0, reshape(b, joined, shape_of(b, b.in(0))));
}
void optional_rule(GradContext& b) { b.set_gradient(0, b.op("OptionalGetElement", {b.out_gradient(0)})); }
void optional_get_element_rule(GradContext& b) {
  b.set_gradient(0, b.input(0).kind == ValueKind::optional ? b.op("Optional", {b.out_gradient(0)}) : b.out_gradient(0));
}

void sequence_sum_rule(GradContext& b) {
  for (int i = 0; i < b.inputs(); ++i) b.set_gradient(i, b.out_gradient(0));
}
void sequence_at_grad_rule(GradContext& b) { b.set_gradient(0, b.op("SequenceAt", {b.out_gradient(0), b.in(2)})); }
void concat_from_sequence_grad_rule(GradContext& b) {
  b.set_gradient(0, b.op("ConcatFromSequence", {b.out_gradient(0)}, b.attrs().all()));
}

}  // namespace chorus::gradients
