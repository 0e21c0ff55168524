#include <core/convert_small_float.h>
#include <core/cpu.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <exception>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace chorus {
namespace {

/// How a format spends the codes that IEEE 754 gives to infinity and NaN.
enum class Special : uint8_t {
  ieee,  ///< highest exponent: infinity and NaNs
  fn,    ///< finite; one NaN per sign, all bits set
  fnuz,  ///< finite; no negative zero, its code is the NaN
  none,  ///< finite only (OCP MX float6, float4)
};

struct Format {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  Special special;

  constexpr int bits() const { return 1 + exponent_bits + mantissa_bits; }
  constexpr uint32_t sign() const { return 1u << (exponent_bits + mantissa_bits); }
  constexpr uint32_t infinity() const { return ((1u << exponent_bits) - 1) << mantissa_bits; }
  constexpr uint32_t max() const {
    switch (special) {
      case Special::ieee: return infinity() - 1;
      case Special::fn: return sign() - 2;
      default: return sign() - 1;
    }
  }
};

// OCP "8-bit Floating Point Specification" 1.0, "Microscaling Formats" 1.0; the fnuz kinds: arXiv 2206.02915.
constexpr Format kE4M3FN{4, 3, 7, Special::fn};
constexpr Format kE4M3FNUZ{4, 3, 8, Special::fnuz};
constexpr Format kE5M2{5, 2, 15, Special::ieee};
constexpr Format kE5M2FNUZ{5, 2, 16, Special::fnuz};
constexpr Format kE2M3{2, 3, 1, Special::none};
constexpr Format kE3M2{3, 2, 3, Special::none};
constexpr Format kE2M1{2, 1, 1, Special::none};
constexpr Format kHalf{5, 10, 15, Special::ieee};
constexpr Format kBfloat{8, 7, 127, Special::ieee};

constexpr float power_of_two(int exponent) {  // exponent ≥ -149
  if (exponent >= -126) return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
  return std::bit_cast<float>(1u << (exponent + 149));
}

constexpr float decode(const Format& f, uint32_t code) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const bool negative = (code & f.sign()) != 0;
  const uint32_t magnitude = code & (f.sign() - 1);
  if (f.special == Special::fnuz && negative && magnitude == 0) return kNan;
  if (f.special == Special::fn && magnitude == f.sign() - 1) return kNan;
  if (f.special == Special::ieee && magnitude >= f.infinity()) {
    if (magnitude > f.infinity()) return kNan;
    return negative ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
  }
  const int exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  const uint32_t mantissa = magnitude & ((1u << f.mantissa_bits) - 1);
  const uint32_t significand = exponent == 0 ? mantissa : mantissa | (1u << f.mantissa_bits);
  const int step = std::max(exponent, 1) - f.bias - f.mantissa_bits;
  const float value = static_cast<float>(significand) * power_of_two(step);
  return negative ? -value : value;
}

template <size_t N>
constexpr std::array<float, N> make_table(const Format& f) {
  std::array<float, N> table{};
  for (size_t i = 0; i < N; ++i) table[i] = decode(f, static_cast<uint32_t>(i));
  return table;
}

constexpr std::array<float, 256> make_e8m0_table() {
  std::array<float, 256> table{};
  for (int i = 0; i < 255; ++i) table[static_cast<size_t>(i)] = power_of_two(i - 127);
  table[255] = std::numeric_limits<float>::quiet_NaN();
  return table;
}

constexpr auto kTableE4M3FN = make_table<256>(kE4M3FN);
constexpr auto kTableE4M3FNUZ = make_table<256>(kE4M3FNUZ);
constexpr auto kTableE5M2 = make_table<256>(kE5M2);
constexpr auto kTableE5M2FNUZ = make_table<256>(kE5M2FNUZ);
constexpr auto kTableE2M3 = make_table<64>(kE2M3);
constexpr auto kTableE3M2 = make_table<64>(kE3M2);
constexpr auto kTableE2M1 = make_table<16>(kE2M1);
constexpr auto kTableE8M0 = make_e8m0_table();

uint32_t overflow_code(const Format& f, uint32_t sign, bool saturate) noexcept {
  if (saturate || f.special == Special::none) return sign | f.max();
  switch (f.special) {
    case Special::ieee: return sign | f.infinity();
    case Special::fn: return sign | (f.sign() - 1);
    default: return f.sign();
  }
}

uint32_t nan_code(const Format& f, uint32_t sign) noexcept {
  switch (f.special) {
    case Special::ieee: return sign | f.infinity() | (1u << (f.mantissa_bits - 1));
    case Special::fn: return sign | (f.sign() - 1);
    default: return f.sign();  // fnuz: its NaN; none: no NaN exists, negative zero as ONNX's reference has it
  }
}

