// PNG by libpng; calls into it run under setjmp in functions that own nothing with a destructor.
#include <chorus/error.h>
#include <data/image/codec.h>
#include <fmt/format.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <png.h>

namespace chorus::image_detail {
namespace {

struct Decoder {
  png_structp png;
  png_infop info;
  char text[256];
  const uint8_t* begin;
  size_t size, at;
  png_uint_32 width, height;
  int depth, type, passes;
};

void on_error(png_structp png, png_const_charp message) {
  Decoder& d = *static_cast<Decoder*>(png_get_error_ptr(png));
  std::snprintf(d.text, sizeof d.text, "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, size_t count) {
  Decoder& d = *static_cast<Decoder*>(png_get_io_ptr(png));
  if (count > d.size - d.at) png_error(png, "the file ends too early");
  std::memcpy(to, d.begin + d.at, count);
  d.at += count;
}

bool read_header(Decoder& d, const DecodeLimits& limits) {
  constexpr png_uint_32 kMost = 0x7fffffff;
  if (setjmp(png_jmpbuf(d.png))) return false;
  png_set_read_fn(d.png, &d, on_read);
  // Sizes are checked by the caller, who says which bound was met.
  png_set_user_limits(d.png, kMost, kMost);
  png_set_chunk_cache_max(d.png, 64);
  png_set_chunk_malloc_max(d.png, static_cast<png_alloc_size_t>(std::min<int64_t>(limits.max_image_bytes, 16 << 20)));
  png_read_info(d.png, d.info);
  png_get_IHDR(d.png, d.info, &d.width, &d.height, &d.depth, &d.type, nullptr, nullptr, nullptr);
  return true;
}

bool read_pixels(Decoder& d, uint8_t* pixels, int64_t row_bytes) {
  if (setjmp(png_jmpbuf(d.png))) return false;
  if (d.type == PNG_COLOR_TYPE_GRAY && d.depth < 8) png_set_expand_gray_1_2_4_to_8(d.png);
  if (d.type == PNG_COLOR_TYPE_PALETTE) png_set_packing(d.png);
  if (d.depth == 16) png_set_swap(d.png);
  d.passes = png_set_interlace_handling(d.png);
  png_read_update_info(d.png, d.info);
  if (static_cast<int64_t>(png_get_rowbytes(d.png, d.info)) != row_bytes)
    png_error(d.png, "unexpected length of a row");
  for (int pass = 0; pass < d.passes; ++pass)
    for (png_uint_32 y = 0; y < d.height; ++y)
      png_read_row(d.png, pixels + static_cast<int64_t>(y) * row_bytes, nullptr);
  return true;
}

Colour colour_of(int type) {
  switch (type) {
    case PNG_COLOR_TYPE_GRAY: return Colour::grey;
    case PNG_COLOR_TYPE_GRAY_ALPHA: return Colour::grey_alpha;
    case PNG_COLOR_TYPE_RGB: return Colour::rgb;
    case PNG_COLOR_TYPE_PALETTE: return Colour::indexed;
    default: return Colour::rgba;
  }
}

struct Guard {
  Decoder& d;
  ~Guard() { png_destroy_read_struct(&d.png, &d.info, nullptr); }
};

void take_palette(Decoder& d, Image& image) {
  png_colorp colours = nullptr;
  png_bytep alpha = nullptr;
  int count = 0, alphas = 0;
  png_get_PLTE(d.png, d.info, &colours, &count);
  png_get_tRNS(d.png, d.info, &alpha, &alphas, nullptr);
  image.palette.assign(256 * 4, 0);
  for (int i = 0; i < 256; ++i) {
    uint8_t* e = image.palette.data() + i * 4;
    e[3] = 255;
    if (i >= count || colours == nullptr) continue;
    e[0] = colours[i].red;
    e[1] = colours[i].green;
    e[2] = colours[i].blue;
    if (alpha != nullptr && i < alphas) e[3] = alpha[i];
  }
}

}  // namespace

Image decode_png(const Source& source) {
  Decoder d;
  std::memset(&d, 0, sizeof d);
  d.begin = source.bytes.data();
  d.size = source.bytes.size();
  d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning);
  const Guard guard{d};
  if (d.png != nullptr) d.info = png_create_info_struct(d.png);
  if (d.info == nullptr) throw Error(Code::internal, "libpng gives no decoder", std::string(source.name));
  if (!read_header(d, source.limits)) fail(source, "PNG", d.text, static_cast<int64_t>(d.at));
  const Colour colour = colour_of(d.type);
  const int bits = d.depth == 16 ? 16 : 8;
  check_size(source, "PNG", d.width, d.height, channels_of(colour) * bits / 8);
  // Deflate makes at most 1,032 bytes out of one.
  const int64_t stored_bits = int64_t{d.width} * d.height * channels_of(colour) * d.depth;
  if (stored_bits / 8 / 1032 > static_cast<int64_t>(d.size))
    fail(source, "PNG", fmt::format("the file is too short for {} x {} pixels", d.width, d.height),
         static_cast<int64_t>(d.at));
  Image image = make_image(d.width, d.height, colour, bits);
  if (colour == Colour::indexed) take_palette(d, image);
  png_bytep exif = nullptr;
  png_uint_32 exif_size = 0;
  if (png_get_eXIf_1(d.png, d.info, &exif_size, &exif) != 0 && exif != nullptr)
    image.orientation = exif_orientation({exif, exif_size});
  if (!read_pixels(d, image.data.data(), image.row_bytes())) fail(source, "PNG", d.text, static_cast<int64_t>(d.at));
  return image;
}

}  // namespace chorus::image_detail

