// The mapping table: operators of ONNX, of their newest versions, to operators of MindSpore.
#pragma once
#include <span>

#include "call.h"

namespace chorus_mindspore {

/// The next wider type with a kernel that holds every number of `type`; kNoType: there is none.
int wider(int type, Types kernels);
/// ONNX's number where MindSpore has the type, else kNoType.
inline int known_type(int dtype) { return has_type(dtype) ? dtype : static_cast<int>(kNoType); }

/// What a mapping can tell of a node before a run.
struct Node {
  const ch_graph& graph;
  const ch_node& node;
  std::string_view op() const { return view(node.op); }
  bool has(uint32_t i) const { return i < node.n_inputs && node.inputs[i] != CH_NO_INDEX; }
  bool makes(uint32_t i) const { return i < node.n_outputs && node.outputs[i] != CH_NO_INDEX; }
  const ch_type* type(uint32_t i) const { return has(i) ? graph.values[node.inputs[i]]->type : nullptr; }
  int dtype(uint32_t i) const { return has(i) ? type(i)->dtype : 0; }
  int out_dtype(uint32_t i) const { return makes(i) ? graph.values[node.outputs[i]]->type->dtype : 0; }
  /// Rank of operand i, -1: unknown.
  int rank(uint32_t i) const { return has(i) && type(i)->has_rank != 0 ? static_cast<int>(type(i)->rank) : -1; }
  int64_t i(std::string_view name, int64_t otherwise) const {
    const ch_attribute* a = attribute(node, name);
    return a == nullptr ? otherwise : a->i;
  }
  std::string_view s(std::string_view name, std::string_view otherwise) const {
    const ch_attribute* a = attribute(node, name);
    return a == nullptr ? otherwise : view(a->s);
  }
  bool given(std::string_view name) const { return attribute(node, name) != nullptr; }
};

enum class Widen : uint8_t {
  none,
  value,  ///< types without a kernel are computed in a wider one
  sums,  ///< and float16 and bfloat16 too, in which MindSpore would keep sums
  moves,  ///< elements only move: kernels see integers of the same size, every type goes
};
/// The types that a row computes in as they are.
inline Types own_types(std::string_view kernels, Widen widen) {
  const Types all = kernel_types(kernels);
  return widen == Widen::sums ? all & ~(type_bit(kHalf) | type_bit(kBfloat16)) : all;
}

struct Row {
  std::string_view op;
  void (*run)(Call&);
  std::string_view kernels;  ///< operators of MindSpore that must have a kernel for the type of operand `typed`
  std::string_view difference = {};  ///< where MindSpore means something else, and what the mapping does about it
  Widen widen = Widen::none;
  std::string (*refuse)(const Node&) = nullptr;  ///< a sentence without the operator's name, empty: taken
  uint8_t typed = 0;
  std::string_view domain = {};
};

/// The name of an operator as a template's argument.
struct Text {
  template <size_t n>
  constexpr Text(const char (&text)[n]) {  // from a literal
    for (size_t i = 0; i < n; ++i) chars[i] = text[i];
  }
  char chars[32] = {};
};
/// y = op(x).
template <Text op>
void unary(Call& c) {
  c.out(0, c.un(op.chars, c.in(0)));
}
/// y = op(a, b).
template <Text op>
void binary(Call& c) {
  c.out(0, c.bin(op.chars, c.in(0), c.in(1)));
}

std::span<const Row> elementwise_rows();
std::span<const Row> activation_rows();
std::span<const Row> reduction_rows();
std::span<const Row> movement_rows();
std::span<const Row> indexing_rows();
std::span<const Row> matrix_rows();
std::span<const Row> convolution_rows();
std::span<const Row> pooling_rows();
std::span<const Row> normalization_rows();
std::span<const Row> attention_rows();
std::span<const Row> quantization_rows();
std::span<const Row> sequence_rows();
std::span<const Row> vision_rows();
std::span<const Row> loss_rows();
std::span<const Row> control_rows();

/// The row of an operator, null where there is none.
const Row* find_row(std::string_view domain, std::string_view op);
/// Why a node is refused; empty: it is taken. Bodies are looked into.
std::string refusal(const ch_graph& graph, const ch_node& node);

}  // namespace chorus_mindspore
