// Gelu by the tangent as exporters spell it: x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).
#pragma once
#include <engine/native/candidate.h>

#include <optional>

namespace chorus::native {

/// The nodes behind `x` that compute Gelu of it and that nobody else reads, as one epilogue; nullopt where there are none.
std::optional<EpilogueItem> find_gelu_tanh(const Graph& graph, ValueId x);
/// The only number of a constant; nullopt otherwise.
std::optional<float> constant_number(const Graph& graph, ValueId id);

}  // namespace chorus::native
