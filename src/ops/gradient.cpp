// The class *gradient* of the domain `chorus`: what gradient rules emit where ONNX has no word for it. Adapters map these rows to an
// engine's own backward. Their first operand is the gradient of an output, the result that of an operand.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

namespace chorus::families {
namespace {

using namespace rules;

// Shape rules --------------------------------------------------------------------------------------------------------------------

/// A result of the type of operand 0 and the shape that operand `i` says; `like`: an operand of the same rank, or -1.
void infer_shape_operand(ShapeContext& ctx, int i, int like) {
  const Type& dy = tensor_input(ctx, 0);
  require_rank(ctx, i, 1);
  if (const auto dims = known_values(ctx, i)) return ctx.set_output(0, Type::tensor(dy.dtype, *dims));
  int rank = like >= 0 ? ctx.input(like).rank() : -1;
  const Type& shape = ctx.input(i);
  if (shape.has_rank && shape.rank() == 1 && shape.dims[0].is_number()) rank = static_cast<int>(shape.dims[0].number());
  if (rank < 0) return ctx.set_output(0, Type::tensor(dy.dtype));
  ctx.set_output(0, Type::tensor(dy.dtype, fresh_dims(ctx, rank)));
}

void infer_sum_to(ShapeContext& ctx) { infer_shape_operand(ctx, 1, -1); }
void infer_slice_grad(ShapeContext& ctx) { infer_shape_operand(ctx, 1, 0); }
void infer_conv_grad(ShapeContext& ctx) {
  require_rank_at_least(ctx, 0, 3);
  require_rank_at_least(ctx, 1, 3);
  infer_shape_operand(ctx, 2, 1);
}
void infer_pool_grad(ShapeContext& ctx) { infer_shape_operand(ctx, 1, 0); }
/// The result is like an operand.
void infer_like(ShapeContext& ctx, int operand) { ctx.set_output(0, tensor_input(ctx, operand)); }
void infer_like_1(ShapeContext& ctx) { infer_like(ctx, 1); }
void infer_grid_sample_grad(ShapeContext& ctx) {
  ctx.set_output(0, tensor_input(ctx, 1));
  if (ctx.has_output(1)) ctx.set_output(1, tensor_input(ctx, 2));
}
void infer_inverse(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  require_rank_at_least(ctx, 0, 2);
  if (x.has_rank) ctx.require_equal(x.dims[x.dims.size() - 1], x.dims[x.dims.size() - 2], "rows and columns");
  infer_same(ctx);
}
/// Sequences of gradients have the type of the sequence.
void infer_sequence(ShapeContext& ctx, int operand) {
  if (ctx.input(operand).kind != ValueKind::sequence)
    ctx.fail(Code::type, fmt::format("operand {} is {}, a sequence is needed", operand, ctx.input(operand).str()));
  ctx.set_output(0, ctx.input(operand));
}
void infer_sequence_0(ShapeContext& ctx) { infer_sequence(ctx, 0); }
void infer_sequence_1(ShapeContext& ctx) { infer_sequence(ctx, 1); }

/// Gradients of the operands from `first` on, sequence_lens (`skip`) aside.
void infer_cell_grad(ShapeContext& ctx, int first, int skip) {
  int operand = first;
  for (int i = 0; i < ctx.outputs(); ++i, ++operand) {
    if (operand == skip) ++operand;
    // The gradient of an omitted operand is empty.
    if (ctx.has_output(i))
      ctx.set_output(i, ctx.has_input(operand) ? ctx.input(operand) : Type::tensor(ctx.input(first).dtype, Dims{0}));
  }
}
void infer_rnn_grad(ShapeContext& ctx) { infer_cell_grad(ctx, 2, 6); }
void infer_lstm_grad(ShapeContext& ctx) { infer_cell_grad(ctx, 3, 7); }
void infer_linear_attention_grad(ShapeContext& ctx) { infer_cell_grad(ctx, 2, -1); }

// Costs --------------------------------------------------------------------------------------------------------------------------

/// As much as the convolution: two operations per element of dY and weight of its filter.
Cost cost_conv_grad_data(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  const auto w = ctx.dims(false, 1);
  c.flops = 2 * ctx.count(false, 0) * (w.empty() || w[0] == 0 ? 1 : ctx.count(false, 1) / static_cast<double>(w[0]));
  return c;
}
Cost cost_conv_grad_weights(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  const auto w = ctx.dims(true, 0);
  c.flops = 2 * ctx.count(false, 0) * (w.empty() || w[0] == 0 ? 1 : ctx.count(true, 0) / static_cast<double>(w[0]));
  return c;
}
Cost cost_window_grad(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  double window = 1;
  for (const int64_t k : ctx.attrs().integers("kernel_shape")) window *= static_cast<double>(k);
  c.flops = 2 * window * ctx.count(false, 0);
  return c;
}
Cost cost_inverse(const CostContext& ctx) {
  const auto x = ctx.dims(false, 0);
  return cost_flops(ctx, x.empty() ? 1 : 2 * static_cast<double>(x.back()));
}
Cost cost_cell_grad(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  double widest = 0;
  for (int i = 0; i < ctx.inputs(); ++i) widest = std::max(widest, ctx.count(false, i));
  c.flops = 8 * widest;
  return c;
}

// Rows ---------------------------------------------------------------------------------------------------------------------------

constexpr Version kSumTo[] = {{1, "(T data, @i64 shape) -> (T reduced); T = floats complex"}};
constexpr Version kSliceGrad[] = {{1,
                                   "(T dY, @i64 shape, @Tind starts, @Tind ends, @Tind? axes, @Tind? steps) -> (T dX); "
                                   "T = floats complex; Tind = i32 i64"}};
constexpr Version kCumProdGrad[] = {
    {1, "(T dY, T x, @T2 axis) -> (T dX) {exclusive: int = 0, reverse: int = 0}; T = floats; T2 = i32 i64"}};
constexpr Version kConvGradData[] = {
    {1,
     "(T dY, T W, @i64 shape) -> (T dX) {auto_pad: string = 'NOTSET', dilations: ints, group: int = 1, kernel_shape: "
     "ints, pads: ints, strides: ints}; T = floats"}};
constexpr Version kConvGradWeights[] = {
    {1,
     "(T dY, T X, @i64 shape) -> (T dW) {auto_pad: string = 'NOTSET', dilations: ints, group: int = 1, kernel_shape: "
     "ints, pads: ints, strides: ints}; T = floats"}};
constexpr Version kAveragePoolGrad[] = {
    {1,
     "(T dY, @i64 shape) -> (T dX) {auto_pad: string = 'NOTSET', ceil_mode: int = 0, count_include_pad: int = 0, "
     "dilations: ints, kernel_shape: ints!, pads: ints, strides: ints}; T = floats"}};
constexpr Version kMaxRoiPoolGrad[] = {
    {1, "(T dY, T X, T rois) -> (T dX) {pooled_shape: ints!, spatial_scale: float = 1}; T = floats"}};
constexpr Version kResizeGrad[] = {
    {1,
     "(T dY, @i64 shape, T2? roi, @f32? scales, @i64? sizes) -> (T dX) {antialias: int = 0, axes: ints, "
     "coordinate_transformation_mode: string = 'half_pixel', cubic_coeff_a: float = -0.75, exclude_outside: int = 0, "
     "extrapolation_value: float = 0, keep_aspect_ratio_policy: string = 'stretch', mode: string = 'nearest', "
     "nearest_mode: string = 'round_prefer_floor'}; T = floats; T2 = ieee"}};
constexpr Version kGridSampleGrad[] = {
    {1,
     "(T1 dY, T1 X, T2 grid) -> (T1 dX, T2? dgrid) {align_corners: int = 0, mode: string = 'linear', padding_mode: "
     "string = 'zeros'}; T1 = floats; T2 = ieee"}};
constexpr Version kRoiAlignGrad[] = {
    {1,
     "(T1 dY, T1 X, T1 rois, T2 batch_indices) -> (T1 dX) {coordinate_transformation_mode: string = 'half_pixel', "
     "mode: string = 'avg', output_height: int = 1, output_width: int = 1, sampling_ratio: int = 0, spatial_scale: "
     "float = 1}; T1 = floats; T2 = i64"}};
constexpr Version kInverse[] = {{1, "(T X) -> (T Y); T = floats"}};
constexpr Version kSequenceZeros[] = {{1, "(S input) -> (S output); S = seq.all"}};
constexpr Version kSequenceSum[] = {{1, "(S+ inputs) -> (S output); S = seq.all"}};
constexpr Version kSequenceAtGrad[] = {
    {1, "(T dY, S sequence, I position) -> (S output); T = all; S = seq.all; I = i32 i64"}};
constexpr Version kConcatFromSequenceGrad[] = {
    {1, "(T dY, S sequence) -> (S output) {axis: int!, new_axis: int = 0}; T = all; S = seq.all"}};
constexpr Version kRNNGrad[] = {
    {1,
     "(T? dY, T? dY_h, T X, T W, T R, T? B, T1? sequence_lens, T? initial_h) -> (T? dX, T? dW, T? dR, T? dB, T? "
     "dinitial_h) {activation_alpha: floats, activation_beta: floats, activations: strings = ['Tanh', 'Tanh'], clip: "
     "float, direction: string = 'forward', hidden_size: int, layout: int = 0}; T = floats; T1 = i32"}};
constexpr Version kGRUGrad[] = {
    {1,
     "(T? dY, T? dY_h, T X, T W, T R, T? B, T1? sequence_lens, T? initial_h) -> (T? dX, T? dW, T? dR, T? dB, T? "
     "dinitial_h) {activation_alpha: floats, activation_beta: floats, activations: strings, clip: float, direction: "
     "string = 'forward', hidden_size: int, layout: int = 0, linear_before_reset: int = 0}; T = floats; T1 = i32"}};
constexpr Version kLSTMGrad[] = {
    {1,
     "(T? dY, T? dY_h, T? dY_c, T X, T W, T R, T? B, T1? sequence_lens, T? initial_h, T? initial_c, T? P) -> (T? dX, "
     "T? dW, T? dR, T? dB, T? dinitial_h, T? dinitial_c, T? dP) {activation_alpha: floats, activation_beta: floats, "
     "activations: strings, clip: float, direction: string = 'forward', hidden_size: int, input_forget: int = 0, "
     "layout: int = 0}; T = floats; T1 = i32"}};
constexpr Version kLinearAttentionGrad[] = {
    {1,
     "(T? dY, S? dpresent, T query, T key, T value, S? past_state, T? decay, T? beta) -> (T? dquery, T? dkey, T? "
     "dvalue, S? dpast_state, T? ddecay, T? dbeta) {chunk_size: int = 64, kv_num_heads: int!, q_num_heads: int!, "
     "scale: float = 0, update_rule: string = 'gated_delta'}; T = f32 f16 bf16; S = f32 f16 bf16"}};

consteval OpDef gradient(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                         void (*infer)(ShapeContext&), std::string_view primitive, Cost (*cost)(const CostContext&),
                         std::string_view grid, std::string_view doc) {
  OpDef d;
  d.name = name;
  d.domain = "chorus";
  d.origin = Origin::chorus_gradient;
  d.api = {cpp, Form::hidden, Promote::same_type};
  d.versions = versions;
  d.infer = infer;
  d.meaning = Meaning{Primitive{primitive}};
  d.cost = cost;
  d.accumulate = Accumulate::float64;
  d.ulp = 64;
  d.grid = grid;
  d.doc = doc;
  return row(d);
}
consteval OpDef sequences(OpDef d) {
  d.sizes = Sizes::known_after_run;
  d.ulp = 0;
  return row(d);
}
consteval OpDef without_gradient(OpDef d, std::string_view reason) {
  d.gradient = Gradient{NoGradient{reason}};
  return row(d);
}
constexpr OpDef kTable[] = {
    gradient(
        "SumTo", "sum_to", kSumTo, infer_sum_to, "which axes are summed may be known in the run only", cost_reduction,
        "f32[2,3,4] i64{3,4}; f32[2,3,4] i64{2,1,4}; f64[2,3] i64{}; f32[3] i64{3}; f32[0,3] i64{1,3}; f16[2,2] "
        "i64{1}; c64[2,3] i64{3}",
        "data summed over the axes along which `shape` has 1 or nothing: the gradient of a broadcast from that shape."),
    gradient("SliceGrad", "slice_grad", kSliceGrad, infer_slice_grad, "places elements at computed positions",
             cost_traffic,
             "f32[2,2] i64{4,5} i64{1,0} i64{3,2}; f64[2] i64{5} i64{-1} i64{-10} i64{0} i64{-3}; f32[0,3] i64{2,3} "
             "i64{5} i64{9} i64{0}",
             "Zeros of `shape` with dY at the places that Slice with the same operands reads."),
    gradient("CumProdGrad", "cum_prod_grad", kCumProdGrad, infer_like_1, "a recurrence", cost_reduction,
             "f32[2,3,4] f32[2,3,4] i32(1); f64[5] f64[5] i64(0) exclusive=1 reverse=1; f32[4] f32{2,0,3,0} i64(0)",
             "Gradient of CumProd with regard to x, without dividing by x."),
    gradient("ConvGradData", "conv_grad_data", kConvGradData, infer_conv_grad, "products over a sliding window",
             cost_conv_grad_data,
             "f32[1,3,3,3] f32[3,2,3,3] i64{1,2,5,5}; f32[2,4,4] f32[4,2,3] i64{2,4,7} group=2 strides=[2] pads=[1,1]; "
             "f64[1,2,3,3] f64[2,1,3,3] i64{1,1,5,6} auto_pad='SAME_UPPER' strides=[2,2]; f32[1,1,3] f32[1,1,2] "
             "i64{1,1,5} dilations=[2]",
             "Gradient of Conv with regard to its input of `shape`: dX[n, c, o * stride - pad + k * dilation] += dY[n, "
             "m, o] * W[m, c, k]."),
    gradient("ConvGradWeights", "conv_grad_weights", kConvGradWeights, infer_conv_grad,
             "products over a sliding window", cost_conv_grad_weights,
             "f32[1,3,3,3] f32[1,2,5,5] i64{3,2,3,3}; f32[2,4,4] f32[2,4,7] i64{4,2,3} group=2 strides=[2] pads=[1,1]; "
             "f64[1,2,3,3] f64[1,1,5,6] i64{2,1,3,3} auto_pad='SAME_UPPER' strides=[2,2]",
             "Gradient of Conv with regard to its filter of `shape`: dW[m, c, k] = sum of dY[n, m, o] * X[n, c, o * "
             "stride - pad + k * dilation]."),
    gradient("AveragePoolGrad", "average_pool_grad", kAveragePoolGrad, infer_pool_grad, "sums over a sliding window",
             cost_window_grad,
             "f32[1,2,5,5] i64{1,2,5,5} kernel_shape=[3,3] pads=[1,1,1,1]; f64[1,1,2,2] i64{1,1,4,4} "
             "kernel_shape=[3,3] strides=[2,2] ceil_mode=1",
             "Gradient of AveragePool with regard to its input of `shape`."),
    gradient("MaxRoiPoolGrad", "max_roi_pool_grad", kMaxRoiPoolGrad, infer_like_1,
             "maxima over windows at computed places", cost_traffic,
             "f32[1,2,2,2] f32[1,2,6,6] f32{1,5:0,0,0,3,3} pooled_shape=[2,2]",
             "Gradient of MaxRoiPool with regard to X: dY at the place of each maximum."),
    gradient(
        "ResizeGrad", "resize_grad", kResizeGrad, infer_slice_grad, "interpolation between neighbours", cost_traffic,
        "f32[1,1,4,6] i64{1,1,2,2} - f32{1.0,1.0,2.0,3.0}; f64[1,1,9,3] i64{1,1,4,4} - - i64{1,1,9,3} mode='cubic'; "
        "f32[1,1,3,3] i64{1,1,4,4} - f32{1.0,1.0,0.8,0.8} mode='linear' antialias=1",
        "Gradient of Resize with regard to X of `shape`: every element of dY goes to the neighbours that it was made "
        "of, by their weights."),
    gradient(
        "GridSampleGrad", "grid_sample_grad", kGridSampleGrad, infer_grid_sample_grad,
        "interpolation at computed places", cost_traffic,
        "f32[1,1,3,2] f32[1,1,4,4] f32[1,3,2,2]@-1..1 out=2; f64[1,2,3,2] f64[1,2,4,4] "
        "f64[1,3,2,2]@-1..1 mode='cubic' padding_mode='border' out=2; f64[1,2,3,2] f64[1,2,4,4] f64[1,3,2,2]@-0.9..0.9",
        "Gradients of GridSample with regard to X and to the grid."),
    gradient(
        "RoiAlignGrad", "roi_align_grad", kRoiAlignGrad, infer_like_1, "interpolation at computed places", cost_traffic,
        "f32[1,2,2,2] f32[2,2,6,6] f32{1,4:0.0,0.0,4.0,4.0} i64{1} output_height=2 output_width=2 sampling_ratio=2",
        "Gradient of RoiAlign with regard to X."),
    gradient("Inverse", "inverse", kInverse, infer_inverse, "elimination with pivots", cost_inverse,
             "f32{2,2:2.0,1.0,1.0,3.0}; f64[2,3,3]; f32[0,2,2]",
             "The inverse of each square matrix in the last two axes; of a singular one, infinities or NaN."),
    sequences(without_gradient(
        gradient("SequenceZeros", "sequence_zeros", kSequenceZeros, infer_sequence_0, "reads a sequence", cost_traffic,
                 "seq(f32[2] f32[3,1])", "A sequence of zeros, each like its item."),
        "zeros")),
    sequences(gradient("SequenceSum", "sequence_sum", kSequenceSum, infer_sequence_0, "reads sequences", cost_traffic,
                       "seq(f32[2] f32[3]) seq(f32[2] f32[3]); seq(f64[2])",
                       "Item by item the sum of sequences of one length and equal shapes.")),
    sequences(gradient("SequenceAtGrad", "sequence_at_grad", kSequenceAtGrad, infer_sequence_1, "makes a sequence",
                       cost_traffic, "f32[3] seq(f32[2] f32[3]) i64(1); f32[2] seq(f32[2] f32[3]) i64(-2)",
                       "Zeros like the items of `sequence`, but dY at `position`.")),
    sequences(gradient("ConcatFromSequenceGrad", "concat_from_sequence_grad", kConcatFromSequenceGrad, infer_sequence_1,
                       "makes a sequence", cost_traffic,
                       "f32[5] seq(f32[2] f32[3]) axis=0; f32[2,2] seq(f32[2] f32[2]) axis=1 new_axis=1",
                       "dY cut into parts like the items of `sequence`.")),
    gradient("RNNGrad", "rnn_grad", kRNNGrad, infer_rnn_grad, "a recurrence over time", cost_cell_grad,
             "f32[4,1,2,5] - f32[4,2,3] f32[1,5,3] f32[1,5,5] out=3; f64[4,1,2,5] f64[1,2,5] f64[4,2,3] "
             "f64[1,5,3] f64[1,5,5] f64[1,10] i32{4,2} f64[1,2,5] out=5",
             "Gradients of RNN with regard to X, W, R, B and initial_h."),
    gradient("GRUGrad", "gru_grad", kGRUGrad, infer_rnn_grad, "a recurrence over time", cost_cell_grad,
             "f32[4,1,2,5] - f32[4,2,3] f32[1,15,3] f32[1,15,5] out=3; f64[4,1,2,5] f64[1,2,5] f64[4,2,3] "
             "f64[1,15,3] f64[1,15,5] f64[1,30] i32{4,2} f64[1,2,5] linear_before_reset=1 out=5",
             "Gradients of GRU with regard to X, W, R, B and initial_h."),
    gradient("LSTMGrad", "lstm_grad", kLSTMGrad, infer_lstm_grad, "a recurrence over time", cost_cell_grad,
             "f32[4,1,2,5] - - f32[4,2,3] f32[1,20,3] f32[1,20,5] out=3; "
             "f64[4,1,2,5] f64[1,2,5] f64[1,2,5] f64[4,2,3] f64[1,20,3] f64[1,20,5] f64[1,40] i32{4,2} "
             "f64[1,2,5] f64[1,2,5] f64[1,15] out=7",
             "Gradients of LSTM with regard to X, W, R, B, initial_h, initial_c and P."),
    gradient("LinearAttentionGrad", "linear_attention_grad", kLinearAttentionGrad, infer_linear_attention_grad,
             "a recurrence over time", cost_cell_grad,
             "f32[1,3,4] - f32[1,3,4] f32[1,3,4] f32[1,3,4] kv_num_heads=2 q_num_heads=2 update_rule='linear' out=3; "
             "f32[1,3,4] f32[1,1,2,4] f32[1,3,2] f32[1,3,2] f32[1,3,4] f32[1,1,2,4] f32[1,3,2]@-1..0 f32[1,3,1]@0..1 "
             "kv_num_heads=1 q_num_heads=1 out=6",
             "Gradients of LinearAttention with regard to its operands."),
};

constexpr gradients::RuleOf kRules[] = {
    {"SumTo", gradients::sum_to_rule},
    {"SliceGrad", gradients::slice_grad_rule},
    {"CumProdGrad", gradients::cum_prod_grad_rule},
    {"ConvGradData", gradients::conv_grad_data_rule},
    {"ConvGradWeights", gradients::conv_grad_weights_rule},
    {"AveragePoolGrad", gradients::average_pool_grad_rule},
    {"ResizeGrad", gradients::resize_grad_rule},
    {"Inverse", gradients::inverse_rule},
    {"SequenceSum", gradients::sequence_sum_rule},
    {"SequenceAtGrad", gradients::sequence_at_grad_rule},
    {"ConcatFromSequenceGrad", gradients::concat_from_sequence_grad_rule},
    {"GridSampleGrad", gradients::grid_sample_grad_rule},
    {"RoiAlignGrad", gradients::roi_align_grad_rule},
    {"MaxRoiPoolGrad", gradients::not_derived},
    {"RNNGrad", gradients::not_derived},
    {"GRUGrad", gradients::not_derived},
    {"LSTMGrad", gradients::not_derived},
    {"LinearAttentionGrad", gradients::not_derived},
};

}  // namespace

std::span<const OpDef> gradient_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, kRules);
  return chosen<kAll>();
}

}  // namespace chorus::families
