// Image: pixels in rows, as a file stores them or as an algorithm wants them; conversions between the two.
#pragma once

#include <cstdint>
#include <vector>

namespace chorus {

/// What the channels of a pixel mean, in memory order.
enum class Colour : uint8_t {
  grey,        ///< 1 channel
  grey_alpha,  ///< 2
  rgb,         ///< 3
  bgr,         ///< 3
  rgba,        ///< 4
  cmyk,        ///< 4, 0 = no ink
  indexed,     ///< 1, an index into `palette`
};

/// Channels of a pixel of this kind: 1, 2, 3 or 4.
int64_t channels_of(Colour colour) noexcept;

/// Pixels [height, width, channels], rows dense. 8 bits: a byte per channel; 16 bits: a native uint16 per channel.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 0;
  int bits = 8;                   ///< 8 or 16
  Colour colour = Colour::rgb;
  int orientation = 1;  ///< EXIF orientation 1..8; 1 = upright. The pixels are as stored until `upright` is called
  std::vector<uint8_t> palette;  ///< of indexed pictures: 256 × (red, green, blue, alpha)
  std::vector<uint8_t> data;

  int64_t row_bytes() const noexcept { return width * channels * (bits / 8); }
  uint8_t* row(int64_t y) noexcept { return data.data() + y * row_bytes(); }
  const uint8_t* row(int64_t y) const noexcept { return data.data() + y * row_bytes(); }
  bool empty() const noexcept { return width <= 0 || height <= 0; }
};

/// A picture of this size, all zero. Throws bad_input for a size below 0 or above 2^40 bytes.
Image make_image(int64_t width, int64_t height, Colour colour, int bits = 8);

/// The same picture with 8 bits: the high byte of each channel.
Image to_8_bits(Image image);

/// The picture in the colours that a person sees, 8 bits, three channels (rgb or bgr): palettes are looked up, ink
/// becomes light,
/// transparency is laid over white. Throws bad_input when `colour` is not rgb or bgr.
Image to_colour(const Image& image, Colour colour);

/// Swaps the first and the third channel of a 3-channel 8-bit picture in place (rgb <-> bgr).
void swap_red_blue(Image& image);

/// Turns and mirrors the pixels so that orientation becomes 1.
Image upright(Image image);

/// Quarter turns, clockwise: 1 = 90°, 2 = 180°, 3 = 270°; any integer is taken modulo 4.
Image rotate_quarters(const Image& image, int quarters);
/// Mirrored left to right.
Image mirror(const Image& image);

/// A border of `value` in every channel on each side (pixels, >= 0).
Image pad(const Image& image, int64_t top, int64_t bottom, int64_t left, int64_t right, uint8_t value);

/// The rectangle [x, x + width) × [y, y + height), cut to the picture.
Image crop(const Image& image, int64_t x, int64_t y, int64_t width, int64_t height);

}  // namespace chorus
