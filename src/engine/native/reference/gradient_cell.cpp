// Gradients of RNN, GRU and LSTM: each sequence is run forwards once more with everything kept, then backwards.
#include <engine/native/reference/gradient.h>
#include <engine/native/reference/recurrent.h>

#include <cmath>

namespace chorus::native::gradient {
namespace {
using namespace recurrent;
using support::no_memory;
using support::temporary;
using support::widen;

/// Gradients of the outputs and sums for those of the operands; null: not given, not wanted.
struct Sums {
  const double *dy = nullptr, *dh = nullptr, *dc = nullptr;
  double *x = nullptr, *w = nullptr, *r = nullptr, *bias = nullptr, *h = nullptr, *c = nullptr, *peephole = nullptr;
};

/// What a step leaves: state before it, arguments and values of the gates, and of the GRU what enters the candidate.
struct Step {
  double *h, *c, *argument, *value, *inner;
};

/// Room of one direction: the steps, and vectors of the walk back.
struct Tape {
  const Cell& cell;
  double* memory;
  int64_t rows() const noexcept { return cell.gates * cell.hidden; }
  static int64_t size(const Cell& cell) noexcept {
    const int64_t step = cell.hidden * (3 + 2 * cell.gates);
    return checked_mul(cell.steps + 2, step);
  }
  Step step(int64_t i) const noexcept {
    const int64_t n = cell.hidden;
    double* at = memory + i * n * (3 + 2 * cell.gates);
    return {at, at + n, at + 2 * n, at + 2 * n + rows(), at + 2 * n + 2 * rows()};
  }
  /// dh, dc, their values before the step, and the gates' own.
  Step back() const noexcept { return step(cell.steps + 1); }
};

int functions_of(const Cell& cell) noexcept { return cell.gates == 1 ? 1 : cell.gates == 3 ? 2 : 3; }
double value(const Cell& cell, int which, int64_t d, double v) noexcept {
  return cell.function(which, d, functions_of(cell), v);
}
double slope(const Cell& cell, int which, int64_t d, double v) noexcept {
  if (cell.clip > 0 && (v < -cell.clip || v > cell.clip)) return 0;
  return cell.functions[d * functions_of(cell) + which].slope(v);
}

/// One step forwards from s to the state of `next`.
void forward(const Cell& cell, int64_t d, const Step& s, const Step& next, double* recurrent) noexcept {
  const int64_t n = cell.hidden;
  const auto both = [&](int64_t i) {
    return s.argument[i] + recurrent[i] + bias_of(cell, d, i, false) + bias_of(cell, d, i, true);
  };
  const auto gate = [&](int which, int64_t i, double argument) {
    s.argument[i] = argument;
    return s.value[i] = value(cell, which, d, argument);
  };
  if (cell.gates == 1) {
    for (int64_t i = 0; i < n; ++i) next.h[i] = gate(0, i, both(i));
    return;
  }
  if (cell.gates == 3) {
    for (int64_t i = 0; i < 2 * n; ++i) gate(0, i, both(i));
    for (int64_t i = 0; i < n; ++i)
      s.inner[i] =
          cell.reset_after ? recurrent[2 * n + i] + bias_of(cell, d, 2 * n + i, true) : s.value[n + i] * s.h[i];
    if (!cell.reset_after) multiply(cell.r + (d * 3 + 2) * n * n, s.inner, n, n, recurrent + 2 * n);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t k = 2 * n + i;
      const double from = cell.reset_after ? s.value[n + i] * s.inner[i] : recurrent[k] + bias_of(cell, d, k, true);
      next.h[i] =
          (1 - s.value[i]) * gate(1, k, s.argument[k] + bias_of(cell, d, k, false) + from) + s.value[i] * s.h[i];
    }
    return;
  }
  const auto peep = [&](int64_t which, int64_t i, double c) {
    return cell.peephole == nullptr ? 0 : cell.peephole[(d * 3 + which) * n + i] * c;
  };
  for (int64_t i = 0; i < n; ++i) {
    const double in = gate(0, i, both(i) + peep(0, i, s.c[i]));
    double forget = gate(0, 2 * n + i, both(2 * n + i) + peep(2, i, s.c[i]));
    if (cell.couple) forget = s.value[2 * n + i] = 1 - in;
    next.c[i] = forget * s.c[i] + in * gate(1, 3 * n + i, both(3 * n + i));
    next.h[i] = gate(0, n + i, both(n + i) + peep(1, i, next.c[i])) * value(cell, 2, d, next.c[i]);
  }
}

/// Gradients of the gates' arguments from those of the state after the step (g.h, g.c), which become those of the state before it as
/// far as they do not pass R. s: before the step, c_after: C after it. For the GRU g.inner is what the recurrent part of its candidate gets.
void back_rnn(const Cell& cell, int64_t d, const Step& s, Step& g) noexcept {
  for (int64_t i = 0; i < cell.hidden; ++i) {
    g.argument[i] = g.h[i] * slope(cell, 0, d, s.argument[i]);
    g.h[i] = 0;
  }
}
void back_gru(const Cell& cell, int64_t d, const Step& s, Step& g) noexcept {
  const int64_t n = cell.hidden;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t k = 2 * n + i;
    const double z = s.value[i], dh = g.h[i];
    g.argument[i] = dh * (s.h[i] - s.value[k]) * slope(cell, 0, d, s.argument[i]);
    g.argument[k] = dh * (1 - z) * slope(cell, 1, d, s.argument[k]);
    g.h[i] = dh * z;
  }
  if (cell.reset_after) {
    for (int64_t i = 0; i < n; ++i) {
      const double from = g.argument[2 * n + i];
      g.inner[i] = from * s.value[n + i];
      g.argument[n + i] = from * s.inner[i] * slope(cell, 0, d, s.argument[n + i]);
    }
    return;
  }
  const double* r = cell.r + (d * 3 + 2) * n * n;
  for (int64_t k = 0; k < n; ++k) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += r[i * n + k] * g.argument[2 * n + i];
    g.inner[k] = g.argument[2 * n + k];
    g.argument[n + k] = sum * s.h[k] * slope(cell, 0, d, s.argument[n + k]);
    g.h[k] += sum * s.value[n + k];
  }
}
void back_lstm(const Cell& cell, int64_t d, const Step& s, const double* c_after, double* peephole, Step& g) noexcept {
  const int64_t n = cell.hidden;
  const auto weight = [&](int64_t which, int64_t i) {
    return cell.peephole == nullptr ? 0 : cell.peephole[(d * 3 + which) * n + i];
  };
  const auto note = [&](int64_t which, int64_t i, double v) {
    if (peephole != nullptr) peephole[(d * 3 + which) * n + i] += v;
  };
  for (int64_t i = 0; i < n; ++i) {
    const double in = s.value[i], out = s.value[n + i], forget = s.value[2 * n + i], candidate = s.value[3 * n + i];
    const double d_out = g.h[i] * value(cell, 2, d, c_after[i]) * slope(cell, 0, d, s.argument[n + i]);
    const double dc = g.c[i] + g.h[i] * out * slope(cell, 2, d, c_after[i]) + d_out * weight(1, i);
    const double d_forget = cell.couple ? 0 : dc * s.c[i] * slope(cell, 0, d, s.argument[2 * n + i]);
    const double d_in = (dc * candidate - (cell.couple ? dc * s.c[i] : 0)) * slope(cell, 0, d, s.argument[i]);
    g.argument[i] = d_in;
    g.argument[n + i] = d_out;
    g.argument[2 * n + i] = d_forget;
    g.argument[3 * n + i] = dc * in * slope(cell, 1, d, s.argument[3 * n + i]);
    note(0, i, d_in * s.c[i]);
    note(1, i, d_out * c_after[i]);
    note(2, i, d_forget * s.c[i]);
    g.c[i] = dc * forget + d_in * weight(0, i) + d_forget * weight(2, i);
    g.h[i] = 0;
  }
}

