#include <core/convert.h>
#include <core/convert_small_float.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

namespace chorus {
namespace {

constexpr int64_t kChunk = 256;  // elements between two steps of a conversion; lives on the stack, in the first cache

template <class T>
const T* at(const void* data, int64_t offset) noexcept {
  return static_cast<const T*>(data) + offset;
}
template <class T>
T* at(void* data, int64_t offset) noexcept {
  return static_cast<T*>(data) + offset;
}

bool is_packed(DType type) noexcept { return dtype_bits(type) % 8 != 0; }

/// Codes of packed elements, one per byte: element i lies in the bits [i·bits, (i+1)·bits), low bits first.
void unpack(int bits, const void* data, int64_t offset, int64_t n, uint8_t* codes) noexcept {
  const auto* bytes = static_cast<const uint8_t*>(data);
  const unsigned mask = (1u << bits) - 1;
  if (bits != 6) {
    const int per_byte = 8 / bits;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t e = offset + i;
      codes[i] = static_cast<uint8_t>((bytes[e / per_byte] >> (e % per_byte * bits)) & mask);
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const int64_t e = offset + i;  // four elements fill three bytes
    const int64_t bit = e % 4 * 6;
    const uint8_t* p = bytes + e / 4 * 3 + bit / 8;
    unsigned both = p[0];
    if (bit % 8 > 2) both |= static_cast<unsigned>(p[1]) << 8;
    codes[i] = static_cast<uint8_t>((both >> (bit % 8)) & mask);
  }
}

void put_bits(uint8_t& byte, unsigned mask, unsigned value) noexcept {
  byte = static_cast<uint8_t>((byte & ~mask) | (value & mask));
}

void pack(int bits, void* data, int64_t offset, int64_t n, const uint8_t* codes) noexcept {
  auto* bytes = static_cast<uint8_t*>(data);
  const unsigned mask = (1u << bits) - 1;
  if (bits != 6) {
    const int per_byte = 8 / bits;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t e = offset + i;
      const auto shift = static_cast<unsigned>(e % per_byte * bits);
      put_bits(bytes[e / per_byte], mask << shift, static_cast<unsigned>(codes[i]) << shift);
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const int64_t e = offset + i;
    const int64_t bit = e % 4 * 6;
    uint8_t* p = bytes + e / 4 * 3 + bit / 8;
    const auto shift = static_cast<unsigned>(bit % 8);
    const unsigned value = (codes[i] & mask) << shift;
    put_bits(p[0], (mask << shift) & 0xff, value & 0xff);
    if (shift > 2) put_bits(p[1], (mask << shift) >> 8, value >> 8);
  }
}

/// Runs `body(codes, first, count)` over the unpacked codes of a run.
template <class F>
void for_codes(DType type, const void* data, int64_t offset, int64_t n, F body) noexcept {
  uint8_t codes[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min(kChunk, n - i);
    unpack(dtype_bits(type), data, offset + i, count, codes);
    body(codes, i, count);
  }
}

template <class Float>
int64_t truncated(Float v) noexcept {
  // 2^63 is exact in both types; the first comparison is false for NaN as well.
  constexpr auto kEnd = static_cast<Float>(9223372036854775808.0);
  if (v >= -kEnd && v < kEnd) return static_cast<int64_t>(v);
  return v >= kEnd ? std::numeric_limits<int64_t>::max() : v < -kEnd ? std::numeric_limits<int64_t>::min() : 0;
}

template <class Out, class In>
Out number(In v) noexcept {
  if constexpr (std::is_same_v<Out, std::complex<double>>) {
    return {static_cast<double>(v), 0};
  } else if constexpr (std::is_same_v<Out, int64_t> && std::is_floating_point_v<In>) {
    return truncated(v);
  } else {
    return static_cast<Out>(v);
  }
}

template <class In, class Out>
void convert_run(const In* in, int64_t n, Out* out) noexcept {
  if constexpr (std::is_same_v<In, Out>) {
    if (n > 0) std::memmove(out, in, static_cast<size_t>(n) * sizeof(Out));
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = number<Out>(in[i]);
  }
}

template <class Out>
void load_halves(DType type, const uint16_t* in, int64_t n, Out* out) noexcept {
  const auto decode = type == DType::float16 ? half_to_float : bfloat_to_float;
  if constexpr (std::is_same_v<Out, float>) {
    decode(in, n, out);
  } else {
    float values[kChunk];
    for (int64_t i = 0; i < n; i += kChunk) {
      const int64_t count = std::min(kChunk, n - i);
      decode(in + i, count, values);
      convert_run(values, count, out + i);
    }
  }
}

template <class Out>
void load_small(DType type, const void* data, int64_t offset, int64_t n, Out* out) noexcept {
  const float* table = small_float_table(type);
  if (!is_packed(type)) {
    const uint8_t* codes = at<uint8_t>(data, offset);
    for (int64_t i = 0; i < n; ++i) out[i] = number<Out>(table[codes[i]]);
    return;
  }
  for_codes(type, data, offset, n, [&](const uint8_t* codes, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[first + i] = number<Out>(table[codes[i]]);
  });
}

template <class Out>
void load_small_integers(DType type, const void* data, int64_t offset, int64_t n, Out* out) noexcept {
  const int bits = dtype_bits(type);
  const int flip = is_signed_integer(type) ? 1 << (bits - 1) : 0;  // (code ^ flip) − flip extends the sign
  for_codes(type, data, offset, n, [&](const uint8_t* codes, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[first + i] = number<Out>((codes[i] ^ flip) - flip);
  });
}

template <class Real, class Out>
void load_complex(const std::complex<Real>* in, int64_t n, Out* out) noexcept {
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<Out, std::complex<double>>) {
      out[i] = {in[i].real(), in[i].imag()};
    } else {
      out[i] = number<Out>(in[i].real());  // the imaginary part is dropped, as NumPy does
    }
  }
}

