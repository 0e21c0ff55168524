// Candidates: the ordered ways in which the native engine can run an operator; the plain reference kernel is the last of every list.
// A candidate states what it accepts, which epilogues it can take into its loop, what it prepares once (packed weights), and how much
// scratch it needs for given sizes.
#pragma once
#include <core/cpu.h>
#include <engine/engine.h>
#include <engine/native/kernel.h>
#include <engine/native/packs.h>
#include <graph/graph.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::native {

/// An operator folded into the step that makes its operand.
enum class EpilogueKind : uint8_t {
  bias_channel,  ///< + constant per channel (axis 1 for convolution, last axis for matrix products)
  scale_channel,  ///< × constant per channel
  residual,  ///< + tensor of the output's shape (an extra operand of the step)
  relu,
  clip,
  leaky_relu,
  hard_swish,
  hard_sigmoid,
  sigmoid,
  silu,
  tanh,
  gelu,
  gelu_tanh,
};
inline constexpr uint32_t epilogue_bit(EpilogueKind k) { return 1u << static_cast<int>(k); }

struct EpilogueItem {
  EpilogueKind kind;
  NodeId node = kNone;  ///< the (last) node that it stands for
  float alpha = 0, beta = 0;  ///< clip: low, high; leaky_relu: alpha; hard_sigmoid: alpha, beta
  Value constant;  ///< bias_channel, scale_channel: float32 [channels]
  ValueId operand = kNone;  ///< residual: the other summand
  std::vector<NodeId> inner;  ///< nodes before `node` that it stands for too: the Sigmoid of a silu …
};

/// What a candidate knows when it decides and prepares.
struct StepDescription {
  const Graph* graph = nullptr;
  NodeId node = kNone;
  const CpuFeatures* cpu = nullptr;
  std::span<const EpilogueItem> epilogues;  ///< accepted ones, in order (prepare only)
  Packs* packs = nullptr;  ///< of the program (prepare only); null: packs are made and forgotten
  const struct QuantizedStep* quantized = nullptr;  ///< of candidates for steps of bytes: all nodes that one stands for
  Precision precision = Precision::f32;  ///< bf16: what products of float32 may be rounded to (prepare only)
  const Tuning* tuning = nullptr;  ///< choices timed on this machine (prepare only); null: none
  const Node& n() const { return graph->node(node); }
  const Type& in(int i) const;  ///< kind none when omitted
  const Type& out(int i) const;
  const Value* constant(int i) const;  ///< null unless constant
  bool has(int i) const { return in(i).kind != ValueKind::none; }
  /// Memory for a constant operand in the form of the kernel: filled by `fill`, or kept by a compile cache, so what it holds must follow
  /// from the operand, the node and the processor alone. The operand's own elements may be dropped afterwards.
  Buffer pack(int operand, std::string_view form, size_t bytes, FunctionRef<void(std::byte*)> fill) const;
};

/// Made once at compile, shared by all instances.
struct Prepared {
  virtual ~Prepared() = default;
  virtual int64_t bytes() const noexcept { return 0; }  ///< memory held, for reports
  uint32_t constants_used = 0;  ///< bit i: operand i is packed inside; its original is not needed to run
  std::string tuned;  ///< the choice that came from StepDescription::tuning; empty: the cost model's
};

/// What a candidate may be chosen for.
enum class LayoutForm : uint8_t { plain, blocked };

struct Candidate {
  std::string_view op;
  std::string_view name;  ///< "conv.gemm.avx512": shown by profile and `ir --level plan`
  bool (*accepts)(const StepDescription&);
  uint32_t epilogues;  ///< mask of what it can take in
  std::shared_ptr<const Prepared> (*prepare)(const StepDescription&);  ///< may be null
  int64_t (*scratch)(const KernelContext&);  ///< bytes for the sizes in the context; null: none
  KernelFn run;  ///< residual epilogues: operands after the node's own, in order
  /// Made at bind for the sizes in the context (KernelContext::bound); null: nothing.
  std::shared_ptr<const void> (*bind)(const KernelContext&) = nullptr;
  /// Candidates over channel blocks: the operands (bit i, residuals included) that are read in blocks of 16 channels; the others are
  /// plain. Null: everything is plain.
  uint32_t (*blocked_operands)(const StepDescription&) = nullptr;
  LayoutForm output = LayoutForm::blocked;  ///< with blocked operands: how the outputs are written
  bool residual_in_place = false;  ///< a residual operand may be the output itself
  bool parts_share =
      false;  ///< Concat, Split, Slice of channels at whole blocks: operands and results may be one memory
  /// Splits and slices of channels: the first channel of output 0; the outputs follow one another.
  int64_t (*first_channel)(const StepDescription&) = nullptr;
  /// Share of the processor's peak of multiply-adds that it reaches; 0: bound by memory. For the choice of layouts.
  float efficiency = 0;
  std::string_view domain = "";  ///< of the operator
};

/// Metadata of an Attention node that stood as a Softmax in the file: a row whose every key is masked gives NaN, as there, and not zeros.
inline constexpr std::string_view kEmptyRows = "chorus.empty_rows";

/// All fast candidates of a form in order of preference (first that accepts wins); a family's list is in
/// engine/native/steps/<family>.cpp.
std::span<const Candidate* const> candidates(std::string_view op, LayoutForm form = LayoutForm::plain);
/// Those for an operator between DequantizeLinear and QuantizeLinear (StepDescription::quantized): operands and results are bytes.
std::span<const Candidate* const> quantized_candidates(std::string_view op);
/// The candidate that brings a tensor into channel blocks (`to` blocked) or out of them.
const Candidate& reorder_candidate(LayoutForm to);
namespace steps {
std::span<const Candidate> convolution_steps();
std::span<const Candidate> matrix_steps();
std::span<const Candidate> elementwise_steps();
std::span<const Candidate> activation_steps();
std::span<const Candidate> normalization_steps();
std::span<const Candidate> pooling_steps();
std::span<const Candidate> movement_steps();
std::span<const Candidate> reduction_steps();
std::span<const Candidate> blocked_convolution_steps();
std::span<const Candidate> blocked_elementwise_steps();
std::span<const Candidate> blocked_movement_steps();
std::span<const Candidate> blocked_pooling_steps();
std::span<const Candidate> recurrent_steps();
std::span<const Candidate> attention_steps();
std::span<const Candidate> tree_steps();
std::span<const Candidate> scaling_steps();
std::span<const Candidate> quantized_steps();
}  // namespace steps

}  // namespace chorus::native
