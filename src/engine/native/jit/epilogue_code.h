// Bias, residual and activation on results in registers.
#pragma once
#include <engine/native/jit/ir.h>

namespace chorus::jit {

/// What code depends on, besides the tile.
struct EpilogueKey {
  fast::Activation activation = fast::Activation::none;
  bool bias = false;
  bool residual = false;  ///< added behind the activation; one before it is where sums start
  bool requantize = false;  ///< integer sums become bytes (ByteChannels, ByteRange); no other epilogue
  bool operator==(const EpilogueKey&) const = default;
};
EpilogueKey epilogue_key(const ConvProblem& problem) noexcept;

/// Of one block of channels: (sum + start) * factor + shift is the result in steps of the output, before its zero point.
struct alignas(64) ByteChannels {
  int32_t start[16];
  float factor[16], shift[16];
};

/// 16 times alpha, 16 times beta: what the code reads through its `params` register.
struct alignas(64) EpilogueParams {
  float alpha[16] = {}, beta[16] = {};
  float zero[16] = {};  ///< of bytes; alpha and beta are the least and the largest then
};
void set_params(const ConvProblem& problem, EpilogueParams* params) noexcept;

/// Registers of the code that finishes results.
struct EpilogueRegisters {
  int temps[4];  ///< vectors
  int params;  ///< general: EpilogueParams
  int constants;  ///< general: set by emit_constants
};
/// Before the first activation; only if needs_constants.
bool needs_constants(const EpilogueKey& key) noexcept;
void emit_constants(Code& code, const EpilogueRegisters& r);
/// v, in steps of the output, becomes an integral float in [alpha, beta] around the zero point; NaN the least.
void emit_to_steps(Code& code, const EpilogueRegisters& r, int v);
/// The integer sums in v become bytes at `to`: of the ByteChannels that lie `disp` bytes behind the general register `channels`.
void emit_requantize(Code& code, const EpilogueRegisters& r, int v, int channels, int disp, const Mem& to);
/// v = activation(v).
void emit_activation(Code& code, const EpilogueKey& key, const EpilogueRegisters& r, int v);

}  // namespace chorus::jit
