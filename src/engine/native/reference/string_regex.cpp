// RegexFullMatch: an automaton that is simulated state set by state set, so that no pattern takes more than linear
// time.
#include <engine/native/reference/string_ops.h>
#include <engine/native/reference/value_ops.h>
#include <fmt/format.h>

#include <algorithm>

namespace chorus::native {

char32_t next_code_point(std::string_view text, size_t* at) noexcept {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte((*at)++);
  if (first < 0x80) return first;
  const int more = first >= 0xF0 && first < 0xF8   ? 3
                   : first >= 0xE0 && first < 0xF0 ? 2
                   : first >= 0xC2 && first < 0xE0 ? 1
                                                   : 0;
  if (more == 0 || *at + static_cast<size_t>(more) > text.size()) return 0x110000u + first;
  char32_t c = first & (0x3Fu >> more);
  for (int i = 0; i < more; ++i) {
    const unsigned char b = byte(*at + static_cast<size_t>(i));
    if ((b & 0xC0) != 0x80) return 0x110000u + first;
    c = (c << 6) | (b & 0x3Fu);
  }
  *at += static_cast<size_t>(more);
  return c;
}

namespace {
constexpr size_t kMostStates = 20000;
constexpr int kDeepest = 200, kMostRepeats = 1000;
constexpr char32_t kLast = 0x10FFFF;
using Range = Regex::Range;
}  // namespace

/// Pieces of the automaton have one way in and one way out (a split whose `next` is still open).
class RegexParser {
 public:
  RegexParser(Regex* regex, std::string_view pattern) : re_(*regex), text_(pattern) {}
  void run() {
    const Piece whole = alternatives(0);
    if (at_ != text_.size()) fail("a ')' without '('");
    re_.states_[static_cast<size_t>(whole.out)].next = state(Regex::Kind::accept);
    re_.start_ = whole.in;
  }

