// Binary operators with broadcasting: axes of one manner are merged, three of them go to the kernel at once, further
// ones are counted.
#include <engine/native/steps/support.h>

namespace chorus::native::steps {
namespace {

/// Merged axes of a result and the strides (in floats) with which its two operands are read.
struct Walk {
  int rank = 0;
  int64_t dims[kMaxRank], a[kMaxRank], b[kMaxRank];
};

/// Extent of operand axis that meets axis `i` of a result of rank `rank`.
int64_t extent_at(const TensorView& t, int rank, int i) noexcept {
  return i < rank - t.rank ? 1 : t.dims[i - (rank - t.rank)];
}

bool make_walk(const TensorView& a, const TensorView& b, const TensorView& y, Walk* w) noexcept {
  int64_t a_step = 1, b_step = 1;
  int64_t dims[kMaxRank], as[kMaxRank], bs[kMaxRank];  // innermost first
  int n = 0;
  for (int i = y.rank - 1; i >= 0; --i) {
    const int64_t d = y.dims[i], ad = extent_at(a, y.rank, i), bd = extent_at(b, y.rank, i);
    if ((ad != 1 && ad != d) || (bd != 1 && bd != d)) return false;
    if (d == 1) continue;
    const int64_t sa = ad == 1 ? 0 : a_step, sb = bd == 1 ? 0 : b_step;
    a_step *= ad;
    b_step *= bd;
    const bool joins = n > 0 && sa == as[n - 1] * dims[n - 1] && sb == bs[n - 1] * dims[n - 1];
    if (joins) {
      dims[n - 1] *= d;
      continue;
    }
    dims[n] = d, as[n] = sa, bs[n] = sb;
    ++n;
  }
  w->rank = n;
  for (int i = 0; i < n; ++i) w->dims[i] = dims[n - 1 - i], w->a[i] = as[n - 1 - i], w->b[i] = bs[n - 1 - i];
  return true;
}

Status run_binary(KernelContext& ctx, fast::Binary op) noexcept {
  const TensorView &a = ctx.in[0], &b = ctx.in[1], &y = ctx.out[0];
  if (y.count == 0) return {};
  Walk w;
  if (a.rank > y.rank || b.rank > y.rank || !make_walk(a, b, y, &w))
    return Status::error(Code::shape, "the operands do not broadcast to the result");
  fast::BinaryArgs args;
  args.op = op;
  args.a = a.as<const float>();
  args.b = b.as<const float>();
  args.out = y.as<float>();
  int64_t* extents[3] = {&args.outer, &args.middle, &args.inner};
  args.inner = 1;
  args.a_stride[2] = args.b_stride[2] = 1;
  for (int i = 0; i < 3 && i < w.rank; ++i) {
    const int axis = w.rank - 1 - i, to = 2 - i;
    *extents[to] = w.dims[axis];
    args.a_stride[to] = w.a[axis];
    args.b_stride[to] = w.b[axis];
  }
  const int64_t block = args.outer * args.middle * args.inner;
  if (w.rank <= 3) {
    table().binary_run(args, ctx.services->pool());
    return {};
  }
  const int outer_rank = w.rank - 3;
  int64_t index[kMaxRank] = {};
  for (bool more = true; more;) {
    table().binary_run(args, ctx.services->pool());
    args.out += block;
    more = false;
    for (int i = outer_rank - 1; i >= 0 && !more; --i) {
      args.a += w.a[i];
      args.b += w.b[i];
      more = ++index[i] < w.dims[i];
      if (more) break;
      args.a -= w.a[i] * w.dims[i];
      args.b -= w.b[i] * w.dims[i];
      index[i] = 0;
    }
  }
  return {};
}

template <fast::Binary op>
Status run(KernelContext& ctx) noexcept {
  return run_binary(ctx, op);
}

bool accepts(const StepDescription& step) {
  return step.n().inputs.size() == 2 && is_float32(step.in(0)) && is_float32(step.in(1)) && is_float32(step.out(0));
}

}  // namespace

std::span<const Candidate> elementwise_steps() {
  using fast::Binary;
  static const std::string_view name = at_level("binary");
  static const Candidate list[] = {
      {"Add", name, accepts, 0, nullptr, nullptr, run<Binary::add>},
      {"Sub", name, accepts, 0, nullptr, nullptr, run<Binary::sub>},
      {"Mul", name, accepts, 0, nullptr, nullptr, run<Binary::mul>},
      {"Div", name, accepts, 0, nullptr, nullptr, run<Binary::div>},
      {"Max", name, accepts, 0, nullptr, nullptr, run<Binary::max>},
      {"Min", name, accepts, 0, nullptr, nullptr, run<Binary::min>},
      {"Pow", name, accepts, 0, nullptr, nullptr, run<Binary::pow>},
      {"Sum", name, accepts, 0, nullptr, nullptr, run<Binary::add>},
  };
  return list;
}

}  // namespace chorus::native::steps
