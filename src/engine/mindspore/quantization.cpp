// Numbers in 8 and 16 bits: by the formulas, in float32. MindSpore has no such kernels for the processor.
#include <algorithm>
#include <array>

#include "table.h"

namespace chorus_mindspore {
namespace {

// A scale or zero point beside x: one for all, one per extent of an axis, or one per block along it.
Tensor beside(Call& c, const Tensor& v, const Tensor& x) {
  if (v.count() == 1 && v.rank() <= 1) return c.reshape(v, {});
  const int64_t axis = c.axis(c.i("axis", 1), x.rank()), block = c.i("block_size", 0);
  if (block == 0) {
    c.require(v.rank() == 1 && v.dim(0) == x.dim(axis), "scale and zero point do not fit the axis");
    Ints shape(x.dims().size(), 1);
    shape[static_cast<size_t>(axis)] = v.dim(0);
    return c.reshape(v, shape);
  }
  c.require(v.rank() == x.rank() && block > 0, "scale and zero point do not fit the blocks");
  Ints at;
  for (int64_t k = 0; k < x.dim(axis); ++k) at.push_back(k / block);
  c.require(at.empty() || at.back() < v.dim(axis), "scale and zero point do not fit the blocks");
  return c.gather(v, at, static_cast<int64_t>(axis));
}

struct Ends {
  double low, high;
};
Ends ends_of(Call& c, int type) {
  switch (type) {
    case kUint8: return {0, 255};
    case kInt8: return {-128, 127};
    case kUint16: return {0, 65535};
    case kInt16: return {-32768, 32767};
    default: c.fail(CH_UNSUPPORTED, std::string("it does not quantise to ") + type_name(type));
  }
}

// clamp(rint(x / scale) + zero): the sum in float32 is exact, |rint| below 2^23 or clamped anyway.
Tensor quantised(Call& c, const Tensor& x, const Tensor& scale, const Tensor& zero, int type) {
  const Ends ends = ends_of(c, type);
  Tensor y = c.un("Rint", c.bin("Div", x, scale));
  if (zero) y = c.bin("Add", y, c.cast(zero, y.type()));
  return c.cast(c.cast(c.bin("Minimum", c.bin("Maximum", y, ends.low), ends.high), kInt32), type);
}

void quantize(Call& c) {
  const Tensor given = c.in(0);
  const Tensor x = c.cast(given, kFloat), scale = beside(c, c.cast(c.in(1), kFloat), given);
  const Tensor zero = c.has(2) ? beside(c, c.in(2), given) : Tensor();
  const int type = zero ? zero.type() : c.out_type(0) == kNoType ? static_cast<int>(kUint8) : c.out_type(0);
  c.out(0, quantised(c, x, scale, zero, type));
}

void dequantize(Call& c) {
  const Tensor given = c.in(0), scale = beside(c, c.cast(c.in(1), kFloat), given);
  // 32 bits less a zero point: in float64, then rounded once.
  const int type = given.type() == kInt32 ? kDouble : kFloat;
  Tensor x = c.cast(given, type);
  if (c.has(2)) x = c.bin("Sub", x, c.cast(beside(c, c.in(2), given), type));
  c.out(0, c.bin("Mul", x, c.cast(scale, type)));
}

void dynamic(Call& c) {
  const Tensor x = c.in(0);
  Ints all;
  for (int64_t d = 0; d < x.rank(); ++d) all.push_back(d);
  const Tensor high = c.bin("Maximum", c.reduce("ReduceMax", x, all, false), 0.0),
               low = c.bin("Minimum", c.reduce("ReduceMin", x, all, false), 0.0);
  // A range of nothing counts as 1, as in the reference kernel: the scale of zeros is not 0.
  const Tensor range = c.bin("Sub", high, low), nothing = c.cast(c.bin("Equal", range, 0.0), kFloat);
  const Tensor scale = c.bin("Div", c.bin("Add", range, nothing), 255.0);
  const Tensor raw = c.un("Rint", c.bin("DivNoNan", c.un("Neg", low), scale));
  const Tensor zero = c.cast(c.cast(c.bin("Minimum", c.bin("Maximum", raw, 0.0), 255.0), kInt32), kUint8);
  c.out(0, quantised(c, x, scale, zero, kUint8));
  c.out(1, scale);
  c.out(2, zero);
}

std::string narrow_only(const Node& n) {
  const int to = known_type(n.out_dtype(0));
  if (to != kUint8 && to != kInt8 && to != kUint16 && to != kInt16 && to != kNoType)
    return std::string("it does not quantise to ") + type_name(to);
  return n.i("precision", 1) != 1 && n.i("precision", 0) != 0 ? "it divides in float32, another precision is asked for"
                                                              : "";
}

constexpr std::array kRows = std::to_array<Row>({
    {"QuantizeLinear", quantize, "", "no such operator: by its formula", Widen::none, narrow_only},
    {"DequantizeLinear", dequantize, "", "no such operator: by its formula"},
    {"DynamicQuantizeLinear", dynamic, ""},
});

}  // namespace

std::span<const Row> quantization_rows() { return kRows; }

}  // namespace chorus_mindspore
