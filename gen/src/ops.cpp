// Written by chorus-gen from the operator table: do not edit.
#include <chorus/ops.h>
#include <tensor/call.h>

namespace chorus {

Tensor add(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "Add");
  return call_one(op_, {&a, &b}, {});
}

Tensor sub(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "Sub");
  return call_one(op_, {&a, &b}, {});
}

Tensor mul(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "Mul");
  return call_one(op_, {&a, &b}, {});
}

Tensor div(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "Div");
  return call_one(op_, {&a, &b}, {});
}

Tensor mod(const Tensor& a, const Tensor& b, int64_t fmod) {
  static const OpDef& op_ = builtin_op("", "Mod");
  Attributes attributes_;
  if (fmod != 0) attributes_.set("fmod", fmod);
  return call_one(op_, {&a, &b}, std::move(attributes_));
}

Tensor pow(const Tensor& x, const Tensor& y) {
  static const OpDef& op_ = builtin_op("", "Pow");
  return call_one(op_, {&x, &y}, {});
}

Tensor maximum(const std::vector<Tensor>& data_0) {
  static const OpDef& op_ = builtin_op("", "Max");
  Operands operands_;
  operands_.add(data_0);
  return call_one(op_, operands_, {});
}

Tensor minimum(const std::vector<Tensor>& data_0) {
  static const OpDef& op_ = builtin_op("", "Min");
  Operands operands_;
  operands_.add(data_0);
  return call_one(op_, operands_, {});
}

Tensor add_n(const std::vector<Tensor>& data_0) {
  static const OpDef& op_ = builtin_op("", "Sum");
  Operands operands_;
  operands_.add(data_0);
  return call_one(op_, operands_, {});
}

Tensor mean_n(const std::vector<Tensor>& data_0) {
  static const OpDef& op_ = builtin_op("", "Mean");
  Operands operands_;
  operands_.add(data_0);
  return call_one(op_, operands_, {});
}

Tensor logical_and(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "And");
  return call_one(op_, {&a, &b}, {});
}

Tensor logical_or(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "Or");
  return call_one(op_, {&a, &b}, {});
}

Tensor logical_xor(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "Xor");
  return call_one(op_, {&a, &b}, {});
}

Tensor equal(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "Equal");
  return call_one(op_, {&a, &b}, {});
}

Tensor less(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "Less");
  return call_one(op_, {&a, &b}, {});
}

Tensor less_equal(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "LessOrEqual");
  return call_one(op_, {&a, &b}, {});
}

Tensor greater(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "Greater");
  return call_one(op_, {&a, &b}, {});
}

Tensor greater_equal(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "GreaterOrEqual");
  return call_one(op_, {&a, &b}, {});
}

Tensor bit_shift(const Tensor& x, const Tensor& y, std::string_view direction) {
  static const OpDef& op_ = builtin_op("", "BitShift");
  Attributes attributes_;
  attributes_.set("direction", direction);
  return call_one(op_, {&x, &y}, std::move(attributes_));
}

Tensor bitwise_and(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "BitwiseAnd");
  return call_one(op_, {&a, &b}, {});
}

Tensor bitwise_or(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "BitwiseOr");
  return call_one(op_, {&a, &b}, {});
}

Tensor bitwise_xor(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "BitwiseXor");
  return call_one(op_, {&a, &b}, {});
}

Tensor prelu(const Tensor& x, const Tensor& slope) {
  static const OpDef& op_ = builtin_op("", "PRelu");
  return call_one(op_, {&x, &slope}, {});
}

Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y) {
  static const OpDef& op_ = builtin_op("", "Where");
  return call_one(op_, {&condition, &x, &y}, {});
}

Tensor abs(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Abs");
  return call_one(op_, {&x}, {});
}

Tensor neg(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Neg");
  return call_one(op_, {&x}, {});
}

Tensor ceil(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Ceil");
  return call_one(op_, {&x}, {});
}

Tensor floor(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Floor");
  return call_one(op_, {&x}, {});
}

Tensor round(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Round");
  return call_one(op_, {&x}, {});
}

Tensor sqrt(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Sqrt");
  return call_one(op_, {&x}, {});
}

Tensor reciprocal(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Reciprocal");
  return call_one(op_, {&x}, {});
}

Tensor exp(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Exp");
  return call_one(op_, {&input}, {});
}

Tensor log(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Log");
  return call_one(op_, {&input}, {});
}

Tensor sin(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Sin");
  return call_one(op_, {&input}, {});
}

Tensor cos(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Cos");
  return call_one(op_, {&input}, {});
}

Tensor tan(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Tan");
  return call_one(op_, {&input}, {});
}

Tensor asin(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Asin");
  return call_one(op_, {&input}, {});
}

Tensor acos(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Acos");
  return call_one(op_, {&input}, {});
}

Tensor atan(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Atan");
  return call_one(op_, {&input}, {});
}

Tensor sinh(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Sinh");
  return call_one(op_, {&input}, {});
}

Tensor cosh(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Cosh");
  return call_one(op_, {&input}, {});
}

Tensor asinh(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Asinh");
  return call_one(op_, {&input}, {});
}

Tensor acosh(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Acosh");
  return call_one(op_, {&input}, {});
}

Tensor atanh(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Atanh");
  return call_one(op_, {&input}, {});
}

Tensor erf(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Erf");
  return call_one(op_, {&input}, {});
}

Tensor sign(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Sign");
  return call_one(op_, {&input}, {});
}

Tensor isnan(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "IsNaN");
  return call_one(op_, {&x}, {});
}

Tensor isinf(const Tensor& x, int64_t detect_negative, int64_t detect_positive) {
  static const OpDef& op_ = builtin_op("", "IsInf");
  Attributes attributes_;
  if (detect_negative != 1) attributes_.set("detect_negative", detect_negative);
  if (detect_positive != 1) attributes_.set("detect_positive", detect_positive);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor logical_not(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Not");
  return call_one(op_, {&x}, {});
}

Tensor bitwise_not(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "BitwiseNot");
  return call_one(op_, {&x}, {});
}

Tensor identity(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Identity");
  return call_one(op_, {&input}, {});
}

Tensor relu(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Relu");
  return call_one(op_, {&x}, {});
}

