// JPEG 2000 by OpenJPEG: JP2 files and bare code streams.
#include <chorus/error.h>
#include <data/image/codec.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include <openjpeg.h>

namespace chorus::image_detail {
namespace {

constexpr std::string_view kKind = "JPEG 2000";

struct Reader {
  std::span<const uint8_t> bytes;
  size_t at = 0;
};

OPJ_SIZE_T read_some(void* out, OPJ_SIZE_T n, void* user) {
  auto& r = *static_cast<Reader*>(user);
  const size_t have = std::min<size_t>(n, r.bytes.size() - r.at);
  if (have == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(out, r.bytes.data() + r.at, have);
  r.at += have;
  return have;
}
OPJ_OFF_T skip_some(OPJ_OFF_T n, void* user) {
  auto& r = *static_cast<Reader*>(user);
  if (n < 0 || r.at == r.bytes.size()) return -1;
  const size_t step = std::min<size_t>(static_cast<size_t>(n), r.bytes.size() - r.at);
  r.at += step;
  return static_cast<OPJ_OFF_T>(step);
}
OPJ_BOOL seek_to(OPJ_OFF_T at, void* user) {
  auto& r = *static_cast<Reader*>(user);
  if (at < 0 || static_cast<size_t>(at) > r.bytes.size()) return OPJ_FALSE;
  r.at = static_cast<size_t>(at);
  return OPJ_TRUE;
}

void keep_first(const char* text, void* user) {
  auto& kept = *static_cast<std::string*>(user);
  if (kept.empty()) kept = text;
  while (!kept.empty() && kept.back() == '\n') kept.pop_back();
}
void ignore(const char*, void*) {}

using Stream = std::unique_ptr<opj_stream_t, void (*)(opj_stream_t*)>;
using Codec = std::unique_ptr<opj_codec_t, void (*)(opj_codec_t*)>;

/// Sample of a component at a pixel as 0 … 255. Components may be coarser than the picture.
int sample(const opj_image_comp_t& c, int64_t x, int64_t y) {
  const int64_t sx = std::min<int64_t>(x / c.dx, c.w - 1), sy = std::min<int64_t>(y / c.dy, c.h - 1);
  const auto most = (int64_t{1} << c.prec) - 1;
  int64_t v = c.data[sy * c.w + sx];
  if (c.sgnd) v += int64_t{1} << (c.prec - 1);
  v = std::clamp<int64_t>(v, 0, most);
  return static_cast<int>(c.prec > 8 ? v >> (c.prec - 8) : v * 255 / most);
}

uint8_t byte_of(double v) { return static_cast<uint8_t>(std::clamp(std::lround(v), 0L, 255L)); }

Image copy_pixels(const opj_image_t& decoded, int64_t width, int64_t height) {
  const int64_t channels = std::min<int64_t>(decoded.numcomps, 4);
  const bool ink = decoded.color_space == OPJ_CLRSPC_CMYK && channels == 4;
  const Colour kinds[] = {Colour::grey, Colour::grey_alpha, Colour::rgb, ink ? Colour::cmyk : Colour::rgba};
  const bool luma = decoded.color_space == OPJ_CLRSPC_SYCC && channels >= 3;
  Image out = make_image(width, height, kinds[channels - 1]);
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* to = out.row(y);
    for (int64_t x = 0; x < width; ++x, to += channels) {
      int v[4] = {};
      for (int64_t c = 0; c < channels; ++c) v[c] = sample(decoded.comps[c], x, y);
      if (luma) {  // ITU-R BT.601, as JFIF has it
        const double cb = v[1] - 128, cr = v[2] - 128, l = v[0];
        to[0] = byte_of(l + 1.402 * cr);
        to[1] = byte_of(l - 0.344136 * cb - 0.714136 * cr);
        to[2] = byte_of(l + 1.772 * cb);
        if (channels == 4) to[3] = static_cast<uint8_t>(v[3]);
        continue;
      }
      for (int64_t c = 0; c < channels; ++c) to[c] = static_cast<uint8_t>(v[c]);
    }
  }
  return out;
}

constexpr uint64_t kMostTiles = 4096;   // OpenJPEG takes some 10 KB for each, however small it is
constexpr uint64_t kMostComponents = 8;

/// ITU-T T.800 A.5.1: the marker SIZ stands at once behind the begin of the codestream. Asked before OpenJPEG, which takes memory for all
/// tiles and components while it reads the header. Every place that looks like one counts: a decoy hides nothing.
void check_codestreams(const Source& source) {
  static constexpr uint8_t kBegin[] = {0xff, 0x4f, 0xff, 0x51};
  const auto all = source.bytes;
  for (auto at = all.begin();; ++at) {
    at = std::search(at, all.end(), std::begin(kBegin), std::end(kBegin));
    if (all.end() - at < 42) return;
    const auto number = [&](int place) {
      uint64_t v = 0;
      for (int i = 0; i < 4; ++i) v = v << 8 | at[place + i];
      return v;
    };
    const uint64_t wide = number(24), high = number(28), components = uint64_t{at[40]} << 8 | at[41];
    if (wide == 0 || high == 0) fail(source, kKind, "tiles without a size", at - all.begin());
    // Tiles begin at an offset of their own: at most one more in each direction.
    const uint64_t tiles = (number(8) / wide + 2) * (number(12) / high + 2);
    const bool few = number(8) / wide < kMostTiles && number(12) / high < kMostTiles && tiles <= kMostTiles;
    if (!few || components > kMostComponents)
      fail(source, kKind, "it has no or too many components, or too many tiles", at - all.begin());
  }
}

}  // namespace

Image decode_jpeg2000(const Source& source) {
  check_codestreams(source);
  Reader reader{source.bytes};
  std::string said;
  const Stream stream(opj_stream_create(size_t{1} << 16, OPJ_TRUE), &opj_stream_destroy);
  const Codec codec(opj_create_decompress(source.bytes[0] == 0 ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K), &opj_destroy_codec);
  if (!stream || !codec) throw Error(Code::budget, "JPEG 2000: no memory", std::string(source.name));
  opj_stream_set_user_data(stream.get(), &reader, nullptr);
  opj_stream_set_user_data_length(stream.get(), source.bytes.size());
  opj_stream_set_read_function(stream.get(), read_some);
  opj_stream_set_skip_function(stream.get(), skip_some);
  opj_stream_set_seek_function(stream.get(), seek_to);
  opj_set_error_handler(codec.get(), keep_first, &said);
  opj_set_warning_handler(codec.get(), ignore, nullptr);
  opj_set_info_handler(codec.get(), ignore, nullptr);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  opj_image_t* raw = nullptr;
  const bool opened = opj_setup_decoder(codec.get(), &parameters) &&
                      opj_decoder_set_strict_mode(codec.get(), OPJ_TRUE) &&
                      opj_read_header(stream.get(), codec.get(), &raw);
  const std::unique_ptr<opj_image_t, void (*)(opj_image_t*)> image(raw, [](opj_image_t* i) { opj_image_destroy(i); });
  if (!opened || !image) fail(source, kKind, said.empty() ? "damaged header" : said);
  const int64_t width = static_cast<int64_t>(image->x1) - image->x0,
                height = static_cast<int64_t>(image->y1) - image->y0;
  if (image->numcomps < 1 || image->numcomps > kMostComponents) fail(source, kKind, "it has no or too many components");
  check_size(source, kKind, width, height, 4 * image->numcomps + 4);  // OpenJPEG computes in 32 bits
  for (uint32_t c = 0; c < image->numcomps; ++c) {
    if (image->comps[c].prec < 1 || image->comps[c].prec > 31) fail(source, kKind, "samples of an impossible width");
  }
  if (!opj_decode(codec.get(), stream.get(), image.get())) fail(source, kKind, said.empty() ? "damaged data" : said);
  for (uint32_t c = 0; c < image->numcomps; ++c) {
    const opj_image_comp_t& part = image->comps[c];
    if (part.data == nullptr || part.w < 1 || part.h < 1 || part.dx < 1 || part.dy < 1 || part.prec < 1 ||
        part.prec > 31)
      fail(source, kKind, "a component is missing");
  }
  return copy_pixels(*image, width, height);
}

}  // namespace chorus::image_detail
