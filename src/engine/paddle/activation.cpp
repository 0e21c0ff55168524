// Activations: functions of one tensor with parameters, most of them in a network's every layer.
#include <limits>

#include "table.h"

namespace chorus_paddle {
namespace {

namespace api = paddle::experimental;

// y = f(x) where there are elements.
template <class F>
void of(Call& c, F&& call) {
  const Tensor x = c.in(0);
  c.out(0, x.numel() == 0 ? x : Tensor(call(x)));
}

void leaky_relu(Call& c) {
  of(c, [&](const Tensor& x) { return api::leaky_relu(x, c.f("alpha", 0.01f)); });
}

void elu(Call& c) {
  of(c, [&](const Tensor& x) { return api::elu(x, static_cast<float>(c.f("alpha", 1))); });
}

void celu(Call& c) {
  of(c, [&](const Tensor& x) { return api::celu(x, static_cast<float>(c.f("alpha", 1))); });
}

void selu(Call& c) {
  const auto gamma = static_cast<float>(c.f("gamma", 1.05070102214813232421875)),
             alpha = static_cast<float>(c.f("alpha", 1.67326319217681884765625));
  of(c, [&](const Tensor& x) { return api::selu(x, gamma, alpha); });
}

void hard_sigmoid(Call& c) {
  const auto slope = static_cast<float>(c.f("alpha", 0.2f)), offset = static_cast<float>(c.f("beta", 0.5));
  of(c, [&](const Tensor& x) { return api::hardsigmoid(x, slope, offset); });
}

void gelu(Call& c) {
  of(c, [&](const Tensor& x) { return api::gelu(x, c.s("approximate", "none") == "tanh"); });
}

// clip keeps NaN, which relu makes 0.
void relu(Call& c) {
  of(c, [&](const Tensor& x) {
    if (!is_float(x.type())) return maximum(x, scalar(0, x.type()));
    return Tensor(api::clip(x, 0.0, std::numeric_limits<double>::infinity()));
  });
}

void p_relu(Call& c) {
  const Tensor x = c.in(0), slope = c.in(1);
  c.out(0, where(lt(x, 0), mul(x, slope), x));
}

void softplus(Call& c) {  // max(x, 0) + log(1 + exp(-|x|))
  of(c, [&](const Tensor& x) { return add(maximum(x, scalar(0, x.type())), api::log1p(api::exp(neg(api::abs(x))))); });
}

constexpr float kLinear = 20;  // from here on mish is x in every bit

void mish(Call& c) {
  of(c, [&](const Tensor& x) { return api::mish(x, kLinear); });
}

void thresholded(Call& c) {
  of(c, [&](const Tensor& x) { return api::thresholded_relu(x, static_cast<float>(c.f("alpha", 1)), 0); });
}

void shrink(Call& c) {
  const double lambda = c.f("lambd", 0.5), bias = c.f("bias", 0);
  of(c, [&](const Tensor& given) {
    const Tensor x = is_float(given.type()) ? given : given.to(kDouble);
    return where(lt(x, -lambda), add(x, bias), where(gt(x, lambda), sub(x, bias), 0));
  });
}

void swish(Call& c) {
  const double alpha = c.f("alpha", 1);
  of(c, [&](const Tensor& x) { return alpha == 1 ? Tensor(api::silu(x)) : mul(x, api::sigmoid(mul(x, alpha))); });
}

void hardmax(Call& c) {
  const Tensor x = c.in(0);
  if (x.numel() == 0) return c.out(0, x);
  if (x.dim() == 0) return c.out(0, scalar(1, x.type()));
  const int64_t axis = c.axis(c.i("axis", -1), x.dim());
  const Tensor places = sorted(x, axis, true).second.narrow(axis, 0, 1);
  Ints line(static_cast<size_t>(x.dim()), 1);
  line[static_cast<size_t>(axis)] = x.size(axis);
  c.out(0, eq(places, arange(x.size(axis)).reshape(line)).to(x.type()));
}

void softmax(Call& c) {
  const int axis = static_cast<int>(c.axis(c.i("axis", -1), c.in(0).dim()));
  of(c, [&](const Tensor& x) { return x.dim() == 0 ? scalar(1, x.type()) : Tensor(api::softmax(x, axis)); });
}

void log_softmax(Call& c) {
  const int axis = static_cast<int>(c.axis(c.i("axis", -1), c.in(0).dim()));
  of(c, [&](const Tensor& x) { return x.dim() == 0 ? scalar(0, x.type()) : chorus_paddle::log_softmax(x, axis); });
}

void hard_swish(Call& c) {
  of(c, [&](const Tensor& x) { return mul(x, clamp(add(div(x, 6), 0.5), 0, 1)); });
}

constexpr Row kRows[] = {
    {"Relu", relu, kNumbers, "clip, maximum", "relu makes NaN 0"},
    {"LeakyRelu", leaky_relu, kDoubles, "leaky_relu"},
    {"PRelu", p_relu, kNumbers, "where, multiply",
     "prelu takes one slope per channel: any broadcast shape is computed by where"},
    {"Elu", elu, kDoubles, "elu"},
    {"Selu", selu, kDoubles, "selu"},
    {"Celu", celu, kDoubles, "celu"},
    {"Sigmoid", unary<api::sigmoid>, kDoubles, "sigmoid"},
    {"HardSigmoid", hard_sigmoid, kDoubles, "hardsigmoid"},
    {"HardSwish", hard_swish, kDoubles, "scale, minimum, maximum"},
    {"Softplus", softplus, kDoubles, "log1p, exp", "softplus is linear from 20 on there: computed as log(exp(x) + 1)"},
    {"Softsign", unary<api::softsign>, kDoubles, "softsign"},
    {"Mish", mish, kDoubles, "mish"},
    {"Gelu", gelu, kDoubles, "gelu"},
    {"ThresholdedRelu", thresholded, kDoubles, "thresholded_relu"},
    {"Shrink", shrink, kNumbers, "where", "softshrink and hardshrink have no bias of their own"},
    {"Swish", swish, kDoubles, "silu"},
    {"Softmax", softmax, kDoubles, "softmax"},
    {"LogSoftmax", log_softmax, kDoubles, "exp, sum, log", "log_softmax is -64 at least there"},
    {"Hardmax", hardmax, kNumbers, "argsort, equal"},
};

}  // namespace

std::span<const Row> activation_rows() { return kRows; }

}  // namespace chorus_paddle
