#include <ops/equation.h>

#include <algorithm>

namespace chorus {
namespace {

int label_of(char c) noexcept { return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? c - 'A' + 26 : -1; }

struct Reader {
  std::string_view text;
  size_t at = 0;
  void skip() noexcept {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  }
  bool take(std::string_view word) noexcept {
    skip();
    if (!text.substr(at).starts_with(word)) return false;
    at += word.size();
    return true;
  }
  bool done() noexcept {
    skip();
    return at >= text.size();
  }
};

/// Letters before and after an ellipsis; `ellipsis` is its place or -1.
struct Raw {
  int count = 0, ellipsis = -1;
  uint8_t labels[kMaxRank] = {};
};

const char* read_term(Reader& r, Raw* out) noexcept {
  while (!r.done() && r.text[r.at] != ',' && r.text[r.at] != '-') {
    if (r.take("...")) {
      if (out->ellipsis >= 0) return "equation: two ellipses in one term";
      out->ellipsis = out->count;
      continue;
    }
    const int label = label_of(r.text[r.at++]);
    if (label < 0) return "equation: a character that is neither a letter, ',', '->' nor '...'";
    if (out->count == kMaxRank) return "equation: a term with more letters than a tensor has axes";
    out->labels[out->count++] = static_cast<uint8_t>(label);
  }
  return nullptr;
}

/// Letters and the last `axes` of `total` ellipsis axes.
const char* place(const Raw& raw, int axes, int total, Equation::Term* out) noexcept {
  if (raw.count + axes > kMaxRank) return "equation: a term with more axes than a tensor can have";
  out->count = 0;
  for (int i = 0; i <= raw.count; ++i) {
    if (i == raw.ellipsis) {
      for (int k = total - axes; k < total; ++k)
        out->labels[out->count++] = static_cast<uint8_t>(Equation::kLetters + k);
    }
    if (i < raw.count) out->labels[out->count++] = raw.labels[i];
  }
  return nullptr;
}

const char* explicit_output(Reader& r, const int* seen, int ellipsis, Equation* out) noexcept {
  Raw raw;
  if (const char* wrong = read_term(r, &raw); wrong != nullptr) return wrong;
  if (!r.done()) return "equation: text after the result's term";
  for (int i = 0; i < raw.count; ++i) {
    if (seen[raw.labels[i]] == 0) return "equation: the result has a label that no operand has";
    if (std::count(raw.labels, raw.labels + raw.count, raw.labels[i]) > 1)
      return "equation: the result has a label twice";
  }
  // Without "..." in the result the ellipsis axes are summed over.
  return place(raw, raw.ellipsis >= 0 ? ellipsis : 0, ellipsis, &out->output);
}

const char* implicit_output(const int* seen, int ellipsis, Equation* out) noexcept {
  Raw raw;
  raw.ellipsis = 0;
  for (int i = 0; i < Equation::kLetters; ++i) {
    const int label = i < 26 ? i + 26 : i - 26;  // 'A' sorts before 'a'
    if (seen[label] != 1) continue;
    if (raw.count == kMaxRank) return "equation: a result with more axes than a tensor can have";
    raw.labels[raw.count++] = static_cast<uint8_t>(label);
  }
  return place(raw, ellipsis, ellipsis, &out->output);
}

}  // namespace

const char* parse_equation(std::string_view text, std::span<const int> ranks, Equation* out) noexcept {
  *out = Equation();
  if (ranks.size() > Equation::kOperands) return "equation: more than 16 operands";
  Reader r{text};
  Raw terms[Equation::kOperands];
  int seen[Equation::kLetters] = {}, ellipsis = 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (i > 0 && !r.take(",")) return "equation: fewer terms than operands";
    if (const char* wrong = read_term(r, &terms[i]); wrong != nullptr) return wrong;
    for (int k = 0; k < terms[i].count; ++k) ++seen[terms[i].labels[k]];
    const int left = ranks[i] - terms[i].count;
    if (left < 0 || (left > 0 && terms[i].ellipsis < 0))
      return "equation: a term whose letters are not as many as its operand's axes";
    ellipsis = std::max(ellipsis, left);
  }
  if (r.take(",")) return "equation: more terms than operands";
  out->operands = static_cast<int>(ranks.size());
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (const char* wrong = place(terms[i], ranks[i] - terms[i].count, ellipsis, &out->inputs[i]); wrong != nullptr)
      return wrong;
    for (int k = 0; k < out->inputs[i].count; ++k) out->used[out->inputs[i].labels[k]] = true;
  }
  if (r.take("->")) return explicit_output(r, seen, ellipsis, out);
  return r.done() ? implicit_output(seen, ellipsis, out) : "equation: '-' without '>'";
}

}  // namespace chorus
