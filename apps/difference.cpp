#include "difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace chorus::app {
namespace {

/// Distance between neighbours of a type around x.
double unit_at(DType type, double x) {
  int digits = 24, least = -149;
  if (type == DType::float16) digits = 11, least = -24;
  if (type == DType::bfloat16) digits = 8, least = -133;
  if (type == DType::float8e4m3fn || type == DType::float8e4m3fnuz) digits = 4, least = -10;
  if (type == DType::float8e5m2 || type == DType::float8e5m2fnuz) digits = 3, least = -17;
  if (type == DType::float4e2m1 || type == DType::float8e8m0) digits = 2, least = type == DType::float4e2m1 ? -1 : -127;
  if (!is_float(type)) return 1;
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(1.0, std::max(exponent - digits, least));
}

Difference not_comparable(std::string why) {
  Difference d;
  d.reason = std::move(why);
  d.absolute = d.relative = d.units = std::numeric_limits<double>::infinity();
  return d;
}

Difference tensors(const Value& a, const Value& b) {
  Difference d;
  const std::vector<double> x = a.to_doubles(), y = b.to_doubles();
  const DType narrow = dtype_bits(a.dtype()) < dtype_bits(b.dtype()) ? a.dtype() : b.dtype();
  d.narrow = is_float(narrow) && dtype_bits(narrow) <= 16;
  d.elements = static_cast<int64_t>(y.size());
  for (size_t i = 0; i < y.size(); ++i) {
    if (x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]))) continue;
    const bool finite = std::isfinite(x[i]) && std::isfinite(y[i]);
    const double gap = finite ? std::fabs(x[i] - y[i]) : std::numeric_limits<double>::infinity();
    const double relative = finite ? gap / std::max(1.0, std::fabs(y[i])) : gap;
    d.absolute = std::max(d.absolute, gap);
    d.units = std::max(d.units, finite ? gap / unit_at(narrow, y[i]) : gap);
    if (relative > d.relative) {
      d.relative = relative;
      d.at = static_cast<int64_t>(i);
      d.a = x[i];
      d.b = y[i];
    }
  }
  return d;
}

}  // namespace

Difference difference(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return not_comparable("one is a tensor and the other is not");
  if (!a.is_tensor() && a && a.items().size() == b.items().size()) {
    Difference worst;
    for (size_t i = 0; i < a.items().size(); ++i) {
      const Difference d = difference(a.items()[i], b.items()[i]);
      if (!d.reason.empty() || d.relative > worst.relative || i == 0) worst = d;
      if (!d.reason.empty()) break;
    }
    return worst;
  }
  const bool numbers = a.is_tensor() && a.dtype() != DType::string && b.dtype() != DType::string &&
                       !is_complex(a.dtype()) && !is_complex(b.dtype());
  if (!numbers) return a.identical(b) ? Difference{} : not_comparable("values that are not numbers differ");
  if (is_float(a.dtype()) != is_float(b.dtype())) {
    return not_comparable(fmt::format("{} and {} are not alike", dtype_name(a.dtype()), dtype_name(b.dtype())));
  }
  if (!(a.shape() == b.shape()))
    return not_comparable(fmt::format("the shapes are {} and {}", a.shape().str(), b.shape().str()));
  return tensors(a, b);
}

}  // namespace chorus::app