template <class Out>
void load(DType type, const void* data, int64_t offset, int64_t n, Out* out) noexcept {
  switch (type) {
    case DType::float32: return convert_run(at<float>(data, offset), n, out);
    case DType::float64: return convert_run(at<double>(data, offset), n, out);
    case DType::int8: return convert_run(at<int8_t>(data, offset), n, out);
    case DType::int16: return convert_run(at<int16_t>(data, offset), n, out);
    case DType::int32: return convert_run(at<int32_t>(data, offset), n, out);
    case DType::int64: return convert_run(at<int64_t>(data, offset), n, out);
    case DType::uint8: return convert_run(at<uint8_t>(data, offset), n, out);
    case DType::uint16: return convert_run(at<uint16_t>(data, offset), n, out);
    case DType::uint32: return convert_run(at<uint32_t>(data, offset), n, out);
    case DType::uint64: return convert_run(at<uint64_t>(data, offset), n, out);
    case DType::boolean: {
      const uint8_t* bytes = at<uint8_t>(data, offset);  // bytes of a file: anything but zero is true
      for (int64_t i = 0; i < n; ++i) out[i] = number<Out>(bytes[i] != 0 ? 1 : 0);
      return;
    }
    case DType::float16:
    case DType::bfloat16: return load_halves(type, at<uint16_t>(data, offset), n, out);
    case DType::complex64: return load_complex(at<std::complex<float>>(data, offset), n, out);
    case DType::complex128: return load_complex(at<std::complex<double>>(data, offset), n, out);
    case DType::int4:
    case DType::uint4:
    case DType::int2:
    case DType::uint2: return load_small_integers(type, data, offset, n, out);
    case DType::undefined:
    case DType::string: std::fill_n(out, n, Out{}); return;
    default: return load_small(type, data, offset, n, out);
  }
}

/// A double that rounds to any narrower type as the integer itself would: what does not fit is kept as a sticky bit.
double sticky_double(int64_t v) noexcept {
  const uint64_t magnitude = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  const int spare = std::max(0, 53 - std::countl_zero(magnitude) - 42);  // bits beyond 53: 64 − leading zeros − 53
  const uint64_t lost = magnitude & ((uint64_t{1} << spare) - 1);
  const uint64_t kept = (magnitude >> spare << spare) | (lost != 0 ? uint64_t{1} << spare : 0);
  const auto value = static_cast<double>(kept);
  return v < 0 ? -value : value;
}

template <class In>
double real_part(const In& v) noexcept {
  if constexpr (std::is_same_v<In, std::complex<double>>) {
    return v.real();
  } else if constexpr (std::is_same_v<In, int64_t>) {
    return sticky_double(v);
  } else {
    return v;
  }
}

template <class Integer, class In>
Integer integer(const In& v) noexcept {
  if constexpr (std::is_same_v<In, std::complex<double>>) {
    return integer<Integer>(v.real());
  } else if constexpr (std::is_same_v<In, int64_t>) {
    return static_cast<Integer>(v);
  } else if constexpr (std::is_same_v<Integer, uint64_t>) {
    if (v >= static_cast<In>(9223372036854775808.0)) {
      const bool fits = v < static_cast<In>(18446744073709551616.0);
      return fits ? static_cast<uint64_t>(v) : std::numeric_limits<uint64_t>::max();
    }
    return static_cast<uint64_t>(truncated(v));
  } else {
    return static_cast<Integer>(truncated(v));
  }
}

