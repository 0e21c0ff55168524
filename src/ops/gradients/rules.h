// The gradient rules of the rows, one file per family, and which row has which.
#pragma once
#include <ops/op_def.h>

#include <array>
#include <span>
#include <string_view>

namespace chorus::gradients {

using Rule = void (*)(GradContext&);
struct RuleOf {
  std::string_view op;
  Rule rule;
};

/// A family's rows with their gradient rules. Does not compile where a rule has no row, a row two gradients, or a row none: it says
/// NoGradient with a reason, or has a rule.
template <size_t N>
consteval std::array<OpDef, N> differentiable(const OpDef (&rows)[N], std::span<const RuleOf> rules) {
  std::array<OpDef, N> all{};
  for (size_t i = 0; i < N; ++i) all[i] = rows[i];
  for (const RuleOf& one : rules) {
    bool found = false;
    for (OpDef& def : all) {
      if (def.name != one.op) continue;
      if (!std::holds_alternative<NotDerived>(def.gradient)) throw "gradient rule: the row has a gradient already";
      found = true;
      def.gradient = Gradient{Vjp{one.rule}};
    }
    if (!found) throw "gradient rule: there is no such row in the family";
  }
  for (const OpDef& def : all) {
    if (std::holds_alternative<NotDerived>(def.gradient))
      throw "operator row: neither a gradient rule nor a reason for having none";
  }
  return all;
}

// elementwise
void add_rule(GradContext& b);
void sub_rule(GradContext& b);
void mul_rule(GradContext& b);
void div_rule(GradContext& b);
void mod_rule(GradContext& b);
void pow_rule(GradContext& b);
void extremum_rule(GradContext& b);
void mean_rule(GradContext& b);
void prelu_rule(GradContext& b);
void where_rule(GradContext& b);
// unary
void abs_rule(GradContext& b);
void neg_rule(GradContext& b);
void sqrt_rule(GradContext& b);
void reciprocal_rule(GradContext& b);
void exp_rule(GradContext& b);
void log_rule(GradContext& b);
void sin_rule(GradContext& b);
void cos_rule(GradContext& b);
void tan_rule(GradContext& b);
void asin_rule(GradContext& b);
void acos_rule(GradContext& b);
void atan_rule(GradContext& b);
void sinh_rule(GradContext& b);
void cosh_rule(GradContext& b);
void asinh_rule(GradContext& b);
void acosh_rule(GradContext& b);
void atanh_rule(GradContext& b);
void erf_rule(GradContext& b);
// support
void pass_on(GradContext& b);
void by_meaning(GradContext& b);
void by_bodies(GradContext& b);
/// Of rows that have a derivative which is not written down yet: refuses by name, so that it is never taken for zero.
void not_derived(GradContext& b);
inline bool is_not_derived(const OpDef& def) {
  const auto* vjp = std::get_if<Vjp>(&def.gradient);
  return std::holds_alternative<NotDerived>(def.gradient) || (vjp != nullptr && vjp->rule == not_derived);
}
// activation
void relu_rule(GradContext& b);
void leaky_relu_rule(GradContext& b);
void elu_rule(GradContext& b);
void selu_rule(GradContext& b);
void celu_rule(GradContext& b);
void sigmoid_rule(GradContext& b);
void hard_sigmoid_rule(GradContext& b);
void hard_swish_rule(GradContext& b);
void tanh_rule(GradContext& b);
void softplus_rule(GradContext& b);
void softsign_rule(GradContext& b);
void thresholded_relu_rule(GradContext& b);
void gelu_rule(GradContext& b);
void mish_rule(GradContext& b);
void swish_rule(GradContext& b);
void swiglu_rule(GradContext& b);
void shrink_rule(GradContext& b);
void clip_rule(GradContext& b);
void dropout_rule(GradContext& b);
// reduction
void reduce_l1_rule(GradContext& b);
void reduce_l2_rule(GradContext& b);
void reduce_log_sum_rule(GradContext& b);
void reduce_log_sum_exp_rule(GradContext& b);
void reduce_extremum_rule(GradContext& b);
void reduce_mean_rule(GradContext& b);
void reduce_prod_rule(GradContext& b);
void reduce_sum_rule(GradContext& b);
void reduce_sum_square_rule(GradContext& b);
void cum_sum_rule(GradContext& b);
void cum_prod_rule(GradContext& b);
void top_k_rule(GradContext& b);
// movement
void reshape_rule(GradContext& b);
void transpose_rule(GradContext& b);
void concat_rule(GradContext& b);
void split_rule(GradContext& b);
void slice_rule(GradContext& b);
void expand_rule(GradContext& b);
void tile_rule(GradContext& b);
void pad_rule(GradContext& b);
void depth_to_space_rule(GradContext& b);
void reverse_sequence_rule(GradContext& b);
void trilu_rule(GradContext& b);
// indexing
void gather_rule(GradContext& b);
void gather_elements_rule(GradContext& b);
void gather_nd_rule(GradContext& b);
void scatter_elements_rule(GradContext& b);
void scatter_nd_rule(GradContext& b);
void tensor_scatter_rule(GradContext& b);
void one_hot_rule(GradContext& b);
// creation
void range_rule(GradContext& b);
// cast
void cast_rule(GradContext& b);
void dequantize_rule(GradContext& b);
void view_as_real_rule(GradContext& b);
void view_as_complex_rule(GradContext& b);
// matrix
void matmul_rule(GradContext& b);
void gemm_rule(GradContext& b);
void einsum_rule(GradContext& b);
void det_rule(GradContext& b);
// convolution
void conv_rule(GradContext& b);
void conv_transpose_rule(GradContext& b);
void deform_conv_rule(GradContext& b);
void max_pool_rule(GradContext& b);
void average_pool_rule(GradContext& b);
void lp_pool_rule(GradContext& b);
void max_unpool_rule(GradContext& b);
void max_roi_pool_rule(GradContext& b);
void resize_rule(GradContext& b);
void grid_sample_rule(GradContext& b);
void affine_grid_rule(GradContext& b);
void col2im_rule(GradContext& b);
// normalization
void softmax_rule(GradContext& b);
void log_softmax_rule(GradContext& b);
// recurrent
void rnn_rule(GradContext& b);
void gru_rule(GradContext& b);
void lstm_rule(GradContext& b);
void linear_attention_rule(GradContext& b);
// attention
void attention_rule(GradContext& b);
void flex_attention_rule(GradContext& b);
void rotary_rule(GradContext& b);
// sequence
void sequence_construct_rule(GradContext& b);
void sequence_at_rule(GradContext& b);
void sequence_insert_rule(GradContext& b);
void sequence_erase_rule(GradContext& b);
void concat_from_sequence_rule(GradContext& b);
void split_to_sequence_rule(GradContext& b);
void optional_rule(GradContext& b);
void optional_get_element_rule(GradContext& b);
// loss
void likelihood_rule(GradContext& b);
// vision
void roi_align_rule(GradContext& b);
// signal
void dft_rule(GradContext& b);
void stft_rule(GradContext& b);
// ml
void linear_classifier_rule(GradContext& b);
void linear_regressor_rule(GradContext& b);
void svm_regressor_rule(GradContext& b);
void feature_vectorizer_rule(GradContext& b);
// training
void gradient_rule(GradContext& b);
// own rows
void sum_to_rule(GradContext& b);
void slice_grad_rule(GradContext& b);
void cum_prod_grad_rule(GradContext& b);
void conv_grad_data_rule(GradContext& b);
void conv_grad_weights_rule(GradContext& b);
void average_pool_grad_rule(GradContext& b);
void resize_grad_rule(GradContext& b);
void inverse_rule(GradContext& b);
void sequence_sum_rule(GradContext& b);
void sequence_at_grad_rule(GradContext& b);
void concat_from_sequence_grad_rule(GradContext& b);
void grid_sample_grad_rule(GradContext& b);
void roi_align_grad_rule(GradContext& b);

inline constexpr RuleOf kElementwise[] = {
    {"Add", add_rule}, {"Sub", sub_rule},   {"Mul", mul_rule},      {"Div", div_rule},
    {"Mod", mod_rule}, {"Pow", pow_rule},   {"Max", extremum_rule}, {"Min", extremum_rule},
    {"Sum", add_rule}, {"Mean", mean_rule}, {"PRelu", prelu_rule},  {"Where", where_rule},
};
inline constexpr RuleOf kUnary[] = {
    {"Abs", abs_rule},     {"Neg", neg_rule},   {"Sqrt", sqrt_rule},   {"Reciprocal", reciprocal_rule},
    {"Exp", exp_rule},     {"Log", log_rule},   {"Sin", sin_rule},     {"Cos", cos_rule},
    {"Tan", tan_rule},     {"Asin", asin_rule}, {"Acos", acos_rule},   {"Atan", atan_rule},
    {"Sinh", sinh_rule},   {"Cosh", cosh_rule}, {"Asinh", asinh_rule}, {"Acosh", acosh_rule},
    {"Atanh", atanh_rule}, {"Erf", erf_rule},   {"Identity", pass_on},
};
inline constexpr RuleOf kActivation[] = {
    {"Relu", relu_rule},
    {"LeakyRelu", leaky_relu_rule},
    {"Elu", elu_rule},
    {"Selu", selu_rule},
    {"Celu", celu_rule},
    {"Sigmoid", sigmoid_rule},
    {"HardSigmoid", hard_sigmoid_rule},
    {"HardSwish", hard_swish_rule},
    {"Tanh", tanh_rule},
    {"Softplus", softplus_rule},
    {"Softsign", softsign_rule},
    {"ThresholdedRelu", thresholded_relu_rule},
    {"Gelu", gelu_rule},
    {"Mish", mish_rule},
    {"Swish", swish_rule},
    {"SwiGLU", swiglu_rule},
    {"Shrink", shrink_rule},
    {"Clip", clip_rule},
    {"Dropout", dropout_rule},
};
inline constexpr RuleOf kReduction[] = {
    {"ReduceL1", reduce_l1_rule},
    {"ReduceL2", reduce_l2_rule},
    {"ReduceLogSum", reduce_log_sum_rule},
    {"ReduceLogSumExp", reduce_log_sum_exp_rule},
    {"ReduceMax", reduce_extremum_rule},
    {"ReduceMean", reduce_mean_rule},
    {"ReduceMin", reduce_extremum_rule},
    {"ReduceProd", reduce_prod_rule},
    {"ReduceSum", reduce_sum_rule},
    {"ReduceSumSquare", reduce_sum_square_rule},
    {"CumSum", cum_sum_rule},
    {"CumProd", cum_prod_rule},
    {"TopK", top_k_rule},
};
inline constexpr RuleOf kMovement[] = {
    {"Reshape", reshape_rule},
    {"Flatten", reshape_rule},
    {"Squeeze", reshape_rule},
    {"Unsqueeze", reshape_rule},
    {"Transpose", transpose_rule},
    {"Concat", concat_rule},
    {"Split", split_rule},
    {"Slice", slice_rule},
    {"Expand", expand_rule},
    {"Tile", tile_rule},
    {"Pad", pad_rule},
    {"DepthToSpace", depth_to_space_rule},
    {"SpaceToDepth", depth_to_space_rule},
    {"ReverseSequence", reverse_sequence_rule},
    {"Trilu", trilu_rule},
};
inline constexpr RuleOf kIndexing[] = {
    {"Gather", gather_rule},
    {"GatherElements", gather_elements_rule},
    {"GatherND", gather_nd_rule},
    {"Scatter", by_meaning},
    {"ScatterElements", scatter_elements_rule},
    {"ScatterND", scatter_nd_rule},
    {"TensorScatter", tensor_scatter_rule},
    {"OneHot", one_hot_rule},
    {"Compress", by_meaning},
};
inline constexpr RuleOf kCreation[] = {
    {"Range", range_rule},
};
inline constexpr RuleOf kCast[] = {
    {"Cast", cast_rule},
    {"CastLike", cast_rule},
    {"ViewAsReal", view_as_real_rule},
    {"ViewAsComplex", view_as_complex_rule},
    {"DequantizeLinear", dequantize_rule},
};
inline constexpr RuleOf kMatrix[] = {
    {"MatMul", matmul_rule},
    {"Gemm", gemm_rule},
    {"Einsum", einsum_rule},
    {"Det", det_rule},
};
inline constexpr RuleOf kConvolution[] = {
    {"Conv", conv_rule},
    {"ConvTranspose", conv_transpose_rule},
    {"DeformConv", deform_conv_rule},
    {"CausalConvWithState", by_meaning},
    {"MaxPool", max_pool_rule},
    {"AveragePool", average_pool_rule},
    {"LpPool", lp_pool_rule},
    {"GlobalAveragePool", by_meaning},
    {"GlobalMaxPool", by_meaning},
    {"GlobalLpPool", by_meaning},
    {"MaxUnpool", max_unpool_rule},
    {"MaxRoiPool", max_roi_pool_rule},
    {"Resize", resize_rule},
    {"Upsample", by_meaning},
    {"GridSample", grid_sample_rule},
    {"AffineGrid", affine_grid_rule},
    {"Col2Im", col2im_rule},
};
inline constexpr RuleOf kNormalization[] = {
    {"BatchNormalization", by_meaning}, {"InstanceNormalization", by_meaning},     {"GroupNormalization", by_meaning},
    {"LayerNormalization", by_meaning}, {"RMSNormalization", by_meaning},          {"LRN", by_meaning},
    {"LpNormalization", by_meaning},    {"MeanVarianceNormalization", by_meaning}, {"Softmax", softmax_rule},
    {"LogSoftmax", log_softmax_rule},
};
inline constexpr RuleOf kRecurrent[] = {
    {"RNN", rnn_rule},
    {"GRU", gru_rule},
    {"LSTM", lstm_rule},
    {"LinearAttention", linear_attention_rule},
};
inline constexpr RuleOf kAttention[] = {
    {"FlexAttention", flex_attention_rule},
    {"Attention", attention_rule},
    {"RotaryEmbedding", rotary_rule},
};
inline constexpr RuleOf kControl[] = {
    {"If", by_bodies},
    {"Loop", by_bodies},
    {"Scan", by_bodies},
};
inline constexpr RuleOf kSequence[] = {
    {"SequenceConstruct", sequence_construct_rule},
    {"SequenceAt", sequence_at_rule},
    {"SequenceInsert", sequence_insert_rule},
    {"SequenceErase", sequence_erase_rule},
    {"ConcatFromSequence", concat_from_sequence_rule},
    {"SplitToSequence", split_to_sequence_rule},
    {"SequenceMap", by_bodies},
    {"Optional", optional_rule},
    {"OptionalGetElement", optional_get_element_rule},
};
inline constexpr RuleOf kLoss[] = {
    {"NegativeLogLikelihoodLoss", likelihood_rule},
    {"SoftmaxCrossEntropyLoss", by_meaning},
};
inline constexpr RuleOf kVision[] = {
    {"CenterCropPad", by_meaning},
    {"RoiAlign", roi_align_rule},
};
inline constexpr RuleOf kMl[] = {
    {"ArrayFeatureExtractor", by_meaning},
    {"FeatureVectorizer", feature_vectorizer_rule},
    {"Imputer", by_meaning},
    {"Normalizer", by_meaning},
    {"Scaler", by_meaning},
};
inline constexpr RuleOf kLinear[] = {
    {"LinearClassifier", linear_classifier_rule},
    {"LinearRegressor", linear_regressor_rule},
    {"SVMRegressor", svm_regressor_rule},
    {"SVMClassifier", not_derived},
};
inline constexpr RuleOf kTraining[] = {
    {"Adagrad", by_meaning},
    {"Adam", by_meaning},
    {"Momentum", by_meaning},
    {"Gradient", gradient_rule},
};
inline constexpr RuleOf kSignal[] = {
    {"DFT", dft_rule},
    {"STFT", stft_rule},
};

}  // namespace chorus::gradients
