// Damage to bytes of any kind, and the numbers by which it is chosen.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::testing {

/// A good file.
struct Seed {
  std::string name, bytes;
};

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {  // splitmix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t n) { return n == 0 ? 0 : next() % n; }
  bool chance(int percent) { return below(100) < static_cast<uint64_t>(percent); }
  template <class T>
  T& pick(std::vector<T>& from) {
    return from[below(from.size())];
  }
  int64_t integer();  ///< of those that break programs

 private:
  uint64_t state_;
};

/// Bits, bytes, ranges and numbers changed, cut, doubled, or taken from `other`; `how` tells which. The result stays below 1 MiB.
std::string damage_bytes(std::string bytes, std::string_view other, Random& random, std::string& how);

}  // namespace chorus::testing
