#include <task/ocr/ocr.h>

#include <algorithm>

namespace chorus {
namespace {

/// Transparent pixels white, others as they are, lighter by what is transparent.
Image grey_over_white(const Image& image) {
  Image out = make_image(image.width, image.height, Colour::bgr);
  const uint8_t* from = image.data.data();
  for (size_t i = 0; i < out.data.size(); i += 3, from += 2) {
    const int value = (from[1] != 0 ? from[0] : 0) + (255 - from[1]);
    std::fill_n(out.data.begin() + static_cast<int64_t>(i), 3, static_cast<uint8_t>(std::min(value, 255)));
  }
  return out;
}

/// Colours of four channels by the package's rule, ink (cyan, magenta, yellow, black) taken for red, green, blue,
/// alpha as it does:
/// pixels with alpha 0 become black; then a picture that is black everywhere gets 255 − alpha added (black writing on
/// nothing),
/// any other is inverted.
Image four_channels(const Image& image) {
  Image out = make_image(image.width, image.height, Colour::bgr);
  const uint8_t* from = image.data.data();
  bool black = true;
  for (size_t i = 0; i < out.data.size(); i += 3, from += 4) {
    if (from[3] == 0) continue;
    for (size_t c = 0; c < 3; ++c) out.data[i + c] = from[2 - c];
    black = black && from[0] == 0 && from[1] == 0 && from[2] == 0;
  }
  from = image.data.data();
  for (size_t i = 0; i < out.data.size(); i += 3, from += 4)
    for (size_t c = 0; c < 3; ++c)
      out.data[i + c] = static_cast<uint8_t>(black ? 255 - from[3] : 255 - out.data[i + c]);
  return out;
}

}  // namespace

Image to_ocr_colours(const Image& picture, Reading reading) {
  if (reading == Reading::seen) return to_colour(upright(picture), Colour::bgr);
  const Image narrow = picture.bits == 8 ? Image{} : to_8_bits(picture);
  const Image& image = picture.bits == 8 ? picture : narrow;
  switch (image.colour) {
    case Colour::grey_alpha: return grey_over_white(image);
    case Colour::rgba:
    case Colour::cmyk: return four_channels(image);
    case Colour::indexed: {
      Image grey = image;
      grey.colour = Colour::grey;
      return to_colour(grey, Colour::bgr);
    }
    default: return to_colour(image, Colour::bgr);
  }
}

}  // namespace chorus
