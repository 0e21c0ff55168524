// What the kernels of recurrent cells and of their gradients share: sizes, operands, attributes.
#pragma once
#include <engine/native/reference/wide.h>
#include <ops/cell.h>

#include <algorithm>

namespace chorus::native::recurrent {

enum class Kind : uint8_t { rnn, gru, lstm };
constexpr int gates_of(Kind k) noexcept { return k == Kind::rnn ? 1 : k == Kind::gru ? 3 : 4; }

/// Sizes, operands and attributes of a cell; `h` initial states and weights null where omitted.
struct Cell {
  int64_t steps = 0, batch = 0, input = 0, hidden = 0, directions = 1, gates = 1;
  bool batch_first = false, reset_after = false, couple = false, reverse_first = false;
  double clip = 0;
  Activation functions[6];  // f, g, h of the one direction, then of the other
  const double *x = nullptr, *w = nullptr, *r = nullptr, *bias = nullptr, *h = nullptr, *c = nullptr,
               *peephole = nullptr;
  const TensorView* lengths = nullptr;
  int64_t x_at(int64_t t, int64_t b) const noexcept { return (batch_first ? b * steps + t : t * batch + b) * input; }
  int64_t y_at(int64_t t, int64_t d, int64_t b) const noexcept {
    return (batch_first ? (b * steps + t) * directions + d : (t * directions + d) * batch + b) * hidden;
  }
  int64_t state_at(int64_t d, int64_t b) const noexcept {
    return (batch_first ? b * directions + d : d * batch + b) * hidden;
  }
  double function(int which, int64_t direction, int per_direction, double v) const noexcept {
    if (clip > 0) v = std::clamp(v, -clip, clip);
    return functions[direction * per_direction + which](v);
  }
};

/// out[i] = sum of m[i, k] * v[k].
inline void multiply(const double* m, const double* v, int64_t rows, int64_t columns, double* out) noexcept {
  for (int64_t i = 0; i < rows; ++i) {
    double sum = 0;
    for (int64_t k = 0; k < columns; ++k) sum += m[i * columns + k] * v[k];
    out[i] = sum;
  }
}

inline double bias_of(const Cell& cell, int64_t d, int64_t i, bool recurrent) noexcept {
  const int64_t rows = cell.gates * cell.hidden;
  return cell.bias == nullptr ? 0 : cell.bias[d * 2 * rows + (recurrent ? rows : 0) + i];
}

/// Attributes and operands in ONNX's order: X, W, R, B, sequence_lens, initial_h, initial_c, P.
Status read_cell(KernelContext& ctx, Kind kind, Cell* cell) noexcept;

/// Linear attention: query heads in groups that share key and value heads.
struct Heads {
  int64_t batch, steps, query, shared, key_size, value_size;  // query heads, key/value heads
  const double *q, *k, *v, *past = nullptr, *decay = nullptr, *beta = nullptr;
  int64_t decay_size = 0, beta_heads = 0;
  bool correct = false;
  double scale = 1;
};
/// Attributes and operands: query, key, value, past_state, decay, beta.
Status read_heads(KernelContext& ctx, Heads* s) noexcept;

}  // namespace chorus::native::recurrent
