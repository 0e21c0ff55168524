#include <chorus/dtype.h>
#include <chorus/error.h>

#include <array>
#include <limits>
#include <string>

namespace chorus {
namespace {

struct Row {
  std::string_view name;
  int bits;
};

constexpr std::array<Row, kDTypeCount> kRows = {{
    {"undefined", 0},      {"float32", 32},  {"uint8", 8},        {"int8", 8},           {"uint16", 16},
    {"int16", 16},         {"int32", 32},    {"int64", 64},       {"string", 0},         {"bool", 8},
    {"float16", 16},       {"float64", 64},  {"uint32", 32},      {"uint64", 64},        {"complex64", 64},
    {"complex128", 128},   {"bfloat16", 16}, {"float8e4m3fn", 8}, {"float8e4m3fnuz", 8}, {"float8e5m2", 8},
    {"float8e5m2fnuz", 8}, {"uint4", 4},     {"int4", 4},         {"float4e2m1", 4},     {"float8e8m0", 8},
    {"uint2", 2},          {"int2", 2},      {"float6e2m3", 6},   {"float6e3m2", 6},
}};

struct Alias {
  std::string_view name;
  DType type;
};

constexpr Alias kAliases[] = {
    {"float", DType::float32}, {"double", DType::float64}, {"half", DType::float16},    {"boolean", DType::boolean},
    {"f32", DType::float32},   {"f64", DType::float64},    {"f16", DType::float16},     {"bf16", DType::bfloat16},
    {"i8", DType::int8},       {"i16", DType::int16},      {"i32", DType::int32},       {"i64", DType::int64},
    {"u8", DType::uint8},      {"u16", DType::uint16},     {"u32", DType::uint32},      {"u64", DType::uint64},
    {"i2", DType::int2},       {"i4", DType::int4},        {"u2", DType::uint2},        {"u4", DType::uint4},
    {"str", DType::string},    {"c64", DType::complex64},  {"c128", DType::complex128},
};

}  // namespace

int dtype_bits(DType type) noexcept {
  const auto i = static_cast<size_t>(type);
  return i < kRows.size() ? kRows[i].bits : 0;
}

std::string_view dtype_name(DType type) noexcept {
  const auto i = static_cast<size_t>(type);
  return i < kRows.size() ? kRows[i].name : std::string_view("invalid");
}

DType parse_dtype(std::string_view name) {
  for (size_t i = 1; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return static_cast<DType>(i);
  }
  for (const Alias& alias : kAliases) {
    if (alias.name == name) return alias.type;
  }
  std::string known;
  for (size_t i = 1; i < kRows.size(); ++i) {
    if (i > 1) known += ", ";
    known += kRows[i].name;
  }
  throw Error(Code::type, "\"" + std::string(name.substr(0, 64)) + "\" is not an element type", {},
              "use one of " + known);
}

int64_t dtype_bytes(DType type, int64_t count) noexcept {
  if (count < 0) return -1;
  const int64_t bits = dtype_bits(type);
  if (bits % 8 == 0) {
    int64_t bytes;
    return __builtin_mul_overflow(count, bits / 8, &bytes) ? -1 : bytes;
  }
  // 8 elements fill `bits` bytes exactly; dividing first keeps counts near int64's end from overflowing.
  return count / 8 * bits + (count % 8 * bits + 7) / 8;
}

}  // namespace chorus
