// The whole reader with networks that see bright rectangles: what they answer is known, so lines, boxes, order and
// errors are too.
#include <task/ocr/ocr.h>

#include <chorus/error.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <nlohmann/json.hpp>

#include "support/proves.h"

namespace chorus {
namespace {

using Function = std::function<NetworkOutput(std::span<const float>, const BatchShape&)>;

class FakeNetwork : public OcrNetwork {
 public:
  explicit FakeNetwork(Function run) : run_(std::move(run)) {}
  NetworkOutput run(std::span<const float> input, const BatchShape& shape) override {
    EXPECT_EQ(static_cast<int64_t>(input.size()), shape[0] * shape[1] * shape[2] * shape[3]);
    ++calls;
    return run_(input, shape);
  }
  int calls = 0;

 private:
  Function run_;
};

/// Text is where green is bright.
NetworkOutput bright(std::span<const float> in, const BatchShape& s) {
  const auto plane = static_cast<size_t>(s[2] * s[3]);
  NetworkOutput out{std::vector<float>(plane), {1, 1, s[2], s[3]}};
  for (size_t i = 0; i < plane; ++i) out.values[i] = in[plane + i] > 0.5f ? 0.9f : 0.01f;
  return out;
}

/// Upside down when the left end is redder than the right one.
NetworkOutput red_left(std::span<const float> in, const BatchShape& s) {
  NetworkOutput out{{}, {s[0], 2}};
  const auto plane = static_cast<size_t>(s[2] * s[3]);
  for (size_t i = 0; i < static_cast<size_t>(s[0]); ++i) {
    const float* red = in.data() + (3 * i + 2) * plane + 24 * static_cast<size_t>(s[3]);
    const bool turned = red[40] > red[140];
    out.values.insert(out.values.end(), {turned ? 0.02f : 0.98f, turned ? 0.98f : 0.02f});
  }
  return out;
}

/// One character whose number is told by blue in the middle; sure by 0.9, or 0.3 for number 3. `r` follows when the
/// right end is red.
NetworkOutput by_blue(std::span<const float> in, const BatchShape& s) {
  constexpr size_t kClasses = 7, kSteps = 3;
  NetworkOutput out{std::vector<float>(static_cast<size_t>(s[0]) * kSteps * kClasses, 0.01f), {s[0], kSteps, kClasses}};
  const auto plane = static_cast<size_t>(s[2] * s[3]), width = static_cast<size_t>(s[3]);
  for (size_t i = 0; i < static_cast<size_t>(s[0]); ++i) {
    const float* blue = in.data() + 3 * i * plane + 24 * width;
    const float* red = blue + 2 * plane;
    const int number = static_cast<int>(std::lrint((blue[60] + 1) * 127.5 / 50));
    float* rows = out.values.data() + i * kSteps * kClasses;
    rows[static_cast<size_t>(number + 1)] = number == 3 ? 0.3f : 0.9f;
    rows[kClasses] = 0.9f;
    size_t end = width - 1;
    while (end > 0 && red[end] == 0) --end;  // where the line ends and the padding begins
    rows[2 * kClasses + (red[end - 20] > 0.5f ? 5 : 0)] = 0.9f;
  }
  return out;
}

struct Fixture {
  std::shared_ptr<FakeNetwork> detector = std::make_shared<FakeNetwork>(bright),
                               classifier = std::make_shared<FakeNetwork>(red_left),
                               recogniser = std::make_shared<FakeNetwork>(by_blue);
  OcrModels models() const { return {detector, classifier, recogniser, {"A", "B", "C", "D", "r"}}; }
};

void paint(Image& image, int64_t x0, int64_t y0, int64_t width, int64_t height, int number, int red_from, int red_to) {
  for (int64_t y = y0; y < y0 + height; ++y)
    for (int64_t x = x0; x < x0 + width; ++x) {
      uint8_t* p = image.row(y) + 3 * x;
      p[0] = x - x0 >= red_from && x - x0 < red_to ? 255 : 0;
      p[1] = 255;
      p[2] = static_cast<uint8_t>(number * 50);
    }
}

TEST(Ocr, LinesBoxesOrderAndDirection) {
  Image image = make_image(800, 800, Colour::rgb);
  paint(image, 420, 103, 200, 60, 1, 0, 0);  // right of the next, a little lower
  paint(image, 60, 100, 200, 60, 0, 0, 0);
  paint(image, 60, 300, 200, 60, 2, 0, 100);  // red on the left: upside down
  paint(image, 60, 500, 200, 60, 3, 0, 0);  // not sure enough
  paint(image, 500, 400, 50, 220, 4, 0, 0);  // tall
  Fixture f;
  Ocr ocr(f.models(), {});
  const OcrResult result = ocr.read(image);
  std::vector<std::string> texts;
  for (const OcrLine& line : result.lines) texts.push_back(line.text);
  EXPECT_EQ(texts, (std::vector<std::string>{"A", "B", "Cr", "r"}));
  // 800 pixels stay 800 (limit 736); boxes grow by w·h·1.6 / (2 (w + h)) = 36.9 on each side.
  const Quad& box = result.lines[0].box;
  EXPECT_NEAR(box[0].x, 60 - 36.9, 3);
  EXPECT_NEAR(box[0].y, 100 - 36.9, 3);
  EXPECT_NEAR(box[2].x, 260 + 36.9, 3);
  EXPECT_NEAR(box[2].y, 160 + 36.9, 3);
  EXPECT_NEAR(result.lines[0].confidence, 0.9, 1e-6);
  EXPECT_EQ(f.detector->calls, 1);
  EXPECT_EQ(f.recogniser->calls, 1);
  EXPECT_GE(result.ms.total, result.ms.detect);
  Fixture none;
  OcrModels models = none.models();
  models.classifier = nullptr;
  EXPECT_EQ(Ocr(models, {}).read(image).lines[2].text, "C");
}

TEST(Ocr, BatchesOfSix) {
  Image image = make_image(1000, 1600, Colour::rgb);
  for (int i = 0; i < 13; ++i) paint(image, 100, 60 + i * 115, 200 + 20 * i, 30, i % 3, 0, 0);
  Fixture f;
  const OcrResult result = Ocr(f.models(), {}).read(image);
  ASSERT_EQ(result.lines.size(), 13u);
  for (size_t i = 0; i < 13; ++i) EXPECT_EQ(result.lines[i].text, std::string(1, static_cast<char>('A' + i % 3)));
  EXPECT_EQ(f.recogniser->calls, 3);
  EXPECT_EQ(f.classifier->calls, 3);
}

TEST(Ocr, PicturesWithoutText) {
  Fixture f;
  Ocr ocr(f.models(), {});
  EXPECT_TRUE(ocr.read({}).lines.empty());
  EXPECT_THROW(ocr.read(make_image(3, 700, Colour::grey)), Error);  // would be blown up to 736 x 161,184
  for (const auto& [width, height] : {std::pair{1, 1}, {90, 700}, {700, 3}, {64, 48}, {9000, 2}, {2, 9000}})
    for (const Colour colour : {Colour::grey, Colour::grey_alpha, Colour::rgba, Colour::cmyk, Colour::indexed})
      ocr.read(make_image(width, height, colour));
  EXPECT_TRUE(ocr.read(make_image(640, 480, Colour::grey)).lines.empty());
  EXPECT_THROW(ocr.read_file("/nonexistent.png"), Error);
  EXPECT_THROW(ocr.read_file("CMakeLists.txt"), Error);
}

TEST(Ocr, WrongNetworksAreErrorsNotCrashes) {
  Image image = make_image(400, 300, Colour::rgb);
  paint(image, 60, 100, 200, 60, 1, 0, 0);
  std::mt19937 random(3);
  const std::vector<std::vector<int64_t>> shapes = {{},
                                                    {1},
                                                    {1, 1, 4, 4},
                                                    {1, 1, 0, 0},
                                                    {1, 2, 8, 8},
                                                    {1, 3, 7},
                                                    {1, 3, 9},
                                                    {2, 3, 7},
                                                    {1, 2},
                                                    {-1, -1, -4, 4},
                                                    {1, 1, int64_t{1} << 62, 4}};
  for (int which = 0; which < 3; ++which)
    for (const auto& shape : shapes)
      for (const size_t count : {size_t{0}, size_t{3}, size_t{16}, size_t{21}}) {
        Fixture f;
        OcrModels models = f.models();
        const auto wrong = std::make_shared<FakeNetwork>([&](std::span<const float>, const BatchShape&) {
          NetworkOutput out{std::vector<float>(count), shape};
          for (float& v : out.values) v = random() % 4 == 0 ? NAN : static_cast<float>(random() % 100) / 50;
          return out;
        });
        (which == 0 ? models.detector : which == 1 ? models.classifier : models.recogniser) = wrong;
        try {
          Ocr(models, {}).read(image);
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), Code::bad_input);
          EXPECT_NE(std::string(error.what()).find("gives a tensor of shape"), std::string::npos);
        }
      }
  EXPECT_THROW(Ocr({}, {}), Error);
  OcrOptions options;
  options.recogniser_batch = 0;
  EXPECT_THROW(Ocr(Fixture{}.models(), options), Error);
}

