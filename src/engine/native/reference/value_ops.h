// Helpers of the kernels that work on whole Values: control flow, sequences, optionals.
#pragma once
#include <engine/native/reference/move.h>

#include <vector>

namespace chorus::native::move {

/// Operand i as a Value that may be kept: the executor's own where there is one, else a copy of the view.
Value value_of(const KernelContext& ctx, int i);
/// Runs `work`, which may throw, and turns what it throws into a Status.
Status guarded(FunctionRef<Status()> work) noexcept;
/// The slice at `index` of axis `axis`, without that axis.
Value take(const Value& from, int axis, int64_t index);
/// Part [begin, begin + length) of an axis.
Value part(const Value& from, int axis, int64_t begin, int64_t length);
/// Tensors joined along an axis. Throws Error(shape) where they do not fit.
Value join(std::span<const Value> parts, int axis);
/// Tensors of one shape stacked along a new axis. Throws Error(shape).
Value stack(std::span<const Value> items, int axis);
/// The same elements with an axis of extent 1 more.
Value with_axis(const Value& from, int axis);

}  // namespace chorus::native::move
