// Operators that move elements without looking at them.
#include <engine/native/reference/move.h>
#include <ops/chosen.h>

namespace chorus::native {
namespace {
using move::copy;
using move::copy_strided;
using move::Extents;
using move::index_at;
using move::Source;
using move::Strided;
using move::view;
using support::row_strides;

/// The shape that the executor prepared; strings have none, theirs is computed from the operands.
bool prepared(const KernelContext& ctx, int o, Extents* shape) noexcept {
  if (ctx.out[o].dtype == DType::undefined) return false;
  *shape = Extents(ctx.out[o].shape());
  return true;
}

Status too_many(const char* what) noexcept { return Status::error(Code::shape, "more than %d %s", kMaxRank, what); }

Status reshape(KernelContext& ctx) noexcept {
  Extents shape;
  if (prepared(ctx, 0, &shape)) return move::reshape(ctx, 0, 0, shape);
  const TensorView x = view(ctx, 0), &wanted = ctx.in[1];
  if (wanted.count > kMaxRank) return too_many("dimensions");
  shape.rank = static_cast<int>(wanted.count);
  const bool zero_is_zero = ctx.attrs->integer("allowzero") != 0;
  int inferred = -1;
  int64_t rest = 1;
  for (int i = 0; i < shape.rank; ++i) {
    int64_t d = index_at(wanted, i);
    if (d == 0 && !zero_is_zero) d = i < x.rank ? x.dims[i] : -2;
    if (d < -1 || (d == -1 && inferred >= 0))
      return Status::error(Code::shape, "dimension %d of the wanted shape is wrong", i);
    if (d == -1) inferred = i;
    shape.dims[i] = d == -1 ? 1 : d;
    rest = checked_mul(rest, shape.dims[i]);
  }
  if (inferred >= 0) {
    if (rest <= 0 || x.count % rest != 0)
      return Status::error(Code::shape, "-1 has no solution for %lld elements", static_cast<long long>(x.count));
    shape.dims[inferred] = x.count / rest;
  }
  return move::reshape(ctx, 0, 0, shape);
}

Status flatten(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0);
  const int64_t axis = ctx.attrs->integer("axis", 1), at = axis < 0 ? axis + x.rank : axis;
  Extents shape;
  shape.rank = 2;
  shape.dims[0] = checked_numel(x.shape().first(static_cast<size_t>(at)));
  shape.dims[1] = checked_numel(x.shape().subspan(static_cast<size_t>(at)));
  return move::reshape(ctx, 0, 0, shape);
}

/// Marks the axes that operand i names; false when one is out of range or named twice.
bool mark_axes(const TensorView& axes, int rank, bool* marked) noexcept {
  std::fill(marked, marked + kMaxRank, false);
  for (int64_t i = 0; i < axes.count; ++i) {
    const int64_t a = move::wrap_index(index_at(axes, i), rank);
    if (a < 0 || a >= rank || marked[a]) return false;
    marked[a] = true;
  }
  return true;
}

Status squeeze(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0);
  bool gone[kMaxRank];
  if (ctx.has(1)) {
    if (!mark_axes(ctx.in[1], x.rank, gone))
      return Status::error(Code::bad_input, "an axis is out of range or named twice");
  } else {
    for (int i = 0; i < x.rank; ++i) gone[i] = x.dims[i] == 1;
  }
  Extents shape;
  for (int i = 0; i < x.rank; ++i) {
    if (!gone[i]) shape.dims[shape.rank++] = x.dims[i];
    if (gone[i] && x.dims[i] != 1) {
      return Status::error(Code::shape, "axis %d has extent %lld, only 1 can be squeezed", i,
                           static_cast<long long>(x.dims[i]));
    }
  }
  return move::reshape(ctx, 0, 0, shape);
}

Status unsqueeze(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &axes = ctx.in[1];
  bool added[kMaxRank];
  if (x.rank + axes.count > kMaxRank) return too_many("dimensions");
  Extents shape;
  shape.rank = x.rank + static_cast<int>(axes.count);
  if (!mark_axes(axes, shape.rank, added))
    return Status::error(Code::bad_input, "an axis is out of range or named twice");
  for (int i = 0, next = 0; i < shape.rank; ++i) shape.dims[i] = added[i] ? 1 : x.dims[next++];
  return move::reshape(ctx, 0, 0, shape);
}

