// Many elements to one along axes; running sums; orders.
#include <algorithm>
#include <limits>

#include "table.h"

namespace chorus_paddle {
namespace {

namespace api = paddle::experimental;

struct Reduction {
  Tensor x;
  Ints axes;
  bool keep;
  bool nothing;  // no axis at all, and ONNX's attribute says that this means none
};

Reduction of(Call& c) {
  Reduction r{c.in(0), c.ints(1), c.i("keepdims", 1) != 0, false};
  r.axes = c.axes(std::move(r.axes), r.x.dim());
  if (r.axes.empty()) {
    r.nothing = c.i("noop_with_empty_axes", 0) != 0;
    for (int64_t d = 0; d < r.x.dim(); ++d) r.axes.push_back(d);
  }
  return r;
}

// Whole numbers are computed as doubles and cut at the end, as NumPy's evaluation of ONNX does.
Tensor as_real(const Tensor& x) { return is_float(x.type()) || is_complex(x.type()) ? x : x.to(kDouble); }

Tensor total(const Tensor& x, const Reduction& r) { return r.nothing || r.x.dim() == 0 ? x : sum(x, r.axes, r.keep); }

void reduce_sum(Call& c) {
  const Reduction r = of(c);
  c.out(0, total(r.x, r));
}

void reduce_mean(Call& c) {
  const Reduction r = of(c);
  if (r.nothing || r.x.dim() == 0) return c.out(0, r.x);
  c.out(0, mean(as_real(r.x), r.axes, r.keep));
}

// The least or largest number of a type, of which there is nothing.
Tensor extreme_of(Type type, bool least) {
  const double infinity = std::numeric_limits<double>::infinity();
  if (is_float(type)) return scalar(least ? -infinity : infinity, type);
  if (type == kBool) return scalar(least ? 0 : 1, kBool);
  const Ints range = type == kByte          ? Ints{0, UINT8_MAX}
                     : type == kChar        ? Ints{INT8_MIN, INT8_MAX}
                     : type == kShort       ? Ints{INT16_MIN, INT16_MAX}
                     : type == Type::UINT16 ? Ints{0, UINT16_MAX}
                     : type == kInt         ? Ints{INT32_MIN, INT32_MAX}
                     : type == Type::UINT32 ? Ints{0, UINT32_MAX}
                                            : Ints{INT64_MIN, INT64_MAX};
  return scalar_long(range[least ? 0 : 1]);
}

template <bool Largest>
void reduce_extreme(Call& c) {
  const Reduction r = of(c);
  if (r.nothing || r.x.dim() == 0) return c.out(0, r.x);
  if (r.x.numel() == 0) {
    Ints shape;
    for (int64_t d = 0; d < r.x.dim(); ++d) {
      const bool gone = std::find(r.axes.begin(), r.axes.end(), d) != r.axes.end();
      if (!gone || r.keep) shape.push_back(gone ? 1 : r.x.size(d));
    }
    return c.out(0, extreme_of(c.slot_in(0).tensor.type(), Largest).expand(shape));
  }
  const Tensor x = r.x.type() == kBool ? r.x.to(kInt) : r.x;
  c.out(0, Largest ? largest(x, r.axes, r.keep) : smallest(x, r.axes, r.keep));
}

void reduce_prod(Call& c) {
  const Reduction r = of(c);
  if (r.nothing || r.x.dim() == 0) return c.out(0, r.x);
  if (r.x.numel() == 0) return c.out(0, add(sum(r.x, r.axes, r.keep), 1));
  c.out(0, api::prod(r.x, phi::IntArray(r.axes), r.keep, false));
}

void reduce_l1(Call& c) {
  const Reduction r = of(c);
  c.out(0, total(r.x.numel() == 0 ? r.x : Tensor(api::abs(r.x)), r));
}
void reduce_l2(Call& c) {
  const Reduction r = of(c);
  const Tensor x = as_real(r.x), y = total(mul(x, x), r);
  c.out(0, y.numel() == 0 ? y : Tensor(api::sqrt(y)));
}
void reduce_log_sum(Call& c) {
  const Reduction r = of(c);
  const Tensor y = total(as_real(r.x), r);
  c.out(0, y.numel() == 0 ? y : Tensor(api::log(y)));
}

// By the largest element, so that no power overflows; where that is infinite, it is the answer (or NaN).
void reduce_log_sum_exp(Call& c) {
  const Reduction r = of(c);
  const Tensor x = as_real(r.x);
  if (r.nothing || x.dim() == 0) return c.out(0, x);
  if (x.numel() == 0) {
    const Tensor none = sum(x, r.axes, r.keep);
    return c.out(0, none.numel() == 0 ? none : Tensor(api::log(none)));
  }
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor most = largest(x, r.axes, true);
  const Tensor shift = where(eq(api::abs(most), infinity), 0, most);
  const Tensor y = add(api::log(sum(api::exp(sub(x, shift)), r.axes, true)), shift);
  c.out(0, r.keep ? y : y.reshape(sum(x, r.axes, false).sizes()));
}
void reduce_sum_square(Call& c) {
  const Reduction r = of(c);
  c.out(0, total(mul(r.x, r.x), r));
}

template <bool Largest>
void arg_extreme(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", 0), x.dim());
  const bool keep = c.i("keepdims", 1) != 0, last = c.i("select_last_index", 0) != 0;
  if (x.dim() == 0) return c.out(0, scalar_long(0));
  c.require(x.size(axis) > 0, "the axis is empty");
  Ints shape = x.sizes();
  shape[static_cast<size_t>(axis)] = 1;
  if (!keep) shape.erase(shape.begin() + axis);
  if (x.numel() == 0) return c.out(0, fresh(shape, kLong));
  const Tensor from = last ? flip(x, axis) : x, lost = is_nan(from);
  Tensor y = Largest ? api::argmax(from, axis, true, false, kLong) : api::argmin(from, axis, true, false, kLong);
  if (any(lost)) {  // NaN is the largest and the least
    const Tensor flags = lost.to(kInt), first = api::argmax(flags, axis, true, false, kLong);
    y = where(gt(largest(flags, {axis}, true), 0), first, y);
  }
  c.out(0, (last ? add(neg(y), static_cast<double>(x.size(axis) - 1)) : y).reshape(shape));
}

// Ties in the order of their indices, which topk leaves open.
void top_k(Call& c) {
  const Tensor x = c.in(0);
  const Ints wanted = c.ints(1);
  c.require(wanted.size() == 1, "k must be one number");
  const int64_t axis = c.axis(c.i("axis", -1), x.dim()), k = wanted[0];
  c.require(x.dim() > 0 && k >= 0 && k <= x.size(axis), "k is larger than the extent of the axis");
  const auto [values, places] = sorted(x, axis, c.i("largest", 1) != 0);
  c.out(0, values.narrow(axis, 0, k));
  c.out(1, places.narrow(axis, 0, k));
}

template <bool Product>
void cumulate(Call& c) {
  Tensor x = c.in(0);
  const Ints axes = c.ints(1);
  c.require(axes.size() == 1, "the axis must be one number");
  const int64_t axis = c.axis(axes[0], x.dim());
  const bool exclusive = c.i("exclusive", 0) != 0, reverse = c.i("reverse", 0) != 0;
  if (x.numel() == 0) return c.out(0, x);
  if (x.dim() == 0) return c.out(0, exclusive ? scalar(Product ? 1 : 0, x.type()) : x);
  if (reverse) x = flip(x, axis);
  if (exclusive) {
    Ints first = x.sizes();
    first[static_cast<size_t>(axis)] = 1;
    x = concat({full(first, Product ? 1 : 0, x.type()), x.narrow(axis, 0, x.size(axis) - 1)}, axis);
  }
  const Tensor y = Product ? api::cumprod(x, static_cast<int>(axis), false, false)
                           : api::cumsum(x, phi::Scalar(axis), false, false, false);
  c.out(0, reverse ? flip(y, axis) : y);
}

// Values come sorted; without `sorted` they are put in the order of their first places.
void unique(Call& c) {
  const Tensor given = c.in(0);
  const bool flat = !c.given("axis");
  const Tensor x = flat ? given.reshape({-1}) : given;
  const int64_t axis = flat ? 0 : c.axis(c.i("axis", 0), x.dim());
  if (x.numel() == 0) {
    c.require(flat || x.size(axis) == 0, "there are elements without extent");
    for (size_t i = 1; i < 4; ++i) c.out(i, fresh({0}, kLong));
    return c.out(0, x);
  }
  auto [all, first_of, inverse_of, count_of] =
      api::unique(x, true, true, true, flat ? std::vector<int>{} : std::vector<int>{static_cast<int>(axis)}, kLong);
  Tensor values = all, first = first_of, inverse = inverse_of, counts = count_of;
  if (c.i("sorted", 1) == 0) {
    const Tensor order = sorted(first, 0, false).second;
    values = values.index_select(axis, order);
    counts = counts.index_select(0, order);
    first = first.index_select(0, order);
    inverse = sorted(order, 0, false).second.index_select(0, inverse);
  }
  c.out(0, values);
  c.out(1, first);
  c.out(2, inverse);
  c.out(3, counts);
}

std::string unique_refusal(const Node& node) {
  return node.dtype(0) == 9 ? "unique has no order of truth values" : std::string();
}

constexpr std::string_view kSum = "sums of int32 are int64 there: they go back to their type";

constexpr Row kRows[] = {
    {"ReduceSum", reduce_sum, kNumbers, "sum", kSum, nullptr, Widen::bits},
    {"ReduceMean", reduce_mean, kNumbers, "mean"},
    {"ReduceMax", reduce_extreme<true>, kNumbers | kBools, "max",
     "of nothing refused there: the least number of the type", nullptr, Widen::order},
    {"ReduceMin", reduce_extreme<false>, kNumbers | kBools, "min",
     "of nothing refused there: the largest number of the type", nullptr, Widen::order},
    {"ReduceProd", reduce_prod, kNumbers, "prod", {}, nullptr, Widen::bits},
    {"ReduceL1", reduce_l1, kNumbers, "abs, sum", kSum},
    {"ReduceL2", reduce_l2, kNumbers, "multiply, sum, sqrt", "p_norm has one axis, and whole numbers not at all"},
    {"ReduceLogSum", reduce_log_sum, kNumbers, "sum, log"},
    {"ReduceLogSumExp", reduce_log_sum_exp, kNumbers, "max, exp, sum, log",
     "logsumexp is NaN where the largest is infinite"},
    {"ReduceSumSquare", reduce_sum_square, kNumbers, "multiply, sum", kSum, nullptr, Widen::bits},
    {"ArgMax", arg_extreme<true>, kNumbers, "argmax",
     "the first of equal ones there: the axis is turned round for the last"},
    {"ArgMin", arg_extreme<false>, kNumbers, "argmin",
     "the first of equal ones there: the axis is turned round for the last"},
    {"TopK", top_k, kNumbers, "argsort"},
    {"CumSum", cumulate<false>, kNumbers, "cumsum"},
    {"CumProd", cumulate<true>, kNumbers, "cumprod"},
    {"Unique", unique, kNumbers, "unique", "always sorts", unique_refusal},
};

}  // namespace

std::span<const Row> reduction_rows() { return kRows; }

}  // namespace chorus_paddle
