// Whole numbers with scales.
#include <cmath>
#include <limits>

#include "table.h"
#include "window.h"

namespace chorus_paddle {
namespace {

namespace api = paddle::experimental;

Tensor rounded(const Tensor& x) { return x.numel() == 0 ? x : Tensor(api::round(x, 0)); }

struct Range {
  double low, high;
};
Range range_of(Type type) {
  if (type == kByte) return {0, 255};
  if (type == kChar) return {-128, 127};
  if (type == kShort) return {-32768, 32767};
  if (type == Type::UINT16) return {0, 65535};
  return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
}

double largest_of(Type t) { return t == Type::FLOAT8_E4M3FN ? 448 : 57344; }

// A scale or zero point with the extents of x: one number, one per index of the axis, or one per block of it.
Tensor spread(Call& c, const Tensor& v, const Tensor& x, int64_t block) {
  if (!v.defined() || v.dim() == 0 || (v.numel() == 1 && block == 0)) return v.defined() ? v.reshape({}) : v;
  const int64_t axis = c.axis(c.i("axis", 1), x.dim());
  if (block > 0) return repeat_each(v, block, axis).narrow(axis, 0, x.size(axis));
  Ints shape(static_cast<size_t>(x.dim()), 1);
  shape[static_cast<size_t>(axis)] = -1;
  return v.reshape(shape);
}

Tensor quantized(const Tensor& x, const Tensor& scale, const Tensor& zero, Type type) {
  Tensor y = div(x, scale);
  if (is_eighth(type)) {
    y = y.to(kFloat);
    if (zero.defined()) y = add(y, zero.to(kFloat));
    const double most = largest_of(type);
    const Tensor bits = clamp(y, -most, most).to(type).reinterpret(kByte);
    return (y.numel() == 0 ? bits : where(api::isnan(y), 0x7F, bits)).reinterpret(type);
  }
  const Range r = range_of(type);
  y = rounded(y.to(kDouble));
  if (zero.defined()) y = add(y, zero.to(kDouble));
  return clamp(y, r.low, r.high).to(type);
}

void quantize(Call& c) {
  const Tensor x = c.in(0), scale = c.in(1), zero = c.in(2);
  const int64_t block = c.i("block_size", 0);
  Type type = zero.defined() ? zero.type() : c.out_type(0);
  if (type == kUndefined) type = c.given("output_dtype") ? to_paddle(static_cast<int>(c.i("output_dtype", 2))) : kByte;
  // Divided in the precision that the attribute names, else in that of the scale.
  const Type precision = c.i("precision", 0) != 0 ? to_paddle(static_cast<int>(c.i("precision", 1))) : scale.type();
  const Type wide = precision == kDouble ? kDouble : kFloat;
  c.out(0, quantized(x.to(precision).to(wide), spread(c, scale.to(precision).to(wide), x, block),
                     spread(c, zero, x, block), type));
}

void dequantize(Call& c) {
  const Tensor x = c.in(0), scale = c.in(1), zero = c.in(2);
  const int64_t block = c.i("block_size", 0);
  const Type to = c.given("output_dtype") && c.i("output_dtype", 0) != 0
                      ? to_paddle(static_cast<int>(c.i("output_dtype", 1)))
                      : scale.type();
  Tensor y = x.to(is_eighth(x.type()) ? kFloat : kInt);
  const Tensor shift = spread(c, zero, x, block);
  if (shift.defined()) y = sub(y, is_eighth(shift.type()) ? shift.to(kFloat) : shift.to(kInt));
  c.out(0, mul(y.to(kFloat), spread(c, scale, x, block).to(kFloat)).to(to));
}

void dynamic_quantize(Call& c) {
  const Tensor x = c.in(0);
  c.require(x.numel() > 0, "there is no smallest number of nothing");
  const Tensor flat = x.reshape({-1}), none = zeros({}, x.type());
  const Tensor low = minimum(smallest(flat, {0}, false), none), high = maximum(largest(flat, {0}, false), none);
  const Tensor range = sub(high, low);
  const Tensor scale = div(where(eq(range, 0), 1, range), 255);
  const Tensor zero = clamp(rounded(div(neg(low), scale)), 0, 255).to(kByte);
  c.out(0, quantized(x, scale, zero, kByte));
  c.out(1, scale);
  c.out(2, zero);
}

// Exact: products of 8-bit numbers fit int32, sums are kept in int64 and wrap at the end as int32 does.
Tensor shifted(const Tensor& x, const Tensor& zero, bool rows) {
  Tensor y = x.to(kLong);
  if (!zero.defined()) return y;
  Tensor z = zero.to(kLong);
  if (z.dim() == 1 && z.numel() > 1 && rows) z = z.unsqueeze(-1);
  return sub(y, z);
}

void mat_mul_integer(Call& c) {
  c.out(0, matmul(shifted(c.in(0), c.in(2), true), shifted(c.in(1), c.in(3), false)).to(kInt));
}

void q_linear_mat_mul(Call& c) {
  const Tensor a = c.in(0), b = c.in(3);
  Tensor scale_a = c.in(1).to(kFloat);
  if (scale_a.dim() == 1 && scale_a.numel() > 1) scale_a = scale_a.unsqueeze(-1);
  const Tensor sum = matmul(shifted(a, c.in(2), true), shifted(b, c.in(5), false)).to(kFloat);
  const Tensor factor = div(mul(scale_a, c.in(4).to(kFloat)), c.in(6).to(kFloat));
  c.out(0, quantized(mul(sum, factor), scalar(1, sum.type()), c.in(7), c.in(7).type()));
}

Tensor integer_conv(Call& c, const Tensor& x, const Tensor& w) {
  const Ints extents = w.sizes();
  c.require(extents.size() >= 3, "the weights must have at least three axes");
  Window window = window_of(c, x, Ints(extents.begin() + 2, extents.end()));
  const Tensor from = padded(x, window.begin, window.end, 0);
  window.begin.assign(window.axes(), 0);
  window.end.assign(window.axes(), 0);
  return convolved(c, from.to(kDouble), w.to(kDouble), window);  // float64 holds every sum of 8-bit products exactly
}

Tensor by_filter(const Tensor& v, const Tensor& w) {
  if (!v.defined() || v.numel() == 1) return v.defined() ? v.reshape({}) : v;
  Ints shape(static_cast<size_t>(w.dim()), 1);
  shape[0] = -1;
  return v.reshape(shape);
}

void conv_integer(Call& c) {
  const Tensor w = c.in(1);
  c.out(0, integer_conv(c, shifted(c.in(0), c.in(2), false), shifted(w, by_filter(c.in(3), w), false)).to(kInt));
}

void q_linear_conv(Call& c) {
  const Tensor w = c.in(3), bias = c.in(8);
  Tensor sum = integer_conv(c, shifted(c.in(0), c.in(2), false), shifted(w, by_filter(c.in(5), w), false));
  Ints channel(static_cast<size_t>(sum.dim()), 1);
  channel[1] = -1;
  if (bias.defined()) sum = add(sum, bias.to(kDouble).reshape(channel));
  Tensor factor = mul(c.in(1).to(kFloat), c.in(4).to(kFloat));
  if (factor.numel() > 1) factor = factor.reshape(channel);
  factor = div(factor, c.in(6).to(kFloat));
  c.out(0, quantized(mul(sum.to(kFloat), factor), scalar(1, kFloat), c.in(7), c.in(7).type()));
}

constexpr Row kRows[] = {
    {"QuantizeLinear", quantize, kAll, "divide, round, minimum, maximum"},
    {"DequantizeLinear", dequantize, kAll, "subtract, multiply"},
    {"DynamicQuantizeLinear", dynamic_quantize, type_bit(kFloat), "min, max, round"},
    {"MatMulInteger", mat_mul_integer, kAll, "matmul"},
    {"QLinearMatMul", q_linear_mat_mul, kAll, "matmul"},
    {"ConvInteger", conv_integer, kAll, "conv2d, conv3d"},
    {"QLinearConv", q_linear_conv, kAll, "conv2d, conv3d"},
};

}  // namespace

std::span<const Row> quantization_rows() { return kRows; }

}  // namespace chorus_paddle
