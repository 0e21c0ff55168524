#include "ops/op_case.h"

#include <chorus/error.h>
#include <ops/constant.h>

#include <gtest/gtest.h>

#include <cmath>

namespace chorus::testing {
namespace {

constexpr DType kF32 = DType::float32, kI64 = DType::int64;
Value ints(std::initializer_list<int64_t> v) { return Value::of<int64_t>({static_cast<int64_t>(v.size())}, v); }

TEST(Creation, GridsRunAndAgreeWithDecompositions) {
  for (const char* op : {"Constant", "ConstantOfShape", "Range", "EyeLike", "RandomNormal", "RandomNormalLike",
                         "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}) {
    EXPECT_GE(run_grid(op), 4) << op;
  }
}

TEST(Creation, ConstantsOfAllForms) {
  const auto value = [](Attributes a) { return run_one({.op = "Constant", .attributes = std::move(a)}); };
  expect_close(value({{"value_int", 3}}), Value::scalar<int64_t>(3));
  expect_close(value({{"value_floats", std::vector<float>{1, 2}}}), make(kF32, {2}, {1, 2}));
  EXPECT_EQ(value({{"value_strings", std::vector<std::string>{"a", "bc"}}}).strings()[1], "bc");
  AttrValue sparse;
  sparse.data = SparseValue{make(kF32, {2}, {5, 7}), ints({1, 5}), Shape{2, 3}};
  expect_close(value({{"sparse_value", sparse}}), make(kF32, {2, 3}, {0, 5, 0, 0, 0, 7}));
  sparse.data = SparseValue{make(kF32, {2}, {5, 7}), ints({0, 1, 1, 2}).reshaped({2, 2}), Shape{2, 3}};
  expect_close(value({{"sparse_value", sparse}}), make(kF32, {2, 3}, {0, 5, 0, 0, 0, 7}));
  sparse.data = SparseValue{make(kF32, {1}, {5}), ints({6}), Shape{2, 3}};
  EXPECT_THROW(value({{"sparse_value", sparse}}), Error);
  sparse.data = SparseValue{make(kF32, {1}, {5}), ints({6}), Shape{1 << 20, 1 << 20}};
  EXPECT_THROW(value({{"sparse_value", sparse}}), Error);
  EXPECT_THROW(value({}), Error);
  EXPECT_THROW(value({{"value_int", 3}, {"value_float", 1.0}}), Error);
}

TEST(Creation, RangesEndBeforeTheirLimit) {
  const auto range = [](int64_t a, int64_t b, int64_t c) {
    return run_one({.op = "Range", .inputs = {Value::scalar(a), Value::scalar(b), Value::scalar(c)}});
  };
  expect_close(range(3, 9, 3), ints({3, 6}));
  expect_close(range(10, 4, -2), ints({10, 8, 6}));
  expect_close(range(4, 10, -2), ints({}));
  expect_close(range(INT64_MAX - 3, INT64_MAX, 2), ints({INT64_MAX - 3, INT64_MAX - 1}));
  EXPECT_THROW(range(0, 1, 0), Error);
  const Dim n = Dim::symbol("n");
  const Type scalar = Type::tensor(kI64, Dims{});
  EXPECT_EQ(infer_str({.op = "Range",
                       .inputs = {scalar, scalar, scalar},
                       .constants = {Value::scalar<int64_t>(0), Value(), Value::scalar<int64_t>(1)},
                       .values = {{1, Dims{n}}}}),
            "int64[n]");
}

TEST(Creation, ShapesFromValues) {
  const Dim n = Dim::symbol("n");
  EXPECT_EQ(infer_str({.op = "ConstantOfShape", .inputs = {Type::tensor(kI64, {2})}, .values = {{0, Dims{n, 3}}}}),
            "float32[n, 3]");
  EXPECT_EQ(infer_op({.op = "ConstantOfShape", .inputs = {Type::tensor(kI64, {2})}}).types[0].rank(), 2);
  EXPECT_THROW(run_one({.op = "ConstantOfShape", .inputs = {ints({-1})}}), Error);
  expect_close(run_one({.op = "EyeLike", .inputs = {Value::tensor(kF32, {2, 3})}, .attributes = {{"k", 1}}}),
               make(kF32, {2, 3}, {0, 1, 0, 0, 0, 1}));
  expect_close(run_one({.op = "EyeLike", .inputs = {Value::tensor(kF32, {2, 3})}, .attributes = {{"k", -1}}}),
               make(kF32, {2, 3}, {0, 0, 0, 1, 0, 0}));
}

struct Moments {
  double mean = 0, variance = 0;
};
Moments moments(const Value& v) {
  Moments m;
  const auto d = v.to_doubles();
  for (const double x : d) m.mean += x / static_cast<double>(d.size());
  for (const double x : d) m.variance += (x - m.mean) * (x - m.mean) / static_cast<double>(d.size());
  return m;
}

TEST(Creation, RandomNumbersHaveTheirDistribution) {
  constexpr int64_t kCount = 40000;
  const std::vector<int64_t> shape{kCount};
  const double sigma = 5 / std::sqrt(kCount);  // five standard errors
  const OpCall normal{
      .op = "RandomNormal", .attributes = {{"shape", shape}, {"mean", 1.0}, {"scale", 2.0}, {"dtype", 11}}, .seed = 5};
  const Value n = run_one(normal);
  EXPECT_NEAR(moments(n).mean, 1, 2 * sigma);
  EXPECT_NEAR(moments(n).variance, 4, 4 * std::sqrt(2.0) * sigma);
  const Value u =
      run_one({.op = "RandomUniform", .attributes = {{"shape", shape}, {"low", -1.0}, {"high", 3.0}}, .seed = 5});
  EXPECT_NEAR(moments(u).mean, 1, 4 / std::sqrt(12.0) * sigma);
  EXPECT_NEAR(moments(u).variance, 16.0 / 12, 16 * sigma);
  for (const double v : u.to_doubles()) {
    ASSERT_GE(v, -1);
    ASSERT_LE(v, 3);
  }
  OpCall threads = normal, again = normal;
  threads.threads = 3;
  again.attributes.set("seed", 1.0);
  EXPECT_TRUE(run_one(threads).identical(n));
  EXPECT_FALSE(run_one(again).identical(n));
  const Value logits = make(kF32, {1, 3}, {std::log(0.2F), std::log(0.5F), std::log(0.3F)});
  const Value m =
      run_one({.op = "Multinomial", .inputs = {logits}, .attributes = {{"sample_size", kCount}}, .seed = 2});
  double counts[3] = {};
  for (const int64_t c : m.to_int64s()) counts[c] += 1.0 / kCount;
  EXPECT_NEAR(counts[0], 0.2, sigma);
  EXPECT_NEAR(counts[1], 0.5, sigma);
}

// A million draws: the share of ones, and of what is kept, lies within four standard errors of the probability asked for.
constexpr int64_t kDraws = 1'000'000;
double bound(double p) { return 4 * std::sqrt(p * (1 - p) / static_cast<double>(kDraws)); }

TEST(Random, BernoulliHasItsRate) {
  for (const double p : {0.01, 0.3, 0.5, 0.9}) {
    for (const uint64_t seed : {3U, 4U}) {
      Value single = Value::tensor(kF32, {kDraws}), both = Value::tensor(DType::float64, {kDraws});
      for (float& v : single.as_mutable<float>()) v = static_cast<float>(p);
      for (double& v : both.as_mutable<double>()) v = p;
      for (const Value& given : {single, both}) {
        const Moments m = moments(run_one({.op = "Bernoulli", .inputs = {given}, .seed = seed}));
        EXPECT_NEAR(m.mean, p, bound(p)) << "seed " << seed;
        EXPECT_NEAR(m.variance, p * (1 - p), bound(p));  // nothing but zeros and ones
      }
      const Value as_int =
          run_one({.op = "Bernoulli", .inputs = {single}, .attributes = {{"dtype", 7}, {"seed", double(seed)}}});
      EXPECT_NEAR(moments(as_int).mean, p, bound(p)) << "by attribute " << seed;
    }
  }
}

TEST(Random, DropoutHasItsRate) {
  Value x = Value::tensor(kF32, {kDraws});
  for (float& v : x.as_mutable<float>()) v = 1;
  for (const float ratio : {0.1F, 0.5F, 0.75F}) {
    const std::vector<Value> out =
        run_op({.op = "Dropout", .inputs = {x, Value::scalar(ratio), Value::scalar(true)}, .outputs = 2, .seed = 9});
    const double kept = 1 - double{ratio};
    EXPECT_NEAR(moments(out[1]).mean, kept, bound(kept));
    const auto y = out[0].to_doubles(), mask = out[1].to_doubles();
    for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], mask[i] / kept, 1e-6) << i;
  }
}

}  // namespace
}  // namespace chorus::testing
