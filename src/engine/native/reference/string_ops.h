// Kernels of string.cpp and string_regex.cpp; their rows are in sequence.cpp.
#pragma once
#include <engine/native/kernel.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::native {

Status string_concat(KernelContext& ctx) noexcept;
Status string_split(KernelContext& ctx) noexcept;
Status string_normalizer(KernelContext& ctx) noexcept;
Status regex_full_match(KernelContext& ctx) noexcept;

/// A regular expression in RE2's syntax as an automaton without backtracking: a match takes (states × characters)
/// steps, whatever the
/// pattern. Characters are UTF-8 code points. Throws Error(bad_input) for what is no expression, Error(unsupported)
/// for syntax that it
/// does not know (\b, flags, \p), Error(budget) past 20,000 states.
class Regex {
 public:
  explicit Regex(std::string_view pattern);
  bool full_match(std::string_view text) const;

  enum class Kind : uint8_t { set, split, begin, end, word_edge, no_word_edge, accept };
  struct Range {
    char32_t low, high;
  };
  struct State {
    Kind kind = Kind::accept;
    bool negated = false;
    int32_t next = -1, other = -1;  ///< other: second way of a split
    int32_t first = 0, count = 0;  ///< ranges of a set
  };

 private:
  friend class RegexParser;
  /// What holds between two characters.
  struct Place {
    bool begin, end, word_edge;
    bool fits(Kind kind) const {
      return kind == Kind::begin ? begin : kind == Kind::end ? end : word_edge == (kind == Kind::word_edge);
    }
  };
  void add(int32_t state, Place place, std::vector<int32_t>& list, std::vector<char>& seen,
           std::vector<int32_t>& stack) const;
  std::vector<State> states_;
  std::vector<Range> ranges_;
  int32_t start_ = 0;
};

/// Next code point of UTF-8 text, advancing `at`; a wrong byte is itself plus 0x110000, so that it equals nothing else.
char32_t next_code_point(std::string_view text, size_t* at) noexcept;

}  // namespace chorus::native
