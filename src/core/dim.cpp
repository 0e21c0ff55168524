#include <core/dim.h>
#include <core/dim_expr.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

namespace chorus {
namespace {

using Wide = __int128;

DimBounds clamp(DimBounds b) noexcept {
  const Wide limit = DimBounds::kLimit;
  if (b.lo <= -limit) b.lo = -DimBounds::kInfinite;
  if (b.lo > limit) b.lo = limit;
  if (b.hi >= limit) b.hi = DimBounds::kInfinite;
  if (b.hi < -limit) b.hi = -limit;
  return b;
}

bool infinite(Wide v) noexcept { return v == DimBounds::kInfinite || v == -DimBounds::kInfinite; }

Wide multiply(Wide a, Wide b) noexcept {
  if (a == 0 || b == 0) return 0;
  const Wide end = (a < 0) == (b < 0) ? DimBounds::kInfinite : -DimBounds::kInfinite;
  Wide product;
  if (infinite(a) || infinite(b) || __builtin_mul_overflow(a, b, &product)) return end;
  return std::clamp(product, -DimBounds::kInfinite, DimBounds::kInfinite);
}

DimBounds multiply(const DimBounds& a, const DimBounds& b) noexcept {
  const auto [lo, hi] =
      std::minmax({multiply(a.lo, b.lo), multiply(a.lo, b.hi), multiply(a.hi, b.lo), multiply(a.hi, b.hi)});
  return clamp({lo, hi});
}

DimBounds add(const DimBounds& a, const DimBounds& b) noexcept {
  const Wide inf = DimBounds::kInfinite;
  return clamp({a.lo == -inf || b.lo == -inf ? -inf : a.lo + b.lo, a.hi == inf || b.hi == inf ? inf : a.hi + b.hi});
}

Wide floor_end(Wide a, Wide n) noexcept {
  if (infinite(a)) return a;
  return a / n - (a % n < 0 ? 1 : 0);
}

DimBounds atom_bounds(DimOp op, const DimBounds& a, const DimBounds& b) noexcept {
  DimBounds out;
  switch (op) {
    case DimOp::symbol: return {0, DimBounds::kInfinite};
    case DimOp::floordiv:
      // Where the divisor is zero there is no value at all, so a divisor ≥ 0 counts as ≥ 1.
      if (b.lo < 0) return out;
      out.lo = a.lo >= 0 ? floor_end(a.lo, 1) : a.lo;
      out.hi = a.hi;
      if (b.lo == b.hi && b.lo > 0) return {floor_end(a.lo, b.lo), floor_end(a.hi, b.lo)};
      if (a.lo >= 0) out.lo = infinite(b.hi) ? 0 : floor_end(a.lo, std::max<Wide>(b.hi, 1));
      if (a.hi >= 0 && !infinite(a.hi)) out.hi = floor_end(a.hi, std::max<Wide>(b.lo, 1));
      if (a.hi < 0) out.hi = -1;
      return out;
    case DimOp::mod:
      if (b.lo < 0) return out;
      out.lo = 0;
      out.hi = infinite(b.hi) ? b.hi : b.hi - 1;
      if (a.lo >= 0) out.hi = std::min(out.hi, a.hi);
      return out;
    case DimOp::min: return {std::min(a.lo, b.lo), std::min(a.hi, b.hi)};
    case DimOp::max: return {std::max(a.lo, b.lo), std::max(a.hi, b.hi)};
  }
  return out;
}

DimBounds terms_bounds(const std::vector<DimTerm>& terms) noexcept {
  DimBounds sum{0, 0};
  for (const DimTerm& term : terms) {
    DimBounds product{term.coefficient, term.coefficient};
    for (const DimAtomPtr& atom : term.factors) product = multiply(product, atom->bounds);
    sum = add(sum, product);
  }
  return sum;
}

size_t mix(size_t seed, size_t value) noexcept {
  seed ^= value + 0x9e3779b97f4a7c15ull + (seed << 6) + (seed >> 2);
  return seed * 0xff51afd7ed558ccdull;
}

Dim sum_of(const Dim& a, const Dim& b, int64_t factor) {
  std::vector<DimTerm> terms = dim_terms(a);
  for (DimTerm& term : dim_terms(b)) {
    if (__builtin_mul_overflow(term.coefficient, factor, &term.coefficient)) return {};
    terms.push_back(std::move(term));
  }
  return dim_from_terms(std::move(terms));
}

/// What an atom contributes may be replaced, for one end of the range, by another expression: max(a, b) ≥ a, ≥ b;
/// min ≤ both; n·floordiv(a, n) = a − mod(a, n). Tries each, a bounded number of times.
DimBounds sharpen(const Dim& dim, int& budget);

/// Range of `dim` with `term` replaced by `by` plus `slack`; everything when that cannot be written down.
DimBounds replaced_bounds(const Dim& dim, const DimTerm& term, const Dim& by, const DimBounds& slack, int& budget) {
  if (--budget <= 0 || term.coefficient == INT64_MIN) return {};
  const Dim replaced = dim + dim_from_terms({{-term.coefficient, term.factors}}) + by;
  return replaced.is_unknown() ? DimBounds{} : add(sharpen(replaced, budget), slack);
}

DimBounds sharpen(const Dim& dim, int& budget) {
  DimBounds best = dim_bounds(dim);
  if (!dim.is_symbolic()) return best;
  for (const DimTerm& term : dim.expr()->terms) {
    if (term.factors.size() != 1 || (!infinite(best.lo) && !infinite(best.hi))) continue;
    const DimAtom& atom = *term.factors[0];
    const int64_t c = term.coefficient;
    if (atom.op == DimOp::min || atom.op == DimOp::max) {
      // c·max ≥ c·operand for c > 0 gives a lower end, and so on with the signs turned.
      const bool lower = (atom.op == DimOp::max) == (c > 0);
      for (const Dim* operand : {&atom.a, &atom.b}) {
        const DimBounds found = replaced_bounds(dim, term, *operand * Dim(c), {0, 0}, budget);
        if (lower) best.lo = std::max(best.lo, found.lo);
        if (!lower) best.hi = std::min(best.hi, found.hi);
      }
    } else if (atom.op == DimOp::floordiv && atom.b.is_number() && atom.b.number() > 0 && c % atom.b.number() == 0) {
      const int64_t n = atom.b.number();
      const Wide most = static_cast<Wide>(c / n) * (n - 1);  // c·floordiv(a, n) = (c/n)·a − (c/n)·[0, n−1]
      const DimBounds slack{std::min<Wide>(0, -most), std::max<Wide>(0, -most)};
      const DimBounds found = replaced_bounds(dim, term, atom.a * Dim(c / n), slack, budget);
      best.lo = std::max(best.lo, found.lo);
      best.hi = std::min(best.hi, found.hi);
    }
  }
  return clamp(best);
}

/// x mod n written as x − n·floordiv(x, n), so that both spellings of one value cancel.
Dim without_mod(const Dim& dim) {
  if (!dim.is_symbolic()) return dim;
  Dim out = dim;
  for (const DimTerm& term : dim.expr()->terms) {
    if (term.factors.size() != 1 || term.factors[0]->op != DimOp::mod || term.coefficient == INT64_MIN) continue;
    const DimAtom& atom = *term.factors[0];
    const Dim whole = atom.a - atom.b * floordiv(atom.a, atom.b);
    out = out + dim_from_terms({{-term.coefficient, term.factors}}) + Dim(term.coefficient) * whole;
  }
  return out;
}

/// Non-zero for every value because the constant is no multiple of what divides all other terms.
bool never_zero_by_divisor(const DimExpr& expr) noexcept {
  const DimTerm& last = expr.terms.back();
  if (!last.factors.empty()) return false;
  uint64_t divisor = 0;
  const auto magnitude = [](int64_t v) { return v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v); };
  for (const DimTerm& term : expr.terms) {
    if (!term.factors.empty()) divisor = std::gcd(divisor, magnitude(term.coefficient));
  }
  return divisor > 1 && magnitude(last.coefficient) % divisor != 0;
}

using Lookup = std::function<std::optional<int64_t>(std::string_view)>;

std::optional<int64_t> evaluate_atom(const DimAtom& atom, const Lookup& lookup) {
  if (atom.op == DimOp::symbol) return lookup(atom.name);
  const auto a = atom.a.evaluate(lookup);
  const auto b = a ? atom.b.evaluate(lookup) : std::nullopt;
  int64_t value;
  if (!a || !b || !apply_dim_op(atom.op, *a, *b, value)) return std::nullopt;
  return value;
}

void append_atom(const DimAtom& atom, std::string& out) {
  static constexpr std::string_view kNames[] = {"", "floordiv", "mod", "min", "max"};
  if (atom.op == DimOp::symbol) {
    out += atom.name;
    return;
  }
  out += kNames[static_cast<size_t>(atom.op)];
  out += "(" + atom.a.str() + ", " + atom.b.str() + ")";
}

void append_expr(const DimExpr& expr, std::string& out) {
  bool first = true;
  for (const DimTerm& term : expr.terms) {
    const bool negative = term.coefficient < 0;
    out += first ? (negative ? "-" : "") : (negative ? " - " : " + ");
    first = false;
    const auto bits = static_cast<uint64_t>(term.coefficient);
    const uint64_t magnitude = negative ? 0 - bits : bits;
    if (magnitude != 1 || term.factors.empty()) out += std::to_string(magnitude);
    for (size_t i = 0; i < term.factors.size(); ++i) {
      if (i > 0 || magnitude != 1) out += "*";
      append_atom(*term.factors[i], out);
    }
  }
}

}  // namespace

