// Recurrent cells over sequences: RNN, GRU, LSTM; linear attention, which is one too.
#include <ops/cell.h>
#include <ops/chosen.h>
#include <ops/gradients/rules.h>
#include <ops/rules.h>
#include <ops/table.h>

#include <fmt/format.h>

namespace chorus::families {
namespace {

using namespace rules;

// Shape rules --------------------------------------------------------------------------------------------------------------------

/// X [steps, batch, input] (layout=1: batch first), W [directions, gates * hidden, input], R [directions, gates * hidden, hidden].
void infer_cell(ShapeContext& ctx, int gates, int functions, std::span<const std::string_view> defaults) {
  const Type &x = tensor_input(ctx, 0), &w = tensor_input(ctx, 1), &r = tensor_input(ctx, 2);
  for (int i = 0; i < 3; ++i) require_rank(ctx, i, 3);
  const std::string_view direction = ctx.attrs().string("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional" && direction != "foward") {
    ctx.fail(Code::bad_input,
             fmt::format("direction '{}' is none of 'forward', 'reverse', 'bidirectional'", direction));
  }
  const int64_t directions = direction == "bidirectional" ? 2 : 1;
  Activation all[6];
  if (const char* wrong = read_activations(ctx.attrs(), functions, directions, defaults, all); wrong != nullptr)
    ctx.fail(Code::bad_input, wrong);
  const bool batch_first = ctx.attrs().integer("layout") != 0;
  const Dim steps = x.has_rank ? x.dims[batch_first ? 1 : 0] : ctx.fresh(),
            batch = x.has_rank ? x.dims[batch_first ? 0 : 1] : ctx.fresh();
  Dim hidden = r.has_rank ? r.dims[2] : ctx.fresh();
  if (ctx.attrs().given("hidden_size"))
    hidden = ctx.require_equal(hidden, ctx.attrs().integer("hidden_size"), "hidden_size and the last axis of R");
  if (w.has_rank) {
    ctx.require_equal(w.dims[0], directions, fmt::format("directions of W {}", w.str()));
    ctx.require_equal(w.dims[1], hidden * Dim(gates), fmt::format("rows of W {} and {} gates", w.str(), gates));
    if (x.has_rank) ctx.require_equal(w.dims[2], x.dims[2], fmt::format("inputs of X {} and W {}", x.str(), w.str()));
  }
  if (r.has_rank) {
    ctx.require_equal(r.dims[0], directions, fmt::format("directions of R {}", r.str()));
    ctx.require_equal(r.dims[1], hidden * Dim(gates), fmt::format("rows of R {} and {} gates", r.str(), gates));
  }
  const Dims state = batch_first ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden};
  if (ctx.has_output(0)) {
    ctx.set_output(0, Type::tensor(x.dtype, batch_first ? Dims{batch, steps, directions, hidden}
                                                        : Dims{steps, directions, batch, hidden}));
  }
  for (int i = 1; i < ctx.outputs(); ++i) {
    if (ctx.has_output(i)) ctx.set_output(i, Type::tensor(x.dtype, state));
  }
}

constexpr std::string_view kRnnFunctions[] = {"Tanh"}, kGruFunctions[] = {"Sigmoid", "Tanh"},
                           kLstmFunctions[] = {"Sigmoid", "Tanh", "Tanh"};
void infer_rnn(ShapeContext& ctx) { infer_cell(ctx, 1, 1, kRnnFunctions); }
void infer_gru(ShapeContext& ctx) { infer_cell(ctx, 3, 2, kGruFunctions); }
void infer_lstm(ShapeContext& ctx) { infer_cell(ctx, 4, 3, kLstmFunctions); }

void infer_linear_attention(ShapeContext& ctx) {
  const Type &q = tensor_input(ctx, 0), &k = tensor_input(ctx, 1), &v = tensor_input(ctx, 2);
  for (int i = 0; i < 3; ++i) require_rank(ctx, i, 3);
  const int64_t query = ctx.attrs().integer("q_num_heads"), shared = ctx.attrs().integer("kv_num_heads");
  if (query < 1 || shared < 1 || query % shared != 0)
    ctx.fail(Code::bad_input,
             fmt::format("q_num_heads {} is not a positive multiple of kv_num_heads {}", query, shared));
  const std::string_view rule = ctx.attrs().string("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta", corrected = rule == "delta" || rule == "gated_delta";
  if (!gated && !corrected && rule != "linear")
    ctx.fail(Code::bad_input,
             fmt::format("update_rule '{}' is none of 'linear', 'gated', 'delta', 'gated_delta'", rule));
  if (gated != ctx.has_input(4))
    ctx.fail(Code::bad_input, fmt::format("update_rule '{}' {} the operand decay", rule, gated ? "needs" : "forbids"));
  if (corrected != ctx.has_input(5))
    ctx.fail(Code::bad_input,
             fmt::format("update_rule '{}' {} the operand beta", rule, corrected ? "needs" : "forbids"));
  const Dim value_size = v.has_rank ? floordiv(v.dims[2], Dim(shared)) : ctx.fresh();
  const Dim key_size = q.has_rank   ? floordiv(q.dims[2], Dim(query))
                       : k.has_rank ? floordiv(k.dims[2], Dim(shared))
                                    : ctx.fresh();
  const Dim batch = q.has_rank ? q.dims[0] : ctx.fresh(), steps = q.has_rank ? q.dims[1] : ctx.fresh();
  if (k.has_rank)
    ctx.require_equal(k.dims[2], key_size * Dim(shared), fmt::format("keys {} of {} heads", k.str(), shared));
  if (v.has_rank)
    ctx.require_equal(v.dims[2], value_size * Dim(shared), fmt::format("values {} of {} heads", v.str(), shared));
  ctx.set_output(0, Type::tensor(q.dtype, {batch, steps, value_size * Dim(query)}));
  if (ctx.outputs() > 1) {
    const DType state = ctx.has_input(3) ? ctx.input(3).dtype : q.dtype;
    ctx.set_output(1, Type::tensor(state, {batch, shared, key_size, value_size}));
  }
}

// Version steps ------------------------------------------------------------------------------------------------------------------

/// output_sequence only told whether Y is wanted, which the node's outputs tell.
Expansion without_output_sequence(OpBuilder& b) {
  static constexpr std::string_view kDropped[] = {"output_sequence"};
  return reissue(b, kDropped);
}

/// GRU-1 spelt its default direction 'foward'.
Expansion gru_1(OpBuilder& b) {
  std::vector<Ref> inputs;
  for (int i = 0; i < b.inputs(); ++i) inputs.push_back(b.has_input(i) ? b.in(i) : Ref{});
  Attributes attributes = b.attrs().all();
  if (b.attrs().string("direction") == "foward") attributes.set("direction", "forward");
  next_version(b);
  return Expansion(b.emit("GRU", inputs, std::move(attributes), b.outputs()));
}

Expansion without_layout(OpBuilder& b) {
  if (b.attrs().integer("layout") != 0)
    return Expansion::refuse(fmt::format("{} with layout=1 has no form below opset 14", b.op().name));
  std::vector<Ref> inputs;
  for (int i = 0; i < b.inputs(); ++i) inputs.push_back(b.has_input(i) ? b.in(i) : Ref{});
  Attributes attributes = b.attrs().all();
  attributes.erase("layout");
  previous_version(b);
  return Expansion(b.emit(b.op().name, inputs, std::move(attributes), b.outputs()));
}

// Costs --------------------------------------------------------------------------------------------------------------------------

Cost cost_cell(const CostContext& ctx) {
  const auto x = ctx.dims(false, 0), w = ctx.dims(false, 1), r = ctx.dims(false, 2);
  Cost c = cost_traffic(ctx);
  if (x.size() != 3 || w.size() != 3 || r.size() != 3) return c;
  const double sequences = static_cast<double>(x[0]) * static_cast<double>(x[1]);
  c.flops = sequences * 2 * (ctx.count(false, 1) + ctx.count(false, 2));
  c.transcendental = sequences * static_cast<double>(w[0]) * static_cast<double>(w[1]);
  return c;
}
Cost cost_linear_attention(const CostContext& ctx) {
  const auto q = ctx.dims(false, 0);
  const int64_t heads = ctx.attrs().integer("q_num_heads", 1);
  const double key_size = q.size() == 3 && heads > 0 ? static_cast<double>(q[2] / heads) : 1;
  return cost_flops(ctx, 8 * key_size);
}

// Rows ---------------------------------------------------------------------------------------------------------------------------

constexpr Version kRNN[] = {
    {1,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h) -> (T? Y, T? Y_h) {activation_alpha: floats, "
     "activation_beta: floats, activations: strings = ['Tanh', 'Tanh'], clip: float, direction: string = "
     "'forward', hidden_size: int, output_sequence: int = 0}; T = ieee; T1 = i32",
     without_output_sequence},
    {7,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h) -> (T? Y, T? Y_h) {activation_alpha: floats, "
     "activation_beta: floats, activations: strings = ['Tanh', 'Tanh'], clip: float, direction: string = "
     "'forward', hidden_size: int}; T = ieee; T1 = i32",
     nullptr, without_layout},
    {14,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h) -> (T? Y, T? Y_h) {activation_alpha: floats, "
     "activation_beta: floats, activations: strings = ['Tanh', 'Tanh'], clip: float, direction: string = "
     "'forward', hidden_size: int, layout: int = 0}; T = ieee; T1 = i32"},
    {22,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h) -> (T? Y, T? Y_h) {activation_alpha: floats, "
     "activation_beta: floats, activations: strings = ['Tanh', 'Tanh'], clip: float, direction: string = "
     "'forward', hidden_size: int, layout: int = 0}; T = floats; T1 = i32"},
};
constexpr Version kGRU[] = {
    {1,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h) -> (T? Y, T Y_h) {activation_alpha: floats, "
     "activation_beta: floats, activations: strings, clip: float, direction: string = 'foward', hidden_size: int, "
     "output_sequence: int = 0}; T = ieee; T1 = i32",
     gru_1},
    {3,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h) -> (T? Y, T? Y_h) {activation_alpha: floats, "
     "activation_beta: floats, activations: strings, clip: float, direction: string = 'forward', hidden_size: "
     "int, linear_before_reset: int = 0, output_sequence: int = 0}; T = ieee; T1 = i32",
     without_output_sequence},
    {7,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h) -> (T? Y, T? Y_h) {activation_alpha: floats, "
     "activation_beta: floats, activations: strings, clip: float, direction: string = 'forward', hidden_size: "
     "int, linear_before_reset: int = 0}; T = ieee; T1 = i32",
     nullptr, without_layout},
    {14,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h) -> (T? Y, T? Y_h) {activation_alpha: floats, "
     "activation_beta: floats, activations: strings, clip: float, direction: string = 'forward', hidden_size: "
     "int, layout: int = 0, linear_before_reset: int = 0}; T = ieee; T1 = i32"},
    {22,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h) -> (T? Y, T? Y_h) {activation_alpha: floats, "
     "activation_beta: floats, activations: strings, clip: float, direction: string = 'forward', hidden_size: "
     "int, layout: int = 0, linear_before_reset: int = 0}; T = floats; T1 = i32"},
};
constexpr Version kLSTM[] = {
    {1,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h, T? initial_c, T? P) -> (T? Y, T? Y_h, T? Y_c) "
     "{activation_alpha: floats, activation_beta: floats, activations: strings, clip: float, direction: string = "
     "'forward', hidden_size: int, input_forget: int = 0, output_sequence: int = 0}; T = ieee; T1 = i32",
     without_output_sequence},
    {7,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h, T? initial_c, T? P) -> (T? Y, T? Y_h, T? Y_c) "
     "{activation_alpha: floats, activation_beta: floats, activations: strings, clip: float, direction: string = "
     "'forward', hidden_size: int, input_forget: int = 0}; T = ieee; T1 = i32",
     nullptr, without_layout},
    {14,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h, T? initial_c, T? P) -> (T? Y, T? Y_h, T? Y_c) "
     "{activation_alpha: floats, activation_beta: floats, activations: strings, clip: float, direction: string = "
     "'forward', hidden_size: int, input_forget: int = 0, layout: int = 0}; T = ieee; T1 = i32"},
    {22,
     "(T X, T W, T R, T? B, T1? sequence_lens, T? initial_h, T? initial_c, T? P) -> (T? Y, T? Y_h, T? Y_c) "
     "{activation_alpha: floats, activation_beta: floats, activations: strings, clip: float, direction: string = "
     "'forward', hidden_size: int, input_forget: int = 0, layout: int = 0}; T = floats; T1 = i32"},
};
constexpr Version kLinearAttention[] = {
    {27,
     "(T query, T key, T value, S? past_state, T? decay, T? beta) -> (T output, S present_state) {chunk_size: "
     "int = 64, kv_num_heads: int!, q_num_heads: int!, scale: float = 0, update_rule: string = 'gated_delta'}; T "
     "= f32 f16 bf16; S = f32 f16 bf16"},
};

