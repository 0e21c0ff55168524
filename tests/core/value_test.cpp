#include <chorus/error.h>
#include <chorus/value.h>
#include <core/convert.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace chorus {
namespace {

TEST(Value, TensorHoldsWhatItWasGiven) {
  const auto v = Value::of<float>({2, 3}, {1, 2, 3, 4, 5, 6.5f});
  EXPECT_EQ(v.str(), "float32[2, 3] [[1, 2, 3], [4, 5, 6.5]]");
  EXPECT_EQ(v.str(4), "float32[2, 3] [[1, 2, 3], [4, ...]]");
  EXPECT_EQ(v.as<float>()[5], 6.5f);
  EXPECT_EQ(v.to_doubles(), (std::vector<double>{1, 2, 3, 4, 5, 6.5}));
  EXPECT_EQ(v.to_int64s(), (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_THROW(v.as<int32_t>(), Error);
  EXPECT_THROW(v.strings(), Error);
  EXPECT_EQ(Value::scalar<int64_t>(-4).str(), "int64[] -4");
  EXPECT_EQ(Value::scalar(true).str(), "bool[] true");
  EXPECT_EQ(Value::of<float>({0, 2}, {}).str(), "float32[0, 2] []");
  EXPECT_EQ(Value::scalar(std::numeric_limits<uint64_t>::max()).str(), "uint64[] 18446744073709551615");
  EXPECT_EQ(Value::scalar(0.1f).str(), "float32[] 0.1");
  EXPECT_EQ(Value().str(), "none");
}

TEST(Value, SizesAreChecked) {
  const float data[3] = {};
  EXPECT_THROW(Value::copy_of(DType::float32, {2}, data, 12), Error);
  EXPECT_THROW(Value::tensor(DType::float32, {4}, Buffer::allocate(15)), Error);
  EXPECT_EQ(Value::tensor(DType::float32, {4}, Buffer::allocate(17)).bytes(), 16u);
  EXPECT_THROW(Value::tensor(DType::string, {1}), Error);
  EXPECT_THROW(Value::tensor(DType::undefined, {1}), Error);
  const int64_t big = int64_t{1} << 31;
  EXPECT_THROW(Value::tensor(DType::float64, {big, big >> 2}), Error);  // 2^63 bytes
  EXPECT_THROW(Value::tensor(DType::float32, {big, big}), Error);
}

TEST(Value, SubByteTensorsAreDense) {
  Value v = Value::tensor(DType::int4, {3});
  EXPECT_EQ(v.bytes(), 2u);
  const int64_t in[3] = {-8, 7, -1};
  store_i64(DType::int4, v.mutable_data(), 0, 3, in);
  const auto* bytes = static_cast<const uint8_t*>(v.data());
  EXPECT_EQ(bytes[0], 0x78);
  EXPECT_EQ(bytes[1] & 15, 0x0f);
  EXPECT_EQ(v.str(), "int4[3] [-8, 7, -1]");
}

TEST(Value, IdenticalComparesBitsNotPadding) {
  const float nan = std::nanf("");
  const auto a = Value::of<float>({2}, {nan, 0.0f});
  EXPECT_TRUE(a.identical(Value::of<float>({2}, {nan, 0.0f})));
  EXPECT_FALSE(a.identical(Value::of<float>({2}, {nan, -0.0f})));
  EXPECT_FALSE(a.identical(a.reshaped({2, 1})));
  const uint8_t one[2] = {0x21, 0xf3};
  const uint8_t two[2] = {0x21, 0x03};
  const uint8_t three[2] = {0x21, 0x04};
  const auto p = Value::copy_of(DType::uint4, {3}, one, 2);
  EXPECT_TRUE(p.identical(Value::copy_of(DType::uint4, {3}, two, 2)));
  EXPECT_FALSE(p.identical(Value::copy_of(DType::uint4, {3}, three, 2)));
  EXPECT_FALSE(p.identical(Value::copy_of(DType::int4, {3}, one, 2)));
  EXPECT_TRUE(Value().identical(Value()));
  EXPECT_FALSE(Value().identical(a));
}

TEST(Value, Strings) {
  const std::vector<std::string> items{"a", "", "深"};
  const auto v = Value::strings({3}, items);
  EXPECT_EQ(v.str(), "string[3] [\"a\", \"\", \"深\"]");
  EXPECT_EQ(v.strings()[2], "深");
  EXPECT_TRUE(v.identical(Value::strings({3}, items)));
  EXPECT_FALSE(v.identical(Value::strings({3}, std::vector<std::string>{"a", "深", ""})));
  EXPECT_THROW(Value::strings({2}, items), Error);
  EXPECT_THROW(v.to_doubles(), Error);
  auto broken = std::make_shared<Strings>();
  broken->bytes = "abc";
  broken->ends = {2, 1};
  EXPECT_THROW(Value::strings({2}, broken), Error);
  broken->ends = {2, 4};
  EXPECT_THROW(Value::strings({2}, broken), Error);
  EXPECT_EQ(Value::strings({0}, nullptr).strings().size(), 0);
}

TEST(Value, SequencesOptionalsMaps) {
  const auto x = Value::of<float>({1}, {1});
  const auto s = Value::sequence(DType::float32, {x, Value::of<float>({2}, {2, 3})});
  EXPECT_EQ(s.items().size(), 2u);
  EXPECT_TRUE(s.identical(Value::sequence(DType::float32, {x, Value::of<float>({2}, {2, 3})})));
  EXPECT_FALSE(s.identical(Value::sequence(DType::float32, {x})));
  EXPECT_FALSE(Value::sequence(DType::float32, {x}).identical(Value::optional(DType::float32, {x})));
  EXPECT_THROW(Value::optional(DType::float32, {x, x}), Error);
  EXPECT_THROW(s.to_int64s(), Error);
  EXPECT_THROW(s.reshaped({2}), Error);
  const auto keys = Value::of<int64_t>({2}, {7, 8});
  const auto m = Value::map(keys, s);
  EXPECT_EQ(m.dtype(), DType::int64);
  EXPECT_EQ(m.items().size(), 2u);
  EXPECT_THROW(Value::map(x, s), Error);                                 // float keys
  EXPECT_THROW(Value::map(Value::of<int64_t>({1}, {7}), s), Error);      // one key, two values
  EXPECT_THROW(Value::map(Value::of<int64_t>({2, 1}, {7, 8}), s), Error);  // rank 2
  Value deep = x;
  EXPECT_THROW(
      {
        for (int i = 0; i < 100; ++i) deep = Value::sequence(DType::float32, {deep});
      },
      Error);
}

TEST(Value, ReshapeSharesTheData) {
  const auto v = Value::of<int32_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto r = v.reshaped({3, 2});
  EXPECT_EQ(r.data(), v.data());
  EXPECT_EQ(r.str(), "int32[3, 2] [[1, 2], [3, 4], [5, 6]]");
  try {
    v.reshaped({4});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::shape);
    EXPECT_NE(e.message().find("6 elements"), std::string::npos);
  }
}

}  // namespace
}  // namespace chorus
