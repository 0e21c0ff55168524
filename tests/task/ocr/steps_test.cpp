// The steps of text reading, each against numbers of the Python package, hand-made maps or its definition.
#include <task/ocr/detect.h>
#include <task/ocr/lines.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include "support/proves.h"

namespace chorus {
namespace {

using namespace ocr_detail;

TEST(OcrColours, AsThePackageSeesThem) {
  // What LoadImage of rapidocr-onnxruntime 1.4.4 gives for these pixels (blue, green, red).
  Image rgba = make_image(2, 2, Colour::rgba);
  rgba.data = {10, 20, 30, 255, 200, 100, 0, 0, 1, 2, 3, 128, 0, 0, 0, 7};
  EXPECT_EQ(to_ocr_colours(rgba, Reading::package).data,
            (std::vector<uint8_t>{225, 235, 245, 255, 255, 255, 252, 253, 254, 255, 255, 255}));
  rgba.data = {0, 0, 0, 255, 9, 9, 9, 0, 0, 0, 0, 128, 0, 0, 0, 7};
  EXPECT_EQ(to_ocr_colours(rgba, Reading::package).data,
            (std::vector<uint8_t>{0, 0, 0, 255, 255, 255, 127, 127, 127, 248, 248, 248}));
  Image grey = make_image(2, 2, Colour::grey_alpha);
  grey.data = {10, 255, 200, 0, 250, 128, 0, 7};
  EXPECT_EQ(to_ocr_colours(grey, Reading::package).data,
            (std::vector<uint8_t>{10, 10, 10, 255, 255, 255, 255, 255, 255, 248, 248, 248}));
  Image ink = make_image(2, 1, Colour::cmyk);
  ink.data = {10, 20, 30, 0, 200, 100, 0, 90};
  EXPECT_EQ(to_ocr_colours(ink, Reading::package).data, (std::vector<uint8_t>{255, 255, 255, 255, 155, 55}));
  Image indexed = make_image(2, 1, Colour::indexed);
  indexed.data = {3, 1};
  indexed.palette.assign(1024, 50);
  EXPECT_EQ(to_ocr_colours(indexed, Reading::package).data, (std::vector<uint8_t>{3, 3, 3, 1, 1, 1}));
  Image rgb = make_image(2, 1, Colour::rgb);
  rgb.data = {1, 2, 3, 4, 5, 6};
  rgb.orientation = 3;
  EXPECT_EQ(to_ocr_colours(rgb, Reading::package).data, (std::vector<uint8_t>{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(to_ocr_colours(rgb, Reading::seen).data, (std::vector<uint8_t>{6, 5, 4, 3, 2, 1}));
}

TEST(OcrDetect, SizesOfThePackage) {
  // File size; size and rows above after its scaling and bands; size of the detector's input. Zeros: it gives up (too
  // thin).
  constexpr int kCases[][7] = {{640, 480, 640, 480, 0, 992, 736},
                               {3000, 1200, 1984, 800, 0, 1984, 800},
                               {1200, 3000, 800, 1984, 0, 800, 1984},
                               {20, 300, 32, 448, 0, 736, 10304},
                               {300, 20, 448, 112, 40, 2944, 736},
                               {900, 100, 900, 224, 62, 2944, 736},
                               {100, 900, 100, 900, 0, 736, 6624},
                               {1000, 30, 1000, 250, 110, 2944, 736},
                               {1000, 31, 1000, 249, 109, 2944, 736},
                               {16, 16, 32, 32, 0, 736, 736},
                               {2500, 250, 1984, 496, 152, 2944, 736},
                               {2000, 2000, 2000, 2000, 0, 1984, 1984},
                               {2001, 1999, 1984, 1984, 0, 1984, 1984},
                               {800, 100, 800, 100, 0, 5888, 736},
                               {801, 100, 801, 200, 50, 2944, 736},
                               {29, 29, 32, 32, 0, 736, 736},
                               {5000, 40, 0, 0, 0, 0, 0},
                               {40, 5000, 0, 0, 0, 0, 0},
                               {5000, 10, 0, 0, 0, 0, 0},
                               {1, 1, 32, 32, 0, 736, 736}};
  for (const auto& c : kCases) {
    SCOPED_TRACE(::testing::Message() << c[0] << " x " << c[1]);
    const Prepared p = prepare(make_image(c[0], c[1], Colour::bgr), {});
    EXPECT_EQ(p.picture.width, c[2]);
    EXPECT_EQ(p.picture.height, c[3]);
    EXPECT_EQ(p.top, c[4]);
    if (p.picture.empty()) continue;
    const DetectorInput input = detector_input(p.picture, {});
    EXPECT_EQ(input.shape, (BatchShape{1, 3, c[6], c[5]}));
    // The corners of the file come back from the corners of the scaled picture.
    const auto w = static_cast<float>(c[2]), h = static_cast<float>(c[3] - 2 * c[4]), top = static_cast<float>(c[4]);
    const Quad back =
        to_file_pixels({Point{0, top}, Point{w, top}, Point{w, top + h}, Point{-5, top - 5}}, p, c[0], c[1]);
    EXPECT_NEAR(back[2].x, c[0], 1e-2);
    EXPECT_NEAR(back[2].y, c[1], 1e-2);
    EXPECT_EQ(back[3].x, 0);
    EXPECT_EQ(back[3].y, 0);
  }
  OcrOptions small;
  small.max_detection_pixels = 1000;
  EXPECT_THROW(detector_input(make_image(50, 50, Colour::bgr), small), Error);
}

TEST(OcrDetect, InputIsPlanesFromMinusOneToOne) {
  Image image = make_image(736, 736, Colour::bgr);
  for (size_t i = 0; i < image.data.size(); i += 3) image.data[i] = 0, image.data[i + 1] = 127, image.data[i + 2] = 255;
  const DetectorInput input = detector_input(image, {});
  constexpr size_t kPlane = 736 * 736;
  EXPECT_EQ(input.values[5], -1.f);
  EXPECT_NEAR(input.values[kPlane + 5], 127 / 127.5 - 1, 1e-7);
  EXPECT_NEAR(input.values[2 * kPlane + 5], 1.f, 1e-7);
}

/// A map with probability `inside` in a turned rectangle.
void paint(std::vector<float>& map, int64_t width, int64_t height, double cx, double cy, double w, double h,
           double degrees, float inside) {
  const double turn = degrees * std::numbers::pi / 180;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const double dx = static_cast<double>(x) - cx, dy = static_cast<double>(y) - cy;
      if (std::fabs(dx * std::cos(turn) + dy * std::sin(turn)) <= w / 2 &&
          std::fabs(dy * std::cos(turn) - dx * std::sin(turn)) <= h / 2)
        map[static_cast<size_t>(y * width + x)] = inside;
    }
}

TEST(OcrDetect, KnownRectanglesComeBackGrown) {
  std::mt19937 random(std::random_device{}());
  const int64_t width = 320, height = 256;
  OcrOptions options;
  options.dilation = Dilation::off;
  for (int round = 0; round < 60; ++round) {
    const double w = 60 + static_cast<double>(random() % 80), h = 12 + static_cast<double>(random() % 20),
                 turn = static_cast<double>(random() % 180);
    const double cx = 150 + static_cast<double>(random() % 20), cy = 120 + static_cast<double>(random() % 16);
    std::vector<float> map(static_cast<size_t>(width * height), 0.05f);
    paint(map, width, height, cx, cy, w, h, turn, 0.9f);
    // Twice as many pixels in the file: boxes are scaled and rounded.
    const std::vector<Quad> boxes = boxes_from_map(map, width, height, 2 * width, 2 * height, options);
    ASSERT_EQ(boxes.size(), 1u);
    const double grow = w * h * 1.6 / (2 * (w + h));
    const Quad& b = boxes[0];
    double longer = std::hypot(b[1].x - b[0].x, b[1].y - b[0].y),
           shorter = std::hypot(b[3].x - b[0].x, b[3].y - b[0].y);
    if (longer < shorter) std::swap(longer, shorter);
    // Pixels cover up to 1.4 less, whole coordinates take up to 1.4 more, a smaller box grows less, and the corners
    // are rounded.
    EXPECT_NEAR(longer / 2, w + 2 * grow, 5);
    EXPECT_NEAR(shorter / 2, h + 2 * grow, 5);
    EXPECT_NEAR((b[0].x + b[2].x) / 4, cx, 1.5);
    EXPECT_NEAR((b[0].y + b[2].y) / 4, cy, 1.5);
  }
  testing::part_of("A-APP-016");
}

TEST(OcrDetect, FiltersAndScores) {
  const int64_t width = 200, height = 100;
  std::vector<float> map(static_cast<size_t>(width * height), 0.f);
  OcrOptions options;
  options.dilation = Dilation::off;
  EXPECT_TRUE(boxes_from_map(map, width, height, width, height, options).empty());
  paint(map, width, height, 50, 50, 60, 20, 0, 0.45f);  // above the pixel threshold, below the box threshold
  paint(map, width, height, 150, 50, 2, 2, 0, 1.f);  // shorter than 3 pixels
  EXPECT_TRUE(boxes_from_map(map, width, height, width, height, options).empty());
  options.box_threshold = 0.4;
  EXPECT_EQ(boxes_from_map(map, width, height, width, height, options).size(), 1u);
  options.box_score = BoxScore::slow;
  EXPECT_EQ(boxes_from_map(map, width, height, width, height, options).size(), 1u);
  options.max_candidates =
      1;  // the lowest contour comes first: the small one sits higher than the bottom of the large one
  EXPECT_LE(boxes_from_map(map, width, height, width, height, options).size(), 1u);
  // The hole of a frame is a contour too, and its rectangle has a score of its own.
  std::fill(map.begin(), map.end(), 0.f);
  paint(map, width, height, 100, 50, 150, 80, 0, 0.9f);
  paint(map, width, height, 100, 50, 120, 50, 0, 0.f);
  options = {};
  EXPECT_TRUE(boxes_from_map(map, width, height, width, height, options).empty());
  paint(map, width, height, 100, 50, 110, 40, 0, 0.95f);
  EXPECT_GE(boxes_from_map(map, width, height, width, height, options).size(), 2u);
}

TEST(OcrDetect, UnclipGrowsByAreaOverLength) {
  const Quad box = {Point{100, 100}, Point{300, 100}, Point{300, 140}, Point{100, 140}};
  const double grow = 200 * 40 * 1.6 / 480;
  for (const PixelPoint p : unclip(box, 1.6)) {
    const double dx = std::max({100.0 - p.x, p.x - 300.0, 0.0}), dy = std::max({100.0 - p.y, p.y - 140.0, 0.0});
    EXPECT_NEAR(std::hypot(dx, dy), grow, 1.0);  // round corners, whole coordinates
  }
  EXPECT_TRUE(unclip({}, 1.6).empty());
}

TEST(OcrDetect, OrderOfCornersAndBoxes) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 300; ++round) {
    const double turn = (static_cast<double>(random() % 80) - 40) * std::numbers::pi / 180;
    Quad box;
    const double cx = 200, cy = 200, w = 80, h = 20;
    const double signs[4][2] = {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}};
    for (size_t i = 0; i < 4; ++i) {
      const double x = signs[i][0] * w / 2, y = signs[i][1] * h / 2;
      box[i] = {static_cast<float>(std::round(cx + x * std::cos(turn) - y * std::sin(turn))),
                static_cast<float>(std::round(cy + x * std::sin(turn) + y * std::cos(turn)))};
    }
    Quad mixed = box;
    std::shuffle(mixed.begin(), mixed.end(), random);
    const std::vector<Quad> out = filter_boxes({mixed}, 400, 400);
    ASSERT_EQ(out.size(), 1u);
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(out[0][i].x, box[i].x);
      EXPECT_EQ(out[0][i].y, box[i].y);
    }
  }
  const auto at = [](float x, float y) {
    return Quad{Point{x, y}, Point{x + 20, y}, Point{x + 20, y + 8}, Point{x, y + 8}};
  };
  EXPECT_TRUE(filter_boxes({Quad{Point{1, 1}, Point{3, 1}, Point{3, 30}, Point{1, 30}}}, 100, 100).empty());
  const std::vector<Quad> cut = filter_boxes({at(90, -4)}, 100, 100);
  ASSERT_EQ(cut.size(), 1u);
  EXPECT_EQ(cut[0][1].x, 99);
  EXPECT_EQ(cut[0][0].y, 0);
  // Two columns: rows whose tops differ by less than 10 pixels are read from left to right.
  const std::vector<Quad> sorted = sort_boxes({at(100, 52), at(0, 60), at(100, 4), at(0, 0), at(50, 9)});
  const std::vector<float> xs = {0, 50, 100, 0, 100};
  for (size_t i = 0; i < xs.size(); ++i) EXPECT_EQ(sorted[i][0].x, xs[i]) << i;
}

