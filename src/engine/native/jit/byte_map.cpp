#include <engine/native/jit/byte_map.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace chorus::jit {
namespace {

enum : int { r_args, r_a, r_b, r_y, r_params, r_count };

Mem argument(size_t offset) { return {r_args, -1, 1, static_cast<int32_t>(offset)}; }
Mem parameter(size_t offset) { return {r_params, -1, 1, static_cast<int32_t>(offset)}; }
Mem at(int base) { return {static_cast<int8_t>(base), -1, 1, 0}; }

constexpr bool has_bytes_in(ByteMap kind) {
  return kind != ByteMap::quantize && kind != ByteMap::to_real && kind != ByteMap::range;
}
constexpr bool adds(ByteMap kind) { return kind == ByteMap::add || kind == ByteMap::add_signed; }
constexpr bool is_signed(ByteMap kind) { return kind == ByteMap::dequantize_signed || kind == ByteMap::add_signed; }
constexpr bool has_bytes_out(ByteMap kind) { return kind == ByteMap::quantize || adds(kind); }

}  // namespace

void fill(float (&lanes)[16], float value) noexcept { std::fill_n(lanes, 16, value); }

Code byte_map_code(ByteMap kind) {
  Code c;
  c.level = Level::avx512;
  c.get(r_a, argument(offsetof(ByteMapArgs, a)));
  if (adds(kind)) c.get(r_b, argument(offsetof(ByteMapArgs, b)));
  c.get(r_y, argument(offsetof(ByteMapArgs, y)));
  c.get(r_params, argument(offsetof(ByteMapArgs, params)));
  c.get(r_count, argument(offsetof(ByteMapArgs, vectors)));
  const int again = c.new_label();
  if (kind == ByteMap::range) {
    c.load(1, at(r_y));
    c.load(2, {r_y, -1, 1, 64});
  }
  c.bind(again);
  const EpilogueRegisters r{{4, 5, 6, 7}, r_params, r_count};
  if (!has_bytes_in(kind)) c.load(0, at(r_a));
  if (has_bytes_in(kind)) {
    c.vec(is_signed(kind) ? Op::load_signed : Op::load_bytes, 0, 0, at(r_a));
    c.vec(Op::sub, 0, 0, parameter(offsetof(ByteMapParams, zero_a)));
    c.vec(Op::mul, 0, 0, parameter(offsetof(ByteMapParams, scale_a)));
  }
  if (adds(kind)) {
    c.vec(is_signed(kind) ? Op::load_signed : Op::load_bytes, 1, 0, at(r_b));
    c.vec(Op::sub, 1, 1, parameter(offsetof(ByteMapParams, zero_b)));
    c.vec(Op::mul, 1, 1, parameter(offsetof(ByteMapParams, scale_b)));
    c.vec(Op::add, 0, 0, 1);
  }
  if (kind == ByteMap::to_real) c.vec(Op::to_float, 0, 0);
  if (kind == ByteMap::range) {
    c.vec(Op::min, 1, 0, 1);
    c.vec(Op::max, 2, 0, 2);
  } else if (has_bytes_out(kind)) {
    c.vec(Op::div, 0, 0, parameter(offsetof(ByteMapParams, step)));
    emit_to_steps(c, r, 0);
    c.vec(Op::store_bytes, 2, 0, at(r_y));
  } else {
    c.store(at(r_y), 0);
  }
  c.add_imm(r_a, has_bytes_in(kind) ? 16 : 64);
  if (adds(kind)) c.add_imm(r_b, 16);
  if (kind != ByteMap::range) c.add_imm(r_y, has_bytes_out(kind) ? 16 : 64);
  c.loop(r_count, again);
  if (kind == ByteMap::range) {
    c.store(at(r_y), 1);
    c.store({r_y, -1, 1, 64}, 2);
  }
  c.finish();
  return c;
}

Kernel find_byte_map(ByteMap kind) {
  int32_t words[12] = {};
  words[0] = static_cast<int32_t>(kind);
  words[11] = 6;  // the family: other kernels have other numbers here
  return find_kernel(std::as_bytes(std::span(words)), [&] { return byte_map_code(kind); });
}

void run_byte_map_plain(ByteMap kind, const ByteMapArgs& args, int64_t first, int64_t count) noexcept {
  const ByteMapParams& p = *args.params;
  const auto real = [&](const void* from, int64_t i, float zero, float scale) {
    const int byte =
        is_signed(kind) ? int{static_cast<const int8_t*>(from)[i]} : int{static_cast<const uint8_t*>(from)[i]};
    return (static_cast<float>(byte) - zero) * scale;
  };
  auto* y = static_cast<float*>(args.y);
  for (int64_t i = first; i < first + count; ++i) {
    if (kind == ByteMap::to_real) {
      y[i] = static_cast<float>(static_cast<const int32_t*>(args.a)[i]);
      continue;
    }
    if (kind == ByteMap::range) {
      const float x = static_cast<const float*>(args.a)[i];
      y[0] = std::min(y[0], x), y[16] = std::max(y[16], x);
      continue;
    }
    float v = has_bytes_in(kind) ? real(args.a, i, p.zero_a[0], p.scale_a[0]) : static_cast<const float*>(args.a)[i];
    if (adds(kind)) v = v + real(args.b, i, p.zero_b[0], p.scale_b[0]);
    if (!has_bytes_out(kind)) {
      y[i] = v;
      continue;
    }
    v = std::nearbyint(v / p.step[0]) + p.out.zero[0];
    v = v > p.out.alpha[0] ? v : p.out.alpha[0];  // no number: the least
    v = v < p.out.beta[0] ? v : p.out.beta[0];
    static_cast<uint8_t*>(args.y)[i] = static_cast<uint8_t>(static_cast<int32_t>(v));
  }
}

}  // namespace chorus::jit
