// The inside of Dim: sums of terms over atoms, with what is known of their range. Shared by dim.cpp, dim_divide.cpp and
// dim_program.cpp only.
#pragma once
#include <core/dim.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace chorus {

/// Range of values for symbols ≥ 0. Ends beyond ±2^62 count as infinite, so that sums of two never overflow.
struct DimBounds {
  static constexpr __int128 kInfinite = static_cast<__int128>(1) << 100;
  static constexpr __int128 kLimit = static_cast<__int128>(1) << 62;
  __int128 lo = -kInfinite;
  __int128 hi = kInfinite;
};

enum class DimOp : uint8_t { symbol, floordiv, mod, min, max };

/// Immutable. `a` and `b` are the operands of everything but a symbol. ceildiv needs no atom: it is a floordiv exactly.
struct DimAtom {
  DimOp op = DimOp::symbol;
  std::string name;
  Dim a, b;
  DimBounds bounds;
  int depth = 1;
  int size = 1;  // nodes of the expression written out as a tree; long names count as several
  size_t hash = 0;
};

using DimAtomPtr = std::shared_ptr<const DimAtom>;

struct DimTerm {
  int64_t coefficient = 0;
  std::vector<DimAtomPtr> factors;  // sorted; empty: the constant
};

struct DimExpr {
  std::vector<DimTerm> terms;  // sorted by compare_factors: higher degrees first, the constant last; none zero
  DimBounds bounds;
  int depth = 1;
  int size = 1;
  size_t hash = 0;

  static constexpr size_t kMaxTerms = 64;
  static constexpr int kMaxDepth = 16;
  static constexpr int kMaxSize = 4096;  // written out; bounds printing, comparing and evaluating
  static constexpr size_t kMaxName = 4096;  // longer names come only from hostile files

  static Dim wrap(std::shared_ptr<const DimExpr> expr) {
    Dim dim;
    dim.kind_ = Dim::Kind::expression;
    dim.expr_ = std::move(expr);
    return dim;
  }
};

int compare_dims(const Dim& a, const Dim& b) noexcept;
int compare_factors(const std::vector<DimAtomPtr>& a, const std::vector<DimAtomPtr>& b) noexcept;
int compare_atoms(const DimAtom& a, const DimAtom& b) noexcept;
/// Sorts, merges and drops zeros; unknown when a bound is passed.
Dim dim_from_terms(std::vector<DimTerm> terms);
/// The terms of a known dim (a number: one constant term, zero: none).
std::vector<DimTerm> dim_terms(const Dim& dim);
Dim dim_atom(DimOp op, const Dim& a, const Dim& b);
/// The atom, when the expression is nothing else.
const DimAtom* dim_bare_atom(const Dim& dim) noexcept;
DimBounds dim_bounds(const Dim& dim) noexcept;
/// Range of a known dim with more effort than dim_bounds: looks through min, max and floordiv.
DimBounds dim_sharp_bounds(const Dim& dim);

inline bool checked_floordiv(int64_t a, int64_t b, int64_t& out) noexcept {
  if (b == 0 || (b == -1 && a == INT64_MIN)) return false;
  out = a / b - ((a % b != 0 && (a % b < 0) != (b < 0)) ? 1 : 0);
  return true;
}
inline bool checked_mod(int64_t a, int64_t b, int64_t& out) noexcept {
  if (b == 0) return false;
  out = b == -1 ? 0 : a % b;
  if (out != 0 && (out < 0) != (b < 0)) out += b;
  return true;
}
/// One operation on numbers as evaluate() and DimProgram::run() do it; false on overflow or division by zero.
bool apply_dim_op(DimOp op, int64_t a, int64_t b, int64_t& out) noexcept;

}  // namespace chorus
