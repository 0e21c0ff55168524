// Errors of the fast kernels at every level, in units in the last place against float64, and the table of their bounds; math_test.cpp
// has the functions of one number.
#include "support.h"

#include <cstdio>
#include <functional>

namespace chorus::fast::testing {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

/// Units in the last place: of the exact value for element-wise kernels, of the sum of the magnitudes that were added for the others.
struct Bound {
  const char* kernel;
  double ulp;
};
// Measured on avx512, avx2 and portable; the bound lies next above the worst of them.
constexpr Bound kBounds[] = {{"add", 0.5}, {"sub", 0.5},     {"mul", 0.5}, {"div", 0.5},  {"max", 0},
                             {"min", 0},   {"softmax", 6.5}, {"sum", 1.5}, {"mean", 1.5}, {"sum_square", 2}};

double bound_of(const std::string& kernel) {
  for (const Bound& b : kBounds) {
    if (kernel == b.kernel) return b.ulp;
  }
  ADD_FAILURE() << kernel << " has no bound";
  return 0;
}

double spacing(double x) { return std::fabs(x) < 0x1p-126 ? 0x1p-149 : std::ldexp(1.0, std::ilogb(x) - 23); }
double ulps(float got, double want, double scale) {
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : 1e30;
  const float rounded = static_cast<float>(want);
  if (std::isinf(rounded) || std::isinf(got)) return rounded == got ? 0 : 1e30;
  return std::fabs(got - want) / spacing(scale);
}

void expect_within(const char* kernel, const char* level, double worst) {
  std::printf("%-12s %-9s %.3f ulp\n", kernel, level, worst);
  EXPECT_LE(worst, bound_of(kernel)) << kernel << " at " << level;
}

// Every pair of special numbers and 100,000 random bit patterns: NaN, infinities, signs of zero and denormals are those of IEEE 754.
TEST(FastError, ElementwiseOfAnyTwoNumbers) {
  const float special[] = {0.0f,      -0.0f,   1.0f,     -1.0f, 1e-45f, -1e-45f, 1e-39f,
                           0x1p-126f, 3.4e38f, -3.4e38f, kInf,  -kInf,  kNan,    0.1f};
  std::vector<float> a, b;
  for (float x : special) {
    for (float y : special) a.push_back(x), b.push_back(y);
  }
  Random random(77);
  for (int i = 0; i < 100000; ++i) {
    for (auto* list : {&a, &b}) {
      const auto bits = static_cast<uint32_t>(random.whole(0, 0xffffffff));
      float f;
      std::memcpy(&f, &bits, 4);
      list->push_back(f);
    }
  }
  const struct {
    const char* name;
    Binary op;
    double (*exact)(double, double);
  } kOps[] = {
      {"add", Binary::add, [](double x, double y) { return x + y; }},
      {"sub", Binary::sub, [](double x, double y) { return x - y; }},
      {"mul", Binary::mul, [](double x, double y) { return x * y; }},
      {"div", Binary::div, [](double x, double y) { return x / y; }},
      {"max", Binary::max, [](double x, double y) { return std::isnan(x) || std::isnan(y) ? NAN : std::max(x, y); }},
      {"min", Binary::min, [](double x, double y) { return std::isnan(x) || std::isnan(y) ? NAN : std::min(x, y); }}};
  for (const FastKernels* f : levels()) {
    for (const auto& op : kOps) {
      std::vector<float> y(a.size());
      BinaryArgs args{op.op, a.data(), b.data(), y.data()};
      args.inner = static_cast<int64_t>(a.size());
      f->binary_run(args, pool_of(2));
      double worst = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        const double want = op.exact(a[i], b[i]);
        worst = std::max(worst, ulps(y[i], want, want));
        if (want == 0 && op.op != Binary::max && op.op != Binary::min) {
          ASSERT_EQ(std::signbit(y[i]), std::signbit(want)) << op.name << " " << f->name << " " << a[i] << " " << b[i];
        }
      }
      expect_within(op.name, f->name, worst);
    }
  }
}

// Rows of 1 to 3,000 numbers over many powers of ten; a scale is the sum of what was added, so that cancellation does not count.
TEST(FastError, Sums) {
  for (const FastKernels* f : levels()) {
    double sum_worst = 0, mean_worst = 0, square_worst = 0, softmax_worst = 0;
    Random random(78);
    for (int64_t n = 1; n <= 3000; n = n * 5 / 4 + 1) {
      Guarded x = random.fill(n);
      for (int64_t i = 0; i < n; ++i) x[static_cast<size_t>(i)] *= std::pow(10.0f, random.real(-3, 3));
      double sum = 0, magnitude = 0, square = 0;
      for (int64_t i = 0; i < n; ++i) {
        const double v = x[static_cast<size_t>(i)];
        sum += v, magnitude += std::fabs(v), square += v * v;
      }
      const auto reduced = [&](Reduce op) {
        float y = 0;
        ReduceArgs args{op, x.data(), &y, 1, n, 1};
        Room scratch(f->reduce_scratch_bytes(args) + 64);
        args.scratch = scratch.data();
        f->reduce_run(args, pool_of(1));
        return y;
      };
      const auto count = static_cast<double>(n);
      sum_worst = std::max(sum_worst, ulps(reduced(Reduce::sum), sum, magnitude));
      mean_worst = std::max(mean_worst, ulps(reduced(Reduce::mean), sum / count, magnitude / count));
      square_worst = std::max(square_worst, ulps(reduced(Reduce::sum_square), square, square));
      std::vector<float> z(static_cast<size_t>(n)), s(static_cast<size_t>(n));
      for (float& v : z) v = random.real(-2, 2);
      f->softmax_run({Softmax::normal, z.data(), s.data(), 1, n, 1}, pool_of(1));
      double top = -1e300, total = 0;
      for (float v : z) top = std::max<double>(top, v);
      for (float v : z) total += std::exp(v - top);
      for (size_t i = 0; i < z.size(); ++i) {
        const double want = std::exp(z[i] - top) / total;
        softmax_worst = std::max(softmax_worst, ulps(s[i], want, want));
      }
    }
    expect_within("sum", f->name, sum_worst);
    expect_within("mean", f->name, mean_worst);
    expect_within("sum_square", f->name, square_worst);
    expect_within("softmax", f->name, softmax_worst);
  }
}

TEST(FastError, TheMeasureSeesAnError) {
  EXPECT_EQ(ulps(1.0f + 0x1p-23f, 1.0, 1.0), 1);
  EXPECT_GT(ulps(kNan, 1.0, 1.0), 1e9);
  EXPECT_GT(ulps(kInf, 1.0, 1.0), 1e9);
  EXPECT_GT(ulps(1.0f + 0x1p-21f, 1.0, 1.0), bound_of("add"));
}

}  // namespace
}  // namespace chorus::fast::testing
