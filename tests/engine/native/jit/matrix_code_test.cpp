// Matrix registers (AMX), interpreted on every processor: tiles by themselves, and whole convolutions whose generated functions call
// the interpreter. On a processor that has them, the same convolutions run there as well.
#include "conv_case.h"
#include "interpreter.h"

#include <engine/native/jit/matrix_code.h>

#include <array>
#include <deque>
#include <mutex>

namespace chorus::jit::test {
namespace {

ConvProblem matrices(ConvProblem p) {
  p.element = Element::bf16;
  p.unit = Unit::matrices;
  return p;
}

// Functions that interpret their own instructions: mov rsi, code; mov rax, interpret; jmp rax.
void interpret(void* arguments, const Code* code) {
  Interpreter interpreter;
  interpreter.allow_all();
  interpreter.run(*code, arguments);
}
std::vector<uint8_t> interpreted(const Code& code) {
  static std::mutex mutex;
  static std::deque<Code> kept;
  const std::lock_guard lock(mutex);
  const auto bytes_of = [](auto* p) {
    std::array<uint8_t, 8> bytes{};
    std::memcpy(bytes.data(), &p, 8);
    return bytes;
  };
  const auto object = bytes_of(&kept.emplace_back(code)), function = bytes_of(&interpret);
  std::vector<uint8_t> made{0x48, 0xbe};
  made.insert(made.end(), object.begin(), object.end());
  made.insert(made.end(), {0x48, 0xb8});
  made.insert(made.end(), function.begin(), function.end());
  made.insert(made.end(), {0xff, 0xe0});
  return made;
}
/// Codes on matrix registers, and those of instructions that this processor lacks.
std::vector<uint8_t> assemble_or_interpret(const Code& code) {
  bool has = level(cpu()) == Level::avx512 && cpu().avx512_bf16;
  for (const Instr& i : code.list) has = has && (i.op <= Op::copy || i.op > Op::tile_release);
  return has ? assemble(code) : interpreted(code);
}

class JitMatrix : public ::testing::Test {
 protected:
  void SetUp() override {
#if !defined(__x86_64__)
    GTEST_SKIP() << "the functions that call the interpreter are x86 code";
#endif
    if (!code_allowed()) GTEST_SKIP() << "no memory for code";
    former_ = set_assembler(real() ? former() : assemble_or_interpret);
  }
  void TearDown() override { set_assembler(assemble); }
  static bool real() { return cpu().amx_bf16 && level(cpu()) == Level::avx512 && request_amx(); }

