// chorus convert: a model in another format or operator set.
#include "command.h"

#include <chorus/error.h>
#include <engine/native/native_engine.h>
#include <format/ncnn/ncnn.h>
#include <format/onnx/onnx.h>
#include <graph/image.h>
#include <runtime/load.h>

#include <cstdio>
#include <filesystem>
#include <memory>

namespace chorus::app {
namespace {

struct Options {
  std::string in, out;
  int opset = 0;
  int64_t ir = 0, external = 0;
  bool lite = false;
};

enum class Format : uint8_t { onnx, chorus, ncnn };

Format format_of(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".onnx") return Format::onnx;
  if (extension == ".chorus") return Format::chorus;
  if (extension == ".param") return Format::ncnn;
  throw Error(Code::unsupported, "the format of \"" + path + "\" is not known", {},
              "known formats: .onnx, .chorus, and .param to write");
}

std::shared_ptr<const Model> at_versions(std::shared_ptr<const Model> model, const onnx::WriteOptions& write) {
  if (write.opset == 0 && write.ir_version == 0) return model;
  auto bytes = std::make_shared<const std::string>(onnx::write_model(*model, write));
  Model changed = onnx::read_model(*bytes, bytes);
  changed.source = model->source;
  return std::make_shared<const Model>(std::move(changed));
}

int convert(const Options& options) {
  if (format_of(options.in) == Format::ncnn) {   // refused before anything is opened
    throw Error(Code::unsupported, "nets of ncnn are written, not read", options.in, "give an .onnx or .chorus file");
  }
  const Format to = format_of(options.out);
  if (to != Format::onnx && options.external > 0) {
    throw Error(Code::unsupported, "only .onnx files have weights beside them on demand", {},
                "leave --external out, or write .onnx");
  }
  if (to != Format::chorus && options.lite) {
    throw Error(Code::unsupported, "the edge profile reads .chorus files only", {},
                "leave --lite out, or write .chorus");
  }
  onnx::WriteOptions write;
  write.opset = options.opset;
  write.ir_version = options.ir;
  write.external_bytes = options.external;
  const auto model = load_model(options.in);
  if (to == Format::onnx) {
    onnx::write_model_file(*model, options.out, write);
  } else if (to == Format::ncnn) {
    ncnn::write_files(*at_versions(model, write), options.out);
  } else {
    Model image = options.lite ? native::lite_form(*at_versions(model, write)) : *at_versions(model, write);
    image.source.clear();   // a path of this machine
    save_image_file(image, options.out);
  }
  std::printf("%s\n", options.out.c_str());
  return kDone;
}

}  // namespace

void add_convert(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("convert", "writes a model in another format or operator set");
  auto options = std::make_shared<Options>();
  sub.option("IN", options->in, "the model, an .onnx or .chorus file").required();
  sub.option("OUT", options->out, "the file to write: its ending says the format (.param: ncnn, with a .bin)")
      .required();
  sub.option("--opset", options->opset, "operator set of ai.onnx (default: as it is)").range(1, 1000);
  sub.option("--ir", options->ir, "IR version (default: the least that fits)").range(int64_t{1}, int64_t{1000});
  sub.option("--external", options->external, "tensors of at least so many bytes go to a file beside it")
      .range(int64_t{1}, int64_t{1} << 40);
  sub.flag("--lite", options->lite, "a .chorus file for the edge profile (docs/lite.md)");
  sub.footer(
      "Examples:\n  chorus convert model.onnx old.onnx --opset 13\n  chorus convert model.onnx big.onnx --external "
      "1024\n  chorus convert model.onnx model.chorus --lite");
  sub.action([options, &outcome] { outcome.status = convert(*options); });
}

}  // namespace chorus::app
