// Bias, residual and activation on results in registers.
#pragma once
#include <engine/native/jit/ir.h>

namespace chorus::jit {

/// What code depends on, besides the tile.
struct EpilogueKey {
  fast::Activation activation = fast::Activation::none;
  bool bias = false;
  bool residual = false;  ///< added behind the activation; one before it is where sums start
  bool operator==(const EpilogueKey&) const = default;
};
EpilogueKey epilogue_key(const ConvProblem& problem) noexcept;

/// 16 times alpha, 16 times beta: what the code reads through its `params` register.
struct alignas(64) EpilogueParams {
  float alpha[16] = {}, beta[16] = {};
};
void set_params(const ConvProblem& problem, EpilogueParams* params) noexcept;

/// Registers of the code that finishes results.
struct EpilogueRegisters {
  int temps[4];    ///< vectors
  int params;      ///< general: EpilogueParams
  int constants;   ///< general: set by emit_constants
};
/// Before the first activation; only if needs_constants.
bool needs_constants(const EpilogueKey& key) noexcept;
void emit_constants(Code& code, const EpilogueRegisters& r);
/// v = activation(v).
void emit_activation(Code& code, const EpilogueKey& key, const EpilogueRegisters& r, int v);

}  // namespace chorus::jit
