// Whole numbers with scales.
#include <cmath>
#include <limits>

#include "table.h"
#include "window.h"

namespace chorus_torch {
namespace {

struct Range {
  double low, high;
};
Range range_of(ScalarType type) {
  if (type == at::kByte) return {0, 255};
  if (type == at::kChar) return {-128, 127};
  if (type == at::kShort) return {-32768, 32767};
  if (type == at::kUInt16) return {0, 65535};
  return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
}

bool is_eighth(ScalarType t) { return (kEighths & type_bit(t)) != 0; }
double largest_of(ScalarType t) { return t == at::kFloat8_e4m3fn ? 448 : t == at::kFloat8_e4m3fnuz ? 240 : 57344; }

// A scale or zero point with the extents of x: one number, one per index of the axis, or one per block of it.
Tensor spread(Call& c, const Tensor& v, const Tensor& x, int64_t block) {
  if (!v.defined() || v.dim() == 0 || (v.numel() == 1 && block == 0)) return v.defined() ? v.reshape(Ints{}) : v;
  const int64_t axis = c.axis(c.i("axis", 1), x.dim());
  if (block > 0) return v.repeat_interleave(block, axis).narrow(axis, 0, x.size(axis));
  Ints shape(static_cast<size_t>(x.dim()), 1);
  shape[static_cast<size_t>(axis)] = -1;
  return v.reshape(shape);
}

Tensor quantized(const Tensor& x, const Tensor& scale, const Tensor& zero, ScalarType type) {
  Tensor y = at::div(x, scale);
  if (is_eighth(type)) {
    if (zero.defined()) y = at::add(y, zero.to(at::kFloat));
    return at::clamp(y.to(at::kFloat), -largest_of(type), largest_of(type)).to(type);
  }
  const Range r = range_of(type);
  y = at::round(y.to(at::kDouble));
  if (zero.defined()) y = at::add(y, zero.to(at::kDouble));
  return at::clamp(y, r.low, r.high).to(type);
}

void quantize(Call& c) {
  const Tensor x = c.in(0), scale = c.in(1), zero = c.in(2);
  const int64_t block = c.i("block_size", 0);
  ScalarType type = zero.defined() ? zero.scalar_type() : c.out_type(0);
  if (type == ScalarType::Undefined)
    type = c.given("output_dtype") ? to_torch(static_cast<int>(c.i("output_dtype", 2))) : at::kByte;
  // Divided in the precision that the attribute names, else in that of the scale.
  const ScalarType precision =
      c.i("precision", 0) != 0 ? to_torch(static_cast<int>(c.i("precision", 1))) : scale.scalar_type();
  c.out(0, quantized(x.to(precision), spread(c, scale.to(precision), x, block), spread(c, zero, x, block), type));
}

void dequantize(Call& c) {
  const Tensor x = c.in(0), scale = c.in(1), zero = c.in(2);
  const int64_t block = c.i("block_size", 0);
  const ScalarType to = c.given("output_dtype") && c.i("output_dtype", 0) != 0
                            ? to_torch(static_cast<int>(c.i("output_dtype", 1)))
                            : scale.scalar_type();
  Tensor y = is_eighth(x.scalar_type()) ? x.to(at::kFloat) : x.to(at::kInt);
  const Tensor shift = spread(c, zero, x, block);
  if (shift.defined()) y = at::sub(y, is_eighth(shift.scalar_type()) ? shift.to(at::kFloat) : shift.to(at::kInt));
  c.out(0, at::mul(y.to(at::kFloat), spread(c, scale, x, block).to(at::kFloat)).to(to));
}

void dynamic_quantize(Call& c) {
  const Tensor x = c.in(0);
  c.require(x.numel() > 0, "there is no smallest number of nothing");
  const Tensor low = at::clamp_max(x.min(), 0), high = at::clamp_min(x.max(), 0);
  const Tensor range = at::sub(high, low);
  const Tensor scale = at::div(at::where(at::eq(range, 0), at::ones_like(range), range), 255);
  const Tensor zero = at::clamp(at::round(at::div(at::neg(low), scale)), 0, 255).to(at::kByte);
  c.out(0, quantized(x, scale, zero, at::kByte));
  c.out(1, scale);
  c.out(2, zero);
}

// Exact: products of 8-bit numbers fit int32, sums are kept in int64 and wrap at the end as int32 does.
Tensor shifted(const Tensor& x, const Tensor& zero, bool rows) {
  Tensor y = x.to(at::kLong);
  if (!zero.defined()) return y;
  Tensor z = zero.to(at::kLong);
  if (z.dim() == 1 && z.numel() > 1 && rows) z = z.unsqueeze(-1);
  return at::sub(y, z);
}

void mat_mul_integer(Call& c) {
  c.out(0, at::matmul(shifted(c.in(0), c.in(2), true), shifted(c.in(1), c.in(3), false)).to(at::kInt));
}

void q_linear_mat_mul(Call& c) {
  const Tensor a = c.in(0), b = c.in(3);
  Tensor scale_a = c.in(1).to(at::kFloat);
  if (scale_a.dim() == 1 && scale_a.numel() > 1) scale_a = scale_a.unsqueeze(-1);
  const Tensor sum = at::matmul(shifted(a, c.in(2), true), shifted(b, c.in(5), false)).to(at::kFloat);
  const Tensor factor = at::div(at::mul(scale_a, c.in(4).to(at::kFloat)), c.in(6).to(at::kFloat));
  c.out(0, quantized(at::mul(sum, factor), at::ones({}, sum.options()), c.in(7), c.in(7).scalar_type()));
}

Tensor integer_conv(Call& c, const Tensor& x, const Tensor& w) {
  Window window = window_of(c, x, w.sizes().slice(2).vec());
  const Tensor from = padded(x, window.begin, window.end, 0);
  return at::convolution(from.to(at::kDouble), w.to(at::kDouble), std::nullopt, window.strides, Ints(window.axes(), 0),
                         window.dilations, false, Ints(window.axes(), 0),
                         c.i("group", 1));   // float64 holds every sum of 8-bit products exactly
}

Tensor by_filter(const Tensor& v, const Tensor& w) {
  if (!v.defined() || v.numel() == 1) return v.defined() ? v.reshape(Ints{}) : v;
  Ints shape(static_cast<size_t>(w.dim()), 1);
  shape[0] = -1;
  return v.reshape(shape);
}

void conv_integer(Call& c) {
  const Tensor w = c.in(1);
  c.out(0, integer_conv(c, shifted(c.in(0), c.in(2), false), shifted(w, by_filter(c.in(3), w), false)).to(at::kInt));
}

void q_linear_conv(Call& c) {
  const Tensor w = c.in(3), bias = c.in(8);
  Tensor sum = integer_conv(c, shifted(c.in(0), c.in(2), false), shifted(w, by_filter(c.in(5), w), false));
  Ints channel(static_cast<size_t>(sum.dim()), 1);
  channel[1] = -1;
  if (bias.defined()) sum = at::add(sum, bias.to(at::kDouble).reshape(channel));
  Tensor factor = at::mul(c.in(1).to(at::kFloat), c.in(4).to(at::kFloat));
  if (factor.numel() > 1) factor = factor.reshape(channel);
  factor = at::div(factor, c.in(6).to(at::kFloat));
  c.out(0, quantized(at::mul(sum.to(at::kFloat), factor), at::ones({}, at::TensorOptions(at::kFloat)), c.in(7),
                     c.in(7).scalar_type()));
}

constexpr Types kBytes = type_bit(at::kByte) | type_bit(at::kChar);
constexpr std::string_view kExact = "quantised kernels round products themselves: computed exactly and rounded once";

constexpr Row kRows[] = {
    {"QuantizeLinear", quantize, kFloats | type_bit(at::kInt), "div, round, clamp",
     "quantize_per_tensor multiplies by 1 / scale, has no blocks and other types"},
    {"DequantizeLinear", dequantize, kInts | kEighths | type_bit(at::kUInt16), "sub, mul",
     "dequantize takes tensors of its own kind only"},
    {"DynamicQuantizeLinear", dynamic_quantize, type_bit(at::kFloat), "min, max, round, clamp"},
    {"MatMulInteger", mat_mul_integer, kBytes, "matmul", kExact},
    {"QLinearMatMul", q_linear_mat_mul, kBytes, "matmul", kExact},
    {"ConvInteger", conv_integer, kBytes, "convolution", kExact},
    {"QLinearConv", q_linear_conv, kBytes, "convolution", kExact},
};

}  // namespace

std::span<const Row> quantization_rows() { return kRows; }

}  // namespace chorus_torch
