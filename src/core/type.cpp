#include <chorus/error.h>
#include <core/type.h>

#include <algorithm>
#include <utility>

namespace chorus {
namespace {

[[noreturn]] void contradiction(Code code, std::string_view what, const Type& a, const Type& b) {
  throw Error(code, std::string(what) + ": " + a.str() + " and " + b.str() + " contradict each other", {},
              "make the declared type agree with what is computed");
}

/// Of two descriptions of one dimension the more exact: a number before an expression before unknown.
Dim sharper(const Dim& a, const Dim& b) {
  if (a.is_unknown()) return b;
  if (b.is_unknown() || a.is_number()) return a;
  if (b.is_number()) return b;
  // Two expressions: a computed one says more than a bare name.
  return a.as_symbol() && !b.as_symbol() ? b : a;
}

std::string dims_str(const Dims& dims) {
  std::string out = "[";
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) out += ", ";
    out += dims[i].str();
  }
  return out + "]";
}

std::shared_ptr<const Type> join_elem(const std::shared_ptr<const Type>& a, const std::shared_ptr<const Type>& b) {
  if (!a || !b) return nullptr;
  Type joined = Type::join(*a, *b);
  if (joined.kind == ValueKind::none) return nullptr;
  return std::make_shared<const Type>(std::move(joined));
}

}  // namespace

Type Type::of(const Value& value) {
  switch (value.kind()) {
    case ValueKind::none: return {};
    case ValueKind::tensor: {
      Dims dims(value.shape().begin(), value.shape().end());
      return tensor(value.dtype(), std::move(dims));
    }
    case ValueKind::sequence:
    case ValueKind::optional: {
      Type elem;
      for (const Value& item : value.items()) {
        elem = &item == value.items().data() ? of(item) : join(elem, of(item));
      }
      if (elem.kind == ValueKind::none && value.dtype() != DType::undefined) elem = tensor(value.dtype());
      return value.kind() == ValueKind::sequence ? sequence(std::move(elem)) : optional(std::move(elem));
    }
    case ValueKind::map: {
      Type values = of(value.items()[1]);
      if (values.kind == ValueKind::sequence) return map(value.dtype(), *values.elem);
      // One tensor of all values: each key has one slice of it.
      if (!values.dims.empty()) values.dims.erase(values.dims.begin());
      return map(value.dtype(), std::move(values));
    }
  }
  return {};
}

bool Type::is_static() const noexcept {
  return kind == ValueKind::tensor && has_rank && std::ranges::all_of(dims, [](const Dim& d) { return d.is_number(); });
}

std::string Type::str() const {
  switch (kind) {
    case ValueKind::none: return "?";
    case ValueKind::tensor: {
      std::string out = sparse ? "sparse " : "";
      out += dtype == DType::undefined ? std::string_view("?") : dtype_name(dtype);
      if (has_rank) out += dims_str(dims);
      return out;
    }
    case ValueKind::sequence: return "sequence(" + (elem ? elem->str() : "?") + ")";
    case ValueKind::optional: return "optional(" + (elem ? elem->str() : "?") + ")";
    case ValueKind::map:
      return "map(" + std::string(dtype == DType::undefined ? std::string_view("?") : dtype_name(dtype)) + ", " +
             (elem ? elem->str() : "?") + ")";
  }
  return "?";
}

bool Type::same(const Type& other) const noexcept {
  if (kind != other.kind || dtype != other.dtype || has_rank != other.has_rank || sparse != other.sparse) return false;
  const auto same_dim = [](const Dim& a, const Dim& b) { return a.same(b); };
  if (has_rank && !std::ranges::equal(dims, other.dims, same_dim)) return false;
  if (elem == other.elem) return true;
  const Type nothing;  // an absent item type is the same as one of which nothing is known
  return (elem ? *elem : nothing).same(other.elem ? *other.elem : nothing);
}

Type Type::join(const Type& a, const Type& b) {
  if (a.kind != b.kind || a.sparse != b.sparse) return {};
  Type out;
  out.kind = a.kind;
  out.sparse = a.sparse;
  out.dtype = a.dtype == b.dtype ? a.dtype : DType::undefined;
  if (a.has_rank && b.has_rank && a.dims.size() == b.dims.size()) {
    out.has_rank = true;
    for (size_t i = 0; i < a.dims.size(); ++i) out.dims.push_back(a.dims[i].same(b.dims[i]) ? a.dims[i] : Dim());
  }
  out.elem = join_elem(a.elem, b.elem);
  return out;
}

Type Type::meet(const Type& a, const Type& b, std::string_view what) {
  if (a.kind == ValueKind::none) return b;
  if (b.kind == ValueKind::none) return a;
  if (a.kind != b.kind || a.sparse != b.sparse) contradiction(Code::type, what, a, b);
  if (a.dtype != DType::undefined && b.dtype != DType::undefined && a.dtype != b.dtype) {
    contradiction(Code::type, what, a, b);
  }
  Type out;
  out.kind = a.kind;
  out.sparse = a.sparse;
  out.dtype = a.dtype != DType::undefined ? a.dtype : b.dtype;
  out.has_rank = a.has_rank || b.has_rank;
  if (a.has_rank && b.has_rank) {
    if (a.dims.size() != b.dims.size()) contradiction(Code::shape, what, a, b);
    for (size_t i = 0; i < a.dims.size(); ++i) {
      if (Dim::equal(a.dims[i], b.dims[i]) == Dim::Truth::no) contradiction(Code::shape, what, a, b);
      out.dims.push_back(sharper(a.dims[i], b.dims[i]));
    }
  } else {
    out.dims = a.has_rank ? a.dims : b.dims;
  }
  if (a.elem && b.elem) {
    out.elem = a.elem == b.elem ? a.elem : std::make_shared<const Type>(meet(*a.elem, *b.elem, what));
  } else {
    out.elem = a.elem ? a.elem : b.elem;
  }
  return out;
}

}  // namespace chorus
