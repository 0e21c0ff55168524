// What holds for every call: equal bits for any number of threads, tensors inside larger ones, a residual in place, the choice of
// a method.
#include "conv_case.h"

namespace chorus::jit::test {
namespace {

struct Sample {
  ConvProblem p;
  fast::ConvSizes z;
  std::vector<float> in, weights, bias, residual;
  explicit Sample(const ConvProblem& problem, const fast::ConvSizes& sizes) : p(problem), z(sizes) {
    const fast::ConvShape& s = p.shape;
    in = random_floats(blocked_count(z.batch, s.in_channels, z.height, z.width), 1);
    weights.resize(packed_weight_bytes(p) / 4);
    pack_weights(p, random_floats(s.out_channels * s.in_channels / s.groups * s.kernel_h * s.kernel_w, 2).data(),
                 nullptr, weights.data());
    bias = random_floats(bias_count(s.out_channels), 3);
    residual = random_floats(count(), 4);
  }
  int64_t count() const {
    return blocked_count(z.batch, p.shape.out_channels, fast::conv_out_height(p.shape, z),
                         fast::conv_out_width(p.shape, z));
  }
  std::vector<float> run(Level level, int threads) const {
    const auto call = ConvCall::make(p, z, level);
    std::vector<float> out(static_cast<size_t>(count())), scratch(call->scratch_bytes(threads) / 4);
    ThreadPool pool({.threads = threads});
    call->run({in.data(), weights.data(), bias.data(), residual.data(), out.data(), scratch.data()}, pool);
    return out;
  }
};

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * 4) == 0;
}

TEST(JitConvCall, EqualBitsForAnyNumberOfThreads) {
  for (const Level l : levels()) {
    ConvProblem direct = square(64, 96, 3, 1, 1), depthwise = square(64, 64, 3, 1, 1, 64),
                four = square(48, 64, 3, 1, 1);
    four.method = Method::winograd4;
    if (l == Level::plain) four.method = Method::direct;
    for (const ConvProblem& p : {direct, depthwise, four}) {
      for (const fast::ConvSizes& z :
           {fast::ConvSizes{1, 7, 7}, kSanitized ? fast::ConvSizes{2, 14, 12} : fast::ConvSizes{3, 30, 28}}) {
        const Sample r(p, z);
        const auto one = r.run(l, 1);
        for (const int threads : {2, 3, 8}) EXPECT_TRUE(same(r.run(l, threads), one)) << text(p, z, l);
      }
    }
  }
}

// conv_case.h asserts that calls of open extents find all their code.
TEST(JitConvCall, OpenExtentsOfAnyWidth) {
  std::vector<ConvProblem> all{square(20, 40, 1, 1, 0),     square(48, 48, 3, 1, 1),     square(20, 80, 3, 2, 1),
                               square(18, 20, 5, 3, 2),     square(40, 40, 3, 1, 1, 40), square(32, 32, 5, 2, 2, 32),
                               square(16, 16, 7, 1, 3, 16), square(3, 24, 3, 2, 1),      square(16, 32, 3, 1, 0),
                               square(600, 33, 1, 1, 0),    square(64, 64, 3, 1, 1, 2)};
  all[7].source = Source::planar;
  all[8].shape.dilation_h = all[8].shape.dilation_w = 3;
  all[8].shape.pad_left = 4;
  all.push_back(all[8]);
  all.back().shape.pad_left = all.back().shape.pad_right = 16;
  ConvProblem transposed = square(32, 48, 3, 2, 1);
  transposed.direction = Direction::transposed;
  all.push_back(transposed);
  ConvProblem four = square(24, 40, 3, 1, 1), two = four;
  four.method = Method::winograd4, two.method = Method::winograd2;
  all.push_back(four), all.push_back(two);
  Thinned grid(7);
  for (ConvProblem& p : all) {
    p.extents = Extents::open;
    for (const int64_t width : {1, 2, 5, 13, 15, 23, 31, 47, 61}) {
      if (fast::conv_extent(width, p.shape.kernel_w, p.shape.stride_w, p.shape.dilation_w, p.shape.pad_left,
                            p.shape.pad_right) > 0 &&
          grid.takes_next())
        check_all(p, {1, 5, width});
    }
  }
}

