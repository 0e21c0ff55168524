// ai.onnx.ml and TfIdfVectorizer: values from the definitions, broken input. Generated cases: tools/truth/check_cases.py.
#include <ops/table.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/op_case.h"

namespace chorus {
namespace {
using testing::expect_close;
using testing::make;
using testing::OpCall;
using testing::run_one;
using testing::run_op;

constexpr std::string_view kMl = "ai.onnx.ml";
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Value texts(const Shape& shape, std::vector<std::string> items) { return Value::strings(shape, items); }
OpCall ml(std::string_view op, std::vector<Value> inputs, Attributes attributes, int outputs = 1) {
  return {
      .op = op, .inputs = std::move(inputs), .attributes = std::move(attributes), .outputs = outputs, .domain = kMl};
}

TEST(Ml, GridsRun) {
  for (const OpDef& def : families::ml_ops()) EXPECT_GE(testing::run_grid(def.name, 1e-6, def.domain), 4) << def.name;
}

TEST(Ml, LabelEncoderTakesTheLastOfEqualKeysAndFindsNan) {
  const Value x = make(DType::float32, {4}, {kNan, -0.0, 1.5, 7});
  const Attributes a{{"keys_floats", std::vector<float>{std::nanf(""), 0, 1.5F, 1.5F}},
                     {"values_int64s", std::vector<int64_t>{1, 2, 3, 4}}};
  expect_close(run_one(ml("LabelEncoder", {x}, a)), make(DType::int64, {4}, {1, 2, 4, -1}));
}

TEST(Ml, LabelEncoderOfVersionOneReadsPositions) {
  OpCall call = ml("LabelEncoder", {texts({3}, {"b", "q", "a"})},
                   {{"classes_strings", std::vector<std::string>{"a", "b"}}, {"default_int64", 9}});
  call.version = 1;
  expect_close(run_one(call), make(DType::int64, {3}, {1, 9, 0}));
  call.inputs = {make(DType::int64, {3}, {1, 2, -1})};
  call.attributes = {{"classes_strings", std::vector<std::string>{"a", "b"}}, {"default_string", "none"}};
  expect_close(run_one(call), texts({3}, {"b", "none", "none"}));
}

TEST(Ml, MapsBecomeTensors) {
  const Value map = Value::map(make(DType::int64, {2}, {3, 1}), make(DType::float32, {2}, {0.5, 2}));
  expect_close(run_one(ml("CastMap", {map}, {})), make(DType::float32, {1, 2}, {2, 0.5}));
  expect_close(run_one(ml("CastMap", {map}, {{"map_form", "SPARSE"}, {"max_map", 5}})),
               make(DType::float32, {1, 5}, {0, 2, 0, 0.5, 0}));
  expect_close(run_one(ml("CastMap", {map}, {{"cast_to", "TO_STRING"}})), texts({1, 2}, {"2.000000", "0.500000"}));
  EXPECT_THROW(run_one(ml("CastMap", {map}, {{"map_form", "SPARSE"}, {"max_map", 3}})), Error);
  expect_close(run_one(ml("DictVectorizer", {map}, {{"int64_vocabulary", std::vector<int64_t>{1, 2, 3}}})),
               make(DType::float32, {3}, {2, 0, 0.5}));
  EXPECT_THROW(run_one(ml("DictVectorizer", {map}, {{"int64_vocabulary", std::vector<int64_t>{1, 2}}})), Error);
  const Value words = Value::map(texts({1}, {"x"}), make(DType::int64, {1}, {4}));
  expect_close(run_one(ml("DictVectorizer", {words}, {{"string_vocabulary", std::vector<std::string>{"y", "x"}}})),
               make(DType::int64, {2}, {0, 4}));
  EXPECT_THROW(run_one(ml("DictVectorizer", {words}, {{"int64_vocabulary", std::vector<int64_t>{1}}})), Error);
}

TEST(Ml, ZipMapMakesAMapPerRow) {
  const Value maps = run_one(ml("ZipMap", {make(DType::float32, {2, 2}, {1, 2, 3, 4})},
                                {{"classlabels_strings", std::vector<std::string>{"a", "b"}}}));
  ASSERT_EQ(maps.items().size(), 2U);
  EXPECT_EQ(maps.items()[1].kind(), ValueKind::map);
  expect_close(maps.items()[1].items()[0], texts({2}, {"a", "b"}));
  expect_close(maps.items()[1].items()[1], make(DType::float32, {2}, {3, 4}));
  EXPECT_THROW(run_one(ml("ZipMap", {make(DType::float32, {2, 2}, {1, 2, 3, 4})},
                          {{"classlabels_int64s", std::vector<int64_t>{1}}})),
               Error);
}

TEST(Ml, BinarizerOfIntegersComparesExactly) {
  const int64_t big = (int64_t{1} << 62) + 1;
  const Value x = Value::of<int64_t>({3}, {big - 1, big, 3});
  expect_close(run_one(ml("Binarizer", {x}, {{"threshold", static_cast<float>(int64_t{1} << 62)}})),
               make(DType::int64, {3}, {0, 1, 0}));
  expect_close(run_one(ml("Binarizer", {make(DType::float32, {3}, {kNan, 0, 1})}, {})),
               make(DType::float32, {3}, {0, 0, 1}));
}

TEST(Ml, NormalizerDividesByTheGreatestElementNotByItsMagnitude) {
  const Value x = make(DType::float32, {2, 3}, {-5, 2, 1, 0, 0, 0});
  expect_close(run_one(ml("Normalizer", {x}, {})), make(DType::float32, {2, 3}, {-2.5, 1, 0.5, 0, 0, 0}));
  expect_close(run_one(ml("Normalizer", {x}, {{"norm", "L1"}})),
               make(DType::float32, {2, 3}, {-0.625, 0.25, 0.125, 0, 0, 0}));
}

TEST(Ml, OneHotEncoderRefusesTheUnknownWhenAsked) {
  const Attributes a{{"cats_int64s", std::vector<int64_t>{1, 2}}, {"zeros", 0}};
  expect_close(run_one(ml("OneHotEncoder", {make(DType::float32, {2}, {1.9, 2})}, a)),
               make(DType::float32, {2, 2}, {1, 0, 0, 1}));
  EXPECT_THROW(run_one(ml("OneHotEncoder", {make(DType::float32, {1}, {7})}, a)), Error);
}

TEST(Ml, TfIdfCountsAcrossSkips) {
  const Attributes a{{"mode", "TFIDF"},
                     {"min_gram_length", 1},
                     {"max_gram_length", 2},
                     {"max_skip_count", 1},
                     {"ngram_counts", std::vector<int64_t>{0, 1}},
                     {"ngram_indexes", std::vector<int64_t>{1, 0}},
                     {"pool_int64s", std::vector<int64_t>{5, 5, 7}},
                     {"weights", std::vector<float>{10, 1}}};
  // Rows 5 7 5 7: "5" twice; "5 7" at distance 1 twice and at distance 2 never; 5 6 7: at distance 2 once.
  const Value x = make(DType::int64, {2, 4}, {5, 7, 5, 7, 5, 6, 7, 7});
  expect_close(run_one({.op = "TfIdfVectorizer", .inputs = {x}, .attributes = a}),
               make(DType::float32, {2, 2}, {20, 2, 10, 1}));
  Attributes bad = a;
  bad.set("ngram_indexes", std::vector<int64_t>{1});
  EXPECT_THROW(run_one({.op = "TfIdfVectorizer", .inputs = {x}, .attributes = bad}), Error);
  bad = a;
  bad.set("ngram_counts", std::vector<int64_t>{0, 9});
  EXPECT_THROW(run_one({.op = "TfIdfVectorizer", .inputs = {x}, .attributes = bad}), Error);
  Attributes far = a;
  far.set("max_skip_count", std::numeric_limits<int64_t>::max());
  EXPECT_EQ(run_one({.op = "TfIdfVectorizer", .inputs = {x}, .attributes = far}).shape().str(), "[2, 2]");
}

}  // namespace
}  // namespace chorus
