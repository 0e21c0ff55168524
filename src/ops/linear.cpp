// ai.onnx.ml: linear models and support vector machines on tables of features.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/label.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus::families {
namespace {

using namespace rules;
using ml::label_type;
using ml::read_table;
using ml::require_label_sets;
using ml::require_post_transform;
using ml::Table;

/// Rows of coefficients, each for `features` features; fails where the numbers cannot be.
void require_coefficients(ShapeContext& ctx, const Dim& features, int64_t rows) {
  const auto n = static_cast<int64_t>(ctx.attrs().reals("coefficients").size());
  if (rows < 1 || n % rows != 0) ctx.fail(Code::bad_input, fmt::format("{} coefficients for {} rows", n, rows));
  if (!features.is_unknown()) ctx.require_equal(features, Dim(n / rows), "features of X and coefficients per row");
}

void infer_linear_classifier(ShapeContext& ctx) {
  const Table t = read_table(ctx, 0);
  require_post_transform(ctx);
  const int64_t labels = require_label_sets(ctx, "classlabels_ints", "classlabels_strings");
  const auto n = static_cast<int64_t>(ctx.attrs().reals("coefficients").size());
  const auto intercepts = static_cast<int64_t>(ctx.attrs().reals("intercepts").size());
  // As many rows as intercepts; without these as many as labels, or one for two.
  int64_t rows = intercepts > 0 ? intercepts : labels;
  if (intercepts == 0 && t.columns.is_number() && t.columns.number() > 0) rows = n / t.columns.number();
  if (rows != labels && !(rows == 1 && labels == 2)) {
    ctx.fail(Code::bad_input, fmt::format("{} rows of coefficients for {} labels", rows, labels));
  }
  require_coefficients(ctx, t.columns, rows);
  ctx.set_output(0, Type::tensor(label_type(ctx, "classlabels_strings"), {t.rows}));
  if (ctx.has_output(1)) ctx.set_output(1, Type::tensor(DType::float32, {t.rows, labels}));
}

void infer_linear_regressor(ShapeContext& ctx) {
  const Table t = read_table(ctx, 0);
  require_post_transform(ctx);
  const int64_t targets = ctx.attrs().integer("targets", 1);
  const auto intercepts = static_cast<int64_t>(ctx.attrs().reals("intercepts").size());
  if (targets < 1) ctx.fail(Code::bad_input, fmt::format("targets is {}", targets), "use 1 or more");
  if (intercepts != 0 && intercepts != targets)
    ctx.fail(Code::bad_input, fmt::format("{} intercepts for {} targets", intercepts, targets));
  require_coefficients(ctx, t.columns, targets);
  ctx.set_output(0, Type::tensor(DType::float32, {t.rows, targets}));
}

void require_kernel(const NodeContext& ctx) {
  const std::string_view kernel = ctx.attrs().string("kernel_type");
  if (kernel != "LINEAR" && kernel != "POLY" && kernel != "RBF" && kernel != "SIGMOID")
    ctx.fail(Code::bad_input, fmt::format("kernel_type '{}' does not exist", kernel),
             "use LINEAR, POLY, RBF or SIGMOID");
  const auto n = ctx.attrs().reals("kernel_params").size();
  if (n != 0 && n != 3)
    ctx.fail(Code::bad_input, fmt::format("kernel_params has {} members", n), "give gamma, coef0 and degree");
}

/// Support vectors of `n` vectors; fails unless they fit the features.
void require_vectors(ShapeContext& ctx, const Dim& features, int64_t n) {
  const auto size = static_cast<int64_t>(ctx.attrs().reals("support_vectors").size());
  if (size % n != 0) ctx.fail(Code::bad_input, fmt::format("support_vectors has {} numbers for {} vectors", size, n));
  if (!features.is_unknown()) ctx.require_equal(features, Dim(size / n), "features of X and of the support vectors");
}

void infer_svm_classifier(ShapeContext& ctx) {
  const Table t = read_table(ctx, 0);
  require_post_transform(ctx);
  require_kernel(ctx);
  const int64_t labels = require_label_sets(ctx, "classlabels_ints", "classlabels_strings");
  const auto pairs = static_cast<size_t>(labels * (labels - 1) / 2);
  const size_t rho = ctx.attrs().reals("rho").size(), a = ctx.attrs().reals("prob_a").size();
  int64_t vectors = 0;
  for (const int64_t n : ctx.attrs().integers("vectors_per_class")) {
    if (n < 0 || n > INT32_MAX) ctx.fail(Code::bad_input, fmt::format("vectors_per_class has {}", n));
    vectors += n;
  }
  int64_t columns = labels;
  if (a != ctx.attrs().reals("prob_b").size()) ctx.fail(Code::bad_input, "prob_a and prob_b differ in length");
  if (vectors > 0) {
    if (ctx.attrs().integers("vectors_per_class").size() != static_cast<size_t>(labels) || labels < 2)
      ctx.fail(Code::bad_input, fmt::format("vectors_per_class does not fit {} labels", labels));
    if (rho < pairs || (a != 0 && a < pairs))
      ctx.fail(Code::bad_input, fmt::format("{} pairs of classes have {} rho and {} prob_a", pairs, rho, a));
    if (static_cast<int64_t>(ctx.attrs().reals("coefficients").size()) < (labels - 1) * vectors)
      ctx.fail(Code::bad_input, fmt::format("too few coefficients for {} vectors and {} classes", vectors, labels));
    require_vectors(ctx, t.columns, vectors);
    columns = a > 0 || labels == 2 ? labels : static_cast<int64_t>(pairs);
  } else {
    if (rho < 1) ctx.fail(Code::bad_input, "rho is empty", "give the bias");
    require_coefficients(ctx, t.columns, labels);
  }
  ctx.set_output(0, Type::tensor(label_type(ctx, "classlabels_strings"), {t.rows}));
  if (ctx.has_output(1)) ctx.set_output(1, Type::tensor(DType::float32, {t.rows, columns}));
}

void infer_svm_regressor(ShapeContext& ctx) {
  const Table t = read_table(ctx, 0);
  require_post_transform(ctx);
  require_kernel(ctx);
  const int64_t vectors = ctx.attrs().integer("n_supports");
  const auto n = static_cast<int64_t>(ctx.attrs().reals("coefficients").size());
  if (ctx.attrs().reals("rho").empty()) ctx.fail(Code::bad_input, "rho is empty", "give the bias");
  if (vectors < 0 || (vectors > 0 && n < vectors))
    ctx.fail(Code::bad_input, fmt::format("{} support vectors have {} coefficients", vectors, n));
  if (vectors > 0) {
    require_vectors(ctx, t.columns, vectors);
  } else {
    require_coefficients(ctx, t.columns, 1);
  }
  ctx.set_output(0, Type::tensor(DType::float32, {t.rows, 1}));
}

double features(const CostContext& ctx) {
  const auto d = ctx.dims(false, 0);
  return d.empty() ? 1 : static_cast<double>(d.back());
}
Cost cost_linear(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  const double rows = ctx.count(false, 0) / std::max(1.0, features(ctx));
  c.flops = 2 * rows * static_cast<double>(ctx.attrs().reals("coefficients").size());
  return c;
}
Cost cost_svm(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  const double rows = ctx.count(false, 0) / std::max(1.0, features(ctx));
  const auto n = static_cast<double>(ctx.attrs().reals("support_vectors").size());
  c.flops = rows * (3 * n + 2 * static_cast<double>(ctx.attrs().reals("coefficients").size()));
  c.transcendental = rows * n / std::max(1.0, features(ctx));
  return c;
}
constexpr std::string_view kMl = "ai.onnx.ml";

constexpr Version kLinearClassifier[] = {
    {1,
     "(T1 X) -> (T2 Y, f32 Z) {classlabels_ints: ints, classlabels_strings: strings, coefficients: floats!, "
     "intercepts: floats, multi_class: int = 0, post_transform: string = 'NONE'}; T1 = f32 f64 i32 i64; T2 = str "
     "i64"},
};
constexpr Version kLinearRegressor[] = {
    {1,
     "(T X) -> (f32 Y) {coefficients: floats, intercepts: floats, post_transform: string = 'NONE', targets: int = "
     "1}; T = f32 f64 i32 i64"},
};
constexpr Version kSVMClassifier[] = {
    {1,
     "(T1 X) -> (T2 Y, f32 Z) {classlabels_ints: ints, classlabels_strings: strings, coefficients: floats, "
     "kernel_params: floats, kernel_type: string = 'LINEAR', post_transform: string = 'NONE', prob_a: floats, "
     "prob_b: floats, rho: floats, support_vectors: floats, vectors_per_class: ints}; T1 = f32 f64 i32 i64; T2 = "
     "str i64"},
};
constexpr Version kSVMRegressor[] = {
    {1,
     "(T X) -> (f32 Y) {coefficients: floats, kernel_params: floats, kernel_type: string = 'LINEAR', n_supports: "
     "int = 0, one_class: int = 0, post_transform: string = 'NONE', rho: floats, support_vectors: floats}; T = "
     "f32 f64 i32 i64"},
};

constexpr OpDef kTable[] = {
    row({.name = "LinearClassifier",
         .domain = kMl,
         .api = {"linear_classifier"},
         .versions = kLinearClassifier,
         .infer = infer_linear_classifier,
         .meaning = Primitive{"labels may be texts"},
         .cost = cost_linear,
         .accumulate = Accumulate::float64,
         .ulp = 8,
         .grid = "f32[4,2] coefficients=[0.5,-1.0,2.0,0.25,1.0,1.0] intercepts=[0.5,0.0,-1.0] classlabels_ints=[4,5,6] "
                 "out=2; "
                 "f64[3,2] coefficients=[0.5,-1.0] intercepts=[0.5] classlabels_strings=['no','yes'] "
                 "post_transform='LOGISTIC' out=2; "
                 "i64[3,2] coefficients=[0.5,-1.0,1.0,2.0] classlabels_ints=[0,1] post_transform='SOFTMAX' out=2; "
                 "i32[2] coefficients=[1.0,1.0] classlabels_ints=[7] out=2; "
                 "f32[0,1] coefficients=[1.0,2.0] classlabels_ints=[7,8] post_transform='SOFTMAX_ZERO' out=2",
         .doc = "Scores Z [N, E] = post_transform(X coefficients^T + intercepts) and the label Y [N] of the greatest "
                "score before the transform. X [N, C] or [C]; coefficients [E, C]; one row of "
                "them for two labels gives the scores (-s, s). One label: 1 where s > 0, else 0."}),
    row({.name = "LinearRegressor",
         .domain = kMl,
         .api = {"linear_regressor"},
         .versions = kLinearRegressor,
         .infer = infer_linear_regressor,
         .meaning = Primitive{"a product and a transform of its rows in float64"},
         .cost = cost_linear,
         .accumulate = Accumulate::float64,
         .ulp = 8,
         .grid = "f32[4,2] coefficients=[0.5,-1.0]; f64[3,2] coefficients=[0.5,-1.0,1.0,2.0] intercepts=[0.5,1.0] "
                 "targets=2 post_transform='SOFTMAX'; "
                 "i64[3,2] coefficients=[0.5,-1.0] intercepts=[1.0] post_transform='LOGISTIC'; i32[3] "
                 "coefficients=[1.0,2.0,3.0]; f32[0,1] coefficients=[1.0]; "
                 "f64[3,2] coefficients=[0.5,-1.0] intercepts=[1.0] post_transform='LOGISTIC'; "
                 "f32[3,2] coefficients=[0.5,-1.0,1.0,2.0] targets=2 post_transform='SOFTMAX_ZERO'; "
                 "f64[3,2]@0..1 coefficients=[0.25,0.375] intercepts=[0.125] post_transform='PROBIT'",
         .doc = "Y [N, targets] = post_transform(X coefficients^T + intercepts). X [N, C] or [C]; coefficients "
                "[targets, C]."}),
    row({.name = "SVMClassifier",
         .domain = kMl,
         .api = {"svm_classifier"},
         .versions = kSVMClassifier,
         .infer = infer_svm_classifier,
         .meaning = Primitive{"votes of pairs of classes"},
         .cost = cost_svm,
         .accumulate = Accumulate::float64,
         .ulp = 64,
         .grid =
             "f32[4,2] coefficients=[0.5,-1.0,2.0] support_vectors=[0.5,1.0,-1.0,0.5,1.0,1.0] vectors_per_class=[1,2] "
             "rho=[0.25] kernel_type='RBF' kernel_params=[0.5,0.0,3.0] classlabels_ints=[3,4] out=2; "
             "f64[4,2] coefficients=[0.5,-1.0,2.0,1.0,-0.5,0.25] support_vectors=[0.5,1.0,-1.0,0.5,1.0,1.0] "
             "vectors_per_class=[1,1,1] rho=[0.25,-0.5,0.5] prob_a=[-1.0,-2.0,-0.5] prob_b=[0.1,0.2,0.3] "
             "kernel_type='POLY' kernel_params=[0.5,1.0,2.0] classlabels_strings=['a','b','c'] out=2; "
             "i64[3,2] coefficients=[0.5,-1.0,1.0,1.0,2.0,0.5] rho=[0.5] classlabels_ints=[1,2,3] "
             "post_transform='SOFTMAX' out=2; "
             "i32[3,2] coefficients=[0.5,-1.0] support_vectors=[0.5,1.0,-1.0,0.5] vectors_per_class=[1,1] rho=[0.0] "
             "kernel_type='SIGMOID' kernel_params=[0.5,1.0,2.0] classlabels_ints=[1,2] post_transform='LOGISTIC' out=2",
         .doc = "Decision values of every pair of classes (one against one, as libsvm orders them) with votes for the "
                "label, probabilities by Platt's scaling and pairwise coupling with prob_a and prob_b; "
                "without support vectors one linear score per class. X [N, C] or [C]; Y [N] labels; Z [N, classes], "
                "[N, pairs] for the values of three and more classes. Two classes: (-s, s)."}),
    row({.name = "SVMRegressor",
         .domain = kMl,
         .api = {"svm_regressor"},
         .versions = kSVMRegressor,
         .infer = infer_svm_regressor,
         .meaning = Primitive{"a sum over support vectors"},
         .cost = cost_svm,
         .accumulate = Accumulate::float64,
         .ulp = 64,
         .grid =
             "f32[4,2] coefficients=[0.5,-1.0,2.0] support_vectors=[0.5,1.0,-1.0,0.5,1.0,1.0] n_supports=3 rho=[0.25] "
             "kernel_type='RBF' kernel_params=[0.5,0.0,3.0]; f64[3,2] coefficients=[0.5,-1.0] rho=[1.0]; "
             "i64[3,2] coefficients=[0.5] support_vectors=[0.5,1.0] n_supports=1 rho=[-0.5] kernel_type='POLY' "
             "kernel_params=[1.0,1.0,2.0] one_class=1; "
             "i32[2] coefficients=[0.5] support_vectors=[0.5,1.0] n_supports=1 rho=[0.0] kernel_type='SIGMOID' "
             "kernel_params=[1.0,1.0,2.0]; "
             "f64[3,2]@0..1 coefficients=[0.5,-0.25] support_vectors=[0.5,1.0,0.25,0.5] n_supports=2 rho=[0.5] "
             "kernel_type='POLY' kernel_params=[0.5,1.0,3.0] post_transform='LOGISTIC'; "
             "f32[3,2] coefficients=[0.5,1.5] support_vectors=[0.5,1.0,-1.0,0.25] n_supports=2 rho=[0.0] "
             "kernel_type='SIGMOID' kernel_params=[0.5,0.25,2.0]; "
             "f32[2,2] coefficients=[0.5] support_vectors=[0.5,1.0] n_supports=1 rho=[0.0] kernel_type='LINEAR' "
             "one_class=1",
         .doc = "Y [N, 1] = sum of coefficients[i] * kernel(X, support_vectors[i]) + rho; without support vectors X "
                "coefficients + rho. one_class: 1 where that is positive, else -1. "
                "Kernels: LINEAR x.v, POLY (gamma x.v + coef0)^degree, RBF exp(-gamma |x - v|^2), SIGMOID tanh(gamma "
                "x.v + coef0)."}),
};

}  // namespace

std::span<const OpDef> linear_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kLinear);
  return chosen<kAll>();
}

}  // namespace chorus::families
