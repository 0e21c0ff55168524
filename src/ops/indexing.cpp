// Operators that pick and place elements by indices.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/movement_shape.h>
#include <ops/rules.h>
#include <ops/table.h>
#include <fmt/format.h>

#include <algorithm>

namespace chorus {
namespace {
using movement::named;
using movement::set_dims;
using movement::set_unranked;
using movement::small_values;
using rules::cost_traffic;
using rules::fresh_dims;
using rules::normalize_axis;
using rules::tensor_input;

// Shape and value rules ---------------------------------------------------------------------------------------------

void infer_gather(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &indices = tensor_input(ctx, 1);
  if (!x.has_rank || !indices.has_rank) return set_unranked(ctx);
  rules::require_rank_at_least(ctx, 0, 1);
  const int axis = normalize_axis(ctx, ctx.attrs().integer("axis"), x.rank());
  Dims out(x.dims.begin(), x.dims.begin() + axis);
  out.insert(out.end(), indices.dims.begin(), indices.dims.end());
  out.insert(out.end(), x.dims.begin() + axis + 1, x.dims.end());
  set_dims(ctx, std::move(out));
}

void value_gather(ShapeContext& ctx) {
  if (ctx.input(0).rank() != 1) return;
  const auto v = small_values(ctx, 0);
  const int64_t count = rules::known_count(ctx, 1);
  if (!v || count < 0 || count > movement::kMostValues) return;
  const auto indices = rules::known_ints(ctx, 1);
  if (!indices) return;
  const auto n = static_cast<int64_t>(v->size());
  Dims out;
  for (const int64_t i : *indices) {
    if (i < -n || i >= n) {
      ctx.fail(Code::bad_input, fmt::format("index {} is out of range for an axis of extent {}", i, n),
               fmt::format("use an index in [{}, {}]", -n, n - 1));
    }
    out.push_back((*v)[static_cast<size_t>(i < 0 ? i + n : i)]);
  }
  ctx.set_value(0, std::move(out));
}

void require_same_rank(ShapeContext& ctx, int a, int b) {
  if (ctx.input(a).has_rank && ctx.input(b).has_rank && ctx.input(a).rank() != ctx.input(b).rank()) {
    ctx.fail(Code::shape, fmt::format("operands {} and {} have different ranks: {} and {}", a, b, ctx.input(a).str(),
                                      ctx.input(b).str()));
  }
}

void infer_gather_elements(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &indices = tensor_input(ctx, 1);
  require_same_rank(ctx, 0, 1);
  rules::require_rank_at_least(ctx, 0, 1);
  if (x.has_rank) normalize_axis(ctx, ctx.attrs().integer("axis"), x.rank());
  if (!indices.has_rank) return set_unranked(ctx);
  set_dims(ctx, indices.dims);
}

void infer_gather_nd(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &indices = tensor_input(ctx, 1);
  rules::require_rank_at_least(ctx, 0, 1);
  rules::require_rank_at_least(ctx, 1, 1);
  if (!x.has_rank || !indices.has_rank || !indices.dims.back().is_number()) return set_unranked(ctx);
  const int64_t batch = ctx.attrs().integer("batch_dims"), k = indices.dims.back().number();
  if (batch < 0 || batch >= std::min(x.rank(), indices.rank())) {
    ctx.fail(Code::bad_input, fmt::format("batch_dims is {} for operands {} and {}", batch, x.str(), indices.str()),
             "use fewer batch dimensions than either operand has");
  }
  if (k < 1 || batch + k > x.rank()) {
    ctx.fail(Code::shape,
             fmt::format("indices of {} elements into data of shape {} with {} batch dimensions", k, x.str(), batch));
  }
  for (int64_t i = 0; i < batch; ++i) {
    ctx.require_equal(x.dims[static_cast<size_t>(i)], indices.dims[static_cast<size_t>(i)],
                      "batch extents of data and indices");
  }
  Dims out(indices.dims.begin(), indices.dims.end() - 1);
  out.insert(out.end(), x.dims.begin() + batch + k, x.dims.end());
  set_dims(ctx, std::move(out));
}

void check_reduction(const NodeContext& ctx) {
  const std::string_view r = ctx.attrs().string("reduction", "none");
  if (r != "none" && r != "add" && r != "mul" && r != "min" && r != "max") {
    ctx.fail(Code::bad_input, fmt::format("reduction '{}' does not exist", r), "use none, add, mul, min or max");
  }
  if (r != "none" && ctx.input(0).dtype == DType::string)
    ctx.fail(Code::type, fmt::format("strings cannot be reduced by '{}'", r));
}

void infer_scatter_elements(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  check_reduction(ctx);
  require_same_rank(ctx, 0, 1);
  require_same_rank(ctx, 1, 2);
  rules::require_rank_at_least(ctx, 0, 1);
  if (x.has_rank) normalize_axis(ctx, ctx.attrs().integer("axis"), x.rank());
  const Type &indices = ctx.input(1), &updates = ctx.input(2);
  for (size_t i = 0; indices.has_rank && updates.has_rank && i < indices.dims.size(); ++i) {
    ctx.require_equal(indices.dims[i], updates.dims[i], "extents of indices and updates");
  }
  rules::infer_same(ctx);
}

void infer_scatter_nd(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &indices = tensor_input(ctx, 1), &updates = tensor_input(ctx, 2);
  check_reduction(ctx);
  rules::require_rank_at_least(ctx, 0, 1);
  rules::require_rank_at_least(ctx, 1, 1);
  if (x.has_rank && indices.has_rank && updates.has_rank && indices.dims.back().is_number()) {
    const int64_t k = indices.dims.back().number();
    if (k < 1 || k > x.rank())
      ctx.fail(Code::shape, fmt::format("indices of {} elements into data of shape {}", k, x.str()));
    if (updates.rank() != indices.rank() - 1 + x.rank() - k) {
      ctx.fail(Code::shape, fmt::format("updates of shape {} do not fit indices {} and data {}", updates.str(),
                                        indices.str(), x.str()));
    }
    for (size_t i = 0; i < updates.dims.size(); ++i) {
      const size_t lead = indices.dims.size() - 1;
      ctx.require_equal(updates.dims[i], i < lead ? indices.dims[i] : x.dims[i - lead + static_cast<size_t>(k)],
                        "extent of updates");
    }
  }
  rules::infer_same(ctx);
}

void infer_tensor_scatter(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &update = tensor_input(ctx, 1);
  const std::string_view mode = ctx.attrs().string("mode", "linear");
  if (mode != "linear" && mode != "circular")
    ctx.fail(Code::bad_input, fmt::format("mode '{}' does not exist", mode), "use linear or circular");
  require_same_rank(ctx, 0, 1);
  if (x.has_rank) {
    const int axis = normalize_axis(ctx, ctx.attrs().integer("axis", -2), x.rank());
    if (axis == 0) ctx.fail(Code::bad_input, "axis 0 is the batch", "use another axis");
    for (size_t i = 0; update.has_rank && i < x.dims.size(); ++i) {
      if (static_cast<int>(i) != axis) ctx.require_equal(x.dims[i], update.dims[i], "extents of past_cache and update");
    }
    if (ctx.has_input(2) && ctx.input(2).has_rank) {
      rules::require_rank(ctx, 2, 1);
      ctx.require_equal(x.dims[0], ctx.input(2).dims[0], "batch and number of write_indices");
    }
  }
  rules::infer_same(ctx);
}

void infer_one_hot(ShapeContext& ctx) {
  const Type &indices = tensor_input(ctx, 0), &values = tensor_input(ctx, 2);
  if (values.rank() == 1) ctx.require_equal(values.dims[0], Dim(2), "number of values (off, on)");
  if (!indices.has_rank) return ctx.set_output(0, Type::tensor(values.dtype));
  Dim depth = ctx.fresh();
  if (const Value* v = ctx.constant(1);
      v != nullptr && v->is_tensor() && v->dtype() != DType::string && v->numel() == 1) {
    depth = Dim(v->to_int64s()[0]);
  } else if (const auto known = small_values(ctx, 1); known && known->size() == 1) {
    depth = named(ctx, (*known)[0]);
  }
  if (depth.is_number() && depth.number() < 0)
    ctx.fail(Code::bad_input, fmt::format("depth is {}", depth.number()), "use a depth of at least 0");
  const int axis = normalize_axis(ctx, ctx.attrs().integer("axis", -1), indices.rank() + 1);
  Dims out = indices.dims;
  out.insert(out.begin() + axis, depth);
  ctx.set_output(0, Type::tensor(values.dtype, std::move(out)));
}

void infer_non_zero(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const Dim rank = x.has_rank ? Dim(x.rank()) : ctx.fresh();
  ctx.set_output(0, Type::tensor(DType::int64, {rank, ctx.fresh()}));
}

void infer_compress(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  rules::require_rank(ctx, 1, 1);
  if (!ctx.attrs().given("axis")) return set_dims(ctx, {ctx.fresh()});
  if (!x.has_rank) return set_unranked(ctx);
  Dims out = x.dims;
  out[static_cast<size_t>(normalize_axis(ctx, ctx.attrs().integer("axis"), x.rank()))] = ctx.fresh();
  set_dims(ctx, std::move(out));
}

void infer_unique(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const Dim n = ctx.fresh();
  Dim items = x.has_rank ? named(ctx, rules::product(x.dims)) : ctx.fresh();
  if (!ctx.attrs().given("axis")) {
    set_dims(ctx, {n});
  } else if (!x.has_rank) {
    set_unranked(ctx);
  } else {
    const auto axis = static_cast<size_t>(normalize_axis(ctx, ctx.attrs().integer("axis"), x.rank()));
    Dims out = x.dims;
    items = named(ctx, out[axis]);
    out[axis] = n;
    set_dims(ctx, std::move(out));
  }
  const Dim lengths[] = {n, n, items, n};
  for (int i = 1; i < ctx.outputs(); ++i) {
    if (ctx.has_output(i)) ctx.set_output(i, Type::tensor(DType::int64, {lengths[i]}));
  }
}

// Version steps and decompositions ----------------------------------------------------------------------------------

/// Before version 11 negative indices meant "no element": they are moved out of range.
Expansion one_hot_9(OpBuilder& b) {
  const DType type = b.input(0).dtype;
  if (is_unsigned_integer(type)) return rules::reissue(b);
  const Ref indices = b.op("Cast", {b.in(0)}, {{"to", static_cast<int>(DType::int64)}});
  const Ref depth = b.op("Cast", {b.in(1)}, {{"to", static_cast<int>(DType::int64)}});
  const Ref scalar = b.op("Reshape", {depth, b.ints({})});
  const Ref moved = b.op("Where", {b.op("Less", {indices, b.constant(Value::scalar<int64_t>(0))}), scalar, indices});
  return rules::reissue(b, {moved, b.in(1), b.in(2)}, {});
}

Expansion older_scatter(OpBuilder& b, std::string_view allowed, std::string_view dropped) {
  const std::string_view r = b.attrs().string("reduction", "none");
  if (r == "min" || r == "max" || (r != "none" && allowed == "none")) {
    return Expansion::refuse(fmt::format("{}: reduction '{}' has no form in the older version", b.op().name, r));
  }
  Attributes attributes = b.attrs().all();
  if (!dropped.empty()) attributes.erase(dropped);
  const Ref inputs[] = {b.in(0), b.in(1), b.in(2)};
  rules::previous_version(b);
  return Expansion(b.emit(b.op().name, inputs, std::move(attributes), 1));
}
Expansion scatter_18_to_16(OpBuilder& b) { return older_scatter(b, "add", ""); }
Expansion scatter_16_to_13(OpBuilder& b) { return older_scatter(b, "none", "reduction"); }

Expansion scatter_by_elements(OpBuilder& b) {
  return b.op("ScatterElements", {b.in(0), b.in(1), b.in(2)}, {{"axis", b.attrs().integer("axis")}});
}

Expansion compress_by_gather(OpBuilder& b) {
  const Ref chosen = b.op("Reshape", {b.op("NonZero", {b.in(1)}), b.ints({-1})});
  if (b.attrs().given("axis")) return b.op("Gather", {b.in(0), chosen}, {{"axis", b.attrs().integer("axis")}});
  return b.op("Gather", {b.op("Reshape", {b.in(0), b.ints({-1})}), chosen}, {{"axis", 0}});
}

// Rows --------------------------------------------------------------------------------------------------------------

constexpr Hint kUpdates[] = {{0, 0, Alias::may_overwrite}};
constexpr Hint kState[] = {{0, 0, Alias::updates_state}};

constexpr Version kGather[] = {
    {1, "(T data, Tind indices) -> (T output) {axis: int = 0}; T = all; Tind = i32 i64"},
    {11, "(T data, Tind indices) -> (T output) {axis: int = 0}; T = all; Tind = i32 i64"},
    {13, "(T data, Tind indices) -> (T output) {axis: int = 0}; T = all13; Tind = i32 i64"},
};
constexpr Version kGatherElements[] = {
    {11, "(T data, Tind indices) -> (T output) {axis: int = 0}; T = all; Tind = i32 i64"},
    {13, "(T data, Tind indices) -> (T output) {axis: int = 0}; T = all13; Tind = i32 i64"},
};
constexpr Version kGatherND[] = {
    {11, "(T data, i64 indices) -> (T output); T = all"},
    {12, "(T data, i64 indices) -> (T output) {batch_dims: int = 0}; T = all"},
    {13, "(T data, i64 indices) -> (T output) {batch_dims: int = 0}; T = all13"},
};
constexpr Version kScatter[] = {
    {9, "(T data, Tind indices, T updates) -> (T output) {axis: int = 0}; T = all; Tind = i32 i64"},
    {11, "(T data, Tind indices, T updates) -> (T output) {axis: int = 0}; T = all; Tind = i32 i64; deprecated"},
};
constexpr Version kScatterElements[] = {
    {11, "(T data, Tind indices, T updates) -> (T output) {axis: int = 0}; T = all; Tind = i32 i64"},
    {13, "(T data, Tind indices, T updates) -> (T output) {axis: int = 0}; T = all13; Tind = i32 i64", nullptr,
     scatter_16_to_13},
    {16,
     "(T data, Tind indices, T updates) -> (T output) {axis: int = 0, reduction: string = 'none'}; T = all13; Tind = "
     "i32 i64",
     nullptr, scatter_18_to_16},
    {18,
     "(T data, Tind indices, T updates) -> (T output) {axis: int = 0, reduction: string = 'none'}; T = all13; Tind = "
     "i32 i64"},
};
constexpr Version kScatterND[] = {
    {11, "(T data, i64 indices, T updates) -> (T output); T = all"},
    {13, "(T data, i64 indices, T updates) -> (T output); T = all13", nullptr, scatter_16_to_13},
    {16, "(T data, i64 indices, T updates) -> (T output) {reduction: string = 'none'}; T = all13", nullptr,
     scatter_18_to_16},
    {18, "(T data, i64 indices, T updates) -> (T output) {reduction: string = 'none'}; T = all13"},
};
constexpr Version kTensorScatter[] = {
    {24,
     "(T past_cache, T update, i64? write_indices) -> (T present_cache) {axis: int = -2, mode: string = 'linear'}; T "
     "= all24"},
};
constexpr Version kOneHot[] = {
    {9, "(T1 indices, @T2 depth, T3 values) -> (T3 output) {axis: int = -1}; T1 = num; T2 = num; T3 = all", one_hot_9},
    {11, "(T1 indices, @T2 depth, T3 values) -> (T3 output) {axis: int = -1}; T1 = num; T2 = num; T3 = all"},
    {28, "(T1 indices, @T2 depth, T3 values) -> (T3 output) {axis: int = -1}; T1 = num; T2 = num; T3 = all13"},
};
constexpr Version kNonZero[] = {
    {9, "(T X) -> (i64 Y); T = all"},
    {13, "(T X) -> (i64 Y); T = all13"},
};
constexpr Version kCompress[] = {
    {9, "(T input, T1 condition) -> (T output) {axis: int}; T = all; T1 = bool"},
    {11, "(T input, T1 condition) -> (T output) {axis: int}; T = all; T1 = bool"},
    {28, "(T input, T1 condition) -> (T output) {axis: int}; T = all13; T1 = bool"},
};
constexpr Version kUnique[] = {
    {11, "(T X) -> (T Y, i64? indices, i64? inverse_indices, i64? counts) {axis: int, sorted: int = 1}; T = all"},
    {28, "(T X) -> (T Y, i64? indices, i64? inverse_indices, i64? counts) {axis: int, sorted: int = 1}; T = all13"},
};

constexpr OpDef kTable[] = {
    row({.name = "Gather",
         .api = {"gather"},
         .versions = kGather,
         .infer = infer_gather,
         .value = value_gather,
         .meaning = Primitive{"the basic choice by indices"},
         .cost = cost_traffic,
         .grid = "f32[3,4] i64{2,0,-1}; f32[3,4] i64(1); f32[3,4] i64{2,2:0,1,-1,2} axis=1; f32[3,4] i32{0,3} "
                 "axis=-1; str[3] i64{2,2}; f32[0,3] i64{} axis=0; i4[4,3] i64{3,1}; i64{5,6,7} i64(2)",
         .doc = "Slices of `data` along `axis` at `indices` (negative ones count from the end): result shape "
                "data[:axis] + indices + data[axis+1:]. An index out of range is an error."}),
    row({.name = "GatherElements",
         .api = {"gather_elements"},
         .versions = kGatherElements,
         .infer = infer_gather_elements,
         .meaning = Primitive{"one index per element"},
         .cost = cost_traffic,
         .grid = "f32[2,2] i64{2,2:0,0,1,0} axis=1; f32[3,3] i64{2,3:1,2,0,2,0,-1}; f32[3] i64{2,2,0,1} axis=0; "
                 "str[2,2] i32{1,2:1,0}; f32[2,0] i64[2,0] axis=0",
         .doc = "result[i][j]... = data[indices[i][j]...][j]... along `axis`; data and indices have the same rank, "
                "the result has the shape of indices."}),
    row({.name = "GatherND",
         .api = {"gather_nd"},
         .versions = kGatherND,
         .infer = infer_gather_nd,
         .meaning = Primitive{"tuples of indices"},
         .cost = cost_traffic,
         .grid = "f32[2,2] i64{2,2:0,0,1,1}; f32[2,2] i64{2,1:1,0}; f32[2,3,4] i64{2,1,2:0,1,1,-1}; f32[2,2,2] "
                 "i64{2,1:1,0} batch_dims=1; str[2,2] i64{1,2:1,-1}; f32[2,3] i64[0,2]",
         .doc = "The last axis of `indices` holds tuples that index the axes of `data` behind the first batch_dims: "
                "result shape indices[:-1] + data[batch_dims + k:]."}),
    row({.name = "Scatter",
         .api = {"scatter"},
         .versions = kScatter,
         .infer = infer_scatter_elements,
         .meaning = Decompose{scatter_by_elements},
         .cost = cost_traffic,
         .grid = "f32[3,3] i64{2,3:1,0,2,0,2,1} f32[2,3]; f32[1,5] i64{1,2:1,3} f32[1,2] axis=1; f32[1,5] "
                 "i64{1,2:1,-3} f32[1,2] axis=-1",
         .doc = "The old name of ScatterElements without reduction."}),
    row({.name = "ScatterElements",
         .api = {"scatter_elements"},
         .versions = kScatterElements,
         .infer = infer_scatter_elements,
         .aliases = kUpdates,
         .meaning = Primitive{"one index per element"},
         .cost = cost_traffic,
         .grid = "f32[3,3] i64{2,3:1,0,2,0,2,1} f32[2,3]; f32[1,5] i64{1,2:1,-3} f32[1,2] axis=1; f32[1,5] "
                 "i64{1,2:1,1} f32[1,2] axis=1 reduction='add'; i32[4] i64{0,0,3} i32[3] reduction='mul'; f32[4] "
                 "i64{0,0,3} f32[3] reduction='min'; u8[4] i64{0,0,3} u8[3] reduction='max'; str[3] i64{2} str[1]; "
                 "f32[3] i64[0] f32[0]",
         .doc = "A copy of `data` in which data[indices[i][j]...][j]... along `axis` is replaced by, or combined "
                "(reduction add, mul, min, max) with updates[i][j]... Several updates of one place are applied in "
                "order."}),
    row({.name = "ScatterND",
         .api = {"scatter_nd"},
         .versions = kScatterND,
         .infer = infer_scatter_nd,
         .aliases = kUpdates,
         .meaning = Primitive{"tuples of indices"},
         .cost = cost_traffic,
         .grid = "f32[8] i64{4,1:4,3,1,7} f32[4]; f32[4,2,2] i64{2,1:0,2} f32[2,2,2]; f32[4,2] i64{2,1:0,0} f32[2,2] "
                 "reduction='add'; i64[4] i64{2,1:1,1} i64[2] reduction='mul'; f32[4] i64{2,1:1,-1} f32[2] "
                 "reduction='max'; f16[4] i64{1,1:2} f16[1] reduction='min'; str[3] i64{1,1:0} str[1]; f32[3] "
                 "i64[0,1] f32[0]",
         .doc = "A copy of `data` in which the slices at the tuples in the last axis of `indices` are replaced by, "
                "or combined (reduction) with those of `updates`."}),
    row({.name = "TensorScatter",
         .api = {"tensor_scatter"},
         .versions = kTensorScatter,
         .infer = infer_tensor_scatter,
         .aliases = kState,
         .meaning = Primitive{"updates a cache in place"},
         .cost = cost_traffic,
         .grid = "f32[2,1,4,3] f32[2,1,2,3] i64{1,2}; f32[2,4,3] f32[2,1,3] i64{3,0} axis=1; f32[1,4,3] f32[1,2,3] "
                 "i64{3} mode='circular' axis=1; f32[1,1,4,3] f32[1,1,4,3]; f16[2,3,1] f16[2,2,1]",
         .doc = "A copy of `past_cache` [batch, ..., max, ...] in which the steps write_indices[b] + 0, 1, ... of "
                "`axis` are those of `update`; mode circular wraps around, linear refuses to pass the end."}),
    row({.name = "OneHot",
         .api = {"one_hot"},
         .versions = kOneHot,
         .infer = infer_one_hot,
         .meaning = Primitive{"the basic encoding of indices"},
         .cost = cost_traffic,
         .grid = "i64{0,7,8} i64(10) f32{0.0,1.0}; i64{2,2:1,9,2,-4} f32(10.0) i32{1,3} axis=1; i64(3) i64{5} "
                 "f32{2.0,5.0} axis=0; f32[3] i64(4) str{'no','yes'}; i64{-1,-6} i64(5) f32{0.0,1.0} axis=-1; "
                 "i64{0,-1} i64(2) f32{0.0,1.0} v=9",
         .doc = "A new axis of extent depth: values[1] where its index equals the element of `indices` (negative "
                "ones count from the end), values[0] elsewhere and everywhere for indices outside of [-depth, depth "
                "- 1]."}),
    row({.name = "NonZero",
         .api = {"non_zero"},
         .versions = kNonZero,
         .infer = infer_non_zero,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"indices"},
         .meaning = Primitive{"its size depends on the data"},
         .cost = cost_traffic,
         .grid = "f32[2,3]@-1..1; bool[4]; i32[2,2,2]; f32[0,3]; i64[5]@0..0",
         .doc = "Indices of the elements that are not zero, in row-major order: int64 [rank, number]. NaN is not "
                "zero."}),
    row({.name = "Compress",
         .api = {"compress"},
         .versions = kCompress,
         .infer = infer_compress,
         .sizes = Sizes::known_after_run,
         .meaning = Decompose{compress_by_gather},
         .cost = cost_traffic,
         .grid = "f32[3,2] bool{0,1,1} axis=0; f32[3,2] bool{0,1} axis=1; f32[3,2] bool{0,1,0,0,1}; f32[3,2] "
                 "bool{0,1} axis=-1; str[3] bool{1,0,1} axis=0; f32[3] bool{0}",
         .doc = "The slices along `axis` where `condition` is true; without `axis` the elements of the flattened "
                "input. A shorter condition leaves the rest out."}),
    row({.name = "Unique",
         .api = {"unique"},
         .versions = kUnique,
         .infer = infer_unique,
         .sizes = Sizes::known_after_run,
         .gradient = NoGradient{"its size depends on the data"},
         .meaning = Primitive{"its size depends on the data"},
         .cost = cost_traffic,
         .grid = "f32{2,1,1,3,4,3} out=4; f32{2,1,1,3,4,3} sorted=0 out=4; i64{3,3:1,0,0,1,0,0,2,3,4} axis=0 out=4; "
                 "i64{2,3:1,0,1,1,0,1} axis=1 out=4; str{'b','a','b'} out=4; f32[0] out=4; bool[6]",
         .doc = "The different elements (or slices along `axis`), in rising order or (sorted=0) in that of first "
                "appearance; where each first appears, which of them each input element is, and how often each "
                "appears. NaNs are one element, behind all others."}),
};

}  // namespace

std::span<const OpDef> families::indexing_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kIndexing);
  return chosen<kAll>();
}

}  // namespace chorus
