// Work before and after a model as part of it: a chain of steps that a text declares becomes nodes in front of its inputs and behind its
// outputs. One program runs all: the same engine, the same numbers, nothing copied in between.
//
//   {"inputs":  {"x": [{"resize": {"height": 256, "width": 256, "keep_aspect": "cover"}}, {"center_crop": {"height": 224, "width": 224}},
//                      {"colour": "bgr"}, {"scale": 0.00392156862745098}, {"mean": [0.485, 0.456, 0.406]}, {"std": [0.229, 0.224, 0.225]}]},
//    "outputs": {"logits": [{"softmax": {"axis": -1}}, {"top_k": 5}, {"labels": ["cat", "dog"]}]},
//    "detections": {"boxes": "boxes", "scores": "scores", "iou": 0.5, "score": 0.25, "most": 100}}
//
// An input with a chain takes pictures uint8 [N, H, W, C] of any size, channels red, green, blue. Steps, in any order:
//   resize {height, width, mode: linear | nearest | cubic, keep_aspect: stretch | cover | fit}, crop {x, y, height, width},
//   center_crop {height, width}, colour rgb | bgr | grey, scale number, mean [per channel], std [per channel],
//   layout NCHW (default) | NHWC: what the model takes, type: of the model's input (default: what it declares)
// The picture is float32 [N, C, H, W] between the steps; resizing is ONNX Resize with half-pixel centres (no antialiasing).
// An output with a chain: softmax {axis}, sigmoid, argmax {axis}, threshold number (→ bool), top_k number: the last axis; the output keeps
// the scores, NAME_classes has the indices (int64); labels [texts] or a file with one a line: NAME_labels has the texts of the classes
// (after top_k or argmax). detections: suppresses boxes [N, M, 4] (y1, x1, y2, x2) by scores [N, classes, M] and adds outputs
// detection_boxes [K, 4], detection_scores [K], detection_classes [K], detection_pictures [K].
#pragma once
#include <graph/graph.h>

#include <memory>
#include <string>
#include <string_view>

namespace chorus {

/// The model with the declared steps. Throws Error(bad_input) naming the step and the value, Error(not_found) for names that the model
/// lacks. Label files are read now.
std::shared_ptr<const Model> with_processing(const Model& model, std::string_view declaration);
/// The steps of one input alone: picture in under the name "picture", result "result". For tests and for looking at what a model gets.
std::shared_ptr<const Model> processing_alone(std::string_view steps);

}  // namespace chorus
