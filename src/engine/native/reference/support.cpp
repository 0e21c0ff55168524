#include <engine/native/reference/support.h>

namespace chorus::native::support {

Status parallel(KernelContext& ctx, int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) noexcept {
  if (n <= 0) return {};
  const int64_t tasks = (n - 1) / grain + 1;
  if (tasks == 1 || ctx.services == nullptr) {
    body(0, n);
    return {};
  }
  try {
    ctx.services->pool().parallel_for(tasks, [&](int64_t task, int) {
      if (ctx.services->stop()) return;
      const int64_t begin = task * grain;
      body(begin, std::min(n, begin + grain));
    });
  } catch (const std::exception& e) {  // an external pool that breaks its promise
    return Status::error(Code::internal, "%s", e.what());
  }
  if (ctx.services->stop()) return Status::error(Code::cancelled, "stopped");
  return {};
}

Status make_broadcast(const TensorView& from, std::span<const int64_t> to, Broadcast* out) noexcept {
  const int rank = static_cast<int>(to.size()), lead = rank - from.rank;
  const auto mismatch = [&](int64_t have, int64_t want) {
    return Status::error(Code::shape, "an operand's extent %lld does not broadcast to %lld",
                         static_cast<long long>(have), static_cast<long long>(want));
  };
  if (lead < 0)
    return Status::error(Code::shape, "an operand of rank %d does not broadcast to rank %d", from.rank, rank);
  int64_t stride[kMaxRank];
  int64_t step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    const int64_t have = i < lead ? 1 : from.dims[i - lead];
    if (have != to[static_cast<size_t>(i)] && have != 1) return mismatch(have, to[static_cast<size_t>(i)]);
    stride[i] = have == 1 ? 0 : step;
    step *= have;
  }
  int n = 0;
  for (int i = 0; i < rank; ++i) {
    const int64_t extent = to[static_cast<size_t>(i)];
    if (extent == 1) continue;
    // Two neighbours merge when walking the outer one is walking the inner one to its end.
    if (n > 0 && out->strides[n - 1] == stride[i] * extent) {
      out->dims[n - 1] *= extent;
      out->strides[n - 1] = stride[i];
      continue;
    }
    out->dims[n] = extent;
    out->strides[n++] = stride[i];
  }
  out->rank = n;
  out->identity = n == 1 && out->strides[0] == 1;
  return {};
}

int64_t source_of(const Broadcast& b, int64_t i) noexcept {
  int64_t at = 0;
  for (int axis = b.rank - 1; axis >= 0; --axis) {
    at += i % b.dims[axis] * b.strides[axis];
    i /= b.dims[axis];
  }
  return at;
}

AxisSplit split_axis(std::span<const int64_t> dims, int64_t axis) noexcept {
  const auto rank = static_cast<int64_t>(dims.size());
  if (axis < 0) axis += rank;
  AxisSplit s;
  for (int64_t i = 0; i < rank; ++i) {
    (i < axis ? s.outer : i == axis ? s.extent : s.inner) *= dims[static_cast<size_t>(i)];
  }
  return s;
}

void row_strides(std::span<const int64_t> dims, int64_t* strides) noexcept {
  int64_t step = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = step;
    step *= dims[i];
  }
}

Status pass_through(KernelContext& ctx, int i, int o) noexcept {
  const TensorView& x = ctx.in[i];
  if (x.dtype == DType::undefined) {
    if (ctx.values == nullptr || ctx.values[i] == nullptr)
      return Status::error(Code::internal, "operand %d has no value", i);
    return ctx.services->set_value(o, *ctx.values[i]);
  }
  TensorView& y = ctx.out[o];
  if (x.data != y.data && x.count > 0) std::memcpy(y.data, x.data, static_cast<size_t>(dtype_bytes(x.dtype, x.count)));
  return {};
}

int64_t read_ints(const TensorView& from, int64_t* out, int64_t most) noexcept {
  if (from.count > most) return -1;
  load_i64(from.dtype, from.data, 0, from.count, out);
  return from.count;
}

bool is_strings(const KernelContext& ctx, int i) noexcept {
  return ctx.values != nullptr && ctx.values[i] != nullptr && ctx.values[i]->is_tensor() &&
         ctx.values[i]->dtype() == DType::string;
}

}  // namespace chorus::native::support
