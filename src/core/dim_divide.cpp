// Division, remainder, minimum and maximum of dimensions: the simplifications that keep their normal form small.
#include <core/dim.h>
#include <core/dim_expr.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace chorus {
namespace {

Dim negated(const Dim& d) { return Dim(0) - d; }

/// Constant part and the rest of a sum.
int64_t take_constant(std::vector<DimTerm>& terms) {
  if (terms.empty() || !terms.back().factors.empty()) return 0;
  const int64_t constant = terms.back().coefficient;
  terms.pop_back();
  return constant;
}

int64_t common_divisor(const std::vector<DimTerm>& terms, int64_t n) {
  int64_t g = n;
  for (const DimTerm& term : terms) g = std::gcd(g, term.coefficient == INT64_MIN ? int64_t{1} : term.coefficient);
  return g;
}

Dim sum_with(std::vector<DimTerm> terms, int64_t constant) {
  if (constant != 0) terms.push_back({constant, {}});
  return dim_from_terms(std::move(terms));
}

/// floordiv(a, n), n > 1.
Dim divide_by_number(const Dim& a, int64_t n) {
  // Whole multiples of n leave the division; the sign of the rest is kept.
  std::vector<DimTerm> whole;
  std::vector<DimTerm> rest = dim_terms(a);
  int64_t constant = take_constant(rest);
  for (DimTerm& term : rest) {
    if (term.coefficient / n != 0) whole.push_back({term.coefficient / n, term.factors});
    term.coefficient %= n;
  }
  std::erase_if(rest, [](const DimTerm& t) { return t.coefficient == 0; });
  // floor((g·x + c) / (g·m)) = floor((x + floor(c / g)) / m), for g that divides every term but the constant.
  const int64_t g = rest.empty() ? 1 : common_divisor(rest, n);
  for (DimTerm& term : rest) term.coefficient /= g;
  n /= g;
  int64_t quotient = 0;
  int64_t kept = 0;
  checked_floordiv(constant, g, constant);
  checked_floordiv(constant, n, quotient);
  checked_mod(constant, n, kept);
  const Dim outside = sum_with(std::move(whole), quotient);
  const Dim inside = sum_with(std::move(rest), kept);
  if (outside.is_unknown() || inside.is_unknown()) return {};
  if (inside.is_number()) return outside + Dim(inside.number() / n);  // 0 ≤ kept < n; n may have become 1
  if (n == 1) return outside + inside;
  const DimBounds range = dim_bounds(inside);
  if (range.lo >= 0 && range.hi < n) return outside;
  // floor((floor(x / p) + c) / n) = floor((x + p·c) / (p·n))
  const Dim bare = inside - Dim(kept);
  const DimAtom* atom = dim_bare_atom(bare);
  if (atom != nullptr && atom->op == DimOp::floordiv && atom->b.is_number() && atom->b.number() > 0) {
    const Dim divisor = atom->b * Dim(n);
    const Dim dividend = atom->a + atom->b * Dim(kept);
    if (divisor.is_number() && !dividend.is_unknown()) return outside + floordiv(dividend, divisor);
  }
  return outside + dim_atom(DimOp::floordiv, inside, Dim(n));
}

/// a / b for terms: false unless coefficient and factors divide exactly.
bool divide_term(const DimTerm& a, const DimTerm& b, DimTerm& out) {
  if (b.coefficient == -1 && a.coefficient == INT64_MIN) return false;
  if (a.coefficient % b.coefficient != 0 || a.factors.size() < b.factors.size()) return false;
  out.coefficient = a.coefficient / b.coefficient;
  out.factors.clear();
  size_t next = 0;
  for (const DimAtomPtr& atom : a.factors) {
    if (next < b.factors.size() && compare_atoms(*atom, *b.factors[next]) == 0) {
      ++next;
    } else {
      out.factors.push_back(atom);
    }
  }
  return next == b.factors.size();
}

/// The exact quotient of two sums, as in polynomial division; unknown when there is none.
Dim exact_quotient(Dim rest, const Dim& b) {
  const DimTerm& lead = b.expr()->terms.front();
  Dim quotient(0);
  for (size_t step = 0; step < DimExpr::kMaxTerms && !rest.is(0); ++step) {
    if (rest.is_unknown()) return {};
    DimTerm part;
    if (!divide_term(dim_terms(rest).front(), lead, part)) return {};
    const Dim piece = dim_from_terms({std::move(part)});
    quotient = quotient + piece;
    rest = rest - piece * b;
  }
  return rest.is(0) ? quotient : Dim();
}

/// Moves the terms that `b` (one term) divides exactly out of `a`.
Dim split_multiples(Dim& a, const Dim& b) {
  std::vector<DimTerm> whole;
  std::vector<DimTerm> rest;
  for (const DimTerm& term : dim_terms(a)) {
    DimTerm part;
    if (divide_term(term, b.expr()->terms.front(), part)) {
      whole.push_back(std::move(part));
    } else {
      rest.push_back(term);
    }
  }
  a = dim_from_terms(std::move(rest));
  return dim_from_terms(std::move(whole));
}

bool proved_between_zero_and(const Dim& a, const Dim& b) {
  return dim_bounds(a).lo >= 0 && Dim::less_equal(a + Dim(1), b) == Dim::Truth::yes;
}

/// mod(a, n), n > 1.
Dim remainder_by_number(const Dim& a, int64_t n) {
  std::vector<DimTerm> rest = dim_terms(a);
  int64_t constant = take_constant(rest);
  for (DimTerm& term : rest) term.coefficient %= n;
  std::erase_if(rest, [](const DimTerm& t) { return t.coefficient == 0; });
  checked_mod(constant, n, constant);
  if (rest.empty()) return Dim(constant);
  const Dim inside = sum_with(rest, constant);
  const DimBounds range = dim_bounds(inside);
  if (range.lo >= 0 && range.hi < n) return inside;
  // mod(c·mod(x, k·n) + …, n): the inner remainder changes nothing.
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i].factors.size() != 1) continue;
    const DimAtom& atom = *rest[i].factors[0];
    if (atom.op != DimOp::mod || !atom.b.is_number() || atom.b.number() % n != 0) continue;
    const Dim inner = atom.a * Dim(rest[i].coefficient);
    std::vector<DimTerm> others = rest;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    const Dim whole = sum_with(std::move(others), constant) + inner;
    if (!whole.is_unknown()) return mod(whole, Dim(n));
  }
  const int64_t g = std::gcd(common_divisor(rest, n), constant);
  if (g > 1) {
    for (DimTerm& term : rest) term.coefficient /= g;
    return Dim(g) * mod(sum_with(std::move(rest), constant / g), Dim(n / g));
  }
  return dim_atom(DimOp::mod, inside, Dim(n));
}

