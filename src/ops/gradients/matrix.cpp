// Gradients of matrix products, Einsum and determinants.
#include <ops/equation.h>
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>

namespace chorus::gradients {
namespace {

/// A matrix product with vectors made matrices.
struct Product {
  Ref a, b, g;
  bool vector_a = false, vector_b = false;
};
Product product_of(GradContext& c) {
  Product p{c.in(0), c.in(1), c.out_gradient(0), known_rank(c, 0) == 1, known_rank(c, 1) == 1};
  if (p.vector_b) p.g = c.op("Unsqueeze", {p.g, c.ints({-1})});
  if (p.vector_a) p.g = c.op("Unsqueeze", {p.g, c.ints({-2})});
  if (p.vector_a) p.a = c.op("Unsqueeze", {p.a, c.ints({0})});
  if (p.vector_b) p.b = c.op("Unsqueeze", {p.b, c.ints({1})});
  return p;
}
/// The last two axes exchanged.
Ref turned(OpBuilder& b, Ref x) {
  std::vector<int64_t> order(static_cast<size_t>(b.type_of(x).rank()));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return transposed(b, x, order);
}

// Einsum -------------------------------------------------------------------------------------------------------------------------

/// "a...b" of a term; its ellipsis stands where its axes stand.
std::string text_of(const Equation::Term& term) {
  std::string text;
  bool dots = false;
  for (int i = 0; i < term.count; ++i) {
    if (term.labels[i] < Equation::kLetters) {
      text += Equation::letter(term.labels[i]);
    } else if (!dots) {
      dots = true;
      text += "...";
    }
  }
  return text;
}
bool has_label(const Equation::Term& term, uint8_t label) {
  return std::find(term.labels, term.labels + term.count, label) != term.labels + term.count;
}

/// One operand's gradient as an Einsum of dY and the other operands. Labels that only this operand has come back by ones, labels that
/// it has twice by the identity.
struct Contraction {
  GradContext& b;
  const Equation& equation;
  int operand;
  std::string terms;
  std::vector<Ref> inputs;
  bool used[Equation::kLetters] = {};