bool apply_dim_op(DimOp op, int64_t a, int64_t b, int64_t& out) noexcept {
  switch (op) {
    case DimOp::symbol: return false;
    case DimOp::floordiv: return checked_floordiv(a, b, out);
    case DimOp::mod: return checked_mod(a, b, out);
    case DimOp::min: out = std::min(a, b); return true;
    case DimOp::max: out = std::max(a, b); return true;
  }
  return false;
}

int compare_atoms(const DimAtom& a, const DimAtom& b) noexcept {
  if (&a == &b) return 0;
  if (a.op != b.op) return a.op < b.op ? -1 : 1;
  if (a.op == DimOp::symbol) return a.name.compare(b.name);
  const int first = compare_dims(a.a, b.a);
  return first != 0 ? first : compare_dims(a.b, b.b);
}

int compare_factors(const std::vector<DimAtomPtr>& a, const std::vector<DimAtomPtr>& b) noexcept {
  if (a.size() != b.size()) return a.size() > b.size() ? -1 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    const int order = compare_atoms(*a[i], *b[i]);
    if (order != 0) return order;
  }
  return 0;
}

int compare_dims(const Dim& a, const Dim& b) noexcept {
  const auto rank = [](const Dim& d) { return d.is_number() ? 0 : d.is_symbolic() ? 1 : 2; };
  if (rank(a) != rank(b)) return rank(a) < rank(b) ? -1 : 1;
  if (a.is_number()) return a.number() == b.number() ? 0 : a.number() < b.number() ? -1 : 1;
  if (a.is_unknown() || a.expr() == b.expr()) return 0;
  const auto& s = a.expr()->terms;
  const auto& t = b.expr()->terms;
  for (size_t i = 0; i < s.size() && i < t.size(); ++i) {
    const int order = compare_factors(s[i].factors, t[i].factors);
    if (order != 0) return order;
    if (s[i].coefficient != t[i].coefficient) return s[i].coefficient < t[i].coefficient ? -1 : 1;
  }
  return s.size() == t.size() ? 0 : s.size() < t.size() ? -1 : 1;
}

