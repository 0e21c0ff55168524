// Written by chorus-gen from the operator table: do not edit. One function per operator; a second one, named _outputs, where
// outputs may be left out or their number varies (`outputs` is how many are wanted). Empty Tensors are omitted operands.
// All throw Error naming operator, operand and values for operands that do not fit.
#pragma once
#include <chorus/tensor.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chorus {

class Graph;

/// a + b, element by element with broadcasting. Integers wrap.
/// Add-14. Operands of different types are promoted to a common one.
CHORUS_API Tensor add(const Tensor& a, const Tensor& b);

/// a - b, element by element with broadcasting. Integers wrap.
/// Sub-14. Operands of different types are promoted to a common one.
CHORUS_API Tensor sub(const Tensor& a, const Tensor& b);

/// a · b, element by element with broadcasting. Integers wrap.
/// Mul-14. Operands of different types are promoted to a common one.
CHORUS_API Tensor mul(const Tensor& a, const Tensor& b);

/// a / b, element by element with broadcasting. Integers are rounded toward zero; an integer divisor 0 is an error, the
/// smallest integer by -1 wraps.
/// Div-14. Operands of different types are promoted to a common one.
CHORUS_API Tensor div(const Tensor& a, const Tensor& b);

/// Remainder of a / b. fmod=0: a - floor(a / b) · b, with the sign of b (Python's %); fmod=1: a - trunc(a / b) · b,
/// with the sign of a (C's fmod). An integer divisor 0 is an error.
/// Mod-28. Operands of different types are promoted to a common one.
CHORUS_API Tensor mod(const Tensor& a, const Tensor& b, int64_t fmod = 0);

/// x to the power y, of x's type; the exponent may have another type. Integers raised to negative powers are rounded
/// toward zero.
/// Pow-15.
CHORUS_API Tensor pow(const Tensor& x, const Tensor& y);

/// The largest of all operands at each element, with broadcasting; NaN where one of them is NaN.
/// Max-13. Operands of different types are promoted to a common one.
CHORUS_API Tensor maximum(const std::vector<Tensor>& data_0);

/// The smallest of all operands at each element, with broadcasting; NaN where one of them is NaN.
/// Min-13. Operands of different types are promoted to a common one.
CHORUS_API Tensor minimum(const std::vector<Tensor>& data_0);

/// Sum of all operands, element by element with broadcasting.
/// Sum-13. Operands of different types are promoted to a common one.
CHORUS_API Tensor add_n(const std::vector<Tensor>& data_0);

/// Mean of all operands, element by element with broadcasting.
/// Mean-13. Operands of different types are promoted to a common one.
CHORUS_API Tensor mean_n(const std::vector<Tensor>& data_0);

/// True where both operands are true.
/// And-7.
CHORUS_API Tensor logical_and(const Tensor& a, const Tensor& b);

/// True where one of the operands or both are true.
/// Or-7.
CHORUS_API Tensor logical_or(const Tensor& a, const Tensor& b);

/// True where exactly one of the operands is true.
/// Xor-7.
CHORUS_API Tensor logical_xor(const Tensor& a, const Tensor& b);

/// True where a = b; NaN equals nothing, -0 equals 0. Strings are compared byte by byte.
/// Equal-19. Operands of different types are promoted to a common one.
CHORUS_API Tensor equal(const Tensor& a, const Tensor& b);

/// True where a < b; false with NaN.
/// Less-13. Operands of different types are promoted to a common one.
CHORUS_API Tensor less(const Tensor& a, const Tensor& b);

/// True where a ≤ b; false with NaN.
/// LessOrEqual-16. Operands of different types are promoted to a common one.
CHORUS_API Tensor less_equal(const Tensor& a, const Tensor& b);

/// True where a > b; false with NaN.
/// Greater-13. Operands of different types are promoted to a common one.
CHORUS_API Tensor greater(const Tensor& a, const Tensor& b);

/// True where a ≥ b; false with NaN.
/// GreaterOrEqual-16. Operands of different types are promoted to a common one.
CHORUS_API Tensor greater_equal(const Tensor& a, const Tensor& b);

/// x shifted by y bits. LEFT fills with zeros; RIGHT fills with zeros, of signed types with the sign. Amounts that are
/// negative or not below the width of the type leave only the fill.
/// BitShift-28. Operands of different types are promoted to a common one.
CHORUS_API Tensor bit_shift(const Tensor& x, const Tensor& y, std::string_view direction);

/// Bits that are set in both operands.
/// BitwiseAnd-18. Operands of different types are promoted to a common one.
CHORUS_API Tensor bitwise_and(const Tensor& a, const Tensor& b);

/// Bits that are set in one of the operands or in both.
/// BitwiseOr-18. Operands of different types are promoted to a common one.
CHORUS_API Tensor bitwise_or(const Tensor& a, const Tensor& b);

/// Bits that are set in exactly one of the operands.
/// BitwiseXor-18. Operands of different types are promoted to a common one.
CHORUS_API Tensor bitwise_xor(const Tensor& a, const Tensor& b);

/// x where x ≥ 0, slope · x below; slope broadcasts to the shape of x.
/// PRelu-16.
CHORUS_API Tensor prelu(const Tensor& x, const Tensor& slope);

/// x where the condition is true, y elsewhere; all three broadcast.
/// Where-16. Operands of different types are promoted to a common one.
CHORUS_API Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y);

/// |x|. The smallest integer of a type stays as it is.
/// Abs-13.
CHORUS_API Tensor abs(const Tensor& x);

/// -x. The smallest integer of a type stays as it is.
/// Neg-13.
CHORUS_API Tensor neg(const Tensor& x);

/// The smallest whole number that is not below x.
/// Ceil-13.
CHORUS_API Tensor ceil(const Tensor& x);

/// The largest whole number that is not above x.
/// Floor-13.
CHORUS_API Tensor floor(const Tensor& x);

/// The nearest whole number, of two equally near ones the even one.
/// Round-22.
CHORUS_API Tensor round(const Tensor& x);

/// √x; NaN below 0.
/// Sqrt-13.
CHORUS_API Tensor sqrt(const Tensor& x);

/// 1 / x.
/// Reciprocal-13.
CHORUS_API Tensor reciprocal(const Tensor& x);

/// e to the power x.
/// Exp-13. Integers are computed as float32.
CHORUS_API Tensor exp(const Tensor& input);

/// Natural logarithm of x; -∞ at 0, NaN below.
/// Log-13. Integers are computed as float32.
CHORUS_API Tensor log(const Tensor& input);

/// Sine of x in radians.
/// Sin-22. Integers are computed as float32.
CHORUS_API Tensor sin(const Tensor& input);

/// Cosine of x in radians.
/// Cos-22. Integers are computed as float32.
CHORUS_API Tensor cos(const Tensor& input);

/// Tangent of x in radians.
/// Tan-22. Integers are computed as float32.
CHORUS_API Tensor tan(const Tensor& input);

/// Arc sine of x in radians, in [-π/2, π/2]; NaN outside [-1, 1].
/// Asin-22. Integers are computed as float32.
CHORUS_API Tensor asin(const Tensor& input);

/// Arc cosine of x in radians, in [0, π]; NaN outside [-1, 1].
/// Acos-22. Integers are computed as float32.
CHORUS_API Tensor acos(const Tensor& input);

/// Arc tangent of x in radians, in [-π/2, π/2].
/// Atan-22. Integers are computed as float32.
CHORUS_API Tensor atan(const Tensor& input);

/// Hyperbolic sine of x.
/// Sinh-22. Integers are computed as float32.
CHORUS_API Tensor sinh(const Tensor& input);

/// Hyperbolic cosine of x.
/// Cosh-22. Integers are computed as float32.
CHORUS_API Tensor cosh(const Tensor& input);

/// Inverse of the hyperbolic sine.
/// Asinh-22. Integers are computed as float32.
CHORUS_API Tensor asinh(const Tensor& input);

/// Inverse of the hyperbolic cosine, not negative; NaN below 1.
/// Acosh-22. Integers are computed as float32.
CHORUS_API Tensor acosh(const Tensor& input);

/// Inverse of the hyperbolic tangent; ±∞ at ±1, NaN outside [-1, 1].
/// Atanh-22. Integers are computed as float32.
CHORUS_API Tensor atanh(const Tensor& input);

/// Gauss error function, 2/√π times the integral of exp(-t²) from 0 to x.
/// Erf-13. Integers are computed as float32.
CHORUS_API Tensor erf(const Tensor& input);

/// 1, 0 or -1 as x is above, at or below 0; NaN stays.
/// Sign-13.
CHORUS_API Tensor sign(const Tensor& input);

/// True where x is not a number.
/// IsNaN-20.
CHORUS_API Tensor isnan(const Tensor& x);

/// True where x is ∞ (with detect_positive=1) or -∞ (with detect_negative=1).
/// IsInf-20.
CHORUS_API Tensor isinf(const Tensor& x, int64_t detect_negative = 1, int64_t detect_positive = 1);

/// True where x is false.
/// Not-1.
CHORUS_API Tensor logical_not(const Tensor& x);

/// All bits turned over.
/// BitwiseNot-18.
CHORUS_API Tensor bitwise_not(const Tensor& x);

/// The operand itself, of any kind.
/// Identity-25.
CHORUS_API Tensor identity(const Tensor& input);

/// max(x, 0).
/// Relu-14.
CHORUS_API Tensor relu(const Tensor& x);

/// x where x ≥ 0, alpha · x below.
/// LeakyRelu-16.
CHORUS_API Tensor leaky_relu(const Tensor& x, float alpha = 0.01f);

/// x where x ≥ 0, alpha · (exp(x) - 1) below.
/// Elu-22.
CHORUS_API Tensor elu(const Tensor& x, float alpha = 1.0f);

