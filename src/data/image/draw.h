// Drawing on 8-bit pictures: lines, translucent polygons, text of a TrueType font with smooth edges.
#pragma once
#include <data/image/shapes.h>

#include <memory>
#include <string>
#include <string_view>

namespace chorus {

/// red, green, blue; drawn in the picture's own channel order (grey pictures take the mean).
struct Ink {
  uint8_t red = 0, green = 0, blue = 0;
};

/// The closed polygon's outline, `thickness` pixels wide (>= 1). 8-bit grey, rgb or bgr pictures only, else bad_input.
void draw_outline(Image& image, std::span<const Point> polygon, Ink ink, int thickness);

/// Lays `ink` over the inside: opacity 0 … 1.
void blend_polygon(Image& image, std::span<const Point> polygon, Ink ink, float opacity);

/// A typeface from a TrueType or OpenType file.
class Font {
 public:
  /// Throws not_found or bad_input with the path.
  explicit Font(const std::string& path);
  ~Font();
  Font(const Font&) = delete;
  Font& operator=(const Font&) = delete;

  /// An installed font with Chinese letters if there is one, else one with Latin letters. Throws not_found, naming
  /// what was tried.
  static std::string installed();

  struct Extent {
    double width = 0, ascent = 0, descent = 0;  ///< pixels
  };
  /// Size of a line of UTF-8 text; `size` in pixels (1 … 1,000). Letters that the font lacks count as its box.
  Extent measure(std::string_view text, double size);

  /// Draws a line from `origin` (left end of its baseline) on, turned by `angle` (radians, clockwise). Parts outside
  /// the picture are cut
  /// off. Damaged UTF-8 is drawn as U+FFFD.
  void draw(Image& image, std::string_view text, Point origin, double size, Ink ink, double angle = 0);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Code points of UTF-8 text; every damaged byte gives U+FFFD.
std::vector<uint32_t> code_points(std::string_view text);

}  // namespace chorus
