// chorus gen: writes fixture models.
#include "command.h"
#include "fixtures.h"

#include <format/onnx/onnx.h>
#include <fmt/format.h>

#include <cstdio>
#include <memory>

namespace chorus::app {
namespace {

struct Options {
  std::string name, output;
  uint64_t seed = 7;
  bool list = false;
};

int gen(const Options& options) {
  if (options.list || options.name.empty()) {
    for (const Fixture& f : fixtures())
      std::printf("%-12s %s\n", std::string(f.name).c_str(), std::string(f.what).c_str());
    return options.list ? kDone : kUsage;
  }
  const std::string path = options.output.empty() ? options.name + ".onnx" : options.output;
  onnx::write_model_file(make_fixture(options.name, options.seed), path);
  std::printf("%s\n", path.c_str());
  return kDone;
}

}  // namespace

void add_gen(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("gen", "writes a fixture model: a small network with random weights");
  auto options = std::make_shared<Options>();
  sub.option("NAME", options->name, "which: see --list");
  sub.option("--seed", options->seed, "of the weights").show_default();
  sub.option("-o,--output", options->output, "the file (default: NAME.onnx)");
  sub.flag("--list", options->list, "the names");
  sub.footer("Example:\n  chorus gen lenet --seed 7 -o lenet.onnx");
  sub.action([options, &outcome] { outcome.status = gen(*options); });
}

}  // namespace chorus::app