/// gamma · x where x ≥ 0, gamma · alpha · (exp(x) - 1) below.
/// Selu-22.
CHORUS_API Tensor selu(const Tensor& x, float alpha = 1.6732632f, float gamma = 1.050701f);

/// max(x, 0) + min(alpha · (exp(x / alpha) - 1), 0).
/// Celu-28.
CHORUS_API Tensor celu(const Tensor& x, float alpha = 1.0f);

/// 1 / (1 + exp(-x)).
/// Sigmoid-13.
CHORUS_API Tensor sigmoid(const Tensor& x);

/// alpha · x + beta, cut to [0, 1].
/// HardSigmoid-22.
CHORUS_API Tensor hard_sigmoid(const Tensor& x, float alpha = 0.2f, float beta = 0.5f);

/// x · (x / 6 + 1/2 cut to [0, 1]).
/// HardSwish-22.
CHORUS_API Tensor hard_swish(const Tensor& x);

/// Hyperbolic tangent of x.
/// Tanh-13. Integers are computed as float32.
CHORUS_API Tensor tanh(const Tensor& input);

/// log(1 + exp(x)), without overflow.
/// Softplus-22.
CHORUS_API Tensor softplus(const Tensor& x);

/// x / (1 + |x|).
/// Softsign-22.
CHORUS_API Tensor softsign(const Tensor& input);

/// x where x > alpha, 0 elsewhere.
/// ThresholdedRelu-22.
CHORUS_API Tensor thresholded_relu(const Tensor& x, float alpha = 1.0f);

/// x · Φ(x) with the normal distribution's Φ: x/2 · (1 + erf(x / √2)); with approximate='tanh': x/2 · (1 +
/// tanh(√(2/π) · (x + 0.044715 x³))).
/// Gelu-20.
CHORUS_API Tensor gelu(const Tensor& x, std::string_view approximate = "none");

/// x · tanh(log(1 + exp(x))).
/// Mish-22.
CHORUS_API Tensor mish(const Tensor& x);

/// x · sigmoid(alpha · x).
/// Swish-24.
CHORUS_API Tensor swish(const Tensor& x, float alpha = 1.0f);

/// a · sigmoid(alpha · a) · b of two operands of one shape: the gate a and the value b.
/// SwiGLU-28.
CHORUS_API Tensor swiglu(const Tensor& a, const Tensor& b, float alpha = 1.0f);

/// x + bias where x < -lambd, x - bias where x > lambd, 0 between.
/// Shrink-9.
CHORUS_API Tensor shrink(const Tensor& input, float bias = 0.0f, float lambd = 0.5f);

/// x, not below min and not above max; where min > max the result is max. NaN stays.
/// Clip-13.
CHORUS_API Tensor clip(const Tensor& input, const Tensor& min = {}, const Tensor& max = {});

/// In training (training_mode true): each element is 0 with probability ratio, else x / (1 - ratio); mask says which
/// were kept. Otherwise x itself and a mask of true.
/// Dropout-22.
CHORUS_API Tensor dropout(const Tensor& data, const Tensor& ratio = {}, const Tensor& training_mode = {},
    std::optional<int64_t> seed = {});
CHORUS_API std::vector<Tensor> dropout_outputs(int outputs, const Tensor& data, const Tensor& ratio = {},
    const Tensor& training_mode = {}, std::optional<int64_t> seed = {});

/// Sum of |x| over the axes; 0 of nothing.
/// ReduceL1-18.
CHORUS_API Tensor reduce_l1(const Tensor& data, const Tensor& axes = {}, int64_t keepdims = 0,
    int64_t noop_with_empty_axes = 0);

/// √ of the sum of x² over the axes; 0 of nothing.
/// ReduceL2-18.
CHORUS_API Tensor reduce_l2(const Tensor& data, const Tensor& axes = {}, int64_t keepdims = 0,
    int64_t noop_with_empty_axes = 0);

/// Logarithm of the sum of x over the axes; -∞ of nothing.
/// ReduceLogSum-28. Integers are computed as float32.
CHORUS_API Tensor reduce_log_sum(const Tensor& data, const Tensor& axes = {}, int64_t keepdims = 0,
    int64_t noop_with_empty_axes = 0);

/// Logarithm of the sum of exp(x) over the axes, without overflow; -∞ of nothing.
/// ReduceLogSumExp-28. Integers are computed as float32.
CHORUS_API Tensor reduce_log_sum_exp(const Tensor& data, const Tensor& axes = {}, int64_t keepdims = 0,
    int64_t noop_with_empty_axes = 0);

/// The largest element over the axes, NaN if there is one; the lowest value of the type of nothing.
/// ReduceMax-20.
CHORUS_API Tensor max(const Tensor& data, const Tensor& axes = {}, int64_t keepdims = 0,
    int64_t noop_with_empty_axes = 0);

/// Mean of x over the axes; of integers rounded toward zero.
/// ReduceMean-18. Integers are computed as float32.
CHORUS_API Tensor mean(const Tensor& data, const Tensor& axes = {}, int64_t keepdims = 0,
    int64_t noop_with_empty_axes = 0);

/// The smallest element over the axes, NaN if there is one; the highest value of the type of nothing.
/// ReduceMin-20.
CHORUS_API Tensor min(const Tensor& data, const Tensor& axes = {}, int64_t keepdims = 0,
    int64_t noop_with_empty_axes = 0);

/// Product of x over the axes; 1 of nothing. Integers wrap.
/// ReduceProd-18. Integers and bools are summed as int64.
CHORUS_API Tensor prod(const Tensor& data, const Tensor& axes = {}, int64_t keepdims = 0,
    int64_t noop_with_empty_axes = 0);

/// Sum of x over the axes; 0 of nothing. Integers wrap.
/// ReduceSum-13. Integers and bools are summed as int64.
CHORUS_API Tensor sum(const Tensor& data, const Tensor& axes = {}, int64_t keepdims = 0,
    int64_t noop_with_empty_axes = 0);

/// Sum of x² over the axes; 0 of nothing.
/// ReduceSumSquare-18.
CHORUS_API Tensor reduce_sum_square(const Tensor& data, const Tensor& axes = {}, int64_t keepdims = 0,
    int64_t noop_with_empty_axes = 0);

/// Index of the first (select_last_index=1: last) largest element along the axis; NaN counts as largest.
/// ArgMax-13.
CHORUS_API Tensor argmax(const Tensor& data, int64_t axis = 0, int64_t keepdims = 0, int64_t select_last_index = 0);

/// Index of the first (select_last_index=1: last) smallest element along the axis; NaN counts as smallest.
/// ArgMin-13.
CHORUS_API Tensor argmin(const Tensor& data, int64_t axis = 0, int64_t keepdims = 0, int64_t select_last_index = 0);

/// y[i] = x[0] + … + x[i] along the axis; exclusive=1 leaves x[i] out (and begins with 0), reverse=1 counts from the
/// end.
/// CumSum-14.
CHORUS_API Tensor cumsum(const Tensor& x, const Tensor& axis, int64_t exclusive = 0, int64_t reverse = 0);

/// y[i] = x[0] · … · x[i] along the axis; exclusive=1 leaves x[i] out (and begins with 1), reverse=1 counts from
/// the end.
/// CumProd-26.
CHORUS_API Tensor cumprod(const Tensor& x, const Tensor& axis, int64_t exclusive = 0, int64_t reverse = 0);

/// The K largest (largest=0: smallest) elements along the axis in order, and their indices; of equal ones the first
/// comes first. NaN counts as largest.
/// TopK-24.
CHORUS_API std::array<Tensor, 2> topk(const Tensor& x, const Tensor& k, int64_t axis = -1, int64_t largest = 1,
    int64_t sorted = 1);

/// 1 at the first largest element along the axis, 0 elsewhere.
/// Hardmax-13.
CHORUS_API Tensor hardmax(const Tensor& input, int64_t axis = -1);

/// The elements of `data` in row-major order under a new shape. 0 in `shape` copies the extent at that place (with
/// allowzero=1 it means an extent of zero), one -1 is inferred from the number of elements. data [...]; shape [r]
/// int64; result of rank r.
/// Reshape-25.
CHORUS_API Tensor reshape(const Tensor& data, const Tensor& shape, int64_t allowzero = 0);

/// A matrix [d0*...*d(axis-1), d(axis)*...]: the axes before `axis` (default 1, in [-r, r]) become rows, the others
/// columns.
/// Flatten-25.
CHORUS_API Tensor flatten(const Tensor& input, int64_t axis = 1);

/// Removes axes of extent 1: those in `axes` (negative ones count from the end), or all of them when `axes` is omitted.
/// Squeeze-25.
CHORUS_API Tensor squeeze(const Tensor& data, const Tensor& axes = {});

/// Inserts axes of extent 1 so that they stand at the positions `axes` of the result (negative ones count from its
/// end).
/// Unsqueeze-25.
CHORUS_API Tensor unsqueeze(const Tensor& data, const Tensor& axes);

/// The extents of `data` as int64 [end - start]; start (default 0) and end (default: rank) may be negative and are
/// clamped to [0, rank].
/// Shape-25.
CHORUS_API Tensor shape(const Tensor& data, std::optional<int64_t> end = {}, int64_t start = 0);

/// The number of elements of `data` as an int64 scalar.
/// Size-25.
CHORUS_API Tensor size(const Tensor& data);

/// Permutes the axes: axis i of the result is axis perm[i] of `data`; without `perm` the order is reversed.
/// Transpose-25.
CHORUS_API Tensor transpose(const Tensor& data, const std::vector<int64_t>& perm = {});

/// Joins tensors along `axis`; all other extents are equal. Extent of the result there: the sum.
/// Concat-13.
CHORUS_API Tensor concat(const std::vector<Tensor>& inputs, int64_t axis);

