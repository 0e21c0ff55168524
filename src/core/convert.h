// Element conversions for every element type, by runs: the typed load and store through which reference kernels work, so that a
// new element type is one row here and not a new instantiation of every kernel. Offsets and counts are in elements.
#pragma once
#include <chorus/dtype.h>
#include <chorus/export.h>

#include <complex>
#include <cstdint>

namespace chorus {

/// Runs of elements [offset, offset + n) as float64 (bool, integers and floats of all widths).
CHORUS_API void load_f64(DType type, const void* data, int64_t offset, int64_t n, double* out) noexcept;
CHORUS_API void load_f32(DType type, const void* data, int64_t offset, int64_t n, float* out) noexcept;
/// Integers and bool exactly (uint64 wraps to int64's bits), floats truncated toward zero (out of range: saturated, NaN: 0).
CHORUS_API void load_i64(DType type, const void* data, int64_t offset, int64_t n, int64_t* out) noexcept;
CHORUS_API void load_c128(DType type, const void* data, int64_t offset, int64_t n, std::complex<double>* out) noexcept;
/// Floats are rounded to nearest even once, from double, straight to the target type (no double rounding); integers: truncated
/// toward zero and wrapped as C++ static_cast via int64; bool: != 0. float8: overflow becomes the type's infinity or NaN (not saturated).
CHORUS_API void store_f64(DType type, void* data, int64_t offset, int64_t n, const double* in) noexcept;
CHORUS_API void store_f32(DType type, void* data, int64_t offset, int64_t n, const float* in) noexcept;
CHORUS_API void store_i64(DType type, void* data, int64_t offset, int64_t n, const int64_t* in) noexcept;
CHORUS_API void store_c128(DType type, void* data, int64_t offset, int64_t n, const std::complex<double>* in) noexcept;

enum class RoundMode : uint8_t { up, down, nearest };  ///< of ONNX Cast's round_mode (float8e8m0 only)
/// ONNX Cast between any two numeric types (onnx Cast-25 tables): `saturate` is for float8 and smaller targets.
CHORUS_API void cast_elements(DType from, const void* src, int64_t src_offset, DType to, void* dst, int64_t dst_offset,
                              int64_t n, bool saturate, RoundMode round = RoundMode::up) noexcept;
/// Raw copy of elements of one type, sub-byte types too.
CHORUS_API void copy_elements(DType type, const void* src, int64_t src_offset, void* dst, int64_t dst_offset,
                              int64_t n) noexcept;

/// One element.
inline double get_f64(DType t, const void* p, int64_t i) noexcept {
  double v;
  load_f64(t, p, i, 1, &v);
  return v;
}
inline int64_t get_i64(DType t, const void* p, int64_t i) noexcept {
  int64_t v;
  load_i64(t, p, i, 1, &v);
  return v;
}
inline void set_f64(DType t, void* p, int64_t i, double v) noexcept { store_f64(t, p, i, 1, &v); }
inline void set_i64(DType t, void* p, int64_t i, int64_t v) noexcept { store_i64(t, p, i, 1, &v); }

}  // namespace chorus