Status shape_of(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0);
  const auto clamp = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + x.rank : v, 0, x.rank); };
  const int64_t start = clamp(ctx.attrs->integer("start", 0));
  for (int64_t i = 0; i < ctx.out[0].count; ++i) ctx.out[0].as<int64_t>()[i] = x.dims[start + i];
  return {};
}

Status size_of(KernelContext& ctx) noexcept {
  ctx.out[0].as<int64_t>()[0] = view(ctx, 0).count;
  return {};
}

Status transpose(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0);
  const auto perm = ctx.attrs->integers("perm");
  const bool given = ctx.attrs->given("perm");
  int64_t strides[kMaxRank];
  row_strides(x.shape(), strides);
  Extents shape;
  shape.rank = x.rank;
  Strided walk;
  for (int i = 0; i < x.rank; ++i) {
    const int64_t from = given ? move::wrap_index(perm[static_cast<size_t>(i)], x.rank) : x.rank - 1 - i;
    shape.dims[i] = x.dims[from];
    walk.add(x.dims[from], strides[from]);
  }
  return copy_strided(ctx, 0, 0, shape, walk);
}

/// Numbers, or strings of all operands in turn.
Status concat_strings(KernelContext& ctx, const Extents& shape, int axis) noexcept {
  return move::set_value(ctx, 0, [&] {
    auto out = std::make_shared<Strings>();
    const int64_t outer = support::split_axis(shape.span(), axis).outer;
    for (int64_t o = 0; o < outer; ++o) {
      for (int i = 0; i < ctx.n_in; ++i) {
        const int64_t block = view(ctx, i).count / outer;
        for (int64_t k = 0; k < block; ++k) out->push_back(ctx.strings(i)[o * block + k]);
      }
    }
    return Value::strings(Shape(shape.span()), std::move(out));
  });
}

Status concat(KernelContext& ctx) noexcept {
  const TensorView first = view(ctx, 0);
  const int axis = static_cast<int>(move::wrap_index(ctx.attrs->integer("axis"), first.rank));
  Extents shape(first.shape());
  for (int i = 1; i < ctx.n_in; ++i) {
    const TensorView x = view(ctx, i);
    if (x.rank != shape.rank)
      return Status::error(Code::shape, "operand %d has rank %d, operand 0 has %d", i, x.rank, shape.rank);
    for (int a = 0; a < shape.rank; ++a) {
      if (a != axis && x.dims[a] != shape.dims[a])
        return Status::error(Code::shape, "operands 0 and %d differ in axis %d", i, a);
    }
    shape.dims[axis] += x.dims[axis];
  }
  if (first.dtype == DType::string) return concat_strings(ctx, shape, axis);
  TensorView y;
  if (Status s = move::output(ctx, 0, first.dtype, shape, &y); !s.ok() || y.count == 0) return s;
  const auto split = support::split_axis(shape.span(), axis);
  const int64_t row = split.extent * split.inner;
  const int bits = dtype_bits(y.dtype);
  int64_t at = 0;
  for (int i = 0; i < ctx.n_in; ++i) {
    const TensorView& x = ctx.in[i];
    const int64_t block = x.dims[axis] * split.inner, start = at;
    at += block;
    if (block == 0) continue;
    const auto run = [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) copy_elements(y.dtype, x.data, o * block, y.data, o * row + start, block);
    };
    if (bits % 8 != 0) {
      run(0, split.outer);  // packed elements share bytes
    } else if (Status s = support::parallel(ctx, split.outer, support::grain_for(block), run); !s.ok()) {
      return s;
    }
  }
  return {};
}

Status split(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0);
  const int axis = static_cast<int>(move::wrap_index(ctx.attrs->integer("axis"), x.rank));
  const auto whole = support::split_axis(x.shape(), axis);
  const int64_t chunk = (whole.extent + ctx.n_out - 1) / ctx.n_out;
  int64_t at = 0;
  for (int o = 0; o < ctx.n_out; ++o) {
    const int64_t length = ctx.has(1) ? index_at(ctx.in[1], o) : std::min(chunk, whole.extent - at);
    if (length < 0 || length > whole.extent - at) {
      return Status::error(Code::bad_input, "part %d of length %lld exceeds the axis of extent %lld", o,
                           static_cast<long long>(length), static_cast<long long>(whole.extent));
    }
    const int64_t start = at;
    at += length;
    if (!ctx.wants(o)) continue;
    Extents shape(x.shape());
    shape.dims[axis] = length;
    Strided walk;
    walk.offset = start * whole.inner;
    walk.add(whole.outer, whole.extent * whole.inner);
    walk.add(length * whole.inner, 1);
    if (Status s = copy_strided(ctx, 0, o, shape, walk); !s.ok()) return s;
  }
  return {};
}