Tensor leaky_relu(const Tensor& x, float alpha) {
  static const OpDef& op_ = builtin_op("", "LeakyRelu");
  Attributes attributes_;
  if (alpha != 0.01f) attributes_.set("alpha", alpha);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor elu(const Tensor& x, float alpha) {
  static const OpDef& op_ = builtin_op("", "Elu");
  Attributes attributes_;
  if (alpha != 1.0f) attributes_.set("alpha", alpha);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor selu(const Tensor& x, float alpha, float gamma) {
  static const OpDef& op_ = builtin_op("", "Selu");
  Attributes attributes_;
  if (alpha != 1.6732632f) attributes_.set("alpha", alpha);
  if (gamma != 1.050701f) attributes_.set("gamma", gamma);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor celu(const Tensor& x, float alpha) {
  static const OpDef& op_ = builtin_op("", "Celu");
  Attributes attributes_;
  if (alpha != 1.0f) attributes_.set("alpha", alpha);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor sigmoid(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Sigmoid");
  return call_one(op_, {&x}, {});
}

Tensor hard_sigmoid(const Tensor& x, float alpha, float beta) {
  static const OpDef& op_ = builtin_op("", "HardSigmoid");
  Attributes attributes_;
  if (alpha != 0.2f) attributes_.set("alpha", alpha);
  if (beta != 0.5f) attributes_.set("beta", beta);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor hard_swish(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "HardSwish");
  return call_one(op_, {&x}, {});
}

Tensor tanh(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Tanh");
  return call_one(op_, {&input}, {});
}

Tensor softplus(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Softplus");
  return call_one(op_, {&x}, {});
}

Tensor softsign(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Softsign");
  return call_one(op_, {&input}, {});
}

Tensor thresholded_relu(const Tensor& x, float alpha) {
  static const OpDef& op_ = builtin_op("", "ThresholdedRelu");
  Attributes attributes_;
  if (alpha != 1.0f) attributes_.set("alpha", alpha);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor gelu(const Tensor& x, std::string_view approximate) {
  static const OpDef& op_ = builtin_op("", "Gelu");
  Attributes attributes_;
  if (approximate != "none") attributes_.set("approximate", approximate);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor mish(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Mish");
  return call_one(op_, {&x}, {});
}

Tensor swish(const Tensor& x, float alpha) {
  static const OpDef& op_ = builtin_op("", "Swish");
  Attributes attributes_;
  if (alpha != 1.0f) attributes_.set("alpha", alpha);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor swiglu(const Tensor& a, const Tensor& b, float alpha) {
  static const OpDef& op_ = builtin_op("", "SwiGLU");
  Attributes attributes_;
  if (alpha != 1.0f) attributes_.set("alpha", alpha);
  return call_one(op_, {&a, &b}, std::move(attributes_));
}

Tensor shrink(const Tensor& input, float bias, float lambd) {
  static const OpDef& op_ = builtin_op("", "Shrink");
  Attributes attributes_;
  if (bias != 0.0f) attributes_.set("bias", bias);
  if (lambd != 0.5f) attributes_.set("lambd", lambd);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor clip(const Tensor& input, const Tensor& min, const Tensor& max) {
  static const OpDef& op_ = builtin_op("", "Clip");
  return call_one(op_, {&input, &min, &max}, {});
}

Tensor dropout(const Tensor& data, const Tensor& ratio, const Tensor& training_mode, std::optional<int64_t> seed) {
  static const OpDef& op_ = builtin_op("", "Dropout");
  Attributes attributes_;
  if (seed.has_value()) attributes_.set("seed", *seed);
  return call_one(op_, {&data, &ratio, &training_mode}, std::move(attributes_));
}

std::vector<Tensor> dropout_outputs(int outputs, const Tensor& data, const Tensor& ratio, const Tensor& training_mode,
    std::optional<int64_t> seed) {
  static const OpDef& op_ = builtin_op("", "Dropout");
  Attributes attributes_;
  if (seed.has_value()) attributes_.set("seed", *seed);
  const Tensor* const operands_[] = {&data, &ratio, &training_mode};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor reduce_l1(const Tensor& data, const Tensor& axes, int64_t keepdims, int64_t noop_with_empty_axes) {
  static const OpDef& op_ = builtin_op("", "ReduceL1");
  Attributes attributes_;
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (noop_with_empty_axes != 0) attributes_.set("noop_with_empty_axes", noop_with_empty_axes);
  return call_one(op_, {&data, &axes}, std::move(attributes_));
}

Tensor reduce_l2(const Tensor& data, const Tensor& axes, int64_t keepdims, int64_t noop_with_empty_axes) {
  static const OpDef& op_ = builtin_op("", "ReduceL2");
  Attributes attributes_;
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (noop_with_empty_axes != 0) attributes_.set("noop_with_empty_axes", noop_with_empty_axes);
  return call_one(op_, {&data, &axes}, std::move(attributes_));
}

Tensor reduce_log_sum(const Tensor& data, const Tensor& axes, int64_t keepdims, int64_t noop_with_empty_axes) {
  static const OpDef& op_ = builtin_op("", "ReduceLogSum");
  Attributes attributes_;
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (noop_with_empty_axes != 0) attributes_.set("noop_with_empty_axes", noop_with_empty_axes);
  return call_one(op_, {&data, &axes}, std::move(attributes_));
}

Tensor reduce_log_sum_exp(const Tensor& data, const Tensor& axes, int64_t keepdims, int64_t noop_with_empty_axes) {
  static const OpDef& op_ = builtin_op("", "ReduceLogSumExp");
  Attributes attributes_;
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (noop_with_empty_axes != 0) attributes_.set("noop_with_empty_axes", noop_with_empty_axes);
  return call_one(op_, {&data, &axes}, std::move(attributes_));
}

Tensor max(const Tensor& data, const Tensor& axes, int64_t keepdims, int64_t noop_with_empty_axes) {
  static const OpDef& op_ = builtin_op("", "ReduceMax");
  Attributes attributes_;
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (noop_with_empty_axes != 0) attributes_.set("noop_with_empty_axes", noop_with_empty_axes);
  return call_one(op_, {&data, &axes}, std::move(attributes_));
}

Tensor mean(const Tensor& data, const Tensor& axes, int64_t keepdims, int64_t noop_with_empty_axes) {
  static const OpDef& op_ = builtin_op("", "ReduceMean");
  Attributes attributes_;
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (noop_with_empty_axes != 0) attributes_.set("noop_with_empty_axes", noop_with_empty_axes);
  return call_one(op_, {&data, &axes}, std::move(attributes_));
}

Tensor min(const Tensor& data, const Tensor& axes, int64_t keepdims, int64_t noop_with_empty_axes) {
  static const OpDef& op_ = builtin_op("", "ReduceMin");
  Attributes attributes_;
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (noop_with_empty_axes != 0) attributes_.set("noop_with_empty_axes", noop_with_empty_axes);
  return call_one(op_, {&data, &axes}, std::move(attributes_));
}

Tensor prod(const Tensor& data, const Tensor& axes, int64_t keepdims, int64_t noop_with_empty_axes) {
  static const OpDef& op_ = builtin_op("", "ReduceProd");
  Attributes attributes_;
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (noop_with_empty_axes != 0) attributes_.set("noop_with_empty_axes", noop_with_empty_axes);
  return call_one(op_, {&data, &axes}, std::move(attributes_));
}

Tensor sum(const Tensor& data, const Tensor& axes, int64_t keepdims, int64_t noop_with_empty_axes) {
  static const OpDef& op_ = builtin_op("", "ReduceSum");
  Attributes attributes_;
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (noop_with_empty_axes != 0) attributes_.set("noop_with_empty_axes", noop_with_empty_axes);
  return call_one(op_, {&data, &axes}, std::move(attributes_));
}

Tensor reduce_sum_square(const Tensor& data, const Tensor& axes, int64_t keepdims, int64_t noop_with_empty_axes) {
  static const OpDef& op_ = builtin_op("", "ReduceSumSquare");
  Attributes attributes_;
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (noop_with_empty_axes != 0) attributes_.set("noop_with_empty_axes", noop_with_empty_axes);
  return call_one(op_, {&data, &axes}, std::move(attributes_));
}

Tensor argmax(const Tensor& data, int64_t axis, int64_t keepdims, int64_t select_last_index) {
  static const OpDef& op_ = builtin_op("", "ArgMax");
  Attributes attributes_;
  if (axis != 0) attributes_.set("axis", axis);
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (select_last_index != 0) attributes_.set("select_last_index", select_last_index);
  return call_one(op_, {&data}, std::move(attributes_));
}

Tensor argmin(const Tensor& data, int64_t axis, int64_t keepdims, int64_t select_last_index) {
  static const OpDef& op_ = builtin_op("", "ArgMin");
  Attributes attributes_;
  if (axis != 0) attributes_.set("axis", axis);
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  if (select_last_index != 0) attributes_.set("select_last_index", select_last_index);
  return call_one(op_, {&data}, std::move(attributes_));
}

Tensor cumsum(const Tensor& x, const Tensor& axis, int64_t exclusive, int64_t reverse) {
  static const OpDef& op_ = builtin_op("", "CumSum");
  Attributes attributes_;
  if (exclusive != 0) attributes_.set("exclusive", exclusive);
  if (reverse != 0) attributes_.set("reverse", reverse);
  return call_one(op_, {&x, &axis}, std::move(attributes_));
}

Tensor cumprod(const Tensor& x, const Tensor& axis, int64_t exclusive, int64_t reverse) {
  static const OpDef& op_ = builtin_op("", "CumProd");
  Attributes attributes_;
  if (exclusive != 0) attributes_.set("exclusive", exclusive);
  if (reverse != 0) attributes_.set("reverse", reverse);
  return call_one(op_, {&x, &axis}, std::move(attributes_));
}

std::array<Tensor, 2> topk(const Tensor& x, const Tensor& k, int64_t axis, int64_t largest, int64_t sorted) {
  static const OpDef& op_ = builtin_op("", "TopK");
  Attributes attributes_;
  if (axis != -1) attributes_.set("axis", axis);
  if (largest != 1) attributes_.set("largest", largest);
  if (sorted != 1) attributes_.set("sorted", sorted);
  const Tensor* const operands_[] = {&x, &k};
  return as_array<2>(call_many(op_, operands_, std::move(attributes_), 2));
}

Tensor hardmax(const Tensor& input, int64_t axis) {
  static const OpDef& op_ = builtin_op("", "Hardmax");
  Attributes attributes_;
  if (axis != -1) attributes_.set("axis", axis);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor reshape(const Tensor& data, const Tensor& shape, int64_t allowzero) {
  static const OpDef& op_ = builtin_op("", "Reshape");
  Attributes attributes_;
  if (allowzero != 0) attributes_.set("allowzero", allowzero);
  return call_one(op_, {&data, &shape}, std::move(attributes_));
}

Tensor flatten(const Tensor& input, int64_t axis) {
  static const OpDef& op_ = builtin_op("", "Flatten");
  Attributes attributes_;
  if (axis != 1) attributes_.set("axis", axis);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor squeeze(const Tensor& data, const Tensor& axes) {
  static const OpDef& op_ = builtin_op("", "Squeeze");
  return call_one(op_, {&data, &axes}, {});
}

Tensor unsqueeze(const Tensor& data, const Tensor& axes) {
  static const OpDef& op_ = builtin_op("", "Unsqueeze");
  return call_one(op_, {&data, &axes}, {});
}

Tensor shape(const Tensor& data, std::optional<int64_t> end, int64_t start) {
  static const OpDef& op_ = builtin_op("", "Shape");
  Attributes attributes_;
  if (end.has_value()) attributes_.set("end", *end);
  if (start != 0) attributes_.set("start", start);
  return call_one(op_, {&data}, std::move(attributes_));
}

Tensor size(const Tensor& data) {
  static const OpDef& op_ = builtin_op("", "Size");
  return call_one(op_, {&data}, {});
}

Tensor transpose(const Tensor& data, const std::vector<int64_t>& perm) {
  static const OpDef& op_ = builtin_op("", "Transpose");
  Attributes attributes_;
  if (!perm.empty()) attributes_.set("perm", perm);
  return call_one(op_, {&data}, std::move(attributes_));
}

Tensor concat(const std::vector<Tensor>& inputs, int64_t axis) {
  static const OpDef& op_ = builtin_op("", "Concat");
  Attributes attributes_;
  attributes_.set("axis", axis);
  Operands operands_;
  operands_.add(inputs);
  return call_one(op_, operands_, std::move(attributes_));
}

std::vector<Tensor> split_outputs(int outputs, const Tensor& input, const Tensor& split, int64_t axis,
    std::optional<int64_t> num_outputs) {
  static const OpDef& op_ = builtin_op("", "Split");
  Attributes attributes_;
  if (axis != 0) attributes_.set("axis", axis);
  if (num_outputs.has_value()) attributes_.set("num_outputs", *num_outputs);
  const Tensor* const operands_[] = {&input, &split};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor slice(const Tensor& data, const Tensor& starts, const Tensor& ends, const Tensor& axes, const Tensor& steps) {
  static const OpDef& op_ = builtin_op("", "Slice");
  return call_one(op_, {&data, &starts, &ends, &axes, &steps}, {});
}

Tensor expand(const Tensor& input, const Tensor& shape) {
  static const OpDef& op_ = builtin_op("", "Expand");
  return call_one(op_, {&input, &shape}, {});
}

Tensor tile(const Tensor& input, const Tensor& repeats) {
  static const OpDef& op_ = builtin_op("", "Tile");
  return call_one(op_, {&input, &repeats}, {});
}

Tensor pad(const Tensor& data, const Tensor& pads, const Tensor& constant_value, const Tensor& axes,
    std::string_view mode) {
  static const OpDef& op_ = builtin_op("", "Pad");
  Attributes attributes_;
  if (mode != "constant") attributes_.set("mode", mode);
  return call_one(op_, {&data, &pads, &constant_value, &axes}, std::move(attributes_));
}

Tensor depth_to_space(const Tensor& input, int64_t blocksize, std::string_view mode) {
  static const OpDef& op_ = builtin_op("", "DepthToSpace");
  Attributes attributes_;
  attributes_.set("blocksize", blocksize);
  if (mode != "DCR") attributes_.set("mode", mode);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor space_to_depth(const Tensor& input, int64_t blocksize, std::string_view mode) {
  static const OpDef& op_ = builtin_op("", "SpaceToDepth");
  Attributes attributes_;
  attributes_.set("blocksize", blocksize);
  if (mode != "DCR") attributes_.set("mode", mode);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor reverse_sequence(const Tensor& input, const Tensor& sequence_lens, int64_t batch_axis, int64_t time_axis) {
  static const OpDef& op_ = builtin_op("", "ReverseSequence");
  Attributes attributes_;
  if (batch_axis != 1) attributes_.set("batch_axis", batch_axis);
  if (time_axis != 0) attributes_.set("time_axis", time_axis);
  return call_one(op_, {&input, &sequence_lens}, std::move(attributes_));
}

Tensor trilu(const Tensor& input, const Tensor& k, int64_t upper) {
  static const OpDef& op_ = builtin_op("", "Trilu");
  Attributes attributes_;
  if (upper != 1) attributes_.set("upper", upper);
  return call_one(op_, {&input, &k}, std::move(attributes_));
}

Tensor gather(const Tensor& data, const Tensor& indices, int64_t axis) {
  static const OpDef& op_ = builtin_op("", "Gather");
  Attributes attributes_;
  if (axis != 0) attributes_.set("axis", axis);
  return call_one(op_, {&data, &indices}, std::move(attributes_));
}

Tensor gather_elements(const Tensor& data, const Tensor& indices, int64_t axis) {
  static const OpDef& op_ = builtin_op("", "GatherElements");
  Attributes attributes_;
  if (axis != 0) attributes_.set("axis", axis);
  return call_one(op_, {&data, &indices}, std::move(attributes_));
}

Tensor gather_nd(const Tensor& data, const Tensor& indices, int64_t batch_dims) {
  static const OpDef& op_ = builtin_op("", "GatherND");
  Attributes attributes_;
  if (batch_dims != 0) attributes_.set("batch_dims", batch_dims);
  return call_one(op_, {&data, &indices}, std::move(attributes_));
}

Tensor scatter_elements(const Tensor& data, const Tensor& indices, const Tensor& updates, int64_t axis,
    std::string_view reduction) {
  static const OpDef& op_ = builtin_op("", "ScatterElements");
  Attributes attributes_;
  if (axis != 0) attributes_.set("axis", axis);
  if (reduction != "none") attributes_.set("reduction", reduction);
  return call_one(op_, {&data, &indices, &updates}, std::move(attributes_));
}

Tensor scatter_nd(const Tensor& data, const Tensor& indices, const Tensor& updates, std::string_view reduction) {
  static const OpDef& op_ = builtin_op("", "ScatterND");
  Attributes attributes_;
  if (reduction != "none") attributes_.set("reduction", reduction);
  return call_one(op_, {&data, &indices, &updates}, std::move(attributes_));
}

Tensor tensor_scatter(const Tensor& past_cache, const Tensor& update, const Tensor& write_indices, int64_t axis,
    std::string_view mode) {
  static const OpDef& op_ = builtin_op("", "TensorScatter");
  Attributes attributes_;
  if (axis != -2) attributes_.set("axis", axis);
  if (mode != "linear") attributes_.set("mode", mode);
  return call_one(op_, {&past_cache, &update, &write_indices}, std::move(attributes_));
}

Tensor one_hot(const Tensor& indices, const Tensor& depth, const Tensor& values, int64_t axis) {
  static const OpDef& op_ = builtin_op("", "OneHot");
  Attributes attributes_;
  if (axis != -1) attributes_.set("axis", axis);
  return call_one(op_, {&indices, &depth, &values}, std::move(attributes_));
}

Tensor non_zero(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "NonZero");
  return call_one(op_, {&x}, {});
}

Tensor compress(const Tensor& input, const Tensor& condition, std::optional<int64_t> axis) {
  static const OpDef& op_ = builtin_op("", "Compress");
  Attributes attributes_;
  if (axis.has_value()) attributes_.set("axis", *axis);
  return call_one(op_, {&input, &condition}, std::move(attributes_));
}

Tensor unique(const Tensor& x, std::optional<int64_t> axis, int64_t sorted) {
  static const OpDef& op_ = builtin_op("", "Unique");
  Attributes attributes_;
  if (axis.has_value()) attributes_.set("axis", *axis);
  if (sorted != 1) attributes_.set("sorted", sorted);
  return call_one(op_, {&x}, std::move(attributes_));
}

std::vector<Tensor> unique_outputs(int outputs, const Tensor& x, std::optional<int64_t> axis, int64_t sorted) {
  static const OpDef& op_ = builtin_op("", "Unique");
  Attributes attributes_;
  if (axis.has_value()) attributes_.set("axis", *axis);
  if (sorted != 1) attributes_.set("sorted", sorted);
  const Tensor* const operands_[] = {&x};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor constant_of_shape(const Tensor& input, const Tensor& value) {
  static const OpDef& op_ = builtin_op("", "ConstantOfShape");
  Attributes attributes_;
  if (value.defined()) attributes_.set("value", value.value());
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor range(const Tensor& start, const Tensor& limit, const Tensor& delta, DType stash_type) {
  static const OpDef& op_ = builtin_op("", "Range");
  Attributes attributes_;
  if (stash_type != DType::float32) attributes_.set("stash_type", static_cast<int64_t>(stash_type));
  return call_one(op_, {&start, &limit, &delta}, std::move(attributes_));
}

Tensor eye_like(const Tensor& input, DType dtype, int64_t k) {
  static const OpDef& op_ = builtin_op("", "EyeLike");
  Attributes attributes_;
  if (dtype != DType::undefined) attributes_.set("dtype", static_cast<int64_t>(dtype));
  if (k != 0) attributes_.set("k", k);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor random_normal(const std::vector<int64_t>& shape, DType dtype, float mean, float scale,
    std::optional<float> seed) {
  static const OpDef& op_ = builtin_op("", "RandomNormal");
  Attributes attributes_;
  attributes_.set("shape", shape);
  if (dtype != DType::float32) attributes_.set("dtype", static_cast<int64_t>(dtype));
  if (mean != 0.0f) attributes_.set("mean", mean);
  if (scale != 1.0f) attributes_.set("scale", scale);
  if (seed.has_value()) attributes_.set("seed", *seed);
  return call_one(op_, {}, std::move(attributes_));
}

Tensor random_normal_like(const Tensor& input, DType dtype, float mean, float scale, std::optional<float> seed) {
  static const OpDef& op_ = builtin_op("", "RandomNormalLike");
  Attributes attributes_;
  if (dtype != DType::undefined) attributes_.set("dtype", static_cast<int64_t>(dtype));
  if (mean != 0.0f) attributes_.set("mean", mean);
  if (scale != 1.0f) attributes_.set("scale", scale);
  if (seed.has_value()) attributes_.set("seed", *seed);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor random_uniform(const std::vector<int64_t>& shape, DType dtype, float high, float low, std::optional<float> seed) {
  static const OpDef& op_ = builtin_op("", "RandomUniform");
  Attributes attributes_;
  attributes_.set("shape", shape);
  if (dtype != DType::float32) attributes_.set("dtype", static_cast<int64_t>(dtype));
  if (high != 1.0f) attributes_.set("high", high);
  if (low != 0.0f) attributes_.set("low", low);
  if (seed.has_value()) attributes_.set("seed", *seed);
  return call_one(op_, {}, std::move(attributes_));
}

Tensor random_uniform_like(const Tensor& input, DType dtype, float high, float low, std::optional<float> seed) {
  static const OpDef& op_ = builtin_op("", "RandomUniformLike");
  Attributes attributes_;
  if (dtype != DType::undefined) attributes_.set("dtype", static_cast<int64_t>(dtype));
  if (high != 1.0f) attributes_.set("high", high);
  if (low != 0.0f) attributes_.set("low", low);
  if (seed.has_value()) attributes_.set("seed", *seed);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor multinomial(const Tensor& input, DType dtype, int64_t sample_size, std::optional<float> seed) {
  static const OpDef& op_ = builtin_op("", "Multinomial");
  Attributes attributes_;
  if (dtype != DType::int32) attributes_.set("dtype", static_cast<int64_t>(dtype));
  if (sample_size != 1) attributes_.set("sample_size", sample_size);
  if (seed.has_value()) attributes_.set("seed", *seed);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor bernoulli(const Tensor& input, DType dtype, std::optional<float> seed) {
  static const OpDef& op_ = builtin_op("", "Bernoulli");
  Attributes attributes_;
  if (dtype != DType::undefined) attributes_.set("dtype", static_cast<int64_t>(dtype));
  if (seed.has_value()) attributes_.set("seed", *seed);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor cast(const Tensor& input, DType to, std::string_view round_mode, int64_t saturate) {
  static const OpDef& op_ = builtin_op("", "Cast");
  Attributes attributes_;
  attributes_.set("to", static_cast<int64_t>(to));
  if (round_mode != "up") attributes_.set("round_mode", round_mode);
  if (saturate != 1) attributes_.set("saturate", saturate);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor cast_like(const Tensor& input, const Tensor& target_type, std::string_view round_mode, int64_t saturate) {
  static const OpDef& op_ = builtin_op("", "CastLike");
  Attributes attributes_;
  if (round_mode != "up") attributes_.set("round_mode", round_mode);
  if (saturate != 1) attributes_.set("saturate", saturate);
  return call_one(op_, {&input, &target_type}, std::move(attributes_));
}

Tensor bit_cast(const Tensor& input, DType to) {
  static const OpDef& op_ = builtin_op("", "BitCast");
  Attributes attributes_;
  attributes_.set("to", static_cast<int64_t>(to));
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor view_as_real(const Tensor& input) {
  static const OpDef& op_ = builtin_op("chorus", "ViewAsReal");
  return call_one(op_, {&input}, {});
}

Tensor view_as_complex(const Tensor& input) {
  static const OpDef& op_ = builtin_op("chorus", "ViewAsComplex");
  return call_one(op_, {&input}, {});
}

Tensor quantize_linear(const Tensor& x, const Tensor& y_scale, const Tensor& y_zero_point, int64_t axis,
    int64_t block_size, DType output_dtype, int64_t precision, int64_t saturate) {
  static const OpDef& op_ = builtin_op("", "QuantizeLinear");
  Attributes attributes_;
  if (axis != 1) attributes_.set("axis", axis);
  if (block_size != 0) attributes_.set("block_size", block_size);
  if (output_dtype != DType::undefined) attributes_.set("output_dtype", static_cast<int64_t>(output_dtype));
  if (precision != 0) attributes_.set("precision", precision);
  if (saturate != 1) attributes_.set("saturate", saturate);
  return call_one(op_, {&x, &y_scale, &y_zero_point}, std::move(attributes_));
}

Tensor dequantize_linear(const Tensor& x, const Tensor& x_scale, const Tensor& x_zero_point, int64_t axis,
    int64_t block_size, DType output_dtype) {
  static const OpDef& op_ = builtin_op("", "DequantizeLinear");
  Attributes attributes_;
  if (axis != 1) attributes_.set("axis", axis);
  if (block_size != 0) attributes_.set("block_size", block_size);
  if (output_dtype != DType::undefined) attributes_.set("output_dtype", static_cast<int64_t>(output_dtype));
  return call_one(op_, {&x, &x_scale, &x_zero_point}, std::move(attributes_));
}

std::array<Tensor, 3> dynamic_quantize_linear(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "DynamicQuantizeLinear");
  const Tensor* const operands_[] = {&x};
  return as_array<3>(call_many(op_, operands_, {}, 3));
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  static const OpDef& op_ = builtin_op("", "MatMul");
  return call_one(op_, {&a, &b}, {});
}

Tensor gemm(const Tensor& a, const Tensor& b, const Tensor& c, float alpha, float beta, int64_t trans_a,
    int64_t trans_b) {
  static const OpDef& op_ = builtin_op("", "Gemm");
  Attributes attributes_;
  if (alpha != 1.0f) attributes_.set("alpha", alpha);
  if (beta != 1.0f) attributes_.set("beta", beta);
  if (trans_a != 0) attributes_.set("transA", trans_a);
  if (trans_b != 0) attributes_.set("transB", trans_b);
  return call_one(op_, {&a, &b, &c}, std::move(attributes_));
}

Tensor matmul_integer(const Tensor& a, const Tensor& b, const Tensor& a_zero_point, const Tensor& b_zero_point) {
  static const OpDef& op_ = builtin_op("", "MatMulInteger");
  return call_one(op_, {&a, &b, &a_zero_point, &b_zero_point}, {});
}

Tensor qlinear_matmul(const Tensor& a, const Tensor& a_scale, const Tensor& a_zero_point, const Tensor& b,
    const Tensor& b_scale, const Tensor& b_zero_point, const Tensor& y_scale, const Tensor& y_zero_point) {
  static const OpDef& op_ = builtin_op("", "QLinearMatMul");
  return call_one(op_, {&a, &a_scale, &a_zero_point, &b, &b_scale, &b_zero_point, &y_scale, &y_zero_point}, {});
}

Tensor einsum(const std::vector<Tensor>& inputs, std::string_view equation) {
  static const OpDef& op_ = builtin_op("", "Einsum");
  Attributes attributes_;
  attributes_.set("equation", equation);
  Operands operands_;
  operands_.add(inputs);
  return call_one(op_, operands_, std::move(attributes_));
}

Tensor det(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "Det");
  return call_one(op_, {&x}, {});
}

Tensor conv(const Tensor& x, const Tensor& w, const Tensor& b, std::string_view auto_pad,
    const std::vector<int64_t>& dilations, int64_t group, const std::vector<int64_t>& kernel_shape,
    const std::vector<int64_t>& pads, const std::vector<int64_t>& strides) {
  static const OpDef& op_ = builtin_op("", "Conv");
  Attributes attributes_;
  if (auto_pad != "NOTSET") attributes_.set("auto_pad", auto_pad);
  if (!dilations.empty()) attributes_.set("dilations", dilations);
  if (group != 1) attributes_.set("group", group);
  if (!kernel_shape.empty()) attributes_.set("kernel_shape", kernel_shape);
  if (!pads.empty()) attributes_.set("pads", pads);
  if (!strides.empty()) attributes_.set("strides", strides);
  return call_one(op_, {&x, &w, &b}, std::move(attributes_));
}

Tensor conv_transpose(const Tensor& x, const Tensor& w, const Tensor& b, std::string_view auto_pad,
    const std::vector<int64_t>& dilations, int64_t group, const std::vector<int64_t>& kernel_shape,
    const std::vector<int64_t>& output_padding, const std::vector<int64_t>& output_shape,
    const std::vector<int64_t>& pads, const std::vector<int64_t>& strides) {
  static const OpDef& op_ = builtin_op("", "ConvTranspose");
  Attributes attributes_;
  if (auto_pad != "NOTSET") attributes_.set("auto_pad", auto_pad);
  if (!dilations.empty()) attributes_.set("dilations", dilations);
  if (group != 1) attributes_.set("group", group);
  if (!kernel_shape.empty()) attributes_.set("kernel_shape", kernel_shape);
  if (!output_padding.empty()) attributes_.set("output_padding", output_padding);
  if (!output_shape.empty()) attributes_.set("output_shape", output_shape);
  if (!pads.empty()) attributes_.set("pads", pads);
  if (!strides.empty()) attributes_.set("strides", strides);
  return call_one(op_, {&x, &w, &b}, std::move(attributes_));
}

Tensor conv_integer(const Tensor& x, const Tensor& w, const Tensor& x_zero_point, const Tensor& w_zero_point,
    std::string_view auto_pad, const std::vector<int64_t>& dilations, int64_t group,
    const std::vector<int64_t>& kernel_shape, const std::vector<int64_t>& pads, const std::vector<int64_t>& strides) {
  static const OpDef& op_ = builtin_op("", "ConvInteger");
  Attributes attributes_;
  if (auto_pad != "NOTSET") attributes_.set("auto_pad", auto_pad);
  if (!dilations.empty()) attributes_.set("dilations", dilations);
  if (group != 1) attributes_.set("group", group);
  if (!kernel_shape.empty()) attributes_.set("kernel_shape", kernel_shape);
  if (!pads.empty()) attributes_.set("pads", pads);
  if (!strides.empty()) attributes_.set("strides", strides);
  return call_one(op_, {&x, &w, &x_zero_point, &w_zero_point}, std::move(attributes_));
}

Tensor qlinear_conv(const Tensor& x, const Tensor& x_scale, const Tensor& x_zero_point, const Tensor& w,
    const Tensor& w_scale, const Tensor& w_zero_point, const Tensor& y_scale, const Tensor& y_zero_point,
    const Tensor& b, std::string_view auto_pad, const std::vector<int64_t>& dilations, int64_t group,
    const std::vector<int64_t>& kernel_shape, const std::vector<int64_t>& pads, const std::vector<int64_t>& strides) {
  static const OpDef& op_ = builtin_op("", "QLinearConv");
  Attributes attributes_;
  if (auto_pad != "NOTSET") attributes_.set("auto_pad", auto_pad);
  if (!dilations.empty()) attributes_.set("dilations", dilations);
  if (group != 1) attributes_.set("group", group);
  if (!kernel_shape.empty()) attributes_.set("kernel_shape", kernel_shape);
  if (!pads.empty()) attributes_.set("pads", pads);
  if (!strides.empty()) attributes_.set("strides", strides);
  return call_one(op_, {&x, &x_scale, &x_zero_point, &w, &w_scale, &w_zero_point, &y_scale, &y_zero_point, &b}, std::move(attributes_));
}

Tensor deform_conv(const Tensor& x, const Tensor& w, const Tensor& offset, const Tensor& b, const Tensor& mask,
    const std::vector<int64_t>& dilations, int64_t group, const std::vector<int64_t>& kernel_shape,
    int64_t offset_group, const std::vector<int64_t>& pads, const std::vector<int64_t>& strides) {
  static const OpDef& op_ = builtin_op("", "DeformConv");
  Attributes attributes_;
  if (!dilations.empty()) attributes_.set("dilations", dilations);
  if (group != 1) attributes_.set("group", group);
  if (!kernel_shape.empty()) attributes_.set("kernel_shape", kernel_shape);
  if (offset_group != 1) attributes_.set("offset_group", offset_group);
  if (!pads.empty()) attributes_.set("pads", pads);
  if (!strides.empty()) attributes_.set("strides", strides);
  return call_one(op_, {&x, &w, &offset, &b, &mask}, std::move(attributes_));
}

std::array<Tensor, 2> causal_conv_with_state(const Tensor& input, const Tensor& weight, const Tensor& bias,
    const Tensor& past_state, std::string_view activation) {
  static const OpDef& op_ = builtin_op("", "CausalConvWithState");
  Attributes attributes_;
  if (activation != "none") attributes_.set("activation", activation);
  const Tensor* const operands_[] = {&input, &weight, &bias, &past_state};
  return as_array<2>(call_many(op_, operands_, std::move(attributes_), 2));
}

Tensor max_pool(const Tensor& x, const std::vector<int64_t>& kernel_shape, std::string_view auto_pad,
    int64_t ceil_mode, const std::vector<int64_t>& dilations, const std::vector<int64_t>& pads, int64_t storage_order,
    const std::vector<int64_t>& strides) {
  static const OpDef& op_ = builtin_op("", "MaxPool");
  Attributes attributes_;
  attributes_.set("kernel_shape", kernel_shape);
  if (auto_pad != "NOTSET") attributes_.set("auto_pad", auto_pad);
  if (ceil_mode != 0) attributes_.set("ceil_mode", ceil_mode);
  if (!dilations.empty()) attributes_.set("dilations", dilations);
  if (!pads.empty()) attributes_.set("pads", pads);
  if (storage_order != 0) attributes_.set("storage_order", storage_order);
  if (!strides.empty()) attributes_.set("strides", strides);
  return call_one(op_, {&x}, std::move(attributes_));
}

std::vector<Tensor> max_pool_outputs(int outputs, const Tensor& x, const std::vector<int64_t>& kernel_shape,
    std::string_view auto_pad, int64_t ceil_mode, const std::vector<int64_t>& dilations,
    const std::vector<int64_t>& pads, int64_t storage_order, const std::vector<int64_t>& strides) {
  static const OpDef& op_ = builtin_op("", "MaxPool");
  Attributes attributes_;
  attributes_.set("kernel_shape", kernel_shape);
  if (auto_pad != "NOTSET") attributes_.set("auto_pad", auto_pad);
  if (ceil_mode != 0) attributes_.set("ceil_mode", ceil_mode);
  if (!dilations.empty()) attributes_.set("dilations", dilations);
  if (!pads.empty()) attributes_.set("pads", pads);
  if (storage_order != 0) attributes_.set("storage_order", storage_order);
  if (!strides.empty()) attributes_.set("strides", strides);
  const Tensor* const operands_[] = {&x};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor average_pool(const Tensor& x, const std::vector<int64_t>& kernel_shape, std::string_view auto_pad,
    int64_t ceil_mode, int64_t count_include_pad, const std::vector<int64_t>& dilations,
    const std::vector<int64_t>& pads, const std::vector<int64_t>& strides) {
  static const OpDef& op_ = builtin_op("", "AveragePool");
  Attributes attributes_;
  attributes_.set("kernel_shape", kernel_shape);
  if (auto_pad != "NOTSET") attributes_.set("auto_pad", auto_pad);
  if (ceil_mode != 0) attributes_.set("ceil_mode", ceil_mode);
  if (count_include_pad != 0) attributes_.set("count_include_pad", count_include_pad);
  if (!dilations.empty()) attributes_.set("dilations", dilations);
  if (!pads.empty()) attributes_.set("pads", pads);
  if (!strides.empty()) attributes_.set("strides", strides);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor lp_pool(const Tensor& x, const std::vector<int64_t>& kernel_shape, std::string_view auto_pad,
    int64_t ceil_mode, const std::vector<int64_t>& dilations, int64_t p, const std::vector<int64_t>& pads,
    const std::vector<int64_t>& strides) {
  static const OpDef& op_ = builtin_op("", "LpPool");
  Attributes attributes_;
  attributes_.set("kernel_shape", kernel_shape);
  if (auto_pad != "NOTSET") attributes_.set("auto_pad", auto_pad);
  if (ceil_mode != 0) attributes_.set("ceil_mode", ceil_mode);
  if (!dilations.empty()) attributes_.set("dilations", dilations);
  if (p != 2) attributes_.set("p", p);
  if (!pads.empty()) attributes_.set("pads", pads);
  if (!strides.empty()) attributes_.set("strides", strides);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor global_average_pool(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "GlobalAveragePool");
  return call_one(op_, {&x}, {});
}

Tensor global_max_pool(const Tensor& x) {
  static const OpDef& op_ = builtin_op("", "GlobalMaxPool");
  return call_one(op_, {&x}, {});
}

Tensor global_lp_pool(const Tensor& x, int64_t p) {
  static const OpDef& op_ = builtin_op("", "GlobalLpPool");
  Attributes attributes_;
  if (p != 2) attributes_.set("p", p);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor max_unpool(const Tensor& x, const Tensor& i, const std::vector<int64_t>& kernel_shape,
    const Tensor& output_shape, const std::vector<int64_t>& pads, const std::vector<int64_t>& strides) {
  static const OpDef& op_ = builtin_op("", "MaxUnpool");
  Attributes attributes_;
  attributes_.set("kernel_shape", kernel_shape);
  if (!pads.empty()) attributes_.set("pads", pads);
  if (!strides.empty()) attributes_.set("strides", strides);
  return call_one(op_, {&x, &i, &output_shape}, std::move(attributes_));
}

Tensor max_roi_pool(const Tensor& x, const Tensor& rois, const std::vector<int64_t>& pooled_shape, float spatial_scale) {
  static const OpDef& op_ = builtin_op("", "MaxRoiPool");
  Attributes attributes_;
  attributes_.set("pooled_shape", pooled_shape);
  if (spatial_scale != 1.0f) attributes_.set("spatial_scale", spatial_scale);
  return call_one(op_, {&x, &rois}, std::move(attributes_));
}

Tensor resize(const Tensor& x, const Tensor& roi, const Tensor& scales, const Tensor& sizes, int64_t antialias,
    const std::vector<int64_t>& axes, std::string_view coordinate_transformation_mode, float cubic_coeff_a,
    int64_t exclude_outside, float extrapolation_value, std::string_view keep_aspect_ratio_policy,
    std::string_view mode, std::string_view nearest_mode) {
  static const OpDef& op_ = builtin_op("", "Resize");
  Attributes attributes_;
  if (antialias != 0) attributes_.set("antialias", antialias);
  if (!axes.empty()) attributes_.set("axes", axes);
  if (coordinate_transformation_mode != "half_pixel") attributes_.set("coordinate_transformation_mode", coordinate_transformation_mode);
  if (cubic_coeff_a != -0.75f) attributes_.set("cubic_coeff_a", cubic_coeff_a);
  if (exclude_outside != 0) attributes_.set("exclude_outside", exclude_outside);
  if (extrapolation_value != 0.0f) attributes_.set("extrapolation_value", extrapolation_value);
  if (keep_aspect_ratio_policy != "stretch") attributes_.set("keep_aspect_ratio_policy", keep_aspect_ratio_policy);
  if (mode != "nearest") attributes_.set("mode", mode);
  if (nearest_mode != "round_prefer_floor") attributes_.set("nearest_mode", nearest_mode);
  return call_one(op_, {&x, &roi, &scales, &sizes}, std::move(attributes_));
}

Tensor grid_sample(const Tensor& x, const Tensor& grid, int64_t align_corners, std::string_view mode,
    std::string_view padding_mode) {
  static const OpDef& op_ = builtin_op("", "GridSample");
  Attributes attributes_;
  if (align_corners != 0) attributes_.set("align_corners", align_corners);
  if (mode != "linear") attributes_.set("mode", mode);
  if (padding_mode != "zeros") attributes_.set("padding_mode", padding_mode);
  return call_one(op_, {&x, &grid}, std::move(attributes_));
}

Tensor affine_grid(const Tensor& theta, const Tensor& size, int64_t align_corners) {
  static const OpDef& op_ = builtin_op("", "AffineGrid");
  Attributes attributes_;
  if (align_corners != 0) attributes_.set("align_corners", align_corners);
  return call_one(op_, {&theta, &size}, std::move(attributes_));
}

Tensor col2im(const Tensor& input, const Tensor& image_shape, const Tensor& block_shape,
    const std::vector<int64_t>& dilations, const std::vector<int64_t>& pads, const std::vector<int64_t>& strides) {
  static const OpDef& op_ = builtin_op("", "Col2Im");
  Attributes attributes_;
  if (!dilations.empty()) attributes_.set("dilations", dilations);
  if (!pads.empty()) attributes_.set("pads", pads);
  if (!strides.empty()) attributes_.set("strides", strides);
  return call_one(op_, {&input, &image_shape, &block_shape}, std::move(attributes_));
}

Tensor batch_normalization(const Tensor& x, const Tensor& scale, const Tensor& b, const Tensor& input_mean,
    const Tensor& input_var, float epsilon, float momentum, int64_t training_mode) {
  static const OpDef& op_ = builtin_op("", "BatchNormalization");
  Attributes attributes_;
  if (epsilon != 1e-05f) attributes_.set("epsilon", epsilon);
  if (momentum != 0.9f) attributes_.set("momentum", momentum);
  if (training_mode != 0) attributes_.set("training_mode", training_mode);
  return call_one(op_, {&x, &scale, &b, &input_mean, &input_var}, std::move(attributes_));
}

std::vector<Tensor> batch_normalization_outputs(int outputs, const Tensor& x, const Tensor& scale, const Tensor& b,
    const Tensor& input_mean, const Tensor& input_var, float epsilon, float momentum, int64_t training_mode) {
  static const OpDef& op_ = builtin_op("", "BatchNormalization");
  Attributes attributes_;
  if (epsilon != 1e-05f) attributes_.set("epsilon", epsilon);
  if (momentum != 0.9f) attributes_.set("momentum", momentum);
  if (training_mode != 0) attributes_.set("training_mode", training_mode);
  const Tensor* const operands_[] = {&x, &scale, &b, &input_mean, &input_var};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor instance_normalization(const Tensor& input, const Tensor& scale, const Tensor& b, float epsilon) {
  static const OpDef& op_ = builtin_op("", "InstanceNormalization");
  Attributes attributes_;
  if (epsilon != 1e-05f) attributes_.set("epsilon", epsilon);
  return call_one(op_, {&input, &scale, &b}, std::move(attributes_));
}

Tensor group_normalization(const Tensor& x, const Tensor& scale, const Tensor& bias, int64_t num_groups,
    float epsilon, DType stash_type) {
  static const OpDef& op_ = builtin_op("", "GroupNormalization");
  Attributes attributes_;
  attributes_.set("num_groups", num_groups);
  if (epsilon != 1e-05f) attributes_.set("epsilon", epsilon);
  if (stash_type != DType::float32) attributes_.set("stash_type", static_cast<int64_t>(stash_type));
  return call_one(op_, {&x, &scale, &bias}, std::move(attributes_));
}

Tensor layer_normalization(const Tensor& x, const Tensor& scale, const Tensor& b, int64_t axis, float epsilon,
    DType stash_type) {
  static const OpDef& op_ = builtin_op("", "LayerNormalization");
  Attributes attributes_;
  if (axis != -1) attributes_.set("axis", axis);
  if (epsilon != 1e-05f) attributes_.set("epsilon", epsilon);
  if (stash_type != DType::float32) attributes_.set("stash_type", static_cast<int64_t>(stash_type));
  return call_one(op_, {&x, &scale, &b}, std::move(attributes_));
}

std::vector<Tensor> layer_normalization_outputs(int outputs, const Tensor& x, const Tensor& scale, const Tensor& b,
    int64_t axis, float epsilon, DType stash_type) {
  static const OpDef& op_ = builtin_op("", "LayerNormalization");
  Attributes attributes_;
  if (axis != -1) attributes_.set("axis", axis);
  if (epsilon != 1e-05f) attributes_.set("epsilon", epsilon);
  if (stash_type != DType::float32) attributes_.set("stash_type", static_cast<int64_t>(stash_type));
  const Tensor* const operands_[] = {&x, &scale, &b};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor rms_normalization(const Tensor& x, const Tensor& scale, int64_t axis, float epsilon, DType stash_type) {
  static const OpDef& op_ = builtin_op("", "RMSNormalization");
  Attributes attributes_;
  if (axis != -1) attributes_.set("axis", axis);
  if (epsilon != 1e-05f) attributes_.set("epsilon", epsilon);
  if (stash_type != DType::float32) attributes_.set("stash_type", static_cast<int64_t>(stash_type));
  return call_one(op_, {&x, &scale}, std::move(attributes_));
}

Tensor lrn(const Tensor& x, int64_t size, float alpha, float beta, float bias) {
  static const OpDef& op_ = builtin_op("", "LRN");
  Attributes attributes_;
  attributes_.set("size", size);
  if (alpha != 0.0001f) attributes_.set("alpha", alpha);
  if (beta != 0.75f) attributes_.set("beta", beta);
  if (bias != 1.0f) attributes_.set("bias", bias);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor lp_normalization(const Tensor& input, int64_t axis, int64_t p) {
  static const OpDef& op_ = builtin_op("", "LpNormalization");
  Attributes attributes_;
  if (axis != -1) attributes_.set("axis", axis);
  if (p != 2) attributes_.set("p", p);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor mean_variance_normalization(const Tensor& x, const std::vector<int64_t>& axes) {
  static const OpDef& op_ = builtin_op("", "MeanVarianceNormalization");
  Attributes attributes_;
  if (axes != std::vector<int64_t>{0, 2, 3}) attributes_.set("axes", axes);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor softmax(const Tensor& input, int64_t axis) {
  static const OpDef& op_ = builtin_op("", "Softmax");
  Attributes attributes_;
  if (axis != -1) attributes_.set("axis", axis);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor log_softmax(const Tensor& input, int64_t axis) {
  static const OpDef& op_ = builtin_op("", "LogSoftmax");
  Attributes attributes_;
  if (axis != -1) attributes_.set("axis", axis);
  return call_one(op_, {&input}, std::move(attributes_));
}

Tensor rnn(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b, const Tensor& sequence_lens,
    const Tensor& initial_h, const std::vector<float>& activation_alpha, const std::vector<float>& activation_beta,
    const std::vector<std::string>& activations, std::optional<float> clip, std::string_view direction,
    std::optional<int64_t> hidden_size, int64_t layout) {
  static const OpDef& op_ = builtin_op("", "RNN");
  Attributes attributes_;
  if (!activation_alpha.empty()) attributes_.set("activation_alpha", activation_alpha);
  if (!activation_beta.empty()) attributes_.set("activation_beta", activation_beta);
  if (activations != std::vector<std::string>{"Tanh", "Tanh"}) attributes_.set("activations", activations);
  if (clip.has_value()) attributes_.set("clip", *clip);
  if (direction != "forward") attributes_.set("direction", direction);
  if (hidden_size.has_value()) attributes_.set("hidden_size", *hidden_size);
  if (layout != 0) attributes_.set("layout", layout);
  return call_one(op_, {&x, &w, &r, &b, &sequence_lens, &initial_h}, std::move(attributes_));
}

std::vector<Tensor> rnn_outputs(int outputs, const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b,
    const Tensor& sequence_lens, const Tensor& initial_h, const std::vector<float>& activation_alpha,
    const std::vector<float>& activation_beta, const std::vector<std::string>& activations, std::optional<float> clip,
    std::string_view direction, std::optional<int64_t> hidden_size, int64_t layout) {
  static const OpDef& op_ = builtin_op("", "RNN");
  Attributes attributes_;
  if (!activation_alpha.empty()) attributes_.set("activation_alpha", activation_alpha);
  if (!activation_beta.empty()) attributes_.set("activation_beta", activation_beta);
  if (activations != std::vector<std::string>{"Tanh", "Tanh"}) attributes_.set("activations", activations);
  if (clip.has_value()) attributes_.set("clip", *clip);
  if (direction != "forward") attributes_.set("direction", direction);
  if (hidden_size.has_value()) attributes_.set("hidden_size", *hidden_size);
  if (layout != 0) attributes_.set("layout", layout);
  const Tensor* const operands_[] = {&x, &w, &r, &b, &sequence_lens, &initial_h};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor gru(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b, const Tensor& sequence_lens,
    const Tensor& initial_h, const std::vector<float>& activation_alpha, const std::vector<float>& activation_beta,
    const std::vector<std::string>& activations, std::optional<float> clip, std::string_view direction,
    std::optional<int64_t> hidden_size, int64_t layout, int64_t linear_before_reset) {
  static const OpDef& op_ = builtin_op("", "GRU");
  Attributes attributes_;
  if (!activation_alpha.empty()) attributes_.set("activation_alpha", activation_alpha);
  if (!activation_beta.empty()) attributes_.set("activation_beta", activation_beta);
  if (!activations.empty()) attributes_.set("activations", activations);
  if (clip.has_value()) attributes_.set("clip", *clip);
  if (direction != "forward") attributes_.set("direction", direction);
  if (hidden_size.has_value()) attributes_.set("hidden_size", *hidden_size);
  if (layout != 0) attributes_.set("layout", layout);
  if (linear_before_reset != 0) attributes_.set("linear_before_reset", linear_before_reset);
  return call_one(op_, {&x, &w, &r, &b, &sequence_lens, &initial_h}, std::move(attributes_));
}

std::vector<Tensor> gru_outputs(int outputs, const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b,
    const Tensor& sequence_lens, const Tensor& initial_h, const std::vector<float>& activation_alpha,
    const std::vector<float>& activation_beta, const std::vector<std::string>& activations, std::optional<float> clip,
    std::string_view direction, std::optional<int64_t> hidden_size, int64_t layout, int64_t linear_before_reset) {
  static const OpDef& op_ = builtin_op("", "GRU");
  Attributes attributes_;
  if (!activation_alpha.empty()) attributes_.set("activation_alpha", activation_alpha);
  if (!activation_beta.empty()) attributes_.set("activation_beta", activation_beta);
  if (!activations.empty()) attributes_.set("activations", activations);
  if (clip.has_value()) attributes_.set("clip", *clip);
  if (direction != "forward") attributes_.set("direction", direction);
  if (hidden_size.has_value()) attributes_.set("hidden_size", *hidden_size);
  if (layout != 0) attributes_.set("layout", layout);
  if (linear_before_reset != 0) attributes_.set("linear_before_reset", linear_before_reset);
  const Tensor* const operands_[] = {&x, &w, &r, &b, &sequence_lens, &initial_h};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor lstm(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b, const Tensor& sequence_lens,
    const Tensor& initial_h, const Tensor& initial_c, const Tensor& p, const std::vector<float>& activation_alpha,
    const std::vector<float>& activation_beta, const std::vector<std::string>& activations, std::optional<float> clip,
    std::string_view direction, std::optional<int64_t> hidden_size, int64_t input_forget, int64_t layout) {
  static const OpDef& op_ = builtin_op("", "LSTM");
  Attributes attributes_;
  if (!activation_alpha.empty()) attributes_.set("activation_alpha", activation_alpha);
  if (!activation_beta.empty()) attributes_.set("activation_beta", activation_beta);
  if (!activations.empty()) attributes_.set("activations", activations);
  if (clip.has_value()) attributes_.set("clip", *clip);
  if (direction != "forward") attributes_.set("direction", direction);
  if (hidden_size.has_value()) attributes_.set("hidden_size", *hidden_size);
  if (input_forget != 0) attributes_.set("input_forget", input_forget);
  if (layout != 0) attributes_.set("layout", layout);
  return call_one(op_, {&x, &w, &r, &b, &sequence_lens, &initial_h, &initial_c, &p}, std::move(attributes_));
}

std::vector<Tensor> lstm_outputs(int outputs, const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b,
    const Tensor& sequence_lens, const Tensor& initial_h, const Tensor& initial_c, const Tensor& p,
    const std::vector<float>& activation_alpha, const std::vector<float>& activation_beta,
    const std::vector<std::string>& activations, std::optional<float> clip, std::string_view direction,
    std::optional<int64_t> hidden_size, int64_t input_forget, int64_t layout) {
  static const OpDef& op_ = builtin_op("", "LSTM");
  Attributes attributes_;
  if (!activation_alpha.empty()) attributes_.set("activation_alpha", activation_alpha);
  if (!activation_beta.empty()) attributes_.set("activation_beta", activation_beta);
  if (!activations.empty()) attributes_.set("activations", activations);
  if (clip.has_value()) attributes_.set("clip", *clip);
  if (direction != "forward") attributes_.set("direction", direction);
  if (hidden_size.has_value()) attributes_.set("hidden_size", *hidden_size);
  if (input_forget != 0) attributes_.set("input_forget", input_forget);
  if (layout != 0) attributes_.set("layout", layout);
  const Tensor* const operands_[] = {&x, &w, &r, &b, &sequence_lens, &initial_h, &initial_c, &p};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

std::array<Tensor, 2> linear_attention(const Tensor& query, const Tensor& key, const Tensor& value,
    int64_t kv_num_heads, int64_t q_num_heads, const Tensor& past_state, const Tensor& decay, const Tensor& beta,
    int64_t chunk_size, float scale, std::string_view update_rule) {
  static const OpDef& op_ = builtin_op("", "LinearAttention");
  Attributes attributes_;
  attributes_.set("kv_num_heads", kv_num_heads);
  attributes_.set("q_num_heads", q_num_heads);
  if (chunk_size != 64) attributes_.set("chunk_size", chunk_size);
  if (scale != 0.0f) attributes_.set("scale", scale);
  if (update_rule != "gated_delta") attributes_.set("update_rule", update_rule);
  const Tensor* const operands_[] = {&query, &key, &value, &past_state, &decay, &beta};
  return as_array<2>(call_many(op_, operands_, std::move(attributes_), 2));
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& attn_mask, const Tensor& past_key,
    const Tensor& past_value, const Tensor& nonpad_kv_seqlen, int64_t is_causal, std::optional<int64_t> kv_num_heads,
    int64_t left_window_size, std::optional<int64_t> q_num_heads, int64_t qk_matmul_output_mode,
    int64_t right_window_size, std::optional<float> scale, float softcap, DType softmax_precision) {
  static const OpDef& op_ = builtin_op("", "Attention");
  Attributes attributes_;
  if (is_causal != 0) attributes_.set("is_causal", is_causal);
  if (kv_num_heads.has_value()) attributes_.set("kv_num_heads", *kv_num_heads);
  if (left_window_size != -1) attributes_.set("left_window_size", left_window_size);
  if (q_num_heads.has_value()) attributes_.set("q_num_heads", *q_num_heads);
  if (qk_matmul_output_mode != 0) attributes_.set("qk_matmul_output_mode", qk_matmul_output_mode);
  if (right_window_size != -1) attributes_.set("right_window_size", right_window_size);
  if (scale.has_value()) attributes_.set("scale", *scale);
  if (softcap != 0.0f) attributes_.set("softcap", softcap);
  if (softmax_precision != DType::undefined) attributes_.set("softmax_precision", static_cast<int64_t>(softmax_precision));
  return call_one(op_, {&q, &k, &v, &attn_mask, &past_key, &past_value, &nonpad_kv_seqlen}, std::move(attributes_));
}

std::vector<Tensor> attention_outputs(int outputs, const Tensor& q, const Tensor& k, const Tensor& v,
    const Tensor& attn_mask, const Tensor& past_key, const Tensor& past_value, const Tensor& nonpad_kv_seqlen,
    int64_t is_causal, std::optional<int64_t> kv_num_heads, int64_t left_window_size,
    std::optional<int64_t> q_num_heads, int64_t qk_matmul_output_mode, int64_t right_window_size,
    std::optional<float> scale, float softcap, DType softmax_precision) {
  static const OpDef& op_ = builtin_op("", "Attention");
  Attributes attributes_;
  if (is_causal != 0) attributes_.set("is_causal", is_causal);
  if (kv_num_heads.has_value()) attributes_.set("kv_num_heads", *kv_num_heads);
  if (left_window_size != -1) attributes_.set("left_window_size", left_window_size);
  if (q_num_heads.has_value()) attributes_.set("q_num_heads", *q_num_heads);
  if (qk_matmul_output_mode != 0) attributes_.set("qk_matmul_output_mode", qk_matmul_output_mode);
  if (right_window_size != -1) attributes_.set("right_window_size", right_window_size);
  if (scale.has_value()) attributes_.set("scale", *scale);
  if (softcap != 0.0f) attributes_.set("softcap", softcap);
  if (softmax_precision != DType::undefined) attributes_.set("softmax_precision", static_cast<int64_t>(softmax_precision));
  const Tensor* const operands_[] = {&q, &k, &v, &attn_mask, &past_key, &past_value, &nonpad_kv_seqlen};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor flex_attention(const Tensor& q, const Tensor& k, const Tensor& v, const std::shared_ptr<const Graph>& prob_mod,
    std::optional<float> scale, const std::shared_ptr<const Graph>& score_mod, DType softmax_precision) {
  static const OpDef& op_ = builtin_op("ai.onnx.preview", "FlexAttention");
  Attributes attributes_;
  if (prob_mod) attributes_.set("prob_mod", prob_mod);
  if (scale.has_value()) attributes_.set("scale", *scale);
  if (score_mod) attributes_.set("score_mod", score_mod);
  if (softmax_precision != DType::undefined) attributes_.set("softmax_precision", static_cast<int64_t>(softmax_precision));
  return call_one(op_, {&q, &k, &v}, std::move(attributes_));
}

Tensor rotary_embedding(const Tensor& x, const Tensor& cos_cache, const Tensor& sin_cache, const Tensor& position_ids,
    int64_t interleaved, std::optional<int64_t> num_heads, int64_t rotary_embedding_dim) {
  static const OpDef& op_ = builtin_op("", "RotaryEmbedding");
  Attributes attributes_;
  if (interleaved != 0) attributes_.set("interleaved", interleaved);
  if (num_heads.has_value()) attributes_.set("num_heads", *num_heads);
  if (rotary_embedding_dim != 0) attributes_.set("rotary_embedding_dim", rotary_embedding_dim);
  return call_one(op_, {&x, &cos_cache, &sin_cache, &position_ids}, std::move(attributes_));
}

std::vector<Tensor> if_else_outputs(int outputs, const Tensor& cond, const std::shared_ptr<const Graph>& else_branch,
    const std::shared_ptr<const Graph>& then_branch) {
  static const OpDef& op_ = builtin_op("", "If");
  Attributes attributes_;
  attributes_.set("else_branch", else_branch);
  attributes_.set("then_branch", then_branch);
  const Tensor* const operands_[] = {&cond};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

std::vector<Tensor> loop_outputs(int outputs, const std::shared_ptr<const Graph>& body, const Tensor& m,
    const Tensor& cond, const std::vector<Tensor>& v_initial) {
  static const OpDef& op_ = builtin_op("", "Loop");
  Attributes attributes_;
  attributes_.set("body", body);
  Operands operands_;
  operands_.add(m);
  operands_.add(cond);
  operands_.add(v_initial);
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

std::vector<Tensor> scan_outputs(int outputs, const std::vector<Tensor>& initial_state_and_scan_inputs,
    const std::shared_ptr<const Graph>& body, int64_t num_scan_inputs, const std::vector<int64_t>& scan_input_axes,
    const std::vector<int64_t>& scan_input_directions, const std::vector<int64_t>& scan_output_axes,
    const std::vector<int64_t>& scan_output_directions) {
  static const OpDef& op_ = builtin_op("", "Scan");
  Attributes attributes_;
  attributes_.set("body", body);
  attributes_.set("num_scan_inputs", num_scan_inputs);
  if (!scan_input_axes.empty()) attributes_.set("scan_input_axes", scan_input_axes);
  if (!scan_input_directions.empty()) attributes_.set("scan_input_directions", scan_input_directions);
  if (!scan_output_axes.empty()) attributes_.set("scan_output_axes", scan_output_axes);
  if (!scan_output_directions.empty()) attributes_.set("scan_output_directions", scan_output_directions);
  Operands operands_;
  operands_.add(initial_state_and_scan_inputs);
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor sequence_empty(DType dtype) {
  static const OpDef& op_ = builtin_op("", "SequenceEmpty");
  Attributes attributes_;
  if (dtype != DType::undefined) attributes_.set("dtype", static_cast<int64_t>(dtype));
  return call_one(op_, {}, std::move(attributes_));
}

Tensor sequence_construct(const std::vector<Tensor>& inputs) {
  static const OpDef& op_ = builtin_op("", "SequenceConstruct");
  Operands operands_;
  operands_.add(inputs);
  return call_one(op_, operands_, {});
}

Tensor sequence_at(const Tensor& input_sequence, const Tensor& position) {
  static const OpDef& op_ = builtin_op("", "SequenceAt");
  return call_one(op_, {&input_sequence, &position}, {});
}

Tensor sequence_insert(const Tensor& input_sequence, const Tensor& tensor, const Tensor& position) {
  static const OpDef& op_ = builtin_op("", "SequenceInsert");
  return call_one(op_, {&input_sequence, &tensor, &position}, {});
}

Tensor sequence_erase(const Tensor& input_sequence, const Tensor& position) {
  static const OpDef& op_ = builtin_op("", "SequenceErase");
  return call_one(op_, {&input_sequence, &position}, {});
}

Tensor sequence_length(const Tensor& input_sequence) {
  static const OpDef& op_ = builtin_op("", "SequenceLength");
  return call_one(op_, {&input_sequence}, {});
}

Tensor concat_from_sequence(const Tensor& input_sequence, int64_t axis, int64_t new_axis) {
  static const OpDef& op_ = builtin_op("", "ConcatFromSequence");
  Attributes attributes_;
  attributes_.set("axis", axis);
  if (new_axis != 0) attributes_.set("new_axis", new_axis);
  return call_one(op_, {&input_sequence}, std::move(attributes_));
}

Tensor split_to_sequence(const Tensor& input, const Tensor& split, int64_t axis, int64_t keepdims) {
  static const OpDef& op_ = builtin_op("", "SplitToSequence");
  Attributes attributes_;
  if (axis != 0) attributes_.set("axis", axis);
  if (keepdims != 1) attributes_.set("keepdims", keepdims);
  return call_one(op_, {&input, &split}, std::move(attributes_));
}

std::vector<Tensor> sequence_map_outputs(int outputs, const Tensor& input_sequence,
    const std::shared_ptr<const Graph>& body, const std::vector<Tensor>& additional_inputs) {
  static const OpDef& op_ = builtin_op("", "SequenceMap");
  Attributes attributes_;
  attributes_.set("body", body);
  Operands operands_;
  operands_.add(input_sequence);
  operands_.add(additional_inputs);
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor optional(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "Optional");
  return call_one(op_, {&input}, {});
}

Tensor optional_get_element(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "OptionalGetElement");
  return call_one(op_, {&input}, {});
}

Tensor optional_has_element(const Tensor& input) {
  static const OpDef& op_ = builtin_op("", "OptionalHasElement");
  return call_one(op_, {&input}, {});
}

Tensor string_concat(const Tensor& x, const Tensor& y) {
  static const OpDef& op_ = builtin_op("", "StringConcat");
  return call_one(op_, {&x, &y}, {});
}

std::array<Tensor, 2> string_split(const Tensor& x, std::optional<std::string_view> delimiter,
    std::optional<int64_t> maxsplit) {
  static const OpDef& op_ = builtin_op("", "StringSplit");
  Attributes attributes_;
  if (delimiter.has_value()) attributes_.set("delimiter", *delimiter);
  if (maxsplit.has_value()) attributes_.set("maxsplit", *maxsplit);
  const Tensor* const operands_[] = {&x};
  return as_array<2>(call_many(op_, operands_, std::move(attributes_), 2));
}

Tensor string_normalizer(const Tensor& x, std::string_view case_change_action, int64_t is_case_sensitive,
    std::optional<std::string_view> locale, const std::vector<std::string>& stopwords) {
  static const OpDef& op_ = builtin_op("", "StringNormalizer");
  Attributes attributes_;
  if (case_change_action != "NONE") attributes_.set("case_change_action", case_change_action);
  if (is_case_sensitive != 0) attributes_.set("is_case_sensitive", is_case_sensitive);
  if (locale.has_value()) attributes_.set("locale", *locale);
  if (!stopwords.empty()) attributes_.set("stopwords", stopwords);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor regex_full_match(const Tensor& x, std::optional<std::string_view> pattern) {
  static const OpDef& op_ = builtin_op("", "RegexFullMatch");
  Attributes attributes_;
  if (pattern.has_value()) attributes_.set("pattern", *pattern);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor negative_log_likelihood_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
    std::optional<int64_t> ignore_index, std::string_view reduction) {
  static const OpDef& op_ = builtin_op("", "NegativeLogLikelihoodLoss");
  Attributes attributes_;
  if (ignore_index.has_value()) attributes_.set("ignore_index", *ignore_index);
  if (reduction != "mean") attributes_.set("reduction", reduction);
  return call_one(op_, {&input, &target, &weight}, std::move(attributes_));
}

Tensor softmax_cross_entropy_loss(const Tensor& scores, const Tensor& labels, const Tensor& weights,
    std::optional<int64_t> ignore_index, std::string_view reduction) {
  static const OpDef& op_ = builtin_op("", "SoftmaxCrossEntropyLoss");
  Attributes attributes_;
  if (ignore_index.has_value()) attributes_.set("ignore_index", *ignore_index);
  if (reduction != "mean") attributes_.set("reduction", reduction);
  return call_one(op_, {&scores, &labels, &weights}, std::move(attributes_));
}

std::vector<Tensor> softmax_cross_entropy_loss_outputs(int outputs, const Tensor& scores, const Tensor& labels,
    const Tensor& weights, std::optional<int64_t> ignore_index, std::string_view reduction) {
  static const OpDef& op_ = builtin_op("", "SoftmaxCrossEntropyLoss");
  Attributes attributes_;
  if (ignore_index.has_value()) attributes_.set("ignore_index", *ignore_index);
  if (reduction != "mean") attributes_.set("reduction", reduction);
  const Tensor* const operands_[] = {&scores, &labels, &weights};
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

Tensor center_crop_pad(const Tensor& input_data, const Tensor& shape, const std::vector<int64_t>& axes) {
  static const OpDef& op_ = builtin_op("", "CenterCropPad");
  Attributes attributes_;
  if (!axes.empty()) attributes_.set("axes", axes);
  return call_one(op_, {&input_data, &shape}, std::move(attributes_));
}

Tensor image_decoder(const Tensor& encoded_stream, std::string_view pixel_format) {
  static const OpDef& op_ = builtin_op("", "ImageDecoder");
  Attributes attributes_;
  if (pixel_format != "RGB") attributes_.set("pixel_format", pixel_format);
  return call_one(op_, {&encoded_stream}, std::move(attributes_));
}

Tensor non_max_suppression(const Tensor& boxes, const Tensor& scores, const Tensor& max_output_boxes_per_class,
    const Tensor& iou_threshold, const Tensor& score_threshold, int64_t center_point_box) {
  static const OpDef& op_ = builtin_op("", "NonMaxSuppression");
  Attributes attributes_;
  if (center_point_box != 0) attributes_.set("center_point_box", center_point_box);
  return call_one(op_, {&boxes, &scores, &max_output_boxes_per_class, &iou_threshold, &score_threshold}, std::move(attributes_));
}

Tensor roi_align(const Tensor& x, const Tensor& rois, const Tensor& batch_indices,
    std::string_view coordinate_transformation_mode, std::string_view mode, int64_t output_height,
    int64_t output_width, int64_t sampling_ratio, float spatial_scale) {
  static const OpDef& op_ = builtin_op("", "RoiAlign");
  Attributes attributes_;
  if (coordinate_transformation_mode != "half_pixel") attributes_.set("coordinate_transformation_mode", coordinate_transformation_mode);
  if (mode != "avg") attributes_.set("mode", mode);
  if (output_height != 1) attributes_.set("output_height", output_height);
  if (output_width != 1) attributes_.set("output_width", output_width);
  if (sampling_ratio != 0) attributes_.set("sampling_ratio", sampling_ratio);
  if (spatial_scale != 1.0f) attributes_.set("spatial_scale", spatial_scale);
  return call_one(op_, {&x, &rois, &batch_indices}, std::move(attributes_));
}

Tensor dft(const Tensor& input, const Tensor& dft_length, const Tensor& axis, int64_t inverse, int64_t onesided) {
  static const OpDef& op_ = builtin_op("", "DFT");
  Attributes attributes_;
  if (inverse != 0) attributes_.set("inverse", inverse);
  if (onesided != 0) attributes_.set("onesided", onesided);
  return call_one(op_, {&input, &dft_length, &axis}, std::move(attributes_));
}

Tensor stft(const Tensor& signal, const Tensor& frame_step, const Tensor& window, const Tensor& frame_length,
    int64_t onesided) {
  static const OpDef& op_ = builtin_op("", "STFT");
  Attributes attributes_;
  if (onesided != 1) attributes_.set("onesided", onesided);
  return call_one(op_, {&signal, &frame_step, &window, &frame_length}, std::move(attributes_));
}

Tensor hann_window(const Tensor& size, DType output_datatype, int64_t periodic) {
  static const OpDef& op_ = builtin_op("", "HannWindow");
  Attributes attributes_;
  if (output_datatype != DType::float32) attributes_.set("output_datatype", static_cast<int64_t>(output_datatype));
  if (periodic != 1) attributes_.set("periodic", periodic);
  return call_one(op_, {&size}, std::move(attributes_));
}

Tensor hamming_window(const Tensor& size, DType output_datatype, int64_t periodic) {
  static const OpDef& op_ = builtin_op("", "HammingWindow");
  Attributes attributes_;
  if (output_datatype != DType::float32) attributes_.set("output_datatype", static_cast<int64_t>(output_datatype));
  if (periodic != 1) attributes_.set("periodic", periodic);
  return call_one(op_, {&size}, std::move(attributes_));
}

Tensor blackman_window(const Tensor& size, DType output_datatype, int64_t periodic) {
  static const OpDef& op_ = builtin_op("", "BlackmanWindow");
  Attributes attributes_;
  if (output_datatype != DType::float32) attributes_.set("output_datatype", static_cast<int64_t>(output_datatype));
  if (periodic != 1) attributes_.set("periodic", periodic);
  return call_one(op_, {&size}, std::move(attributes_));
}

Tensor mel_weight_matrix(const Tensor& num_mel_bins, const Tensor& dft_length, const Tensor& sample_rate,
    const Tensor& lower_edge_hertz, const Tensor& upper_edge_hertz, DType output_datatype) {
  static const OpDef& op_ = builtin_op("", "MelWeightMatrix");
  Attributes attributes_;
  if (output_datatype != DType::float32) attributes_.set("output_datatype", static_cast<int64_t>(output_datatype));
  return call_one(op_, {&num_mel_bins, &dft_length, &sample_rate, &lower_edge_hertz, &upper_edge_hertz}, std::move(attributes_));
}

Tensor array_feature_extractor(const Tensor& x, const Tensor& y) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "ArrayFeatureExtractor");
  return call_one(op_, {&x, &y}, {});
}

Tensor binarizer(const Tensor& x, float threshold) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "Binarizer");
  Attributes attributes_;
  if (threshold != 0.0f) attributes_.set("threshold", threshold);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor cast_map(const Tensor& x, std::string_view cast_to, std::string_view map_form, int64_t max_map) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "CastMap");
  Attributes attributes_;
  if (cast_to != "TO_FLOAT") attributes_.set("cast_to", cast_to);
  if (map_form != "DENSE") attributes_.set("map_form", map_form);
  if (max_map != 1) attributes_.set("max_map", max_map);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor category_mapper(const Tensor& x, const std::vector<int64_t>& cats_int64s,
    const std::vector<std::string>& cats_strings, int64_t default_int64, std::string_view default_string) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "CategoryMapper");
  Attributes attributes_;
  if (!cats_int64s.empty()) attributes_.set("cats_int64s", cats_int64s);
  if (!cats_strings.empty()) attributes_.set("cats_strings", cats_strings);
  if (default_int64 != -1) attributes_.set("default_int64", default_int64);
  if (default_string != "_Unused") attributes_.set("default_string", default_string);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor dict_vectorizer(const Tensor& x, const std::vector<int64_t>& int64_vocabulary,
    const std::vector<std::string>& string_vocabulary) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "DictVectorizer");
  Attributes attributes_;
  if (!int64_vocabulary.empty()) attributes_.set("int64_vocabulary", int64_vocabulary);
  if (!string_vocabulary.empty()) attributes_.set("string_vocabulary", string_vocabulary);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor feature_vectorizer(const std::vector<Tensor>& x, const std::vector<int64_t>& inputdimensions) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "FeatureVectorizer");
  Attributes attributes_;
  if (!inputdimensions.empty()) attributes_.set("inputdimensions", inputdimensions);
  Operands operands_;
  operands_.add(x);
  return call_one(op_, operands_, std::move(attributes_));
}

Tensor imputer(const Tensor& x, const std::vector<float>& imputed_value_floats,
    const std::vector<int64_t>& imputed_value_int64s, float replaced_value_float, int64_t replaced_value_int64) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "Imputer");
  Attributes attributes_;
  if (!imputed_value_floats.empty()) attributes_.set("imputed_value_floats", imputed_value_floats);
  if (!imputed_value_int64s.empty()) attributes_.set("imputed_value_int64s", imputed_value_int64s);
  if (replaced_value_float != 0.0f) attributes_.set("replaced_value_float", replaced_value_float);
  if (replaced_value_int64 != 0) attributes_.set("replaced_value_int64", replaced_value_int64);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor label_encoder(const Tensor& x, float default_float, int64_t default_int64, std::string_view default_string,
    const Tensor& default_tensor, const std::vector<float>& keys_floats, const std::vector<int64_t>& keys_int64s,
    const std::vector<std::string>& keys_strings, const Tensor& keys_tensor, const std::vector<float>& values_floats,
    const std::vector<int64_t>& values_int64s, const std::vector<std::string>& values_strings,
    const Tensor& values_tensor) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "LabelEncoder");
  Attributes attributes_;
  if (default_float != -0.0f) attributes_.set("default_float", default_float);
  if (default_int64 != -1) attributes_.set("default_int64", default_int64);
  if (default_string != "_Unused") attributes_.set("default_string", default_string);
  if (default_tensor.defined()) attributes_.set("default_tensor", default_tensor.value());
  if (!keys_floats.empty()) attributes_.set("keys_floats", keys_floats);
  if (!keys_int64s.empty()) attributes_.set("keys_int64s", keys_int64s);
  if (!keys_strings.empty()) attributes_.set("keys_strings", keys_strings);
  if (keys_tensor.defined()) attributes_.set("keys_tensor", keys_tensor.value());
  if (!values_floats.empty()) attributes_.set("values_floats", values_floats);
  if (!values_int64s.empty()) attributes_.set("values_int64s", values_int64s);
  if (!values_strings.empty()) attributes_.set("values_strings", values_strings);
  if (values_tensor.defined()) attributes_.set("values_tensor", values_tensor.value());
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor normalizer(const Tensor& x, std::string_view norm) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "Normalizer");
  Attributes attributes_;
  if (norm != "MAX") attributes_.set("norm", norm);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor one_hot_encoder(const Tensor& x, const std::vector<int64_t>& cats_int64s,
    const std::vector<std::string>& cats_strings, int64_t zeros) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "OneHotEncoder");
  Attributes attributes_;
  if (!cats_int64s.empty()) attributes_.set("cats_int64s", cats_int64s);
  if (!cats_strings.empty()) attributes_.set("cats_strings", cats_strings);
  if (zeros != 1) attributes_.set("zeros", zeros);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor scaler(const Tensor& x, const std::vector<float>& offset, const std::vector<float>& scale) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "Scaler");
  Attributes attributes_;
  if (!offset.empty()) attributes_.set("offset", offset);
  if (!scale.empty()) attributes_.set("scale", scale);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor zip_map(const Tensor& x, const std::vector<int64_t>& classlabels_int64s,
    const std::vector<std::string>& classlabels_strings) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "ZipMap");
  Attributes attributes_;
  if (!classlabels_int64s.empty()) attributes_.set("classlabels_int64s", classlabels_int64s);
  if (!classlabels_strings.empty()) attributes_.set("classlabels_strings", classlabels_strings);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor tf_idf_vectorizer(const Tensor& x, int64_t max_gram_length, int64_t max_skip_count, int64_t min_gram_length,
    std::string_view mode, const std::vector<int64_t>& ngram_counts, const std::vector<int64_t>& ngram_indexes,
    const std::vector<int64_t>& pool_int64s, const std::vector<std::string>& pool_strings,
    const std::vector<float>& weights) {
  static const OpDef& op_ = builtin_op("", "TfIdfVectorizer");
  Attributes attributes_;
  attributes_.set("max_gram_length", max_gram_length);
  attributes_.set("max_skip_count", max_skip_count);
  attributes_.set("min_gram_length", min_gram_length);
  attributes_.set("mode", mode);
  attributes_.set("ngram_counts", ngram_counts);
  attributes_.set("ngram_indexes", ngram_indexes);
  if (!pool_int64s.empty()) attributes_.set("pool_int64s", pool_int64s);
  if (!pool_strings.empty()) attributes_.set("pool_strings", pool_strings);
  if (!weights.empty()) attributes_.set("weights", weights);
  return call_one(op_, {&x}, std::move(attributes_));
}

std::array<Tensor, 2> linear_classifier(const Tensor& x, const std::vector<float>& coefficients,
    const std::vector<int64_t>& classlabels_ints, const std::vector<std::string>& classlabels_strings,
    const std::vector<float>& intercepts, int64_t multi_class, std::string_view post_transform) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "LinearClassifier");
  Attributes attributes_;
  attributes_.set("coefficients", coefficients);
  if (!classlabels_ints.empty()) attributes_.set("classlabels_ints", classlabels_ints);
  if (!classlabels_strings.empty()) attributes_.set("classlabels_strings", classlabels_strings);
  if (!intercepts.empty()) attributes_.set("intercepts", intercepts);
  if (multi_class != 0) attributes_.set("multi_class", multi_class);
  if (post_transform != "NONE") attributes_.set("post_transform", post_transform);
  const Tensor* const operands_[] = {&x};
  return as_array<2>(call_many(op_, operands_, std::move(attributes_), 2));
}

Tensor linear_regressor(const Tensor& x, const std::vector<float>& coefficients, const std::vector<float>& intercepts,
    std::string_view post_transform, int64_t targets) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "LinearRegressor");
  Attributes attributes_;
  if (!coefficients.empty()) attributes_.set("coefficients", coefficients);
  if (!intercepts.empty()) attributes_.set("intercepts", intercepts);
  if (post_transform != "NONE") attributes_.set("post_transform", post_transform);
  if (targets != 1) attributes_.set("targets", targets);
  return call_one(op_, {&x}, std::move(attributes_));
}

std::array<Tensor, 2> svm_classifier(const Tensor& x, const std::vector<int64_t>& classlabels_ints,
    const std::vector<std::string>& classlabels_strings, const std::vector<float>& coefficients,
    const std::vector<float>& kernel_params, std::string_view kernel_type, std::string_view post_transform,
    const std::vector<float>& prob_a, const std::vector<float>& prob_b, const std::vector<float>& rho,
    const std::vector<float>& support_vectors, const std::vector<int64_t>& vectors_per_class) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "SVMClassifier");
  Attributes attributes_;
  if (!classlabels_ints.empty()) attributes_.set("classlabels_ints", classlabels_ints);
  if (!classlabels_strings.empty()) attributes_.set("classlabels_strings", classlabels_strings);
  if (!coefficients.empty()) attributes_.set("coefficients", coefficients);
  if (!kernel_params.empty()) attributes_.set("kernel_params", kernel_params);
  if (kernel_type != "LINEAR") attributes_.set("kernel_type", kernel_type);
  if (post_transform != "NONE") attributes_.set("post_transform", post_transform);
  if (!prob_a.empty()) attributes_.set("prob_a", prob_a);
  if (!prob_b.empty()) attributes_.set("prob_b", prob_b);
  if (!rho.empty()) attributes_.set("rho", rho);
  if (!support_vectors.empty()) attributes_.set("support_vectors", support_vectors);
  if (!vectors_per_class.empty()) attributes_.set("vectors_per_class", vectors_per_class);
  const Tensor* const operands_[] = {&x};
  return as_array<2>(call_many(op_, operands_, std::move(attributes_), 2));
}

Tensor svm_regressor(const Tensor& x, const std::vector<float>& coefficients, const std::vector<float>& kernel_params,
    std::string_view kernel_type, int64_t n_supports, int64_t one_class, std::string_view post_transform,
    const std::vector<float>& rho, const std::vector<float>& support_vectors) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "SVMRegressor");
  Attributes attributes_;
  if (!coefficients.empty()) attributes_.set("coefficients", coefficients);
  if (!kernel_params.empty()) attributes_.set("kernel_params", kernel_params);
  if (kernel_type != "LINEAR") attributes_.set("kernel_type", kernel_type);
  if (n_supports != 0) attributes_.set("n_supports", n_supports);
  if (one_class != 0) attributes_.set("one_class", one_class);
  if (post_transform != "NONE") attributes_.set("post_transform", post_transform);
  if (!rho.empty()) attributes_.set("rho", rho);
  if (!support_vectors.empty()) attributes_.set("support_vectors", support_vectors);
  return call_one(op_, {&x}, std::move(attributes_));
}

Tensor tree_ensemble(const Tensor& x, const std::vector<int64_t>& leaf_targetids, const Tensor& leaf_weights,
    const std::vector<int64_t>& nodes_falseleafs, const std::vector<int64_t>& nodes_falsenodeids,
    const std::vector<int64_t>& nodes_featureids, const Tensor& nodes_modes, const Tensor& nodes_splits,
    const std::vector<int64_t>& nodes_trueleafs, const std::vector<int64_t>& nodes_truenodeids,
    const std::vector<int64_t>& tree_roots, int64_t aggregate_function, const Tensor& membership_values,
    std::optional<int64_t> n_targets, const Tensor& nodes_hitrates,
    const std::vector<int64_t>& nodes_missing_value_tracks_true, int64_t post_transform) {
  static const OpDef& op_ = builtin_op("ai.onnx.ml", "TreeEnsemble");
  Attributes attributes_;
  attributes_.set("leaf_targetids", leaf_targetids);
  attributes_.set("leaf_weights", leaf_weights.value());
  attributes_.set("nodes_falseleafs", nodes_falseleafs);
  attributes_.set("nodes_falsenodeids", nodes_falsenodeids);
  attributes_.set("nodes_featureids", nodes_featureids);
  attributes_.set("nodes_modes", nodes_modes.value());
  attributes_.set("nodes_splits", nodes_splits.value());
  attributes_.set("nodes_trueleafs", nodes_trueleafs);
  attributes_.set("nodes_truenodeids", nodes_truenodeids);
  attributes_.set("tree_roots", tree_roots);
  if (aggregate_function != 1) attributes_.set("aggregate_function", aggregate_function);
  if (membership_values.defined()) attributes_.set("membership_values", membership_values.value());
  if (n_targets.has_value()) attributes_.set("n_targets", *n_targets);
  if (nodes_hitrates.defined()) attributes_.set("nodes_hitrates", nodes_hitrates.value());
  if (!nodes_missing_value_tracks_true.empty()) attributes_.set("nodes_missing_value_tracks_true", nodes_missing_value_tracks_true);
  if (post_transform != 0) attributes_.set("post_transform", post_transform);
  return call_one(op_, {&x}, std::move(attributes_));
}

std::vector<Tensor> adagrad_step_outputs(int outputs, const Tensor& r, const Tensor& t,
    const std::vector<Tensor>& inputs, float decay_factor, float epsilon, float norm_coefficient) {
  static const OpDef& op_ = builtin_op("ai.onnx.preview.training", "Adagrad");
  Attributes attributes_;
  if (decay_factor != 0.0f) attributes_.set("decay_factor", decay_factor);
  if (epsilon != 1e-06f) attributes_.set("epsilon", epsilon);
  if (norm_coefficient != 0.0f) attributes_.set("norm_coefficient", norm_coefficient);
  Operands operands_;
  operands_.add(r);
  operands_.add(t);
  operands_.add(inputs);
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

std::vector<Tensor> adam_step_outputs(int outputs, const Tensor& r, const Tensor& t,
    const std::vector<Tensor>& inputs, float alpha, float beta, float epsilon, float norm_coefficient,
    float norm_coefficient_post) {
  static const OpDef& op_ = builtin_op("ai.onnx.preview.training", "Adam");
  Attributes attributes_;
  if (alpha != 0.9f) attributes_.set("alpha", alpha);
  if (beta != 0.999f) attributes_.set("beta", beta);
  if (epsilon != 1e-06f) attributes_.set("epsilon", epsilon);
  if (norm_coefficient != 0.0f) attributes_.set("norm_coefficient", norm_coefficient);
  if (norm_coefficient_post != 0.0f) attributes_.set("norm_coefficient_post", norm_coefficient_post);
  Operands operands_;
  operands_.add(r);
  operands_.add(t);
  operands_.add(inputs);
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

std::vector<Tensor> momentum_step_outputs(int outputs, const Tensor& r, const Tensor& t,
    const std::vector<Tensor>& inputs, float alpha, float beta, std::string_view mode, float norm_coefficient) {
  static const OpDef& op_ = builtin_op("ai.onnx.preview.training", "Momentum");
  Attributes attributes_;
  attributes_.set("alpha", alpha);
  attributes_.set("beta", beta);
  attributes_.set("mode", mode);
  attributes_.set("norm_coefficient", norm_coefficient);
  Operands operands_;
  operands_.add(r);
  operands_.add(t);
  operands_.add(inputs);
  return call_many(op_, operands_, std::move(attributes_), outputs);
}

}  // namespace chorus
