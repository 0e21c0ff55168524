// Softmax and LogSoftmax along any axis, LayerNormalization and RMSNormalization over the last axes, BatchNormalization
// that no
// convolution took in.
#include <engine/native/steps/support.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace chorus::native::steps {
namespace {

template <fast::Softmax kind>
Status run_softmax(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  const int64_t axis = from_front(ctx.attrs->integer("axis", -1), x.rank);
  if (axis < 0) return Status::error(Code::shape, "no such axis in a tensor of rank %d", x.rank);
  if (y.count == 0) return {};
  const Split s = split(x.shape(), axis, axis + 1);
  table().softmax_run({kind, x.as<const float>(), y.as<float>(), s.outer, s.n, s.inner}, ctx.services->pool());
  return {};
}

bool accepts_softmax(const StepDescription& step) {
  return is_float32(step.in(0)) && is_float32(step.out(0)) &&
         from_front(step.n().attrs().integer("axis", -1), step.in(0).rank()) >= 0;
}

/// Scale and bias have exactly the extents of the normalised axes.
bool is_line(const Type& t, const Type& x, int64_t axis) {
  if (!is_float32(t) || t.rank() != x.rank() - axis) return false;
  for (size_t i = 0; i < t.dims.size(); ++i) {
    if (Dim::equal(t.dims[i], x.dims[static_cast<size_t>(axis) + i]) != Dim::Truth::yes) return false;
  }
  return true;
}

bool accepts_norm(const StepDescription& step) {
  const Type& x = step.in(0);
  if (!is_float32(x) || !is_float32(step.out(0))) return false;
  const AttrReader attrs = step.n().attrs();
  const int64_t axis = from_front(attrs.integer("axis", -1), x.rank());
  if (axis < 0 || attrs.integer("stash_type", 1) != 1 || !is_line(step.in(1), x, axis)) return false;
  for (int i : {1, 2}) {
    if (step.out(i).kind != ValueKind::none && !is_float32(step.out(i))) return false;
  }
  return !step.has(2) || is_line(step.in(2), x, axis);
}

template <fast::Norm kind>
Status run_norm(KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  const int64_t axis = from_front(ctx.attrs->integer("axis", -1), x.rank);
  if (axis < 0) return Status::error(Code::shape, "no such axis in a tensor of rank %d", x.rank);
  const Split s = split(x.shape(), axis, x.rank);
  if (x.count == 0) {  // rows of no numbers have no mean
    for (int i = 1; i < 3; ++i) {
      if (!ctx.wants(i)) continue;
      std::fill_n(ctx.out[i].as<float>(), ctx.out[i].count, std::numeric_limits<float>::quiet_NaN());
    }
    return {};
  }
  fast::NormArgs args;
  args.kind = kind;
  args.x = x.as<const float>();
  args.y = ctx.out[0].as<float>();
  args.rows = s.outer;
  args.n = s.n;
  args.scale = ctx.in[1].as<const float>();
  if (ctx.has(2)) args.bias = ctx.in[2].as<const float>();
  args.epsilon = ctx.attrs->real("epsilon", 1e-5F);
  if (ctx.wants(1)) args.mean = ctx.out[1].as<float>();
  if (ctx.wants(2)) args.inverse = ctx.out[2].as<float>();
  table().norm_run(args, ctx.services->pool());
  return {};
}

bool accepts_layer(const StepDescription& step) {
  return step.n().outputs.size() >= 1 && step.n().outputs[0] != kNone && accepts_norm(step);
}
bool accepts_rms(const StepDescription& step) { return accepts_norm(step) && !step.has(2); }

// BatchNormalization --------------------------------------------------------------------------------------------------

struct PreparedBatch final : Prepared {
  std::vector<float> scale, shift;  // [channels]
  fast::Activation activation = fast::Activation::none;
  int64_t bytes() const noexcept override {
    return static_cast<int64_t>((scale.size() + shift.size()) * sizeof(float));
  }
};

bool accepts_batch(const StepDescription& step) {
  const Type& x = step.in(0);
  if (!is_float32(x) || x.rank() < 2 || !is_float32(step.out(0)) || !x.dims[1].is_number() ||
      step.n().attrs().integer("training_mode") != 0) {
    return false;
  }
  for (size_t i = 1; i < step.n().outputs.size(); ++i) {
    if (step.n().outputs[i] != kNone) return false;
  }
  for (int i = 1; i < 5; ++i) {
    const Value* v = step.constant(i);
    if (v == nullptr || v->dtype() != DType::float32 || v->numel() != x.dims[1].number()) return false;
  }
  return true;
}

std::shared_ptr<const Prepared> prepare_batch(const StepDescription& step) {
  auto p = std::make_shared<PreparedBatch>();
  const double epsilon = step.n().attrs().real("epsilon", 1e-5F);
  const auto scale = step.constant(1)->as<float>(), bias = step.constant(2)->as<float>();
  const auto mean = step.constant(3)->as<float>(), variance = step.constant(4)->as<float>();
  for (size_t i = 0; i < scale.size(); ++i) {
    const double factor = scale[i] / std::sqrt(variance[i] + epsilon);
    p->scale.push_back(static_cast<float>(factor));
    p->shift.push_back(static_cast<float>(bias[i] - mean[i] * factor));
  }
  for (const EpilogueItem& item : step.epilogues) {
    if (item.kind == EpilogueKind::relu) p->activation = fast::Activation::relu;
  }
  p->constants_used = 0x1E;
  return p;
}

/// Four numbers at once, as every x86-64 processor and every compiler's vector extension has them: the pass is bound by
/// memory.
using Four = float __attribute__((vector_size(16)));

template <fast::Activation activation>
void scale_plane(const float* x, float* y, int64_t n, float scale, float shift) noexcept {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    Four v;
    std::memcpy(&v, x + i, sizeof v);  // a plane begins at any float
    v = v * scale + shift;
    if constexpr (activation == fast::Activation::relu) v = v < 0.0F ? Four{} : v;
    std::memcpy(y + i, &v, sizeof v);
  }
  for (; i < n; ++i) {
    const float v = x[i] * scale + shift;
    y[i] = activation == fast::Activation::relu && v < 0 ? 0.0F : v;
  }
}

