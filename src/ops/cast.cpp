// Conversions: Cast, CastLike, BitCast and linear quantisation.
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

/// Cast-1 named the type in capitals; undefined for a name that is none.
DType type_of_name(std::string_view name) {
  static constexpr std::pair<std::string_view, DType> kNames[] = {
      {"FLOAT", DType::float32},   {"UINT8", DType::uint8},    {"INT8", DType::int8},     {"UINT16", DType::uint16},
      {"INT16", DType::int16},     {"INT32", DType::int32},    {"INT64", DType::int64},   {"BOOL", DType::boolean},
      {"FLOAT16", DType::float16}, {"DOUBLE", DType::float64}, {"UINT32", DType::uint32}, {"UINT64", DType::uint64}};
  for (const auto& [text, type] : kNames) {
    if (text == name) return type;
  }
  return DType::undefined;
}

Expansion cast_1(OpBuilder& b) {
  const DType type = type_of_name(b.attrs().string("to"));
  next_version(b);
  return b.op("Cast", {b.in(0)}, to_type(type));
}

/// Version 19 asks for operands of one type, which 13 did not: the newest takes both again.
Expansion quantize_13(OpBuilder& b) {
  const Ref zero = b.has_input(2) ? b.in(2) : Ref{};
  return b.op("QuantizeLinear", {b.in(0), b.in(1), zero}, b.attrs().all());
}

/// The scale had to be float32, which is the type of x since.
Expansion quantize_19_to_13(OpBuilder& b) {
  if (b.input(0).dtype != DType::float32 || (b.has_input(2) && is_float(b.input(2).dtype)))
    return Expansion::refuse("QuantizeLinear of other types than float32 to int8 or uint8 has no form below opset 19");
  Attributes attributes = b.attrs().all();
  attributes.erase("saturate");  // of 8-bit floats alone
  const Ref zero = b.has_input(2) ? b.in(2) : Ref{};
  previous_version(b);
  return b.op("QuantizeLinear", {b.in(0), b.in(1), zero}, std::move(attributes));
}

// Shape and value rules ----------------------------------------------------------------------------------------------------------

/// The element type that attribute `name` asks for; fails unless the output may have it.
DType wanted_type(const NodeContext& ctx, std::string_view name) {
  const auto text = ctx.attrs().string(name);
  const int64_t number = text.empty() ? ctx.attrs().integer(name) : static_cast<int64_t>(type_of_name(text));
  const Schema& schema = ctx.attrs().schema();
  const TypeSet& set = schema.types[static_cast<size_t>(schema.outputs[0].type_set)];
  if (number <= 0 || number >= kDTypeCount || !dtype_in(static_cast<DType>(number), set.tensor)) {
    ctx.fail(Code::type,
             fmt::format("{}={} is not an element type that this operator makes", name,
                         text.empty() ? std::to_string(number) : std::string(text)),
             "use a number of TensorProto.DataType");
  }
  return static_cast<DType>(number);
}

void infer_cast(ShapeContext& ctx) {
  Type t = tensor_input(ctx, 0);
  t.dtype = wanted_type(ctx, "to");
  ctx.set_output(0, std::move(t));
}

void infer_cast_like(ShapeContext& ctx) {
  Type t = tensor_input(ctx, 0);
  t.dtype = tensor_input(ctx, 1).dtype;
  ctx.set_output(0, std::move(t));
}

void infer_bit_cast(ShapeContext& ctx) {
  Type t = tensor_input(ctx, 0);
  const DType to = wanted_type(ctx, "to");
  if (t.dtype != DType::undefined && dtype_bits(t.dtype) != dtype_bits(to)) {
    ctx.fail(Code::type,
             fmt::format("{} has {} bits, {} has {}", dtype_name(t.dtype), dtype_bits(t.dtype), dtype_name(to),
                         dtype_bits(to)),
             "cast to a type of the same width");
  }
  t.dtype = to;
  ctx.set_output(0, std::move(t));
}