/// One axis of a Slice as NumPy clamps it: first index and number of elements.
void slice_axis(int64_t start, int64_t end, int64_t step, int64_t extent, int64_t* first, int64_t* length) noexcept {
  const auto clamp = [&](int64_t v, int64_t low, int64_t high) {
    if (v < 0) v = v < -extent ? low : v + extent;
    return std::clamp(v, low, std::max(low, high));
  };
  if (step > 0) {
    *first = clamp(start, 0, extent);
    const int64_t distance = clamp(end, 0, extent) - *first;
    *length = distance > 0 ? (distance - 1) / step + 1 : 0;
  } else {
    *first = clamp(start, 0, extent - 1);
    const int64_t distance = *first - clamp(end, -1, extent - 1);
    *length = distance > 0 && extent > 0 ? (distance - 1) / (step == INT64_MIN ? INT64_MAX : -step) + 1 : 0;
  }
}

Status slice(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &starts = ctx.in[1], &ends = ctx.in[2];
  int64_t strides[kMaxRank], first[kMaxRank] = {}, step[kMaxRank];
  row_strides(x.shape(), strides);
  std::fill(step, step + kMaxRank, 1);
  Extents shape(x.shape());
  const int64_t n = starts.count;
  if (n > x.rank || ends.count != n || (ctx.has(3) && ctx.in[3].count != n) || (ctx.has(4) && ctx.in[4].count != n)) {
    return Status::error(Code::shape, "starts, ends, axes and steps differ in length");
  }
  for (int64_t i = 0; i < n; ++i) {
    const int64_t a = ctx.has(3) ? move::wrap_index(index_at(ctx.in[3], i), x.rank) : i;
    if (a < 0 || a >= x.rank)
      return Status::error(Code::bad_input, "axis %lld is out of range", static_cast<long long>(a));
    step[a] = ctx.has(4) ? index_at(ctx.in[4], i) : 1;
    if (step[a] == 0) return Status::error(Code::bad_input, "the step of axis %lld is 0", static_cast<long long>(a));
    slice_axis(index_at(starts, i), index_at(ends, i), step[a], x.dims[a], &first[a], &shape.dims[a]);
  }
  Strided walk;
  for (int a = 0; a < x.rank; ++a) {
    walk.offset += first[a] * strides[a];
    walk.add(shape.dims[a], shape.dims[a] > 1 ? step[a] * strides[a] : 0);
  }
  return copy_strided(ctx, 0, 0, shape, walk);
}

Status expand(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &wanted = ctx.in[1];
  if (wanted.count > kMaxRank) return too_many("dimensions");
  int64_t strides[kMaxRank];
  row_strides(x.shape(), strides);
  Extents shape;
  shape.rank = std::max(x.rank, static_cast<int>(wanted.count));
  Strided walk;
  for (int i = 0; i < shape.rank; ++i) {
    const int from = i - (shape.rank - x.rank), at = i - (shape.rank - static_cast<int>(wanted.count));
    const int64_t d = from < 0 ? 1 : x.dims[from], w = at < 0 ? 1 : index_at(wanted, at);
    if (w < 0 || (d != 1 && w != 1 && d != w)) {
      return Status::error(Code::shape, "extent %lld of axis %d does not expand to %lld", static_cast<long long>(d), i,
                           static_cast<long long>(w));
    }
    shape.dims[i] = d == 1 ? w : d;
    walk.add(shape.dims[i], d == 1 ? 0 : strides[from]);
  }
  return copy_strided(ctx, 0, 0, shape, walk);
}

