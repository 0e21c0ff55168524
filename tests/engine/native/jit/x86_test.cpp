// Machine code does what the instructions mean: every instruction on this processor against the interpreter, bit for bit.
#include "conv_case.h"
#include "interpreter.h"

#include <array>
#include <bit>
#include <random>

namespace chorus::jit::test {
namespace {

struct alignas(64) Operands {
  float a[16], b[16], d[16], out[16];
  int64_t number, steps, zero;
  const float* pointer;
};

Operands some(uint32_t seed) {
  Operands o{};
  const auto x = random_floats(48, seed, -4, 4);
  std::copy_n(x.begin(), 16, o.a), std::copy_n(x.begin() + 16, 16, o.b), std::copy_n(x.begin() + 32, 16, o.d);
  o.a[1] = std::numeric_limits<float>::quiet_NaN(), o.b[2] = o.a[1], o.a[3] = -0.0f, o.b[3] = 0.0f;
  o.a[4] = std::numeric_limits<float>::infinity(), o.b[4] = -o.a[4];
  o.number = 5, o.steps = 3;
  return o;
}

Mem member(size_t offset) { return {0, -1, 1, static_cast<int32_t>(offset)}; }

/// Both must leave the same bytes behind.
void compare(const Code& code, const Operands& operands, const std::string& what) {
  SCOPED_TRACE(what + " at level " + std::to_string(static_cast<int>(code.level)));
  Operands o = operands, truth = operands;
  o.pointer = o.a, truth.pointer = truth.a;
  Interpreter interpreter;
  interpreter.allow(&truth, sizeof truth);
  interpreter.run(code, &truth);
  static int32_t number = 0;
  const std::array<int32_t, 2> key{1 << 20, ++number};
  const Kernel kernel = find_kernel(std::as_bytes(std::span(key)), [&] { return code; });
  ASSERT_NE(kernel, nullptr);
  kernel(&o);
  o.pointer = truth.pointer;
  for (int i = 0; i < 16; ++i) {
    EXPECT_TRUE(std::memcmp(&o.out[i], &truth.out[i], 4) == 0 || (std::isnan(o.out[i]) && std::isnan(truth.out[i])))
        << i << ": " << o.out[i] << ", want " << truth.out[i];
  }
  EXPECT_EQ(o.number, truth.number);
  EXPECT_EQ(o.steps, truth.steps);
}

std::vector<Level> generated() {
  std::vector<Level> all = levels();
  all.erase(all.begin());
  return all;
}

TEST(JitX86, PairsOfBfloat16) {
  if (!cpu().avx512_bf16 || level(cpu()) != Level::avx512) GTEST_SKIP() << "no bfloat16 instructions here";
  // Small whole numbers: sums are exact in any order.
  Operands o = some(9);
  const auto pair = [](int low, int high) {
    const uint32_t bits = rounded(static_cast<float>(low)) | uint32_t{rounded(static_cast<float>(high))} << 16;
    return std::bit_cast<float>(bits);
  };
  for (int i = 0; i < 16; ++i) {
    o.a[i] = pair(i - 7, 3 * i), o.b[i] = pair(2 - i, i - 11), o.d[i] = static_cast<float>(100 - i);
  }
  Code dot;
  dot.load(0, member(offsetof(Operands, d))), dot.load(1, member(offsetof(Operands, a)));
  dot.load(2, member(offsetof(Operands, b)));
  dot.vec(Op::dot, 0, 1, 2);
  dot.vec(Op::dot, 0, 1, member(offsetof(Operands, b)));
  dot.store(member(offsetof(Operands, out)), 0);
  dot.finish();
  compare(dot, o, "dot");
  // Rounding: ties, infinities, no numbers, zeros, numbers below 2^-126 and one that rounds up to infinity.
  const float special[] = {1.00390625f, 1.01171875f, -1.00390625f,  INFINITY, -INFINITY, NAN,  0.0f,     -0.0f,
                           1e-39f,      -1e-39f,     3.3961775e38f, 3.4e38f,  0x1p-126f, 1.0f, 3.14159f, -2.71828f};
  std::copy_n(special, 16, o.a);
  std::fill_n(o.out, 16, 7.0f);
  Code half;
  half.load(0, member(offsetof(Operands, a)));
  half.vec(Op::store_half, 1, 0, member(offsetof(Operands, out)));
  half.finish();
  compare(half, o, "store_half");
}

TEST(JitX86, FoursOfBytes) {
  if (!cpu().avx512_vnni || level(cpu()) != Level::avx512) GTEST_SKIP() << "no products of bytes here";
  std::mt19937 random(4);
  for (int round = 0; round < 50; ++round) {
    Operands o = some(9);
    for (float* v : {o.a, o.b, o.d}) {
      for (int i = 0; i < 16; ++i) v[i] = std::bit_cast<float>(static_cast<uint32_t>(random()));
    }
    if (round == 0) std::memset(o.a, 0xff, sizeof o.a), std::memset(o.b, 0x80, sizeof o.b);  // 255 * -128, four times
    Code dot;
    dot.load(0, member(offsetof(Operands, d))), dot.load(1, member(offsetof(Operands, a)));
    dot.load(2, member(offsetof(Operands, b)));
    dot.vec(Op::dot_bytes, 0, 1, 2);
    dot.store(member(offsetof(Operands, out)), 0);
    dot.finish();
    compare(dot, o, "dot_bytes");
  }
}

TEST(JitX86, BytesAndFloats) {
  if (level(cpu()) != Level::avx512) GTEST_SKIP() << "no such instructions here";
  Operands o = some(9);
  for (int i = 0; i < 16; ++i) reinterpret_cast<uint8_t*>(o.a)[i] = static_cast<uint8_t>(i * 17);
  for (const Op load : {Op::load_bytes, Op::load_signed, Op::load_wide}) {
    Code c;
    c.vec(load, 30, 0, member(offsetof(Operands, a)));
    c.store(member(offsetof(Operands, out)), 30);
    c.finish();
    compare(c, o, "bytes to floats");
  }
  for (int i = 0; i < 16; ++i) o.a[i] = static_cast<float>(i * 25 - 130);
  o.a[0] = 255, o.a[1] = -128;
  std::fill_n(o.out, 16, 7.0f);
  Code c;
  c.load(29, member(offsetof(Operands, a)));
  c.vec(Op::store_bytes, 3, 29, member(offsetof(Operands, out)));
  c.finish();
  compare(c, o, "floats to bytes");
}

TEST(JitX86, VectorInstructions) {
  for (const Level l : generated()) {
    for (int op = static_cast<int>(Op::fma); op <= static_cast<int>(Op::copy); ++op) {
      const Op o = static_cast<Op>(op);
      if (o == Op::dot || o == Op::dot_bytes) continue;  // above, as those between bytes and floats
      if (o == Op::load_bytes || o == Op::load_signed || o == Op::load_wide || o == Op::store_bytes) continue;
      if ((o == Op::fma_splat || o == Op::scale) && l != Level::avx512) continue;
      for (const bool memory : {false, true}) {
        if (o == Op::power || o == Op::round || o == Op::fma_splat || o == Op::blend || o == Op::copy ||
            o == Op::to_float) {
          if (memory != (o == Op::power || o == Op::fma_splat)) continue;
        }
        Operands operands = some(static_cast<uint32_t>(op));
        if (o == Op::scale) {
          for (int i = 0; i < 16; ++i) operands.b[i] = static_cast<float>(i * 20 - 150);
        }
        if (o == Op::power) {
          for (int i = 0; i < 16; ++i) {
            operands.a[i] = static_cast<float>(i * 16 - 126);
            const int32_t bias = 127;
            std::memcpy(&operands.b[i], &bias, 4);
          }
        }
        Code c;
        c.level = l;
        const int last = c.registers() - 1;  // registers of both halves of the file
        c.load(1, member(offsetof(Operands, a)));
        c.load(last, member(offsetof(Operands, b)));
        c.load(2, member(offsetof(Operands, d)));
        if (memory)
          c.vec(o, 2, 1, member(offsetof(Operands, b)));
        else
          c.vec(o, 2, 1, last);
        c.store(member(offsetof(Operands, out)), 2);
        c.finish();
        compare(c, operands, "instruction " + std::to_string(op) + (memory ? " from memory" : ""));
      }
    }
  }
}

TEST(JitX86, LoadsBroadcastsZero) {
  for (const Level l : generated()) {
    Code c;
    c.level = l;
    c.broadcast(3, member(offsetof(Operands, b) + 20));
    c.vec(Op::zero, 4);
    c.vec(Op::add, 3, 3, 4);
    c.store(member(offsetof(Operands, out)), 3);
    c.finish();
    compare(c, some(1), "broadcast");
  }
}

TEST(JitX86, GeneralInstructionsAndEveryRegister) {
  for (const Level l : generated()) {
    Code c;
    c.level = l;
    const int loop = c.new_label(), skipped = c.new_label(), taken = c.new_label();
    for (int r = 1; r < kGeneral; ++r) c.set(r, r);
    for (int r = 2; r < kGeneral; ++r) {  // sums all registers into the first
      c.put(member(offsetof(Operands, number)), r);
      c.add_mem(1, member(offsetof(Operands, number)));
    }
    c.get(2, member(offsetof(Operands, steps)));
    c.bind(loop);
    c.add_imm(1, 1000);
    c.loop(2, loop);
    c.get(3, member(offsetof(Operands, zero)));
    c.skip_zero(3, skipped);
    c.add_imm(1, 1 << 20);
    c.bind(skipped);
    c.set(4, 1);
    c.skip_zero(4, taken);
    c.add_imm(1, -50000);
    c.bind(taken);
    c.put(member(offsetof(Operands, number)), 1);
    c.move(5, 1);
    c.put(member(offsetof(Operands, steps)), 5);
    // base + index * scale + displacement
    c.get(6, member(offsetof(Operands, pointer)));
    c.set(7, 16);
    for (const int scale : {1, 2, 4}) {
      c.load(1, {6, 7, static_cast<int8_t>(scale), -16});
      c.vec(Op::add, 2, scale == 1 ? 1 : 2, 1);
    }
    c.prefetch({6, -1, 1, 1 << 20});
    c.store(member(offsetof(Operands, out)), 2);
    c.finish();
    Operands o = some(2);
    std::fill_n(o.a, 16, 1.5f), std::fill_n(o.b, 16, 2.5f);
    compare(c, o, "general registers");
  }
}

}  // namespace
}  // namespace chorus::jit::test
