#include <ops/attribute.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

constexpr size_t kShown = 16;

template <class List, class Item>
std::string list_str(const List& list, Item&& item) {
  std::string out = "[";
  for (size_t i = 0; i < list.size() && i < kShown; ++i) {
    if (i > 0) out += ", ";
    out += item(list[i]);
  }
  if (list.size() > kShown) out += fmt::format(", … {} in all", list.size());
  return out + "]";
}

std::string quoted(const std::string& s) {
  return s.size() <= 64 ? "'" + s + "'" : "'" + s.substr(0, 64) + fmt::format("…' ({} bytes)", s.size());
}

bool same_sparse(const SparseValue& a, const SparseValue& b) {
  return a.values.identical(b.values) && a.indices.identical(b.indices) && a.shape == b.shape;
}

}  // namespace

std::string_view attr_kind_name(AttrKind kind) noexcept {
  switch (kind) {
    case AttrKind::undefined: return "undefined";
    case AttrKind::real: return "float";
    case AttrKind::integer: return "int";
    case AttrKind::string: return "string";
    case AttrKind::tensor: return "tensor";
    case AttrKind::graph: return "graph";
    case AttrKind::reals: return "floats";
    case AttrKind::integers: return "ints";
    case AttrKind::strings: return "strings";
    case AttrKind::tensors: return "tensors";
    case AttrKind::graphs: return "graphs";
    case AttrKind::sparse_tensor: return "sparse";
    case AttrKind::sparse_tensors: return "sparses";
    case AttrKind::type: return "type";
    case AttrKind::types: return "types";
  }
  return "undefined";
}

AttrKind AttrValue::kind() const noexcept {
  static constexpr AttrKind kKinds[] = {
      AttrKind::undefined, AttrKind::real,          AttrKind::integer,        AttrKind::string,  AttrKind::tensor,
      AttrKind::graph,     AttrKind::reals,         AttrKind::integers,       AttrKind::strings, AttrKind::tensors,
      AttrKind::graphs,    AttrKind::sparse_tensor, AttrKind::sparse_tensors, AttrKind::type,    AttrKind::types};
  const AttrKind kind = kKinds[data.index()];
  return kind == AttrKind::undefined ? declared : kind;
}

bool AttrValue::operator==(const AttrValue& other) const {
  if (data.index() != other.data.index() || ref_name != other.ref_name || kind() != other.kind()) return false;
  return std::visit(
      [&](const auto& a) -> bool {
        using T = std::decay_t<decltype(a)>;
        const auto& b = std::get<T>(other.data);
        if constexpr (std::is_same_v<T, Value>) {
          return a.identical(b);
        } else if constexpr (std::is_same_v<T, std::vector<Value>>) {
          return std::ranges::equal(a, b, [](const Value& x, const Value& y) { return x.identical(y); });
        } else if constexpr (std::is_same_v<T, SparseValue>) {
          return same_sparse(a, b);
        } else if constexpr (std::is_same_v<T, std::vector<SparseValue>>) {
          return std::ranges::equal(a, b, same_sparse);
        } else if constexpr (std::is_same_v<T, Type>) {
          return a.same(b);
        } else if constexpr (std::is_same_v<T, std::vector<Type>>) {
          return std::ranges::equal(a, b, [](const Type& x, const Type& y) { return x.same(y); });
        } else {
          return a == b;
        }
      },
      data);
}

std::string AttrValue::str() const {
  if (!ref_name.empty()) return "@" + ref_name;
  const auto count = [](std::string_view what, size_t n) { return fmt::format("<{} {}>", n, what); };
  return std::visit(
      Overloaded{
          [](std::monostate) { return std::string("none"); },
          [](float v) { return fmt::format("{}", v); },
          [](int64_t v) { return fmt::format("{}", v); },
          [](const std::string& v) { return quoted(v); },
          [](const Value& v) { return v.str(8); },
          [](const GraphPtr&) { return std::string("<graph>"); },
          [](const std::vector<float>& v) { return list_str(v, [](float x) { return fmt::format("{}", x); }); },
          [](const std::vector<int64_t>& v) { return list_str(v, [](int64_t x) { return fmt::format("{}", x); }); },
          [](const std::vector<std::string>& v) { return list_str(v, quoted); },
          [&](const std::vector<Value>& v) { return count("tensors", v.size()); },
          [&](const std::vector<GraphPtr>& v) { return count("graphs", v.size()); },
          [](const SparseValue& v) { return "<sparse " + v.shape.str() + ">"; },
          [&](const std::vector<SparseValue>& v) { return count("sparse tensors", v.size()); },
          [](const Type& v) { return v.str(); },
          [](const std::vector<Type>& v) { return list_str(v, [](const Type& t) { return t.str(); }); },
      },
      data);
}

const AttrValue* Attributes::find(std::string_view name) const noexcept {
  for (const Item& item : items_) {
    if (item.name == name) return &item.value;
  }
  return nullptr;
}

void Attributes::set(std::string_view name, AttrValue value) {
  for (Item& item : items_) {
    if (item.name == name) {
      item.value = std::move(value);
      return;
    }
  }
  items_.push_back({std::string(name), std::move(value)});
}

bool Attributes::erase(std::string_view name) {
  return std::erase_if(items_, [&](const Item& item) { return item.name == name; }) > 0;
}

bool Attributes::operator==(const Attributes& other) const {
  if (items_.size() != other.items_.size()) return false;
  return std::ranges::all_of(items_, [&](const Item& item) {
    const AttrValue* twin = other.find(item.name);
    return twin != nullptr && *twin == item.value;
  });
}

}  // namespace chorus
