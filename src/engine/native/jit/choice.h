// What may be chosen for a convolution, in words: the cost model chooses one, a tuning log may name another.
#pragma once
#include <engine/native/jit/conv.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::jit {

struct Choice {
  Method method = Method::direct;
  Tiling tiling;
  bool operator==(const Choice&) const = default;
};

/// "direct", "direct blocks=2 pixels=14 chunk=384", "winograd4 chunk=112"; what is left out is the cost model's.
std::string str(const Choice& choice);
/// Of a text that str makes, when the problem can be computed so; nothing for all others.
std::optional<Choice> parse_choice(std::string_view text, const ConvProblem& problem, Level level);

/// All that the time of a call depends on: shape, sizes, layouts, what is added, instruction set; at most 300 characters. Problems with open
/// extents have one signature for all sizes.
std::string signature(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);

/// What is worth timing, the cost model's choice (no tiling; the method that preferred_method gives) first. One alone: nothing to choose.
std::vector<Choice> choices(const ConvProblem& problem, const fast::ConvSizes& sizes, Level level);
/// Further ones near the best of those.
std::vector<Choice> refinements(const Choice& best, const ConvProblem& problem, Level level);

/// The problem computed that way.
ConvProblem with_choice(ConvProblem problem, const Choice& choice) noexcept;

}  // namespace chorus::jit
