// Encoding and decoding of the floating-point types under 32 bits; used by convert.cpp.
#pragma once
#include <chorus/dtype.h>
#include <core/convert.h>

#include <cstdint>

namespace chorus {

/// What happens to values that the target cannot hold (float8 types; float6 and float4 always saturate).
struct CastMode {
  bool saturate = false;
  RoundMode round = RoundMode::nearest;
};

/// float32 values of all codes of a type of at most 8 bits (256, 64 or 16 entries).
const float* small_float_table(DType type) noexcept;
/// Codes of `in`, rounded once; type: float8*, float6*, float4*.
void encode_small_floats(DType type, const double* in, int64_t n, CastMode mode, uint8_t* codes) noexcept;
void encode_small_floats(DType type, const float* in, int64_t n, CastMode mode, uint8_t* codes) noexcept;

void half_to_float(const uint16_t* in, int64_t n, float* out) noexcept;
void float_to_half(const float* in, int64_t n, uint16_t* out) noexcept;
void double_to_half(const double* in, int64_t n, uint16_t* out) noexcept;
void bfloat_to_float(const uint16_t* in, int64_t n, float* out) noexcept;
void float_to_bfloat(const float* in, int64_t n, uint16_t* out) noexcept;
void double_to_bfloat(const double* in, int64_t n, uint16_t* out) noexcept;

/// The same without special instructions, bit for bit.
void half_to_float_portable(const uint16_t* in, int64_t n, float* out) noexcept;
void float_to_half_portable(const float* in, int64_t n, uint16_t* out) noexcept;

}  // namespace chorus
