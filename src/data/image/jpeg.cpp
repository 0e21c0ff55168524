// JPEG by libjpeg-turbo. The library reports errors by a callback that may not return: every call into it runs under
// setjmp in a
// function that owns nothing with a destructor.
#include <chorus/error.h>
#include <data/image/codec.h>
#include <fmt/format.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jerror.h>
#include <jpeglib.h>

namespace chorus::image_detail {
namespace {

struct Decoder {
  jpeg_decompress_struct info;
  jpeg_error_mgr errors;
  jpeg_source_mgr source;
  jpeg_progress_mgr progress;
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
  const uint8_t* begin;
  size_t size;
  int max_scans;
  bool ran_out;
};

Decoder& decoder_of(j_common_ptr info) { return *static_cast<Decoder*>(info->client_data); }

void on_error(j_common_ptr info) {
  Decoder& d = decoder_of(info);
  info->err->format_message(info, d.text);
  std::longjmp(d.jump, 1);
}

void on_message(j_common_ptr, int) {}

void source_begin(j_decompress_ptr) {}
void source_end(j_decompress_ptr) {}

boolean source_more(j_decompress_ptr info) {
  // At the end of the bytes the library gets an end marker, so that it stops by itself; the caller refuses the picture.
  static constexpr JOCTET kEnd[2] = {0xff, JPEG_EOI};
  decoder_of(reinterpret_cast<j_common_ptr>(info)).ran_out = true;
  info->src->next_input_byte = kEnd;
  info->src->bytes_in_buffer = 2;
  return TRUE;
}

void source_skip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  jpeg_source_mgr& s = *info->src;
  if (static_cast<size_t>(count) > s.bytes_in_buffer) {
    source_more(info);
    return;
  }
  s.next_input_byte += count;
  s.bytes_in_buffer -= static_cast<size_t>(count);
}

void on_progress(j_common_ptr info) {
  Decoder& d = decoder_of(info);
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= d.max_scans) return;
  std::snprintf(d.text, sizeof d.text, "more than %d scans", d.max_scans);
  std::longjmp(d.jump, 1);
}

void set_up(Decoder& d, const Source& source) {
  std::memset(&d, 0, sizeof d);
  d.begin = source.bytes.data();
  d.size = source.bytes.size();
  d.max_scans = source.limits.max_scans;
  d.info.err = jpeg_std_error(&d.errors);
  d.errors.error_exit = on_error;
  d.errors.emit_message = on_message;
  d.info.client_data = &d;
}

/// True when the header was read.
bool read_header(Decoder& d) {
  if (setjmp(d.jump)) return false;
  jpeg_create_decompress(&d.info);
  d.source.init_source = source_begin;
  d.source.fill_input_buffer = source_more;
  d.source.skip_input_data = source_skip;
  d.source.resync_to_restart = jpeg_resync_to_restart;
  d.source.term_source = source_end;
  d.source.next_input_byte = d.begin;
  d.source.bytes_in_buffer = d.size;
  d.info.src = &d.source;
  d.progress.progress_monitor = on_progress;
  d.info.progress = &d.progress;
  jpeg_save_markers(&d.info, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&d.info, TRUE);
  const bool ink = d.info.jpeg_color_space == JCS_CMYK || d.info.jpeg_color_space == JCS_YCCK;
  d.info.out_color_space = ink ? JCS_CMYK : d.info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_calc_output_dimensions(&d.info);
  return true;
}

bool read_pixels(Decoder& d, uint8_t* pixels, int64_t row_bytes) {
  if (setjmp(d.jump)) return false;
  jpeg_start_decompress(&d.info);
  while (d.info.output_scanline < d.info.output_height) {
    JSAMPROW row = pixels + static_cast<int64_t>(d.info.output_scanline) * row_bytes;
    jpeg_read_scanlines(&d.info, &row, 1);
    if (d.ran_out && d.info.output_scanline < d.info.output_height) {
      std::snprintf(d.text, sizeof d.text, "the file ends in row %u of %u", d.info.output_scanline,
                    d.info.output_height);
      return false;
    }
  }
  return true;
}

int64_t offset_of(const Decoder& d) {
  if (d.ran_out || d.source.next_input_byte == nullptr) return static_cast<int64_t>(d.size);
  return d.source.next_input_byte - d.begin;
}

/// Releases the library's memory however the function is left.
struct Guard {
  Decoder& d;
  ~Guard() { jpeg_destroy_decompress(&d.info); }
};

}  // namespace

