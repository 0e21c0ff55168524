// The families of operators, concatenated explicitly: no registrars, so the linker drops none and start-up does nothing.
// A family is one file ops/<family>.cpp that defines `std::span<const OpDef> <family>_ops()`.
#pragma once
#include <ops/op_def.h>

#include <span>
#include <string>
#include <vector>

namespace chorus {
/// Rows of all families in table.cpp's order: what all_ops() starts with.
std::vector<const OpDef*> built_in_ops();
/// The table for programs: a list of {"name", "domain", "api", "gradient": rule | none | not derived, "decomposition", "doc",
/// "versions": [{"since", "deprecated", "inputs", "outputs", "attributes", "types"}]} with types as ONNX spells them.
std::string table_json();
}  // namespace chorus

namespace chorus::families {
std::span<const OpDef> elementwise_ops();  // arithmetic, comparison, logic, bits of two or more operands
std::span<const OpDef> unary_ops();  // element-wise functions of one operand
std::span<const OpDef> activation_ops();  // Relu … Gelu, Clip, Dropout
std::span<const OpDef> reduction_ops();  // Reduce*, ArgMax, ArgMin, CumSum, TopK
std::span<const OpDef> movement_ops();  // Reshape, Transpose, Concat, Split, Slice, Pad, Expand, Tile …
std::span<const OpDef> indexing_ops();  // Gather*, Scatter*, OneHot, NonZero, Compress, Where, Unique …
std::span<const OpDef> creation_ops();  // Constant, ConstantOfShape, Range, EyeLike, Random*, Bernoulli
std::span<const OpDef> cast_ops();  // Cast, CastLike, BitCast, QuantizeLinear, DequantizeLinear …
std::span<const OpDef> matrix_ops();  // MatMul, Gemm, Einsum, Det, *Integer
std::span<const OpDef> convolution_ops();  // Conv, ConvTranspose, pooling, Resize, GridSample, Col2Im …
std::span<const OpDef> normalization_ops();  // BatchNormalization, LayerNormalization, Softmax …
std::span<const OpDef> recurrent_ops();  // LSTM, GRU, RNN
std::span<const OpDef> attention_ops();  // Attention, RotaryEmbedding
std::span<const OpDef> control_ops();  // If, Loop, Scan
std::span<const OpDef> sequence_ops();  // Sequence*, Optional*, String*
std::span<const OpDef> loss_ops();  // NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss
std::span<const OpDef> vision_ops();  // NonMaxSuppression, RoiAlign, AffineGrid, DepthToSpace …
std::span<const OpDef> ml_ops();  // ai.onnx.ml: encoders, scalers, maps; TfIdfVectorizer
std::span<const OpDef> linear_ops();  // ai.onnx.ml: linear models, support vector machines
std::span<const OpDef> training_ops();  // ai.onnx.preview.training: Adagrad, Adam, Momentum, Gradient
std::span<const OpDef> tree_ops();  // ai.onnx.ml: TreeEnsemble*
std::span<const OpDef> signal_ops();  // DFT, STFT, windows, MelWeightMatrix
std::span<const OpDef> gradient_ops();  // domain chorus: what gradient rules emit where ONNX has no word
}  // namespace chorus::families
