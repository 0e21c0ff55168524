#include "support.h"

#include "support/proves.h"

namespace chorus::fast::testing {
namespace {

struct Case {
  GemmShape s;
  int64_t extra_a, extra_b, extra_c;  // floats between rows beyond the row itself
  float alpha, beta;
  bool epilogue;
};

struct Problem {
  Case c;
  GemmArgs args;
  Guarded a, b, start;
  RandomEpilogue epilogue;

  Problem(const Case& which, Random& random)
      : c(which), a(0), b(0), start(0), epilogue(random, std::max(which.s.m, which.s.n), extent_c(which),
                                                 static_cast<ChannelAxis>(random.whole(0, 1))) {
    const GemmShape& s = c.s;
    const int64_t rows_a = s.a_form == Form::normal ? s.m : s.k, cols_a = s.a_form == Form::normal ? s.k : s.m;
    const int64_t rows_b = s.b_form == Form::normal ? s.k : s.n, cols_b = s.b_form == Form::normal ? s.n : s.k;
    args.shape = s;
    args.lda = cols_a + c.extra_a, args.ldb = cols_b + c.extra_b, args.ldc = s.n + c.extra_c;
    args.stride_a = rows_a * args.lda, args.stride_b = rows_b * args.ldb, args.stride_c = s.m * args.ldc;
    a = random.fill(size(s.batch, args.stride_a, rows_a, args.lda, cols_a));
    b = random.fill(size(s.batch, args.stride_b, rows_b, args.ldb, cols_b));
    start = random.fill(extent_c(c));
    args.alpha = c.alpha, args.beta = c.beta;
    if (c.epilogue) args.epilogue = epilogue.e;
  }
  static int64_t size(int64_t batch, int64_t stride, int64_t rows, int64_t ld, int64_t cols) {
    return rows == 0 || cols == 0 || batch == 0 ? 0 : (batch - 1) * stride + (rows - 1) * ld + cols;
  }
  static int64_t extent_c(const Case& c) {
    return size(c.s.batch, c.s.m * (c.s.n + c.extra_c), c.s.m, c.s.n + c.extra_c, c.s.n);
  }

  Guarded run(const FastKernels& f, int threads, Edge edge) const {
    const GemmShape& s = c.s;
    GemmArgs g = args;
    Guarded out(start.size(), edge);
    for (size_t i = 0; i < out.size(); ++i) out[i] = c.beta == 0 ? std::numeric_limits<float>::quiet_NaN() : start[i];
    g.c = out.data(), g.a = a.data(), g.b = b.data();
    const size_t one_a = f.gemm_packed_a_bytes(s.m, s.k), one_b = f.gemm_packed_b_bytes(s.k, s.n);
    Room packed_a(s.packed == Packed::a ? one_a * static_cast<size_t>(s.batch) : 0);
    Room packed_b(s.packed == Packed::b ? one_b * static_cast<size_t>(s.batch) : 0);
    for (int64_t i = 0; i < s.batch; ++i) {
      const int64_t at_a = i * static_cast<int64_t>(one_a / 4), at_b = i * static_cast<int64_t>(one_b / 4);
      if (s.packed == Packed::a) f.gemm_pack_a(s.m, s.k, g.a + i * g.stride_a, g.lda, s.a_form, packed_a.data() + at_a);
      if (s.packed == Packed::b) f.gemm_pack_b(s.k, s.n, g.b + i * g.stride_b, g.ldb, s.b_form, packed_b.data() + at_b);
    }
    if (s.packed == Packed::a) g.a = packed_a.data(), g.stride_a = static_cast<int64_t>(one_a / 4);
    if (s.packed == Packed::b) g.b = packed_b.data(), g.stride_b = static_cast<int64_t>(one_b / 4);
    Room scratch(f.gemm_scratch_bytes(s, threads));
    g.scratch = scratch.data();
    f.gemm_run(g, pool_of(threads));
    return out;
  }

