#include "fuzz/target.h"

#include <chorus/error.h>

#include <new>
#include <stdexcept>

namespace chorus::fuzz {

void bounded(void (*action)(std::string_view), std::string_view bytes) {
  try {
    action(bytes);
  } catch (const Error& error) {
    if (error.code() == Code::internal) throw std::logic_error(std::string("internal error: ") + error.what());
    if (error.message().empty()) throw std::logic_error("an error without a sentence");
  } catch (const std::bad_alloc&) {
    throw std::logic_error("out of memory");
  }
}

std::string changed(const Target& target, std::string_view bytes, std::string_view other, Random& random) {
  if (target.change != nullptr && random.chance(70)) return target.change(bytes, other, random);
  std::string how;
  return testing::damage_bytes(std::string(bytes), other, random, how);
}

std::string change_numbers(std::string_view bytes, std::string_view, Random& random) {
  std::string result(bytes);
  for (uint64_t round = 1 + random.below(3); round > 0 && result.size() >= 16; --round) {
    const size_t width = random.chance(70) ? 4 : 8;
    const size_t at = random.below(result.size() / width) * width;
    uint64_t value = static_cast<uint64_t>(random.integer());
    if (random.chance(50)) {  // near what it was
      value = 0;
      result.copy(reinterpret_cast<char*>(&value), width, at);
      value += random.below(33) - 16;
    }
    result.replace(at, width, reinterpret_cast<const char*>(&value), width);
  }
  return result;
}

}  // namespace chorus::fuzz
