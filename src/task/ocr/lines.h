// From boxes to texts: the picture of each line, its direction, its characters.
#pragma once
#include <task/ocr/ocr.h>

namespace chorus::ocr_detail {

/// The quadrilateral as an upright picture, turned by 90° against the clock when at least 1.5 times taller than wide.
/// Empty when a side would be 0.
Image crop_line(const Image& bgr, const Quad& box);

/// A line scaled to `height` rows (at most `width` columns), values −1 … 1, zeros to the right: [3, height, width]
/// written to `to`.
void line_input(const Image& line, int64_t height, int64_t width, float* to);

/// Indices of the lines by rising width / height; equal ones keep their order.
std::vector<size_t> by_shape(const std::vector<Image>& lines);

/// Turns lines that the classifier holds for upside down.
void turn_upright(OcrNetwork& classifier, std::vector<Image>& lines, const OcrOptions& options);

struct LineText {
  std::string text;
  double confidence = 0;
};

/// Text of one row of class probabilities [steps, classes]: the best class of each step, repeats and blanks (class 0)
/// left out;
/// confidence is the mean of what remains, 0 for none.
LineText decode_steps(std::span<const float> probabilities, int64_t classes, std::span<const std::string> characters);

/// Text of each line, in the order given.
std::vector<LineText> recognise(OcrNetwork& recogniser, std::span<const std::string> characters,
                                const std::vector<Image>& lines, const OcrOptions& options);

}  // namespace chorus::ocr_detail
