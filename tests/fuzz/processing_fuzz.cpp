// Declarations of steps before and after a model, in JSON.
#include "fuzz/target.h"

#include "../../apps/fixtures.h"

#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <runtime/process.h>

namespace chorus::fuzz {
namespace {

void run(std::string_view bytes) {
  static const Model* const model = [] {
    const auto owner = std::make_shared<const std::string>(onnx::write_model(app::make_fixture("convbnrelu")));
    return new Model(onnx::read_model(*owner, owner));
  }();
  const auto result = bytes.starts_with("[") ? processing_alone(bytes) : with_processing(*model, bytes);
  Graph graph(*result->graph);
  infer_types(graph);
}

std::vector<Seed> seeds() {
  return {
      {"chain", R"([{"resize": {"height": 40, "width": 36, "mode": "cubic", "keep_aspect": "cover"}},
 {"center_crop": {"height": 32, "width": 32}}, {"colour": "bgr"}, {"scale": 0.0039}, {"mean": [0.485, 0.456, 0.406]},
 {"std": [0.229, 0.224, 0.225]}, {"layout": "NHWC"}, {"type": "float16"}])"},
      {"crop", R"([{"crop": {"x": 1, "y": 2, "height": 8, "width": 8}}, {"colour": "grey"}, {"layout": "NCHW"}])"},
      {"inputs", R"({"inputs": {"x": [{"resize": {"height": 32, "width": 32}}, {"scale": 2}]}})"},
      {"outputs", R"({"outputs": {"y": [{"softmax": {"axis": -1}}, {"top_k": 2}, {"labels": ["cat", "dog"]}]}})"},
      {"sigmoid", R"({"outputs": {"y": ["sigmoid", {"argmax": {"axis": 1}}, {"threshold": 0.5}]}})"},
      {"detections", R"({"detections": {"boxes": "x", "scores": "y", "iou": 0.5, "score": 0.25, "most": 100}})"},
  };
}

}  // namespace

const Target processing{"processing",
                        "declarations of processing steps (JSON)",
                        [](std::string_view bytes) { bounded(run, bytes); },
                        seeds,
                        change_json,
                        2};
}  // namespace chorus::fuzz