Dim dim_from_terms(std::vector<DimTerm> terms) {
  std::sort(terms.begin(), terms.end(),
            [](const DimTerm& a, const DimTerm& b) { return compare_factors(a.factors, b.factors) < 0; });
  auto expr = std::make_shared<DimExpr>();
  for (DimTerm& term : terms) {
    auto& kept = expr->terms;
    if (!kept.empty() && compare_factors(kept.back().factors, term.factors) == 0) {
      if (__builtin_add_overflow(kept.back().coefficient, term.coefficient, &kept.back().coefficient)) return {};
      continue;
    }
    if (!kept.empty() && kept.back().coefficient == 0) kept.pop_back();
    kept.push_back(std::move(term));
  }
  if (!expr->terms.empty() && expr->terms.back().coefficient == 0) expr->terms.pop_back();
  if (expr->terms.empty()) return Dim(0);
  if (expr->terms.size() == 1 && expr->terms[0].factors.empty()) return Dim(expr->terms[0].coefficient);
  if (expr->terms.size() > DimExpr::kMaxTerms) return {};
  for (const DimTerm& term : expr->terms) {
    expr->size += 1;
    expr->hash = mix(expr->hash, static_cast<size_t>(term.coefficient));
    for (const DimAtomPtr& atom : term.factors) {
      expr->size += atom->size;
      expr->depth = std::max(expr->depth, atom->depth);
      expr->hash = mix(expr->hash, atom->hash);
      if (expr->size > DimExpr::kMaxSize) return {};
    }
  }
  if (expr->depth > DimExpr::kMaxDepth) return {};
  expr->bounds = terms_bounds(expr->terms);
  return DimExpr::wrap(std::move(expr));
}

