#include "facts.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace chorus_tvm {
namespace {

constexpr int64_t kMost = 1024;   // elements

struct Whole {
  Dims dims, elements;
};

int64_t count(const Dims& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

bool is_held(int type) { return type == kLong || type == kInt || type == kBool; }

std::optional<Whole> held(const Known* k) {
  if (k == nullptr || k->constant == nullptr || !is_held(k->type) || count(k->dims) > kMost) return std::nullopt;
  Whole made{k->dims, {}};
  const char* data = static_cast<const char*>(k->constant->buffer.data) + k->constant->offset;
  for (int64_t i = 0; i < count(k->dims); ++i) {
    int64_t wide = 0;
    int32_t narrow = 0;
    if (k->type == kLong) std::memcpy(&wide, data + 8 * i, 8);
    if (k->type == kInt) std::memcpy(&narrow, data + 4 * i, 4), wide = narrow;
    if (k->type == kBool) wide = data[i] != 0 ? 1 : 0;
    made.elements.push_back(wide);
  }
  return made;
}

int64_t integer(const ch_node& node, std::string_view name, int64_t otherwise) {
  const ch_attribute* a = chorus_adapter::attribute(node, name);
  return a == nullptr ? otherwise : a->i;
}

// Of two vectors or numbers; nothing where a result would not be a number of the type.
std::optional<Whole> paired(std::string_view op, const Whole& a, const Whole& b) {
  if (a.dims != b.dims && count(a.dims) != 1 && count(b.dims) != 1) return std::nullopt;
  Whole made{a.dims.size() > b.dims.size() || (a.dims.size() == b.dims.size() && count(b.dims) == 1) ? a.dims : b.dims,
             {}};
  for (int64_t i = 0; i < count(made.dims); ++i) {
    const int64_t x = a.elements[a.elements.size() == 1 ? 0 : static_cast<size_t>(i)];
    const int64_t y = b.elements[b.elements.size() == 1 ? 0 : static_cast<size_t>(i)];
    int64_t z = 0;
    bool lost = false;
    if (op == "Add")
      lost = __builtin_add_overflow(x, y, &z);
    else if (op == "Sub")
      lost = __builtin_sub_overflow(x, y, &z);
    else if (op == "Mul")
      lost = __builtin_mul_overflow(x, y, &z);
    else if (y == 0 || y == -1)
      return std::nullopt;
    else
      z = x / y;
    if (lost || z != static_cast<int32_t>(z)) return std::nullopt;
    made.elements.push_back(z);
  }
  return made;
}

std::optional<Whole> gathered(const ch_node& node, const Whole& data, const Whole& indices) {
  if (data.dims.size() != 1 || integer(node, "axis", 0) > 0) return std::nullopt;
  Whole made{indices.dims, {}};
  for (int64_t i : indices.elements) {
    const int64_t n = data.dims[0], at = i < 0 ? i + n : i;
    if (at < 0 || at >= n) return std::nullopt;
    made.elements.push_back(data.elements[static_cast<size_t>(at)]);
  }
  return made;
}

std::optional<Whole> sliced(const Whole& data, const Whole& starts, const Whole& ends, const Whole* steps) {
  if (data.dims.size() != 1 || starts.elements.size() != 1 || ends.elements.size() != 1) return std::nullopt;
  if (steps != nullptr && steps->elements != Dims{1}) return std::nullopt;
  auto bound = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + data.dims[0] : v, 0, data.dims[0]); };
  const int64_t from = bound(starts.elements[0]), to = std::max(from, bound(ends.elements[0]));
  return Whole{{to - from}, Dims(data.elements.begin() + from, data.elements.begin() + to)};
}

}  // namespace

