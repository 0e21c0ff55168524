// Runs a Code without a processor: for levels that this machine lacks. Every access to memory must lie in a range that was named.
#pragma once
#include <engine/native/jit/ir.h>
#include <engine/native/jit/narrow.h>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace chorus::jit::test {

class Interpreter {
 public:
  /// Ranges that the code may touch: arguments, operands, constant tables.
  void allow(const void* start, size_t bytes) { ranges_.push_back({static_cast<const std::byte*>(start), bytes}); }
  /// Any memory: where unmapped pages guard the operands.
  void allow_all() { all_ = true; }
  /// Tables of constants are found by the addresses that `set` loads: those may be read.
  void run(const Code& code, void* arguments) {
    width_ = code.width();
    for (const Instr& i : code.list) {
      if (i.op == Op::set && i.imm > 4096) allow(pointer(i.imm), 4096);
    }
    std::vector<size_t> labels(static_cast<size_t>(code.labels));
    for (size_t i = 0; i < code.list.size(); ++i) {
      if (code.list[i].op == Op::label) labels[static_cast<size_t>(code.list[i].label)] = i;
    }
    r_[0] = static_cast<int64_t>(reinterpret_cast<uintptr_t>(arguments));
    for (size_t at = 0; at < code.list.size() && !failed_;) {
      const Instr& i = code.list[at++];
      if (i.op == Op::finish) return;
      if (i.op == Op::skip_zero && r_[i.d] == 0) at = labels[static_cast<size_t>(i.label)];
      if (i.op == Op::loop && --r_[i.d] != 0) at = labels[static_cast<size_t>(i.label)];
      step(i);
    }
    ADD_FAILURE() << "the code has no end";
  }
  int64_t steps() const { return steps_; }

 private:
  struct Range {
    const std::byte* start;
    size_t bytes;
  };
  std::vector<Range> ranges_;
  int width_ = 16;
  float v_[32][16] = {};
  float t_[8][16][16] = {};
  TileShapes shapes_;
  int64_t r_[kGeneral] = {};
  int64_t steps_ = 0;
  bool failed_ = false, all_ = false;

  static std::byte* pointer(int64_t address) { return reinterpret_cast<std::byte*>(static_cast<uintptr_t>(address)); }
  std::byte* where(const Mem& m, size_t bytes) {
    int64_t address = r_[m.base] + m.disp;
    if (m.index >= 0) address += r_[m.index] * m.scale;
    std::byte* p = pointer(address);
    if (all_) return p;
    for (const Range& range : ranges_) {
      if (p >= range.start && p + bytes <= range.start + range.bytes) return p;
    }
    if (!failed_) ADD_FAILURE() << "access outside all operands, step " << steps_;
    failed_ = true;
    return reinterpret_cast<std::byte*>(spare_);
  }
  alignas(64) float spare_[16] = {};

  static uint32_t bits(float x) {
    uint32_t b;
    std::memcpy(&b, &x, 4);
    return b;
  }
  static float real(uint32_t b) {
    float x;
    std::memcpy(&x, &b, 4);
    return x;
  }

  /// The two bfloat16 in a number's bits.
  static float high(float x) { return real(bits(x) & 0xffff0000U); }
  static float low(float x) { return real(bits(x) << 16); }

  // As the instruction: what no int32 holds, and no number, becomes the least one.
  static int32_t integer(float x) {
    return x >= -2147483648.0f && x < 2147483648.0f ? static_cast<int32_t>(std::nearbyint(x)) : INT32_MIN;
  }

  static float compute(Op op, float d, float a, float b) {
    switch (op) {
      case Op::fma:
      case Op::fma_splat: return std::fma(a, b, d);
      case Op::dot: return std::fma(low(a), low(b), std::fma(high(a), high(b), d));
      case Op::dot_bytes: {
        uint32_t sum = bits(d);
        for (int i = 0; i < 32; i += 8) {
          const auto signed_byte = static_cast<int8_t>(static_cast<uint8_t>(bits(b) >> i));
          sum += static_cast<uint32_t>(static_cast<int32_t>(bits(a) >> i & 255U) * signed_byte);
        }
        return real(sum);
      }
      case Op::horner: return std::fma(d, a, b);
      case Op::scale: return std::ldexp(a, static_cast<int>(std::fmax(std::fmin(b, 1000.0f), -1000.0f)));
      case Op::add: return a + b;
      case Op::sub: return a - b;
      case Op::mul: return a * b;
      case Op::div: return a / b;
      case Op::min: return a < b ? a : b;
      case Op::max: return a > b ? a : b;
      case Op::bit_and: return real(bits(a) & bits(b));
      case Op::bit_or: return real(bits(a) | bits(b));
      case Op::round: return std::nearbyint(a);
      case Op::power: return real((static_cast<uint32_t>(integer(a)) + bits(b)) << 23);
      case Op::add_int: return real(bits(a) + bits(b));
      case Op::to_float: return static_cast<float>(static_cast<int32_t>(bits(a)));
      case Op::blend: return std::signbit(a) ? b : d;
      case Op::copy: return a;
      case Op::zero: return 0;
      default: return b;  // load, broadcast
    }
  }

