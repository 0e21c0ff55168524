#include "hostile/bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <iterator>

namespace chorus::testing {
namespace {
constexpr size_t kLargest = size_t{1} << 20;
}

int64_t Random::integer() {
  static constexpr int64_t kIntegers[] = {0,
                                          1,
                                          -1,
                                          2,
                                          -2,
                                          3,
                                          7,
                                          64,
                                          255,
                                          65536,
                                          INT32_MAX,
                                          int64_t{INT32_MAX} + 1,
                                          INT32_MIN,
                                          int64_t{1} << 32,
                                          int64_t{1} << 40,
                                          int64_t{1} << 62,
                                          INT64_MAX,
                                          INT64_MIN};
  return kIntegers[below(std::size(kIntegers))];
}

std::string damage_bytes(std::string bytes, std::string_view other, Random& r, std::string& how) {
  static constexpr uint64_t kRounds[] = {1, 1, 1, 1, 3, 8};
  for (uint64_t round = kRounds[r.below(6)]; round > 0 && !bytes.empty(); --round) {
    const size_t at = r.below(bytes.size());
    static constexpr size_t kSizes[] = {1, 2, 8, 64};
    const size_t size = std::min(kSizes[r.below(4)], bytes.size() - at);
    const uint64_t way = r.below(10);
    how += fmt::format(" {}@{}", way, at);
    switch (way) {
      case 0:
      case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << r.below(8))); break;
      case 2: bytes[at] = static_cast<char>(r.next()); break;
      case 3: bytes.resize(at); break;
      case 4: bytes.erase(at, size); break;
      case 5: bytes.insert(at, bytes.substr(r.below(bytes.size()), size)); break;
      case 6: bytes.replace(at, size, std::string(size, '\xff')); break;
      case 7: bytes.replace(at, size, std::string(size, '\0')); break;
      case 8: bytes = bytes.substr(0, at) + std::string(other.substr(r.below(other.size() + 1))); break;
      default: {   // a length or number becomes another
        std::string number;
        for (uint64_t v = static_cast<uint64_t>(r.integer());; v >>= 7) {
          number.push_back(static_cast<char>(v < 128 ? v : v | 128));
          if (v < 128) break;
        }
        bytes.replace(at, 1, number);
      }
    }
    if (bytes.size() > kLargest) bytes.resize(kLargest);
  }
  return bytes;
}

}  // namespace chorus::testing