void Facts::state(Known& known, Dims dims, int type, const Dims& elements) {
  Fact& fact = facts_.emplace_back();
  fact.dims = std::move(dims);
  const size_t size = static_cast<size_t>(bits_of(type)) / 8;
  fact.bytes.resize(elements.size() * size + 1);
  for (size_t i = 0; i < elements.size(); ++i)
    std::memcpy(fact.bytes.data() + i * size, &elements[i], size);   // the low bytes
  fact.value.size = sizeof fact.value;
  fact.value.kind = CH_TENSOR;
  fact.value.dtype = static_cast<uint16_t>(type);
  fact.value.rank = static_cast<uint32_t>(fact.dims.size());
  fact.value.dims = fact.dims.data();
  fact.value.buffer.size = sizeof fact.value.buffer;
  fact.value.buffer.data = fact.bytes.data();
  fact.value.buffer.bytes = elements.size() * size;
  known.fixed = true, known.dims = fact.dims, known.type = type, known.constant = &fact.value;
}

bool Facts::compute(const ch_graph&, const ch_node& node, std::vector<Known>& known) {
  const std::string_view op = view(node.op);
  if (!view(node.domain).empty() || node.n_outputs != 1 || node.outputs[0] == CH_NO_INDEX) return false;
  Known& out = known[static_cast<size_t>(node.outputs[0])];
  auto operand = [&](uint32_t i) -> const Known* {
    return i < node.n_inputs && node.inputs[i] != CH_NO_INDEX ? &known[static_cast<size_t>(node.inputs[i])] : nullptr;
  };
  if (op == "Constant") {
    const ch_attribute* value = chorus_adapter::attribute(node, "value");
    if (value == nullptr || !has_type(value->tensors[0]->dtype)) return false;
    const ch_value& v = *value->tensors[0];
    out.fixed = true, out.type = v.dtype, out.dims.assign(v.dims, v.dims + v.rank), out.constant = &v;
    return true;
  }
  if (op == "Shape" || op == "Size") {
    const Known* x = operand(0);
    if (x == nullptr || !x->fixed) return false;
    if (op == "Size") return state(out, {}, kLong, {count(x->dims)}), true;
    const auto rank = static_cast<int64_t>(x->dims.size());
    auto bound = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
    const int64_t from = bound(integer(node, "start", 0)), to = std::max(from, bound(integer(node, "end", rank)));
    return state(out, {to - from}, kLong, Dims(x->dims.begin() + from, x->dims.begin() + to)), true;
  }
  const std::optional<Whole> a = held(operand(0)), b = held(operand(1));
  if (!a || !is_held(out.type) || operand(0) == nullptr) return false;
  std::optional<Whole> made;
  const bool arithmetic = op == "Add" || op == "Sub" || op == "Mul" || op == "Div";
  if (op == "Identity" || (op == "Cast" && out.type != kBool)) made = a;
  if (op == "Unsqueeze" && b && a->dims.empty() && b->elements.size() == 1) made = Whole{{1}, a->elements};
  if (op == "Squeeze" && a->dims == Dims{1}) made = Whole{{}, a->elements};
  if (op == "Reshape" && b && (b->elements == Dims{-1} || b->elements == Dims{count(a->dims)}))
    made = Whole{{count(a->dims)}, a->elements};
  if (arithmetic && b && out.type != kBool) made = paired(op, *a, *b);
  if (op == "Gather" && b) made = gathered(node, *a, *b);
  if (op == "Slice" && b) {
    const std::optional<Whole> ends = held(operand(2)), steps = held(operand(4));
    if (ends && (operand(4) == nullptr || steps)) made = sliced(*a, *b, *ends, steps ? &*steps : nullptr);
  }
  if (op == "Concat" && a->dims.size() == 1) {
    made = Whole{{0}, {}};
    for (uint32_t i = 0; i < node.n_inputs; ++i) {
      const std::optional<Whole> piece = held(operand(i));
      if (!piece || piece->dims.size() != 1) return false;
      made->elements.insert(made->elements.end(), piece->elements.begin(), piece->elements.end());
    }
    made->dims[0] = static_cast<int64_t>(made->elements.size());
  }
  if (!made || count(made->dims) > kMost) return false;
  state(out, made->dims, out.type, made->elements);
  return true;
}

}  // namespace chorus_tvm
