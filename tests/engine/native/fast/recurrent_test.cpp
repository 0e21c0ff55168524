// Recurrent cells at every level against float64, all operands between unmapped pages.
#include "support.h"

namespace chorus::fast::testing {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Case {
  Cell cell;
  int64_t steps, batch, hidden, directions;
  bool reverse, lengths, states;
};

/// The numbers of one case; `x` [steps, batch, directions, gates, hidden] before it is brought into columns.
struct Operands {
  Guarded x, r, reset_bias, h, c;
  std::vector<int32_t> lengths;
};

/// One step in float64: h and c in place.
void step(const Case& k, const float* x, const float* r, const float* reset, std::vector<double>& h,
          std::vector<double>& c) {
  const int64_t n = k.hidden, gates = cell_gates(k.cell);
  std::vector<double> sum(static_cast<size_t>(gates * n));
  const auto product = [&](int64_t row, const std::vector<double>& v) {
    double s = 0;
    for (int64_t i = 0; i < n; ++i) s += r[row * n + i] * v[static_cast<size_t>(i)];
    return s;
  };
  for (int64_t row = 0; row < gates * n; ++row) sum[static_cast<size_t>(row)] = product(row, h);
  const auto in = [&](int64_t gate, int64_t i) { return static_cast<double>(x[gate * n + i]); };
  const auto own = [&](int64_t gate, int64_t i) { return sum[static_cast<size_t>(gate * n + i)]; };
  std::vector<double> next(static_cast<size_t>(n)), faded(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    if (k.cell == Cell::gru || k.cell == Cell::gru_reset_after) faded[at] = sigmoid(in(1, i) + own(1, i)) * h[at];
  }
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    if (k.cell == Cell::rnn_tanh) next[at] = std::tanh(in(0, i) + own(0, i));
    if (k.cell == Cell::rnn_relu) next[at] = std::fmax(0, in(0, i) + own(0, i));
    if (k.cell == Cell::lstm) {
      c[at] = sigmoid(in(2, i) + own(2, i)) * c[at] + sigmoid(in(0, i) + own(0, i)) * std::tanh(in(3, i) + own(3, i));
      next[at] = sigmoid(in(1, i) + own(1, i)) * std::tanh(c[at]);
    }
    if (k.cell == Cell::gru || k.cell == Cell::gru_reset_after) {
      const double z = sigmoid(in(0, i) + own(0, i)), gate = sigmoid(in(1, i) + own(1, i));
      const double candidate = k.cell == Cell::gru ? std::tanh(in(2, i) + product(2 * n + i, faded))
                                                   : std::tanh(in(2, i) + gate * (own(2, i) + reset[i]));
      next[at] = (1 - z) * candidate + z * h[at];
    }
  }
  h = next;
}

std::vector<double> want(const Case& k, const Operands& o) {
  const int64_t n = k.hidden, gates = cell_gates(k.cell);
  std::vector<double> y(static_cast<size_t>(k.steps * k.directions * k.batch * n));
  for (int64_t d = 0; d < k.directions; ++d) {
    for (int64_t b = 0; b < k.batch; ++b) {
      const float *h0 = o.h.data() + (d * k.batch + b) * n, *c0 = o.c.data() + (d * k.batch + b) * n;
      std::vector<double> h(static_cast<size_t>(n)), c(static_cast<size_t>(n));
      if (k.states) h.assign(h0, h0 + n), c.assign(c0, c0 + n);
      const int64_t length = k.lengths ? o.lengths[static_cast<size_t>(b)] : k.steps;
      for (int64_t i = 0; i < length; ++i) {
        const int64_t t = d == 1 || k.reverse ? length - 1 - i : i;
        step(k, o.x.data() + ((t * k.batch + b) * k.directions + d) * gates * n, o.r.data() + d * gates * n * n,
             o.reset_bias.data() + d * n, h, c);
        std::copy(h.begin(), h.end(), y.begin() + ((t * k.directions + d) * k.batch + b) * n);
      }
    }
  }
  return y;
}

