#include <chorus/error.h>
#include <task/ocr/detect.h>
#include <task/ocr/lines.h>
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

namespace chorus {
namespace {

class Stopwatch {
 public:
  /// Milliseconds since the last call.
  double lap() {
    const Clock::time_point now = Clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return ms;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

void check_at_least(const char* name, double value, double least) {
  if (!(value >= least))
    throw Error(Code::bad_input, fmt::format("{} is {}", name, value), "OcrOptions",
                fmt::format("use at least {}", least));
}

}  // namespace

OcrNetwork::~OcrNetwork() = default;

bool NetworkOutput::fits() const noexcept {
  int64_t count = 1;
  for (const int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) return false;
  return count == static_cast<int64_t>(values.size());
}

Ocr::Ocr(OcrModels models, OcrOptions options) : models_(std::move(models)), options_(std::move(options)) {
  if (!models_.detector || !models_.recogniser)
    throw Error(Code::bad_input, fmt::format("no {}", models_.detector ? "recogniser" : "detector"), "Ocr",
                "give both networks");
  check_at_least("max_side", static_cast<double>(options_.max_side), 32);
  check_at_least("min_side", static_cast<double>(options_.min_side), 1);
  check_at_least("min_height", static_cast<double>(options_.min_height), 0);
  check_at_least("limit_side", static_cast<double>(options_.limit_side), 32);
  check_at_least("max_candidates", static_cast<double>(options_.max_candidates), 1);
  check_at_least("classifier_batch", static_cast<double>(options_.classifier_batch), 1);
  check_at_least("recogniser_batch", static_cast<double>(options_.recogniser_batch), 1);
  check_at_least("line_height", static_cast<double>(options_.line_height), 8);
  check_at_least("classifier_width", static_cast<double>(options_.classifier_width), 8);
  check_at_least("recogniser_width", static_cast<double>(options_.recogniser_width), 8);
  check_at_least("unclip_ratio", options_.unclip_ratio, 0);
  if (options_.width_height_ratio != -1) check_at_least("width_height_ratio", options_.width_height_ratio, 1e-3);
}

OcrResult Ocr::read_file(const std::string& path) {
  Stopwatch watch;
  const Image picture = load_image(path, options_.limits);
  const double decode = watch.lap();
  OcrResult result = read(picture);
  result.ms.decode += decode;
  result.ms.total += decode;
  return result;
}

OcrResult Ocr::read(const Image& picture) {
  OcrResult result;
  if (picture.empty()) return result;
  Stopwatch watch, whole;
  const Image bgr = to_ocr_colours(picture, options_.reading);
  result.ms.decode = watch.lap();
  const ocr_detail::Prepared prepared = ocr_detail::prepare(bgr, options_);
  std::vector<Quad> boxes;
  if (!prepared.picture.empty()) boxes = ocr_detail::detect(*models_.detector, prepared.picture, options_);
  std::vector<Image> lines;
  for (const Quad& box : boxes) lines.push_back(ocr_detail::crop_line(prepared.picture, box));
  result.ms.detect = watch.lap();
  if (models_.classifier && !lines.empty()) ocr_detail::turn_upright(*models_.classifier, lines, options_);
  result.ms.classify = watch.lap();
  const std::vector<ocr_detail::LineText> texts =
      ocr_detail::recognise(*models_.recogniser, models_.characters, lines, options_);
  for (size_t i = 0; i < texts.size(); ++i)
    if (texts[i].confidence >= options_.text_score)
      result.lines.push_back(
          {texts[i].text, texts[i].confidence, ocr_detail::to_file_pixels(boxes[i], prepared, bgr.width, bgr.height)});
  result.ms.recognise = watch.lap();
  result.ms.total = whole.lap();
  return result;
}

std::string to_json(const OcrResult& result) {
  nlohmann::ordered_json lines = nlohmann::ordered_json::array();
  for (const OcrLine& line : result.lines) {
    nlohmann::ordered_json box = nlohmann::ordered_json::array();
    for (const Point p : line.box) box.push_back({p.x, p.y});
    lines.push_back({{"text", line.text}, {"confidence", line.confidence}, {"box", box}});
  }
  const OcrTimes& ms = result.ms;
  const nlohmann::ordered_json all = {{"lines", lines},
                                      {"ms",
                                       {{"decode", ms.decode},
                                        {"detect", ms.detect},
                                        {"classify", ms.classify},
                                        {"recognise", ms.recognise},
                                        {"total", ms.total}}}};
  // A dictionary that is not UTF-8 must not end the program.
  return all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace chorus
