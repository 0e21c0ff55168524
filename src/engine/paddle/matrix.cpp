// Products of matrices.
#include <algorithm>
#include <cctype>

#include "table.h"

namespace chorus_paddle {
namespace {

namespace api = paddle::experimental;

void mat_mul(Call& c) { c.out(0, matmul(c.in(0), c.in(1))); }

// Bias and factors may be of any shape that broadcasts.
void gemm(Call& c) {
  Tensor a = c.in(0), b = c.in(1);
  const Tensor bias = c.in(2);
  c.require(a.dim() == 2 && b.dim() == 2, "the operands must be matrices");
  const bool turns_a = c.i("transA", 0) != 0, turns_b = c.i("transB", 0) != 0;
  const double alpha = c.f("alpha", 1), beta = c.f("beta", 1);
  c.require(a.size(turns_a ? 0 : 1) == b.size(turns_b ? 1 : 0), "the inner extents differ");
  Tensor y = a.numel() == 0 || b.numel() == 0 ? zeros({a.size(turns_a ? 1 : 0), b.size(turns_b ? 0 : 1)}, a.type())
                                              : Tensor(api::matmul(a, b, turns_a, turns_b));
  const Type type = y.type();
  auto scaled = [&](const Tensor& t, double by) {
    if (by == 1) return t;
    return is_float(type) ? mul(t, by) : mul(t.to(kDouble), by).to(type);
  };
  y = scaled(y, alpha);
  c.out(0, bias.defined() ? add(y, scaled(bias, beta)) : y);
}

// Small letters alone, as PaddlePaddle's einsum wants them, and the result named: ONNX has spaces and capitals.
std::string equation_of(std::string_view given) {
  std::string equation, once, seen;
  for (char letter : given) {
    if (letter != ' ') equation += letter;
  }
  if (equation.find("->") == std::string::npos) {
    for (int letter = 'A'; letter <= 'z'; ++letter) {
      if (std::isalpha(letter) != 0 && std::count(equation.begin(), equation.end(), letter) == 1)
        once += static_cast<char>(letter);
    }
    equation += "->" + once;
  }
  for (char& letter : equation) {
    if (std::isalpha(static_cast<unsigned char>(letter)) == 0) continue;
    size_t at = seen.find(letter);
    if (at == std::string::npos) {
      at = seen.size();
      seen += letter;
    }
    letter = static_cast<char>('a' + at);
  }
  return equation;
}

void einsum(Call& c) {
  std::vector<paddle::Tensor> operands;
  for (const Tensor& t : c.all()) operands.push_back(t);
  c.out(0, std::get<0>(api::einsum(operands, equation_of(c.s("equation", "")))));
}

std::string einsum_refusal(const Node& node) {
  const std::string_view equation = node.s("equation", "");
  if (node.node.n_inputs > 2) return "einsum takes at most two operands";
  const bool dots = equation.find('.') != std::string_view::npos;
  if (dots && (equation.find("->") == std::string_view::npos || node.node.n_inputs > 1))
    return "einsum does not broadcast what dots stand for";
  std::string letters;
  for (size_t i = 0; i < equation.size(); ++i) {  // a letter twice in one operand is its diagonal
    if (std::isalpha(static_cast<unsigned char>(equation[i])) == 0) continue;
    const size_t term = equation.find_first_of(",-", i);
    const size_t again = equation.find(equation[i], i + 1);
    if (again != std::string_view::npos && again < term) return "einsum takes no diagonals";
    if (letters.find(equation[i]) == std::string::npos) letters += equation[i];
  }
  return letters.size() > 26 ? "einsum has 26 letters" : std::string();
}

void det(Call& c) { c.out(0, api::det(c.in(0))); }
void inverse(Call& c) { c.out(0, api::inverse(c.in(0))); }

constexpr Row kRows[] = {
    {"MatMul", mat_mul, kNumbers | kComplexes, "matmul"},
    {"Gemm", gemm, kNumbers, "matmul, scale, add", "addmm takes one shape of the bias, and whole numbers not at all"},
    {"Einsum", einsum, kDoubles, "einsum", "has small letters only, and a result that is named", einsum_refusal},
    {"Det", det, kDoubles, "det"},
    {"Inverse", inverse, kDoubles, "inverse", {}, nullptr, Widen::value, 0, "chorus"},
};

}  // namespace

std::span<const Row> matrix_rows() { return kRows; }

}  // namespace chorus_paddle
