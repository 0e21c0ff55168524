// Element by element: UnaryOp, activations, BinaryOp.
#include <format/ncnn/table.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace chorus::ncnn {
namespace {

struct Named {
  std::string_view op;
  int number;
};

constexpr std::array kUnary = {
    Named{"Abs", 0},    Named{"Neg", 1},    Named{"Floor", 2},  Named{"Ceil", 3},        Named{"Sqrt", 5},
    Named{"Exp", 7},    Named{"Log", 8},    Named{"Sin", 9},    Named{"Cos", 10},        Named{"Tan", 11},
    Named{"Asin", 12},  Named{"Acos", 13},  Named{"Atan", 14},  Named{"Tanh", 16},       Named{"Round", 18},
    Named{"Sign", 20},  Named{"Sinh", 22},  Named{"Asinh", 23}, Named{"Reciprocal", 15}, Named{"Cosh", 24},
    Named{"Acosh", 25}, Named{"Atanh", 26},
};

enum Binary { kAdd = 0, kSub = 1, kMul = 2, kDiv = 3, kMax = 4, kMin = 5, kRsub = 7, kRdiv = 8, kRpow = 9 };

constexpr std::array kBinary = {Named{"Add", kAdd}, Named{"Sub", kSub}, Named{"Mul", kMul}, Named{"Div", kDiv}};

template <size_t N>
int number_of(const std::array<Named, N>& list, std::string_view op) {
  for (const Named& one : list) {
    if (one.op == op) return one.number;
  }
  refuse(fmt::format("{} has no number in ncnn", op));
}

void same(Emitter& e, std::string_view type, const Params& params = {}) {
  const Blob a = e.in(0);
  e.out(0, e.layer(type, params, {a}, a.dims));
}

// The operation with its operands changed places.
int turned(int op) {
  switch (op) {
    case kSub: return kRsub;
    case kDiv: return kRdiv;
    default: return op;
  }
}

}  // namespace

void write_unary(Emitter& e) {
  const std::string_view op = e.node().type;
  if (op == "Exp" || op == "Log") refuse("ncnn's goes by a polynomial that does not reach infinity");
  e.out(0, e.unary(number_of(kUnary, e.node().type), e.in(0)));
}

void write_activation(Emitter& e) {
  const std::string_view op = e.node().type;
  const AttrReader attrs = e.attrs();
  Params p;
  if (op == "Relu") return same(e, "ReLU");
  if (op == "LeakyRelu") return same(e, "ReLU", p.real(0, attrs.real("alpha", 0.01F)));
  if (op == "Sigmoid") return same(e, "Sigmoid");
  if (op == "Elu") return same(e, "ELU", p.real(0, attrs.real("alpha", 1.0F)));
  if (op == "Celu") return same(e, "CELU", p.real(0, attrs.real("alpha", 1.0F)));
  if (op == "Selu")
    return same(e, "SELU", p.real(0, attrs.real("alpha", 1.67326319F)).real(1, attrs.real("gamma", 1.05070102F)));
  if (op == "HardSigmoid")
    return same(e, "HardSigmoid", p.real(0, attrs.real("alpha", 0.2F)).real(1, attrs.real("beta", 0.5F)));
  if (op == "HardSwish") return same(e, "HardSwish", p.real(0, 1.0 / 6).real(1, 0.5));
  if (op == "Softplus") return same(e, "Softplus");
  if (op == "Mish") return same(e, "Mish");
  if (op == "Erf") return same(e, "Erf");
  if (op == "Gelu") return same(e, "GELU", p.integer(0, attrs.string("approximate", "none") == "tanh" ? 1 : 0));
  if (op == "Swish") {
    if (attrs.real("alpha", 1.0F) != 1.0F) refuse("ncnn's Swish has no factor inside");
    return same(e, "Swish");
  }
  if (op == "Shrink") return same(e, "Shrink", p.real(0, attrs.real("bias", 0.0F)).real(1, attrs.real("lambd", 0.5F)));
  refuse(fmt::format("{} has no layer", op));
}