/// complex64 ↔ pairs of float32, complex128 ↔ pairs of float64, the pair in a last dimension of its own.
void infer_view_as_real(ShapeContext& ctx) {
  Type t = tensor_input(ctx, 0);
  t.dtype = t.dtype == DType::undefined ? t.dtype : t.dtype == DType::complex64 ? DType::float32 : DType::float64;
  if (t.has_rank) t.dims.push_back(2);
  ctx.set_output(0, std::move(t));
}
void infer_view_as_complex(ShapeContext& ctx) {
  require_rank_at_least(ctx, 0, 1);
  Type t = tensor_input(ctx, 0);
  t.dtype = t.dtype == DType::undefined ? t.dtype : t.dtype == DType::float32 ? DType::complex64 : DType::complex128;
  if (t.has_rank) {
    ctx.require_equal(t.dims.back(), 2, "the last dimension, real and imaginary part");
    t.dims.pop_back();
  }
  ctx.set_output(0, std::move(t));
}

void convert_values(ShapeContext& ctx, DType to) {
  auto values = known_values(ctx, 0);
  if (!values || !(is_integer(to) || is_float(to) || to == DType::boolean)) return;
  for (Dim& d : *values) {
    if (to == DType::boolean) {
      const auto zero = Dim::equal(d, 0);
      d = zero == Dim::Truth::maybe ? Dim() : Dim(zero == Dim::Truth::no ? 1 : 0);
    } else if (dtype_bits(to) < 32 && !(d.is_number() && d.number() >= 0 && d.number() <= 127)) {
      if (!is_float(to) || !d.is_number() || std::abs(d.number()) > 127) d = Dim();  // might wrap or be rounded
    }
  }
  ctx.set_value(0, std::move(*values));
}
void cast_value(ShapeContext& ctx) { convert_values(ctx, wanted_type(ctx, "to")); }
void cast_like_value(ShapeContext& ctx) { convert_values(ctx, ctx.input(1).dtype); }

/// Scale and zero point: one number, one per index of the axis, or one per block of it.
void check_scale(ShapeContext& ctx, int i, std::string_view what) {
  const Type &x = ctx.input(0), &s = ctx.input(i);
  if (!x.has_rank || !s.has_rank) return;
  const int64_t block = ctx.attrs().integer("block_size");
  if (block < 0) ctx.fail(Code::bad_input, fmt::format("block_size {} is negative", block));
  if (s.rank() == 0 || (s.rank() == 1 && s.dims[0].is(1))) return;
  // ONNX's default axis 1 does not exist for vectors: their only axis is meant.
  const int64_t given = ctx.attrs().integer("axis", 1);
  const int axis = x.rank() == 1 && given == 1 ? 0 : normalize_axis(ctx, given, x.rank());
  if (s.rank() == 1 && block == 0) {
    ctx.require_equal(s.dims[0], x.dims[static_cast<size_t>(axis)],
                      fmt::format("length of {} and extent of axis {}", what, axis));
    return;
  }
  if (s.rank() != x.rank() || block == 0) {
    ctx.fail(Code::shape,
             fmt::format("{} {} fits neither a number, nor axis {} of {}, nor blocks of it (block_size {})", what,
                         s.str(), axis, x.str(), block));
  }
  for (int d = 0; d < x.rank(); ++d) {
    const Dim& extent = x.dims[static_cast<size_t>(d)];
    ctx.require_equal(s.dims[static_cast<size_t>(d)], d == axis ? ceildiv(extent, block) : extent,
                      fmt::format("axis {} of {}", d, what));
  }
}

void infer_quantize(ShapeContext& ctx) {
  Type t = tensor_input(ctx, 0);
  check_scale(ctx, 1, "y_scale");
  if (ctx.has_input(2)) check_scale(ctx, 2, "y_zero_point");
  const DType zero = ctx.has_input(2) ? ctx.input(2).dtype : DType::undefined;
  const bool asked = ctx.attrs().integer("output_dtype") != 0;
  const DType wanted = asked ? wanted_type(ctx, "output_dtype") : DType::undefined;
  if (asked && zero != DType::undefined && wanted != zero) {
    ctx.fail(Code::type, fmt::format("output_dtype is {}, y_zero_point is {}", dtype_name(wanted), dtype_name(zero)));
  }
  t.dtype = ctx.has_input(2) ? zero : asked ? wanted : DType::uint8;
  if (t.dtype == DType::undefined) t.dtype = wanted;
  ctx.set_output(0, std::move(t));
}

