#include <ops/gradients/support.h>

#include <ops/gradients/rules.h>

#include <fmt/format.h>

#include <core/convert.h>

namespace chorus::gradients {

Ref own(OpBuilder& b, std::string_view op, std::initializer_list<Ref> inputs, Attributes attributes) {
  b.next("chorus", 0);
  return b.emit(op, std::span<const Ref>(inputs.begin(), inputs.size()), std::move(attributes), 1)[0];
}

Ref cast_like(OpBuilder& b, Ref x, Ref like) {
  const DType from = b.type_of(x).dtype, to = b.type_of(like).dtype;
  if (to == DType::undefined) return b.op("CastLike", {x, like});
  return from == to ? x : b.op("Cast", {x}, {{"to", static_cast<int64_t>(to)}});
}

Ref as_numbers(OpBuilder& b, Ref condition, Ref like) { return cast_like(b, condition, like); }

Ref extent_of(OpBuilder& b, Ref x, int64_t axis) {
  // Axis -1 ends with the tensor, not before its first axis.
  Attributes attributes{{"start", axis}};
  if (axis != -1) attributes.set("end", axis + 1);
  return b.op("Shape", {x}, std::move(attributes));
}

Ref filled(OpBuilder& b, Ref shape, Ref like, double v) {
  const DType type = b.type_of(like).dtype;
  Value value = Value::tensor(type == DType::undefined ? DType::float32 : type, Shape{1});
  set_f64(value.dtype(), value.mutable_data(), 0, v);
  const Ref made = b.op("ConstantOfShape", {shape}, {{"value", std::move(value)}});
  return type == DType::undefined ? b.op("CastLike", {made, like}) : made;
}

Ref reshape(OpBuilder& b, Ref x, Ref shape) { return b.op("Reshape", {x, shape}, {{"allowzero", 1}}); }
Ref reshape_like(OpBuilder& b, Ref x, Ref like) {
  const Type &from = b.type_of(x), &to = b.type_of(like);
  if (from.has_rank && to.has_rank && from.rank() == to.rank()) {
    bool same = true;
    for (size_t i = 0; i < from.dims.size(); ++i)
      same = same && Dim::equal(from.dims[i], to.dims[i]) == Dim::Truth::yes;
    if (same) return x;
  }
  return reshape(b, x, shape_of(b, like));
}

Ref joined(OpBuilder& b, std::initializer_list<Ref> parts) { return b.op("Concat", parts, {{"axis", 0}}); }

Ref transposed(OpBuilder& b, Ref x, const std::vector<int64_t>& order) {
  bool same = true;
  for (size_t i = 0; i < order.size(); ++i) same = same && order[i] == static_cast<int64_t>(i);
  return same ? x : b.op("Transpose", {x}, {{"perm", order}});
}

Ref sum_to(OpBuilder& b, Ref gradient, Ref like) {
  const Type from = b.type_of(gradient), to = b.type_of(like);
  if (!from.has_rank || !to.has_rank || from.rank() < to.rank() || is_complex(from.dtype))
    return own(b, "SumTo", {gradient, shape_of(b, like)});
  const int more = from.rank() - to.rank();
  std::vector<int64_t> summed, leading;
  for (int i = 0; i < from.rank(); ++i) {
    const Dim& wide = from.dims[static_cast<size_t>(i)];
    if (i < more) {
      summed.push_back(i);
      leading.push_back(i);
      continue;
    }
    const Dim& narrow = to.dims[static_cast<size_t>(i - more)];
    if (Dim::equal(wide, narrow) == Dim::Truth::yes) continue;
    if (!narrow.is_number() || narrow.number() != 1) return own(b, "SumTo", {gradient, shape_of(b, like)});
    summed.push_back(i);
  }
  if (summed.empty()) return gradient;
  const Ref sums = b.op("ReduceSum", {gradient, b.ints(summed)}, {{"keepdims", 1}});
  return leading.empty() ? sums : b.op("Squeeze", {sums, b.ints(leading)});
}

void set_summed(GradContext& b, int input, Ref gradient) {
  if (b.wanted(input)) b.set_gradient(input, sum_to(b, gradient, b.in(input)));
}

Ref gradient_or_zeros(GradContext& b, int i) {
  const Ref g = b.out_gradient(i);
  return g ? g : zeros_like(b, b.out(i));
}

int known_rank(GradContext& b, int input) {
  const int rank = b.input(input).rank();
  if (rank < 0)
    b.fail(Code::unsupported, fmt::format("its gradient needs the rank of operand {}", input),
           "declare the shapes of the model's inputs");
  return rank;
}

void by_meaning(GradContext& b) { b.through(std::get<Decompose>(b.op().meaning)); }
void pass_on(GradContext& b) { b.set_gradient(0, b.out_gradient(0)); }
void not_derived(GradContext& b) {
  b.fail(Code::unsupported, "its derivative is not known here",
         "detach its operands, or do without the second derivative");
}
void by_bodies(GradContext& b) { b.through_bodies(); }

}  // namespace chorus::gradients