/// Cuts `input` along `axis` into the lengths `split`, or into num_outputs parts of ceil(d / num_outputs), the last one
/// smaller.
/// Split-18.
CHORUS_API std::vector<Tensor> split_outputs(int outputs, const Tensor& input, const Tensor& split = {},
    int64_t axis = 0, std::optional<int64_t> num_outputs = {});

/// Every steps[i]-th element of axis axes[i] from starts[i] to ends[i] (not included), clamped as NumPy does it;
/// negative indices count from the end, negative steps go backwards. Defaults: axes 0, 1, ..., steps 1.
/// Slice-13.
CHORUS_API Tensor slice(const Tensor& data, const Tensor& starts, const Tensor& ends, const Tensor& axes = {},
    const Tensor& steps = {});

/// Broadcasts `input` with `shape` in both directions, as NumPy: an extent of 1 on either side takes the other's.
/// Expand-13.
CHORUS_API Tensor expand(const Tensor& input, const Tensor& shape);

/// Repeats `input` repeats[i] times along axis i: result extent d_i * repeats[i].
/// Tile-13.
CHORUS_API Tensor tile(const Tensor& input, const Tensor& repeats);

/// Adds pads[i] elements before and pads[i + n] behind axis axes[i] (all axes by default); negative numbers cut. mode
/// constant: constant_value (default 0); reflect: mirrored without the border element; edge: the border element; wrap:
/// periodic.
/// Pad-25.
CHORUS_API Tensor pad(const Tensor& data, const Tensor& pads, const Tensor& constant_value = {},
    const Tensor& axes = {}, std::string_view mode = "constant");

/// Moves channels into blocks of blocksize x blocksize pixels: [N, C, H, W] -> [N, C/b^2, H*b, W*b]. Channel order DCR:
/// (row, column, c); CRD: (c, row, column).
/// DepthToSpace-28.
CHORUS_API Tensor depth_to_space(const Tensor& input, int64_t blocksize, std::string_view mode = "DCR");

/// Moves blocks of blocksize x blocksize pixels into channels: [N, C, H, W] -> [N, C*b^2, H/b, W/b]; the inverse of
/// DepthToSpace.
/// SpaceToDepth-28.
CHORUS_API Tensor space_to_depth(const Tensor& input, int64_t blocksize, std::string_view mode = "DCR");

/// Reverses the first sequence_lens[i] steps of sample i, the rest stays. One of batch_axis and time_axis is 0, the
/// other 1.
/// ReverseSequence-28.
CHORUS_API Tensor reverse_sequence(const Tensor& input, const Tensor& sequence_lens, int64_t batch_axis = 1,
    int64_t time_axis = 0);

/// Keeps the upper (upper=1) or lower triangle of the matrices in the last two axes, zeros elsewhere; k > 0 moves the
/// diagonal right.
/// Trilu-14.
CHORUS_API Tensor trilu(const Tensor& input, const Tensor& k = {}, int64_t upper = 1);

/// Slices of `data` along `axis` at `indices` (negative ones count from the end): result shape data[:axis] + indices +
/// data[axis+1:]. An index out of range is an error.
/// Gather-13.
CHORUS_API Tensor gather(const Tensor& data, const Tensor& indices, int64_t axis = 0);

/// result[i][j]... = data[indices[i][j]...][j]... along `axis`; data and indices have the same rank, the result has the
/// shape of indices.
/// GatherElements-13.
CHORUS_API Tensor gather_elements(const Tensor& data, const Tensor& indices, int64_t axis = 0);

/// The last axis of `indices` holds tuples that index the axes of `data` behind the first batch_dims: result shape
/// indices[:-1] + data[batch_dims + k:].
/// GatherND-13.
CHORUS_API Tensor gather_nd(const Tensor& data, const Tensor& indices, int64_t batch_dims = 0);

/// A copy of `data` in which data[indices[i][j]...][j]... along `axis` is replaced by, or combined (reduction add, mul,
/// min, max) with updates[i][j]... Several updates of one place are applied in order.
/// ScatterElements-18.
CHORUS_API Tensor scatter_elements(const Tensor& data, const Tensor& indices, const Tensor& updates, int64_t axis = 0,
    std::string_view reduction = "none");

/// A copy of `data` in which the slices at the tuples in the last axis of `indices` are replaced by, or combined
/// (reduction) with those of `updates`.
/// ScatterND-18.
CHORUS_API Tensor scatter_nd(const Tensor& data, const Tensor& indices, const Tensor& updates,
    std::string_view reduction = "none");

/// A copy of `past_cache` [batch, ..., max, ...] in which the steps write_indices[b] + 0, 1, ... of `axis` are those of
/// `update`; mode circular wraps around, linear refuses to pass the end.
/// TensorScatter-24.
CHORUS_API Tensor tensor_scatter(const Tensor& past_cache, const Tensor& update, const Tensor& write_indices = {},
    int64_t axis = -2, std::string_view mode = "linear");

/// A new axis of extent depth: values[1] where its index equals the element of `indices` (negative ones count from the
/// end), values[0] elsewhere and everywhere for indices outside of [-depth, depth - 1].
/// OneHot-28.
CHORUS_API Tensor one_hot(const Tensor& indices, const Tensor& depth, const Tensor& values, int64_t axis = -1);

/// Indices of the elements that are not zero, in row-major order: int64 [rank, number]. NaN is not zero.
/// NonZero-13.
CHORUS_API Tensor non_zero(const Tensor& x);

/// The slices along `axis` where `condition` is true; without `axis` the elements of the flattened input. A shorter
/// condition leaves the rest out.
/// Compress-28.
CHORUS_API Tensor compress(const Tensor& input, const Tensor& condition, std::optional<int64_t> axis = {});

/// The different elements (or slices along `axis`), in rising order or (sorted=0) in that of first appearance; where
/// each first appears, which of them each input element is, and how often each appears. NaNs are one element, behind
/// all others.
/// Unique-28.
CHORUS_API Tensor unique(const Tensor& x, std::optional<int64_t> axis = {}, int64_t sorted = 1);
CHORUS_API std::vector<Tensor> unique_outputs(int outputs, const Tensor& x, std::optional<int64_t> axis = {},
    int64_t sorted = 1);

/// A tensor of the given shape, each element `value` (default float32 0).
/// ConstantOfShape-25.
CHORUS_API Tensor constant_of_shape(const Tensor& input, const Tensor& value = {});

/// start, start + delta, start + 2 delta … below limit (above it, when delta is negative): max(⌈(limit - start) /
/// delta⌉, 0) elements.
/// Range-27.
CHORUS_API Tensor range(const Tensor& start, const Tensor& limit, const Tensor& delta,
    DType stash_type = DType::float32);

/// A matrix of the operand's shape with 1 on the k-th diagonal above the main one (below, for negative k), 0 elsewhere.
/// EyeLike-22.
CHORUS_API Tensor eye_like(const Tensor& input, DType dtype = DType::undefined, int64_t k = 0);

/// Numbers of the normal distribution with the given mean and standard deviation.
/// RandomNormal-22.
CHORUS_API Tensor random_normal(const std::vector<int64_t>& shape, DType dtype = DType::float32, float mean = 0.0f,
    float scale = 1.0f, std::optional<float> seed = {});

/// Numbers of the normal distribution, in the shape of the operand.
/// RandomNormalLike-22.
CHORUS_API Tensor random_normal_like(const Tensor& input, DType dtype = DType::undefined, float mean = 0.0f,
    float scale = 1.0f, std::optional<float> seed = {});

/// Numbers uniform in [low, high).
/// RandomUniform-22.
CHORUS_API Tensor random_uniform(const std::vector<int64_t>& shape, DType dtype = DType::float32, float high = 1.0f,
    float low = 0.0f, std::optional<float> seed = {});

/// Numbers uniform in [low, high), in the shape of the operand.
/// RandomUniformLike-22.
CHORUS_API Tensor random_uniform_like(const Tensor& input, DType dtype = DType::undefined, float high = 1.0f,
    float low = 0.0f, std::optional<float> seed = {});

/// Indices drawn with the probabilities softmax(row) of each row of the [batch, classes] operand: [batch, sample_size].
/// Multinomial-22.
CHORUS_API Tensor multinomial(const Tensor& input, DType dtype = DType::int32, int64_t sample_size = 1,
    std::optional<float> seed = {});

/// 1 with the probability that the operand gives, else 0.
/// Bernoulli-22.
CHORUS_API Tensor bernoulli(const Tensor& input, DType dtype = DType::undefined, std::optional<float> seed = {});

/// x with element type `to`. Floats are rounded to nearest even; to integers they are cut toward zero. To float8 and
/// smaller, values out of range become the largest number (saturate=1) or infinity or NaN. Strings are read and written
/// as decimal numbers.
/// Cast-28.
CHORUS_API Tensor cast(const Tensor& input, DType to, std::string_view round_mode = "up", int64_t saturate = 1);

/// x cast to the element type of the second operand.
/// CastLike-25.
CHORUS_API Tensor cast_like(const Tensor& input, const Tensor& target_type, std::string_view round_mode = "up",
    int64_t saturate = 1);

/// The same bits taken for elements of another type of the same width.
/// BitCast-26.
CHORUS_API Tensor bit_cast(const Tensor& input, DType to);

/// Real and imaginary parts in a last dimension of extent 2.
/// ViewAsReal-1.
CHORUS_API Tensor view_as_real(const Tensor& input);

/// Complex numbers from a last dimension of extent 2: real and imaginary part.
/// ViewAsComplex-1.
CHORUS_API Tensor view_as_complex(const Tensor& input);

