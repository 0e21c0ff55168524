#include <chorus/dtype.h>
#include <core/convert.h>
#include <core/convert_small_float.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace chorus {
namespace {

const double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::numeric_limits<double>::quiet_NaN();

/// The formats as their papers print them; the oracle below knows nothing of the implementation.
struct Definition {
  DType type;
  int exponent_bits, mantissa_bits, bias;
  bool has_infinity;            // exponent all ones: infinity, and NaN with a mantissa
  std::vector<unsigned> nans;  // further codes that are NaN
  bool has_negative_zero;
  double largest;               // finite
  double smallest;              // positive
};

const std::vector<Definition>& definitions() {
  static const std::vector<Definition> all = {
      {DType::float8e4m3fn, 4, 3, 7, false, {0x7f, 0xff}, true, 448, std::ldexp(1, -9)},
      {DType::float8e4m3fnuz, 4, 3, 8, false, {0x80}, false, 240, std::ldexp(1, -10)},
      {DType::float8e5m2, 5, 2, 15, true, {}, true, 57344, std::ldexp(1, -16)},
      {DType::float8e5m2fnuz, 5, 2, 16, false, {0x80}, false, 57344, std::ldexp(1, -17)},
      {DType::float6e2m3, 2, 3, 1, false, {}, true, 7.5, 0.125},
      {DType::float6e3m2, 3, 2, 3, false, {}, true, 28, 0.0625},
      {DType::float4e2m1, 2, 1, 1, false, {}, true, 6, 0.5},
      {DType::float16, 5, 10, 15, true, {}, true, 65504, std::ldexp(1, -24)},
      {DType::bfloat16, 8, 7, 127, true, {}, true, std::ldexp(255, 120), std::ldexp(1, -133)},
  };
  return all;
}

double value_of(const Definition& d, unsigned code) {
  if (std::find(d.nans.begin(), d.nans.end(), code) != d.nans.end()) return kNan;
  const unsigned mantissa = code % (1u << d.mantissa_bits);
  const unsigned exponent = (code >> d.mantissa_bits) % (1u << d.exponent_bits);
  const double sign = (code >> (d.mantissa_bits + d.exponent_bits)) != 0 ? -1 : 1;
  if (d.has_infinity && exponent + 1 == 1u << d.exponent_bits) return mantissa != 0 ? kNan : sign * kInf;
  const double fraction = mantissa / std::ldexp(1.0, d.mantissa_bits);
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - d.bias);
  return sign * std::ldexp(1 + fraction, static_cast<int>(exponent) - d.bias);
}

unsigned codes_of(const Definition& d) { return 1u << (1 + d.exponent_bits + d.mantissa_bits); }

/// All finite values in order with the next one that an unbounded exponent would have: rounding to it is an overflow.
class Nearest {
 public:
  explicit Nearest(const Definition& d) {
    for (unsigned code = 0; code < codes_of(d) / 2; ++code) {
      const double v = value_of(d, code);
      if (std::isfinite(v)) values_.push_back({v, code});
    }
    const size_t n = values_.size();
    overflow_ = values_[n - 1].value + (values_[n - 1].value - values_[n - 2].value);
  }
  /// Nearest, ties to the even code; the overflow value counts as the code after the last.
  double round(double x, bool& overflows) const {
    const double a = std::abs(x);
    overflows = false;
    const auto less = [](const Entry& e, double v) { return e.value < v; };
    const auto above = std::lower_bound(values_.begin(), values_.end(), a, less);
    if (above == values_.begin()) return std::copysign(above->value, x);
    const Entry low = *(above - 1);
    const Entry high = above == values_.end() ? Entry{overflow_, low.code + 1} : *above;
    const double down = a - low.value;
    const double up = high.value - a;
    const bool take_high = up < down || (up == down && high.code % 2 == 0);
    overflows = take_high && above == values_.end();
    return std::copysign(take_high ? high.value : low.value, x);
  }
  double overflow() const { return overflow_; }

