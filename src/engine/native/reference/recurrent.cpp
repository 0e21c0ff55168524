// Recurrent cells (RNN, GRU, LSTM) and linear attention: steps in order, sequences of a batch and directions side by side; float64.
#include <engine/native/reference/recurrent.h>
#include <ops/chosen.h>

#include <array>
#include <cmath>

namespace chorus::native {
namespace {
using namespace recurrent;
using support::no_memory;
using support::temporary;
using support::widen;

/// What one sequence carries from step to step, and room for its gates.
struct State {
  double *h, *c, *gates, *recurrent;
};

void rnn_step(const Cell& cell, int64_t d, State& s) noexcept {
  for (int64_t i = 0; i < cell.hidden; ++i) {
    s.h[i] =
        cell.function(0, d, 1, s.gates[i] + s.recurrent[i] + bias_of(cell, d, i, false) + bias_of(cell, d, i, true));
  }
}

void gru_step(const Cell& cell, int64_t d, State& s) noexcept {
  const int64_t n = cell.hidden;
  const auto linear = [&](int64_t i) {
    return s.gates[i] + s.recurrent[i] + bias_of(cell, d, i, false) + bias_of(cell, d, i, true);
  };
  for (int64_t i = 0; i < 2 * n; ++i) s.gates[i] = cell.function(0, d, 2, linear(i));  // z, r
  if (!cell.reset_after) {  // (r . h) R instead of r . (h R)
    for (int64_t i = 0; i < n; ++i) s.c[i] = s.gates[n + i] * s.h[i];
    multiply(cell.r + (d * 3 + 2) * n * n, s.c, n, n, s.recurrent + 2 * n);
  }
  for (int64_t i = 0; i < n; ++i) {
    const int64_t k = 2 * n + i;
    double v = s.recurrent[k] + bias_of(cell, d, k, true);
    if (cell.reset_after) v *= s.gates[n + i];
    const double candidate = cell.function(1, d, 2, s.gates[k] + bias_of(cell, d, k, false) + v), z = s.gates[i];
    s.h[i] = (1 - z) * candidate + z * s.h[i];
  }
}

void lstm_step(const Cell& cell, int64_t d, State& s) noexcept {
  const int64_t n = cell.hidden;
  const auto linear = [&](int64_t i) {
    return s.gates[i] + s.recurrent[i] + bias_of(cell, d, i, false) + bias_of(cell, d, i, true);
  };
  const auto peep = [&](int64_t gate, int64_t i, double c) {
    return cell.peephole == nullptr ? 0 : cell.peephole[(d * 3 + gate) * n + i] * c;
  };
  for (int64_t i = 0; i < n; ++i) {  // gates in the order input, output, forget, cell; peepholes input, output, forget
    const double in = cell.function(0, d, 3, linear(i) + peep(0, i, s.c[i]));
    const double forget = cell.couple ? 1 - in : cell.function(0, d, 3, linear(2 * n + i) + peep(2, i, s.c[i]));
    const double c = forget * s.c[i] + in * cell.function(1, d, 3, linear(3 * n + i));
    const double out = cell.function(0, d, 3, linear(n + i) + peep(1, i, c));
    s.c[i] = c;
    s.h[i] = out * cell.function(2, d, 3, c);
  }
}

Status check(const TensorView& t, std::initializer_list<int64_t> dims, const char* what) noexcept {
  if (t.rank == static_cast<int32_t>(dims.size()) && std::equal(dims.begin(), dims.end(), t.dims)) return {};
  return Status::error(Code::shape, "%s has not the shape that the other operands ask for", what);
}

/// Operands in ONNX's order: X, W, R, B, sequence_lens, initial_h, initial_c, P.
Status read_operands(KernelContext& ctx, Cell* cell) noexcept {
  const int64_t rows = cell->gates * cell->hidden, d = cell->directions, b = cell->batch, n = cell->hidden;
  const bool first = cell->batch_first;
  if (Status s = check(ctx.in[1], {d, rows, cell->input}, "W"); !s.ok()) return s;
  if (Status s = check(ctx.in[2], {d, rows, n}, "R"); !s.ok()) return s;
  const auto optional = [&](int i, std::initializer_list<int64_t> dims, const char* what, const double** out) {
    if (!ctx.has(i)) return Status();
    if (Status s = check(ctx.in[i], dims, what); !s.ok()) return s;
    *out = widen<double>(ctx, ctx.in[i]);
    return *out == nullptr ? no_memory() : Status();
  };
  if (Status s = optional(3, {d, 2 * rows}, "B", &cell->bias); !s.ok()) return s;
  const auto states = first ? std::array<int64_t, 3>{b, d, n} : std::array<int64_t, 3>{d, b, n};
  if (Status s = optional(5, {states[0], states[1], states[2]}, "initial_h", &cell->h); !s.ok()) return s;
  if (Status s = optional(6, {states[0], states[1], states[2]}, "initial_c", &cell->c); !s.ok()) return s;
  if (Status s = optional(7, {d, 3 * n}, "P", &cell->peephole); !s.ok()) return s;
  if (ctx.has(4)) {
    if (Status s = check(ctx.in[4], {b}, "sequence_lens"); !s.ok()) return s;
    cell->lengths = &ctx.in[4];
    for (int64_t i = 0; i < b; ++i) {
      const int64_t length = get_i64(ctx.in[4].dtype, ctx.in[4].data, i);
      if (length < 0 || length > cell->steps) {
        return Status::error(Code::bad_input, "sequence length %lld at position %lld is not in [0, %lld]",
                             static_cast<long long>(length), static_cast<long long>(i),
                             static_cast<long long>(cell->steps));
      }
    }
  }
  cell->x = widen<double>(ctx, ctx.in[0]);
  cell->w = widen<double>(ctx, ctx.in[1]);
  cell->r = widen<double>(ctx, ctx.in[2]);
  return cell->x == nullptr || cell->w == nullptr || cell->r == nullptr ? no_memory() : Status();
}

template <Kind kind>
void run_sequence(KernelContext& ctx, const Cell& cell, int64_t d, int64_t b, State s) noexcept {
  const int64_t n = cell.hidden, rows = cell.gates * n;
  const int64_t length = cell.lengths == nullptr ? cell.steps : get_i64(cell.lengths->dtype, cell.lengths->data, b);
  const bool backwards = d == 1 || cell.reverse_first;
  const int64_t state = cell.state_at(d, b);
  for (int64_t i = 0; i < n; ++i) {
    s.h[i] = cell.h != nullptr ? cell.h[state + i] : 0;
    s.c[i] = cell.c != nullptr ? cell.c[state + i] : 0;
  }
  for (int64_t step = 0; step < length; ++step) {
    const int64_t t = backwards ? length - 1 - step : step;
    multiply(cell.w + d * rows * cell.input, cell.x + cell.x_at(t, b), rows, cell.input, s.gates);
    multiply(cell.r + d * rows * n, s.h, rows, n, s.recurrent);
    if constexpr (kind == Kind::rnn) rnn_step(cell, d, s);
    if constexpr (kind == Kind::gru) gru_step(cell, d, s);
    if constexpr (kind == Kind::lstm) lstm_step(cell, d, s);
    if (ctx.wants(0)) store_f64(ctx.out[0].dtype, ctx.out[0].data, cell.y_at(t, d, b), n, s.h);
  }
  if (ctx.wants(1)) store_f64(ctx.out[1].dtype, ctx.out[1].data, state, n, s.h);
  if (kind == Kind::lstm && ctx.wants(2)) store_f64(ctx.out[2].dtype, ctx.out[2].data, state, n, s.c);
  if (!ctx.wants(0)) return;
  std::fill(s.h, s.h + n, 0.0);  // steps after the sequence's end
  for (int64_t t = length; t < cell.steps; ++t)
    store_f64(ctx.out[0].dtype, ctx.out[0].data, cell.y_at(t, d, b), n, s.h);
}

}  // namespace

Status recurrent::read_cell(KernelContext& ctx, Kind kind, Cell* out) noexcept {
  Cell& cell = *out;
  const TensorView &x = ctx.in[0], &r = ctx.in[2];
  if (x.rank != 3 || r.rank != 3) return Status::error(Code::shape, "X and R have rank 3");
  const AttrReader& attrs = *ctx.attrs;
  const std::string_view direction = attrs.string("direction", "forward");
  cell.batch_first = attrs.integer("layout") != 0;
  cell.steps = x.dims[cell.batch_first ? 1 : 0];
  cell.batch = x.dims[cell.batch_first ? 0 : 1];
  cell.input = x.dims[2];
  cell.hidden = r.dims[2];
  cell.directions = direction == "bidirectional" ? 2 : 1;
  cell.reverse_first = direction == "reverse";
  cell.gates = gates_of(kind);
  cell.reset_after = attrs.integer("linear_before_reset") != 0;
  cell.couple = attrs.integer("input_forget") != 0;
  cell.clip = attrs.real("clip");
  const int per_direction = kind == Kind::rnn ? 1 : kind == Kind::gru ? 2 : 3;
  const std::string_view defaults[3] = {kind == Kind::rnn ? "Tanh" : "Sigmoid", "Tanh", "Tanh"};
  if (const char* wrong = read_activations(attrs, per_direction, cell.directions, defaults, cell.functions);
      wrong != nullptr) {
    return Status::error(Code::bad_input, "%s", wrong);
  }
  return read_operands(ctx, out);
}

namespace {

template <Kind kind>
Status recurrent_kernel(KernelContext& ctx) noexcept {
  Cell cell;
  if (Status s = read_cell(ctx, kind, &cell); !s.ok()) return s;
  const int64_t room = cell.hidden * (2 + 2 * cell.gates), tasks = cell.directions * cell.batch;
  double* memory = temporary<double>(ctx, checked_mul(room, tasks));
  if (memory == nullptr) return no_memory();
  return support::parallel(
      ctx, tasks, support::grain_for(cell.steps * cell.gates * cell.hidden * (cell.input + cell.hidden)),
      [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
          double* own = memory + task * room;
          const State s{own, own + cell.hidden, own + 2 * cell.hidden, own + (2 + cell.gates) * cell.hidden};
          run_sequence<kind>(ctx, cell, task / cell.batch, task % cell.batch, s);
        }
      });
}

// LinearAttention ----------------------------------------------------------------------------------------------------------------

/// One head's recurrence: state [key_size, value_size], `line` room for one value vector.
void attend(KernelContext& ctx, const Heads& s, int64_t b, int64_t head, double* state, double* line) noexcept {
  const int64_t group = s.query / s.shared, keys = s.key_size, values = s.value_size;
  for (int64_t t = 0; t < s.steps; ++t) {
    const int64_t at = b * s.steps + t;
    const double *k = s.k + (at * s.shared + head) * keys, *v = s.v + (at * s.shared + head) * values;
    for (int64_t i = 0; i < keys && s.decay != nullptr; ++i) {
      const double factor = std::exp(s.decay[(at * s.shared + head) * s.decay_size + (s.decay_size == 1 ? 0 : i)]);
      for (int64_t j = 0; j < values; ++j) state[i * values + j] *= factor;
    }
    std::copy(v, v + values, line);
    if (s.correct) {
      const double rate = s.beta[at * s.beta_heads + (s.beta_heads == 1 ? 0 : head)];
      for (int64_t i = 0; i < keys; ++i) {
        for (int64_t j = 0; j < values; ++j) line[j] -= state[i * values + j] * k[i];
      }
      for (int64_t j = 0; j < values; ++j) line[j] *= rate;
    }
    for (int64_t i = 0; i < keys; ++i) {
      for (int64_t j = 0; j < values; ++j) state[i * values + j] += k[i] * line[j];
    }
    if (!ctx.wants(0)) continue;
    for (int64_t g = 0; g < group; ++g) {
      const int64_t out = at * s.query + head * group + g;
      std::fill(line, line + values, 0.0);
      for (int64_t i = 0; i < keys; ++i) {
        for (int64_t j = 0; j < values; ++j) line[j] += s.scale * s.q[out * keys + i] * state[i * values + j];
      }
      store_f64(ctx.out[0].dtype, ctx.out[0].data, out * values, values, line);
    }
  }
}

}  // namespace

