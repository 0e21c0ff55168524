// Products of matrices: MatMul, Gemm, their quantised forms, Einsum, Det.
#include <ops/chosen.h>
#include <ops/equation.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <algorithm>

namespace chorus::families {
namespace {

using namespace rules;

// Shape rules --------------------------------------------------------------------------------------------------------------------

/// NumPy's matmul of operands `left` and `right`: vectors are a row and a column whose axis the result lacks.
Type product_type(ShapeContext& ctx, int left, int right, DType dtype) {
  const Type &a = tensor_input(ctx, left), &b = tensor_input(ctx, right);
  require_rank_at_least(ctx, left, 1);
  require_rank_at_least(ctx, right, 1);
  if (!a.has_rank || !b.has_rank) return Type::tensor(dtype);
  const Dims &x = a.dims, &y = b.dims;
  ctx.require_equal(x.back(), y.size() > 1 ? y[y.size() - 2] : y[0],
                    fmt::format("{} times {}: the columns of the one and the rows of the other", a.str(), b.str()));
  const Dims outer_x(x.begin(), x.size() > 2 ? x.end() - 2 : x.begin()),
      outer_y(y.begin(), y.size() > 2 ? y.end() - 2 : y.begin());
  Dims dims = broadcast(ctx, outer_x, outer_y);
  if (x.size() > 1) dims.push_back(x[x.size() - 2]);
  if (y.size() > 1) dims.push_back(y.back());
  return Type::tensor(dtype, std::move(dims));
}

void infer_matmul(ShapeContext& ctx) { ctx.set_output(0, product_type(ctx, 0, 1, tensor_input(ctx, 0).dtype)); }
void infer_matmul_integer(ShapeContext& ctx) { ctx.set_output(0, product_type(ctx, 0, 1, DType::int32)); }
void infer_qlinear_matmul(ShapeContext& ctx) { ctx.set_output(0, product_type(ctx, 0, 3, tensor_input(ctx, 7).dtype)); }

void infer_gemm(ShapeContext& ctx) {
  const Type &a = tensor_input(ctx, 0), &b = tensor_input(ctx, 1);
  require_rank(ctx, 0, 2);
  require_rank(ctx, 1, 2);
  const bool flip_a = ctx.attrs().integer("transA") != 0, flip_b = ctx.attrs().integer("transB") != 0;
  Dims dims(2);
  if (a.has_rank) dims[0] = a.dims[flip_a ? 1 : 0];
  if (b.has_rank) dims[1] = b.dims[flip_b ? 0 : 1];
  if (a.has_rank && b.has_rank) {
    ctx.require_equal(a.dims[flip_a ? 0 : 1], b.dims[flip_b ? 1 : 0],
                      fmt::format("{}{} times {}{}: the inner dimensions", a.str(), flip_a ? " transposed" : "",
                                  b.str(), flip_b ? " transposed" : ""));
  }
  if (!a.has_rank) dims[0] = ctx.fresh();
  if (!b.has_rank) dims[1] = ctx.fresh();
  if (ctx.has_input(2) && ctx.input(2).has_rank) require_broadcasts_to(ctx, ctx.input(2).dims, dims, "C");
  ctx.set_output(0, Type::tensor(a.dtype, std::move(dims)));
}

void infer_det(ShapeContext& ctx) {
  const Type& x = tensor_input(ctx, 0);
  require_rank_at_least(ctx, 0, 2);
  if (!x.has_rank) return ctx.set_output(0, Type::tensor(x.dtype));
  ctx.require_equal(x.dims[x.dims.size() - 2], x.dims.back(),
                    fmt::format("{}: rows and columns of a square matrix", x.str()));
  ctx.set_output(0, Type::tensor(x.dtype, Dims(x.dims.begin(), x.dims.end() - 2)));
}

void infer_einsum(ShapeContext& ctx) {
  const DType dtype = tensor_input(ctx, 0).dtype;
  std::vector<int> ranks;
  for (int i = 0; i < ctx.inputs(); ++i) {
    if (!tensor_input(ctx, i).has_rank) return ctx.set_output(0, Type::tensor(dtype));
    ranks.push_back(ctx.input(i).rank());
  }
  Equation e;
  const std::string_view text = ctx.attrs().string("equation");
  if (const char* wrong = parse_equation(text, ranks, &e); wrong != nullptr) {
    ctx.fail(Code::bad_input, fmt::format("{} ('{}' for {} operands)", wrong, text, ranks.size()));
  }
  Dims extents(Equation::kLabels, Dim(1));
  for (int o = 0; o < e.operands; ++o) {
    for (int i = 0; i < e.inputs[o].count; ++i) {
      const int label = e.inputs[o].labels[i];
      Dim& extent = extents[static_cast<size_t>(label)];
      const Dim& d = ctx.input(o).dims[static_cast<size_t>(i)];
      if (d.is(1)) continue;
      extent =
          extent.is(1)
              ? d
              : ctx.require_equal(
                    extent, d, fmt::format("equation '{}': the extents of label '{}'", text, Equation::letter(label)));
    }
  }
  Dims dims;
  for (int i = 0; i < e.output.count; ++i) dims.push_back(extents[e.output.labels[i]]);
  ctx.set_output(0, Type::tensor(dtype, std::move(dims)));
}

// Meanings by simpler operators --------------------------------------------------------------------------------------------------

Expansion gemm_meaning(OpBuilder& b) {
  const float alpha = b.attrs().real("alpha", 1), beta = b.attrs().real("beta", 1);
  const DType type = b.input(0).dtype;
  if ((alpha != 1 || beta != 1) && !is_float(type)) {
    return Expansion::refuse(fmt::format("Gemm of {} with alpha={} and beta={} has no expansion in integers",
                                         dtype_name(type), alpha, beta));
  }
  const auto turned = [&](Ref x, bool flip) {
    return flip ? b.op("Transpose", {x}, {{"perm", std::vector<int64_t>{1, 0}}}) : x;
  };
  Ref y = b.op("MatMul",
               {turned(b.in(0), b.attrs().integer("transA") != 0), turned(b.in(1), b.attrs().integer("transB") != 0)});
  if (alpha != 1) y = b.op("Mul", {y, scalar_like(b, b.in(0), alpha)});
  if (!b.has_input(2) || beta == 0) return y;
  return b.op("Add", {y, beta == 1 ? b.in(2) : b.op("Mul", {b.in(2), scalar_like(b, b.in(0), beta)})});
}

Ref cast(OpBuilder& b, Ref x, DType to) { return b.op("Cast", {x}, {{"to", static_cast<int64_t>(to)}}); }

/// One number per row of the left operand stands in a vector: as a column.
Ref per_row(OpBuilder& b, int i, int matrix) {
  const Type &v = b.input(i), &m = b.input(matrix);
  const bool rows = v.has_rank && v.rank() == 1 && !v.dims[0].is(1) && m.has_rank && m.rank() > 1;
  return rows ? b.op("Unsqueeze", {b.in(i), b.ints({-1})}) : b.in(i);
}

Expansion matmul_integer_meaning(OpBuilder& b) {
  Ref left = cast(b, b.in(0), DType::int32), right = cast(b, b.in(1), DType::int32);
  if (b.has_input(2)) left = b.op("Sub", {left, cast(b, per_row(b, 2, 0), DType::int32)});
  if (b.has_input(3)) right = b.op("Sub", {right, cast(b, b.in(3), DType::int32)});
  return b.op("MatMul", {left, right});
}

/// (x - zero) * scale in float32.
Ref dequantized(OpBuilder& b, Ref x, Ref scale, Ref zero) {
  const Ref centred = b.op("Sub", {cast(b, x, DType::float32), cast(b, zero, DType::float32)});
  return b.op("Mul", {centred, cast(b, scale, DType::float32)});
}

Expansion qlinear_matmul_meaning(OpBuilder& b) {
  const Ref left = dequantized(b, b.in(0), per_row(b, 1, 0), per_row(b, 2, 0)),
            right = dequantized(b, b.in(3), b.in(4), b.in(5));
  const Type& zero = b.input(7);
  if (!zero.has_rank || (zero.rank() > 0 && !zero.dims[0].is(1))) {
    return Expansion::refuse("QLinearMatMul with a scale per row of the result has no form with QuantizeLinear");
  }
  const auto one = [&](int i) {
    return b.input(i).rank() == 0 ? b.in(i) : b.op("Reshape", {b.in(i), b.ints(std::span<const int64_t>())});
  };
  return b.op("QuantizeLinear", {b.op("MatMul", {left, right}), cast(b, one(6), DType::float32), one(7)});
}

// Costs --------------------------------------------------------------------------------------------------------------------------

Cost cost_product(const CostContext& ctx) {
  const auto a = ctx.dims(false, 0);
  return cost_flops(ctx, a.empty() ? 1 : 2.0 * static_cast<double>(a.back()));
}
Cost cost_gemm(const CostContext& ctx) {
  const auto a = ctx.dims(false, 0);
  return cost_flops(ctx,
                    a.size() < 2 ? 2 : 2.0 * static_cast<double>(a[ctx.attrs().integer("transA") != 0 ? 0 : 1]) + 2);
}
Cost cost_einsum(const CostContext& ctx) {
  // Of the usual two operands a·b → c, every label is in two of the three: the square root of the product counts each once.
  double product = ctx.count(true, 0);
  for (int i = 0; i < ctx.inputs(); ++i) product *= ctx.count(false, i);
  Cost c = cost_traffic(ctx);
  c.flops = 2 * std::max(ctx.count(true, 0), __builtin_sqrt(product));
  return c;
}
Cost cost_det(const CostContext& ctx) {
  const auto x = ctx.dims(false, 0);
  const double n = x.empty() ? 1 : static_cast<double>(x.back());
  return cost_flops(ctx, 2 * n * n * n / 3);
}

// Rows ---------------------------------------------------------------------------------------------------------------------------

Expansion gemm_1(OpBuilder& b) {
  static constexpr std::string_view kDropped[] = {"broadcast"};
  return reissue(b, kDropped);
}

Expansion gemm_11_to_9(OpBuilder& b) {
  if (!b.has_input(2)) return Expansion::refuse("Gemm without C has no form below opset 11");
  previous_version(b);
  const Ref inputs[] = {b.in(0), b.in(1), b.in(2)};
  return Expansion(b.emit("Gemm", inputs, b.attrs().all(), 1));
}

constexpr Version kMatMul[] = {
    {1, "(T A, T B) -> (T Y); T = ieee"},
    {9, "(T A, T B) -> (T Y); T = ieee i32 i64 u32 u64"},
    {13, "(T A, T B) -> (T Y); T = floats i32 i64 u32 u64"},
};
constexpr Version kGemm[] = {
    {1,
     "(T A, T B, T C) -> (T Y) {alpha: float = 1, beta: float = 1, broadcast: int = 0, transA: int = 0, transB: "
     "int = 0}; T = ieee"},
    {6,
     "(T A, T B, T C) -> (T Y) {alpha: float = 1, beta: float = 1, broadcast: int = 0, transA: int = 0, transB: "
     "int = 0}; T = ieee",
     gemm_1},
    {7, "(T A, T B, T C) -> (T Y) {alpha: float = 1, beta: float = 1, transA: int = 0, transB: int = 0}; T = ieee"},
    {9,
     "(T A, T B, T C) -> (T Y) {alpha: float = 1, beta: float = 1, transA: int = 0, transB: int = 0}; T = ieee "
     "i32 i64 u32 u64",
     nullptr, gemm_11_to_9},
    {11,
     "(T A, T B, T? C) -> (T Y) {alpha: float = 1, beta: float = 1, transA: int = 0, transB: int = 0}; T = ieee "
     "i32 i64 u32 u64"},
    {13,
     "(T A, T B, T? C) -> (T Y) {alpha: float = 1, beta: float = 1, transA: int = 0, transB: int = 0}; T = "
     "floats i32 i64 u32 u64"},
};
constexpr Version kMatMulInteger[] = {
    {10, "(T1 A, T2 B, T1? a_zero_point, T2? b_zero_point) -> (T3 Y); T1 = i8 u8; T2 = i8 u8; T3 = i32"},
};
constexpr Version kQLinearMatMul[] = {
    {10,
     "(T1 a, f32 a_scale, T1 a_zero_point, T2 b, f32 b_scale, T2 b_zero_point, f32 y_scale, T3 y_zero_point) -> "
     "(T3 y); T1 = i8 u8; T2 = i8 u8; T3 = i8 u8"},
    {21,
     "(T1 a, TS a_scale, T1 a_zero_point, T2 b, TS b_scale, T2 b_zero_point, TS y_scale, T3 y_zero_point) -> (T3 "
     "y); TS = f32 f16 bf16; T1 = f8 i8 u8; T2 = f8 i8 u8; T3 = f8 i8 u8"},
};
constexpr Version kEinsum[] = {
    {12, "(T+ Inputs) -> (T Output) {equation: string!}; T = num"},
    {28, "(T+ Inputs) -> (T Output) {equation: string!}; T = num bf16"},
};
constexpr Version kDet[] = {
    {11, "(T X) -> (T Y); T = ieee"},
    {22, "(T X) -> (T Y); T = floats"},
};

constexpr OpDef kTable[] = {
    row({.name = "MatMul",
         .api = {"matmul", Form::function, Promote::common_type},
         .versions = kMatMul,
         .infer = infer_matmul,
         .meaning = Primitive{"the product that others are said by"},
         .cost = cost_product,
         .accumulate = Accumulate::float32,
         .ulp = 32,
         .grid = "f32[3,4] f32[4,5]; f32[2,1,3,4] f32[5,4,2]; f32[4] f32[4]; f32[4] f32[2,4,3]; f32[2,3,4] f32[4]; "
                 "f32[2,0] f32[0,3]; "
                 "f32[0,3] f32[3,2]; i32[2,3] i32[3,2]; u64[2,2] u64[2,2]; f16[3,4] f16[4,2]; bf16[2,3] bf16[3,2]; "
                 "f64[2,3] f64[3,4]",
         .doc = "Product of matrices as numpy.matmul: A [..., m, k] by B [..., k, n] is Y [..., m, n], the leading "
                "axes broadcast. A vector on "
                "the left is a row, on the right a column; the result lacks its axis."}),
    row({.name = "Gemm",
         .api = {"gemm"},
         .versions = kGemm,
         .infer = infer_gemm,
         .meaning = Decompose{gemm_meaning},
         .cost = cost_gemm,
         .accumulate = Accumulate::float32,
         .ulp = 32,
         .grid = "f32[3,4] f32[4,5] f32[5]; f32[4,3] f32[5,4] f32[3,1] transA=1 transB=1 alpha=0.5 beta=2.0; f32[3,4] "
                 "f32[4,2]; "
                 "f32[3,4] f32[4,2] f32[] beta=0.25; f32[2,3] f32[3,2] f32[2,2] beta=0.0; i32[2,3] i32[3,2] i32[2]; "
                 "f32[2,0] f32[0,3] f32[3]; "
                 "f16[2,3] f16[2,3] f16[1,2] transB=1; f32[2,3] f32[3,2] f32[2] broadcast=1 v=6",
         .doc = "Y [m, n] = alpha * A' B' + beta * C, where A' [m, k] is A or, with transA=1, its transpose, B' [k, n] "
                "likewise; C broadcasts to [m, n]."}),
    row({.name = "MatMulInteger",
         .api = {"matmul_integer"},
         .versions = kMatMulInteger,
         .infer = infer_matmul_integer,
         .gradient = NoGradient{"integers"},
         .meaning = Decompose{matmul_integer_meaning},
         .cost = cost_product,
         .accumulate = Accumulate::int32,
         .grid = "u8[3,4] u8[4,2]; u8[3,4] i8[4,2] u8(7) i8(-3); i8[3,4] i8[4,2] i8{1,2,3} i8{-1,5}; u8[2,2,3] u8[3,2] "
                 "u8(1); i8[4] i8[4]",
         .doc = "MatMul of (A - a_zero_point) and (B - b_zero_point) in int32. Zero points: one number, one per row of "
                "A, one per column of B, or "
                "tensors that broadcast."}),
    row({.name = "QLinearMatMul",
         .api = {"qlinear_matmul"},
         .versions = kQLinearMatMul,
         .infer = infer_qlinear_matmul,
         .gradient = NoGradient{"rounds to integers"},
         .meaning = Decompose{qlinear_matmul_meaning},
         .cost = cost_product,
         .accumulate = Accumulate::int32,
         .grid = "u8[2,4] f32(0.0066) u8(113) u8[4,3] f32(0.00705) u8(114) f32(0.0107) u8(118); "
                 "i8[2,2,4] f32(0.5) i8(1) i8[2,4,3] f32(0.25) i8(-2) f32(4.0) i8(3)",
         .doc = "MatMul of (a - a_zero_point) * a_scale and (b - b_zero_point) * b_scale, divided by y_scale, rounded "
                "half to even, plus "
                "y_zero_point, saturated to the type of y_zero_point. Scales and zero points of a: one or one per row, "
                "of b: one or one per column."}),
    row({.name = "Einsum",
         .api = {"einsum"},
         .versions = kEinsum,
         .infer = infer_einsum,
         .meaning = Primitive{"a contraction over any labels"},
         .cost = cost_einsum,
         .accumulate = Accumulate::float32,
         .ulp = 32,
         .grid = "f32[3,4] f32[4,5] equation='ij,jk->ik'; f32[3,4] equation='ij->ji'; f32[3,3] equation='ii'; f32[3,3] "
                 "equation='ii->i'; "
                 "f32[2,3,4] f32[2,4,5] equation='...ij,...jk'; f32[2,3] f32[3] f32[2] equation='ab, b, a -> '; "
                 "f64[2,3] equation='Ba'; "
                 "i32[2,3] i32[3,2] equation='ij,jk'; f32[2,0] f32[0,3] equation='ij,jk->ik'; f32[1,3] f32[2,3] "
                 "equation='...i,...i->...'",
         .doc = "Sum of products over the labels that the result lacks (numpy.einsum): each operand's axes are named "
                "by letters, '...' stands for "
                "the axes in between, which broadcast; without '->' the result has the letters that occur once, in "
                "alphabetical order."}),
    row({.name = "Det",
         .api = {"det"},
         .versions = kDet,
         .infer = infer_det,
         .meaning = Primitive{"elimination with pivots"},
         .cost = cost_det,
         .accumulate = Accumulate::float32,
         .ulp = 64,
         .grid = "f32[3,3]; f32[2,4,4]; f64[1,1]; f32[2,0,0]; f16[2,2]",
         .doc = "Determinant of each matrix of X [..., n, n]; Y [...]. Of an empty matrix: 1."}),
};

}  // namespace

std::span<const OpDef> matrix_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kMatrix);
  return chosen<kAll>();
}

}  // namespace chorus::families