void infer_dequantize(ShapeContext& ctx) {
  Type t = tensor_input(ctx, 0);
  check_scale(ctx, 1, "x_scale");
  if (ctx.has_input(2)) check_scale(ctx, 2, "x_zero_point");
  const bool asked = ctx.attrs().integer("output_dtype") != 0;
  t.dtype = asked ? wanted_type(ctx, "output_dtype") : tensor_input(ctx, 1).dtype;
  if (t.dtype == DType::float8e8m0) {
    ctx.fail(Code::type, "a scale of float8e8m0 does not say the element type of the result", "give output_dtype");
  }
  ctx.set_output(0, std::move(t));
}

void infer_dynamic_quantize(ShapeContext& ctx) {
  Type t = tensor_input(ctx, 0);
  t.dtype = DType::uint8;
  ctx.set_output(0, std::move(t));
  ctx.set_output(1, Type::tensor(DType::float32, Dims{}));
  ctx.set_output(2, Type::tensor(DType::uint8, Dims{}));
}

// Decompositions -----------------------------------------------------------------------------------------------------------------

Expansion cast_like_meaning(OpBuilder& b) {
  const DType to = b.input(1).dtype;
  if (to == DType::undefined) return Expansion::refuse("CastLike needs the element type of its second operand");
  Attributes attributes = b.attrs().all();
  attributes.set("to", static_cast<int64_t>(to));
  return b.op("Cast", {b.in(0)}, std::move(attributes));
}

/// A scale per axis, shaped so that it broadcasts.
Ref along_axis(OpBuilder& b, Ref scale, int input) {
  const Type &x = b.input(0), &s = b.input(input);
  if (s.rank() == 0) return scale;
  const int64_t axis = x.rank() == 1 ? 0 : normalize_axis(b, b.attrs().integer("axis"), x.rank());
  std::vector<int64_t> shape(static_cast<size_t>(x.rank()), 1);
  if (!s.dims[0].is(1)) shape[static_cast<size_t>(axis)] = -1;
  return b.op("Reshape", {scale, b.ints(shape)});
}

Expansion dequantize_meaning(OpBuilder& b) {
  const Type &x = b.input(0), &s = b.input(1);
  if (!x.has_rank || !s.has_rank) return Expansion::refuse("DequantizeLinear needs the ranks of its operands");
  if (s.rank() > 1 || (s.rank() == 1 && b.attrs().integer("block_size") != 0)) {
    return Expansion::refuse("a scale per block has no simpler form");
  }
  const int64_t asked = b.attrs().integer("output_dtype");
  Ref y = b.op("Cast", {b.in(0)}, to_type(DType::float32));
  if (b.has_input(2)) y = b.op("Sub", {y, along_axis(b, b.op("Cast", {b.in(2)}, to_type(DType::float32)), 2)});
  y = b.op("Mul", {y, along_axis(b, b.op("Cast", {b.in(1)}, to_type(DType::float32)), 1)});
  return b.op("Cast", {y}, to_type(asked != 0 ? static_cast<DType>(asked) : s.dtype));
}

Expansion dynamic_quantize_meaning(OpBuilder& b) {
  const auto number = [&](double v) { return scalar(b, DType::float32, v); };
  const Ref x = b.in(0), high = b.op("Max", {b.op("ReduceMax", {x}, {{"keepdims", 0}}), number(0)});
  const Ref low = b.op("Min", {b.op("ReduceMin", {x}, {{"keepdims", 0}}), number(0)});
  const Ref range = b.op("Sub", {high, low});
  const Ref scale = b.op("Div", {b.op("Where", {b.op("Equal", {range, number(0)}), number(1), range}), number(255)});
  const Ref zero = b.op("Clip", {b.op("Sub", {number(0), b.op("Div", {low, scale})}), number(0), number(255)});
  const Ref point = b.op("Cast", {b.op("Round", {zero})}, to_type(DType::uint8));
  return Expansion(std::vector<Ref>{b.op("QuantizeLinear", {x, scale, point}), scale, point});
}