/// Sums of the weights; dx; and what passes R to dh.
void spread(const Cell& cell, int64_t d, const Step& s, const double* x, double* dx, const Sums& sums,
            Step& g) noexcept {
  const int64_t n = cell.hidden, rows = cell.gates * n;
  for (int64_t i = 0; i < rows; ++i) {
    // The GRU's candidate sees h through the reset gate.
    const bool candidate = cell.gates == 3 && i >= 2 * n;
    const double own = g.argument[i], through = candidate ? g.inner[i - 2 * n] : own;
    const double* state = candidate && !cell.reset_after ? s.inner : s.h;
    if (sums.bias != nullptr) {
      sums.bias[d * 2 * rows + i] += own;
      sums.bias[d * 2 * rows + rows + i] += through;
    }
    const double *w = cell.w + (d * rows + i) * cell.input, *r = cell.r + (d * rows + i) * n;
    for (int64_t k = 0; k < cell.input; ++k) {
      if (sums.w != nullptr) sums.w[(d * rows + i) * cell.input + k] += own * x[k];
      if (dx != nullptr) dx[k] += own * w[k];
    }
    for (int64_t k = 0; k < n; ++k) {
      if (sums.r != nullptr) sums.r[(d * rows + i) * n + k] += through * state[k];
      if (!candidate || cell.reset_after) g.h[k] += through * r[k];
    }
  }
}