 private:
  struct Entry {
    double value;
    unsigned code;
  };
  std::vector<Entry> values_;
  double overflow_;
};

bool same_value(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

TEST(Convert, EveryCodeDecodesAsDefined) {
  for (const Definition& d : definitions()) {
    const unsigned count = codes_of(d);
    std::vector<uint8_t> data(static_cast<size_t>(dtype_bytes(d.type, count)) + 8);
    std::vector<int64_t> codes(count);
    const int bits = dtype_bits(d.type);
    for (unsigned code = 0; code < count; ++code) {  // bit i·bits onward, low bits first
      for (int b = 0; b < bits; ++b) {
        const size_t at = code * static_cast<size_t>(bits) + static_cast<size_t>(b);
        data[at / 8] = static_cast<uint8_t>(data[at / 8] | ((code >> b & 1) << (at % 8)));
      }
    }
    std::vector<double> out(count);
    std::vector<float> narrow(count);
    load_f64(d.type, data.data(), 0, count, out.data());
    load_f32(d.type, data.data(), 0, count, narrow.data());
    double largest = 0;
    double smallest = kInf;
    for (unsigned code = 0; code < count; ++code) {
      ASSERT_TRUE(same_value(out[code], value_of(d, code))) << dtype_name(d.type) << " code " << code;
      ASSERT_TRUE(same_value(narrow[code], out[code])) << dtype_name(d.type) << " code " << code;
      if (std::isfinite(out[code])) largest = std::max(largest, out[code]);
      if (out[code] > 0) smallest = std::min(smallest, out[code]);
    }
    EXPECT_EQ(largest, d.largest) << dtype_name(d.type);
    EXPECT_EQ(smallest, d.smallest) << dtype_name(d.type);
  }
}

/// Values where rounding is decided: every code's value, the middle between neighbours, and the doubles next to those.
std::vector<double> hard_values(const Definition& d, const Nearest& nearest, std::mt19937_64& rng) {
  std::vector<double> values{0.0, kInf, 1e300, 1e-300, 5e-324, nearest.overflow(), nearest.overflow() * 1.5};
  const unsigned step = codes_of(d) > 4096 ? 7 : 1;
  for (unsigned code = 0; code + 1 < codes_of(d) / 2; code += step) {
    const double a = value_of(d, code);
    double b = value_of(d, code + 1);
    if (!std::isfinite(a)) continue;
    if (!std::isfinite(b)) b = nearest.overflow();
    const double middle = a + (b - a) / 2;
    for (double v : {a, b, middle}) {
      values.insert(values.end(), {v, std::nextafter(v, 0.0), std::nextafter(v, kInf)});
    }
  }
  std::uniform_real_distribution<double> exponent(std::log2(d.smallest) - 3, std::log2(d.largest) + 3);
  for (int i = 0; i < 2000; ++i) values.push_back(std::exp2(exponent(rng)));
  const size_t positive = values.size();
  for (size_t i = 0; i < positive; ++i) values.push_back(-values[i]);
  return values;
}

double expected_of(const Definition& d, const Nearest& nearest, double x, bool saturate) {
  bool overflows = std::isinf(x);
  double rounded = overflows ? x : nearest.round(x, overflows);
  if (overflows) {
    const bool small = dtype_bits(d.type) < 8;  // float6 and float4 have nothing else
    const bool wide = dtype_bits(d.type) > 8;   // float16 and bfloat16 have no saturate in ONNX Cast
    if (small || (saturate && !wide)) return std::copysign(d.largest, x);
    return d.has_infinity ? std::copysign(kInf, x) : kNan;
  }
  if (rounded == 0 && !d.has_negative_zero) rounded = 0.0;
  return rounded;
}

TEST(Convert, StoresTheNearestValue) {
  std::mt19937_64 rng(3);
  for (const Definition& d : definitions()) {
    const Nearest nearest(d);
    const std::vector<double> in = hard_values(d, nearest, rng);
    const auto n = static_cast<int64_t>(in.size());
    std::vector<uint8_t> plain(static_cast<size_t>(n) * 2 + 8), cast = plain, single = plain;
    std::vector<float> in32(in.begin(), in.end());
    store_f64(d.type, plain.data(), 0, n, in.data());
    store_f32(d.type, single.data(), 0, n, in32.data());
    for (const bool saturate : {false, true}) {
      cast_elements(DType::float64, in.data(), 0, d.type, cast.data(), 0, n, saturate);
      for (int64_t i = 0; i < n; ++i) {
        const double x = in[static_cast<size_t>(i)];
        ASSERT_TRUE(same_value(get_f64(d.type, cast.data(), i), expected_of(d, nearest, x, saturate)))
            << dtype_name(d.type) << " from " << x << " got " << get_f64(d.type, cast.data(), i);
        if (saturate) continue;
        ASSERT_TRUE(same_value(get_f64(d.type, plain.data(), i), expected_of(d, nearest, x, false)));
        ASSERT_TRUE(
            same_value(get_f64(d.type, single.data(), i), expected_of(d, nearest, in32[static_cast<size_t>(i)], false)))
            << dtype_name(d.type) << " from float " << in32[static_cast<size_t>(i)];
      }
    }
    uint16_t code = 0;
    const double nan = kNan;
    cast_elements(DType::float64, &nan, 0, d.type, &code, 0, 1, true);
    const bool has_nan = dtype_bits(d.type) >= 8;
    EXPECT_TRUE(same_value(get_f64(d.type, &code, 0), has_nan ? kNan : -0.0)) << dtype_name(d.type);
  }
}

TEST(Convert, RoundTripOfEveryCodeIsExact) {
  for (const Definition& d : definitions()) {
    for (unsigned code = 0; code < codes_of(d); ++code) {
      const double v = value_of(d, code);
      if (std::isnan(v)) continue;
      uint8_t data[2] = {};
      set_f64(d.type, data, 0, v);
      EXPECT_TRUE(same_value(get_f64(d.type, data, 0), v)) << dtype_name(d.type) << " " << code;
    }
  }
}

TEST(Convert, HalfWithAndWithoutInstructionsAgreeBitForBit) {
  std::vector<uint16_t> all(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  std::vector<float> fast(all.size()), plain(all.size());
  half_to_float(all.data(), 65536, fast.data());
  half_to_float_portable(all.data(), 65536, plain.data());
  EXPECT_EQ(std::memcmp(fast.data(), plain.data(), 65536 * 4), 0);
  std::mt19937 rng(5);
  std::vector<float> in(1 << 20);
  for (size_t i = 0; i < in.size(); ++i) {  // random bits, and bits around the range of halves
    uint32_t bits = static_cast<uint32_t>(rng());
    if (i % 2 == 0) bits = (bits & 0x80ffffffu) | ((100 + rng() % 48) << 23);
    if (i % 8 == 0) bits &= ~0xfffu;  // ties
    in[i] = std::bit_cast<float>(bits);
  }
  std::vector<uint16_t> a(in.size()), b(in.size());
  float_to_half(in.data(), 1 << 20, a.data());
  float_to_half_portable(in.data(), 1 << 20, b.data());
  for (size_t i = 0; i < in.size(); ++i) ASSERT_EQ(a[i], b[i]) << std::hexfloat << in[i];
  std::vector<double> wide(in.begin(), in.end());
  double_to_half(wide.data(), 1 << 20, b.data());
  for (size_t i = 0; i < in.size(); ++i) ASSERT_EQ(a[i], b[i]) << std::hexfloat << in[i];
}

TEST(Convert, E8M0FollowsTheCastTable) {
  const auto cast = [](double x, bool saturate, RoundMode round) {
    uint8_t code = 0;
    cast_elements(DType::float64, &x, 0, DType::float8e8m0, &code, 0, 1, saturate, round);
    return static_cast<int>(code);
  };
  for (int code = 0; code < 255; ++code) {
    const auto byte = static_cast<uint8_t>(code);
    const double v = std::ldexp(1.0, code - 127);
    EXPECT_EQ(get_f64(DType::float8e8m0, &byte, 0), v);
    for (RoundMode mode : {RoundMode::up, RoundMode::down, RoundMode::nearest}) {
      EXPECT_EQ(cast(v, true, mode), code);
      EXPECT_EQ(cast(v, false, mode), code);
    }
    if (code == 254) continue;
    EXPECT_EQ(cast(v * 1.25, true, RoundMode::up), code + 1);
    EXPECT_EQ(cast(v * 1.75, true, RoundMode::down), code);
    EXPECT_EQ(cast(v * 1.49, true, RoundMode::nearest), code);
    EXPECT_EQ(cast(v * 1.5, true, RoundMode::nearest), code + 1);
  }
  const uint8_t nan = 255;
  EXPECT_TRUE(std::isnan(get_f64(DType::float8e8m0, &nan, 0)));
  const double beyond = std::ldexp(1.5, 127);
  const double below = std::ldexp(1.0, -130);
  EXPECT_EQ(cast(0, true, RoundMode::up), 0);
  EXPECT_EQ(cast(kNan, true, RoundMode::up), 255);
  EXPECT_EQ(cast(kInf, true, RoundMode::up), 254);
  EXPECT_EQ(cast(beyond, true, RoundMode::up), 254);
  EXPECT_EQ(cast(below, true, RoundMode::up), 0);
  for (double x : {0.0, kNan, kInf, beyond, below}) EXPECT_EQ(cast(x, false, RoundMode::nearest), 255) << x;
}

TEST(Convert, IntegersWrapAndTruncate) {
  // int16 200 to int8 is the example of the ONNX text.
  const int16_t from[4] = {200, -129, 300, -1};
  int8_t to[4];
  cast_elements(DType::int16, from, 0, DType::int8, to, 0, 4, true);
  EXPECT_EQ(to[0], -56);
  EXPECT_EQ(to[1], 127);
  EXPECT_EQ(to[2], 44);
  EXPECT_EQ(to[3], -1);
  std::mt19937_64 rng(9);
  const DType targets[] = {DType::int2,  DType::uint2,  DType::int4,  DType::uint4,  DType::int8, DType::uint8,
                           DType::int16, DType::uint16, DType::int32, DType::uint32, DType::int64};
  for (DType t : targets) {
    const int bits = dtype_bits(t);
    for (int i = 0; i < 2000; ++i) {
      const auto v = static_cast<int64_t>(rng()) >> (rng() % 64);
      __int128 wrapped = v & static_cast<int64_t>(bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1);
      if (bits == 64) wrapped = v;
      if (is_signed_integer(t) && bits < 64 && wrapped >> (bits - 1)) wrapped -= static_cast<__int128>(1) << bits;
      int64_t data = 0;
      set_i64(t, &data, 0, v);
      ASSERT_EQ(get_i64(t, &data, 0), static_cast<int64_t>(wrapped)) << dtype_name(t) << " " << v;
      const double d = std::ldexp(static_cast<double>(v % 100000), -4);
      const double d2 = d;
      set_f64(t, &data, 0, d);
      int64_t other = 0;
      set_i64(t, &other, 0, static_cast<int64_t>(std::trunc(d2)));
      ASSERT_EQ(get_i64(t, &data, 0), get_i64(t, &other, 0)) << dtype_name(t) << " " << d;
    }
  }
}

TEST(Convert, FloatsToIntegersNeverHaveUndefinedBehaviour) {
  const double in[] = {kNan, kInf, -kInf, 1e300, -1e300, 9.3e18, -9.3e18, 1.9e19, -0.9, 2.9};
  int64_t out[10];
  cast_elements(DType::float64, in, 0, DType::int64, out, 0, 10, true);
  const int64_t most = INT64_MAX, least = INT64_MIN;
  const int64_t expected[10] = {0, most, least, most, least, most, least, most, 0, 2};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(out[i], expected[i]) << in[i];
  const float big[] = {1.5e19f, 9.223372e18f, -3.0f, std::nanf("")};
  uint64_t u[4];
  cast_elements(DType::float32, big, 0, DType::uint64, u, 0, 4, true);
  EXPECT_EQ(u[0], static_cast<uint64_t>(1.5e19f));
  EXPECT_EQ(u[1], static_cast<uint64_t>(9.223372e18f));
  EXPECT_EQ(u[2], static_cast<uint64_t>(-3));
  EXPECT_EQ(u[3], 0u);
  for (int t = 1; t < kDTypeCount; ++t) {  // any pair runs clean under the sanitizers
    const auto to = static_cast<DType>(t);
    std::vector<uint8_t> bytes(400);
    cast_elements(DType::float64, in, 0, to, bytes.data(), 0, 10, false);
    for (int s = 1; s < kDTypeCount; ++s) {
      std::vector<uint8_t> back(400);
      cast_elements(to, bytes.data(), 0, static_cast<DType>(s), back.data(), 0, 10, true);
    }
  }
}

TEST(Convert, IntegersToFloatsRoundOnce) {
  // The tie of bfloat16 lies between 2^62 and its neighbour; one more is above it, which a detour over double forgets.
  const int64_t tie = (int64_t{1} << 62) + (int64_t{1} << 54);
  const int64_t in[4] = {tie, tie + 1, -(tie + 1), 65519};
  uint16_t b[4];
  store_i64(DType::bfloat16, b, 0, 4, in);
  EXPECT_EQ(get_f64(DType::bfloat16, b, 0), std::ldexp(1, 62));
  EXPECT_EQ(get_f64(DType::bfloat16, b, 1), std::ldexp(129, 55));
  EXPECT_EQ(get_f64(DType::bfloat16, b, 2), -std::ldexp(129, 55));
  cast_elements(DType::int64, in, 3, DType::float16, b, 0, 1, true);
  EXPECT_EQ(get_f64(DType::float16, b, 0), 65504);
  const uint64_t high_tie = (uint64_t{1} << 63) + (uint64_t{1} << 55);
  const uint64_t u[3] = {UINT64_MAX, high_tie, high_tie + 1};
  cast_elements(DType::uint64, u, 0, DType::bfloat16, b, 0, 3, true);
  EXPECT_EQ(get_f64(DType::bfloat16, b, 0), std::ldexp(1, 64));
  EXPECT_EQ(get_f64(DType::bfloat16, b, 1), std::ldexp(1, 63));
  EXPECT_EQ(get_f64(DType::bfloat16, b, 2), std::ldexp(129, 56));
  double d[3];
  cast_elements(DType::uint64, u, 0, DType::float64, d, 0, 3, true);
  EXPECT_EQ(d[0], std::ldexp(1, 64));
  float f;
  cast_elements(DType::uint64, u, 2, DType::float32, &f, 0, 1, true);
  EXPECT_EQ(f, static_cast<float>(u[2]));
  const double twice = 1.0 + std::ldexp(1.0, -11) + std::ldexp(1.0, -40);  // through float it becomes the tie
  set_f64(DType::float16, b, 0, twice);
  EXPECT_EQ(get_f64(DType::float16, b, 0), 1 + std::ldexp(1, -10));
}

TEST(Convert, BoolAndComplex) {
  const double in[4] = {0.0, -0.0, kNan, 1e-320};
  uint8_t b[4];
  cast_elements(DType::float64, in, 0, DType::boolean, b, 0, 4, true);
  EXPECT_EQ(std::vector<int>(b, b + 4), (std::vector<int>{0, 0, 1, 1}));
  const uint8_t odd[2] = {0, 7};  // bytes of a file
  double d[2];
  load_f64(DType::boolean, odd, 0, 2, d);
  EXPECT_EQ(d[1], 1.0);
  const std::complex<float> c[2] = {{0, 2}, {1.5f, -3}};
  cast_elements(DType::complex64, c, 0, DType::boolean, b, 0, 2, true);
  EXPECT_EQ(b[0], 1);
  std::complex<double> wide[2];
  cast_elements(DType::complex64, c, 0, DType::complex128, wide, 0, 2, true);
  EXPECT_EQ(wide[1], std::complex<double>(1.5, -3));
  cast_elements(DType::complex64, c, 0, DType::float64, d, 0, 2, true);
  EXPECT_EQ(d[1], 1.5);
  const int64_t exact = (int64_t{1} << 53) + 2;
  cast_elements(DType::int64, &exact, 0, DType::complex128, wide, 0, 1, true);
  EXPECT_EQ(wide[0].real(), static_cast<double>(exact));
}

TEST(Convert, RunsAtAnyOffsetTouchNothingElse) {
  std::mt19937 rng(17);
  for (DType t : {DType::int2, DType::uint4, DType::float6e2m3, DType::float6e3m2, DType::float4e2m1, DType::float8e5m2,
                  DType::float16, DType::int32}) {
    const int bits = dtype_bits(t);
    const auto bit = [](const std::vector<uint8_t>& v, int64_t i) {
      return v[static_cast<size_t>(i / 8)] >> (i % 8) & 1;
    };
    for (int round = 0; round < 200; ++round) {
      const int64_t from = rng() % 40, to = rng() % 40, n = rng() % 700;
      const auto size = static_cast<size_t>(dtype_bytes(t, 800));
      std::vector<uint8_t> src(size), dst(size);
      for (auto& b : src) b = static_cast<uint8_t>(rng());
      for (auto& b : dst) b = static_cast<uint8_t>(rng());
      const std::vector<uint8_t> before = dst;
      copy_elements(t, src.data(), from, dst.data(), to, n);
      for (int64_t i = 0; i < static_cast<int64_t>(size) * 8; ++i) {
        const bool inside = i >= to * bits && i < (to + n) * bits;
        ASSERT_EQ(bit(dst, i), inside ? bit(src, i - to * bits + from * bits) : bit(before, i)) << dtype_name(t);
      }
      if (!is_integer(t)) continue;
      std::vector<int64_t> values(static_cast<size_t>(n));
      dst = before;
      load_i64(t, src.data(), from, n, values.data());
      store_i64(t, dst.data(), to, n, values.data());
      std::vector<uint8_t> copied = before;
      copy_elements(t, src.data(), from, copied.data(), to, n);
      ASSERT_EQ(dst, copied) << dtype_name(t);
    }
  }
}

TEST(Convert, PackingIsThatOfOnnxRawData) {
  uint8_t data[3] = {};
  const int64_t nibbles[3] = {1, 2, 3};
  store_i64(DType::uint4, data, 0, 3, nibbles);
  EXPECT_EQ(data[0], 0x21);
  EXPECT_EQ(data[1], 0x03);
  const int64_t pairs[5] = {1, 2, 3, 0, 2};
  std::memset(data, 0, 3);
  store_i64(DType::uint2, data, 0, 5, pairs);
  EXPECT_EQ(data[0], 1 | 2 << 2 | 3 << 4);
  EXPECT_EQ(data[1], 2);
  // onnx.proto: byte0 = x0 | (x1 & 3) << 6; byte1 = x1 >> 2 | (x2 & 15) << 4; byte2 = x2 >> 4 | x3 << 2
  const unsigned x[4] = {0x15, 0x2a, 0x33, 0x0e};
  const uint8_t packed[3] = {static_cast<uint8_t>(x[0] | (x[1] & 3) << 6),
                             static_cast<uint8_t>(x[1] >> 2 | (x[2] & 15) << 4),
                             static_cast<uint8_t>(x[2] >> 4 | x[3] << 2)};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(get_f64(DType::float6e2m3, packed, i), value_of(definitions()[4], x[i]));
  }
}

}  // namespace
}  // namespace chorus