Status tile(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &repeats = ctx.in[1];
  if (repeats.count != x.rank)
    return Status::error(Code::shape, "%lld repeats for rank %d", static_cast<long long>(repeats.count), x.rank);
  int64_t strides[kMaxRank];
  row_strides(x.shape(), strides);
  Extents shape;
  shape.rank = x.rank;
  Strided walk;
  for (int i = 0; i < x.rank; ++i) {
    const int64_t r = index_at(repeats, i);
    shape.dims[i] = checked_mul(x.dims[i], r);
    if (shape.dims[i] < 0)
      return Status::error(Code::bad_input, "%lld repeats of axis %d", static_cast<long long>(r), i);
    walk.add(r, 0);
    walk.add(x.dims[i], strides[i]);
  }
  return copy_strided(ctx, 0, 0, shape, walk);
}

enum class PadMode { constant, reflect, edge, wrap };
PadMode pad_mode(std::string_view mode) noexcept {
  return mode == "reflect" ? PadMode::reflect
         : mode == "edge"  ? PadMode::edge
         : mode == "wrap"  ? PadMode::wrap
                           : PadMode::constant;
}
/// Index in an axis of `extent` that a padded position means; -1: the constant.
int64_t padded_index(PadMode mode, int64_t i, int64_t extent) noexcept {
  if (i >= 0 && i < extent) return i;
  switch (mode) {
    case PadMode::constant: return -1;
    case PadMode::edge: return i < 0 ? 0 : extent - 1;
    case PadMode::wrap: return (i % extent + extent) % extent;
    case PadMode::reflect: {
      const int64_t period = 2 * (extent - 1);
      if (period == 0) return 0;
      const int64_t k = (i % period + period) % period;
      return k < extent ? k : period - k;
    }
  }
  return -1;
}

Status pad(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &pads = ctx.in[1];
  const PadMode mode = pad_mode(ctx.attrs->string("mode", "constant"));
  int64_t begin[kMaxRank] = {}, end[kMaxRank] = {}, strides[kMaxRank];
  row_strides(x.shape(), strides);
  const int64_t n = ctx.has(3) ? ctx.in[3].count : x.rank;
  if (n > x.rank || pads.count != 2 * n) return Status::error(Code::shape, "pads do not fit the axes");
  for (int64_t i = 0; i < n; ++i) {
    const int64_t a = ctx.has(3) ? move::wrap_index(index_at(ctx.in[3], i), x.rank) : i;
    if (a < 0 || a >= x.rank)
      return Status::error(Code::bad_input, "axis %lld is out of range", static_cast<long long>(a));
    begin[a] = index_at(pads, i);
    end[a] = index_at(pads, i + n);
  }
  Extents shape(x.shape());
  int whole = x.rank;  // axes from here on are copied in one run
  while (whole > 0 && begin[whole - 1] == 0 && end[whole - 1] == 0) --whole;
  int64_t run = 1, runs = 1;
  for (int a = 0; a < x.rank; ++a) {
    int64_t d;
    if (__builtin_add_overflow(x.dims[a], begin[a], &d) || __builtin_add_overflow(d, end[a], &d) || d < 0) {
      return Status::error(Code::bad_input, "pads of axis %d give a negative extent", a);
    }
    if (mode != PadMode::constant && x.dims[a] == 0 && d > 0)
      return Status::error(Code::bad_input, "axis %d has nothing to pad with", a);
    shape.dims[a] = d;
    (a < whole ? runs : run) = checked_mul(a < whole ? runs : run, d);
  }
  const bool filled = ctx.has(2);
  if (whole < x.rank && filled && mode == PadMode::constant) {  // the constant is one element: copy by elements
    whole = x.rank;
    runs = shape.count();
    run = 1;
  }
  const Source constant{filled ? 2 : -1, 0};
  if (runs < 0 || run < 0) return Status::error(Code::shape, "the padded tensor is too large");
  return copy(ctx, 0, x.dtype, shape, runs, run, [&](int64_t r) {
    int64_t from = 0;
    for (int a = whole - 1; a >= 0; --a) {
      const int64_t i = padded_index(mode, r % shape.dims[a] - begin[a], x.dims[a]);
      if (i < 0) return constant;
      from += i * strides[a];
      r /= shape.dims[a];
    }
    return Source{0, from};
  });
}