std::vector<DimTerm> dim_terms(const Dim& dim) {
  if (dim.is_symbolic()) return dim.expr()->terms;
  if (dim.is_number() && dim.number() != 0) return {{dim.number(), {}}};
  return {};
}

Dim dim_atom(DimOp op, const Dim& a, const Dim& b) {
  if (a.is_unknown() || b.is_unknown()) return {};
  auto atom = std::make_shared<DimAtom>();
  atom->op = op;
  atom->a = a;
  atom->b = b;
  atom->bounds = clamp(atom_bounds(op, dim_bounds(a), dim_bounds(b)));
  atom->hash = mix(mix(static_cast<size_t>(op), a.hash()), b.hash());
  for (const Dim* operand : {&a, &b}) {
    if (!operand->is_symbolic()) continue;
    atom->depth = std::max(atom->depth, operand->expr()->depth + 1);
    atom->size += operand->expr()->size;
  }
  return dim_from_terms({{1, {std::move(atom)}}});
}

const DimAtom* dim_bare_atom(const Dim& dim) noexcept {
  if (!dim.is_symbolic()) return nullptr;
  const auto& terms = dim.expr()->terms;
  const bool bare = terms.size() == 1 && terms[0].coefficient == 1 && terms[0].factors.size() == 1;
  return bare ? terms[0].factors[0].get() : nullptr;
}

DimBounds dim_bounds(const Dim& dim) noexcept {
  if (dim.is_number()) return {dim.number(), dim.number()};
  return dim.is_symbolic() ? dim.expr()->bounds : DimBounds{};
}

DimBounds dim_sharp_bounds(const Dim& dim) {
  int budget = 24;
  return sharpen(dim, budget);
}

Dim Dim::symbol(std::string_view name) {
  if (name.size() > DimExpr::kMaxName) return {};
  auto atom = std::make_shared<DimAtom>();
  atom->name = name;
  atom->bounds = {0, DimBounds::kInfinite};
  atom->size = 1 + static_cast<int>(name.size() / 32);
  atom->hash = std::hash<std::string_view>{}(name);
  return dim_from_terms({{1, {std::move(atom)}}});
}

std::optional<std::string_view> Dim::as_symbol() const noexcept {
  const DimAtom* atom = dim_bare_atom(*this);
  if (atom == nullptr || atom->op != DimOp::symbol) return std::nullopt;
  return atom->name;
}

Dim operator+(const Dim& a, const Dim& b) {
  if (a.is_unknown() || b.is_unknown()) return {};
  if (a.is(0)) return b;
  if (b.is(0)) return a;
  return sum_of(a, b, 1);
}

Dim operator-(const Dim& a, const Dim& b) {
  if (a.is_unknown() || b.is_unknown()) return {};
  if (b.is(0)) return a;
  if (a.is_number() && b.is_number()) {
    int64_t out;
    return __builtin_sub_overflow(a.number(), b.number(), &out) ? Dim() : Dim(out);
  }
  return sum_of(a, b, -1);
}

Dim operator*(const Dim& a, const Dim& b) {
  if (a.is(0) || b.is(0)) return Dim(0);
  if (a.is_unknown() || b.is_unknown()) return {};
  if (a.is(1)) return b;
  if (b.is(1)) return a;
  const std::vector<DimTerm> left = dim_terms(a);
  const std::vector<DimTerm> right = dim_terms(b);
  std::vector<DimTerm> terms;
  terms.reserve(left.size() * right.size());
  for (const DimTerm& s : left) {
    for (const DimTerm& t : right) {
      DimTerm product;
      if (__builtin_mul_overflow(s.coefficient, t.coefficient, &product.coefficient)) return {};
      if (s.factors.size() + t.factors.size() > DimExpr::kMaxTerms) return {};
      product.factors.reserve(s.factors.size() + t.factors.size());
      std::ranges::merge(s.factors, t.factors, std::back_inserter(product.factors),
                         [](const DimAtomPtr& x, const DimAtomPtr& y) { return compare_atoms(*x, *y) < 0; });
      terms.push_back(std::move(product));
    }
  }
  return dim_from_terms(std::move(terms));
}

