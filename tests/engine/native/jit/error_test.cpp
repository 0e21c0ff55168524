// Errors of generated convolutions at every level against float64, and the table of their bounds.
#include "conv_case.h"

#include <cstdio>

namespace chorus::jit::test {
namespace {

/// In roundings (2^-24) of the sum of the magnitudes that an element adds up; Winograd's forms in roundings of the greatest such sum,
/// for their transforms mix neighbours. Measured on plain, avx2 and avx512, a quarter above the worst.
struct Bound {
  const char* name;
  double error;
};
constexpr Bound kBounds[] = {
    {"1x1", 4.6},       {"3x3", 3.5},        {"3x3, stride 2", 3.6}, {"7x7 of planes", 3.4}, {"groups", 3.5},
    {"depthwise", 3.9}, {"transposed", 3.8}, {"winograd 4", 5.5},    {"winograd 2", 1.3},
};

double bound_of(std::string_view name) {
  for (const Bound& b : kBounds) {
    if (name == b.name) return b.error;
  }
  ADD_FAILURE() << name << " has no bound";
  return 0;
}

/// Of a call without bias, residual and activation.
double worst_error(ConvProblem p, const fast::ConvSizes& z, Level level) {
  p.bias = p.residual = false, p.activation = fast::Activation::none;
  EXPECT_EQ(refusal(p), nullptr);
  const fast::ConvShape& s = p.shape;
  const CaseData d(p, z);
  const bool planar = p.source == Source::planar;
  std::vector<float> x(d.x);
  Guarded in(planar ? static_cast<int64_t>(x.size()) : blocked_count(z.batch, s.in_channels, z.height, z.width),
             Guard::behind);
  if (planar)
    std::copy(x.begin(), x.end(), in.data());
  else
    to_blocked(x, z.batch, s.in_channels, z.height * z.width, in.data());
  Guarded packed(static_cast<int64_t>(packed_weight_bytes(p) / 4), Guard::behind);
  pack_weights(p, d.w.data(), nullptr, packed.data());
  const int64_t area = d.height * d.width;
  Guarded out(blocked_count(z.batch, s.out_channels, d.height, d.width), Guard::behind);
  std::vector<float> bias(static_cast<size_t>(bias_count(s.out_channels)), 0.0F);
  const auto call = make_generated(p, z, level);
  Guarded scratch(static_cast<int64_t>(call->scratch_bytes(1) / 4), Guard::behind);
  ThreadPool pool({.threads = 1});
  call->run({in.data(), packed.data(), bias.data(), nullptr, out.data(), scratch.data()}, pool);
  const Truth t = p.direction == Direction::forward ? convolve(s, z, d.x, d.w) : convolve_transposed(s, z, d.x, d.w);
  double greatest = 0, worst = 0;
  for (const double size : t.size) greatest = std::fmax(greatest, size);
  for (size_t i = 0; i < t.value.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const double got = double{blocked_at(out.data(), at / area / s.out_channels, at / area % s.out_channels,
                                         s.out_channels, area, at % area)};
    const double error = std::fabs(got - t.value[i]) / (0x1p-24 * (p.method == Method::direct ? t.size[i] : greatest));
    worst = got == t.value[i] ? worst : std::isfinite(error) ? std::fmax(worst, error) : 1e30;
  }
  return worst;
}

void expect_within(const char* name, const ConvProblem& p, const fast::ConvSizes& z) {
  double worst = 0;
  for (const Level l : levels()) {
    const double error = worst_error(p, z, l);
    std::printf("%-16s level %d %.3f\n", name, static_cast<int>(l), error);
    EXPECT_LE(error, bound_of(name)) << name << " at level " << static_cast<int>(l);
    worst = std::fmax(worst, error);
  }
  EXPECT_GE(worst * 4, bound_of(name)) << name << ": the bound is wide";
}

TEST(JitError, Direct) {
  expect_within("1x1", square(128, 48, 1, 1, 0), {1, 7, 9});
  expect_within("3x3", square(64, 48, 3, 1, 1), {1, 7, 9});
  expect_within("3x3, stride 2", square(64, 48, 3, 2, 1), {1, 9, 11});
  expect_within("groups", square(64, 64, 3, 1, 1, 2), {1, 7, 9});
  expect_within("depthwise", square(48, 48, 3, 1, 1, 48), {1, 12, 13});
  ConvProblem planes = square(3, 32, 7, 2, 3);
  planes.source = Source::planar;
  expect_within("7x7 of planes", planes, {1, 17, 19});
  ConvProblem turned = square(64, 32, 4, 2, 1);
  turned.direction = Direction::transposed;
  expect_within("transposed", turned, {1, 6, 7});
}

TEST(JitError, Winograd) {
  for (const auto& [name, method] : {std::pair("winograd 4", Method::winograd4), {"winograd 2", Method::winograd2}}) {
    ConvProblem p = square(64, 48, 3, 1, 1);
    p.method = method;
    expect_within(name, p, {1, 12, 13});
  }
}

}  // namespace
}  // namespace chorus::jit::test
