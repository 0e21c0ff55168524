// Arithmetic, comparison, logic and bits of two or more operands, with NumPy's broadcasting.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus::families {
namespace {

using namespace rules;

// Version steps ------------------------------------------------------------------------------------------------------------------

/// Opsets below 7: with broadcast=1 the second operand's shape is a contiguous part of the first one's, beginning at `axis` (default:
/// the last axes). Trailing axes of extent 1 make that NumPy's rule.
Expansion old_broadcast(OpBuilder& b) {
  Ref second = b.in(1);
  const int64_t given = b.attrs().integer("axis", -1);
  if (b.attrs().integer("broadcast") != 0 && b.attrs().given("axis")) {
    const Type &x = b.input(0), &y = b.input(1);
    if (!x.has_rank || !y.has_rank) {
      return Expansion::refuse(
          fmt::format("{} with axis={} of opset {} needs the ranks of its operands to be rewritten", b.op().name, given,
                      b.attrs().schema().since));
    }
    const int64_t first = given < 0 ? given + x.rank() : given;
    if (first < 0 || first > x.rank() - y.rank())
      b.fail(Code::shape, fmt::format("axis {} leaves no room for operand {} in {}", given, y.str(), x.str()));
    const int trailing = x.rank() - y.rank() - static_cast<int>(first);
    std::vector<int64_t> axes;
    for (int i = 0; i < trailing; ++i) axes.push_back(y.rank() + i);
    if (!axes.empty()) second = b.op("Unsqueeze", {second, b.ints(axes)});
  }
  return reissue(b, {b.in(0), second}, {"axis", "broadcast"});
}

/// Max, Mean, Min and Sum broadcast since opset 8.
Expansion of_one_shape(OpBuilder& b) {
  std::vector<Ref> inputs;
  for (int i = 0; i < b.inputs(); ++i) {
    const Type &first = b.input(0), &own = b.input(i);
    const auto same = [](const Dim& x, const Dim& y) { return Dim::equal(x, y) == Dim::Truth::yes; };
    if (!first.has_rank || !own.has_rank || !std::ranges::equal(first.dims, own.dims, same))
      return Expansion::refuse(
          fmt::format("{} of operands whose shapes differ has no form below version 8", b.op().name));
    inputs.push_back(b.in(i));
  }
  previous_version(b);
  return Expansion(b.emit(b.op().name, inputs, {}, 1));
}

/// Before opset 28 floats had the remainder of C alone (fmod=1). The sign of a result that is not 0 goes to B's by adding B; a 0 takes it.
Expansion mod_28_to_13(OpBuilder& b) {
  const Ref operands[] = {b.in(0), b.in(1)};
  const DType type = b.input(0).dtype;
  const bool as_it_is = is_integer(type) || b.attrs().integer("fmod") != 0;
  if (!as_it_is && !is_float(type))
    return Expansion::refuse("Mod needs the element type of its operands to be rewritten");
  previous_version(b);
  const Ref rest = b.emit("Mod", operands, {{"fmod", as_it_is ? b.attrs().integer("fmod") : 1}}, 1)[0];
  if (as_it_is) return rest;
  const Ref zero = scalar(b, type, 0), below = b.op("Less", {b.in(1), zero});
  const Ref turned =
      b.op("Where", {b.op("Xor", {b.op("Less", {rest, zero}), below}), b.op("Add", {rest, b.in(1)}), rest});
  return b.op("Where", {b.op("Equal", {rest, zero}), b.op("Where", {below, scalar(b, type, -0.0), zero}), turned});
}

/// Opsets below 7: a slope of rank 1 belongs to axis 1, the channels.
Expansion old_slope(OpBuilder& b) {
  const Type &x = b.input(0), &slope = b.input(1);
  Ref aligned = b.in(1);
  if (!x.has_rank || !slope.has_rank) {
    return Expansion::refuse("PRelu below opset 7 needs the ranks of its operands to be rewritten");
  }
  if (slope.rank() == 1 && !slope.dims[0].is(1) && x.rank() > 2) {
    std::vector<int64_t> axes;
    for (int i = 1; i < x.rank() - 1; ++i) axes.push_back(i);
    aligned = b.op("Unsqueeze", {aligned, b.ints(axes)});
  }
  return reissue(b, {b.in(0), aligned});
}

// Values of shape arithmetic -----------------------------------------------------------------------------------------------------

bool static_shape(const Type& t, std::vector<int64_t>* out) {
  if (!t.is_static()) return false;
  for (const Dim& d : t.dims) out->push_back(d.number());
  return true;
}

/// Position in an operand of shape `from` of element `i` of a result of shape `to`.
size_t broadcast_index(const std::vector<int64_t>& from, const std::vector<int64_t>& to, int64_t i) {
  int64_t at = 0, step = 1;
  for (size_t k = 0; k < to.size(); ++k) {
    const int64_t extent = to[to.size() - 1 - k], index = i % extent;
    i /= extent;
    if (k >= from.size()) continue;
    const int64_t have = from[from.size() - 1 - k];
    if (have != 1) at += index * step;
    step *= have;
  }
  return static_cast<size_t>(at);
}

/// out[i] = f(in0[i], in1[i] …) over broadcast operands whose elements are all known.
template <class F>
void combine(ShapeContext& ctx, F f) {
  if (ctx.attrs().given("axis")) return;  // an older version whose operands do not align as NumPy's
  std::vector<Dims> elements;
  std::vector<std::vector<int64_t>> shapes;
  for (int i = 0; i < ctx.inputs(); ++i) {
    auto known = known_values(ctx, i);
    std::vector<int64_t> shape;
    if (!known || !static_shape(ctx.input(i), &shape)) return;
    elements.push_back(std::move(*known));
    shapes.push_back(std::move(shape));
  }
  std::vector<int64_t> to;
  if (!static_shape(broadcast_inputs(ctx, DType::int64, 0, ctx.inputs()), &to)) return;
  Dims out(static_cast<size_t>(checked_numel(to)));
  std::vector<Dim> args(elements.size());
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t k = 0; k < args.size(); ++k)
      args[k] = elements[k][broadcast_index(shapes[k], to, static_cast<int64_t>(i))];
    out[i] = f(args);
  }
  ctx.set_value(0, std::move(out));
}