  void step(const Instr& i) {
    ++steps_;
    const auto all = static_cast<size_t>(width_) * sizeof(float);
    if (i.op == Op::store) {
      std::byte* to = where(i.mem, all);
      if (!failed_) std::memcpy(to, v_[i.a], all);
    } else if (i.op == Op::store_half) {
      uint16_t half[16] = {};
      for (int l = 0; l < width_; ++l) half[l] = rounded(v_[i.a][l]);
      std::byte* to = where(i.mem, all / 2);
      if (!failed_) std::memcpy(to, half, all / 2);
    } else if (i.op == Op::load_bytes || i.op == Op::load_signed || i.op == Op::load_wide) {
      uint8_t bytes[16] = {};
      std::memcpy(bytes, where(i.mem, all / 4), all / 4);
      for (int l = 0; l < width_; ++l)
        v_[i.d][l] =
            i.op == Op::load_wide
                ? real(bytes[l])
                : static_cast<float>(i.op == Op::load_bytes ? int{bytes[l]} : int{static_cast<int8_t>(bytes[l])});
    } else if (i.op == Op::store_bytes) {
      uint8_t bytes[16] = {};
      for (int l = 0; l < width_; ++l) bytes[l] = static_cast<uint8_t>(integer(v_[i.a][l]));
      std::byte* to = where(i.mem, all / 4);
      if (!failed_) std::memcpy(to, bytes, all / 4);
    } else if (i.op <= Op::copy) {
      alignas(64) float b[16] = {};
      if (i.memory && (i.op == Op::broadcast || i.op == Op::fma_splat)) {
        std::memcpy(b, where(i.mem, 4), 4);
        for (float& lane : b) lane = b[0];
      } else if (i.memory) {
        std::memcpy(b, where(i.mem, all), all);
      } else {
        std::memcpy(b, v_[i.b], sizeof b);
      }
      for (int l = 0; l < width_; ++l) v_[i.d][l] = compute(i.op, v_[i.d][l], v_[i.a][l], b[l]);
    } else if (i.op <= Op::tile_release) {
      matrix(i);
    } else {
      general(i);
    }
  }

  /// Rows of numbers of four bytes; what the shapes leave out does not exist.
  void matrix(const Instr& i) {
    const auto row = [&](const Mem& m, int r) {
      Mem at = m;
      at.index = -1;
      at.disp += r * static_cast<int32_t>(r_[m.index]);
      return where(at, static_cast<size_t>(shapes_.bytes(i.op == Op::tile_store ? i.a : i.d)));
    };
    if (i.op != Op::tile_shapes && shapes_.rows(i.op == Op::tile_store ? i.a : i.d) == 0 && i.op != Op::tile_release) {
      if (!failed_) ADD_FAILURE() << "a matrix register without a shape, step " << steps_;
      failed_ = true;
    }
    if (failed_) return;
    auto& d = t_[i.d];
    switch (i.op) {
      case Op::tile_shapes:
        shapes_ = shapes_of(i);
        std::memset(t_, 0, sizeof t_);
        std::memset(v_[31], 0, sizeof v_[31]);
        break;
      case Op::tile_zero: std::memset(d, 0, sizeof d); break;
      case Op::tile_load:
        std::memset(d, 0, sizeof d);
        for (int r = 0; r < shapes_.rows(i.d); ++r)
          std::memcpy(d[r], row(i.mem, r), static_cast<size_t>(shapes_.bytes(i.d)));
        break;
      case Op::tile_store:
        for (int r = 0; r < shapes_.rows(i.a); ++r)
          std::memcpy(row(i.mem, r), t_[i.a][r], static_cast<size_t>(shapes_.bytes(i.a)));
        break;
      case Op::tile_dot:
      case Op::tile_dot_bytes:
        for (int m = 0; m < shapes_.rows(i.d); ++m) {
          for (int k = 0; k < shapes_.lanes; ++k) {
            for (int n = 0; n < 16; ++n)
              d[m][n] = compute(i.op == Op::tile_dot ? Op::dot : Op::dot_bytes, d[m][n], t_[i.a][m][k], t_[i.b][k][n]);
          }
        }
        break;
      case Op::tile_release: shapes_ = {}; break;
      default: break;
    }
  }
  void general(const Instr& i) {
    int64_t value = 0;
    switch (i.op) {
      case Op::set: r_[i.d] = i.imm; break;
      case Op::get: std::memcpy(&r_[i.d], where(i.mem, 8), 8); break;
      case Op::put: std::memcpy(where(i.mem, 8), &r_[i.a], 8); break;
      case Op::move: r_[i.d] = r_[i.a]; break;
      case Op::add_imm: r_[i.d] += i.imm; break;
      case Op::add_mem:
        std::memcpy(&value, where(i.mem, 8), 8);
        r_[i.d] += value;
        break;
      default: break;  // jumps are the loop's; prefetches may name any address
    }
  }
};

}  // namespace chorus::jit::test
