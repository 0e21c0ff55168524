// The orientation tag of EXIF data: TIFF 6.0 header, first directory, tag 0x0112. Reads nothing outside the block,
// follows one offset.
#include <data/image/decode.h>

#include <cstring>

namespace chorus {

int exif_orientation(std::span<const uint8_t> b) noexcept {
  constexpr uint8_t kMark[6] = {'E', 'x', 'i', 'f', 0, 0};
  if (b.size() >= 6 && std::memcmp(b.data(), kMark, 6) == 0) b = b.subspan(6);
  if (b.size() < 8) return 1;
  const bool little = b[0] == 'I' && b[1] == 'I';
  if (!little && !(b[0] == 'M' && b[1] == 'M')) return 1;
  const auto u16 = [&](size_t at) -> uint32_t {
    return little ? b[at] | uint32_t{b[at + 1]} << 8 : b[at + 1] | uint32_t{b[at]} << 8;
  };
  const auto u32 = [&](size_t at) -> uint32_t {
    return little ? u16(at) | u16(at + 2) << 16 : u16(at + 2) | u16(at) << 16;
  };
  if (u16(2) != 42) return 1;
  const size_t directory = u32(4);
  if (directory > b.size() - 2) return 1;
  const size_t entries = u16(directory);
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + i * 12;
    if (at + 12 > b.size()) return 1;
    if (u16(at) != 0x0112) continue;
    constexpr uint32_t kShort = 3;
    if (u16(at + 2) != kShort || u32(at + 4) != 1) return 1;
    const uint32_t value = u16(at + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace chorus