template <class Integer, class In>
void store_integers(Integer* out, int64_t n, const In* in) noexcept {
  if constexpr (std::is_same_v<Integer, In>) {
    convert_run(in, n, out);
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = integer<Integer>(in[i]);
  }
}

template <class Float, class In>
void store_floats(Float* out, int64_t n, const In* in) noexcept {
  if constexpr (std::is_same_v<In, std::complex<double>>) {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<Float>(in[i].real());
  } else {
    convert_run(in, n, out);
  }
}

template <class Real, class In>
void store_complex(std::complex<Real>* out, int64_t n, const In* in) noexcept {
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<In, std::complex<double>>) {
      out[i] = {static_cast<Real>(in[i].real()), static_cast<Real>(in[i].imag())};
    } else {
      out[i] = {static_cast<Real>(in[i]), 0};
    }
  }
}

template <class In>
void store_halves(DType type, uint16_t* out, int64_t n, const In* in) noexcept {
  if constexpr (std::is_same_v<In, float>) {
    type == DType::float16 ? float_to_half(in, n, out) : float_to_bfloat(in, n, out);
  } else {
    double values[kChunk];
    for (int64_t i = 0; i < n; i += kChunk) {
      const int64_t count = std::min(kChunk, n - i);
      for (int64_t j = 0; j < count; ++j) values[j] = real_part(in[i + j]);
      type == DType::float16 ? double_to_half(values, count, out + i) : double_to_bfloat(values, count, out + i);
    }
  }
}

/// Types of at most 8 bits that are not whole integers of C++.
template <class In>
void store_codes(DType type, void* data, int64_t offset, int64_t n, const In* in, CastMode mode) noexcept {
  uint8_t codes[kChunk];
  double values[kChunk];
  const bool integers = is_integer(type);
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min(kChunk, n - i);
    if (integers) {
      for (int64_t j = 0; j < count; ++j) codes[j] = static_cast<uint8_t>(integer<int64_t>(in[i + j]));
    } else if constexpr (std::is_same_v<In, float> || std::is_same_v<In, double>) {
      encode_small_floats(type, in + i, count, mode, codes);
    } else {
      for (int64_t j = 0; j < count; ++j) values[j] = real_part(in[i + j]);
      encode_small_floats(type, values, count, mode, codes);
    }
    if (is_packed(type)) {
      pack(dtype_bits(type), data, offset + i, count, codes);
    } else {
      std::memcpy(at<uint8_t>(data, offset + i), codes, static_cast<size_t>(count));
    }
  }
}

template <class In>
void store(DType type, void* data, int64_t offset, int64_t n, const In* in, CastMode mode) noexcept {
  switch (type) {
    case DType::float32: return store_floats(at<float>(data, offset), n, in);
    case DType::float64: return store_floats(at<double>(data, offset), n, in);
    case DType::int8: return store_integers(at<int8_t>(data, offset), n, in);
    case DType::int16: return store_integers(at<int16_t>(data, offset), n, in);
    case DType::int32: return store_integers(at<int32_t>(data, offset), n, in);
    case DType::int64: return store_integers(at<int64_t>(data, offset), n, in);
    case DType::uint8: return store_integers(at<uint8_t>(data, offset), n, in);
    case DType::uint16: return store_integers(at<uint16_t>(data, offset), n, in);
    case DType::uint32: return store_integers(at<uint32_t>(data, offset), n, in);
    case DType::uint64: return store_integers(at<uint64_t>(data, offset), n, in);
    case DType::boolean: {
      auto* bytes = at<uint8_t>(data, offset);
      for (int64_t i = 0; i < n; ++i) bytes[i] = in[i] != In{} ? 1 : 0;
      return;
    }
    case DType::float16:
    case DType::bfloat16: return store_halves(type, at<uint16_t>(data, offset), n, in);
    case DType::complex64: return store_complex(at<std::complex<float>>(data, offset), n, in);
    case DType::complex128: return store_complex(at<std::complex<double>>(data, offset), n, in);
    case DType::undefined:
    case DType::string: return;
    default: return store_codes(type, data, offset, n, in, mode);
  }
}

/// Through chunks of `Middle`, or in one step where one side already is of that type.
template <class Middle>
void cast_through(DType middle, DType from, const void* src, int64_t src_offset, DType to, void* dst,
                  int64_t dst_offset, int64_t n, CastMode mode) noexcept {
  if (from == middle) return store(to, dst, dst_offset, n, at<Middle>(src, src_offset), mode);
  if (to == middle) return load(from, src, src_offset, n, at<Middle>(dst, dst_offset));
  Middle values[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min(kChunk, n - i);
    load(from, src, src_offset + i, count, values);
    store(to, dst, dst_offset + i, count, values, mode);
  }
}

