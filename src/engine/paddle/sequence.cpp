// Lists of tensors, and values that may be missing.
#include "table.h"

namespace chorus_paddle {
namespace {

int64_t place(Call& c, size_t operand, size_t count, int64_t otherwise, bool behind) {
  if (!c.has(operand)) return otherwise;
  const auto n = static_cast<int64_t>(count);
  const int64_t at = c.ints(operand).at(0);
  const int64_t most = behind ? n : n - 1;
  c.require(at >= -n && at <= most, "the position is out of range");
  return at < 0 ? at + n : at;
}

void construct(Call& c) { c.out_list(0, c.all()); }
void empty(Call& c) { c.out_list(0, {}); }

void at_position(Call& c) {
  const Tensors& list = c.list(0);
  c.require(!list.empty(), "the sequence is empty");
  c.out(0, list[static_cast<size_t>(place(c, 1, list.size(), 0, false))]);
}

void insert(Call& c) {
  Tensors list = c.list(0);
  const auto n = static_cast<int64_t>(list.size());
  list.insert(list.begin() + place(c, 2, list.size(), n, true), c.in(1));
  c.out_list(0, std::move(list));
}

void erase(Call& c) {
  Tensors list = c.list(0);
  c.require(!list.empty(), "the sequence is empty");
  const auto n = static_cast<int64_t>(list.size());
  list.erase(list.begin() + place(c, 1, list.size(), n - 1, false));
  c.out_list(0, std::move(list));
}

void length(Call& c) { c.out(0, scalar_long(static_cast<int64_t>(c.list(0).size()))); }

void split(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", 0), x.dim());
  const bool each = !c.has(1);
  Tensors parts;
  if (each || c.in(1).dim() == 0) {
    const int64_t size = each ? 1 : c.ints(1).at(0);
    c.require(size > 0, "the extent of the parts must be positive");
    for (int64_t at = 0; at < x.size(axis); at += size)
      parts.push_back(x.narrow(axis, at, std::min(size, x.size(axis) - at)));
  } else {
    int64_t at = 0;
    for (int64_t size : c.ints(1)) {
      c.require(size >= 0 && size <= x.size(axis) - at, "the parts are more than there is");
      parts.push_back(x.narrow(axis, at, size));
      at += size;
    }
    c.require(at == x.size(axis), "the parts are not all that there is");
  }
  if (each && c.i("keepdims", 1) == 0) {
    for (Tensor& t : parts) t = t.squeeze(axis);
  }
  c.out_list(0, std::move(parts));
}

void concat(Call& c) {
  const Tensors& list = c.list(0);
  c.require(!list.empty(), "the sequence is empty");
  const bool is_new = c.i("new_axis", 0) != 0;
  const int64_t axis = c.axis(c.i("axis", 0), list[0].dim() + (is_new ? 1 : 0));
  c.out(0, is_new ? stack(list, axis) : concat(list, axis));
}

void optional(Call& c) {
  if (!c.has(0)) return c.out_none(0);
  if (c.slot_in(0).list) return c.out_list(0, c.list(0));
  c.out_list(0, {c.in(0)});
}

std::string optional_refusal(const Node& node) {
  const ch_type* type = node.type(0);
  return type != nullptr && type->kind == CH_SEQUENCE ? "the mapping has no nested sequences" : std::string();
}

void has_element(Call& c) {
  bool full = c.has(0);
  if (full && c.slot_in(0).list) full = !c.list(0).empty();
  c.out(0, scalar(full ? 1 : 0, kBool));
}

std::string has_element_refusal(const Node& node) {
  const ch_type* type = node.type(0);
  const bool list =
      type != nullptr && (type->kind == CH_SEQUENCE ||
                          (type->kind == CH_OPTIONAL && type->elem != nullptr && type->elem->kind == CH_SEQUENCE));
  return list ? "the mapping has no nested sequences" : std::string();
}

void get_element(Call& c) {
  if (!c.slot_in(0).list) return c.out(0, c.in(0));
  const ch_type* type = c.type_in(0);
  if (type->kind == CH_SEQUENCE) return c.out_list(0, c.list(0));
  c.require(!c.list(0).empty(), "the optional is empty");
  c.out(0, c.list(0)[0]);
}

constexpr Row kRows[] = {
    {"SequenceConstruct", construct, kAll, "(list)"},
    {"SequenceEmpty", empty, kAll, "(list)"},
    {"SequenceAt", at_position, kAll, "(list)"},
    {"SequenceInsert", insert, kAll, "(list)"},
    {"SequenceErase", erase, kAll, "(list)"},
    {"SequenceLength", length, kAll, "(list)"},
    {"SplitToSequence", split, kAll, "slice"},
    {"ConcatFromSequence", concat, kAll, "concat"},
    {"Optional", optional, kAll, "(list)", {}, optional_refusal},
    {"OptionalHasElement", has_element, kAll, "(list)", {}, has_element_refusal},
    {"OptionalGetElement", get_element, kAll, "(list)", {}, has_element_refusal},
};

}  // namespace

std::span<const Row> sequence_rows() { return kRows; }

}  // namespace chorus_paddle
