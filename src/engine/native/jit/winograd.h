// Winograd convolutions: 3x3, stride 1, dilation 1, one group.
#pragma once
#include <engine/native/jit/geometry.h>

namespace chorus::jit {

bool winograd_fits(const ConvProblem& problem) noexcept;
size_t winograd_packed_bytes(const ConvProblem& problem) noexcept;
void winograd_pack(const ConvProblem& problem, const float* weights, const float* scale, float* packed) noexcept;

}  // namespace chorus::jit
