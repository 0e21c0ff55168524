// Losses over classes. Sums in float64, in the order of the samples.
#include <engine/native/reference/support.h>
#include <ops/chosen.h>

#include <cmath>
#include <limits>

namespace chorus::native {
namespace {

/// scores [N, C, inner], labels [N, inner].
struct Classes {
  KernelContext& ctx;
  const TensorView &x, &labels;
  int64_t samples, classes, inner;
  bool ignores, weighted;
  int64_t ignored;
  explicit Classes(KernelContext& c) noexcept
      : ctx(c), x(c.in[0]), labels(c.in[1]), samples(x.dims[0]), classes(x.dims[1]),
        inner(checked_numel(x.shape().subspan(2))), ignores(c.attrs->given("ignore_index")), weighted(c.has(2)),
        ignored(c.attrs->integer("ignore_index")) {}

  Status check() const noexcept {
    if (labels.count != samples * inner || (weighted && ctx.in[2].count != classes))
      return Status::error(Code::shape, "labels or weights do not fit");
    for (int64_t i = 0; i < labels.count; ++i) {
      const int64_t c = label(i);
      if ((c < 0 || c >= classes) && !(ignores && c == ignored)) {
        return Status::error(Code::bad_input, "label %lld (sample %lld) is not one of %lld classes",
                             static_cast<long long>(c), static_cast<long long>(i), static_cast<long long>(classes));
      }
    }
    return {};
  }
  int64_t label(int64_t i) const noexcept { return get_i64(labels.dtype, labels.data, i); }
  int64_t at(int64_t i, int64_t c) const noexcept { return (i / inner * classes + c) * inner + i % inner; }
  bool skipped(int64_t i) const noexcept { return ignores && label(i) == ignored; }
  double weight(int64_t i) const noexcept {
    if (skipped(i)) return 0;
    return weighted ? get_f64(ctx.in[2].dtype, ctx.in[2].data, label(i)) : 1;
  }

  /// log_probability(i, class): of the sample's own class.
  template <class F>
  Status run(F&& log_probability) const noexcept {
    TensorView& y = ctx.out[0];
    const std::string_view reduction = ctx.attrs->string("reduction", "mean");
    double sum = 0, weights = 0;
    for (int64_t i = 0; i < labels.count; ++i) {
      const double loss = skipped(i) ? 0 : -log_probability(i, label(i)) * weight(i);
      if (reduction == "none") {
        if (ctx.wants(0)) set_f64(y.dtype, y.data, i, loss);
      } else {
        sum += loss;
        weights += weight(i);
      }
    }
    if (reduction != "none" && ctx.wants(0)) set_f64(y.dtype, y.data, 0, reduction == "sum" ? sum : sum / weights);
    return {};
  }
};

Status likelihood(KernelContext& ctx) noexcept {
  const Classes c(ctx);
  if (Status s = c.check(); !s.ok()) return s;
  return c.run([&](int64_t i, int64_t label) { return get_f64(c.x.dtype, c.x.data, c.at(i, label)); });
}

Status softmax_cross_entropy(KernelContext& ctx) noexcept {
  const Classes c(ctx);
  if (Status s = c.check(); !s.ok()) return s;
  // log_softmax(x)[class] = x[class] - (max + log(sum(exp(x - max)))): the bracket is kept per sample.
  auto* norms = static_cast<double*>(ctx.services->scratch(std::max<int64_t>(c.labels.count, 1) * 8));
  if (norms == nullptr)
    return Status::error(Code::budget, "no memory for %lld samples", static_cast<long long>(c.labels.count));
  const bool shown = ctx.wants(1);
  const Status status =
      support::parallel(ctx, c.labels.count, support::grain_for(c.classes), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          double most = -std::numeric_limits<double>::infinity(), sum = 0;
          for (int64_t k = 0; k < c.classes; ++k) most = std::fmax(most, get_f64(c.x.dtype, c.x.data, c.at(i, k)));
          for (int64_t k = 0; k < c.classes; ++k) sum += std::exp(get_f64(c.x.dtype, c.x.data, c.at(i, k)) - most);
          norms[i] = most + std::log(sum);
          for (int64_t k = 0; shown && k < c.classes; ++k) {
            set_f64(ctx.out[1].dtype, ctx.out[1].data, c.at(i, k), get_f64(c.x.dtype, c.x.data, c.at(i, k)) - norms[i]);
          }
        }
      });
  if (!status.ok()) return status;
  return c.run([&](int64_t i, int64_t label) { return get_f64(c.x.dtype, c.x.data, c.at(i, label)) - norms[i]; });
}

constexpr KernelRow kRows[] = {{"NegativeLogLikelihoodLoss", likelihood},
                               {"SoftmaxCrossEntropyLoss", softmax_cross_entropy}};

}  // namespace

std::span<const KernelRow> reference::loss_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native
