#include "support.h"

#include "support/proves.h"

namespace chorus::fast::testing {
namespace {

double apply(Binary op, double a, double b) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  switch (op) {
    case Binary::add: return a + b;
    case Binary::sub: return a - b;
    case Binary::mul: return a * b;
    case Binary::div: return a / b;
    case Binary::max: return std::isnan(a) || std::isnan(b) ? nan : std::fmax(a, b);
    case Binary::min: return std::isnan(a) || std::isnan(b) ? nan : std::fmin(a, b);
    case Binary::pow: return std::pow(a, b);
  }
  return nan;
}

enum class Shape { same, scalar, channel, last, odd };

TEST(FastBinary, AllFormsOfBroadcasting) {
  Random random(51);
  for (int i = 0; i < (kSanitized ? 101 : 700); ++i) {
    BinaryArgs s;
    s.op = static_cast<Binary>(i % 7);
    s.outer = random.whole(0, 4), s.middle = random.whole(0, 6);
    s.inner = random.whole(0, i % 50 == 0 ? 50000 : 70);
    const auto operand = [&](int64_t(&stride)[3]) {
      const Shape shape = static_cast<Shape>(random.whole(0, 4));
      const int64_t forms[][3] = {
          {s.middle * s.inner, s.inner, 1}, {0, 0, 0}, {0, 1, 0}, {0, 0, 1}, {s.middle * s.inner * 3, s.inner * 3, 3}};
      for (int d = 0; d < 3; ++d) stride[d] = forms[static_cast<int>(shape)][d];
      const bool empty = s.outer == 0 || s.middle == 0 || s.inner == 0;
      Guarded g = random.fill(
          empty ? 0 : (s.outer - 1) * stride[0] + (s.middle - 1) * stride[1] + (s.inner - 1) * stride[2] + 1, 0.25f, 3);
      if (g.size() > 0 && i % 5 == 0) g[g.size() / 2] = std::numeric_limits<float>::quiet_NaN();
      return g;
    };
    const Guarded a = operand(s.a_stride), b = operand(s.b_stride);
    const size_t n = static_cast<size_t>(s.outer * s.middle * s.inner);
    s.a = a.data(), s.b = b.data();
    for (const FastKernels* f : levels()) {
      Guarded first(n, random.whole(0, 1) == 0 ? Edge::at_end : Edge::at_begin), other(n);
      for (int threads = 1; threads <= 3; ++threads) {
        s.out = threads == 1 ? first.data() : other.data();
        f->binary_run(s, pool_of(threads));
        if (threads > 1) {
          ASSERT_EQ(std::memcmp(first.data(), other.data(), n * 4), 0);
        }
      }
      for (int64_t o = 0, at = 0; o < s.outer; ++o)
        for (int64_t m = 0; m < s.middle; ++m)
          for (int64_t c = 0; c < s.inner; ++c, ++at) {
            const float x = a[o * s.a_stride[0] + m * s.a_stride[1] + c * s.a_stride[2]];
            const float y = b[o * s.b_stride[0] + m * s.b_stride[1] + c * s.b_stride[2]];
            const double want = apply(s.op, x, y);
            if (std::isnan(want)) {
              ASSERT_TRUE(std::isnan(first[at])) << f->name << " " << i;
            } else {
              ASSERT_LE(std::fabs(first[at] - want), 6.1e-8 * std::fabs(want))
                  << f->name << " " << i << " " << x << " " << y;
            }
          }
    }
  }
}

TEST(FastTranspose, AllSizes) {
  Random random(52);
  for (int i = 0; i < (kSanitized ? 31 : 300); ++i) {
    TransposeArgs s;
    s.batch = random.whole(0, 3), s.rows = random.whole(0, 70), s.columns = random.whole(0, 70);
    s.inner = random.whole(0, 1) == 0 ? 1 : random.whole(1, 70);
    if (i % 30 == 0) s.rows = 500, s.columns = 300, s.inner = 1;
    const size_t n = static_cast<size_t>(s.batch * s.rows * s.columns * s.inner);
    const Guarded x = random.fill(static_cast<int64_t>(n));
    for (const FastKernels* f : levels()) {
      for (int threads = 1; threads <= 3; ++threads) {
        Guarded out(n, random.whole(0, 1) == 0 ? Edge::at_end : Edge::at_begin);
        s.x = x.data(), s.out = out.data();
        f->transpose_run(s, pool_of(threads));
        for (int64_t b = 0; b < s.batch; ++b)
          for (int64_t r = 0; r < s.rows; ++r)
            for (int64_t c = 0; c < s.columns; ++c)
              for (int64_t k = 0; k < s.inner; ++k) {
                ASSERT_EQ(out[((b * s.columns + c) * s.rows + r) * s.inner + k],
                          x[((b * s.rows + r) * s.columns + c) * s.inner + k]);
              }
      }
    }
  }
}

}  // namespace
}  // namespace chorus::fast::testing