 private:
  Assemble former_ = nullptr;
  static Assemble former() { return assemble; }
};

void check_matrices(const ConvProblem& p, const fast::ConvSizes& z) {
  for (const Guard g : {Guard::before, Guard::behind}) check(matrices(p), z, Level::avx512, g, 2);
}

TEST_F(JitMatrix, FiltersStridesGroupsBorders) {
  for (const int64_t width : {1, 6, 16, 17, 33}) {
    check_matrices(square(16, 32, 1, 1, 0), {2, 3, width});
    check_matrices(square(32, 50, 3, 1, 1), {1, 4, width});
    check_matrices(square(32, 16, 3, 2, 1), {2, 5, width});
    check_matrices(square(64, 96, 3, 1, 1, 2), {1, 3, width});
    check_matrices(square(32, 32, 3, 1, 1, 8), {1, 3, width});
    check_matrices(square(208, 48, 1, 1, 0), {1, 2, width});
  }
}

TEST_F(JitMatrix, RandomProblems) {
  std::mt19937 random(11);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int i = 0; i < 24; ++i) {
    ConvProblem p = square(16 * pick(1, 3), pick(1, 70), pick(1, 4), pick(1, 3), pick(0, 3));
    p.shape.pad_left = pick(0, 2), p.shape.pad_bottom = pick(0, 4);
    p.shape.dilation_w = pick(1, 2);
    p.extents = pick(0, 1) != 0 ? Extents::open : Extents::fixed;
    p.residual_place = pick(0, 1) != 0 ? fast::ResidualPlace::before_activation : fast::ResidualPlace::after_activation;
    p.activation = pick(0, 1) != 0 ? fast::Activation::silu : fast::Activation::clip;
    p.alpha = -0.5f, p.beta = 0.5f;
    if (p.activation == fast::Activation::silu) p.alpha = p.beta = 0;
    check_matrices(p, {pick(1, 2), pick(6, 9), pick(8, 40)});
  }
}

/// [rows, in] x [in, out], as long as tiles of all sizes need.
TEST_F(JitMatrix, Rows) {
  for (const int64_t rows : {1, 15, 32, 50, 100}) {
    ConvProblem p = matrices(square(80, 48, 1, 1, 0));
    p.residual = false, p.bias = false, p.source = Source::rows, p.target = Target::rows;
    p.activation = fast::Activation::none;
    ASSERT_EQ(refusal(p), nullptr);
    auto x = random_floats(rows * 80, 1), w = random_floats(48 * 80, 2);
    std::vector<float> packed(packed_weight_bytes(p) / 4), out(static_cast<size_t>(rows * 48));
    pack_weights(p, w.data(), nullptr, packed.data());
    const auto call = make_generated(p, {1, 1, rows}, Level::avx512);
    EXPECT_TRUE(std::string_view(call->name()).find("amx") != std::string_view::npos) << call->name();
    Guarded scratch(static_cast<int64_t>(call->scratch_bytes(2) / 4), Guard::behind);
    ThreadPool pool({.threads = 2});
    ConvBuffers b{x.data(), packed.data(), nullptr, nullptr, out.data(), scratch.data()};
    call->run(b, pool);
    for (int64_t i = 0; i < rows * 48; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < 80; ++k) {
        sum += double{widened(rounded(x[static_cast<size_t>(i / 48 * 80 + k)]))} *
               double{widened(rounded(w[static_cast<size_t>(i % 48 * 80 + k)]))};
      }
      ASSERT_NEAR(out[static_cast<size_t>(i)], sum, 1e-5) << rows << " rows, " << i;
    }
  }
}

/// Fours of bytes: exact; sums of two passes, the first one partial. Every buffer is exactly as large as it must be.
TEST(JitMatrixCode, BytesInterpreted) {
  std::mt19937 random(3);
  for (const int out_blocks : {1, 2}) {
    for (const int pixels : {1, 16, 23, kMatrixPixels}) {
      std::vector<uint8_t> input(static_cast<size_t>(pixels * 16));
      std::vector<int8_t> weights(static_cast<size_t>(out_blocks * 256));
      for (auto& v : input) v = static_cast<uint8_t>(random());
      for (auto& v : weights) v = static_cast<int8_t>(random());
      std::vector<int32_t> out(static_cast<size_t>(out_blocks * pixels * 16));
      TileKey key;
      key.matrices = true;
      key.pixels = pixels, key.out_blocks = out_blocks, key.lanes = key.last_lanes = kFours, key.pixel_step = 16;
      const Code code = matrix_code(key);
      for (int pass = 0; pass < 2; ++pass) {
        TileArgs a{};
        a.input = reinterpret_cast<const float*>(input.data()),
        a.weights = reinterpret_cast<const float*>(weights.data());
        a.output = reinterpret_cast<float*>(out.data()), a.initial = pass == 0 ? nullptr : a.output;
        a.weight_block = 256, a.output_block = pixels * 64;
        a.full_blocks = a.rows = a.columns = a.tiles = a.partial = 1;
        Interpreter interpreter;
        interpreter.allow(&a, sizeof a);
        interpreter.allow(input.data(), input.size()), interpreter.allow(weights.data(), weights.size());
        interpreter.allow(out.data(), out.size() * 4);
        interpreter.run(code, &a);
      }
      for (int i = 0; i < out_blocks * pixels * 16; ++i) {
        const int o = i / 16 / pixels, p = i / 16 % pixels;
        int32_t sum = 0;
        for (int c = 0; c < 16; ++c)
          sum += 2 * int32_t{input[static_cast<size_t>(p * 16 + c)]} *
                 weights[static_cast<size_t>(o * 256 + (c / 4 * 16 + i % 16) * 4 + c % 4)];
        ASSERT_EQ(out[static_cast<size_t>(i)], sum) << "tile " << pixels << "x" << out_blocks << " at " << i;
      }
    }
  }
}

