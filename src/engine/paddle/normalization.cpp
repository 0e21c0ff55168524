// Normalisations and losses.
#include "table.h"

namespace chorus_paddle {
namespace {

namespace api = paddle::experimental;

Tensor by_channel(const Tensor& v, const Tensor& x) {
  Ints shape(static_cast<size_t>(x.dim()), 1);
  shape[1] = -1;
  return v.reshape(shape);
}

Ints axes_from(const Tensor& x, int64_t axis) {
  Ints axes;
  for (int64_t d = axis; d < x.dim(); ++d) axes.push_back(d);
  return axes;
}

Tensor root(const Tensor& x) { return x.numel() == 0 ? x : Tensor(api::sqrt(x)); }

// With all elements as divisor.
Tensor variance(const Tensor& x, const Tensor& average, const Ints& axes, bool keep) {
  const Tensor away = sub(x, average);
  return mean(mul(away, away), axes, keep);
}

// In training the statistics are those of the batch, and the running ones move by ONNX's momentum.
void batch_norm(Call& c) {
  const Tensor x = c.in(0), scale = c.in(1), bias = c.in(2), given_mean = c.in(3), given_variance = c.in(4);
  const double epsilon = c.f("epsilon", 1e-5f), momentum = c.f("momentum", 0.9f);
  const bool trains = c.i("training_mode", 0) != 0;
  if (x.numel() == 0) {
    c.out(1, given_mean);
    c.out(2, given_variance);
    return c.out(0, x);
  }
  const bool alike = !trains && x.dim() >= 2 && x.type() == scale.type() && x.type() == bias.type() &&
                     x.type() == given_mean.type() && x.type() == given_variance.type();
  if (alike) {
    const Tensor wide = x.dim() == 3 ? x.unsqueeze(2) : x;
    const Tensor y =
        std::get<0>(api::batch_norm(wide, given_mean, given_variance, paddle::Tensor(scale), paddle::Tensor(bias), true,
                                    0.9f, static_cast<float>(epsilon), "NCHW", false, false));
    return c.out(0, y.reshape(x.sizes()));
  }
  Ints axes = {0};
  for (int64_t d = 2; d < x.dim(); ++d) axes.push_back(d);
  const Type type = x.type();
  Tensor now = given_mean.to(type), spread = given_variance.to(type);
  if (trains) {
    now = mean(x, axes, false);
    spread = variance(x, by_channel(now, x), axes, false);
    c.out(1, add(mul(given_mean, momentum), mul(now, 1 - momentum).to(given_mean.type())));
    c.out(2, add(mul(given_variance, momentum), mul(spread, 1 - momentum).to(given_variance.type())));
  }
  const Tensor y = div(sub(x, by_channel(now, x)), root(add(by_channel(spread, x), epsilon)));
  c.out(0, add(mul(y, by_channel(scale.to(type), x)), by_channel(bias.to(type), x)));
}

void instance_norm(Call& c) {
  const Tensor x = c.in(0);
  if (x.numel() == 0) return c.out(0, x);
  const Ints axes = axes_from(x, 2);
  const Tensor average = mean(x, axes, true), spread = variance(x, average, axes, true);
  const Tensor y = div(sub(x, average), root(add(spread, c.f("epsilon", 1e-5f))));
  c.out(0, add(mul(y, by_channel(c.in(1), x)), by_channel(c.in(2), x)));
}

// float16 and bfloat16 come in float32: rounded where ONNX rounds between, to the type of operand i.
Tensor rounded(Call& c, const Tensor& y, size_t i = 0) {
  const Type type = c.slot_in(i).tensor.type();
  return type == y.type() ? y : y.to(type).to(y.type());
}

void layer_norm(Call& c) {
  const Tensor x = c.in(0), scale = c.in(1), bias = c.in(2);
  const int64_t axis = c.axis(c.i("axis", -1), x.dim());
  const double epsilon = c.f("epsilon", 1e-5f);
  const Ints extents = x.sizes(), shape(extents.begin() + axis, extents.end());
  const bool whole = scale.sizes() == shape && (!bias.defined() || bias.sizes() == shape) && x.numel() > 0 && axis > 0;
  if (whole && x.type() == kFloat && c.slot_in(0).tensor.type() == kFloat && !c.wants(1) && !c.wants(2)) {
    using Optional = paddle::optional<paddle::Tensor>;
    const Optional shift = bias.defined() ? Optional(paddle::Tensor(bias.reshape({-1}))) : Optional(paddle::none);
    return c.out(0, api::layer_norm(x, Optional(paddle::Tensor(scale.reshape({-1}))), shift,
                                    static_cast<float>(epsilon), static_cast<int>(axis)));
  }
  const Ints axes = axes_from(x, axis);
  const Tensor average = mean(x, axes, true), spread = root(add(variance(x, average, axes, true), epsilon));
  Tensor y = mul(rounded(c, div(sub(x, average), spread)), scale);
  if (bias.defined()) y = add(y, bias);
  c.out(0, y);
  c.out(1, average);
  c.out(2, div(full({}, 1, x.type()), spread));
}

void rms_norm(Call& c) {
  const Tensor x = c.in(0), scale = c.in(1);
  const Ints axes = axes_from(x, c.axis(c.i("axis", -1), x.dim()));
  const Tensor spread = root(add(mean(mul(x, x), axes, true), c.f("epsilon", 1e-5f)));
  c.out(0, mul(rounded(c, div(x, spread), 1), scale));
}

void group_norm(Call& c) {
  const Tensor x = c.in(0);
  const int64_t groups = c.i("num_groups", 1);
  c.require(x.dim() >= 2 && groups > 0 && x.size(1) % groups == 0, "the channels do not fit the groups");
  if (x.numel() == 0) return c.out(0, x);
  const Tensor grouped = x.reshape({x.size(0), groups, -1});
  const Tensor average = mean(grouped, {2}, true), spread = variance(grouped, average, {2}, true);
  const Tensor y = div(sub(grouped, average), root(add(spread, c.f("epsilon", 1e-5f)))).reshape(x.sizes());
  c.out(0, add(mul(rounded(c, y), by_channel(c.in(1), x)), by_channel(c.in(2), x)));
}

void lp_norm(Call& c) {
  const Tensor x = c.in(0);
  const int64_t axis = c.axis(c.i("axis", -1), x.dim());
  if (x.numel() == 0) return c.out(0, x);
  const Tensor norm = c.i("p", 2) == 1 ? sum(api::abs(x), {axis}, true) : root(sum(mul(x, x), {axis}, true));
  c.out(0, where(eq(norm, 0), 0, div(x, norm)));
}

// ONNX's window lies to the left where it is even.
void lrn(Call& c) {
  const Tensor x = c.in(0);
  const int64_t size = c.i("size", 1), before = (size - 1) / 2, after = size - 1 - before, channels = x.size(1);
  Ints begin(static_cast<size_t>(x.dim()), 0), end = begin;
  begin[1] = before;
  end[1] = after;
  const Tensor squares = pad(mul(x, x), begin, end, 0.0);
  Tensor total = squares.narrow(1, 0, channels);
  for (int64_t k = 1; k < size; ++k) total = add(total, squares.narrow(1, k, channels));
  const double alpha = c.f("alpha", 1e-4f), beta = c.f("beta", 0.75), bias = c.f("bias", 1);
  c.out(0, div(x, pow(add(mul(total, alpha / static_cast<double>(size)), bias), beta)));
}

void mean_variance(Call& c) {
  const Tensor x = c.in(0);
  Ints axes = c.is("axes");
  if (!c.given("axes")) axes = {0, 2, 3};
  axes = c.axes(axes, x.dim());
  const Tensor average = mean(x, axes, true);
  const Tensor spread = root(sub(mean(mul(x, x), axes, true), mul(average, average)));
  c.out(0, div(sub(x, average), add(spread, 1e-9)));
}

// log_probabilities [N, C, …], labels [N, …]
void loss(Call& c, const Tensor& log_probabilities) {
  const Tensor labels = c.in(1).to(kLong), weight = c.in(2);
  const bool ignores = c.given("ignore_index");
  const auto ignored = static_cast<double>(c.i("ignore_index", -1));
  const int64_t classes = log_probabilities.size(1);
  Tensor wrong = either(lt(labels, 0), ge(labels, static_cast<double>(classes)));
  const Tensor counted = ignores ? ne(labels, ignored) : Tensor();
  if (ignores) wrong = both(wrong, counted);
  c.require(!any(wrong), "a label is no class");
  const Tensor known = ignores ? where(counted, labels, 0) : labels, at = known.unsqueeze(1);
  Tensor each = neg(take_along(log_probabilities, 1, at)).reshape(labels.sizes());
  Tensor share = weight.defined() ? weight.index_select(0, known.reshape({-1})).reshape(labels.sizes())
                                  : full(labels.sizes(), 1, each.type());
  if (ignores) share = where(counted, share, 0);
  each = mul(each, share);
  const std::string_view how = c.s("reduction", "mean");
  if (how == "none") return c.out(0, each);
  Ints axes;
  for (int64_t d = 0; d < each.dim(); ++d) axes.push_back(d);
  const Tensor total = sum(each, axes, false);
  c.out(0, how == "sum" ? total : div(total, sum(share, axes, false)));
}

void nll_loss(Call& c) { loss(c, c.in(0)); }
void cross_entropy(Call& c) {
  const Tensor x = c.in(0), log_probabilities = x.numel() == 0 ? x : log_softmax(x, 1);
  loss(c, log_probabilities);
  c.out(1, log_probabilities);
}

void dropout(Call& c) {
  c.out(0, c.in(0));
  if (c.wants(1)) c.out(1, full(c.in(0).sizes(), 1, kBool));
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
    {"BatchNormalization", batch_norm, kDoubles, "batch_norm",
     "momentum and variance mean something else there in training: computed step by step"},
    {"InstanceNormalization", instance_norm, kDoubles, "mean, multiply"},
    {"LayerNormalization", layer_norm, kDoubles, "layer_norm",
     "gives neither mean nor deviation; scale and bias may broadcast here"},
    {"RMSNormalization", rms_norm, kDoubles, "mean, sqrt"},
    {"GroupNormalization", group_norm, kDoubles, "mean, multiply"},
    {"LpNormalization", lp_norm, kDoubles, "sum, sqrt"},
    {"LRN", lrn, kDoubles, "multiply, elementwise_pow"},
    {"MeanVarianceNormalization", mean_variance, kDoubles, "mean"},
    {"NegativeLogLikelihoodLoss", nll_loss, kDoubles, "take_along_axis",
     "-100 is ignored there without being asked for"},
    {"SoftmaxCrossEntropyLoss", cross_entropy, kDoubles, "exp, sum, log, take_along_axis",
     "-100 is ignored there without being asked for"},
    {"Dropout", dropout, kAll, "(the tensor itself)", {}, dropout_refusal},
};

}  // namespace

std::span<const Row> normalization_rows() { return kRows; }

}  // namespace chorus_paddle
