// MatMulInteger by tiles of bytes against the reference kernel: every element equal.
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
  return cpu().avx512_vnni && jit::level(cpu()) == jit::Level::avx512 ? "matmul_integer.tiles" : "";
}

TEST(IntegerProductSteps, BytesOfBothKinds) {
  Dice dice(21);
  for (int i = 0; i < 40; ++i) {
    GraphCase c;
    const int64_t batch = dice.roll(1, 3), m = dice.roll(1, 40), k = dice.roll(1, 200), n = 16 * dice.roll(1, 8);
    const DType left = dice.coin() ? DType::int8 : DType::uint8, right = dice.coin() ? DType::int8 : DType::uint8;
    const ValueId a = c.in("a", {batch, m, k}, left);
    std::vector<ValueId> operands{a, c.constant(bytes(dice, right, Shape{k, n})), kNone, kNone};
    std::vector<Value> inputs{bytes(dice, left, Shape{batch, m, k})};
    if (dice.coin()) {
      operands[2] = c.in("zero", {}, left);  // as DynamicQuantizeLinear gives it: known in the run
      inputs.push_back(bytes(dice, left, Shape{}));
    }
    if (right == DType::uint8) {
      Value zeros = Value::tensor(right, dice.coin() ? Shape{n} : Shape{});
      for (uint8_t& z : zeros.as_mutable<uint8_t>()) z = 128;
      operands[3] = c.constant(zeros);
    }
    c.out(c.op("MatMulInteger", operands), "y");
    expect_steps(c, inputs, 0, kernel(), "case " + std::to_string(i));
    if (HasFailure()) return;
  }
}

TEST(IntegerProductSteps, WhatBytesCannotHoldIsLeftToTheReference) {
  Dice dice(22);
  GraphCase c;
  const ValueId a = c.in("a", {4, 20}, DType::uint8);
  Value zero = Value::tensor(DType::uint8, Shape{});
  zero.as_mutable<uint8_t>()[0] = 3;  // elements of up to 252
  c.out(c.op("MatMulInteger", {a, c.constant(bytes(dice, DType::uint8, Shape{20, 16})), kNone, c.constant(zero)}), "y");
  const auto kernels = expect_steps(c, {bytes(dice, DType::uint8, Shape{4, 20})}, 0, "");
  for (const std::string& k : kernels) EXPECT_EQ(k.find("tiles"), std::string::npos);
}

}  // namespace
}  // namespace chorus::testing
