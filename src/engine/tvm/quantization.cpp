#include "table.h"

namespace chorus_tvm {
namespace {

// Where in scale and zero point an element's stands.
Index place(Call& c, const T& scale, const Index& at) {
  if (scale.size() == 1) return Index(scale.dims.size(), whole(0));
  const int64_t rank = c.rank(0), block = c.i("block_size", 0);
  const auto axis = static_cast<size_t>(c.axis(c.i("axis", 1), rank));
  if (scale.rank() == 1) return {at[axis]};
  c.require(block > 0, "scales of this shape are left to others");
  Index own = at;
  own[axis] = floor_div(at[axis], whole(block));
  return own;
}

bool is_byte(int type) { return type == kInt8 || type == kUint8 || type == kInt16 || type == kUint16; }

void make_quantize(Call& c) {
  const T x = c.in(0), scale = c.in(1);
  const int type = c.out_type(0);
  c.require(is_byte(type) && is_float(x.type), "bytes that are no whole numbers of 8 or 16 bits are left to others");
  c.require(c.i("precision", 0) == 0 && computed(x.type) == kFloat && computed(scale.type) == kFloat,
            "another precision than float32 is left to others");
  T zero;
  if (c.has(2)) zero = c.in(2);
  c.out(0, compute(x.dims, type, [&](const Index& at) {
          const Index own = place(c, scale, at);
          E made = intrinsic("tirx.nearbyint", x(at) / scale(own));
          if (c.has(2)) made = made + cast(zero(own), kFloat);
          const E low = cast(lowest(type), kFloat), high = cast(highest(type), kFloat);
          made = select(made > low, made, low);   // NaN: the lowest
          return cast(cast(select(made < high, made, high), kInt), type);
        }));
}

void make_dequantize(Call& c) {
  const T x = c.in(0), scale = c.in(1);
  c.require(is_byte(x.type) || x.type == kInt, "bytes that are no whole numbers of 8 to 32 bits are left to others");
  c.require(computed(c.out_type(0)) == kFloat && computed(scale.type) == kFloat,
            "another precision than float32 is left to others");
  T zero;
  if (c.has(2)) zero = c.in(2);
  c.out(0, compute(x.dims, c.out_type(0), [&](const Index& at) {
          const Index own = place(c, scale, at);
          E made = cast(x(at), kInt);
          if (c.has(2)) made = made - cast(zero(own), kInt);
          return cast(made, kFloat) * scale(own);
        }));
}

constexpr Row kRows[] = {{"QuantizeLinear", make_quantize}, {"DequantizeLinear", make_dequantize}};

}  // namespace

std::span<const Row> quantization_rows() { return kRows; }

}  // namespace chorus_tvm