Dim truth(Dim::Truth t, bool negate = false) {
  if (t == Dim::Truth::maybe) return {};
  return Dim((t == Dim::Truth::yes) != negate ? 1 : 0);
}
bool not_negative(const Dim& d) { return Dim::less_equal(0, d) == Dim::Truth::yes; }

using Args = std::vector<Dim>;
void add_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) { return a[0] + a[1]; });
}
void sub_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) { return a[0] - a[1]; });
}
void mul_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) { return a[0] * a[1]; });
}
void max_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) {
    Dim d = a[0];
    for (size_t i = 1; i < a.size(); ++i) d = max(d, a[i]);
    return d;
  });
}
void min_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) {
    Dim d = a[0];
    for (size_t i = 1; i < a.size(); ++i) d = min(d, a[i]);
    return d;
  });
}
void div_value(ShapeContext& ctx) {
  const bool integers = is_integer(ctx.input(0).dtype);
  combine(ctx, [&](const Args& a) -> Dim {
    if (a[1].is(0) || a[0].is_unknown() || a[1].is_unknown()) return {};
    if (a[0].is_number() && a[1].is_number()) {
      if (a[1].is(-1)) return Dim(0) - a[0];
      // Fractions of floats are not values that this propagation carries.
      if (!integers && a[0].number() % a[1].number() != 0) return {};
      return Dim(a[0].number() / a[1].number());
    }
    // Truncation is rounding down where nothing is negative.
    return integers && not_negative(a[0]) && Dim::less_equal(1, a[1]) == Dim::Truth::yes ? floordiv(a[0], a[1]) : Dim();
  });
}
void mod_value(ShapeContext& ctx) {
  const bool truncating = ctx.attrs().integer("fmod") != 0;
  combine(ctx, [&](const Args& a) -> Dim {
    if (a[1].is(0)) return {};
    if (truncating && !(not_negative(a[0]) && not_negative(a[1]))) return {};
    return mod(a[0], a[1]);
  });
}
void equal_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) { return truth(Dim::equal(a[0], a[1])); });
}
void less_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) { return truth(Dim::less_equal(a[1], a[0]), true); });
}
void greater_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) { return truth(Dim::less_equal(a[0], a[1]), true); });
}
void less_equal_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) { return truth(Dim::less_equal(a[0], a[1])); });
}
void greater_equal_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) { return truth(Dim::less_equal(a[1], a[0])); });
}
void and_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) {
    return a[0].is(0) || a[1].is(0) ? Dim(0) : a[0].is(1) ? a[1] : a[1].is(1) ? a[0] : Dim();
  });
}
void or_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) {
    return a[0].is(1) || a[1].is(1) ? Dim(1) : a[0].is(0) ? a[1] : a[1].is(0) ? a[0] : Dim();
  });
}
void where_value(ShapeContext& ctx) {
  combine(ctx, [](const Args& a) { return a[0].is(1) ? a[1] : a[0].is(0) ? a[2] : a[1].same(a[2]) ? a[1] : Dim(); });
}