TEST(OcrLines, CropsAreTheKnownPixels) {
  std::mt19937 random(8);
  Image image = make_image(120, 90, Colour::bgr);
  for (uint8_t& v : image.data) v = static_cast<uint8_t>(random());
  const Image wide = crop_line(image, {Point{10, 20}, Point{70, 20}, Point{70, 40}, Point{10, 40}});
  EXPECT_EQ(wide.data, crop(image, 10, 20, 60, 20).data);
  // Tall ones are turned against the clock.
  const Image tall = crop_line(image, {Point{10, 20}, Point{30, 20}, Point{30, 80}, Point{10, 80}});
  EXPECT_EQ(tall.width, 60);
  EXPECT_EQ(tall.data, rotate_quarters(crop(image, 10, 20, 20, 60), 3).data);
  EXPECT_TRUE(crop_line(image, {}).empty());
  testing::part_of("I-API-15");
}

TEST(OcrLines, InputKeepsTheShapeAndPadsWithZeros) {
  Image line = make_image(100, 48, Colour::bgr);
  std::fill(line.data.begin(), line.data.end(), uint8_t{255});
  std::vector<float> out(3 * 48 * 320, 7.f);
  line_input(line, 48, 320, out.data());
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t x = 0; x < 320; ++x) EXPECT_EQ(out[static_cast<size_t>((c * 48 + 20) * 320 + x)], x < 100 ? 1.f : 0.f);
  line_input(make_image(4000, 20, Colour::bgr), 48, 320, out.data());  // wider than there is room: squeezed
  EXPECT_EQ(out[319], -1.f);
}

