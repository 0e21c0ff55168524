// Reductions over axes: sums, products, extremes, norms and logarithms.
#include <engine/native/reference/reduction.h>
#include <engine/native/reference/support.h>
#include <ops/chosen.h>

#include <cmath>
#include <limits>

namespace chorus::native::reference {
namespace {

using namespace support;

// Which elements are reduced -----------------------------------------------------------------------------------------------------

/// The operand as merged axes, kept ones first in `kept`, reduced ones in `reduced`, each with extent and stride in elements.
struct Plan {
  int kept = 0, reduced = 0;
  int64_t kept_dims[kMaxRank], kept_strides[kMaxRank], reduced_dims[kMaxRank], reduced_strides[kMaxRank];
  int64_t outputs = 1, count = 1;  ///< results, and elements behind each
};

Status reduced_flags(const KernelContext& ctx, bool* flags) noexcept {
  const TensorView& x = ctx.in[0];
  int64_t axes[kMaxRank];
  const int64_t n = ctx.has(1) ? read_ints(ctx.in[1], axes, kMaxRank) : 0;
  if (n < 0)
    return Status::error(Code::bad_input, "%lld axes for rank %d", static_cast<long long>(ctx.in[1].count), x.rank);
  const bool all = n == 0 && ctx.attrs->integer("noop_with_empty_axes") == 0;
  std::fill(flags, flags + kMaxRank, all);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t axis = axes[i] < 0 ? axes[i] + x.rank : axes[i];
    if (axis < 0 || axis >= x.rank)
      return Status::error(Code::bad_input, "axis %lld is out of range for rank %d", static_cast<long long>(axes[i]),
                           x.rank);
    flags[axis] = true;
  }
  return {};
}

Status make_plan(const KernelContext& ctx, Plan* p) noexcept {
  const TensorView& x = ctx.in[0];
  bool flags[kMaxRank];
  if (Status s = reduced_flags(ctx, flags); !s.ok()) return s;
  int64_t strides[kMaxRank];
  row_strides(x.shape(), strides);
  int last = -1;  // the axis before, of either kind
  for (int i = 0; i < x.rank; ++i) {
    const int64_t extent = x.dims[i];
    (flags[i] ? p->count : p->outputs) *= extent;
    if (extent == 1) continue;
    int& n = flags[i] ? p->reduced : p->kept;
    int64_t* dims = flags[i] ? p->reduced_dims : p->kept_dims;
    int64_t* steps = flags[i] ? p->reduced_strides : p->kept_strides;
    if (last >= 0 && flags[last] == flags[i]) {  // neighbours of one kind are one axis
      dims[n - 1] *= extent;
      steps[n - 1] = strides[i];
    } else {
      dims[n] = extent;
      steps[n++] = strides[i];
    }
    last = i;
  }
  return {};
}

int64_t offset_of(int n, const int64_t* dims, const int64_t* strides, int64_t i) noexcept {
  int64_t at = 0;
  for (int axis = n - 1; axis >= 0; --axis) {
    at += i % dims[axis] * strides[axis];
    i /= dims[axis];
  }
  return at;
}

/// One result from `count` elements whose innermost axis is contiguous.
template <class R>
typename R::State reduce_rows(const TensorView& x, const Plan& p, int64_t base) noexcept {
  using T = typename R::Element;
  typename R::State state = R::start();
  const int64_t inner = p.reduced > 0 ? p.reduced_dims[p.reduced - 1] : 1;
  const int64_t rows = inner > 0 ? p.count / inner : 0;
  T v[kRun];
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = base + (p.reduced > 1 ? offset_of(p.reduced - 1, p.reduced_dims, p.reduced_strides, r) : 0);
    for (int64_t i = 0; i < inner; i += kRun) {
      const int64_t n = std::min(kRun, inner - i);
      load(x.dtype, x.data, at + i, n, v);
      for (int64_t k = 0; k < n; ++k) R::step(state, v[k]);
    }
  }
  return state;
}

/// `n` neighbouring results at once: the kept innermost axis is contiguous.
template <class R>
void reduce_columns(const TensorView& x, const Plan& p, int64_t base, int64_t n, typename R::State* states) noexcept {
  typename R::Element v[kRun];
  std::fill(states, states + n, R::start());
  for (int64_t r = 0; r < p.count; ++r) {
    load(x.dtype, x.data, base + offset_of(p.reduced, p.reduced_dims, p.reduced_strides, r), n, v);
    for (int64_t k = 0; k < n; ++k) R::step(states[k], v[k]);
  }
}

template <class R>
Status reduce(KernelContext& ctx) noexcept {
  using T = typename R::Element;
  Plan p;
  if (Status s = make_plan(ctx, &p); !s.ok()) return s;
  const TensorView& x = ctx.in[0];
  TensorView& y = ctx.out[0];
  if (y.count != p.outputs)
    return Status::error(Code::shape, "%lld results for room of %lld", static_cast<long long>(p.outputs),
                         static_cast<long long>(y.count));
  const bool columns = p.kept > 0 && p.kept_strides[p.kept - 1] == 1;
  return parallel(ctx, p.outputs, std::max(kRun, grain_for(p.count) / kRun * kRun), [&](int64_t begin, int64_t end) {
    typename R::State states[kRun];
    T results[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = std::min(kRun, end - i);
      for (int64_t done = 0; done < n;) {
        const int64_t at = i + done, base = offset_of(p.kept, p.kept_dims, p.kept_strides, at);
        if (columns) {
          const int64_t inner = p.kept_dims[p.kept - 1], run = std::min(n - done, inner - at % inner);
          reduce_columns<R>(x, p, base, run, states + done);
          done += run;
        } else {
          states[done++] = reduce_rows<R>(x, p, base);
        }
      }
      for (int64_t k = 0; k < n; ++k) results[k] = R::finish(states[k], p.count, y.dtype);
      store(y.dtype, y.data, i, n, results);
    }
  });
}