// Shape rules --------------------------------------------------------------------------------------------------------------------

/// Below opset 7 the result has the shape of the first operand.
bool is_old_broadcast(const NodeContext& ctx) { return ctx.attrs().schema().attribute("broadcast") != nullptr; }

void infer_binary(ShapeContext& ctx) { is_old_broadcast(ctx) ? infer_same(ctx) : infer_broadcast(ctx); }
void infer_compare(ShapeContext& ctx) { is_old_broadcast(ctx) ? infer_same_bool(ctx) : infer_broadcast_bool(ctx); }

void infer_where(ShapeContext& ctx) { ctx.set_output(0, broadcast_inputs(ctx, tensor_input(ctx, 1).dtype, 0, 3)); }

void infer_shift(ShapeContext& ctx) {
  const auto direction = ctx.attrs().string("direction");
  if (direction != "LEFT" && direction != "RIGHT") {
    ctx.fail(Code::bad_input, fmt::format("direction '{}' is neither 'LEFT' nor 'RIGHT'", direction));
  }
  infer_broadcast(ctx);
}

void infer_prelu(ShapeContext& ctx) {
  const Type &x = tensor_input(ctx, 0), &slope = tensor_input(ctx, 1);
  if (x.has_rank && slope.has_rank && ctx.attrs().schema().since >= 7)
    require_broadcasts_to(ctx, slope.dims, x.dims, "slope");
  ctx.set_output(0, x);
}

void infer_mod(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  const int64_t fmod = ctx.attrs().integer("fmod");
  if (fmod != 0 && fmod != 1) ctx.fail(Code::bad_input, fmt::format("fmod {} is neither 0 nor 1", fmod));
  ctx.set_output(0, broadcast_inputs(ctx, x.dtype, 0, 2));
}

// Decompositions -----------------------------------------------------------------------------------------------------------------

Expansion sum_meaning(OpBuilder& b) {
  Ref total = b.in(0);
  for (int i = 1; i < b.inputs(); ++i) total = b.op("Add", {total, b.in(i)});
  return b.inputs() == 1 ? Expansion(b.op("Identity", {total})) : Expansion(total);
}

Expansion mean_meaning(OpBuilder& b) {
  std::vector<Ref> all;
  for (int i = 0; i < b.inputs(); ++i) all.push_back(b.in(i));
  const Ref sum = b.emit("Sum", all, {}, 1)[0];
  return b.op("Div", {sum, scalar_like(b, b.in(0), b.inputs())});
}

Expansion less_or_equal_meaning(OpBuilder& b) {
  return b.op("Or", {b.op("Less", {b.in(0), b.in(1)}), b.op("Equal", {b.in(0), b.in(1)})});
}
Expansion greater_or_equal_meaning(OpBuilder& b) {
  return b.op("Or", {b.op("Less", {b.in(1), b.in(0)}), b.op("Equal", {b.in(0), b.in(1)})});
}
Expansion greater_meaning(OpBuilder& b) { return b.op("Less", {b.in(1), b.in(0)}); }
Expansion xor_meaning(OpBuilder& b) { return b.op("Not", {b.op("Equal", {b.in(0), b.in(1)})}); }

Expansion prelu_meaning(OpBuilder& b) {
  const Ref x = b.in(0);
  return b.op("Where", {b.op("Less", {x, scalar_like(b, x, 0)}), b.op("Mul", {b.in(1), x}), x});
}