/// round(x / y_scale) + y_zero_point, rounded to nearest even and cut to the range of the result's type, which is that
/// of y_zero_point or output_dtype (default uint8). Scales are one number, one per index of `axis`, or one per block.
/// QuantizeLinear-28.
CHORUS_API Tensor quantize_linear(const Tensor& x, const Tensor& y_scale, const Tensor& y_zero_point = {},
    int64_t axis = 1, int64_t block_size = 0, DType output_dtype = DType::undefined, int64_t precision = 0,
    int64_t saturate = 1);

/// (x - x_zero_point) · x_scale, in the type of the scale or output_dtype; scales as for QuantizeLinear.
/// DequantizeLinear-28.
CHORUS_API Tensor dequantize_linear(const Tensor& x, const Tensor& x_scale, const Tensor& x_zero_point = {},
    int64_t axis = 1, int64_t block_size = 0, DType output_dtype = DType::undefined);

/// x as uint8 with a scale and a zero point computed from its range, which is widened to hold 0.
/// DynamicQuantizeLinear-11.
CHORUS_API std::array<Tensor, 3> dynamic_quantize_linear(const Tensor& x);

/// Product of matrices as numpy.matmul: A [..., m, k] by B [..., k, n] is Y [..., m, n], the leading axes broadcast. A
/// vector on the left is a row, on the right a column; the result lacks its axis.
/// MatMul-13. Operands of different types are promoted to a common one.
CHORUS_API Tensor matmul(const Tensor& a, const Tensor& b);

/// Y [m, n] = alpha * A' B' + beta * C, where A' [m, k] is A or, with transA=1, its transpose, B' [k, n] likewise; C
/// broadcasts to [m, n].
/// Gemm-13.
CHORUS_API Tensor gemm(const Tensor& a, const Tensor& b, const Tensor& c = {}, float alpha = 1.0f, float beta = 1.0f,
    int64_t trans_a = 0, int64_t trans_b = 0);

/// MatMul of (A - a_zero_point) and (B - b_zero_point) in int32. Zero points: one number, one per row of A, one per
/// column of B, or tensors that broadcast.
/// MatMulInteger-10.
CHORUS_API Tensor matmul_integer(const Tensor& a, const Tensor& b, const Tensor& a_zero_point = {},
    const Tensor& b_zero_point = {});

/// MatMul of (a - a_zero_point) * a_scale and (b - b_zero_point) * b_scale, divided by y_scale, rounded half to even,
/// plus y_zero_point, saturated to the type of y_zero_point. Scales and zero points of a: one or one per row, of b: one
/// or one per column.
/// QLinearMatMul-21.
CHORUS_API Tensor qlinear_matmul(const Tensor& a, const Tensor& a_scale, const Tensor& a_zero_point, const Tensor& b,
    const Tensor& b_scale, const Tensor& b_zero_point, const Tensor& y_scale, const Tensor& y_zero_point);

/// Sum of products over the labels that the result lacks (numpy.einsum): each operand's axes are named by letters,
/// '...' stands for the axes in between, which broadcast; without '->' the result has the letters that occur once, in
/// alphabetical order.
/// Einsum-28.
CHORUS_API Tensor einsum(const std::vector<Tensor>& inputs, std::string_view equation);

/// Determinant of each matrix of X [..., n, n]; Y [...]. Of an empty matrix: 1.
/// Det-22.
CHORUS_API Tensor det(const Tensor& x);

/// Cross-correlation: Y[n, m, o] = B[m] + sum over c, k of X[n, c, o * stride - pad + k * dilation] * W[m, c, k]. X [n,
/// c, d1 …], W [m, c / group, k1 …], B [m]; output extent floor((d + pads - dilation * (k - 1) - 1) / stride) + 1,
/// with auto_pad SAME_* ceil(d / stride).
/// Conv-22.
CHORUS_API Tensor conv(const Tensor& x, const Tensor& w, const Tensor& b = {}, std::string_view auto_pad = "NOTSET",
    const std::vector<int64_t>& dilations = {}, int64_t group = 1, const std::vector<int64_t>& kernel_shape = {},
    const std::vector<int64_t>& pads = {}, const std::vector<int64_t>& strides = {});

/// Gradient of Conv with respect to its input, as an operator: every input element spreads W over the output. X [n, c,
/// d1 …], W [c, m / group, k1 …]; output extent stride * (d - 1) + output_padding + dilation * (k - 1) + 1 - pads,
/// or output_shape, which then decides the pads.
/// ConvTranspose-22.
CHORUS_API Tensor conv_transpose(const Tensor& x, const Tensor& w, const Tensor& b = {},
    std::string_view auto_pad = "NOTSET", const std::vector<int64_t>& dilations = {}, int64_t group = 1,
    const std::vector<int64_t>& kernel_shape = {}, const std::vector<int64_t>& output_padding = {},
    const std::vector<int64_t>& output_shape = {}, const std::vector<int64_t>& pads = {},
    const std::vector<int64_t>& strides = {});

/// Conv of x - x_zero_point and w - w_zero_point in int32; padding counts as x_zero_point. w_zero_point: one number or
/// one per filter.
/// ConvInteger-10.
CHORUS_API Tensor conv_integer(const Tensor& x, const Tensor& w, const Tensor& x_zero_point = {},
    const Tensor& w_zero_point = {}, std::string_view auto_pad = "NOTSET", const std::vector<int64_t>& dilations = {},
    int64_t group = 1, const std::vector<int64_t>& kernel_shape = {}, const std::vector<int64_t>& pads = {},
    const std::vector<int64_t>& strides = {});

/// Conv of quantised x and w, its bias B in units of x_scale * w_scale, divided by y_scale, rounded half to even, plus
/// y_zero_point, saturated. w_scale and w_zero_point: one number or one per filter.
/// QLinearConv-10.
CHORUS_API Tensor qlinear_conv(const Tensor& x, const Tensor& x_scale, const Tensor& x_zero_point, const Tensor& w,
    const Tensor& w_scale, const Tensor& w_zero_point, const Tensor& y_scale, const Tensor& y_zero_point,
    const Tensor& b = {}, std::string_view auto_pad = "NOTSET", const std::vector<int64_t>& dilations = {},
    int64_t group = 1, const std::vector<int64_t>& kernel_shape = {}, const std::vector<int64_t>& pads = {},
    const std::vector<int64_t>& strides = {});

/// Conv whose window elements are moved by `offset` [n, offset_group * k1 * k2 * 2, o1, o2] (rows before columns) and
/// weighted by `mask` [n, offset_group * k1 * k2, o1, o2]; between pixels linearly interpolated, zero outside.
/// DeformConv-22.
CHORUS_API Tensor deform_conv(const Tensor& x, const Tensor& w, const Tensor& offset, const Tensor& b = {},
    const Tensor& mask = {}, const std::vector<int64_t>& dilations = {}, int64_t group = 1,
    const std::vector<int64_t>& kernel_shape = {}, int64_t offset_group = 1, const std::vector<int64_t>& pads = {},
    const std::vector<int64_t>& strides = {});

/// Depthwise convolution along the last axis that sees only present and past: y[b, c, t] = bias[c] + sum over j of
/// weight[c, 0, j] * s[b, c, t + j], where s is past_state [b, c, k - 1] (zeros when omitted) followed by input [b, c,
/// length]; then SiLU for activation 'silu' or 'swish'. present_state: the last k - 1 of s.
/// CausalConvWithState-27.
CHORUS_API std::array<Tensor, 2> causal_conv_with_state(const Tensor& input, const Tensor& weight,
    const Tensor& bias = {}, const Tensor& past_state = {}, std::string_view activation = "none");

/// Maximum over each window; padding never wins, NaN does. Indices: flat position of the (first) maximum in X [n, c, d1
/// …], with storage_order=1 column-major within the plane. ceil_mode=1 keeps a last, partial window that starts
/// inside the input or the padding before it.
/// MaxPool-22.
CHORUS_API Tensor max_pool(const Tensor& x, const std::vector<int64_t>& kernel_shape,
    std::string_view auto_pad = "NOTSET", int64_t ceil_mode = 0, const std::vector<int64_t>& dilations = {},
    const std::vector<int64_t>& pads = {}, int64_t storage_order = 0, const std::vector<int64_t>& strides = {});
CHORUS_API std::vector<Tensor> max_pool_outputs(int outputs, const Tensor& x,
    const std::vector<int64_t>& kernel_shape, std::string_view auto_pad = "NOTSET", int64_t ceil_mode = 0,
    const std::vector<int64_t>& dilations = {}, const std::vector<int64_t>& pads = {}, int64_t storage_order = 0,
    const std::vector<int64_t>& strides = {});

/// Mean over each window. With count_include_pad=0 the padding is left out of the mean; with 1 it counts as zeros (what
/// lies beyond it, in a last partial window, does not).
/// AveragePool-22.
CHORUS_API Tensor average_pool(const Tensor& x, const std::vector<int64_t>& kernel_shape,
    std::string_view auto_pad = "NOTSET", int64_t ceil_mode = 0, int64_t count_include_pad = 0,
    const std::vector<int64_t>& dilations = {}, const std::vector<int64_t>& pads = {},
    const std::vector<int64_t>& strides = {});

/// (sum of |x|^p over each window)^(1/p); padding counts as zeros.
/// LpPool-22.
CHORUS_API Tensor lp_pool(const Tensor& x, const std::vector<int64_t>& kernel_shape,
    std::string_view auto_pad = "NOTSET", int64_t ceil_mode = 0, const std::vector<int64_t>& dilations = {},
    int64_t p = 2, const std::vector<int64_t>& pads = {}, const std::vector<int64_t>& strides = {});

/// Mean over all spatial axes: X [n, c, d1 …] to Y [n, c, 1 …].
/// GlobalAveragePool-22.
CHORUS_API Tensor global_average_pool(const Tensor& x);

