// Pictures: JPEG, JPEG 2000, PNG, WebP, TIFF, BMP, PNM, and the EXIF block inside them.
#include "fuzz/target.h"

#include "data/image/by_hand.h"
#include "data/image/formula_files.h"
#include "data/image/samples.h"

#include <data/image/decode.h>

#include <stdexcept>

namespace chorus::fuzz {
namespace {

using testing::Bytes;

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }
std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

void run(std::string_view text) {
  DecodeLimits limits;
  limits.max_pixels = 1 << 20;
  limits.max_image_bytes = int64_t{8} << 20;
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  const int orientation = exif_orientation(bytes);
  if (orientation < 1 || orientation > 8) throw std::logic_error("an orientation that there is not");
  const Image picture = decode_image(bytes, "fuzz", limits);
  if (static_cast<int64_t>(picture.data.size()) != picture.height * picture.row_bytes())
    throw std::logic_error("a picture's bytes are not those of its size");
  static_cast<void>(to_colour(upright(picture), Colour::rgb));
}

std::vector<Seed> seeds() {
  std::vector<Seed> found;
  for (const testing::PictureSample& s : testing::kPictureSamples)
    found.push_back({s.name, text_of(testing::from_hex(s.hex))});
  for (const testing::FormulaSample& s : testing::kTiffFiles)
    found.push_back({std::string(s.name), text_of(testing::from_hex(s.hex))});
  for (const testing::FormulaSample& s : testing::kJpeg2000Files)
    found.push_back({std::string(s.name), text_of(testing::from_hex(s.hex))});
  for (const testing::PngKind kind : testing::kPngKinds)
    found.push_back({"png", text_of(testing::make_png(kind, 9, 5, kind.depth % 2 == 0).file)});
  for (const int bits : {8, 24, 32}) found.push_back({"bmp", text_of(testing::make_bmp(bits, 5, 3, bits == 8).file)});
  found.push_back({"exif", text_of(testing::make_exif(true, 6))});
  return found;
}

// Bytes, with the sums of a PNG's chunks right again: what lies behind them.
std::string change(std::string_view bytes, std::string_view other, Random& random) {
  std::string how;
  Bytes file = bytes_of(testing::damage_bytes(std::string(bytes), other, random, how));
  if (file.size() > 33 && bytes.starts_with("\x89PNG") && random.chance(20))
    testing::set_png_size(file, static_cast<uint32_t>(random.integer()), 7);
  testing::repair_png_sums(file);
  return text_of(file);
}

}  // namespace

const Target pictures{"pictures",
                      "JPEG, JPEG 2000, PNG, WebP, TIFF, BMP, PNM, EXIF",
                      [](std::string_view bytes) { bounded(run, bytes); },
                      seeds,
                      change,
                      2};
}  // namespace chorus::fuzz
