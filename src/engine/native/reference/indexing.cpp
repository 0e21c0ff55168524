// Operators that pick and place elements by indices.
#include <engine/native/reference/move.h>
#include <ops/chosen.h>

#include <cmath>

namespace chorus::native {
namespace {
using move::copy;
using move::Extents;
using move::index_at;
using move::Source;
using move::view;
using support::row_strides;

Status gather(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &indices = ctx.in[1];
  const int axis = static_cast<int>(move::wrap_index(ctx.attrs->integer("axis"), x.rank));
  const auto split = support::split_axis(x.shape(), axis);
  if (Status s = move::check_indices(indices, split.extent, "index"); !s.ok()) return s;
  Extents shape;
  if (x.rank - 1 + indices.rank > kMaxRank)
    return Status::error(Code::shape, "the result has more than %d axes", kMaxRank);
  for (int i = 0; i < axis; ++i) shape.dims[shape.rank++] = x.dims[i];
  for (int i = 0; i < indices.rank; ++i) shape.dims[shape.rank++] = indices.dims[i];
  for (int i = axis + 1; i < x.rank; ++i) shape.dims[shape.rank++] = x.dims[i];
  return copy(ctx, 0, x.dtype, shape, split.outer * indices.count, split.inner, [&](int64_t r) {
    const int64_t i = move::wrap_index(index_at(indices, r % indices.count), split.extent);
    return Source{0, (r / indices.count * split.extent + i) * split.inner};
  });
}

/// Position in data of the element that the n-th index of GatherElements and ScatterElements names.
struct ElementIndex {
  const TensorView& data;
  const TensorView& indices;
  int axis;
  int64_t strides[kMaxRank];
  ElementIndex(const TensorView& x, const TensorView& i, int64_t a) noexcept
      : data(x), indices(i), axis(static_cast<int>(move::wrap_index(a, x.rank))) {
    row_strides(x.shape(), strides);
  }
  /// Ranks are equal and no other axis of the indices is longer than the data's.
  Status check() const noexcept {
    if (data.rank != indices.rank || data.rank == 0)
      return Status::error(Code::shape, "data and indices differ in rank");
    for (int a = 0; a < data.rank; ++a) {
      if (a != axis && indices.dims[a] > data.dims[a]) {
        return Status::error(Code::shape, "indices have extent %lld in axis %d, data only %lld",
                             static_cast<long long>(indices.dims[a]), a, static_cast<long long>(data.dims[a]));
      }
    }
    return move::check_indices(indices, data.dims[axis], "index");
  }
  int64_t operator()(int64_t n) const noexcept {
    int64_t from = move::wrap_index(index_at(indices, n), data.dims[axis]) * strides[axis];
    for (int a = data.rank - 1; a >= 0; --a) {
      if (a != axis) from += n % indices.dims[a] * strides[a];
      n /= indices.dims[a];
    }
    return from;
  }
};

Status gather_elements(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &indices = ctx.in[1];
  const ElementIndex at(x, indices, ctx.attrs->integer("axis"));
  if (Status s = at.check(); !s.ok()) return s;
  return copy(ctx, 0, x.dtype, Extents(indices.shape()), indices.count, 1, [&](int64_t n) { return Source{0, at(n)}; });
}

/// Slices that tuples of k indices name, behind `batch` leading axes.
struct TupleIndex {
  const TensorView& data;
  const TensorView& indices;
  int batch;
  int k = 0;
  int64_t per_batch = 1;  ///< tuples
  int64_t tuples = 1, slice = 1, batch_stride = 1;
  int64_t strides[kMaxRank];
  TupleIndex(const TensorView& x, const TensorView& i, int64_t batch_dims) noexcept
      : data(x), indices(i), batch(static_cast<int>(batch_dims)) {}
  Status prepare() noexcept {
    if (indices.rank < 1 || data.rank < 1 || batch < 0 || batch >= indices.rank || indices.dim(-1) < 1 ||
        indices.dim(-1) > data.rank - batch) {
      return Status::error(Code::shape, "the indices do not fit the data");
    }
    k = static_cast<int>(indices.dim(-1));
    row_strides(data.shape(), strides);
    for (int a = 0; a < indices.rank - 1; ++a) {
      tuples *= indices.dims[a];
      if (a >= batch) per_batch *= indices.dims[a];
    }
    for (int a = batch; a < data.rank; ++a) batch_stride *= data.dims[a];
    for (int a = batch + k; a < data.rank; ++a) slice *= data.dims[a];
    for (int64_t n = 0; n < indices.count; ++n) {
      const int64_t i = index_at(indices, n), extent = data.dims[batch + n % k];
      if (i < -extent || i >= extent) {
        return Status::error(Code::bad_input, "index %lld (tuple %lld) is out of range for an axis of extent %lld",
                             static_cast<long long>(i), static_cast<long long>(n / k), static_cast<long long>(extent));
      }
    }
    return {};
  }
  int64_t operator()(int64_t tuple) const noexcept {
    int64_t from = tuple / per_batch * batch_stride;
    for (int j = 0; j < k; ++j) {
      from += move::wrap_index(index_at(indices, tuple * k + j), data.dims[batch + j]) * strides[batch + j];
    }
    return from;
  }
};

Status gather_nd(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &indices = ctx.in[1];
  TupleIndex at(x, indices, ctx.attrs->integer("batch_dims"));
  if (Status s = at.prepare(); !s.ok()) return s;
  Extents shape;
  if (indices.rank - 1 + x.rank > kMaxRank)
    return Status::error(Code::shape, "the result has more than %d axes", kMaxRank);
  for (int a = 0; a < indices.rank - 1; ++a) shape.dims[shape.rank++] = indices.dims[a];
  for (int a = at.batch + at.k; a < x.rank; ++a) shape.dims[shape.rank++] = x.dims[a];
  return copy(ctx, 0, x.dtype, shape, at.tuples, at.slice, [&](int64_t t) { return Source{0, at(t)}; });
}

enum class Reduction { none, add, mul, min, max };
Reduction reduction_of(const KernelContext& ctx) noexcept {
  const std::string_view r = ctx.attrs->string("reduction", "none");
  return r == "add"   ? Reduction::add
         : r == "mul" ? Reduction::mul
         : r == "min" ? Reduction::min
         : r == "max" ? Reduction::max
                      : Reduction::none;
}

template <class T>
T reduce(Reduction r, T a, T b) noexcept {
  switch (r) {
    case Reduction::add:
      if constexpr (std::is_same_v<T, int64_t>)
        return support::wrap_add(a, b);
      else
        return a + b;
    case Reduction::mul:
      if constexpr (std::is_same_v<T, int64_t>)
        return support::wrap_mul(a, b);
      else
        return a * b;
    default: break;
  }
  if constexpr (!std::is_same_v<T, support::Complex>) {
    if constexpr (std::is_same_v<T, double>) {  // NaN wins, as in NumPy
      if (std::isnan(a)) return a;
      if (std::isnan(b)) return b;
    }
    if (r == Reduction::min) return b < a ? b : a;
    if (r == Reduction::max) return a < b ? b : a;
  }
  return b;
}

/// Output 0 = data with runs of updates written to at(n), in order: the last of several wins, and sums do not depend
/// on threads.
template <class At>
Status scatter(KernelContext& ctx, const TensorView& x, const TensorView& updates, int64_t runs, int64_t run,
               const At& at) noexcept {
  if (updates.count != runs * run) return Status::error(Code::shape, "updates do not fit the indices");
  if (x.dtype == DType::string) {
    auto* from = static_cast<int64_t*>(ctx.services->scratch(x.count * 8));
    if (from == nullptr && x.count > 0)
      return Status::error(Code::budget, "no memory for %lld positions", static_cast<long long>(x.count));
    for (int64_t i = 0; i < x.count; ++i) from[i] = -1;
    for (int64_t r = 0; r < runs; ++r) {
      for (int64_t i = 0, to = at(r); i < run; ++i) from[to + i] = r * run + i;
    }
    return copy(ctx, 0, x.dtype, Extents(x.shape()), x.count, 1, [&](int64_t i) {
      return from[i] < 0 ? Source{0, i} : Source{2, from[i]};
    });
  }
  TensorView y;
  if (Status s = move::output(ctx, 0, x.dtype, Extents(x.shape()), &y); !s.ok()) return s;
  if (x.data != y.data && x.count > 0) std::memcpy(y.data, x.data, static_cast<size_t>(dtype_bytes(x.dtype, x.count)));
  const Reduction reduction = reduction_of(ctx);
  if (reduction == Reduction::none) {
    for (int64_t r = 0; r < runs; ++r) copy_elements(x.dtype, updates.data, r * run, y.data, at(r), run);
    return {};
  }
  return support::by_class(x.dtype, [&](auto tag) -> Status {
    using T = typename decltype(tag)::type;
    for (int64_t r = 0; r < runs; ++r) {
      const int64_t to = at(r);
      for (int64_t done = 0; done < run; done += support::kRun) {
        const int64_t n = std::min(support::kRun, run - done);
        T a[support::kRun], b[support::kRun];
        support::load(y.dtype, y.data, to + done, n, a);
        support::load(y.dtype, updates.data, r * run + done, n, b);
        for (int64_t i = 0; i < n; ++i) a[i] = reduce(reduction, a[i], b[i]);
        support::store(y.dtype, y.data, to + done, n, a);
      }
    }
    return {};
  });
}

Status scatter_elements(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &indices = ctx.in[1], updates = view(ctx, 2);
  const ElementIndex at(x, indices, ctx.attrs->integer("axis"));
  if (Status s = at.check(); !s.ok()) return s;
  return scatter(ctx, x, updates, indices.count, 1, at);
}

Status scatter_nd(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &indices = ctx.in[1], updates = view(ctx, 2);
  TupleIndex at(x, indices, 0);
  if (Status s = at.prepare(); !s.ok()) return s;
  return scatter(ctx, x, updates, at.tuples, at.slice, at);
}

Status tensor_scatter(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), update = view(ctx, 1);
  const int axis = static_cast<int>(move::wrap_index(ctx.attrs->integer("axis", -2), x.rank));
  const auto split = support::split_axis(x.shape(), axis);
  const bool circular = ctx.attrs->string("mode", "linear") == "circular";
  const int64_t steps = update.dims[axis], batch = x.dims[0], per_batch = batch == 0 ? 1 : split.outer / batch;
  if (steps > split.extent) return Status::error(Code::shape, "the update is longer than the cache");
  if (ctx.has(2) && ctx.in[2].count != batch) return Status::error(Code::shape, "write_indices do not fit the batch");
  for (int64_t b = 0; ctx.has(2) && b < batch; ++b) {
    const int64_t start = index_at(ctx.in[2], b);
    if (start < 0 || (circular ? start > INT64_MAX - steps : start > split.extent - steps)) {
      return Status::error(Code::bad_input, "write_indices[%lld] is %lld: %lld steps do not fit a cache of %lld",
                           static_cast<long long>(b), static_cast<long long>(start), static_cast<long long>(steps),
                           static_cast<long long>(split.extent));
    }
  }
  // Which step of the update a place of the cache takes, or none.
  return copy(ctx, 0, x.dtype, Extents(x.shape()), split.outer * split.extent, split.inner, [&](int64_t r) {
    const int64_t outer = r / split.extent, place = r % split.extent;
    const int64_t start = ctx.has(2) ? index_at(ctx.in[2], outer / per_batch) : 0;
    int64_t step = place - start;
    if (circular) step = (place - start % split.extent + split.extent) % split.extent;
    if (step < 0 || step >= steps) return Source{0, r * split.inner};
    return Source{1, (outer * steps + step) * split.inner};
  });
}

Status one_hot(KernelContext& ctx) noexcept {
  const TensorView &indices = ctx.in[0], &depths = ctx.in[1], values = view(ctx, 2);
  if (depths.count != 1 || values.count != 2) return Status::error(Code::shape, "depth is one number, values are two");
  const int64_t depth = get_i64(depths.dtype, depths.data, 0);
  if (depth < 0 || indices.rank + 1 > kMaxRank)
    return Status::error(Code::bad_input, "depth is %lld", static_cast<long long>(depth));
  const int axis = static_cast<int>(move::wrap_index(ctx.attrs->integer("axis", -1), indices.rank + 1));
  Extents shape;
  int64_t inner = 1;
  for (int a = 0; a <= indices.rank; ++a) {
    shape.dims[shape.rank++] = a == axis ? depth : indices.dims[a < axis ? a : a - 1];
    if (a > axis) inner *= shape.dims[a];
  }
  if (shape.count() < 0) return Status::error(Code::budget, "depth %lld is too large", static_cast<long long>(depth));
  return copy(ctx, 0, values.dtype, shape, shape.count(), 1, [&](int64_t n) {
    const int64_t i = get_i64(indices.dtype, indices.data, n / (inner * depth) * inner + n % inner);
    return Source{2, (i < 0 && i >= -depth ? i + depth : i) == n / inner % depth ? 1 : 0};
  });
}

bool is_zero(const KernelContext& ctx, const TensorView& x, int64_t i) noexcept {
  if (x.dtype == DType::string) return ctx.strings(0)[i].empty();
  if (is_complex(x.dtype)) {
    support::Complex v;
    support::load(x.dtype, x.data, i, 1, &v);
    return v == support::Complex(0);
  }
  return is_float(x.dtype) ? get_f64(x.dtype, x.data, i) == 0 : get_i64(x.dtype, x.data, i) == 0;
}

Status non_zero(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0);
  int64_t n = 0;
  for (int64_t i = 0; i < x.count; ++i) n += !is_zero(ctx, x, i);
  const int64_t dims[] = {x.rank, n};
  TensorView y;
  if (Status s = ctx.services->allocate(0, DType::int64, dims, &y); !s.ok()) return s;
  auto* out = y.as<int64_t>();
  for (int64_t i = 0, at = 0; i < x.count && x.rank > 0; ++i) {
    if (is_zero(ctx, x, i)) continue;
    for (int64_t a = x.rank - 1, rest = i; a >= 0; --a) {
      out[a * n + at] = rest % x.dims[a];
      rest /= x.dims[a];
    }
    ++at;
  }
  return {};
}

