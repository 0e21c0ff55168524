// The decoder behind the ImageDecoder operator.
#include <core/picture.h>
#include <data/image/decode.h>

#include <utility>

namespace chorus {
namespace {

/// Three channels, red first; transparency is dropped, as Pillow and OpenCV drop it.
Image to_rgb(Image image) {
  if (image.bits == 16) image = to_8_bits(std::move(image));
  if (image.colour == Colour::cmyk || image.colour == Colour::bgr) return to_colour(image, Colour::rgb);
  if (image.colour == Colour::rgb) return image;
  Image out = make_image(image.width, image.height, Colour::rgb);
  const int64_t count = image.width * image.height;
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t* from = image.data.data() + i * image.channels;
    uint8_t* const to = out.data.data() + i * 3;
    if (image.colour == Colour::indexed) from = image.palette.data() + 4 * from[0];
    const bool grey = image.colour == Colour::grey || image.colour == Colour::grey_alpha;
    for (int c = 0; c < 3; ++c) to[c] = from[grey ? 0 : c];
  }
  return out;
}

bool decode(std::span<const uint8_t> bytes, Picture* out) noexcept {
  try {
    Image image = to_rgb(decode_image(bytes, "encoded_stream"));
    out->height = image.height;
    out->width = image.width;
    out->pixels = std::move(image.data);
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

void install_picture_decoder() noexcept { set_picture_decoder(decode); }

}  // namespace chorus