 private:
  struct Piece {
    int32_t in, out;
  };
  [[noreturn]] void fail(std::string_view why, Code code = Code::bad_input) const {
    throw Error(code, fmt::format("pattern \"{}\": {} at position {}", text_.substr(0, 80), why, at_));
  }
  bool more() const { return at_ < text_.size(); }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool accept(char c) {
    if (!more() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  int32_t state(Regex::Kind kind, int32_t next = -1, int32_t other = -1) {
    if (re_.states_.size() >= kMostStates) fail(fmt::format("more than {} states", kMostStates), Code::budget);
    re_.states_.push_back({kind, false, next, other, 0, 0});
    return static_cast<int32_t>(re_.states_.size()) - 1;
  }
  void link(int32_t from, int32_t to) { re_.states_[static_cast<size_t>(from)].next = to; }
  Piece empty() {
    const int32_t s = state(Regex::Kind::split);
    return {s, s};
  }
  Piece chain(Piece a, Piece b) {
    link(a.out, b.in);
    return {a.in, b.out};
  }
  Piece single(Regex::Kind kind) {
    const int32_t out = state(Regex::Kind::split);
    return {state(kind, out), out};
  }
  Piece set(const std::vector<Range>& ranges, bool negated) {
    const Piece p = single(Regex::Kind::set);
    Regex::State& s = re_.states_[static_cast<size_t>(p.in)];
    s.negated = negated;
    s.first = static_cast<int32_t>(re_.ranges_.size());
    s.count = static_cast<int32_t>(ranges.size());
    re_.ranges_.insert(re_.ranges_.end(), ranges.begin(), ranges.end());
    if (re_.ranges_.size() > kMostStates * 8) fail("too many ranges", Code::budget);
    return p;
  }

  Piece alternatives(int depth) {
    if (depth > kDeepest) fail(fmt::format("groups nested deeper than {}", kDeepest), Code::budget);
    Piece all = sequence(depth);
    while (accept('|')) {
      const Piece next = sequence(depth);
      const int32_t out = state(Regex::Kind::split);
      link(all.out, out);
      link(next.out, out);
      all = {state(Regex::Kind::split, all.in, next.in), out};
    }
    return all;
  }

  Piece sequence(int depth) {
    Piece all = empty();
    while (more() && peek() != '|' && peek() != ')') all = chain(all, repeated(depth));
    return all;
  }

  /// "{2}", "{2,}", "{2,5}"; anything else is the character '{'.
  bool counts(int* least, int* most) {
    size_t i = at_ + 1;
    const auto number = [&](int* out) {
      const size_t begin = i;
      for (*out = 0; i < text_.size() && text_[i] >= '0' && text_[i] <= '9'; ++i)
        *out = std::min(*out * 10 + (text_[i] - '0'), kMostRepeats + 1);
      return i > begin;
    };
    if (peek() != '{' || !number(least)) return false;
    *most = *least;
    if (i < text_.size() && text_[i] == ',') {
      ++i;
      if (!number(most)) *most = -1;
    }
    if (i >= text_.size() || text_[i] != '}') return false;
    at_ = i + 1;
    if (*least > kMostRepeats || *most > kMostRepeats || (*most >= 0 && *most < *least))
      fail("a repetition out of range");
    return true;
  }

  Piece star(Piece p) {
    const int32_t out = state(Regex::Kind::split), again = state(Regex::Kind::split, p.in, out);
    link(p.out, again);
    return {again, out};
  }
  Piece maybe(Piece p) {
    const int32_t out = state(Regex::Kind::split);
    link(p.out, out);
    return {state(Regex::Kind::split, p.in, out), out};
  }

  Piece repeated(int depth) {
    const size_t begin = at_;
    Piece p = atom(depth);
    int least = 1, most = 1;
    if (accept('*')) {
      p = star(p);
    } else if (accept('+')) {
      least = 1, most = -1;
    } else if (accept('?')) {
      p = maybe(p);
    } else if (counts(&least, &most)) {
      // handled below
    } else {
      return p;
    }
    accept('?');  // shortest match first: the same for a match of the whole
    const size_t end = at_;
    if (peek() == '*' || peek() == '+' || peek() == '?') fail("a repetition of a repetition");
    const auto again = [&] {  // a copy of the atom: its text is read once more
      at_ = begin;
      return atom(depth);
    };
    if (least == 1 && most == 1) return p;
    Piece all = least > 0 ? p : empty();
    for (int i = 1; i < least; ++i) all = chain(all, again());
    if (most < 0) all = chain(all, star(again()));
    for (int i = least; i < most; ++i) all = chain(all, maybe(again()));
    at_ = end;
    return all;
  }

  Piece group(int depth) {
    if (accept('?')) {
      if (accept('P') || peek() == '<') {
        if (!accept('<')) fail("'<' expected");
        while (more() && peek() != '>') ++at_;
        if (!accept('>')) fail("'>' expected");
      } else if (!accept(':')) {
        fail("a group with flags or looking around, which is not known here", Code::unsupported);
      }
    }
    const Piece p = alternatives(depth + 1);
    if (!accept(')')) fail("')' expected");
    return p;
  }

  Piece atom(int depth) {
    if (accept('(')) return group(depth);
    if (accept('[')) return bracket();
    if (accept('.')) return set({{'\n', '\n'}}, true);
    if (accept('^')) return single(Regex::Kind::begin);
    if (accept('$')) return single(Regex::Kind::end);
    if (peek() == '*' || peek() == '+' || peek() == '?') fail("nothing to repeat");
    if (accept('\\')) {
      if (accept('A')) return single(Regex::Kind::begin);
      if (accept('z')) return single(Regex::Kind::end);
      if (accept('b')) return single(Regex::Kind::word_edge);
      if (accept('B')) return single(Regex::Kind::no_word_edge);
      std::vector<Range> ranges;
      bool negated = false;
      if (!class_escape(&ranges, &negated)) {
        const char32_t c = escape();
        ranges.push_back({c, c});
      }
      return set(ranges, negated);
    }
    const char32_t c = next_code_point(text_, &at_);
    return set({{c, c}}, false);
  }

  /// \d \w \s and their opposites.
  bool class_escape(std::vector<Range>* out, bool* negated) {
    const char c = peek(), lower = static_cast<char>(c | 0x20);
    if (lower != 'd' && lower != 'w' && lower != 's') return false;
    ++at_;
    *negated = c != lower;
    if (lower == 's') {
      for (const char32_t space : {'\t', '\n', '\f', '\r', ' '}) out->push_back({space, space});
      return true;
    }
    out->push_back({'0', '9'});
    if (lower == 'w') out->insert(out->end(), {{'A', 'Z'}, {'a', 'z'}, {'_', '_'}});
    return true;
  }

  char32_t hex() {
    const bool braces = accept('{');
    char32_t value = 0;
    int digits = 0;
    for (; more() && (braces ? digits < 6 : digits < 2); ++digits, ++at_) {
      const char c = peek(), lower = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9')
        value = value * 16 + static_cast<char32_t>(c - '0');
      else if (lower >= 'a' && lower <= 'f')
        value = value * 16 + static_cast<char32_t>(lower - 'a' + 10);
      else
        break;
    }
    if (digits == 0 || (braces && !accept('}')) || value > kLast) fail("a wrong hexadecimal escape");
    return value;
  }

  char32_t escape() {
    if (!more()) fail("a '\\' at the end");
    const char c = peek();
    static constexpr std::string_view kNames = "ntrfva", kValues = "\n\t\r\f\v\a";
    if (const size_t i = kNames.find(c); i != std::string_view::npos) {
      ++at_;
      return static_cast<char32_t>(kValues[i]);
    }
    if (accept('x')) return hex();
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (word) fail(fmt::format("'\\{}', which is not known here", c), Code::unsupported);
    return next_code_point(text_, &at_);
  }

  /// Everything but the ranges.
  static void add_negated(std::vector<Range> ranges, std::vector<Range>* out) {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.low < b.low; });
    char32_t from = 0;
    for (const Range& r : ranges) {
      if (r.low > from) out->push_back({from, r.low - 1});
      from = std::max<char32_t>(from, r.high + 1);
    }
    out->push_back({from, kLast + 0x100});
  }

