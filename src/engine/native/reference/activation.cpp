// Activation functions, Clip and Dropout. Floats of all widths are computed in float64 and rounded once.
#include <core/random.h>
#include <engine/native/reference/support.h>
#include <ops/chosen.h>

#include <cmath>
#include <numbers>

namespace chorus::native::reference {
namespace {

using namespace support;

template <class F>
Status curve(KernelContext& ctx, F f) noexcept {
  return map<double>(ctx, f);
}
double sigmoid_of(double x) noexcept { return 1 / (1 + std::exp(-x)); }
double softplus_of(double x) noexcept {
  return std::isnan(x) ? x : std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0);
}
double within(double x, double low, double high) noexcept { return x < low ? low : x > high ? high : x; }

Status relu(KernelContext& ctx) noexcept {
  return by_real_class(ctx.out[0].dtype,
                       [&]<class T>(Tag<T>) { return map<T>(ctx, [](T x) -> T { return x < 0 ? 0 : x; }); });
}
Status leaky_relu(KernelContext& ctx) noexcept {
  return curve(ctx, [alpha = double{ctx.attrs->real("alpha")}](double x) { return x < 0 ? alpha * x : x; });
}
Status elu(KernelContext& ctx) noexcept {
  return curve(ctx, [alpha = double{ctx.attrs->real("alpha")}](double x) { return x < 0 ? alpha * std::expm1(x) : x; });
}
Status selu(KernelContext& ctx) noexcept {
  const double alpha = ctx.attrs->real("alpha"), gamma = ctx.attrs->real("gamma");
  return curve(ctx, [=](double x) { return gamma * (x < 0 ? alpha * std::expm1(x) : x); });
}
Status celu(KernelContext& ctx) noexcept {
  return curve(
      ctx, [alpha = double{ctx.attrs->real("alpha")}](double x) { return x < 0 ? alpha * std::expm1(x / alpha) : x; });
}
Status sigmoid(KernelContext& ctx) noexcept { return curve(ctx, sigmoid_of); }
Status hard_sigmoid(KernelContext& ctx) noexcept {
  const double alpha = ctx.attrs->real("alpha"), beta = ctx.attrs->real("beta");
  return curve(ctx, [=](double x) { return within(alpha * x + beta, 0, 1); });
}
Status hard_swish(KernelContext& ctx) noexcept {
  return curve(ctx, [](double x) { return x * within(x / 6 + 0.5, 0, 1); });
}
Status tanh(KernelContext& ctx) noexcept {
  return curve(ctx, [](double x) { return std::tanh(x); });
}
Status softplus(KernelContext& ctx) noexcept { return curve(ctx, softplus_of); }
Status softsign(KernelContext& ctx) noexcept {
  return curve(ctx, [](double x) { return x / (1 + std::abs(x)); });
}
Status thresholded_relu(KernelContext& ctx) noexcept {
  return curve(ctx, [alpha = double{ctx.attrs->real("alpha")}](double x) { return x > alpha ? x : 0; });
}
Status gelu(KernelContext& ctx) noexcept {
  if (ctx.attrs->string("approximate") == "tanh") {
    const double scale = std::sqrt(2 / std::numbers::pi);
    // (1 + tanh u) / 2 without its cancellation below zero
    return curve(ctx, [=](double x) { return x * sigmoid_of(2 * scale * (x + 0.044715 * x * x * x)); });
  }
  // 1 + erf(x / √2) without its cancellation below zero
  return curve(ctx, [](double x) { return 0.5 * x * std::erfc(-x / std::numbers::sqrt2); });
}
Status mish(KernelContext& ctx) noexcept {
  return curve(ctx, [](double x) { return x * std::tanh(softplus_of(x)); });
}
Status swish(KernelContext& ctx) noexcept {
  return curve(ctx, [alpha = double{ctx.attrs->real("alpha")}](double x) { return x * sigmoid_of(alpha * x); });
}
Status swiglu(KernelContext& ctx) noexcept {
  return map2<double>(
      ctx, [alpha = double{ctx.attrs->real("alpha")}](double a, double b) { return a * sigmoid_of(alpha * a) * b; });
}
/// Integers too: computed as numbers with fractions, which the store cuts.
Status shrink(KernelContext& ctx) noexcept {
  const double bias = ctx.attrs->real("bias"), lambda = ctx.attrs->real("lambd");
  return curve(ctx, [=](double x) { return x < -lambda ? x + bias : x > lambda ? x - bias : 0; });
}

Status clip(KernelContext& ctx) noexcept {
  for (int i = 1; i <= 2; ++i) {
    if (ctx.has(i) && ctx.in[i].count != 1) {
      return Status::error(Code::shape, "limit %d has %lld elements, a scalar is needed", i,
                           static_cast<long long>(ctx.in[i].count));
    }
  }
  return by_real_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) {
    const bool has_low = ctx.has(1), has_high = ctx.has(2);
    T low{}, high{};
    if (has_low) load(ctx.in[1].dtype, ctx.in[1].data, 0, 1, &low);
    if (has_high) load(ctx.in[2].dtype, ctx.in[2].data, 0, 1, &high);
    return map<T>(ctx, [=](T x) -> T {
      if (has_low && x < low) x = low;
      return has_high && x > high ? high : x;
    });
  });
}

Status dropout(KernelContext& ctx) noexcept {
  const bool training = ctx.has(2) && ctx.in[2].count == 1 && get_i64(ctx.in[2].dtype, ctx.in[2].data, 0) != 0;
  const double ratio = ctx.has(1) && ctx.in[1].count == 1 ? get_f64(ctx.in[1].dtype, ctx.in[1].data, 0) : 0.5;
  if (!(ratio >= 0 && ratio < 1)) return Status::error(Code::bad_input, "ratio %g is not in [0, 1)", ratio);
  const uint64_t seed = ctx.attrs->given("seed") ? static_cast<uint64_t>(ctx.attrs->integer("seed")) : ctx.random_seed;
  const uint64_t stream = ctx.random_stream;
  const TensorView& x = ctx.in[0];
  const bool active = training && ratio > 0, mask = ctx.wants(1);
  return parallel(ctx, x.count, kGrain, [&](int64_t begin, int64_t end) {
    double v[kRun];
    uint64_t kept[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = std::min(kRun, end - i);
      if (ctx.wants(0)) load(x.dtype, x.data, i, n, v);
      for (int64_t k = 0; k < n; ++k) {
        kept[k] = !active || philox_uniform(seed, stream, static_cast<uint64_t>(i + k)) >= ratio;
        if (active) v[k] = kept[k] != 0 ? v[k] / (1 - ratio) : 0;
      }
      if (ctx.wants(0)) store(ctx.out[0].dtype, ctx.out[0].data, i, n, v);
      if (mask) store(ctx.out[1].dtype, ctx.out[1].data, i, n, kept);
    }
  });
}

constexpr KernelRow kRows[] = {
    {"Relu", relu},
    {"LeakyRelu", leaky_relu},
    {"Elu", elu},
    {"Selu", selu},
    {"Celu", celu},
    {"Sigmoid", sigmoid},
    {"HardSigmoid", hard_sigmoid},
    {"HardSwish", hard_swish},
    {"Tanh", tanh},
    {"Softplus", softplus},
    {"Softsign", softsign},
    {"ThresholdedRelu", thresholded_relu},
    {"Gelu", gelu},
    {"Mish", mish},
    {"Swish", swish},
    {"SwiGLU", swiglu},
    {"Shrink", shrink},
    {"Clip", clip},
    {"Dropout", dropout},
};

}  // namespace

std::span<const KernelRow> activation_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native::reference
