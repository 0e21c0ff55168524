// Tensors out of nothing: constants, ranges, random numbers.
#include <chorus/error.h>
#include <core/convert.h>
#include <ops/chosen.h>
#include <ops/constant.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <cmath>

namespace chorus::families {
namespace {

using namespace rules;

constexpr int64_t kMostValues = 1024;

// Constants ----------------------------------------------------------------------------------------------------------------------

Value constant_of(const NodeContext& ctx) {
  try {
    return constant_value(ctx.attrs().all());
  } catch (const Error& e) {
    constexpr std::string_view kPrefix = "Constant: ";  // fail() writes it again, with the node's place
    const std::string& text = e.message();
    ctx.fail(e.code(), text.starts_with(kPrefix) ? text.substr(kPrefix.size()) : text, e.fix());
    throw;  // unreachable: the compiler does not see that a virtual function never returns
  }
}

void infer_constant(ShapeContext& ctx) { ctx.set_output(0, Type::of(constant_of(ctx))); }

void constant_value_rule(ShapeContext& ctx) {
  const Value v = constant_of(ctx);
  if (!v.is_tensor() || !(is_integer(v.dtype()) || v.dtype() == DType::boolean) || v.numel() > kMostValues) return;
  const auto ints = v.to_int64s();
  ctx.set_value(0, Dims(ints.begin(), ints.end()));
}

DType fill_type(const NodeContext& ctx) {
  const Value* v = ctx.attrs().tensor("value");
  if (v != nullptr && checked_numel(v->shape().dims()) != 1) {
    ctx.fail(Code::shape, fmt::format("value of shape {} is not one element", v->shape().str()));
  }
  return v != nullptr ? v->dtype() : DType::float32;
}

void infer_constant_of_shape(ShapeContext& ctx) {
  const DType type = fill_type(ctx);
  require_rank(ctx, 0, 1);
  if (auto dims = known_values(ctx, 0)) {
    for (Dim& d : *dims) {
      if (d.is_number() && d.number() < 0)
        ctx.fail(Code::shape, fmt::format("extent {} of the shape is negative", d.number()));
      if (d.is_unknown()) d = ctx.fresh();
    }
    if (dims->size() > kMaxRank) ctx.fail(Code::shape, fmt::format("rank {} is above {}", dims->size(), kMaxRank));
    return ctx.set_output(0, Type::tensor(type, std::move(*dims)));
  }
  const int64_t rank = known_count(ctx, 0);
  if (rank > kMaxRank) ctx.fail(Code::shape, fmt::format("rank {} is above {}", rank, kMaxRank));
  ctx.set_output(0, rank >= 0 ? Type::tensor(type, fresh_dims(ctx, static_cast<int>(rank))) : Type::tensor(type));
}

void constant_of_shape_value(ShapeContext& ctx) {
  const auto dims = known_ints(ctx, 0);
  const DType type = fill_type(ctx);
  if (!dims || !(is_integer(type) || type == DType::boolean)) return;
  const int64_t n = checked_numel(*dims);
  if (n < 0 || n > kMostValues) return;
  ctx.set_value(0, Dims(static_cast<size_t>(n), Dim(ctx.attrs().tensor("value")->to_int64s()[0])));
}

Expansion constant_of_shape_meaning(OpBuilder& b) {
  const Value* given = b.attrs().tensor("value");
  return b.op("Expand", {b.constant(given != nullptr ? given->reshaped(Shape()) : Value::scalar(0.0F)), b.in(0)});
}

// Range --------------------------------------------------------------------------------------------------------------------------

/// Number of elements of floats, when all three operands are constants.
std::optional<double> float_range(const NodeContext& ctx) {
  double v[3];
  for (int i = 0; i < 3; ++i) {
    const Value* c = ctx.constant(i);
    if (c == nullptr || c->numel() != 1) return std::nullopt;
    v[i] = c->to_doubles()[0];
  }
  return std::max(0.0, std::ceil((v[1] - v[0]) / v[2]));
}

void infer_range(ShapeContext& ctx) {
  const DType type = tensor_input(ctx, 0).dtype;
  Dim n;
  if (is_integer(type)) {
    const auto start = known_values(ctx, 0), limit = known_values(ctx, 1), delta = known_values(ctx, 2);
    if (delta && delta->size() == 1 && (*delta)[0].is(0)) ctx.fail(Code::bad_input, "delta is 0");
    if (start && limit && delta && start->size() == 1 && limit->size() == 1 && delta->size() == 1) {
      n = max(ceildiv((*limit)[0] - (*start)[0], (*delta)[0]), 0);
    }
  } else if (const auto count = float_range(ctx)) {
    if (!(*count < 0x1p53)) ctx.fail(Code::bad_input, "the range has no end: check start, limit and delta");
    n = static_cast<int64_t>(*count);
  }
  ctx.set_output(0, Type::tensor(type, Dims{n.is_unknown() ? ctx.fresh() : n}));
}

void range_value(ShapeContext& ctx) {
  if (!is_integer(ctx.input(0).dtype)) return;
  const auto start = known_ints(ctx, 0), limit = known_ints(ctx, 1), delta = known_ints(ctx, 2);
  if (!start || !limit || !delta || start->size() != 1 || limit->size() != 1 || delta->size() != 1 || (*delta)[0] == 0)
    return;
  const Dim n = max(ceildiv(Dim((*limit)[0]) - Dim((*start)[0]), (*delta)[0]), 0);
  if (!n.is_number() || n.number() > kMostValues) return;
  Dims values;
  for (int64_t i = 0; i < n.number(); ++i) values.push_back(Dim((*start)[0]) + Dim(i) * Dim((*delta)[0]));
  ctx.set_value(0, std::move(values));
}

// Matrices and random numbers ----------------------------------------------------------------------------------------------------

/// Element type from the attribute `dtype`, else `otherwise`; fails unless the output may have it.
DType output_type(const NodeContext& ctx, DType otherwise) {
  const int64_t number = ctx.attrs().has("dtype") ? ctx.attrs().integer("dtype") : static_cast<int64_t>(otherwise);
  if (number == 0) return DType::undefined;
  const Schema& schema = ctx.attrs().schema();
  const TypeSet& set = schema.types[static_cast<size_t>(schema.outputs[0].type_set)];
  if (number < 0 || number >= kDTypeCount || !dtype_in(static_cast<DType>(number), set.tensor)) {
    ctx.fail(Code::type, fmt::format("element type {} is not one that this operator makes", number), "give dtype");
  }
  return static_cast<DType>(number);
}

void infer_like(ShapeContext& ctx) {
  Type t = tensor_input(ctx, 0);
  t.dtype = output_type(ctx, t.dtype);
  ctx.set_output(0, std::move(t));
}

void infer_eye_like(ShapeContext& ctx) {
  tensor_input(ctx, 0);
  require_rank(ctx, 0, 2);
  infer_like(ctx);
}

void infer_random(ShapeContext& ctx) {
  const auto shape = ctx.attrs().integers("shape");
  if (shape.size() > kMaxRank) ctx.fail(Code::shape, fmt::format("rank {} is above {}", shape.size(), kMaxRank));
  for (const int64_t d : shape) {
    if (d < 0) ctx.fail(Code::shape, fmt::format("shape {} has a negative extent", shape_str(shape)));
  }
  ctx.set_output(0, Type::tensor(output_type(ctx, DType::float32), Dims(shape.begin(), shape.end())));
}

void infer_multinomial(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  require_rank(ctx, 0, 2);
  const int64_t samples = ctx.attrs().integer("sample_size");
  if (samples < 0) ctx.fail(Code::bad_input, fmt::format("sample_size {} is negative", samples));
  const Dim batch = x.has_rank ? x.dims[0] : ctx.fresh();
  ctx.set_output(0, Type::tensor(output_type(ctx, DType::int32), Dims{batch, samples}));
}

Expansion bernoulli_meaning(OpBuilder& b) {
  Attributes uniform;
  if (b.attrs().given("seed")) uniform.set("seed", b.attrs().real("seed"));
  const DType type = b.attrs().given("dtype") ? static_cast<DType>(b.attrs().integer("dtype")) : b.input(0).dtype;
  if (type == DType::undefined) return Expansion::refuse("Bernoulli needs the element type of its operand");
  const Ref below = b.op("Less", {b.op("RandomUniformLike", {b.in(0)}, std::move(uniform)), b.in(0)});
  return b.op("Cast", {below}, {{"to", static_cast<int64_t>(type)}});
}

// Rows ---------------------------------------------------------------------------------------------------------------------------

Cost cost_random(const CostContext& ctx) { return cost_flops(ctx, 20, 0); }

constexpr Version kConstant[] = {
    {1, "() -> (T output) {value: tensor!}; T = ieee"},
    {9, "() -> (T output) {value: tensor!}; T = all"},
    {11, "() -> (T output) {sparse_value: sparse, value: tensor}; T = all"},
    {12,
     "() -> (T output) {sparse_value: sparse, value: tensor, value_float: float, value_floats: floats, "
     "value_int: int, value_ints: ints, value_string: string, value_strings: strings}; T = all"},
    {13,
     "() -> (T output) {sparse_value: sparse, value: tensor, value_float: float, value_floats: floats, "
     "value_int: int, value_ints: ints, value_string: string, value_strings: strings}; T = all13"},
    {19,
     "() -> (T output) {sparse_value: sparse, value: tensor, value_float: float, value_floats: floats, "
     "value_int: int, value_ints: ints, value_string: string, value_strings: strings}; T = all19"},
    {21,
     "() -> (T output) {sparse_value: sparse, value: tensor, value_float: float, value_floats: floats, "
     "value_int: int, value_ints: ints, value_string: string, value_strings: strings}; T = all21"},
    {23,
     "() -> (T output) {sparse_value: sparse, value: tensor, value_float: float, value_floats: floats, "
     "value_int: int, value_ints: ints, value_string: string, value_strings: strings}; T = all23"},
    {24,
     "() -> (T output) {sparse_value: sparse, value: tensor, value_float: float, value_floats: floats, "
     "value_int: int, value_ints: ints, value_string: string, value_strings: strings}; T = all24"},
    {25,
     "() -> (T output) {sparse_value: sparse, value: tensor, value_float: float, value_floats: floats, "
     "value_int: int, value_ints: ints, value_string: string, value_strings: strings}; T = all25"},
};
constexpr Version kConstantOfShape[] = {
    {9, "(@T1 input) -> (T2 output) {value: tensor}; T1 = i64; T2 = num bool"},
    {20, "(@T1 input) -> (T2 output) {value: tensor}; T1 = i64; T2 = num f8 bf16 bool"},
    {21, "(@T1 input) -> (T2 output) {value: tensor}; T1 = i64; T2 = num f8 bf16 bool i4 u4"},
    {23, "(@T1 input) -> (T2 output) {value: tensor}; T1 = i64; T2 = num f8 bf16 bool f4e2m1 i4 u4"},
    {24, "(@T1 input) -> (T2 output) {value: tensor}; T1 = i64; T2 = num f8 bf16 bool f8e8m0 f4e2m1 i4 u4"},
    {25, "(@T1 input) -> (T2 output) {value: tensor}; T1 = i64; T2 = num f8 bf16 bool f8e8m0 f4e2m1 i2 i4 u2 u4"},
};
constexpr Version kRange[] = {
    {11, "(@T start, @T limit, @T delta) -> (T output); T = f32 f64 i16 i32 i64"},
    {27, "(@T start, @T limit, @T delta) -> (T output) {stash_type: int = 1}; T = floats i16 i32 i64"},
};
constexpr Version kEyeLike[] = {
    {9, "(T1 input) -> (T2 output) {dtype: int, k: int = 0}; T1 = num bool; T2 = num bool"},
    {22, "(T1 input) -> (T2 output) {dtype: int, k: int = 0}; T1 = num bf16 bool; T2 = num bf16 bool"},
};
constexpr Version kRandomNormal[] = {
    {1,
     "() -> (T output) {dtype: int = 1, mean: float = 0, scale: float = 1, seed: float, shape: ints!}; T = "
     "ieee"},
    {22,
     "() -> (T output) {dtype: int = 1, mean: float = 0, scale: float = 1, seed: float, shape: ints!}; T = "
     "floats"},
};
constexpr Version kRandomNormalLike[] = {
    {1,
     "(T1 input) -> (T2 output) {dtype: int, mean: float = 0, scale: float = 1, seed: float}; T1 = all; T2 "
     "= ieee"},
    {22,
     "(T1 input) -> (T2 output) {dtype: int, mean: float = 0, scale: float = 1, seed: float}; T1 = all13; "
     "T2 = floats"},
};
constexpr Version kRandomUniform[] = {
    {1,
     "() -> (T output) {dtype: int = 1, high: float = 1, low: float = 0, seed: float, shape: ints!}; T = "
     "ieee"},
    {22,
     "() -> (T output) {dtype: int = 1, high: float = 1, low: float = 0, seed: float, shape: ints!}; T = "
     "floats"},
};
constexpr Version kRandomUniformLike[] = {
    {1,
     "(T1 input) -> (T2 output) {dtype: int, high: float = 1, low: float = 0, seed: float}; T1 = all; T2 = "
     "ieee"},
    {22,
     "(T1 input) -> (T2 output) {dtype: int, high: float = 1, low: float = 0, seed: float}; T1 = all13; T2 "
     "= floats"},
};
constexpr Version kMultinomial[] = {
    {7, "(T1 input) -> (T2 output) {dtype: int = 6, sample_size: int = 1, seed: float}; T1 = ieee; T2 = i32 i64"},
    {22,
     "(T1 input) -> (T2 output) {dtype: int = 6, sample_size: int = 1, seed: float}; T1 = floats; T2 = i32 "
     "i64"},
};
constexpr Version kBernoulli[] = {
    {15, "(T1 input) -> (T2 output) {dtype: int, seed: float}; T1 = ieee; T2 = num bf16 bool"},
    {22, "(T1 input) -> (T2 output) {dtype: int, seed: float}; T1 = floats; T2 = num bf16 bool"},
};

consteval OpDef creation(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                         void (*infer)(ShapeContext&), std::string_view grid, std::string_view doc) {
  OpDef d;
  d.name = name;
  d.api = {cpp, Form::function, Promote::same_type};
  d.versions = versions;
  d.infer = infer;
  d.gradient = Gradient{NoGradient{"the result does not depend on values of the operands"}};
  d.meaning = Meaning{Primitive{"fills memory"}};
  d.cost = cost_traffic;
  d.grid = grid;
  d.doc = doc;
  return d;
}
consteval OpDef random(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                       void (*infer)(ShapeContext&), std::string_view grid, std::string_view doc) {
  OpDef d = creation(name, cpp, versions, infer, grid, doc);
  d.effect = Effect::random;
  d.gradient = Gradient{NoGradient{"random numbers"}};
  d.meaning = Meaning{Primitive{"random numbers by counters"}};
  d.cost = cost_random;
  return row(d);
}

constexpr OpDef kRows[] = {
    []() consteval {
      OpDef d = creation("Constant", "constant", kConstant, infer_constant,
                         "value=f32{2,2:1,2,3,4}; value_int=3; value_ints=[1,-2]; value_float=0.5; "
                         "value_floats=[1.0,2.0]; value_string='a'; value_strings=['a','b']; "
                         "value=i4{1,-2,3}; value_ints=[]",
                         "The tensor that an attribute holds.");
      d.api.form = Form::hidden;
      d.value = constant_value_rule;
      d.cost = cost_free;
      d.meaning = Meaning{Primitive{"a value"}};
      return row(d);
    }(),
    []() consteval {
      OpDef d = creation(
          "ConstantOfShape", "constant_of_shape", kConstantOfShape, infer_constant_of_shape,
          "i64{2,3}; i64{4} value=i32{7}; i64{}; i64{0,3} value=f16{1}; i64{3} value=bool{1}; i64{5} value=i4{-3}",
          "A tensor of the given shape, each element `value` (default float32 0).");
      d.value = constant_of_shape_value;
      d.meaning = Meaning{Decompose{constant_of_shape_meaning}};
      return row(d);
    }(),
    []() consteval {
      OpDef d = creation("Range", "range", kRange, infer_range,
                         "i64(0) i64(5) i64(2); i32(10) i32(4) i32(-2); f32(0) f32(1) f32(0.3); i64(5) i64(0) i64(1); "
                         "f64(1) f64(1) f64(1); bf16(0) bf16(4) bf16(1); "
                         "i16(0) i16(3) i16(1)",
                         "start, start + delta, start + 2 delta … below limit (above it, when delta is negative): "
                         "max(⌈(limit - start) / delta⌉, 0) "
                         "elements.");
      d.value = range_value;
      d.sizes = Sizes::known_after_run;
      d.gradient = Gradient{NotDerived{}};
      return row(d);
    }(),
    []() consteval {
      OpDef d =
          creation("EyeLike", "eye_like", kEyeLike, infer_eye_like,
                   "f32[3,4]; i32[2,2] k=1; f64[3,2] k=-1 dtype=i64; f32[0,3]; bool[2,2]; f32[2,3] k=5; bf16[2,2]",
                   "A matrix of the operand's shape with 1 on the k-th diagonal above the main one (below, for "
                   "negative k), 0 elsewhere.");
      return row(d);
    }(),
    random("RandomNormal", "random_normal", kRandomNormal, infer_random,
           "shape=[2,3]; shape=[4] mean=1.0 scale=2.0 dtype=f64 seed=3.0; shape=[0,2]; shape=[] dtype=f16",
           "Numbers of the normal distribution with the given mean and standard deviation."),
    random("RandomNormalLike", "random_normal_like", kRandomNormalLike, infer_like,
           "f32[2,3]; i32[4] dtype=f64 mean=1.0 seed=1.0; f16[0,2]; bf16[]",
           "Numbers of the normal distribution, in the shape of the operand."),
    random("RandomUniform", "random_uniform", kRandomUniform, infer_random,
           "shape=[2,3]; shape=[4] low=1.0 high=2.0 dtype=f64 seed=3.0; shape=[0,2]; shape=[] dtype=bf16",
           "Numbers uniform in [low, high)."),
    random("RandomUniformLike", "random_uniform_like", kRandomUniformLike, infer_like,
           "f32[2,3]; i32[4] dtype=f64 low=-1.0 seed=1.0; f16[0,2]; f32[]",
           "Numbers uniform in [low, high), in the shape of the operand."),
    random("Multinomial", "multinomial", kMultinomial, infer_multinomial,
           "f32[2,5] sample_size=4; f64[1,3] dtype=i64 seed=2.0; f16[0,3]; f32[2,1] sample_size=0",
           "Indices drawn with the probabilities softmax(row) of each row of the [batch, classes] operand: [batch, "
           "sample_size]."),
    []() consteval {
      OpDef d = random("Bernoulli", "bernoulli", kBernoulli, infer_like,
                       "f32[2,3]@0..1; f64[4]@0..1 dtype=bool seed=1.0; f16[0,2]; f32{0,1}; f32[3]@0..1 dtype=i64",
                       "1 with the probability that the operand gives, else 0.");
      d.meaning = Meaning{Decompose{bernoulli_meaning}};
      return row(d);
    }(),
};

}  // namespace

std::span<const OpDef> creation_ops() {
  static constexpr auto kAll = gradients::differentiable(kRows, gradients::kCreation);
  return chosen<kAll>();
}

}  // namespace chorus::families