/// Maximum over all spatial axes: X [n, c, d1 …] to Y [n, c, 1 …].
/// GlobalMaxPool-22.
CHORUS_API Tensor global_max_pool(const Tensor& x);

/// (sum of |x|^p over all spatial axes)^(1/p): X [n, c, d1 …] to Y [n, c, 1 …].
/// GlobalLpPool-22.
CHORUS_API Tensor global_lp_pool(const Tensor& x, int64_t p = 2);

/// Zeros with the elements of X at the places I (flat positions in the tensor that MaxPool saw: extents (d - 1) *
/// stride - pads + k). output_shape gives a larger result whose corner that tensor is.
/// MaxUnpool-22.
CHORUS_API Tensor max_unpool(const Tensor& x, const Tensor& i, const std::vector<int64_t>& kernel_shape,
    const Tensor& output_shape = {}, const std::vector<int64_t>& pads = {}, const std::vector<int64_t>& strides = {});

/// Maxima over pooled_shape bins of each region: rois [r, 5] of (image, x1, y1, x2, y2) times spatial_scale, corners
/// rounded and included; X [n, c, h, w] to Y [r, c, ph, pw]. Empty bins are 0.
/// MaxRoiPool-22.
CHORUS_API Tensor max_roi_pool(const Tensor& x, const Tensor& rois, const std::vector<int64_t>& pooled_shape,
    float spatial_scale = 1.0f);

/// X sampled on a grid of other extents: scales (output extent floor(d * scale)) or sizes for `axes` (default: all).
/// Modes nearest, linear, cubic (Keys, cubic_coeff_a); antialias=1 stretches the filter when shrinking; coordinates by
/// coordinate_transformation_mode, default (x + 0.5) / scale - 0.5. Outside, the edge goes on; exclude_outside=1
/// renormalises the weights inside instead.
/// Resize-19.
CHORUS_API Tensor resize(const Tensor& x, const Tensor& roi = {}, const Tensor& scales = {}, const Tensor& sizes = {},
    int64_t antialias = 0, const std::vector<int64_t>& axes = {},
    std::string_view coordinate_transformation_mode = "half_pixel", float cubic_coeff_a = -0.75f,
    int64_t exclude_outside = 0, float extrapolation_value = 0.0f,
    std::string_view keep_aspect_ratio_policy = "stretch", std::string_view mode = "nearest",
    std::string_view nearest_mode = "round_prefer_floor");

/// Y[n, c, p] = X[n, c] at the place grid[n, p], coordinates (x, y …) in [-1, 1] from edge to edge (align_corners=0)
/// or from centre to centre of the outermost pixels (1). X [n, c, d1 …], grid [n, o1 …, rank]. Outside: zeros, the
/// border, or reflected.
/// GridSample-22.
CHORUS_API Tensor grid_sample(const Tensor& x, const Tensor& grid, int64_t align_corners = 0,
    std::string_view mode = "linear", std::string_view padding_mode = "zeros");

/// theta [n, r, r + 1] applied to the normalised coordinates (x, y …, 1) of the pixels of an image of `size` [n, c,
/// h, w] (r = 2) or [n, c, d, h, w] (r = 3): the grid [n, h, w, 2] for GridSample.
/// AffineGrid-20.
CHORUS_API Tensor affine_grid(const Tensor& theta, const Tensor& size, int64_t align_corners = 0);

/// Puts the columns of `input` [n, c * k1 * k2 …, blocks] back as blocks of an image [n, c, image_shape]; where
/// blocks overlap they add up. The inverse walk of Conv's im2col.
/// Col2Im-18.
CHORUS_API Tensor col2im(const Tensor& input, const Tensor& image_shape, const Tensor& block_shape,
    const std::vector<int64_t>& dilations = {}, const std::vector<int64_t>& pads = {},
    const std::vector<int64_t>& strides = {});

/// Y = (X - mean) / sqrt(var + epsilon) * scale + B per channel: X [n, c, …], the others [c]. With training_mode=1
/// mean and (population) variance are those of X over all axes but 1, and running = input * momentum + current * (1 -
/// momentum) comes out as well.
/// BatchNormalization-15.
CHORUS_API Tensor batch_normalization(const Tensor& x, const Tensor& scale, const Tensor& b, const Tensor& input_mean,
    const Tensor& input_var, float epsilon = 1e-05f, float momentum = 0.9f, int64_t training_mode = 0);
CHORUS_API std::vector<Tensor> batch_normalization_outputs(int outputs, const Tensor& x, const Tensor& scale,
    const Tensor& b, const Tensor& input_mean, const Tensor& input_var, float epsilon = 1e-05f, float momentum = 0.9f,
    int64_t training_mode = 0);

/// (x - mean) / sqrt(variance + epsilon) * scale + B with the statistics of each plane of each image: input [n, c,
/// …], scale and B [c].
/// InstanceNormalization-22.
CHORUS_API Tensor instance_normalization(const Tensor& input, const Tensor& scale, const Tensor& b,
    float epsilon = 1e-05f);

/// (x - mean) / sqrt(variance + epsilon) * scale + bias with the statistics of each of num_groups groups of channels of
/// each image: X [n, c, …], scale and bias [c].
/// GroupNormalization-21.
CHORUS_API Tensor group_normalization(const Tensor& x, const Tensor& scale, const Tensor& bias, int64_t num_groups,
    float epsilon = 1e-05f, DType stash_type = DType::float32);

/// (X - Mean) * InvStdDev * Scale + B with the statistics over the axes from `axis` to the last; Scale and B broadcast
/// to X. Mean and InvStdDev = 1 / sqrt(variance + epsilon) have extent 1 there.
/// LayerNormalization-17.
CHORUS_API Tensor layer_normalization(const Tensor& x, const Tensor& scale, const Tensor& b = {}, int64_t axis = -1,
    float epsilon = 1e-05f, DType stash_type = DType::float32);
CHORUS_API std::vector<Tensor> layer_normalization_outputs(int outputs, const Tensor& x, const Tensor& scale,
    const Tensor& b = {}, int64_t axis = -1, float epsilon = 1e-05f, DType stash_type = DType::float32);

/// X / sqrt(mean(X^2) + epsilon) * scale, the mean over the axes from `axis` to the last; scale broadcasts to X and
/// gives the type of Y.
/// RMSNormalization-23.
CHORUS_API Tensor rms_normalization(const Tensor& x, const Tensor& scale, int64_t axis = -1, float epsilon = 1e-05f,
    DType stash_type = DType::float32);

/// X / (bias + alpha / size * s)^beta, where s sums the squares of the channels c - floor((size - 1) / 2) … c +
/// ceil((size - 1) / 2) at the same place.
/// LRN-13.
CHORUS_API Tensor lrn(const Tensor& x, int64_t size, float alpha = 0.0001f, float beta = 0.75f, float bias = 1.0f);

/// input / (sum |x|^p)^(1/p) along `axis`, p 1 or 2; zeros stay zeros.
/// LpNormalization-22.
CHORUS_API Tensor lp_normalization(const Tensor& input, int64_t axis = -1, int64_t p = 2);

/// (X - mean) / (standard deviation + 1e-9), the statistics over `axes` (default [0, 2, 3]: per channel).
/// MeanVarianceNormalization-13.
CHORUS_API Tensor mean_variance_normalization(const Tensor& x, const std::vector<int64_t>& axes = {0, 2, 3});

/// exp(x) / sum(exp(x)) along `axis` (default: the last), computed less the maximum. Below opset 13 over all axes from
/// `axis` (default 1) on together.
/// Softmax-13.
CHORUS_API Tensor softmax(const Tensor& input, int64_t axis = -1);

/// x - max - log(sum(exp(x - max))) along `axis` (default: the last). Below opset 13 over all axes from `axis` (default
/// 1) on together.
/// LogSoftmax-13.
CHORUS_API Tensor log_softmax(const Tensor& input, int64_t axis = -1);

/// h = f(x W^T + h R^T + Wb + Rb) over the steps of X [steps, batch, input] (layout=1: [batch, steps, input]); W
/// [directions, hidden, input], R [directions, hidden, hidden], B [directions, 2 * hidden]. Y has every h [steps,
/// directions, batch, hidden], Y_h the last. clip bounds the arguments of f.
/// RNN-22.
CHORUS_API Tensor rnn(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b = {},
    const Tensor& sequence_lens = {}, const Tensor& initial_h = {}, const std::vector<float>& activation_alpha = {},
    const std::vector<float>& activation_beta = {}, const std::vector<std::string>& activations = {"Tanh", "Tanh"},
    std::optional<float> clip = {}, std::string_view direction = "forward", std::optional<int64_t> hidden_size = {},
    int64_t layout = 0);
CHORUS_API std::vector<Tensor> rnn_outputs(int outputs, const Tensor& x, const Tensor& w, const Tensor& r,
    const Tensor& b = {}, const Tensor& sequence_lens = {}, const Tensor& initial_h = {},
    const std::vector<float>& activation_alpha = {}, const std::vector<float>& activation_beta = {},
    const std::vector<std::string>& activations = {"Tanh", "Tanh"}, std::optional<float> clip = {},
    std::string_view direction = "forward", std::optional<int64_t> hidden_size = {}, int64_t layout = 0);

/// Gates z, r = f(x W^T + h R^T + Wb + Rb), candidate n = g(x Wh^T + (r . h) Rh^T + Rbh + Wbh) or, with
/// linear_before_reset=1, g(x Wh^T + r . (h Rh^T + Rbh) + Wbh); h = (1 - z) . n + z . h. Weights stacked in the order
/// z, r, h: W [directions, 3 * hidden, input]; results as for RNN.
/// GRU-22.
CHORUS_API Tensor gru(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b = {},
    const Tensor& sequence_lens = {}, const Tensor& initial_h = {}, const std::vector<float>& activation_alpha = {},
    const std::vector<float>& activation_beta = {}, const std::vector<std::string>& activations = {},
    std::optional<float> clip = {}, std::string_view direction = "forward", std::optional<int64_t> hidden_size = {},
    int64_t layout = 0, int64_t linear_before_reset = 0);
