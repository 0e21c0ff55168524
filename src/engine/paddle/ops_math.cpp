// What computes: arithmetic, comparisons, reductions.
#include <algorithm>

#include "ops.h"

namespace chorus_paddle {
namespace api = paddle::experimental;

Ints broadcast_shape(const Ints& a, const Ints& b) {
  const Ints &longer = a.size() >= b.size() ? a : b, &shorter = a.size() >= b.size() ? b : a;
  Ints shape = longer;
  const size_t lead = longer.size() - shorter.size();
  for (size_t d = 0; d < shorter.size(); ++d) {
    int64_t& have = shape[lead + d];
    if (have == shorter[d] || shorter[d] == 1) continue;
    if (have != 1) throw Failure(CH_BAD_INPUT, "the shapes cannot be broadcast");
    have = shorter[d];
  }
  return shape;
}

namespace {

// Kernels want elements: where there are none, the result is empty too.
template <class F>
Tensor pair(const Tensor& a, const Tensor& b, Type type, F&& call) {
  if (a.numel() == 0 || b.numel() == 0) return fresh(broadcast_shape(a.sizes(), b.sizes()), type);
  return call();
}

bool is_whole(Type t) { return t == kInt || t == kLong; }

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return pair(a, b, a.type(), [&] { return api::add(a, b); });
}
Tensor sub(const Tensor& a, const Tensor& b) {
  return pair(a, b, a.type(), [&] { return api::subtract(a, b); });
}
Tensor mul(const Tensor& a, const Tensor& b) {
  return pair(a, b, a.type(), [&] { return api::multiply(a, b); });
}

// Whole numbers are cut towards zero. The least number by -1 would end the process.
Tensor div(const Tensor& a, const Tensor& b) {
  return pair(a, b, a.type(), [&]() -> Tensor {
    if (!is_whole(a.type())) return api::divide(a, b);
    const Tensor minus = eq(b, -1);
    if (!any(minus)) return api::trunc_divide(a, b);
    return where(minus, neg(a), api::trunc_divide(a, where(minus, 1, b)));
  });
}

Tensor add(const Tensor& a, double b) { return a.numel() == 0 ? a : Tensor(api::scale(a, 1.0, b, true)); }
Tensor sub(const Tensor& a, double b) { return add(a, -b); }
Tensor mul(const Tensor& a, double b) { return a.numel() == 0 ? a : Tensor(api::scale(a, b, 0.0, true)); }
Tensor div(const Tensor& a, double b) { return div(a, scalar(b, a.type())); }
Tensor maximum(const Tensor& a, const Tensor& b) {
  return pair(a, b, a.type(), [&] { return api::maximum(a, b); });
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return pair(a, b, a.type(), [&] { return api::minimum(a, b); });
}
Tensor clamp(const Tensor& x, double low, double high) {
  return minimum(maximum(x, scalar(low, x.type())), scalar(high, x.type()));
}
Tensor pow(const Tensor& a, const Tensor& b) {
  return pair(a, b, a.type(), [&] { return api::elementwise_pow(a, b); });
}
Tensor pow(const Tensor& a, double b) { return pow(a, scalar(b, a.type())); }
Tensor neg(const Tensor& x) { return mul(x, -1); }

Tensor lt(const Tensor& a, const Tensor& b) {
  return pair(a, b, kBool, [&] { return api::less_than(a, b); });
}
Tensor le(const Tensor& a, const Tensor& b) {
  return pair(a, b, kBool, [&] { return api::less_equal(a, b); });
}
Tensor gt(const Tensor& a, const Tensor& b) {
  return pair(a, b, kBool, [&] { return api::greater_than(a, b); });
}
Tensor ge(const Tensor& a, const Tensor& b) {
  return pair(a, b, kBool, [&] { return api::greater_equal(a, b); });
}
Tensor eq(const Tensor& a, const Tensor& b) {
  return pair(a, b, kBool, [&] { return api::equal(a, b); });
}
Tensor lt(const Tensor& a, double b) { return lt(a, scalar(b, a.type())); }
Tensor gt(const Tensor& a, double b) { return gt(a, scalar(b, a.type())); }
Tensor ge(const Tensor& a, double b) { return ge(a, scalar(b, a.type())); }
Tensor eq(const Tensor& a, double b) { return eq(a, scalar(b, a.type())); }
Tensor ne(const Tensor& a, double b) { return inverted(eq(a, b)); }
Tensor both(const Tensor& a, const Tensor& b) {
  return pair(a, b, kBool, [&] { return api::logical_and(a, b); });
}
Tensor either(const Tensor& a, const Tensor& b) {
  return pair(a, b, kBool, [&] { return api::logical_or(a, b); });
}
Tensor inverted(const Tensor& a) { return a.numel() == 0 ? a : Tensor(api::logical_not(a)); }

bool any(const Tensor& flags) {
  const Tensor plain = flags.contiguous();
  const auto* data = static_cast<const bool*>(plain.data());
  return std::find(data, data + plain.numel(), true) != data + plain.numel();
}

Tensor wrapped_modulo(const Tensor& x, int64_t n) {
  return x.numel() == 0 ? x : Tensor(api::remainder(x, scalar_long(n)));
}

namespace {

// Of nothing: what is there when no element was met.
Tensor reduced_nothing(const Tensor& x, const Ints& axes, bool keep, double start) {
  Ints shape;
  for (int64_t d = 0; d < x.dim(); ++d) {
    const bool gone = std::find(axes.begin(), axes.end(), d) != axes.end();
    if (!gone || keep) shape.push_back(gone ? 1 : x.size(d));
  }
  return full(shape, start, x.type());
}

}  // namespace

Tensor sum(const Tensor& x, const Ints& axes, bool keep) {
  if (x.numel() == 0) return reduced_nothing(x, axes, keep, 0);
  if (axes.empty()) return x;
  return api::sum(x, phi::IntArray(axes), kUndefined, keep);
}
Tensor mean(const Tensor& x, const Ints& axes, bool keep) {
  if (x.numel() == 0) return reduced_nothing(x, axes, keep, std::numeric_limits<double>::quiet_NaN());
  if (axes.empty()) return x;
  return api::mean(x, phi::IntArray(axes), keep);
}
Tensor largest(const Tensor& x, const Ints& axes, bool keep) {
  if (axes.empty()) return x;
  return api::max(x, phi::IntArray(axes), keep);
}
Tensor smallest(const Tensor& x, const Ints& axes, bool keep) {
  if (axes.empty()) return x;
  return api::min(x, phi::IntArray(axes), keep);
}

std::pair<Tensor, Tensor> sorted(const Tensor& x, int64_t axis, bool descending) {
  if (x.numel() == 0) return {x, fresh(x.sizes(), kLong)};
  auto [values, places] = api::argsort(x, static_cast<int>(axis), descending, true);
  return {Tensor(values), Tensor(places)};
}

Tensor log_softmax(const Tensor& x, int64_t axis) {
  if (x.numel() == 0) return x;
  const Tensor shifted = sub(x, largest(x, {axis}, true));
  return sub(shifted, api::log(sum(api::exp(shifted), {axis}, true)));
}

Tensor is_nan(const Tensor& x) {
  return x.numel() == 0 || !is_float(x.type()) ? zeros(x.sizes(), kBool) : Tensor(api::isnan(x));
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  if (a.numel() == 0 || b.numel() == 0) {
    if (a.dim() == 0 || b.dim() == 0) throw Failure(CH_BAD_INPUT, "an operand has no axes");
    const Ints x = a.sizes(), y = b.sizes();
    const size_t p = x.size(), q = y.size();
    Ints shape =
        broadcast_shape(Ints(x.begin(), x.end() - std::min<std::ptrdiff_t>(2, static_cast<std::ptrdiff_t>(p))),
                        Ints(y.begin(), y.end() - std::min<std::ptrdiff_t>(2, static_cast<std::ptrdiff_t>(q))));
    if (x.back() != (q > 1 ? y[q - 2] : y[0])) throw Failure(CH_BAD_INPUT, "the inner extents differ");
    if (p > 1) shape.push_back(x[p - 2]);
    if (q > 1) shape.push_back(y[q - 1]);
    return zeros(shape, a.type());
  }
  return api::matmul(a, b, false, false);
}

}  // namespace chorus_paddle