Dim::Truth Dim::equal(const Dim& a, const Dim& b) {
  if (a.is_unknown() || b.is_unknown()) return Truth::maybe;
  if (a.is_number() && b.is_number()) return a.number() == b.number() ? Truth::yes : Truth::no;
  if (a.same(b)) return Truth::yes;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Dim difference = attempt == 0 ? a - b : without_mod(a - b);
    if (difference.is_unknown()) return Truth::maybe;
    if (difference.is_number()) return difference.number() == 0 ? Truth::yes : Truth::no;
    const DimBounds range = dim_sharp_bounds(difference);
    if (range.lo > 0 || range.hi < 0 || never_zero_by_divisor(*difference.expr())) return Truth::no;
    if (range.lo == 0 && range.hi == 0) return Truth::yes;
  }
  return Truth::maybe;
}

Dim::Truth Dim::less_equal(const Dim& a, const Dim& b) {
  if (a.is_unknown() || b.is_unknown()) return Truth::maybe;
  if (a.is_number() && b.is_number()) return a.number() <= b.number() ? Truth::yes : Truth::no;
  const Dim difference = b - a;
  if (difference.is_unknown()) return Truth::maybe;
  const DimBounds range = dim_sharp_bounds(difference);
  return range.lo >= 0 ? Truth::yes : range.hi < 0 ? Truth::no : Truth::maybe;
}

bool Dim::same(const Dim& other) const noexcept {
  if (kind_ != other.kind_ || kind_ == Kind::unknown) return false;
  if (kind_ == Kind::number) return value_ == other.value_;
  return expr_ == other.expr_ || (expr_->hash == other.expr_->hash && compare_dims(*this, other) == 0);
}

std::optional<int64_t> Dim::evaluate(const Lookup& lookup) const {
  if (is_number()) return value_;
  if (is_unknown()) return std::nullopt;
  int64_t sum = 0;
  for (const DimTerm& term : expr_->terms) {
    int64_t product = term.coefficient;
    for (const DimAtomPtr& atom : term.factors) {
      const auto value = evaluate_atom(*atom, lookup);
      if (!value || __builtin_mul_overflow(product, *value, &product)) return std::nullopt;
    }
    if (__builtin_add_overflow(sum, product, &sum)) return std::nullopt;
  }
  return sum;
}

Dim Dim::substitute(const std::function<std::optional<Dim>(std::string_view)>& lookup) const {
  if (!is_symbolic()) return *this;
  Dim sum(0);
  for (const DimTerm& term : expr_->terms) {
    Dim product(term.coefficient);
    for (const DimAtomPtr& atom : term.factors) {
      Dim factor;
      if (atom->op == DimOp::symbol) {
        factor = lookup(atom->name).value_or(dim_from_terms({{1, {atom}}}));
      } else {
        const Dim a = atom->a.substitute(lookup);
        const Dim b = atom->b.substitute(lookup);
        switch (atom->op) {
          case DimOp::floordiv: factor = floordiv(a, b); break;
          case DimOp::mod: factor = mod(a, b); break;
          case DimOp::min: factor = min(a, b); break;
          default: factor = max(a, b); break;
        }
      }
      product = product * factor;
    }
    sum = sum + product;
  }
  return sum;
}

void Dim::collect_symbols(std::vector<std::string>& names) const {
  if (!is_symbolic()) return;
  for (const DimTerm& term : expr_->terms) {
    for (const DimAtomPtr& atom : term.factors) {
      if (atom->op != DimOp::symbol) {
        atom->a.collect_symbols(names);
        atom->b.collect_symbols(names);
      } else if (std::find(names.begin(), names.end(), atom->name) == names.end()) {
        names.push_back(atom->name);
      }
    }
  }
}

std::string Dim::str() const {
  if (is_number()) return std::to_string(value_);
  if (is_unknown()) return "?";
  std::string out;
  append_expr(*expr_, out);
  return out;
}

size_t Dim::hash() const noexcept {
  if (is_symbolic()) return expr_->hash;
  return mix(static_cast<size_t>(kind_), static_cast<size_t>(value_));
}

}  // namespace chorus
