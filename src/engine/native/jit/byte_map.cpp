#include <engine/native/jit/byte_map.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

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

namespace {

constexpr int kLanes = 16;  // loops of so many become vectors of any processor

/// Of |x| < 2^22, ties to even.
float nearest(float x) noexcept {
  constexpr float kWhole = 12582912.0F;  // 1.5 * 2^23: no place for a fraction
  return (x + kWhole) - kWhole;
}

template <class Byte>
void real_of(const Byte* from, float zero, float scale, float (&v)[kLanes]) noexcept {
  for (int l = 0; l < kLanes; ++l) v[l] = (static_cast<float>(from[l]) - zero) * scale;
}
void real_of(ByteMap kind, const void* from, int64_t i, float zero, float scale, float (&v)[kLanes]) noexcept {
  is_signed(kind) ? real_of(static_cast<const int8_t*>(from) + i, zero, scale, v)
                  : real_of(static_cast<const uint8_t*>(from) + i, zero, scale, v);
}

void to_bytes(const ByteMapParams& p, float (&v)[kLanes], uint8_t* to) noexcept {
  constexpr float kFar = 1 << 20;  // beyond every byte
  const float step = p.step[0], zero = p.out.zero[0], low = p.out.alpha[0], high = p.out.beta[0];
  int32_t whole[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    float q = v[l] / step;
    q = q > -kFar ? q : -kFar;  // no number: the least
    q = q < kFar ? q : kFar;
    q = nearest(q) + zero;
    q = q > low ? q : low;
    q = q < high ? q : high;
    whole[l] = static_cast<int32_t>(q);
  }
  for (int l = 0; l < kLanes; ++l) to[l] = static_cast<uint8_t>(whole[l]);
}

/// kLanes elements from i on.
void run_lanes(ByteMap kind, const ByteMapArgs& args, int64_t i) noexcept {
  const ByteMapParams& p = *args.params;
  const auto* reals = static_cast<const float*>(args.a) + i;
  float v[kLanes], other[kLanes];
  if (!has_bytes_in(kind))
    std::copy_n(reals, kLanes, v);
  else
    real_of(kind, args.a, i, p.zero_a[0], p.scale_a[0], v);
  if (adds(kind)) {
    real_of(kind, args.b, i, p.zero_b[0], p.scale_b[0], other);
    for (int l = 0; l < kLanes; ++l) v[l] += other[l];
  }
  if (has_bytes_out(kind))
    to_bytes(p, v, static_cast<uint8_t*>(args.y) + i);
  else
    std::copy_n(v, kLanes, static_cast<float*>(args.y) + i);
}

void widen_range(const float* x, int64_t count, float* y) noexcept {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      y[l] = x[i + l] < y[l] ? x[i + l] : y[l];
      y[kLanes + l] = x[i + l] > y[kLanes + l] ? x[i + l] : y[kLanes + l];
    }
  }
  for (; i < count; ++i) y[0] = std::min(y[0], x[i]), y[kLanes] = std::max(y[kLanes], x[i]);
}

}  // namespace

void run_byte_map_plain(ByteMap kind, const ByteMapArgs& args, int64_t first, int64_t count) noexcept {
  if (kind == ByteMap::range)
    return widen_range(static_cast<const float*>(args.a) + first, count, static_cast<float*>(args.y));
  if (kind == ByteMap::to_real) {
    const auto* from = static_cast<const int32_t*>(args.a) + first;
    std::transform(from, from + count, static_cast<float*>(args.y) + first,
                   [](int32_t v) { return static_cast<float>(v); });
    return;
  }
  int64_t i = first;
  for (; i + kLanes <= first + count; i += kLanes) run_lanes(kind, args, i);
  if (i == first + count) return;
  // The rest, in a place of its own.
  const auto rest = static_cast<size_t>(first + count - i);
  const size_t in = has_bytes_in(kind) ? 1 : sizeof(float), out = has_bytes_out(kind) ? 1 : sizeof(float);
  alignas(64) std::byte a[kLanes * sizeof(float)] = {}, b[kLanes] = {}, y[kLanes * sizeof(float)];
  std::memcpy(a, static_cast<const std::byte*>(args.a) + static_cast<size_t>(i) * in, rest * in);
  if (adds(kind)) std::memcpy(b, static_cast<const std::byte*>(args.b) + i, rest);
  run_lanes(kind, {a, b, y, args.params, 0}, 0);
  std::memcpy(static_cast<std::byte*>(args.y) + static_cast<size_t>(i) * out, y, rest * out);
}

}  // namespace chorus::jit