Status run_batch(KernelContext& ctx) noexcept {
  const auto& p = *static_cast<const PreparedBatch*>(ctx.prepared);
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  if (x.dims[1] != static_cast<int64_t>(p.scale.size()))
    return Status::error(Code::shape, "%lld channels", static_cast<long long>(x.dims[1]));
  const Split s = split(x.shape(), 1, 2);
  const int64_t planes = s.outer * s.n, grain = std::max<int64_t>(1, 16384 / s.inner);
  const auto* from = x.as<const float>();
  auto* to = y.as<float>();
  ctx.services->pool().parallel_for((planes - 1) / grain + 1, [&](int64_t task, int) {
    for (int64_t plane = task * grain; plane < std::min(planes, (task + 1) * grain); ++plane) {
      const auto channel = static_cast<size_t>(plane % s.n);
      const int64_t at = plane * s.inner;
      (p.activation == fast::Activation::relu
           ? scale_plane<fast::Activation::relu>
           : scale_plane<fast::Activation::none>)(from + at, to + at, s.inner, p.scale[channel], p.shift[channel]);
    }
  });
  return {};
}

}  // namespace

std::span<const Candidate> normalization_steps() {
  static const Candidate list[] = {
      {"Softmax", at_level("softmax"), accepts_softmax, 0, nullptr, nullptr, run_softmax<fast::Softmax::normal>},
      {"LogSoftmax", at_level("log_softmax"), accepts_softmax, 0, nullptr, nullptr,
       run_softmax<fast::Softmax::logarithm>},
      {"LayerNormalization", at_level("layer_norm"), accepts_layer, 0, nullptr, nullptr, run_norm<fast::Norm::layer>},
      {"RMSNormalization", at_level("rms_norm"), accepts_rms, 0, nullptr, nullptr, run_norm<fast::Norm::rms>},
      {"BatchNormalization", "batch_norm.plain", accepts_batch, epilogue_bit(EpilogueKind::relu), prepare_batch,
       nullptr, run_batch},
  };
  return list;
}

}  // namespace chorus::native::steps
