#include <engine/native/jit/matrix_code.h>

#include <cstddef>

namespace chorus::jit {
namespace {

// General registers.
enum : int { r_args, r_x, r_row, r_column, r_w, r_w1, r_blocks, r_rows, r_columns, r_line, r_step, r_out, r_ostep };
// Behind the sums the counters are free.
constexpr int r_sum = r_x, r_res = r_row, r_bias = r_column, r_oblock = r_w, r_params = r_w1, r_constants = r_blocks,
              r_pixels = r_rows;

Mem argument(size_t offset) { return {r_args, -1, 1, static_cast<int32_t>(offset)}; }
#define CHORUS_ARGUMENT(member) argument(offsetof(TileArgs, member))

class MatrixWriter {
 public:
  explicit MatrixWriter(const TileKey& key) : k_(key) {
    c_.level = key.level;
    groups_ = k_.pixels > 16 ? 2 : 1;
    first_ = groups_ == 2 ? (k_.pixels + 1) / 2 : k_.pixels;
  }

  Code write() {
    c_.tile_shapes({first_, groups_ == 2 ? k_.pixels - first_ : 0, k_.lanes});
    c_.set(r_line, 64);
    c_.set(r_step, k_.pixel_step);
    c_.set(r_ostep, k_.output_step);
    const int again = c_.new_label(), done = c_.new_label();
    c_.bind(again);
    begin_sums();
    sums();
    finish_tile();
    // The loop over tiles keeps its state in the arguments.
    advance(CHORUS_ARGUMENT(input), r_x, k_.pixel_step);
    c_.get(r_columns, CHORUS_ARGUMENT(tiles));
    c_.add_imm(r_columns, -1);
    c_.put(CHORUS_ARGUMENT(tiles), r_columns);
    c_.skip_zero(r_columns, done);
    c_.add_imm(r_columns, 1);
    c_.loop(r_columns, again);
    c_.bind(done);
    c_.tile_release();
    c_.finish();
    return std::move(c_);
  }

 private:
  TileKey k_;
  Code c_;
  int groups_ = 1, first_ = 16;

  static int sum(int group, int block) { return group * kMatrixBlocks + block; }
  static int input(int group) { return 4 + group; }
  static int weights(int block) { return 6 + block; }
  static Mem rows(int base, int stride, int disp) {
    return {static_cast<int8_t>(base), static_cast<int8_t>(stride), 1, disp};
  }
  template <class F>
  void each_sum(F&& f) {
    for (int g = 0; g < groups_; ++g) {
      for (int b = 0; b < k_.out_blocks; ++b) f(g, b);
    }
  }
  void advance(const Mem& member, int through, int step) {
    c_.get(through, member);
    c_.add_imm(through, int64_t{k_.pixels} * step);
    c_.put(member, through);
  }

  /// Zero, or what stands at `initial`.
  void begin_sums() {
    const int zero = c_.new_label();
    each_sum([&](int g, int b) { c_.tile_zero(sum(g, b)); });
    c_.get(r_out, CHORUS_ARGUMENT(initial));
    c_.skip_zero(r_out, zero);
    both_blocks([&](int g, int b, const Mem& m) { c_.tile_load(sum(g, b), m); });
    advance(CHORUS_ARGUMENT(initial), r_out, k_.output_step);
    c_.bind(zero);
  }
  /// f(group, block, where it lies in the output's layout at r_out); r_row is lost.
  template <class F>
  void both_blocks(F&& f) {
    if (k_.out_blocks > 1) {
      c_.move(r_row, r_out);
      c_.add_mem(r_row, CHORUS_ARGUMENT(output_block));
    }
    each_sum([&](int g, int b) { f(g, b, rows(b == 0 ? r_out : r_row, r_ostep, g * first_ * k_.output_step)); });
  }

  void position() {
    for (int b = 0; b < k_.out_blocks; ++b) c_.tile_load(weights(b), rows(b == 0 ? r_w : r_w1, r_line, 0));
    for (int g = 0; g < groups_; ++g) {
      c_.tile_load(input(g), rows(r_column, r_step, g * first_ * k_.pixel_step));
      for (int b = 0; b < k_.out_blocks; ++b) {
        if (k_.lanes == kFours)
          c_.tile_dot_bytes(sum(g, b), input(g), weights(b));
        else
          c_.tile_dot(sum(g, b), input(g), weights(b));
      }
    }
    add_weights([&](int r) { c_.add_imm(r, 64 * k_.lanes); });
  }
  template <class F>
  void add_weights(F&& f) {
    f(r_w);
    if (k_.out_blocks > 1) f(r_w1);
  }