CHORUS_API std::vector<Tensor> gru_outputs(int outputs, const Tensor& x, const Tensor& w, const Tensor& r,
    const Tensor& b = {}, const Tensor& sequence_lens = {}, const Tensor& initial_h = {},
    const std::vector<float>& activation_alpha = {}, const std::vector<float>& activation_beta = {},
    const std::vector<std::string>& activations = {}, std::optional<float> clip = {},
    std::string_view direction = "forward", std::optional<int64_t> hidden_size = {}, int64_t layout = 0,
    int64_t linear_before_reset = 0);

/// Gates i, o, f and cell input c (stacked in that order): i = f(x Wi^T + h Ri^T + Pi . C + b), f likewise (or 1 - i
/// with input_forget=1), C = f . C + i . g(…), o = f(… + Po . C), h = o . h(C). P [directions, 3 * hidden]
/// peepholes of i, o, f. Y, Y_h as for RNN, Y_c the last C.
/// LSTM-22.
CHORUS_API Tensor lstm(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b = {},
    const Tensor& sequence_lens = {}, const Tensor& initial_h = {}, const Tensor& initial_c = {},
    const Tensor& p = {}, const std::vector<float>& activation_alpha = {},
    const std::vector<float>& activation_beta = {}, const std::vector<std::string>& activations = {},
    std::optional<float> clip = {}, std::string_view direction = "forward", std::optional<int64_t> hidden_size = {},
    int64_t input_forget = 0, int64_t layout = 0);
CHORUS_API std::vector<Tensor> lstm_outputs(int outputs, const Tensor& x, const Tensor& w, const Tensor& r,
    const Tensor& b = {}, const Tensor& sequence_lens = {}, const Tensor& initial_h = {},
    const Tensor& initial_c = {}, const Tensor& p = {}, const std::vector<float>& activation_alpha = {},
    const std::vector<float>& activation_beta = {}, const std::vector<std::string>& activations = {},
    std::optional<float> clip = {}, std::string_view direction = "forward", std::optional<int64_t> hidden_size = {},
    int64_t input_forget = 0, int64_t layout = 0);

/// Attention as a recurrence: S = exp(g) S + k (x) u, o = scale * q^T S per head, where u = v ('linear', 'gated') or
/// beta (v - S^T k) with the decayed S ('delta', 'gated_delta'), and exp(g) only in the gated rules. query [b, t, hq *
/// dk], key [b, t, hkv * dk], value [b, t, hkv * dv]; states [b, hkv, dk, dv]; scale 0 means 1 / sqrt(dk).
/// LinearAttention-27.
CHORUS_API std::array<Tensor, 2> linear_attention(const Tensor& query, const Tensor& key, const Tensor& value,
    int64_t kv_num_heads, int64_t q_num_heads, const Tensor& past_state = {}, const Tensor& decay = {},
    const Tensor& beta = {}, int64_t chunk_size = 64, float scale = 0.0f, std::string_view update_rule = "gated_delta");

/// softmax(softcap(scale * Q K^T) + bias) V per head; q_num_heads may be a multiple of kv_num_heads. Q [B, Hq, S, D] or
/// [B, S, Hq*D], K, V likewise with T keys; the cache (past_key, past_value) stands before them. bias: attn_mask (bool:
/// true takes part; float: added; missing keys are -inf), causal and window bounds around position i + offset,
/// nonpad_kv_seqlen. A row without any key is zero. Default scale: 1/sqrt(D). Sums in float32 or wider.
/// Attention-25.
CHORUS_API Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& attn_mask = {},
    const Tensor& past_key = {}, const Tensor& past_value = {}, const Tensor& nonpad_kv_seqlen = {},
    int64_t is_causal = 0, std::optional<int64_t> kv_num_heads = {}, int64_t left_window_size = -1,
    std::optional<int64_t> q_num_heads = {}, int64_t qk_matmul_output_mode = 0, int64_t right_window_size = -1,
    std::optional<float> scale = {}, float softcap = 0.0f, DType softmax_precision = DType::undefined);
CHORUS_API std::vector<Tensor> attention_outputs(int outputs, const Tensor& q, const Tensor& k, const Tensor& v,
    const Tensor& attn_mask = {}, const Tensor& past_key = {}, const Tensor& past_value = {},
    const Tensor& nonpad_kv_seqlen = {}, int64_t is_causal = 0, std::optional<int64_t> kv_num_heads = {},
    int64_t left_window_size = -1, std::optional<int64_t> q_num_heads = {}, int64_t qk_matmul_output_mode = 0,
    int64_t right_window_size = -1, std::optional<float> scale = {}, float softcap = 0.0f,
    DType softmax_precision = DType::undefined);

/// prob_mod(softmax(score_mod(scale * Q K^T))) V per head, Q [B, Hq, L, E], K [B, H, S, E], V [B, H, S, Ev], Y [B, Hq,
/// L, Ev]; Hq may be a multiple of H. The two graphs, where given, map [B, Hq, L, S] of type softmax_precision
/// (default: float64 for float64, else float32) to the same. Default scale: 1/sqrt(E).
/// FlexAttention-1.
CHORUS_API Tensor flex_attention(const Tensor& q, const Tensor& k, const Tensor& v,
    const std::shared_ptr<const Graph>& prob_mod = {}, std::optional<float> scale = {},
    const std::shared_ptr<const Graph>& score_mod = {}, DType softmax_precision = DType::undefined);

/// Rotates pairs (x1, x2) of each head by the angle whose cosine and sine are cached: (c*x1 - s*x2, s*x1 + c*x2). Pairs
/// are the two halves, or neighbours with interleaved=1; only the first rotary_embedding_dim elements turn (0: all).
/// Caches [positions, r/2] with position_ids [B, S], else [B, S, r/2].
/// RotaryEmbedding-23.
CHORUS_API Tensor rotary_embedding(const Tensor& x, const Tensor& cos_cache, const Tensor& sin_cache,
    const Tensor& position_ids = {}, int64_t interleaved = 0, std::optional<int64_t> num_heads = {},
    int64_t rotary_embedding_dim = 0);

/// The outputs of then_branch when `cond` (one bool) is true, else those of else_branch. Both give as many values as
/// the node has outputs; their shapes may differ.
/// If-25.
CHORUS_API std::vector<Tensor> if_else_outputs(int outputs, const Tensor& cond,
    const std::shared_ptr<const Graph>& else_branch, const std::shared_ptr<const Graph>& then_branch);

/// Runs body(i, cond, carried...) -> (cond, carried..., items...) at most M times while the condition holds; M or cond
/// may be omitted (an omitted cond: the body's condition is ignored). Outputs: the last carried values, then the items
/// of all iterations stacked on a new first axis.
/// Loop-25.
CHORUS_API std::vector<Tensor> loop_outputs(int outputs, const std::shared_ptr<const Graph>& body,
    const Tensor& m = {}, const Tensor& cond = {}, const std::vector<Tensor>& v_initial = {});

/// Runs body(states..., items...) -> (states..., outputs...) once per step of the scan inputs along scan_input_axes
/// (backwards where the direction is 1). Outputs: the last states, then the outputs of all steps stacked along
/// scan_output_axes (in reverse where the direction is 1).
/// Scan-25.
CHORUS_API std::vector<Tensor> scan_outputs(int outputs, const std::vector<Tensor>& initial_state_and_scan_inputs,
    const std::shared_ptr<const Graph>& body, int64_t num_scan_inputs,
    const std::vector<int64_t>& scan_input_axes = {}, const std::vector<int64_t>& scan_input_directions = {},
    const std::vector<int64_t>& scan_output_axes = {}, const std::vector<int64_t>& scan_output_directions = {});

/// A sequence without items, of tensors of element type `dtype` (default float32).
/// SequenceEmpty-11.
CHORUS_API Tensor sequence_empty(DType dtype = DType::undefined);

/// The sequence of the given tensors, which have one element type.
/// SequenceConstruct-11.
CHORUS_API Tensor sequence_construct(const std::vector<Tensor>& inputs);

/// The item at `position`, in [-n, n - 1].
/// SequenceAt-11.
CHORUS_API Tensor sequence_at(const Tensor& input_sequence, const Tensor& position);

/// The sequence with `tensor` put before `position` (in [-n, n]; default n: at the end).
/// SequenceInsert-11.
CHORUS_API Tensor sequence_insert(const Tensor& input_sequence, const Tensor& tensor, const Tensor& position = {});

/// The sequence without the item at `position` (in [-n, n - 1]; default: the last).
/// SequenceErase-11.
CHORUS_API Tensor sequence_erase(const Tensor& input_sequence, const Tensor& position = {});

/// The number of items as an int64 scalar.
/// SequenceLength-11.
CHORUS_API Tensor sequence_length(const Tensor& input_sequence);

/// All items joined along `axis`, or stacked along a new one (new_axis=1).
/// ConcatFromSequence-11.
CHORUS_API Tensor concat_from_sequence(const Tensor& input_sequence, int64_t axis, int64_t new_axis = 0);

/// Parts of `input` along `axis`: single slices (without that axis when keepdims=0), chunks of `split` (a scalar; the
/// last may be smaller), or parts of the lengths `split`.
/// SplitToSequence-24.
CHORUS_API Tensor split_to_sequence(const Tensor& input, const Tensor& split = {}, int64_t axis = 0,
    int64_t keepdims = 0);

