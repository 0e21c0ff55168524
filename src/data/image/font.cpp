#include <chorus/error.h>
#include <data/image/draw.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include <ft2build.h>
#include FT_FREETYPE_H

namespace chorus {

std::vector<uint32_t> code_points(std::string_view text) {
  constexpr uint32_t kDamaged = 0xfffd;
  std::vector<uint32_t> out;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t length = lead < 0x80                   ? 1
                          : lead >= 0xc2 && lead < 0xe0 ? 2
                          : lead >= 0xe0 && lead < 0xf0 ? 3
                          : lead >= 0xf0 && lead < 0xf5 ? 4
                                                        : 0;
    uint32_t value = length == 1 ? lead : length == 0 ? kDamaged : lead & (0x7fu >> length);
    bool good = length > 0 && i + length <= text.size();
    for (size_t k = 1; good && k < length; ++k) {
      const auto byte = static_cast<uint8_t>(text[i + k]);
      good = (byte & 0xc0) == 0x80;
      value = value << 6 | (byte & 0x3f);
    }
    // Overlong forms, halves of surrogate pairs and numbers beyond Unicode are damage too.
    constexpr uint32_t kLeast[5] = {0, 0, 0x80, 0x800, 0x10000};
    good = good && value >= kLeast[length] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
    out.push_back(good ? value : kDamaged);
    i += good ? length : 1;
  }
  return out;
}

struct Font::Impl {
  FT_Library library = nullptr;
  FT_Face face = nullptr;
  ~Impl() {
    if (face != nullptr) FT_Done_Face(face);
    if (library != nullptr) FT_Done_FreeType(library);
  }

  void set_size(double size) {
    FT_Set_Char_Size(face, 0, static_cast<FT_F26Dot6>(std::clamp(size, 1.0, 1000.0) * 64), 72, 72);
  }
};

Font::Font(const std::string& path) : impl_(std::make_unique<Impl>()) {
  if (FT_Init_FreeType(&impl_->library) != 0) throw Error(Code::internal, "FreeType does not start", path);
  const FT_Error error = FT_New_Face(impl_->library, path.c_str(), 0, &impl_->face);
  if (error == FT_Err_Cannot_Open_Resource)
    throw Error(Code::not_found, "cannot open the font", path, "give a TrueType file, or install fonts-wqy-zenhei");
  if (error != 0 || !FT_IS_SCALABLE(impl_->face))
    throw Error(Code::bad_input, fmt::format("not a scalable font (FreeType error {})", error), path,
                "give a TrueType file");
}

Font::~Font() = default;

std::string Font::installed() {
  constexpr std::array kPlaces = {
      "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
      "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
      "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
      "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
      "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
      "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
  };
  for (const char* place : kPlaces)
    if (std::FILE* file = std::fopen(place, "rb"); file != nullptr) {
      std::fclose(file);
      return place;
    }
  throw Error(Code::not_found, fmt::format("none of these fonts is installed: {}", fmt::join(kPlaces, ", ")), "Font",
              "install fonts-wqy-zenhei, or name a font file");
}

Font::Extent Font::measure(std::string_view text, double size) {
  impl_->set_size(size);
  const FT_Face face = impl_->face;
  Extent extent;
  extent.ascent = static_cast<double>(face->size->metrics.ascender) / 64;
  extent.descent = -static_cast<double>(face->size->metrics.descender) / 64;
  for (const uint32_t c : code_points(text))
    if (FT_Load_Char(face, c, FT_LOAD_NO_BITMAP) == 0) extent.width += static_cast<double>(face->glyph->advance.x) / 64;
  return extent;
}

namespace {

/// Lays a glyph's coverage over the picture with its upper left corner at (x, y).
void lay(Image& image, const FT_Bitmap& bitmap, int64_t x, int64_t y, Ink ink) {
  if (bitmap.pixel_mode != FT_PIXEL_MODE_GRAY || bitmap.buffer == nullptr) return;
  const int levels[3] = {image.colour == Colour::bgr ? ink.blue : ink.red, ink.green,
                         image.colour == Colour::bgr ? ink.red : ink.blue};
  for (int64_t r = std::max<int64_t>(0, -y); r < bitmap.rows && y + r < image.height; ++r) {
    const uint8_t* from = bitmap.buffer + r * bitmap.pitch;
    for (int64_t c = std::max<int64_t>(0, -x); c < bitmap.width && x + c < image.width; ++c) {
      uint8_t* p = image.row(y + r) + (x + c) * image.channels;
      const int cover = from[c];
      for (int64_t k = 0; k < image.channels; ++k) {
        const int level = image.channels == 1 ? (ink.red + ink.green + ink.blue) / 3 : levels[k];
        p[k] = static_cast<uint8_t>((p[k] * (255 - cover) + level * cover + 127) / 255);
      }
    }
  }
}

}  // namespace

void Font::draw(Image& image, std::string_view text, Point origin, double size, Ink ink, double angle) {
  if (image.bits != 8 || (image.channels != 1 && image.channels != 3))
    throw Error(Code::bad_input, fmt::format("cannot draw on {} channels of {} bits", image.channels, image.bits),
                "Font::draw", "convert the picture with to_colour");
  constexpr double kFar = 1 << 24;
  if (!(std::fabs(origin.x) < kFar && std::fabs(origin.y) < kFar && std::isfinite(angle))) return;
  impl_->set_size(size);
  const FT_Face face = impl_->face;
  const double right = std::cos(angle), down = std::sin(angle);
  const auto fixed = [](double v) { return static_cast<FT_Fixed>(std::lrint(v * 65536)); };
  FT_Matrix turn = {fixed(right), fixed(down), fixed(-down), fixed(right)};  // y up
  FT_Set_Transform(face, angle == 0 ? nullptr : &turn, nullptr);
  double x = origin.x, y = origin.y;
  for (const uint32_t c : code_points(text)) {
    if (FT_Load_Char(face, c, FT_LOAD_NO_BITMAP) != 0) continue;
    const double dx = static_cast<double>(face->glyph->advance.x) / 64,
                 dy = -static_cast<double>(face->glyph->advance.y) / 64;
    if (FT_Render_Glyph(face->glyph, FT_RENDER_MODE_NORMAL) == 0)
      lay(image, face->glyph->bitmap, std::lrint(x) + face->glyph->bitmap_left, std::lrint(y) - face->glyph->bitmap_top,
          ink);
    x += dx;
    y += dy;
    if (std::fabs(x) > kFar || std::fabs(y) > kFar) break;
  }
  FT_Set_Transform(face, nullptr, nullptr);
}

}  // namespace chorus
