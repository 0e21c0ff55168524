// Normalisations and losses.
#include "table.h"

namespace chorus_torch {
namespace {

Tensor by_channel(const Tensor& v, const Tensor& x) {
  Ints shape(static_cast<size_t>(x.dim()), 1);
  shape[1] = -1;
  return v.reshape(shape);
}

// In training the statistics are those of the batch, with all elements as divisor; the running ones move by ONNX's momentum.
void batch_norm(Call& c) {
  const Tensor x = c.in(0), scale = c.in(1), bias = c.in(2), mean = c.in(3), variance = c.in(4);
  const double epsilon = c.f("epsilon", 1e-5f), momentum = c.f("momentum", 0.9f);
  if (c.i("training_mode", 0) == 0) {
    const bool alike = scale.scalar_type() == mean.scalar_type() && bias.scalar_type() == mean.scalar_type() &&
                       x.dim() >= 2 && (x.scalar_type() == mean.scalar_type() || mean.scalar_type() == at::kFloat);
    if (alike) return c.out(0, at::batch_norm(x, scale, bias, mean, variance, false, 0, epsilon, false));
    const Tensor wide = x.to(at::kFloat);
    const Tensor y = at::sub(wide, by_channel(mean.to(at::kFloat), x))
                         .div(at::sqrt(by_channel(variance.to(at::kFloat), x) + epsilon));
    return c.out(0, at::add(at::mul(y, by_channel(scale.to(at::kFloat), x)), by_channel(bias.to(at::kFloat), x)));
  }
  Ints axes = {0};
  for (int64_t d = 2; d < x.dim(); ++d) axes.push_back(d);
  const Tensor now = at::mean(x, axes), spread = at::var(x, at::OptionalIntArrayRef(axes), false);
  const Tensor y = at::sub(x, by_channel(now, x)).div(at::sqrt(by_channel(spread, x) + epsilon));
  c.out(0, at::add(at::mul(y, by_channel(scale, x)), by_channel(bias, x)));
  c.out(1, at::add(at::mul(mean, momentum), at::mul(now, 1 - momentum)));
  c.out(2, at::add(at::mul(variance, momentum), at::mul(spread, 1 - momentum)));
}

void instance_norm(Call& c) {
  const Tensor x = c.in(0);
  c.out(0, at::instance_norm(x, c.in(1), c.in(2), {}, {}, true, 0, c.f("epsilon", 1e-5f), false));
}

bool computes_in_float(const Call& c, const Tensor& x) {
  return c.i("stash_type", 1) == 1 && (x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16);
}

void layer_norm(Call& c) {
  const Tensor given = c.in(0), scale = c.in(1), bias = c.in(2);
  const int64_t axis = c.axis(c.i("axis", -1), given.dim());
  const double epsilon = c.f("epsilon", 1e-5f);
  const Tensor x = computes_in_float(c, given) ? given.to(at::kFloat) : given;
  const Ints shape = x.sizes().slice(static_cast<size_t>(axis)).vec();
  const bool whole = scale.sizes() == at::IntArrayRef(shape) && (!bias.defined() || bias.sizes() == scale.sizes());
  if (whole && x.is_same(given) && !c.wants(1) && !c.wants(2)) {
    return c.out(0, at::layer_norm(x, shape, scale, bias.defined() ? std::optional<Tensor>(bias) : std::nullopt,
                                   epsilon, false));
  }
  Ints axes;
  for (int64_t d = axis; d < x.dim(); ++d) axes.push_back(d);
  const Tensor mean = at::mean(x, axes, true),
               inverse = at::rsqrt(at::add(at::var(x, at::OptionalIntArrayRef(axes), false, true), epsilon));
  Tensor y = at::mul(at::mul(at::sub(x, mean), inverse).to(given.scalar_type()), scale);
  if (bias.defined()) y = at::add(y, bias);
  c.out(0, y);
  c.out(1, mean);
  c.out(2, inverse);
}

void rms_norm(Call& c) {
  const Tensor given = c.in(0), scale = c.in(1);
  const int64_t axis = c.axis(c.i("axis", -1), given.dim());
  const Tensor x = computes_in_float(c, given) ? given.to(at::kFloat) : given;
  Ints axes;
  for (int64_t d = axis; d < x.dim(); ++d) axes.push_back(d);
  const Tensor inverse = at::rsqrt(at::add(at::mean(at::mul(x, x), axes, true), c.f("epsilon", 1e-5f)));
  c.out(0, at::mul(at::mul(x, inverse).to(scale.scalar_type()), scale));
}

void group_norm(Call& c) {
  const Tensor given = c.in(0), scale = c.in(1), bias = c.in(2);
  const Tensor x = computes_in_float(c, given) ? given.to(at::kFloat) : given;
  const Tensor y =
      at::group_norm(x, c.i("num_groups", 1), {}, {}, c.f("epsilon", 1e-5f), false).to(given.scalar_type());
  c.out(0, at::add(at::mul(y, by_channel(scale, given)), by_channel(bias, given)));
}

void lp_norm(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", -1), x.dim());
  const Tensor norm = at::linalg_vector_norm(x, static_cast<double>(c.i("p", 2)), Ints{axis}, true);
  c.out(0, at::where(at::eq(norm, 0), at::zeros_like(x), at::div(x, norm)));
}

// ONNX's window lies to the left where it is even, PyTorch's divides by another number at the borders.
void lrn(Call& c) {
  const Tensor x = c.in(0);
  const int64_t size = c.i("size", 1), before = (size - 1) / 2, after = size - 1 - before, channels = x.size(1);
  Ints pads(2 * static_cast<size_t>(x.dim() - 1), 0);
  pads[pads.size() - 2] = before;
  pads[pads.size() - 1] = after;
  const Tensor squares = at::constant_pad_nd(at::mul(x, x), pads, 0);
  Tensor sum = squares.narrow(1, 0, channels);
  for (int64_t k = 1; k < size; ++k) sum = at::add(sum, squares.narrow(1, k, channels));
  const double alpha = c.f("alpha", 1e-4f), beta = c.f("beta", 0.75), bias = c.f("bias", 1);
  c.out(0, at::div(x, at::pow(at::add(at::mul(sum, alpha / static_cast<double>(size)), bias), beta)));
}

void mean_variance(Call& c) {
  const Tensor x = c.in(0);
  Ints axes = c.is("axes");
  if (!c.given("axes")) axes = {0, 2, 3};
  const Tensor mean = at::mean(x, axes, true);
  const Tensor spread = at::sqrt(at::sub(at::mean(at::mul(x, x), axes, true), at::mul(mean, mean)));
  c.out(0, at::div(at::sub(x, mean), at::add(spread, 1e-9)));
}

// log_probabilities [N, C, …], labels [N, …]
void loss(Call& c, const Tensor& log_probabilities) {
  const Tensor labels = c.in(1).to(at::kLong), weight = c.in(2);
  const std::string_view how = c.s("reduction", "mean");
  const int64_t reduction = how == "none"  ? at::Reduction::None
                            : how == "sum" ? at::Reduction::Sum
                                           : at::Reduction::Mean;
  const bool ignores = c.given("ignore_index");
  const int64_t ignored = c.i("ignore_index", -1), classes = log_probabilities.size(1);
  Tensor wrong = at::logical_or(at::lt(labels, 0), at::ge(labels, classes));
  if (ignores) wrong = at::logical_and(wrong, at::ne(labels, ignored));
  c.require(!wrong.any().item<bool>(), "a label is no class");
  c.out(0, at::nll_loss_nd(log_probabilities, labels, weight.defined() ? std::optional<Tensor>(weight) : std::nullopt,
                           reduction, ignores ? ignored : -100));
}

void nll_loss(Call& c) { loss(c, c.in(0)); }
void cross_entropy(Call& c) {
  const Tensor log_probabilities = at::log_softmax(c.in(0), 1);
  loss(c, log_probabilities);
  c.out(1, log_probabilities);
}

void dropout(Call& c) {
  c.out(0, c.in(0));
  if (c.wants(1)) c.out(1, at::ones_like(c.in(0), at::TensorOptions(at::kBool)));
}

std::string dropout_refusal(const Node& node) {
  if (!node.has(2)) return {};
  const ch_value_info& mode = *node.graph.values[node.node.inputs[2]];
  if (mode.constant == CH_NO_INDEX) return "whether it drops is known in the run only";
  const ch_value& value = *node.graph.constants[mode.constant];
  const auto* flag = static_cast<const char*>(value.buffer.data) + value.offset;
  return *flag != 0 ? "random numbers are drawn by Chorus alone, so that they are equal everywhere" : std::string();
}

constexpr Row kRows[] = {
    {"BatchNormalization", batch_norm, kFloats, "batch_norm",
     "in training the running variance has n - 1 as divisor, and momentum means the other share"},
    {"InstanceNormalization", instance_norm, kFloats, "instance_norm"},
    {"LayerNormalization", layer_norm, kFloats, "layer_norm",
     "gives neither mean nor deviation; scale and bias may broadcast here"},
    {"RMSNormalization", rms_norm, kFloats, "rsqrt, mean"},
    {"GroupNormalization", group_norm, kFloats, "group_norm"},
    {"LpNormalization", lp_norm, kFloats, "linalg_vector_norm", "of zeros NaN there: 0"},
    {"LRN", lrn, kFloats, "mul, pow", "an even window lies elsewhere there"},
    {"MeanVarianceNormalization", mean_variance, kFloats, "mean"},
    {"NegativeLogLikelihoodLoss", nll_loss, kFloats, "nll_loss_nd", "-100 is ignored there without being asked for"},
    {"SoftmaxCrossEntropyLoss", cross_entropy, kFloats, "log_softmax, nll_loss_nd",
     "-100 is ignored there without being asked for"},
    {"Dropout", dropout, kFloats, "(the tensor itself)", {}, dropout_refusal},
};

}  // namespace

std::span<const Row> normalization_rows() { return kRows; }

}  // namespace chorus_torch
