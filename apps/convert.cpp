// chorus convert: a model in another format or operator set.
#include "command.h"

#include <chorus/error.h>
#include <format/onnx/onnx.h>

#include <cstdio>
#include <memory>

namespace chorus::app {
namespace {

struct Options {
  std::string in, out;
  int opset = 0;
  int64_t ir = 0, external = 0;
};

bool is_onnx(const std::string& path) { return path.size() > 5 && path.substr(path.size() - 5) == ".onnx"; }

int convert(const Options& options) {
  for (const std::string& path : {options.in, options.out}) {
    if (!is_onnx(path)) throw Error(Code::unsupported, "the format of \"" + path + "\" is not known", {}, "known formats: .onnx");
  }
  onnx::WriteOptions write;
  write.opset = options.opset;
  write.ir_version = options.ir;
  write.external_bytes = options.external;
  onnx::write_model_file(onnx::read_model(options.in), options.out, write);
  std::printf("%s\n", options.out.c_str());
  return kDone;
}

}  // namespace

void add_convert(CLI::App& app, Outcome& outcome) {
  CLI::App* sub = app.add_subcommand("convert", "writes a model in another format or operator set");
  auto options = std::make_shared<Options>();
  sub->add_option("IN", options->in, "the model")->required();
  sub->add_option("OUT", options->out, "the file to write")->required();
  sub->add_option("--opset", options->opset, "operator set of ai.onnx (default: as it is)")->check(CLI::Range(1, 1000));
  sub->add_option("--ir", options->ir, "IR version (default: the least that fits)")->check(CLI::Range(int64_t{1}, int64_t{1000}));
  sub->add_option("--external", options->external, "tensors of at least so many bytes go to a file beside it")->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  sub->footer("Examples:\n  chorus convert model.onnx old.onnx --opset 13\n  chorus convert model.onnx big.onnx --external 1024");
  sub->callback([options, &outcome] { outcome.status = convert(*options); });
}

}  // namespace chorus::app