/// Rounded to nearest even once, from the exact value.
uint32_t encode(const Format& f, double x, bool saturate) noexcept {
  const auto bits = std::bit_cast<uint64_t>(x);
  const uint32_t sign = (bits >> 63) != 0 ? f.sign() : 0;
  const uint64_t magnitude = bits & ~(uint64_t{1} << 63);
  constexpr uint64_t kInfinity = uint64_t{0x7ff} << 52;
  if (magnitude > kInfinity) return nan_code(f, sign);
  if (magnitude == kInfinity) return overflow_code(f, sign, saturate);
  const int exponent = static_cast<int>(magnitude >> 52) - 1023;
  const int smallest = 1 - f.bias;
  const int shift = 52 - f.mantissa_bits + std::max(0, smallest - exponent);
  uint32_t code = 0;
  if (shift < 54) {  // from 54 on the value lies below half of the smallest step; subnormal doubles lie far below
    const uint64_t significand = (magnitude & ((uint64_t{1} << 52) - 1)) | (uint64_t{1} << 52);
    const uint64_t half = uint64_t{1} << (shift - 1);
    const uint64_t kept = (significand + half - 1 + ((significand >> shift) & 1)) >> shift;
    const uint64_t wide = (static_cast<uint64_t>(std::max(exponent - smallest, 0)) << f.mantissa_bits) + kept;
    if (wide > f.max()) return overflow_code(f, sign, saturate);
    code = static_cast<uint32_t>(wide);
  }
  if (code == 0 && f.special == Special::fnuz) return 0;
  return sign | code;
}

/// float8e8m0: a bare exponent, 2^(code − 127), 255 is NaN. Special values as the table of ONNX Cast-25; negative: NaN.
uint32_t encode_e8m0(double x, CastMode mode) noexcept {
  constexpr uint32_t kNan = 255;
  if (std::isnan(x) || x < 0) return kNan;
  const double smallest = std::ldexp(1.0, -127);
  const double largest = std::ldexp(1.0, 127);
  if (x < smallest) return mode.saturate ? 0 : kNan;
  if (x > largest) return mode.saturate ? 254 : kNan;
  int exponent;
  const double fraction = std::frexp(x, &exponent);  // [0.5, 1)
  exponent -= 1;
  if (mode.round == RoundMode::up && fraction > 0.5) ++exponent;
  if (mode.round == RoundMode::nearest && fraction >= 0.75) ++exponent;
  return static_cast<uint32_t>(exponent + 127);
}

const Format* format_of(DType type) noexcept {
  switch (type) {
    case DType::float8e4m3fn: return &kE4M3FN;
    case DType::float8e4m3fnuz: return &kE4M3FNUZ;
    case DType::float8e5m2: return &kE5M2;
    case DType::float8e5m2fnuz: return &kE5M2FNUZ;
    case DType::float6e2m3: return &kE2M3;
    case DType::float6e3m2: return &kE3M2;
    case DType::float4e2m1: return &kE2M1;
    default: return nullptr;
  }
}

template <class T>
void encode_run(DType type, const T* in, int64_t n, CastMode mode, uint8_t* codes) noexcept {
  if (type == DType::float8e8m0) {
    for (int64_t i = 0; i < n; ++i) codes[i] = static_cast<uint8_t>(encode_e8m0(in[i], mode));
    return;
  }
  const Format* format = format_of(type);
  if (format == nullptr) {
    std::fill_n(codes, n, uint8_t{0});
    return;
  }
  const Format f = *format;
  for (int64_t i = 0; i < n; ++i) codes[i] = static_cast<uint8_t>(encode(f, in[i], mode.saturate));
}

inline uint16_t half_of(float value) noexcept {
  // Without branches, so that the compiler can make vectors of it. NaN keeps the top of its payload and becomes quiet.
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // Below 2^-14 an addition of 0.5 moves the bits of the result to the bottom, rounded by the addition itself.
  const uint32_t tiny = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t special = magnitude > 0x7f800000u ? 0x7e00u | ((magnitude >> 13) & 0x3ffu) : 0x7c00u;
  uint32_t code = magnitude < 0x38800000u ? tiny : normal;
  code = magnitude >= 0x47800000u ? special : code;
  return static_cast<uint16_t>(sign | code);
}

