// chorus check: whether a model is sound, and with --run whether every engine here answers as a float64 oracle does; where one does
// not, the first node that goes wrong, as a model of its own.
#include "check_cases.h"
#include "command.h"
#include "doctor.h"

#include <core/file.h>
#include <core/progress.h>
#include <engine/engine.h>
#include <engine/native/native_engine.h>
#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <graph/pass.h>
#include <graph/verify.h>
#include <runtime/custom_op.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace chorus::app {
namespace {

using Json = nlohmann::ordered_json;

struct Options : ComparisonOptions {
  std::string write;
  bool run = false;
};

std::string number(double x) { return std::isinf(x) ? "inf" : fmt::format("{:.3g}", x); }
std::string figures(const Difference& d) {
  return d.reason.empty()
             ? fmt::format("absolute {} relative {} ulp {}", number(d.absolute), number(d.relative), number(d.units))
             : d.reason;
}
Json figures_json(const Difference& d) {
  const auto finite = [](double x) { return std::isfinite(x) ? Json(x) : Json("inf"); };
  return {{"absolute", finite(d.absolute)},
          {"relative", finite(d.relative)},
          {"ulp", finite(d.units)},
          {"reason", d.reason}};
}

void print_report(const Diagnosis& r, const Options& options) {
  if (!r.reason.empty()) {
    std::printf("%s: cannot run it: %s\n", r.engine.c_str(), r.reason.c_str());
    return;
  }
  std::printf("%s:\n", r.engine.c_str());
  for (const auto& [name, d] : r.outputs)
    std::printf("  output \"%s\": %s%s\n", name.c_str(), figures(d).c_str(),
                d.within(options.tolerance) ? "" : "  WRONG");
  if (r.first == nullptr) {
    std::printf("  every node agrees with the oracle within %g\n", options.tolerance);
    return;
  }
  const bool own = !agrees(r.first->op, r.first->own, options.tolerance);
  std::printf(
      "  first node that differs: \"%s\" (%s), value \"%s\": %s\n  the node alone: %s: %s\n", r.first->node.c_str(),
      r.first->op.c_str(), r.first->value.c_str(), figures(r.first->total).c_str(), figures(r.first->own).c_str(),
      own ? "the engine computes it wrongly" : "it enlarges the rounding errors of its operands (badly conditioned)");
}

Json report_json(const Diagnosis& r, const Options& options) {
  Json outputs = Json::array(), nodes = Json::array(), first;
  for (const auto& [name, d] : r.outputs)
    outputs.push_back({{"output", name}, {"agrees", d.within(options.tolerance)}, {"error", figures_json(d)}});
  for (const NodeError& e : r.nodes)
    nodes.push_back({{"node", e.node}, {"op", e.op}, {"value", e.value}, {"error", figures_json(e.total)}});
  if (r.first != nullptr) {
    first = {{"node", r.first->node},
             {"op", r.first->op},
             {"value", r.first->value},
             {"error", figures_json(r.first->total)},
             {"own", figures_json(r.first->own)}};
  }
  return {{"engine", r.engine}, {"reason", r.reason}, {"outputs", outputs}, {"first", first}, {"nodes", nodes}};
}

int examine_all(const Model& model, const Options& options, Json* json) {
  std::vector<std::string> engines = options.engines;
  if (engines.empty()) {
    for (const EngineInfo& e : list_engines()) {
      if (e.available) engines.push_back(e.name);
    }
  }
  TerminalBar bar;
  Progress progress(&bar, "check", static_cast<int64_t>(engines.size()) + 1);
  const NamedValues inputs = input_values(options.model, options.inputs, options.shapes, options.seed);
  const EngineRun oracle = run_oracle(model, inputs, options.model);
  if (!oracle.reason.empty())
    throw Error(Code::unsupported, "the oracle cannot run the model: " + oracle.reason, options.model.model);
  progress.advance();
  const Model shown = with_all_outputs(model);
  int status = kDone;
  if (json == nullptr) std::printf("oracle: %s\n", oracle.engine.c_str());
  for (const std::string& engine : engines) {
    const EngineRun run = run_on(engine, shown, inputs, options.model);
    progress.advance();
    const Diagnosis report = examine(model, run, oracle, inputs, options);
    if (json != nullptr)
      json->push_back(report_json(report, options));
    else
      print_report(report, options);
    if (report.first != nullptr && status != kOurFault && !options.write.empty()) {
      write_minimal(model, report, run, inputs, options, options.write);
      std::fprintf(stderr, "chorus: wrote %s, its inputs and a report beside it\n", options.write.c_str());
    }
    if (report.first != nullptr)
      status = kOurFault;
    else if (!run.reason.empty() && !options.engines.empty() && status == kDone)
      status = kEngineCannot;
  }
  return status;
}

int check(Options options) {
  load_plugins_of_environment();
  if (std::filesystem::is_directory(options.model.model))
    return check_cases(options, options.write, options.json) == 0 ? kDone : kOurFault;
  options.run = options.run || !options.inputs.empty() || !options.shapes.empty() || !options.engines.empty() ||
                !options.write.empty();
  Model model = onnx::read_model(options.model.model);
  verify(*model.graph);
  for (const Function& function : model.functions) verify(*function.body);
  const auto optimized = native::optimize(model, {});
  verify(*optimized, true);
  const std::string sound = fmt::format("{}: sound; {} nodes, {} after the passes", options.model.model,
                                        model.graph->node_count(), optimized->node_count());
  if (!options.json) std::printf("%s\n", sound.c_str());
  model = with_node_names(model);
  Json engines = Json::array();
  const int status = options.run ? examine_all(model, options, options.json ? &engines : nullptr) : kDone;
  if (options.json) {
    const Json json = {{"model", options.model.model},       {"sound", true},
                       {"nodes", model.graph->node_count()}, {"nodes_after_passes", optimized->node_count()},
                       {"tolerance", options.tolerance},     {"engines", engines}};
    std::printf("%s\n", json.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
  }
  return status;
}

}  // namespace

void add_check(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("check", "whether a model is sound and all engines compute it rightly");
  auto options = std::make_shared<Options>();
  add_comparison_options(sub, *options, "only these, with commas between");
  sub.flag("--run", options->run,
           "run it on every engine that is here and on a float64 oracle (implied by the options below)");
  sub.option("--write", options->write,
             "the first wrong node as a model in this file, beside it its inputs as .npz and a report for the engine's "
             "makers as .md")
      .value("FILE");
  sub.flag("--json", options->json, "print as JSON: every node's error");
  sub.footer(
      "MODEL may be a folder of ONNX test cases: every engine answers each in a worker, and --write names a folder for "
      "what is wrong.\n"
      "Exit status 1 when an engine answers wrongly.\nExamples:\n  chorus check model.onnx\n  chorus check model.onnx "
      "--run\n"
      "  chorus check model.onnx --engines onnxruntime --input feeds.npz --write wrong.onnx");
  sub.action([options, &outcome] { outcome.status = check(*options); });
}

}  // namespace chorus::app