  void join(const std::string& text, Ref input) {
    terms += (inputs.empty() ? "" : ",") + text;
    inputs.push_back(input);
  }
  char fresh() {
    for (int label = 0; label < Equation::kLetters; ++label) {
      if (!used[label]) {
        used[label] = true;
        return Equation::letter(label);
      }
    }
    throw Error(Code::unsupported, "Einsum: no gradient: the equation uses all letters");
  }
  /// The operand's letters in order, all different; ellipsis axes aside.
  std::string letters() {
    const Equation::Term& term = equation.inputs[operand];
    std::string text;
    for (int i = 0; i < term.count; ++i) {
      const uint8_t label = term.labels[i];
      if (label >= Equation::kLetters) continue;
      const char letter = Equation::letter(label);
      const Ref extent = extent_of(b, b.in(operand), i);
      if (text.find(letter) != std::string::npos) {
        const char second = fresh();
        const Ref square = filled(b, joined(b, {extent, extent}), b.out_gradient(0), 0);
        join(std::string{letter, second}, b.op("EyeLike", {square}));
        text += second;
        continue;
      }
      text += letter;
      bool elsewhere = has_label(equation.output, label);
      for (int k = 0; k < equation.operands; ++k)
        elsewhere = elsewhere || (k != operand && has_label(equation.inputs[k], label));
      if (!elsewhere) join(std::string(1, letter), filled(b, extent, b.out_gradient(0), 1));
    }
    return text;
  }
};

}  // namespace

void matmul_rule(GradContext& c) {
  const Product p = product_of(c);
  if (c.wanted(0)) {
    const Ref g = sum_to(c, c.op("MatMul", {p.g, turned(c, p.b)}), p.a);
    c.set_gradient(0, p.vector_a ? c.op("Squeeze", {g, c.ints({0})}) : g);
  }
  if (c.wanted(1)) {
    const Ref g = sum_to(c, c.op("MatMul", {turned(c, p.a), p.g}), p.b);
    c.set_gradient(1, p.vector_b ? c.op("Squeeze", {g, c.ints({1})}) : g);
  }
}

void gemm_rule(GradContext& b) {
  const int64_t ta = b.attrs().integer("transA") != 0, tb = b.attrs().integer("transB") != 0;
  const Ref dy = b.out_gradient(0);
  const auto gemm = [&](Ref x, Ref y, int64_t tx, int64_t ty) {
    return b.op("Gemm", {x, y}, {{"alpha", b.attrs().real("alpha", 1)}, {"transA", tx}, {"transB", ty}});
  };
  if (b.wanted(0)) b.set_gradient(0, ta != 0 ? gemm(b.in(1), dy, tb, 1) : gemm(dy, b.in(1), 0, 1 - tb));
  if (b.wanted(1)) b.set_gradient(1, tb != 0 ? gemm(dy, b.in(0), 1, ta) : gemm(b.in(0), dy, 1 - ta, 0));
  if (b.wanted(2)) {
    const double beta = b.attrs().real("beta", 1);
    set_summed(b, 2, beta == 1 ? dy : mul(b, dy, number(b, dy, beta)));
  }
}

void einsum_rule(GradContext& b) {
  std::vector<int> ranks;
  for (int i = 0; i < b.inputs(); ++i) ranks.push_back(known_rank(b, i));
  Equation equation;
  if (const char* wrong = parse_equation(b.attrs().string("equation"), ranks, &equation))
    b.fail(Code::bad_input, wrong);
  for (int i = 0; i < b.inputs(); ++i) {
    if (!b.wanted(i)) continue;
    Contraction c{b, equation, i, {}, {}, {}};
    std::copy(equation.used, equation.used + Equation::kLetters, c.used);
    c.join(text_of(equation.output), b.out_gradient(0));
    for (int k = 0; k < b.inputs(); ++k) {
      if (k != i) c.join(text_of(equation.inputs[k]), b.in(k));
    }
    const Equation::Term& term = equation.inputs[i];
    const std::string letters = c.letters();
    bool dots = false;
    for (int k = 0; k < equation.operands; ++k)
      dots = dots || text_of(equation.inputs[k]).find('.') != std::string::npos;
    const Ref g = b.emit("Einsum", c.inputs, {{"equation", c.terms + "->" + (dots ? "..." : "") + letters}}, 1)[0];
    if (!dots) {
      b.set_gradient(i, g);
      continue;
    }
    // Ellipsis axes stand first in g; they may be more, or wider, than the operand's.
    std::vector<int64_t> order, back(static_cast<size_t>(term.count));
    for (const bool ellipsis : {true, false}) {
      for (int k = 0; k < term.count; ++k) {
        if ((term.labels[k] >= Equation::kLetters) == ellipsis) order.push_back(k);
      }
    }
    for (size_t k = 0; k < order.size(); ++k) back[static_cast<size_t>(order[k])] = static_cast<int64_t>(k);
    b.set_gradient(i, transposed(b, sum_to(b, g, transposed(b, b.in(i), order)), back));
  }
}

/// d det(X) = det(X) · tr(X⁻¹ dX).
void det_rule(GradContext& b) {
  const Ref scale = b.op("Unsqueeze", {mul(b, b.out_gradient(0), b.out(0)), b.ints({-2, -1})});
  b.set_gradient(0, mul(b, scale, turned(b, own(b, "Inverse", {b.in(0)}))));
}
void inverse_rule(GradContext& b) {
  const Ref turned_inverse = turned(b, b.out(0));
  b.set_gradient(0, neg(b, b.op("MatMul", {turned_inverse, b.op("MatMul", {b.out_gradient(0), turned_inverse})})));
}

}  // namespace chorus::gradients
