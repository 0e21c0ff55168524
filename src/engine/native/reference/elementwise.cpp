// Arithmetic, comparison, logic and bits of two or more operands.
#include <engine/native/reference/support.h>
#include <ops/chosen.h>

#include <cmath>

namespace chorus::native::reference {
namespace {

using namespace support;

template <class T>
constexpr bool kSigned = std::is_same_v<T, int64_t>;
template <class T>
constexpr bool kInteger = std::is_integral_v<T>;

// Arithmetic ---------------------------------------------------------------------------------------------------------------------

template <class T>
T plus(T a, T b) noexcept {
  if constexpr (kSigned<T>) return wrap_add(a, b);
  return a + b;
}
template <class T>
T minus(T a, T b) noexcept {
  if constexpr (kSigned<T>) return wrap_sub(a, b);
  return a - b;
}
template <class T>
T times(T a, T b) noexcept {
  if constexpr (kSigned<T>) return wrap_mul(a, b);
  return a * b;
}
/// Truncating; the divisor is not 0 for integers.
template <class T>
T quotient(T a, T b) noexcept {
  if constexpr (kSigned<T>) return b == -1 ? wrap_sub(0, a) : a / b;
  return a / b;
}
template <class T>
T c_remainder(T a, T b) noexcept {
  if constexpr (kSigned<T>) return b == -1 ? 0 : a % b;
  if constexpr (kInteger<T>) return a % b;
  if constexpr (!kInteger<T>) return std::fmod(a, b);
}
template <class T>
T floor_remainder(T a, T b) noexcept {
  T r = c_remainder(a, b);
  if constexpr (std::is_same_v<T, double>) {
    if (b == 0 || std::isnan(r)) return std::numeric_limits<double>::quiet_NaN();
    if (r == 0) return std::copysign(0.0, b);
  }
  if (r != 0 && (r < 0) != (b < 0)) r += b;
  return r;
}

Status add(KernelContext& ctx) noexcept {
  return by_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) { return map2<T>(ctx, plus<T>); });
}
Status sub(KernelContext& ctx) noexcept {
  return by_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) { return map2<T>(ctx, minus<T>); });
}
Status mul(KernelContext& ctx) noexcept {
  return by_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) { return map2<T>(ctx, times<T>); });
}

/// Integer operations with a divisor: an error where it is 0.
template <class T, class F>
Status divide(KernelContext& ctx, F f) noexcept {
  if constexpr (!kInteger<T>) {
    return map2<T>(ctx, f);
  } else {
    std::atomic<bool> zero{false};
    const Status s = map2<T>(ctx, [&](T a, T b) -> T {
      if (b != 0) return f(a, b);
      zero.store(true, std::memory_order_relaxed);
      return 0;
    });
    if (!s.ok() || !zero.load()) return s;
    return Status::error(Code::bad_input, "integer division by zero");
  }
}

Status div(KernelContext& ctx) noexcept {
  return by_real_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) { return divide<T>(ctx, quotient<T>); });
}

Status mod(KernelContext& ctx) noexcept {
  const bool truncating = ctx.attrs->integer("fmod") != 0;
  return by_real_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) {
    return truncating ? divide<T>(ctx, c_remainder<T>) : divide<T>(ctx, floor_remainder<T>);
  });
}

/// base^exponent in wrapping arithmetic.
uint64_t integer_power(uint64_t base, uint64_t exponent) noexcept {
  uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1) result *= base;
    base *= base;
  }
  return result;
}

/// Both kinds of operands, loaded each in its own class.
template <class X, class Y, class F>
Status map_mixed(KernelContext& ctx, F f) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.in[1];
  TensorView& z = ctx.out[0];
  Broadcast bx, by;
  if (Status s = make_broadcast(x, z.shape(), &bx); !s.ok()) return s;
  if (Status s = make_broadcast(y, z.shape(), &by); !s.ok()) return s;
  return parallel(ctx, z.count, kGrain, [&](int64_t begin, int64_t end) {
    X a[kRun];
    Y b[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = std::min(kRun, end - i);
      load(x, bx, i, n, a);
      load(y, by, i, n, b);
      for (int64_t k = 0; k < n; ++k) a[k] = f(a[k], b[k]);
      store(z.dtype, z.data, i, n, a);
    }
  });
}

