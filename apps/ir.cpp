// chorus ir: a model in the forms that it takes on its way to the processor.
#include "command.h"
#include "model_options.h"

#include <engine/native/native_engine.h>
#include <format/onnx/onnx.h>
#include <graph/pass.h>

#include <cstdio>
#include <memory>

namespace chorus::app {
namespace {

struct Options {
  ModelOptions model;
  std::string level = "graph";
  bool passes = false, raw = false;
};

int ir(const Options& options) {
  if (options.passes) {
    for (const Pass& pass : default_passes(options.model.optimize))
      std::printf("%-22s %s\n", std::string(pass.name).c_str(), std::string(pass.what).c_str());
    return kDone;
  }
  std::string text;
  if (options.level != "graph") {
    text = Predictor(config_of(options.model)).Print(options.level);
  } else {
    const Model model = onnx::read_model(options.model.model);
    CompileOptions compile;
    compile.optimize = options.model.optimize;
    text = options.raw ? model.graph->str() : native::optimize(model, compile)->str();
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return kDone;
}

}  // namespace

void add_ir(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("ir", "prints a model in the forms that it takes on its way to the processor");
  auto options = std::make_shared<Options>();
  add_model_options(sub, options->model);
  sub.option("--level", options->level, "graph: after the passes; plan: steps and memory; kernel: what runs")
      .one_of({"graph", "plan", "kernel"})
      .show_default();
  sub.flag("--raw", options->raw, "with --level graph: as the file has it, before the passes");
  sub.flag("--passes", options->passes, "list the passes instead");
  sub.footer("Examples:\n  chorus ir model.onnx --level plan\n  chorus ir model.onnx --raw");
  sub.action([options, &outcome] { outcome.status = ir(*options); });
}

}  // namespace chorus::app
