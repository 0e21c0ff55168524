#include "table.h"

#include <algorithm>
#include <cstring>

namespace chorus_tvm {
namespace {

template <class F>
void for_each_element(const ch_value& v, F&& take) {
  const char* data = static_cast<const char*>(v.buffer.data) + v.offset;
  int64_t n = 1;
  for (uint32_t d = 0; d < v.rank; ++d) n *= v.dims[d];
  auto each = [&](auto sample) {
    for (int64_t k = 0; k < n; ++k) {
      std::memcpy(&sample, data + static_cast<size_t>(k) * sizeof sample, sizeof sample);
      take(sample);
    }
  };
  switch (v.dtype) {
    case kFloat: return each(float{});
    case kDouble: return each(double{});
    case kInt8: return each(int8_t{});
    case kUint8:
    case kBool: return each(uint8_t{});
    case kInt16: return each(int16_t{});
    case kUint16: return each(uint16_t{});
    case kInt: return each(int32_t{});
    case kUint: return each(uint32_t{});
    case kLong: return each(int64_t{});
    case kUlong: return each(uint64_t{});
    default: throw Failure(CH_UNSUPPORTED, "an operand that must be known is of an element type that is not read");
  }
}

void check_types(const Call& c, const ch_graph& graph, const std::vector<Known>& known) {
  const ch_node& node = c.node();
  if (node.n_captured > 0) c.refuse("TVM's programs have no bodies of operators");
  for (const auto& [list, n] : {std::pair(node.inputs, node.n_inputs), std::pair(node.outputs, node.n_outputs)}) {
    for (uint32_t i = 0; i < n; ++i) {
      if (list[i] == CH_NO_INDEX) continue;
      const ch_type& type = *graph.values[list[i]]->type;
      if (type.kind > CH_TENSOR)
        c.refuse("TVM's compiled functions take tensors alone, no sequences, optional values or maps");
      if (!has_type(known[static_cast<size_t>(list[i])].type))
        c.refuse("the mapping has no element type of ONNX's number " + std::to_string(type.dtype));
    }
  }
  for (uint32_t i = 0; i < node.n_inputs; ++i) {
    if (node.inputs[i] == CH_NO_INDEX) continue;
    const Known& k = known[static_cast<size_t>(node.inputs[i])];
    if (!k.fixed)
      c.refuse("a size of operand " + std::to_string(i) + " is not known before the run, and TVM compiles for sizes");
  }
}

}  // namespace

Call::Call(const ch_graph& graph, const ch_node& node, const std::vector<Known>& known)
    : graph_(graph), node_(node), known_(known), results_(node.n_outputs), aliases_(node.n_outputs, -1) {
  take_folds();   // of a node that was translated to be asked about alone
}

const T& Call::in(size_t i) {
  for (const auto& [at, t] : read_) {
    if (at == i) return t;
  }
  if (std::count(dims(i).begin(), dims(i).end(), 0) > 0) refuse("operand " + std::to_string(i) + " has no elements");
  read_.reserve(node_.n_inputs);   // references stay
  return read_.emplace_back(i, operand(dims(i), type(i), "x" + std::to_string(i))).second;
}

int Call::out_type(size_t i) const { return graph_.values[node_.outputs[i]]->type->dtype; }

Dims Call::ints(size_t i) const {
  if (!has(i) || std::count(dims(i).begin(), dims(i).end(), 0) > 0) return {};
  if (!is_known(i)) refuse("operand " + std::to_string(i) + " is not known before the run, and TVM compiles for sizes");
  Dims made;
  for_each_element(*known(i).constant, [&](auto x) { made.push_back(static_cast<int64_t>(x)); });
  return made;
}

std::vector<double> Call::reals(size_t i) const {
  if (!has(i) || std::count(dims(i).begin(), dims(i).end(), 0) > 0) return {};
  if (!is_known(i)) refuse("operand " + std::to_string(i) + " is not known before the run, and TVM compiles for sizes");
  std::vector<double> made;
  for_each_element(*known(i).constant, [&](auto x) { made.push_back(static_cast<double>(x)); });
  return made;
}

double Call::real(size_t i, double otherwise) const {
  const std::vector<double> all = reals(i);
  return all.empty() ? otherwise : all[0];
}

int64_t Call::i(std::string_view name, int64_t otherwise) const {
  const ch_attribute* a = chorus_adapter::attribute(node_, name);
  return a == nullptr ? otherwise : a->i;
}

double Call::f(std::string_view name, double otherwise) const {
  const ch_attribute* a = chorus_adapter::attribute(node_, name);
  return a == nullptr ? otherwise : static_cast<double>(a->f);
}

std::string_view Call::s(std::string_view name, std::string_view otherwise) const {
  const ch_attribute* a = chorus_adapter::attribute(node_, name);
  return a == nullptr ? otherwise : view(a->s);
}

Dims Call::is(std::string_view name) const {
  const ch_attribute* a = chorus_adapter::attribute(node_, name);
  return a == nullptr ? Dims{} : Dims(a->ints, a->ints + a->count);
}

int64_t Call::axis(int64_t value, int64_t rank) const {
  if (value < -rank || value >= rank)
    refuse("axis " + std::to_string(value) + " is outside of rank " + std::to_string(rank));
  return value < 0 ? value + rank : value;
}

Dims Call::axes(const Dims& values, int64_t rank) const {
  Dims made;
  for (int64_t v : values) made.push_back(axis(v, rank));
  return made;
}

void Call::same(size_t i, size_t from, Dims dims) {
  results_.at(i) = T{{}, std::move(dims), type(from)};
  aliases_.at(i) = static_cast<int>(from);
}

void Call::refuse(const std::string& why) const { throw Failure(CH_UNSUPPORTED, std::string(op()) + ": " + why); }

const Row* find_row(std::string_view domain, std::string_view op) {
  if (!domain.empty()) return nullptr;
  for (const auto rows : {elementwise_rows(), reduction_rows(), matrix_rows(), window_rows(), movement_rows(),
                          normalization_rows(), quantization_rows()}) {
    for (const Row& row : rows) {
      if (row.op == op) return &row;
    }
  }
  return nullptr;
}

Dims broadcast(const Dims& a, const Dims& b) {
  Dims made(std::max(a.size(), b.size()), 1);
  for (size_t d = 0; d < made.size(); ++d) {   // from the last
    const int64_t x = d < a.size() ? a[a.size() - 1 - d] : 1;
    const int64_t y = d < b.size() ? b[b.size() - 1 - d] : 1;
    if (x != y && x != 1 && y != 1) throw Failure(CH_SHAPE, "the shapes do not broadcast");
    made[made.size() - 1 - d] = x == 1 ? y : x;
  }
  return made;
}

E spread(const T& t, const Index& at) {
  Index own;
  const size_t skip = at.size() - t.dims.size();
  for (size_t d = 0; d < t.dims.size(); ++d) own.push_back(t.dims[d] == 1 ? whole(0) : at[skip + d]);
  return t(own);
}

void translate(Call& c, const ch_graph& graph, const std::vector<Known>& known) {
  const Row* row = find_row(view(c.node().domain), c.op());
  if (row == nullptr) c.refuse("the mapping to TVM has no row for it");
  check_types(c, graph, known);
  row->make(c);
}

}  // namespace chorus_tvm
