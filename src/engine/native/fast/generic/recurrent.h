// Recurrent cells: per step one pass over the packed recurrent weights, a group of units at a time, whose gates stay in registers until
// the new state is computed. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/generic/math.h>
#include <engine/native/fast/recurrent.h>

#include <core/thread_pool.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

constexpr int64_t recurrent_group = 2 * W;
constexpr int recurrent_tile = W == 16 ? 3 : 1;  ///< sequences that share a pass over the weights: 8 accumulators each

/// Gates of ONNX's order that one pass computes: [first, first + count).
struct Pass {
  int64_t first, count;
};
/// gru's candidate gate needs the reset gates of all units first.
CHORUS_FAST_INLINE int passes_of(Cell cell, Pass (&passes)[2]) {
  const int64_t gates = cell_gates(cell);
  passes[0] = {0, cell == Cell::gru ? 2 : gates};
  passes[1] = {2, 1};
  return cell == Cell::gru ? 2 : 1;
}

inline size_t recurrent_packed_floats(Cell cell, int64_t hidden) noexcept {
  return static_cast<size_t>(recurrent_groups(hidden, recurrent_group) * recurrent_group * cell_gates(cell) * hidden);
}

/// One direction of R [gates · hidden, hidden] into [pass][group][k][gate of the pass][unit].
inline void recurrent_pack(Cell cell, int64_t hidden, const float* r, float* packed) noexcept {
  Pass passes[2];
  const int count = passes_of(cell, passes);
  const int64_t groups = recurrent_groups(hidden, recurrent_group);
  for (int p = 0; p < count; ++p) {
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t k = 0; k < hidden; ++k) {
        for (int64_t gate = passes[p].first; gate < passes[p].first + passes[p].count; ++gate) {
          for (int64_t u = g * recurrent_group; u < (g + 1) * recurrent_group; ++u)
            *packed++ = u < hidden ? r[(gate * hidden + u) * hidden + k] : 0.0f;
        }
      }
    }
  }
}

/// What S sequences carry: rows of `width` floats (units, padded), one per sequence.
struct RecurrentRows {
  float *h, *next, *c, *reset;  // reset: gru's r · h
  int64_t width;
};

/// acc += h · weights over all k; weights of one group and G gates.
template <int G, int S>
CHORUS_FAST_INLINE void recurrent_sum(const float* w, const float* h, int64_t width, int64_t k, F (&acc)[S][G][2]) {
  for (int64_t i = 0; i < k; ++i, w += G * 2 * W) {
    F x[S];
#pragma GCC unroll 3
    for (int s = 0; s < S; ++s) x[s] = set1(h[s * width + i]);
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) {
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const F m = load(w + (g * 2 + v) * W);
#pragma GCC unroll 3
        for (int s = 0; s < S; ++s) acc[s][g][v] = fma(x[s], m, acc[s][g][v]);
      }
    }
  }
}

/// Begins with the projected inputs of gates [first, first + G) of one group.
template <int G, int S>
CHORUS_FAST_INLINE void recurrent_begin(const float* const (&x)[S], int64_t gates, int64_t group, int64_t first,
                                        F (&acc)[S][G][2]) {
#pragma GCC unroll 3
  for (int s = 0; s < S; ++s) {
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) {
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) acc[s][g][v] = load(x[s] + (group * gates + first + g) * recurrent_group + v * W);
    }
  }
}

template <int S>
inline void lstm_group(const float* w, const float* const (&x)[S], const RecurrentRows& r, int64_t hidden,
                       int64_t group) noexcept {
  F acc[S][4][2];
  recurrent_begin<4, S>(x, 4, group, 0, acc);
  recurrent_sum<4, S>(w, r.h, r.width, hidden, acc);
  for (int s = 0; s < S; ++s) {
    for (int v = 0; v < 2; ++v) {
      const int64_t at = s * r.width + group * recurrent_group + v * W;
      const F c = fma(sigmoid(acc[s][2][v]), load(r.c + at), sigmoid(acc[s][0][v]) * tanh(acc[s][3][v]));
      store(r.c + at, c);
      store(r.next + at, sigmoid(acc[s][1][v]) * tanh(c));
    }
  }
}

