// ai.onnx.ml: linear models and support vector machines, in float64.
#include <engine/native/reference/score.h>
#include <engine/native/reference/value_ops.h>
#include <ops/chosen.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace chorus::native {
namespace {
using move::guarded;
using score::Rows;
using score::Transform;

using Reals = std::span<const float>;

double dot(std::span<const double> x, const float* w) noexcept {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += x[i] * static_cast<double>(w[i]);
  return sum;
}

/// Scores of one row -> what is written of it (`width` numbers) and the choice of a label.
using RowOf = FunctionRef<int64_t(std::span<const double> x, std::span<double> out)>;

/// Runs `row_of` over all rows; output `o` is [N, width] float32; the choices go to `choices` where there is room.
Status over_rows(KernelContext& ctx, int o, int64_t width, std::vector<int64_t>* choices, RowOf row_of) noexcept {
  return guarded([&]() -> Status {
    const Rows in(ctx.in[0]);
    if (Status s = in.check(); !s.ok()) return s;
    if (choices != nullptr) choices->resize(static_cast<size_t>(in.rows));
    TensorView z;
    if (ctx.wants(o)) {
      const int64_t dims[] = {in.rows, width};
      if (Status s = move::output(ctx, o, DType::float32, move::Extents(dims), &z); !s.ok()) return s;
    }
    return support::parallel(ctx, in.rows, support::grain_for(in.columns * 16 + width),
                             [&](int64_t begin, int64_t end) {
                               std::vector<double> x(static_cast<size_t>(in.columns)), out(static_cast<size_t>(width));
                               for (int64_t r = begin; r < end; ++r) {
                                 in.read(r, x.data());
                                 const int64_t choice = row_of(x, out);
                                 if (choices != nullptr) (*choices)[static_cast<size_t>(r)] = choice;
                                 if (z.data != nullptr) store_f64(DType::float32, z.data, r * width, width, out.data());
                               }
                             });
  });
}

/// Operand 0 has a row of `columns` features: checked at the run where the rule could not.
Status require_columns(const KernelContext& ctx, int64_t columns) noexcept {
  const Rows in(ctx.in[0]);
  if (in.columns == columns) return {};
  return Status::error(Code::shape, "X has %lld features, the coefficients are for %lld",
                       static_cast<long long>(in.columns), static_cast<long long>(columns));
}

Status linear_classifier(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const Reals w = ctx.attrs->reals("coefficients"), bias = ctx.attrs->reals("intercepts");
    const auto labels = static_cast<int64_t>(
        std::max(ctx.attrs->integers("classlabels_ints").size(), ctx.attrs->strings("classlabels_strings").size()));
    const Transform transform = score::transform_of(ctx.attrs->string("post_transform"));
    const int64_t columns = Rows(ctx.in[0]).columns;
    const int64_t rows = !bias.empty() ? static_cast<int64_t>(bias.size())
                         : columns > 0 ? static_cast<int64_t>(w.size()) / columns
                                       : labels;
    if ((rows != labels && !(rows == 1 && labels == 2)) || rows * columns != static_cast<int64_t>(w.size()))
      return Status::error(Code::shape, "%zu coefficients do not fit %lld features", w.size(),
                           static_cast<long long>(columns));
    std::vector<int64_t> choices;
    const auto one = [&](std::span<const double> x, std::span<double> out) -> int64_t {
      for (int64_t e = 0; e < rows; ++e) {
        const auto k = static_cast<size_t>(e);
        out[k] = dot(x, w.data() + e * columns) + (bias.empty() ? 0 : static_cast<double>(bias[k]));
      }
      if (rows < labels) {
        out[1] = out[0];
        out[0] = -out[0];
      }
      const int64_t choice = labels == 1 ? (out[0] > 0 ? score::kPositive : score::kNegative)
                             : rows == 1 ? (out[1] > 0 ? 1 : 0)
                                         : score::first_greatest(out);
      score::apply(transform, out);
      return choice;
    };
    if (Status s = over_rows(ctx, 1, labels, &choices, one); !s.ok()) return s;
    return score::write_labels(ctx, choices, "classlabels_ints", "classlabels_strings");
  });
}

Status linear_regressor(KernelContext& ctx) noexcept {
  const Reals w = ctx.attrs->reals("coefficients"), bias = ctx.attrs->reals("intercepts");
  const int64_t targets = ctx.attrs->integer("targets", 1), columns = static_cast<int64_t>(w.size()) / targets;
  const Transform transform = score::transform_of(ctx.attrs->string("post_transform"));
  if (Status s = require_columns(ctx, columns); !s.ok()) return s;
  return over_rows(ctx, 0, targets, nullptr, [&](std::span<const double> x, std::span<double> out) -> int64_t {
    for (size_t t = 0; t < out.size(); ++t) {
      out[t] = dot(x, w.data() + static_cast<int64_t>(t) * columns) + (bias.empty() ? 0 : static_cast<double>(bias[t]));
    }
    score::apply(transform, out);
    return 0;
  });
}

