#include <engine/native/jit/tile_code.h>

#include <algorithm>
#include <cstddef>

namespace chorus::jit {
namespace {

constexpr int kMostUnrolled = 600;  // instructions

// General registers.
enum : int {
  r_args,
  r_x,
  r_row,
  r_column,
  r_w,
  r_wblock,
  r_wblock3,
  r_blocks,
  r_rows,
  r_columns,
  r_ahead,
  r_channels
};  // r_ahead: r_w + ahead
// Behind the sums the counters are free.
constexpr int r_out = r_x, r_res = r_row, r_oblock = r_wblock, r_oblock3 = r_wblock3, r_params = r_blocks,
              r_constants = r_rows, r_bias = r_columns;

Mem argument(size_t offset) { return {r_args, -1, 1, static_cast<int32_t>(offset)}; }
#define CHORUS_ARGUMENT(member) argument(offsetof(TileArgs, member))

class TileWriter {
 public:
  explicit TileWriter(const TileKey& key) : k_(key) {
    c_.level = key.level;
    halves_ = c_.halves();
    const int sums = k_.pixels * k_.out_blocks * halves_;
    // Few sums would wait for each other: input channels go to several sets, added at the end.
    sets_ = k_.lanes >= kPairs ? std::clamp((7 + sums) / sums, 1, 8) : 1;
    weights_ = sums * sets_;
    splat_ = weights_ + k_.out_blocks * halves_;
    // The loops of a call, with those of its neighbours in the row, shall fit into the instruction cache.
    const int per_channel = (k_.pixels + 1) * k_.out_blocks * halves_ + k_.pixels;
    if (k_.lanes > 1) {
      while (unrolled_ > 2 && per_channel * unrolled_ * std::max(k_.columns, 1) > kMostUnrolled) unrolled_ /= 2;
    }
    // Most displacements fit into a byte when the pointer stands in the middle of the tile.
    center_ = std::min(((k_.pixels - 1) * k_.pixel_step + 4 * k_.lanes) / 2, 508) / 4 * 4;
  }

  Code write() {
    const int again = c_.new_label();
    c_.bind(again);
    sums();
    finish_tile();
    // The loop over tiles keeps its state in the arguments.
    c_.get(r_x, CHORUS_ARGUMENT(input));
    c_.add_imm(r_x, int64_t{k_.pixels} * k_.pixel_step);
    c_.put(CHORUS_ARGUMENT(input), r_x);
    if (k_.prefetch > 0) {
      c_.get(r_x, CHORUS_ARGUMENT(ahead));
      c_.add_imm(r_x, k_.prefetch * 64);
      c_.put(CHORUS_ARGUMENT(ahead), r_x);
    }
    c_.get(r_columns, CHORUS_ARGUMENT(tiles));
    const int done = c_.new_label();
    c_.add_imm(r_columns, -1);
    c_.put(CHORUS_ARGUMENT(tiles), r_columns);
    c_.skip_zero(r_columns, done);
    c_.add_imm(r_columns, 1);
    c_.loop(r_columns, again);
    c_.bind(done);
    c_.finish();
    return std::move(c_);
  }

 private:
  TileKey k_;
  Code c_;
  int halves_ = 1, sets_ = 1, weights_ = 0, splat_ = 0, center_ = 0, unrolled_ = kBlock;

  int sum(int set, int pixel, int block, int half) const {
    return ((set * k_.pixels + pixel) * k_.out_blocks + block) * halves_ + half;
  }
  static Mem block_at(int base, int step, int step3, int block, int disp) {
    const auto r = static_cast<int8_t>(base);
    if (block == 0) return {r, -1, 1, disp};
    if (block == 3) return {r, static_cast<int8_t>(step3), 1, disp};
    return {r, static_cast<int8_t>(step), static_cast<int8_t>(block), disp};
  }

