#include <engine/native/jit/transform_code.h>

#include <array>
#include <cmath>
#include <cstddef>

namespace chorus::jit {
namespace {

// One dimension, points 0, ±a, ±b, infinity with a² = 1/2, b² = 2:
//   d0 = x0 - 5/2 x2 + x4                     y0 = d0 + (d1 + d2) + (d3 + d4)
//   d1, d2 = (x4 - b² x2) ± a (x3 - b² x1)    y1 = a (d1 - d2) + b (d3 - d4)
//   d3, d4 = (x4 - a² x2) ± b (x3 - a² x1)    y2 = a² (d1 + d2) + b² (d3 + d4)
//   d5 = x1 - 5/2 x3 + x5                     y3 = a³ (d1 - d2) + b³ (d3 - d4) + d5
constexpr float kA = 0.707106781186547524f, kB = 1.41421356237309505f;
enum Constant : int { k_a, k_b, k_half, k_two, k_five_halves, k_a3, k_b3, k_count };
struct alignas(64) Table {
  float rows[k_count][16];
  constexpr Table() : rows() {
    const float values[k_count] = {kA, kB, 0.5f, 2.0f, 2.5f, 0.5f * kA, 2.0f * kB};
    for (int i = 0; i < k_count; ++i) {
      for (float& lane : rows[i]) lane = values[i];
    }
  }
};
constexpr Table kTable;

enum : int {
  r_args,
  r_source,
  r_target,
  r_step,
  r_between,
  r_table,
  r_bias,
  r_initial,
  r_residual,
  r_params,
  r_constants
};

Mem argument(size_t offset) { return {r_args, -1, 1, static_cast<int32_t>(offset)}; }
#define CHORUS_ARGUMENT(member) argument(offsetof(TransformArgs, member))

class TransformWriter {
 public:
  explicit TransformWriter(const TransformKey& key) : k_(key), n_(key.m + 2) { c_.level = key.level; }

  Code input() {
    begin();
    for (int h = 0; h < c_.halves(); ++h) {
      const int half = h * 32;
      c_.get(r_source, CHORUS_ARGUMENT(source));
      c_.get(r_target, CHORUS_ARGUMENT(target));
      // Down the columns into `between`, then along its rows.
      for (int x = 0; x < n_; ++x) {
        c_.move(r_bias, r_source);
        for (int y = 0; y < n_; ++y) {
          c_.load(y, at(r_bias, x * 64 + half));
          if (y + 1 < n_) c_.add_mem(r_bias, CHORUS_ARGUMENT(source_step));
        }
        input_line();
        for (int y = 0; y < n_; ++y) c_.store(at(r_between, (y * n_ + x) * 64), n_ + y);
      }
      for (int y = 0; y < n_; ++y) {
        for (int x = 0; x < n_; ++x) c_.load(x, at(r_between, (y * n_ + x) * 64));
        input_line();
        for (int x = 0; x < n_; ++x) {
          c_.store(at(r_target, half), n_ + x);
          c_.add_mem(r_target, CHORUS_ARGUMENT(target_step));
        }
      }
    }
    c_.finish();
    return std::move(c_);
  }

  Code output() {
    begin();
    const EpilogueKey& e = k_.epilogue;
    c_.get(r_params, CHORUS_ARGUMENT(params));
    for (int h = 0; h < c_.halves(); ++h) {
      const int half = h * 32;
      // Products lie row after row: along the rows into `between`, then down its columns.
      c_.get(r_source, CHORUS_ARGUMENT(source));
      for (int y = 0; y < n_; ++y) {
        for (int x = 0; x < n_; ++x) {
          c_.load(x, at(r_source, half));
          c_.add_mem(r_source, CHORUS_ARGUMENT(source_step));
        }
        output_line();
        for (int x = 0; x < k_.m; ++x) c_.store(at(r_between, (y * n_ + x) * 64), n_ + x);
      }
      c_.get(r_bias, CHORUS_ARGUMENT(bias));
      if (needs_constants(e)) emit_constants(c_, registers());
      for (int x = 0; x < k_.m; ++x) {
        for (int y = 0; y < n_; ++y) c_.load(y, at(r_between, (y * n_ + x) * 64));
        output_line();
        column(x * 64 + half, half);
      }
    }
    c_.finish();
    return std::move(c_);
  }

 private:
  TransformKey k_;
  int n_;
  Code c_;

  static Mem at(int base, int disp) { return {static_cast<int8_t>(base), -1, 1, disp}; }
  static Mem constant(Constant c) { return at(r_table, c * 64); }
  EpilogueRegisters registers() const { return {{0, 1, 2, 3}, r_params, r_constants}; }

  void begin() {
    c_.set(r_table, static_cast<int64_t>(reinterpret_cast<uintptr_t>(&kTable)));
    c_.get(r_between, CHORUS_ARGUMENT(between));
  }

