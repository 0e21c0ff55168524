// Helpers for the rules of rows: axes, broadcasting of symbolic shapes, values of shape operands, windows, costs.
// All of them throw through ctx.fail with the values in the text.
#pragma once
#include <ops/context.h>
#include <ops/op_def.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::rules {

/// axis in [-rank, rank) → [0, rank); `what` names the attribute or operand in the error.
int normalize_axis(const NodeContext& ctx, int64_t axis, int rank, std::string_view what = "axis");
/// The same for a list; fails on repeated axes. Order is kept.
std::vector<int> normalize_axes(const NodeContext& ctx, std::span<const int64_t> axes, int rank,
                                std::string_view what = "axes");

/// Fails unless input i is a tensor (kind none of an omitted operand fails too).
const Type& tensor_input(const NodeContext& ctx, int i);
/// The operand has exactly / at least this rank, when its rank is known.
void require_rank(const NodeContext& ctx, int i, int rank);
void require_rank_at_least(const NodeContext& ctx, int i, int rank);

/// NumPy's multidirectional broadcasting. Dims proved incompatible fail; where nothing is proved the result is the exact
/// expression (the run checks operands against each other).
Dims broadcast(const NodeContext& ctx, const Dims& a, const Dims& b);
/// Type of an element-wise result over all given operands, of element type `dtype`; unknown rank when one is unknown.
Type broadcast_inputs(const NodeContext& ctx, DType dtype, int first, int count);
/// b must broadcast to a's shape without widening it (PRelu, GroupNorm …).
void require_broadcasts_to(const NodeContext& ctx, const Dims& from, const Dims& to, std::string_view what);

/// Ready shape rules.
void infer_same(ShapeContext& ctx);  ///< output 0 has the type of operand 0
void infer_same_bool(ShapeContext& ctx);  ///< its shape, element type bool
void infer_broadcast(ShapeContext& ctx);  ///< all operands broadcast, element type of operand 0
void infer_broadcast_bool(ShapeContext& ctx);  ///< all operands broadcast, element type bool
/// Value rule: output 0 has the known elements of operand 0.
void value_same(ShapeContext& ctx);

/// Elements of an integer operand where all are known numbers: from a constant or from the value rules; nullopt otherwise.
std::optional<std::vector<int64_t>> known_ints(const NodeContext& ctx, int i);
std::optional<std::vector<int64_t>> known_ints(ShapeContext& ctx, int i);
/// The same with symbolic elements: of a constant integer operand or propagated. nullopt when nothing is known.
std::optional<Dims> known_values(ShapeContext& ctx, int i);
/// Number of elements of operand i when its shape is known to be static, else -1.
int64_t known_count(const NodeContext& ctx, int i);
/// `rank` new dimensions about which nothing is known.
Dims fresh_dims(ShapeContext& ctx, int rank);
/// Product of dims [first, last).
Dim product(const Dims& dims, int first, int last);
inline Dim product(const Dims& dims) { return product(dims, 0, static_cast<int>(dims.size())); }

/// Attributes of windowed operators (Conv, pooling), with ONNX's defaults filled in for `spatial` axes. Fails on wrong lengths and on
/// strides, dilations or kernels < 1.
struct Window {
  std::vector<int64_t> kernel, strides, dilations, pads_begin, pads_end;
  std::string_view auto_pad = "NOTSET";
  bool ceil_mode = false;
};
/// `kernel` empty: from the attribute kernel_shape.
Window read_window(const NodeContext& ctx, int spatial, std::vector<int64_t> kernel = {});
/// Output extent of axis i: floor or ceil((in + pads - dilation * (kernel - 1) - 1) / stride) + 1, a last window that would start in
/// the padding behind the input is dropped (ceil_mode); SAME_*: ceil(in / stride).
Dim window_output(const Window& w, int i, const Dim& in);

/// Costs. Bytes of operands and results; one operation per element of the result.
double bytes_of(const CostContext& ctx, bool output, int i);
Cost cost_traffic(const CostContext& ctx);  ///< bytes only
Cost cost_free(const CostContext& ctx);  ///< views and shape arithmetic: nothing
Cost cost_elementwise(const CostContext& ctx);  ///< one flop per element
Cost cost_transcendental(const CostContext& ctx);  ///< one evaluation per element
Cost cost_reduction(const CostContext& ctx);  ///< one flop per element of operand 0
Cost cost_flops(const CostContext& ctx, double flops_per_output_element, double transcendental_per_output_element = 0);

/// A scalar constant of the element type of `like` (cast at run time where the type is not known yet).
Ref scalar_like(OpBuilder& b, Ref like, double v);
Ref scalar(OpBuilder& b, DType type, double v);

/// Version steps: the next emit makes a node of the version after (before) the one that is being rewritten. Without it emit makes
/// the newest, which is right for helpers (Reshape, Unsqueeze …) and wrong for the operator itself.
void next_version(OpBuilder& b);
void previous_version(OpBuilder& b);
/// A version step (to_next) that only renames nothing: the node is emitted again with the same operands and attributes (less `dropped`).
Expansion reissue(OpBuilder& b, std::span<const std::string_view> dropped = {});
Expansion reissue(OpBuilder& b, std::initializer_list<Ref> inputs,
                  std::initializer_list<std::string_view> dropped = {});
/// Version step of the rows whose first version only has the meaningless attribute `consumed_inputs` more.
Expansion drop_consumed_inputs(OpBuilder& b);

}  // namespace chorus::rules
