// Depthwise tiles: an input column is loaded once per filter row and meets all pixels whose windows hold it.
#include <engine/native/jit/tile_code.h>

#include <cstddef>

namespace chorus::jit {
namespace {

enum : int { r_args, r_x, r_w, r_rows, r_out, r_res, r_params, r_constants, r_bias, r_tiles, r_initial };
constexpr int resident_columns = 7;  // weights of a filter row that stay in registers

Mem argument(size_t offset) { return {r_args, -1, 1, static_cast<int32_t>(offset)}; }
#define CHORUS_ARGUMENT(member) argument(offsetof(TileArgs, member))

class DepthwiseWriter {
 public:
  explicit DepthwiseWriter(const TileKey& key)
      : k_(key), bytes_(key.epilogue.requantize), unit_(bytes_ ? 16 : 64), out_(unit_) {
    c_.level = key.level;
  }

  Code write() {
    const int again = c_.new_label();
    c_.get(r_out, CHORUS_ARGUMENT(output));
    c_.get(r_initial, CHORUS_ARGUMENT(initial));
    if (k_.epilogue.residual) c_.get(r_res, CHORUS_ARGUMENT(residual));
    c_.get(r_tiles, CHORUS_ARGUMENT(tiles));
    c_.get(r_bias, CHORUS_ARGUMENT(bias));
    c_.get(r_params, CHORUS_ARGUMENT(params));
    if (needs_constants(k_.epilogue)) emit_constants(c_, registers());
    c_.bind(again);
    for (int h = 0; h < c_.halves(); ++h) {
      sums(h * 32);
      finish_tile(h * 32);
    }
    c_.get(r_x, CHORUS_ARGUMENT(input));
    c_.add_imm(r_x, int64_t{k_.pixels} * k_.pixel_step);
    c_.put(CHORUS_ARGUMENT(input), r_x);
    c_.add_imm(r_out, k_.pixels * out_);
    if (k_.epilogue.residual) c_.add_imm(r_res, k_.pixels * 64);
    const int zero = c_.new_label();
    c_.skip_zero(r_initial, zero);
    c_.add_imm(r_initial, k_.pixels * 64);
    c_.bind(zero);
    c_.loop(r_tiles, again);
    c_.finish();
    return std::move(c_);
  }

 private:
  TileKey k_;
  Code c_;
  bool bytes_;
  int unit_, out_;  // bytes of a pixel in a block: of the input, of the output

  EpilogueRegisters registers() const {
    const int n = k_.pixels;
    return {{n, n + 1, n + 2, n + 3}, r_params, r_constants};
  }

  /// One row of the filter, its weights in registers.
  void resident_row(int half) {
    const int weights = k_.pixels, x = weights + k_.columns;
    for (int i = 0; i < k_.columns; ++i) c_.load(weights + i, {r_w, -1, 1, i * 64 + half});
    const int end = (k_.pixels - 1) * k_.pixel_step + (k_.columns - 1) * k_.column_step;
    for (int at = 0; at <= end; at += unit_) {
      bool loaded = false;
      for (int p = 0; p < k_.pixels; ++p) {
        const int inner = at - p * k_.pixel_step;
        if (inner < 0 || inner % k_.column_step != 0 || inner / k_.column_step >= k_.columns) continue;
        const int column = inner / k_.column_step;
        if (!inside(k_, p, column)) continue;
        if (!loaded) load_input(x, at + half);
        loaded = true;
        multiply(p, weights + column, x);
      }
    }
  }
  void long_row(int half) {
    const int weight = k_.pixels, x = weight + 1;
    for (int i = 0; i < k_.columns; ++i) {
      c_.load(weight, {r_w, -1, 1, i * 64 + half});
      for (int p = 0; p < k_.pixels; ++p) {
        if (!inside(k_, p, i)) continue;
        const int at = p * k_.pixel_step + i * k_.column_step + half;
        if (!bytes_) {
          c_.vec(Op::fma, p, weight, Mem{r_x, -1, 1, at});
          continue;
        }
        load_input(x, at);
        multiply(p, weight, x);
      }
    }
  }

  void load_input(int x, int at) { c_.vec(bytes_ ? Op::load_wide : Op::load, x, 0, Mem{r_x, -1, 1, at}); }
  /// Of bytes the lowest of each four counts: the others of the input are zero.
  void multiply(int sum, int weight, int x) {
    bytes_ ? c_.vec(Op::dot_bytes, sum, x, weight) : c_.vec(Op::fma, sum, weight, x);
  }

  void sums(int half) {
    const int row = c_.new_label(), none = c_.new_label(), zero = c_.new_label();
    for (int p = 0; p < k_.pixels; ++p) c_.vec(Op::zero, p);
    c_.skip_zero(r_initial, zero);
    for (int p = 0; p < k_.pixels; ++p) c_.load(p, {r_initial, -1, 1, p * 64 + half});
    c_.bind(zero);
    c_.get(r_x, CHORUS_ARGUMENT(input));
    c_.get(r_w, CHORUS_ARGUMENT(weights));
    c_.get(r_rows, CHORUS_ARGUMENT(rows));
    c_.skip_zero(r_rows, none);
    c_.bind(row);
    if (k_.columns <= resident_columns && k_.pixels + k_.columns < c_.registers())
      resident_row(half);
    else
      long_row(half);
    c_.add_imm(r_w, k_.columns * 64);
    c_.add_mem(r_x, CHORUS_ARGUMENT(input_row));
    c_.loop(r_rows, row);
    c_.bind(none);
  }

  void finish_tile(int half) {
    const EpilogueKey& e = k_.epilogue;
    for (int p = 0; p < k_.pixels; ++p) {
      if (bytes_) {
        emit_requantize(c_, registers(), p, r_bias, 0, {r_out, -1, 1, p * out_});
        continue;
      }
      if (e.bias) c_.vec(Op::add, p, p, Mem{r_bias, -1, 1, half});
      emit_activation(c_, e, registers(), p);
      if (e.residual) c_.vec(Op::add, p, p, Mem{r_res, -1, 1, p * 64 + half});
      c_.store({r_out, -1, 1, p * 64 + half}, p);
    }
  }
};

#undef CHORUS_ARGUMENT

}  // namespace

int most_depthwise_pixels(Level level, int columns) noexcept {
  if (level == Level::avx512) return 16;
  return columns <= 5 ? 8 : 6;
}

Code depthwise_code(const TileKey& key) { return DepthwiseWriter(key).write(); }

}  // namespace chorus::jit