/// h' = (1 - z) · candidate + z · h
CHORUS_FAST_INLINE F gru_mix(F z, F candidate, F h) { return fma(z, h, (set1(1.0f) - z) * candidate); }

template <int S>
inline void gru_after_group(const float* w, const float* const (&x)[S], const float* bias, const RecurrentRows& r,
                            int64_t hidden, int64_t group) noexcept {
  F acc[S][3][2];
  recurrent_begin<3, S>(x, 3, group, 0, acc);
  for (int s = 0; s < S; ++s) {
    for (int v = 0; v < 2; ++v) acc[s][2][v] = bias == nullptr ? zero() : load(bias + group * recurrent_group + v * W);
  }
  recurrent_sum<3, S>(w, r.h, r.width, hidden, acc);
  for (int s = 0; s < S; ++s) {
    for (int v = 0; v < 2; ++v) {
      const int64_t at = s * r.width + group * recurrent_group + v * W;
      const F own = load(x[s] + (group * 3 + 2) * recurrent_group + v * W);
      const F candidate = tanh(fma(sigmoid(acc[s][1][v]), acc[s][2][v], own));
      store(r.next + at, gru_mix(sigmoid(acc[s][0][v]), candidate, load(r.h + at)));
    }
  }
}

/// The gates z (kept in r.c) and r (as r · h).
template <int S>
inline void gru_gates_group(const float* w, const float* const (&x)[S], const RecurrentRows& r, int64_t hidden,
                            int64_t group) noexcept {
  F acc[S][2][2];
  recurrent_begin<2, S>(x, 3, group, 0, acc);
  recurrent_sum<2, S>(w, r.h, r.width, hidden, acc);
  for (int s = 0; s < S; ++s) {
    for (int v = 0; v < 2; ++v) {
      const int64_t at = s * r.width + group * recurrent_group + v * W;
      store(r.c + at, sigmoid(acc[s][0][v]));
      store(r.reset + at, sigmoid(acc[s][1][v]) * load(r.h + at));
    }
  }
}
template <int S>
inline void gru_candidate_group(const float* w, const float* const (&x)[S], const RecurrentRows& r, int64_t hidden,
                                int64_t group) noexcept {
  F acc[S][1][2];
  recurrent_begin<1, S>(x, 3, group, 2, acc);
  recurrent_sum<1, S>(w, r.reset, r.width, hidden, acc);
  for (int s = 0; s < S; ++s) {
    for (int v = 0; v < 2; ++v) {
      const int64_t at = s * r.width + group * recurrent_group + v * W;
      store(r.next + at, gru_mix(load(r.c + at), tanh(acc[s][0][v]), load(r.h + at)));
    }
  }
}

template <int S>
inline void rnn_group(Cell cell, const float* w, const float* const (&x)[S], const RecurrentRows& r, int64_t hidden,
                      int64_t group) noexcept {
  F acc[S][1][2];
  recurrent_begin<1, S>(x, 1, group, 0, acc);
  recurrent_sum<1, S>(w, r.h, r.width, hidden, acc);
  for (int s = 0; s < S; ++s) {
    for (int v = 0; v < 2; ++v) {
      const F a = acc[s][0][v];
      store(r.next + s * r.width + group * recurrent_group + v * W, cell == Cell::rnn_tanh ? tanh(a) : max(zero(), a));
    }
  }
}

/// One step of S sequences: r.next from r.h, r.c in place.
template <int S>
inline void recurrent_step(const RecurrentArgs& a, int64_t direction, const float* const (&x)[S],
                           const RecurrentRows& r) noexcept {
  const int64_t gates = cell_gates(a.cell), n = a.hidden, groups = recurrent_groups(n, recurrent_group);
  const float* w = a.weights + direction * static_cast<int64_t>(recurrent_packed_floats(a.cell, n));
  const float* bias = a.reset_bias == nullptr ? nullptr : a.reset_bias + direction * groups * recurrent_group;
  const int64_t unit = n * recurrent_group;  // floats of a gate in a group
  for (int64_t g = 0; g < groups; ++g) {
    switch (a.cell) {
      case Cell::lstm: lstm_group<S>(w + g * gates * unit, x, r, n, g); break;
      case Cell::gru_reset_after: gru_after_group<S>(w + g * gates * unit, x, bias, r, n, g); break;
      case Cell::gru: gru_gates_group<S>(w + g * 2 * unit, x, r, n, g); break;
      default: rnn_group<S>(a.cell, w + g * unit, x, r, n, g); break;
    }
  }
  if (a.cell != Cell::gru) return;
  for (int64_t g = 0; g < groups; ++g) gru_candidate_group<S>(w + (groups * 2 + g) * unit, x, r, n, g);
}