template <class Y>
Status integer_pow(KernelContext& ctx) noexcept {
  std::atomic<bool> zero{false};
  const Status s = map_mixed<int64_t, Y>(ctx, [&](int64_t a, Y b) -> int64_t {
    if constexpr (kSigned<Y>) {
      if (b < 0) {  // 1 / a^|b| rounded toward zero
        if (a == 0) zero.store(true, std::memory_order_relaxed);
        return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
      }
    }
    return static_cast<int64_t>(integer_power(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
  });
  if (!s.ok() || !zero.load()) return s;
  return Status::error(Code::bad_input, "integer 0 raised to a negative power");
}

Status pow(KernelContext& ctx) noexcept {
  const DType y = ctx.in[1].dtype;
  if (!is_float(ctx.out[0].dtype) && is_signed_integer(y)) return integer_pow<int64_t>(ctx);
  if (!is_float(ctx.out[0].dtype) && !is_float(y)) return integer_pow<uint64_t>(ctx);
  return map_mixed<double, double>(ctx, [](double a, double b) { return std::pow(a, b); });
}

// Several operands ---------------------------------------------------------------------------------------------------------------

template <class T>
T larger(T a, T b) noexcept {
  if constexpr (!kInteger<T>) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) ? a : b;
  }
  return a < b ? b : a;
}
template <class T>
T smaller(T a, T b) noexcept {
  if constexpr (!kInteger<T>) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) ? a : b;
  }
  return b < a ? b : a;
}
constexpr auto kAsItIs = [](auto v) noexcept { return v; };

Status max(KernelContext& ctx) noexcept {
  return by_real_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) { return fold<T>(ctx, larger<T>, kAsItIs); });
}
Status min(KernelContext& ctx) noexcept {
  return by_real_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) { return fold<T>(ctx, smaller<T>, kAsItIs); });
}
Status sum(KernelContext& ctx) noexcept { return fold<double>(ctx, plus<double>, kAsItIs); }
Status mean(KernelContext& ctx) noexcept {
  const double n = ctx.n_in;
  return fold<double>(ctx, plus<double>, [n](double v) { return v / n; });
}

// Comparison and logic -----------------------------------------------------------------------------------------------------------

template <class F>
Status compare(KernelContext& ctx, F f) noexcept {
  return by_real_class(ctx.in[0].dtype, [&]<class T>(Tag<T>) {
    return map2<T, uint64_t>(ctx, [f](T a, T b) -> uint64_t { return f(a, b) ? 1 : 0; });
  });
}

TensorView view_of_strings(const Value& v) noexcept {
  return {nullptr, v.shape().data(), v.shape().rank(), DType::string, v.strings_ptr()->size()};
}

Status equal_strings(KernelContext& ctx) noexcept {
  const Strings &a = ctx.strings(0), &b = ctx.strings(1);
  TensorView& z = ctx.out[0];
  Broadcast ba, bb;
  if (Status s = make_broadcast(view_of_strings(*ctx.values[0]), z.shape(), &ba); !s.ok()) return s;
  if (Status s = make_broadcast(view_of_strings(*ctx.values[1]), z.shape(), &bb); !s.ok()) return s;
  for (int64_t i = 0; i < z.count; ++i) set_i64(z.dtype, z.data, i, a[source_of(ba, i)] == b[source_of(bb, i)] ? 1 : 0);
  return {};
}

Status equal(KernelContext& ctx) noexcept {
  if (is_strings(ctx, 0)) return equal_strings(ctx);
  return compare(ctx, [](auto a, auto b) { return a == b; });
}
Status less(KernelContext& ctx) noexcept {
  return compare(ctx, [](auto a, auto b) { return a < b; });
}
Status less_or_equal(KernelContext& ctx) noexcept {
  return compare(ctx, [](auto a, auto b) { return a <= b; });
}
Status greater(KernelContext& ctx) noexcept {
  return compare(ctx, [](auto a, auto b) { return a > b; });
}
Status greater_or_equal(KernelContext& ctx) noexcept {
  return compare(ctx, [](auto a, auto b) { return a >= b; });
}

Status bit_and(KernelContext& ctx) noexcept {
  return map2<uint64_t>(ctx, [](uint64_t a, uint64_t b) { return a & b; });
}
Status bit_or(KernelContext& ctx) noexcept {
  return map2<uint64_t>(ctx, [](uint64_t a, uint64_t b) { return a | b; });
}
Status bit_xor(KernelContext& ctx) noexcept {
  return map2<uint64_t>(ctx, [](uint64_t a, uint64_t b) { return a ^ b; });
}

Status bit_shift(KernelContext& ctx) noexcept {
  const bool left = ctx.attrs->string("direction") == "LEFT", sign = is_signed_integer(ctx.in[0].dtype);
  const auto width = static_cast<uint64_t>(dtype_bits(ctx.in[0].dtype));
  // A negative amount is a huge one as uint64. The operand is sign-extended, so that shifting it right keeps its sign.
  return map2<uint64_t>(ctx, [=](uint64_t x, uint64_t y) -> uint64_t {
    if (left) return y >= width ? 0 : x << y;
    if (!sign) return y >= width ? 0 : x >> y;
    const auto s = static_cast<int64_t>(x);
    return static_cast<uint64_t>(s >> (y >= width ? 63 : static_cast<int>(y)));
  });
}