// Rows ---------------------------------------------------------------------------------------------------------------------------

Cost cost_variadic(const CostContext& ctx) { return cost_flops(ctx, ctx.inputs()); }
Cost cost_two(const CostContext& ctx) { return cost_flops(ctx, 2); }

constexpr Hint kOverBoth[] = {{0, 0, Alias::may_overwrite}, {0, 1, Alias::may_overwrite}};
constexpr Hint kOverFirst[] = {{0, 0, Alias::may_overwrite}};

constexpr Version kAdd[] = {
    {1, "(T A, T B) -> (T C) {axis: int, broadcast: int = 0, consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T A, T B) -> (T C) {axis: int, broadcast: int = 0}; T = ieee i32 i64 u32 u64", old_broadcast},
    {7, "(T A, T B) -> (T C); T = ieee i32 i64 u32 u64"},
    {13, "(T A, T B) -> (T C); T = floats i32 i64 u32 u64"},
    {14, "(T A, T B) -> (T C); T = num bf16"},
};
constexpr Version kSub[] = {
    {1, "(T A, T B) -> (T C) {axis: int, broadcast: int = 0, consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T A, T B) -> (T C) {axis: int, broadcast: int = 0}; T = ieee i32 i64 u32 u64", old_broadcast},
    {7, "(T A, T B) -> (T C); T = ieee i32 i64 u32 u64"},
    {13, "(T A, T B) -> (T C); T = floats i32 i64 u32 u64"},
    {14, "(T A, T B) -> (T C); T = num bf16"},
};
constexpr Version kMul[] = {
    {1, "(T A, T B) -> (T C) {axis: int, broadcast: int = 0, consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T A, T B) -> (T C) {axis: int, broadcast: int = 0}; T = ieee i32 i64 u32 u64", old_broadcast},
    {7, "(T A, T B) -> (T C); T = ieee i32 i64 u32 u64"},
    {13, "(T A, T B) -> (T C); T = floats i32 i64 u32 u64"},
    {14, "(T A, T B) -> (T C); T = num bf16"},
};
constexpr Version kDiv[] = {
    {1, "(T A, T B) -> (T C) {axis: int, broadcast: int = 0, consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T A, T B) -> (T C) {axis: int, broadcast: int = 0}; T = ieee i32 i64 u32 u64", old_broadcast},
    {7, "(T A, T B) -> (T C); T = ieee i32 i64 u32 u64"},
    {13, "(T A, T B) -> (T C); T = floats i32 i64 u32 u64"},
    {14, "(T A, T B) -> (T C); T = num bf16"},
};
constexpr Version kMod[] = {
    {10, "(T A, T B) -> (T C) {fmod: int = 0}; T = num"},
    {13, "(T A, T B !d) -> (T C) {fmod: int = 0}; T = num bf16", nullptr, mod_28_to_13},
    {28, "(T A, T B !d) -> (T C) {fmod: int = 0}; T = num bf16"},
};
constexpr Version kPow[] = {
    {1, "(T X, T Y) -> (T Z) {axis: int, broadcast: int = 0}; T = ieee", old_broadcast},
    {7, "(T X, T Y) -> (T Z); T = ieee"},
    {12, "(T X, T1 Y) -> (T Z); T = ieee i32 i64; T1 = num"},
    {13, "(T X, T1 Y) -> (T Z); T = floats i32 i64; T1 = num"},
    {15, "(T X, T1 Y) -> (T Z); T = floats i32 i64; T1 = num bf16"},
};
constexpr Version kMax[] = {
    {1, "(T+ data_0) -> (T max) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T+ data_0) -> (T max); T = ieee", nullptr, of_one_shape},
    {8, "(T+ data_0) -> (T max); T = ieee"},
    {12, "(T+ data_0) -> (T max); T = num"},
    {13, "(T+ data_0) -> (T max); T = num bf16"},
};
constexpr Version kMin[] = {
    {1, "(T+ data_0) -> (T min) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T+ data_0) -> (T min); T = ieee", nullptr, of_one_shape},
    {8, "(T+ data_0) -> (T min); T = ieee"},
    {12, "(T+ data_0) -> (T min); T = num"},
    {13, "(T+ data_0) -> (T min); T = num bf16"},
};
constexpr Version kMean[] = {
    {1, "(T+ data_0) -> (T mean) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T+ data_0) -> (T mean); T = ieee", nullptr, of_one_shape},
    {8, "(T+ data_0) -> (T mean); T = ieee"},
    {13, "(T+ data_0) -> (T mean); T = floats"},
};
constexpr Version kSum[] = {
    {1, "(T+ data_0) -> (T sum) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T+ data_0) -> (T sum); T = ieee", nullptr, of_one_shape},
    {8, "(T+ data_0) -> (T sum); T = ieee"},
    {13, "(T+ data_0) -> (T sum); T = floats"},
};
constexpr Version kAnd[] = {
    {1, "(T A, T B) -> (T1 C) {axis: int, broadcast: int = 0}; T = bool; T1 = bool", old_broadcast},
    {7, "(T A !d, T B !d) -> (T1 C !d); T = bool; T1 = bool"},
};
constexpr Version kOr[] = {
    {1, "(T A, T B) -> (T1 C) {axis: int, broadcast: int = 0}; T = bool; T1 = bool", old_broadcast},
    {7, "(T A !d, T B !d) -> (T1 C !d); T = bool; T1 = bool"},
};
constexpr Version kXor[] = {
    {1, "(T A, T B) -> (T1 C) {axis: int, broadcast: int = 0}; T = bool; T1 = bool", old_broadcast},
    {7, "(T A !d, T B !d) -> (T1 C !d); T = bool; T1 = bool"},
};
constexpr Version kEqual[] = {
    {1, "(T A, T B) -> (T1 C) {axis: int, broadcast: int = 0}; T = bool i32 i64; T1 = bool", old_broadcast},
    {7, "(T A, T B) -> (T1 C); T = bool i32 i64; T1 = bool"},
    {11, "(T A, T B) -> (T1 C); T = num bool; T1 = bool"},
    {13, "(T A !d, T B !d) -> (T1 C !d); T = num bf16 bool; T1 = bool"},
    {19, "(T A !d, T B !d) -> (T1 C !d); T = num bf16 bool str; T1 = bool"},
};
constexpr Version kLess[] = {
    {1, "(T A, T B) -> (T1 C) {axis: int, broadcast: int = 0}; T = ieee; T1 = bool", old_broadcast},
    {7, "(T A, T B) -> (T1 C); T = ieee; T1 = bool"},
    {9, "(T A, T B) -> (T1 C); T = num; T1 = bool"},
    {13, "(T A !d, T B !d) -> (T1 C !d); T = num bf16; T1 = bool"},
};
constexpr Version kLessOrEqual[] = {
    {12, "(T A !d, T B !d) -> (T1 C !d); T = num; T1 = bool"},
    {16, "(T A !d, T B !d) -> (T1 C !d); T = num bf16; T1 = bool"},
};
constexpr Version kGreater[] = {
    {1, "(T A, T B) -> (T1 C) {axis: int, broadcast: int = 0}; T = ieee; T1 = bool", old_broadcast},
    {7, "(T A, T B) -> (T1 C); T = ieee; T1 = bool"},
    {9, "(T A, T B) -> (T1 C); T = num; T1 = bool"},
    {13, "(T A !d, T B !d) -> (T1 C !d); T = num bf16; T1 = bool"},
};
constexpr Version kGreaterOrEqual[] = {
    {12, "(T A !d, T B !d) -> (T1 C !d); T = num; T1 = bool"},
    {16, "(T A !d, T B !d) -> (T1 C !d); T = num bf16; T1 = bool"},
};
constexpr Version kBitShift[] = {
    {11, "(T X !d, T Y !d) -> (T Z !d) {direction: string!}; T = uints"},
    {28, "(T X !d, T Y !d) -> (T Z !d) {direction: string!}; T = ints uints"},
};
constexpr Version kBitwiseAnd[] = {
    {18, "(T A !d, T B !d) -> (T C !d); T = ints uints"},
};
constexpr Version kBitwiseOr[] = {
    {18, "(T A !d, T B !d) -> (T C !d); T = ints uints"},
};
constexpr Version kBitwiseXor[] = {
    {18, "(T A !d, T B !d) -> (T C !d); T = ints uints"},
};
constexpr Version kPRelu[] = {
    {1, "(T X, T slope) -> (T Y) {consumed_inputs: ints}; T = ieee", drop_consumed_inputs},
    {6, "(T X, T slope) -> (T Y); T = ieee", old_slope},
    {7, "(T X, T slope) -> (T Y); T = ieee"},
    {9, "(T X, T slope) -> (T Y); T = ieee i32 i64 u32 u64"},
    {16, "(T X, T slope) -> (T Y); T = floats i32 i64 u32 u64"},
};
constexpr Version kWhere[] = {
    {9, "(B condition !d, T X, T Y) -> (T output); B = bool; T = all"},
    {16, "(B condition !d, T X, T Y) -> (T output); B = bool; T = all13"},
};

