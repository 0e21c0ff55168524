// Products of matrices.
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

// Letters alone, as PaddlePaddle's einsum wants them; spaces and upper case are ONNX's.
void einsum(Call& c) {
  std::string equation;
  for (char letter : c.s("equation", "")) {
    if (letter != ' ') equation += letter;
  }
  if (equation.find("->") == std::string::npos) {
    std::string once;
    for (char letter = 'A'; letter <= 'z'; ++letter) {
      const auto first = equation.find(letter);
      if (std::isalpha(static_cast<unsigned char>(letter)) != 0 && first != std::string::npos &&
          equation.find(letter, first + 1) == std::string::npos)
        once += letter;
    }
    equation += "->" + once;
  }
  std::vector<paddle::Tensor> operands;
  for (const Tensor& t : c.all()) operands.push_back(t);
  c.out(0, std::get<0>(api::einsum(operands, equation)));
}

std::string einsum_refusal(const Node& node) {
  const std::string_view equation = node.s("equation", "");
  if (node.node.n_inputs > 2) return "einsum takes at most two operands";
  if (equation.find('.') != std::string_view::npos && equation.find("->") == std::string_view::npos)
    return "einsum names its result where there are dots";
  for (size_t i = 0; i < equation.size(); ++i) {  // a letter twice in one operand is its diagonal
    if (std::isalpha(static_cast<unsigned char>(equation[i])) == 0) continue;
    const size_t term = equation.find_first_of(",-", i);
    const size_t again = equation.find(equation[i], i + 1);
    if (again != std::string_view::npos && again < term) return "einsum takes no diagonals";
  }
  return {};
}

void det(Call& c) { c.out(0, api::det(c.in(0))); }
void inverse(Call& c) { c.out(0, api::inverse(c.in(0))); }

constexpr Row kRows[] = {
    {"MatMul", mat_mul, kNumbers | kComplexes, "matmul"},
    {"Gemm", gemm, kNumbers, "matmul, scale, add", "addmm takes one shape of the bias, and whole numbers not at all"},
    {"Einsum", einsum, kDoubles, "einsum", "equations without a result are refused there: it is named", einsum_refusal},
    {"Det", det, kDoubles, "det"},
    {"Inverse", inverse, kDoubles, "inverse", {}, nullptr, Widen::value, 0, "chorus"},
};

}  // namespace

std::span<const Row> matrix_rows() { return kRows; }

}  // namespace chorus_paddle
