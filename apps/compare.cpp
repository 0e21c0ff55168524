// chorus compare: one model on several engines; how far their results are apart, and at which node they part.
#include "command.h"
#include "engine_runs.h"

#include <engine/engine.h>
#include <format/onnx/onnx.h>
#include <graph/infer.h>
#include <runtime/custom_op.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdio>
#include <memory>

namespace chorus::app {
namespace {

using Json = nlohmann::ordered_json;

struct Options : ComparisonOptions {
  std::string tap;
};

struct Row {
  std::string value, node, op;      ///< node that makes the value
  bool output = false;
  Difference difference;
};

struct Comparison {
  std::string engine, reason;
  std::vector<Row> rows;            ///< in the order of the graph
};

std::vector<Row> rows_of(const Model& model, const EngineRun& run, const EngineRun& base) {
  std::vector<Row> rows;
  const Graph& graph = *model.graph;
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    for (ValueId out : n.outputs) {
      if (out == kNone) continue;
      const std::string& name = graph.value(out).name;
      const auto a = run.values.find(name), b = base.values.find(name);
      if (a == run.values.end() || b == base.values.end()) continue;
      rows.push_back({name, n.name, n.type, false, difference(a->second, b->second)});
    }
  }
  return rows;
}

std::string number(double x) { return std::isinf(x) ? "inf" : fmt::format("{:.3g}", x); }

Json row_json(const Row& r, double tolerance) {
  const auto finite = [](double x) { return std::isfinite(x) ? Json(x) : Json("inf"); };
  return {{"value", r.value},
          {"node", r.node},
          {"op", r.op},
          {"output", r.output},
          {"agrees", r.difference.within(tolerance)},
          {"reason", r.difference.reason},
          {"absolute", finite(r.difference.absolute)},
          {"relative", finite(r.difference.relative)},
          {"ulp", finite(r.difference.units)}};
}

void print_text(const std::vector<Comparison>& all, const Options& options) {
  for (const Comparison& c : all) {
    if (!c.reason.empty()) {
      std::printf("%s: cannot run it: %s\n", c.engine.c_str(), c.reason.c_str());
      continue;
    }
    std::printf("%s against %s\n  %-9s %-9s %-9s  %s\n", c.engine.c_str(), options.engines[0].c_str(), "absolute",
                "relative", "ulp", "value");
    const Row* first = nullptr;
    for (const Row& r : c.rows) {
      const bool apart = !r.difference.within(options.tolerance);
      if (apart && first == nullptr) first = &r;
      if (options.tap.empty() && !r.output) continue;
      std::printf("  %-9s %-9s %-9s  %s%s%s%s\n", number(r.difference.absolute).c_str(),
                  number(r.difference.relative).c_str(), number(r.difference.units).c_str(), r.value.c_str(),
                  r.output ? " (output)" : "", apart ? "  DIFFERS " : "", r.difference.reason.c_str());
    }
    if (first == nullptr)
      std::printf("  agrees within %g\n", options.tolerance);
    else
      std::printf("  %s differs first in \"%s\", made by node \"%s\" (%s)\n", c.engine.c_str(), first->value.c_str(),
                  first->node.c_str(), first->op.c_str());
  }
}

void print_json(const std::vector<Comparison>& all, const Options& options) {
  Json engines = Json::array();
  for (const Comparison& c : all) {
    Json values = Json::array(), first;
    for (const Row& r : c.rows) {
      if (!r.difference.within(options.tolerance) && first.is_null()) first = row_json(r, options.tolerance);
      if (r.output || !options.tap.empty()) values.push_back(row_json(r, options.tolerance));
    }
    engines.push_back({{"engine", c.engine},
                       {"reason", c.reason},
                       {"agrees", c.reason.empty() && first.is_null()},
                       {"first", first},
                       {"values", values}});
  }
  const Json json = {{"model", options.model.model},
                     {"base", options.engines[0]},
                     {"tolerance", options.tolerance},
                     {"engines", engines}};
  std::printf("%s\n", json.dump(1, ' ', false, Json::error_handler_t::replace).c_str());
}

std::vector<std::string> chosen_engines(const Options& options) {
  if (!options.engines.empty()) return options.engines;
  std::vector<std::string> names = {"native"};
  for (const EngineInfo& e : list_engines()) {
    if (e.available && e.name != "native") names.push_back(e.name);
  }
  return names;
}

int compare(Options options) {
  load_plugins_of_environment();
  options.engines = chosen_engines(options);
  if (options.engines.size() < 2)
    throw Error(Code::unavailable, "there is only one engine to compare: " + options.engines[0], {},
                "name two with --engines a,b; `chorus engines` lists them");
  Model model = onnx::read_model(options.model.model);
  auto graph = std::make_shared<Graph>(*model.graph);
  infer_types(*graph);
  model.graph = graph;
  const NamedValues inputs = input_values(options.model, options.inputs, options.shapes, options.seed);
  const Model shown = options.tap.empty() ? model : with_all_outputs(model);
  const EngineRun base = run_on(options.engines[0], shown, inputs, options.model);
  if (!base.reason.empty())
    throw Error(Code::unsupported, options.engines[0] + " cannot run the model: " + base.reason, options.model.model);
  std::vector<Comparison> all;
  int status = kDone;
  for (size_t i = 1; i < options.engines.size(); ++i) {
    const EngineRun run = run_on(options.engines[i], shown, inputs, options.model);
    Comparison c{run.engine, run.reason, {}};
    if (run.reason.empty()) c.rows = rows_of(model, run, base);
    for (Row& r : c.rows) r.output = graph->is_output(graph->find_value(r.value));
    const bool differs = std::any_of(c.rows.begin(), c.rows.end(),
                                     [&](const Row& r) { return !r.difference.within(options.tolerance); });
    if (differs)
      status = kOurFault;
    else if (!run.reason.empty() && status == kDone)
      status = kEngineCannot;
    all.push_back(std::move(c));
  }
  options.json ? print_json(all, options) : print_text(all, options);
  return status;
}

}  // namespace

void add_compare(Arguments app, Outcome& outcome) {
  Arguments sub = app.command("compare", "runs a model on several engines and says how far their results are apart");
  auto options = std::make_shared<Options>();
  add_comparison_options(sub, *options,
                         "names with commas between; the first is the base (default: native, then all that are here)");
  sub.option("--tap", options->tap, "all: compare what every node makes, not the outputs alone").one_of({"all"});
  sub.flag("--json", options->json, "print as JSON");
  sub.footer(
      "Exit status 1 when results differ by more than the tolerance.\nExamples:\n  chorus compare model.onnx --engines "
      "native,onnxruntime --input feeds.npz\n"
      "  chorus compare model.onnx --engines native,onnxruntime --tap all --json");
  sub.action([options, &outcome] { outcome.status = compare(*options); });
}

}  // namespace chorus::app
