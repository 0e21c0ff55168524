// The header of an image; shared by image_save.cpp and image_load.cpp only.
#pragma once
#include <graph/image.h>

namespace chorus {

inline constexpr char kImageMagic[8] = {'C', 'H', 'O', 'R', 'U', 'S', 'G', '\n'};
inline constexpr uint64_t kImagePage = 4096;
inline constexpr uint64_t kImageAlign = 64;
inline constexpr uint64_t kHollowOffset =
    ~uint64_t{0};   ///< of Data: a hollow tensor, its elements are not in the image
inline constexpr int kAttributeForms = 15;   ///< alternatives of AttrValue::data

struct ImageHeader {
  char magic[8];
  uint32_t version = kImageVersion;
  uint32_t zero = 0;
  uint64_t structure_at = 0, structure_bytes = 0;
  uint64_t data_at = 0, data_bytes = 0;
  uint64_t reserved[2] = {0, 0};
};
static_assert(sizeof(ImageHeader) == 64);

constexpr uint64_t image_align(uint64_t at, uint64_t to) noexcept { return (at + to - 1) / to * to; }

}  // namespace chorus