/// uint64 to a float type: values from 2^63 on do not pass through int64. Halving keeps the lowest bit sticky; the
/// doubling afterwards is exact in the double that the target then rounds.
void cast_uint64(const uint64_t* in, DType to, void* dst, int64_t dst_offset, int64_t n, CastMode mode) noexcept {
  if (to == DType::float32) return convert_run(in, n, at<float>(dst, dst_offset));
  if (to == DType::float64) return convert_run(in, n, at<double>(dst, dst_offset));
  double values[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min(kChunk, n - i);
    if (to == DType::complex128) convert_run(in + i, count, values);
    for (int64_t j = 0; j < count && to != DType::complex128; ++j) {
      const uint64_t v = in[i + j];
      values[j] = v >> 63 != 0 ? 2 * sticky_double(static_cast<int64_t>((v >> 1) | (v & 1)))
                               : sticky_double(static_cast<int64_t>(v));
    }
    store(to, dst, dst_offset + i, count, values, mode);
  }
}

}  // namespace

void load_f64(DType type, const void* data, int64_t offset, int64_t n, double* out) noexcept {
  load(type, data, offset, n, out);
}
void load_f32(DType type, const void* data, int64_t offset, int64_t n, float* out) noexcept {
  load(type, data, offset, n, out);
}
void load_i64(DType type, const void* data, int64_t offset, int64_t n, int64_t* out) noexcept {
  load(type, data, offset, n, out);
}
void load_c128(DType type, const void* data, int64_t offset, int64_t n, std::complex<double>* out) noexcept {
  load(type, data, offset, n, out);
}
void store_f64(DType type, void* data, int64_t offset, int64_t n, const double* in) noexcept {
  store(type, data, offset, n, in, {});
}
void store_f32(DType type, void* data, int64_t offset, int64_t n, const float* in) noexcept {
  store(type, data, offset, n, in, {});
}
void store_i64(DType type, void* data, int64_t offset, int64_t n, const int64_t* in) noexcept {
  store(type, data, offset, n, in, {});
}
void store_c128(DType type, void* data, int64_t offset, int64_t n, const std::complex<double>* in) noexcept {
  store(type, data, offset, n, in, {});
}

void cast_elements(DType from, const void* src, int64_t src_offset, DType to, void* dst, int64_t dst_offset, int64_t n,
                   bool saturate, RoundMode round) noexcept {
  const CastMode mode{saturate, round};
  if (from == to) return copy_elements(from, src, src_offset, dst, dst_offset, n);
  if (is_complex(from)) {
    return cast_through<std::complex<double>>(DType::complex128, from, src, src_offset, to, dst, dst_offset, n, mode);
  }
  if (from == DType::uint64 && (is_float(to) || is_complex(to))) {
    return cast_uint64(at<uint64_t>(src, src_offset), to, dst, dst_offset, n, mode);
  }
  if (is_integer(from) || from == DType::boolean) {
    return cast_through<int64_t>(DType::int64, from, src, src_offset, to, dst, dst_offset, n, mode);
  }
  if (from == DType::float64 || to == DType::float64) {
    return cast_through<double>(DType::float64, from, src, src_offset, to, dst, dst_offset, n, mode);
  }
  cast_through<float>(DType::float32, from, src, src_offset, to, dst, dst_offset, n, mode);  // holds all narrower
}

void copy_elements(DType type, const void* src, int64_t src_offset, void* dst, int64_t dst_offset, int64_t n) noexcept {
  if (n <= 0) return;
  const int bits = dtype_bits(type);
  if (bits % 8 == 0) {
    const int64_t size = bits / 8;
    const auto bytes = static_cast<size_t>(n * size);
    std::memmove(at<uint8_t>(dst, dst_offset * size), at<uint8_t>(src, src_offset * size), bytes);
    return;
  }
  int64_t done = 0;
  if (src_offset % 4 == 0 && dst_offset % 4 == 0) {  // four elements of any width fill whole bytes
    done = n / 4 * 4;
    std::memmove(at<uint8_t>(dst, dst_offset / 4 * bits / 2), at<uint8_t>(src, src_offset / 4 * bits / 2),
                 static_cast<size_t>(done / 4 * bits / 2));
  }
  for_codes(type, src, src_offset + done, n - done, [&](const uint8_t* codes, int64_t first, int64_t count) {
    pack(bits, dst, dst_offset + done + first, count, codes);
  });
}

}  // namespace chorus
