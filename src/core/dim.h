// Dim: a dimension that is a number, an expression over named symbols, or unknown; kept in normal form so that equal
// expressions compare equal: a sum of coefficient × product of atoms, an atom being a symbol or floordiv/ceildiv/mod/min/max
// of two expressions. Symbols are non-negative. Expressions are immutable and shared.
#pragma once
#include <chorus/export.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chorus {

struct DimExpr;

class CHORUS_API Dim {
 public:
  Dim() noexcept = default;  ///< unknown
  Dim(int64_t value) noexcept : kind_(Kind::number), value_(value) {}  // NOLINT(google-explicit-constructor)
  static Dim symbol(std::string_view name);
  static Dim unknown() noexcept { return {}; }

  bool is_number() const noexcept { return kind_ == Kind::number; }
  bool is_unknown() const noexcept { return kind_ == Kind::unknown; }
  bool is_symbolic() const noexcept { return kind_ == Kind::expression; }
  bool is(int64_t v) const noexcept { return is_number() && value_ == v; }
  int64_t number() const noexcept { return value_; }  ///< only when is_number()
  const DimExpr* expr() const noexcept { return expr_.get(); }  ///< only when is_symbolic()
  /// The name, when the expression is one bare symbol.
  std::optional<std::string_view> as_symbol() const noexcept;

  /// Arithmetic; unknown with anything is unknown (0 × x is 0). Overflow of int64, or an expression that grows past a bound
  /// (64 terms, depth 16), becomes unknown: never wrong, never large.
  friend CHORUS_API Dim operator+(const Dim& a, const Dim& b);
  friend CHORUS_API Dim operator-(const Dim& a, const Dim& b);
  friend CHORUS_API Dim operator*(const Dim& a, const Dim& b);
  friend CHORUS_API Dim floordiv(const Dim& a, const Dim& b);  ///< rounds down; division by zero: unknown
  friend CHORUS_API Dim ceildiv(const Dim& a, const Dim& b);
  friend CHORUS_API Dim mod(const Dim& a, const Dim& b);  ///< sign of b, as Python's %
  friend CHORUS_API Dim min(const Dim& a, const Dim& b);
  friend CHORUS_API Dim max(const Dim& a, const Dim& b);

  enum class Truth : uint8_t { no, yes, maybe };
  /// Proved equal, proved different for all values of the symbols, or neither. Unknown is maybe.
  static Truth equal(const Dim& a, const Dim& b);
  /// a ≤ b, with symbols ≥ 0.
  static Truth less_equal(const Dim& a, const Dim& b);
  /// Same normal form (unknown is the same as nothing).
  bool same(const Dim& other) const noexcept;

  /// Value under `lookup` (symbol → number); nullopt when a symbol is missing, unknown, or on overflow / division by zero.
  std::optional<int64_t> evaluate(const std::function<std::optional<int64_t>(std::string_view)>& lookup) const;
  /// Replaces symbols (nullopt: keep).
  Dim substitute(const std::function<std::optional<Dim>(std::string_view)>& lookup) const;
  void collect_symbols(std::vector<std::string>& names) const;
  std::string str() const;  ///< "2*batch + floordiv(width, 4)", "?"
  size_t hash() const noexcept;

 private:
  enum class Kind : uint8_t { unknown, number, expression };
  Kind kind_ = Kind::unknown;
  int64_t value_ = 0;
  std::shared_ptr<const DimExpr> expr_;
  friend struct DimExpr;
};

/// Many Dims evaluated at once for one set of symbol values, common parts once: what `bind` runs. Slots are dense indices.
class CHORUS_API DimProgram {
 public:
  DimProgram();
  ~DimProgram();
  DimProgram(DimProgram&&) noexcept;
  DimProgram& operator=(DimProgram&&) noexcept;
  /// Index of the symbol in the array given to run().
  int symbol(std::string_view name);
  int symbol_count() const noexcept;
  std::string_view symbol_name(int index) const noexcept;
  /// Slot whose value run() leaves for `dim`; -1 for unknown. Equal expressions share a slot.
  int add(const Dim& dim);
  int slot_count() const noexcept;
  /// slots[i] for every slot; false on overflow or division by zero. No allocation.
  bool run(const int64_t* symbols, int64_t* slots) const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chorus
