// Vector code before it becomes machine code: a list of instructions over registers, memory operands and counted loops. What a
// kernel does is written once, for any vector width and number of registers; x86.cpp assembles it, the tests interpret it for
// levels that the processor lacks.
#pragma once
#include <engine/native/jit/conv.h>

#include <cstdint>
#include <vector>

namespace chorus::jit {

/// General registers are 0 … kGeneral - 1; register 0 holds the argument of the kernel when it starts.
inline constexpr int kGeneral = 15;

/// Of the eight matrix registers (AMX), with rows of 64 bytes at most: 0 … 3 are sums [group 0 | group 1][block], 4 and 5 the input of the
/// groups (4 * lanes bytes a row), 6 and 7 the weights of the blocks (`lanes` rows).
struct TileShapes {
  int first = 0, second = 0;  ///< rows of the groups, <= 16; 0: the group is not used
  int lanes = 0;  ///< numbers of four bytes that one product adds up, <= 16
  int rows(int tile) const {
    return tile < 4 ? (tile < 2 ? first : second) : tile < 6 ? (tile == 4 ? first : second) : lanes;
  }
  int bytes(int tile) const { return rows(tile) == 0 ? 0 : tile == 4 || tile == 5 ? 4 * lanes : 64; }
};

enum class Op : uint8_t {
  // vectors of `width` floats: d, a, b are registers; where `memory` is set, b is read from there
  zero,
  load,  ///< d = mem, a whole vector
  broadcast,  ///< d = one float of mem in all lanes
  store,  ///< mem = a
  store_half,  ///< mem = a rounded to bfloat16, half a vector; d is lost; AVX-512 with bfloat16 only
  fma,  ///< d += a * b
  fma_splat,  ///< d += a * (one float of mem in all lanes); AVX-512 only
  dot,  ///< d += the products of two neighbouring bfloat16 of a and b; AVX-512 with bfloat16 only
  dot_bytes,  ///< integers: d += the products of four neighbouring bytes of a (unsigned) and b (signed); AVX-512-VNNI only
  horner,  ///< d = d * a + b
  add,  ///< d = a + b, and so on
  sub,
  mul,
  div,
  min,  ///< a < b ? a : b; b when one of them is NaN
  max,  ///< a > b ? a : b; b when one of them is NaN
  bit_and,
  bit_or,
  round,  ///< to the nearest integer, ties to even
  scale,  ///< a * 2^b for an integral b; AVX-512 only
  power,  ///< 2^a for an integral a in [-126, 127]
  add_int,  ///< a + b of 32-bit integers
  to_float,  ///< of the 32-bit integers of a
  load_bytes,  ///< d = `width` unsigned bytes of mem, as floats; AVX-512 only
  load_signed,  ///< the same of signed bytes
  load_wide,  ///< d = `width` unsigned bytes of mem, as 32-bit integers; AVX-512 only
  store_bytes,  ///< mem = the lowest bytes of the integers in a (integral floats of int32), `width` bytes; d is lost; AVX-512 only
  blend,  ///< lanes of d whose a has its sign set become b
  copy,  ///< d = a
  // matrix registers; memory: rows at base + disp, index bytes apart
  tile_shapes,  ///< imm: TileShapes, 8 bits each; vector 31 is lost
  tile_zero,
  tile_load,  ///< d = mem
  tile_store,  ///< mem = a
  tile_dot,  ///< d += a * b, pairs of bfloat16
  tile_dot_bytes,  ///< d += a * b, fours of unsigned (a) and signed (b) bytes
  tile_release,
  // general registers, 64 bits
  set,  ///< d = imm
  get,  ///< d = 8 bytes of mem
  move,  ///< d = a
  add_imm,  ///< d += imm
  add_mem,  ///< d += 8 bytes of mem
  put,  ///< mem = a
  skip_zero,  ///< to the label if d == 0
  loop,  ///< --d, and to the label unless it is 0
  label,
  prefetch_l2,  ///< mem
  finish,  ///< return
};

/// [base + index * scale + disp], bytes; index -1: none.
struct Mem {
  int8_t base = 0, index = -1, scale = 1;
  int32_t disp = 0;
};

struct Instr {
  Op op;
  uint8_t d = 0, a = 0, b = 0;
  bool memory = false;
  int32_t label = 0;
  Mem mem;
  int64_t imm = 0;
};

/// The code of one kernel: void(void* arguments).
struct Code {
  Level level = Level::avx512;
  std::vector<Instr> list;
  int labels = 0;

