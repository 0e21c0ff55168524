// Attention against the formula written out, and its corners.
#include <ops/table.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::make;
using testing::run_op;

TEST(Attention, GridsRun) {
  for (const OpDef& def : families::attention_ops())
    EXPECT_GE(testing::run_grid(def.name, 1e-5, def.domain), 5) << def.name;
}

std::vector<double> sine(int64_t n, double step) {
  std::vector<double> v;
  for (int64_t i = 0; i < n; ++i) v.push_back(static_cast<float>(std::sin(step * static_cast<double>(i + 1))));
  return v;
}
Value tensor(const Shape& shape, const std::vector<double>& v) {
  std::vector<float> f(v.begin(), v.end());
  return Value::of<float>(shape, std::span<const float>(f));
}

TEST(Attention, GroupedHeadsAndCausalMaskFollowTheFormula) {
  const int64_t heads = 4, groups = 2, queries = 3, keys = 3, size = 2;
  const auto q = sine(heads * queries * size, 0.7), k = sine(groups * keys * size, 1.3),
             v = sine(groups * keys * size, 2.1);
  const auto y = run_op({.op = "Attention",
                         .inputs = {tensor({1, heads, queries, size}, q), tensor({1, groups, keys, size}, k),
                                    tensor({1, groups, keys, size}, v)},
                         .attributes = {{"is_causal", 1}, {"softcap", 0.5f}}})[0]
                     .to_doubles();
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t i = 0; i < queries; ++i) {
      double sum = 0, wanted[2] = {};
      const int64_t g = h / 2;
      for (int64_t j = 0; j <= i; ++j) {
        double dot = 0;
        for (int64_t d = 0; d < size; ++d) dot += q[(h * queries + i) * size + d] * k[(g * keys + j) * size + d];
        const double p = std::exp(0.5 * std::tanh(dot / std::sqrt(2.0) / 0.5));
        sum += p;
        for (int64_t d = 0; d < size; ++d) wanted[d] += p * v[(g * keys + j) * size + d];
      }
      for (int64_t d = 0; d < size; ++d) EXPECT_NEAR(y[(h * queries + i) * size + d], wanted[d] / sum, 1e-6);
    }
  }
}

TEST(Attention, CacheAndPackedHeadsAreTheSameAsTheWhole) {
  const auto k = sine(2 * 5 * 3, 1.3), v = sine(2 * 5 * 3, 2.1), q = sine(2 * 2 * 3, 0.4);
  const auto part = [](const std::vector<double>& x, int64_t from, int64_t to) {
    std::vector<double> out;
    for (int64_t h = 0; h < 2; ++h) {
      for (int64_t t = from; t < to; ++t) {
        for (int64_t d = 0; d < 3; ++d) out.push_back(x[static_cast<size_t>((h * 5 + t) * 3 + d)]);
      }
    }
    return out;
  };
  const Value query = tensor({1, 2, 2, 3}, q);
  const auto whole = run_op({.op = "Attention", .inputs = {query, tensor({1, 2, 5, 3}, k), tensor({1, 2, 5, 3}, v)}});
  const auto cached =
      run_op({.op = "Attention",
              .inputs = {query, tensor({1, 2, 2, 3}, part(k, 3, 5)), tensor({1, 2, 2, 3}, part(v, 3, 5)), Value(),
                         tensor({1, 2, 3, 3}, part(k, 0, 3)), tensor({1, 2, 3, 3}, part(v, 0, 3))},
              .outputs = 3});
  testing::expect_close(cached[0], whole[0]);
  testing::expect_close(cached[1], tensor({1, 2, 5, 3}, k));
  testing::expect_close(cached[2], tensor({1, 2, 5, 3}, v));
}

TEST(Attention, HeadsWithoutFeaturesWeighAllKeysAlike) {
  const auto y = run_op({.op = "Attention",
                         .inputs = {tensor({1, 1, 2, 0}, {}), tensor({1, 1, 2, 0}, {}), tensor({1, 1, 2, 1}, {1, 4})}});
  testing::expect_close(y[0], tensor({1, 1, 2, 1}, {2.5, 2.5}));
}

TEST(Attention, RowsWithoutKeysAreZero) {
  const double inf = INFINITY;
  const Value x = tensor({1, 1, 2, 2}, {1, 2, 3, 4});
  const auto y = run_op({.op = "Attention",
                         .inputs = {x, x, x, make(DType::float32, {2, 2}, {-inf, -inf, 0, -inf})},
                         .attributes = {{"qk_matmul_output_mode", 3}},
                         .outputs = 4});
  EXPECT_EQ(y[0].to_doubles(), (std::vector<double>{0, 0, 1, 2}));
  EXPECT_EQ(y[3].to_doubles(), (std::vector<double>{0, 0, 1, 0}));
}

TEST(Attention, ThreadsDoNotChangeAnything) {
  const Value x = tensor({2, 4, 9, 8}, sine(2 * 4 * 9 * 8, 0.3));
  testing::OpCall call{.op = "Attention", .inputs = {x, x, x}, .attributes = {{"is_causal", 1}}};
  const auto one = run_op(call);
  call.threads = 4;
  EXPECT_TRUE(run_op(call)[0].identical(one[0]));
}

TEST(Attention, RotationKeepsLengths) {
  const auto x = sine(6, 0.9);
  const double angle = 0.3;
  const Value c = make(DType::float32, {1, 3, 1}, {std::cos(angle), std::cos(angle), std::cos(angle)});
  const Value s = make(DType::float32, {1, 3, 1}, {std::sin(angle), std::sin(angle), std::sin(angle)});
  const auto y = run_op({.op = "RotaryEmbedding", .inputs = {tensor({1, 1, 3, 2}, x), c, s}})[0].to_doubles();
  for (size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(std::hypot(y[2 * i], y[2 * i + 1]), std::hypot(x[2 * i], x[2 * i + 1]), 1e-6);
  EXPECT_NEAR(y[0], std::cos(angle) * x[0] - std::sin(angle) * x[1], 1e-6);
}

}  // namespace
}  // namespace chorus
