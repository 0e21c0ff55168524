// Border following after S. Suzuki and K. Abe, "Topological structural analysis of digitized binary images by border
// following",
// CVGIP 30 (1985), without the hierarchy.
#include <data/image/shapes.h>

#include <algorithm>

namespace chorus {
namespace {

/// Marks of pixels: `kFresh` not yet on a border, `kSeen` on one, `kRight` on one and its right neighbour is
/// background that the
/// border went around (no hole may start there again).
constexpr int8_t kFresh = 1, kSeen = 2, kRight = -2;

/// Directions anticlockwise from "right" (y down).
constexpr PixelPoint kSteps[8] = {{1, 0}, {1, -1}, {0, -1}, {-1, -1}, {-1, 0}, {-1, 1}, {0, 1}, {1, 1}};

class Tracer {
 public:
  explicit Tracer(const Mask& mask)
      : width_(mask.width), stride_(mask.width + 2), marks_(static_cast<size_t>(stride_ * (mask.height + 2))) {
    for (int64_t y = 0; y < mask.height; ++y)
      for (int64_t x = 0; x < mask.width; ++x)
        at({static_cast<int32_t>(x), static_cast<int32_t>(y)}) = mask.data[y * mask.width + x] != 0;
  }

  int8_t& at(PixelPoint p) { return marks_[static_cast<size_t>((p.y + 1) * stride_ + p.x + 1)]; }
  int8_t* row(int64_t y) { return marks_.data() + (y + 1) * stride_ + 1; }

  Contour follow(PixelPoint start, bool hole) {
    Contour out;
    const int from = hole ? 0 : 4;
    int direction = from;
    PixelPoint first;
    do {
      direction = (direction + 7) & 7;
      first = next(start, direction);
    } while (at(first) == 0 && direction != from);
    if (at(first) == 0) {  // a single pixel
      at(start) = kRight;
      out.push_back(start);
      return out;
    }
    PixelPoint here = start;
    int before = direction ^ 4;
    for (;;) {
      const int came = direction;
      PixelPoint to;
      do {
        direction = (direction + 1) & 7;
        to = next(here, direction);
      } while (at(to) == 0);
      // The search went past "right" when it wrapped: that neighbour is background.
      if (static_cast<unsigned>(direction - 1) < static_cast<unsigned>(came))
        at(here) = kRight;
      else if (at(here) == kFresh)
        at(here) = kSeen;
      if (direction != before) {
        out.push_back(here);
        before = direction;
      }
      if (to == start && here == first) return out;
      here = to;
      direction = (direction + 4) & 7;
    }
  }

  int64_t width() const { return width_; }

 private:
  static PixelPoint next(PixelPoint p, int direction) { return {p.x + kSteps[direction].x, p.y + kSteps[direction].y}; }
  int64_t width_, stride_;
  std::vector<int8_t> marks_;
};

}  // namespace

std::vector<Contour> find_contours(const Mask& mask, size_t most) {
  std::vector<Contour> found;
  if (mask.width <= 0 || mask.height <= 0) return found;
  Tracer tracer(mask);
  for (int64_t y = 0; y < mask.height; ++y) {
    const int8_t* row = tracer.row(y);
    for (int64_t x = 0; x <= mask.width; ++x) {
      const int8_t here = row[x], left = row[x - 1];
      if (here == left) continue;
      if (left == 0 && here == kFresh)
        found.push_back(tracer.follow({static_cast<int32_t>(x), static_cast<int32_t>(y)}, false));
      else if (here == 0 && left >= kFresh)
        found.push_back(tracer.follow({static_cast<int32_t>(x - 1), static_cast<int32_t>(y)}, true));
    }
  }
  std::reverse(found.begin(), found.end());
  if (found.size() > most) found.resize(most);
  return found;
}

std::vector<uint8_t> dilate_2x2(const Mask& mask) {
  std::vector<uint8_t> out(static_cast<size_t>(std::max<int64_t>(mask.width, 0) * std::max<int64_t>(mask.height, 0)));
  for (int64_t y = 0; y < mask.height; ++y) {
    const uint8_t *row = mask.data + y * mask.width, *above = y > 0 ? row - mask.width : row;
    uint8_t* to = out.data() + y * mask.width;
    if (mask.width > 0) to[0] = std::max(row[0], above[0]);
    for (int64_t x = 1; x < mask.width; ++x)
      to[x] = std::max(std::max(row[x], row[x - 1]), std::max(above[x], above[x - 1]));
  }
  return out;
}

}  // namespace chorus
