// Products of bytes: exact, on the processor, in plain C++, and interpreted, with every operand at the edge of mapped memory.
#include "conv_case.h"
#include "interpreter.h"

#include <engine/native/jit/tile_code.h>

#include <random>

namespace chorus::jit::test {
namespace {

struct Bytes {
  int64_t rows, k, n;
  std::vector<uint8_t> a;  // [rows, k]
  std::vector<int8_t> b;  // [n, k]
  Bytes(int64_t m, int64_t depth, int64_t columns, uint32_t seed) : rows(m), k(depth), n(columns) {
    std::mt19937 random(seed);
    for (int64_t i = 0; i < m * k; ++i) a.push_back(static_cast<uint8_t>(random()));
    for (int64_t i = 0; i < n * k; ++i) b.push_back(static_cast<int8_t>(static_cast<uint8_t>(random())));
    for (int64_t i = 0; i < k; ++i)
      a[static_cast<size_t>(i)] = 255, b[static_cast<size_t>(i)] = -128;  // the largest sum
  }
  ConvProblem problem(Extents extents) const {
    ConvProblem p = square(k, n, 1, 1, 0);
    p.element = Element::bytes, p.target = Target::rows, p.extents = extents;
    p.bias = false, p.activation = fast::Activation::none;
    return p;
  }
  int64_t sum(int64_t r, int64_t c) const {
    int64_t s = 0;
    for (int64_t i = 0; i < k; ++i) s += int64_t{a[static_cast<size_t>(r * k + i)]} * b[static_cast<size_t>(c * k + i)];
    return s;
  }
};

void check_bytes(const Bytes& d, Level level, Guard guard, Extents extents) {
  const ConvProblem p = d.problem(extents);
  ASSERT_EQ(refusal(p), nullptr);
  Guarded in(blocks(d.k) * d.rows * 4, guard), packed(static_cast<int64_t>(packed_weight_bytes(p) / 4), guard);
  Guarded out(d.rows * d.n, guard);
  auto* x = reinterpret_cast<uint8_t*>(in.data());
  std::memset(x, 0, static_cast<size_t>(in.count()) * 4);
  for (int64_t i = 0; i < d.rows * d.k; ++i)
    x[(i % d.k / 16 * d.rows + i / d.k) * 16 + i % d.k % 16] = d.a[static_cast<size_t>(i)];
  pack_byte_weights(p, d.b.data(), packed.data());
  std::vector<int32_t> first(static_cast<size_t>(d.rows * d.n));
  for (size_t i = 0; i < first.size(); ++i) first[i] = static_cast<int32_t>(i) * 37 - 4000;
  std::memcpy(out.data(), first.data(), first.size() * 4);
  const auto call = make_generated(p, {1, 1, d.rows}, level);
  ThreadPool pool({.threads = 2});
  call->run({in.data(), packed.data(), nullptr, out.data(), out.data(), nullptr}, pool);
  for (int64_t i = 0; i < d.rows * d.n; ++i) {
    int32_t got = 0;
    std::memcpy(&got, out.data() + i, 4);
    ASSERT_EQ(got, d.sum(i / d.n, i % d.n) + first[static_cast<size_t>(i)])
        << "row " << i / d.n << " column " << i % d.n;
  }
}

TEST(JitBytes, ProductsAreExact) {
  const bool has = cpu().avx512_vnni && level(cpu()) == Level::avx512;
  std::mt19937 random(8);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (uint32_t i = 0; i < 80; ++i) {
    const Bytes d(pick(1, 70), pick(1, i % 10 == 0 ? 3000 : 150), 16 * pick(1, 9), i);
    const Extents extents = i % 2 == 0 ? Extents::fixed : Extents::open;
    check_bytes(d, Level::plain, Guard::behind, extents);
    if (!has) continue;
    for (const Guard g : {Guard::before, Guard::behind}) check_bytes(d, Level::avx512, g, extents);
  }
}

TEST(JitBytes, TilesInterpreted) {
  for (int out_blocks = 1; out_blocks <= 4; ++out_blocks) {
    for (const int pixels : {1, 3, most_pixels(Level::avx512, out_blocks)}) {
      const Bytes d(pixels, 11, out_blocks * 16, 3);
      const ConvProblem p = d.problem(Extents::fixed);
      std::vector<uint8_t> x(
          static_cast<size_t>((pixels - 1) * 16 + 12));  // fours behind the last channel are not read
      for (int64_t i = 0; i < d.rows * d.k; ++i)
        x[static_cast<size_t>(i / d.k * 16 + i % d.k)] = d.a[static_cast<size_t>(i)];
      std::vector<int32_t> packed(packed_weight_bytes(p) / 4), out(static_cast<size_t>(d.rows * d.n));
      pack_byte_weights(p, d.b.data(), packed.data());
      TileKey key;
      key.pixels = pixels, key.out_blocks = out_blocks, key.lanes = kFours, key.last_lanes = 3, key.pixel_step = 16;
      key.output_step = out_blocks * 64;
      TileArgs a{};
      a.input = reinterpret_cast<const float*>(x.data()), a.weights = reinterpret_cast<const float*>(packed.data());
      a.output = reinterpret_cast<float*>(out.data());
      a.weight_block = 256, a.output_block = 64;
      a.last_block = a.rows = a.columns = a.tiles = 1;
      Interpreter interpreter;
      interpreter.allow(&a, sizeof a);
      interpreter.allow(x.data(), x.size()), interpreter.allow(packed.data(), packed.size() * 4);
      interpreter.allow(out.data(), out.size() * 4);
      interpreter.run(tile_code(key), &a);
      for (int64_t i = 0; i < d.rows * d.n; ++i) ASSERT_EQ(out[static_cast<size_t>(i)], d.sum(i / d.n, i % d.n));
    }
  }
}

TEST(JitBytes, Refusals) {
  ConvProblem p = Bytes(2, 20, 16, 1).problem(Extents::fixed);
  p.shape.in_channels = 65'001;
  EXPECT_STREQ(refusal(p), "bytes of so many channels that int32 does not hold their sums");
  p.shape.in_channels = 20, p.bias = true;
  EXPECT_STREQ(refusal(p), "bytes with a bias or an activation");
  p.bias = false, p.shape.kernel_w = 3;
  EXPECT_STREQ(refusal(p), "rows of a convolution that is not a product");
}

}  // namespace
}  // namespace chorus::jit::test
