// Activations: functions of one tensor with parameters, most of them in a network's every layer.
#include "table.h"

namespace chorus_torch {
namespace {

void elu(Call& c) { c.out(0, at::elu(c.in(0), c.f("alpha", 1))); }
void celu(Call& c) { c.out(0, at::celu(c.in(0), c.f("alpha", 1))); }

void selu(Call& c) {
  const double gamma = c.f("gamma", 1.05070102214813232421875), alpha = c.f("alpha", 1.67326319217681884765625);
  c.out(0, at::elu(c.in(0), alpha, gamma));
}

void hard_sigmoid(Call& c) {
  c.out(0, at::clamp(at::add(at::mul(c.in(0), c.f("alpha", 0.2f)), c.f("beta", 0.5)), 0, 1));
}

void gelu(Call& c) { c.out(0, at::gelu(c.in(0), c.s("approximate", "none"))); }

void p_relu(Call& c) {
  const Tensor x = c.in(0), slope = c.in(1);
  c.out(0, at::where(at::lt(x, 0), at::mul(x, slope), x));
}

void shrink(Call& c) {
  const Tensor x = c.in(0);
  const double lambda = c.f("lambd", 0.5), bias = c.f("bias", 0);
  const Tensor zero = at::zeros_like(x);
  c.out(0, at::where(at::lt(x, -lambda), at::add(x, bias), at::where(at::gt(x, lambda), at::sub(x, bias), zero)));
}

void swish(Call& c) {
  const Tensor x = c.in(0);
  const double alpha = c.f("alpha", 1);
  c.out(0, alpha == 1 ? at::silu(x) : at::mul(x, at::sigmoid(at::mul(x, alpha))));
}

void hardmax(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", -1), x.dim());
  Tensor y = at::zeros_like(x, at::MemoryFormat::Contiguous);
  if (x.numel() == 0) return c.out(0, y);
  if (x.dim() == 0) return c.out(0, at::ones_like(x));
  c.out(0, y.scatter(axis, at::argmax(x, axis, true), 1));
}

void softmax(Call& c) { c.out(0, at::softmax(c.in(0), c.axis(c.i("axis", -1), c.in(0).dim()))); }
void log_softmax(Call& c) { c.out(0, at::log_softmax(c.in(0), c.axis(c.i("axis", -1), c.in(0).dim()))); }

constexpr Row kRows[] = {
    {"Relu", [](Call& c) { c.out(0, at::relu(c.in(0))); }, kNumbers, "relu"},
    {"LeakyRelu", [](Call& c) { c.out(0, at::leaky_relu(c.in(0), c.f("alpha", 0.01f))); }, kFloats, "leaky_relu"},
    {"PRelu", p_relu, kNumbers, "where, mul",
     "prelu takes one slope per channel: any broadcast shape is computed by where"},
    {"Elu", elu, kFloats, "elu"},
    {"Selu", selu, kFloats, "elu", "selu has fixed constants: elu with gamma as its scale"},
    {"Celu", celu, kFloats, "celu"},
    {"Sigmoid", [](Call& c) { c.out(0, at::sigmoid(c.in(0))); }, kFloats, "sigmoid"},
    {"HardSigmoid", hard_sigmoid, kFloats, "clamp", "hardsigmoid has the slope 1/6: computed with alpha and beta"},
    {"HardSwish", [](Call& c) { c.out(0, at::hardswish(c.in(0))); }, kFloats, "hardswish"},
    {"Softplus", [](Call& c) { c.out(0, at::logaddexp(c.in(0), at::zeros({}, c.in(0).options()))); }, kFloats,
     "logaddexp", "softplus is linear from 20 on there: computed as log(exp(x) + 1)"},
    {"Softsign", [](Call& c) { c.out(0, at::div(c.in(0), at::add(at::abs(c.in(0)), 1))); }, kFloats, "abs, div"},
    {"Mish", [](Call& c) { c.out(0, at::mish(c.in(0))); }, kFloats, "mish"},
    {"Gelu", gelu, kFloats, "gelu"},
    {"ThresholdedRelu", [](Call& c) { c.out(0, at::threshold(c.in(0), c.f("alpha", 1), 0)); }, kFloats, "threshold"},
    {"Shrink", shrink, kNumbers, "where", "softshrink and hardshrink have no bias of their own"},
    {"Swish", swish, kFloats, "silu"},
    {"Softmax", softmax, kFloats, "softmax"},
    {"LogSoftmax", log_softmax, kFloats, "log_softmax"},
    {"Hardmax", hardmax, kFloats, "argmax, scatter"},
};

}  // namespace

std::span<const Row> activation_rows() { return kRows; }

}  // namespace chorus_torch