/// What the rows of two operands share.
consteval OpDef binary(std::string_view name, std::string_view cpp, std::span<const Version> versions, Promote promote,
                       std::string_view grid, std::string_view doc) {
  OpDef d;
  d.name = name;
  d.api = {cpp, Form::function, promote};
  d.versions = versions;
  d.infer = infer_binary;
  d.layout = Layout::elementwise;
  d.aliases = kOverBoth;
  d.meaning = Meaning{Primitive{"one instruction per element"}};
  d.cost = cost_elementwise;
  d.grid = grid;
  d.doc = doc;
  return d;
}
consteval OpDef arithmetic(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                           void (*value)(ShapeContext&), std::string_view grid, std::string_view doc) {
  OpDef d = binary(name, cpp, versions, Promote::common_type, grid, doc);
  d.value = value;
  return row(d);
}
consteval OpDef compare(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                        void (*value)(ShapeContext&), Meaning meaning, std::string_view grid, std::string_view doc) {
  OpDef d = binary(name, cpp, versions, Promote::common_type, grid, doc);
  d.infer = infer_compare;
  d.value = value;
  d.aliases = {};
  d.gradient = Gradient{NoGradient{"the result is boolean"}};
  d.meaning = meaning;
  return row(d);
}
consteval OpDef logic(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                      void (*value)(ShapeContext&), Meaning meaning, std::string_view doc) {
  OpDef d = binary(name, cpp, versions, Promote::same_type,
                   "bool[3,4] bool[3,4]; bool[3,1] bool[4]; bool[] bool[2]; bool[0,3] bool[3]", doc);
  d.value = value;
  d.gradient = Gradient{NoGradient{"the operands are boolean"}};
  d.meaning = meaning;
  return row(d);
}
consteval OpDef bits(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                     std::string_view doc) {
  OpDef d = binary(
      name, cpp, versions, Promote::common_type,
      "i32[3,4] i32[3,4]; u8[3,1] u8[4]; i64[] i64[2]; i16[0,3] i16[3]; u64{1,18446744073709551615} u64{3,2}", doc);
  d.gradient = Gradient{NoGradient{"bits of integers"}};
  return row(d);
}
consteval OpDef variadic(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                         void (*value)(ShapeContext&), Meaning meaning, std::string_view grid, std::string_view doc) {
  OpDef d = binary(name, cpp, versions, Promote::common_type, grid, doc);
  d.value = value;
  d.aliases = kOverFirst;
  d.meaning = meaning;
  d.cost = cost_variadic;
  return row(d);
}

