#include <engine/native/jit/epilogue_code.h>

#include <algorithm>
#include <bit>
#include <limits>

namespace chorus::jit {
namespace {

using fast::Activation;

// Constants of the activations, 16 times each, so that a vector of any width is an operand.
enum Constant : int {
  k_sign,
  k_log2e,
  k_ln2_high,
  k_ln2_low,
  k_low,
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
// e^r on [-ln 2 / 2, ln 2 / 2] as 1 + r + r^2 P(r): the polynomial of the fast kernels' exp.
constexpr float kValues[k_count] = {-0.0f,        1.44269504f,    0.693359375f,   -2.12194440e-4f,
                                    -105.0f,      0.00138209993f, 0.00836867094f, 0.0416682623f,
                                    0.166665211f, 0.49999994f,    1.0f,           0.5f,
                                    0.0f,         3.0f,           6.0f,           0.166666667f};

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

/// e = e^-|v|; changes temps 1, 2, 3 and leaves e in temp 1.
void exp_of_minus_abs(Code& code, const EpilogueRegisters& r, int v) {
  const int x = r.temps[0], n = r.temps[1], t = r.temps[2], p = r.temps[3];
  code.load(x, constant(r, k_sign));
  code.vec(Op::bit_or, x, v, x);
  code.load(t, constant(r, k_low));
  code.vec(Op::max, x, t, x);  // NaN stays
  code.vec(Op::mul, n, x, constant(r, k_log2e));
  code.vec(Op::round, n, n);
  code.vec(Op::mul, t, n, constant(r, k_ln2_high));  // exact: the factor has nine bits
  code.vec(Op::sub, x, x, t);
  code.vec(Op::mul, t, n, constant(r, k_ln2_low));
  code.vec(Op::sub, x, x, t);
  code.load(p, constant(r, k_p4));
  for (const Constant c : {k_p3, k_p2, k_p1, k_p0}) {
    code.vec(Op::mul, p, p, x);
    code.vec(Op::add, p, p, constant(r, c));
  }
  code.vec(Op::mul, t, x, x);
  code.vec(Op::fma, x, t, p);
  code.vec(Op::add, x, x, constant(r, k_one));
  // 2^n in two factors, so that results below 2^-126 keep what they can.
  code.vec(Op::mul, t, n, constant(r, k_half));
  code.vec(Op::round, t, t);
  code.vec(Op::sub, n, n, t);
  code.vec(Op::power, t, t, constant(r, k_bias));
  code.vec(Op::power, n, n, constant(r, k_bias));
  code.vec(Op::mul, x, x, t);
  code.vec(Op::mul, n, x, n);
}

/// s = 1 / (1 + e^-v), without overflow on either side; in temp 2.
void sigmoid(Code& code, const EpilogueRegisters& r, int v) {
  const int e = r.temps[1], s = r.temps[2], d = r.temps[3];
  exp_of_minus_abs(code, r, v);
  code.load(s, constant(r, k_one));
  code.vec(Op::add, d, e, s);
  code.vec(Op::blend, s, v, e);  // v < 0: e / (1 + e)
  code.vec(Op::div, s, s, d);
}

}  // namespace

EpilogueKey epilogue_key(const ConvProblem& p) noexcept {
  return {p.activation, p.bias, p.residual && p.residual_place == fast::ResidualPlace::after_activation};
}

void set_params(const ConvProblem& p, EpilogueParams* params) noexcept {
  std::fill_n(params->alpha, 16, p.alpha);
  std::fill_n(params->beta, 16, p.beta);
}

bool needs_constants(const EpilogueKey& key) noexcept {
  return key.activation == Activation::hard_swish || key.activation == Activation::hard_sigmoid ||
         key.activation == Activation::sigmoid || key.activation == Activation::silu;
}

void emit_constants(Code& code, const EpilogueRegisters& r) {
  code.set(r.constants, static_cast<int64_t>(reinterpret_cast<uintptr_t>(&kTable)));
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