/// The kernel function of a support vector machine.
struct SvmKernel {
  enum class Kind : uint8_t { linear, poly, rbf, sigmoid };
  Kind kind = Kind::linear;
  double gamma = 0, coef0 = 0, degree = 0;

  explicit SvmKernel(const AttrReader& attrs) noexcept {
    const std::string_view name = attrs.string("kernel_type");
    kind = name == "POLY" ? Kind::poly : name == "RBF" ? Kind::rbf : name == "SIGMOID" ? Kind::sigmoid : Kind::linear;
    const Reals p = attrs.reals("kernel_params");
    if (p.size() < 3) return;
    gamma = static_cast<double>(p[0]);
    coef0 = static_cast<double>(p[1]);
    degree = static_cast<double>(p[2]);
  }
  double operator()(std::span<const double> x, const float* v) const noexcept {
    if (kind == Kind::rbf) {
      double sum = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double d = x[i] - static_cast<double>(v[i]);
        sum += d * d;
      }
      return std::exp(-gamma * sum);
    }
    const double product = dot(x, v);
    if (kind == Kind::poly) return std::pow(gamma * product + coef0, degree);
    return kind == Kind::sigmoid ? std::tanh(gamma * product + coef0) : product;
  }
};

Status svm_regressor(KernelContext& ctx) noexcept {
  const Reals w = ctx.attrs->reals("coefficients"), vectors = ctx.attrs->reals("support_vectors"),
              rho = ctx.attrs->reals("rho");
  const int64_t n = ctx.attrs->integer("n_supports");
  const int64_t columns = static_cast<int64_t>(n > 0 ? vectors.size() / static_cast<size_t>(n) : w.size());
  const bool one_class = ctx.attrs->integer("one_class") != 0;
  const Transform transform = score::transform_of(ctx.attrs->string("post_transform"));
  const SvmKernel kernel(*ctx.attrs);
  if (Status s = require_columns(ctx, columns); !s.ok()) return s;
  return over_rows(ctx, 0, 1, nullptr, [&](std::span<const double> x, std::span<double> out) -> int64_t {
    double sum = static_cast<double>(rho[0]);
    if (n == 0) sum += dot(x, w.data());
    for (int64_t i = 0; i < n; ++i)
      sum += static_cast<double>(w[static_cast<size_t>(i)]) * kernel(x, vectors.data() + i * columns);
    out[0] = one_class ? (sum > 0 ? 1 : -1) : sum;
    score::apply(transform, out);
    return 0;
  });
}

/// Probabilities of k classes from those of all pairs (Wu, Lin, Weng: "Probability estimates for multi-class
/// classification by pairwise coupling", the second method), as libsvm iterates.
void couple(std::span<const double> r, std::span<double> p) {
  const size_t k = p.size();
  std::vector<double> q(k * k), qp(k);
  for (size_t t = 0; t < k; ++t) {
    p[t] = 1.0 / static_cast<double>(k);
    q[t * k + t] = 0;
    for (size_t j = 0; j < k; ++j) {
      if (j == t) continue;
      q[t * k + t] += r[j * k + t] * r[j * k + t];
      q[t * k + j] = -r[j * k + t] * r[t * k + j];
    }
  }
  const double enough = 0.005 / static_cast<double>(k);
  for (size_t round = 0; round < std::max<size_t>(100, k); ++round) {
    double pqp = 0, worst = 0;
    for (size_t t = 0; t < k; ++t) {
      qp[t] = 0;
      for (size_t j = 0; j < k; ++j) qp[t] += q[t * k + j] * p[j];
      pqp += p[t] * qp[t];
    }
    for (size_t t = 0; t < k; ++t) worst = std::max(worst, std::abs(qp[t] - pqp));
    if (worst < enough) return;
    for (size_t t = 0; t < k; ++t) {
      const double diff = (pqp - qp[t]) / q[t * k + t];
      p[t] += diff;
      pqp = (pqp + diff * (diff * q[t * k + t] + 2 * qp[t])) / (1 + diff) / (1 + diff);
      for (size_t j = 0; j < k; ++j) {
        qp[j] = (qp[j] + diff * q[t * k + j]) / (1 + diff);
        p[j] /= 1 + diff;
      }
    }
  }
}

struct SvmClassifier {
  const AttrReader& attrs;
  Reals w, vectors, rho, a, b;
  std::span<const int64_t> per_class;
  int64_t labels, count = 0, columns;
  bool positive;  ///< no negative coefficient
  Transform transform;
  SvmKernel kernel;

