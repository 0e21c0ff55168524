// chorus task NAME: whole applications.
#include "command.h"

#include <core/clock.h>
#include <core/file.h>
#include <data/image/decode.h>
#include <task/ocr/ocr.h>
#include <task/ocr/predictor_models.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace chorus::app {
namespace {

namespace fs = std::filesystem;

struct OcrCommand {
  std::string picture, annotate, font;
  OcrOptions options;
  int repeat = 1;
  bool json = false, upright = false;
};

// A command that lies in a build folder of the checkout knows where ./dev demo has put the models.
std::string models_of_checkout() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);  // checkout/build/bin/chorus
  if (error) return {};
  const fs::path folder = self.parent_path().parent_path().parent_path() / ".cache/models/ocr";
  return fs::exists(folder / kOcrDetector, error) ? folder.string() : std::string();
}

/// The answer with the total times of all readings, in order.
std::string with_runs(std::string json, const std::vector<double>& runs) {
  json.pop_back();
  json += ", \"runs\": [";
  for (size_t i = 0; i < runs.size(); ++i) json += (i > 0 ? ", " : "") + std::to_string(runs[i]);
  return json + "]}";
}

int ocr(OcrCommand command) {
  if (command.options.models.empty() && std::getenv("CHORUS_OCR_MODELS") == nullptr)
    command.options.models = models_of_checkout();
  if (command.upright) command.options.reading = Reading::seen;
  const int64_t begin = now_ns();
  const Image picture =
      load_image(command.picture, command.options.limits);   // a bad picture is told before any model is loaded
  const double decode = elapsed_ms(begin, now_ns());
  Ocr reader(load_ocr_models(command.options), command.options);
  OcrResult result = reader.read(picture);
  result.ms.decode += decode;
  result.ms.total += decode;
  std::vector<double> runs{result.ms.total};
  while (static_cast<int>(runs.size()) < command.repeat) {
    result = reader.read_file(command.picture);
    runs.push_back(result.ms.total);
  }
  if (!command.annotate.empty()) {
    const std::vector<uint8_t> png = encode_png(annotate(picture, result, command.options.reading, command.font));
    AtomicFile file(command.annotate);
    file.write(std::as_bytes(std::span(png)));
    file.commit();
  }
  if (command.json) {
    const std::string answer = to_json(result);
    std::printf("%s\n", command.repeat > 1 ? with_runs(answer, runs).c_str() : answer.c_str());
  } else {
    for (const OcrLine& line : result.lines) std::printf("%5.1f%%  %s\n", 100 * line.confidence, line.text.c_str());
    std::printf("%zu lines; decode %.1f ms, detect %.1f ms, classify %.1f ms, recognise %.1f ms, total %.1f ms\n",
                result.lines.size(), result.ms.decode, result.ms.detect, result.ms.classify, result.ms.recognise,
                result.ms.total);
  }
  return kDone;
}

}  // namespace

void add_task(Arguments app, Outcome& outcome) {
  Arguments task = app.command("task", "whole applications: ocr");
  task.require_command();
  Arguments sub = task.command("ocr", "reads the text in a picture");
  auto command = std::make_shared<OcrCommand>();
  sub.option("PICTURE", command->picture, "JPEG, PNG, WebP, BMP or PNM file").required();
  sub.option("--engine", command->options.engine, "what computes: see `chorus engines`").value("NAME").show_default();
  sub.option("--threads", command->options.threads, "compute threads (default: all that this process may use)")
      .range(1, 1024);
  sub.option("--models", command->options.models,
             "folder of the three models (default: $CHORUS_OCR_MODELS, else where ./dev demo has put them)")
      .value("FOLDER");
  sub.option("--annotate", command->annotate, "write the picture with boxes and texts to this .png file").value("FILE");
  sub.option("--font", command->font, "TrueType file for --annotate").value("FILE");
  sub.flag("--upright", command->upright, "turn the picture as its EXIF data says, colours as a person sees them");
  sub.option("--repeat", command->repeat,
             "read it N times: the times shown are those of the last, --json has all totals")
      .range(1, 10000);
  sub.flag("--json", command->json, "as JSON: lines with text, confidence, box; times in ms");
  sub.footer("Examples:\n  chorus task ocr receipt.jpg\n  chorus task ocr receipt.jpg --json --annotate out.png");
  sub.action([command, &outcome] { outcome.status = ocr(*command); });
}

}  // namespace chorus::app