void run(const FastKernels& f, const Case& k, const Operands& o, int threads, Guarded& y) {
  const int64_t n = k.hidden, gates = cell_gates(k.cell), group = f.recurrent_group;
  const int64_t width = recurrent_groups(n, group) * group, columns = width * gates;
  Guarded x(static_cast<size_t>(k.steps * k.batch * k.directions * columns)),
      reset(static_cast<size_t>(k.directions * width));
  for (int64_t row = 0; row < k.steps * k.batch * k.directions; ++row) {
    for (int64_t gate = 0; gate < gates; ++gate) {
      for (int64_t i = 0; i < n; ++i)
        x[static_cast<size_t>(row * columns + recurrent_column(gates, gate, i, group))] =
            o.x[static_cast<size_t>((row * gates + gate) * n + i)];
    }
  }
  for (int64_t d = 0; d < k.directions; ++d)
    std::memcpy(reset.data() + d * width, o.reset_bias.data() + d * n, static_cast<size_t>(n) * 4);
  const size_t one = f.recurrent_packed_floats(k.cell, n);
  Room packed(one * static_cast<size_t>(k.directions) * 4);
  for (int64_t d = 0; d < k.directions; ++d)
    f.recurrent_pack(k.cell, n, o.r.data() + d * gates * n * n, packed.data() + d * static_cast<int64_t>(one));
  RecurrentArgs a;
  a.cell = k.cell, a.steps = k.steps, a.batch = k.batch, a.hidden = n, a.directions = k.directions,
  a.reverse_first = k.reverse;
  a.projected = x.data();
  a.projected_direction = columns, a.projected_sequence = k.directions * columns,
  a.projected_step = k.batch * k.directions * columns;
  a.weights = packed.data();
  if (k.cell == Cell::gru_reset_after) a.reset_bias = reset.data();
  if (k.lengths) a.lengths = o.lengths.data();
  if (k.states) a.h = o.h.data(), a.c = o.c.data();
  a.y = y.data();
  a.y_direction = k.batch * n, a.y_sequence = n, a.y_step = k.directions * k.batch * n;
  a.state_direction = k.batch * n, a.state_sequence = n;
  Room scratch(f.recurrent_scratch_bytes(a, threads));
  a.scratch = scratch.data();
  f.recurrent_run(a, pool_of(threads));
}

TEST(FastRecurrent, AllCellsAtEveryLevel) {
  Random random(61);
  for (int i = 0; i < (kSanitized ? 40 : 200); ++i) {
    Case k{static_cast<Cell>(i % 5), random.whole(0, 6),
           random.whole(1, 7),       random.whole(1, i % 7 == 0 ? 80 : 36),
           random.whole(1, 2),       false,
           random.whole(0, 1) == 0,  random.whole(0, 1) == 0};
    k.reverse = k.directions == 1 && random.whole(0, 1) == 0;
    const int64_t n = k.hidden, gates = cell_gates(k.cell);
    const float scale = 1.0f / std::sqrt(static_cast<float>(n));
    Operands o{random.fill(k.steps * k.batch * k.directions * gates * n),
               random.fill(k.directions * gates * n * n, -scale, scale),
               random.fill(k.directions * n),
               random.fill(k.directions * k.batch * n),
               random.fill(k.directions * k.batch * n),
               {}};
    for (int64_t b = 0; b < k.batch; ++b) o.lengths.push_back(static_cast<int32_t>(random.whole(0, k.steps)));
    const std::vector<double> truth = want(k, o);
    for (const FastKernels* f : levels()) {
      Guarded first(truth.size()), again(truth.size());
      run(*f, k, o, 1, first);
      run(*f, k, o, 3, again);
      ASSERT_EQ(std::memcmp(first.data(), again.data(), truth.size() * 4), 0) << f->name << " case " << i;
      for (size_t at = 0; at < truth.size(); ++at)
        ASSERT_NEAR(first[at], truth[at], 2e-6) << f->name << " case " << i << " cell " << i % 5 << " at " << at;
    }
  }
}

}  // namespace
}  // namespace chorus::fast::testing
