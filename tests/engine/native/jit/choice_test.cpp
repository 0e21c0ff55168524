// Choices of a tuning log: words and back, what they may be, and that each computes the same convolution.
#include <chorus/buffer.h>
#include <engine/native/jit/choice.h>

#include "conv_case.h"

#include <set>

namespace chorus::jit::test {
namespace {

std::vector<ConvProblem> problems() {
  ConvProblem first = square(3, 40, 3, 2, 1);
  first.source = Source::planar;
  return {square(32, 72, 3, 1, 1), square(64, 40, 1, 1, 0), first, square(64, 64, 3, 1, 1, 2)};
}

std::vector<Choice> all_choices(const ConvProblem& p, const fast::ConvSizes& z, Level level) {
  std::vector<Choice> all = choices(p, z, level);
  const size_t count = all.size();
  for (size_t i = 0; i < count; i += 2) {
    for (const Choice& c : refinements(all[i], p, level)) all.push_back(c);
  }
  return all;
}

std::vector<float> run(const ConvProblem& p, const fast::ConvSizes& z, Level level, int threads) {
  const CaseData d(p, z);
  std::vector<float> in(static_cast<size_t>(blocked_count(1, p.shape.in_channels, z.height, z.width)) + 16);
  const auto aligned = [](size_t bytes) { return Buffer::allocate(bytes + 64); };
  const auto floats = [](Buffer& b) { return reinterpret_cast<float*>(b.mutable_data()); };
  const auto out_count = static_cast<size_t>(blocked_count(1, p.shape.out_channels, d.height, d.width));
  Buffer input = aligned(in.size() * 4), weights = aligned(packed_weight_bytes(p)), out = aligned(out_count * 4),
         bias = aligned(static_cast<size_t>(bias_count(p.shape.out_channels)) * 4), residual = aligned(out_count * 4);
  std::memset(bias.mutable_data(), 0, bias.bytes());
  if (p.source == Source::planar)
    std::copy(d.x.begin(), d.x.end(), floats(input));
  else
    to_blocked(d.x, 1, p.shape.in_channels, z.height * z.width, floats(input));
  to_blocked(d.residual, 1, p.shape.out_channels, d.height * d.width, floats(residual));
  std::copy(d.bias.begin(), d.bias.end(), floats(bias));
  pack_weights(p, d.w.data(), d.scale.data(), floats(weights));
  generate(p, z, level);
  const auto call = ConvCall::make(p, z, level);
  Buffer scratch = aligned(call->scratch_bytes(threads));
  ThreadPool pool({.threads = threads});
  call->run({floats(input), floats(weights), floats(bias), floats(residual), floats(out), scratch.mutable_data()},
            pool);
  std::vector<float> plain;
  for (int64_t c = 0; c < p.shape.out_channels; ++c) {
    for (int64_t i = 0; i < d.height * d.width; ++i)
      plain.push_back(blocked_at(floats(out), 0, c, p.shape.out_channels, d.height * d.width, i));
  }
  return plain;
}

TEST(JitChoice, WordsAndBack) {
  for (const ConvProblem& p : problems()) {
    for (const Level l : levels()) {
      std::set<std::string> texts;
      for (const Choice& c : all_choices(p, {1, 20, 20}, l)) {
        texts.insert(str(c));
        if (l == Level::plain) continue;
        const auto read = parse_choice(str(c), p, l);
        ASSERT_TRUE(read.has_value()) << str(c);
        EXPECT_EQ(*read, c) << str(c);
      }
      EXPECT_EQ(choices(p, {1, 20, 20}, l).front().tiling, Tiling());
      if (l == Level::plain) {
        EXPECT_EQ(texts.size(), 1u) << "nothing is generated, so there is nothing to choose";
      } else {
        EXPECT_GE(texts.size(), 5u);
      }
    }
  }
}

TEST(JitChoice, OtherTextsAreNone) {
  const ConvProblem point = square(64, 64, 1, 1, 0), three = square(64, 64, 3, 1, 1);
  for (const Level l : levels()) {
    for (const char* text : {"", " ", "Direct", "direct ", "direct  blocks=2", "direct blocks=0", "direct blocks=9",
                             "direct blocks=-1", "direct blocks=2x", "direct blocks=",
                             "direct blocks=99999999999999999999", "direct pixels=65", "direct chunk=1048577",
                             "direct what=1", "blocks=2", "winograd6", "winograd4 winograd2", "direct\nblocks=2"}) {
      const bool trailing = std::string_view(text) == "direct ";  // ends where the word does
      EXPECT_EQ(parse_choice(text, three, l).has_value(), trailing && l != Level::plain) << '"' << text << '"';
    }
    EXPECT_FALSE(parse_choice("winograd4", point, l).has_value());
    EXPECT_EQ(parse_choice("winograd4", three, l).has_value(), l != Level::plain);
    ConvProblem narrow = three, few = three;
    narrow.element = Element::bf16, few.shape.out_channels = 16;
    EXPECT_FALSE(parse_choice("winograd2", narrow, l).has_value()) << "bfloat16 has direct sums only";
    EXPECT_FALSE(parse_choice("direct blocks=2", few, l).has_value()) << "there is one block of channels";
    EXPECT_FALSE(parse_choice("direct", square(64, 64, 3, 1, 1, 64), l).has_value()) << "depthwise";
  }
}

TEST(JitChoice, EveryChoiceComputesTheSame) {
  chorus::testing::Thinned grid(3);
  for (const ConvProblem& p : problems()) {
    const fast::ConvSizes z{1, 9, 13};
    for (const Level l : levels()) {
      if (l == Level::plain) continue;
      for (const Choice& c : all_choices(p, z, l)) {
        if (!grid.takes_next()) continue;
        SCOPED_TRACE(str(c));
        check(with_choice(p, c), z, l, Guard::behind, 2);
        EXPECT_EQ(run(with_choice(p, c), z, l, 3), run(with_choice(p, c), z, l, 1)) << "threads change no bit";
      }
    }
  }
}

TEST(JitChoice, SignaturesTellApartWhatTakesAnotherTime) {
  const fast::ConvSizes z{1, 20, 20};
  std::vector<ConvProblem> all(12, square(64, 64, 3, 1, 1));
  all[1].shape.in_channels = 80, all[2].shape.out_channels = 80, all[3].shape.kernel_w = 1;
  all[4].shape.stride_h = 2, all[5].shape.dilation_w = 2, all[6].shape.pad_left = 0, all[7].bias = false;
  all[8].residual = false, all[9].activation = fast::Activation::silu, all[10].element = Element::bf16;
  all[11].extents = Extents::open;
  std::set<std::string> texts;
  for (const ConvProblem& p : all) texts.insert(signature(p, z, Level::avx512));
  texts.insert(signature(all[0], {1, 20, 21}, Level::avx512));
  texts.insert(signature(all[0], z, Level::avx2));
  EXPECT_EQ(texts.size(), all.size() + 2);
  EXPECT_EQ(signature(all[0], z, Level::avx2), signature(all[0], {8, 20, 20}, Level::avx2)) << "the batch is open";
  EXPECT_EQ(signature(all[11], z, Level::avx2), signature(all[11], {1, 7, 7}, Level::avx2));
  ConvProblem widest = square(int64_t{1} << 40, int64_t{1} << 40, int64_t{1} << 40, 1, 1);
  widest.depth = {int64_t{1} << 40, 3, 1, 1, 1, 1};
  EXPECT_LE(signature(widest, {1, int64_t{1} << 40, int64_t{1} << 40}, Level::avx512).size(), 300u);
}

}  // namespace
}  // namespace chorus::jit::test
