// TIFF by libtiff: the first picture of the file, as 8-bit colours.
#include <chorus/error.h>
#include <data/image/codec.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <tiffio.h>

namespace chorus::image_detail {
namespace {

constexpr std::string_view kKind = "TIFF";

struct Reader {
  std::span<const uint8_t> bytes;
  uint64_t at = 0;
};

tmsize_t read_some(thandle_t user, void* out, tmsize_t n) {
  auto& r = *static_cast<Reader*>(user);
  if (n < 0 || r.at > r.bytes.size()) return 0;
  const size_t have = std::min<size_t>(static_cast<size_t>(n), r.bytes.size() - r.at);
  if (have > 0) std::memcpy(out, r.bytes.data() + r.at, have);
  r.at += have;
  return static_cast<tmsize_t>(have);
}
tmsize_t write_none(thandle_t, void*, tmsize_t) { return 0; }
toff_t seek_to(thandle_t user, toff_t offset, int whence) {
  auto& r = *static_cast<Reader*>(user);
  const uint64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? r.at : r.bytes.size();
  r.at = from + offset;
  return r.at;
}
int close_none(thandle_t) { return 0; }
toff_t size_of(thandle_t user) { return static_cast<Reader*>(user)->bytes.size(); }
int map_none(thandle_t, void**, toff_t*) { return 0; }
void unmap_none(thandle_t, void*, toff_t) {}

int keep_first(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  auto& kept = *static_cast<std::string*>(user);
  char text[200];
  std::vsnprintf(text, sizeof text, format, arguments);
  if (kept.empty()) kept = text;
  return 1;
}
int ignore(TIFF*, void*, const char*, const char*, va_list) { return 1; }

using Handle = std::unique_ptr<TIFF, void (*)(TIFF*)>;

Handle open(const Source& source, Reader* reader, std::string* said) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             &TIFFOpenOptionsFree);
  if (!options) throw Error(Code::budget, "TIFF: no memory", std::string(source.name));
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), static_cast<tmsize_t>(source.limits.max_image_bytes));
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_first, said);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore, nullptr);
  return {TIFFClientOpenExt("picture", "rm", reader, read_some, write_none, seek_to, close_none, size_of, map_none,
                            unmap_none, options.get()),
          &TIFFClose};
}

}  // namespace

Image decode_tiff(const Source& source) {
  Reader reader{source.bytes};
  std::string said;
  const Handle tiff = open(source, &reader, &said);
  if (!tiff) fail(source, kKind, said.empty() ? "damaged header" : said);
  uint32_t width = 0, height = 0;
  uint16_t extra = 0, *kinds = nullptr;
  TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height);
  TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_EXTRASAMPLES, &extra, &kinds);
  check_size(source, kKind, width, height, 8);  // libtiff's pixels and ours
  std::vector<uint32_t> pixels(static_cast<size_t>(width) * height);
  if (TIFFReadRGBAImageOriented(tiff.get(), width, height, pixels.data(), ORIENTATION_TOPLEFT, 1) != 1)
    fail(source, kKind, said.empty() ? "damaged data" : said);
  const bool alpha = extra > 0 && kinds != nullptr && kinds[0] != EXTRASAMPLE_UNSPECIFIED;
  Image out = make_image(width, height, alpha ? Colour::rgba : Colour::rgb);
  for (size_t i = 0; i < pixels.size(); ++i) {
    const uint32_t p = pixels[i];
    uint8_t* const to = out.data.data() + i * static_cast<size_t>(out.channels);
    to[0] = static_cast<uint8_t>(TIFFGetR(p));
    to[1] = static_cast<uint8_t>(TIFFGetG(p));
    to[2] = static_cast<uint8_t>(TIFFGetB(p));
    if (alpha) to[3] = static_cast<uint8_t>(TIFFGetA(p));
  }
  return out;
}

}  // namespace chorus::image_detail
