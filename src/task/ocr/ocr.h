// Text in pictures: detection of lines, their direction, recognition. The steps and the defaults are those of the
// Python package
// rapidocr-onnxruntime 1.4.4, so that the same models give the same lines. The networks stand behind a small
// interface: the runtime's
// Predictor implements it, tests may replay recorded outputs.
#pragma once
#include <data/image/decode.h>
#include <data/image/resize.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace chorus {

/// Sizes of a batch [pictures, channels, height, width].
using BatchShape = std::array<int64_t, 4>;

/// Values and sizes that a network gives.
struct NetworkOutput {
  std::vector<float> values;
  std::vector<int64_t> shape;
  /// Whether there are as many values as the shape says, no size being below 0.
  bool fits() const noexcept;
};

/// One network: a batch of float pictures in, one float tensor out. Called by one thread at a time. Throws Error.
class OcrNetwork {
 public:
  virtual ~OcrNetwork();
  virtual NetworkOutput run(std::span<const float> input, const BatchShape& shape) = 0;
};

/// The three networks and the characters of the recogniser.
struct OcrModels {
  std::shared_ptr<OcrNetwork> detector;  ///< [1, 3, H, W] -> [1, 1, H, W], probability of text
  std::shared_ptr<OcrNetwork> classifier;  ///< [N, 3, 48, 192] -> [N, 2], upright or upside down; may be absent
  std::shared_ptr<OcrNetwork> recogniser;  ///< [N, 3, 48, W] -> [N, steps, 2 + characters]
  std::vector<std::string> characters;  ///< of class 1 on; class 0 is blank, the last class a space
};

enum class LimitSide : uint8_t { shorter_at_least, longer_at_most };
enum class BoxScore : uint8_t { fast, slow };  ///< mean inside the rectangle, inside the contour
enum class Dilation : uint8_t { off, on };  ///< of the text mask, by 2 × 2

/// How colours, transparency and orientation of a file are taken.
enum class Reading : uint8_t {
  package,  ///< as the Python package: orientation as stored, palette indices as grey, own rules for transparency, ink
  seen,  ///< as a person sees them: upright, palette colours, transparency over white
};

struct OcrOptions {
  std::string models;  ///< folder of the three .onnx files; empty: see find_ocr_models
  std::string engine = "native";  ///< for all three networks
  int threads = 0;  ///< compute threads; 0: one per processor
  Reading reading = Reading::package;
  DecodeLimits limits;

  double text_score = 0.5;  ///< lines below this confidence are dropped
  int64_t min_height = 30;  ///< pictures of at most this height (pixels) get black bands above and below
  double width_height_ratio = 8;  ///< and those wider than this ratio; -1: none
  int64_t max_side = 2000;  ///< longer pictures are scaled down to this side (pixels)
  int64_t min_side = 30;  ///< smaller ones up

  int64_t limit_side = 736;  ///< of the detector's input (pixels)
  LimitSide limit_type = LimitSide::shorter_at_least;
  float threshold = 0.3f;  ///< probability of a text pixel
  double box_threshold = 0.5;  ///< mean probability of a box
  int64_t max_candidates = 1000;  ///< contours looked at
  double unclip_ratio = 1.6;  ///< growth of a box: area × ratio / perimeter
  Dilation dilation = Dilation::on;
  BoxScore box_score = BoxScore::fast;
  int64_t max_detection_pixels =
      40 << 20;  ///< of the detector's input; above it: bad_input (a 3 × 700 picture would need 118 million)

  int64_t classifier_batch = 6;
  float classifier_threshold = 0.9f;  ///< a line is turned by 180° when "upside down" is above it
  int64_t recogniser_batch = 6;
  int64_t line_height = 48;  ///< of the input of classifier and recogniser (pixels)
  int64_t classifier_width = 192;
  int64_t recogniser_width = 320;  ///< at least
};

struct OcrLine {
  std::string text;  ///< UTF-8
  double confidence = 0;  ///< mean probability of its characters
  Quad box;  ///< top left, top right, bottom right, bottom left in pixels of the file
};

struct OcrTimes {
  double decode = 0, detect = 0, classify = 0, recognise = 0, total = 0;  ///< milliseconds
};

struct OcrResult {
  std::vector<OcrLine> lines;  ///< in reading order
  OcrTimes ms;
};

class Ocr {
 public:
  /// Throws bad_input when a network that is needed is missing or an option is out of its range.
  Ocr(OcrModels models, OcrOptions options);
  /// Reads a picture file. Throws not_found, bad_input (with the path), and what a network throws.
  OcrResult read_file(const std::string& path);
  /// Reads a decoded picture of any kind. A picture without text, or too thin to be scaled, has no lines.
  OcrResult read(const Image& picture);
  const OcrOptions& options() const noexcept { return options_; }

 private:
  OcrModels models_;
  OcrOptions options_;
};

/// The picture as the networks get it: 8 bits, blue, green, red.
Image to_ocr_colours(const Image& picture, Reading reading);

/// {"lines": [{"text", "confidence", "box": [[x, y] × 4]}], "ms": {"decode", "detect", "classify", "recognise",
/// "total"}}
std::string to_json(const OcrResult& result);

/// The picture with the boxes, and beside it (right; below a wide picture) the texts at their places. `reading` as it
/// was read; `font`: a
/// TrueType file, empty for an installed one with Chinese letters. Throws not_found when there is no font.
Image annotate(const Image& picture, const OcrResult& result, Reading reading = Reading::package,
               const std::string& font = {});

}  // namespace chorus