constexpr OpDef kTable[] = {
    row({.name = "RNN",
         .api = {"rnn"},
         .versions = kRNN,
         .infer = infer_rnn,
         .meaning = Primitive{"a recurrence over time"},
         .cost = cost_cell,
         .accumulate = Accumulate::float32,
         .ulp = 256,
         .grid =
             "f32[4,2,3] f32[1,5,3] f32[1,5,5]; f32[4,2,3] f32[1,5,3] f32[1,5,5] f32[1,10] i32{4,2} f32[1,2,5] out=2; "
             "f32[4,2,3] f32[2,5,3] f32[2,5,5] f32[2,10] direction='bidirectional' activations=['Relu','Affine'] "
             "activation_alpha=[0.5] activation_beta=[0.1] out=2; "
             "f32[2,4,3] f32[1,5,3] f32[1,5,5] direction='reverse' layout=1 hidden_size=5 clip=0.5 out=2; f16[2,1,2] "
             "f16[1,3,2] f16[1,3,3]; "
             "f32[2,1,2] f32[1,3,2] f32[1,3,3] output_sequence=1 v=1",
         .doc = "h = f(x W^T + h R^T + Wb + Rb) over the steps of X [steps, batch, input] (layout=1: [batch, steps, "
                "input]); W [directions, hidden, input], R "
                "[directions, hidden, hidden], B [directions, 2 * hidden]. Y has every h [steps, directions, batch, "
                "hidden], Y_h the last. clip bounds the arguments of f."}),
    row({.name = "GRU",
         .api = {"gru"},
         .versions = kGRU,
         .infer = infer_gru,
         .meaning = Primitive{"a recurrence over time"},
         .cost = cost_cell,
         .accumulate = Accumulate::float32,
         .ulp = 256,
         .grid = "f32[4,2,3] f32[1,15,3] f32[1,15,5]; f32[4,2,3] f32[1,15,3] f32[1,15,5] f32[1,30] i32{4,2} f32[1,2,5] "
                 "linear_before_reset=1 out=2; "
                 "f32[4,2,3] f32[2,15,3] f32[2,15,5] f32[2,30] i32{1,3} direction='bidirectional' out=2; f32[2,4,3] "
                 "f32[1,15,3] f32[1,15,5] direction='reverse' layout=1 out=2; "
                 "f64[2,1,2] f64[1,9,2] f64[1,9,3] activations=['HardSigmoid','Softsign'] activation_alpha=[0.3] "
                 "activation_beta=[0.4] clip=1.5",
         .doc = "Gates z, r = f(x W^T + h R^T + Wb + Rb), candidate n = g(x Wh^T + (r . h) Rh^T + Rbh + Wbh) or, with "
                "linear_before_reset=1, g(x Wh^T + r . (h Rh^T + Rbh) + "
                "Wbh); h = (1 - z) . n + z . h. Weights stacked in the order z, r, h: W [directions, 3 * hidden, "
                "input]; results as for RNN."}),
    row({.name = "LSTM",
         .api = {"lstm"},
         .versions = kLSTM,
         .infer = infer_lstm,
         .meaning = Primitive{"a recurrence over time"},
         .cost = cost_cell,
         .accumulate = Accumulate::float32,
         .ulp = 256,
         .grid = "f32[4,2,3] f32[1,20,3] f32[1,20,5]; f32[4,2,3] f32[1,20,3] f32[1,20,5] f32[1,40] i32{4,2} f32[1,2,5] "
                 "f32[1,2,5] f32[1,15] out=3; "
                 "f32[4,2,3] f32[2,20,3] f32[2,20,5] f32[2,40] direction='bidirectional' out=3; f32[2,4,3] f32[1,20,3] "
                 "f32[1,20,5] direction='reverse' layout=1 out=3; "
                 "f32[3,1,2] f32[1,12,2] f32[1,12,3] input_forget=1 clip=0.7; bf16[2,1,2] bf16[1,12,2] bf16[1,12,3]",
         .doc = "Gates i, o, f and cell input c (stacked in that order): i = f(x Wi^T + h Ri^T + Pi . C + b), f "
                "likewise (or 1 - i with input_forget=1), C = f . C + i . g(…), "
                "o = f(… + Po . C), h = o . h(C). P [directions, 3 * hidden] peepholes of i, o, f. Y, Y_h as for RNN, "
                "Y_c the last C."}),
    row({.name = "LinearAttention",
         .api = {"linear_attention"},
         .versions = kLinearAttention,
         .infer = infer_linear_attention,
         .meaning = Primitive{"a recurrence over time"},
         .cost = cost_linear_attention,
         .accumulate = Accumulate::float32,
         .ulp = 256,
         .grid = "f32[1,4,6] f32[1,4,6] f32[1,4,8] q_num_heads=2 kv_num_heads=2 update_rule='linear' out=2; "
                 "f32[2,3,8] f32[2,3,4] f32[2,3,6] f32[2,2,2,3] f32[2,3,2]@-1.0..0.0 f32[2,3,1]@0.0..1.0 q_num_heads=4 "
                 "kv_num_heads=2 out=2; "
                 "f32[1,3,4] f32[1,3,4] f32[1,3,4] - f32[1,3,4]@-1.0..0.0 q_num_heads=2 kv_num_heads=2 "
                 "update_rule='gated' scale=0.5 out=2; "
                 "f16[1,2,4] f16[1,2,4] f16[1,2,4] - - f16[1,2,2]@0.0..1.0 q_num_heads=2 kv_num_heads=2 "
                 "update_rule='delta' out=2",
         .doc = "Attention as a recurrence: S = exp(g) S + k (x) u, o = scale * q^T S per head, where u = v ('linear', "
                "'gated') or beta (v - S^T k) with the decayed S ('delta', "
                "'gated_delta'), and exp(g) only in the gated rules. query [b, t, hq * dk], key [b, t, hkv * dk], "
                "value [b, t, hkv * dv]; states [b, hkv, dk, dv]; scale 0 means 1 / sqrt(dk)."}),
};

}  // namespace

std::span<const OpDef> recurrent_ops() {
  static constexpr auto kAll = gradients::differentiable(kTable, gradients::kRecurrent);
  return chosen<kAll>();
}

}  // namespace chorus::families
