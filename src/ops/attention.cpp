// Scaled dot product attention and rotary position embedding.
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/movement_shape.h>
#include <ops/rules.h>
#include <ops/table.h>
#include <fmt/format.h>

namespace chorus {
namespace {
using movement::named;

struct Heads {
  Dim batch = Dim::unknown(), heads = Dim::unknown(), length = Dim::unknown(), size = Dim::unknown();
};

/// [batch, heads, length, size], or [batch, length, heads * size] with the number of heads as an attribute.
Heads read_heads(ShapeContext& ctx, int i, std::string_view attribute) {
  const Type& x = rules::tensor_input(ctx, i);
  if (!x.has_rank) return {};
  if (x.rank() == 4) return {x.dims[0], x.dims[1], x.dims[2], x.dims[3]};
  if (x.rank() != 3) ctx.fail(Code::shape, fmt::format("operand {} has shape {}, rank 3 or 4 is needed", i, x.str()));
  const int64_t heads = ctx.attrs().integer(attribute);
  if (heads < 1) {
    ctx.fail(Code::bad_input, fmt::format("operand {} of rank 3 needs the attribute {}", i, attribute),
             "set it to the number of heads");
  }
  if (x.dims[2].is_number() && x.dims[2].number() % heads != 0) {
    ctx.fail(Code::shape, fmt::format("operand {} of shape {} cannot be cut into {} heads", i, x.str(), heads));
  }
  return {x.dims[0], Dim(heads), x.dims[1], floordiv(x.dims[2], Dim(heads))};
}

void same(ShapeContext& ctx, const Dim& a, const Dim& b, std::string_view what) {
  if (!a.is_unknown() && !b.is_unknown()) ctx.require_equal(a, b, what);
}

Type heads_type(ShapeContext& ctx, DType dtype, const Dim& a, const Dim& b, const Dim& c, const Dim& d) {
  return Type::tensor(dtype, {named(ctx, a), named(ctx, b), named(ctx, c), named(ctx, d)});
}

void check_operands(ShapeContext& ctx) {
  if (ctx.has_input(4) != ctx.has_input(5))
    ctx.fail(Code::bad_input, "past_key and past_value come together", "give both or none");
  if (ctx.has_input(6) && ctx.has_input(4)) {
    ctx.fail(Code::bad_input, "nonpad_kv_seqlen and past_key exclude each other", "use one form of the cache");
  }
  const int64_t mode = ctx.attrs().integer("qk_matmul_output_mode");
  if (mode < 0 || mode > 3)
    ctx.fail(Code::bad_input, fmt::format("qk_matmul_output_mode is {}", mode), "use 0, 1, 2 or 3");
  const int64_t left = ctx.attrs().integer("left_window_size", -1),
                right = ctx.attrs().integer("right_window_size", -1);
  if (left < -1 || right < -1)
    ctx.fail(Code::bad_input, fmt::format("window sizes are {} and {}", left, right), "use -1 for no bound");
  if (ctx.attrs().has("softmax_precision")) {
    const int64_t p = ctx.attrs().integer("softmax_precision");
    if (p != 1 && p != 10 && p != 11 && p != 16) {
      ctx.fail(Code::bad_input, fmt::format("softmax_precision is {}", p),
               "use 1 (float32), 10 (float16), 11 (float64) or 16 (bfloat16)");
    }
  }
}

void infer_attention(ShapeContext& ctx) {
  check_operands(ctx);
  const Type& x = rules::tensor_input(ctx, 0);
  const Heads q = read_heads(ctx, 0, "q_num_heads"), k = read_heads(ctx, 1, "kv_num_heads"),
              v = read_heads(ctx, 2, "kv_num_heads");
  same(ctx, q.batch, k.batch, "batch of Q and K");
  same(ctx, k.batch, v.batch, "batch of K and V");
  same(ctx, q.size, k.size, "head size of Q and K");
  same(ctx, k.length, v.length, "length of K and V");
  same(ctx, k.heads, v.heads, "heads of K and V");
  if (q.heads.is_number() && k.heads.is_number() &&
      (k.heads.number() < 1 || q.heads.number() % k.heads.number() != 0)) {
    ctx.fail(Code::shape,
             fmt::format("{} query heads are not a multiple of {} key heads", q.heads.str(), k.heads.str()));
  }
  Dim total = k.length;
  if (ctx.has_input(4)) {
    rules::require_rank(ctx, 4, 4);
    rules::require_rank(ctx, 5, 4);
    total = ctx.input(4).has_rank ? k.length + ctx.input(4).dims[2] : Dim::unknown();
  }
  if (const Type& mask = ctx.input(3); mask.has_rank) {
    if (mask.rank() > 4) ctx.fail(Code::shape, fmt::format("attn_mask of shape {} has more than 4 axes", mask.str()));
    if (mask.rank() > 0 && Dim::less_equal(mask.dims.back(), total) == Dim::Truth::no) {
      ctx.fail(Code::shape, fmt::format("attn_mask of shape {} is longer than the {} keys", mask.str(), total.str()));
    }
  }
  if (!x.has_rank) {
    ctx.set_output(0, Type::tensor(x.dtype));
  } else if (x.rank() == 3) {
    ctx.set_output(0, Type::tensor(x.dtype, {named(ctx, q.batch), named(ctx, q.length), named(ctx, q.heads * v.size)}));
  } else {
    ctx.set_output(0, heads_type(ctx, x.dtype, q.batch, q.heads, q.length, v.size));
  }
  if (ctx.has_output(1)) ctx.set_output(1, heads_type(ctx, x.dtype, k.batch, k.heads, total, k.size));
  if (ctx.has_output(2)) ctx.set_output(2, heads_type(ctx, ctx.input(2).dtype, v.batch, v.heads, total, v.size));
  if (ctx.has_output(3)) ctx.set_output(3, heads_type(ctx, x.dtype, q.batch, q.heads, q.length, total));
}

Cost cost_attention(const CostContext& ctx) {
  Cost c = rules::cost_traffic(ctx);
  const auto q = ctx.dims(false, 0), k = ctx.dims(false, 1), y = ctx.dims(true, 0);
  if (q.size() < 3 || k.size() != q.size() || y.size() != q.size()) return c;
  const auto past = ctx.inputs() > 4 ? ctx.dims(false, 4) : std::span<const int64_t>();
  const double keys = static_cast<double>(k[k.size() - 2]) + (past.size() == 4 ? static_cast<double>(past[2]) : 0);
  double query = 1, result = 1, rows = q.size() == 3 ? static_cast<double>(ctx.attrs().integer("q_num_heads", 1)) : 1;
  for (size_t i = 0; i < q.size(); ++i) {
    query *= static_cast<double>(q[i]);
    result *= static_cast<double>(y[i]);
    if (i + 1 < q.size()) rows *= static_cast<double>(q[i]);
  }
  c.flops = 2 * keys * (query + result) + 4 * rows * keys;
  c.transcendental = rows * keys;
  return c;
}

/// The element type in which scores are transformed.
DType score_type(const NodeContext& ctx) {
  const DType x = ctx.input(0).dtype;
  const DType usual = x == DType::undefined || x == DType::float64 ? x : DType::float32;
  const int64_t p = ctx.attrs().integer("softmax_precision", static_cast<int64_t>(usual));
  if (p != 0 && p != 1 && p != 10 && p != 11 && p != 16) {
    ctx.fail(Code::bad_input, fmt::format("softmax_precision is {}", p),
             "use 1 (float32), 10 (float16), 11 (float64) or 16 (bfloat16)");
  }
  return static_cast<DType>(p);
}

/// A body that changes scores: one tensor in, one of the same type and shape out.
void check_modifier(ShapeContext& ctx, std::string_view name, const Type& scores) {
  if (!ctx.attrs().graph(name)) return;
  const auto types = ctx.infer_body(name, {&scores, 1});
  if (types.size() != 1) ctx.fail(Code::bad_input, fmt::format("{} has {} outputs, one is needed", name, types.size()));
  const Type& t = types[0];
  if (t.is_tensor() && t.dtype != DType::undefined && scores.dtype != DType::undefined && t.dtype != scores.dtype)
    ctx.fail(Code::type, fmt::format("{} makes {} of {}", name, t.str(), scores.str()), "keep the element type");
  if (!t.has_rank || !scores.has_rank) return;
  bool fits = t.rank() == scores.rank();
  for (size_t i = 0; fits && i < t.dims.size(); ++i) fits = Dim::equal(t.dims[i], scores.dims[i]) != Dim::Truth::no;
  if (!fits) ctx.fail(Code::shape, fmt::format("{} makes {} of {}", name, t.str(), scores.str()), "keep the shape");
}

void infer_flex_attention(ShapeContext& ctx) {
  for (int i = 0; i < 3; ++i) rules::require_rank(ctx, i, 4);
  const Type& x = rules::tensor_input(ctx, 0);
  const Heads q = read_heads(ctx, 0, {}), k = read_heads(ctx, 1, {}), v = read_heads(ctx, 2, {});
  same(ctx, q.batch, k.batch, "batch of Q and K");
  same(ctx, k.batch, v.batch, "batch of K and V");
  same(ctx, q.size, k.size, "head size of Q and K");
  same(ctx, k.length, v.length, "length of K and V");
  same(ctx, k.heads, v.heads, "heads of K and V");
  if (q.heads.is_number() && k.heads.is_number() &&
      (k.heads.number() < 1 || q.heads.number() % k.heads.number() != 0)) {
    ctx.fail(Code::shape,
             fmt::format("{} query heads are not a multiple of {} key heads", q.heads.str(), k.heads.str()));
  }
  const Type scores = Type::tensor(score_type(ctx), {q.batch, q.heads, q.length, k.length});
  check_modifier(ctx, "score_mod", scores);
  check_modifier(ctx, "prob_mod", scores);
  ctx.set_output(0, heads_type(ctx, x.dtype, q.batch, q.heads, q.length, v.size));
}

void infer_rotary(ShapeContext& ctx) {
  const Type& x = rules::tensor_input(ctx, 0);
  const int64_t rotated = ctx.attrs().integer("rotary_embedding_dim");
  if (rotated < 0 || rotated % 2 != 0)
    ctx.fail(Code::bad_input, fmt::format("rotary_embedding_dim is {}", rotated), "use an even number");
  if (x.has_rank && x.rank() != 3 && x.rank() != 4)
    ctx.fail(Code::shape, fmt::format("X has shape {}, rank 3 or 4 is needed", x.str()));
  if (x.rank() == 3 && ctx.attrs().integer("num_heads") < 1)
    ctx.fail(Code::bad_input, "X of rank 3 needs the attribute num_heads");
  for (const int i : {1, 2}) rules::require_rank(ctx, i, ctx.has_input(3) ? 2 : 3);
  if (ctx.has_input(3)) rules::require_rank(ctx, 3, 2);
  if (x.has_rank) {
    const Dim size = x.rank() == 4 ? x.dims[3] : floordiv(x.dims[2], Dim(ctx.attrs().integer("num_heads", 1)));
    if (x.rank() == 3 && x.dims[2].is_number() && x.dims[2].number() % ctx.attrs().integer("num_heads", 1) != 0) {
      ctx.fail(Code::shape,
               fmt::format("X of shape {} cannot be cut into {} heads", x.str(), ctx.attrs().integer("num_heads")));
    }
    const Dim turned = rotated == 0 ? size : Dim(rotated);
    if (Dim::less_equal(turned, size) == Dim::Truth::no || (turned.is_number() && turned.number() % 2 != 0)) {
      ctx.fail(Code::shape, fmt::format("{} elements of heads of {} cannot be rotated", turned.str(), size.str()));
    }
    for (const int i : {1, 2}) {
      if (ctx.input(i).has_rank && turned.is_number())
        ctx.require_equal(ctx.input(i).dims.back(), Dim(turned.number() / 2), "last extent of the caches");
    }
  }
  rules::infer_same(ctx);
}
Cost cost_rotary(const CostContext& ctx) { return rules::cost_flops(ctx, 3); }

constexpr Version kAttention[] = {
    {23,
     "(T1 Q, T1 K, T2 V, U? attn_mask, T1? past_key, T2? past_value) -> (T1 Y, T1? present_key, T2? present_value, "
     "T1? qk_matmul_output) {is_causal: int = 0, kv_num_heads: int, q_num_heads: int, qk_matmul_output_mode: int = 0, "
     "scale: float, softcap: float = 0.0, softmax_precision: int}; T1 = floats; T2 = floats; U = num bf16 bool"},
    {24,
     "(T1 Q, T1 K, T2 V, U? attn_mask, T1? past_key, T2? past_value, i64? nonpad_kv_seqlen) -> (T1 Y, T1? "
     "present_key, T2? present_value, T1? qk_matmul_output) {is_causal: int = 0, kv_num_heads: int, q_num_heads: int, "
     "qk_matmul_output_mode: int = 0, scale: float, softcap: float = 0.0, softmax_precision: int}; T1 = floats; T2 = "
     "floats; U = num bf16 bool"},
    {25,
     "(T1 Q, T1 K, T2 V, U? attn_mask, T1? past_key, T2? past_value, i64? nonpad_kv_seqlen) -> (T1 Y, T1? "
     "present_key, T2? present_value, T1? qk_matmul_output) {is_causal: int = 0, kv_num_heads: int, left_window_size: "
     "int = -1, q_num_heads: int, qk_matmul_output_mode: int = 0, right_window_size: int = -1, scale: float, softcap: "
     "float = 0.0, softmax_precision: int}; T1 = floats; T2 = floats; U = num bf16 bool"},
};
constexpr Version kFlexAttention[] = {
    {1,
     "(T1 Q, T1 K, T1 V) -> (T1 Y) {prob_mod: graph, scale: float, score_mod: graph, softmax_precision: int}; T1 = "
     "floats"},
};
constexpr Version kRotaryEmbedding[] = {
    {23,
     "(T X, T cos_cache, T sin_cache, M? position_ids) -> (T Y) {interleaved: int = 0, num_heads: int, "
     "rotary_embedding_dim: int = 0}; T = bf16 f16 f32; M = i64"},
};

constexpr OpDef kTable[] = {
    row({.name = "Attention",
         .api = {"attention"},
         .versions = kAttention,
         .infer = infer_attention,
         .meaning = Primitive{"masks of whole rows, caches and grouped heads are one contract"},
         .cost = cost_attention,
         .accumulate = Accumulate::float32,
         .ulp = 64,
         .grid = "f32[2,3,4,8] f32[2,3,6,8] f32[2,3,6,5]; f32[2,4,24] f32[2,6,24] f32[2,6,24] q_num_heads=3 "
                 "kv_num_heads=3; f32[1,4,3,8] f32[1,2,5,8] f32[1,2,5,8] is_causal=1; f32[1,2,3,4] f32[1,2,3,4] "
                 "f32[1,2,3,4] bool[3,3]; f32[1,2,3,4] f32[1,2,2,4] f32[1,2,2,4] f32[1,1,3,5] f32[1,2,3,4] "
                 "f32[1,2,3,4] out=4 softcap=2.0 qk_matmul_output_mode=2; f32[2,2,3,4] f32[2,2,6,4] f32[2,2,6,4] - - "
                 "- i64{4,2} is_causal=1; f16[1,1,2,4] f16[1,1,2,4] f16[1,1,2,4] softmax_precision=1; f32[1,2,4,4] "
                 "f32[1,2,6,4] f32[1,2,6,4] left_window_size=2 right_window_size=1",
         .doc = "softmax(softcap(scale * Q K^T) + bias) V per head; q_num_heads may be a multiple of kv_num_heads. Q "
                "[B, Hq, S, D] or [B, S, Hq*D], K, V likewise with T keys; the cache (past_key, past_value) stands "
                "before them. bias: attn_mask (bool: true takes part; float: added; missing keys are -inf), causal "
                "and window bounds around position i + offset, nonpad_kv_seqlen. A row without any key is zero. "
                "Default scale: 1/sqrt(D). Sums in float32 or wider."}),
    row({.name = "FlexAttention",
         .domain = "ai.onnx.preview",
         .api = {"flex_attention"},
         .versions = kFlexAttention,
         .infer = infer_flex_attention,
         .sizes = Sizes::known_after_run,
         .meaning = Primitive{"runs the caller's graphs between its steps"},
         .cost = cost_attention,
         .accumulate = Accumulate::float32,
         .ulp = 64,
         .grid = "f32[2,3,4,8] f32[2,3,6,8] f32[2,3,6,5]; f64[1,4,3,8] f64[1,2,5,8] f64[1,2,5,8] scale=0.5; "
                 "f16[1,2,3,4] f16[1,2,3,4] f16[1,2,3,4]; bf16[1,1,2,4] bf16[1,1,2,4] bf16[1,1,2,4] "
                 "softmax_precision=16; f32[1,2,0,4] f32[1,2,3,4] f32[1,2,3,4]",
         .doc = "prob_mod(softmax(score_mod(scale * Q K^T))) V per head, Q [B, Hq, L, E], K [B, H, S, E], V [B, H, S, "
                "Ev], Y [B, Hq, L, Ev]; Hq may be a multiple of H. The two graphs, where given, map [B, Hq, L, S] of "
                "type softmax_precision (default: float64 for float64, else float32) to the same. Default scale: "
                "1/sqrt(E)."}),
    row({.name = "RotaryEmbedding",
         .api = {"rotary_embedding"},
         .versions = kRotaryEmbedding,
         .infer = infer_rotary,
         .meaning = Primitive{"a rotation of pairs by cached angles"},
         .cost = cost_rotary,
         .accumulate = Accumulate::float32,
         .ulp = 2,
         .grid = "f32[2,4,3,8] f32[50,4] f32[50,4] i64[2,3]@0..49; f32[2,3,32] f32[2,3,4] f32[2,3,4] num_heads=4; "
                 "f32[2,4,3,8] f32[2,3,2] f32[2,3,2] rotary_embedding_dim=4; f32[1,2,3,8] f32[50,4] f32[50,4] "
                 "i64[1,3]@0..49 interleaved=1; f16[1,1,2,4] f16[1,2,2] f16[1,2,2]",
         .doc = "Rotates pairs (x1, x2) of each head by the angle whose cosine and sine are cached: (c*x1 - s*x2, "
                "s*x1 + c*x2). Pairs are the two halves, or neighbours with interleaved=1; only the first "
                "rotary_embedding_dim elements turn (0: all). Caches [positions, r/2] with position_ids [B, S], else "
                "[B, S, r/2]."}),
};

}  // namespace

std::span<const OpDef> families::attention_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kAttention);
  return chosen<kAll>();
}

}  // namespace chorus