  int width() const { return level == Level::avx512 ? 16 : 8; }
  int registers() const { return level == Level::avx512 ? 32 : 16; }
  /// Vectors per block of 16 channels.
  int halves() const { return 16 / width(); }

  int new_label() { return labels++; }
  void vec(Op op, int d, int a = 0, int b = 0) { list.push_back({op, u8(d), u8(a), u8(b), false, 0, {}, 0}); }
  void vec(Op op, int d, int a, const Mem& b) { list.push_back({op, u8(d), u8(a), 0, true, 0, b, 0}); }
  void load(int d, const Mem& m) { vec(Op::load, d, 0, m); }
  void store(const Mem& m, int a) { vec(Op::store, 0, a, m); }
  void broadcast(int d, const Mem& m) { vec(Op::broadcast, d, 0, m); }
  void move_vector(int d, int a) { vec(Op::copy, d, a); }
  void set(int d, int64_t imm) { list.push_back({Op::set, u8(d), 0, 0, false, 0, {}, imm}); }
  void move(int d, int a) { vec(Op::move, d, a); }
  void get(int d, const Mem& m) { vec(Op::get, d, 0, m); }
  void put(const Mem& m, int a) { vec(Op::put, 0, a, m); }
  void add_imm(int d, int64_t imm) {
    if (imm != 0) list.push_back({Op::add_imm, u8(d), 0, 0, false, 0, {}, imm});
  }
  void add_mem(int d, const Mem& m) { vec(Op::add_mem, d, 0, m); }
  void skip_zero(int d, int to) { list.push_back({Op::skip_zero, u8(d), 0, 0, false, to, {}, 0}); }
  void loop(int d, int to) { list.push_back({Op::loop, u8(d), 0, 0, false, to, {}, 0}); }
  void bind(int label) { list.push_back({Op::label, 0, 0, 0, false, label, {}, 0}); }
  void tile_shapes(const TileShapes& s) {
    list.push_back({Op::tile_shapes, 0, 0, 0, false, 0, {}, s.first | s.second << 8 | s.lanes << 16});
  }
  void tile_zero(int d) { vec(Op::tile_zero, d); }
  void tile_load(int d, const Mem& m) { vec(Op::tile_load, d, 0, m); }
  void tile_store(const Mem& m, int a) { vec(Op::tile_store, 0, a, m); }
  void tile_dot(int d, int a, int b) { vec(Op::tile_dot, d, a, b); }
  void tile_dot_bytes(int d, int a, int b) { vec(Op::tile_dot_bytes, d, a, b); }
  void tile_release() { vec(Op::tile_release, 0); }
  void prefetch(const Mem& m) { vec(Op::prefetch_l2, 0, 0, m); }
  void finish() { list.push_back({Op::finish, 0, 0, 0, false, 0, {}, 0}); }

 private:
  static uint8_t u8(int v) { return static_cast<uint8_t>(v); }
};

/// What a tile_shapes instruction says.
inline TileShapes shapes_of(const Instr& i) {
  return {static_cast<int>(i.imm & 255), static_cast<int>(i.imm >> 8 & 255), static_cast<int>(i.imm >> 16 & 255)};
}

/// Machine code of this processor family; empty where there is none (other processors).
std::vector<uint8_t> assemble(const Code& code);

}  // namespace chorus::jit
