#include <chorus/error.h>
#include <data/image/image.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace chorus {

int64_t channels_of(Colour colour) noexcept {
  switch (colour) {
    case Colour::grey:
    case Colour::indexed: return 1;
    case Colour::grey_alpha: return 2;
    case Colour::rgb:
    case Colour::bgr: return 3;
    case Colour::rgba:
    case Colour::cmyk: return 4;
  }
  return 0;
}

Image make_image(int64_t width, int64_t height, Colour colour, int bits) {
  constexpr int64_t kMost = int64_t{1} << 40;
  const int64_t channels = channels_of(colour);
  if (width < 0 || height < 0 || (bits != 8 && bits != 16))
    throw Error(Code::bad_input, fmt::format("picture of {} x {} pixels with {} bits", width, height, bits),
                "make_image", "use sizes of at least 0 and 8 or 16 bits");
  if (height > 0 && width > kMost / (channels * (bits / 8)) / height)
    throw Error(Code::bad_input, fmt::format("picture of {} x {} pixels is too large", width, height), "make_image",
                "use at most 2^40 bytes");
  Image image;
  image.width = width;
  image.height = height;
  image.channels = channels;
  image.bits = bits;
  image.colour = colour;
  image.data.resize(static_cast<size_t>(height * image.row_bytes()));
  return image;
}

Image to_8_bits(Image image) {
  if (image.bits == 8) return image;
  const size_t values = image.data.size() / 2;
  for (size_t i = 0; i < values; ++i) {
    uint16_t wide;
    std::memcpy(&wide, image.data.data() + 2 * i, 2);
    image.data[i] = static_cast<uint8_t>(wide >> 8);
  }
  image.data.resize(values);
  image.bits = 8;
  return image;
}

namespace {

uint8_t over_white(int value, int alpha) {
  return static_cast<uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

struct Rgb {
  uint8_t red, green, blue;
};

Rgb seen(const Image& image, const uint8_t* p) {
  switch (image.colour) {
    case Colour::grey: return {p[0], p[0], p[0]};
    case Colour::grey_alpha: {
      const uint8_t v = over_white(p[0], p[1]);
      return {v, v, v};
    }
    case Colour::rgb: return {p[0], p[1], p[2]};
    case Colour::bgr: return {p[2], p[1], p[0]};
    case Colour::rgba: return {over_white(p[0], p[3]), over_white(p[1], p[3]), over_white(p[2], p[3])};
    case Colour::cmyk: {
      const int light = 255 - p[3];
      const auto mix = [light](int ink) { return static_cast<uint8_t>(((255 - ink) * light + 127) / 255); };
      return {mix(p[0]), mix(p[1]), mix(p[2])};
    }
    case Colour::indexed: {
      const size_t at = size_t{p[0]} * 4;
      if (at + 4 > image.palette.size()) return {0, 0, 0};
      const uint8_t* e = image.palette.data() + at;
      return {over_white(e[0], e[3]), over_white(e[1], e[3]), over_white(e[2], e[3])};
    }
  }
  return {0, 0, 0};
}

/// dst(x, y) = src(map(x, y)) for whole pixels.
template <class Map>
Image remap_pixels(const Image& image, int64_t width, int64_t height, Map map) {
  Image out = image;
  out.width = width;
  out.height = height;
  const int64_t pixel = image.channels * (image.bits / 8);
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* to = out.row(y);
    for (int64_t x = 0; x < width; ++x, to += pixel) {
      const auto [sx, sy] = map(x, y);
      std::memcpy(to, image.row(sy) + sx * pixel, static_cast<size_t>(pixel));
    }
  }
  return out;
}

struct Place {
  int64_t x, y;
};

}  // namespace

