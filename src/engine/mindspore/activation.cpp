// Activations; those that MindSpore lacks are written by their formulas.
#include <array>
#include <cmath>

#include "table.h"

namespace chorus_mindspore {
namespace {

void relu(Call& c) {
  const Tensor x = c.in(0), y = c.un("ReLU", x);
  c.out(0, is_float(x.type()) ? c.where(c.un("IsNan", x), x, y) : y);
}

void leaky_relu(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, c.where(c.bin("Less", x, 0.0), c.bin("Mul", x, c.f("alpha", 0.01F)), x));
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
  c.out(0, piecewise(c, x, c.bin("Mul", c.un("Expm1", c.bin("Div", x, alpha)), alpha)));
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
  const Tensor line = c.bin("Add", c.bin("Mul", x, alpha), beta);
  return c.extreme("Maximum", c.extreme("Minimum", line, scalar_of(1, x.type())), scalar_of(0, x.type()));
}
void hard_sigmoid(Call& c) { c.out(0, hard_sigmoid_of(c, c.in(0), c.f("alpha", 0.2F), c.f("beta", 0.5))); }
void hard_swish(Call& c) { c.out(0, c.bin("Mul", c.in(0), hard_sigmoid_of(c, c.in(0), 1.0 / 6, 0.5))); }

Tensor softplus_of(Call& c, const Tensor& x) {
  return c.bin("Add", c.un("ReLU", x), c.un("Log1p", c.un("Exp", c.un("Neg", c.un("Abs", x)))));
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
    inner = c.un("Tanh", c.bin("Mul", c.bin("Add", x, cube), std::sqrt(2 / M_PI)));
  } else {
    inner = c.un("Erf", c.bin("Mul", x, std::sqrt(0.5)));
  }
  c.out(0, c.bin("Mul", c.bin("Mul", x, 0.5), c.bin("Add", inner, 1.0)));
}
void shrink(Call& c) {
  const Tensor given = c.in(0), x = is_integer(given.type()) ? c.cast(given, kDouble) : given;
  const double bias = c.f("bias", 0), limit = c.f("lambd", 0.5);
  const Tensor high = c.where(c.bin("Greater", x, limit), c.bin("Sub", x, bias), scalar_of(0, x.type()));
  c.out(0, c.where(c.bin("Less", x, -limit), c.bin("Add", x, bias), high));
}

// Over one axis: MindSpore's work on the last.
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
  over_axis(c, -1, [](Call& k, const Tensor& x) { return k.softmax(x); });
}
void log_softmax(Call& c) {
  over_axis(c, -1, [](Call& k, const Tensor& x) { return k.op("LogSoftmax").in(x).i(-1).one(x.type(), x.dims()); });
}
Tensor last_position(Call& c, const Tensor& x) {
  Ints shape = x.dims();
  shape.pop_back();
  return c.op("Argmax").in(x).i(x.rank() - 1).i(kInt64).one(kInt64, shape);
}
void hardmax(Call& c) {
  over_axis(c, -1, [](Call& k, const Tensor& x) {
    const Tensor best = last_position(k, x);
    Ints shape = best.dims();
    shape.push_back(1);
    return k.cast(k.bin("Equal", k.reshape(best, shape), k.range(x.dims().back())), x.type());
  });
}

constexpr Widen kWiden = Widen::value;
constexpr std::array kRows = std::to_array<Row>({
    {"Relu", relu, "ReLU,IsNan", "makes 0 of NaN: put back", kWiden},
    {"Sigmoid", unary<"Sigmoid">, "Sigmoid", {}, kWiden},
    {"Softsign", unary<"Softsign">, "Softsign", {}, kWiden},
    {"LeakyRelu", leaky_relu, "Mul,Less", {}, kWiden},
    {"PRelu", parametric_relu, "Mul,Less", {}, kWiden},
    {"Elu", elu, "Expm1,Mul,Greater", "Elu has no alpha: by its formula", kWiden},
    {"Celu", celu, "Expm1,Mul,Greater,Div", {}, kWiden},
    {"Selu", selu, "Expm1,Mul,Greater", "SeLU has constants of its own: by its formula", Widen::sums},
    {"ThresholdedRelu", thresholded_relu, "Greater", {}, kWiden},
    {"HardSigmoid", hard_sigmoid, "Mul,Add,Maximum,Minimum", {}, kWiden},
    {"HardSwish", hard_swish, "Mul,Add,Maximum,Minimum", {}, kWiden},
    {"Softplus", softplus, "ReLU,Log1p,Exp,Neg,Abs,Add", "Softplus has float32 only: max(x, 0) + log1p(exp(-|x|))",
     Widen::sums},
    {"Mish", mish, "ReLU,Log1p,Exp,Neg,Abs,Add,Tanh,Mul", {}, Widen::sums},
    {"Swish", swish, "Mul,Sigmoid", {}, kWiden},
    {"Gelu", gelu, "Erf,Tanh,Mul,Add", {}, Widen::sums},
    {"Shrink", shrink, "Greater,Less,Sub,Add", {}, kWiden},
    {"Softmax", softmax, "Softmax",
     "its kernel stops at a row without a finite largest number: such tensors go by the formula; the axis is moved to "
     "the end",
     Widen::sums},
    {"LogSoftmax", log_softmax, "LogSoftmax", {}, Widen::sums},
    {"Hardmax", hardmax, "Argmax", {}, kWiden},
});

}  // namespace

std::span<const Row> activation_rows() { return kRows; }

}  // namespace chorus_mindspore
