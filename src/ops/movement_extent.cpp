// Shape and value rules of the operators that change extents: Slice, Expand, Tile, Pad and the block moves.
#include <ops/movement_shape.h>
#include <ops/rules.h>
#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <functional>
#include <set>

namespace chorus::movement {
using rules::fresh_dims;
using rules::known_ints;
using rules::normalize_axis;
using rules::tensor_input;

namespace {

bool proved_le(const Dim& a, const Dim& b) { return Dim::less_equal(a, b) == Dim::Truth::yes; }
Dim least(const Dim& a, const Dim& b) { return proved_le(a, b) ? a : proved_le(b, a) ? b : min(a, b); }
Dim most(const Dim& a, const Dim& b) { return proved_le(a, b) ? b : proved_le(b, a) ? a : max(a, b); }

/// ONNX recommends INT_MAX and INT_MIN of either index type for "to the end" of an unknown extent.
bool means_end(int64_t v) { return v == INT32_MAX || v >= INT64_MAX / 2; }
bool means_begin(int64_t v) { return v == INT32_MIN || v <= INT64_MIN / 2; }

/// An index into an axis, negative ones counted from the end, clamped to [low, high].
Dim clamp_index(const Dim& v, const Dim& extent, const Dim& low, const Dim& high) {
  if (v.is_unknown() || extent.is_unknown()) return Dim::unknown();
  if (v.is_number()) {
    if (means_end(v.number())) return high;
    if (means_begin(v.number())) return low;
    return most(low, least(v.number() < 0 ? extent + v : v, high));
  }
  if (proved_le(Dim(0), v)) return most(low, least(v, high));
  if (proved_le(v, Dim(-1))) return most(low, least(extent + v, high));
  return Dim::unknown();
}

}  // namespace

int64_t slice_start(int64_t start, int64_t step, int64_t extent) {
  if (start < 0) start = start < -extent ? -1 : start + extent;  // also for INT64_MIN
  return step > 0 ? std::clamp<int64_t>(start, 0, extent)
                  : std::clamp<int64_t>(start, 0, std::max<int64_t>(extent - 1, 0));
}

Dim slice_extent(const Dim& start, const Dim& end, int64_t step, const Dim& extent) {
  if (extent.is(0)) return 0;
  const Dim last = extent - Dim(1);
  const Dim from = step > 0       ? clamp_index(start, extent, 0, extent)
                   : start.is(-1) ? last
                                  : clamp_index(start, extent, 0, last);
  const Dim to = step > 0 ? clamp_index(end, extent, 0, extent) : clamp_index(end, extent, -1, last);
  if (from.is_unknown() || to.is_unknown()) return Dim::unknown();
  const Dim distance = step > 0 ? to - from : from - to;
  if (step == INT64_MIN) return distance.is_number() ? Dim(distance.number() > 0 ? 1 : 0) : Dim::unknown();
  const Dim length = ceildiv(most(distance, Dim(0)), Dim(step > 0 ? step : -step));
  return step > 0 ? length : least(length, extent);  // going backwards through an extent of 0 takes nothing
}

namespace {

struct SliceSpec {
  std::vector<int> axes;
  Dims starts, ends;  ///< unknown where not known
  Dims steps;
};

/// nullopt when not even the axes are known.
std::optional<SliceSpec> read_slice(ShapeContext& ctx, int rank) {
  const auto starts = small_values(ctx, 1), ends = small_values(ctx, 2);
  const auto count = [&](int i) -> int64_t { return ctx.has_input(i) ? rules::known_count(ctx, i) : -1; };
  const int64_t n = starts ? static_cast<int64_t>(starts->size())
                    : ends ? static_cast<int64_t>(ends->size())
                           : std::max(count(1), count(2));
  if (n < 0) return std::nullopt;
  if (n > rank)
    ctx.fail(Code::shape, fmt::format("{} starts for x of shape {} (rank {})", n, ctx.input(0).str(), rank));
  for (const int i : {1, 2, 3, 4}) {
    if (const int64_t c = count(i); c >= 0 && c != n) {
      ctx.fail(Code::shape, fmt::format("starts have {} elements, operand {} has {}", n, i, c),
               "give one per sliced axis");
    }
  }
  SliceSpec s;
  if (ctx.has_input(3)) {
    const auto axes = known_ints(ctx, 3);
    if (!axes) return std::nullopt;
    s.axes = rules::normalize_axes(ctx, *axes, rank);
  } else {
    for (int i = 0; i < n; ++i) s.axes.push_back(i);
  }
  const Dims nothing(static_cast<size_t>(n), Dim::unknown());
  s.starts = starts.value_or(nothing);
  s.ends = ends.value_or(nothing);
  s.steps = ctx.has_input(4) ? small_values(ctx, 4).value_or(nothing) : Dims(static_cast<size_t>(n), Dim(1));
  for (const Dim& step : s.steps) {
    if (step.is(0)) ctx.fail(Code::bad_input, "a step is 0", "use a step other than 0");
  }
  const size_t size = static_cast<size_t>(n);
  if (s.axes.size() != size || s.starts.size() != size || s.ends.size() != size || s.steps.size() != size) {
    ctx.fail(Code::shape, "starts, ends, axes and steps differ in length");
  }
  return s;
}

}  // namespace

void infer_slice(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (!x.has_rank) return set_unranked(ctx);
  const auto spec = read_slice(ctx, x.rank());
  if (!spec) return set_dims(ctx, fresh_dims(ctx, x.rank()));
  Dims out = x.dims;
  for (size_t i = 0; i < spec->axes.size(); ++i) {
    Dim& d = out[static_cast<size_t>(spec->axes[i])];
    d = spec->steps[i].is_number()
            ? named(ctx, slice_extent(spec->starts[i], spec->ends[i], spec->steps[i].number(), d))
            : ctx.fresh();
  }
  set_dims(ctx, std::move(out));
}

void value_slice(ShapeContext& ctx) {
  const auto v = small_values(ctx, 0);
  if (!v || ctx.input(0).rank() != 1) return;
  const auto spec = read_slice(ctx, 1);
  if (!spec) return;
  if (spec->axes.empty()) return ctx.set_value(0, *v);
  const Dim extent = static_cast<int64_t>(v->size());
  if (!spec->steps[0].is_number() || !spec->starts[0].is_number()) return;
  const int64_t step = spec->steps[0].number();
  const Dim n = slice_extent(spec->starts[0], spec->ends[0], step, extent);
  if (!n.is_number()) return;
  Dims out;
  int64_t at = slice_start(spec->starts[0].number(), step, extent.number());
  for (int64_t i = 0; i < n.number(); ++i) {
    out.push_back((*v)[static_cast<size_t>(at)]);
    if (i + 1 < n.number()) at += step;
  }
  ctx.set_value(0, std::move(out));
}

void infer_expand(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const auto shape = small_values(ctx, 1);
  if (!shape) {
    const int64_t n = rules::known_count(ctx, 1);
    if (n < 0 || n > kMaxRank || !x.has_rank) return set_unranked(ctx);
    return set_dims(ctx, fresh_dims(ctx, static_cast<int>(std::max<int64_t>(n, x.rank()))));
  }
  for (const Dim& d : *shape) {
    if (d.is_number() && d.number() < 0)
      ctx.fail(Code::shape, fmt::format("the shape has the negative extent {}", d.number()));
  }
  if (!x.has_rank) {
    return set_unranked(ctx);
  }
  Dims out = rules::broadcast(ctx, x.dims, *shape);
  for (Dim& d : out) d = named(ctx, d);
  set_dims(ctx, std::move(out));
}

namespace {
/// Known values of a result of known shape, each taken from the operand at the position that `from` gives for its
/// index.
void map_values(ShapeContext& ctx, const Dims& v, const std::vector<int64_t>& in, const std::vector<int64_t>& out,
                const std::function<int64_t(size_t axis, int64_t index)>& from) {
  const int64_t count = checked_numel(out);
  if (count < 0 || count > kMostValues) return;
  const size_t extra = out.size() - in.size();
  std::vector<int64_t> at(out.size(), 0);
  Dims values;
  for (int64_t n = 0; n < count; ++n) {
    int64_t source = 0;
    for (size_t a = extra; a < out.size(); ++a) source = source * in[a - extra] + from(a - extra, at[a]);
    values.push_back(v[static_cast<size_t>(source)]);
    for (size_t a = out.size(); a-- > 0 && ++at[a] == out[a];) at[a] = 0;
  }
  ctx.set_value(0, std::move(values));
}
}  // namespace

void value_expand(ShapeContext& ctx) {
  const auto v = small_values(ctx, 0), shape = small_values(ctx, 1);
  const auto dims = static_dims(ctx.input(0));
  if (!v || !shape || !dims || v->empty()) return;
  const size_t rank = std::max(dims->size(), shape->size());
  std::vector<int64_t> out(rank, 1);
  for (size_t i = 0; i < shape->size(); ++i) {
    const Dim& d = (*shape)[i];
    if (!d.is_number() || d.number() < 0) return;
    out[rank - shape->size() + i] = d.number();
  }
  for (size_t i = 0; i < dims->size(); ++i) {
    if ((*dims)[i] != 1) out[rank - dims->size() + i] = (*dims)[i];
  }
  map_values(ctx, *v, *dims, out, [&](size_t axis, int64_t i) { return (*dims)[axis] == 1 ? 0 : i; });
}

void infer_tile(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (!x.has_rank) {
    const int64_t n = rules::known_count(ctx, 1);
    if (n < 0 || n > kMaxRank) return set_unranked(ctx);
    return set_dims(ctx, fresh_dims(ctx, static_cast<int>(n)));
  }
  if (ctx.attrs().schema().since < 6)
    return set_dims(ctx, fresh_dims(ctx, x.rank()));  // `tiles` and `axis`: see the version step
  const auto repeats = small_values(ctx, 1);
  if (!repeats) return set_dims(ctx, fresh_dims(ctx, x.rank()));
  if (static_cast<int>(repeats->size()) != x.rank()) {
    ctx.fail(Code::shape,
             fmt::format("repeats has {} elements, x has shape {} (rank {})", repeats->size(), x.str(), x.rank()),
             "give one repeat per axis");
  }
  Dims out;
  for (size_t i = 0; i < repeats->size(); ++i) {
    const Dim& r = (*repeats)[i];
    if (r.is_number() && r.number() < 0)
      ctx.fail(Code::shape, fmt::format("repeats has the negative number {}", r.number()));
    out.push_back(named(ctx, x.dims[i] * r));
  }
  set_dims(ctx, std::move(out));
}

void value_tile(ShapeContext& ctx) {
  const auto v = small_values(ctx, 0);
  const auto dims = static_dims(ctx.input(0));
  const auto repeats = known_ints(ctx, 1);
  if (!v || !dims || !repeats || repeats->size() != dims->size()) return;
  std::vector<int64_t> out;
  for (size_t i = 0; i < dims->size(); ++i) {
    const int64_t d = checked_mul((*dims)[i], (*repeats)[i]);
    if (d < 0) return;
    out.push_back(d);
  }
  map_values(ctx, *v, *dims, out, [&](size_t axis, int64_t i) { return i % (*dims)[axis]; });
}

namespace {
void check_pad(ShapeContext& ctx, std::string_view mode, const Dim& extent, const Dim& begin, const Dim& end,
               int axis) {
  if (mode == "constant" || !extent.is_number()) return;
  const int64_t wide = std::max(begin.is_number() ? begin.number() : 0, end.is_number() ? end.number() : 0);
  if (wide > 0 && extent.number() == 0) {
    ctx.fail(Code::shape, fmt::format("mode '{}' cannot pad axis {} of extent 0", mode, axis), "use mode 'constant'");
  }
}
}  // namespace

void infer_pad(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const std::string_view mode = ctx.attrs().string("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
    ctx.fail(Code::bad_input, fmt::format("mode '{}' does not exist", mode), "use constant, reflect, edge or wrap");
  }
  if (!x.has_rank) return set_unranked(ctx);
  std::vector<int> axes;
  if (ctx.has_input(3)) {
    const auto given = known_ints(ctx, 3);
    if (!given) return set_dims(ctx, fresh_dims(ctx, x.rank()));
    axes = rules::normalize_axes(ctx, *given, x.rank());
  } else {
    for (int i = 0; i < x.rank(); ++i) axes.push_back(i);
  }
  Dims out = x.dims;
  const auto pads = small_values(ctx, 1);
  if (pads && pads->size() != 2 * axes.size()) {
    ctx.fail(Code::shape, fmt::format("pads has {} elements for {} axes", pads->size(), axes.size()),
             "give a begin and an end for each axis");
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& d = out[static_cast<size_t>(axes[i])];
    if (!pads) {
      d = ctx.fresh();
      continue;
    }
    const Dim &begin = (*pads)[i], &end = (*pads)[i + axes.size()];
    check_pad(ctx, mode, d, begin, end, axes[i]);
    const Dim sum = d + begin + end;
    if (sum.is_number() && sum.number() < 0) {
      ctx.fail(Code::shape, fmt::format("pads {} and {} take more from axis {} than its extent {}", begin.str(),
                                        end.str(), axes[i], d.str()));
    }
    d = named(ctx, sum);
  }
  set_dims(ctx, std::move(out));
}

namespace {
int64_t block_size(const NodeContext& ctx) {
  const int64_t b = ctx.attrs().integer("blocksize");
  if (b < 1) ctx.fail(Code::bad_input, fmt::format("blocksize is {}", b), "use a blocksize of at least 1");
  const std::string_view mode = ctx.attrs().string("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    ctx.fail(Code::bad_input, fmt::format("mode '{}' does not exist", mode), "use DCR or CRD");
  return b;
}
/// d / by, which must leave no rest.
Dim exact_quotient(ShapeContext& ctx, const Dim& d, int64_t by, std::string_view what) {
  if (d.is_unknown()) return ctx.fresh();
  if (!d.is_number()) ctx.require_equal(mod(d, Dim(by)), Dim(0), what);
  if (d.is_number() && d.number() % by != 0) {
    ctx.fail(Code::shape, fmt::format("{} {} is not a multiple of {}", what, d.str(), by));
  }
  return named(ctx, floordiv(d, Dim(by)));
}
}  // namespace

void infer_depth_to_space(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  rules::require_rank(ctx, 0, 4);
  const int64_t b = block_size(ctx), square = checked_mul(b, b);
  if (square < 0) ctx.fail(Code::bad_input, fmt::format("blocksize {} is too large", b));
  if (!x.has_rank) return set_dims(ctx, fresh_dims(ctx, 4));
  const Dim c = exact_quotient(ctx, x.dims[1], square, "number of channels");
  set_dims(ctx, {x.dims[0], c, named(ctx, x.dims[2] * Dim(b)), named(ctx, x.dims[3] * Dim(b))});
}

void infer_space_to_depth(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  rules::require_rank(ctx, 0, 4);
  const int64_t b = block_size(ctx), square = checked_mul(b, b);
  if (square < 0) ctx.fail(Code::bad_input, fmt::format("blocksize {} is too large", b));
  if (!x.has_rank) return set_dims(ctx, fresh_dims(ctx, 4));
  set_dims(ctx, {x.dims[0], named(ctx, x.dims[1] * Dim(square)), exact_quotient(ctx, x.dims[2], b, "height"),
                 exact_quotient(ctx, x.dims[3], b, "width")});
}

void infer_reverse_sequence(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const int64_t batch = ctx.attrs().integer("batch_axis", 1), time = ctx.attrs().integer("time_axis", 0);
  if (batch == time || batch < 0 || batch > 1 || time < 0 || time > 1) {
    ctx.fail(Code::bad_input, fmt::format("batch_axis {} and time_axis {}", batch, time),
             "one of them is 0, the other 1");
  }
  rules::require_rank_at_least(ctx, 0, 2);
  rules::require_rank(ctx, 1, 1);
  if (x.has_rank && ctx.input(1).has_rank) {
    ctx.require_equal(x.dims[static_cast<size_t>(batch)], ctx.input(1).dims[0],
                      "batch extent and number of sequence_lens");
  }
  rules::infer_same(ctx);
}

void infer_trilu(ShapeContext& ctx) {
  rules::require_rank_at_least(ctx, 0, 2);
  if (const int64_t n = rules::known_count(ctx, 1); ctx.has_input(1) && n >= 0 && n != 1) {
    ctx.fail(Code::shape, fmt::format("k has {} elements", n), "k is a scalar");
  }
  rules::infer_same(ctx);
}

}  // namespace chorus::movement