namespace chorus {
namespace {

struct Encoder {
  png_structp png;
  png_infop info;
  char text[256];
  std::vector<uint8_t>* out;
  bool no_memory;
};

void on_encode_error(png_structp png, png_const_charp message) {
  Encoder& e = *static_cast<Encoder*>(png_get_error_ptr(png));
  std::snprintf(e.text, sizeof e.text, "%s", message);
  png_longjmp(png, 1);
}

void on_write(png_structp png, png_bytep from, size_t count) {
  Encoder& e = *static_cast<Encoder*>(png_get_io_ptr(png));
  try {
    e.out->insert(e.out->end(), from, from + count);
  } catch (const std::bad_alloc&) {
    e.no_memory = true;
  }
  if (e.no_memory) png_error(png, "out of memory");
}

void on_flush(png_structp) {}

bool write_png(Encoder& e, const Image& image, int compression) {
  const int type = image.colour == Colour::grey         ? PNG_COLOR_TYPE_GRAY
                   : image.colour == Colour::grey_alpha ? PNG_COLOR_TYPE_GRAY_ALPHA
                   : image.colour == Colour::rgba       ? PNG_COLOR_TYPE_RGBA
                                                        : PNG_COLOR_TYPE_RGB;
  if (setjmp(png_jmpbuf(e.png))) return false;
  png_set_write_fn(e.png, &e, on_write, on_flush);
  png_set_compression_level(e.png, compression);
  png_set_IHDR(e.png, e.info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), image.bits,
               type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(e.png, e.info);
  if (image.bits == 16) png_set_swap(e.png);
  if (image.colour == Colour::bgr) png_set_bgr(e.png);
  for (int64_t y = 0; y < image.height; ++y) png_write_row(e.png, image.row(y));
  png_write_end(e.png, nullptr);
  return true;
}

struct EncoderGuard {
  Encoder& e;
  ~EncoderGuard() { png_destroy_write_struct(&e.png, &e.info); }
};

}  // namespace

std::vector<uint8_t> encode_png(const Image& image, int compression) {
  if (image.empty() || image.colour == Colour::cmyk || image.colour == Colour::indexed || image.width > 1'000'000 ||
      image.height > 1'000'000)
    throw Error(
        Code::bad_input,
        fmt::format("cannot write a PNG of {} x {} pixels, {} channels", image.width, image.height, image.channels),
        "encode_png", "convert the picture with to_colour");
  if (compression < 0 || compression > 9)
    throw Error(Code::bad_input, fmt::format("PNG compression {}", compression), "encode_png", "use 0..9");
  std::vector<uint8_t> out;
  Encoder e;
  std::memset(&e, 0, sizeof e);
  e.out = &out;
  e.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &e, on_encode_error, [](png_structp, png_const_charp) {});
  const EncoderGuard guard{e};
  if (e.png != nullptr) e.info = png_create_info_struct(e.png);
  if (e.info == nullptr) throw Error(Code::internal, "libpng gives no encoder", "encode_png");
  if (!write_png(e, image, compression)) throw Error(Code::internal, fmt::format("PNG: {}", e.text), "encode_png");
  return out;
}

}  // namespace chorus