// Rows ---------------------------------------------------------------------------------------------------------------------------

constexpr Version kCast[] = {
    {1, "(T1 input) -> (T2 output) {to: string!}; T1 = num bool; T2 = num bool", cast_1},
    {6, "(T1 input) -> (T2 output) {to: int!}; T1 = num bool; T2 = num bool"},
    {9, "(T1 input) -> (T2 output) {to: int!}; T1 = num bool str; T2 = num bool str"},
    {13, "(T1 input) -> (T2 output) {to: int!}; T1 = num bf16 bool str; T2 = num bf16 bool str"},
    {19,
     "(T1 input) -> (T2 output) {saturate: int = 1, to: int!}; T1 = num f8 bf16 bool str; T2 = num f8 bf16 "
     "bool str"},
    {21,
     "(T1 input) -> (T2 output) {saturate: int = 1, to: int!}; T1 = num f8 bf16 bool str i4 u4; T2 = num "
     "f8 bf16 bool str i4 u4"},
    {23,
     "(T1 input) -> (T2 output) {saturate: int = 1, to: int!}; T1 = num f8 bf16 bool str f4e2m1 i4 u4; T2 "
     "= num f8 bf16 bool str f4e2m1 i4 u4"},
    {24,
     "(T1 input) -> (T2 output) {round_mode: string = 'up', saturate: int = 1, to: int!}; T1 = num f8 bf16 "
     "bool str f8e8m0 f4e2m1 i4 u4; T2 = num f8 bf16 bool str f8e8m0 f4e2m1 i4 u4"},
    {25,
     "(T1 input) -> (T2 output) {round_mode: string = 'up', saturate: int = 1, to: int!}; T1 = num f8 bf16 "
     "bool str f8e8m0 f4e2m1 i2 i4 u2 u4; T2 = num f8 bf16 bool str f8e8m0 f4e2m1 i2 i4 u2 u4"},
    {28,
     "(T1 input) -> (T2 output) {round_mode: string = 'up', saturate: int = 1, to: int!}; T1 = num f8 bf16 "
     "bool str f8e8m0 f4e2m1 f6e2m3 f6e3m2 i2 i4 u2 u4; T2 = num f8 bf16 bool str f8e8m0 f4e2m1 f6e2m3 "
     "f6e3m2 i2 i4 u2 u4"},
};
constexpr Version kCastLike[] = {
    {15, "(T1 input, T2 target_type !d) -> (T2 output); T1 = num bf16 bool str; T2 = num bf16 bool str"},
    {19,
     "(T1 input, T2 target_type !d) -> (T2 output) {saturate: int = 1}; T1 = num f8 bf16 bool str; T2 = "
     "num f8 bf16 bool str"},
    {21,
     "(T1 input, T2 target_type !d) -> (T2 output) {saturate: int = 1}; T1 = num f8 bf16 bool str i4 u4; "
     "T2 = num f8 bf16 bool str i4 u4"},
    {23,
     "(T1 input, T2 target_type !d) -> (T2 output) {saturate: int = 1}; T1 = num f8 bf16 bool str f4e2m1 "
     "i4 u4; T2 = num f8 bf16 bool str f4e2m1 i4 u4"},
    {24,
     "(T1 input, T2 target_type !d) -> (T2 output) {round_mode: string = 'up', saturate: int = 1}; T1 = "
     "num f8 bf16 bool str f8e8m0 f4e2m1 i4 u4; T2 = num f8 bf16 bool str f8e8m0 f4e2m1 i4 u4"},
    {25,
     "(T1 input, T2 target_type !d) -> (T2 output) {round_mode: string = 'up', saturate: int = 1}; T1 = "
     "num f8 bf16 bool str f8e8m0 f4e2m1 i2 i4 u2 u4; T2 = num f8 bf16 bool str f8e8m0 f4e2m1 i2 i4 u2 u4"},
};
constexpr Version kBitCast[] = {
    {26,
     "(T1 input !d) -> (T2 output !d) {to: int!}; T1 = num f8 complex bf16 bool f8e8m0 f4e2m1 i2 i4 u2 u4; "
     "T2 = num f8 complex bf16 bool f8e8m0 f4e2m1 i2 i4 u2 u4"},
};
constexpr Version kViewAsReal[] = {{1, "(T1 input) -> (T2 output); T1 = complex; T2 = f32 f64"}};
constexpr Version kViewAsComplex[] = {{1, "(T1 input) -> (T2 output); T1 = f32 f64; T2 = complex"}};
constexpr Version kQuantizeLinear[] = {
    {10, "(T1 x, f32 y_scale, T2? y_zero_point) -> (T2 y); T1 = f32 i32; T2 = i8 u8"},
    {13, "(T1 x, f32 y_scale, T2? y_zero_point) -> (T2 y) {axis: int = 1}; T1 = f32 i32; T2 = i8 u8", quantize_13,
     quantize_19_to_13},
    {19,
     "(T1 x, T1 y_scale, T2? y_zero_point) -> (T2 y) {axis: int = 1, saturate: int = 1}; T1 = f32 f16 bf16 "
     "i32; T2 = f8 i8 u8"},
    {21,
     "(T1 x, T1 y_scale, T2? y_zero_point) -> (T2 y) {axis: int = 1, block_size: int = 0, output_dtype: "
     "int = 0, saturate: int = 1}; T1 = f32 f16 bf16 i32; T2 = f8 i4 i8 i16 u4 u8 u16"},
    {23,
     "(T1 x, T2 y_scale, T3? y_zero_point) -> (T3 y) {axis: int = 1, block_size: int = 0, output_dtype: "
     "int = 0, precision: int = 0, saturate: int = 1}; T1 = f32 f16 bf16 i32; T2 = f32 f16 bf16 i32; T3 = "
     "f8 f4e2m1 i4 i8 i16 u4 u8 u16"},
    {24,
     "(T1 x, T2 y_scale, T3? y_zero_point) -> (T3 y) {axis: int = 1, block_size: int = 0, output_dtype: "
     "int = 0, precision: int = 0, saturate: int = 1}; T1 = f32 f16 bf16 i32; T2 = f32 f16 bf16 f8e8m0 "
     "i32; T3 = f8 f4e2m1 i4 i8 i16 u4 u8 u16"},
    {25,
     "(T1 x, T2 y_scale, T3? y_zero_point) -> (T3 y) {axis: int = 1, block_size: int = 0, output_dtype: "
     "int = 0, precision: int = 0, saturate: int = 1}; T1 = f32 f16 bf16 i32; T2 = f32 f16 bf16 f8e8m0 "
     "i32; T3 = f8 f4e2m1 i2 i4 i8 i16 u2 u4 u8 u16"},
    {28,
     "(T1 x, T2 y_scale, T3? y_zero_point) -> (T3 y) {axis: int = 1, block_size: int = 0, output_dtype: "
     "int = 0, precision: int = 0, saturate: int = 1}; T1 = f32 f16 bf16 i32; T2 = f32 f16 bf16 f8e8m0 "
     "i32; T3 = f8 f4e2m1 f6e2m3 f6e3m2 i2 i4 i8 i16 u2 u4 u8 u16"},
};
constexpr Version kDequantizeLinear[] = {
    {10, "(T x, f32 x_scale, T? x_zero_point) -> (f32 y); T = i8 i32 u8"},
    {13, "(T x, f32 x_scale, T? x_zero_point) -> (f32 y) {axis: int = 1}; T = i8 i32 u8"},
    {19, "(T1 x, T2 x_scale, T1? x_zero_point) -> (T2 y) {axis: int = 1}; T1 = f8 i8 i32 u8; T2 = f32 f16 bf16"},
    {21,
     "(T1 x, T2 x_scale, T1? x_zero_point) -> (T2 y) {axis: int = 1, block_size: int = 0}; T1 = f8 i4 i8 "
     "i16 i32 u4 u8 u16; T2 = f32 f16 bf16"},
    {23,
     "(T1 x, T2 x_scale, T1? x_zero_point) -> (T3 y) {axis: int = 1, block_size: int = 0, output_dtype: "
     "int = 0}; T1 = f8 f4e2m1 i4 i8 i16 i32 u4 u8 u16; T2 = f32 f16 bf16; T3 = f32 f16 bf16"},
    {24,
     "(T1 x, T2 x_scale, T1? x_zero_point) -> (T3 y) {axis: int = 1, block_size: int = 0, output_dtype: "
     "int = 0}; T1 = f8 f4e2m1 i4 i8 i16 i32 u4 u8 u16; T2 = f32 f16 bf16 f8e8m0; T3 = f32 f16 bf16"},
    {25,
     "(T1 x, T2 x_scale, T1? x_zero_point) -> (T3 y) {axis: int = 1, block_size: int = 0, output_dtype: "
     "int = 0}; T1 = f8 f4e2m1 i2 i4 i8 i16 i32 u2 u4 u8 u16; T2 = f32 f16 bf16 f8e8m0; T3 = f32 f16 bf16"},
    {28,
     "(T1 x, T2 x_scale, T1? x_zero_point) -> (T3 y) {axis: int = 1, block_size: int = 0, output_dtype: "
     "int = 0}; T1 = f8 f4e2m1 f6e2m3 f6e3m2 i2 i4 i8 i16 i32 u2 u4 u8 u16; T2 = f32 f16 bf16 f8e8m0; T3 = "
     "f32 f16 bf16"},
};
constexpr Version kDynamicQuantizeLinear[] = {
    {11, "(T1 x) -> (T2 y, f32 y_scale, T2 y_zero_point); T1 = f32; T2 = u8"},
};