Image decode_jpeg(const Source& source) {
  Decoder d;
  set_up(d, source);
  const Guard guard{d};
  if (!read_header(d)) fail(source, "JPEG", d.text, offset_of(d));
  const int64_t width = d.info.output_width, height = d.info.output_height;
  // A progressive file needs two bytes per coefficient beside the pixels.
  const int64_t per_pixel = d.info.num_components * (d.info.progressive_mode || d.info.num_components > 3 ? 3 : 1);
  check_size(source, "JPEG", width, height, per_pixel);
  // Huffman coding spends at least one bit on each block of 64 pixels.
  if (!d.info.arith_code && width * height / 512 > static_cast<int64_t>(d.size))
    fail(source, "JPEG", fmt::format("the file is too short for {} x {} pixels", width, height), offset_of(d));
  const Colour colour = d.info.out_color_space == JCS_CMYK        ? Colour::cmyk
                        : d.info.out_color_space == JCS_GRAYSCALE ? Colour::grey
                                                                  : Colour::rgb;
  Image image = make_image(width, height, colour);
  for (jpeg_saved_marker_ptr m = d.info.marker_list; m != nullptr; m = m->next)
    if (m->data_length >= 6 && std::memcmp(m->data, "Exif\0\0", 6) == 0) {
      image.orientation = exif_orientation({m->data, m->data_length});
      break;
    }
  if (!read_pixels(d, image.data.data(), image.row_bytes())) fail(source, "JPEG", d.text, offset_of(d));
  // Adobe writes ink inverted, and so does everybody who writes JPEG with ink.
  if (colour == Colour::cmyk)
    for (uint8_t& v : image.data) v = static_cast<uint8_t>(255 - v);
  return image;
}

}  // namespace chorus::image_detail

namespace chorus {
namespace {

struct Encoder {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
  unsigned char* bytes;
  unsigned long size;
};

void on_encode_error(j_common_ptr info) {
  Encoder& e = *static_cast<Encoder*>(info->client_data);
  info->err->format_message(info, e.text);
  std::longjmp(e.jump, 1);
}

bool write_jpeg(Encoder& e, const Image& image, int quality) {
  if (setjmp(e.jump)) return false;
  jpeg_create_compress(&e.info);
  jpeg_mem_dest(&e.info, &e.bytes, &e.size);
  e.info.image_width = static_cast<JDIMENSION>(image.width);
  e.info.image_height = static_cast<JDIMENSION>(image.height);
  e.info.input_components = static_cast<int>(image.channels);
  e.info.in_color_space = image.colour == Colour::grey  ? JCS_GRAYSCALE
                          : image.colour == Colour::bgr ? JCS_EXT_BGR
                                                        : JCS_RGB;
  jpeg_set_defaults(&e.info);
  jpeg_set_quality(&e.info, quality, TRUE);
  // Who asks for this quality does not want colours at half resolution.
  constexpr int kFullColour = 95;
  if (quality >= kFullColour) e.info.comp_info[0].h_samp_factor = e.info.comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(&e.info, TRUE);
  while (e.info.next_scanline < e.info.image_height) {
    JSAMPROW row = const_cast<uint8_t*>(image.row(e.info.next_scanline));
    jpeg_write_scanlines(&e.info, &row, 1);
  }
  jpeg_finish_compress(&e.info);
  return true;
}

struct EncoderGuard {
  Encoder& e;
  ~EncoderGuard() {
    jpeg_destroy_compress(&e.info);
    std::free(e.bytes);
  }
};

}  // namespace

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  const bool kind = image.colour == Colour::grey || image.colour == Colour::rgb || image.colour == Colour::bgr;
  if (!kind || image.bits != 8 || image.empty() || image.width > JPEG_MAX_DIMENSION ||
      image.height > JPEG_MAX_DIMENSION)
    throw Error(Code::bad_input,
                fmt::format("cannot write a JPEG of {} x {} pixels, {} channels, {} bits", image.width, image.height,
                            image.channels, image.bits),
                "encode_jpeg", "convert the picture with to_colour; at most 65,500 pixels a side");
  if (quality < 1 || quality > 100)
    throw Error(Code::bad_input, fmt::format("JPEG quality {}", quality), "encode_jpeg", "use 1..100");
  Encoder e;
  std::memset(&e, 0, sizeof e);
  e.info.err = jpeg_std_error(&e.errors);
  e.errors.error_exit = on_encode_error;
  e.info.client_data = &e;
  const EncoderGuard guard{e};
  if (!write_jpeg(e, image, quality)) throw Error(Code::internal, fmt::format("JPEG: {}", e.text), "encode_jpeg");
  return {e.bytes, e.bytes + e.size};
}

}  // namespace chorus
