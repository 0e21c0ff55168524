// Calls of PaddlePaddle in the form that mappings use: broadcasting, any axis, every type whose elements only move.
#pragma once
#include "tensor.h"

namespace chorus_paddle {

using Types = uint64_t;  ///< set of element types
constexpr Types type_bit(Type t) { return Types{1} << static_cast<int>(t); }
/// The types for which PaddlePaddle has a kernel of that name on the processor.
Types kernel_types(const char* kernel);

Ints broadcast_shape(const Ints& a, const Ints& b);  ///< throws Failure(CH_BAD_INPUT)

// Arithmetic, of operands of one type.
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor add(const Tensor& a, double b);
Tensor sub(const Tensor& a, double b);
Tensor mul(const Tensor& a, double b);
Tensor div(const Tensor& a, double b);
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor clamp(const Tensor& x, double low, double high);
Tensor pow(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& a, double b);
Tensor neg(const Tensor& x);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
Tensor eq(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, double b);
Tensor gt(const Tensor& a, double b);
Tensor ge(const Tensor& a, double b);
Tensor eq(const Tensor& a, double b);
Tensor ne(const Tensor& a, double b);
Tensor both(const Tensor& a, const Tensor& b);  ///< logical and
Tensor either(const Tensor& a, const Tensor& b);  ///< logical or
Tensor inverted(const Tensor& a);  ///< logical not
bool any(const Tensor& flags);
/// Whole numbers of `x` modulo n, in [0, n).
Tensor wrapped_modulo(const Tensor& x, int64_t n);

/// Elements of x where the condition holds, else of y; broadcasting.
Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y);
Tensor where(const Tensor& condition, double x, const Tensor& y);
Tensor where(const Tensor& condition, const Tensor& x, double y);

// Reductions.
Tensor sum(const Tensor& x, const Ints& axes, bool keep);
Tensor mean(const Tensor& x, const Ints& axes, bool keep);
Tensor largest(const Tensor& x, const Ints& axes, bool keep);
Tensor smallest(const Tensor& x, const Ints& axes, bool keep);
/// [values, places], equal ones in the order of their places.
std::pair<Tensor, Tensor> sorted(const Tensor& x, int64_t axis, bool descending);
Tensor matmul(const Tensor& a, const Tensor& b);
Tensor log_softmax(const Tensor& x, int64_t axis);  ///< without the bound of PaddlePaddle's own
Tensor is_nan(const Tensor& x);

// Movement.
Tensor concat(const Tensors& parts, int64_t axis);
Tensor stack(const Tensors& parts, int64_t axis);
Tensor flip(const Tensor& x, int64_t axis);
Tensor repeat(const Tensor& x, const Ints& times);
Tensor repeat_each(const Tensor& x, int64_t times, int64_t axis);
Tensor pad(const Tensor& x, const Ints& before, const Ints& after, double value);  ///< negative: cuts
Tensor pad(const Tensor& x, const Ints& before, const Ints& after, const Tensor& value);
Tensor take_along(const Tensor& x, int64_t axis,
                  const Tensor& places);  ///< as NumPy's take_along_axis, with places of x's rank
/// x with `updates` at the places along the axis; how: assign, add, mul, max or min.
Tensor put_along(const Tensor& x, int64_t axis, const Tensor& places, const Tensor& updates, const char* how);
Tensor nonzero(const Tensor& x);  ///< [n, rank] of int64

}  // namespace chorus_paddle
