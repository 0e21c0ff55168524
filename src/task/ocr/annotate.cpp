#include <chorus/error.h>
#include <data/image/draw.h>
#include <task/ocr/ocr.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace chorus {
namespace {

/// Colours that can be told apart on paper, one line after the other.
constexpr Ink kInks[] = {{214, 39, 40},  {31, 119, 180}, {44, 160, 44}, {148, 103, 189},
                         {255, 127, 14}, {23, 140, 155}, {140, 86, 75}, {200, 60, 160}};

void paste(Image& to, const Image& from, int64_t x, int64_t y) {
  for (int64_t row = 0; row < from.height; ++row)
    std::memcpy(to.row(y + row) + x * to.channels, from.row(row), static_cast<size_t>(from.row_bytes()));
}

/// The picture that the boxes were found in, in colours for the eye.
Image shown(const Image& picture, Reading reading) {
  return to_colour(reading == Reading::seen ? upright(picture) : picture, Colour::rgb);
}

/// The letters of UTF-8 text, each as it is written.
std::vector<std::string_view> letters_of(std::string_view text) {
  std::vector<std::string_view> letters;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    while (end < text.size() && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) ++end;
    letters.push_back(text.substr(i, end - i));
    i = end;
  }
  return letters;
}

/// Letters one below the other, spread over the box.
void write_tall(Image& sheet, Font& font, const OcrLine& line, Ink ink, Point shift, double width, double height) {
  const std::vector<std::string_view> letters = letters_of(line.text);
  if (letters.empty()) return;
  const double pitch = height / static_cast<double>(letters.size()),
               size = std::clamp(std::min(width, pitch) * 0.9, 6.0, 400.0);
  const Point corner = line.box[0];
  for (size_t i = 0; i < letters.size(); ++i) {
    const double x = corner.x + shift.x + (width - font.measure(letters[i], size).width) / 2;
    const double y = corner.y + shift.y + (static_cast<double>(i) + 0.5) * pitch + size * 0.35;
    font.draw(sheet, letters[i], {static_cast<float>(x), static_cast<float>(y)}, size, ink);
  }
}

/// The text inside its box and along its direction, as large as fits.
void write_line(Image& sheet, Font& font, const OcrLine& line, Ink ink, Point shift) {
  const Quad& b = line.box;
  const double width = std::hypot(b[1].x - b[0].x, b[1].y - b[0].y),
               height = std::hypot(b[3].x - b[0].x, b[3].y - b[0].y);
  if (width < 1 || height < 1) return;
  if (height > 2 * width) return write_tall(sheet, font, line, ink, shift, width, height);
  double size = std::clamp(height * 0.85, 6.0, 400.0);
  const double wide = font.measure(line.text, size).width;
  if (wide > width) size = std::max(size * width / wide, 6.0);
  const Font::Extent extent = font.measure(line.text, size);
  const double angle = std::atan2(b[1].y - b[0].y, b[1].x - b[0].x);
  // The baseline lies so far below the upper edge that the letters stand in the middle.
  const double drop = (height + extent.ascent - extent.descent) / 2;
  const Point origin = {static_cast<float>(b[0].x + shift.x - std::sin(angle) * drop),
                        static_cast<float>(b[0].y + shift.y + std::cos(angle) * drop)};
  font.draw(sheet, line.text, origin, size, ink, angle);
}

}  // namespace

Image annotate(const Image& picture, const OcrResult& result, Reading reading, const std::string& font_path) {
  Font font(font_path.empty() ? Font::installed() : font_path);
  const Image left = shown(picture, reading);
  const bool below = left.width > 2 * left.height;
  Image sheet = make_image(below ? left.width : 2 * left.width, below ? 2 * left.height : left.height, Colour::rgb);
  std::fill(sheet.data.begin(), sheet.data.end(), uint8_t{255});
  paste(sheet, left, 0, 0);
  const Point shift = below ? Point{0, static_cast<float>(left.height)} : Point{static_cast<float>(left.width), 0};
  const int thickness = static_cast<int>(std::clamp<int64_t>(std::max(left.width, left.height) / 800, 1, 4));
  for (size_t i = 0; i < result.lines.size(); ++i) {
    const OcrLine& line = result.lines[i];
    const Ink ink = kInks[i % std::size(kInks)];
    blend_polygon(sheet, line.box, ink, 0.12f);
    draw_outline(sheet, line.box, ink, thickness);
    Quad moved = line.box;
    for (Point& p : moved) p = {p.x + shift.x, p.y + shift.y};
    draw_outline(sheet, moved, ink, thickness);
    write_line(sheet, font, line, {20, 20, 20}, shift);
  }
  return sheet;
}

}  // namespace chorus
