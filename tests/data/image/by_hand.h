// Picture files written byte by byte from their specifications, so that tests do not judge a library by itself.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace chorus::testing {

using Bytes = std::vector<uint8_t>;

Bytes from_hex(std::string_view hex);
/// FNV-1a, 64 bits.
uint64_t hash_of(const Bytes& bytes);

struct PngKind {
  int type, depth;  ///< as in IHDR
};
inline constexpr PngKind kPngKinds[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1}, {3, 2}, {3, 4}, {3, 8},
                                        {4, 8}, {4, 16}, {6, 8}, {6, 16}};

/// A PNG with unfiltered rows in stored deflate blocks; `pixels` is what a decoder should give: a byte per channel (grey of fewer bits
/// stretched to 0 … 255, indices as they are), 16-bit channels in the machine's order.
struct HandPng {
  Bytes file, pixels, palette;
};
HandPng make_png(PngKind kind, int width, int height, bool interlaced);
/// Puts another size into the header, with a right check sum.
void set_png_size(Bytes& file, uint32_t width, uint32_t height);
/// Recomputes the check sums of all chunks that lie inside the file.
void repair_png_sums(Bytes& file);

struct HandBmp {
  Bytes file, rgb;
};
HandBmp make_bmp(int bits, int width, int height, bool top_down);

/// Puts another size into the frame header of a JPEG.
void set_jpeg_size(Bytes& file, int width, int height);

/// "Exif\0\0" and a TIFF block whose first directory has three entries, the orientation among them.
Bytes make_exif(bool little_endian, int orientation);

}  // namespace chorus::testing
