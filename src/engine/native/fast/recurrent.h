// Contract of recurrent cells (ONNX RNN, GRU, LSTM) over whole sequences, once the products of the inputs with W are there. float32,
// functions Sigmoid and Tanh (rnn_relu: Relu), no clip, no peepholes.
#pragma once
#include <cstddef>
#include <cstdint>

namespace chorus::fast {

enum class Cell : uint8_t { rnn_tanh, rnn_relu, gru, gru_reset_after, lstm };

constexpr int64_t cell_gates(Cell cell) noexcept {
  return cell == Cell::lstm ? 4 : cell == Cell::gru || cell == Cell::gru_reset_after ? 3 : 1;
}

/// Hidden units in groups of `recurrent_group` (of the table): gates of ONNX's order inside a group, units inside a gate.
constexpr int64_t recurrent_groups(int64_t hidden, int64_t group) noexcept { return (hidden + group - 1) / group; }
/// Where the number of (gate, unit) stands in a row of `projected`.
constexpr int64_t recurrent_column(int64_t gates, int64_t gate, int64_t unit, int64_t group) noexcept {
  return (unit / group * gates + gate) * group + unit % group;
}

/// Strides in floats. `projected`: per step, sequence and direction one row of groups × gates × group columns, X·Wᵀ plus both biases
/// (gru_reset_after: without the recurrent bias of the last gate, which is `reset_bias` [directions, groups × group], null: zeros); columns
/// behind the last unit hold zeros. `weights` are packed by recurrent_pack, one direction after the other.
/// `h`, `c` and what is written (y, last_h, last_c; null: not wanted) are [.., hidden] rows.
struct RecurrentArgs {
  Cell cell = Cell::lstm;
  int64_t steps = 0, batch = 0, hidden = 0, directions = 1;
  bool reverse_first = false;  ///< the first direction runs from the end; the second one always does
  const float* projected = nullptr;
  int64_t projected_step = 0, projected_sequence = 0, projected_direction = 0;
  const float* weights = nullptr;
  const float* reset_bias = nullptr;
  const int32_t* lengths =
      nullptr;  ///< [batch] in [0, steps]; null: all are `steps`. Rows of y behind the end are zeros.
  const float *h = nullptr, *c = nullptr;  ///< null: zeros
  float *y = nullptr, *last_h = nullptr, *last_c = nullptr;
  int64_t y_step = 0, y_sequence = 0, y_direction = 0;
  int64_t state_sequence = 0, state_direction = 0;  ///< of h, c, last_h, last_c
  void* scratch = nullptr;  ///< recurrent_scratch_bytes(args, pool.threads()), 64-byte aligned
};

}  // namespace chorus::fast
