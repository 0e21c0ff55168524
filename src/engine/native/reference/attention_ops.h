// Kernels of attention that stand in files of their own; the rows are in attention.cpp.
#pragma once
#include <engine/native/kernel.h>

namespace chorus::native {

Status flex_attention(KernelContext& ctx) noexcept;  // flex_attention.cpp

}  // namespace chorus::native