/// Runs the body for every index of the first sequence: sequences give their item at it, tensors are given whole;
/// output i is the sequence of the body's i-th results.
/// SequenceMap-17.
CHORUS_API std::vector<Tensor> sequence_map_outputs(int outputs, const Tensor& input_sequence,
    const std::shared_ptr<const Graph>& body, const std::vector<Tensor>& additional_inputs = {});

/// An optional that holds `input`, or (without input) nothing of the given type.
/// Optional-28.
CHORUS_API Tensor optional(const Tensor& input = {});

/// What the optional holds (an error when it is empty); a tensor or sequence is itself.
/// OptionalGetElement-28.
CHORUS_API Tensor optional_get_element(const Tensor& input);

/// A bool scalar: false for an empty optional and for an omitted input.
/// OptionalHasElement-28.
CHORUS_API Tensor optional_has_element(const Tensor& input = {});

/// X followed by Y, element by element with broadcasting.
/// StringConcat-20.
CHORUS_API Tensor string_concat(const Tensor& x, const Tensor& y);

/// Pieces of every string in a new last axis, filled up with empty strings, and their numbers. Without delimiter:
/// pieces between runs of white space. At most maxsplit cuts, from the left.
/// StringSplit-20.
CHORUS_API std::array<Tensor, 2> string_split(const Tensor& x, std::optional<std::string_view> delimiter = {},
    std::optional<int64_t> maxsplit = {});

/// Removes the stop words, then changes the case. Nothing left: one empty string. Case is changed for Latin, Greek and
/// Cyrillic letters (UTF-8), whatever the locale.
/// StringNormalizer-10.
CHORUS_API Tensor string_normalizer(const Tensor& x, std::string_view case_change_action = "NONE",
    int64_t is_case_sensitive = 0, std::optional<std::string_view> locale = {},
    const std::vector<std::string>& stopwords = {});

/// Whether each whole string matches the regular expression (RE2 syntax without back references; time linear in the
/// string).
/// RegexFullMatch-20.
CHORUS_API Tensor regex_full_match(const Tensor& x, std::optional<std::string_view> pattern = {});

/// -input[n, target[n, d...], d...] * weight[target], 0 where target equals ignore_index. input [N, C, d...] log
/// probabilities, target [N, d...]. reduction: none; sum; mean: the sum over the sum of the weights of the targets that
/// count (1 each without weight).
/// NegativeLogLikelihoodLoss-22.
CHORUS_API Tensor negative_log_likelihood_loss(const Tensor& input, const Tensor& target, const Tensor& weight = {},
    std::optional<int64_t> ignore_index = {}, std::string_view reduction = "mean");

/// The negative log likelihood of log(softmax(scores)) over axis 1: scores [N, C, d...], labels [N, d...], weights [C];
/// log_prob [N, C, d...] are the logarithms. reduction and ignore_index as in NegativeLogLikelihoodLoss.
/// SoftmaxCrossEntropyLoss-13.
CHORUS_API Tensor softmax_cross_entropy_loss(const Tensor& scores, const Tensor& labels, const Tensor& weights = {},
    std::optional<int64_t> ignore_index = {}, std::string_view reduction = "mean");
CHORUS_API std::vector<Tensor> softmax_cross_entropy_loss_outputs(int outputs, const Tensor& scores,
    const Tensor& labels, const Tensor& weights = {}, std::optional<int64_t> ignore_index = {},
    std::string_view reduction = "mean");

/// The middle of input_data, cut or padded with zeros to the extents `shape` along `axes` (default: all). Of an odd
/// difference the greater half is cut, or added, at the end.
/// CenterCropPad-18.
CHORUS_API Tensor center_crop_pad(const Tensor& input_data, const Tensor& shape, const std::vector<int64_t>& axes = {});

/// The pixels [height, width, channels] of the picture whose file is encoded_stream: BMP, JPEG, JPEG 2000, TIFF, PNG,
/// WebP, PNM; pixel_format RGB, BGR or Grayscale (ITU-R 601 luma). Bytes that cannot be decoded give [0, 0, channels].
/// Without decoders in the process (core/picture.h) it is refused.
/// ImageDecoder-20.
CHORUS_API Tensor image_decoder(const Tensor& encoded_stream, std::string_view pixel_format = "RGB");

/// Per image and class, boxes in the order of falling scores (above score_threshold) that overlap none selected before
/// by more than iou_threshold, at most max_output_boxes_per_class (default 0). boxes [b, n, 4] as two corners (y, x, y,
/// x) or, with center_point_box=1, (x, y, width, height); scores [b, c, n]. Result [k, 3]: image, class, box.
/// NonMaxSuppression-11.
CHORUS_API Tensor non_max_suppression(const Tensor& boxes, const Tensor& scores,
    const Tensor& max_output_boxes_per_class = {}, const Tensor& iou_threshold = {},
    const Tensor& score_threshold = {}, int64_t center_point_box = 0);

/// Each region (x1, y1, x2, y2) * spatial_scale of image batch_indices[i] as output_height x output_width bins, each
/// the mean (or maximum of the weighted corners) of sampling_ratio^2 interpolated samples (0: as many as the bin has
/// pixels). X [n, c, h, w], rois [r, 4]; Y [r, c, oh, ow].
/// RoiAlign-22.
CHORUS_API Tensor roi_align(const Tensor& x, const Tensor& rois, const Tensor& batch_indices,
    std::string_view coordinate_transformation_mode = "half_pixel", std::string_view mode = "avg",
    int64_t output_height = 1, int64_t output_width = 1, int64_t sampling_ratio = 0, float spatial_scale = 1.0f);

/// Discrete Fourier transform along `axis` (default: the last before the parts) of input [..., n, …, 1 or 2] of real
/// or complex numbers, cut or padded with zeros to dft_length; inverse=1 divides by the length. onesided=1 keeps the
/// first floor(n / 2) + 1 bins; with inverse=1 it takes such bins and gives a real signal.
/// DFT-20.
CHORUS_API Tensor dft(const Tensor& input, const Tensor& dft_length = {}, const Tensor& axis = {},
    int64_t inverse = 0, int64_t onesided = 0);

/// Fourier transforms of frames of frame_length elements, every frame_step elements, times `window`: signal [b, n, 1 or
/// 2] to [b, 1 + floor((n - frame_length) / frame_step), bins, 2]; onesided=1 (default) keeps floor(frame_length / 2) +
/// 1 bins.
/// STFT-17.
CHORUS_API Tensor stft(const Tensor& signal, const Tensor& frame_step, const Tensor& window = {},
    const Tensor& frame_length = {}, int64_t onesided = 1);

/// 0.5 - 0.5 cos(2 pi k / n) for k in [0, size), n = size or, with periodic=0, size - 1 (at least 1).
/// HannWindow-17.
CHORUS_API Tensor hann_window(const Tensor& size, DType output_datatype = DType::float32, int64_t periodic = 1);

/// 25/46 - 21/46 cos(2 pi k / n) for k in [0, size), n = size or, with periodic=0, size - 1 (at least 1).
/// HammingWindow-17.
CHORUS_API Tensor hamming_window(const Tensor& size, DType output_datatype = DType::float32, int64_t periodic = 1);

/// 0.42 - 0.5 cos(2 pi k / n) + 0.08 cos(4 pi k / n) for k in [0, size), n = size or, with periodic=0, size - 1 (at
/// least 1).
/// BlackmanWindow-17.
CHORUS_API Tensor blackman_window(const Tensor& size, DType output_datatype = DType::float32, int64_t periodic = 1);

/// Weights [dft_length / 2 + 1, num_mel_bins] that turn a spectrum into mel bands: triangles between neighbouring ones
/// of num_mel_bins + 2 points that divide [lower_edge_hertz, upper_edge_hertz) evenly on the mel scale 2595 log10(1 + f
/// / 700), rounded down to bins of a transform at sample_rate.
/// MelWeightMatrix-17.
CHORUS_API Tensor mel_weight_matrix(const Tensor& num_mel_bins, const Tensor& dft_length, const Tensor& sample_rate,
    const Tensor& lower_edge_hertz, const Tensor& upper_edge_hertz, DType output_datatype = DType::float32);

/// The elements of the last axis of X at the indices Y (from 0), in their order. X [..., N], Y of K elements in any
/// shape; Z [..., K], [1, K] for X [N].
/// ArrayFeatureExtractor-1.
CHORUS_API Tensor array_feature_extractor(const Tensor& x, const Tensor& y);

/// 1 where X > threshold, else 0; element-wise, of X's type.
/// Binarizer-1.
CHORUS_API Tensor binarizer(const Tensor& x, float threshold = 0.0f);

/// The values of a map as [1, n] in ascending order of the keys: n of them (DENSE), or max_map with each at the place
/// of its key and zeros (empty texts) between (SPARSE; keys in [0, max_map)). cast_to TO_FLOAT, TO_INT64 or TO_STRING;
/// numbers as text have six decimals.
/// CastMap-1.
CHORUS_API Tensor cast_map(const Tensor& x, std::string_view cast_to = "TO_FLOAT",
    std::string_view map_form = "DENSE", int64_t max_map = 1);

/// Texts to numbers or numbers to texts by the pairs of cats_strings and cats_int64s (of equal ones the last); what is
/// in no pair becomes default_int64 or default_string.
/// CategoryMapper-1.
CHORUS_API Tensor category_mapper(const Tensor& x, const std::vector<int64_t>& cats_int64s = {},
    const std::vector<std::string>& cats_strings = {}, int64_t default_int64 = -1,
    std::string_view default_string = "_Unused");

/// The values of a map at the places of their keys in the vocabulary, zeros (empty texts) elsewhere: [n] for n words. A
/// key that is no word is an error.
/// DictVectorizer-1.
CHORUS_API Tensor dict_vectorizer(const Tensor& x, const std::vector<int64_t>& int64_vocabulary = {},
    const std::vector<std::string>& string_vocabulary = {});

