// chorus scan: what a file holds, and what is wrong with it or dangerous, in words and JSON. Nothing of the file is run.
#include "command.h"
#include "scan_onnx.h"

#include <core/file.h>
#include <data/image/decode.h>
#include <engine/engine.h>
#include <format/npz/npz.h>
#include <format/onnx/onnx.h>
#include <graph/image.h>
#include <graph/infer.h>
#include <graph/pass.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace chorus::app {
namespace {

constexpr int64_t kWeightsWarning = int64_t{2} << 30;  // above: a note, so that nobody loads it unawares
constexpr int64_t kScanBytes = int64_t{128} << 20;  // what scanning may unpack

struct Options {
  std::string file;
  bool json = false;
};

std::string shown_type(const GraphValue& v) { return v.type.kind == ValueKind::none ? "unknown" : v.type.str(); }

Json ports(const Graph& graph, std::span<const ValueId> ids) {
  Json list = Json::array();
  for (ValueId id : ids) list.push_back({{"name", graph.value(id).name}, {"type", shown_type(graph.value(id))}});
  return list;
}

void count_operators(const Graph& graph, Json& counts, int64_t& nodes, int depth = 0) {
  for (NodeId id = 0; id < graph.node_capacity() && depth < 64; ++id) {
    const Node& n = graph.node(id);
    if (!n.alive) continue;
    ++nodes;
    const std::string name = n.domain.empty() ? n.type : n.domain + "." + n.type;
    counts[name] = counts.value(name, 0) + 1;
    for (const auto& item : n.attributes.items()) {
      if (const GraphPtr* body = item.value.get<GraphPtr>()) count_operators(**body, counts, nodes, depth + 1);
    }
  }
}

// What a model says of itself once it could be read.
void describe(const Model& model, Report& report) {
  Json& c = report.contents;
  const Graph& g = *model.graph;
  int64_t nodes = 0, weights = 0, bytes = 0;
  c["ir_version"] = model.ir_version;
  c["producer"] = model.producer_name + (model.producer_version.empty() ? "" : " " + model.producer_version);
  c["operator_sets"] = Json::object();
  for (const auto& [domain, version] : g.opsets) c["operator_sets"][domain.empty() ? "ai.onnx" : domain] = version;
  c["operators"] = Json::object();
  count_operators(g, c["operators"], nodes);
  c["nodes"] = nodes;
  c["functions"] = model.functions.size();
  c["inputs"] = ports(g, g.inputs());
  c["outputs"] = ports(g, g.outputs());
  for (ValueId id = 0; id < g.value_capacity(); ++id) {
    const GraphValue& v = g.value(id);
    if (!v.alive || !v.is_constant()) continue;
    ++weights;
    bytes += v.constant.dtype() == DType::string ? static_cast<int64_t>(v.constant.strings().bytes.size())
                                                 : static_cast<int64_t>(v.constant.bytes());
  }
  c["weights"] = {{"tensors", weights}, {"bytes", bytes}};
  if (bytes > kWeightsWarning)
    report.add(Severity::note, fmt::format("the weights take {} bytes", bytes), report.file, "");
}

void check_operators(const Model& model, Report& report) {
  const Graph& g = *model.graph;
  for (NodeId id = 0; id < g.node_capacity(); ++id) {
    const Node& n = g.node(id);
    if (!n.alive || n.op != nullptr) continue;
    const bool local = std::any_of(model.functions.begin(), model.functions.end(),
                                   [&](const Function& f) { return f.domain == n.domain && f.name == n.type; });
    if (local) continue;
    report.add(
        Severity::warning,
        fmt::format("operator \"{}\" of domain \"{}\" is not known", n.type, n.domain.empty() ? "ai.onnx" : n.domain),
        g.where(id),
        n.domain.empty() ? "a newer version of this program may know it"
                         : "load the plug-in that registers it (CHORUS_PLUGIN)");
  }
}

// Values whose size is known and larger than a run may hold.
void check_sizes(const Graph& graph, Report& report) {
  const int64_t budget = CompileOptions().memory_budget;
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    const GraphValue& v = graph.value(id);
    if (!v.alive || !v.type.is_tensor() || !v.type.is_static() || v.type.dtype == DType::undefined ||
        v.type.dtype == DType::string)
      continue;
    std::vector<int64_t> dims;
    for (const Dim& d : v.type.dims) dims.push_back(d.number());
    const int64_t count = checked_numel(dims), bytes = count < 0 ? -1 : dtype_bytes(v.type.dtype, count);
    if (bytes >= 0 && bytes <= budget) continue;
    report.add(
        Severity::error,
        fmt::format("value \"{}\" of type {} does not fit a memory budget of {} bytes", v.name, v.type.str(), budget),
        v.producer == kNone ? report.file : graph.where(v.producer), "raise the budget if the model is trusted");
  }
}

void check_types(const Model& model, Report& report) {
  Graph graph(*model.graph);
  PassContext context;
  context.functions = &model.functions;
  try {
    passes::inline_functions(graph, context);
    passes::close_bodies(graph, context);
    const bool known = [&] {
      for (NodeId id = 0; id < graph.node_capacity(); ++id) {
        if (graph.node(id).alive && graph.node(id).op == nullptr) return false;
      }
      return true;
    }();
    if (known) infer_types(graph);
    check_sizes(graph, report);
  } catch (const Error& error) {
    report.add(error);
  }
}

