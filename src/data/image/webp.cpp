// WebP by libwebp; of an animation the first frame, on the canvas.
#include <chorus/error.h>
#include <data/image/codec.h>

#include <cstring>
#include <memory>

#include <webp/decode.h>
#include <webp/demux.h>

namespace chorus::image_detail {
namespace {

const char* text_of(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OK: return "ok";
    case VP8_STATUS_OUT_OF_MEMORY: return "out of memory";
    case VP8_STATUS_INVALID_PARAM: return "invalid parameter";
    case VP8_STATUS_BITSTREAM_ERROR: return "damaged bit stream";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "a feature that libwebp does not have";
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the file ends too early";
    case VP8_STATUS_USER_ABORT: return "stopped";
  }
  return "unknown error";
}

Image decode_still(const Source& source, const WebPBitstreamFeatures& features) {
  const bool alpha = features.has_alpha != 0;
  Image image = make_image(features.width, features.height, alpha ? Colour::rgba : Colour::rgb);
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config))
    throw Error(Code::internal, "libwebp of another version", std::string(source.name));
  config.output.colorspace = alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image.data.data();
  config.output.u.RGBA.stride = static_cast<int>(image.row_bytes());
  config.output.u.RGBA.size = image.data.size();
  const VP8StatusCode status = WebPDecode(source.bytes.data(), source.bytes.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) fail(source, "WebP", text_of(status));
  return image;
}

Image decode_first_frame(const Source& source, bool alpha) {
  const WebPData data{source.bytes.data(), source.bytes.size()};
  WebPAnimDecoderOptions options;
  if (!WebPAnimDecoderOptionsInit(&options))
    throw Error(Code::internal, "libwebp of another version", std::string(source.name));
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                             &WebPAnimDecoderDelete);
  WebPAnimInfo info;
  if (!decoder || !WebPAnimDecoderGetInfo(decoder.get(), &info)) fail(source, "WebP", "damaged animation");
  check_size(source, "WebP", info.canvas_width, info.canvas_height, 12);
  uint8_t* pixels = nullptr;
  int milliseconds = 0;
  if (!WebPAnimDecoderGetNext(decoder.get(), &pixels, &milliseconds) || pixels == nullptr)
    fail(source, "WebP", "damaged first frame");
  Image image = make_image(info.canvas_width, info.canvas_height, alpha ? Colour::rgba : Colour::rgb);
  const int64_t count = image.width * image.height;
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(image.data.data() + i * image.channels, pixels + i * 4, static_cast<size_t>(image.channels));
  return image;
}

int orientation_of(const Source& source) {
  const WebPData data{source.bytes.data(), source.bytes.size()};
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demuxer(WebPDemux(&data), &WebPDemuxDelete);
  WebPChunkIterator chunk;
  if (!demuxer || !WebPDemuxGetChunk(demuxer.get(), "EXIF", 1, &chunk)) return 1;
  const int orientation = exif_orientation({chunk.chunk.bytes, chunk.chunk.size});
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

}  // namespace

Image decode_webp(const Source& source) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(source.bytes.data(), source.bytes.size(), &features);
  if (status != VP8_STATUS_OK) fail(source, "WebP", text_of(status));
  // An animation needs the canvas, the frame before and our copy.
  check_size(source, "WebP", features.width, features.height, features.has_animation ? 12 : 4);
  Image image =
      features.has_animation ? decode_first_frame(source, features.has_alpha != 0) : decode_still(source, features);
  image.orientation = orientation_of(source);
  return image;
}

}  // namespace chorus::image_detail