  explicit SvmClassifier(const KernelContext& ctx) noexcept
      : attrs(*ctx.attrs), w(attrs.reals("coefficients")), vectors(attrs.reals("support_vectors")),
        rho(attrs.reals("rho")), a(attrs.reals("prob_a")), b(attrs.reals("prob_b")),
        per_class(attrs.integers("vectors_per_class")),
        labels(static_cast<int64_t>(
            std::max(attrs.integers("classlabels_ints").size(), attrs.strings("classlabels_strings").size()))),
        positive(std::none_of(w.begin(), w.end(), [](float c) { return c < 0; })),
        transform(score::transform_of(attrs.string("post_transform"))), kernel(attrs) {
    for (const int64_t n : per_class) count += n;
    columns = static_cast<int64_t>(count > 0 ? vectors.size() / static_cast<size_t>(count)
                                             : w.size() / static_cast<size_t>(labels));
  }
  bool has_probabilities() const noexcept { return count > 0 && !a.empty(); }
  int64_t width() const noexcept {
    return count == 0 || has_probabilities() || labels == 2 ? labels : labels * (labels - 1) / 2;
  }

  /// Decision values of all pairs of classes and votes of the classes.
  void decide(std::span<const double> x, std::span<double> votes, std::span<double> values) const {
    std::vector<double> k(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) k[static_cast<size_t>(i)] = kernel(x, vectors.data() + i * columns);
    size_t pair = 0;
    int64_t first = 0;
    for (int64_t i = 0; i < labels; ++i) {
      int64_t second = first + per_class[static_cast<size_t>(i)];
      for (int64_t j = i + 1; j < labels; ++j, ++pair) {
        double sum = static_cast<double>(rho[pair]);
        const auto add = [&](int64_t row, int64_t from, int64_t n) {
          for (int64_t v = from; v < from + n; ++v)
            sum += static_cast<double>(w[static_cast<size_t>(row * count + v)]) * k[static_cast<size_t>(v)];
        };
        add(j - 1, first, per_class[static_cast<size_t>(i)]);
        add(i, second, per_class[static_cast<size_t>(j)]);
        second += per_class[static_cast<size_t>(j)];
        values[pair] = sum;
        votes[static_cast<size_t>(sum > 0 ? i : j)] += 1;
      }
      first += per_class[static_cast<size_t>(i)];
    }
  }

  void probabilities(std::span<const double> values, std::span<double> out) const {
    const auto k = static_cast<size_t>(labels);
    std::vector<double> r(k * k, 0);
    for (size_t i = 0, pair = 0; i < k; ++i) {
      for (size_t j = i + 1; j < k; ++j, ++pair) {
        const double p = 1 / (1 + std::exp(values[pair] * static_cast<double>(a[pair]) + static_cast<double>(b[pair])));
        r[i * k + j] = std::clamp(p, 1e-7, 1 - 1e-7);
        r[j * k + i] = 1 - r[i * k + j];
      }
    }
    couple(r, out);
  }

  /// One bias for all classes: the label is decided by a threshold where there are two labels or none wins.
  int64_t choice(int64_t best, double most) const noexcept {
    if (rho.size() != 1) return best;
    if (labels == 2) return !has_probabilities() && positive && most >= 0.5 ? 1 : best;
    return most > 0 ? score::kPositive : score::kNegative;
  }

  int64_t operator()(std::span<const double> x, std::span<double> out) const {
    if (count == 0) {
      for (int64_t e = 0; e < labels; ++e)
        out[static_cast<size_t>(e)] = static_cast<double>(rho[0]) + dot(x, w.data() + e * columns);
      const int64_t best = score::first_greatest(out);
      const int64_t chosen = choice(best, out[static_cast<size_t>(best)]);
      score::apply(transform, out);
      return chosen;
    }
    std::vector<double> votes(static_cast<size_t>(labels)), values(static_cast<size_t>(labels * (labels - 1) / 2));
    decide(x, votes, values);
    if (has_probabilities()) {
      probabilities(values, out);
    } else if (labels == 2) {
      out[0] = -values[0];
      out[1] = values[0];
    } else {
      std::copy(values.begin(), values.end(), out.begin());
    }
    score::apply(transform, out);
    const int64_t best = score::first_greatest(votes);
    return choice(best, votes[static_cast<size_t>(best)]);
  }
};

Status svm_classifier(KernelContext& ctx) noexcept {
  return guarded([&]() -> Status {
    const SvmClassifier svm(ctx);
    if (Status s = require_columns(ctx, svm.columns); !s.ok()) return s;
    std::vector<int64_t> choices;
    if (Status s = over_rows(ctx, 1, svm.width(), &choices, svm); !s.ok()) return s;
    return score::write_labels(ctx, choices, "classlabels_ints", "classlabels_strings");
  });
}

constexpr std::string_view kMl = "ai.onnx.ml";
constexpr KernelRow kRows[] = {{"LinearClassifier", linear_classifier, kMl},
                               {"LinearRegressor", linear_regressor, kMl},
                               {"SVMClassifier", svm_classifier, kMl},
                               {"SVMRegressor", svm_regressor, kMl}};

}  // namespace

std::span<const KernelRow> reference::linear_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native