TEST(JitConvCall, OpenExtentsRefuseWideBorders) {
  ConvProblem p = square(16, 16, 31, 1, 17, 16);
  EXPECT_EQ(refusal(p), nullptr);
  p.extents = Extents::open;
  EXPECT_STREQ(refusal(p), "borders beyond 16 columns at widths that are not known");
}

TEST(JitConvCall, AResidualInPlace) {
  for (const Level l : levels()) {
    for (const Method m : {Method::direct, Method::winograd2}) {
      for (const auto place : {fast::ResidualPlace::before_activation, fast::ResidualPlace::after_activation}) {
        for (const int64_t kernel : {1, 3}) {
          ConvProblem p = square(300, 48, kernel, 1, kernel / 2);  // several passes over the input blocks
          p.residual_place = place;
          p.method = kernel == 3 && l != Level::plain ? m : Method::direct;
          const Sample r(p, {1, 7, 7});
          const auto apart = r.run(l, 1);
          const auto call = ConvCall::make(p, r.z, l);
          std::vector<float> both = r.residual, scratch(call->scratch_bytes(1) / 4);
          ThreadPool pool({.threads = 1});
          call->run({r.in.data(), r.weights.data(), r.bias.data(), both.data(), both.data(), scratch.data()}, pool);
          EXPECT_TRUE(same(both, apart)) << text(p, r.z, l);
        }
      }
    }
  }
}

TEST(JitConvCall, ChannelsOfALargerTensor) {
  // Input and output are the second and third block of tensors of four.
  for (const Level l : levels()) {
    for (const Method m : {Method::direct, Method::winograd4}) {
      ConvProblem p = square(32, 32, 3, 1, 1);
      p.method = m, p.residual = false;
      const Sample r(p, {3, 6, 9});
      const auto want = r.run(l, 1);
      const int64_t image = 4 * 54 * 16, part = 2 * 54 * 16;
      std::vector<float> in(static_cast<size_t>(3 * image), 7.0f), out(in.size(), 5.0f);
      for (int64_t i = 0; i < 3; ++i) std::copy_n(r.in.begin() + i * part, part, in.begin() + i * image + part / 2);
      const auto call = ConvCall::make(p, r.z, l);
      std::vector<float> scratch(call->scratch_bytes(1) / 4);
      ThreadPool pool({.threads = 1});
      ConvBuffers b{in.data() + part / 2,  r.weights.data(), r.bias.data(), nullptr,
                    out.data() + part / 2, scratch.data()};
      b.input_image = b.output_image = image;
      call->run(b, pool);
      for (int64_t i = 0; i < 3; ++i) {
        for (int64_t j = 0; j < image; ++j) {
          const int64_t inner = j - part / 2;
          const float expected = inner >= 0 && inner < part ? want[static_cast<size_t>(i * part + inner)] : 5.0f;
          ASSERT_EQ(out[static_cast<size_t>(i * image + j)], expected) << text(p, r.z, l) << " " << i << " " << j;
        }
      }
    }
  }
}

TEST(JitConvCall, NothingToDo) {
  for (const Level l : levels()) {
    for (const Method m : {Method::direct, Method::winograd4}) {
      ConvProblem p = square(16, 16, 3, 1, 0);
      p.method = m;
      for (const fast::ConvSizes& z : {fast::ConvSizes{0, 8, 8}, fast::ConvSizes{1, 2, 8}, fast::ConvSizes{1, 0, 0}}) {
        const auto call = ConvCall::make(p, z, l);
        ThreadPool pool({.threads = 2});
        call->run({}, pool);
      }
    }
  }
}

TEST(JitConvCall, PreferredMethod) {
  const auto choose = [](int64_t channels, int64_t size) {
    return preferred_method(square(channels, channels, 3, 1, 1), {1, size, size}, Level::avx512);
  };
  EXPECT_EQ(choose(256, 56), Method::winograd4);
  EXPECT_EQ(choose(512, 7), Method::direct);  // weights of transformed tiles would come from memory
  EXPECT_EQ(choose(16, 2), Method::direct);
  EXPECT_EQ(preferred_method(square(64, 64, 3, 2, 1), {1, 56, 56}, Level::avx512), Method::direct);
  EXPECT_EQ(preferred_method(square(64, 64, 3, 1, 1), {1, 56, 56}, Level::plain), Method::direct);
}

}  // namespace
}  // namespace chorus::jit::test
