#include "table.h"

#include <array>

namespace chorus_mindspore {
namespace {

using Family = std::span<const Row> (*)();
constexpr std::array kFamilies =
    std::to_array<Family>({elementwise_rows, activation_rows, reduction_rows, movement_rows, indexing_rows, matrix_rows,
                           convolution_rows, pooling_rows, normalization_rows, attention_rows, quantization_rows,
                           sequence_rows, vision_rows, loss_rows, control_rows});

std::string type_text(int dtype) {
  const int type = known_type(dtype);
  static constexpr std::array<const char*, 10> kOthers = {
      "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4",
      "int4",         "float4e2m1",     "float8e8m0", "uint2",          "int2"};
  if (type != kNoType) return type_name(type);
  return dtype >= 17 && dtype < 27 ? kOthers[static_cast<size_t>(dtype - 17)] : "type " + std::to_string(dtype);
}

// Types that the adapter does not give to MindSpore at all.
std::string value_refusal(const ch_type& type) {
  if (type.kind == CH_MAP) return "MindSpore has no maps";
  if ((type.kind == CH_SEQUENCE || type.kind == CH_OPTIONAL) && type.elem != nullptr) {
    if (type.kind == CH_SEQUENCE && type.elem->kind > CH_TENSOR)
      return "sequences of anything but tensors are not made for MindSpore";
    return value_refusal(*type.elem);
  }
  if (type.dtype == 8) return "tensors of strings are not given to MindSpore";
  if (type.kind == CH_TENSOR && type.dtype != 0 && known_type(type.dtype) == kNoType)
    return "MindSpore computes nothing in " + type_text(type.dtype);
  return {};
}

std::string types_refusal(const Row& row, const Node& n) {
  for (uint32_t i = 0; i < n.node.n_inputs; ++i) {
    if (!n.has(i)) continue;
    if (std::string why = value_refusal(*n.type(i)); !why.empty()) return why;
  }
  for (uint32_t i = 0; i < n.node.n_outputs; ++i) {
    if (!n.makes(i)) continue;
    if (std::string why = value_refusal(*n.graph.values[n.node.outputs[i]]->type); !why.empty()) return why;
  }
  const int type = known_type(n.dtype(row.typed));
  if (type == kNoType || row.kernels.empty() || row.widen == Widen::moves) return {};
  const Types kernels = kernel_types(row.kernels);
  if ((kernels & type_bit(type)) != 0) return {};
  if (row.widen != Widen::none && wider(type, kernels) != kNoType) return {};
  return "MindSpore has no kernel of " + std::string(row.kernels) + " for " + type_name(type);
}

std::string bodies_refusal(const ch_node& node) {
  for (uint32_t a = 0; a < node.n_attributes; ++a) {
    const ch_attribute& attribute = *node.attributes[a];
    if (attribute.kind != 5 && attribute.kind != 10) continue;
    for (uint64_t g = 0; g < (attribute.kind == 5 ? 1 : attribute.count); ++g) {
      const ch_graph& body = *attribute.graphs[g];
      for (uint32_t i = 0; i < body.n_nodes; ++i) {
        if (std::string why = refusal(body, *body.nodes[i]); !why.empty()) return "in its body: " + why;
      }
    }
  }
  return {};
}

}  // namespace

int wider(int type, Types kernels) {
  auto first = [&](std::initializer_list<int> list) {
    for (int t : list) {
      if ((kernels & type_bit(t)) != 0) return t;
    }
    return static_cast<int>(kNoType);
  };
  switch (type) {
    case kHalf:
    case kBfloat16: return first({kFloat, kDouble});
    case kFloat: return first({kDouble});
    case kInt8:
    case kUint8:
    case kInt16:
    case kUint16: return first({kInt32, kInt64, kFloat, kDouble});
    case kInt32:
    case kUint32: return first({kInt64, kDouble});
    default: return kNoType;
  }
}

const Row* find_row(std::string_view domain, std::string_view op) {
  for (const Family family : kFamilies) {
    for (const Row& row : family()) {
      if (row.op == op && row.domain == domain) return &row;
    }
  }
  return nullptr;
}

std::string refusal(const ch_graph& graph, const ch_node& node) {
  const Node n{graph, node};
  const std::string op(n.op());
  const Row* row = find_row(view(node.domain), n.op());
  if (row == nullptr) return op + ": no kernel of MindSpore is mapped to it";
  std::string why = types_refusal(*row, n);
  if (why.empty() && row->refuse != nullptr) why = row->refuse(n);
  if (why.empty()) why = bodies_refusal(node);
  return why.empty() ? why : op + ": " + why;
}

}  // namespace chorus_mindspore