Status compress(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &condition = ctx.in[1];
  const bool flat = !ctx.attrs->given("axis");
  const int axis = flat ? 0 : static_cast<int>(move::wrap_index(ctx.attrs->integer("axis"), x.rank));
  const auto split = flat ? support::AxisSplit{1, x.count, 1} : support::split_axis(x.shape(), axis);
  const int64_t length = std::min(condition.count, split.extent);
  auto* chosen = static_cast<int64_t*>(ctx.services->scratch(std::max<int64_t>(length, 1) * 8));
  if (chosen == nullptr)
    return Status::error(Code::budget, "no memory for %lld positions", static_cast<long long>(length));
  for (int64_t i = length; i < condition.count; ++i) {
    if (condition.as<uint8_t>()[i] != 0) {
      return Status::error(Code::bad_input, "condition %lld is true, the axis has extent %lld",
                           static_cast<long long>(i), static_cast<long long>(split.extent));
    }
  }
  int64_t n = 0;
  for (int64_t i = 0; i < length; ++i) {
    if (condition.as<uint8_t>()[i] != 0) chosen[n++] = i;
  }
  Extents shape;
  if (!flat) shape = Extents(x.shape());
  if (flat) shape.rank = 1;
  shape.dims[axis] = n;
  return copy(ctx, 0, x.dtype, shape, split.outer * n, split.inner, [&](int64_t r) {
    return Source{0, (r / n * split.extent + chosen[r % n]) * split.inner};
  });
}

