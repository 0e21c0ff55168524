// QuantizeLinear, DequantizeLinear and sums of bytes against ONNX's definition, bit by bit: on the processor, in plain C++ and interpreted.
#include "interpreter.h"
#include "support.h"

#include <engine/native/jit/byte_map.h>

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
    const bool is_signed = seed % 2 == 0 && kind == ByteMap::quantize;
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
  bool to_bytes() const { return kind == ByteMap::quantize || kind == ByteMap::add; }

  /// As ONNX writes it, each operation in float32.
  float real(const std::vector<uint8_t>& from, size_t i, float zero, float scale) const {
    const int byte = kind == ByteMap::dequantize_signed ? static_cast<int8_t>(from[i]) : int{from[i]};
    return static_cast<float>(byte - static_cast<int>(zero)) * scale;
  }
  void expect(size_t i, const std::vector<float>& reals, const std::vector<uint8_t>& bytes) const {
    float v = kind == ByteMap::quantize ? a_real[i] : real(a, i, params.zero_a[0], params.scale_a[0]);
    if (kind == ByteMap::add) {
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

constexpr ByteMap kKinds[] = {ByteMap::quantize, ByteMap::dequantize, ByteMap::dequantize_signed, ByteMap::add};

TEST(JitByteMap, EveryBitByCodeAndInterpreted) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    const Case c(kKinds[seed / 2 % 4], 16 * (1 + seed % 5), seed);
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
    const Case c(kKinds[seed / 2 % 4], 1 + seed, seed);
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

}  // namespace
}  // namespace chorus::jit::test
