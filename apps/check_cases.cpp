#include "check_cases.h"

#include "doctor.h"
#include "upstream_report.h"

#include <core/file.h>
#include <core/progress.h>
#include <engine/engine.h>
#include <format/onnx/onnx.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

namespace chorus::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Case {
  fs::path folder;
  std::string name;  ///< the path below the folder, with two underscores for each slash
  Model model;
  NamedValues inputs;
};

struct Fault {
  std::string engine, name, op, output;
  Difference error;  ///< `reason` where it is none of numbers: it died
};

/// Two engines may draw differently and both be right.
bool draws(const Graph& graph) {
  const std::vector<NodeId> order = graph.order();
  return std::any_of(order.begin(), order.end(), [&](NodeId id) {
    const Node& n = graph.node(id);
    return n.op == nullptr || n.type.starts_with("Random") || n.type == "Bernoulli" || n.type == "Multinomial" ||
           n.type == "Dropout";
  });
}

std::optional<Case> read_case(const fs::path& root, const fs::path& folder) {
  Case one;
  one.folder = folder;
  one.name = fs::relative(folder, root).string();
  for (size_t at = one.name.find('/'); at != std::string::npos; at = one.name.find('/')) one.name.replace(at, 1, "__");
  try {
    one.model = with_node_names(onnx::read_model((folder / "model.onnx").string()));
    if (draws(*one.model.graph) || !one.model.functions.empty()) return std::nullopt;
    const Graph& graph = *one.model.graph;
    for (size_t i = 0; i < graph.inputs().size(); ++i) {
      const fs::path path = folder / "test_data_set_0" / fmt::format("input_{}.pb", i);
      if (!fs::exists(path)) break;
      const GraphValue& v = graph.value(graph.inputs()[i]);
      auto file = std::make_shared<MappedFile>(path.string());
      const auto bytes = file->bytes();
      one.inputs.emplace_back(
          v.name, onnx::read_value({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, v.type, file));
    }
  } catch (const Error&) {  // no model of ours: conformance tells about it
    return std::nullopt;
  }
  return one;
}

/// What nobody can say of an answer: sequences, texts and the like are equal or not.
std::optional<Fault> fault_in(const Case& one, const EngineRun& run, const EngineRun& wide, const EngineRun& plain,
                              double tolerance) {
  const Graph& graph = *one.model.graph;
  for (const ValueId out : graph.outputs()) {
    const std::string& name = graph.value(out).name;
    const auto got = run.values.find(name);
    if (got == run.values.end() || !got->second) continue;
    const NodeId producer = graph.value(out).producer;
    const std::string op = producer == kNone ? "" : graph.node(producer).type;
    std::optional<Difference> least;
    for (const EngineRun* truth : {&wide, &plain}) {
      const auto wanted = truth->values.find(name);
      if (wanted == truth->values.end() || !wanted->second) continue;
      const Difference d = difference(got->second, wanted->second);
      if (agrees(op, d, tolerance)) {
        least.reset();
        break;
      }
      least = d;
    }
    if (least) return Fault{run.engine, one.name, op, name, *least};
  }
  return std::nullopt;
}

void write_text(const fs::path& path, const std::string& text) {
  AtomicFile file(path.string());
  file.write(text);
  file.commit();
}

/// The node that is wrong where one can be told, else the whole model.
void write_fault(const Case& one, Fault& fault, const ComparisonOptions& options, const fs::path& folder) {
  fs::create_directories(folder);
  const fs::path model = folder / (one.name + ".onnx");
  if (fault.error.reason.empty() && one.model.graph->node_count() > 1) {
    try {
      const EngineRun oracle = run_oracle(one.model, one.inputs, options.model);
      const EngineRun run = run_on(fault.engine, with_all_outputs(one.model), one.inputs, options.model);
      const Diagnosis report = examine(one.model, run, oracle, one.inputs, options);
      if (report.first != nullptr && !agrees(report.first->op, report.first->own, options.tolerance)) {
        fault.op = report.first->op;
        fault.error = report.first->own;
        return write_minimal(one.model, report, run, one.inputs, options, model.string());
      }
    } catch (const Error&) {  // with its inner values seen it is another model, which the engine may refuse
    }
  }
  onnx::write_model_file(one.model, model.string());
  NamedValues tensors;
  for (const auto& [name, value] : one.inputs) {
    if (value.is_tensor() && value.dtype() != DType::string && dtype_bits(value.dtype()) >= 8)
      tensors.emplace_back(name, value);
  }
  write_npz((folder / (one.name + ".npz")).string(), tensors);
  const WrongNode finding{fault.engine,       open_engine(options.model.opened(fault.engine))->version(),
                          one.name + ".onnx", one.name + ".npz",
                          fault.output,       fault.error};
  write_text(folder / (one.name + ".md"), upstream_report(one.model, tensors, finding));
}

EngineRun answer(const std::string& engine, const Case& one, const ModelOptions& options) {
  try {
    return run_on(engine, one.model, one.inputs, options);
  } catch (const Error& error) {  // refused when it came to the run
    EngineRun run;
    run.engine = engine;
    run.reason = error.message();
    return run;
  }
}

Json fault_json(const Fault& f) {
  Json json = {{"engine", f.engine}, {"case", f.name}, {"op", f.op}, {"output", f.output}};
  json["dies"] = !f.error.reason.empty() && f.output.empty();
  json["reason"] = f.error.reason;
  json["got"] = fmt::format("{:.9g}", f.error.a);
  json["wanted"] = fmt::format("{:.9g}", f.error.b);
  json["ulp"] = fmt::format("{:.4g}", f.error.units);
  json["relative"] = fmt::format("{:.3g}", f.error.relative);
  return json;
}

std::vector<std::string> engines_of(const ComparisonOptions& options) {
  if (!options.engines.empty()) return options.engines;
  std::vector<std::string> names;
  for (const EngineInfo& e : list_engines()) {
    if (e.available && e.name != "native" && e.name != "example") names.push_back(e.name);
  }
  return names;
}

/// The model's oracle in float64 and its answer by the plain kernels in its own types: an engine that agrees with one of them is right.
struct Truth {
  EngineRun wide, plain;
};

Truth truth_of(const Case& one, const ModelOptions& options) {
  ModelOptions plain = options;
  plain.optimize = 0;
  plain.reference = true;
  Truth truth;
  truth.wide = run_oracle(one.model, one.inputs, options, Watched::outputs);
  truth.plain = run_on("native", one.model, one.inputs, plain);
  return truth;
}

}  // namespace

