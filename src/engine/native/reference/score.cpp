#include <engine/native/reference/score.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numbers>

namespace chorus::native::score {
namespace {

/// Winitzki's approximation with a = 0.147, which ONNX Runtime and the evaluator of the onnx package use.
double inverse_error_function(double x) noexcept {
  const double sign = x < 0 ? -1 : 1, rest = (1 - x) * (1 + x);
  if (rest == 0) return sign * std::numeric_limits<double>::infinity();
  const double log = std::log(rest), v = 2 / (std::numbers::pi * 0.147) + 0.5 * log;
  return sign * std::sqrt(std::sqrt(v * v - log / 0.147) - v);
}

void softmax(std::span<double> row) noexcept {
  const double top = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (double& v : row) sum += v = std::exp(v - top);
  for (double& v : row) v /= sum;
}

/// Scores of (almost) zero stay zero.
void softmax_zero(std::span<double> row) noexcept {
  const double top = *std::max_element(row.begin(), row.end()), down = std::exp(-top);
  double sum = 0;
  for (double& v : row) sum += v = std::abs(v) > 1e-7 ? std::exp(v - top) : v * down;
  for (double& v : row) v = sum == 0 ? 0.5 : v / sum;
}

}  // namespace

Transform transform_of(std::string_view name) noexcept {
  if (name == "SOFTMAX") return Transform::softmax;
  if (name == "LOGISTIC") return Transform::logistic;
  if (name == "SOFTMAX_ZERO") return Transform::softmax_zero;
  return name == "PROBIT" ? Transform::probit : Transform::none;
}

void apply(Transform t, std::span<double> row) noexcept {
  if (row.empty()) return;
  switch (t) {
    case Transform::none: return;
    case Transform::softmax: return softmax(row);
    case Transform::softmax_zero: return softmax_zero(row);
    case Transform::logistic:
      for (double& v : row) v = 1 / (1 + std::exp(-v));
      return;
    case Transform::probit:
      for (double& v : row) v = std::numbers::sqrt2 * inverse_error_function(2 * v - 1);
      return;
  }
}

int64_t first_greatest(std::span<const double> row) noexcept {
  return row.empty() ? 0 : std::max_element(row.begin(), row.end()) - row.begin();
}

Status write_labels(KernelContext& ctx, std::span<const int64_t> choices, std::string_view integers,
                    std::string_view strings) noexcept {
  if (!ctx.wants(0)) return {};
  const auto n = static_cast<int64_t>(choices.size());
  const auto numbers = ctx.attrs->integers(integers);
  const auto texts = ctx.attrs->strings(strings);
  const move::Extents shape(std::span<const int64_t>(&n, 1));
  if (!texts.empty()) {
    return move::set_value(ctx, 0, [&] {
      auto out = std::make_shared<Strings>();
      for (const int64_t c : choices)
        out->push_back(c >= 0 ? texts[static_cast<size_t>(c)] : c == kPositive ? "1" : "0");
      return Value::strings(Shape(shape.span()), std::move(out));
    });
  }
  TensorView y;
  if (Status s = move::output(ctx, 0, DType::int64, shape, &y); !s.ok()) return s;
  for (size_t i = 0; i < choices.size(); ++i) {
    const int64_t c = choices[i];
    y.as<int64_t>()[i] = c >= 0 ? numbers[static_cast<size_t>(c)] : c == kPositive ? 1 : 0;
  }
  return {};
}

}  // namespace chorus::native::score