  /// One position of the filter: `lanes` input channels. `column` is 0 inside the loop over columns.
  void position(int column, int lanes, int x) {
    const int tap = 64 * k_.lanes;
    for (int i = 0; i < k_.prefetch * k_.out_blocks; ++i)
      c_.prefetch(block_at(r_ahead, r_wblock, r_wblock3, i / k_.prefetch, column * tap + i % k_.prefetch * 64));
    const int step = std::min(lanes, unrolled_), rounds = lanes / step;
    if (rounds > 1) {
      const int again = c_.new_label();
      c_.set(r_channels, rounds);
      c_.bind(again);
      channels(column, 0, step, x);
      c_.add_imm(r_w, 64 * step);
      c_.add_imm(x, 4 * step);
      c_.loop(r_channels, again);
      c_.add_imm(r_w, -64 * step * rounds);
      c_.add_imm(x, -4 * step * rounds);
    } else {
      channels(column, 0, step, x);
    }
    channels(column, rounds * step, lanes, x);
  }
  void channels(int column, int first, int end, int x) {
    for (int i = first; i < end; ++i) {
      bool loaded = false;
      for (int p = 0; p < k_.pixels; ++p) {
        if (!inside(k_, p, column)) continue;
        if (!loaded) load_weights(column * 64 * k_.lanes + i * 64);
        loaded = true;
        const Mem m{static_cast<int8_t>(x), -1, 1, p * k_.pixel_step + column * k_.column_step + i * 4 - center_};
        multiply(i % sets_, p, m);
      }
    }
  }
  void load_weights(int disp) {
    for (int b = 0; b < k_.out_blocks; ++b) {
      for (int h = 0; h < halves_; ++h)
        c_.load(weights_ + b * halves_ + h, block_at(r_w, r_wblock, r_wblock3, b, disp + h * 32));
    }
  }
  bool bytes() const { return k_.lanes == kFours || k_.epilogue.requantize; }
  void multiply(int set, int pixel, const Mem& m) {
    if (!bytes() && (k_.lanes >= kBlock || k_.lanes == 1)) {
      if (k_.out_blocks == 1 && k_.level == Level::avx512) {
        c_.vec(Op::fma_splat, sum(set, pixel, 0, 0), weights_, m);
        return;
      }
    }
    c_.broadcast(splat_, m);
    for (int b = 0; b < k_.out_blocks; ++b) {
      for (int h = 0; h < halves_; ++h) {
        const int to = sum(set, pixel, b, h), weights = weights_ + b * halves_ + h;
        if (bytes())
          c_.vec(Op::dot_bytes, to, splat_, weights);
        else
          c_.vec(k_.lanes == kPairs ? Op::dot : Op::fma, to, weights, splat_);
      }
    }
  }

  /// All filter positions of one input block.
  void input_block(int lanes) {
    const int row = c_.new_label(), none = c_.new_label();
    const int tap = 64 * k_.lanes;
    c_.move(r_row, r_x);
    c_.get(r_rows, CHORUS_ARGUMENT(rows));
    c_.skip_zero(r_rows, none);
    c_.bind(row);
    if (k_.columns > 0) {
      for (int i = 0; i < k_.columns; ++i) position(i, lanes, r_row);
      advance_weights(tap * k_.columns);
    } else {
      const int column = c_.new_label();
      c_.move(r_column, r_row);
      c_.get(r_columns, CHORUS_ARGUMENT(columns));
      c_.bind(column);
      position(0, lanes, r_column);
      advance_weights(tap);
      c_.add_mem(r_column, CHORUS_ARGUMENT(column_step));
      c_.loop(r_columns, column);
    }
    c_.add_mem(r_row, CHORUS_ARGUMENT(input_row));
    c_.loop(r_rows, row);
    c_.bind(none);
  }

  void advance_weights(int bytes) {
    c_.add_imm(r_w, bytes);
    if (k_.prefetch > 0) c_.add_imm(r_ahead, bytes);
  }

  void triple(int d, int s, const Mem& m) {
    if (k_.out_blocks < 4) return;
    c_.move(d, s);
    c_.add_mem(d, m);
    c_.add_mem(d, m);
  }

  /// Zero, or what stands at `initial`.
  void begin_sums() {
    const int zero = c_.new_label(), n = weights_ / sets_;
    for (int i = 0; i < weights_; ++i) c_.vec(Op::zero, i);
    c_.get(r_out, CHORUS_ARGUMENT(initial));
    c_.skip_zero(r_out, zero);
    if (k_.out_blocks > 1) c_.get(r_oblock, CHORUS_ARGUMENT(output_block));
    triple(r_oblock3, r_oblock, CHORUS_ARGUMENT(output_block));
    for (int i = 0; i < n; ++i) c_.load(i, place(r_out, i));
    c_.add_imm(r_out, int64_t{k_.pixels} * k_.output_step);
    c_.put(CHORUS_ARGUMENT(initial), r_out);
    c_.bind(zero);
  }
  /// Where the result of a register lies.
  Mem place(int base, int i) const {
    const int half = i % halves_, block = i / halves_ % k_.out_blocks, pixel = i / halves_ / k_.out_blocks;
    return block_at(base, r_oblock, r_oblock3, block, pixel * k_.output_step + half * 32);
  }

