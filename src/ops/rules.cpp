#include <core/convert.h>
#include <ops/rules.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace chorus::rules {
namespace {

constexpr int64_t kMostValues = 1024;  // elements of a tensor that rules follow

std::string dims_str(const Dims& dims) {
  std::string out = "[";
  for (size_t i = 0; i < dims.size(); ++i) out += (i > 0 ? ", " : "") + dims[i].str();
  return out + "]";
}

Dim broadcast_dim(const NodeContext& ctx, const Dims& a, const Dims& b, const Dim& x, const Dim& y) {
  if (x.is(1)) return y;
  if (y.is(1)) return x;
  if (x.same(y)) return x;
  if (x.is_number() && y.is_number()) {
    ctx.fail(
        Code::shape,
        fmt::format("shapes {} and {} do not broadcast: {} and {}", dims_str(a), dims_str(b), x.number(), y.number()),
        "let each pair of dimensions, counted from the last, be equal or one of them be 1");
  }
  // A number other than 1 decides: the other one must be it or 1, and the run checks that.
  if (x.is_number()) return x;
  if (y.is_number()) return y;
  if (x.is_unknown() || y.is_unknown()) return {};
  // max, but 0 where one of them is 0.
  return max(x, y) * min(x, 1) * min(y, 1);
}

}  // namespace

