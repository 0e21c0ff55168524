// What is accepted, and where every weight lies once packed.
#include "conv_case.h"

#include <engine/native/jit/geometry.h>

namespace chorus::jit::test {
namespace {

TEST(JitGeometry, Refusals) {
  const auto reason = [](const ConvProblem& p) { return std::string(refusal(p) != nullptr ? refusal(p) : ""); };
  EXPECT_EQ(reason(square(16, 16, 3, 1, 1)), "");
  EXPECT_EQ(reason(square(0, 16, 3, 1, 1)), "no channels");
  EXPECT_EQ(reason(square(16, 16, 0, 1, 0)), "no kernel");
  EXPECT_EQ(reason(square(16, 16, 32, 1, 1)), "a filter beyond 31 columns, stride or dilation beyond 64");
  EXPECT_EQ(reason(square(24, 24, 3, 1, 1, 6)), "groups that do not fill blocks of 16");
  EXPECT_EQ(reason(square(32, 64, 3, 1, 1, 8)), "groups that do not fill blocks of 16");
  ConvProblem p = square(8, 16, 3, 1, 1);
  p.source = Source::planar;
  EXPECT_EQ(reason(p), "a planar input of many channels");
  p = square(16, 16, 3, 1, 1);
  p.activation = fast::Activation::gelu_erf;
  EXPECT_EQ(reason(p), "an activation that is not generated");
  p = square(16, 16, 3, 2, 1);
  p.method = Method::winograd4;
  EXPECT_EQ(reason(p), "not a 3x3 convolution of stride 1");
}

TEST(JitGeometry, DenseWeights) {
  const ConvProblem p = square(20, 18, 3, 1, 1);
  const auto w = random_floats(18 * 20 * 9, 1);
  const auto scale = random_floats(18, 2);
  Guarded packed(static_cast<int64_t>(packed_weight_bytes(p) / 4), Guard::behind);
  ASSERT_EQ(packed.count(), 2 * 2 * 9 * 256);
  pack_weights(p, w.data(), scale.data(), packed.data());
  for (int64_t i = 0; i < packed.count(); ++i) {  // [out block][in block][kernel][16 in][16 out]
    const int64_t o = i / (2 * 9 * 256) * 16 + i % 16, c = i / (9 * 256) % 2 * 16 + i / 16 % 16, t = i / 256 % 9;
    const float want =
        o < 18 && c < 20 ? w[static_cast<size_t>((o * 20 + c) * 9 + t)] * scale[static_cast<size_t>(o)] : 0;
    ASSERT_EQ(packed.data()[i], want) << i;
  }
}

TEST(JitGeometry, GroupsWithinABlockAreApart) {
  const ConvProblem p = square(32, 32, 1, 1, 0, 4);
  const auto w = random_floats(32 * 8, 1);
  std::vector<float> packed(packed_weight_bytes(p) / 4);
  pack_weights(p, w.data(), nullptr, packed.data());
  ASSERT_EQ(packed.size(), 2U * 256U);
  for (size_t i = 0; i < packed.size(); ++i) {
    const size_t o = i / 256 * 16 + i % 16, c = i / 256 * 16 + i / 16 % 16;
    ASSERT_EQ(packed[i], o / 8 == c / 8 ? w[o * 8 + c % 8] : 0.0f) << i;
  }
}

TEST(JitGeometry, DepthwiseAndPlanarWeights) {
  ConvProblem p = square(20, 20, 3, 1, 1, 20);
  const auto w = random_floats(20 * 9, 1);
  std::vector<float> packed(packed_weight_bytes(p) / 4);
  pack_weights(p, w.data(), nullptr, packed.data());
  ASSERT_EQ(packed.size(), 2U * 9U * 16U);
  for (size_t i = 0; i < packed.size(); ++i) {
    const size_t c = i / 144 * 16 + i % 16;
    ASSERT_EQ(packed[i], c < 20 ? w[c * 9 + i / 16 % 9] : 0.0f) << i;
  }
  p = square(3, 16, 3, 1, 1);
  p.source = Source::planar;
  const auto v = random_floats(16 * 27, 1);
  packed.assign(packed_weight_bytes(p) / 4, 0);
  pack_weights(p, v.data(), nullptr, packed.data());
  ASSERT_EQ(packed.size(), 27U * 16U);
  for (size_t i = 0; i < packed.size(); ++i) ASSERT_EQ(packed[i], v[i % 16 * 27 + i / 16]) << i;
}

}  // namespace
}  // namespace chorus::jit::test
