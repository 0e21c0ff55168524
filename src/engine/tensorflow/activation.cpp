// Activations; those that TensorFlow lacks are written by their formulas.
#include <array>
#include <cmath>

#include "table.h"

namespace chorus_tensorflow {
namespace {

void leaky_relu(Call& c) {
  c.out(0, c.op("LeakyRelu").in(c.in(0)).f("alpha", static_cast<float>(c.f("alpha", 0.01F))).one());
}

// x where it is positive, else `negative`.
Tensor piecewise(Call& c, const Tensor& x, const Tensor& negative) {
  return c.where(c.bin("Greater", x, 0.0), x, negative);
}

void parametric_relu(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, c.where(c.bin("Less", x, 0.0), c.bin("Mul", x, c.in(1)), x));
}

void elu(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, piecewise(c, x, c.bin("Mul", c.un("Expm1", x), c.f("alpha", 1))));
}
void celu(Call& c) {
  const Tensor x = c.in(0);
  const double alpha = c.f("alpha", 1);
  c.out(0, piecewise(c, x, c.bin("Mul", c.un("Expm1", c.bin("RealDiv", x, alpha)), alpha)));
}
void selu(Call& c) {
  const Tensor x = c.in(0);
  const double alpha = c.f("alpha", 1.67326319217681884765625), gamma = c.f("gamma", 1.05070102214813232421875);
  c.out(0, c.bin("Mul", piecewise(c, x, c.bin("Mul", c.un("Expm1", x), alpha)), gamma));
}
void thresholded_relu(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, c.where(c.bin("Greater", x, c.f("alpha", 1)), x, scalar_of(0, x.type())));
}
Tensor hard_sigmoid_of(Call& c, const Tensor& x, double alpha, double beta) {
  const Tensor line = c.bin("AddV2", c.bin("Mul", x, alpha), beta);
  return c.bin("Maximum", c.bin("Minimum", line, 1.0), 0.0);
}
void hard_sigmoid(Call& c) { c.out(0, hard_sigmoid_of(c, c.in(0), c.f("alpha", 0.2F), c.f("beta", 0.5))); }
void hard_swish(Call& c) { c.out(0, c.bin("Mul", c.in(0), hard_sigmoid_of(c, c.in(0), 1.0 / 6, 0.5))); }

// TensorFlow's Softplus answers x beyond a threshold of its own (and exp(x) below), which costs the last digits.
Tensor softplus_of(Call& c, const Tensor& x) {
  return c.bin("AddV2", c.un("Relu", x), c.un("Log1p", c.un("Exp", c.un("Neg", c.un("Abs", x)))));
}
void softplus(Call& c) { c.out(0, softplus_of(c, c.in(0))); }
void mish(Call& c) { c.out(0, c.bin("Mul", c.in(0), c.un("Tanh", softplus_of(c, c.in(0))))); }
void swish(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, c.bin("Mul", x, c.un("Sigmoid", c.bin("Mul", x, c.f("alpha", 1)))));
}
void gelu(Call& c) {
  const Tensor x = c.in(0);
  Tensor inner;
  if (c.s("approximate", "none") == "tanh") {
    const Tensor cube = c.bin("Mul", c.bin("Mul", x, x), c.bin("Mul", x, 0.044715));
    inner = c.un("Tanh", c.bin("Mul", c.bin("AddV2", x, cube), std::sqrt(2 / M_PI)));
  } else {
    inner = c.un("Erf", c.bin("Mul", x, std::sqrt(0.5)));
  }
  c.out(0, c.bin("Mul", c.bin("Mul", x, 0.5), c.bin("AddV2", inner, 1.0)));
}
void shrink(Call& c) {
  const Tensor x = c.in(0);
  const double bias = c.f("bias", 0), limit = c.f("lambd", 0.5);
  const Tensor high = c.where(c.bin("Greater", x, limit), c.bin("Sub", x, bias), scalar_of(0, x.type()));
  c.out(0, c.where(c.bin("Less", x, -limit), c.bin("AddV2", x, bias), high));
}

