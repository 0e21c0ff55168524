// Damaged copies of a file: bytes changed, cut out, doubled and put in, numbers made extreme. The same seed gives the same copy.
#pragma once
#include <cstdint>
#include <string>

namespace chorus::testing {

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  std::string damaged(std::string bytes) {
    for (uint64_t rounds = 1 + below(4); rounds > 0 && !bytes.empty(); --rounds) {
      const size_t at = below(bytes.size());
      const size_t length = 1 + below(bytes.size() - at < 16 ? bytes.size() - at : 16);
      switch (below(7)) {
        case 0: bytes[at] = static_cast<char>(next()); break;
        case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8))); break;
        case 2: bytes.erase(at, length); break;
        case 3: bytes.insert(at, bytes.substr(below(bytes.size()), length)); break;
        case 4: bytes.replace(at, length, std::string(length, '\xff')); break;
        case 5: bytes.resize(at); break;
        default: bytes.replace(at, length, std::string(length, '\0'));
      }
    }
    return bytes;
  }

 private:
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  uint64_t below(uint64_t n) { return next() % n; }
  uint64_t state_;
};

}  // namespace chorus::testing