int check_cases(const ComparisonOptions& given, const std::string& write, bool json) {
  ComparisonOptions options = given;
  options.model.worker = true;  // whatever an engine does, the others go on
  options.model.no_fallback = true;
  options.model.optimize = 1;
  const std::vector<std::string> engines = engines_of(options);
  const fs::path root = given.model.model;
  std::vector<fs::path> folders;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().filename() == "model.onnx") folders.push_back(entry.path().parent_path());
  }
  std::sort(folders.begin(), folders.end());
  Json list = Json::array();
  int answers = 0, faults = 0;
  TerminalBar bar;
  Progress progress(&bar, "check", static_cast<int64_t>(folders.size()));
  for (const fs::path& folder : folders) {
    progress.advance();
    const auto one = read_case(root, folder);
    if (!one) continue;
    std::optional<Truth> truth;
    try {
      truth = truth_of(*one, options.model);
    } catch (const Error&) {
    }
    if (!truth || !truth->plain.reason.empty()) continue;
    for (const std::string& engine : engines) {
      const EngineRun run = answer(engine, *one, options.model);
      std::optional<Fault> fault;
      if (run.code == Code::device_lost) {
        fault = Fault{engine, one->name, one->model.graph->node(one->model.graph->order().back()).type, "", {}};
        fault->error.reason = run.reason;
      } else if (run.reason.empty()) {
        fault = fault_in(*one, run, truth->wide, truth->plain, options.tolerance);
        ++answers;
      }
      if (!fault) continue;
      ++faults;
      if (!write.empty()) write_fault(*one, *fault, options, fs::path(write) / engine);
      if (json) {
        list.push_back(fault_json(*fault));
      } else {
        const Difference& d = fault->error;
        std::printf("%s %s: %s: %s\n", engine.c_str(), one->name.c_str(), fault->op.c_str(),
                    d.reason.empty() ? fmt::format("{:.9g} instead of {:.9g}", d.a, d.b).c_str() : d.reason.c_str());
      }
    }
  }
  if (json)
    std::printf("%s\n", list.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
  else
    std::printf("%d answers of %zu engines to %zu cases, %d of them wrong or none\n", answers, engines.size(),
                folders.size(), faults);
  return faults;
}

}  // namespace chorus::app