// Over one axis: TensorFlow's work on the last.
void over_axis(Call& c, int64_t otherwise, Tensor (*f)(Call&, const Tensor&)) {
  const Tensor x = c.in(0);
  if (x.rank() == 0) return c.out(0, c.reshape(f(c, c.reshape(x, {1})), {}));
  const int64_t axis = c.axis(c.i("axis", otherwise), x.rank()), last = x.rank() - 1;
  if (axis == last) return c.out(0, f(c, x));
  Ints order;
  for (int64_t d = 0; d <= last; ++d) order.push_back(d == axis ? last : d == last ? axis : d);
  c.out(0, c.transpose(f(c, c.transpose(x, order)), order));
}
void softmax(Call& c) {
  over_axis(c, -1, [](Call& k, const Tensor& x) { return k.un("Softmax", x); });
}
void log_softmax(Call& c) {
  over_axis(c, -1, [](Call& k, const Tensor& x) { return k.un("LogSoftmax", x); });
}
void hardmax(Call& c) {
  over_axis(c, -1, [](Call& k, const Tensor& x) {
    const Tensor best = k.op("ArgMax").in(x).in(scalar_of(-1, kInt32)).one();
    return k.op("OneHot")
        .in(best)
        .in(scalar_of(static_cast<double>(x.dims().back()), kInt32))
        .in(scalar_of(1, x.type()))
        .in(scalar_of(0, x.type()))
        .one();
  });
}

constexpr Widen kWiden = Widen::value;
constexpr std::array kRows = std::to_array<Row>({
    {"Relu", unary<"Relu">, "Relu", {}, kWiden},
    {"Sigmoid", unary<"Sigmoid">, "Sigmoid", {}, kWiden},
    {"Softsign", unary<"Softsign">, "Softsign", {}, kWiden},
    {"LeakyRelu", leaky_relu, "LeakyRelu", {}, kWiden},
    {"PRelu", parametric_relu, "Mul,Less,SelectV2", {}, kWiden},
    {"Elu", elu, "Expm1,Mul,Greater,SelectV2", "Elu has no alpha: by its formula", kWiden},
    {"Celu", celu, "Expm1,Mul,Greater,SelectV2,RealDiv", {}, kWiden},
    {"Selu", selu, "Expm1,Mul,Greater,SelectV2", "Selu has constants of its own: by its formula", Widen::sums},
    {"ThresholdedRelu", thresholded_relu, "Greater,SelectV2", {}, kWiden},
    {"HardSigmoid", hard_sigmoid, "Mul,AddV2,Maximum,Minimum", {}, kWiden},
    {"HardSwish", hard_swish, "Mul,AddV2,Maximum,Minimum", {}, kWiden},
    {"Softplus", softplus, "Relu,Log1p,Exp,Neg,Abs,AddV2",
     "Softplus has thresholds beyond which it answers x or exp(x): max(x, 0) + log1p(exp(-|x|))", Widen::sums},
    {"Mish", mish, "Relu,Log1p,Exp,Neg,Abs,AddV2,Tanh,Mul", {}, Widen::sums},
    {"Swish", swish, "Mul,Sigmoid", {}, kWiden},
    {"Gelu", gelu, "Erf,Tanh,Mul,AddV2", {}, Widen::sums},
    {"Shrink", shrink, "Greater,Less,SelectV2,Sub,AddV2", {}, kWiden},
    {"Softmax", softmax, "Softmax", "works on the last axis: others are moved there", Widen::sums},
    {"LogSoftmax", log_softmax, "LogSoftmax", "works on the last axis: others are moved there", Widen::sums},
    {"Hardmax", hardmax, "ArgMax,OneHot", {}, kWiden},
});

}  // namespace

std::span<const Row> activation_rows() { return kRows; }

}  // namespace chorus_tensorflow
