// chorus inspect: what is in a model file.
#include "command.h"
#include "graph_svg.h"

#include <chorus/model.h>
#include <core/file.h>
#include <engine/native/native_engine.h>
#include <runtime/load.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <map>
#include <memory>
#include <set>

namespace chorus::app {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model, svg;
  bool json = false, nodes = false, parameters = false, operators = false;
};

Json port_json(const api::PortInfo& port) {
  Json json = {{"name", port.name}, {"kind", port.kind}, {"dtype", dtype_name(port.dtype)}};
  json["shape"] = port.has_rank ? Json(port.shape) : Json();
  json["dims"] = port.has_rank ? Json(port.dims) : Json();
  json["layout"] = port.layout;
  return json;
}

Json model_json(const api::Model& model) {
  Json json;
  json["model"] = model.source();
  json["ir_version"] = model.ir_version();
  json["producer"] = model.producer();
  json["opsets"] = Json::object();
  for (const auto& [domain, version] : model.opsets()) json["opsets"][domain] = version;
  json["metadata"] = Json::object();
  for (const auto& [key, value] : model.metadata()) json["metadata"][key] = value;
  json["hash"] = fmt::format("{:016x}", model.graph_hash());
  json["inputs"] = Json::array();
  json["outputs"] = Json::array();
  json["nodes"] = Json::array();
  json["parameters"] = Json::array();
  for (const auto& port : model.inputs()) json["inputs"].push_back(port_json(port));
  for (const auto& port : model.outputs()) json["outputs"].push_back(port_json(port));
  for (const auto& n : model.nodes()) {
    json["nodes"].push_back({{"name", n.name},
                             {"domain", n.domain},
                             {"op", n.op},
                             {"version", n.version},
                             {"inputs", n.inputs},
                             {"outputs", n.outputs}});
  }
  for (const auto& p : model.parameters()) {
    json["parameters"].push_back(
        {{"name", p.name}, {"dtype", dtype_name(p.dtype)}, {"shape", p.shape}, {"bytes", p.bytes}});
  }
  return json;
}

std::string dims_text(const api::PortInfo& port) {
  if (!port.has_rank) return port.kind == "tensor" ? "[…]" : "";
  std::string text = "[";
  for (size_t i = 0; i < port.dims.size(); ++i) text += (i ? ", " : "") + port.dims[i];
  return text + "]";
}

void print_ports(const char* title, const std::vector<api::PortInfo>& ports) {
  std::printf("%s\n", title);
  for (const auto& p : ports) {
    const std::string type = p.kind == "tensor" ? std::string(dtype_name(p.dtype)) : p.kind;
    std::printf("  %s: %s%s%s%s\n", p.name.c_str(), type.c_str(), dims_text(p).c_str(), p.layout.empty() ? "" : "  ",
                p.layout.c_str());
  }
}

std::string human(int64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024);
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

void print_text(const api::Model& model, const Options& options) {
  std::printf("model      %s\nproducer   %s\nir         %lld\nopsets    ", model.source().c_str(),
              model.producer().c_str(), static_cast<long long>(model.ir_version()));
  for (const auto& [domain, version] : model.opsets())
    std::printf(" %s %lld", domain.empty() ? "ai.onnx" : domain.c_str(), static_cast<long long>(version));
  const auto nodes = model.nodes();
  const auto parameters = model.parameters();
  std::printf("\nnodes      %zu\nparameters %zu, %s\nhash       %016llx\n", nodes.size(), parameters.size(),
              human(model.weight_bytes()).c_str(), static_cast<unsigned long long>(model.graph_hash()));
  print_ports("inputs", model.inputs());
  print_ports("outputs", model.outputs());
  std::map<std::string, int> counts;
  for (const auto& n : nodes) ++counts[n.domain.empty() ? n.op : n.domain + "." + n.op];
  std::printf("operators\n");
  for (const auto& [op, count] : counts) std::printf("  %5d %s\n", count, op.c_str());
  if (options.nodes) {
    std::printf("nodes\n");
    for (const auto& n : nodes) {
      std::printf(
          "  %s\n",
          fmt::format("{} = {}({})  {}", fmt::join(n.outputs, ", "), n.op, fmt::join(n.inputs, ", "), n.name).c_str());
    }
  }
  if (options.parameters) {
    std::printf("parameters\n");
    for (const auto& p : parameters)
      std::printf("  %s: %s[%s]  %s\n", p.name.c_str(), std::string(dtype_name(p.dtype)).c_str(),
                  fmt::format("{}", fmt::join(p.shape, ", ")).c_str(), human(p.bytes).c_str());
  }
}

void collect(const Graph& graph, std::set<std::string>& names) {
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    if (n.op != nullptr) names.insert(n.domain.empty() ? n.type : n.domain + "." + n.type);
    for (const auto& [key, attribute] : n.attributes.items()) {
      if (const auto* body = attribute.get<GraphPtr>()) collect(**body, names);
    }
  }
}

/// What a build of the edge profile needs for the model: the operators that `chorus convert --lite` writes and those that they become before it
/// runs.
void print_operators(const std::string& path) {
  const auto model = load_model(path);
  std::set<std::string> names;
  for (int level : {0, 1}) {
    CompileOptions options;
    options.optimize = level;
    collect(*native::optimize(*model, options), names);
  }
  for (const std::string& name : names) std::printf("%s\n", name.c_str());
}

}  // namespace

void add_inspect(Arguments app, Outcome&) {
  Arguments sub = app.command("inspect", "what is in a model file: inputs, outputs, nodes, parameters");
  auto options = std::make_shared<Options>();
  sub.option("MODEL", options->model, "the model, an .onnx or .chorus file").required();
  sub.flag("--json", options->json, "everything, as JSON");
  sub.flag("--operators", options->operators,
           "only the names of the operators that a build for this model needs (CHORUS_OPERATORS, docs/lite.md)");
  sub.flag("--nodes", options->nodes, "print every node");
  sub.flag("--parameters", options->parameters, "print every parameter");
  sub.option("--svg", options->svg, "write a picture of the graph to this file").value("FILE");
  sub.footer(
      "Examples:\n  chorus inspect model.onnx\n  chorus inspect model.onnx --json\n  chorus inspect model.onnx --svg "
      "model.svg");
  sub.action([options] {
    if (options->operators) return print_operators(options->model);
    const api::Model model = api::Model::Load(options->model);
    if (!options->svg.empty()) {
      AtomicFile file(options->svg);
      file.write(graph_svg(model));
      file.commit();
      if (!options->json) {
        std::printf("%s\n", options->svg.c_str());
        return;
      }
    }
    if (options->json)
      std::printf("%s\n", model_json(model).dump(1, ' ', false, Json::error_handler_t::replace).c_str());
    else
      print_text(model, *options);
  });
}

}  // namespace chorus::app