constexpr std::string_view kOldGrid =
    "f32[2,3,4] f32[4]; f32[2,3] f32[2,3]; i32[2,1,3] i32[4,1]; f64[] f64[3]; f16[0,3] f16[1]; u8[5] u8[5]; bf16[2] "
    "bf16[2]; "
    "f32[2,3,4,5] f32[3,4] axis=1 broadcast=1 v=6; f32[2,3] f32[2,3] consumed_inputs=[0,0] v=1";
constexpr std::string_view kDivGrid =
    "f32[2,3,4] f32[4]; i32[2,3]@-9..9 i32[3]@1..4; i64{7,-7,7,-7} i64{2,2,-2,-2}; u8[4] u8[4]@1..5; f32{1,-1,0} "
    "f32{0,0,0}; f16[2,0] f16[1]; "
    "f32[2,3,4,5] f32[3,4]@1..2 axis=1 broadcast=1 v=6";
constexpr std::string_view kModGrid =
    "i32[2,3]@-9..9 i32[3]@1..4; i64{7,-7,7,-7} i64{3,3,-3,-3}; i64{7,-7,7,-7} i64{3,3,-3,-3} fmod=1; f32[2,3] "
    "f32[3]@1..2; "
    "f32[2,3] f32[3]@1..2 fmod=1; f32{inf,1,-1,nan,0} f32{1,inf,inf,1,-2}; u16[4] u16[1]@2..5; bf16[3] bf16[3]@1..2 "
    "fmod=1";
