// Gradients of attention and rotary embedding, in the form of simpler operators.
#include <ops/gradients/rules.h>
#include <ops/gradients/support.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace chorus::gradients {
namespace {

bool is_narrow(DType t) { return t == DType::float16 || t == DType::bfloat16; }
Ref wide(OpBuilder& b, Ref x) {
  return is_narrow(b.type_of(x).dtype) ? b.op("Cast", {x}, {{"to", static_cast<int64_t>(DType::float32)}}) : x;
}
Ref both(OpBuilder& b, Ref p, Ref q) { return p && q ? b.op("And", {p, q}) : p ? p : q; }
Ref range(OpBuilder& b, Ref extent) {
  return b.op("Range", {whole(b, 0), b.op("Squeeze", {extent, b.ints({0})}), whole(b, 1)});
}

/// [batch, heads, length, size] of an operand.
Ref by_heads(OpBuilder& b, int i, std::string_view attribute) {
  const Ref x = wide(b, b.in(i));
  if (b.input(i).rank() != 3) return x;
  return b.op("Transpose", {b.op("Reshape", {x, b.ints({0, 0, b.attrs().integer(attribute), -1})})},
              {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
}

struct Attend {
  OpBuilder& b;
  Ref q, k, v;     ///< [batch, heads, length, size]; k, v with the cache before them
  Ref batch, rows, keys, shared;   ///< extents, rank 1
};

/// Whether query i sees key j, of shape [rows, keys] or [batch, 1, rows, keys]; empty: all do.
Ref visible(const Attend& a) {
  OpBuilder& b = a.b;
  const bool causal = b.attrs().integer("is_causal") != 0;
  const int64_t left = b.attrs().integer("left_window_size", -1), right = b.attrs().integer("right_window_size", -1);
  const bool padded = b.has_input(6);
  if (!causal && left < 0 && right < 0 && !padded) return {};
  const Ref i = b.op("Unsqueeze", {range(b, a.rows), b.ints({1})}),
            j = b.op("Unsqueeze", {range(b, a.keys), b.ints({0})});
  Ref distance = sub(b, i, j), lengths;
  if (b.has_input(4)) distance = add(b, distance, extent_of(b, b.in(4), 2));
  if (padded) {
    lengths = b.op("Unsqueeze", {b.in(6), b.ints({1, 2, 3})});
    if (!b.has_input(4)) distance = add(b, distance, sub(b, lengths, a.rows));
  }
  const auto at_most = [&](Ref x, int64_t limit) { return b.op("LessOrEqual", {x, whole(b, limit)}); };
  Ref seen;
  if (causal) seen = both(b, seen, b.op("GreaterOrEqual", {distance, whole(b, 0)}));
  if (left >= 0) seen = both(b, seen, at_most(distance, left));
  if (right >= 0) seen = both(b, seen, at_most(neg(b, distance), right));
  if (padded) seen = both(b, seen, less(b, j, lengths));
  return seen;
}

/// What is added to the scores; empty: nothing.
Ref bias_of(const Attend& a) {
  OpBuilder& b = a.b;
  const double inf = std::numeric_limits<double>::infinity();
  const Ref zero = number(b, a.q, 0), never = number(b, a.q, -inf);
  Ref bias;
  if (b.has_input(3)) {
    const Ref mask = b.in(3);
    bias = b.type_of(mask).dtype == DType::boolean ? where(b, mask, zero, never) : cast_like(b, mask, a.q);
    // Keys that the mask does not reach are not seen.
    const Type& type = b.type_of(mask);
    const bool scalar = type.has_rank && type.rank() == 0;
    const Type& keys = b.type_of(a.k);
    const bool fits =
        type.has_rank && !scalar && keys.has_rank && Dim::equal(type.dims.back(), keys.dims[2]) == Dim::Truth::yes;
    if (!scalar && !fits) {
      const Ref more = joined(b, {b.ints({0}), sub(b, a.keys, extent_of(b, mask, -1))});
      bias = b.op("Pad", {bias, more, never, b.ints({-1})});
    }
  }
  if (const Ref seen = visible(a)) {
    const Ref hidden = where(b, seen, zero, never);
    bias = bias ? add(b, bias, hidden) : hidden;
  }
  return bias;
}

Ref weights_of(const Attend& a, Ref scores, Ref bias, Ref* biased) {
  OpBuilder& b = a.b;
  *biased = bias ? add(b, scores, bias) : scores;
  const Ref zero = number(b, a.q, 0);
  Ref sum = *biased, masked;
  if (bias) {
    // A row without any key gives zeros, where softmax has no value.
    const Ref most = b.op("ReduceMax", {bias, b.ints({-1})}, {{"keepdims", 1}});
    masked = equal(b, most, number(b, a.q, -std::numeric_limits<double>::infinity()));
    sum = where(b, masked, zero, sum);
  }
  const bool precise = b.attrs().has("softmax_precision");
  if (precise) sum = b.op("Cast", {sum}, {{"to", b.attrs().integer("softmax_precision")}});
  Ref p = b.op("Softmax", {sum}, {{"axis", -1}});
  if (precise) p = cast_like(b, p, a.q);
  return masked ? where(b, masked, zero, p) : p;
}

Expansion attention_form(OpBuilder& b) {
  if (!b.input(0).has_rank || !b.input(1).has_rank) return Expansion::refuse("Attention of unknown rank");
  Attend a{b, by_heads(b, 0, "q_num_heads"), by_heads(b, 1, "kv_num_heads"), by_heads(b, 2, "kv_num_heads"), {}, {}, {},
           {}};
  a.v = cast_like(b, a.v, a.q);
  if (b.has_input(4)) a.k = b.op("Concat", {wide(b, b.in(4)), a.k}, {{"axis", 2}});
  if (b.has_input(5)) a.v = b.op("Concat", {cast_like(b, b.in(5), a.q), a.v}, {{"axis", 2}});
  a.batch = extent_of(b, a.q, 0);
  a.rows = extent_of(b, a.q, 2);
  a.keys = extent_of(b, a.k, 2);
  a.shared = extent_of(b, a.k, 1);
  const Ref size = extent_of(b, a.q, 3), rest = b.ints({-1});
  const Ref scale = b.attrs().has("scale")
                        ? number(b, a.q, b.attrs().real("scale"))
                        : b.op("Reciprocal", {b.op("Sqrt", {cast_like(b, b.op("Squeeze", {size, b.ints({0})}), a.q)})});
  // Query heads that share a key head stand together: [batch, shared, group, rows, size].
  const Ref grouped = b.op("Reshape", {a.q, joined(b, {a.batch, a.shared, rest, a.rows, size})});
  const Ref keys =
      b.op("Transpose", {b.op("Unsqueeze", {a.k, b.ints({2})})}, {{"perm", std::vector<int64_t>{0, 1, 2, 4, 3}}});
  const Ref products =
      b.op("Reshape", {mul(b, b.op("MatMul", {grouped, keys}), scale), joined(b, {a.batch, rest, a.rows, a.keys})});
  Ref scores = products;
  if (const double cap = b.attrs().real("softcap"); cap > 0) {
    scores = mul(b, b.op("Tanh", {div(b, scores, number(b, a.q, cap))}), number(b, a.q, cap));
  }
  Ref biased;
  const Ref p = weights_of(a, scores, bias_of(a), &biased);
  const Ref shared_p = b.op("Reshape", {p, joined(b, {a.batch, a.shared, rest, a.rows, a.keys})});
  Ref y = b.op("MatMul", {shared_p, b.op("Unsqueeze", {a.v, b.ints({2})})});
  y = b.op("Reshape", {y, joined(b, {a.batch, rest, a.rows, extent_of(b, a.v, 3)})});
  if (b.input(0).rank() == 3) {
    const Ref turned = b.op("Transpose", {y}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
    y = b.op("Reshape", {turned, joined(b, {a.batch, a.rows, rest})});
  }
  const Ref shown[] = {products, scores, biased, p};
  const Ref chosen = shown[b.attrs().integer("qk_matmul_output_mode")];
  return Expansion(std::vector<Ref>{cast_like(b, y, b.in(0)), cast_like(b, a.k, b.in(1)), cast_like(b, a.v, b.in(2)),
                                    cast_like(b, chosen, b.in(0))});
}

/// Without the caller's graphs: softmax(scale * Q K^T) V per head.
Expansion flex_form(OpBuilder& b) {
  if (b.attrs().has("score_mod") || b.attrs().has("prob_mod")) {
    return Expansion::refuse("FlexAttention with graphs between its steps");
  }
  const Ref q = wide(b, b.in(0)), k = wide(b, b.in(1)), v = wide(b, b.in(2));
  const Ref batch = extent_of(b, q, 0), shared = extent_of(b, k, 1), rows = extent_of(b, q, 2),
            size = extent_of(b, q, 3);
  const Ref rest = b.ints({-1}), grouped = b.op("Reshape", {q, joined(b, {batch, shared, rest, rows, size})});
  const Ref scale = b.attrs().has("scale")
                        ? number(b, q, b.attrs().real("scale"))
                        : b.op("Reciprocal", {b.op("Sqrt", {cast_like(b, b.op("Squeeze", {size, b.ints({0})}), q)})});
  const Ref keys =
      b.op("Transpose", {b.op("Unsqueeze", {k, b.ints({2})})}, {{"perm", std::vector<int64_t>{0, 1, 2, 4, 3}}});
  Ref scores = mul(b, b.op("MatMul", {grouped, keys}), scale);
  const bool precise = b.attrs().has("softmax_precision");
  if (precise) scores = b.op("Cast", {scores}, {{"to", b.attrs().integer("softmax_precision")}});
  Ref p = b.op("Softmax", {scores}, {{"axis", -1}});
  if (precise) p = cast_like(b, p, q);
  const Ref y = b.op("MatMul", {p, b.op("Unsqueeze", {v, b.ints({2})})});
  return cast_like(b, b.op("Reshape", {y, joined(b, {batch, rest, rows, extent_of(b, v, 3)})}), b.in(0));
}

Expansion rotary_form(OpBuilder& b) {
  const int rank = b.input(0).rank();
  if (rank != 3 && rank != 4) return Expansion::refuse("RotaryEmbedding of unknown rank");
  const int64_t turned = b.attrs().integer("rotary_embedding_dim");
  // [batch, steps, heads, size].
  const Ref x = rank == 4 ? b.op("Transpose", {b.in(0)}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}})
                          : b.op("Reshape", {b.in(0), b.ints({0, 0, b.attrs().integer("num_heads"), -1})});
  const auto angle = [&](int i) {
    const Ref cache = b.has_input(3) ? b.op("Gather", {b.in(i), b.in(3)}, {{"axis", 0}}) : b.in(i);
    return b.op("Unsqueeze", {cache, b.ints({2})});
  };
  const auto slice = [&](Ref v, int64_t from, int64_t to, int64_t step) {
    return b.op("Slice", {v, b.ints({from}), b.ints({to}), b.ints({-1}), b.ints({step})});
  };
  const Ref part = turned == 0 ? x : slice(x, 0, turned, 1);
  const bool interleaved = b.attrs().integer("interleaved") != 0;
  std::vector<Ref> halves;
  if (interleaved) {
    halves = {slice(part, 0, INT64_MAX, 2), slice(part, 1, INT64_MAX, 2)};
  } else {
    halves = b.emit("Split", {&part, 1}, {{"axis", -1}, {"num_outputs", 2}}, 2);
  }
  const Ref c = angle(1), s = angle(2);
  const Ref first = sub(b, mul(b, c, halves[0]), mul(b, s, halves[1])),
            second = add(b, mul(b, s, halves[0]), mul(b, c, halves[1]));
  Ref y;
  if (interleaved) {
    const Ref last = b.ints({-1});
    y = reshape(b,
                b.op("Concat", {b.op("Unsqueeze", {first, last}), b.op("Unsqueeze", {second, last})}, {{"axis", -1}}),
                shape_of(b, part));
  } else {
    y = b.op("Concat", {first, second}, {{"axis", -1}});
  }
  if (turned != 0) y = b.op("Concat", {y, slice(x, turned, INT64_MAX, 1)}, {{"axis", -1}});
  return rank == 4 ? b.op("Transpose", {y}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}})
                   : reshape(b, y, shape_of(b, b.in(0)));
}

}  // namespace

