#include <cmath>

#include "table.h"

namespace chorus_tvm {
namespace {

using UnaryFn = E (*)(const E&);

template <UnaryFn F>
void unary(Call& c) {
  const T x = c.in(0);
  c.out(0, compute(x.dims, c.out_type(0), [&](const Index& at) { return F(x(at)); }));
}

template <E (*F)(const E&, const E&)>
void binary(Call& c) {
  const T a = c.in(0), b = c.in(1);
  c.out(0, compute(broadcast(a.dims, b.dims), c.out_type(0),
                   [&](const Index& at) { return F(spread(a, at), spread(b, at)); }));
}

// Float operators of a type that the reference computes in float as well.
E abs_of(const E& x) {
  return !is_float(x.type) && !is_signed(x.type)
             ? x
             : select(x < like(0, x), like(0, x) - x, is_float(x.type) ? x + like(0, x) : x);
}
E negative(const E& x) { return is_float(x.type) ? x * like(-1, x) : like(0, x) - x; }

E sign_of(const E& x) {
  if (!is_float(x.type) && !is_signed(x.type)) return select(x == like(0, x), like(0, x), like(1, x));
  const E made = select(x > like(0, x), like(1, x), select(x < like(0, x), like(-1, x), like(0, x)));
  return is_float(x.type) ? select(is_nan(x), x, made) : made;
}

E reciprocal(const E& x) { return like(1, x) / x; }
E floor_of(const E& x) { return intrinsic("tirx.floor", x); }
E ceil_of(const E& x) { return intrinsic("tirx.ceil", x); }
E round_of(const E& x) { return intrinsic("tirx.nearbyint", x); }
E sqrt_of(const E& x) { return intrinsic("tirx.sqrt", x); }
E exp_of(const E& x) { return intrinsic("tirx.exp", x); }
E log_of(const E& x) { return intrinsic("tirx.log", x); }

// TVM's own series and quotients for these lose digits, or overflow: the C library's are called.
E sin_of(const E& x) { return library("sin", {x}); }
E cos_of(const E& x) { return library("cos", {x}); }
E tan_of(const E& x) { return library("tan", {x}); }
E sinh_of(const E& x) { return library("sinh", {x}); }
E cosh_of(const E& x) { return library("cosh", {x}); }
E tanh_of(const E& x) { return library("tanh", {x}); }
E asin_of(const E& x) { return library("asin", {x}); }
E acos_of(const E& x) { return library("acos", {x}); }
E atan_of(const E& x) { return library("atan", {x}); }
E asinh_of(const E& x) { return library("asinh", {x}); }
E acosh_of(const E& x) { return library("acosh", {x}); }
E atanh_of(const E& x) { return library("atanh", {x}); }
E erf_of(const E& x) { return library("erf", {x}); }

E sigmoid_of(const E& x) { return like(1, x) / (like(1, x) + exp_of(negative(x))); }
E relu_of(const E& x) { return select(x < like(0, x), like(0, x), x); }
E softplus_of(const E& x) {
  return select(x > like(0, x), x, like(0, x)) + library("log1p", {exp_of(negative(abs_of(x)))});
}
E softsign_of(const E& x) { return x / (like(1, x) + abs_of(x)); }
E mish_of(const E& x) { return x * tanh_of(softplus_of(x)); }
E hard_swish_of(const E& x) {
  const E gate = x / like(6, x) + like(0.5, x);
  return x * select(gate < like(0, x), like(0, x), select(gate > like(1, x), like(1, x), gate));
}
E not_of(const E& x) { return !x; }
E nan_of(const E& x) { return is_nan(x); }

E add(const E& a, const E& b) { return a + b; }
E sub(const E& a, const E& b) { return a - b; }
E mul(const E& a, const E& b) { return a * b; }
E both(const E& a, const E& b) { return a && b; }
E either(const E& a, const E& b) { return a || b; }
E differ(const E& a, const E& b) { return (a && !b) || (!a && b); }
E less(const E& a, const E& b) { return a < b; }
E less_equal(const E& a, const E& b) { return a <= b; }
E greater(const E& a, const E& b) { return a > b; }
E greater_equal(const E& a, const E& b) { return a >= b; }
E equal(const E& a, const E& b) { return a.type == kBool ? !differ(a, b) : a == b; }

// A divisor of 0 would end the process: what is divided by it is 0, as in the reference kernels.
E divide(const E& a, const E& b) {
  if (is_float(a.type)) return a / b;
  const E zero = like(0, b), one = like(1, b);
  const E by_minus_one = is_signed(a.type) ? b == like(-1, b) : whole(0, kBool);
  const E safe = a / select(b == zero || by_minus_one, one, b);
  return is_signed(a.type) ? select(by_minus_one, like(0, a) - a, safe) : safe;
}

void make_divide(Call& c) {
  // Whole numbers: a run must be able to say that a divisor is 0.
  c.require(is_float(c.type(0)), "TVM's compiled functions cannot tell a whole number divided by 0");
  binary<divide>(c);
}

void make_mod(Call& c) {
  const bool truncates = c.i("fmod", 0) != 0;
  c.require(is_float(c.type(0)) && truncates, "TVM's compiled functions cannot tell a whole number divided by 0");
  const T a = c.in(0), b = c.in(1);
  c.out(0, compute(broadcast(a.dims, b.dims), c.out_type(0), [&](const Index& at) {
          return library("fmod", {spread(a, at), spread(b, at)});
        }));
}

void make_pow(Call& c) {
  c.require(bits_of(c.type(0)) < 64 || is_float(c.type(0)), "powers of 64-bit whole numbers are computed in float64");
  c.require(is_float(c.type(0)) || (bits_of(c.type(0)) == 32 && is_signed(c.type(0))),
            "powers of narrow whole numbers are left to others");
  const T a = c.in(0), b = c.in(1);
  const bool exact = is_float(a.type) && computed(a.type) == kFloat && is_float(b.type) && b.type != kDouble;
  const int type = exact ? kFloat : kDouble;
  c.require(is_float(a.type) || is_whole(b.type), "a whole number to the power of a float is left to others");
  c.out(0, compute(broadcast(a.dims, b.dims), c.out_type(0), [&](const Index& at) {
          return cast(library("pow", {cast(spread(a, at), type), cast(spread(b, at), type)}), a.type);
        }));
}

template <E (*F)(const E&, const E&)>
void variadic(Call& c) {
  std::vector<T> all;
  Dims dims;
  for (size_t i = 0; i < c.inputs(); ++i) all.push_back(c.in(i));
  for (const T& t : all) dims = broadcast(dims, t.dims);
  const bool mean = c.op() == "Mean";
  c.out(0, compute(dims, c.out_type(0), [&](const Index& at) {
          E made = spread(all[0], at);
          for (size_t i = 1; i < all.size(); ++i) made = F(made, spread(all[i], at));
          return mean ? made / like(static_cast<double>(all.size()), made) : made;
        }));
}

void make_where(Call& c) {
  const T condition = c.in(0), yes = c.in(1), no = c.in(2);
  c.out(0, compute(broadcast(condition.dims, broadcast(yes.dims, no.dims)), c.out_type(0),
                   [&](const Index& at) { return select(spread(condition, at), spread(yes, at), spread(no, at)); }));
}

void make_clip(Call& c) {
  const T x = c.in(0);
  T low, high;
  if (c.has(1)) low = c.in(1);
  if (c.has(2)) high = c.in(2);
  c.out(0, compute(x.dims, c.out_type(0), [&](const Index& at) {
          E made = x(at);
          if (c.has(1)) made = select(made < spread(low, {}), spread(low, {}), made);
          if (c.has(2)) made = select(made > spread(high, {}), spread(high, {}), made);
          return made;
        }));
}

void make_prelu(Call& c) {
  const T x = c.in(0), slope = c.in(1);
  c.require(broadcast(x.dims, slope.dims) == x.dims, "the slope is larger than the input");
  c.out(0, compute(x.dims, c.out_type(0),
                   [&](const Index& at) { return select(x(at) < like(0, x(at)), x(at) * spread(slope, at), x(at)); }));
}

// y = F(x) with numbers of the node.
template <E (*F)(const Call&, const E&)>
void with(Call& c) {
  const T x = c.in(0);
  c.out(0, compute(x.dims, c.out_type(0), [&](const Index& at) { return F(c, x(at)); }));
}

E leaky_relu(const Call& c, const E& x) { return select(x < like(0, x), x * like(c.f("alpha", 0.01), x), x); }
E expm1(const E& x) { return library("expm1", {x}); }
E elu(const Call& c, const E& x) { return select(x < like(0, x), expm1(x) * like(c.f("alpha", 1), x), x); }
E celu(const Call& c, const E& x) {
  const E alpha = like(c.f("alpha", 1), x);
  return select(x < like(0, x), expm1(x / alpha) * alpha, x);
}
E selu(const Call& c, const E& x) {
  const E gamma = like(c.f("gamma", 1.0507010221481323), x);
  return gamma * select(x > like(0, x), x, expm1(x) * like(c.f("alpha", 1.6732631921768188), x));
}
E thresholded(const Call& c, const E& x) { return select(x > like(c.f("alpha", 1), x), x, like(0, x)); }
E hard_sigmoid(const Call& c, const E& x) {
  const E y = x * like(c.f("alpha", 0.2f), x) + like(c.f("beta", 0.5), x);
  return select(y < like(0, y), like(0, y), select(y > like(1, y), like(1, y), y));
}
E shrink(const Call& c, const E& x) {
  const E limit = like(c.f("lambd", 0.5), x), bias = like(c.f("bias", 0), x);
  return select(x < negative(limit), x + bias, select(x > limit, x - bias, like(0, x)));
}
E gelu(const Call& c, const E& x) {
  const E half = like(0.5, x), one = like(1, x);
  if (c.s("approximate", "none") == "tanh") {
    const E inner = like(std::sqrt(2 / 3.14159265358979323846), x) * (x + like(0.044715, x) * x * x * x);
    return half * x * (one + tanh_of(inner));
  }
  return half * x * (one + erf_of(x * like(std::sqrt(0.5), x)));
}
E swish(const Call& c, const E& x) { return x * sigmoid_of(x * like(c.f("alpha", 1), x)); }
E is_infinite(const Call& c, const E& x) {
  const E plus = x == number(INFINITY, x.type), minus = x == number(-INFINITY, x.type);
  const bool up = c.i("detect_positive", 1) != 0, down = c.i("detect_negative", 1) != 0;
  return up && down ? plus || minus : up ? plus : down ? minus : whole(0, kBool);
}

void make_shift(Call& c) {
  const bool left = c.s("direction", "") == "LEFT";
  const T a = c.in(0), b = c.in(1);
  c.out(0, compute(broadcast(a.dims, b.dims), c.out_type(0), [&](const Index& at) {
          const E x = spread(a, at), n = spread(b, at);
          const E bits = cast(n, kLong);   // unsigned numbers from 2^63 on are negative there
          const E inside = bits < whole(bits_of(x.type)) && bits >= whole(0);
          const E by = cast(select(inside, bits, whole(0)), n.type);
          const E rest = left || !is_signed(x.type) ? like(0, x) : select(x < like(0, x), like(-1, x), like(0, x));
          return select(inside, left ? shift_left(x, by) : shift_right(x, by), rest);
        }));
}

void make_cast(Call& c) {
  const int from = c.type(0), to = c.out_type(0);
  if (from == to) return c.same(0, 0, c.dims(0));
  c.require(is_float(to) || !is_float(from) || to == kBool,
            "a float that no whole number holds is undefined in TVM's casts");
  const T x = c.in(0);
  c.out(0, compute(x.dims, to, [&](const Index& at) { return cast(x(at), to); }));
}

void make_same(Call& c) { c.same(0, 0, c.dims(0)); }

void make_dropout(Call& c) {
  c.require(!c.has(2) || (c.is_known(2) && c.real(2, 0) == 0), "random numbers are drawn by Chorus alone");
  c.same(0, 0, c.dims(0));
  if (c.wants(1)) c.out(1, compute(c.dims(0), kBool, [](const Index&) { return whole(1, kBool); }));
}

constexpr Row kRows[] = {
    {"Abs", unary<abs_of>},
    {"Neg", unary<negative>},
    {"Sign", unary<sign_of>},
    {"Reciprocal", unary<reciprocal>},
    {"Floor", unary<floor_of>},
    {"Ceil", unary<ceil_of>},
    {"Round", unary<round_of>},
    {"Sqrt", unary<sqrt_of>},
    {"Exp", unary<exp_of>},
    {"Log", unary<log_of>},
    {"Sin", unary<sin_of>},
    {"Cos", unary<cos_of>},
    {"Tan", unary<tan_of>},
    {"Sinh", unary<sinh_of>},
    {"Cosh", unary<cosh_of>},
    {"Tanh", unary<tanh_of>},
    {"Asin", unary<asin_of>},
    {"Acos", unary<acos_of>},
    {"Atan", unary<atan_of>},
    {"Asinh", unary<asinh_of>},
    {"Acosh", unary<acosh_of>},
    {"Atanh", unary<atanh_of>},
    {"Erf", unary<erf_of>},
    {"Sigmoid", unary<sigmoid_of>},
    {"Relu", unary<relu_of>},
    {"Softplus", unary<softplus_of>},
    {"Softsign", unary<softsign_of>},
    {"Mish", unary<mish_of>},
    {"HardSwish", unary<hard_swish_of>},
    {"Not", unary<not_of>},
    {"IsNaN", unary<nan_of>},
    {"BitwiseNot", unary<bits_not>},
    {"Add", binary<add>},
    {"Sub", binary<sub>},
    {"Mul", binary<mul>},
    {"Div", make_divide},
    {"Mod", make_mod},
    {"Pow", make_pow},
    {"And", binary<both>},
    {"Or", binary<either>},
    {"Xor", binary<differ>},
    {"Less", binary<less>},
    {"LessOrEqual", binary<less_equal>},
    {"Greater", binary<greater>},
    {"GreaterOrEqual", binary<greater_equal>},
    {"Equal", binary<equal>},
    {"BitwiseAnd", binary<bits_and>},
    {"BitwiseOr", binary<bits_or>},
    {"BitwiseXor", binary<bits_xor>},
    {"BitShift", make_shift},
    {"PRelu", make_prelu},
    {"Sum", variadic<add>},
    {"Mean", variadic<add>},
    {"Max", variadic<larger>},
    {"Min", variadic<smaller>},
    {"Where", make_where},
    {"Clip", make_clip},
    {"LeakyRelu", with<leaky_relu>},
    {"Elu", with<elu>},
    {"Celu", with<celu>},
    {"Selu", with<selu>},
    {"ThresholdedRelu", with<thresholded>},
    {"HardSigmoid", with<hard_sigmoid>},
    {"Shrink", with<shrink>},
    {"Gelu", with<gelu>},
    {"Swish", with<swish>},
    {"IsInf", with<is_infinite>},
    {"Cast", make_cast},
    {"CastLike", make_cast},
    {"Identity", make_same},
    {"Dropout", make_dropout},
};

}  // namespace

std::span<const Row> elementwise_rows() { return kRows; }

}  // namespace chorus_tvm
