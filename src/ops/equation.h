// The equation of Einsum, parsed without allocation into labels per axis.
#pragma once
#include <chorus/shape.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace chorus {

struct Equation {
  static constexpr int kOperands = 16;
  static constexpr int kLetters = 52;                   ///< labels 0–25: a–z, 26–51: A–Z
  static constexpr int kLabels = kLetters + kMaxRank;   ///< 52 …: axes of the ellipsis, outermost first
  struct Term {
    int count = 0;
    uint8_t labels[kMaxRank] = {};
  };
  int operands = 0;
  Term inputs[kOperands];
  Term output;
  bool used[kLabels] = {};                              ///< labels that some operand has
  static char letter(int label) noexcept {
    return static_cast<char>(label < 26 ? 'a' + label : label < 52 ? 'A' + label - 26 : '.');
  }
};

/// Reads `text` for operands of these ranks. An ellipsis stands for the axes that its letters leave over; operands may have different
/// numbers of them (aligned from the last). Without "->" the result has the ellipsis, then the letters that occur once, in alphabetical
/// order (capitals first). Null, or what is wrong.
const char* parse_equation(std::string_view text, std::span<const int> ranks, Equation* out) noexcept;

}  // namespace chorus
