// The epilogue on rows that lie in the first cache. Included after a level's vec.h.
#pragma once
#include <engine/native/fast/epilogue.h>
#include <engine/native/fast/generic/math.h>

namespace chorus::fast::CHORUS_FAST_LEVEL {

/// The epilogue fits into the register tile: one addition per operand and a clip.
CHORUS_FAST_INLINE bool is_direct(const Epilogue& e) {
  const bool clips =
      e.activation == Activation::none || e.activation == Activation::relu || e.activation == Activation::clip;
  return clips && e.scale == nullptr && (e.residual == nullptr || e.residual_place == ResidualPlace::before_activation);
}
CHORUS_FAST_INLINE void clip_bounds(const Epilogue& e, float& low, float& high) {
  low = -__builtin_inff();
  high = __builtin_inff();
  if (e.activation == Activation::relu) low = 0.0f;
  if (e.activation == Activation::clip) low = e.alpha, high = e.beta;
}

struct Rows {
  float* c;
  int64_t ldc;
  int64_t rows, cols;
  int64_t row, col;       // of the first element inside the channels
  const float* residual;  // null or at the first element
  int64_t ldr;
};

CHORUS_FAST_INLINE F pick(const float* by_column, float by_row, int64_t j, bool cut, Tail end) {
  return by_column == nullptr ? set1(by_row) : cut ? load(by_column + j, end) : load(by_column + j);
}

template <class Function>
CHORUS_FAST_INLINE void finish_with(const Epilogue& e, const Rows& s, Function activation) {
  const bool by_row = e.axis == ChannelAxis::row;
  const bool before = e.residual_place == ResidualPlace::before_activation;
  for (int64_t i = 0; i < s.rows; ++i) {
    float* c = s.c + i * s.ldc;
    const float* r = s.residual != nullptr ? s.residual + i * s.ldr : nullptr;
    const float bias = e.bias != nullptr && by_row ? e.bias[s.row + i] : 0.0f;
    const float scale = e.scale != nullptr && by_row ? e.scale[s.row + i] : 1.0f;
    const float shift = e.shift != nullptr && by_row ? e.shift[s.row + i] : 0.0f;
    const float* biases = e.bias != nullptr && !by_row ? e.bias + s.col : nullptr;
    const float* scales = e.scale != nullptr && !by_row ? e.scale + s.col : nullptr;
    const float* shifts = e.shift != nullptr && !by_row ? e.shift + s.col : nullptr;
    for (int64_t j = 0; j < s.cols; j += W) {
      const bool cut = s.cols - j < W;
      const Tail end = tail(s.cols - j);
      F v = cut ? load(c + j, end) : load(c + j);
      if (e.bias != nullptr) v = v + pick(biases, bias, j, cut, end);
      if (e.scale != nullptr) {
        v = v * pick(scales, scale, j, cut, end);
        if (e.shift != nullptr) v = v + pick(shifts, shift, j, cut, end);
      }
      if (r != nullptr && before) v = v + (cut ? load(r + j, end) : load(r + j));
      v = activation(v);
      if (r != nullptr && !before) v = v + (cut ? load(r + j, end) : load(r + j));
      if (cut)
        store(c + j, end, v);
      else
        store(c + j, v);
    }
  }
}

inline void finish(const Epilogue& e, const Rows& s) noexcept {
  const F alpha = set1(e.alpha), beta = set1(e.beta);
  float low = 0, high = 0;
  clip_bounds(e, low, high);
  const F lows = set1(low), highs = set1(high);
  switch (e.activation) {
    case Activation::none:
    case Activation::relu:
    case Activation::clip: return finish_with(e, s, [&](F x) { return min(highs, max(lows, x)); });
    case Activation::leaky_relu: return finish_with(e, s, [&](F x) { return select(lt(x, zero()), x * alpha, x); });
    case Activation::hard_swish: return finish_with(e, s, [](F x) { return hard_swish(x); });
    case Activation::hard_sigmoid: return finish_with(e, s, [&](F x) { return hard_sigmoid(x, alpha, beta); });
    case Activation::sigmoid: return finish_with(e, s, [](F x) { return sigmoid(x); });
    case Activation::silu: return finish_with(e, s, [](F x) { return silu(x); });
    case Activation::tanh: return finish_with(e, s, [](F x) { return tanh(x); });
    case Activation::gelu_erf: return finish_with(e, s, [](F x) { return gelu(x); });
    case Activation::gelu_tanh: return finish_with(e, s, [](F x) { return gelu_tanh(x); });
  }
}

CHORUS_FAST_INLINE bool is_nothing(const Epilogue& e) {
  return e.bias == nullptr && e.scale == nullptr && e.residual == nullptr && e.activation == Activation::none;
}

}  // namespace chorus::fast::CHORUS_FAST_LEVEL
