#include "fuzz/target.h"

#include <algorithm>
#include <cctype>
#include <iterator>

namespace chorus::fuzz {
namespace {

constexpr const char* kTokens[] = {"{",
                                   "}",
                                   "[",
                                   "]",
                                   ",",
                                   ":",
                                   "null",
                                   "true",
                                   "false",
                                   "\"\"",
                                   "0",
                                   "-1",
                                   "1.5",
                                   "1e309",
                                   "-1e-400",
                                   "2147483648",
                                   "9223372036854775807",
                                   "18446744073709551616",
                                   "\"\\u0000\"",
                                   "\"\\ud800\"",
                                   "\"\xff\xfe\"",
                                   "{\"a\": 1}",
                                   "[1, [2]]",
                                   "\"x\"",
                                   "65536",
                                   "65537",
                                   "NaN"};

/// Begin and length of the token at or behind `from`: a text in quotes, a word or number, or one sign.
std::pair<size_t, size_t> token(std::string_view text, size_t from) {
  while (from < text.size() && std::isspace(static_cast<unsigned char>(text[from])) != 0) ++from;
  size_t end = from;
  if (from < text.size() && (text[from] == '"' || text[from] == '\'')) {
    end = std::min(text.find(text[from], from + 1), text.size() - 1) + 1;
  } else {
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '.' || text[end] == '-'))
      ++end;
    end = std::min(std::max(end, from + 1), text.size());
  }
  return {from, end - from};
}

}  // namespace

std::string change_json(std::string_view bytes, std::string_view other, Random& random) {
  std::string text(bytes);
  for (uint64_t round = 1 + random.below(4); round > 0 && !text.empty(); --round) {
    const auto [at, length] = token(text, random.below(text.size()));
    if (length == 0) continue;
    switch (random.below(6)) {
      case 0: text.erase(at, length); break;
      case 1: text.insert(at, text.substr(at, length)); break;
      case 2: {   // of another place
        const bool here = random.chance(70) || other.empty();
        const std::string from = here ? text : std::string(other);
        const auto [begin, size] = token(from, random.below(from.size()));
        text.replace(at, length, from.substr(std::min(begin, from.size()), size));
        break;
      }
      case 3: {   // deeper
        const size_t depth = random.chance(90) ? 1 + random.below(20) : 1 + random.below(20000);
        const bool list = random.chance(50);
        std::string open, close;
        for (size_t i = 0; i < depth; ++i) open += list ? "[" : "{\"a\":";
        for (size_t i = 0; i < depth; ++i) close += list ? "]" : "}";
        text.replace(at, length, open + text.substr(at, length) + close);
        break;
      }
      default: text.replace(at, length, kTokens[random.below(std::size(kTokens))]);
    }
    if (text.size() > (size_t{1} << 18)) text.resize(size_t{1} << 18);
  }
  return text;
}

}  // namespace chorus::fuzz
