#include <chorus/error.h>
#include <task/ocr/lines.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace chorus::ocr_detail {

Image crop_line(const Image& bgr, const Quad& box) {
  const auto length = [&](size_t a, size_t b) { return std::hypot(box[a].x - box[b].x, box[a].y - box[b].y); };
  const auto width = static_cast<int64_t>(std::max(length(0, 1), length(2, 3)));
  const auto height = static_cast<int64_t>(std::max(length(0, 3), length(1, 2)));
  if (width < 1 || height < 1) return {};
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  Image line = warp_cubic(bgr, perspective(box, {Point{0, 0}, Point{w, 0}, Point{w, h}, Point{0, h}}), width, height);
  constexpr double kTall = 1.5;
  if (static_cast<double>(height) / static_cast<double>(width) >= kTall) line = rotate_quarters(line, 3);
  return line;
}

namespace {

double shape_of(const Image& line) { return static_cast<double>(line.width) / static_cast<double>(line.height); }

/// ceil(height × shape), at most `width`.
int64_t scaled_width(const Image& line, int64_t height, int64_t width) {
  const double wide = std::ceil(static_cast<double>(height) * shape_of(line));
  return wide > static_cast<double>(width) ? width : static_cast<int64_t>(wide);
}

}  // namespace

void line_input(const Image& line, int64_t height, int64_t width, float* to) {
  float table[256];
  for (int v = 0; v < 256; ++v) table[v] = (static_cast<float>(v) / 255.f - 0.5f) / 0.5f;
  const Image image = resize_linear(line, std::max<int64_t>(scaled_width(line, height, width), 1), height);
  std::fill(to, to + 3 * height * width, 0.f);
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* from = image.row(y);
    for (int64_t c = 0; c < 3; ++c) {
      float* row = to + (c * height + y) * width;
      for (int64_t x = 0; x < image.width; ++x) row[x] = table[from[3 * x + c]];
    }
  }
}

std::vector<size_t> by_shape(const std::vector<Image>& lines) {
  std::vector<size_t> order(lines.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return shape_of(lines[a]) < shape_of(lines[b]); });
  return order;
}

namespace {

/// Runs lines order[first, first + count) through a network: [count, 3, height, width].
NetworkOutput run_batch(OcrNetwork& network, const std::vector<Image>& lines, std::span<const size_t> order,
                        int64_t height, int64_t width) {
  const BatchShape shape = {static_cast<int64_t>(order.size()), 3, height, width};
  std::vector<float> input(static_cast<size_t>(shape[0] * shape[1] * shape[2] * shape[3]));
  for (size_t i = 0; i < order.size(); ++i)
    line_input(lines[order[i]], height, width, input.data() + static_cast<int64_t>(i) * 3 * height * width);
  return network.run(input, shape);
}

[[noreturn]] void wrong_shape(const char* network, const NetworkOutput& out, const char* wanted) {
  throw Error(Code::bad_input,
              fmt::format("the {} gives a tensor of shape [{}] with {} values, not {}", network,
                          fmt::join(out.shape, ", "), out.values.size(), wanted),
              "text recognition", "give the model that belongs to this step");
}

}  // namespace

void turn_upright(OcrNetwork& classifier, std::vector<Image>& lines, const OcrOptions& options) {
  const std::vector<size_t> order = by_shape(lines);
  const auto step = static_cast<size_t>(options.classifier_batch);
  for (size_t first = 0; first < order.size(); first += step) {
    const std::span<const size_t> batch(order.data() + first, std::min(step, order.size() - first));
    const NetworkOutput out = run_batch(classifier, lines, batch, options.line_height, options.classifier_width);
    if (!out.fits() || out.shape.size() != 2 || out.shape[0] != static_cast<int64_t>(batch.size()) || out.shape[1] != 2)
      wrong_shape("classifier", out, "[lines, 2]");
    for (size_t i = 0; i < batch.size(); ++i) {
      const float upright = out.values[2 * i], turned = out.values[2 * i + 1];
      if (turned > upright && turned > options.classifier_threshold)
        lines[batch[i]] = rotate_quarters(lines[batch[i]], 2);
    }
  }
}

LineText decode_steps(std::span<const float> probabilities, int64_t classes, std::span<const std::string> characters) {
  LineText out;
  double sum = 0;
  int64_t count = 0;
  int64_t before = 0;
  for (size_t at = 0; at + static_cast<size_t>(classes) <= probabilities.size(); at += static_cast<size_t>(classes)) {
    const float* row = probabilities.data() + at;
    const int64_t best = std::max_element(row, row + classes) - row;
    const bool repeated = best == before;
    before = best;
    if (best == 0 || repeated) continue;
    sum += static_cast<double>(row[best]);
    ++count;
    const auto index = static_cast<size_t>(best - 1);
    out.text += index < characters.size() ? characters[index] : std::string(" ");
  }
  out.confidence = count > 0 ? sum / static_cast<double>(count) : 0;
  return out;
}

std::vector<LineText> recognise(OcrNetwork& recogniser, std::span<const std::string> characters,
                                const std::vector<Image>& lines, const OcrOptions& options) {
  std::vector<LineText> texts(lines.size());
  const std::vector<size_t> order = by_shape(lines);
  const auto step = static_cast<size_t>(options.recogniser_batch);
  for (size_t first = 0; first < order.size(); first += step) {
    const std::span<const size_t> batch(order.data() + first, std::min(step, order.size() - first));
    // All lines of a batch are as wide as its widest.
    double widest = static_cast<double>(options.recogniser_width) / static_cast<double>(options.line_height);
    for (const size_t i : batch) widest = std::max(widest, shape_of(lines[i]));
    const auto width = static_cast<int64_t>(static_cast<double>(options.line_height) * widest);
    const NetworkOutput out = run_batch(recogniser, lines, batch, options.line_height, width);
    const auto classes = static_cast<int64_t>(characters.size()) + 2;
    if (!out.fits() || out.shape.size() != 3 || out.shape[0] != static_cast<int64_t>(batch.size()) ||
        out.shape[2] != classes)
      wrong_shape("recogniser", out, fmt::format("[{}, steps, {}]", batch.size(), classes).c_str());
    const auto size = static_cast<size_t>(out.shape[1] * classes);
    for (size_t i = 0; i < batch.size(); ++i)
      texts[batch[i]] = decode_steps(std::span(out.values).subspan(i * size, size), classes, characters);
  }
  return texts;
}

}  // namespace chorus::ocr_detail
