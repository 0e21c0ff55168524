// How the ImageDecoder operator reaches decoders: they need libraries beyond the C++ runtime, so they stand in a layer below the
// engine and are handed in by the program (data/image: install_picture_decoder).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace chorus {

/// Pixels [height, width, 3], 8 bits, red first, rows dense.
struct Picture {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> pixels;
};

/// Decodes a whole file from memory: BMP, JPEG, JPEG 2000, TIFF, PNG, WebP, PNM. False when the bytes are no such picture, are
/// damaged, or name a size beyond the decoder's bounds. Must not throw.
using PictureDecoder = bool (*)(std::span<const uint8_t> bytes, Picture* out) noexcept;

/// The decoder of this process; null (the start): none, and the operator refuses with a sentence.
void set_picture_decoder(PictureDecoder decoder) noexcept;
PictureDecoder picture_decoder() noexcept;

}  // namespace chorus