  void sums() {
    const int block = c_.new_label(), row = c_.new_label(), column = c_.new_label(), no_rows = c_.new_label(),
              none = c_.new_label();
    c_.get(r_x, CHORUS_ARGUMENT(input));
    c_.get(r_w, CHORUS_ARGUMENT(weights));
    if (k_.out_blocks > 1) {
      c_.move(r_w1, r_w);
      c_.add_mem(r_w1, CHORUS_ARGUMENT(weight_block));
    }
    c_.get(r_blocks, CHORUS_ARGUMENT(full_blocks));
    c_.skip_zero(r_blocks, none);
    c_.bind(block);
    c_.move(r_row, r_x);
    c_.get(r_rows, CHORUS_ARGUMENT(rows));
    c_.skip_zero(r_rows, no_rows);
    c_.bind(row);
    c_.move(r_column, r_row);
    c_.get(r_columns, CHORUS_ARGUMENT(columns));
    c_.bind(column);
    position();
    c_.add_mem(r_column, CHORUS_ARGUMENT(column_step));
    c_.loop(r_columns, column);
    c_.add_mem(r_row, CHORUS_ARGUMENT(input_row));
    c_.loop(r_rows, row);
    c_.bind(no_rows);
    c_.add_mem(r_x, CHORUS_ARGUMENT(input_block));
    add_weights([&](int r) { c_.add_mem(r, CHORUS_ARGUMENT(skip)); });
    c_.loop(r_blocks, block);
    c_.bind(none);
  }

  void finish_tile() {
    const int finish = c_.new_label(), done = c_.new_label();
    c_.get(r_out, CHORUS_ARGUMENT(output));
    c_.get(r_params, CHORUS_ARGUMENT(partial));
    c_.skip_zero(r_params, finish);
    both_blocks([&](int g, int b, const Mem& m) { c_.tile_store(m, sum(g, b)); });
    c_.set(r_params, 0);
    c_.skip_zero(r_params, done);
    c_.bind(finish);
    results();
    c_.bind(done);
    advance(CHORUS_ARGUMENT(output), r_out, k_.output_step);
  }

  /// Through TileArgs::sums: the residual may lie where the results go.
  void results() {
    const EpilogueKey& e = k_.epilogue;
    const EpilogueRegisters r{{2, 3, 4, 5}, r_params, r_constants};
    c_.get(r_sum, CHORUS_ARGUMENT(sums));
    each_sum(
        [&](int g, int b) { c_.tile_store(rows(r_sum, r_line, (b * kMatrixPixels + g * first_) * 64), sum(g, b)); });
    if (e.residual) c_.get(r_res, CHORUS_ARGUMENT(residual));
    if (e.bias) c_.get(r_bias, CHORUS_ARGUMENT(bias));
    if (k_.out_blocks > 1) c_.get(r_oblock, CHORUS_ARGUMENT(output_block));
    c_.get(r_params, CHORUS_ARGUMENT(params));
    if (needs_constants(e)) emit_constants(c_, r);
    const int pixel = c_.new_label();
    c_.set(r_pixels, k_.pixels);
    c_.bind(pixel);
    for (int b = 0; b < k_.out_blocks; ++b) {
      const auto at = [&](int base) {
        return b == 0 ? Mem{static_cast<int8_t>(base), -1, 1, 0} : rows(base, r_oblock, 0);
      };
      c_.load(b, {r_sum, -1, 1, b * kMatrixPixels * 64});
      if (e.bias) c_.vec(Op::add, b, b, Mem{r_bias, -1, 1, b * 64});
      emit_activation(c_, e, r, b);
      if (e.residual) c_.vec(Op::add, b, b, at(r_res));
      c_.store(at(r_out), b);
    }
    c_.add_imm(r_sum, 64);
    c_.add_imm(r_out, k_.output_step);
    if (e.residual) c_.add_imm(r_res, k_.output_step);
    c_.loop(r_pixels, pixel);
    if (e.residual) c_.put(CHORUS_ARGUMENT(residual), r_res);
  }
};

#undef CHORUS_ARGUMENT

}  // namespace

Code matrix_code(const TileKey& key) { return MatrixWriter(key).write(); }

}  // namespace chorus::jit