  void sums() {
    begin_sums();
    if (k_.out_blocks > 1) c_.get(r_wblock, CHORUS_ARGUMENT(weight_block));
    triple(r_wblock3, r_wblock, CHORUS_ARGUMENT(weight_block));
    c_.get(r_x, CHORUS_ARGUMENT(input));
    c_.add_imm(r_x, center_);
    c_.get(r_w, CHORUS_ARGUMENT(weights));
    if (k_.prefetch > 0) {
      c_.move(r_ahead, r_w);
      c_.add_mem(r_ahead, CHORUS_ARGUMENT(ahead));
    }
    const int block = c_.new_label(), none = c_.new_label();
    c_.get(r_blocks, CHORUS_ARGUMENT(full_blocks));
    c_.skip_zero(r_blocks, none);
    c_.bind(block);
    input_block(k_.lanes);
    c_.add_mem(r_x, CHORUS_ARGUMENT(input_block));
    c_.add_mem(r_w, CHORUS_ARGUMENT(skip));
    if (k_.prefetch > 0) c_.add_mem(r_ahead, CHORUS_ARGUMENT(skip));
    c_.loop(r_blocks, block);
    c_.bind(none);
    if (k_.last_lanes < k_.lanes) {
      const int whole = c_.new_label();
      c_.get(r_blocks, CHORUS_ARGUMENT(last_block));
      c_.skip_zero(r_blocks, whole);
      input_block(k_.last_lanes);
      c_.bind(whole);
    }
    for (int s = 1; s < sets_; ++s) {
      const int n = weights_ / sets_;
      for (int i = 0; i < n; ++i) c_.vec(Op::add, i, i, s * n + i);
    }
  }

  void finish_tile() {
    const int n = weights_ / sets_, finish = c_.new_label(), done = c_.new_label();
    c_.get(r_out, CHORUS_ARGUMENT(output));
    if (k_.out_blocks > 1) c_.get(r_oblock, CHORUS_ARGUMENT(output_block));
    triple(r_oblock3, r_oblock, CHORUS_ARGUMENT(output_block));
    c_.get(r_params, CHORUS_ARGUMENT(partial));
    c_.skip_zero(r_params, finish);
    for (int i = 0; i < n; ++i) c_.store(place(r_out, i), i);
    c_.set(r_params, 0);
    c_.skip_zero(r_params, done);
    c_.bind(finish);
    results(n);
    c_.bind(done);
    c_.add_imm(r_out, int64_t{k_.pixels} * k_.output_step);
    c_.put(CHORUS_ARGUMENT(output), r_out);
  }

  void results(int n) {
    const EpilogueKey& e = k_.epilogue;
    const EpilogueRegisters r{{n, n + 1, n + 2, n + 3}, r_params, r_constants};
    if (e.residual) c_.get(r_res, CHORUS_ARGUMENT(residual));
    if (e.bias || e.requantize) c_.get(r_bias, CHORUS_ARGUMENT(bias));
    c_.get(r_params, CHORUS_ARGUMENT(params));
    if (needs_constants(e)) emit_constants(c_, r);
    for (int i = 0; i < n; ++i) {
      const int half = i % halves_, block = i / halves_ % k_.out_blocks;
      if (e.requantize) {
        emit_requantize(c_, r, i, r_bias, block * static_cast<int>(sizeof(ByteChannels)), place(r_out, i));
        continue;
      }
      if (e.bias) c_.vec(Op::add, i, i, Mem{r_bias, -1, 1, block * 64 + half * 32});
      emit_activation(c_, e, r, i);
      if (e.residual) c_.vec(Op::add, i, i, place(r_res, i));
      c_.store(place(r_out, i), i);
    }
    if (e.residual) {
      c_.add_imm(r_res, int64_t{k_.pixels} * k_.output_step);
      c_.put(CHORUS_ARGUMENT(residual), r_res);
    }
  }
};

#undef CHORUS_ARGUMENT

}  // namespace

bool inside(const TileKey& k, int pixel, int column) noexcept {
  if (k.columns == 0) return true;
  const int at = pixel * k.pixel_step + column * k.column_step;
  const int end = (k.pixels - 1) * k.pixel_step + (k.columns - 1) * k.column_step;
  const int unit = !k.depthwise ? 4 * k.lanes : k.epilogue.requantize ? 16 : 64;
  return at >= k.left * unit && at <= end - k.right * unit;
}

int most_pixels(Level level, int out_blocks) noexcept {
  if (level == Level::avx512) return out_blocks == 1 ? 28 : out_blocks == 2 ? 14 : out_blocks == 3 ? 9 : 6;
  return out_blocks == 1 ? 6 : out_blocks == 2 ? 2 : 0;
}

Code tile_code(const TileKey& key) { return TileWriter(key).write(); }

}  // namespace chorus::jit
