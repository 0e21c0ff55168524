// Pools over channel blocks.
#include <engine/native/steps/pooling.h>

#include <utility>
#include <vector>

namespace chorus::native::steps {
namespace {

bool is_picture(const Type& x) { return x.rank() >= 3 && x.dims[1].is_number() && x.dims[1].number() > 0; }
uint32_t first_operand(const StepDescription&) { return 1; }

bool accepts_max(const StepDescription& step) { return accepts_max_pool(step) && is_picture(step.in(0)); }
bool accepts_average(const StepDescription& step) { return accepts_pool(step) && is_picture(step.in(0)); }

Status run_pool(KernelContext& ctx, fast::Pool kind) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  fast::BlockedPoolArgs args;
  args.pool = pool_args(ctx, kind);
  args.pool.planes = fast::channel_blocks(x.dims[1]);
  args.images = x.dims[0];
  args.x_image = x.image_stride;
  args.y_image = y.image_stride;
  table().blocked_pool_run(args, ctx.services->pool());
  return {};
}
Status run_max(KernelContext& ctx) noexcept { return run_pool(ctx, fast::Pool::max); }
Status run_average(KernelContext& ctx) noexcept {
  return run_pool(ctx, ctx.attrs->integer("count_include_pad") != 0 ? fast::Pool::average_padded : fast::Pool::average);
}

// Whole pictures: a reduction over pixels of sixteen neighbours -------------------------------------------------------

bool accepts_global(const StepDescription& step) {
  const Type& x = step.in(0);
  return is_float32(x) && is_picture(x) && x.rank() <= 5 && is_float32(step.out(0), x.rank());
}

/// Over all axes behind the channels: they stay as ones, or go and leave a plain result of whole blocks.
bool accepts_axes(const StepDescription& step) {
  const Type& x = step.in(0);
  std::vector<int64_t> axes;
  if (!is_float32(x) || !is_picture(x) || x.rank() > 5 || !is_float32(step.out(0)) || !step.has(1) ||
      !constant_integers(step, 1, &axes))
    return false;
  uint32_t reduced = 0;
  for (int64_t axis : axes) {
    const int64_t at = from_front(axis, step.in(0).rank());
    if (at < 2) return false;
    reduced |= 1U << at;
  }
  return reduced == (1U << step.in(0).rank()) - 4;
}

bool accepts_kept(const StepDescription& step) {
  return accepts_axes(step) && step.n().attrs().integer("keepdims", 1) == 1;
}
bool accepts_dropped(const StepDescription& step) {
  return accepts_axes(step) && step.n().attrs().integer("keepdims", 1) == 0 &&
         step.in(0).dims[1].number() % fast::channel_block == 0;
}

template <fast::Reduce op>
fast::ReduceArgs global_args(const KernelContext& ctx) noexcept {
  const TensorView& x = ctx.in[0];
  const int64_t pixels = x.count / std::max<int64_t>(x.dims[0] * x.dims[1], 1);
  return {op, nullptr, nullptr, fast::channel_blocks(x.dims[1]), pixels, fast::channel_block, nullptr};
}
template <fast::Reduce op>
int64_t global_scratch(const KernelContext& ctx) {
  return static_cast<int64_t>(table().reduce_scratch_bytes(global_args<op>(ctx)));
}

template <fast::Reduce op>
Status run_global(KernelContext& ctx) noexcept {
  const TensorView &x = ctx.in[0], &y = ctx.out[0];
  if (y.count == 0) return {};
  fast::ReduceArgs args = global_args<op>(ctx);
  const int64_t need = global_scratch<op>(ctx);
  args.scratch = need > 0 ? ctx.services->scratch(need) : nullptr;
  if (need > 0 && args.scratch == nullptr) return no_scratch();
  for (int64_t n = 0; n < x.dims[0]; ++n) {
    args.x = x.as<const float>() + n * x.image_stride;
    args.y = y.as<float>() + n * (y.image_stride > 0 ? y.image_stride : x.dims[1]);
    table().reduce_run(args, ctx.services->pool());
  }
  return {};
}

}  // namespace

std::span<const Candidate> blocked_pooling_steps() {
  using fast::Reduce;
  static const std::vector<Candidate> list = [] {
    std::vector<Candidate> all{
        {"MaxPool", at_level("max_pool.blocked"), accepts_max, 0, nullptr, nullptr, run_max},
        {"AveragePool", at_level("average_pool.blocked"), accepts_average, 0, nullptr, nullptr, run_average},
        {"GlobalAveragePool", at_level("global_average_pool.blocked"), accepts_global, 0, nullptr,
         global_scratch<Reduce::mean>, run_global<Reduce::mean>},
        {"GlobalMaxPool", at_level("global_max_pool.blocked"), accepts_global, 0, nullptr, global_scratch<Reduce::max>,
         run_global<Reduce::max>},
    };
    for (const auto& [accepts, output] :
         {std::pair{&accepts_kept, LayoutForm::blocked}, std::pair{&accepts_dropped, LayoutForm::plain}}) {
      all.push_back({"ReduceMean", at_level("global_average_pool.blocked"), accepts, 0, nullptr,
                     global_scratch<Reduce::mean>, run_global<Reduce::mean>});
      all.back().output = output;
      all.push_back({"ReduceMax", at_level("global_max_pool.blocked"), accepts, 0, nullptr, global_scratch<Reduce::max>,
                     run_global<Reduce::max>});
      all.back().output = output;
    }
    for (Candidate& c : all) c.blocked_operands = first_operand;
    return all;
  }();
  return list;
}

}  // namespace chorus::native::steps
