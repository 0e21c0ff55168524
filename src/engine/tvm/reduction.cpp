#include <algorithm>
#include <cmath>

#include "table.h"

namespace chorus_tvm {
namespace {

struct Reduced {
  Dims dims;    ///< of the result
  Dims over;    ///< sizes of the axes that go
  int64_t count = 1;
  /// The operand's index for a result's index and one along the axes.
  std::function<Index(const Index& at, const Index& inner)> index;
};

Reduced reduced(const Dims& dims, const Dims& axes, bool keep) {
  Reduced made;
  std::vector<int> from;   // of each axis of the operand: place in the result (>= 0), or -1 - place in `over`
  for (size_t d = 0; d < dims.size(); ++d) {
    const bool goes = std::count(axes.begin(), axes.end(), static_cast<int64_t>(d)) > 0;
    if (goes) {
      from.push_back(-1 - static_cast<int>(made.over.size()));
      made.over.push_back(dims[d]);
      made.count *= dims[d];
      if (keep) made.dims.push_back(1);
    } else {
      from.push_back(static_cast<int>(made.dims.size()));
      made.dims.push_back(dims[d]);
    }
  }
  made.index = [from](const Index& at, const Index& inner) {
    Index own;
    for (int f : from) own.push_back(f >= 0 ? at[static_cast<size_t>(f)] : inner[static_cast<size_t>(-1 - f)]);
    return own;
  };
  return made;
}

Dims all_axes(int64_t rank) {
  Dims made;
  for (int64_t d = 0; d < rank; ++d) made.push_back(d);
  return made;
}

T over_all(const T& t, E (*f)(const E&), int type) {
  return compute(t.dims, type, [&](const Index& at) { return f(t(at)); });
}

E square(const E& x) { return x * x; }
E magnitude(const E& x) {
  return !is_float(x.type) && !is_signed(x.type) ? x : select(x < like(0, x), like(0, x) - x, x);
}
E itself(const E& x) { return x; }
E log_of(const E& x) { return intrinsic("tirx.log", x); }
E exp_of(const E& x) { return intrinsic("tirx.exp", x); }
E root(const E& x) { return intrinsic("tirx.sqrt", x); }

struct How {
  std::string_view op;
  Fold fold;
  E (*before)(const E&);
  E (*after)(const E&);
};

constexpr How kHow[] = {
    {"ReduceSum", Fold::sum, itself, nullptr},       {"ReduceMean", Fold::sum, itself, nullptr},
    {"ReduceMax", Fold::largest, itself, nullptr},   {"ReduceMin", Fold::smallest, itself, nullptr},
    {"ReduceProd", Fold::product, itself, nullptr},  {"ReduceL1", Fold::sum, magnitude, nullptr},
    {"ReduceL2", Fold::sum, square, root},           {"ReduceLogSum", Fold::sum, itself, log_of},
    {"ReduceSumSquare", Fold::sum, square, nullptr},
};

Dims axes_of(Call& c) {
  Dims axes = c.axes(c.ints(1), c.rank(0));
  if (axes.empty() && c.i("noop_with_empty_axes", 0) == 0) axes = all_axes(c.rank(0));
  return axes;
}

void make_reduce(Call& c) {
  const T x = c.in(0);
  const How& how = *std::find_if(std::begin(kHow), std::end(kHow), [&](const How& h) { return h.op == c.op(); });
  const Dims axes = axes_of(c);
  if (axes.empty()) c.require(c.op() != "ReduceLogSum", "without axes it is left to others");
  const Reduced r = reduced(x.dims, axes, c.i("keepdims", 1) != 0);
  const int type = c.out_type(0);
  c.require(is_float(type) || (how.after == nullptr && c.op() != "ReduceMean"),
            "of whole numbers it is left to others");
  if (x.type == kBool) {
    c.out(0, fold(how.fold == Fold::largest ? Fold::any : Fold::all, r.dims, kBool, r.over,
                  [&](const Index& at, const Index& inner) { return x(r.index(at, inner)); }));
    return;
  }
  const T sum = fold(how.fold, r.dims, how.after != nullptr || c.op() == "ReduceMean" ? computed(type) : type, r.over,
                     [&](const Index& at, const Index& inner) { return how.before(x(r.index(at, inner))); });
  if (c.op() == "ReduceMean") {
    c.out(0, compute(r.dims, type,
                     [&](const Index& at) { return sum(at) / like(static_cast<double>(r.count), sum(at)); }));
  } else {
    c.out(0, how.after == nullptr ? sum : over_all(sum, how.after, type));
  }
}

// The largest element as it is, but 0 where it is not finite, so that what is subtracted from it stays a number.
E finite_or_zero(const E& m) {
  const E inside = magnitude(m) < number(INFINITY, m.type);
  return select(inside, m, like(0, m));
}

void make_log_sum_exp(Call& c) {
  const T x = c.in(0);
  const int type = c.out_type(0);
  c.require(is_float(type), "of whole numbers it is left to others");
  const Dims axes = axes_of(c);
  const Reduced r = reduced(x.dims, axes, c.i("keepdims", 1) != 0);
  const int wide = computed(type);
  const T most = fold(Fold::largest, r.dims, wide, r.over,
                      [&](const Index& at, const Index& inner) { return x(r.index(at, inner)); });
  const T sum = fold(Fold::sum, r.dims, wide, r.over, [&](const Index& at, const Index& inner) {
    return exp_of(x(r.index(at, inner)) - finite_or_zero(most(at)));
  });
  c.out(0, compute(r.dims, type, [&](const Index& at) { return log_of(sum(at)) + finite_or_zero(most(at)); }));
}

void make_arg(Call& c) {
  const T x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", 0), c.rank(0));
  const bool last = c.i("select_last_index", 0) != 0, largest = c.op() == "ArgMax";
  const Reduced r = reduced(x.dims, {axis}, c.i("keepdims", 1) != 0);
  const T best = fold(largest ? Fold::largest : Fold::smallest, r.dims, computed(x.type), r.over,
                      [&](const Index& at, const Index& inner) { return x(r.index(at, inner)); });
  const int64_t none = last ? -1 : r.count;
  c.out(0, fold(last ? Fold::largest : Fold::smallest, r.dims, kLong, r.over, [&](const Index& at, const Index& inner) {
          const E e = x(r.index(at, inner));
          return select(e == best(at) || (is_nan(e) && is_nan(best(at))), inner[0], whole(none));
        }));
}

void make_softmax(Call& c) {
  const T x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", -1), c.rank(0));
  const Reduced r = reduced(x.dims, {axis}, true);
  const int wide = computed(x.type);
  const T most = fold(Fold::largest, r.dims, wide, r.over,
                      [&](const Index& at, const Index& inner) { return x(r.index(at, inner)); });
  auto row = [&](Index at) {
    at[static_cast<size_t>(axis)] = whole(0);
    return at;
  };
  if (c.op() == "Hardmax") {
    const T first = fold(Fold::smallest, r.dims, kLong, r.over, [&](const Index& at, const Index& inner) {
      const E e = x(r.index(at, inner));
      return select(e == most(row(at)) || is_nan(e), inner[0], whole(r.count));
    });
    c.out(0, compute(x.dims, c.out_type(0), [&](const Index& at) {
            return select(at[static_cast<size_t>(axis)] == first(row(at)), number(1, x.type), number(0, x.type));
          }));
    return;
  }
  const bool logs = c.op() == "LogSoftmax";
  const T powers = compute(x.dims, wide, [&](const Index& at) { return exp_of(x(at) - most(row(at))); });
  const T sum = fold(Fold::sum, r.dims, wide, r.over,
                     [&](const Index& at, const Index& inner) { return powers(r.index(at, inner)); });
  c.out(0, compute(x.dims, c.out_type(0), [&](const Index& at) {
          return logs ? x(at) - most(row(at)) - log_of(sum(row(at))) : powers(at) / sum(row(at));
        }));
}

void make_cum(Call& c) {
  const T x = c.in(0);
  const int64_t axis = c.axis(c.ints(1).at(0), c.rank(0));
  const bool exclusive = c.i("exclusive", 0) != 0, reverse = c.i("reverse", 0) != 0;
  const auto d = static_cast<size_t>(axis);
  c.require(x.dims[d] <= 256, "a sum for each element reads all before it: left to others for more than 256");
  c.require(is_whole(x.type) || is_float(x.type), "of this type it is left to others");
  const Fold how = c.op() == "CumSum" ? Fold::sum : Fold::product;
  c.out(0, fold(how, x.dims, c.out_type(0), {x.dims[d]}, [&](Index at, const Index& inner) {
          const E here = at[d];
          at[d] = inner[0];
          const E e = x(at);
          const E inside = reverse ? (exclusive ? inner[0] > here : inner[0] >= here)
                                   : (exclusive ? inner[0] < here : inner[0] <= here);
          return select(inside, e, like(how == Fold::sum ? 0 : 1, e));
        }));
}

constexpr Row kRows[] = {
    {"ReduceSum", make_reduce},
    {"ReduceMean", make_reduce},
    {"ReduceMax", make_reduce},
    {"ReduceMin", make_reduce},
    {"ReduceProd", make_reduce},
    {"ReduceL1", make_reduce},
    {"ReduceL2", make_reduce},
    {"ReduceLogSum", make_reduce},
    {"ReduceSumSquare", make_reduce},
    {"ReduceLogSumExp", make_log_sum_exp},
    {"ArgMax", make_arg},
    {"ArgMin", make_arg},
    {"Softmax", make_softmax},
    {"LogSoftmax", make_softmax},
    {"Hardmax", make_softmax},
    {"CumSum", make_cum},
    {"CumProd", make_cum},
};

}  // namespace

std::span<const Row> reduction_rows() { return kRows; }

}  // namespace chorus_tvm
