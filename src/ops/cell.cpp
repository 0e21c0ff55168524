#include <ops/cell.h>

#include <algorithm>
#include <cmath>

namespace chorus {
namespace {

struct Named {
  std::string_view name;
  Activation::Kind kind;
  int parameters;  // 0: none, 1: alpha, 2: alpha and beta
  double alpha, beta;
};
using Kind = Activation::Kind;
constexpr Named kNamed[] = {
    {"relu", Kind::relu, 0, 0, 0},
    {"tanh", Kind::tanh, 0, 0, 0},
    {"sigmoid", Kind::sigmoid, 0, 0, 0},
    {"affine", Kind::affine, 2, 1, 0},
    {"leakyrelu", Kind::leaky_relu, 1, 0.01, 0},
    {"thresholdedrelu", Kind::thresholded_relu, 1, 1, 0},
    {"scaledtanh", Kind::scaled_tanh, 2, 1, 1},
    {"hardsigmoid", Kind::hard_sigmoid, 2, 0.2, 0.5},
    {"elu", Kind::elu, 1, 1, 0},
    {"softsign", Kind::softsign, 0, 0, 0},
    {"softplus", Kind::softplus, 0, 0, 0},
};

const Named* find(std::string_view name) noexcept {
  const auto same = [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b); };
  for (const Named& n : kNamed) {
    if (n.name.size() == name.size() && std::equal(n.name.begin(), n.name.end(), name.begin(), same)) return &n;
  }
  return nullptr;
}

}  // namespace

double Activation::operator()(double v) const noexcept {
  switch (kind) {
    case Kind::relu: return v > 0 || std::isnan(v) ? v : 0;
    case Kind::tanh: return std::tanh(v);
    case Kind::sigmoid: return 1 / (1 + std::exp(-v));
    case Kind::affine: return alpha * v + beta;
    case Kind::leaky_relu: return v < 0 ? alpha * v : v;
    case Kind::thresholded_relu: return v > alpha || std::isnan(v) ? v : 0;
    case Kind::scaled_tanh: return alpha * std::tanh(beta * v);
    case Kind::hard_sigmoid: return std::clamp(alpha * v + beta, 0.0, 1.0);
    case Kind::elu: return v < 0 ? alpha * std::expm1(v) : v;
    case Kind::softsign: return v / (1 + std::abs(v));
    case Kind::softplus: return std::max(v, 0.0) + std::log1p(std::exp(-std::abs(v)));
  }
  return v;
}

double Activation::slope(double v) const noexcept {
  const double y = (*this)(v);
  switch (kind) {
    case Kind::relu: return v > 0 ? 1 : 0;
    case Kind::tanh: return 1 - y * y;
    case Kind::sigmoid: return y * (1 - y);
    case Kind::affine: return alpha;
    case Kind::leaky_relu: return v > 0 ? 1 : alpha;
    case Kind::thresholded_relu: return v > alpha ? 1 : 0;
    case Kind::scaled_tanh: return alpha == 0 ? 0 : alpha * beta * (1 - y / alpha * (y / alpha));
    case Kind::hard_sigmoid: return y > 0 && y < 1 ? alpha : 0;
    case Kind::elu: return v > 0 ? 1 : alpha * std::exp(v);
    case Kind::softsign: return 1 / ((1 + std::abs(v)) * (1 + std::abs(v)));
    case Kind::softplus: return 1 / (1 + std::exp(-v));
  }
  return 1;
}

const char* read_activations(const AttrReader& attrs, int each, int64_t directions,
                             std::span<const std::string_view> defaults, Activation* out) noexcept {
  const auto names = attrs.strings("activations");
  const auto alphas = attrs.reals("activation_alpha"), betas = attrs.reals("activation_beta");
  const auto wanted = static_cast<size_t>(each * directions);
  // The default of RNN names both directions; one direction takes the first.
  if (!names.empty() && names.size() < wanted) return "activations: fewer names than functions";
  size_t next_alpha = 0, next_beta = 0;
  for (size_t i = 0; i < wanted; ++i) {
    const Named* n = find(names.empty() ? defaults[i % static_cast<size_t>(each)] : std::string_view(names[i]));
    if (n == nullptr) return "activations: an unknown function";
    out[i] = {n->kind, n->alpha, n->beta};
    if (n->parameters > 0 && next_alpha < alphas.size()) out[i].alpha = alphas[next_alpha++];
    if (n->parameters > 1 && next_beta < betas.size()) out[i].beta = betas[next_beta++];
  }
  return nullptr;
}

}  // namespace chorus