void scan_model(std::string_view bytes, const std::shared_ptr<MappedFile>& file, Report& report) {
  try {
    Model model;
    if (is_image(bytes)) {
      report.kind = "chorus";
      model = load_image(bytes, file);
    } else {
      report.kind = "onnx";
      look_at_onnx(bytes, report);
      const std::string folder = std::filesystem::path(report.file).parent_path().string();
      onnx::ReadLimits limits;
      model = onnx::read_model(bytes, file, folder.empty() ? "." : folder, report.file, limits);
    }
    describe(model, report);
    check_operators(model, report);
    check_types(model, report);
  } catch (const Error& error) {
    report.add(error);
  }
}

void scan_arrays(std::string_view bytes, const std::shared_ptr<MappedFile>& file, Report& report) {
  NpzLimits limits;
  limits.array_bytes = kScanBytes;
  try {
    const bool many = bytes.starts_with("PK");
    report.kind = many ? "npz" : "npy";
    NamedValues values;
    if (many)
      values = read_npz(bytes, file, limits);
    else
      values.emplace_back("", read_npy(bytes, file, limits));
    Json list = Json::array();
    for (const auto& [name, value] : values) {
      list.push_back({{"name", name},
                      {"type", std::string(dtype_name(value.dtype())) + value.shape().str()},
                      {"bytes", value.bytes()}});
    }
    report.contents["arrays"] = std::move(list);
  } catch (const Error& error) {
    report.add(error);
  }
}

void scan_picture(std::string_view bytes, Report& report) {
  DecodeLimits limits;
  limits.max_image_bytes = kScanBytes;
  try {
    const Image image =
        decode_image({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, report.file, limits);
    report.contents["width"] = image.width;
    report.contents["height"] = image.height;
  } catch (const Error& error) {
    report.add(error);
  }
}

Report scan(const std::string& path) {
  Report report;
  report.file = path;
  const auto file = std::make_shared<MappedFile>(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  report.bytes = static_cast<int64_t>(bytes.size());
  const std::string_view picture = image_kind({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  if (bytes.starts_with("\x93NUMPY") || bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06")) {
    scan_arrays(bytes, file, report);
  } else if (!picture.empty()) {
    report.kind = picture;
    scan_picture(bytes, report);
  } else {
    scan_model(bytes, file, report);
  }
  return report;
}

Json as_json(const Report& report) {
  Json json = {{"file", report.file}, {"kind", report.kind}, {"bytes", report.bytes}, {"contents", report.contents}};
  json["findings"] = Json::array();
  for (const Finding& f : report.findings) {
    json["findings"].push_back(
        {{"severity", name_of(f.severity)}, {"what", f.what}, {"where", f.where}, {"fix", f.fix}});
  }
  json["verdict"] = report.verdict();
  return json;
}

std::string words_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object()) {
    std::string text;
    for (const auto& [key, inner] : value.items()) text += (text.empty() ? "" : ", ") + key + " " + words_of(inner);
    return text;
  }
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void print(const Report& report) {
  std::printf("file       %s\nkind       %s, %lld bytes\n", report.file.c_str(), report.kind.c_str(),
              static_cast<long long>(report.bytes));
  for (const auto& [key, value] : report.contents.items()) {
    if (!value.is_array()) {
      std::printf("%-10s %s\n", key.c_str(), words_of(value).c_str());
      continue;
    }
    std::printf("%s\n", key.c_str());
    for (const Json& one : value) std::printf("  %s\n", words_of(one).c_str());
  }
  for (const Finding& f : report.findings) {
    std::printf("%s: %s\n", name_of(f.severity), f.what.c_str());
    if (!f.where.empty()) std::printf("  where: %s\n", f.where.c_str());
    if (!f.fix.empty()) std::printf("  fix:   %s\n", f.fix.c_str());
  }
  std::printf("verdict    %s\n", report.verdict());
}

int run(const Options& options) {
  const Report report = scan(options.file);
  if (options.json)
    std::printf("%s\n", as_json(report).dump(1, ' ', false, Json::error_handler_t::replace).c_str());
  else
    print(report);
  const bool refused = report.verdict() == std::string_view("refused");
  if (refused)
    std::fprintf(stderr, "chorus: %s is refused: %s (%s)\n", report.file.c_str(), report.worst().what.c_str(),
                 report.worst().where.c_str());
  return refused ? kBadInput : kDone;
}

}  // namespace

void add_scan(Arguments app, Outcome& outcome) {
  Arguments sub =
      app.command("scan", "what a file holds, and what is wrong with it or dangerous; nothing of it is run");
  auto options = std::make_shared<Options>();
  sub.option("FILE", options->file, "a model (.onnx, .chorus), arrays (.npz, .npy) or a picture").required();
  sub.flag("--json", options->json, "print as JSON");
  sub.footer(
      "The verdict is good, warning or refused; refused files end with status 3.\nExamples:\n  chorus scan "
      "model.onnx\n  chorus scan feeds.npz --json");
  sub.action([options, &outcome] { outcome.status = run(*options); });
}

}  // namespace chorus::app
