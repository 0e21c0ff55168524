// Reductions over neighbouring axes: the tensor is [outer, n, inner].
#include <engine/native/steps/support.h>

#include <algorithm>

namespace chorus::native::steps {
namespace {

struct PreparedReduction final : Prepared {
  int64_t first = 0, end = 0;   // the reduced axes
};

/// The reduced axes when they are neighbours (axes of extent one between them do no harm but are not looked for).
bool read_axes(const StepDescription& step, int64_t* first, int64_t* end) {
  const Type& x = step.in(0);
  if (!is_float32(x) || !is_float32(step.out(0)) || x.rank() < 1) return false;
  std::vector<int64_t> axes;
  if (step.has(1) && !constant_integers(step, 1, &axes)) return false;
  if (axes.empty()) {
    if (step.n().attrs().integer("noop_with_empty_axes") != 0) return false;
    *first = 0;
    *end = x.rank();
    return true;
  }
  for (int64_t& a : axes) {
    a = from_front(a, x.rank());
    if (a < 0) return false;
  }
  std::sort(axes.begin(), axes.end());
  *first = axes.front();
  *end = axes.back() + 1;
  for (size_t i = 1; i < axes.size(); ++i) {
    if (axes[i] != axes[i - 1] + 1) return false;
  }
  return true;
}

bool accepts(const StepDescription& step) {
  int64_t first = 0, end = 0;
  return read_axes(step, &first, &end);
}

std::shared_ptr<const Prepared> prepare(const StepDescription& step) {
  auto p = std::make_shared<PreparedReduction>();
  read_axes(step, &p->first, &p->end);
  p->constants_used = 1U << 1;
  return p;
}

fast::ReduceArgs reduce_args(const KernelContext& ctx, fast::Reduce op) noexcept {
  const auto& p = *static_cast<const PreparedReduction*>(ctx.prepared);
  const TensorView& x = ctx.in[0];
  const Split s = split(x.shape(), p.first, p.end);
  return {op, x.as<const float>(), ctx.out[0].as<float>(), s.outer, s.n, s.inner, nullptr};
}

template <fast::Reduce op>
int64_t scratch(const KernelContext& ctx) {
  return static_cast<int64_t>(table().reduce_scratch_bytes(reduce_args(ctx, op)));
}

template <fast::Reduce op>
Status run(KernelContext& ctx) noexcept {
  fast::ReduceArgs args = reduce_args(ctx, op);
  if (ctx.out[0].count != args.outer * args.inner)
    return Status::error(Code::shape, "%lld results for room of %lld", static_cast<long long>(args.outer * args.inner),
                         static_cast<long long>(ctx.out[0].count));
  if (ctx.out[0].count == 0) return {};
  const int64_t need = scratch<op>(ctx);
  args.scratch = need > 0 ? ctx.services->scratch(need) : nullptr;
  if (need > 0 && args.scratch == nullptr) return no_scratch();
  table().reduce_run(args, ctx.services->pool());
  return {};
}

}  // namespace

std::span<const Candidate> reduction_steps() {
  using fast::Reduce;
  static const std::string_view name = at_level("reduce");
  static const Candidate list[] = {
      {"ReduceSum", name, accepts, 0, prepare, scratch<Reduce::sum>, run<Reduce::sum>},
      {"ReduceMean", name, accepts, 0, prepare, scratch<Reduce::mean>, run<Reduce::mean>},
      {"ReduceMax", name, accepts, 0, prepare, scratch<Reduce::max>, run<Reduce::max>},
      {"ReduceMin", name, accepts, 0, prepare, scratch<Reduce::min>, run<Reduce::min>},
      {"ReduceSumSquare", name, accepts, 0, prepare, scratch<Reduce::sum_square>, run<Reduce::sum_square>},
  };
  return list;
}

}  // namespace chorus::native::steps
