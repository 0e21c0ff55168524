// The networks of text reading as .onnx files, run by the runtime's Predictor on any engine.
#pragma once
#include <task/ocr/ocr.h>

namespace chorus {

/// File names inside the folder of models: those of the package rapidocr-onnxruntime 1.4.4.
inline constexpr const char* kOcrDetector = "ch_PP-OCRv4_det_infer.onnx";
inline constexpr const char* kOcrClassifier = "ch_ppocr_mobile_v2.0_cls_infer.onnx";
inline constexpr const char* kOcrRecogniser = "ch_PP-OCRv4_rec_infer.onnx";

/// The folder to use: `folder` if it is not empty, else $CHORUS_OCR_MODELS, else models/ocr below $CHORUS_CACHE,
/// $XDG_CACHE_HOME/chorus or ~/.cache/chorus. Throws not_found, naming the files that are missing and how to get them.
std::string find_ocr_models(const std::string& folder = {});

/// Loads and compiles the three models for options.engine. Throws not_found, bad_input, unsupported, unavailable.
OcrModels load_ocr_models(const OcrOptions& options);

/// A network from an .onnx file with one input and one output.
std::shared_ptr<OcrNetwork> load_ocr_network(const std::string& path, const OcrOptions& options);

/// The characters that a recogniser names in its metadata entry "character", one a line.
std::vector<std::string> ocr_characters(const std::string& path);

}  // namespace chorus