inline float float_of_half(uint16_t half) noexcept {
  const uint32_t shifted = (half & 0x7fffu) << 13;
  const uint32_t exponent = shifted & 0x0f800000u;
  const uint32_t normal = shifted + (112u << 23);
  const uint32_t special = shifted + (224u << 23);
  const uint32_t quiet = special | ((special & 0x007fffffu) != 0 ? 0x00400000u : 0u);
  constexpr uint32_t kSmallestNormal = 113u << 23;  // 2^-14
  const uint32_t tiny =
      std::bit_cast<uint32_t>(std::bit_cast<float>(shifted + kSmallestNormal) - std::bit_cast<float>(kSmallestNormal));
  uint32_t bits = exponent == 0 ? tiny : normal;
  bits = exponent == 0x0f800000u ? quiet : bits;
  return std::bit_cast<float>(bits | static_cast<uint32_t>(half & 0x8000u) << 16);
}

inline uint16_t bfloat_of(float value) noexcept {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t quiet = (bits >> 16) | 0x40u;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

/// In blocks of a fixed size, which the compiler turns into vectors at any optimisation level.
template <class In, class Out, class F>
void in_blocks(const In* __restrict in, int64_t n, Out* __restrict out, F convert) noexcept {
  constexpr int64_t kBlock = 16;
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    for (int64_t j = 0; j < kBlock; ++j) out[i + j] = convert(in[i + j]);
  }
  for (; i < n; ++i) out[i] = convert(in[i]);
}

#if defined(__x86_64__)
bool has_f16c() noexcept {
  static const bool has = [] {
    try {
      return cpu().avx && cpu().f16c;
    } catch (const std::exception&) {  // a wrong CHORUS_CPU_OFF: others report it, a conversion cannot
      return false;
    }
  }();
  return has;
}

__attribute__((target("avx,f16c"))) int64_t half_to_float_f16c(const uint16_t* in, int64_t n, float* out) noexcept {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
  }
  return i;
}

__attribute__((target("avx,f16c"))) int64_t float_to_half_f16c(const float* in, int64_t n, uint16_t* out) noexcept {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  return i;
}
#endif

}  // namespace

const float* small_float_table(DType type) noexcept {
  switch (type) {
    case DType::float8e4m3fn: return kTableE4M3FN.data();
    case DType::float8e4m3fnuz: return kTableE4M3FNUZ.data();
    case DType::float8e5m2: return kTableE5M2.data();
    case DType::float8e5m2fnuz: return kTableE5M2FNUZ.data();
    case DType::float8e8m0: return kTableE8M0.data();
    case DType::float6e2m3: return kTableE2M3.data();
    case DType::float6e3m2: return kTableE3M2.data();
    case DType::float4e2m1: return kTableE2M1.data();
    default: return nullptr;
  }
}

void encode_small_floats(DType type, const double* in, int64_t n, CastMode mode, uint8_t* codes) noexcept {
  encode_run(type, in, n, mode, codes);
}

void encode_small_floats(DType type, const float* in, int64_t n, CastMode mode, uint8_t* codes) noexcept {
  encode_run(type, in, n, mode, codes);
}

void half_to_float_portable(const uint16_t* in, int64_t n, float* out) noexcept {
  in_blocks(in, n, out, [](uint16_t h) { return float_of_half(h); });
}

void float_to_half_portable(const float* in, int64_t n, uint16_t* out) noexcept {
  in_blocks(in, n, out, [](float v) { return half_of(v); });
}

void half_to_float(const uint16_t* in, int64_t n, float* out) noexcept {
  int64_t done = 0;
#if defined(__x86_64__)
  if (n >= 8 && has_f16c()) done = half_to_float_f16c(in, n, out);
#endif
  half_to_float_portable(in + done, n - done, out + done);
}

void float_to_half(const float* in, int64_t n, uint16_t* out) noexcept {
  int64_t done = 0;
#if defined(__x86_64__)
  if (n >= 8 && has_f16c()) done = float_to_half_f16c(in, n, out);
#endif
  float_to_half_portable(in + done, n - done, out + done);
}

void double_to_half(const double* in, int64_t n, uint16_t* out) noexcept {
  for (int64_t i = 0; i < n; ++i) {
    out[i] =
        std::isnan(in[i]) ? half_of(static_cast<float>(in[i])) : static_cast<uint16_t>(encode(kHalf, in[i], false));
  }
}

void bfloat_to_float(const uint16_t* in, int64_t n, float* out) noexcept {
  in_blocks(in, n, out, [](uint16_t b) { return std::bit_cast<float>(static_cast<uint32_t>(b) << 16); });
}

void float_to_bfloat(const float* in, int64_t n, uint16_t* out) noexcept {
  in_blocks(in, n, out, [](float v) { return bfloat_of(v); });
}

void double_to_bfloat(const double* in, int64_t n, uint16_t* out) noexcept {
  for (int64_t i = 0; i < n; ++i) {
    out[i] =
        std::isnan(in[i]) ? bfloat_of(static_cast<float>(in[i])) : static_cast<uint16_t>(encode(kBfloat, in[i], false));
  }
}

}  // namespace chorus