constexpr std::string_view kPowGrid =
    "f32[2,3]@0..3 f32[3]; f32[2,3] i32[3]@0..3; i32[4] i32[4]@0..4; i32[4]@1..3 f32[4]; f64[] f64[2]; f16[0] f16[1]; "
    "f32{-8,0,2} f32{0.5,0,-1}; "
    "f32[2,3,4]@0..2 f32[3] axis=1 broadcast=1 v=1";
constexpr std::string_view kCompareGrid =
    "f32[3,4] f32[3,4]; i32[3,1] i32[4]; f64[] f64[2]; f16[0,3] f16[3]; f32{nan,1,inf} f32{nan,nan,inf}; "
    "u64{0,18446744073709551615} u64{1,1}; "
    "bf16[4] bf16[1]";
constexpr std::string_view kVariadicGrid =
    "f32[2,3] f32[3] f32[1]; f32[2,3]; f64[] f64[3]; f16[2,0] f16[1,1]; f32{nan,1} f32{1,nan}; f32[3] f32[3] "
    "consumed_inputs=[0] v=1";
constexpr std::string_view kExtremeGrid =
    "f32[2,3] f32[3] f32[1]; f32[2,3]; i32[4] i32[4]; u64{0,18446744073709551615} u64{1,1}; f16[2,0] f16[1,1]; "
    "f32{nan,1} f32{1,nan}; i8[] i8[3]";

