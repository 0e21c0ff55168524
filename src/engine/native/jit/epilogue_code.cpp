#include <engine/native/jit/epilogue_code.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>

namespace chorus::jit {
namespace {

using fast::Activation;

// Constants of the activations, 16 times each, so that a vector of any width is an operand.
enum Constant : int {
  k_low,
  k_high,
  k_minus_log2e,
  k_log2e,
  k_log2e_rest,
  k_p6,
  k_p5,
  k_p4,
  k_p3,
  k_p2,
  k_p1,
  k_p0,
  k_one,
  k_half,
  k_bias,
  k_three,
  k_six,
  k_sixth,
  k_count
};
// 2^-r on [-1/2, 1/2]: a minimax fit of its own, relative error 2e-9.
constexpr float kValues[k_count] = {-105.0f,        87.0f,          -1.44269502f, 1.44269502f,   1.92596303e-8f,
                                    0.00015345812f, -0.0013399931f, 0.009618489f, -0.055503286f, 0.24022646f,
                                    -0.6931472f,    1.0f,           1.0f,         0.5f,          0.0f,
                                    3.0f,           6.0f,           0.166666667f};

struct alignas(64) Table {
  float rows[k_count][16];
  constexpr Table() : rows() {
    for (int i = 0; i < k_count; ++i) {
      for (float& lane : rows[i]) lane = i == k_bias ? std::bit_cast<float>(127) : kValues[i];
    }
  }
};
constexpr Table kTable;

Mem constant(const EpilogueRegisters& r, Constant c) {
  return {static_cast<int8_t>(r.constants), -1, 1, static_cast<int32_t>(c) * 64};
}
Mem alpha(const EpilogueRegisters& r) { return {static_cast<int8_t>(r.params), -1, 1, 0}; }
Mem beta(const EpilogueRegisters& r) { return {static_cast<int8_t>(r.params), -1, 1, 64}; }

/// temp 3 = e^-v = 2^n * 2^-r; infinite below -89, e^-87 above 87 (nothing beside one), so that it is never subnormal.
void exp_of_minus(Code& code, const EpilogueRegisters& r, int v) {
  const int x = r.temps[0], n = r.temps[1], t = r.temps[2], p = r.temps[3];
  code.load(t, constant(r, k_low));
  code.vec(Op::max, x, t, v);  // NaN stays
  code.load(t, constant(r, k_high));
  code.vec(Op::min, x, t, x);
  code.vec(Op::mul, n, x, constant(r, k_minus_log2e));
  code.vec(Op::round, n, n);
  code.move_vector(t, n);
  code.vec(Op::fma, t, x, constant(r, k_log2e));
  code.vec(Op::fma, t, x, constant(r, k_log2e_rest));
  code.load(p, constant(r, k_p6));
  for (const Constant c : {k_p5, k_p4, k_p3, k_p2, k_p1, k_p0}) code.vec(Op::horner, p, t, constant(r, c));
  if (code.level == Level::avx512) {
    code.vec(Op::scale, p, p, n);
    return;
  }
  // In two factors, so that results far below and above one keep what they can.
  code.vec(Op::mul, x, n, constant(r, k_half));
  code.vec(Op::round, x, x);
  code.vec(Op::sub, n, n, x);
  code.vec(Op::power, x, x, constant(r, k_bias));
  code.vec(Op::power, n, n, constant(r, k_bias));
  code.vec(Op::mul, p, p, x);
  code.vec(Op::mul, p, p, n);
}

/// temp 2 = 1 / (1 + e^-v).
void sigmoid(Code& code, const EpilogueRegisters& r, int v) {
  const int one = r.temps[0], s = r.temps[2], e = r.temps[3];
  exp_of_minus(code, r, v);
  code.load(one, constant(r, k_one));
  code.vec(Op::add, e, e, one);
  code.vec(Op::div, s, one, e);
}

}  // namespace

EpilogueKey epilogue_key(const ConvProblem& p) noexcept {
  if (p.requantize) return {.requantize = true};
  return {p.activation, p.bias, p.residual && p.residual_place == fast::ResidualPlace::after_activation};
}

void set_params(const ConvProblem& p, EpilogueParams* params) noexcept {
  std::fill_n(params->alpha, 16, p.alpha);
  std::fill_n(params->beta, 16, p.beta);
  std::fill_n(params->zero, 16, p.zero);
}

bool needs_constants(const EpilogueKey& key) noexcept {
  return key.activation == Activation::hard_swish || key.activation == Activation::hard_sigmoid ||
         key.activation == Activation::sigmoid || key.activation == Activation::silu;
}

void emit_constants(Code& code, const EpilogueRegisters& r) {
  code.set(r.constants, static_cast<int64_t>(reinterpret_cast<uintptr_t>(&kTable)));
}

void emit_to_steps(Code& code, const EpilogueRegisters& r, int v) {
  code.vec(Op::round, v, v);  // before the zero point: ties are even without it
  code.vec(Op::add, v, v, Mem{static_cast<int8_t>(r.params), -1, 1, offsetof(EpilogueParams, zero)});
  code.vec(Op::max, v, v, alpha(r));
  code.vec(Op::min, v, v, beta(r));
}

void emit_requantize(Code& c, const EpilogueRegisters& r, int v, int channels, int disp, const Mem& to) {
  const auto of = [&](size_t offset) {
    return Mem{static_cast<int8_t>(channels), -1, 1, disp + static_cast<int32_t>(offset)};
  };
  c.vec(Op::add_int, v, v, of(offsetof(ByteChannels, start)));
  c.vec(Op::to_float, v, v);
  c.load(r.temps[0], of(offsetof(ByteChannels, factor)));
  c.vec(Op::horner, v, r.temps[0], of(offsetof(ByteChannels, shift)));
  emit_to_steps(c, r, v);
  c.vec(Op::store_bytes, r.temps[0], v, to);
}

void emit_activation(Code& code, const EpilogueKey& key, const EpilogueRegisters& r, int v) {
  const int t = r.temps[0], u = r.temps[1];
  switch (key.activation) {
    case Activation::relu:
      code.vec(Op::zero, t);
      code.vec(Op::max, v, t, v);
      break;
    case Activation::clip:
      code.load(t, alpha(r));
      code.vec(Op::max, v, t, v);
      code.load(t, beta(r));
      code.vec(Op::min, v, t, v);
      break;
    case Activation::leaky_relu:
      code.vec(Op::mul, t, v, alpha(r));
      code.vec(Op::blend, v, v, t);
      break;
    case Activation::hard_swish:  // the sum comes first, so that it is exact near -3
      code.vec(Op::add, t, v, constant(r, k_three));
      code.vec(Op::zero, u);
      code.vec(Op::max, t, u, t);
      code.load(u, constant(r, k_six));
      code.vec(Op::min, t, u, t);
      code.vec(Op::mul, t, t, constant(r, k_sixth));
      code.vec(Op::mul, v, v, t);
      break;
    case Activation::hard_sigmoid:
      code.load(t, beta(r));
      code.vec(Op::fma, t, v, alpha(r));
      code.vec(Op::zero, u);
      code.vec(Op::max, t, u, t);
      code.load(u, constant(r, k_one));
      code.vec(Op::min, v, u, t);
      break;
    case Activation::sigmoid:
      sigmoid(code, r, v);
      code.move_vector(v, r.temps[2]);
      break;
    case Activation::silu:
      sigmoid(code, r, v);
      code.vec(Op::mul, v, v, r.temps[2]);
      break;
    default: break;
  }
}

}  // namespace chorus::jit