CHORUS_FAST_INLINE void copy_units(const float* from, float* to, int64_t n) {
  std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
}

/// Sequences [first, first + S) of a direction from beginning to end; with lengths S is 1.
template <int S>
void recurrent_sequences(const RecurrentArgs& a, int64_t direction, int64_t first, float* room) noexcept {
  const int64_t n = a.hidden, width = recurrent_groups(n, recurrent_group) * recurrent_group;
  RecurrentRows r{room, room + S * width, room + 2 * S * width, room + 3 * S * width, width};
  std::memset(room, 0, static_cast<size_t>(4 * S * width) * sizeof(float));
  const int64_t state = direction * a.state_direction + first * a.state_sequence;
  for (int s = 0; s < S; ++s) {
    if (a.h != nullptr) copy_units(a.h + state + s * a.state_sequence, r.h + s * width, n);
    if (a.c != nullptr) copy_units(a.c + state + s * a.state_sequence, r.c + s * width, n);
  }
  const int64_t length = a.lengths == nullptr ? a.steps : a.lengths[first];
  const bool backwards = direction == 1 || a.reverse_first;
  float* y = a.y == nullptr ? nullptr : a.y + direction * a.y_direction + first * a.y_sequence;
  for (int64_t i = 0; i < length; ++i) {
    const int64_t t = backwards ? length - 1 - i : i;
    const float* x[S];
    for (int s = 0; s < S; ++s)
      x[s] =
          a.projected + t * a.projected_step + (first + s) * a.projected_sequence + direction * a.projected_direction;
    recurrent_step<S>(a, direction, x, r);
    float* const before = r.h;
    r.h = r.next, r.next = before;
    for (int s = 0; s < S && y != nullptr; ++s) copy_units(r.h + s * width, y + t * a.y_step + s * a.y_sequence, n);
  }
  for (int s = 0; s < S; ++s) {
    if (a.last_h != nullptr) copy_units(r.h + s * width, a.last_h + state + s * a.state_sequence, n);
    if (a.last_c != nullptr) copy_units(r.c + s * width, a.last_c + state + s * a.state_sequence, n);
  }
  for (int64_t t = length; t < a.steps && y != nullptr; ++t)
    std::memset(y + t * a.y_step, 0, static_cast<size_t>(n) * sizeof(float));
}

inline size_t recurrent_scratch_bytes(const RecurrentArgs& a, int threads) noexcept {
  const int64_t width = recurrent_groups(a.hidden, recurrent_group) * recurrent_group;
  return static_cast<size_t>(4 * recurrent_tile * width * threads) * sizeof(float);
}

inline void recurrent_run(const RecurrentArgs& a, ThreadPool& pool) noexcept {
  const int64_t tile = a.lengths != nullptr ? 1 : recurrent_tile, tiles = (a.batch + tile - 1) / tile;
  const int64_t room = 4 * recurrent_tile * recurrent_groups(a.hidden, recurrent_group) * recurrent_group;
  if (a.hidden <= 0 || tiles <= 0) return;
  pool.parallel_for(a.directions * tiles, [&](int64_t task, int worker) {
    const int64_t direction = task / tiles, first = task % tiles * tile, left = a.batch - first;
    float* mine = static_cast<float*>(a.scratch) + worker * room;
    if constexpr (recurrent_tile == 3) {
      if (tile == 3 && left >= 3) return recurrent_sequences<3>(a, direction, first, mine);
      if (tile == 3 && left == 2) return recurrent_sequences<2>(a, direction, first, mine);
    }
    recurrent_sequences<1>(a, direction, first, mine);
  });
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
