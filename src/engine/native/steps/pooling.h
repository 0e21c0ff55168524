// What the candidates of pooling share in both layouts.
#pragma once
#include <engine/native/steps/support.h>

#include <algorithm>

namespace chorus::native::steps {

/// Windows that hold at least one element wherever they lie, over one or two spatial axes.
bool accepts_pool(const StepDescription& step);
bool accepts_max_pool(const StepDescription& step);   ///< and no indices are wanted
/// Planes are images times channels, pointers those of operand and result.
fast::PoolArgs pool_args(const KernelContext& ctx, fast::Pool kind) noexcept;

}  // namespace chorus::native::steps