// Unique ------------------------------------------------------------------------------------------------------------

/// -1, 0 or 1; NaNs are equal and behind all numbers.
template <class T>
int order(const T& a, const T& b) noexcept {
  if constexpr (std::is_same_v<T, support::Complex>) {
    const int real = order(a.real(), b.real());
    return real != 0 ? real : order(a.imag(), b.imag());
  } else if constexpr (std::is_same_v<T, double>) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) - std::isnan(b);
    return (a > b) - (a < b);
  } else {
    return (a > b) - (a < b);
  }
}

struct Items {
  KernelContext& ctx;
  const TensorView& x;
  support::AxisSplit split;
  int compare_element(int64_t a, int64_t b) const noexcept {
    if (x.dtype == DType::string) return order(ctx.strings(0)[a], ctx.strings(0)[b]);
    int result = 0;
    static_cast<void>(support::by_class(x.dtype, [&](auto tag) -> Status {
      typename decltype(tag)::type u, v;
      support::load(x.dtype, x.data, a, 1, &u);
      support::load(x.dtype, x.data, b, 1, &v);
      result = order(u, v);
      return {};
    }));
    return result;
  }
  /// Slices a and b along the axis.
  int compare(int64_t a, int64_t b) const noexcept {
    for (int64_t o = 0; o < split.outer; ++o) {
      for (int64_t i = 0; i < split.inner; ++i) {
        const int64_t base = o * split.extent * split.inner + i;
        if (const int c = compare_element(base + a * split.inner, base + b * split.inner); c != 0) return c;
      }
    }
    return 0;
  }
};

