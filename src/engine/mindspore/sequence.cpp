// Sequences and optional values: lists of tensors that the walk holds; MindSpore has the tensors only.
#include <algorithm>
#include <array>

#include "table.h"

namespace chorus_mindspore {
namespace {

void construct(Call& c) { c.out_list(0, c.all()); }
void empty(Call& c) { c.out_list(0, {}); }

// A position in [0, n), from the end where it is negative.
size_t place(Call& c, size_t operand, size_t n, int64_t otherwise) {
  const Ints given = c.ints(operand);
  int64_t at = given.empty() ? otherwise : given[0];
  const auto count = static_cast<int64_t>(n);
  if (at < -count || at >= std::max<int64_t>(count, 1))
    c.fail(CH_BAD_INPUT, "position " + std::to_string(at) + " is out of range for " + std::to_string(n) + " items");
  if (at < 0) at += count;
  return static_cast<size_t>(at);
}

void at(Call& c) {
  const Tensors& list = c.list(0);
  c.require(!list.empty(), "the sequence is empty");
  c.out(0, list[place(c, 1, list.size(), 0)]);
}

void insert(Call& c) {
  Tensors list = c.list(0);
  const size_t where = c.has(2) ? place(c, 2, list.size() + (c.ints(2).at(0) >= 0 ? 1 : 0), 0) : list.size();
  list.insert(list.begin() + static_cast<std::ptrdiff_t>(where), c.in(1));
  c.out_list(0, std::move(list));
}

void erase(Call& c) {
  Tensors list = c.list(0);
  c.require(!list.empty(), "the sequence is empty");
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(place(c, 1, list.size(), -1)));
  c.out_list(0, std::move(list));
}

void length(Call& c) {
  const auto n = static_cast<int64_t>(c.list(0).size());
  c.out(0, copy_of(kInt64, {}, &n));
}

void concat(Call& c) {
  const Tensors& list = c.list(0);
  c.require(!list.empty(), "the sequence is empty");
  const bool stack = c.i("new_axis", 0) != 0;
  const int64_t axis = c.axis(c.i("axis", 0), list[0].rank() + (stack ? 1 : 0));
  c.out(0, stack ? c.stack(list, axis) : c.concat(list, axis));
}

void split(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", 0), x.rank()), n = x.dim(axis);
  Ints sizes = c.ints(1);
  const bool single = !c.has(1);
  if (single || c.slot_in(1).tensor.rank() == 0) {
    const int64_t each = single ? 1 : sizes.at(0);
    c.require(each > 0, "the size of a part must be positive");
    sizes.clear();
    for (int64_t done = 0; done < n; done += each) sizes.push_back(std::min(each, n - done));
  }
  Tensors parts;
  Ints begin(x.dims().size(), 0), size = x.dims();
  const auto a = static_cast<size_t>(axis);
  for (int64_t part : sizes) {
    c.require(part >= 0 && part <= n - begin[a], "the sizes are more than there is");
    size[a] = part;
    Tensor piece = c.slice(x, begin, size);
    if (single && c.i("keepdims", 1) == 0) {
      Ints less = size;
      less.erase(less.begin() + axis);
      piece = c.reshape(piece, less);
    }
    parts.push_back(std::move(piece));
    begin[a] += part;
  }
  c.require(begin[a] == n, "the sizes are not all that there is");
  c.out_list(0, std::move(parts));
}

void optional(Call& c) { c.out_slot(0, c.inputs() > 0 && c.has(0) ? c.slot_in(0) : Slot()); }
void has_element(Call& c) { c.out(0, scalar_of(c.inputs() > 0 && c.has(0) ? 1 : 0, kBool)); }
void get_element(Call& c) {
  c.require(c.has(0), "the optional is empty");
  c.out_slot(0, c.slot_in(0));
}

constexpr std::array kRows = std::to_array<Row>({
    {"SequenceConstruct", construct, ""},
    {"SequenceEmpty", empty, ""},
    {"SequenceAt", at, ""},
    {"SequenceInsert", insert, ""},
    {"SequenceErase", erase, ""},
    {"SequenceLength", length, ""},
    {"ConcatFromSequence", concat, ""},
    {"SplitToSequence", split, ""},
    {"Optional", optional, ""},
    {"OptionalHasElement", has_element, ""},
    {"OptionalGetElement", get_element, ""},
});

}  // namespace

std::span<const Row> sequence_rows() { return kRows; }

}  // namespace chorus_mindspore
