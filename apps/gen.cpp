// chorus gen: writes fixture models and data.
#include "command.h"
#include "digits.h"
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
  int64_t count = 1000;
  bool list = false;
};

int gen(const Options& options) {
  if (options.list || options.name.empty()) {
    for (const Fixture& f : fixtures())
      std::printf("%-12s %s\n", std::string(f.name).c_str(), std::string(f.what).c_str());
    std::printf("%-12s %s\n", "digits", "data: drawn digits of 28 x 28 with their classes (.npz)");
    return options.list ? kDone : kUsage;
  }
  const bool data = options.name == "digits";
  const std::string path = options.output.empty() ? options.name + (data ? ".npz" : ".onnx") : options.output;
  if (data)
    write_npz(path, make_digits(options.count, options.seed));
  else
    onnx::write_model_file(make_fixture(options.name, options.seed), path);
  std::printf("%s\n", path.c_str());
  return kDone;
}

}  // namespace

void add_gen(Arguments app, Outcome& outcome) {
  Arguments sub =
      app.command("gen", "writes a fixture: a small network with random weights, or data with known answers");
  auto options = std::make_shared<Options>();
  sub.option("NAME", options->name, "which: see --list");
  sub.option("--seed", options->seed, "of the weights or of the data").show_default();
  sub.option("-o,--output", options->output, "the file (default: NAME.onnx, of data NAME.npz)").value("FILE");
  sub.option("--count", options->count, "samples of data").range(1, 1'000'000).show_default();
  sub.flag("--list", options->list, "the names");
  sub.footer("Examples:\n  chorus gen lenet --seed 7 -o lenet.onnx\n  chorus gen digits --count 10000 -o digits.npz");
  sub.action([options, &outcome] { outcome.status = gen(*options); });
}

}  // namespace chorus::app