/// Between [N, C, H, W] and blocks: strides of the operand by n, channel, block row, block column, row, column.
Status depth_to_space(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0);
  const int64_t b = ctx.attrs->integer("blocksize"), h = x.dims[2], w = x.dims[3], c = x.dims[1] / (b * b);
  const bool crd = ctx.attrs->string("mode", "DCR") == "CRD";
  const int64_t plane = h * w, channel = crd ? b * b * plane : plane, column = crd ? plane : c * plane,
                row = column * b;
  Extents shape;
  shape.rank = 4;
  const int64_t dims[] = {x.dims[0], c, h * b, w * b};
  std::copy(dims, dims + 4, shape.dims);
  Strided walk;
  walk.add(x.dims[0], x.dims[1] * plane);
  walk.add(c, channel);
  walk.add(h, w);
  walk.add(b, row);
  walk.add(w, 1);
  walk.add(b, column);
  return copy_strided(ctx, 0, 0, shape, walk);
}

Status space_to_depth(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0);
  const int64_t b = ctx.attrs->integer("blocksize"), c = x.dims[1], h = x.dims[2], w = x.dims[3];
  const bool crd = ctx.attrs->string("mode", "DCR") == "CRD";
  Extents shape;
  shape.rank = 4;
  const int64_t dims[] = {x.dims[0], c * b * b, h / b, w / b};
  std::copy(dims, dims + 4, shape.dims);
  Strided walk;
  walk.add(x.dims[0], c * h * w);
  if (crd) walk.add(c, h * w);
  walk.add(b, w);
  walk.add(b, 1);
  if (!crd) walk.add(c, h * w);
  walk.add(h / b, w * b);
  walk.add(w / b, b);
  return copy_strided(ctx, 0, 0, shape, walk);
}

Status reverse_sequence(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0), &lengths = ctx.in[1];
  const int64_t batch = ctx.attrs->integer("batch_axis", 1), time = 1 - batch, steps = x.dims[time];
  if (lengths.count != x.dims[batch]) return Status::error(Code::shape, "sequence_lens do not fit the batch");
  for (int64_t i = 0; i < lengths.count; ++i) {
    if (const int64_t n = index_at(lengths, i); n < 0 || n > steps) {
      return Status::error(Code::bad_input, "sequence_lens[%lld] is %lld, outside of [0, %lld]",
                           static_cast<long long>(i), static_cast<long long>(n), static_cast<long long>(steps));
    }
  }
  const int64_t inner = checked_numel(x.shape().subspan(2));
  return copy(ctx, 0, x.dtype, Extents(x.shape()), x.dims[0] * x.dims[1], inner, [&](int64_t r) {
    int64_t at[2] = {r / x.dims[1], r % x.dims[1]};
    const int64_t n = index_at(lengths, at[batch]);
    if (at[time] < n) at[time] = n - 1 - at[time];
    return Source{0, (at[0] * x.dims[1] + at[1]) * inner};
  });
}

Status trilu(KernelContext& ctx) noexcept {
  const TensorView x = view(ctx, 0);
  const int64_t rows = x.dim(-2), columns = x.dim(-1);
  // Beyond the matrix every diagonal is the same: clamping keeps the sums below from overflowing.
  const int64_t k = ctx.has(1) ? std::clamp(index_at(ctx.in[1], 0), -rows, columns) : 0;
  const bool upper = ctx.attrs->integer("upper", 1) != 0;
  return copy(ctx, 0, x.dtype, Extents(x.shape()), x.count, 1, [&](int64_t n) {
    const int64_t j = n % columns, i = n / columns % rows;
    return Source{(upper ? j >= i + k : j <= i + k) ? 0 : -1, n};
  });
}

constexpr KernelRow kRows[] = {
    {"Reshape", reshape},
    {"Flatten", flatten},
    {"Squeeze", squeeze},
    {"Unsqueeze", unsqueeze},
    {"Shape", shape_of},
    {"Size", size_of},
    {"Transpose", transpose},
    {"Concat", concat},
    {"Split", split},
    {"Slice", slice},
    {"Expand", expand},
    {"Tile", tile},
    {"Pad", pad},
    {"DepthToSpace", depth_to_space},
    {"SpaceToDepth", space_to_depth},
    {"ReverseSequence", reverse_sequence},
    {"Trilu", trilu},
};

}  // namespace

std::span<const KernelRow> reference::movement_kernels() { return chosen<kRows>(); }

}  // namespace chorus::native
