// From a picture to boxes of text lines: input of the detector, and what is made of its probability map.
#pragma once
#include <data/image/shapes.h>
#include <task/ocr/ocr.h>

namespace chorus::ocr_detail {

/// A picture scaled and padded for detection, with what maps boxes back.
struct Prepared {
  Image picture;               ///< bgr; empty when the picture cannot be scaled
  double ratio_x = 1, ratio_y = 1;
  int64_t top = 0;             ///< rows added above
};
Prepared prepare(const Image& bgr, const OcrOptions& options);

/// Box of a file's pixels for a box of `prepared.picture`, cut to width × height.
Quad to_file_pixels(const Quad& box, const Prepared& prepared, int64_t width, int64_t height);

/// The detector's input: [1, 3, H, W] with H, W multiples of 32, normalised to −1 … 1. Empty values when a side would
/// be 0.
struct DetectorInput {
  std::vector<float> values;
  BatchShape shape{};
};
DetectorInput detector_input(const Image& bgr, const OcrOptions& options);

/// Boxes (whole pixels of a picture of width × height) from the probability map [map_height, map_width], before
/// ordering.
std::vector<Quad> boxes_from_map(std::span<const float> map, int64_t map_width, int64_t map_height, int64_t width,
                                 int64_t height, const OcrOptions& options);

/// Corners ordered clockwise from the top left, cut to the picture; boxes of at most 3 pixels a side dropped.
std::vector<Quad> filter_boxes(const std::vector<Quad>& boxes, int64_t width, int64_t height);

/// Top to bottom, and left to right where the tops are less than 10 pixels apart.
std::vector<Quad> sort_boxes(std::vector<Quad> boxes);

/// The quadrilateral grown by area × ratio / perimeter with round corners; empty when nothing remains.
Contour unclip(const Quad& box, double ratio);

/// The detector on a picture: boxes in reading order.
std::vector<Quad> detect(OcrNetwork& detector, const Image& bgr, const OcrOptions& options);

}  // namespace chorus::ocr_detail