int normalize_axis(const NodeContext& ctx, int64_t axis, int rank, std::string_view what) {
  if (axis < -rank || axis >= rank) {
    if (rank == 0) ctx.fail(Code::shape, fmt::format("{} {} for a scalar, which has no axes", what, axis));
    ctx.fail(Code::shape, fmt::format("{} {} is out of range for rank {}", what, axis, rank),
             fmt::format("use {} in [{}, {}]", what, -rank, rank - 1));
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

std::vector<int> normalize_axes(const NodeContext& ctx, std::span<const int64_t> axes, int rank,
                                std::string_view what) {
  std::vector<int> out;
  for (const int64_t a : axes) {
    const int axis = normalize_axis(ctx, a, rank, what);
    if (std::ranges::find(out, axis) != out.end()) {
      ctx.fail(Code::shape, fmt::format("{} {} names axis {} twice", what, shape_str(axes), axis));
    }
    out.push_back(axis);
  }
  return out;
}

const Type& tensor_input(const NodeContext& ctx, int i) {
  const Type& t = ctx.input(i);
  if (!t.is_tensor()) ctx.fail(Code::type, fmt::format("operand {} is {}, a tensor is needed", i, t.str()));
  return t;
}

void require_rank(const NodeContext& ctx, int i, int rank) {
  const Type& t = ctx.input(i);
  if (t.has_rank && t.rank() != rank) {
    ctx.fail(Code::shape,
             fmt::format("operand {} of shape {} has rank {}, not {}", i, dims_str(t.dims), t.rank(), rank));
  }
}

void require_rank_at_least(const NodeContext& ctx, int i, int rank) {
  const Type& t = ctx.input(i);
  if (t.has_rank && t.rank() < rank) {
    ctx.fail(Code::shape, fmt::format("operand {} of shape {} has rank {}, at least {} is needed", i, dims_str(t.dims),
                                      t.rank(), rank));
  }
}

Dims broadcast(const NodeContext& ctx, const Dims& a, const Dims& b) {
  const size_t rank = std::max(a.size(), b.size());
  Dims out(rank);
  for (size_t i = 0; i < rank; ++i) {
    const Dim x = i + a.size() < rank ? Dim(1) : a[i + a.size() - rank];
    const Dim y = i + b.size() < rank ? Dim(1) : b[i + b.size() - rank];
    out[i] = broadcast_dim(ctx, a, b, x, y);
  }
  return out;
}

Type broadcast_inputs(const NodeContext& ctx, DType dtype, int first, int count) {
  Dims dims;
  for (int i = first; i < first + count; ++i) {
    if (!ctx.has_input(i)) continue;
    const Type& t = tensor_input(ctx, i);
    if (!t.has_rank) return Type::tensor(dtype);
    dims = broadcast(ctx, dims, t.dims);
  }
  return Type::tensor(dtype, std::move(dims));
}

void require_broadcasts_to(const NodeContext& ctx, const Dims& from, const Dims& to, std::string_view what) {
  bool fits = from.size() <= to.size();
  for (size_t i = 0; fits && i < from.size(); ++i) {
    const Dim& x = from[from.size() - 1 - i];
    const Dim& y = to[to.size() - 1 - i];
    fits = !(x.is_number() && !x.is(1) && Dim::equal(x, y) == Dim::Truth::no);
  }
  if (!fits)
    ctx.fail(Code::shape, fmt::format("{} of shape {} does not broadcast to {}", what, dims_str(from), dims_str(to)));
}

void infer_same(ShapeContext& ctx) { ctx.set_output(0, ctx.input(0)); }

void infer_same_bool(ShapeContext& ctx) {
  Type t = tensor_input(ctx, 0);
  t.dtype = DType::boolean;
  ctx.set_output(0, std::move(t));
}

void infer_broadcast(ShapeContext& ctx) {
  ctx.set_output(0, broadcast_inputs(ctx, tensor_input(ctx, 0).dtype, 0, ctx.inputs()));
}

void infer_broadcast_bool(ShapeContext& ctx) {
  ctx.set_output(0, broadcast_inputs(ctx, DType::boolean, 0, ctx.inputs()));
}

void value_same(ShapeContext& ctx) {
  if (const Dims* v = ctx.value(0)) ctx.set_value(0, *v);
}

std::optional<std::vector<int64_t>> known_ints(const NodeContext& ctx, int i) {
  const Value* v = ctx.constant(i);
  if (v == nullptr || !v->is_tensor() || !(is_integer(v->dtype()) || v->dtype() == DType::boolean) ||
      v->numel() > kMostValues) {
    return std::nullopt;
  }
  return v->to_int64s();
}

std::optional<std::vector<int64_t>> known_ints(ShapeContext& ctx, int i) {
  if (auto constant = known_ints(static_cast<const NodeContext&>(ctx), i)) return constant;
  const Dims* dims = ctx.has_input(i) ? ctx.value(i) : nullptr;
  if (dims == nullptr) return std::nullopt;
  std::vector<int64_t> out;
  for (const Dim& d : *dims) {
    if (!d.is_number()) return std::nullopt;
    out.push_back(d.number());
  }
  return out;
}

std::optional<Dims> known_values(ShapeContext& ctx, int i) {
  if (!ctx.has_input(i)) return std::nullopt;
  if (const Dims* dims = ctx.value(i)) return *dims;
  if (const auto ints = known_ints(static_cast<const NodeContext&>(ctx), i)) return Dims(ints->begin(), ints->end());
  // Shape arithmetic takes detours through floats: whole numbers there are values too.
  const Value* v = ctx.constant(i);
  if (v == nullptr || !v->is_tensor() || !is_float(v->dtype()) || v->numel() > kMostValues) return std::nullopt;
  Dims out;
  for (const double d : v->to_doubles()) {
    if (!(std::abs(d) < 0x1p53) || d != std::floor(d)) return std::nullopt;
    out.emplace_back(static_cast<int64_t>(d));
  }
  return out;
}

int64_t known_count(const NodeContext& ctx, int i) {
  const Type& t = ctx.input(i);
  if (!t.is_static()) return -1;
  std::vector<int64_t> dims;
  for (const Dim& d : t.dims) dims.push_back(d.number());
  return checked_numel(dims);
}

Dims fresh_dims(ShapeContext& ctx, int rank) {
  Dims dims;
  for (int i = 0; i < rank; ++i) dims.push_back(ctx.fresh());
  return dims;
}

Dim product(const Dims& dims, int first, int last) {
  Dim p = 1;
  for (int i = first; i < last; ++i) p = p * dims[static_cast<size_t>(i)];
  return p;
}

Window read_window(const NodeContext& ctx, int spatial, std::vector<int64_t> kernel) {
  const AttrReader& attrs = ctx.attrs();
  const auto n = static_cast<size_t>(spatial);
  const auto list = [&](std::string_view name, size_t length, int64_t otherwise, int64_t least) {
    const auto given = attrs.integers(name);
    std::vector<int64_t> out(given.begin(), given.end());
    if (out.empty()) out.assign(length, otherwise);
    if (out.size() != length) {
      ctx.fail(Code::shape, fmt::format("{} {} has {} numbers, {} spatial axes need {}", name, shape_str(out),
                                        out.size(), spatial, length));
    }
    for (const int64_t v : out) {
      if (v < least) ctx.fail(Code::bad_input, fmt::format("{} {} has a number below {}", name, shape_str(out), least));
    }
    return out;
  };
  Window w;
  w.kernel = kernel.empty() ? list("kernel_shape", n, 1, 1) : std::move(kernel);
  w.strides = list("strides", n, 1, 1);
  w.dilations = list("dilations", n, 1, 1);
  const auto pads = list("pads", 2 * n, 0, INT64_MIN);
  w.pads_begin.assign(pads.begin(), pads.begin() + spatial);
  w.pads_end.assign(pads.begin() + spatial, pads.end());
  w.auto_pad = attrs.string("auto_pad", "NOTSET");
  if (w.auto_pad != "NOTSET" && w.auto_pad != "VALID" && w.auto_pad != "SAME_UPPER" && w.auto_pad != "SAME_LOWER") {
    ctx.fail(Code::bad_input,
             fmt::format("auto_pad '{}' is none of NOTSET, VALID, SAME_UPPER, SAME_LOWER", w.auto_pad));
  }
  if (w.auto_pad == "VALID") {
    w.pads_begin.assign(n, 0);
    w.pads_end.assign(n, 0);
  }
  w.ceil_mode = attrs.integer("ceil_mode") != 0;
  return w;
}

Dim window_output(const Window& w, int i, const Dim& in) {
  const auto k = static_cast<size_t>(i);
  const Dim stride = w.strides[k];
  if (w.auto_pad.starts_with("SAME")) return ceildiv(in, stride);
  const Dim reach = Dim(w.dilations[k]) * (Dim(w.kernel[k]) - 1) + 1;
  const Dim room = in + w.pads_begin[k] + w.pads_end[k] - reach;
  if (!w.ceil_mode) return floordiv(room, stride) + 1;
  // The last window starts inside the input or the padding before it.
  return min(ceildiv(room, stride) + 1, ceildiv(in + w.pads_begin[k], stride));
}

double bytes_of(const CostContext& ctx, bool output, int i) {
  return ctx.count(output, i) * dtype_bits(ctx.dtype(output, i)) / 8.0;
}

Cost cost_traffic(const CostContext& ctx) {
  Cost c;
  for (int i = 0; i < ctx.inputs(); ++i) c.bytes_read += bytes_of(ctx, false, i);
  for (int i = 0; i < ctx.outputs(); ++i) c.bytes_written += bytes_of(ctx, true, i);
  return c;
}

Cost cost_free(const CostContext&) { return {}; }

Cost cost_flops(const CostContext& ctx, double flops_per_output_element, double transcendental_per_output_element) {
  Cost c = cost_traffic(ctx);
  c.flops = flops_per_output_element * ctx.count(true, 0);
  c.transcendental = transcendental_per_output_element * ctx.count(true, 0);
  return c;
}

Cost cost_elementwise(const CostContext& ctx) { return cost_flops(ctx, 1); }
Cost cost_transcendental(const CostContext& ctx) { return cost_flops(ctx, 0, 1); }

Cost cost_reduction(const CostContext& ctx) {
  Cost c = cost_traffic(ctx);
  c.flops = ctx.count(false, 0);
  return c;
}

namespace {
Attributes without(const Attributes& all, std::span<const std::string_view> dropped) {
  Attributes kept = all;
  for (const std::string_view name : dropped) kept.erase(name);
  return kept;
}
}  // namespace

Ref scalar(OpBuilder& b, DType type, double v) {
  Value value = Value::tensor(type, Shape());
  set_f64(type, value.mutable_data(), 0, v);
  return b.constant(std::move(value));
}

Ref scalar_like(OpBuilder& b, Ref like, double v) {
  const DType type = b.type_of(like).dtype;
  return type != DType::undefined ? scalar(b, type, v) : b.op("CastLike", {scalar(b, DType::float32, v), like});
}

void next_version(OpBuilder& b) {
  const auto versions = b.op().versions;
  for (size_t i = 0; i + 1 < versions.size(); ++i) {
    if (versions[i].since == b.attrs().schema().since) b.next(b.op().domain, versions[i + 1].since);
  }
}

void previous_version(OpBuilder& b) {
  const auto versions = b.op().versions;
  for (size_t i = 1; i < versions.size(); ++i) {
    if (versions[i].since == b.attrs().schema().since) b.next(b.op().domain, versions[i - 1].since);
  }
}

Expansion reissue(OpBuilder& b, std::span<const std::string_view> dropped) {
  std::vector<Ref> inputs;
  for (int i = 0; i < b.inputs(); ++i) inputs.push_back(b.has_input(i) ? b.in(i) : Ref{});
  next_version(b);
  return Expansion(b.emit(b.op().name, inputs, without(b.attrs().all(), dropped), b.outputs()));
}

Expansion reissue(OpBuilder& b, std::initializer_list<Ref> inputs, std::initializer_list<std::string_view> dropped) {
  next_version(b);
  return Expansion(b.emit(b.op().name, std::span<const Ref>(inputs.begin(), inputs.size()),
                          without(b.attrs().all(), std::span<const std::string_view>(dropped.begin(), dropped.size())),
                          b.outputs()));
}

Expansion drop_consumed_inputs(OpBuilder& b) {
  static constexpr std::string_view kDropped[] = {"consumed_inputs"};
  return reissue(b, kDropped);
}

}  // namespace chorus::rules
