// How deep a JSON text is nested, told before it is parsed: whoever walks or prints what was parsed does so by recursion.
#pragma once
#include <string_view>

namespace chorus {

inline constexpr int kMostJsonDepth = 64;

/// The most brackets open at one place, outside texts. What is no JSON has a depth too.
int json_depth(std::string_view text) noexcept;

}  // namespace chorus