Status recurrent::read_heads(KernelContext& ctx, Heads* s) noexcept {
  const TensorView &q = ctx.in[0], &k = ctx.in[1], &v = ctx.in[2];
  s->query = ctx.attrs->integer("q_num_heads");
  s->shared = ctx.attrs->integer("kv_num_heads");
  if (s->query < 1 || s->shared < 1 || s->query % s->shared != 0) {
    return Status::error(Code::bad_input, "q_num_heads %lld is not a multiple of kv_num_heads %lld",
                         static_cast<long long>(s->query), static_cast<long long>(s->shared));
  }
  if (q.rank != 3 || k.rank != 3 || v.rank != 3) return Status::error(Code::shape, "query, key and value have rank 3");
  s->batch = q.dims[0];
  s->steps = q.dims[1];
  s->key_size = q.dims[2] / s->query;
  s->value_size = v.dims[2] / s->shared;
  if (Status st = check(q, {s->batch, s->steps, s->query * s->key_size}, "query"); !st.ok()) return st;
  if (Status st = check(k, {s->batch, s->steps, s->shared * s->key_size}, "key"); !st.ok()) return st;
  if (Status st = check(v, {s->batch, s->steps, s->shared * s->value_size}, "value"); !st.ok()) return st;
  if (ctx.has(3)) {
    if (Status st = check(ctx.in[3], {s->batch, s->shared, s->key_size, s->value_size}, "past_state"); !st.ok())
      return st;
  }
  const std::string_view rule = ctx.attrs->string("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta";
  s->correct = rule == "delta" || rule == "gated_delta";
  if (gated != ctx.has(4) || s->correct != ctx.has(5))
    return Status::error(Code::bad_input, "decay and beta do not fit the update rule");
  if (gated) {
    s->decay_size = ctx.in[4].rank == 3 && ctx.in[4].dims[2] == s->shared ? 1 : s->key_size;
    if (Status st = check(ctx.in[4], {s->batch, s->steps, s->shared * s->decay_size}, "decay"); !st.ok()) return st;
  }
  if (s->correct) {
    s->beta_heads = ctx.in[5].rank == 3 && ctx.in[5].dims[2] == 1 ? 1 : s->shared;
    if (Status st = check(ctx.in[5], {s->batch, s->steps, s->beta_heads}, "beta"); !st.ok()) return st;
  }
  const double** wide[] = {&s->q, &s->k, &s->v, &s->past, &s->decay, &s->beta};
  for (int i = 0; i < 6; ++i) {
    if (!ctx.has(i)) continue;
    *wide[i] = widen<double>(ctx, ctx.in[i]);
    if (*wide[i] == nullptr) return no_memory();
  }
  const double scale = ctx.attrs->real("scale");
  s->scale = scale != 0 ? scale : 1 / std::sqrt(static_cast<double>(s->key_size));
  return {};
}

namespace {

Status linear_attention(KernelContext& ctx) noexcept {
  Heads s{};
  if (Status st = read_heads(ctx, &s); !st.ok()) return st;
  const int64_t size = s.key_size * s.value_size, tasks = s.batch * s.shared;
  double* states = temporary<double>(ctx, checked_mul(tasks, size + s.value_size));
  if (states == nullptr) return no_memory();
  return support::parallel(ctx, tasks, support::grain_for(s.steps * size * 4), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      double* state = states + task * (size + s.value_size);
      if (s.past != nullptr) {
        std::copy(s.past + task * size, s.past + (task + 1) * size, state);
      } else {
        std::fill(state, state + size, 0.0);
      }
      attend(ctx, s, task / s.shared, task % s.shared, state, state + size);
      if (ctx.wants(1)) store_f64(ctx.out[1].dtype, ctx.out[1].data, task * size, size, state);
    }
  });
}

constexpr KernelRow kKernels[] = {
    {"RNN", recurrent_kernel<Kind::rnn>},
    {"GRU", recurrent_kernel<Kind::gru>},
    {"LSTM", recurrent_kernel<Kind::lstm>},
    {"LinearAttention", linear_attention},
};

}  // namespace

std::span<const KernelRow> reference::recurrent_kernels() { return chosen<kKernels>(); }

}  // namespace chorus::native
