// What the families of fast candidates share: the kernel table of this processor, types that a candidate asks for, and
// the translation of a step's epilogues for the kernels. All but the functions of preparing allocate nothing.
#pragma once
#include <engine/native/candidate.h>
#include <engine/native/fast/kernels.h>

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace chorus::native::steps {

/// The fast kernels of this processor's level, chosen once.
const fast::FastKernels& table() noexcept;
/// "conv.gemm" → "conv.gemm.avx512"; the text lives as long as the process.
std::string_view at_level(std::string_view stem);

/// A dense float32 tensor of known rank.
bool is_float32(const Type& type) noexcept;
bool is_float32(const Type& type, int rank) noexcept;
/// All extents of the axes [first, rank) are numbers above zero.
bool has_numbers(const Type& type, size_t first = 0) noexcept;
/// Both have the same rank and extents proved equal.
bool same_dims(const Type& a, const Type& b);
/// The only element of a constant floating-point operand; false when it is not one.
bool constant_float(const StepDescription& step, int operand, float* out);
/// The elements of a constant operand of integers; false when it is not one.
bool constant_integers(const StepDescription& step, int operand, std::vector<int64_t>* out);
/// The axis, counted from the front; -1 when out of range.
int64_t from_front(int64_t axis, int rank) noexcept;

inline Status no_scratch() noexcept { return Status::error(Code::budget, "no memory for temporaries"); }

/// Epilogues of a step as the kernels take them: (x + bias) * scale + shift, then the residual, then the activation.
struct PreparedEpilogue {
  std::vector<float> bias, scale, shift;  ///< [channels], empty: left out
  fast::Activation activation = fast::Activation::none;
  float alpha = 0, beta = 0;
  int residual = -1;  ///< operand of the step
  int64_t bytes() const noexcept {
    return static_cast<int64_t>((bias.size() + scale.size() + shift.size()) * sizeof(float));
  }
};
enum class OwnBias : uint8_t { none, constant, at_run };
/// `own`: constant: the operator's own bias is `bias` [channels]; at_run: the caller sets one before the rest.
PreparedEpilogue prepare_epilogue(const StepDescription& step, OwnBias own, std::span<const float> bias);
/// For one run; the axis is the caller's.
fast::Epilogue make_epilogue(const PreparedEpilogue& prepared, const KernelContext& ctx) noexcept;
/// All kinds that the kernels of products and convolutions take.
uint32_t all_epilogues() noexcept;

/// Extents of a tensor around one axis: [outer, n, inner].
struct Split {
  int64_t outer = 1, n = 1, inner = 1;
};
Split split(std::span<const int64_t> dims, int64_t first, int64_t end) noexcept;

}  // namespace chorus::native::steps