Image to_colour(const Image& source, Colour colour) {
  if (colour != Colour::rgb && colour != Colour::bgr)
    throw Error(Code::bad_input, "to_colour gives rgb or bgr only", "to_colour", "use Colour::rgb or Colour::bgr");
  if (source.bits == 8 && source.colour == colour) return source;
  const Image narrow = source.bits == 8 ? Image{} : to_8_bits(source);
  const Image& image = source.bits == 8 ? source : narrow;
  Image out = make_image(image.width, image.height, colour);
  out.orientation = image.orientation;
  const bool swap = colour == Colour::bgr;
  const uint8_t* from = image.data.data();
  uint8_t* to = out.data.data();
  for (int64_t i = image.width * image.height; i > 0; --i, from += image.channels, to += 3) {
    const Rgb c = seen(image, from);
    to[0] = swap ? c.blue : c.red;
    to[1] = c.green;
    to[2] = swap ? c.red : c.blue;
  }
  return out;
}

void swap_red_blue(Image& image) {
  if (image.channels != 3 || image.bits != 8) return;
  for (size_t i = 0; i + 2 < image.data.size(); i += 3) std::swap(image.data[i], image.data[i + 2]);
  image.colour = image.colour == Colour::rgb ? Colour::bgr : Colour::rgb;
}

Image rotate_quarters(const Image& image, int quarters) {
  const int64_t w = image.width, h = image.height;
  switch (((quarters % 4) + 4) % 4) {
    case 1: return remap_pixels(image, h, w, [h](int64_t x, int64_t y) { return Place{y, h - 1 - x}; });
    case 2: return remap_pixels(image, w, h, [w, h](int64_t x, int64_t y) { return Place{w - 1 - x, h - 1 - y}; });
    case 3: return remap_pixels(image, h, w, [w](int64_t x, int64_t y) { return Place{w - 1 - y, x}; });
    default: return image;
  }
}

Image mirror(const Image& image) {
  const int64_t w = image.width;
  return remap_pixels(image, w, image.height, [w](int64_t x, int64_t y) { return Place{w - 1 - x, y}; });
}

Image upright(Image image) {
  // EXIF 2.32, 4.6.5 tag 274: where row 0 and column 0 of the stored pixels lie in the picture that is seen.
  const int orientation = image.orientation;
  image.orientation = 1;
  switch (orientation) {
    case 2: return mirror(image);
    case 3: return rotate_quarters(image, 2);
    case 4: return mirror(rotate_quarters(image, 2));
    case 5: return mirror(rotate_quarters(image, 1));
    case 6: return rotate_quarters(image, 1);
    case 7: return mirror(rotate_quarters(image, 3));
    case 8: return rotate_quarters(image, 3);
    default: return image;
  }
}

Image pad(const Image& image, int64_t top, int64_t bottom, int64_t left, int64_t right, uint8_t value) {
  if (top < 0 || bottom < 0 || left < 0 || right < 0)
    throw Error(Code::bad_input, fmt::format("border of {}, {}, {}, {} pixels", top, bottom, left, right), "pad",
                "use widths of at least 0");
  Image out = make_image(image.width + left + right, image.height + top + bottom, image.colour, image.bits);
  out.palette = image.palette;
  out.orientation = image.orientation;
  std::fill(out.data.begin(), out.data.end(), value);
  const int64_t pixel = image.channels * (image.bits / 8);
  for (int64_t y = 0; y < image.height; ++y)
    std::copy_n(image.row(y), image.row_bytes(), out.row(y + top) + left * pixel);
  return out;
}

Image crop(const Image& image, int64_t x, int64_t y, int64_t width, int64_t height) {
  const int64_t x0 = std::clamp<int64_t>(x, 0, image.width), y0 = std::clamp<int64_t>(y, 0, image.height);
  const int64_t x1 = std::clamp<int64_t>(x + std::max<int64_t>(width, 0), x0, image.width);
  const int64_t y1 = std::clamp<int64_t>(y + std::max<int64_t>(height, 0), y0, image.height);
  Image out = make_image(x1 - x0, y1 - y0, image.colour, image.bits);
  out.palette = image.palette;
  out.orientation = image.orientation;
  const int64_t pixel = image.channels * (image.bits / 8);
  for (int64_t row = y0; row < y1; ++row) std::copy_n(image.row(row) + x0 * pixel, out.row_bytes(), out.row(row - y0));
  return out;
}

}  // namespace chorus