Status int_output(KernelContext& ctx, int o, int64_t n, int64_t** data) noexcept {
  *data = nullptr;
  if (!ctx.wants(o)) return {};
  TensorView y;
  if (Status s = ctx.services->allocate(o, DType::int64, {&n, 1}, &y); !s.ok()) return s;
  *data = y.as<int64_t>();
  return {};
}

Status unique(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0);
  const bool flat = !ctx.attrs->given("axis");
  const int axis = flat ? 0 : static_cast<int>(move::wrap_index(ctx.attrs->integer("axis"), x.rank));
  const Items items{ctx, x, flat ? support::AxisSplit{1, x.count, 1} : support::split_axis(x.shape(), axis)};
  const int64_t n = items.split.extent;
  auto* memory = static_cast<int64_t*>(ctx.services->scratch(std::max<int64_t>(n, 1) * 5 * 8));
  if (memory == nullptr) return Status::error(Code::budget, "no memory to sort %lld items", static_cast<long long>(n));
  int64_t *sorted = memory, *group = memory + n, *first = memory + 2 * n, *count = memory + 3 * n,
          *place = memory + 4 * n;
  for (int64_t i = 0; i < n; ++i) sorted[i] = i;
  std::sort(sorted, sorted + n, [&](int64_t a, int64_t b) {
    const int c = items.compare(a, b);
    return c != 0 ? c < 0 : a < b;
  });
  int64_t groups = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (i == 0 || items.compare(sorted[i - 1], sorted[i]) != 0) {
      first[groups] = sorted[i];
      count[groups++] = 0;
    }
    group[sorted[i]] = groups - 1;
    ++count[groups - 1];
  }
  // place[k]: which group stands at position k of the result; sorted[] then becomes its inverse.
  for (int64_t g = 0; g < groups; ++g) place[g] = g;
  if (ctx.attrs->integer("sorted", 1) == 0)
    std::sort(place, place + groups, [&](int64_t a, int64_t b) { return first[a] < first[b]; });
  for (int64_t k = 0; k < groups; ++k) sorted[place[k]] = k;
  if (ctx.wants(0)) {
    Extents shape;
    if (!flat) shape = Extents(x.shape());
    if (flat) shape.rank = 1;
    shape.dims[axis] = groups;
    const Status s = copy(ctx, 0, x.dtype, shape, items.split.outer * groups, items.split.inner, [&](int64_t r) {
      return Source{0, (r / groups * n + first[place[r % groups]]) * items.split.inner};
    });
    if (!s.ok()) return s;
  }
  int64_t *indices, *inverse, *counts;
  if (Status s = int_output(ctx, 1, groups, &indices); !s.ok()) return s;
  if (Status s = int_output(ctx, 2, n, &inverse); !s.ok()) return s;
  if (Status s = int_output(ctx, 3, groups, &counts); !s.ok()) return s;
  for (int64_t k = 0; k < groups; ++k) {
    if (indices != nullptr) indices[k] = first[place[k]];
    if (counts != nullptr) counts[k] = count[place[k]];
  }
  for (int64_t i = 0; inverse != nullptr && i < n; ++i) inverse[i] = sorted[group[i]];
  return {};
}

constexpr KernelRow kRows[] = {
    {"Gather", gather},        {"GatherElements", gather_elements},
    {"GatherND", gather_nd},   {"ScatterElements", scatter_elements},
    {"ScatterND", scatter_nd}, {"TensorScatter", tensor_scatter},
    {"OneHot", one_hot},       {"NonZero", non_zero},
    {"Compress", compress},    {"Unique", unique},
};

}  // namespace

std::span<const KernelRow> reference::indexing_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native