void write_clip(Emitter& e) {
  const auto bound = [&](size_t i, float otherwise) {
    if (!e.has(i)) return static_cast<double>(otherwise);
    const auto given = e.scalar(i);
    if (!given) refuse("the bounds of Clip must be constants");
    return std::isinf(*given) ? std::copysign(static_cast<double>(std::numeric_limits<float>::max()), *given) : *given;
  };
  const float most = std::numeric_limits<float>::max();
  const double least = bound(1, -most), top = bound(2, most);
  if (least > top) refuse("the least bound of Clip is above the greatest");
  same(e, "Clip", Params().real(0, least).real(1, top));
}

void write_prelu(Emitter& e) {
  const Extents x = e.shape(0), slope = e.shape(1);
  const std::vector<float> values = e.floats(1, "the slope of PRelu");
  const Blob a = e.in(0, natural(x));
  Extents full(x.size() - slope.size(), 1);
  full.insert(full.end(), slope.begin(), slope.end());
  bool channels = values.size() == 1 || (x.size() > 1 && x[0] == 1 && full[1] == x[1]);
  for (size_t i = 0; i < full.size() && values.size() > 1; ++i) channels = channels && (i == 1 || full[i] == 1);
  if (!channels) refuse("ncnn's PReLU has one slope, or one for each channel");
  e.out(0, e.layer("PReLU", Params().integer(0, static_cast<int64_t>(values.size())), {a}, a.dims));
  e.weights(Tag::none, values);
}

void write_binary(Emitter& e) {
  const int op = number_of(kBinary, e.node().type);
  const Extents a = e.shape(0), b = e.shape(1);
  const bool same_size = product(e.out_shape()) == product(a);
  const auto finite = [](const std::optional<double>& v) { return v && std::isfinite(*v); };
  if (const auto scalar = e.scalar(1); finite(scalar) && same_size)
    return e.out(0, e.binary_scalar(op, e.in(0), *scalar));
  if (const auto scalar = e.scalar(0); finite(scalar) && product(e.out_shape()) == product(b))
    return e.out(0, e.binary_scalar(turned(op), e.in(1), *scalar));
  // The operand of the full size first looked at: the other one follows its extents.
  e.out(0, e.binary(op, e.in(0), a, e.in(1), b, e.out_shape()));
}

// The layer computes exp(y log x), which is wrong for x ≤ 0: known exponents become products and roots, and a known base must be positive.
void write_pow(Emitter& e) {
  const auto exponent = e.scalar(1), base = e.scalar(0);
  const bool same_size = product(e.out_shape()) == product(e.shape(0));
  if (exponent && same_size) {
    const Blob x = e.in(0);
    if (*exponent == 1) return e.out(0, x);
    if (*exponent == 0.5) return e.out(0, e.unary(5, x));
    if (*exponent == -1) return e.out(0, e.unary(15, x));
    const Blob square = *exponent == 2 || *exponent == 3 ? e.unary(4, x) : Blob();
    if (*exponent == 2) return e.out(0, square);
    if (*exponent == 3) return e.out(0, e.binary(kMul, square, x.dims, x, x.dims, x.dims));
  }
  if (!base || !std::isfinite(*base) || *base <= 0 || product(e.out_shape()) != product(e.shape(1)))
    refuse("its power goes by logarithms, which are wrong for bases that are not positive");
  e.out(0, e.binary_scalar(kRpow, e.in(1), *base));
}

// Sum, Mean, Max, Min of any number of operands.
void write_fold(Emitter& e) {
  const std::string_view op = e.node().type;
  const int number = op == "Max" ? kMax : op == "Min" ? kMin : kAdd;
  Blob sum = e.in(0);
  Extents shape = e.shape(0);
  const size_t count = e.node().inputs.size();
  for (size_t i = 1; i < count; ++i) {
    const Extents next = e.shape(i);
    Extents out(std::max(shape.size(), next.size()), 1);
    for (size_t d = 0; d < out.size(); ++d) {
      const int64_t a = d < shape.size() ? shape[shape.size() - 1 - d] : 1,
                    b = d < next.size() ? next[next.size() - 1 - d] : 1;
      out[out.size() - 1 - d] = std::max(a, b);
    }
    sum = e.binary(number, sum, shape, e.in(i), next, out);
    shape = out;
  }
  if (op == "Mean" && count > 1) sum = e.binary_scalar(kDiv, sum, static_cast<double>(count));
  e.out(0, sum);
}

}  // namespace chorus::ncnn
