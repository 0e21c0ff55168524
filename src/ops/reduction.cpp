// Reductions, positions of extremes, cumulative sums and products, the largest k.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus::families {
namespace {

using namespace rules;

Attributes to_type(DType type) { return {{"to", static_cast<int64_t>(type)}}; }

// Version steps ------------------------------------------------------------------------------------------------------------------

/// The axes were an attribute before opset 18 (ReduceSum: 13); none meant all.
Expansion axes_to_operand(OpBuilder& b) {
  Attributes attributes = b.attrs().all();
  attributes.erase("axes");
  const auto axes = b.attrs().integers("axes");
  const Ref operand = axes.empty() ? Ref{} : b.ints(axes);
  next_version(b);
  return b.op(b.op().name, {b.in(0), operand}, std::move(attributes));
}

Expansion axes_to_attribute(OpBuilder& b) {
  std::optional<std::vector<int64_t>> axes = std::vector<int64_t>();
  if (b.has_input(1)) axes = known_ints(b, 1);
  if (!axes)
    return Expansion::refuse(fmt::format("{} along axes that only the run knows has no older form", b.op().name));
  if (axes->empty() && b.attrs().integer("noop_with_empty_axes") != 0)
    return Expansion::refuse(fmt::format("{} with noop_with_empty_axes and no axes has no older form", b.op().name));
  Attributes attributes = b.attrs().all();
  attributes.erase("noop_with_empty_axes");
  if (!axes->empty()) attributes.set("axes", *axes);
  previous_version(b);
  return b.op(b.op().name, {b.in(0)}, std::move(attributes));
}

/// Integers had logarithms until opset 28, computed in floats and cut.
Expansion through_floats(OpBuilder& b) {
  const DType type = b.input(0).dtype;
  if (!is_integer(type)) return reissue(b);
  const Ref wide = b.op("Cast", {b.in(0)}, to_type(DType::float64)), axes = b.has_input(1) ? b.in(1) : Ref{};
  next_version(b);
  const Ref reduced = b.op(b.op().name, {wide, axes}, b.attrs().all());
  return b.op("Cast", {reduced}, to_type(type));
}

Expansion top_k_1(OpBuilder& b) {
  const Ref inputs[] = {b.in(0), b.ints({b.attrs().integer("k")})};
  next_version(b);
  return Expansion(b.emit("TopK", inputs, {{"axis", b.attrs().integer("axis")}}, b.outputs()));
}

Expansion top_k_10_to_1(OpBuilder& b) {
  const auto k = known_ints(b, 1);
  if (!k || k->size() != 1) return Expansion::refuse("TopK with k that only the run knows has no older form");
  if ((*k)[0] < 1) return Expansion::refuse("TopK of no elements has no older form: k is positive there");
  previous_version(b);
  const Ref x = b.in(0);
  return Expansion(b.emit("TopK", {&x, 1}, {{"axis", b.attrs().integer("axis")}, {"k", (*k)[0]}}, b.outputs()));
}

/// Hardmax below 13 worked on the matrix [dims before axis, dims from axis].
Expansion hardmax_11(OpBuilder& b) {
  const Ref matrix = b.op("Flatten", {b.in(0)}, {{"axis", b.attrs().integer("axis")}});
  next_version(b);
  const Ref marked = b.op("Hardmax", {matrix}, {{"axis", -1}});
  return b.op("Reshape", {marked, b.op("Shape", {b.in(0)})}, {{"allowzero", 1}});
}

// Shape and value rules ----------------------------------------------------------------------------------------------------------

/// Axes of a reduction as flags; nullopt when only the run knows them. Older versions have them as an attribute.
std::optional<std::vector<bool>> reduced_axes(ShapeContext& ctx, int rank) {
  if (ctx.attrs().given("axes")) {
    std::vector<bool> flags(static_cast<size_t>(rank), false);
    for (const int axis : normalize_axes(ctx, ctx.attrs().integers("axes"), rank))
      flags[static_cast<size_t>(axis)] = true;
    return flags;
  }
  if (!ctx.has_input(1) || known_count(ctx, 1) == 0) {
    return std::vector<bool>(static_cast<size_t>(rank), ctx.attrs().integer("noop_with_empty_axes") == 0);
  }
  const auto axes = known_ints(ctx, 1);
  if (!axes) return std::nullopt;
  std::vector<bool> flags(static_cast<size_t>(rank), false);
  for (const int axis : normalize_axes(ctx, *axes, rank)) flags[static_cast<size_t>(axis)] = true;
  return flags;
}

void infer_reduce(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (ctx.has_input(1)) require_rank(ctx, 1, 1);
  const bool keep = ctx.attrs().integer("keepdims", 1) != 0;
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(x.dtype));
  const auto flags = reduced_axes(ctx, x.rank());
  if (!flags) {
    const int64_t count = known_count(ctx, 1);
    if (keep) return ctx.set_output(0, Type::tensor(x.dtype, fresh_dims(ctx, x.rank())));
    if (count >= 0 && count <= x.rank()) {
      return ctx.set_output(0, Type::tensor(x.dtype, fresh_dims(ctx, x.rank() - static_cast<int>(count))));
    }
    return ctx.set_output(0, Type::tensor(x.dtype));
  }
  Dims dims;
  for (size_t i = 0; i < x.dims.size(); ++i) {
    if (!(*flags)[i]) dims.push_back(x.dims[i]);
    if ((*flags)[i] && keep) dims.emplace_back(1);
  }
  ctx.set_output(0, Type::tensor(x.dtype, std::move(dims)));
}

