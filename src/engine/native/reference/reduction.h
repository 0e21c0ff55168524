// Kernels along one axis (reduction_axis.cpp), listed by the reduction family.
#pragma once
#include <engine/native/kernel.h>

namespace chorus::native::reference {
Status arg_max(KernelContext& ctx) noexcept;
Status arg_min(KernelContext& ctx) noexcept;
Status cum_sum(KernelContext& ctx) noexcept;
Status cum_prod(KernelContext& ctx) noexcept;
Status top_k(KernelContext& ctx) noexcept;
Status hardmax(KernelContext& ctx) noexcept;
}  // namespace chorus::native::reference
