// The mapping table: operators of ONNX, of their newest versions, to calls of phi, PaddlePaddle's kernels.
#pragma once
#include <span>

#include "call.h"

namespace chorus_paddle {

inline constexpr Types kDoubles = type_bit(kFloat) | type_bit(kDouble);
inline constexpr Types kWholes = type_bit(kInt) | type_bit(kLong);
inline constexpr Types kBools = type_bit(kBool);
inline constexpr Types kComplexes = type_bit(Type::COMPLEX64) | type_bit(Type::COMPLEX128);
inline constexpr Types kNumbers = kDoubles | kWholes;
inline constexpr Types kAll = ~Types{0};   ///< whatever only moves

/// The type of `types` in which a row computes what comes in `type`: itself, a wider one, or kUndefined.
Type wider(Type type, Types types, Widen how);

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

struct Row {
  std::string_view op;
  void (*run)(Call&);
  Types types;                     ///< that it computes with; others are widened
  std::string_view calls;
  std::string_view difference = {};  ///< where PaddlePaddle means something else, and what the mapping does about it
  std::string (*refuse)(const Node&) = nullptr;  ///< a sentence without the operator's name, empty: taken
  Widen widen = Widen::value;
  uint8_t typed = 0;  ///< the operand whose type `types` speaks of
  std::string_view domain = {};
};

/// y = F(x); kernels want elements.
template <paddle::Tensor (*F)(const paddle::Tensor&, paddle::optional<paddle::Tensor*>)>
void unary(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, x.numel() == 0 ? x : Tensor(F(x, paddle::none)));
}

std::span<const Row> elementwise_rows();
std::span<const Row> activation_rows();
std::span<const Row> reduction_rows();
std::span<const Row> movement_rows();
std::span<const Row> indexing_rows();
std::span<const Row> creation_rows();
std::span<const Row> matrix_rows();
std::span<const Row> attention_rows();
std::span<const Row> convolution_rows();
std::span<const Row> pooling_rows();
std::span<const Row> normalization_rows();
std::span<const Row> quantization_rows();
std::span<const Row> sequence_rows();
std::span<const Row> vision_rows();
std::span<const Row> signal_rows();
std::span<const Row> gradient_rows();
std::span<const Row> control_rows();

/// The row of an operator, null where there is none.
const Row* find_row(std::string_view domain, std::string_view op);
/// Why a node is refused; empty: it is taken. Bodies are looked into.
std::string refusal(const ch_graph& graph, const ch_node& node);

}  // namespace chorus_paddle