/// Values of a vector (or scalar) reduced to one: what shape arithmetic does.
template <class F>
void reduce_value(ShapeContext& ctx, F f, Dim start) {
  const auto x = known_values(ctx, 0);
  const Type& t = ctx.input(0);
  if (!x || !t.has_rank || t.rank() > 1) return;
  const auto flags = reduced_axes(ctx, t.rank());
  if (!flags) return;
  if (t.rank() == 0 || !(*flags)[0]) return ctx.set_value(0, *x);
  Dim d = x->empty() ? start : (*x)[0];
  for (size_t i = 1; i < x->size(); ++i) d = f(d, (*x)[i]);
  ctx.set_value(0, Dims{d});
}
void sum_value(ShapeContext& ctx) {
  reduce_value(
      ctx, [](const Dim& a, const Dim& b) { return a + b; }, 0);
}
void prod_value(ShapeContext& ctx) {
  reduce_value(
      ctx, [](const Dim& a, const Dim& b) { return a * b; }, 1);
}
void max_value(ShapeContext& ctx) {
  reduce_value(
      ctx, [](const Dim& a, const Dim& b) { return max(a, b); }, Dim());
}
void min_value(ShapeContext& ctx) {
  reduce_value(
      ctx, [](const Dim& a, const Dim& b) { return min(a, b); }, Dim());
}

void infer_arg(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(DType::int64));
  // NumPy's rule for scalars: they are vectors of one element.
  const auto axis = static_cast<size_t>(x.rank() == 0 ? 0 : normalize_axis(ctx, ctx.attrs().integer("axis"), x.rank()));
  Dims dims = x.dims;
  if (!dims.empty() && dims[axis].is(0))
    ctx.fail(Code::shape, fmt::format("axis {} of {} has no elements to choose from", axis, x.str()));
  if (!dims.empty() && ctx.attrs().integer("keepdims", 1) != 0) {
    dims[axis] = 1;
  } else if (!dims.empty()) {
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  ctx.set_output(0, Type::tensor(DType::int64, std::move(dims)));
}

void infer_cumulative(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const auto axis = known_ints(ctx, 1);
  if (axis && axis->size() != 1) ctx.fail(Code::shape, fmt::format("axis {} is not one number", shape_str(*axis)));
  if (axis && x.has_rank) normalize_axis(ctx, (*axis)[0], x.rank());
  ctx.set_output(0, x);
}

void infer_top_k(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  Type values = x;
  if (x.has_rank) {
    const auto axis = static_cast<size_t>(normalize_axis(ctx, ctx.attrs().integer("axis"), x.rank()));
    // K was an attribute in version 1.
    const auto k = ctx.attrs().given("k") ? std::optional<Dims>(Dims{ctx.attrs().integer("k")}) : known_values(ctx, 1);
    if (k && k->size() != 1) ctx.fail(Code::shape, fmt::format("K has {} elements, not one", k->size()));
    const Dim wanted = k ? (*k)[0] : Dim();
    if (wanted.is_number() && (wanted.number() < 0 || Dim::less_equal(wanted, x.dims[axis]) == Dim::Truth::no)) {
      ctx.fail(Code::shape, fmt::format("K {} is out of range for axis {} of {}", wanted.number(), axis, x.str()),
               fmt::format("use K in [0, {}]", x.dims[axis].str()));
    }
    values.dims[axis] = wanted.is_unknown() ? ctx.fresh() : wanted;
  }
  Type indices = values;
  indices.dtype = DType::int64;
  ctx.set_output(0, std::move(values));
  ctx.set_output(1, std::move(indices));
}