TEST(OcrLines, StepsBecomeText) {
  const std::vector<std::string> characters = {"a", "中", "c"};
  const auto text = [&](const std::vector<int>& best, float p = 0.5f) {
    std::vector<float> rows;
    for (const int b : best) {
      std::vector<float> row(5, 0.01f);
      row[static_cast<size_t>(b)] = p;
      rows.insert(rows.end(), row.begin(), row.end());
    }
    return decode_steps(rows, 5, characters);
  };
  EXPECT_EQ(text({0, 1, 1, 0, 1, 2, 4, 3, 0}).text, "aa中 c");
  EXPECT_EQ(text({2, 2, 2}).text, "中");
  EXPECT_EQ(text({0, 0}).text, "");
  EXPECT_EQ(text({0, 0}).confidence, 0);
  EXPECT_EQ(text({}).text, "");
  EXPECT_NEAR(text({1, 0, 2}, 0.75f).confidence, 0.75, 1e-7);
  std::vector<float> two = {0.1f, 0.9f, 0, 0, 0, 0.2f, 0, 0.8f, 0, 0};
  EXPECT_NEAR(decode_steps(two, 5, characters).confidence, 0.85, 1e-7);
  testing::part_of("A-APP-018");
}

}  // namespace
}  // namespace chorus
