// QuantizeLinear, DequantizeLinear and sums of bytes against ONNX's definition, bit by bit: on the processor, in plain C++ and interpreted.
#include "interpreter.h"
#include "support.h"

#include <engine/native/jit/byte_map.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace chorus::jit::test {
namespace {

struct Case {
  ByteMap kind;
  int64_t count;
  ByteMapParams params{};
  std::vector<float> a_real;
  std::vector<uint8_t> a, b;

  Case(ByteMap k, int64_t n, uint32_t seed) : kind(k), count(n) {
    std::mt19937 random(seed);
    const auto any = [&](float low, float high) { return std::uniform_real_distribution<float>(low, high)(random); };
    const float scales[] = {any(1e-3f, 1e-2f), any(1e-3f, 1e-2f), any(1e-3f, 1e-2f)};
    fill(params.step, scales[0]), fill(params.scale_a, scales[1]), fill(params.scale_b, scales[2]);
    const bool is_signed = seed % 2 == 0 && kind != ByteMap::add;
    fill(params.out.zero, static_cast<float>(random() % 256) - (is_signed ? 128 : 0));
    fill(params.out.alpha, is_signed ? -128 : 0), fill(params.out.beta, is_signed ? 127 : 255);
    fill(params.zero_a, static_cast<float>(random() % 256)), fill(params.zero_b, static_cast<float>(random() % 256));
    for (int64_t i = 0; i < n; ++i) {
      a.push_back(static_cast<uint8_t>(random())), b.push_back(static_cast<uint8_t>(random()));
      // Ties among them, and numbers that no byte holds.
      const float real = i % 3 == 0 ? (static_cast<float>(random() % 200) - 99.5f) * scales[0] : any(-3, 3);
      a_real.push_back(i % 17 == 5 ? std::numeric_limits<float>::infinity() : i % 17 == 6 ? NAN : real);
    }
  }
  const void* first() const { return kind == ByteMap::quantize ? static_cast<const void*>(a_real.data()) : a.data(); }
  bool adds() const { return kind == ByteMap::add || kind == ByteMap::add_signed; }
  bool to_bytes() const { return kind == ByteMap::quantize || adds(); }

  /// As ONNX writes it, each operation in float32.
  float real(const std::vector<uint8_t>& from, size_t i, float zero, float scale) const {
    const int byte =
        kind == ByteMap::dequantize_signed || kind == ByteMap::add_signed ? static_cast<int8_t>(from[i]) : int{from[i]};
    return static_cast<float>(byte - static_cast<int>(zero)) * scale;
  }
  void expect(size_t i, const std::vector<float>& reals, const std::vector<uint8_t>& bytes) const {
    float v = kind == ByteMap::quantize ? a_real[i] : real(a, i, params.zero_a[0], params.scale_a[0]);
    if (adds()) {
      const float other = real(b, i, params.zero_b[0], params.scale_b[0]);
      v += other;
    }
    if (!to_bytes()) {
      ASSERT_EQ(reals[i], v) << i;
      return;
    }
    const double steps = std::nearbyint(static_cast<double>(v / params.step[0])) + double{params.out.zero[0]};
    const double low = double{params.out.alpha[0]}, high = double{params.out.beta[0]};
    const double want = !(steps > low) ? low : std::min(steps, high);
    ASSERT_EQ(int{bytes[i]}, static_cast<int>(want) & 255) << i << ": " << v;
  }
};

constexpr ByteMap kKinds[] = {ByteMap::quantize, ByteMap::dequantize, ByteMap::dequantize_signed, ByteMap::add,
                              ByteMap::add_signed};

TEST(JitByteMap, EveryBitByCodeAndInterpreted) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    const Case c(kKinds[seed / 2 % 5], 16 * (1 + seed % 5), seed);
    const auto n = static_cast<size_t>(c.count);
    for (const bool interpreted : {true, false}) {
      std::vector<float> reals(n);
      std::vector<uint8_t> bytes(n);
      ByteMapArgs args{c.first(), c.b.data(), c.to_bytes() ? static_cast<void*>(bytes.data()) : reals.data(), &c.params,
                       c.count / 16};
      if (interpreted) {
        Interpreter interpreter;
        interpreter.allow(&args, sizeof args), interpreter.allow(&c.params, sizeof c.params);
        interpreter.allow(c.a.data(), n), interpreter.allow(c.b.data(), n), interpreter.allow(c.a_real.data(), 4 * n);
        interpreter.allow(bytes.data(), n), interpreter.allow(reals.data(), 4 * n);
        interpreter.run(byte_map_code(c.kind), &args);
      } else {
        if (level(cpu()) != Level::avx512) continue;
        const Kernel kernel = find_byte_map(c.kind);
        ASSERT_NE(kernel, nullptr);
        kernel(&args);
      }
      for (size_t i = 0; i < n; ++i) c.expect(i, reals, bytes);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(JitByteMap, EveryBitInPlainCode) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    const Case c(kKinds[seed / 2 % 5], 1 + seed, seed);
    const auto n = static_cast<size_t>(c.count);
    std::vector<float> reals(n);
    std::vector<uint8_t> bytes(n);
    const ByteMapArgs args{c.first(), c.b.data(), c.to_bytes() ? static_cast<void*>(bytes.data()) : reals.data(),
                           &c.params, 0};
    run_byte_map_plain(c.kind, args, 0, c.count / 2);
    run_byte_map_plain(c.kind, args, c.count / 2, c.count - c.count / 2);
    for (size_t i = 0; i < n; ++i) c.expect(i, reals, bytes);
    if (HasFatalFailure()) return;
  }
}