void infer_hardmax(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  if (x.has_rank) normalize_axis(ctx, ctx.attrs().integer("axis"), x.rank());
  ctx.set_output(0, x);
}

// Decompositions -----------------------------------------------------------------------------------------------------------------

Ref axes_of(OpBuilder& b) { return b.has_input(1) ? b.in(1) : Ref{}; }
Ref reduce(OpBuilder& b, std::string_view op, Ref x) { return b.op(op, {x, axes_of(b)}, b.attrs().all()); }

Expansion l1_meaning(OpBuilder& b) {
  return reduce(b, "ReduceSum", is_unsigned_integer(b.input(0).dtype) ? b.in(0) : b.op("Abs", {b.in(0)}));
}
Expansion sum_square_meaning(OpBuilder& b) { return reduce(b, "ReduceSum", b.op("Mul", {b.in(0), b.in(0)})); }
Expansion l2_meaning(OpBuilder& b) {
  const DType type = b.input(0).dtype;
  if (is_float(type)) return b.op("Sqrt", {reduce(b, "ReduceSumSquare", b.in(0))});
  if (!is_integer(type)) return Expansion::refuse("ReduceL2 needs the element type of its operand");
  const Ref sum = reduce(b, "ReduceSumSquare", b.op("Cast", {b.in(0)}, to_type(DType::float64)));
  return b.op("Cast", {b.op("Sqrt", {sum})}, to_type(type));
}
Expansion log_sum_meaning(OpBuilder& b) { return b.op("Log", {reduce(b, "ReduceSum", b.in(0))}); }

/// m + log(Σ exp(x - m)) with the finite part of the largest element as m: exact for infinities and empty sets too.
Expansion log_sum_exp_meaning(OpBuilder& b) {
  const Ref x = b.in(0), zero = scalar_like(b, x, 0);
  const Attributes kept = [&] {
    Attributes a = b.attrs().all();
    a.set("keepdims", 1);
    return a;
  }();
  const auto finite = [&](Ref m) {
    return b.op("Where", {b.op("Or", {b.op("IsInf", {m}), b.op("IsNaN", {m})}), zero, m});
  };
  const Ref wide = finite(b.op("ReduceMax", {x, axes_of(b)}, kept));
  const Ref sum = reduce(b, "ReduceSum", b.op("Exp", {b.op("Sub", {x, wide})}));
  return b.op("Add", {b.op("Log", {sum}), finite(reduce(b, "ReduceMax", x))});
}

Expansion hardmax_meaning(OpBuilder& b) {
  const Ref x = b.in(0);
  const int64_t axis = b.attrs().integer("axis");
  const DType type = b.input(0).dtype;
  if (type == DType::undefined) return Expansion::refuse("Hardmax needs the element type of its operand");
  Value zero_one = Value::tensor(DType::float32, Shape{2});
  zero_one.as_mutable<float>()[0] = 0;
  zero_one.as_mutable<float>()[1] = 1;
  const Ref values = b.op("Cast", {b.constant(std::move(zero_one))}, to_type(type));
  const Ref position = b.op("ArgMax", {x}, {{"axis", axis}, {"keepdims", 0}});
  const Ref depth = b.op("Gather", {b.op("Shape", {x}), b.constant(Value::scalar<int64_t>(axis))});
  return b.op("OneHot", {position, depth, values}, {{"axis", axis}});
}

// Rows ---------------------------------------------------------------------------------------------------------------------------

