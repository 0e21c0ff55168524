#include <chorus/error.h>
#include <data/image/codec.h>
#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <memory>

namespace chorus {

namespace image_detail {

void fail(const Source& source, std::string_view kind, std::string_view what, int64_t offset) {
  std::string where(source.name);
  if (offset >= 0) where += fmt::format("{}byte {} of {}", where.empty() ? "" : ", ", offset, source.bytes.size());
  throw Error(Code::bad_input, fmt::format("{}: {}", kind, what), where,
              "give a complete JPEG, JPEG 2000, PNG, WebP, TIFF, BMP or PNM file");
}

void check_size(const Source& source, std::string_view kind, int64_t width, int64_t height, int64_t bytes_per_pixel) {
  if (width <= 0 || height <= 0) fail(source, kind, fmt::format("the header names {} x {} pixels", width, height));
  const DecodeLimits& limits = source.limits;
  const auto refuse = [&](std::string_view flag, int64_t bound) {
    throw Error(
        Code::bad_input,
        fmt::format("{}: picture of {} x {} pixels is over the bound {} = {}", kind, width, height, flag, bound),
        std::string(source.name), fmt::format("raise {} if the picture is wanted", flag));
  };
  if (width > limits.max_dimension || height > limits.max_dimension) refuse("max_dimension", limits.max_dimension);
  if (width > limits.max_pixels / height) refuse("max_pixels", limits.max_pixels);
  if (width > limits.max_image_bytes / height / bytes_per_pixel) refuse("max_image_bytes", limits.max_image_bytes);
}

}  // namespace image_detail

std::string_view image_kind(std::span<const uint8_t> b) noexcept {
  const auto starts = [&](std::string_view magic, size_t at = 0) {
    return b.size() >= at + magic.size() && std::memcmp(b.data() + at, magic.data(), magic.size()) == 0;
  };
  if (starts("\xff\xd8\xff")) return "jpeg";
  if (starts(std::string_view("\x89PNG\r\n\x1a\n", 8))) return "png";
  if (starts("RIFF") && starts("WEBP", 8)) return "webp";
  if (starts(std::string_view("\0\0\0\x0cjP  \r\n\x87\n", 12)) || starts("\xff\x4f\xff\x51")) return "jpeg2000";
  if (starts(std::string_view("II*\0", 4)) || starts(std::string_view("MM\0*", 4)) ||
      starts(std::string_view("II+\0", 4)) || starts(std::string_view("MM\0+", 4))) {
    return "tiff";
  }
  if (starts("BM") && b.size() >= 26) return "bmp";
  if (b.size() >= 3 && b[0] == 'P' && b[1] >= '1' && b[1] <= '6' && (b[2] == ' ' || (b[2] >= 9 && b[2] <= 13)))
    return "pnm";
  return {};
}

Image decode_image(std::span<const uint8_t> bytes, std::string_view name, const DecodeLimits& limits) {
  const image_detail::Source source{bytes, name, limits};
  if (static_cast<int64_t>(bytes.size()) > limits.max_file_bytes)
    throw Error(Code::bad_input,
                fmt::format("picture file of {} bytes is over the bound max_file_bytes = {}", bytes.size(),
                            limits.max_file_bytes),
                std::string(name), "raise max_file_bytes if the picture is wanted");
  const std::string_view kind = image_kind(bytes);
  if (kind == "jpeg") return image_detail::decode_jpeg(source);
  if (kind == "png") return image_detail::decode_png(source);
  if (kind == "webp") return image_detail::decode_webp(source);
  if (kind == "jpeg2000") return image_detail::decode_jpeg2000(source);
  if (kind == "tiff") return image_detail::decode_tiff(source);
  if (kind == "bmp") return image_detail::decode_bmp(source);
  if (kind == "pnm") return image_detail::decode_pnm(source);
  image_detail::fail(source, "picture", bytes.empty() ? "the file is empty" : "the first bytes are of no known kind",
                     0);
}

Image load_image(const std::string& path, const DecodeLimits& limits) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file)
    throw Error(Code::not_found, fmt::format("cannot open the picture: {}", std::strerror(errno)), path,
                "check the path");
  std::vector<uint8_t> bytes;
  constexpr size_t kStep = 1 << 20;
  for (;;) {
    const size_t had = bytes.size();
    bytes.resize(had + kStep);
    const size_t got = std::fread(bytes.data() + had, 1, kStep, file.get());
    bytes.resize(had + got);
    if (got < kStep || static_cast<int64_t>(bytes.size()) > limits.max_file_bytes) break;
  }
  if (std::ferror(file.get())) throw Error(Code::bad_input, "the picture cannot be read", path, "give a readable file");
  return decode_image(bytes, path, limits);
}

}  // namespace chorus
