// Gradients of the models of ai.onnx.ml that are differentiable: in the form of products, kernels and transforms of rows in float64,
// as their kernels compute them.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

#include <fmt/format.h>

#include <algorithm>
#include <numbers>

namespace chorus::gradients {
namespace {

Ref cast_to(OpBuilder& b, Ref x, DType type) {
  return b.type_of(x).dtype == type ? x : b.op("Cast", {x}, {{"to", static_cast<int64_t>(type)}});
}
/// Numbers of an attribute as float64 [rows, columns].
Ref matrix(OpBuilder& b, std::span<const float> numbers, int64_t rows, int64_t columns) {
  Value v = Value::tensor(DType::float64, Shape{rows, columns});
  auto* to = static_cast<double*>(v.mutable_data());
  for (int64_t i = 0; i < rows * columns; ++i) to[i] = static_cast<double>(numbers[static_cast<size_t>(i)]);
  return b.constant(std::move(v));
}
/// Operand i as a table [N, C]: [C] is one row.
Ref table(OpBuilder& b, int i) {
  const int rank = b.input(i).rank();
  if (rank < 0)
    b.fail(Code::unsupported, fmt::format("its gradient needs the rank of operand {}", i),
           "declare the shapes of the model's inputs");
  return rank == 1 ? b.op("Unsqueeze", {b.in(i), b.ints({0})}) : b.in(i);
}
Ref fixed(OpBuilder& b, double v) { return rules::scalar(b, DType::float64, v); }

/// Scores of (almost) zero stay zero; a row of nothing is 0.5 everywhere.
Ref softmax_zero(OpBuilder& b, Ref scores) {
  const Ref top = b.op("ReduceMax", {scores, b.ints({-1})}), zero = fixed(b, 0);
  const Ref some = b.op("Greater", {b.op("Abs", {scores}), fixed(b, 1e-7)});
  const Ref raised = where(b, some, b.op("Exp", {sub(b, scores, top)}), mul(b, scores, b.op("Exp", {neg(b, top)})));
  const Ref sum = b.op("ReduceSum", {raised, b.ints({-1})}), none = equal(b, sum, zero);
  return where(b, none, fixed(b, 0.5), div(b, raised, where(b, none, fixed(b, 1), sum)));
}

/// sqrt 2 · inverse error function of 2 s - 1, in the approximation that the kernel takes.
Ref probit(OpBuilder& b, Ref scores) {
  const Ref x = sub(b, mul(b, fixed(b, 2), scores), fixed(b, 1)), one = fixed(b, 1);
  const Ref log = b.op("Log", {mul(b, sub(b, one, x), add(b, one, x))});
  const Ref v = add(b, fixed(b, 2 / (std::numbers::pi * 0.147)), mul(b, fixed(b, 0.5), log));
  const Ref root = b.op("Sqrt", {sub(b, mul(b, v, v), div(b, log, fixed(b, 0.147)))});
  const Ref size = b.op("Sqrt", {sub(b, root, v)});
  return mul(b, fixed(b, std::numbers::sqrt2), where(b, less(b, x, fixed(b, 0)), neg(b, size), size));
}

Ref transformed(OpBuilder& b, Ref scores) {
  const std::string_view name = b.attrs().string("post_transform");
  if (name == "SOFTMAX") return b.op("Softmax", {scores});
  if (name == "LOGISTIC") return b.op("Sigmoid", {scores});
  if (name == "SOFTMAX_ZERO") return softmax_zero(b, scores);
  return name == "PROBIT" ? probit(b, scores) : scores;
}

Expansion linear_regressor_form(OpBuilder& b) {
  const auto w = b.attrs().reals("coefficients"), bias = b.attrs().reals("intercepts");
  const int64_t targets = b.attrs().integer("targets", 1);
  const Ref weights = matrix(b, w, targets, static_cast<int64_t>(w.size()) / targets);
  const Ref x = cast_to(b, table(b, 0), DType::float64);
  const Ref scores = b.op("Gemm", {x, weights, bias.empty() ? Ref{} : matrix(b, bias, 1, targets)}, {{"transB", 1}});
  return cast_to(b, transformed(b, scores), DType::float32);
}

/// The scores; labels have no gradient.
Expansion linear_classifier_form(OpBuilder& b) {
  const auto w = b.attrs().reals("coefficients"), bias = b.attrs().reals("intercepts");
  const auto labels = static_cast<int64_t>(
      std::max(b.attrs().integers("classlabels_ints").size(), b.attrs().strings("classlabels_strings").size()));
  const Ref x = cast_to(b, table(b, 0), DType::float64);
  const Dim& columns = b.type_of(x).dims[1];
  const auto size = static_cast<int64_t>(w.size());
  if (bias.empty() && !columns.is_number())
    return Expansion::refuse("the number of features is not known, nor are intercepts given");
  const int64_t rows = !bias.empty()          ? static_cast<int64_t>(bias.size())
                       : columns.number() > 0 ? size / columns.number()
                                              : labels;
  const Ref weights = matrix(b, w, rows, size / rows);
  Ref scores = b.op("Gemm", {x, weights, bias.empty() ? Ref{} : matrix(b, bias, 1, rows)}, {{"transB", 1}});
  if (rows < labels) scores = b.op("Concat", {neg(b, scores), scores}, {{"axis", 1}});
  return std::vector<Ref>{Ref{}, cast_to(b, transformed(b, scores), DType::float32)};
}

/// Kernels of all rows with all support vectors: [N, n].
Ref support_kernels(OpBuilder& b, Ref x, int64_t n) {
  const auto vectors = b.attrs().reals("support_vectors"), p = b.attrs().reals("kernel_params");
  const Ref v = matrix(b, vectors, n, static_cast<int64_t>(vectors.size()) / n);
  const auto parameter = [&](size_t i) { return fixed(b, p.size() < 3 ? 0 : static_cast<double>(p[i])); };
  const std::string_view kind = b.attrs().string("kernel_type");
  if (kind == "RBF") {
    const Ref away = sub(b, b.op("Unsqueeze", {x, b.ints({1})}), v);
    const Ref far = b.op("ReduceSumSquare", {away, b.ints({-1})}, {{"keepdims", 0}});
    return b.op("Exp", {neg(b, mul(b, parameter(0), far))});
  }
  const Ref product = b.op("Gemm", {x, v}, {{"transB", 1}});
  if (kind == "LINEAR") return product;
  const Ref inside = add(b, mul(b, parameter(0), product), parameter(1));
  return kind == "POLY" ? b.op("Pow", {inside, parameter(2)}) : b.op("Tanh", {inside});
}

Expansion svm_regressor_form(OpBuilder& b) {
  const auto w = b.attrs().reals("coefficients");
  const int64_t n = b.attrs().integer("n_supports");
  const Ref x = cast_to(b, table(b, 0), DType::float64);
  const auto count = n > 0 ? n : static_cast<int64_t>(w.size());
  const Ref parts = b.op("MatMul", {n > 0 ? support_kernels(b, x, n) : x, matrix(b, w, count, 1)});
  Ref sum = add(b, parts, fixed(b, static_cast<double>(b.attrs().reals("rho")[0])));
  if (b.attrs().integer("one_class") != 0)
    sum = where(b, b.op("Greater", {sum, fixed(b, 0)}), fixed(b, 1), fixed(b, -1));
  return cast_to(b, transformed(b, sum), DType::float32);
}

Expansion feature_vectorizer_form(OpBuilder& b) {
  const auto widths = b.attrs().integers("inputdimensions");
  std::vector<Ref> parts;
  for (int i = 0; i < b.inputs(); ++i) {
    Ref x = cast_to(b, table(b, i), DType::float32);
    if (!widths.empty()) {
      // Padded and cut: which of the two a width means may be known only in the run.
      const Ref width = b.ints({widths[static_cast<size_t>(i)]}), axis = b.ints({1});
      const Ref padded = b.op("Pad", {x, joined(b, {b.ints({0}), width}), Ref{}, axis});
      x = b.op("Slice", {padded, b.ints({0}), width, axis});
    }
    parts.push_back(x);
  }
  return b.emit("Concat", parts, {{"axis", 1}}, 1)[0];
}

}  // namespace

void linear_classifier_rule(GradContext& b) { b.through(linear_classifier_form); }
void linear_regressor_rule(GradContext& b) { b.through(linear_regressor_form); }
void svm_regressor_rule(GradContext& b) { b.through(svm_regressor_form); }
void feature_vectorizer_rule(GradContext& b) { b.through(feature_vectorizer_form); }

/// Gradient speaks of other nodes by their names; a graph is differentiated after it has become nodes itself.
void gradient_rule(GradContext& b) {
  b.fail(Code::unsupported, "a Gradient node stands for nodes that are not there yet",
         "run the pass expand_gradient before the graph is differentiated");
}

}  // namespace chorus::gradients
