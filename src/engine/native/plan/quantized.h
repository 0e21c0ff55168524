// Operators between DequantizeLinear and QuantizeLinear: what a step of bytes stands for.
#pragma once
#include <graph/graph.h>
#include <graph/pass.h>

#include <limits>
#include <optional>
#include <vector>

namespace chorus::native {

/// One scale and zero point for a whole tensor of int8 or uint8: value = (byte - zero) * scale.
struct Scaling {
  float scale = 1;
  int32_t zero = 0;
  DType dtype = DType::uint8;
  bool operator==(const Scaling&) const = default;
  /// Tensors in channel blocks hold signed bytes with their sign bit turned: byte + 128. The zero point there.
  int32_t blocked_zero() const noexcept { return dtype == DType::int8 ? zero + 128 : zero; }
};
/// Of a QuantizeLinear or DequantizeLinear of float32; nullopt: more than one scale, or one that is not known before the run.
std::optional<Scaling> scaling_of(const Graph& graph, const Node& node);

/// An operator of float32 whose data operands come from DequantizeLinear and whose result goes through Relu or Clip, or nothing, to
/// one QuantizeLinear. By the meaning of the operators results are those of float32; a step that computes in another order may be
/// off by one step of the result's scale where the float32 value lies within rounding of a tie.
struct QuantizedStep {
  NodeId node = kNone;
  std::vector<ValueId> operands;  ///< bytes, for the data operands in order
  std::vector<Scaling> in;
  std::vector<NodeId> covers;  ///< the operator … the QuantizeLinear
  ValueId result = kNone;
  Scaling out;
  float low = -std::numeric_limits<float>::infinity();  ///< of Relu and Clip
  float high = std::numeric_limits<float>::infinity();
};
std::optional<QuantizedStep> find_quantized(const Graph& graph, NodeId node);

/// The DequantizeLinear of constants that makes an operand, or kNone.
NodeId constant_dequantize(const Graph& graph, const Node& node, size_t operand);
/// A DequantizeLinear of constants that constant folding should leave: `quantized_user` where the step of bytes is complete,
/// `may_be_quantized` where it may become so.
bool may_be_quantized(const Graph& graph, NodeId dequantize);
bool quantized_user(const Graph& graph, NodeId dequantize);

/// A pass: QLinearConv and QLinearMatMul with constant weights become nodes between DequantizeLinear and QuantizeLinear; what only moves
/// elements between two of the same scale moves bytes. Results of the former may differ from the operator's as those of QuantizedStep do.
int quantized_forms(Graph& graph, PassContext& context);

}  // namespace chorus::native
