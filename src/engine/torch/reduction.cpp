// Many elements to one along axes; running sums; orders.
#include "table.h"

#include <limits>

namespace chorus_torch {
namespace {

struct Reduction {
  Tensor x;
  Ints axes;
  bool keep;
  bool nothing;   // no axis at all, and ONNX's attribute says that this means none
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

bool is_float(const Tensor& x) { return at::isFloatingType(x.scalar_type()) || at::isComplexType(x.scalar_type()); }

// Sums of float16 and bfloat16 are kept in float32 until the end.
Tensor sum(const Tensor& x, const Reduction& r) {
  if (r.nothing || r.x.dim() == 0) return x;
  return at::sum(x, r.axes, r.keep);
}

void reduce_sum(Call& c) {
  const Reduction r = of(c);
  c.out(0, sum(r.x, r));
}

void reduce_mean(Call& c) {
  const Reduction r = of(c);
  if (r.nothing || r.x.dim() == 0) return c.out(0, r.x);
  c.out(0, at::mean(is_float(r.x) ? r.x : r.x.to(at::kDouble), r.axes, r.keep));
}

Tensor empty_extreme(const Reduction& r, bool largest, ScalarType type) {
  Ints shape;
  for (int64_t d = 0; d < r.x.dim(); ++d) {
    const bool gone = std::find(r.axes.begin(), r.axes.end(), d) != r.axes.end();
    if (!gone)
      shape.push_back(r.x.size(d));
    else if (r.keep)
      shape.push_back(1);
  }
  const double infinity = std::numeric_limits<double>::infinity();
  if (at::isFloatingType(type)) return at::full(shape, largest ? -infinity : infinity, r.x.options());
  if (type == at::kBool) return at::full(shape, !largest, r.x.options());
  int64_t value = 0;
  AT_DISPATCH_INTEGRAL_TYPES(type, "extreme", [&] {
    value = largest ? std::numeric_limits<scalar_t>::min() : std::numeric_limits<scalar_t>::max();
  });
  return at::full(shape, value, r.x.options());
}

template <bool Largest>
void reduce_extreme(Call& c) {
  const Reduction r = of(c);
  if (r.nothing || r.x.dim() == 0) return c.out(0, r.x);
  if (r.x.numel() == 0) return c.out(0, empty_extreme(r, Largest, r.x.scalar_type()));
  c.out(0, Largest ? at::amax(r.x, r.axes, r.keep) : at::amin(r.x, r.axes, r.keep));
}

void reduce_prod(Call& c) {
  const Reduction r = of(c);
  if (r.nothing) return c.out(0, r.x);
  Tensor y = r.x;
  std::vector<int64_t> axes = r.axes;
  std::sort(axes.rbegin(), axes.rend());
  for (int64_t a : axes) y = at::prod(y, a, r.keep);
  c.out(0, y);
}

// Integers are computed as doubles and cut at the end, as NumPy's evaluation of ONNX does.
Tensor as_real(const Tensor& x) { return is_float(x) ? x : x.to(at::kDouble); }

void reduce_l1(Call& c) {
  const Reduction r = of(c);
  c.out(0, sum(at::abs(r.x), r));
}
void reduce_l2(Call& c) {
  const Reduction r = of(c);
  const Tensor x = as_real(r.x);
  c.out(0, r.nothing ? at::abs(x) : x.dim() == 0 ? at::abs(x) : at::linalg_vector_norm(x, 2, r.axes, r.keep));
}
void reduce_log_sum(Call& c) {
  const Reduction r = of(c);
  c.out(0, at::log(sum(as_real(r.x), r)));
}
void reduce_log_sum_exp(Call& c) {
  const Reduction r = of(c);
  const Tensor x = as_real(r.x);
  c.out(0, r.nothing || x.dim() == 0 ? x : at::logsumexp(x, r.axes, r.keep));
}
void reduce_sum_square(Call& c) {
  const Reduction r = of(c);
  c.out(0, sum(at::mul(r.x, r.x), r));
}

template <bool Largest>
void arg_extreme(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", 0), x.dim());
  const bool keep = c.i("keepdims", 1) != 0, last = c.i("select_last_index", 0) != 0;
  c.require(x.dim() == 0 || x.size(axis) > 0, "the axis is empty");
  const Tensor from = last && x.dim() > 0 ? at::flip(x, {axis}) : x;
  Tensor y = Largest ? at::argmax(from, axis, keep) : at::argmin(from, axis, keep);
  if (last && x.dim() > 0) y = at::rsub(y, x.size(axis) - 1);
  c.out(0, y);
}

// Ties in the order of their indices, which topk leaves open.
void top_k(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", -1), x.dim()), k = c.ints(1).at(0);
  c.require(x.dim() > 0 && k >= 0 && k <= x.size(axis), "k is larger than the extent of the axis");
  const auto [values, indices] = at::sort(x, std::optional<bool>(true), axis, c.i("largest", 1) != 0);
  c.out(0, values.narrow(axis, 0, k));
  c.out(1, indices.narrow(axis, 0, k));
}

template <bool Product>
void cumulate(Call& c) {
  Tensor x = c.in(0);
  const int64_t axis = c.axis(c.ints(1).at(0), x.dim());
  const bool exclusive = c.i("exclusive", 0) != 0, reverse = c.i("reverse", 0) != 0;
  if (x.dim() == 0) return c.out(0, exclusive ? at::full_like(x, Product ? 1 : 0) : x);
  if (reverse) x = at::flip(x, {axis});
  if (exclusive && x.size(axis) > 0) {
    Ints first = x.sizes().vec();
    first[static_cast<size_t>(axis)] = 1;
    x = at::cat({at::full(first, Product ? 1 : 0, x.options()), x.narrow(axis, 0, x.size(axis) - 1)}, axis);
  }
  Tensor y = Product ? at::cumprod(x, axis) : at::cumsum(x, axis);
  c.out(0, reverse ? at::flip(y, {axis}) : y);
}

// The first place of each value is not among PyTorch's results; without `sorted` values come in the order of these places.
void unique(Call& c) {
  const Tensor given = c.in(0);
  const bool flat = !c.given("axis");
  const Tensor x = flat ? given.flatten() : given;
  const int64_t axis = flat ? 0 : c.axis(c.i("axis", 0), x.dim());
  auto [values, inverse, counts] = at::unique_dim(x, axis, true, true, true);
  const int64_t n = values.size(axis), m = x.size(axis);
  Tensor first = at::full({n}, m, at::TensorOptions(at::kLong))
                     .scatter_reduce(0, inverse, at::arange(m, at::TensorOptions(at::kLong)), "amin");
  if (c.i("sorted", 1) == 0) {
    const Tensor order = at::argsort(first);
    values = values.index_select(axis, order);
    counts = counts.index_select(0, order);
    first = first.index_select(0, order);
    inverse = at::argsort(order).index_select(0, inverse);
  }
  c.out(0, values);
  c.out(1, first);
  c.out(2, inverse);
  c.out(3, counts);
}

constexpr Types kReduced = kNumbers | kWides;
constexpr std::string_view kSum = "sums of integers are int64 there: they go back to their type";

constexpr Row kRows[] = {
    {"ReduceSum", reduce_sum, kReduced, "sum", kSum, nullptr, Widen::bits},
    {"ReduceMean", reduce_mean, kReduced, "mean", "mean of integers is refused there: computed in float64 and cut",
     nullptr, Widen::value},
    {"ReduceMax", reduce_extreme<true>, kReduced | kBools, "amax",
     "of nothing refused there: the least number of the type", nullptr, Widen::order},
    {"ReduceMin", reduce_extreme<false>, kReduced | kBools, "amin",
     "of nothing refused there: the largest number of the type", nullptr, Widen::order},
    {"ReduceProd", reduce_prod, kReduced, "prod", "one axis a call; products of integers are int64 there", nullptr,
     Widen::bits},
    {"ReduceL1", reduce_l1, kReduced, "abs, sum", kSum, nullptr, Widen::value},
    {"ReduceL2", reduce_l2, kReduced, "linalg_vector_norm",
     "of floating point only there: integers are computed in float64 and cut", nullptr, Widen::value},
    {"ReduceLogSum", reduce_log_sum, kReduced, "sum, log", {}, nullptr, Widen::value},
    {"ReduceLogSumExp", reduce_log_sum_exp, kReduced, "logsumexp", {}, nullptr, Widen::value},
    {"ReduceSumSquare", reduce_sum_square, kReduced, "mul, sum", kSum, nullptr, Widen::bits},
    {"ArgMax", arg_extreme<true>, kNumbers, "argmax",
     "the first of equal ones there: the axis is turned round for the last"},
    {"ArgMin", arg_extreme<false>, kNumbers, "argmin",
     "the first of equal ones there: the axis is turned round for the last"},
    {"TopK", top_k, kNumbers, "sort", "topk leaves the order of equal ones open: a stable sort"},
    {"CumSum", cumulate<false>, kNumbers, "cumsum", "has neither exclusive nor reverse"},
    {"CumProd", cumulate<true>, kNumbers, "cumprod", "has neither exclusive nor reverse"},
    {"Unique", unique, kNumbers | kBools, "unique_dim", "gives no first places, and always sorts"},
};

}  // namespace

std::span<const Row> reduction_rows() { return kRows; }

}  // namespace chorus_torch