  void op(Op o, int d, int a, int b) { c_.vec(o, d, a, b); }
  /// d = a + k * b or a - k * b; d is neither a nor b.
  void plus(int d, int a, Constant k, int b) {
    c_.move_vector(d, a);
    c_.vec(Op::fma, d, b, constant(k));
  }
  void minus(int d, int a, Constant k, int b) {
    c_.vec(Op::mul, d, b, constant(k));
    op(Op::sub, d, a, d);
  }

  /// Registers n … 2n - 1 from registers 0 … n - 1.
  void input_line() {
    const int d = n_, t = 2 * n_, u = t + 1;
    if (k_.m == 2) {  // d0 = x0 - x2, d1, d2 = x2 ± x1, d3 = x3 - x1
      op(Op::sub, d, 0, 2), op(Op::add, d + 1, 2, 1), op(Op::sub, d + 2, 2, 1), op(Op::sub, d + 3, 3, 1);
      return;
    }
    minus(d, 0, k_five_halves, 2), op(Op::add, d, d, 4);
    minus(d + 5, 1, k_five_halves, 3), op(Op::add, d + 5, d + 5, 5);
    minus(t, 4, k_two, 2);
    minus(u, 3, k_two, 1), c_.vec(Op::mul, u, u, constant(k_a));
    op(Op::add, d + 1, t, u), op(Op::sub, d + 2, t, u);
    minus(t, 4, k_half, 2);
    minus(u, 3, k_half, 1), c_.vec(Op::mul, u, u, constant(k_b));
    op(Op::add, d + 3, t, u), op(Op::sub, d + 4, t, u);
  }

  /// Registers n … n + m - 1 from registers 0 … n - 1, which change.
  void output_line() {
    const int y = n_, t = n_ + k_.m;
    op(Op::add, t, 1, 2), op(Op::sub, t + 1, 1, 2);
    if (k_.m == 2) {  // y0 = d0 + d1 + d2, y1 = d1 - d2 + d3
      op(Op::add, y, 0, t), op(Op::add, y + 1, t + 1, 3);
      return;
    }
    op(Op::add, t + 2, 3, 4), op(Op::sub, t + 3, 3, 4);
    op(Op::add, y, t, t + 2), op(Op::add, y, y, 0);
    c_.vec(Op::mul, y + 1, t + 1, constant(k_a)), c_.vec(Op::fma, y + 1, t + 3, constant(k_b));
    c_.vec(Op::mul, y + 2, t, constant(k_half)), c_.vec(Op::fma, y + 2, t + 2, constant(k_two));
    plus(y + 3, 5, k_a3, t + 1), c_.vec(Op::fma, y + 3, t + 3, constant(k_b3));
  }

  /// Stores a column of m results from registers n …; registers below n are free.
  void column(int disp, int half) {
    const EpilogueKey& e = k_.epilogue;
    const int none = c_.new_label();
    c_.get(r_initial, CHORUS_ARGUMENT(initial));
    c_.skip_zero(r_initial, none);
    for (int y = 0; y < k_.m; ++y) {
      c_.vec(Op::add, n_ + y, n_ + y, at(r_initial, disp));
      c_.add_mem(r_initial, CHORUS_ARGUMENT(target_step));
    }
    c_.bind(none);
    c_.get(r_target, CHORUS_ARGUMENT(target));
    if (e.residual) c_.get(r_residual, CHORUS_ARGUMENT(residual));
    for (int y = 0; y < k_.m; ++y) {
      const int v = n_ + y;
      if (e.bias) c_.vec(Op::add, v, v, at(r_bias, half));
      emit_activation(c_, e, registers(), v);
      if (e.residual) {
        c_.vec(Op::add, v, v, at(r_residual, disp));
        c_.add_mem(r_residual, CHORUS_ARGUMENT(target_step));
      }
      c_.store(at(r_target, disp), v);
      c_.add_mem(r_target, CHORUS_ARGUMENT(target_step));
    }
  }
};

#undef CHORUS_ARGUMENT

}  // namespace

Code input_transform_code(const TransformKey& key) { return TransformWriter(key).input(); }
Code output_transform_code(const TransformKey& key) { return TransformWriter(key).output(); }

std::span<const double> filter_transform(int m) noexcept {
  // Row of point p: [1, p, p²] / prod(p - other points); of infinity: [0, 0, 1]. The order is that of the values above.
  static const std::array<double, 12> two = {1, 0, 0, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 1};
  static const std::array<double, 18> four = [] {
    const double a = std::sqrt(0.5), b = std::sqrt(2.0), p[5] = {0, a, -a, b, -b};
    std::array<double, 18> g{};
    for (int i = 0; i < 5; ++i) {
      double n = 1;
      for (int j = 0; j < 5; ++j) n *= i == j ? 1 : p[i] - p[j];
      for (int j = 0; j < 3; ++j) g[static_cast<size_t>(i * 3 + j)] = std::pow(p[i], j) / n;
    }
    g[17] = 1;
    return g;
  }();
  return m == 2 ? std::span<const double>(two) : std::span<const double>(four);
}

}  // namespace chorus::jit
