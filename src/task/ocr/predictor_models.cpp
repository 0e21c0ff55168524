#include <task/ocr/predictor_models.h>

#include <chorus/error.h>
#include <chorus/model.h>
#include <chorus/predictor.h>
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace chorus {
namespace {

bool exists(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file != nullptr) std::fclose(file);
  return file != nullptr;
}

std::string missing(const std::string& folder) {
  std::string names;
  for (const char* name : {kOcrDetector, kOcrClassifier, kOcrRecogniser})
    if (!exists(folder + "/" + name)) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  return names;
}

constexpr const char* kHelp =
    "download them (pip download --no-deps rapidocr-onnxruntime==1.4.4, folder rapidocr_onnxruntime/models of the "
    "wheel)"
    " and name the folder";

class PredictorNetwork : public OcrNetwork {
 public:
  PredictorNetwork(const Config& config, std::string path) : path_(std::move(path)), predictor_(config) {
    const std::vector<std::string> inputs = predictor_.GetInputNames(), outputs = predictor_.GetOutputNames();
    if (inputs.size() != 1 || outputs.size() != 1)
      throw Error(Code::bad_input,
                  fmt::format("a network of text reading has one input and one output, this one {} and {}",
                              inputs.size(), outputs.size()),
                  path_, "give the model that belongs to this step");
    input_ = predictor_.GetInputTensor(inputs[0]);
    output_ = predictor_.GetOutputTensor(outputs[0]);
    if (input_->dtype() != DType::float32)
      throw Error(Code::bad_input, "a network of text reading takes float32", path_,
                  "give the model that belongs to this step");
  }

  NetworkOutput run(std::span<const float> input, const BatchShape& shape) override {
    input_->borrow(input.data(), DType::float32, {shape.begin(), shape.end()});
    try {
      predictor_.Run();
    } catch (const Error& error) {
      throw error.at(path_);
    }
    return {output_->to_vector<float>(), output_->shape()};
  }

 private:
  std::string path_;
  Predictor predictor_;
  InputTensor* input_ = nullptr;
  OutputTensor* output_ = nullptr;
};

}  // namespace

std::string find_ocr_models(const std::string& folder) {
  std::vector<std::string> places;
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (!folder.empty())
    places = {folder};
  else if (const std::string named = variable("CHORUS_OCR_MODELS"); !named.empty())
    places = {named};
  else {
    if (const std::string cache = variable("CHORUS_CACHE"); !cache.empty()) places.push_back(cache + "/models/ocr");
    if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty())
      places.push_back(cache + "/chorus/models/ocr");
    if (const std::string home = variable("HOME"); !home.empty()) places.push_back(home + "/.cache/chorus/models/ocr");
  }
  for (const std::string& place : places)
    if (missing(place).empty()) return place;
  const std::string names = places.empty() ? std::string("the models") : missing(places.front());
  throw Error(Code::not_found, fmt::format("text reading lacks {}", names), fmt::format("{}", fmt::join(places, ", ")),
              kHelp);
}

std::shared_ptr<OcrNetwork> load_ocr_network(const std::string& path, const OcrOptions& options) {
  Config config(path);
  config.SetEngine(options.engine);
  if (options.threads > 0) config.SetThreads(options.threads);
  return std::make_shared<PredictorNetwork>(config, path);
}

std::vector<std::string> ocr_characters(const std::string& path) {
  for (const auto& [key, text] : api::Model::Load(path).metadata()) {
    if (key != "character") continue;
    std::vector<std::string> characters;
    std::string_view rest = text;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view line = rest.substr(0, end);
      if (line.ends_with('\r')) line.remove_suffix(1);
      characters.emplace_back(line);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return characters;
  }
  throw Error(Code::bad_input, "the recogniser has no metadata entry \"character\"", path,
              "give a text recognition model with its characters");
}

OcrModels load_ocr_models(const OcrOptions& options) {
  const std::string folder = find_ocr_models(options.models) + "/";
  OcrModels models;
  models.detector = load_ocr_network(folder + kOcrDetector, options);
  models.classifier = load_ocr_network(folder + kOcrClassifier, options);
  models.recogniser = load_ocr_network(folder + kOcrRecogniser, options);
  models.characters = ocr_characters(folder + kOcrRecogniser);
  return models;
}

}  // namespace chorus