/// The bytes of the GNU assembler for the same instructions (rdi is register 0, rax register 1, rcx register 2).
TEST(JitMatrixCode, Encoding) {
  const auto bytes = [](auto&& write) {
    Code empty, code;
    empty.finish();
    write(code);
    code.finish();
    std::vector<uint8_t> made = assemble(code);
    const std::vector<uint8_t> end = assemble(empty);
    if (made.size() < end.size()) return std::vector<uint8_t>{};
    made.resize(made.size() - end.size());
    return made;
  };
  if (bytes([](Code& c) { c.vec(Op::zero, 0); }).empty()) GTEST_SKIP() << "no assembler for this processor";
  using Bytes = std::vector<uint8_t>;
  EXPECT_EQ(bytes([](Code& c) { c.tile_zero(3); }), (Bytes{0xc4, 0xe2, 0x7b, 0x49, 0xd8}));
  EXPECT_EQ(bytes([](Code& c) { c.tile_load(5, {1, 2, 1, 0x40}); }), (Bytes{0xc4, 0xe2, 0x7b, 0x4b, 0x6c, 0x08, 0x40}));
  EXPECT_EQ(bytes([](Code& c) { c.tile_store({1, 2, 1, 0}, 2); }), (Bytes{0xc4, 0xe2, 0x7a, 0x4b, 0x14, 0x08}));
  EXPECT_EQ(bytes([](Code& c) { c.tile_dot(1, 4, 7); }), (Bytes{0xc4, 0xe2, 0x42, 0x5c, 0xcc}));
  EXPECT_EQ(bytes([](Code& c) { c.tile_dot_bytes(0, 5, 6); }), (Bytes{0xc4, 0xe2, 0x49, 0x5e, 0xc5}));
  EXPECT_EQ(bytes([](Code& c) { c.tile_release(); }), (Bytes{0xc4, 0xe2, 0x78, 0x49, 0xc0}));
  // sub rsp, 64; 64 zeros; palette 1; tiles 0, 1: 3 rows of 64 bytes; 4: 3 of 32; 6, 7: 8 of 64; ldtilecfg; add rsp, 64.
  EXPECT_EQ(bytes([](Code& c) {
              c.tile_shapes({3, 0, 8});
            }),
            (Bytes{0x48, 0x83, 0xec, 0x40, 0x62, 0x01, 0x05, 0x40, 0xef, 0xff, 0x62, 0x61, 0x7c, 0x48, 0x11, 0x3c,
                   0x24, 0xc6, 0x04, 0x24, 0x01, 0x66, 0xc7, 0x44, 0x24, 0x10, 0x40, 0x00, 0xc6, 0x44, 0x24, 0x30,
                   0x03, 0x66, 0xc7, 0x44, 0x24, 0x12, 0x40, 0x00, 0xc6, 0x44, 0x24, 0x31, 0x03, 0x66, 0xc7, 0x44,
                   0x24, 0x18, 0x20, 0x00, 0xc6, 0x44, 0x24, 0x34, 0x03, 0x66, 0xc7, 0x44, 0x24, 0x1c, 0x40, 0x00,
                   0xc6, 0x44, 0x24, 0x36, 0x08, 0x66, 0xc7, 0x44, 0x24, 0x1e, 0x40, 0x00, 0xc6, 0x44, 0x24, 0x37,
                   0x08, 0xc4, 0xe2, 0x78, 0x49, 0x04, 0x24, 0x48, 0x83, 0xc4, 0x40}));
}

TEST(JitMatrixCode, Refusals) {
  EXPECT_STREQ(refusal(matrices(square(24, 16, 1, 1, 0))), "matrix registers with a part of a block of channels");
  ConvProblem p = square(32, 32, 1, 1, 0);
  p.unit = Unit::matrices;
  EXPECT_STREQ(refusal(p), "matrix registers for other than bfloat16");
}

}  // namespace
}  // namespace chorus::jit::test