constexpr size_t kMaxOperands = 8;

void collect_operands(DimOp op, const Dim& d, std::vector<Dim>& out) {
  const DimAtom* atom = dim_bare_atom(d);
  if (atom != nullptr && atom->op == op && out.size() < kMaxOperands) {
    collect_operands(op, atom->a, out);
    collect_operands(op, atom->b, out);
  } else {
    out.push_back(d);
  }
}

/// min or max of many: operands sorted, each once, without those that another one always beats.
Dim extreme(DimOp op, const Dim& a, const Dim& b) {
  if (a.is_unknown() || b.is_unknown()) return {};
  std::vector<Dim> all;
  collect_operands(op, a, all);
  collect_operands(op, b, all);
  std::sort(all.begin(), all.end(), [](const Dim& x, const Dim& y) { return compare_dims(x, y) < 0; });
  std::vector<Dim> kept;
  for (const Dim& candidate : all) {
    const auto beats = [op](const Dim& x, const Dim& y) {
      return (op == DimOp::min ? Dim::less_equal(x, y) : Dim::less_equal(y, x)) == Dim::Truth::yes;
    };
    if (std::ranges::any_of(kept, [&](const Dim& k) { return k.same(candidate) || beats(k, candidate); })) continue;
    std::erase_if(kept, [&](const Dim& k) { return beats(candidate, k); });
    kept.push_back(candidate);
  }
  Dim out = kept.back();
  for (size_t i = kept.size() - 1; i-- > 0;) out = dim_atom(op, kept[i], out);
  return out;
}

}  // namespace

Dim floordiv(const Dim& a, const Dim& b) {
  if (b.is_unknown() || b.is(0)) return {};
  if (a.is(0)) return Dim(0);
  if (a.is_unknown()) return {};
  if (b.is(1)) return a;
  if (b.is_number()) {
    int64_t out;
    if (a.is_number()) return checked_floordiv(a.number(), b.number(), out) ? Dim(out) : Dim();
    if (b.number() == INT64_MIN) return {};
    return b.number() > 0 ? divide_by_number(a, b.number()) : floordiv(negated(a), Dim(-b.number()));
  }
  const Dim exact = exact_quotient(a, b);
  if (!exact.is_unknown()) return exact;
  Dim rest = a;
  Dim whole(0);
  if (b.expr()->terms.size() == 1) whole = split_multiples(rest, b);
  if (rest.is_unknown()) return {};
  if (proved_between_zero_and(rest, b)) return whole;
  return whole + dim_atom(DimOp::floordiv, rest, b);
}

Dim ceildiv(const Dim& a, const Dim& b) {
  if (b.is_unknown() || b.is(0)) return {};
  if (a.is_number() && b.is_number()) {
    int64_t down = 0;
    int64_t rest = 0;
    if (!checked_floordiv(a.number(), b.number(), down) || !checked_mod(a.number(), b.number(), rest)) return {};
    return Dim(down) + Dim(rest != 0 ? 1 : 0);
  }
  // For a positive divisor ceil(a/b) = floor((a − 1)/b) + 1; otherwise ceil(a/b) = −floor(−a/b).
  if (dim_bounds(b).lo >= 0) return floordiv(a - Dim(1), b) + Dim(1);
  return negated(floordiv(negated(a), b));
}

Dim mod(const Dim& a, const Dim& b) {
  if (b.is_unknown() || b.is(0)) return {};
  if (a.is(0) || b.is(1)) return Dim(0);
  if (a.is_unknown()) return {};
  if (b.is_number()) {
    int64_t out;
    if (a.is_number()) return checked_mod(a.number(), b.number(), out) ? Dim(out) : Dim();
    if (b.number() == INT64_MIN) return {};
    return b.number() > 0 ? remainder_by_number(a, b.number()) : negated(mod(negated(a), Dim(-b.number())));
  }
  if (!exact_quotient(a, b).is_unknown()) return Dim(0);
  Dim rest = a;
  if (b.expr()->terms.size() == 1) split_multiples(rest, b);
  if (rest.is_unknown()) return {};
  if (proved_between_zero_and(rest, b)) return rest;
  return dim_atom(DimOp::mod, rest, b);
}

Dim min(const Dim& a, const Dim& b) { return extreme(DimOp::min, a, b); }
Dim max(const Dim& a, const Dim& b) { return extreme(DimOp::max, a, b); }

}  // namespace chorus