// What is done with them ---------------------------------------------------------------------------------------------------------

template <class T>
T add(T a, T b) noexcept {
  if constexpr (std::is_same_v<T, int64_t>) return wrap_add(a, b);
  return a + b;
}
template <class T>
T multiply(T a, T b) noexcept {
  if constexpr (std::is_same_v<T, int64_t>) return wrap_mul(a, b);
  return a * b;
}
template <class T>
T magnitude(T v) noexcept {
  if constexpr (std::is_same_v<T, int64_t>) return v < 0 ? wrap_sub(0, v) : v;
  return v < 0 ? -v : v;
}

template <class T>
struct Plain {
  using Element = T;
  using State = T;
  static T start() noexcept { return 0; }
  static T finish(T s, int64_t, DType) noexcept { return s; }
};
template <class T>
struct Sum : Plain<T> {
  static void step(T& s, T v) noexcept { s = add(s, v); }
};
template <class T>
struct Mean : Sum<T> {
  static T finish(T s, int64_t n, DType) noexcept {
    if constexpr (!std::is_same_v<T, double>) return n == 0 ? 0 : s / static_cast<T>(n);
    return s / static_cast<T>(n);
  }
};
template <class T>
struct Prod : Plain<T> {
  static T start() noexcept { return 1; }
  static void step(T& s, T v) noexcept { s = multiply(s, v); }
};
template <class T>
struct L1 : Plain<T> {
  static void step(T& s, T v) noexcept { s = add(s, magnitude(v)); }
};
template <class T>
struct SumSquare : Plain<T> {
  static void step(T& s, T v) noexcept { s = add(s, multiply(v, v)); }
};
/// Integers too are summed as float64, as their squares overflow early.
struct L2 : Plain<double> {
  static void step(double& s, double v) noexcept { s += v * v; }
  static double finish(double s, int64_t, DType) noexcept { return std::sqrt(s); }
};
struct LogSum : Sum<double> {
  static double finish(double s, int64_t, DType) noexcept { return std::log(s); }
};
/// Largest element so far, and the sum of exponentials relative to it.
struct LogSumExp {
  using Element = double;
  struct State {
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
  };
  static State start() noexcept { return {}; }
  static void step(State& s, double v) noexcept {
    if (std::isnan(v) || std::isnan(s.sum)) {
      s.sum = std::numeric_limits<double>::quiet_NaN();
    } else if (v > s.top) {
      s.sum = (s.sum == 0 ? 0 : s.sum * std::exp(s.top - v)) + 1;
      s.top = v;
    } else if (v == s.top) {  // infinities too
      s.sum += s.top == -std::numeric_limits<double>::infinity() ? 0 : 1;
    } else {
      s.sum += std::exp(v - s.top);
    }
  }
  static double finish(const State& s, int64_t, DType) noexcept { return s.top + std::log(s.sum); }
};

/// The lowest and highest values of an element type, as stored from T.
template <class T>
T limit_of(DType type, bool highest) noexcept {
  if constexpr (std::is_same_v<T, double>) {
    const double inf = std::numeric_limits<double>::infinity();
    return highest ? inf : -inf;
  } else {
    const int bits = type == DType::boolean ? 1 : dtype_bits(type);
    if constexpr (std::is_same_v<T, uint64_t>)
      return !highest ? 0 : bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
    const auto top = static_cast<T>((uint64_t{1} << (bits - 1)) - 1);
    return highest ? top : static_cast<T>(-static_cast<int64_t>(top) - 1);
  }
}
template <class T>
struct Extreme {
  T value = 0;
  bool any = false;
};
template <class T, bool Highest>
struct Best {
  using Element = T;
  using State = Extreme<T>;
  static State start() noexcept { return {}; }
  static void step(State& s, T v) noexcept {
    if constexpr (std::is_same_v<T, double>) {
      if (std::isnan(s.value)) return;
      if (std::isnan(v)) s.value = v;
    }
    if (!s.any || (Highest ? v > s.value : v < s.value)) s.value = v;
    s.any = true;
  }
  static T finish(const State& s, int64_t, DType type) noexcept {
    return s.any ? s.value : limit_of<T>(type, !Highest);
  }
};
template <class T>
using Max = Best<T, true>;
template <class T>
using Min = Best<T, false>;

template <template <class> class R>
Status by_type(KernelContext& ctx) noexcept {
  return by_real_class(ctx.in[0].dtype, [&]<class T>(Tag<T>) { return reduce<R<T>>(ctx); });
}

constexpr KernelRow kRows[] = {
    {"ReduceL1", by_type<L1>},
    {"ReduceL2", reduce<L2>},
    {"ReduceLogSum", reduce<LogSum>},
    {"ReduceLogSumExp", reduce<LogSumExp>},
    {"ReduceMax", by_type<Max>},
    {"ReduceMean", by_type<Mean>},
    {"ReduceMin", by_type<Min>},
    {"ReduceProd", by_type<Prod>},
    {"ReduceSum", by_type<Sum>},
    {"ReduceSumSquare", by_type<SumSquare>},
    {"ArgMax", arg_max},
    {"ArgMin", arg_min},
    {"CumSum", cum_sum},
    {"CumProd", cum_prod},
    {"TopK", top_k},
    {"Hardmax", hardmax},
};

}  // namespace

std::span<const KernelRow> reduction_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native::reference
