// MaxPool without indices, AveragePool and the global pools, over one or two spatial axes.
#include <engine/native/steps/pooling.h>

namespace chorus::native::steps {
namespace {

bool inside(std::span<const int64_t> v, size_t count, int64_t least) noexcept {
  return (v.empty() || v.size() == count) &&
         std::all_of(v.begin(), v.end(), [&](int64_t x) { return x >= least && x < (1 << 30); });
}

struct Window {
  int64_t kernel = 1, stride = 1, before = 0, after = 0;
};

Window window(const KernelContext& ctx, int axis) noexcept {
  const AttrReader& attrs = *ctx.attrs;
  const auto strides = attrs.integers("strides"), pads = attrs.integers("pads");
  const std::string_view mode = attrs.string("auto_pad", "NOTSET");
  const auto i = static_cast<size_t>(axis), axes = static_cast<size_t>(ctx.in[0].rank - 2);
  Window w;
  w.kernel = attrs.integers("kernel_shape")[i];
  if (!strides.empty()) w.stride = strides[i];
  if (mode == "NOTSET" && !pads.empty()) w.before = pads[i], w.after = pads[i + axes];
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    const int64_t total =
        std::max<int64_t>((ctx.out[0].dims[i + 2] - 1) * w.stride + w.kernel - ctx.in[0].dims[i + 2], 0);
    w.before = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    w.after = total - w.before;
  }
  return w;
}

}  // namespace

/// Windows that hold at least one element wherever they lie: padding narrower than the window, whose elements are
/// neighbours.
bool accepts_pool(const StepDescription& step) {
  const Type& x = step.in(0);
  const int rank = x.rank();
  if (!is_float32(x) || (rank != 3 && rank != 4) || !is_float32(step.out(0), rank)) return false;
  const AttrReader attrs = step.n().attrs();
  const auto axes = static_cast<size_t>(rank - 2);
  const auto kernel = attrs.integers("kernel_shape"), strides = attrs.integers("strides"),
             pads = attrs.integers("pads");
  const auto dilations = attrs.integers("dilations");
  if (kernel.size() != axes || !inside(kernel, axes, 1) || !inside(strides, axes, 1) || !inside(pads, 2 * axes, 0))
    return false;
  if (!inside(dilations, axes, 1) || std::any_of(dilations.begin(), dilations.end(), [](int64_t d) { return d != 1; }))
    return false;
  for (size_t i = 0; i < pads.size(); ++i) {
    if (pads[i] >= kernel[i % axes]) return false;
  }
  return true;
}
bool accepts_max_pool(const StepDescription& step) {
  return accepts_pool(step) && (step.n().outputs.size() < 2 || step.n().outputs[1] == kNone);
}

fast::PoolArgs pool_args(const KernelContext& ctx, fast::Pool kind) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  const bool plane = x.rank == 4;
  fast::PoolArgs a;
  a.kind = kind;
  a.x = x.as<const float>();
  a.y = y.as<float>();
  a.planes = x.dims[0] * x.dims[1];
  a.height = plane ? x.dims[2] : 1;
  a.width = x.dim(-1);
  a.out_height = plane ? y.dims[2] : 1;
  a.out_width = y.dim(-1);
  const Window across = window(ctx, plane ? 1 : 0);
  a.kernel_w = across.kernel, a.stride_w = across.stride, a.pad_left = across.before, a.pad_right = across.after;
  if (plane) {
    const Window down = window(ctx, 0);
    a.kernel_h = down.kernel, a.stride_h = down.stride, a.pad_top = down.before, a.pad_bottom = down.after;
  }
  return a;
}

namespace {

int64_t pool_scratch(const KernelContext& ctx) {
  return static_cast<int64_t>(
      table().pool_scratch_bytes(pool_args(ctx, fast::Pool::max), ctx.services->pool().threads()));
}

Status run_pool(KernelContext& ctx, fast::Pool kind) noexcept {
  if (ctx.out[0].count == 0) return {};
  fast::PoolArgs args = pool_args(ctx, kind);
  const int64_t need = pool_scratch(ctx);
  args.scratch = need > 0 ? ctx.services->scratch(need) : nullptr;
  if (need > 0 && args.scratch == nullptr) return no_scratch();
  table().pool_run(args, ctx.services->pool());
  return {};
}
Status run_max(KernelContext& ctx) noexcept { return run_pool(ctx, fast::Pool::max); }
Status run_average(KernelContext& ctx) noexcept {
  return run_pool(ctx, ctx.attrs->integer("count_include_pad") != 0 ? fast::Pool::average_padded : fast::Pool::average);
}

// Whole planes --------------------------------------------------------------------------------------------------------

bool accepts_global(const StepDescription& step) {
  return is_float32(step.in(0)) && step.in(0).rank() >= 2 && is_float32(step.out(0));
}

template <fast::Reduce op>
fast::ReduceArgs global_args(const KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  const Split s = split(x.shape(), 2, x.rank);
  return {op, x.as<const float>(), ctx.out[0].as<float>(), s.outer, s.n, 1, nullptr};
}
template <fast::Reduce op>
int64_t global_scratch(const KernelContext& ctx) {
  return static_cast<int64_t>(table().reduce_scratch_bytes(global_args<op>(ctx)));
}

template <fast::Reduce op>
Status run_global(KernelContext& ctx) noexcept {
  if (ctx.out[0].count == 0) return {};
  fast::ReduceArgs args = global_args<op>(ctx);
  const int64_t need = global_scratch<op>(ctx);
  args.scratch = need > 0 ? ctx.services->scratch(need) : nullptr;
  if (need > 0 && args.scratch == nullptr) return no_scratch();
  table().reduce_run(args, ctx.services->pool());
  return {};
}

}  // namespace

std::span<const Candidate> pooling_steps() {
  using fast::Reduce;
  static const Candidate list[] = {
      {"MaxPool", at_level("max_pool"), accepts_max_pool, 0, nullptr, pool_scratch, run_max},
      {"AveragePool", at_level("average_pool"), accepts_pool, 0, nullptr, pool_scratch, run_average},
      {"GlobalAveragePool", at_level("global_average_pool"), accepts_global, 0, nullptr, global_scratch<Reduce::mean>,
       run_global<Reduce::mean>},
      {"GlobalMaxPool", at_level("global_max_pool"), accepts_global, 0, nullptr, global_scratch<Reduce::max>,
       run_global<Reduce::max>},
  };
  return list;
}

}  // namespace chorus::native::steps
