// Words in which gradient rules are written.
#pragma once
#include <ops/rules.h>

#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

namespace chorus::gradients {

inline Ref add(OpBuilder& b, Ref x, Ref y) { return b.op("Add", {x, y}); }
inline Ref sub(OpBuilder& b, Ref x, Ref y) { return b.op("Sub", {x, y}); }
inline Ref mul(OpBuilder& b, Ref x, Ref y) { return b.op("Mul", {x, y}); }
inline Ref div(OpBuilder& b, Ref x, Ref y) { return b.op("Div", {x, y}); }
inline Ref neg(OpBuilder& b, Ref x) { return b.op("Neg", {x}); }
inline Ref less(OpBuilder& b, Ref x, Ref y) { return b.op("Less", {x, y}); }
inline Ref equal(OpBuilder& b, Ref x, Ref y) { return b.op("Equal", {x, y}); }
inline Ref where(OpBuilder& b, Ref condition, Ref x, Ref y) { return b.op("Where", {condition, x, y}); }
/// A scalar of the element type of `like`.
inline Ref number(OpBuilder& b, Ref like, double v) { return rules::scalar_like(b, like, v); }
/// A scalar of type int64.
inline Ref whole(OpBuilder& b, int64_t v) { return b.constant(Value::scalar<int64_t>(v)); }
/// An operator of the domain `chorus`, one output.
Ref own(OpBuilder& b, std::string_view op, std::initializer_list<Ref> inputs, Attributes attributes = {});
/// x in the element type of `like`.
Ref cast_like(OpBuilder& b, Ref x, Ref like);
/// bool as 0 and 1 of the element type of `like`.
Ref as_numbers(OpBuilder& b, Ref condition, Ref like);

inline Ref shape_of(OpBuilder& b, Ref x) { return b.op("Shape", {x}); }
/// One extent, rank 1 of one element.
Ref extent_of(OpBuilder& b, Ref x, int64_t axis);
/// A tensor of a shape (int64 of rank 1) with one number everywhere.
Ref filled(OpBuilder& b, Ref shape, Ref like, double v);
inline Ref zeros_like(OpBuilder& b, Ref x) { return filled(b, shape_of(b, x), x, 0); }
/// Memory of a tensor in the shape of `like`; extents of 0 are meant.
Ref reshape_like(OpBuilder& b, Ref x, Ref like);
Ref reshape(OpBuilder& b, Ref x, Ref shape);
/// Integers in rank 1, one after the other.
Ref joined(OpBuilder& b, std::initializer_list<Ref> parts);
/// x with its axes in another order: axis i of the result is axis order[i].
Ref transposed(OpBuilder& b, Ref x, const std::vector<int64_t>& order);

/// The gradient of an operand that was broadcast to the shape of `gradient`: summed over the axes along which it was repeated.
/// Where sizes are not known before the run, chorus.SumTo decides there.
Ref sum_to(OpBuilder& b, Ref gradient, Ref like);
/// set_gradient of an operand that broadcasting may have widened.
void set_summed(GradContext& b, int input, Ref gradient);
/// The gradient of output i, zeros where none flows.
Ref gradient_or_zeros(GradContext& b, int i);
/// The rank of an operand; Error(unsupported) where it is not known.
int known_rank(GradContext& b, int input);
/// axis in [0, rank).
inline int64_t axis_of(const NodeContext& b, int64_t axis, int rank) { return rules::normalize_axis(b, axis, rank); }

/// Rule of operators that are differentiated in the form of their decomposition.
void by_meaning(GradContext& b);
/// Rule of operators that only pass a value on.
void pass_on(GradContext& b);
/// Rule of operators with bodies.
void by_bodies(GradContext& b);

}  // namespace chorus::gradients
