// Convolutions of volumes against float64.
#include "conv_case.h"

namespace chorus::jit::test {
namespace {

/// Sums and sums of sizes at one output: weights [out, in / groups, kd, kh, kw].
void sum_at(const ConvProblem& p, const fast::ConvSizes& z, const std::vector<float>& x, const std::vector<float>& w,
            int64_t n, int64_t o, int64_t oz, int64_t oy, int64_t ox, double* sum, double* size) {
  const fast::ConvShape& s = p.shape;
  const Depth& d = p.depth;
  const int64_t ig = s.in_channels / s.groups, og = s.out_channels / s.groups;
  for (int64_t i = 0; i < ig * d.kernel * s.kernel_h * s.kernel_w; ++i) {
    const int64_t kx = i % s.kernel_w, ky = i / s.kernel_w % s.kernel_h, kz = i / s.kernel_w / s.kernel_h % d.kernel;
    const int64_t c = o / og * ig + i / s.kernel_w / s.kernel_h / d.kernel;
    const int64_t iz = oz * d.stride - d.pad_front + kz * d.dilation,
                  iy = oy * s.stride_h - s.pad_top + ky * s.dilation_h;
    const int64_t ix = ox * s.stride_w - s.pad_left + kx * s.dilation_w;
    if (iz < 0 || iy < 0 || ix < 0 || iz >= d.size || iy >= z.height || ix >= z.width) continue;
    const auto at = static_cast<size_t>((((n * s.in_channels + c) * d.size + iz) * z.height + iy) * z.width + ix);
    const double product =
        double{x[at]} * double{w[static_cast<size_t>(o * ig * d.kernel * s.kernel_h * s.kernel_w + i)]};
    *sum += product, *size += std::fabs(product);
  }
}

void check_volume(const ConvProblem& p, const fast::ConvSizes& z, Level level, Guard guard) {
  SCOPED_TRACE(text(p, z, level));
  ASSERT_EQ(refusal(p), nullptr);
  const fast::ConvShape& s = p.shape;
  const Depth& d = p.depth;
  const int64_t oh = fast::conv_out_height(s, z), ow = fast::conv_out_width(s, z);
  const int64_t od = fast::conv_extent(d.size, d.kernel, d.stride, d.dilation, d.pad_front, d.pad_back),
                pixels = od * oh * ow;
  const int64_t taps = s.in_channels / s.groups * d.kernel * s.kernel_h * s.kernel_w;
  const auto x = random_floats(z.batch * s.in_channels * d.size * z.height * z.width, 1);
  const auto w = random_floats(s.out_channels * taps, 2), r = random_floats(z.batch * s.out_channels * pixels, 3);
  const bool planar = p.source == Source::planar;
  Guarded in(
      planar ? static_cast<int64_t>(x.size()) : blocked_count(z.batch, s.in_channels, d.size * z.height, z.width),
      guard);
  if (planar)
    std::copy(x.begin(), x.end(), in.data());
  else
    to_blocked(x, z.batch, s.in_channels, d.size * z.height * z.width, in.data());
  Guarded packed(static_cast<int64_t>(packed_weight_bytes(p) / 4), guard);
  pack_weights(p, w.data(), nullptr, packed.data());
  Guarded out(blocked_count(z.batch, s.out_channels, od * oh, ow), guard);
  to_blocked(r, z.batch, s.out_channels, pixels, out.data());  // the residual, in place
  std::vector<float> bias(static_cast<size_t>(bias_count(s.out_channels)), 0.25f);
  const auto call = ConvCall::make(p, z, level);
  EXPECT_EQ(std::string_view(call->name()) == "plain", level == Level::plain);
  ThreadPool pool({.threads = 2});
  call->run({in.data(), packed.data(), bias.data(), out.data(), out.data(), nullptr}, pool);
  for (int64_t i = 0; i < z.batch * s.out_channels * pixels; ++i) {
    const int64_t pixel = i % pixels, o = i / pixels % s.out_channels, n = i / pixels / s.out_channels;
    double sum = 0.25 + double{r[static_cast<size_t>(i)]}, size = 2;
    sum_at(p, z, x, w, n, o, pixel / ow / oh, pixel / ow % oh, pixel % ow, &sum, &size);
    const double bound = 0x1p-24 * (4 + 2 * std::sqrt(static_cast<double>(taps))) * size;
    ASSERT_NEAR(blocked_at(out.data(), n, o, s.out_channels, pixels, pixel), std::fmax(sum, 0), bound)
        << n << " " << o << " " << pixel;
  }
}

TEST(JitVolume, FiltersStridesPads) {
  Thinned grid(7);
  for (const int64_t kernel : {1, 2, 3}) {
    for (const int64_t stride : {1, 2}) {
      for (const int64_t pad : {int64_t{0}, kernel / 2, kernel}) {  // pads of a whole filter: slices that meet nothing
        ConvProblem p = square(20, 24, 3, stride, 1);
        p.depth = {5, kernel, stride, kernel == 2 ? 2 : 1, pad, pad};
        for (const Level l : levels()) {
          for (const Guard g : {Guard::before, Guard::behind}) {
            if (grid.takes_next()) check_volume(p, {2, 6, 7}, l, g);
          }
        }
      }
    }
  }
}

TEST(JitVolume, PlanarGroupsPoints) {
  for (const Level l : levels()) {
    ConvProblem p = square(3, 24, 3, 2, 1);
    p.source = Source::planar, p.depth = {6, 3, 1, 1, 1, 1};
    check_volume(p, {1, 9, 11}, l, Guard::behind);
    p = square(64, 32, 3, 1, 1, 2);
    p.depth = {4, 3, 1, 1, 1, 0};
    check_volume(p, {1, 5, 6}, l, Guard::behind);
    p = square(40, 40, 1, 1, 0);
    p.depth = {4, 1, 1, 1, 0, 0};
    check_volume(p, {2, 5, 6}, l, Guard::before);
    p = square(300, 20, 3, 1, 1);  // passes over the input blocks, and turns over the depths
    p.depth = {3, 3, 1, 1, 1, 1};
    check_volume(p, {1, 4, 4}, l, Guard::behind);
  }
}

TEST(JitVolume, Refusals) {
  ConvProblem p = square(16, 16, 3, 1, 1, 16);
  p.depth.size = 3;
  EXPECT_STREQ(refusal(p), "a volume of another form");
  p = square(16, 16, 3, 1, 1);
  p.depth.size = 3;
  p.residual_place = fast::ResidualPlace::after_activation;
  EXPECT_STREQ(refusal(p), "a volume with a residual behind the activation");
  p = square(64, 64, 3, 1, 1);
  p.depth.size = 3;
  EXPECT_EQ(preferred_method(p, {1, 56, 56}, Level::avx512), Method::direct);
}

}  // namespace
}  // namespace chorus::jit::test