void attention_rule(GradContext& b) { b.through(attention_form); }
void flex_attention_rule(GradContext& b) { b.through(flex_form); }

/// The rotation back; the caches' own gradients by the definition.
void rotary_rule(GradContext& b) {
  if (b.wanted(1) || b.wanted(2)) return b.through(rotary_form);
  const Ref positions = b.has_input(3) ? b.in(3) : Ref{};
  b.set_gradient(0, b.op("RotaryEmbedding", {b.out_gradient(0), b.in(1), neg(b, b.in(2)), positions}, b.attrs().all()));
}

/// Recurrent cells: the operands again, after the gradients of the outputs; the results are gradients of the operands.
void cell_rule(GradContext& b, std::string_view op, int outputs, std::initializer_list<int> operands) {
  std::vector<Ref> inputs;
  for (int i = 0; i < outputs; ++i) inputs.push_back(b.out_gradient(i));
  for (int i = 0; i < b.inputs(); ++i) inputs.push_back(b.has_input(i) ? b.in(i) : Ref{});
  int wanted = 0, at = 0;
  for (const int i : operands) {
    ++at;
    if (b.wanted(i)) wanted = at;
  }
  b.next("chorus", 0);
  const auto gradients = b.emit(op, inputs, b.attrs().all(), wanted);
  at = 0;
  for (const int i : operands) {
    if (at < wanted && b.wanted(i)) b.set_gradient(i, gradients[static_cast<size_t>(at)]);
    ++at;
  }
}
void rnn_rule(GradContext& b) { cell_rule(b, "RNNGrad", 2, {0, 1, 2, 3, 5}); }
void gru_rule(GradContext& b) { cell_rule(b, "GRUGrad", 2, {0, 1, 2, 3, 5}); }
void lstm_rule(GradContext& b) { cell_rule(b, "LSTMGrad", 3, {0, 1, 2, 3, 5, 6, 7}); }
void linear_attention_rule(GradContext& b) { cell_rule(b, "LinearAttentionGrad", 2, {0, 1, 2, 3, 4, 5}); }

}  // namespace chorus::gradients