void run_sequence(const Cell& cell, int64_t d, int64_t b, const Tape& tape, const Sums& sums) noexcept {
  const int64_t n = cell.hidden, rows = tape.rows(), state = cell.state_at(d, b);
  const int64_t length = cell.lengths == nullptr ? cell.steps : get_i64(cell.lengths->dtype, cell.lengths->data, b);
  const bool backwards = d == 1 || cell.reverse_first;
  const auto time = [&](int64_t i) { return backwards ? length - 1 - i : i; };
  Step g = tape.back();
  const Step first = tape.step(0);
  for (int64_t i = 0; i < n; ++i) {
    first.h[i] = cell.h != nullptr ? cell.h[state + i] : 0;
    first.c[i] = cell.c != nullptr ? cell.c[state + i] : 0;
  }
  for (int64_t i = 0; i < length; ++i) {
    const Step s = tape.step(i);
    multiply(cell.w + d * rows * cell.input, cell.x + cell.x_at(time(i), b), rows, cell.input, s.argument);
    multiply(cell.r + d * rows * n, s.h, rows, n, g.argument);
    forward(cell, d, s, tape.step(i + 1), g.argument);
  }
  for (int64_t i = 0; i < n; ++i) {
    g.h[i] = sums.dh != nullptr ? sums.dh[state + i] : 0;
    g.c[i] = sums.dc != nullptr ? sums.dc[state + i] : 0;
  }
  for (int64_t i = length - 1; i >= 0; --i) {
    const Step s = tape.step(i);
    const int64_t t = time(i);
    for (int64_t k = 0; sums.dy != nullptr && k < n; ++k) g.h[k] += sums.dy[cell.y_at(t, d, b) + k];
    if (cell.gates == 1) back_rnn(cell, d, s, g);
    if (cell.gates == 3) back_gru(cell, d, s, g);
    if (cell.gates == 4) back_lstm(cell, d, s, tape.step(i + 1).c, sums.peephole, g);
    spread(cell, d, s, cell.x + cell.x_at(t, b), sums.x == nullptr ? nullptr : sums.x + cell.x_at(t, b), sums, g);
  }
  if (sums.h != nullptr) std::copy(g.h, g.h + n, sums.h + state);
  if (sums.c != nullptr) std::copy(g.c, g.c + n, sums.c + state);
}

/// `first`: number of outputs of the cell, whose gradients stand before its operands.
Status cell_grad(KernelContext& ctx, Kind kind, int first) noexcept {
  KernelContext operands = ctx;
  operands.in = ctx.in + first;
  operands.n_in = ctx.n_in - first;
  if (ctx.values != nullptr) operands.values = ctx.values + first;
  Cell cell;
  if (Status s = read_cell(operands, kind, &cell); !s.ok()) return s;
  Sums sums;
  const double** given[] = {&sums.dy, &sums.dh, &sums.dc};
  const int64_t states = cell.directions * cell.batch * cell.hidden,
                sizes[] = {checked_mul(states, cell.steps), states, states};
  for (int i = 0; i < first; ++i) {
    if (!ctx.has(i)) continue;
    if (ctx.in[i].count != sizes[i])
      return Status::error(Code::shape, "the gradient of output %d has %lld elements, not %lld", i,
                           static_cast<long long>(ctx.in[i].count), static_cast<long long>(sizes[i]));
    if ((*given[i] = widen<double>(ctx, ctx.in[i])) == nullptr) return no_memory();
  }
  double** wanted[] = {&sums.x, &sums.w, &sums.r, &sums.bias, &sums.h, &sums.c, &sums.peephole};
  for (int o = 0; o < ctx.n_out; ++o) {
    if (ctx.wants(o) && ctx.out[o].count > 0 && (*wanted[o] = sums_for(ctx, ctx.out[o].count)) == nullptr)
      return no_memory();
  }
  const int64_t room = Tape::size(cell);
  double* memory = room < 0 ? nullptr : temporary<double>(ctx, room);
  if (memory == nullptr) return no_memory();
  const Tape tape{cell, memory};
  for (int64_t d = 0; d < cell.directions; ++d) {
    for (int64_t b = 0; b < cell.batch; ++b) run_sequence(cell, d, b, tape, sums);
  }
  for (int o = 0; o < ctx.n_out; ++o) {
    if (*wanted[o] != nullptr) store_sums(ctx.out[o], *wanted[o]);
  }
  return {};
}

}  // namespace

Status rnn_grad(KernelContext& ctx) noexcept { return cell_grad(ctx, Kind::rnn, 2); }
Status gru_grad(KernelContext& ctx) noexcept { return cell_grad(ctx, Kind::gru, 2); }
Status lstm_grad(KernelContext& ctx) noexcept { return cell_grad(ctx, Kind::lstm, 3); }

}  // namespace chorus::native::gradient
