#include <chorus/error.h>
#include <task/ocr/detect.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace chorus::ocr_detail {
namespace {

/// To the nearest multiple of 32, halves to the even one.
int64_t to_32(int64_t side) { return static_cast<int64_t>(std::nearbyint(static_cast<double>(side) / 32)) * 32; }

struct Size {
  int64_t width, height;
};

Size scaled(const Image& picture, double ratio) {
  return {to_32(static_cast<int64_t>(static_cast<double>(picture.width) * ratio)),
          to_32(static_cast<int64_t>(static_cast<double>(picture.height) * ratio))};
}

/// Scales the picture in `p`; false when a side would become 0.
bool rescale(Prepared& p, double ratio) {
  const Size size = scaled(p.picture, ratio);
  if (size.width <= 0 || size.height <= 0) return false;
  p.ratio_x = static_cast<double>(p.picture.width) / static_cast<double>(size.width);
  p.ratio_y = static_cast<double>(p.picture.height) / static_cast<double>(size.height);
  p.picture = resize_linear(p.picture, size.width, size.height);
  return true;
}

}  // namespace

Prepared prepare(const Image& bgr, const OcrOptions& options) {
  Prepared p;
  p.picture = bgr;
  const auto over = [](int64_t bound, int64_t side) { return static_cast<double>(bound) / static_cast<double>(side); };
  const int64_t longer = std::max(p.picture.width, p.picture.height);
  if (longer > options.max_side && !rescale(p, over(options.max_side, longer))) return {};
  const int64_t shorter = std::min(p.picture.width, p.picture.height);
  if (shorter < options.min_side && !rescale(p, over(options.min_side, shorter))) return {};
  const int64_t w = p.picture.width, h = p.picture.height;
  const bool wide =
      options.width_height_ratio != -1 && static_cast<double>(w) / static_cast<double>(h) > options.width_height_ratio;
  if (h > options.min_height && !wide) return p;
  const auto share = static_cast<int64_t>(static_cast<double>(w) / options.width_height_ratio);
  p.top = std::abs(std::max(share, options.min_height) * 2 - h) / 2;
  p.picture = pad(p.picture, p.top, p.top, 0, 0, 0);
  return p;
}

Quad to_file_pixels(const Quad& box, const Prepared& prepared, int64_t width, int64_t height) {
  Quad out;
  const auto rx = static_cast<float>(prepared.ratio_x), ry = static_cast<float>(prepared.ratio_y);
  for (size_t i = 0; i < 4; ++i)
    out[i] = {std::clamp(box[i].x * rx, 0.f, static_cast<float>(width)),
              std::clamp((box[i].y - static_cast<float>(prepared.top)) * ry, 0.f, static_cast<float>(height))};
  return out;
}

DetectorInput detector_input(const Image& bgr, const OcrOptions& options) {
  const int64_t shorter = std::min(bgr.width, bgr.height), longer = std::max(bgr.width, bgr.height);
  const auto limit = static_cast<double>(options.limit_side);
  double ratio = 1;
  if (options.limit_type == LimitSide::shorter_at_least && shorter < options.limit_side)
    ratio = limit / static_cast<double>(shorter);
  if (options.limit_type == LimitSide::longer_at_most && longer > options.limit_side)
    ratio = limit / static_cast<double>(longer);
  const Size size = scaled(bgr, ratio);
  DetectorInput input;
  if (size.width <= 0 || size.height <= 0) return input;
  if (size.width > options.max_detection_pixels / size.height)
    throw Error(Code::bad_input,
                fmt::format("a picture of {} x {} pixels would be scaled to {} x {}, over max_detection_pixels = {}",
                            bgr.width, bgr.height, size.width, size.height, options.max_detection_pixels),
                "text detection", "cut the picture, or raise max_detection_pixels");
  const Image image = resize_linear(bgr, size.width, size.height);
  // 1/255 in single, mean and deviation in double precision.
  float table[256];
  for (int v = 0; v < 256; ++v)
    table[v] =
        static_cast<float>((static_cast<double>(static_cast<float>(v) * static_cast<float>(1 / 255.0)) - 0.5) / 0.5);
  const int64_t plane = size.width * size.height;
  input.shape = {1, 3, size.height, size.width};
  input.values.resize(static_cast<size_t>(3 * plane));
  const uint8_t* from = image.data.data();
  float* to = input.values.data();
  for (int64_t i = 0; i < plane; ++i, from += 3) {
    to[i] = table[from[0]];
    to[plane + i] = table[from[1]];
    to[2 * plane + i] = table[from[2]];
  }
  return input;
}