// ReduceL1, ReduceL2, ReduceMean, ReduceProd and ReduceSumSquare have one history.
constexpr Version kReduce[] = {
    {1, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = ieee i32 i64 u32 u64"},
    {11, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = ieee i32 i64 u32 u64"},
    {13, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = floats i32 i64 u32 u64", axes_to_operand,
     axes_to_attribute},
    {18,
     "(T data, @i64? axes !d) -> (T reduced) {keepdims: int = 1, noop_with_empty_axes: int = 0}; T = "
     "floats i32 i64 u32 u64"},
};
// ReduceLogSum, ReduceLogSumExp: integers went out of use.
constexpr Version kReduceLog[] = {
    {1, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = ieee i32 i64 u32 u64"},
    {11, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = ieee i32 i64 u32 u64"},
    {13, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = floats i32 i64 u32 u64", axes_to_operand,
     axes_to_attribute},
    {18,
     "(T data, @i64? axes !d) -> (T reduced) {keepdims: int = 1, noop_with_empty_axes: int = 0}; T = "
     "floats i32 i64 u32 u64",
     through_floats},
    {28, "(T data, @i64? axes !d) -> (T reduced) {keepdims: int = 1, noop_with_empty_axes: int = 0}; T = floats"},
};
// ReduceMax, ReduceMin.
constexpr Version kReduceExtreme[] = {
    {1, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = ieee i32 i64 u32 u64"},
    {11, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = ieee i32 i64 u32 u64"},
    {12, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = ieee i8 i32 i64 u8 u32 u64"},
    {13, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = floats i8 i32 i64 u8 u32 u64", axes_to_operand,
     axes_to_attribute},
    {18,
     "(T data, @i64? axes !d) -> (T reduced) {keepdims: int = 1, noop_with_empty_axes: int = 0}; T = "
     "floats i8 i32 i64 u8 u32 u64"},
    {20,
     "(T data, @i64? axes !d) -> (T reduced) {keepdims: int = 1, noop_with_empty_axes: int = 0}; T = "
     "floats bool i8 i32 i64 u8 u32 u64"},
};
constexpr Version kReduceSum[] = {
    {1, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = ieee i32 i64 u32 u64"},
    {11, "(T data) -> (T reduced) {axes: ints, keepdims: int = 1}; T = ieee i32 i64 u32 u64", axes_to_operand,
     axes_to_attribute},
    {13,
     "(T data, @i64? axes !d) -> (T reduced) {keepdims: int = 1, noop_with_empty_axes: int = 0}; T = "
     "floats i32 i64 u32 u64"},
};
constexpr Version kArgMax[] = {
    {1, "(T data) -> (i64 reduced) {axis: int = 0, keepdims: int = 1}; T = num"},
    {11, "(T data) -> (i64 reduced) {axis: int = 0, keepdims: int = 1}; T = num"},
    {12, "(T data) -> (i64 reduced) {axis: int = 0, keepdims: int = 1, select_last_index: int = 0}; T = num"},
    {13,
     "(T data !d) -> (i64 reduced !d) {axis: int = 0, keepdims: int = 1, select_last_index: int = 0}; T = "
     "num bf16"},
};
constexpr Version kArgMin[] = {
    {1, "(T data) -> (i64 reduced) {axis: int = 0, keepdims: int = 1}; T = num"},
    {11, "(T data) -> (i64 reduced) {axis: int = 0, keepdims: int = 1}; T = num"},
    {12, "(T data) -> (i64 reduced) {axis: int = 0, keepdims: int = 1, select_last_index: int = 0}; T = num"},
    {13,
     "(T data !d) -> (i64 reduced !d) {axis: int = 0, keepdims: int = 1, select_last_index: int = 0}; T = "
     "num bf16"},
};
constexpr Version kCumSum[] = {
    {11,
     "(T x, @T2 axis !d) -> (T y) {exclusive: int = 0, reverse: int = 0}; T = f32 f64 i32 i64 u32 u64; T2 "
     "= i32 i64"},
    {14,
     "(T x, @T2 axis !d) -> (T y) {exclusive: int = 0, reverse: int = 0}; T = floats i32 i64 u32 u64; T2 = "
     "i32 i64"},
};
constexpr Version kCumProd[] = {
    {26,
     "(T x, @T2 axis !d) -> (T y) {exclusive: int = 0, reverse: int = 0}; T = floats i32 i64 u32 u64; T2 = "
     "i32 i64"},
};
constexpr Version kTopK[] = {
    {1, "(T X) -> (T Values, I Indices) {axis: int = -1, k: int!}; T = ieee; I = i64", top_k_1, top_k_10_to_1},
    {10, "(T X, @i64 K) -> (T Values, I Indices) {axis: int = -1}; T = ieee; I = i64"},
    {11,
     "(T X, @i64 K !d) -> (T Values, I Indices !d) {axis: int = -1, largest: int = 1, sorted: int = 1}; T = "
     "num; I = i64"},
    {24,
     "(T X, @i64 K !d) -> (T Values, I Indices !d) {axis: int = -1, largest: int = 1, sorted: int = 1}; T = "
     "num bf16; I = i64"},
};
constexpr Version kHardmax[] = {
    {1, "(T input) -> (T output) {axis: int = 1}; T = ieee"},
    {11, "(T input) -> (T output) {axis: int = 1}; T = ieee", hardmax_11},
    {13, "(T input) -> (T output) {axis: int = -1}; T = floats"},
};

consteval OpDef base(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                     std::string_view grid, std::string_view doc) {
  OpDef d;
  d.name = name;
  d.api = {cpp, Form::function, Promote::same_type};
  d.versions = versions;
  d.layout = Layout::follows_axes;
  d.cost = cost_reduction;
  d.accumulate = Accumulate::float64;
  d.grid = grid;
  d.doc = doc;
  return d;
}
consteval OpDef reduction(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                          Meaning meaning, void (*value)(ShapeContext&), double ulp, std::string_view grid,
                          std::string_view doc) {
  OpDef d = base(name, cpp, versions, grid, doc);
  d.infer = infer_reduce;
  d.value = value;
  d.meaning = meaning;
  d.ulp = ulp;
  return row(d);
}
consteval OpDef to_sum(OpDef d) {
  d.api.promote = Promote::sum_to_int64;
  return row(d);
}
consteval OpDef to_float(OpDef d) {
  d.api.promote = Promote::to_float;
  return row(d);
}
consteval OpDef position(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                         std::string_view doc) {
  OpDef d = base(name, cpp, versions,
                 "f32[2,3,4] axis=1; f32[2,3] axis=-1 keepdims=0; i32{1,3,3,0}; i32{1,3,3,1} select_last_index=1; "
                 "f32{1,nan,3}; u64[4]; f16[3,2]; bf16[4]; f64[1,300]",
                 doc);
  d.infer = infer_arg;
  d.gradient = Gradient{NoGradient{"the results are indices"}};
  d.meaning = Meaning{Primitive{"a search"}};
  return row(d);
}
consteval OpDef cumulative(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                           std::string_view doc) {
  OpDef d = base(name, cpp, versions,
                 "f32[2,3,4] i32(1); f64[5] i64(0) exclusive=1; f32[2,3] i32(-1) reverse=1; i64[4] i64{0} exclusive=1 "
                 "reverse=1; f32[0,3] i32(1); i32[3] i32(0)",
                 doc);
  d.infer = infer_cumulative;
  d.meaning = Meaning{Primitive{"a recurrence"}};
  d.ulp = 4;
  return row(d);
}

constexpr std::string_view kGrid =
    "f32[2,3,4]; f32[2,3,4] i64{1}; f32[2,3,4] i64{0,-1} keepdims=0; f64[3,2] i64{0}; i32[4,5] i64{1}; f16[2,3] "
    "i64{-2}; f32[]; f32[2,3] i64{} noop_with_empty_axes=1; "
    "f32[2,0,3] i64{1}; f32[0]; i64[3] noop_with_empty_axes=1; f32[2,3,4] axes=[0,2] keepdims=0 v=11; f32[3,300] "
    "i64{1}; f32[300,3] i64{0}";
constexpr std::string_view kLogGrid =
    "f32[2,3,4]@0.5..3; f32[2,3,4]@0.5..3 i64{1}; f32[2,3,4]@0.5..3 i64{0,-1} keepdims=0; f64[3,2]@0.5..3 i64{0}; "
    "f16[2,3]@0.5..3 i64{-2}; f32[]@1..2; "
    "f32[2,3]@1..2 i64{} noop_with_empty_axes=1; f32[2,0,3] i64{1}; f32{inf,1} i64{0}; i32[4]@1..5 v=18; f32[2,3]@1..2 "
    "axes=[1] v=1";
constexpr std::string_view kExtremeGrid =
    "f32[2,3,4]; f32[2,3,4] i64{1}; f32[2,3,4] i64{0,-1} keepdims=0; f64[3,2] i64{0}; i8[4,5] i64{1}; u64[3]; "
    "bool[2,3] i64{1}; bool[2,0] i64{1}; f32{nan,1}; f32[]; "
    "f32[2,0,3] i64{1}; i32[0]; f32[2,3] axes=[1] v=12";
constexpr Primitive kLoop{"a loop over elements"};

constexpr OpDef kRows[] = {
    reduction("ReduceL1", "reduce_l1", kReduce, Decompose{l1_meaning}, nullptr, 2, kGrid,
              "Sum of |x| over the axes; 0 of nothing."),
    reduction("ReduceL2", "reduce_l2", kReduce, Decompose{l2_meaning}, nullptr, 2, kGrid,
              "√ of the sum of x² over the axes; 0 of nothing."),
    to_float(reduction("ReduceLogSum", "reduce_log_sum", kReduceLog, Decompose{log_sum_meaning}, nullptr, 4, kLogGrid,
                       "Logarithm of the sum of x over the axes; -∞ of nothing.")),
    to_float(reduction("ReduceLogSumExp", "reduce_log_sum_exp", kReduceLog, Decompose{log_sum_exp_meaning}, nullptr, 4,
                       kLogGrid, "Logarithm of the sum of exp(x) over the axes, without overflow; -∞ of nothing.")),
    reduction("ReduceMax", "max", kReduceExtreme, kLoop, max_value, 0, kExtremeGrid,
              "The largest element over the axes, NaN if there is one; the lowest value of the type of nothing."),
    to_float(reduction("ReduceMean", "mean", kReduce, Primitive{"sum and count in one pass"}, nullptr, 2, kGrid,
                       "Mean of x over the axes; of integers rounded toward zero.")),
    reduction("ReduceMin", "min", kReduceExtreme, kLoop, min_value, 0, kExtremeGrid,
              "The smallest element over the axes, NaN if there is one; the highest value of the type of nothing."),
    to_sum(reduction("ReduceProd", "prod", kReduce, kLoop, prod_value, 4, kGrid,
                     "Product of x over the axes; 1 of nothing. Integers wrap.")),
    to_sum(reduction("ReduceSum", "sum", kReduceSum, kLoop, sum_value, 2, kGrid,
                     "Sum of x over the axes; 0 of nothing. Integers wrap.")),
    reduction("ReduceSumSquare", "reduce_sum_square", kReduce, Decompose{sum_square_meaning}, nullptr, 2, kGrid,
              "Sum of x² over the axes; 0 of nothing."),
    position("ArgMax", "argmax", kArgMax,
             "Index of the first (select_last_index=1: last) largest element along the axis; NaN counts as largest."),
    position("ArgMin", "argmin", kArgMin,
             "Index of the first (select_last_index=1: last) smallest element along the axis; NaN counts as smallest."),
    cumulative("CumSum", "cumsum", kCumSum,
               "y[i] = x[0] + … + x[i] along the axis; exclusive=1 leaves x[i] out (and begins with 0), reverse=1 "
               "counts from the end."),
    cumulative("CumProd", "cumprod", kCumProd,
               "y[i] = x[0] · … · x[i] along the axis; exclusive=1 leaves x[i] out (and begins with 1), reverse=1 "
               "counts from the end."),
    []() consteval {
      OpDef d = base("TopK", "topk", kTopK,
                     "f32[2,5] i64{3}; f32[4,3,2] i64{2} axis=0; i32[7] i64{7} largest=0; f32{1,nan,3,3} i64{3}; "
                     "u64[5] i64{1} sorted=0; f16[4] i64{0}; "
                     "f32[3,4] k=2 v=1; bf16[5] i64{2}; f64[2,0] i64{0}",
                     "The K largest (largest=0: smallest) elements along the axis in order, and their indices; of "
                     "equal ones the first comes first. "
                     "NaN counts as largest.");
      d.infer = infer_top_k;
      d.meaning = Meaning{Primitive{"a partial sort"}};
      return row(d);
    }(),
    []() consteval {
      OpDef d = base("Hardmax", "hardmax", kHardmax,
                     "f32[2,3,4]; f32[2,3,4] axis=1; f64[5] axis=0; f16[3,2]; f32{3,3,1} axis=0; f32[2,3,4] axis=1 "
                     "v=11; f32[2,0,3]",
                     "1 at the first largest element along the axis, 0 elsewhere.");
      d.infer = infer_hardmax;
      d.gradient = Gradient{NoGradient{"piecewise constant"}};
      d.meaning = Meaning{Decompose{hardmax_meaning}};
      return row(d);
    }(),
};

}  // namespace

std::span<const OpDef> reduction_ops() {
  static constexpr auto kAll = gradients::differentiable(kRows, gradients::kReduction);
  return chosen<kAll>();
}

}  // namespace chorus::families