  bool named_class(std::vector<Range>* out) {
    struct Named {
      std::string_view name;
      Range ranges[3];
      int count;
    };
    static constexpr Named kNamed[] = {{"alpha", {{'A', 'Z'}, {'a', 'z'}}, 2},
                                       {"digit", {{'0', '9'}}, 1},
                                       {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}, 3},
                                       {"upper", {{'A', 'Z'}}, 1},
                                       {"lower", {{'a', 'z'}}, 1},
                                       {"space", {{'\t', '\r'}, {' ', ' '}}, 2},
                                       {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, 3},
                                       {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}}, 3}};
    if (peek() != '[' || peek(1) != ':') return false;
    const size_t end = text_.find(":]", at_);
    if (end == std::string_view::npos) return false;
    const std::string_view name = text_.substr(at_ + 2, end - at_ - 2);
    for (const Named& n : kNamed) {
      if (n.name != name) continue;
      out->insert(out->end(), n.ranges, n.ranges + n.count);
      if (name == "punct") out->push_back({'{', '~'});
      at_ = end + 2;
      return true;
    }
    fail(fmt::format("the class '{}', which is not known here", name), Code::unsupported);
  }

  Piece bracket() {
    const bool negated = accept('^');
    std::vector<Range> ranges;
    for (bool first = true; first || peek() != ']'; first = false) {
      if (!more()) fail("']' expected");
      if (named_class(&ranges)) continue;
      char32_t low;
      if (accept('\\')) {
        std::vector<Range> inner;
        bool opposite = false;
        if (class_escape(&inner, &opposite)) {
          if (opposite)
            add_negated(inner, &ranges);
          else
            ranges.insert(ranges.end(), inner.begin(), inner.end());
          continue;
        }
        low = escape();
      } else {
        low = next_code_point(text_, &at_);
      }
      char32_t high = low;
      if (peek() == '-' && peek(1) != ']' && at_ + 1 < text_.size()) {
        ++at_;
        high = accept('\\') ? escape() : next_code_point(text_, &at_);
        if (high < low) fail("a range that goes backwards");
      }
      ranges.push_back({low, high});
    }
    ++at_;
    return set(ranges, negated);
  }

  Regex& re_;
  std::string_view text_;
  size_t at_ = 0;
};

Regex::Regex(std::string_view pattern) { RegexParser(this, pattern).run(); }

void Regex::add(int32_t state, Place place, std::vector<int32_t>& list, std::vector<char>& seen,
                std::vector<int32_t>& stack) const {
  stack.push_back(state);
  while (!stack.empty()) {
    const int32_t i = stack.back();
    stack.pop_back();
    if (i < 0 || seen[static_cast<size_t>(i)]) continue;
    seen[static_cast<size_t>(i)] = 1;
    const State& s = states_[static_cast<size_t>(i)];
    if (s.kind == Kind::set || s.kind == Kind::accept) {
      list.push_back(i);
    } else if (s.kind == Kind::split) {
      stack.push_back(s.next);
      stack.push_back(s.other);
    } else if (place.fits(s.kind)) {
      stack.push_back(s.next);
    }
  }
}

namespace {
// RE2's word characters: ASCII letters, digits and underscore.
bool is_word(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
}  // namespace

bool Regex::full_match(std::string_view text) const {
  std::vector<int32_t> now, next, stack;
  std::vector<char> seen(states_.size(), 0);
  const auto word_at = [&](size_t at) { return at < text.size() && is_word(static_cast<unsigned char>(text[at])); };
  add(start_, {true, text.empty(), word_at(0)}, now, seen, stack);
  for (size_t at = 0; at < text.size() && !now.empty();) {
    const char32_t c = next_code_point(text, &at);
    const Place place{false, at == text.size(), is_word(c) != word_at(at)};
    next.clear();
    std::fill(seen.begin(), seen.end(), 0);
    for (const int32_t i : now) {
      const State& s = states_[static_cast<size_t>(i)];
      if (s.kind != Kind::set) continue;
      bool inside = false;
      for (int32_t r = s.first; r < s.first + s.count && !inside; ++r) {
        const Range& range = ranges_[static_cast<size_t>(r)];
        inside = c >= range.low && c <= range.high;
      }
      if (inside != s.negated) add(s.next, place, next, seen, stack);
    }
    now.swap(next);
  }
  return std::any_of(now.begin(), now.end(),
                     [&](int32_t i) { return states_[static_cast<size_t>(i)].kind == Kind::accept; });
}

Status regex_full_match(KernelContext& ctx) noexcept {
  return move::guarded([&]() -> Status {
    const Regex regex(ctx.attrs->string("pattern"));
    const TensorView x = move::view(ctx, 0);
    for (int64_t i = 0; i < x.count; ++i) {
      if (i % 64 == 0 && ctx.services->stop())
        return Status::error(Code::cancelled, "stopped at string %lld", static_cast<long long>(i));
      ctx.out[0].as<uint8_t>()[i] = regex.full_match(ctx.strings(0)[i]) ? 1 : 0;
    }
    return {};
  });
}

}  // namespace chorus::native