constexpr OpDef kRows[] = {
    arithmetic("Add", "add", kAdd, add_value, kOldGrid, "a + b, element by element with broadcasting. Integers wrap."),
    arithmetic("Sub", "sub", kSub, sub_value, kOldGrid, "a - b, element by element with broadcasting. Integers wrap."),
    arithmetic("Mul", "mul", kMul, mul_value, kOldGrid, "a · b, element by element with broadcasting. Integers wrap."),
    arithmetic("Div", "div", kDiv, div_value, kDivGrid,
               "a / b, element by element with broadcasting. Integers are rounded toward zero; an integer divisor 0 is "
               "an error, the smallest "
               "integer by -1 wraps."),
    []() consteval {
      OpDef d = arithmetic("Mod", "mod", kMod, mod_value, kModGrid,
                           "Remainder of a / b. fmod=0: a - floor(a / b) · b, with the sign of b (Python's %); fmod=1: "
                           "a - trunc(a / b) · b, "
                           "with the sign of a (C's fmod). An integer divisor 0 is an error.");
      d.infer = infer_mod;
      return row(d);
    }(),
    []() consteval {
      OpDef d = binary("Pow", "pow", kPow, Promote::same_type, kPowGrid,
                       "x to the power y, of x's type; the exponent may have another type. Integers raised to negative "
                       "powers are rounded "
                       "toward zero.");
      d.aliases = kOverFirst;
      d.cost = cost_transcendental;
      d.ulp = 2;
      d.meaning = Meaning{Primitive{"the power function"}};
      return row(d);
    }(),
    variadic("Max", "maximum", kMax, max_value, Primitive{"a selection per element"}, kExtremeGrid,
             "The largest of all operands at each element, with broadcasting; NaN where one of them is NaN."),
    variadic("Min", "minimum", kMin, min_value, Primitive{"a selection per element"}, kExtremeGrid,
             "The smallest of all operands at each element, with broadcasting; NaN where one of them is NaN."),
    variadic("Sum", "add_n", kSum, nullptr, sum_meaning, kVariadicGrid,
             "Sum of all operands, element by element with broadcasting."),
    variadic("Mean", "mean_n", kMean, nullptr, mean_meaning, kVariadicGrid,
             "Mean of all operands, element by element with broadcasting."),
    logic("And", "logical_and", kAnd, and_value, Primitive{"one instruction per element"},
          "True where both operands are true."),
    logic("Or", "logical_or", kOr, or_value, Primitive{"one instruction per element"},
          "True where one of the operands or both are true."),
    logic("Xor", "logical_xor", kXor, nullptr, xor_meaning, "True where exactly one of the operands is true."),
    compare("Equal", "equal", kEqual, equal_value, Primitive{"one instruction per element"},
            "f32[3,4] f32[3,4]; i32[3,1] i32[4]; bool[3] bool[3]; str{'a','b'} str{'a','c'}; str{} str{'x'}; "
            "f32{nan,-0,inf} f32{nan,0,inf}; "
            "u64{0,18446744073709551615} u64{1,18446744073709551615}; f16[0,3] f16[3]",
            "True where a = b; NaN equals nothing, -0 equals 0. Strings are compared byte by byte."),
    compare("Less", "less", kLess, less_value, Primitive{"one instruction per element"}, kCompareGrid,
            "True where a < b; false with NaN."),
    compare("LessOrEqual", "less_equal", kLessOrEqual, less_equal_value, less_or_equal_meaning, kCompareGrid,
            "True where a ≤ b; false with NaN."),
    compare("Greater", "greater", kGreater, greater_value, greater_meaning, kCompareGrid,
            "True where a > b; false with NaN."),
    compare("GreaterOrEqual", "greater_equal", kGreaterOrEqual, greater_equal_value, greater_or_equal_meaning,
            kCompareGrid, "True where a ≥ b; false with NaN."),
    []() consteval {
      OpDef d = bits("BitShift", "bit_shift", kBitShift,
                     "x shifted by y bits. LEFT fills with zeros; RIGHT fills with zeros, of signed types with the "
                     "sign. Amounts that are "
                     "negative or not below the width of the type leave only the fill.");
      d.infer = infer_shift;
      d.grid =
          "u8[3,4] u8[4]@0..9 direction='LEFT'; u32[3,4] u32[3,1]@0..40 direction='RIGHT'; i8{-128,-1,127,5} "
          "i8{1,7,8,-1} direction='RIGHT'; "
          "i64{1,-1} i64{63,64} direction='LEFT'; u64[0] u64[1] direction='LEFT'";
      return row(d);
    }(),
    bits("BitwiseAnd", "bitwise_and", kBitwiseAnd, "Bits that are set in both operands."),
    bits("BitwiseOr", "bitwise_or", kBitwiseOr, "Bits that are set in one of the operands or in both."),
    bits("BitwiseXor", "bitwise_xor", kBitwiseXor, "Bits that are set in exactly one of the operands."),
    []() consteval {
      OpDef d = binary("PRelu", "prelu", kPRelu, Promote::same_type,
                       "f32[2,3,4] f32[3,1]; f32[2,3] f32[1]; f64[3] f64[3]; i32[2,2] i32[2]; f16[0,2] f16[2]; "
                       "f32[2,3,4] f32[3] v=6; u32[3] u32[3]; "
                       "f32{nan,-0,-2} f32{3,3,3}",
                       "x where x ≥ 0, slope · x below; slope broadcasts to the shape of x.");
      d.infer = infer_prelu;
      d.aliases = kOverFirst;
      d.meaning = Meaning{Decompose{prelu_meaning}};
      d.cost = cost_two;
      return row(d);
    }(),
    []() consteval {
      OpDef d = binary("Where", "where", kWhere, Promote::common_type,
                       "bool[2,3] f32[2,3] f32[2,3]; bool[3] i64[2,3] i64[1]; bool[] str{'a','b'} str{'c','d'}; "
                       "bool[2,1] f16[1,3] f16[]; "
                       "bool[0] c64[1] c64[1]; bool[4] bool[4] bool[4]; bool[2] bf16[2] bf16[2]",
                       "x where the condition is true, y elsewhere; all three broadcast.");
      d.infer = infer_where;
      d.value = where_value;
      d.aliases = {};
      d.meaning = Meaning{Primitive{"a selection per element"}};
      return row(d);
    }(),
};

}  // namespace

std::span<const OpDef> elementwise_ops() {
  static constexpr auto kAll = gradients::differentiable(kRows, gradients::kElementwise);
  return chosen<kAll>();
}

}  // namespace chorus::families
