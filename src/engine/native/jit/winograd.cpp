#include <engine/native/jit/winograd.h>

namespace chorus::jit {

bool winograd_fits(const ConvProblem&) noexcept { return false; }
size_t winograd_packed_bytes(const ConvProblem&) noexcept { return 0; }
void winograd_pack(const ConvProblem&, const float*, const float*, float*) noexcept {}

}  // namespace chorus::jit