namespace {

struct MiniBox {
  Quad corners;
  float shorter = 0;
};

/// The smallest turned rectangle around the points, corners clockwise from the top left.
MiniBox mini_box(std::span<const PixelPoint> points) {
  const TurnedRect rect = min_area_rect(points);
  Quad p = corners(rect);
  std::stable_sort(p.begin(), p.end(), [](Point a, Point b) { return a.x < b.x; });
  if (!(p[1].y > p[0].y)) std::swap(p[0], p[1]);
  if (!(p[3].y > p[2].y)) std::swap(p[2], p[3]);
  return {{p[0], p[2], p[3], p[1]}, std::min(rect.width, rect.height)};
}

/// Mean probability inside the box, whose corners are cut to whole pixels of the part of the map that it covers.
double fast_score(std::span<const float> map, int64_t width, int64_t height, const Quad& box) {
  float left = box[0].x, right = box[0].x, top = box[0].y, bottom = box[0].y;
  for (const Point p : box) {
    left = std::min(left, p.x), right = std::max(right, p.x);
    top = std::min(top, p.y), bottom = std::max(bottom, p.y);
  }
  const auto inside = [](float v, int64_t size) {
    return v > 0 ? static_cast<int64_t>(std::min(v, static_cast<float>(size - 1))) : 0;
  };
  const int64_t x0 = inside(std::floor(left), width), x1 = inside(std::ceil(right), width);
  const int64_t y0 = inside(std::floor(top), height), y1 = inside(std::ceil(bottom), height);
  Contour polygon;
  for (const Point p : box)
    polygon.push_back(
        {static_cast<int32_t>(p.x - static_cast<float>(x0)), static_cast<int32_t>(p.y - static_cast<float>(y0))});
  return mean_inside(map.data() + y0 * width + x0, width, x1 - x0 + 1, y1 - y0 + 1, polygon);
}

/// Mean probability inside the contour.
double slow_score(std::span<const float> map, int64_t width, int64_t height, const Contour& contour) {
  PixelPoint low = contour[0], high = contour[0];
  for (const PixelPoint p : contour) {
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  Contour polygon;
  for (const PixelPoint p : contour) polygon.push_back({p.x - low.x, p.y - low.y});
  (void)height;
  return mean_inside(map.data() + low.y * width + low.x, width, high.x - low.x + 1, high.y - low.y + 1, polygon);
}

}  // namespace

std::vector<Quad> boxes_from_map(std::span<const float> map, int64_t map_width, int64_t map_height, int64_t width,
                                 int64_t height, const OcrOptions& options) {
  constexpr float kSmallest = 3;
  std::vector<uint8_t> mask(map.size());
  for (size_t i = 0; i < map.size(); ++i) mask[i] = map[i] > options.threshold ? 1 : 0;
  if (options.dilation == Dilation::on) mask = dilate_2x2({mask.data(), map_width, map_height});
  std::vector<Quad> boxes;
  for (const Contour& contour :
       find_contours({mask.data(), map_width, map_height}, static_cast<size_t>(options.max_candidates))) {
    const MiniBox found = mini_box(contour);
    if (found.shorter < kSmallest) continue;
    const double score = options.box_score == BoxScore::fast ? fast_score(map, map_width, map_height, found.corners)
                                                             : slow_score(map, map_width, map_height, contour);
    if (options.box_threshold > score) continue;
    const Contour grown = unclip(found.corners, options.unclip_ratio);
    if (grown.empty()) continue;
    MiniBox box = mini_box(grown);
    if (box.shorter < kSmallest + 2) continue;
    for (Point& p : box.corners) {
      const auto to = [](float v, int64_t from, int64_t size) {
        const auto wide = static_cast<float>(size);
        return std::clamp(std::nearbyint(v / static_cast<float>(from) * wide), 0.f, wide);
      };
      p = {to(p.x, map_width, width), to(p.y, map_height, height)};
    }
    boxes.push_back(box.corners);
  }
  return boxes;
}

std::vector<Quad> filter_boxes(const std::vector<Quad>& boxes, int64_t width, int64_t height) {
  std::vector<Quad> out;
  for (Quad p : boxes) {
    std::stable_sort(p.begin(), p.end(), [](Point a, Point b) { return a.x < b.x; });
    if (p[1].y < p[0].y) std::swap(p[0], p[1]);
    if (p[3].y < p[2].y) std::swap(p[2], p[3]);
    Quad box = {p[0], p[2], p[3], p[1]};
    for (Point& c : box)
      c = {std::trunc(std::clamp(c.x, 0.f, static_cast<float>(width - 1))),
           std::trunc(std::clamp(c.y, 0.f, static_cast<float>(height - 1)))};
    const auto length = [&](size_t i) { return std::hypot(box[0].x - box[i].x, box[0].y - box[i].y); };
    if (static_cast<int64_t>(length(1)) <= 3 || static_cast<int64_t>(length(3)) <= 3) continue;
    out.push_back(box);
  }
  return out;
}

std::vector<Quad> sort_boxes(std::vector<Quad> boxes) {
  constexpr float kSameLine = 10;
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](const Quad& a, const Quad& b) { return a[0].y != b[0].y ? a[0].y < b[0].y : a[0].x < b[0].x; });
  for (size_t i = 0; i + 1 < boxes.size(); ++i)
    for (size_t j = i + 1; j > 0; --j) {
      const Point lower = boxes[j][0], upper = boxes[j - 1][0];
      if (!(std::fabs(lower.y - upper.y) < kSameLine && lower.x < upper.x)) break;
      std::swap(boxes[j], boxes[j - 1]);
    }
  return boxes;
}

std::vector<Quad> detect(OcrNetwork& detector, const Image& bgr, const OcrOptions& options) {
  const DetectorInput input = detector_input(bgr, options);
  if (input.values.empty()) return {};
  const NetworkOutput out = detector.run(input.values, input.shape);
  if (!out.fits() || out.values.empty() || out.shape.size() != 4 || out.shape[0] != 1 || out.shape[1] != 1)
    throw Error(
        Code::bad_input,
        fmt::format("the detector gives a tensor of shape [{}], not [1, 1, height, width]", fmt::join(out.shape, ", ")),
        "text detection", "give a DB text detection model");
  std::vector<Quad> boxes = boxes_from_map(out.values, out.shape[3], out.shape[2], bgr.width, bgr.height, options);
  return sort_boxes(filter_boxes(boxes, bgr.width, bgr.height));
}

}  // namespace chorus::ocr_detail
