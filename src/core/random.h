// Random numbers by counters: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// The number at (seed, stream, counter) is always the same: on every machine, for any number of threads, in any order.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace chorus {

/// Four 32-bit words for one counter. `seed` is the key; `stream` separates sequences of one seed (nodes, workers).
inline std::array<uint32_t, 4> philox4x32(uint64_t seed, uint64_t stream, uint64_t counter) noexcept {
  std::array<uint32_t, 4> c{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                            static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
  auto k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0], p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

/// Element `i` of a sequence: two numbers per counter, 53 bits each, uniform in [0, 1).
inline double philox_uniform(uint64_t seed, uint64_t stream, uint64_t i) noexcept {
  const auto w = philox4x32(seed, stream, i >> 1);
  const uint64_t bits = i & 1 ? (uint64_t{w[2]} << 32 | w[3]) : (uint64_t{w[0]} << 32 | w[1]);
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

/// Element `i` of a sequence with mean 0 and variance 1 (Box–Muller: the two numbers of a counter make two elements).
inline double philox_normal(uint64_t seed, uint64_t stream, uint64_t i) noexcept {
  const double u = 1.0 - philox_uniform(seed, stream, i & ~uint64_t{1});  // in (0, 1]
  const double angle = 2 * std::numbers::pi * philox_uniform(seed, stream, i | 1);
  const double radius = std::sqrt(-2 * std::log(u));
  return radius * (i & 1 ? std::sin(angle) : std::cos(angle));
}

}  // namespace chorus
