// BMP (uncompressed, 1/4/8/24/32 bits) and PNM (P1 … P6): plain formats, read by hand with every access checked.
#include <data/image/codec.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace chorus::image_detail {
namespace {

uint32_t u16(const Source& s, size_t at) { return s.bytes[at] | uint32_t{s.bytes[at + 1]} << 8; }
uint32_t u32(const Source& s, size_t at) { return u16(s, at) | u16(s, at + 2) << 16; }

void take_palette(const Source& source, size_t at, size_t entry, size_t count, Image& image) {
  image.palette.assign(256 * 4, 0);
  for (size_t i = 0; i < 256; ++i) image.palette[i * 4 + 3] = 255;
  for (size_t i = 0; i < std::min<size_t>(count, 256) && at + (i + 1) * entry <= source.bytes.size(); ++i)
    for (size_t c = 0; c < 3; ++c) image.palette[i * 4 + c] = source.bytes[at + i * entry + 2 - c];
}

/// A palette that only counts from black to white makes a grey picture.
bool grey_ramp(const Image& image, int bits) {
  const int colours = 1 << bits;
  for (int i = 0; i < colours; ++i)
    for (int c = 0; c < 3; ++c)
      if (image.palette[static_cast<size_t>(i * 4 + c)] != i * 255 / (colours - 1)) return false;
  return true;
}

void take_row(const uint8_t* from, int bits, Image& image, int64_t y) {
  uint8_t* to = image.row(y);
  for (int64_t x = 0; x < image.width; ++x) {
    if (bits <= 8) {
      const int64_t bit = x * bits;
      to[x] = static_cast<uint8_t>((from[bit / 8] >> (8 - bits - bit % 8)) & ((1 << bits) - 1));
    } else {
      const uint8_t* p = from + x * (bits / 8);
      to[x * 3] = p[2];
      to[x * 3 + 1] = p[1];
      to[x * 3 + 2] = p[0];
    }
  }
}

}  // namespace

Image decode_bmp(const Source& source) {
  const size_t size = source.bytes.size();
  const size_t pixels = u32(source, 10), header = u32(source, 14);
  const bool old = header == 12;
  if (!old && (header < 40 || size < 54)) fail(source, "BMP", fmt::format("header of {} bytes", header), 14);
  const int64_t width = old ? int64_t{u16(source, 18)} : int64_t{static_cast<int32_t>(u32(source, 18))};
  const int64_t tall =
      old ? int64_t{u16(source, 20)} : int64_t{static_cast<int32_t>(u32(source, 22))};  // below 0: from the top down
  const int64_t height = tall < 0 ? -tall : tall;
  const int bits = static_cast<int>(old ? u16(source, 24) : u16(source, 28));
  const uint32_t packing = old ? 0 : u32(source, 30);
  const bool known = bits == 1 || bits == 4 || bits == 8 || bits == 24 || bits == 32;
  if (!known || packing != 0)
    fail(source, "BMP", fmt::format("{} bits with compression {} are not supported", bits, packing), 28);
  check_size(source, "BMP", width, height, bits <= 8 ? 1 : 3);
  const int64_t stride = (width * bits + 31) / 32 * 4;
  if (pixels > size || stride > static_cast<int64_t>(size - pixels) / height)
    fail(source, "BMP", "the file ends too early", static_cast<int64_t>(size));
  Image image = make_image(width, height, bits <= 8 ? Colour::indexed : Colour::rgb);
  if (bits <= 8) {
    const size_t named = old ? 0 : u32(source, 46);
    take_palette(source, 14 + header, old ? 3 : 4, named == 0 ? size_t{1} << bits : named, image);
  }
  for (int64_t y = 0; y < height; ++y)
    take_row(source.bytes.data() + pixels + y * stride, bits, image, tall < 0 ? y : height - 1 - y);
  if (bits <= 8 && grey_ramp(image, bits)) {
    for (uint8_t& v : image.data) v = static_cast<uint8_t>(v * 255 / ((1 << bits) - 1));
    image.colour = Colour::grey;
    image.palette.clear();
  }
  return image;
}

namespace {

/// Whole numbers and comments of a PNM header.
class PnmText {
 public:
  explicit PnmText(const Source& source) : source_(source) {}
  int64_t number(std::string_view what, int64_t most) {
    skip();
    int64_t value = 0;
    const size_t start = at_;
    while (at_ < source_.bytes.size() && source_.bytes[at_] >= '0' && source_.bytes[at_] <= '9') {
      value = value * 10 + (source_.bytes[at_++] - '0');
      if (value > most) fail(source_, "PNM", fmt::format("{} is over {}", what, most), static_cast<int64_t>(start));
    }
    if (at_ == start) fail(source_, "PNM", fmt::format("no {} here", what), static_cast<int64_t>(start));
    return value;
  }
  int64_t bit() {
    skip();
    if (at_ >= source_.bytes.size()) fail(source_, "PNM", "the file ends too early", static_cast<int64_t>(at_));
    return source_.bytes[at_++] == '1' ? 1 : 0;
  }
  size_t at() const { return at_; }

 private:
  void skip() {
    while (at_ < source_.bytes.size()) {
      const uint8_t c = source_.bytes[at_];
      if (c == '#')
        while (at_ < source_.bytes.size() && source_.bytes[at_] != '\n') ++at_;
      else if (c == ' ' || (c >= 9 && c <= 13))
        ++at_;
      else
        break;
    }
  }
  const Source& source_;
  size_t at_ = 2;
};

}  // namespace

Image decode_pnm(const Source& source) {
  const int kind = source.bytes[1] - '0';
  const bool plain = kind <= 3, bitmap = kind == 1 || kind == 4;
  PnmText text(source);
  const int64_t width = text.number("width", 1 << 30), height = text.number("height", 1 << 30);
  const int64_t most = bitmap ? 1 : text.number("largest value", 65535);
  if (most < 1) fail(source, "PNM", "the largest value is 0", static_cast<int64_t>(text.at()));
  const Colour colour = kind % 3 == 0 ? Colour::rgb : Colour::grey;
  check_size(source, "PNM", width, height, channels_of(colour));
  const int64_t values = width * channels_of(colour), size = static_cast<int64_t>(source.bytes.size());
  const int64_t row = kind == 4 ? (width + 7) / 8 : values * (most > 255 ? 2 : 1);
  const int64_t begin = static_cast<int64_t>(text.at()) + 1;
  if (plain ? values * height > size : (begin > size || row > (size - begin) / height))
    fail(source, "PNM", "the file ends too early", size);
  Image image = make_image(width, height, colour);
  const auto scaled = [most](int64_t v) { return static_cast<uint8_t>((std::min(v, most) * 255 + most / 2) / most); };
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* to = image.row(y);
    const uint8_t* from = plain ? nullptr : source.bytes.data() + begin + y * row;
    for (int64_t i = 0; i < values; ++i) {
      if (kind == 1)
        to[i] = text.bit() != 0 ? 0 : 255;
      else if (kind == 4)
        to[i] = (from[i / 8] >> (7 - i % 8) & 1) != 0 ? 0 : 255;
      else if (plain)
        to[i] = scaled(text.number("value", 65535));
      else
        to[i] = scaled(most > 255 ? from[2 * i] << 8 | from[2 * i + 1] : from[i]);
    }
  }
  return image;
}

}  // namespace chorus::image_detail
