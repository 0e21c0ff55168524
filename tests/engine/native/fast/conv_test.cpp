#include "support.h"

#include "support/proves.h"

namespace chorus::fast::testing {
namespace {

enum class Kind { forward, transposed };

struct Problem {
  Kind kind;
  ConvShape s;
  ConvSizes z;
  int64_t out_h, out_w;
  Guarded input, weights;
  RandomEpilogue epilogue;

  Problem(Kind which, const ConvShape& shape, const ConvSizes& sizes, Random& random)
      : kind(which), s(shape), z(sizes),
        out_h(which == Kind::forward ? conv_out_height(s, z) : conv_transpose_out_height(s, z)),
        out_w(which == Kind::forward ? conv_out_width(s, z) : conv_transpose_out_width(s, z)),
        input(random.fill(z.batch * s.in_channels * z.height * z.width)),
        weights(random.fill(s.in_channels * s.out_channels / s.groups * s.kernel_h * s.kernel_w)),
        epilogue(random, s.out_channels, outputs(), ChannelAxis::row) {}
  int64_t outputs() const { return z.batch * s.out_channels * out_h * out_w; }

  Guarded run(const FastKernels& f, int threads, Edge edge) const {
    Guarded out(static_cast<size_t>(outputs()), edge);
    for (size_t i = 0; i < out.size(); ++i) out[i] = std::numeric_limits<float>::quiet_NaN();
    const bool forward = kind == Kind::forward;
    Room packed((forward ? f.conv_packed_weight_bytes : f.conv_transpose_packed_weight_bytes)(s));
    Room scratch((forward ? f.conv_scratch_bytes : f.conv_transpose_scratch_bytes)(s, z, threads));
    (forward ? f.conv_pack_weights : f.conv_transpose_pack_weights)(s, weights.data(), packed.data());
    const ConvArgs args{s, z, input.data(), packed.data(), out.data(), epilogue.e, scratch.data()};
    (forward ? f.conv_run : f.conv_transpose_run)(args, pool_of(threads));
    return out;
  }

  /// Sums and sums of magnitudes in float64, by the definition; transposed: every input pixel is spread over the
  /// output.
  void truth(std::vector<double>& sum, std::vector<double>& size) const {
    sum.assign(static_cast<size_t>(outputs()), 0), size = sum;
    const int64_t in_group = s.in_channels / s.groups, out_group = s.out_channels / s.groups;
    const bool forward = kind == Kind::forward;
    for (int64_t n = 0; n < z.batch; ++n)
      for (int64_t oc = 0; oc < s.out_channels; ++oc)
        for (int64_t c = 0; c < in_group; ++c)
          for (int64_t kh = 0; kh < s.kernel_h; ++kh)
            for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
              const int64_t group = oc / out_group, ic = group * in_group + c;
              const int64_t first = forward ? oc * in_group + c : ic * out_group + oc % out_group;
              const double w = weights[(first * s.kernel_h + kh) * s.kernel_w + kw];
              const int64_t rows = forward ? out_h : z.height, cols = forward ? out_w : z.width;
              for (int64_t y = 0; y < rows; ++y)
                for (int64_t x = 0; x < cols; ++x) {
                  const int64_t far_y = y * s.stride_h - s.pad_top + kh * s.dilation_h;
                  const int64_t far_x = x * s.stride_w - s.pad_left + kw * s.dilation_w;
                  const int64_t limit_y = forward ? z.height : out_h, limit_x = forward ? z.width : out_w;
                  if (far_y < 0 || far_y >= limit_y || far_x < 0 || far_x >= limit_x) continue;
                  const int64_t iy = forward ? far_y : y, ix = forward ? far_x : x;
                  const int64_t oy = forward ? y : far_y, ox = forward ? x : far_x;
                  const double v = input[((n * s.in_channels + ic) * z.height + iy) * z.width + ix] * w;
                  const int64_t at = ((n * s.out_channels + oc) * out_h + oy) * out_w + ox;
                  sum[at] += v, size[at] += std::fabs(v);
                }
            }
  }