TEST(Ocr, JsonForm) {
  OcrResult result;
  result.lines.push_back({"中文 \"quoted\"", 0.75, {Point{1, 2}, Point{3, 2}, Point{3, 4.5f}, Point{1, 4}}});
  result.lines.push_back({"\xff broken", 0.5, {}});
  result.ms.total = 12.5;
  const nlohmann::json json = nlohmann::json::parse(to_json(result));
  EXPECT_EQ(json["lines"][0]["text"], "中文 \"quoted\"");
  EXPECT_EQ(json["lines"][0]["confidence"], 0.75);
  EXPECT_EQ(json["lines"][0]["box"].size(), 4u);
  EXPECT_EQ(json["lines"][0]["box"][2][1], 4.5);
  for (const char* key : {"decode", "detect", "classify", "recognise", "total"})
    EXPECT_TRUE(json["ms"].contains(key)) << key;
  EXPECT_EQ(nlohmann::json::parse(to_json({}))["lines"].size(), 0u);
}

TEST(Ocr, AnnotatedPictureShowsBoxesAndTexts) {
  Image image = make_image(300, 200, Colour::grey);
  std::fill(image.data.begin(), image.data.end(), uint8_t{255});
  OcrResult result;
  result.lines.push_back({"合唱 Chorus", 0.9, {Point{20, 40}, Point{200, 60}, Point{196, 90}, Point{16, 70}}});
  result.lines.push_back({"竖排", 0.9, {Point{250, 40}, Point{280, 40}, Point{280, 160}, Point{250, 160}}});
  const Image sheet = annotate(image, result);
  EXPECT_EQ(sheet.width, 600);
  EXPECT_EQ(sheet.height, 200);
  const auto marks = [&](int64_t x0, int64_t y0, int64_t width, int64_t height) {
    int64_t count = 0;
    for (int64_t y = y0; y < y0 + height; ++y)
      for (int64_t x = x0; x < x0 + width; ++x) count += sheet.row(y)[3 * x + 1] < 128 ? 1 : 0;
    return count;
  };
  EXPECT_GT(marks(10, 35, 195, 60), 200);  // the box in the picture
  EXPECT_GT(marks(330, 50, 150, 40), 200);  // the text beside it
  EXPECT_GT(marks(553, 50, 25, 100), 60);  // letters one below the other
  EXPECT_EQ(marks(0, 120, 240, 80), 0);  // nothing elsewhere
  EXPECT_EQ(annotate(make_image(900, 50, Colour::rgb), {}).height, 100);
}

}  // namespace
}  // namespace chorus
