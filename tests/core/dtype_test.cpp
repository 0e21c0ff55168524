#include <chorus/dtype.h>
#include <chorus/error.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <set>
#include <string>

namespace chorus {
namespace {

TEST(DType, BitsAreThoseOfTheFormats) {
  const std::pair<DType, int> bits[] = {
      {DType::float32, 32},     {DType::uint8, 8},          {DType::int8, 8},         {DType::uint16, 16},
      {DType::int16, 16},       {DType::int32, 32},         {DType::int64, 64},       {DType::string, 0},
      {DType::boolean, 8},      {DType::float16, 16},       {DType::float64, 64},     {DType::uint32, 32},
      {DType::uint64, 64},      {DType::complex64, 64},     {DType::complex128, 128}, {DType::bfloat16, 16},
      {DType::float8e4m3fn, 8}, {DType::float8e4m3fnuz, 8}, {DType::float8e5m2, 8},   {DType::float8e5m2fnuz, 8},
      {DType::uint4, 4},        {DType::int4, 4},           {DType::float4e2m1, 4},   {DType::float8e8m0, 8},
      {DType::uint2, 2},        {DType::int2, 2},           {DType::float6e2m3, 6},   {DType::float6e3m2, 6},
      {DType::undefined, 0}};
  EXPECT_EQ(std::size(bits), static_cast<size_t>(kDTypeCount));
  for (const auto& [type, count] : bits) EXPECT_EQ(dtype_bits(type), count) << dtype_name(type);
  EXPECT_EQ(dtype_bits(static_cast<DType>(200)), 0);
}

TEST(DType, NamesAreUniqueAndParseBack) {
  std::set<std::string> names;
  for (int i = 1; i < kDTypeCount; ++i) {
    const auto type = static_cast<DType>(i);
    EXPECT_TRUE(names.insert(std::string(dtype_name(type))).second);
    EXPECT_EQ(parse_dtype(dtype_name(type)), type);
  }
  EXPECT_EQ(parse_dtype("half"), DType::float16);
  EXPECT_EQ(parse_dtype("f64"), DType::float64);
  EXPECT_EQ(parse_dtype("bf16"), DType::bfloat16);
  EXPECT_EQ(parse_dtype("u64"), DType::uint64);
  EXPECT_EQ(parse_dtype("str"), DType::string);
  for (const char* bad : {"", "undefined", "float33", "Float32", "float32 "}) {
    try {
      parse_dtype(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::type);
      EXPECT_NE(e.fix().find("bfloat16"), std::string::npos);
    }
  }
}

TEST(DType, BytesRoundUpAndNeverOverflow) {
  EXPECT_EQ(dtype_bytes(DType::int4, 5), 3);
  EXPECT_EQ(dtype_bytes(DType::int2, 5), 2);
  EXPECT_EQ(dtype_bytes(DType::float6e2m3, 1), 1);
  EXPECT_EQ(dtype_bytes(DType::float6e2m3, 4), 3);
  EXPECT_EQ(dtype_bytes(DType::float6e2m3, 5), 4);
  EXPECT_EQ(dtype_bytes(DType::float32, -1), -1);
  const int64_t most = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(dtype_bytes(DType::float32, most / 4), most / 4 * 4);
  EXPECT_EQ(dtype_bytes(DType::float32, most / 4 + 1), -1);
  for (int i = 1; i < kDTypeCount; ++i) {
    const auto type = static_cast<DType>(i);
    for (int64_t count : {int64_t{0}, int64_t{1}, int64_t{7}, int64_t{1000003}, most}) {
      const __int128 exact = (static_cast<__int128>(count) * dtype_bits(type) + 7) / 8;
      EXPECT_EQ(dtype_bytes(type, count), exact > most ? -1 : static_cast<int64_t>(exact)) << dtype_name(type);
    }
  }
}

TEST(DType, SetsDoNotOverlap) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto type = static_cast<DType>(i);
    EXPECT_LE(is_signed_integer(type) + is_unsigned_integer(type) + is_float(type) + is_complex(type), 1);
    const bool other = type == DType::undefined || type == DType::string || type == DType::boolean;
    EXPECT_EQ(!(is_integer(type) || is_float(type) || is_complex(type)), other) << dtype_name(type);
  }
}

}  // namespace
}  // namespace chorus
