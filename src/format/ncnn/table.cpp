// Operator → layer. One line each; what the functions refuse is said in their sentences.
#include <format/ncnn/table.h>

#include <algorithm>
#include <array>

namespace chorus::ncnn {
namespace {

constexpr std::array kRows = std::to_array<Row>({
    {"Abs", write_unary},
    {"Acos", write_unary},
    {"Acosh", write_unary},
    {"Add", write_binary, Elements::floats,
     "ncnn aligns blobs of different rank by their extents: both get the same rank"},
    {"Asin", write_unary},
    {"Asinh", write_unary},
    {"Atan", write_unary},
    {"Atanh", write_unary},
    {"AveragePool", write_pool, Elements::floats, "the layer rounds sizes up: the padding at the end is made to fit"},
    {"BatchNormalization", write_batch_norm},
    {"Cast", write_cast, Elements::own_check, "blobs are float32: only what widens to it"},
    {"Ceil", write_unary},
    {"Celu", write_activation},
    {"Clip", write_clip, Elements::floats, "bounds of infinity become the largest number"},
    {"Concat", write_concat, Elements::carried},
    {"Conv", write_conv, Elements::floats, "no batch: a larger one is computed one after the other"},
    {"ConvTranspose", write_conv_transpose, Elements::floats, "weights (out, in, kernel) instead of (in, out, kernel)"},
    {"Cos", write_unary},
    {"Cosh", write_unary},
    {"CumSum", write_cumsum, Elements::floats},
    {"DepthToSpace", write_depth_to_space, Elements::carried, "mode 1 is DCR"},
    {"Div", write_binary},
    {"Dropout", write_alias},
    {"Elu", write_activation},
    {"Erf", write_activation},
    {"Exp", write_unary},
    {"Expand", write_expand, Elements::carried},
    {"Flatten", write_alias, Elements::carried},
    {"Floor", write_unary},
    {"GRU", write_gru, Elements::own_check, "gates r z h instead of z r h"},
    {"Gather", write_gather, Elements::own_check, "rows of a constant table, or indices that are constants"},
    {"Gelu", write_activation},
    {"Gemm", write_gemm},
    {"GlobalAveragePool", write_global_pool},
    {"GlobalMaxPool", write_global_pool},
    {"GroupNormalization", write_group_norm},
    {"HardSigmoid", write_activation},
    {"HardSwish", write_activation},
    {"Identity", write_alias, Elements::carried},
    {"InstanceNormalization", write_instance_norm},
    {"LRN", write_lrn},
    {"LSTM", write_lstm, Elements::own_check, "gates i f o c instead of i o f c; one bias"},
    {"LayerNormalization", write_layer_norm},
    {"LeakyRelu", write_activation},
    {"Log", write_unary},
    {"MatMul", write_matmul},
    {"Max", write_fold},
    {"MaxPool", write_pool},
    {"Mean", write_fold},
    {"Min", write_fold},
    {"Mish", write_activation},
    {"Mul", write_binary},
    {"Neg", write_unary},
    {"PRelu", write_prelu},
    {"Pad", write_pad, Elements::carried, "one axis after the other"},
    {"Pow", write_pow, Elements::floats,
     "the layer goes by logarithms: only positive bases, and whole exponents by products"},
    {"RMSNormalization", write_rms_norm},
    {"RNN", write_rnn, Elements::own_check},
    {"Reciprocal", write_unary},
    {"ReduceL1", write_reduce},
    {"ReduceL2", write_reduce},
    {"ReduceLogSum", write_reduce},
    {"ReduceLogSumExp", write_reduce},
    {"ReduceMax", write_reduce},
    {"ReduceMean", write_reduce},
    {"ReduceMin", write_reduce},
    {"ReduceProd", write_reduce},
    {"ReduceSum", write_reduce},
    {"ReduceSumSquare", write_reduce},
    {"Relu", write_activation},
    {"Reshape", write_alias, Elements::carried, "a tensor lies in a blob of any extents with as many elements"},
    {"Resize", write_resize},
    {"Round", write_unary},
    {"Selu", write_activation},
    {"Shrink", write_activation},
    {"Sigmoid", write_activation},
    {"Sign", write_unary},
    {"Sin", write_unary},
    {"Sinh", write_unary},
    {"Slice", write_slice, Elements::carried, "steps are crops of blocks"},
    {"Softmax", write_softmax},
    {"Softplus", write_activation},
    {"SpaceToDepth", write_space_to_depth, Elements::carried, "mode 1 is DCR"},
    {"Split", write_split, Elements::carried},
    {"Sqrt", write_unary},
    {"Squeeze", write_alias, Elements::carried},
    {"Sub", write_binary},
    {"Sum", write_fold},
    {"Swish", write_activation},
    {"Tan", write_unary},
    {"Tanh", write_unary},
    {"Tile", write_tile, Elements::carried},
    {"Transpose", write_transpose, Elements::carried, "axes that stay neighbours are one, at most four move"},
    {"Unsqueeze", write_alias, Elements::carried},
});

static_assert(std::is_sorted(kRows.begin(), kRows.end(), [](const Row& a, const Row& b) { return a.op < b.op; }));

}  // namespace

std::span<const Row> rows() { return kRows; }

const Row* find_row(const Node& node) {
  if (!node.domain.empty()) return nullptr;
  const auto found = std::lower_bound(kRows.begin(), kRows.end(), node.type,
                                      [](const Row& row, const std::string& op) { return row.op < op; });
  return found != kRows.end() && found->op == node.type ? &*found : nullptr;
}

}  // namespace chorus::ncnn
