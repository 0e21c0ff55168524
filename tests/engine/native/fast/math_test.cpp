#include "support.h"

#include <engine/native/fast/math_error.h>

#include "support/proves.h"

namespace chorus::fast::testing {
namespace {

constexpr float alpha = 0.25f, beta = 0.5f;

const char* name_of(Unary op) {
  static const char* names[] = {"exp",       "log",  "tanh",         "sigmoid", "erf",        "gelu_erf",
                                "gelu_tanh", "silu", "hard_swish",   "sqrt",    "reciprocal", "softplus",
                                "sin",       "cos",  "hard_sigmoid", "relu",    "leaky_relu", "clip"};
  return names[static_cast<int>(op)];
}

double truth(Unary op, double x) {
  switch (op) {
    case Unary::exp: return std::exp(x);
    case Unary::log: return std::log(x);
    case Unary::tanh: return std::tanh(x);
    case Unary::sigmoid: return 1 / (1 + std::exp(-x));
    case Unary::erf: return std::erf(x);
    case Unary::gelu_erf: return x * (0.5 * std::erfc(-x / std::sqrt(2.0)));
    case Unary::gelu_tanh: return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Unary::silu: return x / (1 + std::exp(-x));
    case Unary::hard_swish: return x * (x <= -3 ? 0 : x >= 3 ? 1 : x / 6 + 0.5);
    case Unary::sqrt: return std::sqrt(x);
    case Unary::reciprocal: return 1 / x;
    case Unary::softplus: return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
    case Unary::sin: return std::sin(x);
    case Unary::cos: return std::cos(x);
    case Unary::hard_sigmoid: return std::isnan(x) ? x : std::fmin(std::fmax(alpha * x + beta, 0), 1);
    case Unary::relu: return x < 0 ? 0 : x;
    case Unary::leaky_relu: return x < 0 ? x * alpha : x;
    case Unary::clip: return x < alpha ? alpha : x > beta ? beta : x;
  }
  return 0;
}

/// Spacing of floats at |x|.
double spacing(double x) {
  if (std::fabs(x) < 0x1p-126) return 0x1p-149;
  return std::ldexp(1.0, std::ilogb(x) - 23);
}

/// Error in units of spacing; 0 where both are NaN, the same infinity, or within the floor.
double error_of(float got, double want, double floor) {
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : 1e30;
  const float rounded = static_cast<float>(want);
  if (std::isinf(rounded) || std::isinf(got)) return rounded == got ? 0 : 1e30;
  const double e = std::fabs(got - want);
  return e <= floor ? 0 : e / spacing(want);
}

float from_bits(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

/// Every 1021st float of all 2^32 (16381st under sanitizers), and those around zero, one, the powers of two and the infinities.
std::vector<float> samples() {
  std::vector<float> x;
  for (uint64_t b = 0; b < (uint64_t{1} << 32); b += kSanitized ? 16381 : 1021)
    x.push_back(from_bits(static_cast<uint32_t>(b)));
  for (uint32_t sign : {0u, 0x80000000u}) {
    for (uint32_t e = 0; e <= 255; ++e) {
      for (int d = -3; d <= 3; ++d)
        x.push_back(from_bits(sign | (((e << 23) + static_cast<uint32_t>(d)) & 0x7fffffff)));
    }
  }
  return x;
}

TEST(FastMath, ErrorsStayBelowTheBounds) {
  const std::vector<float> x = samples();
  std::vector<float> y(x.size());
  for (int i = 0; i < unary_count; ++i) {
    const Unary op = static_cast<Unary>(i);
    const MathError bound = math_error(op);
    std::vector<double> want(x.size());
    for (size_t j = 0; j < x.size(); ++j) want[j] = truth(op, x[j]);
    for (const FastKernels* f : levels()) {
      f->unary_run({op, x.data(), y.data(), static_cast<int64_t>(x.size()), alpha, beta}, pool_of(1));
      double worst = 0;
      size_t at = 0;
      for (size_t j = 0; j < x.size(); ++j) {
        const double e = error_of(y[j], want[j], bound.floor);
        if (e > worst) worst = e, at = j;
      }
      EXPECT_LE(worst, bound.ulp) << name_of(op) << "(" << x[at] << ") = " << y[at] << ", not " << want[at];
      RecordProperty(std::string(name_of(op)) + "_" + f->name, std::to_string(worst));
      std::printf("%-12s %-9s %.3f ulp at %.9g\n", name_of(op), f->name, worst, static_cast<double>(x[at]));
    }
  }
}

TEST(FastMath, TheMeasureSeesAnError) {
  EXPECT_EQ(error_of(1.0f, 1.0, 0), 0);
  EXPECT_EQ(error_of(1.0f + 0x1p-23f, 1.0, 0), 1);
  EXPECT_EQ(error_of(0x1p-149f, 0.0, 0), 1);
  EXPECT_GT(error_of(1.0f, std::numeric_limits<double>::quiet_NaN(), 0), 1e9);
  EXPECT_GT(error_of(3e38f, 1e39, 0), 1e9);
}

TEST(FastMath, SignsOfZero) {
  for (const FastKernels* f : levels()) {
    const float x[2] = {0.0f, -0.0f};
    for (const Unary op : {Unary::tanh, Unary::erf, Unary::sin, Unary::silu, Unary::sqrt, Unary::gelu_erf}) {
      float y[2] = {1, 1};
      f->unary_run({op, x, y, 2, 0, 0}, pool_of(1));
      EXPECT_FALSE(std::signbit(y[0])) << f->name << name_of(op);
      EXPECT_TRUE(std::signbit(y[1])) << f->name << name_of(op);
    }
    // Where the tail of Gelu underflows.
    const float low[4] = {-14.4f, -14.6f, -104.0f, -3e38f};
    float y[4] = {1, 1, 1, 1};
    f->unary_run({Unary::gelu_erf, low, y, 4, 0, 0}, pool_of(1));
    for (float v : y) EXPECT_TRUE(v == 0 && std::signbit(v)) << f->name << v;
  }
}

TEST(FastMath, PowerOfAllKinds) {
  Random random(21);
  std::vector<float> special = {0.0f,
                                -0.0f,
                                1.0f,
                                -1.0f,
                                0.5f,
                                -0.5f,
                                2.0f,
                                -2.0f,
                                3.0f,
                                -3.0f,
                                1e-40f,
                                -1e-40f,
                                3e38f,
                                16777216.0f,
                                16777215.0f,
                                8388607.5f,
                                4194303.5f,
                                0.333333f,
                                1e-45f,
                                std::numeric_limits<float>::infinity(),
                                -std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::quiet_NaN()};
  std::vector<float> x, y;
  for (float a : special)
    for (float b : special) x.push_back(a), y.push_back(b);
  for (int i = 0; i < 400000; ++i) {
    x.push_back(from_bits(static_cast<uint32_t>(random.whole(0, 0xffffffff))));
    const int64_t kind = random.whole(0, 3);
    y.push_back(kind == 0   ? static_cast<float>(random.whole(-30, 30))
                : kind == 1 ? from_bits(static_cast<uint32_t>(random.whole(0, 0xffffffff)))
                            : random.real(-3, 3));
    if (kind == 2) x.back() = random.real(0.2f, 4), y.back() = random.real(-60, 60);
  }
  std::vector<float> out(x.size());
  for (const FastKernels* f : levels()) {
    BinaryArgs args{Binary::pow, x.data(), y.data(), out.data()};
    args.inner = static_cast<int64_t>(x.size());
    f->binary_run(args, pool_of(1));
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = std::pow(static_cast<double>(x[i]), static_cast<double>(y[i]));
      const double e = error_of(out[i], want, pow_error.floor);
      if (e > worst) worst = e;
      ASSERT_LE(e, pow_error.ulp) << f->name << " pow(" << x[i] << ", " << y[i] << ") = " << out[i] << ", not " << want;
      if (out[i] == 0 && want == 0) {
        ASSERT_EQ(std::signbit(out[i]), std::signbit(want)) << x[i] << " " << y[i];
      }
    }
    std::printf("pow          %-9s %.3f ulp\n", f->name, worst);
  }
}

TEST(FastMath, TailsAndPlaces) {
  Random random(22);
  for (int i = 0; i < unary_count; ++i) {
    for (int64_t n = 0; n <= 70; ++n) {
      for (const FastKernels* f : levels()) {
        const Guarded x = random.fill(n, 0.1f, 3);
        Guarded y(static_cast<size_t>(n), n % 2 == 0 ? Edge::at_end : Edge::at_begin), z = random.fill(n);
        f->unary_run({static_cast<Unary>(i), x.data(), y.data(), n, alpha, beta}, pool_of(1));
        for (int64_t j = 0; j < n; ++j) {
          ASSERT_LE(error_of(y[j], truth(static_cast<Unary>(i), x[j]), math_error(static_cast<Unary>(i)).floor), 8.0)
              << name_of(static_cast<Unary>(i));
          z[j] = x[j];
        }
        f->unary_run({static_cast<Unary>(i), z.data(), z.data(), n, alpha, beta}, pool_of(1));
        ASSERT_EQ(std::memcmp(y.data(), z.data(), static_cast<size_t>(n) * 4), 0);
      }
    }
  }
}

}  // namespace
}  // namespace chorus::fast::testing
