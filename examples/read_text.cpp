// Reads the text in a picture: example_read_text PICTURE FOLDER_OF_MODELS
#include <chorus/error.h>
#include <task/ocr/ocr.h>
#include <task/ocr/predictor_models.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: example_read_text PICTURE FOLDER_OF_MODELS\n");
    return 2;
  }
  try {
    chorus::OcrOptions options;
    options.models = argv[2];
    options.threads = 2;
    chorus::Ocr reader(chorus::load_ocr_models(options), options);  // loaded once, for many pictures
    for (const chorus::OcrLine& line : reader.read_file(argv[1]).lines) {
      std::printf("%3.0f,%3.0f  %s (%.2f)\n", line.box[0].x, line.box[0].y, line.text.c_str(), line.confidence);
    }
    return 0;
  } catch (const chorus::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  }
}