  /// Number of elements outside k·eps·Σ|a||b| of the float64 loop.
  int64_t wrong(const Guarded& out) const {
    const GemmShape& s = c.s;
    int64_t bad = 0;
    for (int64_t n = 0; n < s.batch; ++n) {
      for (int64_t i = 0; i < s.m; ++i) {
        for (int64_t j = 0; j < s.n; ++j) {
          double sum = 0, size = 0;
          for (int64_t k = 0; k < s.k; ++k) {
            const double x = a[n * args.stride_a + (s.a_form == Form::normal ? i * args.lda + k : k * args.lda + i)];
            const double y = b[n * args.stride_b + (s.b_form == Form::normal ? k * args.ldb + j : j * args.ldb + k)];
            sum += x * y, size += std::fabs(x * y);
          }
          const int64_t at = n * args.stride_c + i * args.ldc + j;
          double want = c.alpha * sum;
          if (c.beta != 0) want += c.beta * static_cast<double>(start[at]);
          if (c.epilogue) {
            const Epilogue& e = args.epilogue;
            want = finish(e, want, e.axis == ChannelAxis::row ? i : j, e.residual != nullptr ? e.residual[at] : 0);
          }
          const double bound = 1.2e-7 * (std::sqrt(static_cast<double>(s.k)) + 4) * (size + 4) + 1e-6;
          if (!(std::fabs(out[at] - want) <= bound)) ++bad;
        }
      }
    }
    return bad;
  }
  std::string text() const {
    const GemmShape& s = c.s;
    return "m=" + std::to_string(s.m) + " n=" + std::to_string(s.n) + " k=" + std::to_string(s.k) +
           " ta=" + std::to_string(int(s.a_form)) + " tb=" + std::to_string(int(s.b_form)) +
           " packed=" + std::to_string(int(s.packed)) + " batch=" + std::to_string(s.batch) +
           " activation=" + std::to_string(int(args.epilogue.activation));
  }
};

void check(const Case& c, Random& random) {
  const Problem problem(c, random);
  for (const FastKernels* f : levels()) {
    const Guarded out = problem.run(*f, 1, random.whole(0, 1) == 0 ? Edge::at_end : Edge::at_begin);
    ASSERT_EQ(problem.wrong(out), 0) << f->name << " " << problem.text();
    for (int threads = 2; threads <= 3; ++threads) {
      const Guarded other = problem.run(*f, threads, Edge::at_end);
      for (int64_t n = 0; n < c.s.batch; ++n) {
        for (int64_t i = 0; i < c.s.m; ++i) {
          const int64_t at = n * problem.args.stride_c + i * problem.args.ldc;
          ASSERT_EQ(std::memcmp(out.data() + at, other.data() + at, static_cast<size_t>(c.s.n) * 4), 0)
              << f->name << " threads=" << threads << " " << problem.text();
        }
      }
    }
  }
}

Case random_case(Random& random, int64_t top_m, int64_t top_n, int64_t top_k) {
  Case c{};
  c.s.m = random.whole(1, top_m), c.s.n = random.whole(1, top_n), c.s.k = random.whole(1, top_k);
  c.s.a_form = static_cast<Form>(random.whole(0, 1)), c.s.b_form = static_cast<Form>(random.whole(0, 1));
  c.s.packed = static_cast<Packed>(random.whole(0, 2));
  c.s.batch = random.whole(0, 2) == 0 ? random.whole(2, 6) : 1;
  c.extra_a = random.whole(0, 1) * random.whole(0, 5), c.extra_b = random.whole(0, 1) * random.whole(0, 5);
  c.extra_c = random.whole(0, 1) * random.whole(0, 5);
  c.alpha = random.whole(0, 1) == 0 ? 1.0f : 0.75f;
  c.beta = random.whole(0, 2) == 0 ? 0.5f : 0.0f;
  c.epilogue = random.whole(0, 1) == 0;
  return c;
}

TEST(FastKernels, EveryLevelCanBeForced) {
  const CpuFeatures all = detect_cpu();
  if (all.avx512f && all.avx512bw && all.avx512dq && all.avx512vl) {
    EXPECT_EQ(kernels(all).level, Level::avx512);
    for (const char* off : {"avx512", "avx512bw", "avx512dq", "avx512vl"}) {
      EXPECT_EQ(kernels(masked(all, off)).level, Level::avx2) << off;
    }
  }
  EXPECT_EQ(kernels(masked(all, "avx2")).level, Level::portable);
  EXPECT_EQ(kernels(masked(all, "fma")).level, Level::portable);
  EXPECT_EQ(kernels(CpuFeatures{}).level, Level::portable);
}

TEST(FastGemm, RandomShapes) {
  Random random(1);
  for (int i = 0; i < (kSanitized ? 80 : 400); ++i)
    ASSERT_NO_FATAL_FAILURE(check(random_case(random, 70, 70, 70), random));
}

TEST(FastGemm, ThinShapes) {
  Random random(2);
  for (int i = 0; i < (kSanitized ? 12 : 120); ++i) {
    ASSERT_NO_FATAL_FAILURE(check(random_case(random, 8, 300, 300), random));
    ASSERT_NO_FATAL_FAILURE(check(random_case(random, 300, 8, 300), random));
  }
}

TEST(FastGemm, SeveralBlocksOfEveryDimension) {
  Random random(3);
  for (int i = 0; i < (kSanitized ? 1 : 12); ++i) {
    Case c = random_case(random, 150, 700, 900);
    c.s.batch = 1;
    c.s.k += 300;
    ASSERT_NO_FATAL_FAILURE(check(c, random));
  }
  Case tall = random_case(random, 1, 1, 1);  // more rows than are packed at a time
  tall.s = {9000, kSanitized ? 5 : 40, kSanitized ? 384 : 600, Form::normal, Form::normal, Packed::none, 1};
  ASSERT_NO_FATAL_FAILURE(check(tall, random));
}

TEST(FastGemm, NothingToDo) {
  Random random(4);
  for (int i = 0; i < 60; ++i) {
    Case c = random_case(random, 20, 60, 20);
    const int64_t which = random.whole(0, 3);
    if (which == 0) c.s.m = 0;
    if (which == 1) c.s.n = 0;
    if (which == 2) c.s.k = 0;
    if (which == 3) c.s.batch = 0;
    ASSERT_NO_FATAL_FAILURE(check(c, random));
  }
}

// The oracle must be able to fail: one wrong element is seen.
TEST(FastGemm, TheCheckSeesAWrongElement) {
  Random random(5);
  Case c = random_case(random, 30, 30, 30);
  c.epilogue = false;
  const Problem problem(c, random);
  Guarded out = problem.run(kernels(cpu()), 1, Edge::at_end);
  ASSERT_EQ(problem.wrong(out), 0);
  out[0] += 1e-3f;
  EXPECT_EQ(problem.wrong(out), 1);
}

TEST(FastGemm, NanStaysNan) {
  Random random(6);
  for (const FastKernels* f : levels()) {
    for (int act = 0; act <= 10; ++act) {
      for (int64_t n : {1, 20, 50}) {
        Case c{};
        c.s = {9, n, 5, Form::normal, Form::normal, Packed::a, 1};
        c.alpha = 1, c.beta = 0, c.epilogue = true;
        Problem problem(c, random);
        problem.args.epilogue = {};
        problem.args.epilogue.activation = static_cast<Activation>(act);
        problem.args.epilogue.alpha = 0.1f, problem.args.epilogue.beta = 0.5f;
        problem.a[2 * problem.args.lda] = std::numeric_limits<float>::quiet_NaN();
        const Guarded out = problem.run(*f, 1, Edge::at_end);
        for (int64_t i = 0; i < 9; ++i) {
          for (int64_t j = 0; j < n; ++j)
            ASSERT_EQ(std::isnan(out[i * problem.args.ldc + j]), i == 2) << f->name << act;
        }
      }
    }
  }
}

}  // namespace
}  // namespace chorus::fast::testing
