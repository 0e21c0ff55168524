// Element types: every ONNX element type, those below a byte included (onnx.proto, TensorProto.DataType of IR 14).
#pragma once
#include <chorus/export.h>

#include <cstdint>
#include <string_view>

namespace chorus {

/// The numbers are ONNX's. A type has bits, not bytes: elements under 8 bits are packed densely, first element in the low bits
/// (as ONNX raw_data); 6-bit elements follow each other without gaps, low bits first.
enum class DType : uint8_t {
  undefined = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  complex64 = 14,
  complex128 = 15,
  bfloat16 = 16,
  float8e4m3fn = 17,
  float8e4m3fnuz = 18,
  float8e5m2 = 19,
  float8e5m2fnuz = 20,
  uint4 = 21,
  int4 = 22,
  float4e2m1 = 23,
  float8e8m0 = 24,
  uint2 = 25,
  int2 = 26,
  float6e2m3 = 27,
  float6e3m2 = 28,
};
inline constexpr int kDTypeCount = 29;

/// Bits of one element; 0 for string and undefined.
CHORUS_API int dtype_bits(DType type) noexcept;
/// "float32", "int4", "bool" …
CHORUS_API std::string_view dtype_name(DType type) noexcept;
/// Accepts the names above and the aliases float, double, half, f32, f64, f16, bf16, i8 … u64, str, c64. Throws Error(type).
CHORUS_API DType parse_dtype(std::string_view name);
/// Bytes of `count` dense elements, rounded up to whole bytes; -1 when the product overflows int64 or count < 0.
CHORUS_API int64_t dtype_bytes(DType type, int64_t count) noexcept;

constexpr uint32_t dtype_bit(DType t) noexcept { return 1u << static_cast<int>(t); }
constexpr bool dtype_in(DType t, uint32_t set) noexcept { return (dtype_bit(t) & set) != 0; }

inline constexpr uint32_t kSignedInts = dtype_bit(DType::int8) | dtype_bit(DType::int16) | dtype_bit(DType::int32) |
                                        dtype_bit(DType::int64) | dtype_bit(DType::int4) | dtype_bit(DType::int2);
inline constexpr uint32_t kUnsignedInts = dtype_bit(DType::uint8) | dtype_bit(DType::uint16) |
                                          dtype_bit(DType::uint32) | dtype_bit(DType::uint64) |
                                          dtype_bit(DType::uint4) | dtype_bit(DType::uint2);
inline constexpr uint32_t kSmallFloats = dtype_bit(DType::float8e4m3fn) | dtype_bit(DType::float8e4m3fnuz) |
                                         dtype_bit(DType::float8e5m2) | dtype_bit(DType::float8e5m2fnuz) |
                                         dtype_bit(DType::float8e8m0) | dtype_bit(DType::float4e2m1) |
                                         dtype_bit(DType::float6e2m3) | dtype_bit(DType::float6e3m2);
inline constexpr uint32_t kFloats = dtype_bit(DType::float16) | dtype_bit(DType::bfloat16) | dtype_bit(DType::float32) |
                                    dtype_bit(DType::float64) | kSmallFloats;
inline constexpr uint32_t kComplex = dtype_bit(DType::complex64) | dtype_bit(DType::complex128);

constexpr bool is_integer(DType t) noexcept { return dtype_in(t, kSignedInts | kUnsignedInts); }
constexpr bool is_signed_integer(DType t) noexcept { return dtype_in(t, kSignedInts); }
constexpr bool is_unsigned_integer(DType t) noexcept { return dtype_in(t, kUnsignedInts); }
constexpr bool is_float(DType t) noexcept { return dtype_in(t, kFloats); }
constexpr bool is_complex(DType t) noexcept { return dtype_in(t, kComplex); }

template <class T>
constexpr DType dtype_of() noexcept;
template <>
constexpr DType dtype_of<float>() noexcept {
  return DType::float32;
}
template <>
constexpr DType dtype_of<double>() noexcept {
  return DType::float64;
}
template <>
constexpr DType dtype_of<int8_t>() noexcept {
  return DType::int8;
}
template <>
constexpr DType dtype_of<int16_t>() noexcept {
  return DType::int16;
}
template <>
constexpr DType dtype_of<int32_t>() noexcept {
  return DType::int32;
}
template <>
constexpr DType dtype_of<int64_t>() noexcept {
  return DType::int64;
}
template <>
constexpr DType dtype_of<uint8_t>() noexcept {
  return DType::uint8;
}
template <>
constexpr DType dtype_of<uint16_t>() noexcept {
  return DType::uint16;
}
template <>
constexpr DType dtype_of<uint32_t>() noexcept {
  return DType::uint32;
}
template <>
constexpr DType dtype_of<uint64_t>() noexcept {
  return DType::uint64;
}
template <>
constexpr DType dtype_of<bool>() noexcept {
  return DType::boolean;
}

}  // namespace chorus