Cost cost_quantize(const CostContext& ctx) { return cost_flops(ctx, 2); }

consteval OpDef conversion(std::string_view name, std::string_view cpp, std::span<const Version> versions,
                           void (*infer)(ShapeContext&), Meaning meaning, std::string_view grid, std::string_view doc) {
  OpDef d;
  d.name = name;
  d.api = {cpp, Form::function, Promote::same_type};
  d.versions = versions;
  d.infer = infer;
  d.layout = Layout::elementwise;
  d.meaning = meaning;
  d.cost = cost_traffic;
  d.grid = grid;
  d.doc = doc;
  return row(d);
}

/// A row of our own domain whose results have other extents than its operands.
consteval OpDef of_chorus(OpDef d) {
  d.domain = "chorus";
  d.origin = Origin::chorus_public;
  d.layout = Layout::opaque;
  d.aliases = {};
  return row(d);
}

constexpr OpDef kRows[] = {
    []() consteval {
      OpDef d = conversion(
          "Cast", "cast", kCast, infer_cast, Primitive{"changes the element type"},
          "f32[2,3] to=f16; f32{1.9,-1.9,0.5} to=i32; i64[4] to=f32; f32[4] to=bool; f32{500,-500,nan} to=f8e4m3fn; "
          "f32{500,-500} to=f8e5m2 saturate=0; str{'1.5','-INF','1e-5'} to=f32; f32{1.5,-2,inf} to=str; i32[5] to=i4; "
          "i4[5] to=f32; "
          "f64[] to=bf16; f16[0,3] to=f64; f32{3,100} to=f8e8m0 round_mode='nearest'; u64{18446744073709551615} to=f32",
          "x with element type `to`. Floats are rounded to nearest even; to integers they are cut toward zero. To "
          "float8 and "
          "smaller, values out of range become the largest number (saturate=1) or infinity or NaN. Strings are read "
          "and "
          "written as decimal numbers.");
      d.value = cast_value;
      return row(d);
    }(),
    []() consteval {
      OpDef d = conversion(
          "CastLike", "cast_like", kCastLike, infer_cast_like, Decompose{cast_like_meaning},
          "f32[2,3] f16[1]; f32{1.9,-1.9} i32[1]; i64[4] bool[1]; f16[0,3] f64[]; f32[3] str{'a'}; str{'2'} i64[1]",
          "x cast to the element type of the second operand.");
      d.value = cast_like_value;
      return row(d);
    }(),
    []() consteval {
      OpDef d = conversion("BitCast", "bit_cast", kBitCast, infer_bit_cast, Primitive{"reinterprets memory"},
                           "f32[2,3] to=i32; i64[4] to=f64; f16[3] to=bf16; u8[5] to=i8; i4[3] to=u4; bool[2] to=u8; "
                           "c64[2] to=f64; f32[0] to=u32; f32[] to=i32",
                           "The same bits taken for elements of another type of the same width.");
      d.gradient = Gradient{NoGradient{"bits of numbers"}};
      return row(d);
    }(),
    of_chorus(conversion("ViewAsReal", "view_as_real", kViewAsReal, infer_view_as_real,
                         Primitive{"reinterprets memory"}, "c64[2,3]; c128[4]; c64[]; c64[0,3]",
                         "Real and imaginary parts in a last dimension of extent 2.")),
    of_chorus(conversion("ViewAsComplex", "view_as_complex", kViewAsComplex, infer_view_as_complex,
                         Primitive{"reinterprets memory"}, "f32[3,2]; f64[2,3,2]; f32[2]; f32[0,2]",
                         "Complex numbers from a last dimension of extent 2: real and imaginary part.")),
    []() consteval {
      OpDef d = conversion("QuantizeLinear", "quantize_linear", kQuantizeLinear, infer_quantize,
                           Primitive{"the form of quantisation that passes and adapters look for"},
                           "f32[2,3,4] f32(0.1) u8(128); f32[2,3,4] f32[3]@0.1..1 i8{0,1,2}; f32[2,3] f32(0.5); "
                           "f32[2,3] f32(0.5) output_dtype=i4; "
                           "f32[2,5] f32[2,2]@0.1..1 axis=1 block_size=3 output_dtype=i16; f16[4] f16(0.5) "
                           "output_dtype=f8e4m3fn; i32[2,3] f32(2) u8(1) v=10; "
                           "f32[0,3] f32(1); f32[3] f32[1]@1..2 output_dtype=f4e2m1; f32[] f32(0.5) i8(3)",
                           "round(x / y_scale) + y_zero_point, rounded to nearest even and cut to the range of the "
                           "result's type, which is that of "
                           "y_zero_point or output_dtype (default uint8). Scales are one number, one per index of "
                           "`axis`, or one per block.");
      d.gradient = Gradient{NoGradient{"piecewise constant"}};
      d.cost = cost_quantize;
      return row(d);
    }(),
    []() consteval {
      OpDef d = conversion(
          "DequantizeLinear", "dequantize_linear", kDequantizeLinear, infer_dequantize, Decompose{dequantize_meaning},
          "u8[2,3,4] f32(0.1) u8(128); i8[2,3,4] f32[3] i8{0,1,2}; i32[2,3] f32(0.5); i4[2,3] f32[3] axis=1; i16[2,5] "
          "f32[2,2] axis=1 block_size=3; "
          "f8e4m3fn[4] f16(0.5); u8[2,3] f32(0.1) u8(3) output_dtype=f16; u8[0,3] f32(1); i8[] f32(2); u8[4] f32(2) "
          "v=10",
          "(x - x_zero_point) · x_scale, in the type of the scale or output_dtype; scales as for QuantizeLinear.");
      d.cost = cost_quantize;
      d.ulp = 1;
      return row(d);
    }(),
    []() consteval {
      OpDef d =
          conversion("DynamicQuantizeLinear", "dynamic_quantize_linear", kDynamicQuantizeLinear, infer_dynamic_quantize,
                     Decompose{dynamic_quantize_meaning},
                     "f32[2,3,4] out=3; f32{1,2,3} out=3; f32{-1,-2} out=3; f32{0,0} out=3; f32[] out=3",
                     "x as uint8 with a scale and a zero point computed from its range, which is widened to hold 0.");
      d.layout = Layout::opaque;
      d.gradient = Gradient{NoGradient{"piecewise constant"}};
      d.cost = cost_quantize;
      return row(d);
    }(),
};

}  // namespace

std::span<const OpDef> cast_ops() {
  static constexpr auto kAll = gradients::differentiable(kRows, gradients::kCast);
  return chosen<kAll>();
}

}  // namespace chorus::families