/// The columns of all operands side by side as float32 [N, sum]: the first inputdimensions[i] of operand i, zeros where
/// it has fewer (default: all). [C] counts as [1, C].
/// FeatureVectorizer-1.
CHORUS_API Tensor feature_vectorizer(const std::vector<Tensor>& x, const std::vector<int64_t>& inputdimensions = {});

/// X with every element equal to replaced_value_* (NaN equals NaN) replaced by imputed_value_*: one value, or one per
/// feature (last axis).
/// Imputer-1.
CHORUS_API Tensor imputer(const Tensor& x, const std::vector<float>& imputed_value_floats = {},
    const std::vector<int64_t>& imputed_value_int64s = {}, float replaced_value_float = 0.0f,
    int64_t replaced_value_int64 = 0);

/// Each element looked up among keys_* and replaced by its partner in values_*, or by the default of the values' type.
/// Of equal keys the last counts; NaN equals NaN.
/// LabelEncoder-4.
CHORUS_API Tensor label_encoder(const Tensor& x, float default_float = -0.0f, int64_t default_int64 = -1,
    std::string_view default_string = "_Unused", const Tensor& default_tensor = {},
    const std::vector<float>& keys_floats = {}, const std::vector<int64_t>& keys_int64s = {},
    const std::vector<std::string>& keys_strings = {}, const Tensor& keys_tensor = {},
    const std::vector<float>& values_floats = {}, const std::vector<int64_t>& values_int64s = {},
    const std::vector<std::string>& values_strings = {}, const Tensor& values_tensor = {});

/// Each row divided by its greatest element (MAX), the sum of absolute values (L1) or the Euclidean norm (L2); a row
/// whose divisor is 0 stays. X [N, C] or [C].
/// Normalizer-1.
CHORUS_API Tensor normalizer(const Tensor& x, std::string_view norm = "MAX");

/// Y [..., E]: 1 at the place of the element's category (floats are cut to integers), else 0. An element of no category
/// is a row of zeros, or an error with zeros=0.
/// OneHotEncoder-1.
CHORUS_API Tensor one_hot_encoder(const Tensor& x, const std::vector<int64_t>& cats_int64s = {},
    const std::vector<std::string>& cats_strings = {}, int64_t zeros = 1);

/// (X - offset) * scale as float32; offset and scale have one member, or one per feature (last axis).
/// Scaler-1.
CHORUS_API Tensor scaler(const Tensor& x, const std::vector<float>& offset = {}, const std::vector<float>& scale = {});

/// One map per row of X [N, E]: from the E labels to the row's elements.
/// ZipMap-1.
CHORUS_API Tensor zip_map(const Tensor& x, const std::vector<int64_t>& classlabels_int64s = {},
    const std::vector<std::string>& classlabels_strings = {});

/// Counts of the pool's n-grams in X [C] or the rows of X [N, C], with 0 to max_skip_count elements skipped between
/// members: Y[ngram_indexes[i]] counts n-gram i. mode IDF: 1 (times weight) where it occurs; TFIDF: count times weight;
/// weights by coordinate of Y. ngram_counts[k] is where the (k+1)-grams begin in the pool.
/// TfIdfVectorizer-9.
CHORUS_API Tensor tf_idf_vectorizer(const Tensor& x, int64_t max_gram_length, int64_t max_skip_count,
    int64_t min_gram_length, std::string_view mode, const std::vector<int64_t>& ngram_counts,
    const std::vector<int64_t>& ngram_indexes, const std::vector<int64_t>& pool_int64s = {},
    const std::vector<std::string>& pool_strings = {}, const std::vector<float>& weights = {});

/// Scores Z [N, E] = post_transform(X coefficients^T + intercepts) and the label Y [N] of the greatest score before the
/// transform. X [N, C] or [C]; coefficients [E, C]; one row of them for two labels gives the scores (-s, s). One label:
/// 1 where s > 0, else 0.
/// LinearClassifier-1.
CHORUS_API std::array<Tensor, 2> linear_classifier(const Tensor& x, const std::vector<float>& coefficients,
    const std::vector<int64_t>& classlabels_ints = {}, const std::vector<std::string>& classlabels_strings = {},
    const std::vector<float>& intercepts = {}, int64_t multi_class = 0, std::string_view post_transform = "NONE");

/// Y [N, targets] = post_transform(X coefficients^T + intercepts). X [N, C] or [C]; coefficients [targets, C].
/// LinearRegressor-1.
CHORUS_API Tensor linear_regressor(const Tensor& x, const std::vector<float>& coefficients = {},
    const std::vector<float>& intercepts = {}, std::string_view post_transform = "NONE", int64_t targets = 1);

/// Decision values of every pair of classes (one against one, as libsvm orders them) with votes for the label,
/// probabilities by Platt's scaling and pairwise coupling with prob_a and prob_b; without support vectors one linear
/// score per class. X [N, C] or [C]; Y [N] labels; Z [N, classes], [N, pairs] for the values of three and more classes.
/// Two classes: (-s, s).
/// SVMClassifier-1.
CHORUS_API std::array<Tensor, 2> svm_classifier(const Tensor& x, const std::vector<int64_t>& classlabels_ints = {},
    const std::vector<std::string>& classlabels_strings = {}, const std::vector<float>& coefficients = {},
    const std::vector<float>& kernel_params = {}, std::string_view kernel_type = "LINEAR",
    std::string_view post_transform = "NONE", const std::vector<float>& prob_a = {},
    const std::vector<float>& prob_b = {}, const std::vector<float>& rho = {},
    const std::vector<float>& support_vectors = {}, const std::vector<int64_t>& vectors_per_class = {});

/// Y [N, 1] = sum of coefficients[i] * kernel(X, support_vectors[i]) + rho; without support vectors X coefficients +
/// rho. one_class: 1 where that is positive, else -1. Kernels: LINEAR x.v, POLY (gamma x.v + coef0)^degree, RBF
/// exp(-gamma |x - v|^2), SIGMOID tanh(gamma x.v + coef0).
/// SVMRegressor-1.
CHORUS_API Tensor svm_regressor(const Tensor& x, const std::vector<float>& coefficients = {},
    const std::vector<float>& kernel_params = {}, std::string_view kernel_type = "LINEAR", int64_t n_supports = 0,
    int64_t one_class = 0, std::string_view post_transform = "NONE", const std::vector<float>& rho = {},
    const std::vector<float>& support_vectors = {});

/// Per row of X [N, F] the leaf of every tree; per target the leaves' weights summed (1), averaged over the trees (0),
/// or their least (2) or greatest (3); then post_transform. Y [N, n_targets]. Node modes: 0 <=, 1 <, 2 >=, 3 >, 4 ==, 5
/// != nodes_splits, 6 member of the node's set in membership_values (sets end with NaN). NaN goes the true way where
/// nodes_missing_value_tracks_true is 1, else the false way (5: true). A target without a leaf is 0.
/// TreeEnsemble-5.
CHORUS_API Tensor tree_ensemble(const Tensor& x, const std::vector<int64_t>& leaf_targetids,
    const Tensor& leaf_weights, const std::vector<int64_t>& nodes_falseleafs,
    const std::vector<int64_t>& nodes_falsenodeids, const std::vector<int64_t>& nodes_featureids,
    const Tensor& nodes_modes, const Tensor& nodes_splits, const std::vector<int64_t>& nodes_trueleafs,
    const std::vector<int64_t>& nodes_truenodeids, const std::vector<int64_t>& tree_roots,
    int64_t aggregate_function = 1, const Tensor& membership_values = {}, std::optional<int64_t> n_targets = {},
    const Tensor& nodes_hitrates = {}, const std::vector<int64_t>& nodes_missing_value_tracks_true = {},
    int64_t post_transform = 0);

/// One update of Adagrad: g = G + norm_coefficient X; H' = H + g^2; X' = X - R / (1 + T decay_factor) g / (sqrt(H') +
/// epsilon). Operands R, T, then all X, all G, all H; outputs all X', all H'.
/// Adagrad-1.
CHORUS_API std::vector<Tensor> adagrad_step_outputs(int outputs, const Tensor& r, const Tensor& t,
    const std::vector<Tensor>& inputs, float decay_factor = 0.0f, float epsilon = 1e-06f,
    float norm_coefficient = 0.0f);

/// One update of Adam: g = G + norm_coefficient X; V' = alpha V + (1 - alpha) g; H' = beta H + (1 - beta) g^2; X' = (1
/// - norm_coefficient_post) (X - r V' / (sqrt(H') + epsilon)) with r = R sqrt(1 - beta^T) / (1 - alpha^T), R for T = 0.
/// Operands R, T, then all X, G, V, H; outputs all X', V', H'.
/// Adam-1.
CHORUS_API std::vector<Tensor> adam_step_outputs(int outputs, const Tensor& r, const Tensor& t,
    const std::vector<Tensor>& inputs, float alpha = 0.9f, float beta = 0.999f, float epsilon = 1e-06f,
    float norm_coefficient = 0.0f, float norm_coefficient_post = 0.0f);

/// One update with momentum: g = G + norm_coefficient X; V' = alpha V + beta g (beta is 1 for T = 0); X' = X - R V'
/// (standard) or X - R (g + alpha V') (nesterov). Operands R, T, then all X, G, V; outputs all X', V'.
/// Momentum-1.
CHORUS_API std::vector<Tensor> momentum_step_outputs(int outputs, const Tensor& r, const Tensor& t,
    const std::vector<Tensor>& inputs, float alpha, float beta, std::string_view mode, float norm_coefficient);

}  // namespace chorus