  int64_t wrong(const Guarded& out) const {
    std::vector<double> sum, size;
    truth(sum, size);
    const int64_t pixels = out_h * out_w;
    const double terms = static_cast<double>(s.in_channels / s.groups * s.kernel_h * s.kernel_w);
    int64_t bad = 0;
    for (int64_t i = 0; i < outputs(); ++i) {
      const Epilogue& e = epilogue.e;
      const double want = finish(e, sum[i], i / pixels % s.out_channels, e.residual != nullptr ? e.residual[i] : 0);
      const double bound = 1.2e-7 * (std::sqrt(terms) + 4) * (size[i] + 4) + 1e-6;
      if (!(std::fabs(out[i] - want) <= bound)) ++bad;
    }
    return bad;
  }
  std::string text() const {
    std::string t = kind == Kind::forward ? "conv" : "conv_transpose";
    for (int64_t v :
         {s.in_channels, s.out_channels, s.groups, s.kernel_h, s.kernel_w, s.stride_h, s.stride_w, s.dilation_h,
          s.dilation_w, s.pad_top, s.pad_left, s.pad_bottom, s.pad_right, z.batch, z.height, z.width}) {
      t += " " + std::to_string(v);
    }
    return t + " activation " + std::to_string(int(epilogue.e.activation));
  }
};

void check(Kind kind, const ConvShape& s, const ConvSizes& z, Random& random) {
  const Problem problem(kind, s, z, random);
  for (const FastKernels* f : levels()) {
    const Guarded out = problem.run(*f, 1, random.whole(0, 1) == 0 ? Edge::at_end : Edge::at_begin);
    ASSERT_EQ(problem.wrong(out), 0) << f->name << " " << problem.text();
    for (int threads = 2; threads <= 3; ++threads) {
      const Guarded other = problem.run(*f, threads, Edge::at_end);
      ASSERT_EQ(std::memcmp(out.data(), other.data(), out.size() * 4), 0)
          << f->name << " " << threads << problem.text();
    }
  }
}

ConvShape random_shape(Random& random) {
  ConvShape s;
  s.groups = random.whole(0, 2) == 0 ? random.whole(1, 4) : 1;
  s.in_channels = s.groups * random.whole(1, 12), s.out_channels = s.groups * random.whole(1, 20);
  s.kernel_h = random.whole(1, 5), s.kernel_w = random.whole(1, 5);
  s.stride_h = random.whole(1, 3), s.stride_w = random.whole(1, 3);
  s.dilation_h = random.whole(0, 2) == 0 ? random.whole(1, 3) : 1;
  s.dilation_w = random.whole(0, 2) == 0 ? random.whole(1, 3) : 1;
  s.pad_top = random.whole(0, 3), s.pad_left = random.whole(0, 3);
  s.pad_bottom = random.whole(0, 3), s.pad_right = random.whole(0, 3);
  return s;
}
ConvSizes random_sizes(Random& random, int64_t top) {
  return {random.whole(1, 3), random.whole(1, top), random.whole(1, top)};
}

TEST(FastConv, RandomShapes) {
  Random random(11);
  for (int i = 0; i < (kSanitized ? 60 : 400); ++i) {
    ASSERT_NO_FATAL_FAILURE(check(Kind::forward, random_shape(random), random_sizes(random, 20), random));
  }
}

TEST(FastConv, PointwiseInPlace) {
  Random random(12);
  for (int i = 0; i < (kSanitized ? 16 : 80); ++i) {
    ConvShape s;
    s.groups = random.whole(1, 2);
    s.in_channels = s.groups * random.whole(1, 40), s.out_channels = s.groups * random.whole(1, 40);
    s.stride_h = s.stride_w = random.whole(0, 3) == 0 ? 2 : 1;
    ASSERT_NO_FATAL_FAILURE(check(Kind::forward, s, random_sizes(random, i % 2 == 0 ? 30 : 3), random));
  }
}

TEST(FastConv, Depthwise) {
  Random random(13);
  for (int i = 0; i < (kSanitized ? 30 : 200); ++i) {
    ConvShape s = random_shape(random);
    s.groups = s.in_channels = random.whole(1, 9);
    s.out_channels = s.in_channels * random.whole(1, 2);
    if (i % 2 == 0) {
      s.kernel_h = s.kernel_w = random.whole(0, 1) == 0 ? 3 : 5;
      s.stride_h = s.stride_w = random.whole(1, 2);
      s.dilation_h = s.dilation_w = 1;
    }
    ASSERT_NO_FATAL_FAILURE(check(Kind::forward, s, random_sizes(random, 50), random));
  }
  ConvShape wide;  // several bands
  wide.groups = wide.in_channels = wide.out_channels = 2;
  wide.kernel_h = wide.kernel_w = 3;
  wide.pad_top = wide.pad_left = wide.pad_bottom = wide.pad_right = 1;
  ASSERT_NO_FATAL_FAILURE(check(Kind::forward, wide, {1, 150, 400}, random));
}

TEST(FastConv, SeveralBlocksOfEveryDimension) {
  Random random(14);
  for (int i = 0; i < (kSanitized ? 2 : 10); ++i) {
    ConvShape s;
    s.in_channels = random.whole(40, 130), s.out_channels = random.whole(20, 100);
    s.kernel_h = s.kernel_w = 3;
    s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = 1;
    s.stride_h = s.stride_w = random.whole(1, 2);
    ASSERT_NO_FATAL_FAILURE(check(Kind::forward, s, {1, random.whole(6, 20), random.whole(20, 50)}, random));
  }
}

TEST(FastConv, SmallOutputsOfABatchAreMerged) {
  Random random(15);
  for (int i = 0; i < (kSanitized ? 8 : 60); ++i) {
    ConvShape s;
    s.in_channels = random.whole(1, 40), s.out_channels = random.whole(1, 300);
    s.kernel_h = s.kernel_w = random.whole(1, 3);
    s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = s.kernel_h / 2;
    ASSERT_NO_FATAL_FAILURE(
        check(Kind::forward, s, {random.whole(2, 9), random.whole(1, 8), random.whole(1, 8)}, random));
  }
}

TEST(FastConv, OneDimensional) {
  Random random(16);
  for (int i = 0; i < (kSanitized ? 20 : 60); ++i) {
    ConvShape s = random_shape(random);
    s.kernel_h = s.stride_h = s.dilation_h = 1, s.pad_top = s.pad_bottom = 0;
    ASSERT_NO_FATAL_FAILURE(check(Kind::forward, s, {random.whole(1, 3), 1, random.whole(1, 300)}, random));
  }
}

TEST(FastConv, NothingToDo) {
  Random random(17);
  ConvShape s;
  s.in_channels = 3, s.out_channels = 5, s.kernel_h = s.kernel_w = 3;
  for (const ConvSizes z : {ConvSizes{0, 9, 9}, ConvSizes{1, 2, 9}, ConvSizes{1, 9, 0}, ConvSizes{2, 0, 0}}) {
    ASSERT_NO_FATAL_FAILURE(check(Kind::forward, s, z, random));
    ASSERT_NO_FATAL_FAILURE(check(Kind::transposed, s, z, random));
  }
  s.in_channels = 0;  // no input channels: bias and activation of zeros
  ASSERT_NO_FATAL_FAILURE(check(Kind::forward, s, {2, 9, 9}, random));
}

TEST(FastConvTranspose, RandomShapes) {
  Random random(18);
  for (int i = 0; i < (kSanitized ? 40 : 300); ++i) {
    ConvShape s = random_shape(random);
    if (i % 3 == 0) s.stride_h = s.kernel_h, s.stride_w = s.kernel_w;
    s.output_pad_h = random.whole(0, s.stride_h - 1), s.output_pad_w = random.whole(0, s.stride_w - 1);
    ASSERT_NO_FATAL_FAILURE(check(Kind::transposed, s, random_sizes(random, 20), random));
  }
  ConvShape wide;  // several bands of input rows
  wide.in_channels = 5, wide.out_channels = 70;
  wide.kernel_h = wide.kernel_w = 3, wide.stride_h = wide.stride_w = 2;
  ASSERT_NO_FATAL_FAILURE(check(Kind::transposed, wide, {1, 60, 100}, random));
}

}  // namespace
}  // namespace chorus::fast::testing