// Selection ----------------------------------------------------------------------------------------------------------------------

Status prelu(KernelContext& ctx) noexcept {
  return by_real_class(ctx.out[0].dtype, [&]<class T>(Tag<T>) {
    return map2<T>(ctx, [](T x, T slope) -> T { return x < 0 ? times(slope, x) : x; });
  });
}

Status where_strings(KernelContext& ctx) noexcept {
  const TensorView& c = ctx.in[0];
  const TensorView x = view_of_strings(*ctx.values[1]), y = view_of_strings(*ctx.values[2]);
  int64_t dims[kMaxRank];
  int rank = std::max({c.rank, x.rank, y.rank});
  int64_t count = 1;
  for (int i = 0; i < rank; ++i) {
    dims[i] = 1;
    for (const TensorView* v : {&c, &x, &y}) {
      const int k = i - (rank - v->rank);
      if (k >= 0 && v->dims[k] != 1) dims[i] = v->dims[k];
    }
    count *= dims[i];
  }
  const std::span<const int64_t> shape(dims, static_cast<size_t>(rank));
  Broadcast bc, bx, by;
  if (Status s = make_broadcast(c, shape, &bc); !s.ok()) return s;
  if (Status s = make_broadcast(x, shape, &bx); !s.ok()) return s;
  if (Status s = make_broadcast(y, shape, &by); !s.ok()) return s;
  try {
    auto out = std::make_shared<Strings>();
    for (int64_t i = 0; i < count; ++i) {
      const bool first = get_i64(c.dtype, c.data, source_of(bc, i)) != 0;
      out->push_back(first ? ctx.strings(1)[source_of(bx, i)] : ctx.strings(2)[source_of(by, i)]);
    }
    return ctx.services->set_value(0, Value::strings(Shape(shape), std::move(out)));
  } catch (const std::exception& e) {
    return Status::error(Code::budget, "%s", e.what());
  }
}

template <class T>
Status where_bits(KernelContext& ctx, DType as) noexcept {
  TensorView x = ctx.in[1], y = ctx.in[2];
  TensorView& z = ctx.out[0];
  x.dtype = y.dtype = as;
  Broadcast bc, bx, by;
  if (Status s = make_broadcast(ctx.in[0], z.shape(), &bc); !s.ok()) return s;
  if (Status s = make_broadcast(x, z.shape(), &bx); !s.ok()) return s;
  if (Status s = make_broadcast(y, z.shape(), &by); !s.ok()) return s;
  return parallel(ctx, z.count, kGrain, [&](int64_t begin, int64_t end) {
    uint64_t c[kRun];
    T a[kRun], b[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = std::min(kRun, end - i);
      load(ctx.in[0], bc, i, n, c);
      load(x, bx, i, n, a);
      load(y, by, i, n, b);
      for (int64_t k = 0; k < n; ++k) a[k] = c[k] != 0 ? a[k] : b[k];
      store(as, z.data, i, n, a);
    }
  });
}

/// Elements are only moved: as unsigned integers of their width.
Status where(KernelContext& ctx) noexcept {
  if (is_strings(ctx, 1)) return where_strings(ctx);
  switch (dtype_bits(ctx.out[0].dtype)) {
    case 8: return where_bits<uint64_t>(ctx, DType::uint8);
    case 16: return where_bits<uint64_t>(ctx, DType::uint16);
    case 32: return where_bits<uint64_t>(ctx, DType::uint32);
    case 64: return where_bits<uint64_t>(ctx, DType::uint64);
    case 128: return where_bits<Complex>(ctx, DType::complex128);
    default: return Status::error(Code::type, "no selection for element type %d", static_cast<int>(ctx.out[0].dtype));
  }
}

constexpr KernelRow kRows[] = {
    {"Add", add},
    {"Sub", sub},
    {"Mul", mul},
    {"Div", div},
    {"Mod", mod},
    {"Pow", pow},
    {"Max", max},
    {"Min", min},
    {"Sum", sum},
    {"Mean", mean},
    {"And", bit_and},
    {"Or", bit_or},
    {"Xor", bit_xor},
    {"Equal", equal},
    {"Less", less},
    {"LessOrEqual", less_or_equal},
    {"Greater", greater},
    {"GreaterOrEqual", greater_or_equal},
    {"BitShift", bit_shift},
    {"BitwiseAnd", bit_and},
    {"BitwiseOr", bit_or},
    {"BitwiseXor", bit_xor},
    {"PRelu", prelu},
    {"Where", where},
};

}  // namespace

std::span<const KernelRow> elementwise_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native::reference
