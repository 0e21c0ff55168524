#include "support.h"

#include <functional>

#include "support/proves.h"

namespace chorus::fast::testing {
namespace {

using Run = std::function<void(const FastKernels&, ThreadPool&, int threads, float* out)>;

/// Runs at every level and with one to three threads; all outputs of a level are bit-equal and lie within `bound(i)` of
/// `want`. `start` is what the output holds before (in-place runs), empty: NaN.
void check(const std::vector<double>& want, const std::function<double(size_t)>& bound, const Run& run, Random& random,
           const std::string& text) {
  for (const FastKernels* f : levels()) {
    std::vector<float> first;
    for (int threads = 1; threads <= 3; ++threads) {
      Guarded out(want.size(), random.whole(0, 1) == 0 ? Edge::at_end : Edge::at_begin);
      for (size_t i = 0; i < want.size(); ++i) out[i] = std::numeric_limits<float>::quiet_NaN();
      run(*f, pool_of(threads), threads, out.data());
      if (threads == 1) first.assign(out.data(), out.data() + out.size());
      if (!first.empty()) {
        ASSERT_EQ(std::memcmp(first.data(), out.data(), out.size() * 4), 0) << f->name << " " << text;
      }
    }
    for (size_t i = 0; i < want.size(); ++i) {
      if (std::isnan(want[i])) {
        ASSERT_TRUE(std::isnan(first[i])) << f->name << " " << text << " at " << i;
      } else if (std::isinf(want[i])) {
        ASSERT_EQ(first[i], want[i]) << f->name << " " << text << " at " << i;
      } else {
        ASSERT_LE(std::fabs(first[i] - want[i]), bound(i))
            << f->name << " " << text << " at " << i << " got " << first[i];
      }
    }
  }
}

std::string text_of(std::initializer_list<int64_t> values) {
  std::string t;
  for (int64_t v : values) t += std::to_string(v) + " ";
  return t;
}

TEST(FastRows, Softmax) {
  Random random(31);
  for (int i = 0; i < (kSanitized ? 60 : 300); ++i) {
    const int64_t outer = random.whole(0, 5), n = random.whole(1, i % 20 == 0 ? 3000 : 90);
    const int64_t inner = random.whole(0, 1) == 0 ? 1 : random.whole(1, 70);
    const Softmax kind = static_cast<Softmax>(i % 2);
    Guarded x = random.fill(outer * n * inner, -30, 30);
    if (x.size() > 0 && i % 5 == 0) x[random.whole(0, outer * n * inner - 1)] = -std::numeric_limits<float>::infinity();
    if (x.size() > 0 && i % 17 == 0) x[0] = std::numeric_limits<float>::quiet_NaN();
    std::vector<double> want(x.size());
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t c = 0; c < inner; ++c) {
        double top = -1e300, sum = 0;
        for (int64_t j = 0; j < n; ++j) top = std::fmax(top, x[(o * n + j) * inner + c]);
        for (int64_t j = 0; j < n; ++j) sum += std::exp(x[(o * n + j) * inner + c] - top);
        for (int64_t j = 0; j < n; ++j) {
          const int64_t at = (o * n + j) * inner + c;
          want[at] = kind == Softmax::normal ? std::exp(x[at] - top) / sum : x[at] - top - std::log(sum);
        }
      }
    const bool in_place = i % 3 == 0;
    // Differences up to 60 are rounded by up to 60 * 2^-24 before the exponential.
    ASSERT_NO_FATAL_FAILURE(check(
        want,
        [&](size_t at) {
          return kind == Softmax::normal ? 4.6e-6 * want[at] + 1e-44 : 4e-7 * (std::fabs(want[at]) + 4);
        },
        [&](const FastKernels& f, ThreadPool& pool, int, float* out) {
          if (in_place && x.size() > 0) std::memcpy(out, x.data(), x.size() * 4);
          f.softmax_run({kind, in_place ? out : x.data(), out, outer, n, inner}, pool);
        },
        random, "softmax " + text_of({outer, n, inner, i})));
  }
}

TEST(FastRows, SoftmaxOfNothingButMinusInfinity) {
  const float low = -std::numeric_limits<float>::infinity();
  for (const FastKernels* f : levels()) {
    const float x[4] = {low, low, low, 1};
    float y[4];
    f->softmax_run({Softmax::normal, x, y, 2, 2, 1}, pool_of(1));
    EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
    EXPECT_EQ(y[2], 0);
    EXPECT_EQ(y[3], 1);
  }
}

TEST(FastRows, Norms) {
  Random random(32);
  for (int i = 0; i < (kSanitized ? 60 : 300); ++i) {
    const int64_t rows = random.whole(0, 40), n = random.whole(1, i % 10 == 0 ? 5000 : 100);
    const Norm kind = static_cast<Norm>(i % 2);
    const float shift = i % 7 == 0 ? 100.0f : 0.0f;  // a mean far from zero must not cost the variance
    const Guarded x = random.fill(rows * n, -2 + shift, 2 + shift), scale = random.fill(n), bias = random.fill(n);
    const bool scaled = random.whole(0, 1) == 0, biased = random.whole(0, 1) == 0;
    std::vector<double> want(x.size()), means(rows), inverses(rows);
    for (int64_t r = 0; r < rows; ++r) {
      double mean = 0, square = 0;
      for (int64_t j = 0; j < n; ++j) mean += x[r * n + j] / static_cast<double>(n);
      if (kind == Norm::rms) mean = 0;
      for (int64_t j = 0; j < n; ++j) square += (x[r * n + j] - mean) * (x[r * n + j] - mean) / static_cast<double>(n);
      means[r] = mean, inverses[r] = 1 / std::sqrt(square + 1e-5f);
      for (int64_t j = 0; j < n; ++j) {
        want[r * n + j] = (x[r * n + j] - mean) * inverses[r] * (scaled ? scale[j] : 1) + (biased ? bias[j] : 0);
      }
    }
    std::vector<float> mean(rows), inverse(rows);
    ASSERT_NO_FATAL_FAILURE(check(
        want, [&](size_t at) { return 3e-6 * (2 + shift) * (1 + inverses[at / static_cast<size_t>(n)]); },
        [&](const FastKernels& f, ThreadPool& pool, int, float* out) {
          f.norm_run({kind, x.data(), out, rows, n, scaled ? scale.data() : nullptr, biased ? bias.data() : nullptr,
                      1e-5f, mean.data(), inverse.data()},
                     pool);
          for (int64_t r = 0; r < rows; ++r) {
            ASSERT_NEAR(mean[r], means[r], 1e-6 * (2 + shift));
            ASSERT_NEAR(inverse[r], inverses[r], 1e-5 * inverses[r] * (1 + shift * inverses[r]));
          }
        },
        random, "norm " + text_of({rows, n, i})));
  }
}

TEST(FastReduce, AllKinds) {
  Random random(33);
  for (int i = 0; i < (kSanitized ? 55 : 500); ++i) {
    const Reduce op = static_cast<Reduce>(i % 5);
    const int64_t outer = random.whole(0, 6), n = random.whole(0, i % 25 == 0 ? 200000 : 200);
    const int64_t inner = random.whole(0, 1) == 0 ? 1 : random.whole(1, i % 25 == 1 ? 3000 : 80);
    if (outer * n * inner > 4000000) continue;
    Guarded x = random.fill(outer * n * inner);
    if (x.size() > 0 && i % 9 == 0) x[x.size() / 2] = std::numeric_limits<float>::quiet_NaN();
    if (x.size() > 0 && i % 11 == 0) x[0] = std::numeric_limits<float>::infinity();
    std::vector<double> want(static_cast<size_t>(outer * inner)), size(want);
    const double infinity = std::numeric_limits<double>::infinity();
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t c = 0; c < inner; ++c) {
        double sum = 0, magnitude = 0, top = -infinity, low = infinity;
        bool nan = false;
        for (int64_t j = 0; j < n; ++j) {
          const double v = x[(o * n + j) * inner + c];
          nan = nan || std::isnan(v);
          sum += op == Reduce::sum_square ? v * v : v, magnitude += std::fabs(v);
          top = std::fmax(top, v), low = std::fmin(low, v);
        }
        const double none = std::numeric_limits<double>::quiet_NaN();
        const double all[] = {sum, sum / static_cast<double>(n), nan ? none : top, nan ? none : low, sum};
        want[o * inner + c] = all[static_cast<int>(op)];
        size[o * inner + c] = op == Reduce::mean ? magnitude / static_cast<double>(n) : magnitude;
      }
    const bool exact = op == Reduce::max || op == Reduce::min;
    ASSERT_NO_FATAL_FAILURE(check(
        want, [&](size_t at) { return exact ? 0 : 1.2e-7 * (8 + std::log2(n + 1.0)) * size[at] + 1e-44; },
        [&](const FastKernels& f, ThreadPool& pool, int, float* out) {
          ReduceArgs args{op, x.data(), out, outer, n, inner};
          Room scratch(f.reduce_scratch_bytes(args));
          args.scratch = scratch.data();
          f.reduce_run(args, pool);
        },
        random, "reduce " + text_of({int(op), outer, n, inner})));
  }
}

// A million equal terms: one running float32 sum would be off by several per cent.
TEST(FastReduce, LongSumsStayAccurate) {
  const int64_t n = 1 << 24;
  std::vector<float> x(static_cast<size_t>(n), 0.1f);
  for (const FastKernels* f : levels()) {
    for (const int64_t inner : {1, 4}) {
      std::vector<float> y(static_cast<size_t>(inner));
      ReduceArgs args{Reduce::sum, x.data(), y.data(), 1, n / inner, inner};
      Room scratch(f->reduce_scratch_bytes(args));
      args.scratch = scratch.data();
      f->reduce_run(args, pool_of(2));
      for (float v : y) EXPECT_NEAR(v / (0.1f * static_cast<double>(n / inner)), 1, 2e-6) << f->name;
    }
  }
}

}  // namespace
}  // namespace chorus::fast::testing
