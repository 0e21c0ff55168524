// What the decoders share: the source of bytes, the checks of sizes, the text of errors.
#pragma once
#include <data/image/decode.h>

namespace chorus::image_detail {

struct Source {
  std::span<const uint8_t> bytes;
  std::string_view name;
  const DecodeLimits& limits;
};

/// Throws bad_input: "<kind>: <what>", the name and the offset (none when below 0).
[[noreturn]] void fail(const Source& source, std::string_view kind, std::string_view what, int64_t offset = -1);

/// Throws unless a picture of this size is within the limits.
void check_size(const Source& source, std::string_view kind, int64_t width, int64_t height, int64_t bytes_per_pixel);

Image decode_jpeg(const Source& source);
Image decode_png(const Source& source);
Image decode_webp(const Source& source);
Image decode_jpeg2000(const Source& source);
Image decode_tiff(const Source& source);
Image decode_bmp(const Source& source);
Image decode_pnm(const Source& source);

}  // namespace chorus::image_detail
