// Gradient of LinearAttention: the states of one head are kept on the way forwards.
#include <engine/native/reference/gradient.h>
#include <engine/native/reference/recurrent.h>

#include <cmath>

namespace chorus::native::gradient {
namespace {
using recurrent::Heads;
using support::no_memory;
using support::temporary;
using support::widen;

struct Sums {
  const double *dy = nullptr, *dstate = nullptr;
  double *q = nullptr, *k = nullptr, *v = nullptr, *past = nullptr, *decay = nullptr, *beta = nullptr;
};

/// One head: state before each step after its decay, what was written, and the walk back.
struct Head {
  const Heads& s;
  const Sums& sums;
  int64_t b, head;
  double* decayed;   ///< [steps, keys, values]: S before the update, after the decay
  double* written;   ///< [steps, values]
  double* state;     ///< [keys, values]
  double* g;         ///< [keys, values]: gradient of the state
  int64_t keys() const noexcept { return s.key_size; }
  int64_t values() const noexcept { return s.value_size; }
  int64_t row(int64_t t) const noexcept { return (b * s.steps + t) * s.shared + head; }
  double factor(int64_t t, int64_t i) const noexcept {
    return s.decay == nullptr ? 1 : std::exp(s.decay[row(t) * s.decay_size + (s.decay_size == 1 ? 0 : i)]);
  }
  int64_t beta_at(int64_t t) const noexcept {
    return (b * s.steps + t) * s.beta_heads + (s.beta_heads == 1 ? 0 : head);
  }

  void forward() noexcept {
    for (int64_t t = 0; t < s.steps; ++t) {
      const double *k = s.k + row(t) * keys(), *v = s.v + row(t) * values();
      double *line = written + t * values(), *kept = decayed + t * keys() * values();
      for (int64_t i = 0; i < keys(); ++i) {
        for (int64_t j = 0; j < values(); ++j) state[i * values() + j] *= factor(t, i);
      }
      std::copy(state, state + keys() * values(), kept);
      for (int64_t j = 0; j < values(); ++j) {
        double left = v[j];
        for (int64_t i = 0; s.correct && i < keys(); ++i) left -= kept[i * values() + j] * k[i];
        line[j] = s.correct ? left * s.beta[beta_at(t)] : left;
      }
      for (int64_t i = 0; i < keys(); ++i) {
        for (int64_t j = 0; j < values(); ++j) state[i * values() + j] += k[i] * line[j];
      }
    }
  }

  /// o = scale · q S for the query heads of this one.
  void back_outputs(int64_t t) noexcept {
    const int64_t group = s.query / s.shared;
    const double *k = s.k + row(t) * keys(), *line = written + t * values(), *kept = decayed + t * keys() * values();
    for (int64_t one = 0; one < group && sums.dy != nullptr; ++one) {
      const int64_t out = (b * s.steps + t) * s.query + head * group + one;
      const double *q = s.q + out * keys(), *dy = sums.dy + out * values();
      for (int64_t i = 0; i < keys(); ++i) {
        double sum = 0;
        for (int64_t j = 0; j < values(); ++j) {
          sum += dy[j] * (kept[i * values() + j] + k[i] * line[j]);
          g[i * values() + j] += s.scale * q[i] * dy[j];
        }
        if (sums.q != nullptr) sums.q[out * keys() + i] += s.scale * sum;
      }
    }
  }

  void back(int64_t t) noexcept {
    back_outputs(t);
    const double *k = s.k + row(t) * keys(), *v = s.v + row(t) * values(), *line = written + t * values(),
                 *kept = decayed + t * keys() * values();
    const double rate = s.correct ? s.beta[beta_at(t)] : 1;
    for (int64_t j = 0; j < values(); ++j) {
      double d_line = 0, left = v[j];
      for (int64_t i = 0; i < keys(); ++i) {
        const double gij = g[i * values() + j];
        d_line += gij * k[i];
        if (sums.k != nullptr) sums.k[row(t) * keys() + i] += gij * line[j];
        if (s.correct) left -= kept[i * values() + j] * k[i];
      }
      if (s.correct && sums.beta != nullptr) sums.beta[beta_at(t)] += d_line * left;
      const double d_left = d_line * rate;
      if (sums.v != nullptr) sums.v[row(t) * values() + j] += d_left;
      for (int64_t i = 0; s.correct && i < keys(); ++i) {
        g[i * values() + j] -= d_left * k[i];
        if (sums.k != nullptr) sums.k[row(t) * keys() + i] -= d_left * kept[i * values() + j];
      }
    }
    for (int64_t i = 0; s.decay != nullptr && i < keys(); ++i) {
      for (int64_t j = 0; j < values(); ++j) {
        double& gij = g[i * values() + j];
        // d of exp(decay) · S: the decayed state itself.
        if (sums.decay != nullptr)
          sums.decay[row(t) * s.decay_size + (s.decay_size == 1 ? 0 : i)] += gij * kept[i * values() + j];
        gij *= factor(t, i);
      }
    }
  }
};

}  // namespace

Status linear_attention_grad(KernelContext& ctx) noexcept {
  KernelContext operands = ctx;
  operands.in = ctx.in + 2;
  operands.n_in = ctx.n_in - 2;
  if (ctx.values != nullptr) operands.values = ctx.values + 2;
  Heads s{};
  if (Status st = recurrent::read_heads(operands, &s); !st.ok()) return st;
  Sums sums;
  const int64_t size = s.key_size * s.value_size, heads = s.batch * s.shared;
  const double** given[] = {&sums.dy, &sums.dstate};
  const int64_t counts[] = {s.batch * s.steps * s.query * s.value_size, heads * size};
  for (int i = 0; i < 2; ++i) {
    if (!ctx.has(i)) continue;
    if (ctx.in[i].count != counts[i])
      return Status::error(Code::shape, "the gradient of output %d has %lld elements", i,
                           static_cast<long long>(ctx.in[i].count));
    if ((*given[i] = widen<double>(ctx, ctx.in[i])) == nullptr) return no_memory();
  }
  double** wanted[] = {&sums.q, &sums.k, &sums.v, &sums.past, &sums.decay, &sums.beta};
  for (int o = 0; o < ctx.n_out; ++o) {
    if (ctx.wants(o) && ctx.out[o].count > 0 && (*wanted[o] = sums_for(ctx, ctx.out[o].count)) == nullptr)
      return no_memory();
  }
  const int64_t room = checked_mul(s.steps + 2, size + s.value_size);
  double* memory = room < 0 ? nullptr : temporary<double>(ctx, room);
  if (memory == nullptr) return no_memory();
  for (int64_t task = 0; task < heads; ++task) {
    Head h{s, sums, task / s.shared, task % s.shared, memory, memory + s.steps * size, nullptr, nullptr};
    h.state = h.written + s.steps * s.value_size;
    h.g = h.state + size;
    for (int64_t i = 0; i < size; ++i) {
      h.state[i] = s.past != nullptr ? s.past[task * size + i] : 0;
      h.g[i] = sums.dstate != nullptr ? sums.dstate[task * size + i] : 0;
    }
    h.forward();
    for (int64_t t = s.steps - 1; t >= 0; --t) h.back(t);
    if (sums.past != nullptr) std::copy(h.g, h.g + size, sums.past + task * size);
  }
  for (int o = 0; o < ctx.n_out; ++o) {
    if (*wanted[o] != nullptr) store_sums(ctx.out[o], *wanted[o]);
  }
  return {};
}

}  // namespace chorus::native::gradient
