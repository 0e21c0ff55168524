// Element-wise functions of one operand. Floats of all widths are computed in float64 and rounded once.
#include <engine/native/reference/support.h>
#include <ops/chosen.h>

#include <cmath>

namespace chorus::native::reference {
namespace {

using namespace support;

template <double (*F)(double)>
Status curve(KernelContext& ctx) noexcept {
  return map<double>(ctx, F);
}

double reciprocal_of(double x) { return 1 / x; }

template <class T>
T sign_of(T x) noexcept {
  if (x > 0) return 1;
  if constexpr (!std::is_unsigned_v<T>) {
    if (x < 0) return -1;
  }
  if constexpr (std::is_same_v<T, double>) return std::isnan(x) ? x : 0;
  return 0;
}
template <class T>
T magnitude(T x) noexcept {
  if constexpr (std::is_same_v<T, double>) return std::abs(x);
  if constexpr (std::is_same_v<T, int64_t>) return x < 0 ? wrap_sub(0, x) : x;
  return x;
}
template <class T>
T negated(T x) noexcept {
  if constexpr (std::is_same_v<T, int64_t>) return wrap_sub(0, x);
  return -x;
}

Status abs(KernelContext& ctx) noexcept {
  return by_real_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) { return map<T>(ctx, magnitude<T>); });
}
Status neg(KernelContext& ctx) noexcept {
  return by_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) { return map<T>(ctx, negated<T>); });
}
Status sign(KernelContext& ctx) noexcept {
  return by_real_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) { return map<T>(ctx, sign_of<T>); });
}
Status is_nan(KernelContext& ctx) noexcept {
  return map<double, uint64_t>(ctx, [](double x) -> uint64_t { return std::isnan(x); });
}
Status is_inf(KernelContext& ctx) noexcept {
  const bool positive = ctx.attrs->integer("detect_positive") != 0,
             negative = ctx.attrs->integer("detect_negative") != 0;
  return map<double, uint64_t>(ctx,
                               [=](double x) -> uint64_t { return std::isinf(x) && (x > 0 ? positive : negative); });
}
Status logical_not(KernelContext& ctx) noexcept {
  return map<uint64_t>(ctx, [](uint64_t x) -> uint64_t { return x == 0; });
}
Status bitwise_not(KernelContext& ctx) noexcept {
  return map<uint64_t>(ctx, [](uint64_t x) -> uint64_t { return ~x; });
}
Status identity(KernelContext& ctx) noexcept { return pass_through(ctx, 0, 0); }

constexpr KernelRow kRows[] = {
    {"Abs", abs},
    {"Neg", neg},
    {"Ceil", curve<std::ceil>},
    {"Floor", curve<std::floor>},
    {"Round", curve<std::nearbyint>},  // ties to even: the rounding mode is never changed
    {"Sqrt", curve<std::sqrt>},
    {"Reciprocal", curve<reciprocal_of>},
    {"Exp", curve<std::exp>},
    {"Log", curve<std::log>},
    {"Sin", curve<std::sin>},
    {"Cos", curve<std::cos>},
    {"Tan", curve<std::tan>},
    {"Asin", curve<std::asin>},
    {"Acos", curve<std::acos>},
    {"Atan", curve<std::atan>},
    {"Sinh", curve<std::sinh>},
    {"Cosh", curve<std::cosh>},
    {"Asinh", curve<std::asinh>},
    {"Acosh", curve<std::acosh>},
    {"Atanh", curve<std::atanh>},
    {"Erf", curve<std::erf>},
    {"Sign", sign},
    {"IsNaN", is_nan},
    {"IsInf", is_inf},
    {"Not", logical_not},
    {"BitwiseNot", bitwise_not},
    {"Identity", identity},
};

}  // namespace

std::span<const KernelRow> unary_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native::reference
