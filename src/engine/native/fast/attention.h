// Contract of scaled dot product attention: y = softmax(cap(scale · q kᵀ) + bias) v for every head, float32, without a matrix of scores.
#pragma once
#include <cstddef>
#include <cstdint>

namespace chorus::fast {

/// Rows of a head somewhere in memory; the elements of a row are neighbours. Distances in floats.
struct HeadRows {
  int64_t batch = 0, head = 0, row = 0;
};

/// What is added to scores [batch, heads, rows, keys]; a distance of 0 repeats. One of the two pointers is set, or none.
struct AttentionMask {
  const float* added = nullptr;
  const uint8_t* takes_part = nullptr;  ///< 0: minus infinity
  int64_t batch = 0, head = 0, row = 0;  ///< in elements; keys are neighbours
};

enum class EmptyRow : uint8_t { zero, not_a_number };

/// q [batch, heads, rows, size], k and v [batch, heads / group, keys, size and value_size], y [batch, heads, rows, value_size].
/// Query i sees key j when j - i - offset lies in [-left, right] and j < keys (of the batch). Keys that no query of a block sees are not
/// read. A row that sees no key gives zeros.
struct AttentionArgs {
  int64_t batch = 0, heads = 0, group = 1, rows = 0, keys = 0, size = 0, value_size = 0;
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  float* y = nullptr;
  HeadRows q_at, k_at, v_at, y_at;
  float scale = 1;
  float cap = 0;  ///< scores become cap · tanh(score / cap); 0: they stay
  int64_t left = -1, right = -1;  ///< -1: no bound
  int64_t offset = 0;
  const int64_t* keys_of = nullptr;  ///< [batch] keys that there are, from 0 on; the offset is then keys_of[b] - rows
  AttentionMask mask;
  EmptyRow empty = EmptyRow::zero;  ///< what a row gives of which the mask adds minus infinity to every key
  void* scratch = nullptr;  ///< attention_scratch_bytes(args, pool.threads()), 64-byte aligned
};

}  // namespace chorus::fast
