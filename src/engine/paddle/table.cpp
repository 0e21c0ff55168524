#include "table.h"

#include <map>

namespace chorus_paddle {
namespace {

constexpr std::string_view kNames[] = {
    "undefined", "float32",    "uint8",      "int8",         "uint16",         "int16",      "int32",
    "int64",     "string",     "bool",       "float16",      "float64",        "uint32",     "uint64",
    "complex64", "complex128", "bfloat16",   "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz",
    "uint4",     "int4",       "float4e2m1", "float8e8m0",   "uint2",          "int2"};

std::string name_of(int dtype) {
  const auto n = static_cast<size_t>(dtype);
  return n < std::size(kNames) ? std::string(kNames[n]) : "type " + std::to_string(dtype);
}

std::string value_refusal(const ch_type& type) {
  if (type.kind == CH_MAP) return "PaddlePaddle has no maps";
  if (type.kind == CH_SEQUENCE || type.kind == CH_OPTIONAL) {
    if (type.elem != nullptr && type.elem->kind > CH_TENSOR) return "the mapping has no nested sequences";
    if (type.elem != nullptr && type.elem->kind == CH_TENSOR) return value_refusal(*type.elem);
  }
  if (type.kind != CH_NONE && type.dtype != 0 && to_paddle(type.dtype) == kUndefined)
    return "PaddlePaddle has no " + name_of(type.dtype);
  return {};
}

std::string types_refusal(const Row& row, const Node& node) {
  for (const auto& [list, n] :
       {std::pair(node.node.inputs, node.node.n_inputs), std::pair(node.node.outputs, node.node.n_outputs)}) {
    for (uint32_t i = 0; i < n; ++i) {
      if (list[i] == CH_NO_INDEX) continue;
      if (std::string why = value_refusal(*node.graph.values[list[i]]->type); !why.empty()) return why;
    }
  }
  const int dtype = node.dtype(row.typed);
  if (dtype == 0 || node.type(row.typed)->kind != CH_TENSOR) return {};
  if ((type_bit(wider(to_paddle(dtype), row.types, row.widen)) & row.types) == 0)
    return "PaddlePaddle's " + std::string(row.calls) + " does not take " + name_of(dtype);
  return {};
}

std::string body_refusal(const ch_node& node) {
  for (uint32_t a = 0; a < node.n_attributes; ++a) {
    const ch_attribute& attribute = *node.attributes[a];
    if (attribute.kind != 5) continue;
    const ch_graph& body = *attribute.graphs[0];
    for (uint32_t n = 0; n < body.n_nodes; ++n) {
      if (std::string why = refusal(body, *body.nodes[n]); !why.empty()) return "in its body, " + why;
    }
  }
  return {};
}

using Key = std::pair<std::string_view, std::string_view>;

std::map<Key, const Row*> all_rows() {
  std::map<Key, const Row*> rows;
  for (const auto& family :
       {elementwise_rows(), activation_rows(), reduction_rows(), movement_rows(), indexing_rows(), creation_rows(),
        matrix_rows(), convolution_rows(), pooling_rows(), normalization_rows(), attention_rows(), quantization_rows(),
        vision_rows(), signal_rows(), gradient_rows(), sequence_rows(), control_rows()}) {
    for (const Row& row : family) rows.emplace(Key(row.domain, row.op), &row);
  }
  return rows;
}

}  // namespace

Type wider(Type type, Types types, Widen how) {
  auto has = [types](Type t) { return (types & type_bit(t)) != 0; };
  if (has(type)) return type;
  switch (how == Widen::none ? kUndefined : type) {
    case kHalf:
    case kBfloat: return has(kFloat) ? kFloat : has(kDouble) ? kDouble : type;
    case kByte:
    case kChar:
    case kShort:
    case Type::UINT16: return has(kInt) ? kInt : has(kLong) ? kLong : type;
    case kInt:
    case Type::UINT32: return has(kLong) ? kLong : type;
    case Type::UINT64: return how != Widen::value && has(kLong) ? kLong : type;
    default: return type;
  }
}

const Row* find_row(std::string_view domain, std::string_view op) {
  static const std::map<Key, const Row*> rows = all_rows();
  const auto found = rows.find(Key(domain, op));
  return found == rows.end() ? nullptr : found->second;
}

std::string refusal(const ch_graph& graph, const ch_node& node) {
  const std::string op(view(node.op));
  const Row* row = find_row(view(node.domain), view(node.op));
  if (row == nullptr || node.since == 0) return op + ": no call of PaddlePaddle is mapped to it";
  const Node seen{graph, node};
  std::string why = types_refusal(*row, seen);
  if (why.empty() && row->refuse != nullptr) why = row->refuse(seen);
  if (why.empty()) why = body_refusal(node);
  return why.empty() ? why : op + ": " + why;
}

}  // namespace chorus_paddle
