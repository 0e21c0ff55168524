// Pictures from files and into files: JPEG, JPEG 2000, PNG, WebP (first frame), TIFF (first picture), BMP and PNM in; PNG and JPEG out. Everything is
// bounded, and the
// size that a header names is checked before memory is taken.
#pragma once
#include <data/image/image.h>

#include <span>
#include <string>
#include <string_view>

namespace chorus {

struct DecodeLimits {
  int64_t max_file_bytes = int64_t{256} << 20;  ///< bytes of the file
  int64_t max_pixels = 178'956'970;  ///< width × height (the bound of Pillow)
  int64_t max_dimension = 65'535;  ///< width, height
  int64_t max_image_bytes = int64_t{1} << 30;  ///< bytes of the decoded pixels
  int max_scans = 200;  ///< of a progressive JPEG
};

/// Decodes the picture that the bytes hold; its kind is told from the bytes alone. The result keeps the file's own
/// form: palette
/// indices, transparency, ink and 16 bits remain, `orientation` is the EXIF value and not applied.
/// `name` (a path) goes into errors. Throws bad_input with the name, the offset and what the library said.
Image decode_image(std::span<const uint8_t> bytes, std::string_view name, const DecodeLimits& limits = {});

/// Reads and decodes a file. Throws not_found, bad_input.
Image load_image(const std::string& path, const DecodeLimits& limits = {});

/// "jpeg", "jpeg2000", "png", "webp", "tiff", "bmp", "pnm" or "" for bytes that are none of them.
std::string_view image_kind(std::span<const uint8_t> bytes) noexcept;

/// Hands these decoders to the ImageDecoder operator of this process (core/picture.h).
void install_picture_decoder() noexcept;

/// Orientation 1..8 in a block of EXIF data (with or without the leading "Exif\0\0"); 1 where there is none or it is
/// damaged.
int exif_orientation(std::span<const uint8_t> bytes) noexcept;

/// PNG bytes of a grey, grey_alpha, rgb, bgr or rgba picture with 8 or 16 bits. compression 0..9. Throws bad_input for
/// other kinds.
std::vector<uint8_t> encode_png(const Image& image, int compression = 6);
/// JPEG bytes of an 8-bit grey, rgb or bgr picture; quality 1..100, from 95 on with colours at full resolution. Throws
/// bad_input for other kinds or sizes above 65,500.
std::vector<uint8_t> encode_jpeg(const Image& image, int quality = 90);

}  // namespace chorus
