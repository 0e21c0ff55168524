// ConvInteger by tiles of bytes against the reference kernel: every element equal.
#include "step_case.h"

#include <engine/native/jit/conv.h>

#include <cstring>

namespace chorus::testing {
namespace {

Value bytes(Dice& dice, DType type, const Shape& shape) {
  Value v = Value::tensor(type, shape);
  for (int64_t i = 0; i < v.numel(); ++i) {
    const auto byte = static_cast<uint8_t>(dice.roll(0, 255));
    std::memcpy(static_cast<std::byte*>(v.mutable_data()) + i, &byte, 1);
  }
  return v;
}

const char* kernel() {
  return cpu().avx512_vnni && jit::level(cpu()) == jit::Level::avx512 ? "conv_integer.tiles" : "";
}

TEST(IntegerConvolutionSteps, FiltersOfManyKinds) {
  Dice dice(51);
  for (int i = 0; i < 48; ++i) {
    GraphCase c;
    const bool line = i % 6 == 4;
    const int64_t groups = i % 6 == 1 ? 2 : 1, in = groups == 2 ? 32 : dice.roll(1, 40);
    const int64_t out = groups == 2 ? 32 : dice.roll(1, 40), k = dice.roll(1, 4);
    const DType left = dice.coin() ? DType::int8 : DType::uint8, right = dice.coin() ? DType::int8 : DType::uint8;
    const Shape x = line ? Shape{dice.roll(1, 2), in, dice.roll(5, 30)}
                         : Shape{dice.roll(1, 2), in, dice.roll(5, 12), dice.roll(5, 20)};
    const Shape w = line ? Shape{out, in / groups, k} : Shape{out, in / groups, k, dice.roll(1, 3)};
    Dims dims;
    for (int64_t d : x) dims.push_back(d);
    if (i % 3 == 0) dims.back() = Dim::symbol("w");
    Attributes a;
    a.set("group", groups);
    if (i % 4 == 3) {
      a.set("auto_pad", std::string("SAME_UPPER"));
    } else {
      a.set("pads", line ? std::vector<int64_t>{dice.roll(0, 2), dice.roll(0, 2)}
                         : std::vector<int64_t>{dice.roll(0, 2), dice.roll(0, 2), dice.roll(0, 2), dice.roll(0, 2)});
      a.set("dilations", std::vector<int64_t>(line ? 1 : 2, dice.roll(1, 1 + (k > 1 ? 1 : 0))));
    }
    a.set("strides", std::vector<int64_t>(line ? 1 : 2, dice.roll(1, 2)));
    std::vector<ValueId> operands{c.in("x", dims, left), c.constant(bytes(dice, right, w)), kNone, kNone};
    std::vector<Value> inputs{bytes(dice, left, x)};
    if (dice.coin()) {
      operands[2] = c.in("zero", {}, left);  // as DynamicQuantizeLinear gives it: known in the run
      inputs.push_back(bytes(dice, left, Shape{}));
    }
    if (right == DType::uint8) {
      Value zeros = Value::tensor(right, dice.coin() ? Shape{out} : Shape{});
      for (uint8_t& z : zeros.as_mutable<uint8_t>()) z = 128;
      operands[3] = c.constant(zeros);
    }
    c.out(c.op("ConvInteger", operands, a), "y");
    expect_steps(c, inputs, 0, kernel(), "case " + std::to_string(i));
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace chorus::testing