TEST(JitByteMap, RangesAndIntegers) {
  std::mt19937 random(5);
  for (int64_t vectors = 1; vectors < 6; ++vectors) {
    const auto n = static_cast<size_t>(16 * vectors);
    std::vector<float> reals(n), made(n);
    std::vector<int32_t> integers(n);
    for (size_t i = 0; i < n; ++i) {
      reals[i] = i % 7 == 3 ? NAN : std::uniform_real_distribution<float>(-9, 9)(random);
      integers[i] = static_cast<int32_t>(random());
    }
    for (const bool interpreted : {true, false}) {
      if (!interpreted && level(cpu()) != Level::avx512) continue;
      ByteMapParams params{};
      alignas(64) float ends[32] = {};
      const auto run = [&](ByteMap kind, const void* a, void* y, size_t y_bytes) {
        ByteMapArgs args{a, nullptr, y, &params, vectors};
        if (!interpreted) return find_byte_map(kind)(&args);
        Interpreter interpreter;
        interpreter.allow(&args, sizeof args), interpreter.allow(&params, sizeof params);
        interpreter.allow(a, 4 * n), interpreter.allow(y, y_bytes);
        interpreter.run(byte_map_code(kind), &args);
      };
      run(ByteMap::range, reals.data(), ends, sizeof ends);
      run(ByteMap::to_real, integers.data(), made.data(), 4 * n);
      float low = 0, high = 0, got_low = 0, got_high = 0;
      for (const float x : reals) {
        if (!std::isnan(x)) low = std::min(low, x), high = std::max(high, x);
      }
      for (int lane = 0; lane < 16; ++lane)
        got_low = std::min(got_low, ends[lane]), got_high = std::max(got_high, ends[lane + 16]);
      EXPECT_EQ(got_low, low);
      EXPECT_EQ(got_high, high);
      for (size_t i = 0; i < n; ++i) ASSERT_EQ(made[i], static_cast<float>(integers[i]));
    }
    float plain[32] = {};
    run_byte_map_plain(ByteMap::range, {reals.data(), nullptr, plain, nullptr, 0}, 3, 7);
    EXPECT_LE(plain[0], 0);
    EXPECT_EQ(plain[16], std::max(0.0F, *std::max_element(reals.begin() + 4, reals.begin() + 10)));
  }
}

}  // namespace
}  // namespace chorus::jit::test
