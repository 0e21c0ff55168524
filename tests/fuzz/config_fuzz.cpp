// Config in JSON: what is accepted is written again as the same.
#include "fuzz/target.h"

#include <chorus/config.h>

#include <stdexcept>

namespace chorus::fuzz {
namespace {

void run(std::string_view bytes) {
  const Config config = Config::FromJson(bytes);
  const std::string text = config.ToJson();
  if (Config::FromJson(text).ToJson() != text)
    throw std::logic_error("a config changes when it is read again: " + text);
}

std::vector<Seed> seeds() {
  Config config("model.onnx");
  config.SetOutputs({"a", "b"});
  config.SetAffinity({0, 1});
  config.SetThreads(2);
  config.SetProcessing(R"({"inputs": {"x": [{"scale": 2}]}})");
  return {{"default", Config().ToJson()},
          {"full", config.ToJson()},
          {"nested", R"({"model": "m.onnx", "processing": {"inputs": {"x": [{"mean": [1, 2.5e-3, -0.0]}]}}})"},
          {"escapes", R"({"model": "\u00e9\ud83d\ude00\n", "timeout_ms": 18446744073709551615})"}};
}

}  // namespace

const Target config{"config", "Config in JSON", [](std::string_view bytes) { bounded(run, bytes); },
                    seeds,    change_json,      2};
}  // namespace chorus::fuzz
