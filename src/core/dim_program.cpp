#include <core/dim.h>
#include <core/dim_expr.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace chorus {
namespace {

enum class Step : uint8_t { constant, symbol, add, multiply, add_constant, multiply_constant, floordiv, mod, min, max };

/// slot[i] = step(slot[a], slot[b]); for steps with a constant `b` is the number itself, for a symbol `a` its index.
struct Instruction {
  Step step;
  int32_t a;
  int64_t b;
};

}  // namespace

struct DimProgram::Impl {
  std::vector<std::string> symbols;
  std::vector<Instruction> code;  // one instruction per slot, operands before their users
  std::map<std::tuple<Step, int32_t, int64_t>, int> known;
  std::unordered_multimap<size_t, std::pair<Dim, int>> dims;

  int emit(Step step, int32_t a, int64_t b) {
    const auto [where, fresh] = known.try_emplace({step, a, b}, static_cast<int>(code.size()));
    if (fresh) code.push_back({step, a, b});
    return where->second;
  }
  int find_symbol(std::string_view name) {
    const auto found = std::find(symbols.begin(), symbols.end(), name);
    if (found != symbols.end()) return static_cast<int>(found - symbols.begin());
    symbols.emplace_back(name);
    return static_cast<int>(symbols.size()) - 1;
  }
  int lower(const Dim& dim);
  int lower(const DimAtom& atom);
  int lower(const DimTerm& term);
};

int DimProgram::Impl::lower(const DimAtom& atom) {
  if (atom.op == DimOp::symbol) return emit(Step::symbol, find_symbol(atom.name), 0);
  static constexpr Step kSteps[] = {Step::symbol, Step::floordiv, Step::mod, Step::min, Step::max};
  const int a = lower(atom.a);
  const int b = lower(atom.b);
  return emit(kSteps[static_cast<size_t>(atom.op)], a, b);
}

int DimProgram::Impl::lower(const DimTerm& term) {
  int product = lower(*term.factors[0]);
  for (size_t i = 1; i < term.factors.size(); ++i) product = emit(Step::multiply, product, lower(*term.factors[i]));
  return term.coefficient == 1 ? product : emit(Step::multiply_constant, product, term.coefficient);
}

int DimProgram::Impl::lower(const Dim& dim) {
  if (dim.is_number()) return emit(Step::constant, 0, dim.number());
  const auto [first, last] = dims.equal_range(dim.hash());
  for (auto it = first; it != last; ++it) {
    if (it->second.first.same(dim)) return it->second.second;
  }
  int sum = -1;
  for (const DimTerm& term : dim.expr()->terms) {
    if (term.factors.empty()) {
      sum = emit(Step::add_constant, sum, term.coefficient);  // the constant is the last term, never the only one
    } else {
      const int part = lower(term);
      sum = sum < 0 ? part : emit(Step::add, sum, part);
    }
  }
  dims.emplace(dim.hash(), std::pair(dim, sum));
  return sum;
}

DimProgram::DimProgram() : impl_(std::make_unique<Impl>()) {}
DimProgram::~DimProgram() = default;
DimProgram::DimProgram(DimProgram&&) noexcept = default;
DimProgram& DimProgram::operator=(DimProgram&&) noexcept = default;

int DimProgram::symbol(std::string_view name) { return impl_->find_symbol(name); }
int DimProgram::symbol_count() const noexcept { return static_cast<int>(impl_->symbols.size()); }
std::string_view DimProgram::symbol_name(int index) const noexcept {
  return impl_->symbols[static_cast<size_t>(index)];
}
int DimProgram::add(const Dim& dim) { return dim.is_unknown() ? -1 : impl_->lower(dim); }
int DimProgram::slot_count() const noexcept { return static_cast<int>(impl_->code.size()); }

bool DimProgram::run(const int64_t* symbols, int64_t* slots) const noexcept {
  int64_t* out = slots;
  bool good = true;
  for (const Instruction& in : impl_->code) {
    switch (in.step) {
      case Step::constant: *out = in.b; break;
      case Step::symbol: *out = symbols[in.a]; break;
      case Step::add: good = !__builtin_add_overflow(slots[in.a], slots[in.b], out); break;
      case Step::multiply: good = !__builtin_mul_overflow(slots[in.a], slots[in.b], out); break;
      case Step::add_constant: good = !__builtin_add_overflow(slots[in.a], in.b, out); break;
      case Step::multiply_constant: good = !__builtin_mul_overflow(slots[in.a], in.b, out); break;
      case Step::floordiv: good = checked_floordiv(slots[in.a], slots[in.b], *out); break;
      case Step::mod: good = checked_mod(slots[in.a], slots[in.b], *out); break;
      case Step::min: *out = std::min(slots[in.a], slots[in.b]); break;
      case Step::max: *out = std::max(slots[in.a], slots[in.b]); break;
    }
    if (!good) return false;
    ++out;
  }
  return true;
}

}  // namespace chorus
